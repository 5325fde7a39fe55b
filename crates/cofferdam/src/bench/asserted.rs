//! How long a verdict takes where twenty Solidity assertions guard what a transaction touches, beside all detectors.
//!
//! Every honest flow and every attack of the zoo on a vault is played; the vault is the adopter. A transaction counts
//! only when the assertions ran for it: what does not touch the adopter costs a look-up and would make the figure look
//! better than it is. Each is measured on a fork of the head in its place in its block, state and code warm.

use std::sync::Arc;

use cofferdam_detect::{Detection, Settings};
use cofferdam_evm::{Artifact, AssertionSource, Assertions, Engine};
use cofferdam_simnet::zoo::{ENTRIES, Mutator, PlayedState, Protocol, Recording};
use cofferdam_types::primitives::Address;
use cofferdam_types::{AssertionResult, Clock, Execution, Judge as _, Module, ModuleId, Watchlist};
use serde::Serialize;

use super::blocks::{Percentiles, micros, percentiles};

/// How many assertion contracts guard the vault.
const ASSERTIONS: usize = 20;
/// The invariants that a contract can be deployed with.
const KINDS: usize = 5;
/// By the first and by the second version of the interface.
const ARTIFACTS: [(&str, &[u8]); 2] = [
    ("StandingLegacy", include_bytes!("../../../../contracts/artifacts/StandingLegacy.json")),
    ("StandingReshiram", include_bytes!("../../../../contracts/artifacts/StandingReshiram.json")),
];

/// What is asked of the median, in milliseconds.
const ASKED_P50: f64 = 2.0;
/// What is asked of 99 of 100, in milliseconds.
const ASKED_P99: f64 = 20.0;

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Asserted {
    /// Assertion contracts of the adopter.
    pub assertions: usize,
    /// Entries of the zoo that were played.
    pub entries: u64,
    /// Transactions for which assertions ran.
    pub transactions: u64,
    /// Transactions that touch no adopter, which are not among the times.
    pub others: u64,
    /// Runs of assertion functions, each transaction counted once.
    pub ran: u64,
    /// Of these, those that found what they assert broken.
    pub broken: u64,
    /// Of these, those that could not decide.
    pub undecided: u64,
    /// Transaction → verdict.
    pub decision_ms: Percentiles,
}

impl Asserted {
    /// Whether the times are what is asked.
    pub fn is_good(&self) -> bool {
        self.transactions > 0 && self.decision_ms.p50 <= ASKED_P50 && self.decision_ms.p99 <= ASKED_P99
    }
}

/// Plays the vaults of the zoo; each transaction is measured `runs` times. `progress` is told each finished entry.
///
/// # Errors
/// A sentence that names the entry at fault.
pub fn run(runs: u32, clock: &dyn Clock, progress: &mut dyn FnMut(&str)) -> Result<Asserted, String> {
    let mut measured = Asserted { assertions: ASSERTIONS, ..Asserted::default() };
    let mut times = Vec::new();
    for entry in ENTRIES.iter().filter(|entry| entry.protocol == Protocol::Vault) {
        let played = entry.play(Mutator::Base).map_err(|faults| format!("{}: {}", entry.name, faults.join("; ")))?;
        let Some(recording) = played else { continue };
        one(&recording, runs, clock, &mut measured, &mut times)?;
        measured.entries = measured.entries.saturating_add(1);
        progress(entry.name);
    }
    measured.decision_ms = percentiles(times);
    Ok(measured)
}

