//! Plays the attack zoo to the judge: what is told of it, when, and what was lost by then.
//!
//! The judge is given blocks, public transactions before their blocks, and the protected addresses. It must never be
//! given what the zoo knows: that is only compared afterwards.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cofferdam_evm::Engine;
use cofferdam_simnet::Lane;
use cofferdam_simnet::zoo::{
    ENTRIES, Entry, Family, Mutator, Nature, Part, PlayedBlock, PlayedState, Protocol, Recording,
};
use cofferdam_types::primitives::{Address, U256};
use cofferdam_types::{Asset, Execution, Judge, Level, Module, ModuleId, Transaction, Verdict, Watchlist, Window};
use serde::Serialize;

use crate::cases::judge;

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
    /// Each attack.
    pub attacks: Vec<AttackRow>,
    /// Honest flows that look like attacks.
    pub look_alikes: Vec<HonestRow>,
    /// What was said of the histories before all this.
    pub history: Said,
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
}

impl Recall {
    /// Lower and upper end of the 95 % interval of the recall (Wilson), in percent.
    pub fn interval(&self) -> (f64, f64) {
        #[expect(clippy::as_conversions, reason = "counts far below 2^53, for a figure that people read")]
        let (n, hits) = (self.n as f64, self.flagged as f64);
        if n == 0.0 {
            return (0.0, 100.0);
        }
        let (z, share) = (1.96_f64, hits / n);
        let middle = share + z * z / (2.0 * n);
        let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        let scale = 100.0 / (1.0 + z * z / n);
        ((middle - spread).max(0.0) * scale, (middle + spread) * scale)
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
            self.before_loss = self.before_loss.saturating_add(u64::from(told.lost_before == 0));
        }
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
    /// What was said, if it was an alert or a stop.
    pub told: Option<Told>,
    /// What was said below that, for a miss.
    pub notices: Vec<String>,
}

/// The first alert or stop, and the strongest.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// How strong the strongest was.
    pub level: Level,
    /// Which of the attacker's transactions was told first, from 1.
    pub transaction: u64,
    /// Whether that was before it was in a block.
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

/// Verdicts on honest transactions; pending and mined count once, by the stronger.
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
}

/// Plays the entries whose name contains `only`. `progress` is told each finished one.
///
/// # Errors
/// A sentence that names the entry at fault.
pub fn run(only: &str, progress: &mut dyn FnMut(&str)) -> Result<ZooMeasured, String> {
    cofferdam_evm::warm_up();
    let mut measured = ZooMeasured {
        base: Recall { name: "base".to_owned(), ..Recall::default() },
        mutated: Recall { name: "mutated".to_owned(), ..Recall::default() },
        families: Vec::new(),
        mutators: Vec::new(),
        attacks: Vec::new(),
        look_alikes: Vec::new(),
        history: Said::default(),
    };
    for entry in ENTRIES.iter().filter(|entry| entry.name.contains(only)) {
        match entry.nature {
            Nature::Attack(family) => attack(entry, family, &mut measured)?,
            Nature::Honest => look_alike(entry, &mut measured)?,
        }
        progress(entry.name);
    }
    sum_up(&mut measured);
    Ok(measured)
}

fn attack(entry: &Entry, family: Family, measured: &mut ZooMeasured) -> Result<(), String> {
    let mut whole_harm = U256::ZERO;
    for mutator in Mutator::ALL {
        let Some(recording) = played(entry, mutator)? else { continue };
        let harm = recording.lost.saturating_add(recording.at_risk);
        if mutator == Mutator::Base {
            whole_harm = harm;
        } else if harm.saturating_mul(U256::from(2)) < whole_harm {
            // What was changed until it does not work any more is no attack that could be missed.
            continue;
        }
        let watched = Watched::of(&recording)?;
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
            told: watched.told,
            notices: watched.notices,
        });
    }
    Ok(())
}

