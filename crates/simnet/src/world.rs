//! The chain itself: canonical blocks, state, the pool and time, on one thread. No I/O, no async, no clock.
//!
//! What rewrites the chain is in [`reorg`], what only looks at it in [`views`].

mod reorg;
mod views;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use cofferdam_evm::{Ledger, Mark, Rules};
use cofferdam_types::{BlockNumber, BlockRef, Header};
use tokio::sync::mpsc;

use crate::block::{Dropped, Mined, SealedBlock};
use crate::builder::{Builder, Inclusion, genesis, next_env};
use crate::intake::{SignedTx, take_in};
use crate::pool::{Pool, Purse};
use crate::roots::Roots;
use crate::{Config, Lane, SubmitError};

pub use reorg::{Orphans, ReorgError, ReorgKind, Reorged};

/// Something that subscribers want to hear of.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A block became canonical.
    Head(Arc<SealedBlock>),
    /// A block is canonical no more.
    Orphaned(Arc<SealedBlock>),
    /// A transaction entered the public lane.
    Pending(Arc<SignedTx>),
}

/// Events a subscriber may be behind before it is cut off: it then sees an end, never a silent gap.
const SUBSCRIBER_BACKLOG: usize = 16_384;

/// Blocks whose state can be asked for and reorganised away at the least; older ones keep only what was in them.
const HISTORY: usize = 256;

/// Time cannot be set so.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("timestamp {asked} is not after that of the head, {head}")]
pub struct TimeError {
    /// The timestamp asked for, in Unix seconds.
    pub asked: u64,
    /// The head's, in Unix seconds.
    pub head: u64,
}

/// Everything that a chain is.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) pool: Pool,
    ledger: Ledger,
    roots: Roots,
    /// Canonical, index is the number; never empty.
    blocks: Vec<Arc<SealedBlock>>,
    /// Where the undo log stood after each of the newest blocks, the head's last.
    marks: VecDeque<Mark>,
    head: Arc<SealedBlock>,
    by_hash: HashMap<B256, u64>,
    /// Block number and place of each mined transaction.
    mined: HashMap<B256, (u64, usize)>,
    dropped: HashMap<B256, String>,
    /// Seconds added by hand to the time of the next block.
    skew: u64,
    next_timestamp: Option<u64>,
    rewrites: u64,
    past: Option<(B256, Ledger)>,
    subscribers: Vec<mpsc::Sender<Event>>,
}

const ALL_LANES: &[Lane] = &[Lane::Private, Lane::Public];
const PUBLIC_LANE: &[Lane] = &[Lane::Public];

impl World {
    /// The chain at block 0. The configuration has been checked.
    pub(crate) fn new(config: Config) -> Self {
        let mut ledger = Ledger::new(Rules::fixed(config.chain_id, config.spec));
        for (address, account) in &config.accounts {
            ledger.set_account(*address, account.state.clone());
            for (slot, value) in &account.slots {
                ledger.set_slot(*address, *slot, *value);
            }
        }
        let mut roots = Roots::default();
        let head = Arc::new(genesis(&config, &ledger, &mut roots));
        ledger.set_block_hash(BlockNumber(0), head.hash());
        let marks = VecDeque::from([ledger.mark()]);
        Self {
            config,
            pool: Pool::default(),
            ledger,
            roots,
            blocks: vec![Arc::clone(&head)],
            marks,
            by_hash: HashMap::from([(head.hash(), 0)]),
            head,
            mined: HashMap::new(),
            dropped: HashMap::new(),
            skew: 0,
            next_timestamp: None,
            rewrites: 0,
            past: None,
            subscribers: Vec::new(),
        }
    }

