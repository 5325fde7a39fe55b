//! Looking at the chain as it is, was, or would be with the public lane mined.
//!
//! State of the past is not kept: a copy of the ledger is rolled back to the block asked for, through the marks that
//! reorgs use, and the last such copy is kept because questions about one block come in rows.

use std::sync::Arc;

use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag};
use cofferdam_evm::Ledger;
use cofferdam_types::Header;

use super::{HISTORY, PUBLIC_LANE, World};
use crate::block::SealedBlock;

/// Blocks below the head that count as safe: one epoch.
const SAFE_DEPTH: u64 = 32;
/// Blocks below the head that count as final: two epochs.
const FINAL_DEPTH: u64 = 64;

/// The state that was asked about is not there; in geth's words.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateGone {
    /// No such canonical block.
    #[error("header not found")]
    UnknownBlock,
    /// The block is known; its state is older than what is kept.
    #[error("historical state is not available: block {number} is more than {HISTORY} blocks old")]
    TooOld {
        /// The block.
        number: u64,
    },
}

impl World {
    /// Names a canonical block; `None` for the pending one.
    pub(crate) fn canonical(&self, id: BlockId) -> Result<Option<&Arc<SealedBlock>>, StateGone> {
        let depth = |depth: u64| self.block(self.head.number().saturating_sub(depth));
        let block = match id {
            BlockId::Hash(named) => self.block_by_hash(named.block_hash),
            BlockId::Number(BlockNumberOrTag::Pending) => return Ok(None),
            BlockId::Number(BlockNumberOrTag::Latest) => Some(&self.head),
            BlockId::Number(BlockNumberOrTag::Safe) => depth(SAFE_DEPTH),
            BlockId::Number(BlockNumberOrTag::Finalized) => depth(FINAL_DEPTH),
            BlockId::Number(BlockNumberOrTag::Earliest) => self.block(0),
            BlockId::Number(BlockNumberOrTag::Number(number)) => self.block(number),
        };
        block.map(Some).ok_or(StateGone::UnknownBlock)
    }

    /// Runs `ask` on the state after a block, with that block's header; for `pending`, on the state after a block of
    /// what the public lane holds. The private lane has no part in that.
    pub(crate) fn with_state<R>(
        &mut self,
        id: BlockId,
        ask: impl FnOnce(&mut Ledger, &Header) -> R,
    ) -> Result<R, StateGone> {
        let Some(block) = self.canonical(id)?.cloned() else {
            return Ok(self.with_pending(|ledger, block| ask(ledger, &block.plain)));
        };
        if block.hash() == self.head.hash() {
            return Ok(ask(&mut self.ledger, &block.plain));
        }
        let past = self.past_ledger(&block)?;
        Ok(ask(past, &block.plain))
    }

    /// Runs `ask` on the block that the public lane would make now, and takes that block back.
    pub(crate) fn with_pending<R>(&mut self, ask: impl FnOnce(&mut Ledger, &SealedBlock) -> R) -> R {
        let mark = self.ledger.mark();
        let roots = self.roots.clone();
        let block = self.build_from_pool(PUBLIC_LANE);
        let answer = ask(&mut self.ledger, &block);
        self.ledger.revert_to(mark);
        self.roots = roots;
        answer
    }

    /// A ledger as it was after a canonical block, in memory until another past is asked for.
    pub(crate) fn past_ledger(&mut self, block: &SealedBlock) -> Result<&mut Ledger, StateGone> {
        let number = block.number();
        let mark = self.mark_after(number).ok_or(StateGone::TooOld { number })?;
        let kept = self.past.take().filter(|(hash, _)| *hash == block.hash());
        let (_, ledger) = self.past.insert(kept.unwrap_or_else(|| {
            let mut ledger = self.ledger.clone();
            ledger.revert_to(mark);
            (block.hash(), ledger)
        }));
        Ok(ledger)
    }
}
