//! Whether memory stays where it is: one thousand protected contracts and ten thousand rules that do not match, over ten
//! thousand blocks.
//!
//! The blocks of the cases are executed once, with everything registered. Their executions are then judged and recorded
//! again and again as new blocks: number and time rise, block and transaction hashes are new. Once with the same senders, and
//! once with senders that were never seen before, every one of them: life is between the two. What a module remembers of
//! its senders grows with new ones, to a bound that is set (`habits_per_module`). The engine stands beside, with one block
//! in it; what it keeps of a chain is bounded by slots and depth, not by how long it runs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use cofferdam_chain::case::Manifest;
use cofferdam_types::primitives::{Address, B256, U256, keccak256};
use cofferdam_types::{BlockNumber, Clock, Execution, Header, Judge as _, Transaction, Watchlist};
use serde::Serialize;

use super::blocks::load;
use super::everywhere::contracts;
use super::rules::{nobody, resident_kib};
use crate::cases::{Runnable, judge, most_called, one_each};

/// Rules that do not match.
const RULES: u32 = 10_000;
/// Contracts that are called, the most-called of the blocks.
const PROTECTED: usize = 1_000;
/// After so many blocks memory is looked at.
const LOOKS: [u64; 6] = [0, 100, 1_000, 2_500, 5_000, 10_000];
/// Seconds from block to block.
const BLOCK_SECONDS: u64 = 12;

/// Who sends the transactions of a block that is judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Senders {
    /// Who sent them before.
    Same,
    /// Accounts that were never seen.
    New,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Who sent.
    pub senders: Senders,
    /// Rules that do not match.
    pub rules: u32,
    /// Protected contracts that the blocks call.
    pub protected: u64,
    /// Transactions judged.
    pub transactions: u64,
    /// Nanoseconds for judging and recording one of them.
    pub nanos_per_transaction: f64,
    /// Blocks judged, and KiB resident; `None` where the system does not tell.
    pub resident_kib: Vec<(u64, Option<u64>)>,
}

/// Judges the blocks of `folder` ten thousand times over. `progress` is told each look.
///
/// # Errors
/// A sentence that names the file and field at fault.
pub fn run(folder: &Path, clock: &dyn Clock, progress: &mut dyn FnMut(&str)) -> Result<[Memory; 2], String> {
    Ok([one(folder, Senders::Same, clock, progress)?, one(folder, Senders::New, clock, progress)?])
}

fn one(folder: &Path, senders: Senders, clock: &dyn Clock, progress: &mut dyn FnMut(&str)) -> Result<Memory, String> {
    let manifest = Manifest::read(folder).map_err(|error| error.to_string())?;
    let blocks = load(folder, &manifest.blocks)?;
    let protected = protected(&blocks)?;
    let mut measured = Memory {
        senders,
        rules: RULES,
        protected: count(protected.len()),
        transactions: 0,
        nanos_per_transaction: 0.0,
        resident_kib: Vec::new(),
    };
    let watch = Arc::new(Watchlist::new(one_each(protected.into_iter().chain((0..RULES).map(nobody)))));
    let mut judge = judge(&watch).map_err(|error| error.to_string())?;
    let mut executed = Vec::with_capacity(blocks.len());
    let mut engine = None;
    for block in &blocks {
        let mut one = block.engine(watch.clone());
        one.set_needs(judge.needs().clone());
        executed.push(one.advance(&block.block).map_err(|error| error.to_string())?.executions);
        engine = Some(one);
    }
    let newest = blocks.iter().map(|block| &block.block.header).max_by_key(|header| header.timestamp);
    let Some(mut header) = newest.cloned() else { return Ok(measured) };
    let mut nanos = 0_u64;
    let mut again = executed.iter().cycle();
    for judged in 0..=LOOKS.iter().copied().max().unwrap_or(0) {
        if LOOKS.contains(&judged) {
            measured.resident_kib.push((judged, resident_kib()));
            progress(&format!("{judged} blocks"));
        }
        header = next(&header);
        let shared = Arc::new(header.clone());
        let executions: Vec<Execution> =
            again.next().into_iter().flatten().map(|execution| renewed(execution, &shared, senders)).collect();
        let began = clock.monotonic_nanos();
        for execution in &executions {
            std::hint::black_box(judge.judge(execution));
            judge.record(execution);
        }
        nanos = nanos.saturating_add(clock.monotonic_nanos().saturating_sub(began));
        measured.transactions = measured.transactions.saturating_add(count(executions.len()));
    }
    drop(engine);
    measured.nanos_per_transaction = share(nanos, measured.transactions);
    Ok(measured)
}

