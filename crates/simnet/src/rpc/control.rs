//! The hands on the chain: mining, time, reorgs. The names are those of anvil and hardhat where they have one.

use alloy_primitives::{B256, Bytes, U64};
use cofferdam_types::BlockRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::args::Args;
use super::{Answer, Face, bad_params, refused};
use crate::world::World;
use crate::{Orphans, ReorgKind};

/// Blocks that one request may mine: a typing error should not fill the memory.
const MAX_BLOCKS: u64 = 100_000;

pub(super) fn register(face: &mut Face) {
    face.on("evm_mine", mine_one);
    face.on("anvil_mine", mine_many);
    face.on("evm_increaseTime", increase_time);
    face.on("evm_setNextBlockTimestamp", set_next_timestamp);
    face.on("evm_setAutomine", |world, args| {
        world.config.automine = args.required(0)?;
        Ok(())
    });
    face.on("anvil_reorg", anvil_reorg);
    face.on("simnet_reorg", simnet_reorg);
    face.on("simnet_dropReason", |world, args| Ok(world.drop_reason(args.required::<B256>(0)?).map(str::to_owned)));
}

/// `[]`, `[timestamp]` or `[{"timestamp": .., "blocks": ..}]`.
fn mine_one(world: &mut World, args: &Args) -> Answer<&'static str> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Options {
        timestamp: Option<u64>,
        blocks: Option<u64>,
    }
    let options = if args.optional::<Value>(0)?.is_some_and(|option| option.is_object()) {
        args.required::<Options>(0)?
    } else {
        Options { timestamp: args.quantity(0)?, blocks: None }
    };
    if let Some(timestamp) = options.timestamp {
        world.set_next_timestamp(timestamp).map_err(|error| refused(&error))?;
    }
    mine(world, options.blocks.unwrap_or(1))?;
    Ok("0x0")
}

/// `[blocks]`.
fn mine_many(world: &mut World, args: &Args) -> Answer<()> {
    mine(world, args.quantity(0)?.unwrap_or(1))
}

fn mine(world: &mut World, blocks: u64) -> Answer<()> {
    if blocks > MAX_BLOCKS {
        return Err(bad_params(&format!("{blocks} blocks are more than the {MAX_BLOCKS} of one request")));
    }
    for _ in 0..blocks {
        world.mine();
    }
    Ok(())
}

/// Answers with the seconds that the next block will be after the head.
fn increase_time(world: &mut World, args: &Args) -> Answer<u64> {
    let seconds = args.quantity(0)?.ok_or_else(|| bad_params(&"missing value for required argument 0"))?;
    world.advance_time(seconds);
    Ok(world.next_timestamp().saturating_sub(world.head().header.timestamp))
}

fn set_next_timestamp(world: &mut World, args: &Args) -> Answer<()> {
    let at = args.quantity(0)?.ok_or_else(|| bad_params(&"missing value for required argument 0"))?;
    world.set_next_timestamp(at).map_err(|error| refused(&error))
}

/// `[depth, [[raw, offset], ..]]` or the same as an object, as anvil takes it: other blocks up to the old height, with
/// the given raw transactions at their offsets. Unsigned transactions are not taken.
fn anvil_reorg(world: &mut World, args: &Args) -> Answer<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Options {
        depth: u64,
        #[serde(default, alias = "tx_block_pairs")]
        tx_block_pairs: Vec<(Bytes, u64)>,
    }
    let options = if args.required::<Value>(0)?.is_object() {
        args.required::<Options>(0)?
    } else {
        Options { depth: args.quantity(0)?.unwrap_or_default(), tx_block_pairs: args.optional(1)?.unwrap_or_default() }
    };
    // The depth is checked before so much as an empty list is made of it.
    let height = world.head().number();
    let depth = usize::try_from(options.depth.min(height.saturating_add(1))).unwrap_or(usize::MAX);
    let mut blocks = vec![Vec::new(); depth];
    for (raw, offset) in options.tx_block_pairs {
        let block = usize::try_from(offset).ok().and_then(|offset| blocks.get_mut(offset));
        let block = block.ok_or_else(|| bad_params(&format!("block offset {offset} is not below depth {depth}")))?;
        block.push(raw);
    }
    let done = world.reorg(options.depth, &ReorgKind::Replace(blocks));
    done.map(drop).map_err(|error| refused(&error))
}

#[derive(Clone, Serialize)]
struct Place {
    number: U64,
    hash: B256,
}

#[derive(Clone, Serialize)]
struct Outcome {
    dropped: Vec<Place>,
    adopted: Vec<Place>,
}

/// `[{"depth": .., "kind": "shorten" | "empty", "orphans": "pool" | "forget"}]`.
fn simnet_reorg(world: &mut World, args: &Args) -> Answer<Outcome> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Shorten,
        Empty,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Fate {
        Pool,
        Forget,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Options {
        depth: u64,
        kind: Kind,
        orphans: Fate,
    }
    let options = args.required::<Options>(0)?;
    let orphans = match options.orphans {
        Fate::Pool => Orphans::ToPool,
        Fate::Forget => Orphans::Forget,
    };
    let kind = match options.kind {
        Kind::Shorten => ReorgKind::Shorten(orphans),
        Kind::Empty => ReorgKind::Empty(orphans),
    };
    let done = world.reorg(options.depth, &kind).map_err(|error| refused(&error))?;
    let places = |blocks: Vec<BlockRef>| {
        blocks.into_iter().map(|block| Place { number: U64::from(block.number.0), hash: block.hash }).collect()
    };
    Ok(Outcome { dropped: places(done.dropped), adopted: places(done.adopted) })
}
