//! Questions to one endpoint about blocks and state, with the fallbacks that nodes need.
//!
//! What comes out was checked against itself: hashes and numbers are those asked for, receipts are those of the
//! transactions. A block must never leave here in parts.

use alloy_primitives::{B256, Bytes};
use cofferdam_types::{Block, BlockNumber, BlockRef, Header, Receipt, Transaction};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::error::RequestError;
use crate::node::{At, BlockId};
use crate::wire::{self, Head, MinedReceipt, MinedTransaction};

const BY_NUMBER: &str = "eth_getBlockByNumber";
const BY_HASH: &str = "eth_getBlockByHash";

/// A number as a parameter.
pub(crate) fn quantity(number: u64) -> Value {
    Value::String(format!("{number:#x}"))
}

/// Bytes as a parameter.
pub(crate) fn hex_of(bytes: &Bytes) -> Value {
    Value::String(bytes.to_string())
}

/// The endpoint's newest block.
pub(crate) async fn newest(endpoint: &Endpoint) -> Result<Head, RequestError> {
    let text = endpoint.ask(BY_NUMBER, json!(["latest", false])).await?;
    endpoint.read(BY_NUMBER, &text, wire::head)?.ok_or_else(|| endpoint.missing(BY_NUMBER, "a newest block".to_owned()))
}

fn question(id: BlockId, full: bool) -> (&'static str, Value) {
    match id {
        BlockId::Number(number) => (BY_NUMBER, json!([quantity(number.0), full])),
        BlockId::Hash(hash) => (BY_HASH, json!([hash, full])),
    }
}

fn is_the_one(endpoint: &Endpoint, id: BlockId, method: &'static str, header: &Header) -> Result<(), RequestError> {
    match id {
        BlockId::Number(number) if header.number != number => {
            Err(endpoint.malformed(method, &format!("`number`: {}, expected {number}, as asked", header.number)))
        }
        BlockId::Hash(hash) if header.hash != hash => {
            Err(endpoint.malformed(method, &format!("`hash`: {}, expected {hash}, as asked", header.hash)))
        }
        BlockId::Number(_) | BlockId::Hash(_) => Ok(()),
    }
}

/// One header.
pub(crate) async fn header(endpoint: &Endpoint, id: BlockId) -> Result<Option<Header>, RequestError> {
    let (method, params) = question(id, false);
    let text = endpoint.ask(method, params).await?;
    let Some(header) = endpoint.read(method, &text, wire::whole_header)? else { return Ok(None) };
    is_the_one(endpoint, id, method, &header)?;
    Ok(Some(header))
}

/// Headers `first..=last`, oldest first, ending early where the chain ends.
pub(crate) async fn headers(
    endpoint: &Endpoint,
    first: BlockNumber,
    last: BlockNumber,
) -> Result<Vec<Header>, RequestError> {
    let numbers: Vec<BlockNumber> = (first.0..=last.0).map(BlockNumber).collect();
    let questions = numbers.iter().map(|number| question(BlockId::Number(*number), false)).collect();
    let mut headers = Vec::with_capacity(numbers.len());
    for (number, answer) in numbers.into_iter().zip(endpoint.ask_all(questions).await?) {
        let Some(header) = endpoint.read(BY_NUMBER, &answer?, wire::whole_header)? else { break };
        is_the_one(endpoint, BlockId::Number(number), BY_NUMBER, &header)?;
        headers.push(header);
    }
    Ok(headers)
}

