//! Balances, code, storage, nonces, and calls that nobody signed.

use alloy_eips::eip2930::{AccessList, AccessListItem, AccessListResult};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag, TransactionRequest};
use alloy_sol_types::{Panic, Revert, SolError};
use cofferdam_evm::{CallOutcome, CallRequest, Ledger};
use cofferdam_types::{AccountState, Header, Outcome, Transaction, ViewResult};
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Map, Value};

use super::args::Args;
use super::{Answer, Face, bad_params, refused};
use crate::SubmitError;
use crate::intake::{gas_cap, list_gas};
use crate::world::World;

pub(super) fn register(face: &mut Face) {
    face.on("eth_getBalance", |world, args| Ok(account(world, args, 1)?.balance));
    face.on("eth_getCode", |world, args| Ok(account(world, args, 1)?.code));
    face.on("eth_getStorageAt", storage);
    face.on("eth_getTransactionCount", nonce);
    face.on("eth_call", call);
    face.on("eth_estimateGas", estimate);
    face.on("eth_createAccessList", access_list);
}

/// The block argument at `index`; the head when it is missing.
fn block_id(args: &Args, index: usize) -> Answer<BlockId> {
    Ok(args.optional(index)?.unwrap_or(BlockId::latest()))
}

fn account(world: &mut World, args: &Args, block: usize) -> Answer<AccountState> {
    let (address, id) = (args.required::<Address>(0)?, block_id(args, block)?);
    let account = world.with_state(id, |ledger, _| ledger.account(address));
    Ok(account.map_err(|error| refused(&error))?.unwrap_or_default())
}

fn storage(world: &mut World, args: &Args) -> Answer<B256> {
    let (address, slot, id) = (args.required::<Address>(0)?, args.required::<U256>(1)?, block_id(args, 2)?);
    let value = world.with_state(id, |ledger, _| ledger.slot(address, slot));
    value.map(B256::from).map_err(|error| refused(&error))
}

fn nonce(world: &mut World, args: &Args) -> Answer<U64> {
    let (address, id) = (args.required::<Address>(0)?, block_id(args, 1)?);
    if id == BlockId::Number(BlockNumberOrTag::Pending) {
        let mined = world.nonce(address);
        return Ok(U64::from(world.pool.next_nonce(address, mined)));
    }
    let account = world.with_state(id, |ledger, _| ledger.account(address));
    Ok(U64::from(account.map_err(|error| refused(&error))?.unwrap_or_default().nonce))
}

/// A request as a call. Gas above `cap` is cut, as geth does.
fn call_request(request: &TransactionRequest, cap: u64) -> Answer<CallRequest> {
    let data = request.input.unique_input().map_err(|error| bad_params(&error))?;
    Ok(CallRequest {
        from: request.from.unwrap_or_default(),
        to: request.to.and_then(|kind| kind.to().copied()),
        value: request.value.unwrap_or_default(),
        data: data.cloned().unwrap_or_default(),
        gas: request.gas.unwrap_or(cap).min(cap),
    })
}

/// Overrides would change the answer: they are refused rather than left out.
fn no_overrides(args: &Args) -> Answer<()> {
    for index in 2..=3 {
        if args.optional::<Map<String, Value>>(index)?.is_some_and(|overrides| !overrides.is_empty()) {
            return Err(bad_params(&format!("invalid argument {index}: overrides are not supported by this chain")));
        }
    }
    Ok(())
}

fn call(world: &mut World, args: &Args) -> Answer<Bytes> {
    let (request, id) = (args.required::<TransactionRequest>(0)?, block_id(args, 1)?);
    no_overrides(args)?;
    let request = call_request(&request, gas_cap(&world.config))?;
    let outcome = world.with_state(id, |ledger, header| ledger.call(header, &request));
    returned(outcome.map_err(|error| refused(&error))?)
}

/// Return data, or geth's error: code 3 with the data of a revert, -32000 for everything else.
fn returned(outcome: CallOutcome) -> Answer<Bytes> {
    match outcome.result {
        ViewResult::Returned(data) => Ok(data),
        ViewResult::Failed(_) if !outcome.revert_data.is_empty() => Err(reverted(&outcome.revert_data)),
        ViewResult::Failed(reason) => Err(refused(&geth_words(&reason))),
    }
}

fn reverted(data: &Bytes) -> ErrorObjectOwned {
    let reason = Revert::abi_decode(data).map(|revert| revert.reason().to_owned());
    let reason = reason.or_else(|_| Panic::abi_decode(data).map(|panic| panic.to_string()));
    let message = reason.map_or_else(|_| "execution reverted".to_owned(), |why| format!("execution reverted: {why}"));
    ErrorObjectOwned::owned(3, message, Some(data))
}

/// The names that clients look for; what geth has no word for stays as it is.
fn geth_words(reason: &str) -> String {
    if reason == "reverted" {
        "execution reverted".to_owned()
    } else if reason.starts_with("OutOfGas") {
        "out of gas".to_owned()
    } else if matches!(reason, "OpcodeNotFound" | "InvalidFEOpcode") {
        format!("invalid opcode: {reason}")
    } else {
        reason.to_owned()
    }
}

