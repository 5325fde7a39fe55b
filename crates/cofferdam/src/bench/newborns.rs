//! New contracts of the cases, tried as the live watch tries them: how long each takes, and what is said of it.
//!
//! A case holds the state that its transactions read, and little else: what a trial reads beyond that is zero here and
//! would not be on the chain. The contracts of ordinary blocks are nobody's attack; whatever is said of them is wrong.

use std::sync::Arc;

use cofferdam_chain::case::Entry;
use cofferdam_evm::{Budget, Subject, Trials, created};
use cofferdam_types::primitives::Address;
use cofferdam_types::{
    Basis, Creator, Effects, Execution, Header, Judge, Level, Module, Newborn, Outcome, Standing, Transaction,
    TrialEnd, Verdict, Watchlist, Window,
};
use serde::Serialize;

use super::Percentiles;
use super::blocks::percentiles;
use crate::cases::{Runnable, judge, together};
use crate::telemetry::SystemClock;

/// New contracts that were looked at.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewContracts {
    /// Contracts that transactions of ordinary blocks created.
    pub n: u64,
    /// Of these, not called because they call nobody themselves.
    pub harmless: u64,
    /// Of these, not tried to the end: calls, gas or time ran out.
    pub cut: u64,
    /// Calls of all trials.
    pub calls: u64,
    /// Milliseconds of one trial, reading and trying.
    pub trial_ms: Percentiles,
    /// Stops about them.
    pub stops: u64,
    /// Alerts about them.
    pub alerts: u64,
    /// Notices about them.
    pub notices: u64,
    /// Each alert and stop: case, transaction and sentence.
    pub found: Vec<String>,
    /// Contracts of attackers: those that an attack's transactions create, and the one that an attack calls where it stands
    /// there already.
    pub attackers: u64,
    /// Of these, contracts with an alert or a stop.
    pub attackers_found: u64,
    /// What is said of each.
    pub attacks: Vec<String>,
}

/// Counts while the cases run.
#[derive(Default)]
pub(super) struct Tally {
    counts: NewContracts,
    millis: Vec<f64>,
}

impl Tally {
    pub(super) fn finish(self) -> NewContracts {
        NewContracts { trial_ms: percentiles(self.millis), ..self.counts }
    }

    /// The contracts of an ordinary block, with `modules` protected.
    pub(super) fn block(&mut self, case: &Runnable, modules: &[Module]) -> Result<(), String> {
        each(case, modules, usize::MAX, &mut |index, newborn, verdict| {
            let counts = &mut self.counts;
            counts.n = counts.n.saturating_add(1);
            counts.harmless = counts.harmless.saturating_add(u64::from(newborn.effort.end == TrialEnd::Harmless));
            let cut = matches!(newborn.effort.end, TrialEnd::Calls | TrialEnd::Gas | TrialEnd::Time);
            counts.cut = counts.cut.saturating_add(u64::from(cut));
            counts.calls = counts.calls.saturating_add(u64::from(newborn.effort.calls));
            self.millis.push(super::blocks::micros(newborn.effort.micros));
            let counted = match verdict.level() {
                Some(Level::Stop) => &mut counts.stops,
                Some(Level::Alert) => &mut counts.alerts,
                Some(Level::Notice) => &mut counts.notices,
                None => return,
            };
            *counted = counted.saturating_add(1);
            if verdict.level() > Some(Level::Notice) {
                counts.found.extend(sentences(case, index, newborn, verdict));
            }
        })
    }

    /// The contracts that an attack creates before or with its last transaction.
    pub(super) fn attack(&mut self, case: &Runnable, entry: &Entry) -> Result<(), String> {
        let last = entry.attack_tx.unwrap_or_else(|| case.block.transactions.len().saturating_sub(1));
        let modules = together(entry.protected.clone());
        each(case, &modules, last, &mut |index, newborn, verdict| self.count_attacker(case, index, newborn, verdict))?;
        let Some((newborn, verdict)) = standing(case, entry, &modules)? else { return Ok(()) };
        self.count_attacker(case, last, &newborn, &verdict);
        Ok(())
    }

    fn count_attacker(&mut self, case: &Runnable, index: usize, newborn: &Newborn, verdict: &Verdict) {
        let counts = &mut self.counts;
        counts.attackers = counts.attackers.saturating_add(1);
        counts.attackers_found =
            counts.attackers_found.saturating_add(u64::from(verdict.level() > Some(Level::Notice)));
        self.millis.push(super::blocks::micros(newborn.effort.micros));
        let said = sentences(case, index, newborn, verdict);
        if said.is_empty() {
            let ended = newborn.effort.end.words();
            let nothing = format!("{}: {}: nothing (it ended because {ended})", case.case.name, newborn.address);
            counts.attacks.push(nothing);
        }
        counts.attacks.extend(said);
    }
}

