//! Which findings are one attack. Pure: no record, no clock, no order of arrival.
//!
//! ```text
//! Sighting (when, stage, keys) ─▶ tied? (a shared key, close enough in time) ─▶ partition (connected components)
//!                                                                                 ├▶ combine: weak signs together
//!                                                                                 └▶ rate: how bad, by which rule
//! ```
//! **Invariant:** being tied is a relation of two findings that does not ask which came first, and a part of the
//! partition is a connected component of it: so any order of arrival of the same findings gives the same partition.
//!
//! Must never use what a detector happened to see beyond the trail that is on the record: a finding that lacks a trace
//! has the same keys on every node.

mod combine;
mod rate;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use cofferdam_types::{Finding, FindingId, Level, ModuleId, Report, Stage, Trail, UnixMillis};

pub use combine::{Combination, CombinationRule, Product, Sign, combine};
pub use rate::{Criterion, Rating, Weighed, default_criteria, rate};

/// What a finding's evidence calls the account that sent the transaction, on records without trails.
const SENDER: &str = "sender";

/// Something that two findings can share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Both speak of this transaction. Ties at any distance in time.
    Transaction(B256),
    /// Both name this account on the attacker's side. Ties within the window of the stage.
    Account(Address),
    /// The same, and both are more than notices. Ties within the longer window: somebody who was told of once and does it
    /// again days later is the same attacker.
    Suspect(Address),
    /// Both endanger this module. Ties alerts and stops, not notices: others use the module at the same time. Within the
    /// module's window, or the longer one after what only prepares: an upgrade, a new owner, a hostile contract.
    Module(ModuleId),
}

impl Key {
    /// How it stands in the table of ties.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (kind, value): (u8, &[u8]) = match self {
            Self::Transaction(hash) => (1, hash.as_slice()),
            Self::Account(account) => (2, account.as_slice()),
            Self::Module(module) => (3, module.as_str().as_bytes()),
            Self::Suspect(account) => (4, account.as_slice()),
        };
        let mut bytes = vec![kind];
        bytes.extend_from_slice(value);
        bytes
    }

    /// In words, for the reason of a joining.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Transaction(hash) => format!("the same transaction {hash}"),
            Self::Account(account) | Self::Suspect(account) => format!("account {account}"),
            Self::Module(module) => format!("module {module} at the same time"),
        }
    }

    /// The key that stands as `bytes`; `None` for bytes that no key stands as.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, value) = bytes.split_first()?;
        match kind {
            1 => B256::try_from(value).ok().map(Self::Transaction),
            2 => Address::try_from(value).ok().map(Self::Account),
            3 => ModuleId::new(std::str::from_utf8(value).ok()?).ok().map(Self::Module),
            4 => Address::try_from(value).ok().map(Self::Suspect),
            _ => None,
        }
    }
}

/// How far apart in time two findings may be and still be one attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// After a sign of funding or preparation, in milliseconds: what is prepared waits in a timelock, or for its day. Also
    /// between two alerts about one account.
    pub early_millis: u64,
    /// After a sign of any later stage, in milliseconds.
    pub stage_millis: u64,
    /// Between two alerts on one module by strangers, in milliseconds; after what only prepares, the longer window.
    pub module_millis: u64,
}

impl Default for Windows {
    /// Ten days and a day, as the best published combiner has them (with preparation beside funding, because queued
    /// operations and made contracts are found here before they are used), and six hours.
    fn default() -> Self {
        Self { early_millis: 864_000_000, stage_millis: 86_400_000, module_millis: 21_600_000 }
    }
}

impl Windows {
    /// How long after a finding of `stage` another one that shares `key` still belongs to it.
    pub fn reach(&self, key: &Key, stage: Stage) -> u64 {
        match key {
            Key::Transaction(_) => u64::MAX,
            Key::Suspect(_) => self.early_millis,
            Key::Account(_) | Key::Module(_) if stage <= Stage::Preparation => self.early_millis,
            Key::Account(_) => self.stage_millis,
            Key::Module(_) => self.module_millis,
        }
    }
}

/// A finding as far as joining looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which finding.
    pub id: FindingId,
    /// When it happened: block time where the trail tells it.
    pub at: UnixMillis,
    /// How far the attack would be.
    pub stage: Stage,
    /// What it can share with others, ascending, each once.
    pub keys: Vec<Key>,
}

