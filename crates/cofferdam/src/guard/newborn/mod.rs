//! New contracts, looked at in the background: the window before an attack.
//!
//! ```text
//! a block or a pending transaction creates a contract ─▶ queue ─▶ own thread: own engine, Trials ─▶ judge ─▶ commit ─▶ respond
//! ```
//!
//! Trying takes up to seconds, so it has a thread with an engine of its own; the guard's state is not touched and nothing
//! waits for it. Judging what was found is the guard's, with its own history. The queue is bounded: what finds no
//! room is counted and told. What was tried for a block that left the chain, or for a transaction that is not
//! pending any more, is thrown away.

mod workshop;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use cofferdam_evm::{Assertions, Budget, created};
use cofferdam_types::primitives::{Address, B256};
use cofferdam_types::{
    Asset, Attempt, BlockRef, Creator, Event, Execution, FindingId, Header, Judge, Label, Level, Newborn, Transaction,
    Verdict, Window,
};
use tokio::sync::mpsc;

use super::{Guard, GuardError, Happening, is_recorded, is_stop, observe};
use crate::labels::Labels;

use workshop::work;
pub(super) use workshop::{Patience, Workshop};

/// Accounts remembered that had coin from somebody on a list.
const MOST_FUNDED: usize = 50_000;

/// How new contracts are looked at.
#[derive(Clone, Debug)]
pub struct NewbornOptions {
    /// What one contract may cost.
    pub budget: Budget,
    /// Contracts that wait; beyond it new ones are left out, and that is told.
    pub queue: usize,
    /// Who is known.
    pub labels: Arc<Labels>,
}

impl Default for NewbornOptions {
    fn default() -> Self {
        Self { budget: Budget::default(), queue: 256, labels: Arc::default() }
    }
}

/// A contract on its way to be tried.
struct Job {
    /// The block on whose state it is tried.
    head: Header,
    creation: Arc<Execution>,
    earlier: Vec<Arc<Transaction>>,
    address: Address,
    creator: Creator,
    /// Where they changed since the last job.
    assertions: Option<Assertions>,
}

impl Job {
    fn key(creation: &Execution, address: Address) -> (B256, Address) {
        let of = if creation.window == Window::Mined { creation.block.hash } else { creation.hash() };
        (of, address)
    }
}

/// New contracts on their way through the thread, and what is known of those who make them.
pub(super) struct Newborns {
    to: SyncSender<Job>,
    from: mpsc::Receiver<Newborn>,
    /// Back from the thread and not dealt with yet.
    finished: VecDeque<Newborn>,
    /// On their way, and still true: the block (or pending transaction) and the contract.
    waiting: HashSet<(B256, Address)>,
    on_their_way: usize,
    /// Not handed to the thread yet.
    assertions: Option<Assertions>,
    labels: Arc<Labels>,
    funded: HashMap<Address, (Address, Label, BlockRef)>,
    order: VecDeque<Address>,
}

impl Newborns {
    /// Starts the thread. It ends when this is dropped. `None` when the machine gives us no thread.
    pub(super) fn start(options: NewbornOptions, workshop: Workshop) -> Option<Self> {
        let (to, jobs) = sync_channel(options.queue.max(1));
        let (done, from) = mpsc::channel(options.queue.saturating_add(2));
        let budget = options.budget;
        let thread = std::thread::Builder::new().name("new contracts".to_owned());
        if let Err(error) = thread.spawn(move || work(&jobs, &done, budget, &workshop)) {
            tracing::error!(%error, "new contracts are not looked at");
            return None;
        }
        Some(Self {
            to,
            from,
            finished: VecDeque::new(),
            waiting: HashSet::new(),
            on_their_way: 0,
            assertions: None,
            labels: options.labels,
            funded: HashMap::new(),
            order: VecDeque::new(),
        })
    }

    /// The Solidity assertions that are to run in trials from now on.
    pub(super) fn set_assertions(&mut self, assertions: Assertions) {
        self.assertions = Some(assertions);
    }

