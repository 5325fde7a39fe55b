//! One recording as a guard would have seen it: engine and judge over its blocks, each public transaction first on the
//! head while it waits, each new contract tried when it is seen. Only the addresses are given to them; the truth is held against their answers here.

use std::sync::Arc;

use cofferdam_detect::{Detection, Settings};
use cofferdam_evm::{Budget, Engine, RehearsalBudget, Subject, Trials, announced, created, rehearse};
use cofferdam_simnet::Lane;
use cofferdam_simnet::zoo::{Part, PlayedBlock, PlayedState, Recording, Sent};
use cofferdam_types::primitives::{Address, U256};
use cofferdam_types::{
    Announcement, Creator, Execution, Judge, Level, ManualClock, Module, ModuleId, Transaction, UnixMillis, Verdict,
    Watchlist, Window,
};

use super::joined::{Joined, Whose};
use super::learnt;
use super::zoo::{Said, Told};

/// A recording as a guard saw it, beside the truth.
#[derive(Default)]
pub(super) struct Watched {
    pub(super) history: Said,
    pub(super) subject: Said,
    pub(super) transactions: u64,
    pub(super) counted: U256,
    pub(super) told: Option<Told>,
    pub(super) notices: Vec<String>,
    /// Incidents that the alerts and stops about the subject are.
    pub(super) incidents: u64,
    /// Every detector that spoke in time, with its strongest word.
    pub(super) detectors: std::collections::BTreeMap<String, Level>,
    /// The last transaction by which something was lost, from 1; none where nothing is lost.
    last_loss: Option<u64>,
    lost: U256,
}

impl Watched {
    /// Runs engine and judge over the recording: each public transaction first on the head before its block, each new
    /// contract tried as soon as it is seen. With `learnt`, the judge has learnt the history beforehand.
    pub(super) fn of(recording: &Recording, learnt: bool) -> Result<Self, String> {
        let watch = Arc::new(Watchlist::new(modules(&recording.modules)?));
        let source = Arc::new(PlayedState::new(&recording.played));
        let mut engine = Engine::new(recording.played.rules, source, watch.clone());
        engine.reset(recording.played.parent.clone());
        let settings = if learnt { learnt::of_history(recording, &watch)? } else { Settings::default() };
        let mut judge = Detection::new(watch.clone(), &settings).map_err(|error| error.to_string())?;
        engine.set_needs(judge.needs().clone());
        // Bounded by calls and gas, not by time, so that the same zoo gives the same figures everywhere.
        let budget = Budget { micros: u64::MAX, ..Budget::default() };
        let mut trials = Trials::new(budget, Arc::new(ManualClock::new(UnixMillis(0))));
        let mut joined = Joined::new(watch);
        let mut watched = Self { last_loss: last_loss(recording), ..Self::default() };
        for block in &recording.played.blocks {
            let early = pending(&mut engine, block, &judge, &mut trials, &mut joined)?;
            let advanced = engine.advance(&block.block).map_err(|error| error.to_string())?;
            for ((execution, sent), early) in advanced.executions.into_iter().zip(&block.sent).zip(early) {
                let mut said = early;
                let (verdict, whose) = (judge.judge(&execution), whose(sent));
                judge.record(&execution);
                joined.found(&execution, &verdict, whose);
                joined.learn(&execution, &verdict, whose);
                said.push((Window::Mined, verdict));
                said.extend(queued(&mut engine, &execution, &judge, (&mut joined, whose)));
                if sent.way == Lane::Private {
                    let trial = (&mut trials, &mut joined, whose);
                    said.extend(newborn(&mut engine, &Arc::new(execution), &[], &judge, trial));
                }
                match sent.part {
                    Part::Subject | Part::Extra => {
                        watched.subject.count(&said);
                        watched.note(said, sent);
                    }
                    Part::History | Part::Bystander => watched.history.count(&said),
                }
            }
        }
        watched.incidents = joined.incidents();
        Ok(watched)
    }

    fn note(&mut self, said: Vec<(Window, Verdict)>, sent: &Sent) {
        // What is said of a victim's transaction warns as well, and is said between two of the attacker's.
        self.transactions = self.transactions.saturating_add(u64::from(sent.part == Part::Subject));
        let mut lost = std::mem::replace(&mut self.lost, sent.lost_after);
        let too_late = self.last_loss.is_some_and(|last| self.transactions > last);
        for (window, verdict) in said {
            if window == Window::Mined {
                self.counted = self.counted.saturating_add(counted(&verdict));
                lost = sent.lost_after;
            }
            // What is said when all is lost helps nobody.
            if !too_late {
                for (detector, level) in super::zoo::loudest(&verdict.findings) {
                    let known = self.detectors.entry(detector).or_insert(level);
                    *known = level.max(*known);
                }
            }
            match (verdict.level().filter(|_| !too_late), &mut self.told) {
                (Some(level @ (Level::Alert | Level::Stop)), None) => {
                    let (transaction, why) = (self.transactions, sentences(&verdict));
                    self.told = Some(Told { level, transaction, window, lost_before: units(lost), why });
                }
                (Some(level), Some(told)) => told.level = told.level.max(level),
                (Some(Level::Notice), None) => self.notices.extend(sentences(&verdict)),
                (None, _) => {}
            }
        }
    }
}