/// The contracts with code that frames of the blocks call most.
fn protected(blocks: &[Runnable]) -> Result<Vec<Address>, String> {
    let mut called = Vec::new();
    for block in blocks {
        let advanced = block.engine(Arc::default()).advance(&block.block).map_err(|error| error.to_string())?;
        let known = contracts(block, &advanced.executions);
        let calls = advanced.executions.iter().flat_map(|execution| &execution.effects.calls);
        called.extend(calls.map(|call| call.callee).filter(|callee| known.contains(callee)));
    }
    Ok(most_called(called, PROTECTED))
}

fn next(header: &Header) -> Header {
    let number = BlockNumber(header.number.0.saturating_add(1));
    let hash = keccak256(header.hash);
    let timestamp = header.timestamp.saturating_add(BLOCK_SECONDS);
    Header { number, hash, parent_hash: header.hash, timestamp, ..header.clone() }
}

/// The same in another block, from whom it is said.
fn renewed(execution: &Execution, block: &Arc<Header>, senders: Senders) -> Execution {
    let salted = |what: B256| keccak256([what, block.hash].concat());
    let mut execution = execution.clone();
    let old = execution.transaction.from;
    let new = match senders {
        Senders::Same => old,
        Senders::New => Address::from_word(salted(old.into_word())),
    };
    let hash = salted(execution.transaction.hash);
    execution.transaction = Arc::new(Transaction { hash, from: new, ..(*execution.transaction).clone() });
    execution.block = block.clone();
    if new == old {
        return execution;
    }
    let names: HashMap<Address, Address> = HashMap::from([(old, new)]);
    let rename = |account: &mut Address| *account = names.get(account).copied().unwrap_or(*account);
    for call in &mut execution.effects.calls {
        [&mut call.caller, &mut call.callee].into_iter().for_each(rename);
    }
    for moved in &mut execution.effects.movements {
        [&mut moved.from, &mut moved.to].into_iter().for_each(rename);
    }
    execution.effects.checks.iter_mut().for_each(|check| rename(&mut check.account));
    for emitted in &mut execution.effects.logs {
        let topics = emitted.log.topics().iter();
        let renamed = topics.map(|topic| if *topic == old.into_word() { new.into_word() } else { *topic });
        emitted.log.data.set_topics_unchecked(renamed.collect());
    }
    for write in execution.effects.writes.iter_mut().filter(|write| write.slot > U256::from(u64::MAX)) {
        // Entries of mappings under the sender's name are others as well; which they are nobody needs to know.
        write.slot = salted(write.slot.into()).into();
    }
    execution
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[expect(clippy::as_conversions, reason = "nanoseconds of a run, far below 2^53")]
fn share(nanos: u64, transactions: u64) -> f64 {
    nanos as f64 / transactions.max(1) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a wrong shape must panic")]

    use cofferdam_types::{ManualClock, UnixMillis};

    use super::*;
    use crate::bench::hostile_code::{Arena, SHAPES};

    #[test]
    fn a_block_that_is_judged_again_is_another_block_and_its_new_senders_are_nowhere_in_the_old_one() {
        let clock = ManualClock::new(UnixMillis(0));
        let (_, code) = SHAPES[0];
        let (execution, ..) = Arena::new(code()).run(1_500_000, &clock).unwrap();
        let later = Arc::new(next(&execution.block));
        assert!(later.number > execution.block.number && later.timestamp > execution.block.timestamp);
        let names = |execution: &Execution, account: Address| {
            execution.effects.calls.iter().any(|call| call.caller == account || call.callee == account)
        };
        let old = execution.transaction.from;
        let (same, new) = (renewed(&execution, &later, Senders::Same), renewed(&execution, &later, Senders::New));
        assert_ne!(same.hash(), execution.hash());
        assert_eq!((same.transaction.from, &same.effects), (old, &execution.effects));
        assert!(names(&execution, old) && !names(&new, old) && names(&new, new.transaction.from));
    }
}
