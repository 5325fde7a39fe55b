//! Runs cases on disk: are they exact, how fast is it beside plain revm, and what is flagged.
//!
//! Timings are the best of several runs per block, state and code warm on both sides, in one process and one thread.
//! Nothing here may know a case by name.

use std::path::Path;
use std::sync::Arc;

use cofferdam_chain::case::{Entry, Manifest};
use cofferdam_evm::Bare;
use cofferdam_types::primitives::Address;
use cofferdam_types::{Clock, Execution, Judge, Level, Module, Verdict, Watchlist};
use serde::Serialize;

use super::everywhere::Everywhere;
use super::newborns::{NewContracts, Tally};
use super::registered::Registered;
use crate::cases::{Runnable, judge, most_called, one_each, together};

/// How many of the most-called contracts are registered.
const REGISTERED: usize = 50;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Gas of whole blocks.
    pub exactness: Exactness,
    /// With nothing registered.
    pub throughput: Throughput,
    /// With the most-called contracts registered.
    pub throughput_registered: Throughput,
    /// Milliseconds.
    pub latency_ms: Latencies,
    /// Attacks.
    pub exploits: Exploits,
    /// Ordinary blocks, with the most-called contracts registered.
    pub honest: Honest,
    /// The same contracts registered one at a time, and as one module.
    pub registered: Registered,
    /// The same blocks with every contract in them registered.
    pub everywhere: Everywhere,
    /// Contracts that the blocks and the attacks create.
    pub new_contracts: NewContracts,
    /// Runs per block of which the best counts.
    pub runs: u32,
}

/// Whether execution is the chain's.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exactness {
    /// Whole blocks.
    pub blocks: u64,
    /// Of these, equal in gas.
    pub matched: u64,
    /// The others, by name.
    pub differing: Vec<String>,
}

/// Traced and judged transactions, beside plain revm.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Throughput {
    /// Transactions in all blocks.
    pub transactions: u64,
    /// Contracts registered.
    pub registered: u64,
    /// Per second, on one core.
    pub tx_per_s: f64,
    /// Plain revm in the same run.
    pub bare_tx_per_s: f64,
    /// The first by the second.
    pub ratio: f64,
}

/// Percentiles.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latencies {
    /// Transaction → verdict, state warm, the most-called contracts registered.
    pub decision: Percentiles,
}

/// Percentiles of one latency.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Percentiles {
    /// Measurements.
    pub n: u64,
    /// Median.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// What was flagged among attacks, with only the protected addresses given.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exploits {
    /// Attacks.
    pub n: u64,
    /// An alert or a stop at or before the attack.
    pub flagged: u64,
    /// Of these, stops.
    pub stopped: u64,
    /// The others.
    pub missed: Vec<Missed>,
    /// Why each of the flagged ones was.
    pub found: Vec<Flagged>,
}

/// An attack that was not flagged.
#[derive(Clone, Debug, Serialize)]
pub struct Missed {
    /// The case.
    pub name: String,
    /// What was seen instead.
    pub why: String,
}

/// A verdict on a transaction of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Flagged {
    /// The case.
    pub name: String,
    /// Index of the transaction.
    pub index: u32,
    /// How strong.
    pub level: Level,
    /// Detector and sentence of each finding.
    pub why: Vec<String>,
    /// Whether state was missing.
    pub incomplete: bool,
}

/// What was flagged among ordinary transactions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Honest {
    /// Direct contract calls.
    pub contract_calls: u64,
    /// Transactions with an alert.
    pub alerts: u64,
    /// Transactions with a stop.
    pub stops: u64,
    /// Transactions with a notice only.
    pub notices: u64,
    /// Each alert and stop.
    pub found: Vec<Flagged>,
}

impl Honest {
    /// Transactions with an alert or a stop for each million contract calls.
    pub fn alerts_per_million(&self) -> f64 {
        #[expect(clippy::as_conversions, reason = "counts far below 2^53, for a figure that people read")]
        let (told, calls) = (self.alerts.saturating_add(self.stops) as f64, self.contract_calls as f64);
        if self.contract_calls == 0 { 0.0 } else { told * 1e6 / calls }
    }
}

