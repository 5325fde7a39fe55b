//! Plays the attack zoo to the judge: what is told of it, when, and what was lost by then.
//!
//! The judge is given blocks, public transactions before their blocks, and the protected addresses. It must never be
//! given what the zoo knows: that is only compared afterwards.

use std::collections::BTreeMap;

use cofferdam_simnet::zoo::{
    ENTRIES, Entry, Family, HELD_OUT_ATTACKS, HELD_OUT_FLOWS, Mutator, Nature, Protocol, Recording,
};
use cofferdam_types::primitives::U256;
use cofferdam_types::{Finding, Level, Verdict, Window};
use serde::Serialize;

use super::everywhere::Levels;
use super::watched::{Watched, sentences, units};
use crate::interval::wilson;

/// Everything that was measured of the zoo.
#[derive(Clone, Debug, Serialize)]
pub struct ZooMeasured {
    /// Unchanged attacks.
    pub base: Recall,
    /// Changed attacks.
    pub mutated: Recall,
    /// Unchanged attacks by family.
    pub families: Vec<Recall>,
    /// All attacks by what was changed.
    pub mutators: Vec<Recall>,
    /// Counted harm beside true harm, of the attacks in which something was lost.
    pub counting: Counting,
    /// How many incidents the findings of one attack were.
    pub joining: Joining,
    /// Each attack.
    pub attacks: Vec<AttackRow>,
    /// Honest flows that look like attacks.
    pub look_alikes: Vec<HonestRow>,
    /// What was said of the histories before all this.
    pub history: Said,
}

/// Which entries are played, and how.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// The zoo that detectors are written with, with every change.
    Known,
    /// What no detector was written with: unchanged, and where nothing is seen before it is in a block.
    HeldOut,
}

impl Part {
    /// Its entries, attacks first.
    pub fn entries(self) -> impl Iterator<Item = &'static Entry> {
        let (first, then): (&[Entry], &[Entry]) = match self {
            Self::Known => (ENTRIES, &[]),
            Self::HeldOut => (HELD_OUT_ATTACKS, HELD_OUT_FLOWS),
        };
        first.iter().chain(then)
    }

    fn mutators(self) -> &'static [Mutator] {
        match self {
            Self::Known => &Mutator::ALL,
            Self::HeldOut => &[Mutator::Base, Mutator::PrivateLane],
        }
    }
}

/// How many of a group were told.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recall {
    /// The group.
    pub name: String,
    /// Attacks in it.
    pub n: u64,
    /// An alert or a stop, at the latest at the last transaction by which something was lost.
    pub flagged: u64,
    /// Of these, stops.
    pub stopped: u64,
    /// Of the flagged, before anything was lost.
    pub before_loss: u64,
    /// Of the flagged, first of all when a contract was tried that nobody had used yet.
    pub tried: u64,
}

impl Recall {
    /// Lower and upper end of the 95 % interval of the recall (Wilson), in percent.
    pub fn interval(&self) -> (f64, f64) {
        let (low, high) = wilson(self.flagged, self.n);
        (low * 100.0, high * 100.0)
    }

    /// Flagged in percent; a group of none was flagged wholly.
    pub fn percent(&self) -> f64 {
        #[expect(clippy::as_conversions, reason = "counts far below 2^53, for a figure that people read")]
        let (n, hits) = (self.n as f64, self.flagged as f64);
        if self.n == 0 { 100.0 } else { hits * 100.0 / n }
    }

    fn count(&mut self, row: &AttackRow) {
        self.n = self.n.saturating_add(1);
        if let Some(told) = &row.told {
            self.flagged = self.flagged.saturating_add(1);
            self.stopped = self.stopped.saturating_add(u64::from(told.level == Level::Stop));
            self.tried = self.tried.saturating_add(u64::from(told.window == Window::Before));
            self.before_loss = self.before_loss.saturating_add(u64::from(told.lost_before == 0));
        }
    }
}

/// How the harm that findings count compares with the truth.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counting {
    /// Attacks in which something was lost.
    pub n: u64,
    /// Counted within a tenth of what was lost.
    pub right: u64,
    /// Counted as more.
    pub more: u64,
    /// Counted as less.
    pub less: u64,
    /// Not counted at all.
    pub nothing: u64,
}

impl Counting {
    fn count(&mut self, row: &AttackRow) {
        if row.lost == 0 {
            return;
        }
        self.n = self.n.saturating_add(1);
        let tenth = row.lost.div_ceil(10);
        let place = if row.counted == 0 {
            &mut self.nothing
        } else if row.counted.abs_diff(row.lost) <= tenth {
            &mut self.right
        } else if row.counted > row.lost {
            &mut self.more
        } else {
            &mut self.less
        };
        *place = place.saturating_add(1);
    }
}

/// How many incidents the findings of one attack were.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Joining {
    /// Attacks of which anything above a notice was said at all.
    pub n: u64,
    /// Of these, exactly one incident.
    pub one: u64,
    /// The others: entry, change, incidents.
    pub more: Vec<(&'static str, Mutator, u64)>,
}

