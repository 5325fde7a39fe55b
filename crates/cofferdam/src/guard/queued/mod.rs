//! Operations that wait for their time in timelocks and governors, carried out in the background on a fork of the head: the
//! window before a hostile decision.
//!
//! ```text
//! a block announces an operation ─▶ followed ─▶ own thread: own engine, rehearse ─▶ judge ─▶ commit
//!                                      ▲  every some blocks, until it is executed or cancelled
//! ```
//!
//! Nothing waits for the thread, and the guard's state is not touched by it. What is followed is bounded: beyond it the
//! oldest that concerns nobody here makes room, and that is counted. A block that leaves the chain takes its
//! announcements along, and gives back what it ended; a cancelled operation takes its findings along. Followed is what this
//! process saw announced: a restart goes on from the checkpoint, and what stood in the blocks before is followed no more (what was
//! told of it stands on the record).

mod workshop;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use cofferdam_evm::{Assertions, RehearsalBudget, announced};
use cofferdam_types::{
    Announcement, BlockRef, Event, Execution, FindingId, Header, OperationId, QueuedOperation, Rehearsal, Watchlist,
    Window,
};
use tokio::sync::mpsc;

use super::mempool::concerns;
use super::newborn::Workshop;
use super::{Guard, GuardError, Happening, observe};
use workshop::work;

/// Operations handed to the thread for one block: those behind it come with the next.
const MOST_A_BLOCK: usize = 8;
/// What concerned no protected contract is tried again so many times less often.
const SELDOM: u64 = 32;
/// Operations that nobody carried out for so long after they could be are forgotten: 90 days.
const FORGET_SECONDS: u64 = 7_776_000;

/// How operations that wait are looked at.
#[derive(Clone, Copy, Debug)]
pub struct QueuedOptions {
    /// What one operation may cost each time.
    pub budget: RehearsalBudget,
    /// Operations followed at a time.
    pub most: usize,
    /// Blocks after which an operation is tried again.
    pub again_blocks: u64,
}

impl Default for QueuedOptions {
    fn default() -> Self {
        Self { budget: RehearsalBudget::default(), most: 4_096, again_blocks: 50 }
    }
}

/// An operation on its way to be tried.
struct Job {
    /// The block on whose state it is tried.
    head: Header,
    operation: Arc<QueuedOperation>,
    /// Where they changed since the last job.
    assertions: Option<Assertions>,
}

/// An operation that waits.
struct Followed {
    operation: Arc<QueuedOperation>,
    /// Height of the head it was last handed in for.
    tried: Option<u64>,
    on_its_way: bool,
    /// Whether anything protected was reached when it was tried; true before that.
    concerns_us: bool,
    /// The block in which it was carried out or cancelled: it may leave the chain.
    over: Option<BlockRef>,
    told: Vec<FindingId>,
}

/// Operations that wait, on their way through the thread and back.
pub(super) struct Queued {
    to: SyncSender<Job>,
    from: mpsc::Receiver<Rehearsal>,
    options: QueuedOptions,
    /// Back from the thread and not dealt with yet.
    finished: VecDeque<Rehearsal>,
    on_their_way: usize,
    followed: HashMap<OperationId, Followed>,
    /// Oldest first; each that is followed stands here once.
    order: VecDeque<OperationId>,
    /// Withdrawals that go on the record with the block that caused them.
    withdrawals: Vec<Event>,
    /// Not handed to the thread yet.
    assertions: Option<Assertions>,
}

impl Queued {
    /// Starts the thread. It ends when this is dropped. `None` when the machine gives us no thread.
    pub(super) fn start(options: QueuedOptions, workshop: Workshop) -> Option<Self> {
        let (to, jobs) = sync_channel(MOST_A_BLOCK);
        let (done, from) = mpsc::channel(MOST_A_BLOCK.saturating_mul(2));
        let thread = std::thread::Builder::new().name("queued operations".to_owned());
        if let Err(error) = thread.spawn(move || work(&jobs, &done, options.budget, &workshop)) {
            tracing::error!(%error, "queued operations are not looked at");
            return None;
        }
        Some(Self {
            to,
            from,
            options,
            finished: VecDeque::new(),
            on_their_way: 0,
            followed: HashMap::new(),
            order: VecDeque::new(),
            withdrawals: Vec::new(),
            assertions: None,
        })
    }

    /// The Solidity assertions that are to run from now on.
    pub(super) fn set_assertions(&mut self, assertions: Assertions) {
        self.assertions = Some(assertions);
    }

    /// Takes in what a mined transaction announces and ends.
    fn learn(&mut self, execution: &Execution) {
        for announcement in announced(execution) {
            match announcement {
                Announcement::Queued(operation) => self.follow(operation),
                Announcement::Executed(id) => self.end(id, execution.block.block_ref(), None),
                Announcement::Withdrawn(id) => {
                    self.end(id, execution.block.block_ref(), Some("the operation was cancelled, or handed on"));
                }
            }
        }
    }

