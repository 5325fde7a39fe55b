//! Operations that wait for their time in timelocks and governors, carried out in the background on a fork of the head: the
//! window before a hostile decision.
//!
//! ```text
//! a block announces an operation ─▶ followed ─▶ own thread: own engine, rehearse ─▶ judge ─▶ commit
//!                                      ▲  every some blocks, until it is executed or cancelled
//! ```
//!
//! Nothing waits for the thread, and the guard's state is not touched by it. What is followed is bounded, in number, in
//! bytes and for each contract: beyond it what was tried and concerns nobody here makes room first, then what stands beside
//! most others of its contract, and that is counted. What was never tried goes before what is tried again, and neither
//! takes all room, so that a flood of announcements delays and starves nothing. A block that leaves the chain takes its
//! announcements along, and gives back what it ended; a cancelled operation takes its findings along. Followed is what this
//! process saw announced: a restart goes on from the checkpoint, and what stood in the blocks before is followed no more (what was
//! told of it stands on the record).

mod outcome;
mod workshop;

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use cofferdam_evm::{Assertions, RehearsalBudget, announced};
use cofferdam_types::primitives::Address;
use cofferdam_types::{
    Announcement, BlockRef, Event, Execution, FindingId, Header, OperationId, OperationKind, QueuedOperation,
    Rehearsal, Watchlist,
};
use tokio::sync::mpsc;

use super::newborn::Workshop;
use workshop::work;

/// Operations handed to the thread for one block: those behind it come with the next.
const MOST_A_BLOCK: usize = 8;
/// What concerned no protected contract is tried again so many times less often.
const SELDOM: u64 = 32;
/// Of so many places, one is for what was tried before while something new waits.
const ONE_AGAIN_OF: usize = 4;
/// Blocks after which a trial is repeated that missing state or time cut short, and how many times in a row.
const SOON_BLOCKS: u64 = 2;
const MOST_SOON: u8 = 5;
/// Operations of one contract that are followed.
const MOST_OF_CONTROLLER: usize = 64;
/// Bytes of all operations that are followed.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Operations that nobody carried out for so long after they could be are forgotten: 90 days.
const FORGET_SECONDS: u64 = 7_776_000;
/// When an operation is due is its contract's claim; a later time counts as this long after it was announced: one year.
const LATEST_SECONDS: u64 = 31_536_000;

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
    /// Whether it concerns anything protected, by what it did; `None` until it was tried whole, and while it fails and
    /// names something protected.
    concerns_us: Option<bool>,
    /// How many times in a row its trial was cut short by missing state or time.
    cut_short: u8,
    /// The block in which it was carried out or cancelled: it may leave the chain.
    over: Option<BlockRef>,
    told: Vec<FindingId>,
}

impl Followed {
    /// Blocks between two trials.
    fn pause(&self, again_blocks: u64) -> u64 {
        if self.cut_short > 0 && self.cut_short <= MOST_SOON {
            return SOON_BLOCKS.min(again_blocks);
        }
        let times = if self.concerns_us == Some(false) { SELDOM } else { 1 };
        again_blocks.saturating_mul(times)
    }

