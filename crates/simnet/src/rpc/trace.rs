//! geth's `prestateTracer`: what a transaction reads, as it was before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag, TransactionRequest};
use cofferdam_evm::Ledger;
use cofferdam_types::{Header, PreAccount, PreState};
use serde::{Deserialize, Serialize};

use super::args::Args;
use super::state::unsigned_of;
use super::{Answer, Face, bad_params, refused};
use crate::block::SealedBlock;
use crate::intake::gas_cap;
use crate::world::World;

pub(super) fn register(face: &mut Face) {
    face.on("debug_traceCall", trace_call);
    face.on("debug_traceBlockByNumber", |world, args| {
        trace_block(world, BlockId::Number(args.required::<BlockNumberOrTag>(0)?), args)
    });
    face.on("debug_traceBlockByHash", |world, args| trace_block(world, BlockId::from(args.required::<B256>(0)?), args));
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    tracer: Option<String>,
    tracer_config: TracerConfig,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TracerConfig {
    diff_mode: bool,
    disable_code: bool,
    disable_storage: bool,
}

fn options(args: &Args, index: usize) -> Answer<TracerConfig> {
    let options = args.optional::<Options>(index)?.unwrap_or_default();
    if options.tracer.as_deref() != Some("prestateTracer") {
        return Err(bad_params(&"only the tracer `prestateTracer` is supported by this chain"));
    }
    if options.tracer_config.diff_mode {
        return Err(bad_params(&"diffMode of `prestateTracer` is not supported by this chain"));
    }
    Ok(options.tracer_config)
}

/// One account in geth's words: what is zero or empty is left out, the balance never is.
#[derive(Clone, Serialize)]
struct Account {
    balance: U256,
    #[serde(skip_serializing_if = "is_zero")]
    nonce: u64,
    #[serde(skip_serializing_if = "no_code")]
    code: Bytes,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, B256>,
}

const fn is_zero(nonce: &u64) -> bool {
    *nonce == 0
}

fn no_code(code: &Bytes) -> bool {
    code.is_empty()
}

type Accounts = BTreeMap<Address, Account>;

fn accounts(prestate: PreState, config: &TracerConfig) -> Accounts {
    prestate.accounts.into_iter().map(|account| (account.address, wire(account, config))).collect()
}

fn wire(account: PreAccount, config: &TracerConfig) -> Account {
    let state = account.state.unwrap_or_default();
    let slots = if config.disable_storage { Vec::new() } else { account.slots };
    Account {
        balance: state.balance,
        nonce: state.nonce,
        code: if config.disable_code { Bytes::new() } else { state.code },
        storage: slots.into_iter().map(|(slot, value)| (B256::from(slot), B256::from(value))).collect(),
    }
}

fn trace_call(world: &mut World, args: &Args) -> Answer<Accounts> {
    let request = args.required::<TransactionRequest>(0)?;
    let id = args.optional::<BlockId>(1)?.unwrap_or(BlockId::latest());
    let config = options(args, 2)?;
    let transaction = unsigned_of(&request, gas_cap(&world.config))?;
    let prestate = world.with_state(id, |ledger, header| {
        // Nobody pays for a question: at a base fee of zero a price of zero is valid.
        ledger.prestate(&Header { base_fee: Some(0), ..header.clone() }, &transaction)
    });
    Ok(accounts(prestate.map_err(|error| refused(&error))?, &config))
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Traced {
    tx_hash: B256,
    result: Accounts,
}

fn trace_block(world: &mut World, id: BlockId, args: &Args) -> Answer<Vec<Traced>> {
    let config = options(args, 1)?;
    let block = world.canonical(id).map_err(|error| refused(&error))?.cloned();
    let block = block.ok_or_else(|| refused(&"tracing on top of pending is not supported"))?;
    let Some(mut ledger) = ledger_before(world, &block)? else {
        return Err(refused(&"genesis is not traceable"));
    };
    ledger.begin_block(&block.plain);
    let mut traced = Vec::with_capacity(block.transactions.len());
    for mined in &block.transactions {
        let prestate = ledger.prestate(&block.plain, &mined.tx.plain);
        ledger.execute(&block.plain, &mined.tx.plain);
        traced.push(Traced { tx_hash: mined.tx.hash(), result: accounts(prestate, &config) });
    }
    Ok(traced)
}

/// A copy of the state that `block` was built on; `None` for block 0.
fn ledger_before(world: &mut World, block: &Arc<SealedBlock>) -> Answer<Option<Ledger>> {
    let parent = block.number().checked_sub(1).and_then(|number| world.block(number)).cloned();
    let Some(parent) = parent else { return Ok(None) };
    let ledger = world.past_ledger(&parent).map_err(|error| refused(&error))?;
    Ok(Some(ledger.clone()))
}