    /// Hands in what `creation` created, to be tried on `head`.
    fn submit(&mut self, creation: &Arc<Execution>, earlier: &[Arc<Transaction>], head: &Header) {
        let (addresses, mut left_out) = created(creation);
        for address in addresses {
            let key = Job::key(creation, address);
            if self.waiting.contains(&key) {
                continue;
            }
            let job = Job {
                head: head.clone(),
                creation: creation.clone(),
                earlier: earlier.to_vec(),
                address,
                creator: self.creator(creation, address),
                assertions: self.assertions.take(),
            };
            match self.to.try_send(job) {
                Ok(()) => {
                    self.waiting.insert(key);
                    self.on_their_way = self.on_their_way.saturating_add(1);
                }
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                    self.assertions = job.assertions;
                    left_out = left_out.saturating_add(1);
                }
            }
        }
        if left_out > 0 {
            let count = u64::try_from(left_out).unwrap_or(u64::MAX);
            metrics::counter!("cofferdam_new_contracts_left_out_total").increment(count);
            tracing::warn!(left_out, creation = %creation.hash(), "new contracts were not looked at, for their number");
        }
    }

    fn creator(&self, creation: &Execution, address: Address) -> Creator {
        let account = creation.transaction.from;
        let change = creation.effects.code_changes.iter().find(|change| change.address == address);
        Creator {
            account,
            through: change.and_then(|change| change.creator).filter(|through| *through != account),
            nonce: creation.transaction.nonce,
            label: self.labels.of(account).cloned(),
            funded_by: self.funded.get(&account).map(|(from, label, _)| (*from, label.clone())),
        }
    }

    /// Remembers who had coin from somebody on a list.
    fn learn(&mut self, execution: &Execution) {
        if self.labels.is_empty() {
            return;
        }
        for moved in execution.effects.movements.iter().filter(|moved| moved.asset == Asset::Native) {
            let Some(label) = self.labels.of(moved.from) else { continue };
            let known = (moved.from, label.clone(), execution.block.block_ref());
            if self.funded.insert(moved.to, known).is_none() {
                self.order.push_back(moved.to);
            }
        }
        while self.order.len() > MOST_FUNDED {
            let oldest = self.order.pop_front();
            oldest.and_then(|oldest| self.funded.remove(&oldest));
        }
    }

    /// Blocks left the chain: what they created is not there, and who was funded in them was not.
    pub(super) fn retract(&mut self, dropped: &[BlockRef]) {
        self.waiting.retain(|(of, _)| dropped.iter().all(|block| block.hash != *of));
        self.funded.retain(|_, (_, _, block)| !dropped.contains(block));
        let funded = &self.funded;
        self.order.retain(|account| funded.contains_key(account));
    }

    /// A transaction is not pending any more: mined, what it created is tried again as it came to be.
    pub(super) fn forget_pending(&mut self, transaction: B256) {
        self.waiting.retain(|(of, _)| *of != transaction);
    }

    fn take(&mut self, newborn: Newborn) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        self.finished.push_back(newborn);
    }

    /// Takes what has come back, without waiting.
    fn collect(&mut self) {
        while let Ok(newborn) = self.from.try_recv() {
            self.take(newborn);
        }
    }

    /// Whether something came back that was not dealt with.
    pub(super) fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Whether something is with the thread.
    pub(super) const fn is_busy(&self) -> bool {
        self.on_their_way > 0
    }

    /// Waits for the next one to come back. False when the thread is gone, and nothing will.
    pub(super) async fn one(&mut self) -> bool {
        let newborn = self.from.recv().await;
        let is_there = newborn.is_some();
        match newborn {
            Some(newborn) => self.take(newborn),
            None => self.on_their_way = 0,
        }
        is_there
    }
}

impl Guard {
    /// Learns whom a mined transaction funded.
    pub(super) fn learn_funding(&mut self, execution: &Execution) {
        if let Some(newborns) = &mut self.newborns {
            newborns.learn(execution);
        }
    }