fn sentences(case: &Runnable, index: usize, newborn: &Newborn, verdict: &Verdict) -> Vec<String> {
    let finding = |finding: &cofferdam_types::Finding| {
        let (name, level, ended) = (&case.case.name, finding.level, newborn.effort.end.words());
        format!("{name} tx {index}: {level}: {} (it ended because {ended})", finding.summary)
    };
    verdict.findings.iter().map(finding).collect()
}

/// The block before the case, with what the case tells of its own block where nothing is told of the one before.
fn head(case: &Runnable) -> Header {
    let parent = case.case.parent();
    let block = &case.block.header;
    let timestamp = block.timestamp.saturating_sub(12);
    Header { number: parent.number, hash: parent.hash, timestamp, gas_used: block.gas_limit / 2, ..block.clone() }
}

/// Tries the contract that an attack calls, as if it had just been made by whoever calls it. `None` where the attack calls
/// a protected contract itself, or an account without code.
fn standing(case: &Runnable, entry: &Entry, modules: &[Module]) -> Result<Option<(Newborn, Verdict)>, String> {
    let transactions = &case.block.transactions;
    let attack = entry.attack_tx.map_or_else(|| transactions.last(), |index| transactions.get(index));
    let has_code = |to: &Address| case.case.pre.get(to).is_some_and(|account| !account.state.code.is_empty());
    let Some((attack, address)) = attack.and_then(|attack| Some((attack, attack.to.filter(has_code)?))) else {
        return Ok(None);
    };
    if entry.protected.contains(&address) {
        return Ok(None);
    }
    let watch = Arc::new(Watchlist::new(modules.to_vec()));
    let judge = judge(&watch).map_err(|error| error.to_string())?;
    let mut engine = case.engine(watch);
    engine.set_needs(judge.needs().clone());
    let made = Transaction { from: attack.from, hash: attack.hash, nonce: attack.nonce, ..Transaction::default() };
    let creation = Arc::new(Execution {
        transaction: Arc::new(made),
        window: Window::Mined,
        block: Arc::new(engine.head().clone()),
        index: Some(0),
        effects: Effects::nothing(Outcome::Success(Default::default())),
        facts: Vec::new(),
        assertions: Vec::new(),
        standing: Standing {
            head: engine.head().block_ref(),
            basis: Basis::Executed,
            missing: Vec::new(),
            left_out: 0,
        },
    });
    engine.reset(head(case));
    let creator = Creator { account: attack.from, nonce: attack.nonce, ..Creator::default() };
    let subject = Subject { creation: &creation, earlier: &[], address, creator };
    let mut trials = Trials::new(Budget::default(), Arc::new(SystemClock::start()));
    let newborn = trials.of(&mut engine, &subject, &mut |_| false);
    let verdict = judge.judge_newborn(&newborn);
    Ok(Some((newborn, verdict)))
}

/// Tries what each transaction creates, up to number `last`, on the state before the case.
fn each(
    case: &Runnable,
    modules: &[Module],
    last: usize,
    tell: &mut dyn FnMut(usize, &Newborn, &Verdict),
) -> Result<(), String> {
    let watch = Arc::new(Watchlist::new(modules.to_vec()));
    let judge = judge(&watch).map_err(|error| error.to_string())?;
    let mut engine = case.engine(watch);
    engine.set_needs(judge.needs().clone());
    let executed = engine.advance(&case.block).map_err(|error| error.to_string())?.executions;
    // Where a pending transaction would stand; the state is fetched anew.
    engine.reset(head(case));
    let mut trials = Trials::new(Budget::default(), Arc::new(SystemClock::start()));
    for (index, mined) in executed.iter().enumerate().take(last.saturating_add(1)) {
        if created(mined).0.is_empty() {
            continue;
        }
        let same_sender = |other: &&Execution| other.transaction.from == mined.transaction.from;
        let before = executed.get(..index).unwrap_or_default().iter().filter(same_sender);
        let earlier: Vec<Arc<Transaction>> = before.map(|other| other.transaction.clone()).collect();
        let again = engine.pending_after(&earlier, mined.transaction.clone()).map_err(|error| error.to_string())?;
        let creation = Arc::new(again);
        for address in created(&creation).0 {
            let transaction = &creation.transaction;
            let creator = Creator { account: transaction.from, nonce: transaction.nonce, ..Creator::default() };
            let subject = Subject { creation: &creation, earlier: &earlier, address, creator };
            let newborn = trials.of(&mut engine, &subject, &mut |_| false);
            tell(index, &newborn, &judge.judge_newborn(&newborn));
        }
    }
    Ok(())
}
