//! What about one transaction is unlike anything that was learnt, in words.

use alloy_primitives::{Address, U256};
use cofferdam_types::Asset;

use super::{
    book::{Function, PathKey, hour_bit},
    memory::{Familiar, Witnessed},
    names::shown,
    online::Known,
    shape::{Crossed, Entry, Shape, Step},
};
use crate::settings::NoveltySettings;

/// Calls of a privileged function after which its hours of the day are believed.
const CALLS_FOR_HOURS: u64 = 20;
/// Calls of a privileged function, and the time over which they must lie, after which its callers are in charge.
const CALLS_IN_CHARGE: u64 = 8;
const SECONDS_IN_CHARGE: u64 = 604_800;

/// One thing that was never seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// A function that was never called with any effect.
    Step(Step),
    /// The path is known, but not from this kind of caller.
    Entry(Entry, Option<Step>),
    /// One call that never followed another.
    Pair(Step, Step),
    /// Known calls in an order that was never seen as a whole.
    Order(usize),
    /// Assets crossed the border and no function was called.
    NoCall,
    /// Longer than what is learnt.
    TooLong(u32),
    /// More calls on a known path than were ever seen.
    Calls {
        /// Now.
        calls: u32,
        /// The most before.
        most: u32,
    },
    /// An asset that never went this way on this path.
    Asset {
        /// Which.
        asset: Asset,
        /// How much, smallest unit.
        amount: U256,
        /// Out of the module, not into it.
        left: bool,
    },
    /// Far more of an asset than was ever seen on this path.
    Value {
        /// Which.
        asset: Asset,
        /// How much, smallest unit.
        amount: U256,
        /// The most before.
        most: U256,
        /// Out of the module, not into it.
        left: bool,
    },
    /// Somebody new calls a function that few call.
    Caller {
        /// Which.
        function: Function,
        /// Who.
        caller: Address,
        /// Authority changed when it was called before.
        gives_power: bool,
    },
    /// A privileged function at an hour at which it was never called.
    Hour(Function, u64),
}

impl Novelty {
    /// Whether harm together with it is worth a stop. When somebody works is no sign by itself.
    pub(crate) const fn is_strong(&self) -> bool {
        !matches!(self, Self::Hour(..))
    }

    /// Whether somebody new used a power over the module.
    pub(crate) const fn takes_power(&self) -> bool {
        matches!(self, Self::Caller { gives_power: true, .. })
    }

    /// By how many times the amount is larger than any before; `None` where it is something else that is new.
    pub(super) fn times(&self) -> Option<U256> {
        match self {
            Self::Value { amount, most, .. } => amount.checked_div(*most),
            Self::Calls { calls, most } => U256::from(*calls).checked_div(U256::from(*most)),
            Self::Step(_)
            | Self::Entry(..)
            | Self::Pair(..)
            | Self::Order(_)
            | Self::NoCall
            | Self::TooLong(_)
            | Self::Asset { .. }
            | Self::Caller { .. }
            | Self::Hour(..) => None,
        }
    }

    /// One clause for a person.
    pub(crate) fn words(&self) -> String {
        let way = |left: bool| if left { "leaves" } else { "comes in" };
        match self {
            Self::Step(Step::PaidIn) => "first time that an asset is sent in directly".to_owned(),
            Self::Step(step @ Step::Call(..)) => format!("first call of {}", step.words()),
            Self::Entry(entry, first) => {
                let what = first.map_or_else(|| "this".to_owned(), Step::words);
                let by = match entry {
                    Entry::Account => "an account itself",
                    Entry::Contract => "a contract",
                    Entry::Newborn => "a contract made in the same transaction",
                };
                format!("first time that {by} calls {what} this way")
            }
            Self::Pair(before, after) => {
                format!("first time {} follows {} in one transaction", after.words(), before.words())
            }
            Self::Order(steps) => format!("{steps} calls that are known one by one, for the first time in this order"),
            Self::NoCall => "first time that assets cross the border without a call".to_owned(),
            Self::TooLong(calls) => format!("{calls} calls in one transaction, more different ones than are learnt"),
            Self::Calls { calls, most } => format!("{calls} calls on a path that never had more than {most}"),
            Self::Asset { asset, amount, left } => {
                format!("first time that {asset} {} on this path: {amount}", way(*left))
            }
            Self::Value { asset, amount, most, left } => {
                let times = amount.checked_div(*most).unwrap_or_default();
                format!("{amount} of {asset} {} on this path, {times} times the largest seen ({most})", way(*left))
            }
            Self::Caller { function, caller, .. } => {
                format!("first call of {} by {caller}: it has callers of its own", shown(function.selector))
            }
            Self::Hour(function, hour) => {
                format!("{} at {hour} h UTC, when it was never called before", shown(function.selector))
            }
        }
    }
}

