//! Blocks, transactions and what a node says of them, as plain data. A block is a number *and* a hash.
//!
//! These are our own structs rather than a library's consensus types because they must also hold transaction types
//! that the library does not know (other chains) and must never fail to represent what a node answered.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, Log, U256};
use serde::{Deserialize, Serialize};

use crate::{BlockNumber, UnixMillis};

/// Names a block: the number alone does not, because of reorgs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: BlockNumber,
    /// Hash of the header.
    pub hash: B256,
}

/// The fields of a block header that execution and judging read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Height.
    pub number: BlockNumber,
    /// Hash of this header as the node states it.
    pub hash: B256,
    /// Hash of the header before.
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// Gas.
    pub gas_limit: u64,
    /// Gas used by all transactions of the block.
    pub gas_used: u64,
    /// Wei per gas; `None` before London.
    pub base_fee: Option<u64>,
    /// Fee recipient.
    pub beneficiary: Address,
    /// Zero after the merge.
    pub difficulty: U256,
    /// `mixHash`: the randomness of the beacon chain after the merge.
    pub prev_randao: Option<B256>,
    /// EIP-4844.
    pub excess_blob_gas: Option<u64>,
    /// EIP-4788.
    pub parent_beacon_block_root: Option<B256>,
    /// Root of the receipts trie: our own execution is checked against it.
    pub receipts_root: B256,
    /// Root of the state trie.
    pub state_root: B256,
}

impl Header {
    /// Number and hash.
    pub const fn block_ref(&self) -> BlockRef {
        BlockRef { number: self.number, hash: self.hash }
    }

    /// The block before, `None` for block 0.
    pub fn parent_ref(&self) -> Option<BlockRef> {
        let number = BlockNumber(self.number.0.checked_sub(1)?);
        Some(BlockRef { number, hash: self.parent_hash })
    }
}

/// One entry of an EIP-2930 access list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessListItem {
    /// The account.
    pub address: Address,
    /// Its slots, in the order of the transaction.
    pub slots: Vec<B256>,
}

/// One EIP-7702 authorization, its signer already recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Zero means any chain.
    pub chain_id: U256,
    /// The code that the authority wants to run.
    pub address: Address,
    /// The authority's nonce that the authorization is valid for.
    pub nonce: u64,
    /// `None` when the signature does not recover: the authorization is then skipped by execution.
    pub authority: Option<Address>,
}

/// A transaction with its sender recovered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Keccak of the signed bytes, as the node or the case states it.
    pub hash: B256,
    /// EIP-2718 type: 0 to 4 on Ethereum; others are kept and cannot be executed.
    pub kind: u8,
    /// Sender.
    pub from: Address,
    /// `None` creates a contract.
    pub to: Option<Address>,
    /// Nonce.
    pub nonce: u64,
    /// Gas.
    pub gas_limit: u64,
    /// Wei per gas: the gas price of types 0 and 1, the maximum fee of the others.
    pub max_fee_per_gas: u128,
    /// Wei per gas; `None` for types 0 and 1.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Wei.
    pub value: U256,
    /// Calldata or creation code.
    pub input: Bytes,
    /// `None` for transactions before EIP-155.
    pub chain_id: Option<u64>,
    /// EIP-2930; empty where the type has none.
    pub access_list: Vec<AccessListItem>,
    /// EIP-4844; empty where the type has none.
    pub blob_hashes: Vec<B256>,
    /// EIP-4844, wei per blob gas.
    pub max_fee_per_blob_gas: Option<u128>,
    /// EIP-7702; empty where the type has none.
    pub authorizations: Vec<Authorization>,
}

impl Transaction {
    /// Selector of the call; `None` for creations and for fewer than four bytes.
    pub fn selector(&self) -> Option<crate::Selector> {
        self.to?;
        self.input.first_chunk::<4>().map(|first| first.into())
    }

    /// Wei per gas that goes to the block's fee recipient at `base_fee`, zero where the cap is below it.
    pub fn effective_tip(&self, base_fee: u64) -> u128 {
        let room = self.max_fee_per_gas.saturating_sub(u128::from(base_fee));
        self.max_priority_fee_per_gas.map_or(room, |tip| tip.min(room))
    }
}

/// What the chain says a transaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Hash of the transaction.
    pub transaction: B256,
    /// `None` before Byzantium, where receipts carried a state root.
    pub success: Option<bool>,
    /// Gas of this transaction alone.
    pub gas_used: u64,
    /// The created contract, if the transaction created one.
    pub created: Option<Address>,
    /// In order of emission; empty when the transaction failed.
    pub logs: Vec<Log>,
}

/// A validator's withdrawal to an account (EIP-4895): it changes a balance without a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Who receives.
    pub address: Address,
    /// How much, in gwei as the protocol counts it.
    pub amount_gwei: u64,
}

/// A block with all its transactions, and their receipts where they were fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// In block order.
    pub transactions: Vec<Transaction>,
    /// Same order and length as `transactions`; empty when they were not fetched.
    pub receipts: Vec<Receipt>,
    /// In block order; empty before Shanghai.
    pub withdrawals: Vec<Withdrawal>,
}

/// A change of the canonical chain.
#[derive(Clone, Debug)]
pub enum ChainUpdate {
    /// The tip moved forward.
    Extended {
        /// Never empty; oldest block first; the first one's parent is the last tip sent.
        adopted: Arc<[Block]>,
    },
    /// Part of what was sent before is no longer true.
    Reorged {
        /// Left the canonical chain, newest first. Findings on these must be withdrawn.
        dropped: Arc<[BlockRef]>,
        /// Took their place, oldest first; may be empty when the chain only got shorter.
        adopted: Arc<[Block]>,
    },
}

impl ChainUpdate {
    /// The blocks that are canonical from now on, oldest first.
    pub fn adopted(&self) -> &Arc<[Block]> {
        match self {
            Self::Extended { adopted } | Self::Reorged { adopted, .. } => adopted,
        }
    }
}

/// A transaction that is not in a block yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingTx {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// When this process first saw it.
    pub first_seen: UnixMillis,
}

/// A change of the mempool as one or more endpoints show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingUpdate {
    /// Not seen before.
    Added(PendingTx),
    /// The same sender and nonce, other contents: `old` will not be mined.
    Replaced {
        /// Hash of the transaction that lost its place.
        old: B256,
        /// The one that took it.
        new: PendingTx,
    },
    /// No endpoint shows it any more, and no block carried it.
    Dropped {
        /// Hash of the transaction.
        hash: B256,
    },
}
