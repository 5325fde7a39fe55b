//! The loop of a live watch: hands the guard what comes from nodes, in turns, and hands it in again when that failed.
//!
//! Blocks go first. An update of the chain is handed in until the guard has dealt with it; it is given up only for
//! blocks that are not canonical any more, and then the chain is followed anew from the last block dealt with, so
//! that nothing is skipped. A pending transaction that cannot be executed now waits, and never holds up a block.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use cofferdam_chain::{FollowError, Follower, FollowerOptions, Mempool, Node, Recovery, RequestError};
use cofferdam_types::{BlockRef, ChainUpdate, Header, OperatorAlert, PendingUpdate, StateError};
use tokio::sync::watch;
use tokio::time::Instant;

use super::limits_file::LimitsFile;
use super::said::say;
use crate::guard::{Guard, GuardError, Happening};
use crate::telemetry::Health;

/// The first wait after a failure; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Failures in a row that go on for this long are put to the operator.
const LASTING_MICROS: u64 = 5_000_000;
/// How often the limits file is looked at while nothing happens; it is looked at before everything that happens, too.
const LOOK_AT_LIMITS: Duration = Duration::from_secs(1);

/// What may fail for long, in words.
const RESUMING: &str = "taking up unfinished plans";
const BLOCKS: &str = "new blocks";
const MEMPOOL: &str = "the mempool";

/// A watch that runs.
pub(super) struct Live {
    pub(super) guard: Guard,
    pub(super) node: Node,
    pub(super) follower: Follower,
    pub(super) following: FollowerOptions,
    /// Where the record stood at the start.
    pub(super) checkpoint: Option<BlockRef>,
    pub(super) mempool: Mempool,
    pub(super) health: Health,
    /// `None` in shadow mode.
    pub(super) limits: Option<LimitsFile>,
    /// True when the end was asked for.
    pub(super) stop: watch::Receiver<bool>,
}

/// What the loop waited for.
enum Next {
    Stop,
    Chain(Result<ChainUpdate, FollowError>),
}

/// What became of an update of the chain.
enum Dealt {
    Done,
    /// Its blocks left the chain before the guard could deal with them.
    Stale,
    Stop,
}

/// Work on the mempool that is not done yet.
struct Queue {
    updates: VecDeque<PendingUpdate>,
    /// Whether what concerns us is to be executed again on the new head.
    look_again: bool,
    trouble: Trouble,
    retry_at: Option<Instant>,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.updates.is_empty() && !self.look_again
    }
}

/// Failures in a row at one place.
#[derive(Debug, Default)]
struct Trouble {
    since_micros: Option<u64>,
    failures: u32,
    told: bool,
}

impl Trouble {
    /// Counts a failure: how long to wait, and whether the operator is to be told now.
    fn failed(&mut self, now_micros: u64) -> (Duration, bool) {
        let since = *self.since_micros.get_or_insert(now_micros);
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        let tell = !self.told && now_micros.saturating_sub(since) >= LASTING_MICROS;
        self.told |= tell;
        (wait, tell)
    }

    /// Whether it has gone on for so long that people know.
    const fn lasts(&self) -> bool {
        self.told
    }
}

impl Live {
    /// Runs until the end is asked for.
    pub(super) async fn run(mut self) {
        let mut queue =
            Queue { updates: VecDeque::new(), look_again: false, trouble: Trouble::default(), retry_at: None };
        if !self.take_up().await {
            return;
        }
        loop {
            match self.next(&mut queue).await {
                Next::Stop => return,
                Next::Chain(Ok(update)) => match self.deal_with(&update).await {
                    Dealt::Done => self.after_blocks(&update, &mut queue),
                    Dealt::Stale => self.follow_anew(),
                    Dealt::Stop => return,
                },
                Next::Chain(Err(error)) => self.go_on_after(&error),
            }
            self.work(&mut queue).await;
        }
    }

    /// Takes up what an earlier process left. False when the end was asked for.
    async fn take_up(&mut self) -> bool {
        let mut trouble = Trouble::default();
        loop {
            match self.resume().await {
                Ok(happenings) => {
                    happenings.iter().for_each(say);
                    went_well(&mut self.guard, &self.health, &mut trouble, RESUMING);
                    return true;
                }
                Err(error) => {
                    let wait = self.failed(&mut trouble, RESUMING, &error);
                    if self.wait(wait).await {
                        return false;
                    }
                }
            }
        }
    }

    async fn resume(&mut self) -> Result<Vec<Happening>, GuardError> {
        let happenings = self.guard.resume().await?;
        let at = self.checkpoint.unwrap_or_default().number;
        let failed = |reason: String| StateError::Unavailable { at, reason };
        let head = newest(&self.node).await.map_err(|error| failed(error.to_string()))?;
        self.guard.stand_on(head.ok_or_else(|| failed("the newest block is not known any more".to_owned()))?);
        Ok(happenings)
    }

