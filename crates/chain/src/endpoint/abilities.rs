//! What differs between nodes, found out by trying.
//!
//! Only "cannot" is remembered, and only until the endpoint reconnects: the node behind it may be another one then.

use std::sync::atomic::{AtomicBool, Ordering};

/// Something that a node may not be able to do.
#[derive(Debug, Default)]
pub(crate) struct Ability(AtomicBool);

impl Ability {
    pub(crate) fn is_lacking(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set_lacking(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Everything that is remembered of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Abilities {
    /// Several questions in one message.
    pub(crate) batches: Ability,
    /// `eth_getBlockReceipts`.
    pub(crate) block_receipts: Ability,
    /// The same by hash.
    pub(crate) block_receipts_by_hash: Ability,
    /// Questions about state by block hash (EIP-1898).
    pub(crate) state_by_hash: Ability,
    /// `debug_traceCall` with the prestate tracer.
    pub(crate) trace_call: Ability,
    /// `debug_traceBlockByHash` with the prestate tracer.
    pub(crate) trace_block: Ability,
    /// `eth_createAccessList`.
    pub(crate) access_list: Ability,
    /// `txpool_content`.
    pub(crate) pool: Ability,
}

impl Abilities {
    pub(super) fn forget(&self) {
        let blocks = [&self.batches, &self.block_receipts, &self.block_receipts_by_hash];
        let state = [&self.state_by_hash, &self.trace_call, &self.trace_block, &self.access_list, &self.pool];
        for ability in blocks.into_iter().chain(state) {
            ability.0.store(false, Ordering::Relaxed);
        }
    }
}