    fn follow(&mut self, operation: Arc<QueuedOperation>) {
        let id = operation.id;
        if !self.followed.contains_key(&id) {
            if self.followed.len() >= self.options.most && !self.make_room() {
                metrics::counter!("cofferdam_operations_left_out_total").increment(1);
                tracing::warn!(controller = %id.controller, id = %id.id, "a queued operation is not followed, for their number");
                return;
            }
            self.order.push_back(id);
        }
        let followed =
            Followed { operation, tried: None, on_its_way: false, concerns_us: true, over: None, told: Vec::new() };
        self.followed.insert(id, followed);
    }

    /// Forgets the oldest that concerns nobody here, or is over. False when all concern us.
    fn make_room(&mut self) -> bool {
        let is_spare = |id: &OperationId| {
            self.followed.get(id).is_none_or(|followed| !followed.concerns_us || followed.over.is_some())
        };
        let Some(place) = self.order.iter().position(is_spare) else { return false };
        let forgotten = self.order.remove(place);
        metrics::counter!("cofferdam_operations_left_out_total").increment(1);
        forgotten.and_then(|id| self.followed.remove(&id)).is_some()
    }

    fn end(&mut self, id: OperationId, block: BlockRef, withdrawn_because: Option<&str>) {
        let Some(followed) = self.followed.get_mut(&id).filter(|followed| followed.over.is_none()) else { return };
        followed.over = Some(block);
        if let Some(reason) = withdrawn_because {
            let told = followed.told.iter().copied();
            let block = Some(followed.operation.block);
            self.withdrawals.extend(told.map(|finding| Event::Withdrawn { finding, block, reason: reason.to_owned() }));
        }
    }

    /// Blocks left the chain: what they announced is not there, and what they ended waits, is tried and is told again.
    pub(super) fn retract(&mut self, dropped: &[BlockRef]) {
        for followed in self.followed.values_mut() {
            if followed.over.is_some_and(|block| dropped.contains(&block)) {
                followed.told.clear();
            }
        }
        self.unlearn(dropped);
    }

    /// Blocks could not be dealt with, and will be handed in again.
    pub(super) fn unlearn(&mut self, blocks: &[BlockRef]) {
        self.withdrawals.clear();
        self.followed.retain(|_, followed| !blocks.contains(&followed.operation.block));
        for followed in self.followed.values_mut() {
            if followed.over.is_some_and(|block| blocks.contains(&block)) {
                followed.over = None;
                followed.tried = None;
            }
        }
        let followed = &self.followed;
        self.order.retain(|id| followed.contains_key(id));
    }

    /// Hands in what is to be tried on `head`, as much as there is room for.
    fn submit(&mut self, head: &Header, kept_blocks: u64) {
        self.forget(head, kept_blocks);
        let height = head.number.0;
        let mut handed_in = 0;
        for id in &self.order {
            let Some(followed) = self.followed.get_mut(id) else { continue };
            let pause = if followed.concerns_us { 1 } else { SELDOM }.saturating_mul(self.options.again_blocks);
            let is_due = followed.tried.is_none_or(|tried| tried.saturating_add(pause) <= height);
            if followed.over.is_some() || followed.on_its_way || !is_due {
                continue;
            }
            if handed_in >= MOST_A_BLOCK {
                break;
            }
            let operation = followed.operation.clone();
            let job = Job { head: head.clone(), operation, assertions: self.assertions.take() };
            match self.to.try_send(job) {
                Ok(()) => {
                    (followed.tried, followed.on_its_way) = (Some(height), true);
                    self.on_their_way = self.on_their_way.saturating_add(1);
                    handed_in = handed_in.saturating_add(1);
                }
                // The thread is busy: with the next block.
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                    self.assertions = job.assertions;
                    break;
                }
            }
        }
    }

    /// Lets go of what is over for good, and of what nobody carried out for months.
    fn forget(&mut self, head: &Header, kept_blocks: u64) {
        self.followed.retain(|_, followed| {
            let settled = followed.over.is_some_and(|block| block.number.0.saturating_add(kept_blocks) < head.number.0);
            !settled && followed.operation.due.saturating_add(FORGET_SECONDS) > head.timestamp
        });
        if self.order.len() > self.followed.len() {
            let followed = &self.followed;
            self.order.retain(|id| followed.contains_key(id));
        }
    }

    fn take(&mut self, rehearsal: Rehearsal) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        if let Some(followed) = self.followed.get_mut(&rehearsal.operation.id) {
            followed.on_its_way = false;
        }
        self.finished.push_back(rehearsal);
    }

    /// Waits for the next one to come back. False when the thread is gone, and nothing will.
    pub(super) async fn one(&mut self) -> bool {
        let rehearsal = self.from.recv().await;
        let is_there = rehearsal.is_some();
        match rehearsal {
            Some(rehearsal) => self.take(rehearsal),
            None => self.on_their_way = 0,
        }
        is_there
    }

    /// Whether something came back that was not dealt with.
    pub(super) fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Whether something is with the thread.
    pub(super) const fn is_busy(&self) -> bool {
        self.on_their_way > 0
    }

    /// The operation that came back, while it still waits as it was announced.
    fn still_waits(&mut self, rehearsal: &Rehearsal) -> Option<&mut Followed> {
        let operation = &rehearsal.operation;
        let followed = self.followed.get_mut(&operation.id)?;
        (followed.over.is_none() && followed.operation.block == operation.block).then_some(followed)
    }
}

