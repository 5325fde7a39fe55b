//! Follows the canonical chain: every block whole and in order, reorgs as data.
//!
//! The consumer pulls, so there is no queue to overflow, and acknowledges by its own durable checkpoint, from which a
//! new follower resumes. A block that cannot be read is tried again until it can: it must never be skipped.

mod ahead;
mod resume;
mod signals;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use cofferdam_types::{Block, BlockNumber, BlockRef, ChainUpdate, Header, OperatorAlert};

use tokio::time::Instant;

use self::ahead::Ahead;
use self::signals::Signals;
use crate::error::RequestError;
use crate::node::{BlockId, Node};
use crate::pace::pause_after;
use crate::wire::Head;

/// A wait between two attempts at the same block, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// The operator is told when failures in a row go on for this long: a block may be announced before it can be read.
const FAILING_BEFORE_ALERT: Duration = Duration::from_secs(2);

/// How to follow.
#[derive(Clone, Copy, Debug)]
pub struct FollowerOptions {
    /// Reorgs that drop up to this many blocks are followed; deeper ones page the operator.
    pub depth: u64,
    /// Most blocks in one update.
    pub chunk: usize,
    /// Most blocks that are fetched at the same time.
    pub prefetch: usize,
    /// The longest pause between two questions for the head where no endpoint has subscriptions.
    pub poll_interval: Duration,
    /// The head must have been seen below what was delivered this many times in a row, by every endpoint, before the
    /// chain counts as shorter. A node behind a load balancer goes back a block for a moment now and then.
    pub shrink_polls: u32,
}

impl Default for FollowerOptions {
    fn default() -> Self {
        Self { depth: 64, chunk: 32, prefetch: 4, poll_interval: Duration::from_millis(200), shrink_polls: 15 }
    }
}

/// The follower cannot go on, or not now.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The fork point lies below what is kept, so older findings are unproven. Nothing is delivered any more until
    /// [`Follower::accept_deep_reorg`].
    #[error("reorg from block {from} or below is deeper than the {kept} blocks kept")]
    ReorgTooDeep {
        /// The oldest block kept, which is no longer canonical.
        from: BlockNumber,
        /// Blocks kept.
        kept: u64,
    },
    /// No endpoint gave what was asked for. Nothing is lost: the next attempt is about the same block.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Ask again.
    Retry,
    /// A person must decide.
    PageOperator,
}

impl FollowError {
    /// What the caller does next.
    pub const fn recovery(&self) -> Recovery {
        match self {
            Self::ReorgTooDeep { .. } => Recovery::PageOperator,
            Self::Request(_) => Recovery::Retry,
        }
    }
}

/// A follower of one chain.
///
/// [`next`](Self::next) may be dropped at any await and called again: nothing is lost.
pub struct Follower {
    node: Node,
    options: FollowerOptions,
    /// Where to begin; taken once that is done.
    start: Option<Start>,
    /// Blocks without a gap, oldest first; the last is the tip that the consumer has. At most `depth + 1`.
    known: VecDeque<BlockRef>,
    /// The highest block that was announced or asked for.
    head: BlockRef,
    /// Set when the fork point is not known: what was dropped, and where to deliver from.
    rebase: Option<Rebase>,
    deep: Option<(BlockNumber, u64)>,
    ahead: Ahead,
    signals: Option<Signals>,
    below_tip: u32,
    trouble: Option<Trouble>,
    said_behind: bool,
}

/// Failures in a row.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    since: Instant,
    failures: u32,
    told: bool,
}

#[derive(Clone, Copy, Debug)]
enum Start {
    AtHead,
    After(BlockRef),
}

#[derive(Clone, Debug)]
struct Rebase {
    /// Newest first.
    dropped: Vec<BlockRef>,
    from: BlockNumber,
}

impl Follower {
    /// Follows from `resume`, the last block that the consumer has dealt with; from the head when there is none, which
    /// is then the first block delivered.
    pub fn new(node: Node, resume: Option<BlockRef>, options: FollowerOptions) -> Self {
        Self {
            node,
            options,
            start: Some(resume.map_or(Start::AtHead, Start::After)),
            known: VecDeque::new(),
            head: BlockRef::default(),
            rebase: None,
            deep: None,
            ahead: Ahead::default(),
            signals: None,
            below_tip: 0,
            trouble: None,
            said_behind: false,
        }
    }