/// What is said of the public transactions of `block`, and of the contracts that they create, while they wait; nothing
/// of the others.
fn pending(
    engine: &mut Engine,
    block: &PlayedBlock,
    judge: &impl Judge,
    trials: &mut Trials,
    joined: &mut Joined,
) -> Result<Vec<Vec<(Window, Verdict)>>, String> {
    let transactions: Vec<Arc<Transaction>> = block.block.transactions.iter().cloned().map(Arc::new).collect();
    let mut said = Vec::with_capacity(transactions.len());
    for (index, (transaction, sent)) in transactions.iter().zip(&block.sent).enumerate() {
        if sent.way == Lane::Private {
            said.push(Vec::new());
            continue;
        }
        let before = transactions.iter().take(index).filter(|earlier| earlier.from == transaction.from);
        let earlier: Vec<Arc<Transaction>> = before.cloned().collect();
        let execution = engine.pending_after(&earlier, transaction.clone()).map_err(|error| error.to_string())?;
        let verdict = judge.judge(&execution);
        joined.found(&execution, &verdict, whose(sent));
        let trial = (&mut *trials, &mut *joined, whose(sent));
        let mut of_this = newborn(engine, &Arc::new(execution), &earlier, judge, trial);
        of_this.push((Window::Pending, verdict));
        said.push(of_this);
    }
    Ok(said)
}

/// What is said of the contracts that `creation` makes, after they were tried on the head.
fn newborn(
    engine: &mut Engine,
    creation: &Arc<Execution>,
    earlier: &[Arc<Transaction>],
    judge: &impl Judge,
    (trials, joined, whose): (&mut Trials, &mut Joined, Whose),
) -> Vec<(Window, Verdict)> {
    let mut said = Vec::new();
    for address in created(creation).0 {
        let account = creation.transaction.from;
        let change = creation.effects.code_changes.iter().find(|change| change.address == address);
        let creator = Creator {
            account,
            through: change.and_then(|change| change.creator).filter(|through| *through != account),
            nonce: creation.transaction.nonce,
            label: None,
            funded_by: None,
        };
        let subject = Subject { creation, earlier, address, creator };
        let tried = trials.of(engine, &subject, &mut |_| false);
        let verdict = judge.judge_newborn(&tried);
        joined.newborn(&tried, &verdict, whose);
        said.push((Window::Before, verdict));
    }
    said
}

/// What is said of the operations that `execution` announces, after they were carried out on the head at their due time.
fn queued(
    engine: &mut Engine,
    execution: &Execution,
    judge: &impl Judge,
    (joined, whose): (&mut Joined, Whose),
) -> Vec<(Window, Verdict)> {
    let budget = RehearsalBudget { micros: u64::MAX, ..RehearsalBudget::default() };
    let clock = ManualClock::new(UnixMillis(0));
    let mut said = Vec::new();
    for announcement in announced(execution) {
        if let Announcement::Queued(operation) = announcement {
            let rehearsal = rehearse(engine, &operation, &budget, &clock);
            let verdict = judge.judge_queued(&rehearsal);
            joined.queued(&rehearsal, &verdict, whose);
            said.push((Window::Before, verdict));
        }
    }
    said
}

fn whose(sent: &Sent) -> Whose {
    match sent.part {
        Part::Subject | Part::Extra => Whose::Subject,
        Part::History | Part::Bystander => Whose::Others,
    }
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

/// What the findings of one verdict count as lost.
fn counted(verdict: &Verdict) -> U256 {
    verdict.losses().values().fold(U256::ZERO, |sum, claim| sum.saturating_add(*claim))
}

pub(super) fn sentences(verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings.iter();
    findings.map(|finding| format!("{}: {}", finding.detector, finding.summary)).collect()
}

/// Whole units of an amount with 18 decimals, rounded up, so that a loss is never none.
pub(super) fn units(amount: U256) -> u64 {
    let whole = U256::from(1_000_000_000_000_000_000_u64);
    amount.div_ceil(whole).saturating_to()
}
