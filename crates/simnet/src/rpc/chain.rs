//! Blocks, transactions, receipts and logs.

use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::{
    Block, BlockId, BlockNumberOrTag, BlockTransactionsKind, Filter, FilterBlockOption, Log, Transaction,
    TransactionReceipt,
};

use super::args::Args;
use super::{Answer, Face, bad_params, refused};
use crate::world::World;

pub(super) fn register(face: &mut Face) {
    face.on("eth_chainId", |world, _| Ok(U64::from(world.config.chain_id.0)));
    face.on("net_version", |world, _| Ok(world.config.chain_id.0.to_string()));
    face.on("web3_clientVersion", |_, _| Ok(concat!("cofferdam-simnet/v", env!("CARGO_PKG_VERSION"))));
    face.on("eth_syncing", |_, _| Ok(false));
    face.on("eth_blockNumber", |world, _| Ok(U64::from(world.head().number())));
    face.on("eth_getBlockByNumber", block_by_number);
    face.on("eth_getBlockByHash", block_by_hash);
    face.on("eth_getBlockReceipts", block_receipts);
    face.on("eth_getTransactionReceipt", receipt);
    face.on("eth_getTransactionByHash", transaction);
    face.on("eth_getLogs", logs);
}

fn kind(args: &Args) -> Answer<BlockTransactionsKind> {
    let full = args.optional::<bool>(1)?.unwrap_or(false);
    Ok(if full { BlockTransactionsKind::Full } else { BlockTransactionsKind::Hashes })
}

fn block_by_number(world: &mut World, args: &Args) -> Answer<Option<Block>> {
    let (number, kind) = (args.required::<BlockNumberOrTag>(0)?, kind(args)?);
    match world.canonical(number.into()) {
        Ok(Some(block)) => Ok(Some(block.wire_block(kind))),
        Ok(None) => Ok(Some(world.with_pending(|_, block| block.wire_block(kind)))),
        Err(_) => Ok(None),
    }
}

fn block_by_hash(world: &mut World, args: &Args) -> Answer<Option<Block>> {
    let (hash, kind) = (args.required::<B256>(0)?, kind(args)?);
    Ok(world.block_by_hash(hash).map(|block| block.wire_block(kind)))
}

fn block_receipts(world: &mut World, args: &Args) -> Answer<Option<Vec<TransactionReceipt>>> {
    let id = args.required::<BlockId>(0)?;
    match world.canonical(id) {
        Ok(Some(block)) => Ok(Some(block.wire_receipts())),
        Ok(None) => Ok(Some(world.with_pending(|_, block| block.wire_receipts()))),
        Err(_) => Ok(None),
    }
}

fn receipt(world: &mut World, args: &Args) -> Answer<Option<TransactionReceipt>> {
    let hash = args.required::<B256>(0)?;
    Ok(world.find(hash).map(|(block, index, mined)| block.wire_receipt(wide(index), mined)))
}

fn transaction(world: &mut World, args: &Args) -> Answer<Option<Transaction>> {
    let hash = args.required::<B256>(0)?;
    let mined = world.find(hash).map(|(block, index, mined)| block.wire_transaction(wide(index), mined));
    Ok(mined.or_else(|| world.pool.public(hash).map(|tx| tx.wire_pending())))
}

fn wide(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

fn logs(world: &mut World, args: &Args) -> Answer<Vec<Log>> {
    let filter = args.required::<Filter>(0)?;
    let (first, last) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = world.block_by_hash(hash).ok_or_else(|| refused(&"unknown block"))?;
            (block.number(), block.number())
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let first = height(world, from_block.unwrap_or_default())?;
            (first, height(world, to_block.unwrap_or_default())?)
        }
    };
    if first > last {
        return Err(bad_params(&format!("invalid block range params: from {first} to {last}")));
    }
    let mut found = Vec::new();
    for block in (first..=last.min(world.head().number())).filter_map(|number| world.block(number)) {
        if filter.matches_bloom(block.header.logs_bloom) {
            found.extend(block.wire_logs(false).filter(|log| matches(&filter, log)));
        }
    }
    Ok(found)
}

/// Whether addresses and topics fit; the block is the caller's matter.
pub(super) fn matches(filter: &Filter, log: &Log) -> bool {
    filter.matches_address(log.address()) && filter.matches_topics(log.topics())
}

fn height(world: &World, tag: BlockNumberOrTag) -> Answer<u64> {
    // A range may reach beyond the head; a name must stand for a block.
    if let BlockNumberOrTag::Number(number) = tag {
        return Ok(number);
    }
    let block = world.canonical(tag.into()).map_err(|error| refused(&error))?;
    Ok(block.unwrap_or_else(|| world.head()).number())
}