/// Everything about `shape` that is unlike what is familiar, strongest first.
pub(super) fn of(familiar: &Familiar, witnessed: &Witnessed, rules: &NoveltySettings) -> Vec<Novelty> {
    let (file, shape) = (&familiar.file, &witnessed.shape);
    let key = PathKey::of(shape);
    let mut found = Vec::new();
    let known = familiar.online.changed(&key).cloned().or_else(|| {
        let seen = file.paths.get(&key)?;
        Some(Known { values: seen.values.clone(), most_calls: seen.most_calls })
    });
    match known.filter(|_| !shape.cut) {
        None => found.push(of_path(familiar, shape, &key)),
        Some(known) => of_values(&known, shape, rules, &mut found),
    }
    for used in &shape.uses {
        let function = Function { contract: used.contract, selector: used.selector };
        let Some(seen) = file.functions.get(&function).filter(|seen| seen.is_privileged()) else { continue };
        if !seen.callers.known.contains(&used.caller) {
            found.push(Novelty::Caller { function, caller: used.caller, gives_power: seen.gives_power });
        }
    }
    found.extend(odd_hour(familiar, shape, witnessed.at));
    found
}

/// A privileged function at an hour at which, or next to which, it was never called.
fn odd_hour(familiar: &Familiar, shape: &Shape, at: u64) -> Option<Novelty> {
    let near = hour_bit(at) | hour_bit(at.saturating_add(3_600)) | hour_bit(at.saturating_sub(3_600));
    shape.uses.iter().find_map(|used| {
        let function = Function { contract: used.contract, selector: used.selector };
        let seen = familiar.file.functions.get(&function)?;
        let is_odd = seen.is_privileged() && seen.calls >= CALLS_FOR_HOURS && seen.hours & near == 0;
        is_odd.then(|| Novelty::Hour(function, at.wrapping_div(3_600).wrapping_rem(24)))
    })
}

/// Whether there were callers, and each of them holds authority by the settings, or is the sender himself and has long and
/// often called a function that is his. A contract that alone calls a function may do so for anybody.
pub(super) fn are_in_charge(familiar: &Familiar, witnessed: &Witnessed, holders: &[Address]) -> bool {
    let uses = &witnessed.shape.uses;
    let has_long_called = |caller: &Address| {
        familiar.file.functions.values().any(|seen| {
            seen.is_privileged()
                && seen.calls >= CALLS_IN_CHARGE
                && seen.last_seconds.saturating_sub(seen.first_seconds) >= SECONDS_IN_CHARGE
                && seen.callers.known.contains(caller)
        })
    };
    let is_in_charge = |caller: &Address| *caller == witnessed.sender && has_long_called(caller);
    !uses.is_empty() && uses.iter().all(|used| holders.contains(&used.caller) || is_in_charge(&used.caller))
}

/// Whether a contract called in that is not known to have done so: the sender's own tool, perhaps.
pub(super) fn is_through_stranger(familiar: &Familiar, witnessed: &Witnessed) -> bool {
    let is_stranger = |caller: &Address| *caller != witnessed.sender && !familiar.callers.contains(caller);
    witnessed.shape.uses.iter().any(|used| is_stranger(&used.caller))
}

/// Why a path is not known.
fn of_path(familiar: &Familiar, shape: &Shape, key: &PathKey) -> Novelty {
    if shape.cut {
        return Novelty::TooLong(shape.calls);
    }
    if let Some(step) = shape.steps.iter().find(|step| !familiar.steps.contains(step)) {
        return Novelty::Step(*step);
    }
    let others = [Entry::Account, Entry::Contract, Entry::Newborn].into_iter().filter(|entry| *entry != key.entry);
    let mut others = others.map(|entry| PathKey { entry, steps: key.steps.clone() });
    if others.any(|other| familiar.file.paths.contains_key(&other)) {
        return Novelty::Entry(key.entry, shape.steps.first().copied());
    }
    let new_pair = shape.steps.windows(2).find_map(|pair| match pair {
        [before, after] => (!familiar.pairs.contains(&(*before, *after))).then_some(Novelty::Pair(*before, *after)),
        _ => None,
    });
    match (new_pair, shape.steps.len()) {
        (Some(pair), _) => pair,
        (None, 0) => Novelty::NoCall,
        (None, steps) => Novelty::Order(steps),
    }
}

/// What is beyond the ranges of a known path.
fn of_values(known: &Known, shape: &Shape, rules: &NoveltySettings, found: &mut Vec<Novelty>) {
    let times = U256::from(rules.value_times);
    for (asset, crossed) in &shape.values {
        let seen: Crossed = known.values.get(asset).copied().unwrap_or_default();
        for (amount, most, left) in [(crossed.left, seen.left, true), (crossed.came, seen.came, false)] {
            if amount.is_zero() {
                continue;
            }
            if most.is_zero() {
                found.push(Novelty::Asset { asset: *asset, amount, left });
            } else if amount > most.saturating_mul(times) {
                found.push(Novelty::Value { asset: *asset, amount, most, left });
            }
        }
    }
    if U256::from(shape.calls) > U256::from(known.most_calls).saturating_mul(times) {
        found.push(Novelty::Calls { calls: shape.calls, most: known.most_calls });
    }
}
