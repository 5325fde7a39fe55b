//! What has been learnt of each module. Learning is the merging of single transactions, so the order in which they
//! come makes no difference; what is kept is bounded.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, BlockNumber, ChainId, ModuleId, Selector};

use super::shape::{Crossed, Entry, Shape, Step, Use};

/// Paths of one module that are kept: those seen most often.
pub const MOST_PATHS: usize = 1_024;
/// Functions of one module whose callers are kept: those called most often.
pub const MOST_FUNCTIONS: usize = 512;
/// Paths or functions of one module in memory while it is learnt; further ones are left out and counted.
const MOST_WHILE_LEARNING: usize = 65_536;
/// Senders of one path that are told apart: the smallest by address, whichever came first.
pub(super) const MOST_SENDERS: usize = 5;
/// Callers of one function that are told apart, in the same way.
pub(super) const MOST_CALLERS: usize = 64;
/// Assets of one path whose amounts are kept: the first in order, whichever came first.
pub(super) const MOST_PATH_ASSETS: usize = 64;
/// Hours whose transactions are counted one by one while learning: three years of them.
const MOST_HOURS: usize = 26_280;
/// Seconds of an hour.
const HOUR_SECONDS: u64 = 3_600;
/// No real balance reaches 2^192; a forged event may claim more.
pub(super) const MOST_AMOUNT: U256 = U256::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0]);

/// A few accounts, and whether there were more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Few {
    pub(super) known: BTreeSet<Address>,
    pub(super) more: bool,
}

impl Few {
    /// Adds an account; of more than `most`, the smallest stay.
    pub(super) fn add(&mut self, account: Address, most: usize) {
        self.known.insert(account);
        if self.known.len() > most {
            self.known.pop_last();
            self.more = true;
        }
    }

    fn merge(&mut self, other: &Self, most: usize) {
        self.more |= other.more;
        other.known.iter().for_each(|account| self.add(*account, most));
    }
}

/// What tells paths apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PathKey {
    pub(super) entry: Entry,
    pub(super) steps: Vec<Step>,
}

impl PathKey {
    pub(super) fn of(shape: &Shape) -> Self {
        Self { entry: shape.entry, steps: shape.steps.clone() }
    }
}

/// What has been seen on one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathSeen {
    pub(super) times: u64,
    pub(super) senders: Few,
    pub(super) most_calls: u32,
    /// The largest amounts that crossed the border in one transaction.
    pub(super) values: BTreeMap<Asset, Crossed>,
    pub(super) first_seconds: u64,
    pub(super) last_seconds: u64,
}

impl PathSeen {
    pub(super) fn once(shape: &Shape, sender: Address, at: u64) -> Self {
        let mut senders = Few::default();
        senders.add(sender, MOST_SENDERS);
        let capped =
            |crossed: Crossed| Crossed { came: crossed.came.min(MOST_AMOUNT), left: crossed.left.min(MOST_AMOUNT) };
        Self {
            times: 1,
            senders,
            most_calls: shape.calls,
            values: shape.values.iter().map(|(asset, crossed)| (*asset, capped(*crossed))).collect(),
            first_seconds: at,
            last_seconds: at,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.times = self.times.saturating_add(other.times);
        self.senders.merge(&other.senders, MOST_SENDERS);
        self.most_calls = self.most_calls.max(other.most_calls);
        for (asset, crossed) in &other.values {
            let known = self.values.entry(*asset).or_default();
            known.came = known.came.max(crossed.came);
            known.left = known.left.max(crossed.left);
            if self.values.len() > MOST_PATH_ASSETS {
                self.values.pop_last();
            }
        }
        self.first_seconds = self.first_seconds.min(other.first_seconds);
        self.last_seconds = self.last_seconds.max(other.last_seconds);
    }
}

/// A function of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function {
    /// Where it is called.
    pub contract: Address,
    /// Which; `None` is a plain payment.
    pub selector: Option<Selector>,
}

/// Who called a function from outside the module, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FunctionSeen {
    pub(super) calls: u64,
    pub(super) callers: Few,
    /// Authority or code of the module changed in a transaction that called it.
    pub(super) gives_power: bool,
    /// Hours of the day, UTC, at which it was called: bit 0 for the first.
    pub(super) hours: u32,
    pub(super) first_seconds: u64,
    pub(super) last_seconds: u64,
}

/// Calls of one caller, on average, after which a function that few call is theirs.
const CALLS_PER_CALLER: u64 = 4;
/// The most callers that a function of few has.
const FEW_CALLERS: usize = 3;
/// The most callers that a function has by which authority changes.
const FEW_IN_POWER: usize = 8;