    fn bytes(&self) -> usize {
        let QueuedOperation { calls, carried_out_by, .. } = &*self.operation;
        let data = calls.iter().map(|call| &call.data).chain(carried_out_by).map(|data| data.len());
        data.fold(size_of::<Self>(), usize::saturating_add)
    }
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
    /// Operations followed of each contract.
    held: HashMap<Address, usize>,
    /// Bytes of all that is followed.
    bytes: usize,
    watch: Arc<Watchlist>,
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
        let watch = workshop.watch.clone();
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
            held: HashMap::new(),
            bytes: 0,
            watch,
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
        let block = execution.block.block_ref();
        let mut handed_on = Vec::new();
        for announcement in announced(execution) {
            match announcement {
                Announcement::Queued(operation) => self.follow(operation),
                Announcement::Executed(id) => self.end(id, block, None),
                Announcement::Withdrawn(id) => self.end(id, block, Some("the operation was cancelled")),
                Announcement::HandedOn(id) => handed_on.push(id),
                Announcement::LeftOut(count) => left_out(count),
            }
        }
        // Only now: the timelock's own is followed, or it was left out and the proposal goes on standing for it.
        for id in handed_on {
            if self.is_taken_over(id, execution) {
                self.end(
                    id,
                    block,
                    Some("the operation was handed on to a timelock, where it waits under another name"),
                );
            }
        }
    }

    /// Whether `execution` queued the calls of the proposal `id` in a timelock, and that is followed.
    fn is_taken_over(&self, id: OperationId, execution: &Execution) -> bool {
        let Some(proposal) = self.followed.get(&id).map(|followed| &followed.operation) else { return false };
        self.followed.values().any(|followed| {
            let operation = &followed.operation;
            operation.transaction == execution.hash()
                && operation.kind != OperationKind::Proposal
                && operation.calls.starts_with(&proposal.calls)
                && !operation.truncated
                && followed.over.is_none()
        })
    }

    fn follow(&mut self, operation: Arc<QueuedOperation>) {
        let id = operation.id;
        // Announced again, it is another.
        if self.followed.contains_key(&id)
            && let Some(place) = self.order.iter().position(|known| *known == id)
        {
            self.let_go(place);
        }
        let followed = Followed {
            operation,
            tried: None,
            on_its_way: false,
            concerns_us: None,
            cut_short: 0,
            over: None,
            told: Vec::new(),
        };
        let bytes = followed.bytes();
        let of_controller = self.held.get(&id.controller).copied().unwrap_or_default();
        let mut room = of_controller < MOST_OF_CONTROLLER || self.make_room(Some(id.controller));
        while room && (self.followed.len() >= self.options.most || self.bytes.saturating_add(bytes) > MOST_BYTES) {
            room = self.make_room(None);
        }
        if !room {
            left_out(1);
            tracing::warn!(controller = %id.controller, id = %id.id, "a queued operation is not followed, for their number");
            return;
        }
        self.order.push_back(id);
        self.followed.insert(id, followed);
        self.bytes = self.bytes.saturating_add(bytes);
        let held = self.held.entry(id.controller).or_default();
        *held = held.saturating_add(1);
    }

    /// Forgets what can be spared first, of one contract or of all. False when nothing can.
    fn make_room(&mut self, of: Option<Address>) -> bool {
        let places = self.order.iter().enumerate().filter(|(_, id)| of.is_none_or(|of| of == id.controller));
        let ranked = places.filter_map(|(place, id)| Some((self.spared_after(id, of.is_some())?, place)));
        let Some((_, place)) = ranked.min() else { return false };
        left_out(1);
        self.let_go(place);
        true
    }

    /// Lower is spared first. What was told of stays, and what a protected contract announced stays against others.
    fn spared_after(&self, id: &OperationId, within_its_own: bool) -> Option<(u8, Reverse<usize>)> {
        let followed = self.followed.get(id)?;
        let held = Reverse(self.held.get(&id.controller).copied().unwrap_or_default());
        if followed.over.is_some() {
            return Some((0, held));
        }
        if !followed.told.is_empty() || (self.watch.contains(id.controller) && !within_its_own) {
            return None;
        }
        let class = match (followed.concerns_us, followed.tried) {
            (Some(false), _) => 1,
            (_, Some(_)) => 2,
            (_, None) => 3,
        };
        Some((class, held))
    }

    fn let_go(&mut self, place: usize) {
        let Some(id) = self.order.remove(place) else { return };
        let Some(gone) = self.followed.remove(&id) else { return };
        self.bytes = self.bytes.saturating_sub(gone.bytes());
        if let Some(held) = self.held.get_mut(&id.controller) {
            *held = held.saturating_sub(1);
        }
    }

    /// Brings what is counted in line with what is followed, after some of it went.
    fn settle(&mut self) {
        let followed = &self.followed;
        self.order.retain(|id| followed.contains_key(id));
        self.held.clear();
        for id in &self.order {
            let held = self.held.entry(id.controller).or_default();
            *held = held.saturating_add(1);
        }
        self.bytes = self.followed.values().fold(0, |sum, followed| sum.saturating_add(followed.bytes()));
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
        self.settle();
    }

    /// What is to be tried at `height`, in turn: what was never tried and what waited longest since, and each by whether
    /// a protected contract announced it and by how few others its contract has waiting.
    fn in_turn(&self, height: u64) -> Vec<OperationId> {
        let mut due: Vec<_> = self.order.iter().filter_map(|id| Some((id, self.followed.get(id)?))).collect();
        due.retain(|(_, followed)| {
            let pause = followed.pause(self.options.again_blocks);
            let is_due = followed.tried.is_none_or(|tried| tried.saturating_add(pause) <= height);
            followed.over.is_none() && !followed.on_its_way && is_due
        });
        due.sort_by_key(|(id, followed)| {
            (followed.tried, !self.watch.contains(id.controller), self.held.get(&id.controller))
        });
        let (new, again) = due.split_at(due.partition_point(|(_, followed)| followed.tried.is_none()));
        let (mut new, mut again) = (new.iter(), again.iter());
        let turns = (1..=MOST_A_BLOCK).map_while(|turn| {
            let is_again = turn.is_multiple_of(ONE_AGAIN_OF);
            if is_again { again.next().or_else(|| new.next()) } else { new.next().or_else(|| again.next()) }
        });
        turns.map(|(id, _)| **id).collect()
    }

    /// Hands in what is to be tried on `head`, as much as there is room for.
    fn submit(&mut self, head: &Header, kept_blocks: u64) {
        self.forget(head, kept_blocks);
        let height = head.number.0;
        for id in self.in_turn(height) {
            let Some(followed) = self.followed.get_mut(&id) else { continue };
            let operation = followed.operation.clone();
            let job = Job { head: head.clone(), operation, assertions: self.assertions.take() };
            match self.to.try_send(job) {
                Ok(()) => {
                    (followed.tried, followed.on_its_way) = (Some(height), true);
                    self.on_their_way = self.on_their_way.saturating_add(1);
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
            let QueuedOperation { due, announced, .. } = &*followed.operation;
            let due = (*due).min(announced.saturating_add(LATEST_SECONDS));
            !settled && due.saturating_add(FORGET_SECONDS) > head.timestamp
        });
        if self.order.len() > self.followed.len() {
            self.settle();
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

fn left_out(count: u64) {
    metrics::counter!("cofferdam_operations_left_out_total").increment(count);
}

#[cfg(test)]
mod tests;