/// Runs everything in `folder`, which holds a `manifest.json`. `progress` is told each finished case.
///
/// # Errors
/// A sentence that names the file and field at fault.
pub fn run(folder: &Path, runs: u32, clock: &dyn Clock, progress: &mut dyn FnMut(&str)) -> Result<Measured, String> {
    let manifest = Manifest::read(folder).map_err(|error| error.to_string())?;
    let blocks = load(folder, &manifest.blocks)?;
    cofferdam_evm::warm_up();
    let mut exactness = Exactness::default();
    let addresses = registered_of(&blocks);
    let most_called = one_each(addresses.iter().copied());
    let mut plain = Timing::default();
    let mut registered = Timing { registered: most_called.len(), ..Timing::default() };
    let mut decisions = Vec::new();
    let mut honest = Honest::default();
    let mut registered_otherwise = Registered::default();
    let mut everywhere = Everywhere::default();
    let mut newborns = Tally::default();
    for block in &blocks {
        let gas = time_bare(block, runs, clock, &mut [&mut plain, &mut registered]);
        time_ours(block, &[], runs, clock, &mut plain)?;
        time_ours(block, &most_called, runs, clock, &mut registered)?;
        exact(block, gas, &mut exactness)?;
        decide(block, &most_called, clock, &mut decisions, &mut honest)?;
        registered_otherwise.block(block, &addresses)?;
        everywhere.block(block)?;
        newborns.block(block, &most_called)?;
        progress(&block.case.name);
    }
    let mut exploits = Exploits::default();
    for (entry, case) in manifest.exploits.iter().zip(load(folder, &manifest.exploits)?) {
        attack(entry, &case, &mut exploits)?;
        newborns.attack(&case, entry)?;
        progress(&case.case.name);
    }
    Ok(Measured {
        exactness,
        throughput: plain.throughput(),
        throughput_registered: registered.throughput(),
        latency_ms: Latencies { decision: percentiles(decisions) },
        exploits,
        honest,
        registered: registered_otherwise,
        everywhere,
        new_contracts: newborns.finish(),
        runs,
    })
}

pub(super) fn load(folder: &Path, entries: &[Entry]) -> Result<Vec<Runnable>, String> {
    entries.iter().map(|entry| Runnable::new(entry.read(folder).map_err(|error| error.to_string())?)).collect()
}

/// The contracts that most transactions call directly.
fn registered_of(blocks: &[Runnable]) -> Vec<Address> {
    let transactions = blocks.iter().flat_map(|block| &block.block.transactions);
    most_called(transactions.filter(|one| one.selector().is_some()).filter_map(|one| one.to), REGISTERED)
}

#[derive(Default)]
pub(super) struct Timing {
    registered: usize,
    transactions: u64,
    bare_micros: f64,
    our_micros: f64,
}

impl Timing {
    pub(super) fn throughput(&self) -> Throughput {
        #[expect(clippy::as_conversions, reason = "counts far below 2^53, for a figure that people read")]
        let transactions = self.transactions as f64;
        let per_second = |micros: f64| if micros > 0.0 { transactions * 1e6 / micros } else { 0.0 };
        let (ours, bare) = (per_second(self.our_micros), per_second(self.bare_micros));
        Throughput {
            transactions: self.transactions,
            registered: u64::try_from(self.registered).unwrap_or(u64::MAX),
            tx_per_s: ours,
            bare_tx_per_s: bare,
            ratio: if bare > 0.0 { ours / bare } else { 0.0 },
        }
    }
}

/// Best time of plain revm; returns the gas that it used.
fn time_bare(case: &Runnable, runs: u32, clock: &dyn Clock, timings: &mut [&mut Timing]) -> u64 {
    let bare = Bare::new(case.rules, &case.state(), &case.hashes(), &case.block.header, &case.block.transactions);
    let (mut best, mut gas) = (f64::MAX, 0);
    for _ in 0..runs.max(1) {
        let run = bare.prepare();
        let began = clock.monotonic_nanos();
        gas = run.run();
        best = best.min(micros(clock.monotonic_nanos().saturating_sub(began)));
    }
    for timing in timings {
        timing.bare_micros += best;
    }
    gas
}

/// Best time of executing, recording all effects, and judging.
pub(super) fn time_ours(
    case: &Runnable,
    modules: &[Module],
    runs: u32,
    clock: &dyn Clock,
    timing: &mut Timing,
) -> Result<(), String> {
    let watch = Arc::new(Watchlist::new(modules.to_vec()));
    let mut engine = case.engine(watch.clone());
    let mut judge = judge(&watch).map_err(|error| error.to_string())?;
    engine.set_needs(judge.needs().clone());
    let parent = case.case.parent();
    let mut best = f64::MAX;
    // The first run warms the state and is not counted.
    for counted in (0..=runs.max(1)).map(|run| run > 0) {
        let began = clock.monotonic_nanos();
        let advanced = engine.advance(&case.block).map_err(|error| error.to_string())?;
        for execution in &advanced.executions {
            std::hint::black_box(judge.judge(execution));
            judge.record(execution);
        }
        if counted {
            best = best.min(micros(clock.monotonic_nanos().saturating_sub(began)));
        }
        judge.retract(case.block.header.block_ref());
        engine.rollback(parent).map_err(|error| error.to_string())?;
    }
    timing.our_micros += best;
    let count = u64::try_from(case.block.transactions.len()).unwrap_or(u64::MAX);
    timing.transactions = timing.transactions.saturating_add(count);
    Ok(())
}

#[expect(clippy::as_conversions, reason = "nanoseconds of a run, far below 2^53")]
pub(super) fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn exact(case: &Runnable, bare_gas: u64, exactness: &mut Exactness) -> Result<(), String> {
    let Some(expected) = case.case.expected_gas_used else { return Ok(()) };
    let mut engine = case.engine(Arc::default());
    let advanced = engine.advance(&case.block).map_err(|error| error.to_string())?;
    let gas = advanced.executions.iter().fold(0_u64, |sum, execution| sum.saturating_add(execution.effects.gas_used));
    exactness.blocks = exactness.blocks.saturating_add(1);
    if gas == expected {
        exactness.matched = exactness.matched.saturating_add(1);
    } else {
        exactness
            .differing
            .push(format!("{}: {gas} here, {bare_gas} by plain revm, {expected} on chain", case.case.name));
    }
    Ok(())
}