impl FunctionSeen {
    fn merge(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.callers.merge(&other.callers, MOST_CALLERS);
        self.gives_power |= other.gives_power;
        self.hours |= other.hours;
        self.first_seconds = self.first_seconds.min(other.first_seconds);
        self.last_seconds = self.last_seconds.max(other.last_seconds);
    }

    /// Whether only its callers of before are expected: authority changes by it, or few accounts call it again and
    /// again.
    pub(super) fn is_privileged(&self) -> bool {
        let callers = self.callers.known.len();
        let each = CALLS_PER_CALLER.saturating_mul(u64::try_from(callers).unwrap_or(u64::MAX));
        let is_theirs = callers <= FEW_CALLERS && self.calls >= each;
        !self.callers.more && (is_theirs || (self.gives_power && callers <= FEW_IN_POWER))
    }
}

/// Transactions of one hour of the day, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HourSeen {
    pub(super) transactions: u64,
    /// The most in a single hour.
    pub(super) busiest: u64,
}

/// What has been learnt of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleLearnt {
    pub(super) module: ModuleId,
    /// Ascending.
    pub(super) contracts: Vec<Address>,
    pub(super) transactions: u64,
    /// First and last of these, Unix seconds; both 0 without any.
    pub(super) first_seconds: u64,
    pub(super) last_seconds: u64,
    /// Transactions on paths that were left out because there were too many paths.
    pub(super) left_out: u64,
    pub(super) hours: [HourSeen; 24],
    pub(super) paths: BTreeMap<PathKey, PathSeen>,
    pub(super) functions: BTreeMap<Function, FunctionSeen>,
}

impl ModuleLearnt {
    /// The module.
    pub const fn module(&self) -> &ModuleId {
        &self.module
    }

    /// Transactions that it was learnt from.
    pub const fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Paths that are known.
    pub fn paths(&self) -> usize {
        self.paths.len()
    }

    /// Transactions whose paths were left out because there were too many.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Functions that only their callers of before are expected to call, with those callers.
    pub fn privileged(&self) -> impl Iterator<Item = (Function, impl Iterator<Item = Address> + '_)> {
        let privileged = self.functions.iter().filter(|(_, seen)| seen.is_privileged());
        privileged.map(|(function, seen)| (*function, seen.callers.known.iter().copied()))
    }

    /// The most of `asset` that crossed the border in one transaction, on any path.
    pub(super) fn most(&self, asset: Asset) -> Crossed {
        let seen = self.paths.values().filter_map(|seen| seen.values.get(&asset));
        seen.fold(Crossed::default(), |most, crossed| Crossed {
            came: most.came.max(crossed.came),
            left: most.left.max(crossed.left),
        })
    }

    /// Seconds from the first transaction to the last.
    pub const fn span_seconds(&self) -> u64 {
        self.last_seconds.saturating_sub(self.first_seconds)
    }
}

/// Everything that was learnt, of all modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    pub(super) chain: ChainId,
    pub(super) first_block: BlockNumber,
    pub(super) last_block: BlockNumber,
    pub(super) modules: Vec<ModuleLearnt>,
    /// False once somebody changed the file after it was written.
    pub(super) is_as_written: bool,
}

impl Learnt {
    /// The modules, by name.
    pub fn modules(&self) -> &[ModuleLearnt] {
        &self.modules
    }

    /// The chain that it was learnt on.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// First and last block that it was learnt from.
    pub const fn blocks(&self) -> (BlockNumber, BlockNumber) {
        (self.first_block, self.last_block)
    }

    /// Whether the digest in the file is that of its content: false after an edit by hand.
    pub const fn is_as_written(&self) -> bool {
        self.is_as_written
    }
}

/// What is being learnt of one module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    transactions: u64,
    first_seconds: Option<u64>,
    last_seconds: u64,
    left_out: u64,
    by_hour: BTreeMap<u64, u64>,
    paths: BTreeMap<PathKey, PathSeen>,
    functions: BTreeMap<Function, FunctionSeen>,
}

impl Draft {
    /// What one transaction teaches.
    pub(super) fn once(shape: &Shape, sender: Address, at: u64) -> Self {
        let mut draft = Self {
            transactions: 1,
            first_seconds: Some(at),
            last_seconds: at,
            by_hour: BTreeMap::from([(at.wrapping_div(HOUR_SECONDS), 1)]),
            ..Self::default()
        };
        // What is longer than what is told apart could be anything.
        if shape.cut {
            draft.left_out = 1;
        } else {
            draft.paths.insert(PathKey::of(shape), PathSeen::once(shape, sender, at));
        }
        for used in &shape.uses {
            let Use { contract, selector, caller } = *used;
            let mut callers = Few::default();
            callers.add(caller, MOST_CALLERS);
            let seen = FunctionSeen {
                calls: 1,
                callers,
                gives_power: shape.gives_power,
                hours: hour_bit(at),
                first_seconds: at,
                last_seconds: at,
            };
            merge_into(&mut draft.functions, Function { contract, selector }, &seen, FunctionSeen::merge);
        }
        draft
    }

