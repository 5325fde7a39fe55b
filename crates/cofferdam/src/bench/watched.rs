//! One recording as a guard would have seen it: engine and judge over its blocks, each public transaction first on the
//! head while it waits. Only the addresses are given to them; the truth is held against their answers here.

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_evm::Engine;
use cofferdam_simnet::Lane;
use cofferdam_simnet::zoo::{Part, PlayedBlock, PlayedState, Recording};
use cofferdam_types::primitives::{Address, U256};
use cofferdam_types::{Asset, Execution, Judge, Level, Module, ModuleId, Transaction, Verdict, Watchlist, Window};

use super::zoo::{Said, Told};
use crate::cases::judge;

/// A recording as a guard saw it, beside the truth.
#[derive(Default)]
pub(super) struct Watched {
    pub(super) history: Said,
    pub(super) subject: Said,
    pub(super) transactions: u64,
    pub(super) counted: U256,
    pub(super) told: Option<Told>,
    pub(super) notices: Vec<String>,
    /// The last transaction by which something was lost, from 1; none where nothing is lost.
    last_loss: Option<u64>,
    lost: U256,
}

impl Watched {
    /// Runs engine and judge over the recording, each public transaction first on the head before its block.
    pub(super) fn of(recording: &Recording) -> Result<Self, String> {
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

pub(super) fn sentences(verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings.iter();
    findings.map(|finding| format!("{}: {}", finding.detector, finding.summary)).collect()
}

/// Whole units of an amount with 18 decimals, rounded up, so that a loss is never none.
pub(super) fn units(amount: U256) -> u64 {
    let whole = U256::from(1_000_000_000_000_000_000_u64);
    amount.div_ceil(whole).saturating_to()
}
