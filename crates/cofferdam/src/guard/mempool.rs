//! Transactions that are not in a block yet, executed on the head one by one as they come, and again on each new head
//! when they concern a protected module.
//!
//! A transaction whose sender has others pending with lower nonces is executed after those. Where others pay as much or
//! more and write to contracts that it calls, it is also executed after them, and the worse of the two verdicts counts.
//!
//! A new transaction is executed once, alone, whatever else waits. All that is executed again on one head has one budget
//! of gas: a sender's own before it, those of others before it, those that waited for it or come behind it, and those
//! that are looked at again because the head is new, which take half of it at most. The set is bounded too, and what is
//! left out of either is counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use cofferdam_types::primitives::{Address, B256};
use cofferdam_types::{
    Block, BlockRef, Event, Execution, FindingId, Outcome, PendingTx, PendingUpdate, StateError, Transaction, Verdict,
    Watchlist,
};

use super::neighbours::{Footprint, Neighbours};
use super::{Guard, GuardError, Happening, is_recorded, is_stop, observe};

/// Blocks for which is remembered what was told of their transactions while those waited.
const TOLD_BLOCKS: usize = 256;

/// How much of the mempool is kept.
#[derive(Clone, Copy, Debug)]
pub struct MempoolOptions {
    /// Transactions kept; beyond it new ones are still judged, and then forgotten.
    pub most: usize,
    /// Transactions of one sender that are executed before the one that is judged.
    pub most_earlier: usize,
    /// Transactions that are executed again on each new head.
    pub most_again: usize,
    /// How many times, on one head, a transaction is executed after those of others.
    pub most_together: usize,
    /// Gas that is executed again on one head; a run that has begun is let end.
    pub gas_again: u64,
}

/// Twenty full blocks of 30 million gas. Honest traffic stays below it: 256 that are looked at again and 512 after two or
/// three others, at 200,000 to 300,000 gas each. Nobody pays for what waits and is never mined, so more would be a
/// stranger's to take: an engine that does 200 million gas a second is busy with this for 3 of the 12 seconds of a slot.
const GAS_AGAIN: u64 = 600_000_000;

impl Default for MempoolOptions {
    fn default() -> Self {
        Self { most: 50_000, most_earlier: 16, most_again: 256, most_together: 512, gas_again: GAS_AGAIN }
    }
}

struct Kept {
    transaction: Arc<Transaction>,
    /// Whether it touched a protected module, or could not run: worth another look on the next head.
    concerns_us: bool,
    /// Whether it could run when it was tried last; with a nonce missing below it, it cannot.
    ran: bool,
    /// What it called and wrote to then.
    footprint: Footprint,
}

/// Whether a transaction is executed for the first time, which is never refused.
#[derive(Clone, Copy, Debug)]
enum Look {
    First,
    Again,
}

/// What a transaction does after those of others.
struct Together {
    /// Those, and its sender's own.
    before: Vec<Arc<Transaction>>,
    executed: Execution,
    verdict: Verdict,
}

/// What was executed again, and on which head.
#[derive(Debug, Default)]
struct Again {
    head: BlockRef,
    /// How many times something was executed after those of others.
    together: usize,
    gas: u64,
}

pub(super) struct PendingSet {
    options: MempoolOptions,
    by_hash: HashMap<B256, Kept>,
    by_sender: HashMap<Address, BTreeMap<u64, B256>>,
    neighbours: Neighbours,
    again: Again,
    /// What was told of transactions while they waited, by the block that mined them; oldest first.
    told: VecDeque<(BlockRef, Vec<FindingId>)>,
}