fn estimate(world: &mut World, args: &Args) -> Answer<U64> {
    let (request, id) = (args.required::<TransactionRequest>(0)?, block_id(args, 1)?);
    no_overrides(args)?;
    let cap = gas_cap(&world.config);
    let call = call_request(&request, cap)?;
    let lists = list_gas(&unsigned(&request, &call));
    let gas = world.with_state(id, |ledger, header| least_gas(ledger, header, call));
    Ok(U64::from(gas.map_err(|error| refused(&error))??.saturating_add(lists)))
}

/// The least gas with which the call succeeds, by bisection: what is used is too little where a callee keeps 1/64 back.
fn least_gas(ledger: &mut Ledger, header: &Header, mut call: CallRequest) -> Answer<u64> {
    let balance = ledger.account(call.from).unwrap_or_default().balance;
    if call.value > balance {
        let error = SubmitError::InsufficientFunds { balance, cost: call.value, queued: U256::ZERO };
        return Err(refused(&error));
    }
    let allowance = call.gas;
    let first = ledger.call(header, &call);
    if let ViewResult::Failed(reason) = &first.result
        && reason.starts_with("OutOfGas")
    {
        return Err(refused(&format!("gas required exceeds allowance ({allowance})")));
    }
    let used = first.gas_used;
    returned(first)?;
    let mut succeeds = |gas: u64| {
        call.gas = gas;
        matches!(ledger.call(header, &call).result, ViewResult::Returned(_))
    };
    if succeeds(used) {
        return Ok(used);
    }
    let (mut too_little, mut enough) = (used, allowance);
    while enough.saturating_sub(too_little) > 1 {
        let middle = too_little.midpoint(enough);
        if succeeds(middle) {
            enough = middle;
        } else {
            too_little = middle;
        }
    }
    Ok(enough)
}

/// A transaction as the request describes it, at no price, for executions that are taken back.
pub(super) fn unsigned(request: &TransactionRequest, call: &CallRequest) -> Transaction {
    let access_list = request.access_list.iter().flat_map(|list| list.iter());
    let authorizations = request.authorization_list.iter().flatten().map(|signed| cofferdam_types::Authorization {
        chain_id: signed.chain_id,
        address: signed.address,
        nonce: signed.nonce,
        authority: signed.recover_authority().ok(),
    });
    let authorizations: Vec<_> = authorizations.collect();
    Transaction {
        kind: if authorizations.is_empty() { 2 } else { 4 },
        from: call.from,
        to: call.to,
        gas_limit: call.gas,
        max_priority_fee_per_gas: Some(0),
        value: call.value,
        input: call.data.clone(),
        access_list: access_list
            .map(|item| cofferdam_types::AccessListItem { address: item.address, slots: item.storage_keys.clone() })
            .collect(),
        authorizations,
        ..Transaction::default()
    }
}

/// A request as call and unsigned transaction, for tracing.
pub(super) fn unsigned_of(request: &TransactionRequest, cap: u64) -> Answer<Transaction> {
    Ok(unsigned(request, &call_request(request, cap)?))
}

fn access_list(world: &mut World, args: &Args) -> Answer<AccessListResult> {
    let (request, id) = (args.required::<TransactionRequest>(0)?, block_id(args, 1)?);
    let transaction = unsigned_of(&request, gas_cap(&world.config))?;
    let listed = world.with_state(id, |ledger, header| touched(ledger, header, transaction));
    listed.map_err(|error| refused(&error))
}

/// What `transaction` touches, and what it costs when it says so beforehand.
fn touched(ledger: &mut Ledger, header: &Header, mut transaction: Transaction) -> AccessListResult {
    // Nobody pays for a question: at a base fee of zero a price of zero is valid.
    let free = Header { base_fee: Some(0), ..header.clone() };
    let prestate = ledger.prestate(&free, &transaction);
    let created = transaction.from.create(ledger.account(transaction.from).unwrap_or_default().nonce);
    let always_warm = [transaction.from, transaction.to.unwrap_or(created), header.beneficiary];
    let mut items: Vec<AccessListItem> = prestate
        .accounts
        .into_iter()
        .filter(|account| {
            !account.slots.is_empty() || !(always_warm.contains(&account.address) || precompile(account.address))
        })
        .map(|account| {
            let mut storage_keys: Vec<B256> = account.slots.iter().map(|(slot, _)| B256::from(*slot)).collect();
            storage_keys.sort_unstable();
            AccessListItem { address: account.address, storage_keys }
        })
        .collect();
    items.sort_unstable_by_key(|item| item.address);
    transaction.access_list = items
        .iter()
        .map(|item| cofferdam_types::AccessListItem { address: item.address, slots: item.storage_keys.clone() })
        .collect();
    transaction.nonce = ledger.account(transaction.from).unwrap_or_default().nonce;
    let mark = ledger.mark();
    let effects = ledger.execute(&free, &transaction);
    ledger.revert_to(mark);
    let error = match effects.outcome {
        Outcome::Success(_) => None,
        Outcome::Reverted(_) => Some("execution reverted".to_owned()),
        Outcome::Halted(reason) | Outcome::Invalid(reason) => Some(geth_words(&reason)),
    };
    AccessListResult { access_list: AccessList(items), gas_used: U256::from(effects.gas_used), error }
}

/// Addresses that the protocol reserves for precompiles up to Osaka.
fn precompile(address: Address) -> bool {
    let number = U256::from_be_slice(address.as_slice());
    !number.is_zero() && (number <= U256::from(0x11) || number == U256::from(0x100))
}