    /// Waits for the next change of the chain, and deals with the mempool and with alerts meanwhile.
    async fn next(&mut self, queue: &mut Queue) -> Next {
        let alerts = self.node.alerts();
        let Self { guard, follower, mempool, health, limits, stop, .. } = self;
        // One future for as long as it takes: news from the mempool must not begin the fetching of a block anew.
        let mut update = pin!(follower.next());
        loop {
            let retry_at = queue.retry_at.unwrap_or_else(Instant::now);
            look_at_limits(limits, guard);
            tokio::select! {
                biased;
                () = asked_to_end(stop) => return Next::Stop,
                update = &mut update => return Next::Chain(update),
                alerts = alerts.wait() => tell(guard, alerts),
                () = tokio::time::sleep_until(retry_at), if !queue.is_empty() => work_once(guard, health, queue).await,
                () = guard.tried() => trials_once(guard).await,
                () = tokio::time::sleep(LOOK_AT_LIMITS) => {}
                pending = mempool.next(), if queue.is_empty() => {
                    look_at_limits(limits, guard);
                    queue.updates.push_back(pending);
                    work_once(guard, health, queue).await;
                }
            }
        }
    }

    async fn deal_with(&mut self, update: &ChainUpdate) -> Dealt {
        let mut trouble = Trouble::default();
        loop {
            match self.hand_in(update).await {
                Ok((happenings, tip)) => {
                    went_well(&mut self.guard, &self.health, &mut trouble, BLOCKS);
                    self.tell_blocks(&happenings, tip);
                    return Dealt::Done;
                }
                Err(error) => {
                    let wait = self.failed(&mut trouble, BLOCKS, &error);
                    if self.wait(wait).await {
                        return Dealt::Stop;
                    }
                    if trouble.lasts() && self.is_stale(update).await {
                        return Dealt::Stale;
                    }
                }
            }
        }
    }

    /// Hands an update to the guard, with the newest block there is now.
    async fn hand_in(&mut self, update: &ChainUpdate) -> Result<(Vec<Happening>, BlockRef), GuardError> {
        let last = update.adopted().last().map(|block| block.header.clone()).unwrap_or_default();
        let tip = if self.follower.head().number > last.number {
            let asked = newest(&self.node).await;
            let failed = |error: RequestError| StateError::Unavailable { at: last.number, reason: error.to_string() };
            asked.map_err(failed)?.filter(|head| head.number > last.number).unwrap_or(last)
        } else {
            last
        };
        look_at_limits(&mut self.limits, &mut self.guard);
        let happenings = self.guard.on_chain(update, &tip).await?;
        Ok((happenings, tip.block_ref()))
    }

    /// Whether the last block of an update is known not to be canonical any more.
    async fn is_stale(&self, update: &ChainUpdate) -> bool {
        let Some(last) = update.adopted().last().map(|block| block.header.block_ref()) else { return false };
        matches!(self.node.header(last.number).await, Ok(Some(header)) if header.hash != last.hash)
    }

    /// From the last block that was dealt with; what left the chain since then is found out by the follower.
    fn follow_anew(&mut self) {
        let from = self.guard.processed().or(self.checkpoint);
        tracing::warn!(from = from.map(|block| block.number.0), "blocks left the chain, following anew");
        self.follower = Follower::new(self.node.clone(), from, self.following);
    }

    fn tell_blocks(&self, happenings: &[Happening], newest: BlockRef) {
        happenings.iter().for_each(say);
        let processed = happenings.iter().filter_map(|happening| match happening {
            Happening::Processed { block, micros } => Some((block.number.0, *micros)),
            Happening::Found { .. } | Happening::Answered { .. } | Happening::Plan(_) => None,
        });
        let processed: Vec<(u64, u64)> = processed.collect();
        let (Some((first, _)), Some((last, _))) = (processed.first(), processed.last()) else { return };
        let behind = newest.number.0.saturating_sub(*last);
        let micros = processed.iter().map(|(_, micros)| *micros).fold(0, u64::saturating_add);
        self.health.processed(*last);
        tracing::info!(first, last, behind, micros, "blocks dealt with");
    }

    /// The mempool learns what was mined and what was dropped.
    fn after_blocks(&mut self, update: &ChainUpdate, queue: &mut Queue) {
        if let ChainUpdate::Reorged { dropped, .. } = update {
            self.mempool.on_dropped(dropped);
        }
        for block in update.adopted().iter() {
            queue.updates.extend(self.mempool.on_block(block));
        }
        queue.look_again = true;
        // The head is another one: what could not be executed may work now.
        queue.retry_at = None;
    }

