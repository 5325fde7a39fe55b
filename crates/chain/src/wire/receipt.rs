//! Receipts and their logs, and the check that they belong to a block.

use alloy_primitives::{Address, B256, Bytes, Log, LogData};
use cofferdam_types::{BlockNumber, BlockRef, Header, Receipt, Transaction};
use serde::{Deserialize, Deserializer, de::Error};

use super::{Hex, Items, parse, wire_object};

wire_object! {
    /// A receipt. `logsBloom` and what only indexers need are skipped.
    ReceiptObject, "a receipt object" {
        transaction: Hex<B256> = "transactionHash", required;
        index: Hex<u64> = "transactionIndex", required;
        block_hash: Hex<B256> = "blockHash", required;
        block_number: Hex<u64> = "blockNumber", required;
        status: Hex<u8> = "status", optional;
        gas_used: Hex<u64> = "gasUsed", required;
        created: Hex<Address> = "contractAddress", optional;
        logs: Items<WireLog> = "logs", required;
    }
}

wire_object! {
    /// A log as the receipt carries it.
    LogObject, "a log object" {
        address: Hex<Address> = "address", required;
        topics: Items<Hex<B256>> = "topics", required;
        data: Hex<Bytes> = "data", required;
    }
}

pub(crate) struct WireLog(Log);

impl<'de> Deserialize<'de> for WireLog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seen = LogObject::deserialize(deserializer)?;
        let topics: Vec<B256> = seen.topics.0.into_iter().map(|topic| topic.0).collect();
        let count = topics.len();
        let data = LogData::new(topics, seen.data.0)
            .ok_or_else(|| D::Error::custom(format_args!("`topics`: {count} topics, expected at most 4")))?;
        Ok(Self(Log { address: seen.address.0, data }))
    }
}

/// A receipt and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// The block that carries the transaction.
    pub block: BlockRef,
    /// The transaction's place in the block, from 0.
    pub index: u64,
}

impl<'de> Deserialize<'de> for MinedReceipt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seen = ReceiptObject::deserialize(deserializer)?;
        let success = match seen.status.map(|status| status.0) {
            None => None,
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(other) => return Err(D::Error::custom(format_args!("`status`: {other}, expected 0 or 1"))),
        };
        let receipt = Receipt {
            transaction: seen.transaction.0,
            success,
            gas_used: seen.gas_used.0,
            created: seen.created.map(|address| address.0),
            logs: seen.logs.0.into_iter().map(|log| log.0).collect(),
        };
        let block = BlockRef { number: BlockNumber(seen.block_number.0), hash: seen.block_hash.0 };
        Ok(Self { receipt, block, index: seen.index.0 })
    }
}

/// One receipt; `None` for a JSON null.
pub(crate) fn receipt(text: &str) -> Result<Option<MinedReceipt>, String> {
    parse(text)
}

/// The receipts of a block; `None` for a JSON null.
pub(crate) fn receipts(text: &str) -> Result<Option<Vec<MinedReceipt>>, String> {
    let seen: Option<Items<MinedReceipt>> = parse(text)?;
    Ok(seen.map(|items| items.0))
}

/// The bare receipts, once they are known to be those of `transactions` in `header`: same number, order, hashes, block.
pub(crate) fn check_receipts(
    header: &Header,
    transactions: &[Transaction],
    mined: Vec<MinedReceipt>,
) -> Result<Vec<Receipt>, String> {
    let number = header.number;
    if mined.len() != transactions.len() {
        let (seen, expected) = (mined.len(), transactions.len());
        return Err(format!("{seen} receipts for block {number}, expected {expected}, one a transaction"));
    }
    let mut receipts = Vec::with_capacity(mined.len());
    for ((index, transaction), mined) in (0_u64..).zip(transactions).zip(mined) {
        if mined.block != header.block_ref() {
            let (seen, expected) = (mined.block, header.block_ref());
            return Err(format!(
                "item {index}: receipt of block {} {}, expected block {} {}",
                seen.number, seen.hash, expected.number, expected.hash
            ));
        }
        if mined.index != index || mined.receipt.transaction != transaction.hash {
            return Err(format!(
                "item {index}: receipt of transaction {} at `transactionIndex` {}, expected {} at {index}",
                mined.receipt.transaction, mined.index, transaction.hash
            ));
        }
        receipts.push(mined.receipt);
    }
    Ok(receipts)
}