fn look_alike(entry: &Entry, measured: &mut ZooMeasured) -> Result<(), String> {
    let Some(recording) = played(entry, Mutator::Base)? else { return Ok(()) };
    let watched = Watched::of(&recording)?;
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
    }

    fn count(&mut self, verdicts: &[&Verdict]) {
        self.transactions = self.transactions.saturating_add(1);
        let Some(strongest) = verdicts.iter().max_by_key(|verdict| verdict.level()) else { return };
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

/// A recording as a guard saw it, beside the truth.
#[derive(Default)]
struct Watched {
    history: Said,
    subject: Said,
    transactions: u64,
    counted: U256,
    told: Option<Told>,
    notices: Vec<String>,
    /// The last transaction by which something was lost, from 1; none where nothing is lost.
    last_loss: Option<u64>,
    lost: U256,
}

impl Watched {
    /// Runs engine and judge over the recording, each public transaction first on the head before its block.
    fn of(recording: &Recording) -> Result<Self, String> {
        let watch = Arc::new(Watchlist::new(modules(&recording.modules)?));
        let source = Arc::new(PlayedState::new(&recording.played));
        let mut engine = Engine::new(recording.played.rules, source, watch.clone());
        engine.reset(recording.played.parent.clone());
        let mut judge = judge(&watch).map_err(|error| error.to_string())?;
        engine.set_needs(judge.needs().clone());
        let mut watched = Self { last_loss: last_loss(recording), ..Self::default() };
        for block in &recording.played.blocks {
            let pending = pending(&mut engine, block, &judge)?;
            let advanced = engine.advance(&block.block).map_err(|error| error.to_string())?;
            for ((execution, sent), early) in advanced.executions.iter().zip(&block.sent).zip(&pending) {
                let mined = judge.judge(execution);
                judge.record(execution);
                let verdicts: Vec<&Verdict> = early.iter().chain([&mined]).collect();
                if sent.part == Part::Subject {
                    watched.subject.count(&verdicts);
                    watched.note(execution, early.as_ref(), &mined, sent.lost_after);
                } else {
                    watched.history.count(&verdicts);
                }
            }
        }
        Ok(watched)
    }

    fn note(&mut self, execution: &Execution, early: Option<&Verdict>, mined: &Verdict, lost_after: U256) {
        self.transactions = self.transactions.saturating_add(1);
        let lost_before = std::mem::replace(&mut self.lost, lost_after);
        self.counted = self.counted.saturating_add(counted(mined));
        if execution.effects.outcome.succeeded() && self.last_loss.is_some_and(|last| self.transactions > last) {
            // What is said when all is lost helps nobody.
            return;
        }
        let seen = early.map(|verdict| (verdict, Window::Pending, lost_before));
        for (verdict, window, lost) in seen.into_iter().chain([(mined, Window::Mined, lost_after)]) {
            match (verdict.level(), &mut self.told) {
                (Some(level @ (Level::Alert | Level::Stop)), None) => {
                    let (transaction, why) = (self.transactions, sentences(verdict));
                    self.told = Some(Told { level, transaction, window, lost_before: units(lost), why });
                }
                (Some(level), Some(told)) => told.level = told.level.max(level),
                (Some(Level::Notice), None) => self.notices.extend(sentences(verdict)),
                (None, _) => {}
            }
        }
    }
}

/// The verdicts on the public transactions of `block` while they wait; none for the others.
fn pending(engine: &mut Engine, block: &PlayedBlock, judge: &impl Judge) -> Result<Vec<Option<Verdict>>, String> {
    let transactions: Vec<Arc<Transaction>> = block.block.transactions.iter().cloned().map(Arc::new).collect();
    let mut verdicts = Vec::with_capacity(transactions.len());
    for (index, (transaction, sent)) in transactions.iter().zip(&block.sent).enumerate() {
        if sent.way == Lane::Private {
            verdicts.push(None);
            continue;
        }
        let before = transactions.iter().take(index).filter(|earlier| earlier.from == transaction.from);
        let earlier: Vec<Arc<Transaction>> = before.cloned().collect();
        let execution = engine.pending_after(&earlier, transaction.clone()).map_err(|error| error.to_string())?;
        verdicts.push(Some(judge.judge(&execution)));
    }
    Ok(verdicts)
}

fn modules(contracts: &[Vec<Address>]) -> Result<Vec<Module>, String> {
    let modules = (0_u32..).zip(contracts).map(|(index, contracts)| {
        let id = ModuleId::new(&format!("module-{index}")).map_err(|error| error.to_string())?;
        Ok(Module { id, contracts: contracts.clone(), assets: Vec::new() })
    });
    modules.collect()
}

/// Place among the subject's transactions of the last one that something was lost by, from 1.
fn last_loss(recording: &Recording) -> Option<u64> {
    let mut last = None;
    let (mut place, mut lost) = (0_u64, U256::ZERO);
    for sent in recording.played.blocks.iter().flat_map(|block| &block.sent) {
        if sent.part == Part::Subject {
            place = place.saturating_add(1);
        }
        if sent.lost_after > lost {
            last = Some(place);
        }
        lost = sent.lost_after;
    }
    last
}

/// What the findings of one verdict count as lost: the largest claim for each account and asset, added up.
fn counted(verdict: &Verdict) -> U256 {
    let mut claims: HashMap<(Address, Asset), U256> = HashMap::new();
    for harm in verdict.findings.iter().flat_map(|finding| &finding.harm).filter(|harm| !harm.at_risk) {
        let claim = claims.entry((harm.account, harm.asset)).or_default();
        *claim = harm.amount.max(*claim);
    }
    claims.values().fold(U256::ZERO, |sum, claim| sum.saturating_add(*claim))
}

fn sentences(verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings.iter();
    findings.map(|finding| format!("{}: {}", finding.detector, finding.summary)).collect()
}

/// Whole units of an amount with 18 decimals, rounded up, so that a loss is never none.
fn units(amount: U256) -> u64 {
    let whole = U256::from(1_000_000_000_000_000_000_u64);
    amount.div_ceil(whole).saturating_to()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a wrong entry must panic")]

    use super::*;

    #[test]
    fn an_attack_and_a_look_alike_go_through_the_judge() {
        let measured = run("reserve-claimed", &mut |_| {}).unwrap();
        assert!(measured.attacks.len() > 1, "the entry is played unchanged and changed");
        assert_eq!(measured.base.n, 1);
        let measured = run("honest-zap", &mut |_| {}).unwrap();
        assert_eq!(measured.look_alikes.len(), 1);
        assert!(measured.history.transactions > 10);
    }

    #[test]
    fn the_interval_of_eight_of_eight_is_known() {
        let recall = Recall { n: 8, flagged: 8, ..Recall::default() };
        assert!((recall.interval().0 - 67.6).abs() < 0.1);
    }
}