    /// Adds what `other` holds. Whatever the order of all that is merged, the outcome is the same, as long as no more
    /// than 65,536 paths and functions are met.
    pub(super) fn merge(&mut self, other: &Self) {
        self.transactions = self.transactions.saturating_add(other.transactions);
        self.first_seconds = match (self.first_seconds, other.first_seconds) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.last_seconds = self.last_seconds.max(other.last_seconds);
        self.left_out = self.left_out.saturating_add(other.left_out);
        for (hour, count) in &other.by_hour {
            if self.by_hour.len() < MOST_HOURS || self.by_hour.contains_key(hour) {
                let known = self.by_hour.entry(*hour).or_default();
                *known = known.saturating_add(*count);
            }
        }
        for (key, seen) in &other.paths {
            if !merge_into(&mut self.paths, key.clone(), seen, PathSeen::merge) {
                self.left_out = self.left_out.saturating_add(seen.times);
            }
        }
        for (function, seen) in &other.functions {
            merge_into(&mut self.functions, *function, seen, FunctionSeen::merge);
        }
    }

    /// What is kept of it: the paths and functions that were seen most often; of equals, the first in order.
    pub(super) fn finish(self, module: ModuleId, mut contracts: Vec<Address>) -> ModuleLearnt {
        contracts.sort();
        contracts.dedup();
        let (paths, dropped) = most_frequent(self.paths, MOST_PATHS, |seen| seen.times);
        let (functions, _) = most_frequent(self.functions, MOST_FUNCTIONS, |seen| seen.calls);
        let mut hours = [HourSeen::default(); 24];
        for (hour, count) in self.by_hour {
            let of_day = usize::try_from(hour.wrapping_rem(24)).unwrap_or_default();
            if let Some(seen) = hours.get_mut(of_day) {
                seen.transactions = seen.transactions.saturating_add(count);
                seen.busiest = seen.busiest.max(count);
            }
        }
        ModuleLearnt {
            module,
            contracts,
            transactions: self.transactions,
            first_seconds: self.first_seconds.unwrap_or_default(),
            last_seconds: self.last_seconds,
            left_out: self.left_out.saturating_add(dropped),
            hours,
            paths,
            functions,
        }
    }
}

/// The bit of an hour of the day.
pub(super) fn hour_bit(at: u64) -> u32 {
    let hour = at.wrapping_div(HOUR_SECONDS).wrapping_rem(24);
    1_u32.wrapping_shl(u32::try_from(hour).unwrap_or_default())
}

/// Merges `seen` into the entry at `key`; false when it is new and there is no room.
fn merge_into<K: Ord, V: Clone>(entries: &mut BTreeMap<K, V>, key: K, seen: &V, merge: impl Fn(&mut V, &V)) -> bool {
    let has_room = entries.len() < MOST_WHILE_LEARNING;
    match entries.entry(key) {
        std::collections::btree_map::Entry::Occupied(mut known) => merge(known.get_mut(), seen),
        std::collections::btree_map::Entry::Vacant(vacant) if has_room => {
            vacant.insert(seen.clone());
        }
        std::collections::btree_map::Entry::Vacant(_) => return false,
    }
    true
}

