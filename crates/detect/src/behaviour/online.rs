//! What is learnt while watching, beside the file: in memory only, and slowly enough that nobody can teach it what he
//! wants.
//!
//! **The bound.** Let `M` be the largest amount of an asset, in one direction, that the file knows on any path of the
//! module, and `t0` the time of the first transaction that was taken up. At `t` no path is known with more than
//! `M * 2^n`, where `n` is the number of whole weeks from `t0` to `t`; an asset or direction that the file does not know
//! is never learnt. A range grows only when [`SENDERS`] accounts went beyond it, each of which had dealt with the module
//! for [`AGE_SECONDS`] before. A path becomes known when that many such accounts have taken it over at least
//! [`SPAN_SECONDS`], at most [`PATHS_A_WEEK`] paths a week. Callers of functions are never learnt here.
//!
//! That several accounts are several people cannot be seen; so it is the bound that protects, not their number.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::{Address, U256};
use cofferdam_types::Asset;

use super::{
    book::{MOST_AMOUNT, MOST_PATHS, ModuleLearnt, PathKey},
    memory::Witnessed,
    shape::Crossed,
};

/// Accounts that must have gone beyond a range, or taken a new path.
pub(super) const SENDERS: usize = 5;
/// How long ago the module must have seen such an account first.
pub(super) const AGE_SECONDS: u64 = WEEK_SECONDS;
/// How long a new path must have been in use.
pub(super) const SPAN_SECONDS: u64 = WEEK_SECONDS;
/// New paths of one module that become known in a week.
pub(super) const PATHS_A_WEEK: usize = 8;
/// How often a range may double at most.
const WEEK_SECONDS: u64 = 604_800;
/// Paths of one module that are on their way to become known.
const MOST_CANDIDATES: usize = 256;
/// A path on its way that was not taken for so long is forgotten when room is needed.
const FORGET_SECONDS: u64 = 30 * 86_400;

/// In or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Came,
    Left,
}

const WAYS: [Way; 2] = [Way::Came, Way::Left];

const fn along(crossed: Crossed, way: Way) -> U256 {
    match way {
        Way::Came => crossed.came,
        Way::Left => crossed.left,
    }
}

/// Ranges of a path, as they are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) values: BTreeMap<Asset, Crossed>,
    pub(super) most_calls: u32,
}

/// Amounts beyond a range, the largest of each account; only the largest accounts are kept.
#[derive(Clone, Debug, Default)]
struct Claims {
    claims: Vec<(Address, U256)>,
    raised_at: u64,
}

/// A path that is not known yet.
#[derive(Clone, Debug)]
struct Candidate {
    senders: BTreeMap<Address, Known>,
    first: u64,
    last: u64,
}

/// What was added to what the file says of one module.
#[derive(Clone, Debug, Default)]
pub(super) struct Online {
    began: Option<u64>,
    /// Paths that became known, and known ones whose ranges grew.
    changed: BTreeMap<PathKey, Known>,
    claims: BTreeMap<(PathKey, Asset, Way), Claims>,
    candidates: BTreeMap<PathKey, Candidate>,
    /// When the latest paths became known.
    adopted: VecDeque<u64>,
    new_paths: usize,
}

impl Online {
    /// Ranges of a path that became known, or whose ranges grew.
    pub(super) fn changed(&self, key: &PathKey) -> Option<&Known> {
        self.changed.get(key)
    }

    /// Paths that became known beside those of the file.
    #[cfg(test)]
    pub(super) const fn new_paths(&self) -> usize {
        self.new_paths
    }

    /// Takes up one transaction that can no longer leave the chain and that nothing was said against.
    pub(super) fn take(&mut self, file: &ModuleLearnt, witnessed: &Witnessed) {
        let at = witnessed.at;
        let began = *self.began.get_or_insert(at);
        let is_old = witnessed.sender_since.is_some_and(|since| since.saturating_add(AGE_SECONDS) <= at);
        if !is_old || witnessed.shape.cut {
            return;
        }
        let key = PathKey::of(&witnessed.shape);
        let known = self.changed.get(&key).cloned().or_else(|| {
            let seen = file.paths.get(&key)?;
            Some(Known { values: seen.values.clone(), most_calls: seen.most_calls })
        });
        match known {
            Some(known) => self.widen(&key, known, witnessed, began),
            None => self.consider(key, file, witnessed),
        }
    }