    fn go_on_after(&mut self, error: &FollowError) {
        tracing::error!(%error, "following the chain");
        if error.recovery() == Recovery::PageOperator {
            // The follower raised the alert; it is on the record before the first block of the other branch.
            tell(&mut self.guard, self.node.alerts().drain());
            self.follower.accept_deep_reorg();
        }
    }

    async fn work(&mut self, queue: &mut Queue) {
        if !queue.is_empty() {
            work_once(&mut self.guard, &self.health, queue).await;
        }
    }

    fn failed(&mut self, trouble: &mut Trouble, doing: &'static str, error: &GuardError) -> Duration {
        tell(&mut self.guard, self.node.alerts().drain());
        failed(&mut self.guard, &self.health, trouble, doing, error)
    }

    /// True when the end was asked for meanwhile.
    async fn wait(&mut self, wait: Duration) -> bool {
        tokio::select! {
            biased;
            () = asked_to_end(&mut self.stop) => true,
            () = tokio::time::sleep(wait) => false,
        }
    }
}

/// The newest block; `None` when it left the chain between two questions.
async fn newest(node: &Node) -> Result<Option<Header>, RequestError> {
    let head = node.head().await?;
    node.header_by_hash(head.hash).await
}

/// Takes over what people wrote into the limits file.
fn look_at_limits(file: &mut Option<LimitsFile>, guard: &mut Guard) {
    if let Some(file) = file {
        let said = file.look(|limits| guard.set_limits(limits));
        tell(guard, said.into_iter().collect());
    }
}

async fn asked_to_end(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can ask any more, which is the end too.
    let _ended = stop.wait_for(|stop| *stop).await;
}

/// Deals with what trying new contracts and queued operations showed. What fails is kept by the guard, and tried again with the next one.
async fn trials_once(guard: &mut Guard) {
    match guard.on_trials().await {
        Ok(happenings) => happenings.iter().for_each(say),
        Err(error) => {
            metrics::counter!("cofferdam_retries_total", "doing" => "trials").increment(1);
            tracing::warn!(%error, "what a trial showed could not be dealt with, trying again");
            tokio::time::sleep(FIRST_WAIT).await;
        }
    }
}

/// Works the queue off until it is empty or something fails; that is tried again later, in the same order.
async fn work_once(guard: &mut Guard, health: &Health, queue: &mut Queue) {
    while let Some(update) = queue.updates.front() {
        match guard.on_pending(update).await {
            Ok(happenings) => happenings.iter().for_each(say),
            Err(error) => return later(guard, health, queue, &error),
        }
        queue.updates.pop_front();
    }
    if queue.look_again {
        match guard.look_again().await {
            Ok(happenings) => happenings.iter().for_each(say),
            Err(error) => return later(guard, health, queue, &error),
        }
        queue.look_again = false;
    }
    went_well(guard, health, &mut queue.trouble, MEMPOOL);
    queue.retry_at = None;
}

fn later(guard: &mut Guard, health: &Health, queue: &mut Queue, error: &GuardError) {
    let wait = failed(guard, health, &mut queue.trouble, MEMPOOL, error);
    queue.retry_at = Instant::now().checked_add(wait);
}

fn failed(
    guard: &mut Guard,
    health: &Health,
    trouble: &mut Trouble,
    doing: &'static str,
    error: &GuardError,
) -> Duration {
    let (wait, lasts) = trouble.failed(guard.micros());
    metrics::counter!("cofferdam_retries_total", "doing" => doing).increment(1);
    tracing::warn!(%error, doing, failures = trouble.failures, "failed, trying again");
    if lasts {
        health.stuck(true);
        let detail = format!("it has failed for {} s: {error}", LASTING_MICROS / 1_000_000);
        tell(guard, vec![OperatorAlert::Stuck { doing: doing.to_owned(), detail }]);
    }
    wait
}

/// People who were told of the trouble are told of its end.
fn went_well(guard: &mut Guard, health: &Health, trouble: &mut Trouble, doing: &'static str) {
    if std::mem::take(trouble).lasts() {
        health.stuck(false);
        tell(guard, vec![OperatorAlert::GoesOn { doing: doing.to_owned() }]);
    }
}

/// Puts alerts on the record, at the latest when the record can be written again; until then the log is all there is.
fn tell(guard: &mut Guard, alerts: Vec<OperatorAlert>) {
    for alert in &alerts {
        tracing::warn!(?alert, "operator alert");
    }
    if let Err(error) = guard.tell(alerts) {
        tracing::error!(%error, "an alert could not be put on the record");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_second_and_people_are_told_once() {
        let mut trouble = Trouble::default();
        let waits: Vec<u128> = (0..7).map(|_| trouble.failed(0).0.as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_000, 1_000]);
        assert!(!trouble.lasts());
        assert!(trouble.failed(LASTING_MICROS).1);
        assert!(!trouble.failed(LASTING_MICROS * 2).1);
        assert!(trouble.lasts());
    }
}