impl Sighting {
    /// Of a finding of our own; `at` stands in where there is no trail.
    pub fn of_finding(finding: &Finding, trail: Option<&Trail>, at: UnixMillis) -> Self {
        let mut keys = vec![Key::Transaction(finding.transaction)];
        match trail {
            Some(trail) => keys.extend(trail.party.iter().map(|actor| Key::Account(actor.account))),
            None => {
                let sender = finding.evidence.iter().find(|evidence| evidence.what == SENDER);
                keys.extend(sender.and_then(|evidence| evidence.value.parse().ok()).map(Key::Account));
            }
        }
        if finding.level >= Level::Alert {
            keys.extend(suspects(&keys));
            keys.push(Key::Module(finding.module.clone()));
        }
        let stage = trail.map_or(Stage::Exploitation, |trail| trail.stage);
        Self { id: finding.id, at: trail.map_or(at, |trail| trail.at), stage, keys: tidy(keys) }
    }

    /// Of another tool's alert.
    pub fn of_report(report: &Report) -> Self {
        let mut keys: Vec<Key> = report.transactions.iter().copied().map(Key::Transaction).collect();
        keys.extend(report.accounts.iter().copied().map(Key::Account));
        if report.level >= Level::Alert {
            keys.extend(suspects(&keys));
            keys.extend(report.modules.iter().cloned().map(Key::Module));
        }
        Self { id: report.id(), at: report.at, stage: report.stage, keys: tidy(keys) }
    }

    /// The first key that ties the two, if any does.
    pub fn tied<'s>(&'s self, other: &Self, windows: &Windows) -> Option<&'s Key> {
        let (earlier, later) = if self.at <= other.at { (self, other) } else { (other, self) };
        let distance = later.at.since(earlier.at);
        let shared = self.keys.iter().filter(|key| other.keys.contains(key));
        let mut close = shared.filter(|key| distance <= windows.reach(key, earlier.stage));
        close.next()
    }
}

/// The accounts of an alert.
fn suspects(keys: &[Key]) -> Vec<Key> {
    let suspect = |key: &Key| if let Key::Account(account) = key { Some(Key::Suspect(*account)) } else { None };
    keys.iter().filter_map(suspect).collect()
}