    /// Notes amounts beyond the ranges of a known path, and widens those beyond which enough accounts went.
    fn widen(&mut self, key: &PathKey, mut known: Known, witnessed: &Witnessed, began: u64) {
        for (asset, crossed) in &witnessed.shape.values {
            let Some(range) = known.values.get(asset).copied() else { continue };
            for way in WAYS {
                let (most, amount) = (along(range, way), along(*crossed, way).min(MOST_AMOUNT));
                if most.is_zero() || amount <= most {
                    continue;
                }
                let place = self.claims.entry((key.clone(), *asset, way)).or_default();
                place.note(witnessed.sender, amount);
                let least = place.claims.iter().map(|(_, amount)| *amount).min().unwrap_or_default();
                let is_due = place.raised_at.max(began).saturating_add(WEEK_SECONDS) <= witnessed.at;
                if place.claims.len() < SENDERS || !is_due {
                    continue;
                }
                let raised = least.min(most.saturating_mul(U256::from(2)));
                *place = Claims { claims: Vec::new(), raised_at: witnessed.at };
                let range = known.values.entry(*asset).or_default();
                match way {
                    Way::Came => range.came = raised,
                    Way::Left => range.left = raised,
                }
                self.changed.insert(key.clone(), known.clone());
            }
        }
    }

    /// Notes a path that is not known, and takes it up when enough accounts have long taken it.
    fn consider(&mut self, key: PathKey, file: &ModuleLearnt, witnessed: &Witnessed) {
        let at = witnessed.at;
        if !self.candidates.contains_key(&key) && self.candidates.len() >= MOST_CANDIDATES {
            self.candidates.retain(|_, candidate| candidate.last.saturating_add(FORGET_SECONDS) > at);
            if self.candidates.len() >= MOST_CANDIDATES {
                return;
            }
        }
        let fresh = || Candidate { senders: BTreeMap::new(), first: at, last: at };
        let candidate = self.candidates.entry(key.clone()).or_insert_with(fresh);
        candidate.last = at;
        if candidate.senders.len() < SENDERS || candidate.senders.contains_key(&witnessed.sender) {
            let known = candidate.senders.entry(witnessed.sender).or_default();
            known.most_calls = known.most_calls.max(witnessed.shape.calls);
            for (asset, crossed) in &witnessed.shape.values {
                // What the file does not know of is never learnt here, so it needs no room.
                if file.most(*asset) == Crossed::default() {
                    continue;
                }
                let range = known.values.entry(*asset).or_default();
                range.came = range.came.max(crossed.came);
                range.left = range.left.max(crossed.left);
            }
        }
        while self.adopted.front().is_some_and(|then| then.saturating_add(WEEK_SECONDS) <= at) {
            self.adopted.pop_front();
        }
        let is_used = candidate.senders.len() >= SENDERS && candidate.first.saturating_add(SPAN_SECONDS) <= at;
        let has_room = self.adopted.len() < PATHS_A_WEEK
            && file.paths.len().saturating_add(self.new_paths) < MOST_PATHS.saturating_mul(2);
        if !is_used || !has_room {
            return;
        }
        if let Some(candidate) = self.candidates.remove(&key) {
            self.changed.insert(key, candidate.common(file));
            self.adopted.push_back(at);
            self.new_paths = self.new_paths.saturating_add(1);
        }
    }
}

impl Claims {
    fn note(&mut self, sender: Address, amount: U256) {
        if let Some((_, known)) = self.claims.iter_mut().find(|(account, _)| *account == sender) {
            *known = amount.max(*known);
            return;
        }
        self.claims.push((sender, amount));
        if self.claims.len() > SENDERS {
            let least = self.claims.iter().enumerate().min_by_key(|(_, (_, amount))| *amount);
            if let Some(place) = least.map(|(place, _)| place) {
                self.claims.swap_remove(place);
            }
        }
    }
}