    /// The last block delivered, or resumed from.
    pub fn tip(&self) -> Option<BlockRef> {
        match self.start {
            Some(Start::After(resume)) => Some(resume),
            Some(Start::AtHead) => None,
            None => self.known.back().copied(),
        }
    }

    /// The head of the chain as last seen: what was delivered may lie far behind it.
    pub const fn head(&self) -> BlockRef {
        self.head
    }

    /// Waits for the next change of the chain. Failures of nodes are retried here, and told to the operator when they
    /// last.
    ///
    /// # Errors
    /// [`FollowError::ReorgTooDeep`] only.
    pub async fn next(&mut self) -> Result<ChainUpdate, FollowError> {
        if self.signals.is_none() {
            self.signals = Some(Signals::listen(&self.node));
        }
        loop {
            let hint = self.signals.as_ref().and_then(Signals::take);
            let asked = Instant::now();
            match self.advance(hint).await {
                Ok(update) => {
                    self.went_well();
                    if let Some(update) = update {
                        return Ok(update);
                    }
                    match &self.signals {
                        // Whether the chain became shorter is found out by asking, not by announcements.
                        Some(signals) if self.below_tip == 0 => {
                            signals.wait(pause_after(asked.elapsed(), self.options.poll_interval)).await;
                        }
                        Some(_) | None => tokio::time::sleep(self.options.poll_interval).await,
                    }
                }
                Err(FollowError::Request(error)) => {
                    let pause = self.went_badly(&error);
                    tokio::time::sleep(pause).await;
                }
                Err(deep @ FollowError::ReorgTooDeep { .. }) => return Err(deep),
            }
        }
    }

    /// One look at the chain, without waiting for news: for drills that run in lock-step with a chain in this process.
    ///
    /// # Errors
    /// [`FollowError`]; after [`FollowError::Request`] the next call is about the same block.
    pub async fn poll(&mut self) -> Result<Option<ChainUpdate>, FollowError> {
        self.advance(None).await
    }

    /// Goes on after [`FollowError::ReorgTooDeep`]: the next update drops every block that is kept and delivers the
    /// canonical ones from the oldest of those heights on. What lies below stays unproven.
    pub fn accept_deep_reorg(&mut self) {
        if let Some((from, _)) = self.deep.take() {
            self.rebase = Some(Rebase { dropped: self.known.drain(..).rev().collect(), from });
        }
    }

    async fn advance(&mut self, hint: Option<Head>) -> Result<Option<ChainUpdate>, FollowError> {
        if let Some((from, kept)) = self.deep {
            return Err(FollowError::ReorgTooDeep { from, kept });
        }
        if !self.begin().await? {
            return Ok(None);
        }
        let follows_tip = |head: &Head| self.known.back().is_some_and(|tip| tip.hash == head.parent_hash);
        let head = match hint.filter(follows_tip) {
            Some(head) => head,
            None => self.node.newest().await?,
        };
        self.head = head.block;
        if self.rebase.is_some() {
            return self.rebased(head.block).await.map(Some);
        }
        let Some(tip) = self.known.back().copied() else {
            return self.extend(head.block).await.map(Some);
        };
        if head.block.number > tip.number {
            self.below_tip = 0;
            return self.extend(head.block).await.map(Some);
        }
        match self.known_at(head.block.number) {
            Some(hash) if hash == head.block.hash => self.not_above(head.block, tip).await,
            Some(_) | None => self.reorg(head.block.number).await.map(Some),
        }
    }

    /// The head is a block that was delivered: nothing new, or a chain that became shorter.
    async fn not_above(&mut self, head: BlockRef, tip: BlockRef) -> Result<Option<ChainUpdate>, FollowError> {
        if head == tip {
            self.below_tip = 0;
            return Ok(None);
        }
        self.below_tip = self.below_tip.saturating_add(1);
        if self.below_tip < self.options.shrink_polls || self.node.header(tip.number).await?.is_some() {
            return Ok(None);
        }
        self.below_tip = 0;
        self.ahead.clear();
        let dropped = self.truncate(head.number);
        Ok(Some(ChainUpdate::Reorged { dropped: dropped.into(), adopted: Arc::from([]) }))
    }