/// Each transaction on a warm state as a pending one: how long until the verdict, and what it is.
fn decide(
    case: &Runnable,
    modules: &[Module],
    clock: &dyn Clock,
    decisions: &mut Vec<f64>,
    honest: &mut Honest,
) -> Result<(), String> {
    let watch = Arc::new(Watchlist::new(modules.to_vec()));
    let mut engine = case.engine(watch.clone());
    let mut judge = judge(&watch).map_err(|error| error.to_string())?;
    engine.set_needs(judge.needs().clone());
    // Warms the state; the verdicts are those of the transactions in their places.
    let advanced = engine.advance(&case.block).map_err(|error| error.to_string())?;
    for execution in &advanced.executions {
        let verdict = judge.judge(execution);
        judge.record(execution);
        count(case, execution, &verdict, honest);
    }
    judge.retract(case.block.header.block_ref());
    engine.rollback(case.case.parent()).map_err(|error| error.to_string())?;
    let mut fork = engine.fork();
    for execution in advanced.executions {
        let began = clock.monotonic_nanos();
        let again = fork.apply(execution.transaction.clone()).map_err(|error| error.to_string())?;
        std::hint::black_box(judge.judge(&again));
        decisions.push(micros(clock.monotonic_nanos().saturating_sub(began)) / 1e3);
    }
    Ok(())
}

pub(super) fn count(case: &Runnable, execution: &Execution, verdict: &Verdict, honest: &mut Honest) {
    // A transaction to an account that has code, as the manifests count it.
    let has_code = |to: &Address| case.case.pre.get(to).is_some_and(|account| !account.state.code.is_empty());
    if execution.transaction.to.as_ref().is_some_and(has_code) {
        honest.contract_calls = honest.contract_calls.saturating_add(1);
    }
    let Some(level) = verdict.level() else { return };
    let counted = match level {
        Level::Notice => &mut honest.notices,
        Level::Alert => &mut honest.alerts,
        Level::Stop => &mut honest.stops,
    };
    *counted = counted.saturating_add(1);
    if level > Level::Notice {
        honest.found.push(flagged(case, execution, verdict, level));
    }
}

pub(super) fn flagged(case: &Runnable, execution: &Execution, verdict: &Verdict, level: Level) -> Flagged {
    let why = verdict.findings.iter().map(|finding| format!("{}: {}", finding.detector, finding.summary));
    Flagged {
        name: case.case.name.clone(),
        index: execution.index.unwrap_or_default(),
        level,
        why: why.collect(),
        incomplete: !verdict.standing.missing.is_empty(),
    }
}

fn attack(entry: &Entry, case: &Runnable, exploits: &mut Exploits) -> Result<(), String> {
    let name = case.case.name.clone();
    exploits.n = exploits.n.saturating_add(1);
    let watch = Arc::new(Watchlist::new(together(entry.protected.clone())));
    let mut engine = case.engine(watch.clone());
    let mut judge = judge(&watch).map_err(|error| error.to_string())?;
    engine.set_needs(judge.needs().clone());
    let advanced = engine.advance(&case.block).map_err(|error| error.to_string())?;
    let last = entry.attack_tx.unwrap_or_else(|| advanced.executions.len().saturating_sub(1));
    let mut best: Option<Flagged> = None;
    let mut seen = String::new();
    for execution in advanced.executions.iter().take(last.saturating_add(1)) {
        let verdict = judge.judge(execution);
        judge.record(execution);
        seen = format!("{} calls, outcome {:.60?}", execution.effects.calls.len(), execution.effects.outcome);
        if let Some(level) = verdict.level() {
            let this = flagged(case, execution, &verdict, level);
            seen = this.why.join("; ");
            if level > Level::Notice && best.as_ref().is_none_or(|best| best.level < level) {
                best = Some(this);
            }
        }
    }
    match best {
        Some(found) => {
            exploits.flagged = exploits.flagged.saturating_add(1);
            exploits.stopped = exploits.stopped.saturating_add(u64::from(found.level == Level::Stop));
            exploits.found.push(found);
        }
        None => exploits.missed.push(Missed { name, why: seen }),
    }
    Ok(())
}

pub(super) fn percentiles(mut values: Vec<f64>) -> Percentiles {
    values.sort_by(f64::total_cmp);
    let at = |per_mille: usize| {
        let rank = values.len().saturating_mul(per_mille).div_ceil(1_000).max(1);
        values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    };
    let n = u64::try_from(values.len()).unwrap_or(u64::MAX);
    Percentiles { n, p50: at(500), p99: at(990), max: at(1_000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let measured = percentiles((1..=200).map(f64::from).collect());
        assert_eq!((measured.p50, measured.p99, measured.max), (100.0, 198.0, 200.0));
        assert_eq!(percentiles(Vec::new()).n, 0);
    }
}