    pub(crate) const fn head(&self) -> &Arc<SealedBlock> {
        &self.head
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// For calls that leave no trace.
    pub(crate) const fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    pub(crate) fn block(&self, number: u64) -> Option<&Arc<SealedBlock>> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn block_by_hash(&self, hash: B256) -> Option<&Arc<SealedBlock>> {
        self.block(*self.by_hash.get(&hash)?)
    }

    /// The block and place of a mined transaction.
    pub(crate) fn find(&self, hash: B256) -> Option<(&Arc<SealedBlock>, usize, &Mined)> {
        let (number, index) = self.mined.get(&hash)?;
        let block = self.block(*number)?;
        Some((block, *index, block.transactions.get(*index)?))
    }

    /// Why a transaction that once waited will not be mined.
    pub(crate) fn drop_reason(&self, hash: B256) -> Option<&str> {
        self.dropped.get(&hash).map(String::as_str)
    }

    pub(crate) fn nonce(&self, address: Address) -> u64 {
        self.ledger.account(address).map_or(0, |account| account.nonce)
    }

    /// Takes raw bytes into a lane of the pool.
    pub(crate) fn submit(&mut self, raw: &[u8], lane: Lane) -> Result<B256, SubmitError> {
        let tx = Arc::new(take_in(raw, &self.config)?);
        let hash = tx.hash();
        if self.mined.contains_key(&hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        self.admit(tx, lane)?;
        if self.config.automine {
            self.mine();
        }
        Ok(hash)
    }

    fn admit(&mut self, tx: Arc<SignedTx>, lane: Lane) -> Result<(), SubmitError> {
        let account = self.ledger.account(tx.sender()).unwrap_or_default();
        let purse = Purse { nonce: account.nonce, balance: account.balance };
        let hash = tx.hash();
        let replaced = self.pool.insert(lane, Arc::clone(&tx), purse, self.config.pool_limit)?;
        self.dropped.remove(&hash);
        if let Some(old) = replaced {
            self.dropped.insert(old, format!("replaced by {hash}"));
        }
        if lane == Lane::Public {
            self.publish(&Event::Pending(tx));
        }
        Ok(())
    }

    /// The timestamp that the next block will have.
    pub(crate) fn next_timestamp(&self) -> u64 {
        let step = self.config.block_seconds.saturating_add(self.skew);
        self.next_timestamp.unwrap_or_else(|| self.head.header.timestamp.saturating_add(step))
    }

    pub(crate) fn set_next_timestamp(&mut self, asked: u64) -> Result<(), TimeError> {
        let head = self.head.header.timestamp;
        if asked <= head {
            return Err(TimeError { asked, head });
        }
        self.next_timestamp = Some(asked);
        Ok(())
    }

    pub(crate) fn advance_time(&mut self, seconds: u64) {
        match &mut self.next_timestamp {
            Some(at) => *at = at.saturating_add(seconds),
            None => self.skew = self.skew.saturating_add(seconds),
        }
    }

    /// Builds one block from both lanes and makes it the head.
    pub(crate) fn mine(&mut self) -> BlockRef {
        let block = self.build_from_pool(ALL_LANES);
        for dropped in &block.dropped {
            self.pool.discard(dropped.hash);
        }
        self.append(block)
    }

    /// The header that a transaction in the next block would see.
    pub(crate) fn next_env(&self) -> Header {
        next_env(&self.config, &self.head, self.next_timestamp(), self.rewrites)
    }

    fn build_from_pool(&mut self, lanes: &'static [Lane]) -> SealedBlock {
        let env = self.next_env();
        let base_fee = env.base_fee.unwrap_or_default();
        let mut builder = Builder::open(env, self.config.spec, &mut self.ledger, &mut self.roots);
        let Self { ledger, roots, pool, .. } = self;
        let nonce = |ledger: &Ledger, address| ledger.account(address).map_or(0, |account| account.nonce);
        let mut queue = pool.queue(lanes, base_fee, &|address| nonce(ledger, address));
        while let Some((lane, tx)) = queue.next() {
            // The other lane may just have spent this nonce.
            if tx.plain.nonce != nonce(ledger, tx.sender()) {
                continue;
            }
            match builder.include(&tx, Some(lane), ledger, roots) {
                Inclusion::Included => queue.follow(tx.sender(), tx.plain.nonce),
                Inclusion::NoRoom => {}
                Inclusion::Invalid(reason) => builder.dropped.push(Dropped { hash: tx.hash(), reason }),
            }
        }
        let state_root = roots.state_root(ledger);
        builder.seal(self.config.spec, state_root)
    }

    fn build_exactly(&mut self, transactions: &[Arc<SignedTx>]) -> SealedBlock {
        let mut builder = Builder::open(self.next_env(), self.config.spec, &mut self.ledger, &mut self.roots);
        for tx in transactions {
            let inclusion = builder.include(tx, None, &mut self.ledger, &mut self.roots);
            let reason = match inclusion {
                Inclusion::Included => continue,
                Inclusion::NoRoom => "the replacement block has no gas left for it".to_owned(),
                Inclusion::Invalid(reason) => reason,
            };
            builder.dropped.push(Dropped { hash: tx.hash(), reason });
        }
        let state_root = self.roots.state_root(&self.ledger);
        builder.seal(self.config.spec, state_root)
    }

    /// Makes a block that was just built on the ledger the head.
    fn append(&mut self, mut block: SealedBlock) -> BlockRef {
        self.skew = 0;
        self.next_timestamp = None;
        let number = block.number();
        for (index, mined) in block.transactions.iter().enumerate() {
            self.mined.insert(mined.tx.hash(), (number, index));
            self.dropped.remove(&mined.tx.hash());
        }
        self.clear_pool(&mut block);
        let block = Arc::new(block);
        self.ledger.set_block_hash(BlockNumber(number), block.hash());
        self.by_hash.insert(block.hash(), number);
        self.blocks.push(Arc::clone(&block));
        self.marks.push_back(self.ledger.mark());
        self.let_go();
        self.head = Arc::clone(&block);
        self.publish(&Event::Head(Arc::clone(&block)));
        block.block_ref()
    }

    /// Forgets how to go back further than [`HISTORY`] blocks, in strides, because it moves what stays.
    fn let_go(&mut self) {
        if self.marks.len() >= HISTORY.saturating_mul(2) {
            self.marks.drain(..self.marks.len().saturating_sub(HISTORY));
            if let Some(oldest) = self.marks.front() {
                self.ledger.prune(*oldest);
            }
        }
    }

    /// Where the undo log stood after canonical block `number`; `None` when it no longer reaches that far.
    fn mark_after(&self, number: u64) -> Option<Mark> {
        let age = usize::try_from(self.head.number().checked_sub(number)?).ok()?;
        let newest = self.marks.len().checked_sub(1)?;
        self.marks.get(newest.checked_sub(age)?).copied()
    }

    /// Takes out of the pool what the new block made unminable, and says so in the block.
    fn clear_pool(&mut self, block: &mut SealedBlock) {
        let ledger = &self.ledger;
        let gone = self.pool.prune(&|address| ledger.account(address).map_or(0, |account| account.nonce));
        let unmined = gone.iter().filter(|tx| !self.mined.contains_key(&tx.hash()));
        let spent =
            unmined.map(|tx| Dropped { hash: tx.hash(), reason: "nonce spent by another transaction".to_owned() });
        let spent: Vec<Dropped> = spent.collect();
        block.dropped.extend(spent);
        for dropped in &block.dropped {
            tracing::debug!(hash = %dropped.hash, reason = %dropped.reason, "transaction dropped");
            self.dropped.insert(dropped.hash, dropped.reason.clone());
        }
    }

    /// Everything that happens from now on, in order.
    pub(crate) fn subscribe(&mut self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(SUBSCRIBER_BACKLOG);
        self.subscribers.push(sender);
        receiver
    }

    fn publish(&mut self, event: &Event) {
        self.subscribers.retain(|subscriber| subscriber.try_send(event.clone()).is_ok());
    }
}