/// The `most` entries of the largest weight, and the weight of all others.
fn most_frequent<K: Ord, V>(entries: BTreeMap<K, V>, most: usize, weight: impl Fn(&V) -> u64) -> (BTreeMap<K, V>, u64) {
    let mut ranked: Vec<(K, V)> = entries.into_iter().collect();
    // Stable: of equals the first in order stays.
    ranked.sort_by_key(|(_, value)| std::cmp::Reverse(weight(value)));
    let dropped = ranked.iter().skip(most).map(|(_, value)| weight(value)).fold(0, u64::saturating_add);
    ranked.truncate(most);
    (ranked.into_iter().collect(), dropped)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::unwrap_used,
        reason = "small numbers in tests"
    )]

    use proptest::prelude::*;

    use super::*;

    /// A shape of one of few paths, so that they collide.
    pub(in crate::behaviour) fn any_shape() -> impl Strategy<Value = (Shape, Address, u64)> {
        let steps = prop::collection::vec(0..4_u8, 1..4);
        let values = prop::collection::btree_map(0..3_u8, (any::<u64>(), any::<u64>()), 0..3);
        (0..3_u8, steps, values, 0..9_u8, 0..40_u64, any::<bool>()).prop_map(
            |(entry, steps, values, who, day, gives_power)| {
                let entry = [Entry::Account, Entry::Contract, Entry::Newborn][usize::from(entry)];
                let sender = Address::with_last_byte(who);
                let step = |step: &u8| match step {
                    0 => Step::PaidIn,
                    1 => Step::Call(Address::with_last_byte(1), None),
                    other => Step::Call(Address::with_last_byte(1), Some(Selector::repeat_byte(*other))),
                };
                let asset = |asset: u8| match asset {
                    0 => Asset::Native,
                    1 => Asset::Erc20(Address::with_last_byte(50)),
                    _ => Asset::Erc721(Address::with_last_byte(51), U256::ZERO),
                };
                let crossed = |(came, left)| Crossed { came: U256::from::<u64>(came), left: U256::from::<u64>(left) };
                let shape = Shape {
                    entry,
                    calls: u32::try_from(steps.len()).unwrap(),
                    steps: steps.iter().map(step).collect(),
                    cut: false,
                    values: values.into_iter().map(|(key, amounts)| (asset(key), crossed(amounts))).collect(),
                    uses: vec![Use {
                        contract: Address::with_last_byte(1),
                        selector: Some(Selector::repeat_byte(2)),
                        caller: sender,
                    }],
                    gives_power,
                };
                (shape, sender, 1_700_000_000 + day * 86_400)
            },
        )
    }

    fn learnt<'a>(all: impl Iterator<Item = &'a (Shape, Address, u64)>) -> ModuleLearnt {
        let mut draft = Draft::default();
        for (shape, sender, at) in all {
            draft.merge(&Draft::once(shape, *sender, *at));
        }
        draft.finish(ModuleId::new("vault").unwrap(), vec![Address::with_last_byte(1)])
    }

    proptest! {
        #[test]
        fn the_order_in_which_transactions_come_makes_no_difference(
            all in prop::collection::vec(any_shape(), 0..60), cut in 0..60_usize,
        ) {
            let forwards = learnt(all.iter());
            prop_assert_eq!(&forwards, &learnt(all.iter().rev()));
            let (left, right) = all.split_at(cut.min(all.len()));
            let mut parts = Draft::default();
            for part in [right, left] {
                let mut draft = Draft::default();
                part.iter().for_each(|(shape, sender, at)| draft.merge(&Draft::once(shape, *sender, *at)));
                parts.merge(&draft);
            }
            prop_assert_eq!(&forwards, &parts.finish(forwards.module.clone(), forwards.contracts.clone()));
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_left_out_is_counted() {
        let mut draft = Draft::default();
        for number in 0..(MOST_PATHS as u64 + 100) {
            let step = Step::Call(Address::from_word(U256::from(number).into()), None);
            let shape = Shape {
                entry: Entry::Account,
                steps: vec![step],
                cut: false,
                calls: 1,
                values: Vec::new(),
                uses: (0..99)
                    .map(|caller| Use {
                        contract: Address::from_word(U256::from(number).into()),
                        selector: None,
                        caller: Address::with_last_byte(caller),
                    })
                    .collect(),
                gives_power: false,
            };
            draft.merge(&Draft::once(&shape, Address::ZERO, number));
        }
        let learnt = draft.finish(ModuleId::new("vault").unwrap(), Vec::new());
        assert_eq!((learnt.paths.len(), learnt.left_out), (MOST_PATHS, 100));
        assert_eq!(learnt.functions.len(), MOST_FUNCTIONS);
        assert!(learnt.functions.values().all(|seen| seen.callers.known.len() == MOST_CALLERS && seen.callers.more));
    }

    #[test]
    fn a_function_of_few_callers_is_privileged_only_after_many_calls() {
        let seen = |calls, callers: u8, gives_power| {
            let mut few = Few::default();
            (0..callers).for_each(|caller| few.add(Address::with_last_byte(caller), MOST_CALLERS));
            FunctionSeen { calls, callers: few, gives_power, hours: 1, first_seconds: 0, last_seconds: 0 }
        };
        assert!(seen(4, 1, false).is_privileged() && seen(12, 3, false).is_privileged());
        assert!(!seen(3, 1, false).is_privileged() && !seen(40, 4, false).is_privileged());
        assert!(seen(1, 1, true).is_privileged(), "what changes authority is privileged at once");
        assert!(!seen(90, 9, true).is_privileged(), "what anybody may do is not");
    }
}
