//! Headers, blocks and transactions.

use alloy_primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{Authorization, Block, BlockNumber, BlockRef, Header, Transaction, Withdrawal};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny};

use super::state::{AccessEntry, access_items};
use super::{Hex, Items, parse, wire_object};
use crate::wire::authorization;

wire_object! {
    /// What tells one head from another.
    HeadObject, "a block header object" {
        number: Hex<u64> = "number", required;
        hash: Hex<B256> = "hash", required;
        parent_hash: Hex<B256> = "parentHash", required;
    }
}

wire_object! {
    /// A block; what its transactions are read as depends on the question.
    BlockObject<T>, "a block object" {
        number: Hex<u64> = "number", required;
        hash: Hex<B256> = "hash", required;
        parent_hash: Hex<B256> = "parentHash", required;
        timestamp: Hex<u64> = "timestamp", required;
        gas_limit: Hex<u64> = "gasLimit", required;
        gas_used: Hex<u64> = "gasUsed", required;
        base_fee: Hex<u64> = "baseFeePerGas", optional;
        beneficiary: Hex<Address> = "miner", required;
        difficulty: Hex<U256> = "difficulty", optional;
        mix_hash: Hex<B256> = "mixHash", optional;
        excess_blob_gas: Hex<u64> = "excessBlobGas", optional;
        beacon_root: Hex<B256> = "parentBeaconBlockRoot", optional;
        receipts_root: Hex<B256> = "receiptsRoot", required;
        state_root: Hex<B256> = "stateRoot", required;
        transactions: T = "transactions", optional;
        withdrawals: Items<WithdrawalObject> = "withdrawals", optional;
    }
}

wire_object! {
    /// A transaction of any type of any chain.
    TransactionObject, "a transaction object" {
        hash: Hex<B256> = "hash", required;
        kind: Hex<u8> = "type", optional;
        from: Hex<Address> = "from", required;
        to: Hex<Address> = "to", optional;
        nonce: Hex<u64> = "nonce", required;
        gas: Hex<u64> = "gas", required;
        gas_price: Hex<u128> = "gasPrice", optional;
        max_fee: Hex<u128> = "maxFeePerGas", optional;
        max_priority_fee: Hex<u128> = "maxPriorityFeePerGas", optional;
        value: Hex<U256> = "value", required;
        input: Hex<Bytes> = "input" | "data", required;
        chain_id: Hex<u64> = "chainId", optional;
        access_list: Items<AccessEntry> = "accessList", optional;
        blob_hashes: Items<Hex<B256>> = "blobVersionedHashes", optional;
        max_blob_fee: Hex<u128> = "maxFeePerBlobGas", optional;
        authorizations: Items<AuthorizationObject> = "authorizationList", optional;
        block_hash: Hex<B256> = "blockHash", optional;
    }
}

wire_object! {
    /// An EIP-4895 withdrawal.
    WithdrawalObject, "a withdrawal object" {
        address: Hex<Address> = "address", required;
        amount_gwei: Hex<u64> = "amount", required;
    }
}

wire_object! {
    /// An EIP-7702 authorization as signed.
    AuthorizationObject, "an authorization object" {
        chain_id: Hex<U256> = "chainId", required;
        address: Hex<Address> = "address", required;
        nonce: Hex<u64> = "nonce", required;
        y_parity: Hex<u8> = "yParity" | "v", required;
        r: Hex<U256> = "r", required;
        s: Hex<U256> = "s", required;
    }
}

/// Number, hash and parent of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) block: BlockRef,
    pub(crate) parent_hash: B256,
}

/// A transaction, and the block that carries it if any does.
#[derive(Clone, Debug)]
pub(crate) struct MinedTransaction {
    pub(crate) transaction: Transaction,
    pub(crate) block_hash: Option<B256>,
}

/// A head as announced or asked for; `None` for a JSON null.
pub(crate) fn head(text: &str) -> Result<Option<Head>, String> {
    let seen: Option<HeadObject> = parse(text)?;
    Ok(seen.map(|seen| Head {
        block: BlockRef { number: BlockNumber(seen.number.0), hash: seen.hash.0 },
        parent_hash: seen.parent_hash.0,
    }))
}

/// A header, whether the answer carries transactions or not; `None` for a JSON null.
pub(crate) fn whole_header(text: &str) -> Result<Option<Header>, String> {
    let seen: Option<BlockObject<IgnoredAny>> = parse(text)?;
    Ok(seen.map(|seen| seen.split().0))
}