    /// Delivers blocks above the tip, or finds out that the tip is no longer canonical.
    async fn extend(&mut self, head: BlockRef) -> Result<ChainUpdate, FollowError> {
        let tip = self.known.back().copied();
        let next = tip.map_or(head.number, |tip| tip.number.next());
        let mut adopted: Vec<Block> = Vec::new();
        let mut parent = tip.map(|tip| tip.hash);
        while adopted.len() < self.options.chunk.max(1) {
            let number = adopted.last().map_or(next, |block| block.header.number.next());
            if number > head.number {
                break;
            }
            let fetched = if number == head.number && adopted.is_empty() {
                // The usual case: one new block, whose hash is known.
                self.node.whole(BlockId::Hash(head.hash)).await
            } else {
                self.ahead.fill(&self.node, number, head.number, self.options.prefetch);
                self.ahead.pop().await.unwrap_or(Ok(None))
            };
            let answered = match fetched {
                Ok(Some(answered)) => answered,
                // What was read so far is good; the rest is for the next turn.
                Ok(None) | Err(_) if !adopted.is_empty() => break,
                Ok(None) => return Err(gone(number).into()),
                Err(error) => return Err(error.into()),
            };
            let header = &answered.value.header;
            if parent.is_some_and(|parent| parent != header.parent_hash) {
                self.ahead.clear();
                if adopted.is_empty() {
                    return self.does_not_fit(header, &answered.endpoint).await;
                }
                break;
            }
            parent = Some(header.hash);
            adopted.push(answered.value);
        }
        self.adopt(&adopted);
        Ok(ChainUpdate::Extended { adopted: adopted.into() })
    }

    /// A block whose parent is not the tip: the tip left the chain, or the endpoint that gave the block lies.
    async fn does_not_fit(
        &mut self,
        header: &Header,
        from: &crate::endpoint::Endpoint,
    ) -> Result<ChainUpdate, FollowError> {
        let tip = self.known.back().copied().unwrap_or_default();
        let canonical = self.node.header(tip.number).await?;
        if canonical.is_none_or(|canonical| canonical.hash == tip.hash) {
            let detail = format!(
                "block {}: `parentHash`: {}, expected {}, the hash of block {}",
                header.number, header.parent_hash, tip.hash, tip.number
            );
            let error = from.malformed("eth_getBlockByNumber", &detail);
            self.node.did_badly(from, &error);
            return Err(error.into());
        }
        self.reorg(tip.number).await
    }

    /// Walks back from canonical block `height` to one that is known, and delivers what took the place of the rest.
    async fn reorg(&mut self, height: BlockNumber) -> Result<ChainUpdate, FollowError> {
        self.ahead.clear();
        self.below_tip = 0;
        let oldest = self.known.front().map_or(BlockNumber(0), |oldest| oldest.number);
        let mut branch = Vec::new();
        let mut cursor = self.node.header(height).await?.ok_or_else(|| gone(height))?;
        while self.known_at(cursor.number) != Some(cursor.hash) {
            let Some(parent) = cursor.parent_ref().filter(|_| cursor.number > oldest) else {
                return Err(self.too_deep(cursor.number));
            };
            branch.push(cursor.block_ref());
            let below = self.node.header_by_hash(parent.hash).await?;
            cursor = below.filter(|below| below.number == parent.number).ok_or_else(|| gone(parent.number))?;
        }
        let ancestor = cursor.number;
        let mut adopted = Vec::new();
        for block in branch.iter().rev().take(self.options.chunk.max(1)) {
            let whole = self.node.whole(BlockId::Hash(block.hash)).await?;
            adopted.push(whole.ok_or_else(|| gone(block.number))?.value);
        }
        let dropped = self.truncate(ancestor);
        self.adopt(&adopted);
        metrics::counter!("cofferdam_reorgs_total").increment(1);
        Ok(ChainUpdate::Reorged { dropped: dropped.into(), adopted: adopted.into() })
    }