impl Joining {
    fn count(&mut self, row: &AttackRow) {
        match row.incidents {
            0 => return,
            1 => self.one = self.one.saturating_add(1),
            many => self.more.push((row.name, row.mutator, many)),
        }
        self.n = self.n.saturating_add(1);
    }
}

/// One attack, changed or not.
#[derive(Clone, Debug, Serialize)]
pub struct AttackRow {
    /// The entry.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// What is attacked.
    pub protocol: Protocol,
    /// How it was changed.
    pub mutator: Mutator,
    /// Transactions of the attacker.
    pub transactions: u64,
    /// What was truly lost, in whole units; in the zoo every asset is worth the same.
    pub lost: u64,
    /// What could be taken at the end without having left.
    pub at_risk: u64,
    /// What findings counted as lost, in whole units.
    pub counted: u64,
    /// Incidents that the findings about it are.
    pub incidents: u64,
    /// What was said, if it was an alert or a stop.
    pub told: Option<Told>,
    /// What was said below that, for a miss.
    pub notices: Vec<String>,
    /// Every detector that spoke in time, with its strongest word.
    pub detectors: BTreeMap<String, Level>,
}

/// The first alert or stop, and the strongest.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// How strong the strongest was.
    pub level: Level,
    /// Which of the attacker's transactions was told first, from 1; his last one before it where it was a victim's.
    pub transaction: u64,
    /// Whether that was when its contract was tried, while it waited, or when it was in a block.
    pub window: Window,
    /// Lost by then, in whole units.
    pub lost_before: u64,
    /// Detector and sentence of each finding of the first.
    pub why: Vec<String>,
}

/// One honest flow.
#[derive(Clone, Debug, Serialize)]
pub struct HonestRow {
    /// The entry.
    pub name: &'static str,
    /// What is used.
    pub protocol: Protocol,
    /// What was said.
    pub said: Said,
}

/// Verdicts on honest transactions and the contracts that they make; each transaction counts once, by the strongest.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Said {
    /// Transactions.
    pub transactions: u64,
    /// With a stop.
    pub stops: u64,
    /// With an alert.
    pub alerts: u64,
    /// With a notice.
    pub notices: u64,
    /// Detector and sentence of each alert and stop.
    pub why: Vec<String>,
    /// The same counts for each detector alone.
    pub detectors: BTreeMap<String, Levels>,
}

/// Plays the entries of `part` whose name contains `only`; with `learnt`, to a judge that has learnt each history
/// beforehand. `progress` is told each finished one.
///
/// # Errors
/// A sentence that names the entry at fault.
pub fn run(part: Part, learnt: bool, only: &str, progress: &mut dyn FnMut(&str)) -> Result<ZooMeasured, String> {
    cofferdam_evm::warm_up();
    let mut measured = ZooMeasured {
        base: Recall { name: "base".to_owned(), ..Recall::default() },
        mutated: Recall { name: "mutated".to_owned(), ..Recall::default() },
        families: Vec::new(),
        mutators: Vec::new(),
        counting: Counting::default(),
        joining: Joining::default(),
        attacks: Vec::new(),
        look_alikes: Vec::new(),
        history: Said::default(),
    };
    for entry in part.entries().filter(|entry| entry.name.contains(only)) {
        match entry.nature {
            Nature::Attack(family) => attack(entry, family, (part, learnt), &mut measured)?,
            Nature::Honest => look_alike(entry, learnt, &mut measured)?,
        }
        progress(entry.name);
    }
    sum_up(&mut measured);
    Ok(measured)
}

fn attack(
    entry: &Entry,
    family: Family,
    (part, learnt): (Part, bool),
    measured: &mut ZooMeasured,
) -> Result<(), String> {
    let mut whole_harm = U256::ZERO;
    for mutator in part.mutators().iter().copied() {
        let Some(recording) = played(entry, mutator)? else { continue };
        let harm = recording.lost.saturating_add(recording.at_risk);
        if mutator == Mutator::Base {
            whole_harm = harm;
        } else if harm.saturating_mul(U256::from(2)) < whole_harm {
            // What was changed until it does not work any more is no attack that could be missed.
            continue;
        }
        let watched = Watched::of(&recording, learnt)?;
        if mutator == Mutator::Base {
            measured.history.add(&watched.history);
        }
        measured.attacks.push(AttackRow {
            name: entry.name,
            family,
            protocol: entry.protocol,
            mutator,
            transactions: watched.transactions,
            lost: units(recording.lost),
            at_risk: units(recording.at_risk),
            counted: units(watched.counted),
            incidents: watched.incidents,
            told: watched.told,
            notices: watched.notices,
            detectors: watched.detectors,
        });
    }
    Ok(())
}

fn look_alike(entry: &Entry, learnt: bool, measured: &mut ZooMeasured) -> Result<(), String> {
    let Some(recording) = played(entry, Mutator::Base)? else { return Ok(()) };
    let watched = Watched::of(&recording, learnt)?;
    measured.history.add(&watched.history);
    measured.look_alikes.push(HonestRow { name: entry.name, protocol: entry.protocol, said: watched.subject });
    Ok(())
}