/// A block with transactions and receipts; `None` when the endpoint does not have it.
pub(crate) async fn whole_block(endpoint: &Endpoint, id: BlockId) -> Result<Option<Block>, RequestError> {
    let (method, params) = question(id, true);
    let abilities = endpoint.abilities();
    let by_hash = !abilities.block_receipts.is_lacking() && !abilities.block_receipts_by_hash.is_lacking();
    let (body, receipts) = match id {
        // The hash is known beforehand, so both halves can be asked for at once.
        BlockId::Hash(hash) if by_hash => {
            let (body, receipts) = tokio::join!(endpoint.ask(method, params), receipts_by_hash(endpoint, hash));
            (body?, Some(receipts))
        }
        BlockId::Hash(_) | BlockId::Number(_) => (endpoint.ask(method, params).await?, None),
    };
    let Some(mut block) = endpoint.read(method, &body, wire::with_transactions)? else { return Ok(None) };
    let (header, transactions) = (&block.header, &block.transactions);
    is_the_one(endpoint, id, method, header)?;
    let receipts = if transactions.is_empty() {
        Vec::new()
    } else {
        receipts_of(endpoint, header, transactions, receipts).await?
    };
    block.receipts = receipts;
    Ok(Some(block))
}

const BLOCK_RECEIPTS: &str = "eth_getBlockReceipts";
const RECEIPT: &str = "eth_getTransactionReceipt";

async fn receipts_by_hash(endpoint: &Endpoint, hash: B256) -> Result<Option<Vec<MinedReceipt>>, RequestError> {
    let text = endpoint.ask(BLOCK_RECEIPTS, json!([hash])).await?;
    endpoint.read(BLOCK_RECEIPTS, &text, wire::receipts)
}

/// * `early`: what came of asking by hash, where that has been done already
async fn receipts_of(
    endpoint: &Endpoint,
    header: &Header,
    transactions: &[Transaction],
    early: Option<Result<Option<Vec<MinedReceipt>>, RequestError>>,
) -> Result<Vec<Receipt>, RequestError> {
    let abilities = endpoint.abilities();
    if early.is_some() || !abilities.block_receipts.is_lacking() && !abilities.block_receipts_by_hash.is_lacking() {
        let by_hash = match early {
            Some(early) => early,
            None => receipts_by_hash(endpoint, header.hash).await,
        };
        match by_hash {
            Ok(Some(mined)) => return checked(endpoint, BLOCK_RECEIPTS, header, transactions, mined),
            Ok(None) => return Err(no_receipts(endpoint, BLOCK_RECEIPTS, header)),
            Err(error) if error.is_unsupported() => abilities.block_receipts.set_lacking(),
            Err(error) if error.is_bad_params() => abilities.block_receipts_by_hash.set_lacking(),
            Err(error) => return Err(error),
        }
    }
    if !abilities.block_receipts.is_lacking() {
        // By number the answer may be about another block of that height, which the check below notices.
        match endpoint.ask(BLOCK_RECEIPTS, json!([quantity(header.number.0)])).await {
            Ok(text) => {
                let mined = endpoint.read(BLOCK_RECEIPTS, &text, wire::receipts)?;
                let mined = mined.ok_or_else(|| no_receipts(endpoint, BLOCK_RECEIPTS, header))?;
                return checked(endpoint, BLOCK_RECEIPTS, header, transactions, mined);
            }
            Err(error) if error.is_unsupported() || error.is_bad_params() => abilities.block_receipts.set_lacking(),
            Err(error) => return Err(error),
        }
    }
    let questions = transactions.iter().map(|transaction| (RECEIPT, json!([transaction.hash]))).collect();
    let mut mined = Vec::with_capacity(transactions.len());
    for answer in endpoint.ask_all(questions).await? {
        let seen = endpoint.read(RECEIPT, &answer?, wire::receipt)?;
        mined.push(seen.ok_or_else(|| no_receipts(endpoint, RECEIPT, header))?);
    }
    checked(endpoint, RECEIPT, header, transactions, mined)
}

fn no_receipts(endpoint: &Endpoint, method: &'static str, header: &Header) -> RequestError {
    endpoint.missing(method, format!("all receipts of block {} {}", header.number, header.hash))
}

fn checked(
    endpoint: &Endpoint,
    method: &'static str,
    header: &Header,
    transactions: &[Transaction],
    mined: Vec<MinedReceipt>,
) -> Result<Vec<Receipt>, RequestError> {
    wire::check_receipts(header, transactions, mined).map_err(|detail| endpoint.malformed(method, &detail))
}