fn tidy(mut keys: Vec<Key>) -> Vec<Key> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The attacks that `sightings` are: indices, ascending within a part, parts by their first index.
///
/// Two sightings of one finding (waiting, then mined) share their transaction and so are in one part.
pub fn partition(sightings: &[Sighting], windows: &Windows) -> Vec<Vec<usize>> {
    let mut by_key: BTreeMap<&Key, Vec<usize>> = BTreeMap::new();
    for (index, sighting) in sightings.iter().enumerate() {
        for key in &sighting.keys {
            by_key.entry(key).or_default().push(index);
        }
    }
    let mut sets = Sets { parents: (0..sightings.len()).collect() };
    for (key, mut sharing) in by_key {
        let at = |index: &usize| sightings.get(*index).map_or(UnixMillis(0), |sighting| sighting.at);
        sharing.sort_by_key(|index| (at(index), *index));
        // The one that reaches furthest: whoever is tied to any earlier one is tied to it, or to one tied to it.
        let mut furthest: Option<(u64, usize)> = None;
        for index in sharing {
            let Some(sighting) = sightings.get(index) else { continue };
            if let Some((reach, of)) = furthest
                && sighting.at.0 <= reach
            {
                sets.unite(of, index);
            }
            let reach = sighting.at.0.saturating_add(windows.reach(key, sighting.stage));
            furthest = furthest.max(Some((reach, index)));
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in 0..sightings.len() {
        parts.entry(sets.root(index)).or_default().push(index);
    }
    let mut parts: Vec<Vec<usize>> = parts.into_values().collect();
    parts.sort_unstable();
    parts
}

/// Union-find with path halving.
struct Sets {
    parents: Vec<usize>,
}

impl Sets {
    fn parent(&self, index: usize) -> usize {
        self.parents.get(index).copied().unwrap_or(index)
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.parent(index) != index {
            let above = self.parent(self.parent(index));
            if let Some(parent) = self.parents.get_mut(index) {
                *parent = above;
            }
            index = above;
        }
        index
    }

    fn unite(&mut self, left: usize, right: usize) {
        let (left, right) = (self.root(left), self.root(right));
        if let Some(parent) = self.parents.get_mut(left.max(right)) {
            *parent = left.min(right);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::needless_range_loop,
        reason = "tests"
    )]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn sighting(id: u8, hours: u64, stage: Stage, accounts: &[u8]) -> Sighting {
        let keys = accounts.iter().map(|byte| Key::Account(Address::repeat_byte(*byte))).collect();
        Sighting { id: FindingId(B256::repeat_byte(id)), at: UnixMillis(hours * HOUR), stage, keys: tidy(keys) }
    }

    fn sets(sightings: &[Sighting]) -> BTreeSet<BTreeSet<FindingId>> {
        let parts = partition(sightings, &Windows::default());
        parts.iter().map(|part| part.iter().map(|index| sightings[*index].id).collect()).collect()
    }

    #[test]
    fn a_day_ties_and_ten_days_after_funding_and_preparation() {
        let late = |stage, hours| {
            let pair = [sighting(1, 0, stage, &[9]), sighting(2, hours, Stage::Exploitation, &[9])];
            sets(&pair).len()
        };
        assert_eq!((late(Stage::Laundering, 24), late(Stage::Laundering, 25)), (1, 2));
        for early in [Stage::Funding, Stage::Preparation] {
            assert_eq!((late(early, 240), late(early, 241)), (1, 2));
        }
        // What comes before the funding has the window of its own stage.
        let backwards = [sighting(1, 30, Stage::Funding, &[9]), sighting(2, 0, Stage::Exploitation, &[9])];
        assert_eq!(sets(&backwards).len(), 2);
    }

    #[test]
    fn funding_reaches_over_what_lies_between() {
        let long = [
            sighting(1, 0, Stage::Funding, &[9]),
            sighting(2, 1, Stage::Exploitation, &[9]),
            sighting(3, 200, Stage::Exploitation, &[9]),
        ];
        assert_eq!(sets(&long).len(), 1);
    }

    #[test]
    fn two_attackers_without_anything_in_common_stay_two_and_one_over_three_accounts_is_one() {
        let attacks = [
            sighting(1, 0, Stage::Exploitation, &[1]),
            sighting(2, 0, Stage::Exploitation, &[2]),
            sighting(3, 1, Stage::Exploitation, &[3, 1]),
            sighting(4, 2, Stage::Laundering, &[3, 4]),
        ];
        let parts = sets(&attacks);
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().any(|part| part.len() == 3));
    }

    #[test]
    fn keys_come_back_from_their_bytes() {
        for key in [
            Key::Transaction(B256::repeat_byte(3)),
            Key::Account(Address::repeat_byte(4)),
            Key::Suspect(Address::repeat_byte(4)),
            Key::Module(ModuleId::new("vault").unwrap()),
        ] {
            assert_eq!(Key::from_bytes(&key.bytes()), Some(key));
        }
        assert_eq!(Key::from_bytes(&[2, 1]), None);
        assert_eq!(Key::from_bytes(&[]), None);
    }

    fn any_sighting() -> impl Strategy<Value = Sighting> {
        let stage = (0..4_usize).prop_map(|index| Stage::ALL[index]);
        (any::<u8>(), 0..400_u64, stage, proptest::collection::vec(0..12_u8, 1..4))
            .prop_map(|(id, hours, stage, accounts)| sighting(id, hours, stage, &accounts))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_order_gives_the_same_partition(
            sightings in proptest::collection::vec(any_sighting(), 0..24),
            seed in any::<u64>(),
        ) {
            let mut shuffled = sightings.clone();
            let mut state = seed;
            for index in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let other = usize::try_from(state >> 33).unwrap() % (index + 1);
                shuffled.swap(index, other);
            }
            prop_assert_eq!(sets(&sightings), sets(&shuffled));
        }

        #[test]
        fn parts_are_the_connected_components_of_being_tied(sightings in proptest::collection::vec(any_sighting(), 0..16)) {
            let windows = Windows::default();
            let parts = partition(&sightings, &windows);
            let part_of = |index: usize| parts.iter().position(|part| part.contains(&index)).unwrap();
            let mut reached: Vec<BTreeSet<usize>> = (0..sightings.len()).map(|index| BTreeSet::from([index])).collect();
            for _ in 0..sightings.len() {
                for left in 0..sightings.len() {
                    for right in 0..sightings.len() {
                        prop_assert_eq!(
                            sightings[left].tied(&sightings[right], &windows).is_some(),
                            sightings[right].tied(&sightings[left], &windows).is_some()
                        );
                        if sightings[left].tied(&sightings[right], &windows).is_some() {
                            let more = reached[right].clone();
                            reached[left].extend(more);
                        }
                    }
                }
            }
            for left in 0..sightings.len() {
                for right in 0..sightings.len() {
                    prop_assert_eq!(reached[left].contains(&right), part_of(left) == part_of(right));
                }
            }
        }
    }
}
