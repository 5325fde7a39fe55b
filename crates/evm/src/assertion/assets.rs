//! Answers for which state must be read, or a contract of the chain asked, at a moment of the transaction.
//!
//! A contract that does not answer with a number is no reason to go on: the question is refused, and with it the
//! assertion is broken, unless gas was what was missing.

use alloy_sol_types::SolCall;
use revm::database_interface::Database;
use revm::interpreter::Gas;
use revm::primitives::{Address, B256, Bytes, U256};
use revm::state::EvmState;

use super::abi::{self, ForkId, Ph, StaticCallResult, Views};
use super::dispatch::{Answer, Answered, Asked, at, moment, value};
use super::flow::FlowContext;
use super::math::is_near;
use super::run::{self, Ended, Host, Ran};
use super::world::{Fork, World};
use crate::state::DbError;

/// Moments at which one question may ask a vault for its price.
const MOST_MOMENTS: usize = 512;

/// An answer for which the outside may have been asked in vain.
type Fetched<T> = Result<Answered<T>, DbError>;

/// Turns `Result<Answered<T>>` into `T`, or returns the refusal.
macro_rules! granted {
    ($answered:expr) => {
        match $answered {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        }
    };
}

/// One slot at one moment.
pub(super) fn slot_at(
    host: &mut Host,
    asked: &Asked<'_, '_>,
    (target, slot): (Address, B256),
    fork: &ForkId,
    gas: &mut Gas,
) -> Fetched<Answer> {
    let fork = granted!(moment(asked.scene, fork, gas));
    let mut world = World::new(Some(asked.scene), asked.residents, fork);
    let read = world.storage(target, U256::from_be_bytes(slot.0))?;
    host.missing.append(&mut world.missing);
    Ok(Ok(value(&read)))
}

/// Asks `target` at `fork`, for at most `limit` gas and never for more than there is.
fn ask(
    host: &mut Host,
    asked: &Asked<'_, '_>,
    fork: Fork,
    (target, data, limit): (Address, Bytes, u64),
    gas: &mut Gas,
) -> Fetched<Ran> {
    let granted = limit.min(gas.remaining());
    let mut ran = run::view(asked.scene, asked.residents, fork, (target, data, granted))?;
    host.missing.append(&mut ran.missing);
    if !gas.record_regular_cost(ran.gas.min(granted)) || (ran.ended == Ended::OutOfGas && granted < limit) {
        return Ok(Err(Answer::OutOfGas));
    }
    Ok(Ok(ran))
}

/// `staticcallAt`.
pub(super) fn static_call(
    host: &mut Host,
    asked: &Asked<'_, '_>,
    call: &Ph::staticcallAtCall,
    gas: &mut Gas,
) -> Fetched<Answer> {
    let fork = granted!(moment(asked.scene, &call.fork, gas));
    let ran = granted!(ask(host, asked, fork, (call.target, call.data.clone(), call.gas_limit), gas)?);
    let (ok, data) = match ran.ended {
        Ended::Returned(data) => (true, data),
        Ended::Reverted(data) => (false, data),
        Ended::OutOfGas | Ended::Halted(_) => (false, Bytes::new()),
    };
    Ok(Ok(value(&StaticCallResult { ok, data })))
}

/// A number that a view of `target` answers, and all that it read.
fn read(
    host: &mut Host,
    asked: &Asked<'_, '_>,
    fork: Fork,
    (target, data): (Address, Vec<u8>),
    gas: &mut Gas,
) -> Fetched<(U256, EvmState)> {
    let name = revm::primitives::hex::encode_prefixed(data.get(..4).unwrap_or_default());
    let ran = granted!(ask(host, asked, fork, (target, data.into(), u64::MAX), gas)?);
    let number = match &ran.ended {
        Ended::Returned(data) => run::word(data),
        Ended::Reverted(_) | Ended::OutOfGas | Ended::Halted(_) => None,
    };
    let refused = || Answer::Refuse(format!("{target} does not answer {name} with a number"));
    Ok(number.map(|number| (number, ran.changes)).ok_or_else(refused))
}