impl PendingSet {
    pub(super) fn new(options: MempoolOptions) -> Self {
        Self {
            options,
            by_hash: HashMap::new(),
            by_sender: HashMap::new(),
            neighbours: Neighbours::default(),
            again: Again::default(),
            told: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    fn insert(&mut self, transaction: &Arc<Transaction>) {
        if self.by_hash.len() >= self.options.most {
            metrics::counter!("cofferdam_pending_left_out_total").increment(1);
            return;
        }
        let footprint = Footprint::default();
        let kept = Kept { transaction: transaction.clone(), concerns_us: false, ran: false, footprint };
        if let Some(before) = self.by_hash.insert(transaction.hash, kept) {
            self.neighbours.remove(transaction.hash, &before.footprint);
        }
        self.by_sender.entry(transaction.from).or_default().insert(transaction.nonce, transaction.hash);
    }

    fn remove(&mut self, hash: B256) -> Option<Arc<Transaction>> {
        let kept = self.by_hash.remove(&hash)?;
        self.neighbours.remove(hash, &kept.footprint);
        let transaction = kept.transaction;
        if let Some(nonces) = self.by_sender.get_mut(&transaction.from) {
            if nonces.get(&transaction.nonce) == Some(&hash) {
                nonces.remove(&transaction.nonce);
            }
            if nonces.is_empty() {
                self.by_sender.remove(&transaction.from);
            }
        }
        Some(transaction)
    }

    /// Pending transactions of the same sender with lower nonces, lowest first; the last ones where there are many.
    fn earlier(&self, transaction: &Transaction) -> Vec<Arc<Transaction>> {
        let Some(nonces) = self.by_sender.get(&transaction.from) else { return Vec::new() };
        let lower: Vec<_> = nonces
            .range(..transaction.nonce)
            .filter_map(|(_, hash)| self.by_hash.get(hash).map(|kept| kept.transaction.clone()))
            .collect();
        let surplus = lower.len().saturating_sub(self.options.most_earlier);
        lower.into_iter().skip(surplus).collect()
    }

    /// Whether `transaction` could run when it was tried last.
    fn ran(&self, transaction: &Transaction) -> bool {
        self.by_hash.get(&transaction.hash).is_some_and(|kept| kept.ran)
    }

    /// Transactions of the same sender that waited for `transaction`, lowest nonce first, and could not run without it.
    fn waiting_for(&self, transaction: &Transaction) -> Vec<Arc<Transaction>> {
        let Some(nonces) = self.by_sender.get(&transaction.from) else { return Vec::new() };
        let higher = nonces.range(transaction.nonce.saturating_add(1)..);
        let kept = higher.filter_map(|(_, hash)| self.by_hash.get(hash)).take(self.options.most_earlier);
        kept.filter(|kept| !kept.ran).map(|kept| kept.transaction.clone()).collect()
    }

    /// Remembers what a transaction did when it was tried alone.
    fn remember(&mut self, hash: B256, executed: &Execution, watch: &Watchlist) {
        let Some(kept) = self.by_hash.get_mut(&hash) else { return };
        kept.concerns_us = concerns(executed, watch);
        kept.ran = !matches!(executed.effects.outcome, Outcome::Invalid(_));
        let footprint = Footprint::of(executed, watch);
        if footprint != kept.footprint {
            self.neighbours.remove(hash, &kept.footprint);
            self.neighbours.add(hash, &footprint);
            kept.footprint = footprint;
        }
    }

    /// Pending transactions of others that pay as much or more and write to what `transaction` calls, each after those
    /// that its sender has pending before it; those that pay most first.
    fn ahead_of(&self, transaction: &Transaction, base_fee: u64, watch: &Watchlist) -> Vec<Arc<Transaction>> {
        let Some(kept) = self.by_hash.get(&transaction.hash) else { return Vec::new() };
        let tip = transaction.effective_tip(base_fee);
        let writers = self.neighbours.writers_of(&kept.footprint, watch);
        let others = writers.iter().filter_map(|hash| self.by_hash.get(hash)).map(|kept| &kept.transaction);
        let mut others: Vec<&Arc<Transaction>> =
            others.filter(|other| other.from != transaction.from && other.effective_tip(base_fee) >= tip).collect();
        others.sort_by_key(|other| (std::cmp::Reverse(other.effective_tip(base_fee)), other.hash));
        let mut ahead: Vec<Arc<Transaction>> = Vec::new();
        for other in others {
            for one in self.earlier(other).into_iter().chain([other.clone()]) {
                if ahead.len() < self.options.most_earlier && ahead.iter().all(|known| known.hash != one.hash) {
                    ahead.push(one);
                }
            }
        }
        ahead
    }

    /// Transactions of others that call what `transaction` writes to and pay less: they come after it.
    fn behind(&self, transaction: &Transaction, base_fee: u64, watch: &Watchlist) -> Vec<Arc<Transaction>> {
        let Some(kept) = self.by_hash.get(&transaction.hash) else { return Vec::new() };
        let tip = transaction.effective_tip(base_fee);
        let callers = self.neighbours.callers_of(&kept.footprint, watch);
        let others = callers.iter().filter_map(|hash| self.by_hash.get(hash)).map(|kept| &kept.transaction);
        let behind = others.filter(|other| other.from != transaction.from && other.effective_tip(base_fee) <= tip);
        behind.take(self.options.most_earlier).cloned().collect()
    }

    fn again_on(&mut self, head: BlockRef) -> &mut Again {
        if self.again.head != head {
            self.again = Again { head, ..Again::default() };
        }
        &mut self.again
    }

    /// Whether something may be executed once more on `head`, after those of others.
    fn may_run_together(&mut self, head: BlockRef) -> bool {
        let most = self.options.most_together;
        let again = self.again_on(head);
        let room = again.together < most;
        if room {
            again.together = again.together.saturating_add(1);
        } else {
            metrics::counter!("cofferdam_pending_not_together_total").increment(1);
        }
        room
    }

    /// Whether `count` more may be executed again on `head`, where one part of `parts` of the gas is theirs.
    fn may_run_again(&mut self, head: BlockRef, parts: u64, count: usize) -> bool {
        let most = self.options.gas_again.checked_div(parts).unwrap_or_default();
        let room = self.again_on(head).gas < most;
        if !room {
            metrics::counter!("cofferdam_pending_not_again_total").increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
        room
    }

    fn spend(&mut self, head: BlockRef, gas: u64) {
        let again = self.again_on(head);
        again.gas = again.gas.saturating_add(gas);
    }

    /// Worth another look, highest fee first: those are mined first.
    fn again(&self) -> Vec<Arc<Transaction>> {
        let concerning = self.by_hash.values().filter(|kept| kept.concerns_us);
        let mut again: Vec<_> = concerning.map(|kept| kept.transaction.clone()).collect();
        again.sort_by_key(|transaction| (std::cmp::Reverse(transaction.max_fee_per_gas), transaction.hash));
        again.truncate(self.options.most_again);
        again
    }
}

impl Guard {
    /// Deals with a change of the mempool.
    ///
    /// # Errors
    /// [`GuardError`]: hand the same update in again.
    pub async fn on_pending(&mut self, update: &PendingUpdate) -> Result<Vec<Happening>, GuardError> {
        match update {
            PendingUpdate::Added(new) => self.look_at_pending(new).await,
            PendingUpdate::Replaced { old, new } => {
                self.withdraw_pending(*old, "another transaction took its place")?;
                self.look_at_pending(new).await
            }
            PendingUpdate::Dropped { hash } => {
                self.withdraw_pending(*hash, "it left the mempool without being mined")?;
                Ok(Vec::new())
            }
        }
    }

    /// Executes those pending transactions again that concern a protected module: on a new head they may do other things.
    ///
    /// # Errors
    /// [`GuardError`].
    pub async fn look_again(&mut self) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = Vec::new();
        let again = self.pending.again();
        for (done, transaction) in again.iter().enumerate() {
            if !self.may_run_again(2, again.len().saturating_sub(done)) {
                break;
            }
            let start = self.clock.monotonic_micros();
            happenings.extend(self.judge_pending(transaction, Look::Again, start).await?);
        }
        Ok(happenings)
    }

    async fn look_at_pending(&mut self, new: &PendingTx) -> Result<Vec<Happening>, GuardError> {
        let start = self.clock.monotonic_micros();
        self.pending.insert(&new.transaction);
        metrics::counter!("cofferdam_pending_total").increment(1);
        let mut happenings = self.judge_pending(&new.transaction, Look::First, start).await?;
        // Whoever announces the attack first and the nonce below it last must not go unseen.
        if self.pending.ran(&new.transaction) {
            let waiting = self.pending.waiting_for(&new.transaction);
            happenings.extend(self.judge_again(&waiting, start).await?);
        }
        // Nor whoever announces first what becomes an attack by what somebody else announces later.
        let base_fee = self.next_base_fee();
        let behind = self.pending.behind(&new.transaction, base_fee, &self.watch);
        happenings.extend(self.judge_again(&behind, start).await?);
        Ok(happenings)
    }

    /// Judges those that a new transaction may have changed, as far as the gas of the head goes.
    async fn judge_again(&mut self, those: &[Arc<Transaction>], start: u64) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = Vec::new();
        for (done, transaction) in those.iter().enumerate() {
            if !self.may_run_again(1, those.len().saturating_sub(done)) {
                break;
            }
            happenings.extend(self.judge_pending(transaction, Look::Again, start).await?);
        }
        Ok(happenings)
    }

    fn may_run_again(&mut self, parts: u64, count: usize) -> bool {
        let head = self.newest().head().block_ref();
        self.pending.may_run_again(head, parts, count)
    }

    /// Executes `transaction` after `before` on the newest head; what is not new of it is taken from the head's gas.
    fn run_pending(
        &mut self,
        before: &[Arc<Transaction>],
        transaction: &Arc<Transaction>,
        look: Look,
    ) -> Result<Execution, StateError> {
        let engine = self.newest();
        let (head, gas) = (engine.head().block_ref(), engine.pending_gas());
        let done = tokio::task::block_in_place(|| engine.pending_after(before, transaction.clone()));
        let spent = engine.pending_gas().saturating_sub(gas);
        let own = match (&done, look) {
            (Ok(executed), Look::First) => executed.effects.gas_used,
            (Ok(_), Look::Again) | (Err(_), _) => 0,
        };
        self.pending.spend(head, spent.saturating_sub(own));
        done
    }

    /// Wei per gas of the newest head; near enough to that of the next block to order fees by.
    fn next_base_fee(&mut self) -> u64 {
        self.newest().head().base_fee.unwrap_or_default()
    }

    async fn judge_pending(
        &mut self,
        transaction: &Arc<Transaction>,
        look: Look,
        start: u64,
    ) -> Result<Vec<Happening>, GuardError> {
        let mut earlier = self.pending.earlier(transaction);
        if !earlier.is_empty() && !self.may_run_again(1, 1) {
            // Alone it cannot run; that makes it one of those that the next head looks at again.
            earlier.clear();
        }
        let mut executed = self.run_pending(&earlier, transaction, look)?;
        let mut verdict = self.judge.judge(&executed);
        self.pending.remember(transaction.hash, &executed, &self.watch);
        if !is_stop(&verdict)
            && let Some(together) = self.judge_together(transaction, &earlier)?
            && together.verdict.level() > verdict.level()
        {
            Together { before: earlier, executed, verdict } = together;
        }
        let micros = self.since(start);
        observe("decision", micros);
        let recorded = is_recorded(&verdict);
        if !recorded && executed.effects.code_changes.is_empty() {
            return Ok(Vec::new());
        }
        let execution = Arc::new(executed);
        self.look_for_pending_newborns(&execution, &earlier);
        if !recorded {
            return Ok(Vec::new());
        }
        let mut happenings = Vec::new();
        let fresh = self.note(&execution, &verdict)?;
        if fresh {
            let (execution, verdict) = (execution.clone(), verdict.clone());
            happenings.push(Happening::Found { execution, verdict, micros });
        }
        if is_stop(&verdict) {
            happenings.extend(self.answer(&execution, &earlier, &verdict, start).await?);
        }
        Ok(happenings)
    }

    /// What it does after those of others that come before it, and what that means. `None` where there are none, or the head
    /// has seen enough of this.
    fn judge_together(
        &mut self,
        transaction: &Arc<Transaction>,
        earlier: &[Arc<Transaction>],
    ) -> Result<Option<Together>, GuardError> {
        let base_fee = self.next_base_fee();
        let mut before = self.pending.ahead_of(transaction, base_fee, &self.watch);
        let head = self.newest().head().block_ref();
        if before.is_empty() || !self.may_run_again(1, 1) || !self.pending.may_run_together(head) {
            return Ok(None);
        }
        before.extend_from_slice(earlier);
        let executed = self.run_pending(&before, transaction, Look::Again)?;
        let verdict = self.judge.judge(&executed);
        Ok(Some(Together { before, executed, verdict }))
    }

    /// Records the findings that are not on the record yet. False when all of them were.
    fn note(&mut self, execution: &Execution, verdict: &Verdict) -> Result<bool, GuardError> {
        let known = self.noted.get(&execution.hash()).cloned().unwrap_or_default();
        let events: Vec<Event> = self
            .company
            .found(execution, verdict)
            .into_iter()
            .filter(|event| !matches!(event, Event::Found { finding, .. } if known.contains(&finding.id)))
            .collect();
        if events.is_empty() {
            return Ok(false);
        }
        self.commit(events, None)?;
        let mut ids: Vec<FindingId> = known;
        ids.extend(verdict.findings.iter().map(|finding| finding.id));
        ids.sort_unstable();
        ids.dedup();
        self.noted.insert(execution.hash(), ids);
        Ok(true)
    }

    fn withdraw_pending(&mut self, hash: B256, reason: &str) -> Result<(), GuardError> {
        let withdrawn = self.noted.get(&hash).cloned().unwrap_or_default();
        let events = withdrawn
            .into_iter()
            .map(|finding| Event::Withdrawn { finding, block: None, reason: reason.to_owned() })
            .collect();
        self.commit(events, None)?;
        self.noted.remove(&hash);
        self.pending.remove(hash);
        if let Some(newborns) = &mut self.newborns {
            newborns.forget_pending(hash);
        }
        Ok(())
    }

    /// Mined transactions are pending no more; their findings stand in the block now.
    pub(super) fn forget_mined(&mut self, block: &Block) {
        let mut told = Vec::new();
        for transaction in &block.transactions {
            self.pending.remove(transaction.hash);
            if let Some(newborns) = &mut self.newborns {
                newborns.forget_pending(transaction.hash);
            }
            told.extend(self.noted.remove(&transaction.hash).unwrap_or_default());
        }
        if told.is_empty() {
            return;
        }
        self.pending.told.push_back((block.header.block_ref(), told));
        if self.pending.told.len() > TOLD_BLOCKS {
            self.pending.told.pop_front();
        }
    }

    /// What was told of the transactions of `block` while they waited. When it left the chain that is true no more: one
    /// that waits again is told again.
    pub(super) fn told_before(&self, block: BlockRef) -> Vec<Event> {
        let of_block = self.pending.told.iter().filter(|(mined_by, _)| *mined_by == block);
        let reason = "the block that had mined it left the canonical chain".to_owned();
        of_block
            .flat_map(|(_, findings)| findings)
            .map(|finding| Event::Withdrawn { finding: *finding, block: None, reason: reason.clone() })
            .collect()
    }

    /// Forgets what [`Self::told_before`] gave, once it is on the record.
    pub(super) fn forget_told(&mut self, blocks: &[BlockRef]) {
        self.pending.told.retain(|(mined_by, _)| !blocks.contains(mined_by));
    }
}

pub(super) fn concerns(execution: &Execution, watch: &Watchlist) -> bool {
    let effects = &execution.effects;
    matches!(effects.outcome, Outcome::Invalid(_))
        || effects.calls.iter().any(|call| watch.contains(call.callee) || watch.contains(call.code_address))
        || effects.movements.iter().any(|moved| watch.contains(moved.from) || watch.contains(moved.to))
}

#[cfg(test)]
mod tests {
    use cofferdam_types::BlockNumber;

    use super::*;

    #[test]
    fn what_is_executed_again_on_one_head_ends_with_its_gas_and_the_next_head_has_its_own() {
        let mut pending = PendingSet::new(MempoolOptions { gas_again: 100, ..MempoolOptions::default() });
        let head = |number| BlockRef { number: BlockNumber(number), ..BlockRef::default() };
        assert!(pending.may_run_again(head(1), 1, 1));
        pending.spend(head(1), 60);
        assert!(!pending.may_run_again(head(1), 2, 3), "a new head's own look takes half");
        assert!(pending.may_run_again(head(1), 1, 1), "the rest is for what comes");
        pending.spend(head(1), 60);
        assert!(!pending.may_run_again(head(1), 1, 1));
        assert!(pending.may_run_again(head(2), 1, 1) && pending.may_run_together(head(2)));
    }
}