/// A block with full transactions and no receipts yet; `None` for a JSON null.
pub(crate) fn with_transactions(text: &str) -> Result<Option<Block>, String> {
    let seen: Option<BlockObject<Items<MinedTransaction>>> = parse(text)?;
    let Some(mut seen) = seen else { return Ok(None) };
    let withdrawals = seen.withdrawals.take().map_or_else(Vec::new, |list| list.0);
    let withdrawals =
        withdrawals.into_iter().map(|one| Withdrawal { address: one.address.0, amount_gwei: one.amount_gwei.0 });
    let withdrawals = withdrawals.collect();
    let (header, mined) = seen.split();
    let mined = mined.ok_or("`transactions` is missing")?.0;
    let mut transactions = Vec::with_capacity(mined.len());
    for (index, mined) in mined.into_iter().enumerate() {
        if let Some(other) = mined.block_hash.filter(|block| *block != header.hash) {
            let own = header.hash;
            return Err(format!("`transactions`: item {index}: `blockHash`: {other}, expected {own}, the block's own"));
        }
        transactions.push(mined.transaction);
    }
    Ok(Some(Block { header, transactions, receipts: Vec::new(), withdrawals }))
}

impl<T> BlockObject<T> {
    fn split(self) -> (Header, Option<T>) {
        let header = Header {
            number: BlockNumber(self.number.0),
            hash: self.hash.0,
            parent_hash: self.parent_hash.0,
            timestamp: self.timestamp.0,
            gas_limit: self.gas_limit.0,
            gas_used: self.gas_used.0,
            base_fee: self.base_fee.map(|fee| fee.0),
            beneficiary: self.beneficiary.0,
            difficulty: self.difficulty.map_or(U256::ZERO, |difficulty| difficulty.0),
            prev_randao: self.mix_hash.map(|hash| hash.0),
            excess_blob_gas: self.excess_blob_gas.map(|gas| gas.0),
            parent_beacon_block_root: self.beacon_root.map(|root| root.0),
            receipts_root: self.receipts_root.0,
            state_root: self.state_root.0,
        };
        (header, self.transactions)
    }
}

/// A transaction asked for by hash or announced with its body; `None` for a JSON null.
pub(crate) fn pending_transaction(text: &str) -> Result<Option<MinedTransaction>, String> {
    parse(text)
}

impl<'de> Deserialize<'de> for MinedTransaction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seen = TransactionObject::deserialize(deserializer)?;
        let block_hash = seen.block_hash.map(|hash| hash.0);
        let transaction = transaction_of(seen).map_err(D::Error::custom)?;
        Ok(Self { transaction, block_hash })
    }
}

fn transaction_of(seen: TransactionObject) -> Result<Transaction, String> {
    let kind = seen.kind.map_or(0, |kind| kind.0);
    let gas_price = seen.gas_price.map(|price| price.0);
    let max_fee = seen.max_fee.map(|fee| fee.0);
    let missing = |field: &str| format!("`{field}` is missing in a transaction of type {kind}");
    let max_fee_per_gas = match kind {
        0 | 1 => gas_price.ok_or_else(|| missing("gasPrice"))?,
        2..=4 => max_fee.ok_or_else(|| missing("maxFeePerGas"))?,
        // Types of other chains price as they like; deposits of the OP stack have no price at all.
        _ => max_fee.or(gas_price).unwrap_or(0),
    };
    let max_priority_fee_per_gas = match kind {
        0 | 1 => None,
        2..=4 => Some(seen.max_priority_fee.ok_or_else(|| missing("maxPriorityFeePerGas"))?.0),
        _ => seen.max_priority_fee.map(|fee| fee.0),
    };
    let max_fee_per_blob_gas = seen.max_blob_fee.map(|fee| fee.0);
    if kind == 3 && max_fee_per_blob_gas.is_none() {
        return Err(missing("maxFeePerBlobGas"));
    }
    Ok(Transaction {
        hash: seen.hash.0,
        kind,
        from: seen.from.0,
        to: seen.to.map(|to| to.0),
        nonce: seen.nonce.0,
        gas_limit: seen.gas.0,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        value: seen.value.0,
        input: seen.input.0,
        chain_id: seen.chain_id.map(|id| id.0),
        access_list: seen.access_list.map_or_else(Vec::new, access_items),
        blob_hashes: seen.blob_hashes.map_or_else(Vec::new, |list| list.0.into_iter().map(|hash| hash.0).collect()),
        max_fee_per_blob_gas,
        authorizations: seen.authorizations.map_or_else(Vec::new, |list| list.0.into_iter().map(signed).collect()),
    })
}

fn signed(seen: AuthorizationObject) -> Authorization {
    // Some nodes write Ethereum's old 27 and 28 under `v`.
    let parity = seen.y_parity.0.checked_sub(27).unwrap_or(seen.y_parity.0);
    authorization(seen.chain_id.0, seen.address.0, seen.nonce.0, (parity, seen.r.0, seen.s.0))
}