impl Candidate {
    /// What all its senders did at least, and no more than the file knows of any path.
    fn common(&self, file: &ModuleLearnt) -> Known {
        let mut common: Option<Known> = None;
        for known in self.senders.values() {
            let Some(common) = &mut common else {
                common = Some(known.clone());
                continue;
            };
            common.most_calls = common.most_calls.min(known.most_calls);
            for (asset, range) in &mut common.values {
                let theirs = known.values.get(asset).copied().unwrap_or_default();
                range.came = range.came.min(theirs.came);
                range.left = range.left.min(theirs.left);
            }
        }
        let mut common = common.unwrap_or_default();
        common.most_calls = common.most_calls.min(file.paths.values().map(|seen| seen.most_calls).max().unwrap_or(1));
        for (asset, range) in &mut common.values {
            let most = file.most(*asset);
            range.came = range.came.min(most.came);
            range.left = range.left.min(most.left);
        }
        common
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::unwrap_used,
        reason = "small numbers in tests"
    )]

    use cofferdam_types::ModuleId;
    use proptest::prelude::*;

    use super::*;
    use crate::behaviour::{
        book::{Draft, tests::any_shape},
        shape::Shape,
    };

    const DAY: u64 = 86_400;
    const START: u64 = 1_700_000_000;

    fn file(all: &[(Shape, Address, u64)]) -> ModuleLearnt {
        let mut draft = Draft::default();
        all.iter().for_each(|(shape, sender, at)| draft.merge(&Draft::once(shape, *sender, *at)));
        draft.finish(ModuleId::new("vault").unwrap(), Vec::new())
    }

    fn witnessed(shape: &Shape, sender: u64, at: u64) -> Witnessed {
        let sender = Address::from_word(U256::from(sender).into());
        Witnessed { module: 0, shape: shape.clone(), sender, sender_since: Some(at - AGE_SECONDS), at }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nobody_teaches_more_than_the_bound(
            honest in prop::collection::vec(any_shape(), 1..6),
            taught in prop::collection::vec((any_shape(), 0..7_u64, 0..3_u64, 0..400_u32), 0..300),
        ) {
            let file = file(&honest);
            let mut online = Online::default();
            let mut at = START + 40 * DAY;
            let began = at;
            for ((mut shape, ..), sender, days, scale) in taught {
                at += days * DAY;
                for (_, crossed) in &mut shape.values {
                    let scale = U256::from(2).saturating_pow(U256::from(scale % 190));
                    *crossed = Crossed {
                        came: crossed.came.saturating_mul(scale),
                        left: crossed.left.saturating_mul(scale),
                    };
                }
                online.take(&file, &witnessed(&shape, sender, at));
                let weeks = (at - began) / WEEK_SECONDS;
                let factor = U256::from(2).saturating_pow(U256::from(weeks));
                for known in online.changed.values() {
                    for (asset, range) in &known.values {
                        let most = file.most(*asset);
                        prop_assert!(range.came <= most.came.saturating_mul(factor), "{asset} {range:?} {most:?}");
                        prop_assert!(range.left <= most.left.saturating_mul(factor), "{asset} {range:?} {most:?}");
                    }
                }
                prop_assert!(online.new_paths <= PATHS_A_WEEK * (weeks as usize + 1));
                prop_assert!(online.candidates.len() <= MOST_CANDIDATES);
            }
        }
    }

    fn plain(left: u64) -> Shape {
        let step = crate::behaviour::Step::Call(Address::with_last_byte(1), None);
        let crossed = Crossed { came: U256::ZERO, left: U256::from(left) };
        Shape {
            entry: crate::behaviour::Entry::Account,
            steps: vec![step],
            cut: false,
            calls: 1,
            values: vec![(Asset::Native, crossed)],
            uses: Vec::new(),
            gives_power: false,
        }
    }

    fn left(online: &Online, shape: &Shape) -> Option<U256> {
        Some(online.changed(&PathKey::of(shape))?.values.get(&Asset::Native)?.left)
    }

    #[test]
    fn a_range_grows_once_a_week_by_enough_old_accounts_and_at_most_twofold() {
        let file = file(&[(plain(100), Address::ZERO, START)]);
        let mut online = Online::default();
        for sender in 0..20 {
            online.take(&file, &witnessed(&plain(9_000), sender % 4, START));
        }
        assert_eq!(left(&online, &plain(0)), None, "four accounts are not enough, and it is the first week");
        online.take(&file, &witnessed(&plain(9_000), 4, START + WEEK_SECONDS));
        assert_eq!(left(&online, &plain(0)), Some(U256::from(200)));
        for sender in 0..9 {
            online.take(&file, &witnessed(&plain(9_000), sender, START + WEEK_SECONDS + DAY));
        }
        assert_eq!(left(&online, &plain(0)), Some(U256::from(200)), "not twice in a week");
        online.take(&file, &witnessed(&plain(250), 9, START + 2 * WEEK_SECONDS));
        assert_eq!(left(&online, &plain(0)), Some(U256::from(400)));
    }

    #[test]
    fn a_young_account_teaches_nothing() {
        let file = file(&[(plain(100), Address::ZERO, START)]);
        let mut online = Online::default();
        for sender in 0..20 {
            let young =
                Witnessed { sender_since: Some(START + 20 * DAY), ..witnessed(&plain(150), sender, START + 21 * DAY) };
            online.take(&file, &young);
            online.take(&file, &Witnessed { sender_since: None, ..young });
        }
        assert_eq!(left(&online, &plain(0)), None);
    }

    #[test]
    fn a_path_becomes_known_by_five_old_accounts_over_a_week_with_what_all_of_them_did() {
        let file = file(&[(plain(100), Address::ZERO, START)]);
        let new = |left: u64| Shape { entry: crate::behaviour::Entry::Contract, ..plain(left) };
        let mut online = Online::default();
        for sender in 0..5 {
            online.take(&file, &witnessed(&new(40 + sender), sender, START));
        }
        assert_eq!(online.new_paths(), 0, "on one day");
        online.take(&file, &witnessed(&new(10), 7, START + WEEK_SECONDS));
        assert_eq!(left(&online, &new(0)), Some(U256::from(40)));
    }
}