fn one(
    recording: &Recording,
    runs: u32,
    clock: &dyn Clock,
    measured: &mut Asserted,
    times: &mut Vec<f64>,
) -> Result<(), String> {
    let id = ModuleId::new("vault").map_err(|error| error.to_string())?;
    let contracts: Vec<Address> = recording.modules.iter().flatten().copied().collect();
    let Some(adopter) = contracts.first().copied() else { return Ok(()) };
    let watch = Arc::new(Watchlist::new(vec![Module { id: id.clone(), contracts, assets: Vec::new() }]));
    let played = &recording.played;
    let mut engine = Engine::new(played.rules, Arc::new(PlayedState::new(played)), watch.clone());
    let sources = sources(&id, adopter)?;
    let assertions = Assertions::deploy(played.rules, sources).map_err(|(_, error)| error.to_string())?;
    engine.set_assertions(assertions);
    engine.reset(played.parent.clone());
    let mut judge = Detection::new(watch, &Settings::default()).map_err(|error| error.to_string())?;
    engine.set_needs(judge.needs().clone());
    for block in &played.blocks {
        // The first run warms state and code and is not counted.
        for counted in (0..=runs.max(1)).map(|run| run > 0) {
            let mut fork = engine.fork();
            for transaction in &block.block.transactions {
                let transaction = Arc::new(transaction.clone());
                let began = clock.monotonic_nanos();
                let execution = fork.apply(transaction).map_err(|error| error.to_string())?;
                std::hint::black_box(judge.judge(&execution));
                let took = micros(clock.monotonic_nanos().saturating_sub(began)) / 1e3;
                if !counted {
                    measured.count(&execution);
                } else if ran(&execution) > 0 {
                    times.push(took);
                }
            }
        }
        let advanced = engine.advance(&block.block).map_err(|error| error.to_string())?;
        advanced.executions.iter().for_each(|execution| judge.record(execution));
    }
    Ok(())
}

/// Twenty contracts, each with one invariant: every kind of both versions, twice.
fn sources(module: &ModuleId, adopter: Address) -> Result<Vec<AssertionSource>, String> {
    let versions = ARTIFACTS.iter().flat_map(|artifact| (0..KINDS).map(move |kind| (*artifact, kind)));
    let source = |((name, text), kind): ((&str, &[u8]), usize)| {
        let artifact = Artifact::new(name, text, &[kind.to_string()]).map_err(|error| error.to_string())?;
        let gas = cofferdam_evm::DEFAULT_GAS;
        Ok(AssertionSource { module: module.clone(), adopter, artifact, gas, level: None })
    };
    versions.cycle().take(ASSERTIONS).map(source).collect()
}

/// Runs of assertion functions.
fn ran(execution: &Execution) -> u64 {
    let ran = execution.assertions.iter().filter(|said| !matches!(said.result, AssertionResult::NotFired { .. }));
    u64::try_from(ran.count()).unwrap_or(u64::MAX)
}

impl Asserted {
    fn count(&mut self, execution: &Execution) {
        let ran = ran(execution);
        if ran == 0 {
            self.others = self.others.saturating_add(1);
            return;
        }
        self.transactions = self.transactions.saturating_add(1);
        self.ran = self.ran.saturating_add(ran);
        for said in &execution.assertions {
            match said.result {
                AssertionResult::Broken { .. } => self.broken = self.broken.saturating_add(1),
                AssertionResult::Inconclusive(_) => self.undecided = self.undecided.saturating_add(1),
                AssertionResult::Held { .. } | AssertionResult::NotFired { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a fault of the zoo must panic")]

    use cofferdam_types::{ManualClock, UnixMillis};

    use super::*;

    #[test]
    fn all_assertions_decide_and_only_attacks_break_them() {
        let clock = ManualClock::new(UnixMillis(0));
        for entry in ENTRIES.iter().filter(|entry| entry.protocol == Protocol::Vault) {
            let (mut measured, mut times) = (Asserted::default(), Vec::new());
            let recording = entry.play(Mutator::Base).unwrap().unwrap();
            one(&recording, 1, &clock, &mut measured, &mut times).unwrap();
            assert!(measured.transactions > 0, "{}: nothing touches the adopter", entry.name);
            assert_eq!(measured.undecided, 0, "{}", entry.name);
            assert!(measured.ran >= measured.transactions.saturating_mul(10), "{}: {measured:?}", entry.name);
            assert!(entry.is_attack() || measured.broken == 0, "{}: {measured:?}", entry.name);
        }
    }
}