impl Guard {
    /// Takes in the operations that a mined transaction announces and ends.
    pub(super) fn look_for_operations(&mut self, execution: &Execution) {
        if let Some(queued) = &mut self.queued {
            queued.learn(execution);
        }
    }

    /// What the last blocks withdrew, for the record.
    pub(super) fn withdrawn_operations(&mut self) -> Vec<Event> {
        self.queued.as_mut().map(|queued| std::mem::take(&mut queued.withdrawals)).unwrap_or_default()
    }

    /// Hands in the operations that are to be tried on the newest head.
    pub(super) fn rehearse_operations(&mut self) {
        let head = self.newest().head().clone();
        if let Some(queued) = &mut self.queued {
            queued.submit(&head, KEPT_BLOCKS);
        }
    }

    /// Judges and records what carrying out operations showed.
    pub(super) fn on_rehearsals(&mut self) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = Vec::new();
        while let Ok(rehearsal) = self.queued.as_mut().map_or(Err(()), |queued| queued.from.try_recv().map_err(drop)) {
            if let Some(queued) = &mut self.queued {
                queued.take(rehearsal);
            }
        }
        while let Some(rehearsal) = self.queued.as_mut().and_then(|queued| queued.finished.pop_front()) {
            match self.deal_with_rehearsal(&rehearsal) {
                Ok(found) => happenings.extend(found),
                Err(error) => {
                    if let Some(queued) = &mut self.queued {
                        queued.finished.push_front(rehearsal);
                    }
                    return Err(error);
                }
            }
        }
        Ok(happenings)
    }

    fn deal_with_rehearsal(&mut self, rehearsal: &Rehearsal) -> Result<Option<Happening>, GuardError> {
        let start = self.clock.monotonic_micros();
        let reached = reaches_us(rehearsal, &self.watch);
        let Some(queued) = &mut self.queued else { return Ok(None) };
        let Some(followed) = queued.still_waits(rehearsal) else { return Ok(None) };
        followed.concerns_us = reached;
        metrics::counter!("cofferdam_operations_tried_total").increment(1);
        let verdict = self.judge.judge_queued(rehearsal);
        let fresh: Vec<_> = verdict.findings.iter().filter(|finding| !followed.told.contains(&finding.id)).collect();
        if fresh.is_empty() {
            return Ok(None);
        }
        let told: Vec<FindingId> = fresh.iter().map(|finding| finding.id).collect();
        let (company, operation) = (&self.company, &rehearsal.operation);
        let trail = |finding: &cofferdam_types::Finding| {
            let execution = rehearsal.executions.first()?;
            Some(company.trail_of_queued(execution, &verdict, finding, operation.proposer))
        };
        let found = |finding: &cofferdam_types::Finding| Event::Found {
            finding: finding.clone(),
            window: Window::Before,
            block: Some(rehearsal.operation.block),
            standing: verdict.standing.clone(),
            trail: trail(finding),
        };
        let events = fresh.into_iter().map(found).collect();
        self.commit(events, None)?;
        if let Some(followed) = self.queued.as_mut().and_then(|queued| queued.still_waits(rehearsal)) {
            followed.told.extend(told);
        }
        let micros = self.since(start).saturating_add(rehearsal.effort.micros);
        observe("queued operation judged", micros);
        let execution = rehearsal.executions.first().map(|execution| Arc::new(execution.clone()));
        Ok(execution.map(|execution| Happening::Found { execution, verdict, micros }))
    }
}

/// Blocks that may still leave the chain: as many as the engines hold.
const KEPT_BLOCKS: u64 = 256;

/// Whether a rehearsal reached anything protected, or was of something that names it.
fn reaches_us(rehearsal: &Rehearsal, watch: &Watchlist) -> bool {
    let operation = &rehearsal.operation;
    watch.contains(operation.id.controller)
        || operation.calls.iter().any(|call| watch.contains(call.target))
        || rehearsal.executions.iter().any(|execution| concerns(execution, watch))
}

#[cfg(test)]
mod tests;