fn played(entry: &Entry, mutator: Mutator) -> Result<Option<Recording>, String> {
    entry.play(mutator).map_err(|faults| format!("{} ({mutator}): {}", entry.name, faults.join("; ")))
}

fn sum_up(measured: &mut ZooMeasured) {
    let mut families: BTreeMap<Family, Recall> = BTreeMap::new();
    let mut mutators: BTreeMap<Mutator, Recall> = BTreeMap::new();
    for row in &measured.attacks {
        if row.mutator == Mutator::Base {
            measured.base.count(row);
            families.entry(row.family).or_default().count(row);
        } else {
            measured.mutated.count(row);
        }
        mutators.entry(row.mutator).or_default().count(row);
        measured.counting.count(row);
        measured.joining.count(row);
    }
    let named = |name: serde_json::Value, recall: Recall| Recall {
        name: name.as_str().unwrap_or_default().to_owned(),
        ..recall
    };
    let families = families.into_iter().map(|(family, recall)| named(serde_json::json!(family), recall));
    measured.families = families.collect();
    let mutators = mutators.into_iter().map(|(mutator, recall)| named(serde_json::json!(mutator), recall));
    measured.mutators = mutators.collect();
}

impl Said {
    fn add(&mut self, other: &Self) {
        self.transactions = self.transactions.saturating_add(other.transactions);
        self.stops = self.stops.saturating_add(other.stops);
        self.alerts = self.alerts.saturating_add(other.alerts);
        self.notices = self.notices.saturating_add(other.notices);
        self.why.extend_from_slice(&other.why);
        for (detector, levels) in &other.detectors {
            self.detectors.entry(detector.clone()).or_default().merge(*levels);
        }
    }

    /// Adds one transaction and the strongest of its verdicts.
    pub(super) fn count(&mut self, said: &[(Window, Verdict)]) {
        self.transactions = self.transactions.saturating_add(1);
        for (detector, level) in loudest(said.iter().flat_map(|(_, verdict)| &verdict.findings)) {
            self.detectors.entry(detector).or_default().count(level);
        }
        let Some((_, strongest)) = said.iter().max_by_key(|(_, verdict)| verdict.level()) else { return };
        let Some(level) = strongest.level() else { return };
        let counted = match level {
            Level::Notice => &mut self.notices,
            Level::Alert => &mut self.alerts,
            Level::Stop => &mut self.stops,
        };
        *counted = counted.saturating_add(1);
        if level > Level::Notice {
            self.why.extend(sentences(strongest));
        }
    }
}

/// Each detector among the findings with its strongest word.
pub(super) fn loudest<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> BTreeMap<String, Level> {
    let mut loudest: BTreeMap<String, Level> = BTreeMap::new();
    for finding in findings {
        let known = loudest.entry(finding.detector.clone().into_owned()).or_insert(finding.level);
        *known = finding.level.max(*known);
    }
    loudest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a wrong entry must panic")]

    use super::*;

    #[test]
    fn an_attack_and_a_look_alike_go_through_the_judge() {
        let measured = run(Part::Known, false, "reserve-claimed", &mut |_| {}).unwrap();
        assert!(measured.attacks.len() > 1, "the entry is played unchanged and changed");
        assert_eq!(measured.base.n, 1);
        let measured = run(Part::Known, false, "honest-zap", &mut |_| {}).unwrap();
        assert_eq!(measured.look_alikes.len(), 1);
        assert!(measured.history.transactions > 10);
    }

    #[test]
    fn a_held_out_attack_goes_through_the_judge_as_well() {
        let measured = run(Part::HeldOut, false, "voucher-signed-by-nobody", &mut |_| {}).unwrap();
        assert_eq!((measured.base.n, measured.mutated.n), (1, 1));
    }

    #[test]
    fn a_hostile_decision_is_told_when_it_is_queued_and_a_planned_one_is_not() {
        let measured = run(Part::Known, false, "governance-hostile", &mut |_| {}).unwrap();
        assert_eq!(measured.base.n, 2);
        for row in measured.attacks.iter().filter(|row| row.mutator == Mutator::Base) {
            let told = row.told.as_ref().unwrap();
            assert_eq!((told.window, told.transaction), (Window::Before, 3), "{}", row.name);
            assert!(told.why.iter().any(|why| why.starts_with("queued-operation")), "{:?}", told.why);
        }
        let planned = run(Part::Known, false, "honest-upgrade", &mut |_| {}).unwrap();
        let said = &planned.look_alikes[0].said;
        assert_eq!((said.stops, said.alerts), (0, 0), "{said:?}");
    }

    #[test]
    fn the_interval_of_eight_of_eight_is_known() {
        let recall = Recall { n: 8, flagged: 8, ..Recall::default() };
        assert!((recall.interval().0 - 67.6).abs() < 0.1);
    }
}
