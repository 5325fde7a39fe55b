//! Rewriting the chain: blocks leave, their state is taken back exactly, and others may come.

use std::sync::Arc;

use alloy_primitives::Bytes;
use cofferdam_evm::Mark;
use cofferdam_types::BlockRef;

use super::{Event, HISTORY, World};
use crate::block::SealedBlock;
use crate::intake::{SignedTx, take_in};
use crate::{Lane, SubmitError};

/// What happens to the transactions of blocks that a reorg drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// They wait again in the lane that they came by.
    ToPool,
    /// They are gone, as when another miner's pool never had them.
    Forget,
}

/// How the chain goes on after a reorg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReorgKind {
    /// The chain ends at the fork point.
    Shorten(Orphans),
    /// As many blocks as were dropped, without transactions and with other hashes.
    Empty(Orphans),
    /// These blocks instead, each with exactly these raw transactions in this order; what is not named is forgotten.
    Replace(Vec<Vec<Bytes>>),
}

/// What a reorg did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reorged {
    /// Newest first.
    pub dropped: Vec<BlockRef>,
    /// Oldest first; empty when the chain only got shorter.
    pub adopted: Vec<BlockRef>,
}

/// The reorg was not done; nothing changed.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReorgError {
    /// Block 0 cannot be dropped.
    #[error("reorg of depth {depth} on a chain of {height} blocks after genesis")]
    TooDeep {
        /// Blocks to drop.
        depth: u64,
        /// Height of the head.
        height: u64,
    },
    /// How to take so many blocks back is not kept.
    #[error("reorg of depth {depth}, but only {kept} blocks are sure to be kept for it")]
    Forgotten {
        /// Blocks to drop.
        depth: u64,
        /// Blocks that can always be dropped.
        kept: usize,
    },
    /// Nothing to drop.
    #[error("reorg of depth 0")]
    Zero,
    /// A replacement transaction was not taken.
    #[error("transaction {index} of replacement block {block}: {source}")]
    Transaction {
        /// Place among the replacement blocks, from 0.
        block: usize,
        /// Place in that block, from 0.
        index: usize,
        /// Why.
        source: Box<SubmitError>,
    },
}

impl World {
    /// Drops the last `depth` blocks and goes on as `kind` says.
    pub(crate) fn reorg(&mut self, depth: u64, kind: &ReorgKind) -> Result<Reorged, ReorgError> {
        let height = self.head.number();
        if depth == 0 {
            return Err(ReorgError::Zero);
        }
        let fork = height.checked_sub(depth).ok_or(ReorgError::TooDeep { depth, height })?;
        let mark = self.mark_after(fork).ok_or(ReorgError::Forgotten { depth, kept: HISTORY })?;
        let replacement = self.take_replacement(kind)?;
        let orphaned = self.roll_back(fork, mark);
        let adopted: Vec<BlockRef> = match kind {
            ReorgKind::Shorten(_) => Vec::new(),
            ReorgKind::Empty(_) => (0..depth).map(|_| self.adopt(&[])).collect(),
            ReorgKind::Replace(_) => replacement.iter().map(|transactions| self.adopt(transactions)).collect(),
        };
        let orphans = match kind {
            ReorgKind::Shorten(orphans) | ReorgKind::Empty(orphans) => *orphans,
            ReorgKind::Replace(_) => Orphans::Forget,
        };
        self.settle(&orphaned, orphans);
        Ok(Reorged { dropped: orphaned.iter().map(|block| block.block_ref()).collect(), adopted })
    }

    fn take_replacement(&self, kind: &ReorgKind) -> Result<Vec<Vec<Arc<SignedTx>>>, ReorgError> {
        let ReorgKind::Replace(blocks) = kind else { return Ok(Vec::new()) };
        let mut taken = Vec::with_capacity(blocks.len());
        for (block, transactions) in blocks.iter().enumerate() {
            let mut list = Vec::with_capacity(transactions.len());
            for (index, raw) in transactions.iter().enumerate() {
                let tx = take_in(raw, &self.config);
                list.push(Arc::new(tx.map_err(|source| ReorgError::Transaction {
                    block,
                    index,
                    source: source.into(),
                })?));
            }
            taken.push(list);
        }
        Ok(taken)
    }

    /// Takes the chain and the state back to block `fork`. Returns the blocks that left, newest first.
    fn roll_back(&mut self, fork: u64, mark: Mark) -> Vec<Arc<SealedBlock>> {
        let keep = usize::try_from(fork).unwrap_or(usize::MAX).saturating_add(1);
        let mut orphaned = self.blocks.split_off(keep.min(self.blocks.len()));
        orphaned.reverse();
        self.marks.truncate(self.marks.len().saturating_sub(orphaned.len()));
        if let Some(head) = self.blocks.last() {
            self.head = Arc::clone(head);
        }
        self.ledger.revert_to(mark);
        self.roots.forget();
        self.past = None;
        self.skew = 0;
        self.next_timestamp = None;
        self.rewrites = self.rewrites.saturating_add(1);
        for block in &orphaned {
            self.by_hash.remove(&block.hash());
            for mined in &block.transactions {
                self.mined.remove(&mined.tx.hash());
            }
            self.publish(&Event::Orphaned(Arc::clone(block)));
        }
        orphaned
    }

    fn adopt(&mut self, transactions: &[Arc<SignedTx>]) -> BlockRef {
        let block = self.build_exactly(transactions);
        self.append(block)
    }

    /// Decides about the transactions of blocks that left, oldest first.
    fn settle(&mut self, orphaned: &[Arc<SealedBlock>], orphans: Orphans) {
        for mined in orphaned.iter().rev().flat_map(|block| &block.transactions) {
            let hash = mined.tx.hash();
            if self.mined.contains_key(&hash) {
                continue;
            }
            let refused = match orphans {
                Orphans::Forget => Some("its block left the chain".to_owned()),
                Orphans::ToPool => {
                    let lane = mined.lane.unwrap_or(Lane::Public);
                    self.admit(Arc::clone(&mined.tx), lane).err().map(|error| error.to_string())
                }
            };
            if let Some(reason) = refused {
                self.dropped.insert(hash, reason);
            }
        }
    }
}