    fn too_deep(&mut self, reached: BlockNumber) -> FollowError {
        let kept = u64::try_from(self.known.len()).unwrap_or(u64::MAX);
        let from = self.known.front().map_or(reached, |oldest| oldest.number.min(reached));
        self.deep = Some((from, kept));
        self.node.alerts().raise(OperatorAlert::ReorgTooDeep { from, kept });
        FollowError::ReorgTooDeep { from, kept }
    }

    /// Delivers from a height on although the fork point is unknown.
    async fn rebased(&mut self, head: BlockRef) -> Result<ChainUpdate, FollowError> {
        let Some(rebase) = self.rebase.clone() else { return self.extend(head).await };
        let mut number = rebase.from.min(head.number);
        let mut adopted: Vec<Block> = Vec::new();
        while number <= head.number && adopted.len() < self.options.chunk.max(1) {
            self.ahead.fill(&self.node, number, head.number, self.options.prefetch);
            let fetched = self.ahead.pop().await.unwrap_or(Ok(None))?;
            let block = fetched.ok_or_else(|| gone(number))?.value;
            if adopted.last().is_some_and(|below: &Block| below.header.hash != block.header.parent_hash) {
                break;
            }
            number = number.next();
            adopted.push(block);
        }
        self.rebase = None;
        self.known.clear();
        self.adopt(&adopted);
        Ok(ChainUpdate::Reorged { dropped: rebase.dropped.into(), adopted: adopted.into() })
    }

    fn known_at(&self, number: BlockNumber) -> Option<B256> {
        let oldest = self.known.front()?.number;
        let index = usize::try_from(number.0.checked_sub(oldest.0)?).ok()?;
        self.known.get(index).map(|block| block.hash)
    }

    /// Forgets what is above `ancestor`; returns it, newest first.
    fn truncate(&mut self, ancestor: BlockNumber) -> Vec<BlockRef> {
        let mut dropped = Vec::new();
        while let Some(tip) = self.known.pop_back_if(|tip| tip.number > ancestor) {
            dropped.push(tip);
        }
        dropped
    }

    fn adopt(&mut self, blocks: &[Block]) {
        self.known.extend(blocks.iter().map(|block| block.header.block_ref()));
        self.trim();
        if let Some(tip) = self.known.back() {
            // No chain is near 2^32 blocks; beyond that the gauge is useless and nothing else is.
            metrics::gauge!("cofferdam_follower_tip").set(u32::try_from(tip.number.0).map_or(f64::MAX, f64::from));
        }
    }

    fn trim(&mut self) {
        // One more than the depth, so that a reorg of exactly that depth still finds its ancestor.
        let keep = usize::try_from(self.options.depth).unwrap_or(usize::MAX).saturating_add(1);
        let surplus = self.known.len().saturating_sub(keep);
        self.known.drain(..surplus);
    }

    fn went_well(&mut self) {
        if self.trouble.take().is_some_and(|trouble| trouble.told) {
            self.node.alerts().endpoint("all", "blocks can be read again".to_owned());
        }
    }

    /// How long to wait before the next attempt.
    fn went_badly(&mut self, error: &RequestError) -> Duration {
        metrics::counter!("cofferdam_follower_failures_total").increment(1);
        let next = self.tip().map_or_else(|| "the head".to_owned(), |tip| format!("block {}", tip.number.next()));
        let trouble = self.trouble.get_or_insert(Trouble { since: Instant::now(), failures: 0, told: false });
        trouble.failures = trouble.failures.saturating_add(1);
        if !trouble.told && trouble.since.elapsed() >= FAILING_BEFORE_ALERT {
            trouble.told = true;
            let detail = format!("{next} cannot be read, {} attempts so far, retrying: {error}", trouble.failures);
            self.node.alerts().endpoint(error.endpoint().unwrap_or("all"), detail);
        }
        BACKOFF.0.saturating_mul(2_u32.saturating_pow(trouble.failures.min(10))).min(BACKOFF.1)
    }
}

/// A block that was there a moment ago: the chain moved while it was read.
fn gone(number: BlockNumber) -> RequestError {
    RequestError::AllFailed { reasons: format!("block {number} was announced and no endpoint has it whole") }
}