/// Whether a token's supply, or one balance, is the same at both moments.
pub(super) fn conserved(
    host: &mut Host,
    asked: &Asked<'_, '_>,
    [first, second]: [&ForkId; 2],
    token: Address,
    account: Option<Address>,
    gas: &mut Gas,
) -> Fetched<Answer> {
    let data = || {
        account.map_or_else(
            || Views::totalSupplyCall {}.abi_encode(),
            |account| Views::balanceOfCall { account }.abi_encode(),
        )
    };
    let first = granted!(moment(asked.scene, first, gas));
    let second = granted!(moment(asked.scene, second, gas));
    let (before, _) = granted!(read(host, asked, first, (token, data()), gas)?);
    let (after, _) = granted!(read(host, asked, second, (token, data()), gas)?);
    Ok(Ok(value(&(before == after))))
}

/// Assets and shares of a vault at one moment, and what was read for it.
fn price(
    host: &mut Host,
    asked: &Asked<'_, '_>,
    fork: Fork,
    vault: Address,
    gas: &mut Gas,
) -> Fetched<((U256, U256), [EvmState; 2])> {
    let (assets, first) = granted!(read(host, asked, fork, (vault, Views::totalAssetsCall {}.abi_encode()), gas)?);
    let (shares, second) = granted!(read(host, asked, fork, (vault, Views::totalSupplyCall {}.abi_encode()), gas)?);
    Ok(Ok(((assets, shares), [first, second])))
}

/// Whether a vault's price is near the one before the transaction at its end and at every start and end of a call in
/// between at which the vault was not itself at work: in the middle of an honest deposit assets have come and shares
/// have not. Where nothing that the price was read from has changed, it is not asked for again.
pub(super) fn share_price(
    host: &mut Host,
    asked: &Asked<'_, '_>,
    vault: Address,
    tolerance: U256,
    gas: &mut Gas,
) -> Fetched<Answer> {
    let trace = asked.scene.trace;
    let (base, mut read) = granted!(price(host, asked, Fork::PreTx, vault, gas)?);
    let (mut last, mut moments) = (0, 0_usize);
    for place in trace.places_outside(vault) {
        if !read.iter().any(|read| trace.altered_between(last, place, read)) {
            continue;
        }
        moments = moments.saturating_add(1);
        if moments > MOST_MOMENTS {
            let what = format!("the price of {vault} at more than {MOST_MOMENTS} moments of one transaction");
            return Ok(Err(Answer::TooMuch(what)));
        }
        let fork = granted!(at(asked.scene, place, gas));
        let (now, fresh) = match price(host, asked, fork, vault, gas)? {
            Ok(priced) => priced,
            // Locked while it is at work: nobody else can read a price there either.
            Err(Answer::Refuse(_)) => continue,
            Err(refused) => return Ok(Err(refused)),
        };
        if !is_near(base, now, tolerance) {
            return Ok(Ok(value(&false)));
        }
        (last, read) = (place, fresh);
    }
    let (end, _) = granted!(price(host, asked, Fork::PostTx, vault, gas)?);
    Ok(Ok(value(&is_near(base, end, tolerance))))
}

/// The same between two moments.
pub(super) fn share_price_at(
    host: &mut Host,
    asked: &Asked<'_, '_>,
    (vault, tolerance): (Address, U256),
    [first, second]: [&ForkId; 2],
    gas: &mut Gas,
) -> Fetched<Answer> {
    let first = granted!(moment(asked.scene, first, gas));
    let second = granted!(moment(asked.scene, second, gas));
    let (base, _) = granted!(price(host, asked, first, vault, gas)?);
    let (other, _) = granted!(price(host, asked, second, vault, gas)?);
    Ok(Ok(value(&is_near(base, other, tolerance))))
}

/// What the function is told of the flow that fired it; zeros where none did.
pub(super) fn flow(context: Option<&FlowContext>) -> Answer {
    let context = context.cloned().unwrap_or_default();
    value(&abi::FlowContext {
        token: context.token,
        cumulative: context.net,
        gross: context.gross,
        currentBps: context.bps,
        tvlSnapshot: context.held,
        windowStart: U256::from(context.start),
        windowEnd: U256::from(context.end),
    })
}