    /// Hands in the contracts that a mined transaction created.
    pub(super) fn look_for_newborns(&mut self, execution: &Arc<Execution>) {
        let head = self.tip.as_ref().unwrap_or_else(|| self.engine.head());
        if let Some(newborns) = &mut self.newborns {
            newborns.submit(execution, &[], head);
        }
    }

    /// The same for a pending transaction.
    pub(super) fn look_for_pending_newborns(&mut self, execution: &Arc<Execution>, earlier: &[Arc<Transaction>]) {
        let head = self.newest().head().clone();
        if let Some(newborns) = &mut self.newborns {
            newborns.submit(execution, earlier, &head);
        }
    }

    /// Judges, records and answers what trying new contracts showed. What was not dealt with when it fails is kept, and
    /// dealt with by the next call.
    pub(super) async fn on_newborns(&mut self) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = Vec::new();
        if let Some(newborns) = &mut self.newborns {
            newborns.collect();
        }
        while let Some(newborn) = self.newborns.as_mut().and_then(|newborns| newborns.finished.pop_front()) {
            let key = Job::key(&newborn.creation, newborn.address);
            let is_true = self.newborns.as_ref().is_some_and(|newborns| newborns.waiting.contains(&key));
            if !is_true {
                continue;
            }
            match self.deal_with_newborn(&newborn).await {
                Ok(done) => happenings.extend(done),
                Err(error) => {
                    if let Some(newborns) = &mut self.newborns {
                        newborns.finished.push_front(newborn);
                    }
                    return Err(error);
                }
            }
            if let Some(newborns) = &mut self.newborns {
                newborns.waiting.remove(&key);
            }
        }
        Ok(happenings)
    }

    async fn deal_with_newborn(&mut self, newborn: &Newborn) -> Result<Vec<Happening>, GuardError> {
        let start = self.clock.monotonic_micros();
        metrics::counter!("cofferdam_new_contracts_total").increment(1);
        let verdict = self.judge.judge_newborn(newborn);
        if !is_recorded(&verdict) {
            return Ok(Vec::new());
        }
        self.note_newborn(newborn, &verdict)?;
        let proof = proof(self.judge.as_ref(), newborn, &verdict);
        let shown = proof.map_or_else(|| newborn.creation.as_ref(), |attempt| &attempt.execution);
        let shown = Arc::new(Execution { window: Window::Before, index: None, ..shown.clone() });
        let micros = self.since(start).saturating_add(newborn.effort.micros);
        let mut happenings =
            vec![Happening::Found { execution: shown.clone(), verdict: verdict.clone(), micros: self.since(start) }];
        observe("new contract judged", micros);
        if let Some(attempt) = proof.filter(|_| is_stop(&verdict)) {
            happenings.extend(self.answer(&shown, &attempt.earlier, &verdict, start).await?);
        }
        Ok(happenings)
    }

    /// On the record, with the block that created the contract; what is pending is withdrawn with its transaction.
    fn note_newborn(&mut self, newborn: &Newborn, verdict: &Verdict) -> Result<(), GuardError> {
        let creation = &newborn.creation;
        let block = (creation.window == Window::Mined).then(|| creation.block.block_ref());
        let mut known: Vec<FindingId> = match block {
            Some(_) => Vec::new(),
            None => self.noted.get(&creation.hash()).cloned().unwrap_or_default(),
        };
        let mut events = Vec::new();
        for finding in verdict.findings.iter().filter(|finding| !known.contains(&finding.id)) {
            events.push(Event::Found {
                finding: finding.clone(),
                window: Window::Before,
                block,
                standing: verdict.standing.clone(),
                trail: Some(self.company.trail_of_newborn(newborn, verdict, finding)),
            });
        }
        self.commit(events, None)?;
        if block.is_none() {
            known.extend(verdict.findings.iter().map(|finding| finding.id));
            known.sort_unstable();
            known.dedup();
            self.noted.insert(creation.hash(), known);
        }
        Ok(())
    }
}

