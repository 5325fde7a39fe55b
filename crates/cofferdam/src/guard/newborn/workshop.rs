//! The thread in which new contracts are tried, with an engine and a patience of its own. It judges nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use cofferdam_evm::{Budget, Engine, Rules, Subject, Trials};
use cofferdam_types::primitives::{Address, B256, U256};
use cofferdam_types::{
    AccountState, Block, BlockNumber, BlockRef, Clock, Known, Needs, Newborn, PreState, StateError, StateSource,
    Transaction, Watchlist,
};
use tokio::sync::mpsc;

use super::Job;
use crate::guard::observe;

/// What a thread needs that tries things.
#[derive(Clone)]
pub(in crate::guard) struct Workshop {
    pub(in crate::guard) rules: Rules,
    pub(in crate::guard) source: Arc<dyn StateSource>,
    pub(in crate::guard) watch: Arc<Watchlist>,
    pub(in crate::guard) needs: Needs,
    pub(in crate::guard) clock: Arc<dyn Clock>,
}

/// A source that answers until the time for a trial is used up: one that reads thousands of slots, each a question to a
/// node, must not hold up those behind it.
pub(in crate::guard) struct Patience {
    source: Arc<dyn StateSource>,
    clock: Arc<dyn Clock>,
    /// The clock's microseconds.
    until: AtomicU64,
}

impl Patience {
    /// Answers for ever, until [`Self::lasts_for`] says how long.
    pub(in crate::guard) fn new(source: Arc<dyn StateSource>, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, until: AtomicU64::new(u64::MAX) }
    }

    /// Answers for `micros` from now on.
    pub(in crate::guard) fn lasts_for(&self, micros: u64) {
        self.until.store(self.clock.monotonic_micros().saturating_add(micros), Ordering::Relaxed);
    }

    fn lasts(&self, at: BlockNumber) -> Result<(), StateError> {
        if self.clock.monotonic_micros() <= self.until.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(StateError::Unavailable { at, reason: "the time for this trial is used up".to_owned() })
    }
}

impl StateSource for Patience {
    fn account(&self, address: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        self.lasts(at.number).and_then(|()| self.source.account(address, at))
    }

    fn slot(&self, address: Address, slot: U256, at: BlockRef) -> Result<Known<U256>, StateError> {
        self.lasts(at.number).and_then(|()| self.source.slot(address, slot, at))
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Known<B256>, StateError> {
        self.lasts(number).and_then(|()| self.source.block_hash(number))
    }

    fn prestate(&self, transaction: &Transaction, at: BlockRef) -> Result<PreState, StateError> {
        self.lasts(at.number).and_then(|()| self.source.prestate(transaction, at))
    }

    fn block_prestate(&self, block: &Block) -> Result<PreState, StateError> {
        self.lasts(block.header.number).and_then(|()| self.source.block_prestate(block))
    }
}

/// The thread.
pub(super) fn work(jobs: &Receiver<Job>, done: &mpsc::Sender<Newborn>, budget: Budget, workshop: &Workshop) {
    let Workshop { rules, source, watch, needs, clock } = workshop;
    let patience = Arc::new(Patience::new(source.clone(), clock.clone()));
    let mut engine = Engine::new(*rules, patience.clone(), watch.clone());
    engine.set_needs(needs.clone());
    let mut trials = Trials::new(budget, clock.clone());
    while let Ok(job) = jobs.recv() {
        if engine.head().block_ref() != job.head.block_ref() {
            engine.reset(job.head);
        }
        if let Some(assertions) = job.assertions {
            engine.set_assertions(assertions);
        }
        patience.lasts_for(budget.micros.saturating_add(budget.micros / 4));
        let (creation, earlier) = (&job.creation, job.earlier.as_slice());
        let subject = Subject { creation, earlier, address: job.address, creator: job.creator };
        // Judging is the guard's: it has the history.
        let newborn = trials.of(&mut engine, &subject, &mut |_| false);
        observe("new contract", newborn.effort.micros);
        if done.blocking_send(newborn).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cofferdam_types::{ManualClock, UnixMillis};

    use super::*;

    /// Knows every account not to exist.
    struct Empty;

    impl StateSource for Empty {
        fn account(&self, _: Address, _: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
            Ok(Known::Value(None))
        }

        fn slot(&self, _: Address, _: U256, _: BlockRef) -> Result<Known<U256>, StateError> {
            Ok(Known::Value(U256::ZERO))
        }

        fn block_hash(&self, _: BlockNumber) -> Result<Known<B256>, StateError> {
            Ok(Known::Unknown)
        }

        fn prestate(&self, _: &Transaction, _: BlockRef) -> Result<PreState, StateError> {
            Ok(PreState::default())
        }

        fn block_prestate(&self, _: &Block) -> Result<PreState, StateError> {
            Ok(PreState::default())
        }
    }

    #[test]
    fn a_contract_that_reads_for_ever_gets_no_more_answers_when_its_time_is_used_up() {
        let clock = Arc::new(ManualClock::new(UnixMillis(0)));
        let patience = Patience { source: Arc::new(Empty), clock: clock.clone(), until: AtomicU64::new(5_000) };
        let at = BlockRef::default();
        clock.set(UnixMillis(5));
        assert!(patience.slot(Address::ZERO, U256::ZERO, at).is_ok());
        clock.set(UnixMillis(6));
        assert!(patience.slot(Address::ZERO, U256::ZERO, at).is_err());
        assert!(patience.account(Address::ZERO, at).is_err() && patience.block_hash(BlockNumber(1)).is_err());
        patience.until.store(9_000, Ordering::Relaxed);
        assert!(patience.prestate(&Transaction::default(), at).is_ok(), "the next one has its own time");
    }
}
