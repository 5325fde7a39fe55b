//! A sealed block: everything that the wire, the reorgs and the drills want to know of it later.

use std::sync::Arc;

use alloy_consensus::{Header as ConsensusHeader, ReceiptEnvelope};
use alloy_primitives::{Address, B256, U256};
use cofferdam_types::{Block, BlockRef, Header, Receipt};

use crate::Lane;
use crate::intake::SignedTx;

/// A transaction that waited and will never be mined as it is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Hash of the transaction.
    pub hash: B256,
    /// In the words of the EVM or of the pool.
    pub reason: String,
}

/// A mined transaction with its outcome.
#[derive(Clone, Debug)]
pub(crate) struct Mined {
    pub(crate) tx: Arc<SignedTx>,
    /// Which way it came: a reorg puts it back there. `None` for what a reorg was told to include.
    pub(crate) lane: Option<Lane>,
    /// Logs, status, cumulative gas and bloom.
    pub(crate) receipt: ReceiptEnvelope,
    pub(crate) gas_used: u64,
    /// Set for every creating transaction, also for failed ones, as geth does.
    pub(crate) created: Option<Address>,
    /// Wei per gas.
    pub(crate) gas_price: u128,
    /// Number of logs of the block before this transaction.
    pub(crate) first_log: u64,
}

/// A sealed block.
#[derive(Clone, Debug)]
pub(crate) struct SealedBlock {
    pub(crate) header: ConsensusHeader,
    /// The same header as the EVM reads it, with its hash.
    pub(crate) plain: Header,
    /// Bytes of its RLP.
    pub(crate) size: U256,
    /// Wei per blob gas; `None` before Cancun.
    pub(crate) blob_gas_price: Option<u128>,
    /// In block order.
    pub(crate) transactions: Vec<Mined>,
    /// What the building of this block found to be unminable.
    pub(crate) dropped: Vec<Dropped>,
}

impl SealedBlock {
    pub(crate) const fn hash(&self) -> B256 {
        self.plain.hash
    }

    pub(crate) const fn number(&self) -> u64 {
        self.header.number
    }

    pub(crate) const fn block_ref(&self) -> BlockRef {
        self.plain.block_ref()
    }

    pub(crate) fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }

    /// The block in the nouns that all rooms share.
    pub(crate) fn to_block(&self) -> Block {
        Block {
            header: self.plain.clone(),
            transactions: self.transactions.iter().map(|mined| (*mined.tx.plain).clone()).collect(),
            receipts: self.transactions.iter().map(Mined::to_receipt).collect(),
            ..Block::default()
        }
    }
}

impl Mined {
    pub(crate) fn success(&self) -> bool {
        self.receipt.is_success()
    }

    pub(crate) fn to_receipt(&self) -> Receipt {
        Receipt {
            transaction: self.tx.hash(),
            success: Some(self.success()),
            gas_used: self.gas_used,
            created: self.created.filter(|_| self.success()),
            logs: self.receipt.logs().to_vec(),
        }
    }
}
