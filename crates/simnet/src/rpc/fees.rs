//! What gas costs, what it did cost, and what a sender should offer.

use alloy_primitives::{U128, U256};
use alloy_rpc_types_eth::{BlockNumberOrTag, FeeHistory};

use super::args::Args;
use super::{Answer, Face, bad_params, refused};
use crate::block::SealedBlock;
use crate::builder::{blob_params, next_base_fee, next_env};
use crate::world::World;

/// Suggested when no recent transaction tells better, in wei per gas.
const DEFAULT_TIP: u128 = 1_000_000_000;
/// Blocks that a suggestion looks at.
const TIP_WINDOW: u64 = 20;
/// geth's limit on the blocks of one fee history.
const MAX_HISTORY: u64 = 1_024;
/// geth's limit on the percentiles of one fee history.
const MAX_PERCENTILES: usize = 100;

pub(super) fn register(face: &mut Face) {
    face.on("eth_gasPrice", |world, _| {
        Ok(U128::from(tip(world).saturating_add(u128::from(next_base_fee(&world.head().header)))))
    });
    face.on("eth_maxPriorityFeePerGas", |world, _| Ok(U128::from(tip(world))));
    face.on("eth_blobBaseFee", |world, _| Ok(U256::from(next_blob_fee(world))));
    face.on("eth_feeHistory", fee_history);
}

/// The median tip of recent transactions.
fn tip(world: &World) -> u128 {
    let head = world.head().number();
    let window = head.saturating_sub(TIP_WINDOW)..=head;
    let mut tips: Vec<u128> = window.filter_map(|number| world.block(number)).flat_map(|block| tips(block)).collect();
    tips.sort_unstable();
    tips.get(tips.len() / 2).copied().unwrap_or(DEFAULT_TIP)
}

fn tips(block: &SealedBlock) -> impl Iterator<Item = u128> {
    block.transactions.iter().map(|mined| mined.tx.plain.effective_tip(block.base_fee()))
}

fn next_blob_fee(world: &World) -> u128 {
    let excess = world.next_env().excess_blob_gas;
    blob_params(world.config.spec).zip(excess).map_or(0, |(params, excess)| params.calc_blob_fee(excess))
}

fn fee_history(world: &mut World, args: &Args) -> Answer<FeeHistory> {
    let count = args.quantity(0)?.ok_or_else(|| bad_params(&"missing value for required argument 0"))?;
    let newest = args.required::<BlockNumberOrTag>(1)?;
    let percentiles = args.optional::<Vec<f64>>(2)?.unwrap_or_default();
    let ordered = percentiles.windows(2).all(|pair| matches!(pair, [low, high] if low <= high));
    if percentiles.len() > MAX_PERCENTILES {
        let reason = format!("{} reward percentiles are over the query limit of {MAX_PERCENTILES}", percentiles.len());
        return Err(bad_params(&reason));
    }
    if !ordered || percentiles.iter().any(|percentile| !(0.0..=100.0).contains(percentile)) {
        return Err(bad_params(&"invalid reward percentile: must rise from 0 to 100"));
    }
    let newest = world.canonical(newest.into()).map_err(|error| refused(&error))?.unwrap_or_else(|| world.head());
    let last = newest.number();
    let first = last.saturating_add(1).saturating_sub(count.min(MAX_HISTORY));
    let blob_limit = blob_params(world.config.spec).map_or(1, |params| params.max_blob_gas_per_block());
    let mut history = FeeHistory { oldest_block: first, ..FeeHistory::default() };
    let mut rewards = Vec::new();
    for block in (first..=last).filter_map(|number| world.block(number)) {
        history.base_fee_per_gas.push(u128::from(block.base_fee()));
        history.gas_used_ratio.push(ratio(block.header.gas_used, block.header.gas_limit));
        history.base_fee_per_blob_gas.push(block.blob_gas_price.unwrap_or_default());
        history.blob_gas_used_ratio.push(ratio(block.header.blob_gas_used.unwrap_or_default(), blob_limit));
        rewards.push(rewards_at(block, &percentiles));
    }
    if count > 0 {
        let next = next_env(&world.config, newest, newest.header.timestamp.saturating_add(1), 0);
        let blob_fee = blob_params(world.config.spec).zip(next.excess_blob_gas);
        history.base_fee_per_gas.push(u128::from(next_base_fee(&newest.header)));
        history.base_fee_per_blob_gas.push(blob_fee.map_or(0, |(params, excess)| params.calc_blob_fee(excess)));
    }
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    Ok(history)
}

fn ratio(part: u64, whole: u64) -> f64 {
    let small = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    small(part) / small(whole.max(1))
}

/// Tips at the given percentiles of the block's gas, as geth counts them.
fn rewards_at(block: &SealedBlock, percentiles: &[f64]) -> Vec<u128> {
    let mut paid: Vec<(u128, u64)> = tips(block).zip(block.transactions.iter().map(|mined| mined.gas_used)).collect();
    paid.sort_unstable();
    let at = |percentile: &f64| {
        let mut gas = 0_u64;
        let reached = |gas: u64| ratio(gas, block.header.gas_used) * 100.0 >= *percentile;
        let found = paid.iter().find(|(_, used)| {
            gas = gas.saturating_add(*used);
            reached(gas)
        });
        found.or_else(|| paid.last()).map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}