/// The call that the strongest finding rests on; `None` where it rests on signs alone.
fn proof<'n>(judge: &dyn Judge, newborn: &'n Newborn, verdict: &Verdict) -> Option<&'n Attempt> {
    let strongest = verdict.findings.first()?;
    let level = |attempt: &Attempt| {
        let judged = judge.judge(&attempt.execution);
        let about = judged.findings.iter().filter(|finding| finding.module == strongest.module);
        about.map(|finding| (finding.level, !finding.harm.is_empty())).max()
    };
    let harmful = newborn.attempts.iter().map(|attempt| (level(attempt), attempt));
    let harmful = harmful.filter(|(level, _)| *level >= Some((Level::Alert, false)));
    // The first of the strongest, as the judge takes it.
    harmful.rev().max_by_key(|(level, _)| *level).map(|(_, attempt)| attempt)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cofferdam_respond::Reply;
    use cofferdam_simnet::{Orphans, ReorgKind};
    use cofferdam_types::{Event, PendingUpdate, Window};

    use super::super::Happening;
    use super::super::testbed::Bed;

    /// Window and whether it is mined, of each finding on the record.
    fn found(bed: &Bed) -> Vec<(Window, bool)> {
        let told = |event: Event| {
            let Event::Found { window, block, .. } = event else { return None };
            Some((window, block.is_some()))
        };
        bed.diary.events().into_iter().filter_map(told).collect()
    }

    fn withdrawn(bed: &Bed) -> usize {
        bed.diary.events().iter().filter(|event| matches!(event, Event::Withdrawn { .. })).count()
    }

    fn is_sent(happenings: &[Happening]) -> bool {
        happenings.iter().any(|happening| match happening {
            Happening::Answered { response, .. } => {
                response.answers.iter().any(|answer| matches!(answer.reply, Reply::Sent { .. }))
            }
            Happening::Found { .. } | Happening::Plan(_) | Happening::Processed { .. } => false,
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_mined_contract_that_would_take_is_answered_before_anybody_calls_it() {
        let mut bed = Bed::new().await;
        bed.net.submit_private(&bed.sign_thief().raw).unwrap();
        bed.mine(1);
        bed.follow().await;
        let happenings = bed.guard.settle_trials().await.unwrap();
        assert!(is_sent(&happenings), "{happenings:?}");
        assert_eq!(found(&bed), [(Window::Before, true)]);
        bed.mine(1);
        assert!(bed.is_paused());

        let now = bed.guard.settle_trials().await.unwrap();
        assert!(now.is_empty(), "nothing is looked at twice");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_contract_whose_creation_is_pending_is_tried_too_and_its_finding_leaves_with_it() {
        let mut bed = Bed::new().await;
        let creation = bed.sign_thief();
        bed.show(&creation).await.unwrap();
        let happenings = bed.guard.settle_trials().await.unwrap();
        assert!(is_sent(&happenings), "{happenings:?}");
        assert_eq!(found(&bed), [(Window::Before, false)]);
        bed.guard.on_pending(&PendingUpdate::Dropped { hash: creation.transaction.hash }).await.unwrap();
        assert_eq!(withdrawn(&bed), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_tried_for_a_block_that_left_the_chain_is_thrown_away_and_what_was_told_is_withdrawn() {
        let mut bed = Bed::new().await;
        let empty = ReorgKind::Empty(Orphans::Forget);
        bed.net.submit_private(&bed.sign_thief().raw).unwrap();
        bed.mine(1);
        bed.follow().await;
        bed.net.reorg(1, &empty).unwrap();
        bed.mine(1);
        bed.follow().await;
        assert!(bed.guard.settle_trials().await.unwrap().is_empty());

        bed.net.submit_private(&bed.sign_thief().raw).unwrap();
        bed.mine(1);
        bed.follow().await;
        bed.guard.settle_trials().await.unwrap();
        assert_eq!(found(&bed), [(Window::Before, true)]);
        bed.net.reorg(1, &empty).unwrap();
        bed.mine(1);
        bed.follow().await;
        assert_eq!(withdrawn(&bed), 1);
    }
}