const TRANSACTION: &str = "eth_getTransactionByHash";

/// A transaction by hash.
pub(crate) async fn transaction(endpoint: &Endpoint, hash: B256) -> Result<Option<MinedTransaction>, RequestError> {
    let text = endpoint.ask(TRANSACTION, json!([hash])).await?;
    named(endpoint, hash, endpoint.read(TRANSACTION, &text, wire::pending_transaction)?)
}

/// How a block is named in a question about its state.
pub(crate) fn state_of(endpoint: &Endpoint, at: At) -> Value {
    match at {
        At::Latest => json!("latest"),
        At::Pending => json!("pending"),
        At::Block(block) if endpoint.abilities().state_by_hash.is_lacking() => quantity(block.number.0),
        At::Block(block) => json!({ "blockHash": block.hash }),
    }
}

/// Asks a question whose last parameter is a block: by hash (EIP-1898) where the node can, else by number with a check
/// that this number still is that block.
pub(crate) async fn at_state<T>(
    endpoint: &Endpoint,
    method: &'static str,
    leading: Vec<Value>,
    at: At,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, RequestError> {
    at_state_with(endpoint, method, leading, at, Vec::new(), parse).await
}

/// As [`at_state`], with parameters after the block.
pub(crate) async fn at_state_with<T>(
    endpoint: &Endpoint,
    method: &'static str,
    leading: Vec<Value>,
    at: At,
    trailing: Vec<Value>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, RequestError> {
    let params = |block: Value| {
        let mut params = leading.clone();
        params.push(block);
        params.extend(trailing.iter().cloned());
        Value::Array(params)
    };
    let lacking = &endpoint.abilities().state_by_hash;
    if !lacking.is_lacking() || !matches!(at, At::Block(_)) {
        match endpoint.ask(method, params(state_of(endpoint, at))).await {
            Err(error) if matches!(at, At::Block(_)) && error.is_bad_params() => lacking.set_lacking(),
            Err(error) => return Err(error),
            Ok(text) => return endpoint.read(method, &text, parse),
        }
    }
    let text = endpoint.ask(method, params(state_of(endpoint, at))).await?;
    if let At::Block(block) = at {
        still_canonical(endpoint, block).await?;
    }
    endpoint.read(method, &text, parse)
}

/// An answer by number is about `block` only if that is what the number means.
pub(crate) async fn still_canonical(endpoint: &Endpoint, block: BlockRef) -> Result<(), RequestError> {
    match header(endpoint, BlockId::Number(block.number)).await? {
        Some(seen) if seen.hash == block.hash => Ok(()),
        Some(_) | None => Err(endpoint.missing(BY_NUMBER, format!("block {} {}", block.number, block.hash))),
    }
}

/// Those of `hashes` that the endpoint knows, mined or not, in order.
pub(crate) async fn transactions(endpoint: &Endpoint, hashes: &[B256]) -> Result<Vec<MinedTransaction>, RequestError> {
    let questions = hashes.iter().map(|hash| (TRANSACTION, json!([hash]))).collect();
    let mut found = Vec::with_capacity(hashes.len());
    for (hash, answer) in hashes.iter().zip(endpoint.ask_all(questions).await?) {
        found.extend(named(endpoint, *hash, endpoint.read(TRANSACTION, &answer?, wire::pending_transaction)?)?);
    }
    Ok(found)
}

fn named(
    endpoint: &Endpoint,
    hash: B256,
    seen: Option<MinedTransaction>,
) -> Result<Option<MinedTransaction>, RequestError> {
    match seen.as_ref().map(|seen| seen.transaction.hash).filter(|seen| *seen != hash) {
        Some(other) => Err(endpoint.malformed(TRANSACTION, &format!("`hash`: {other}, expected {hash}, as asked"))),
        None => Ok(seen),
    }
}
