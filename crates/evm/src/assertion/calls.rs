//! Answers about the calls, logs and storage writes of the transaction.
//!
//! Everything is read off the trace: nothing here runs code or reads state.

use alloy_sol_types::SolValue;
use revm::interpreter::{CallScheme, Gas};
use revm::primitives::{Address, B256, U256, b256};

use super::abi::{CallFilter, CallInputs, Erc20TransferData, ForkId, Log, LogQuery, Ph, TriggerCall};
use super::dispatch::{Answer, Answered, Asked, pay, value, words};
use super::trace::TracedCall;
use super::world::Scene;

/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// The kept call with this id.
pub(super) fn known<'a>(scene: &'a Scene<'_>, id: U256) -> Answered<&'a TracedCall> {
    let calls = &scene.trace.calls;
    let call = usize::try_from(id).ok().and_then(|id| calls.get(id));
    call.ok_or_else(|| Answer::Refuse(format!("there is no call {id}: {} were kept", calls.len())))
}

/// Answers what is only read off the trace.
pub(super) fn answer(asked: &Asked<'_, '_>, call: &Ph::PhCalls, gas: &mut Gas) -> Answered<Answer> {
    use Ph::PhCalls as Call;
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are answered before")]
    match call {
        Call::getLogs(_) => logs(asked.scene, &any_log(), 0, asked.scene.trace.logs.len(), gas),
        Call::getLogsQuery(call) => {
            let end = logs_until(asked.scene, &call.fork)?;
            logs(asked.scene, &call.query, 0, end, gas)
        }
        Call::getLogsForCall(call) => {
            let of = known(asked.scene, call.callId)?;
            logs(asked.scene, &call.query, of.logs_start, of.logs_end, gas)
        }
        Call::getAllCallInputs(call) => inputs(asked, call.target, call.selector.0, None, gas),
        Call::getCallInputs(call) => inputs(asked, call.target, call.selector.0, Some(CallScheme::Call), gas),
        Call::getStaticCallInputs(call) => {
            inputs(asked, call.target, call.selector.0, Some(CallScheme::StaticCall), gas)
        }
        Call::getDelegateCallInputs(call) => {
            inputs(asked, call.target, call.selector.0, Some(CallScheme::DelegateCall), gas)
        }
        Call::getCallCodeInputs(call) => inputs(asked, call.target, call.selector.0, Some(CallScheme::CallCode), gas),
        Call::matchingCalls(call) => matching(asked, call, gas),
        Call::callinputAt(call) => data(known(asked.scene, call.callId)?.input.as_ref(), gas),
        Call::callOutputAt(call) => data(known(asked.scene, call.callId)?.output.as_ref(), gas),
        Call::getStateChanges(call) => {
            let values = asked.scene.trace.values(call.target, U256::from_be_bytes(call.slot.0));
            pay(gas, values.len())?;
            Ok(value(&values))
        }
        Call::forbidChangeForSlot(call) => Ok(value(&is_untouched(asked, &call.slot))),
        Call::forbidChangeForSlots(call) => {
            pay(gas, call.slots.len())?;
            Ok(value(&call.slots.iter().all(|slot| is_untouched(asked, slot))))
        }
        Call::getErc20Transfers(call) => transfers(asked.scene, &[call.token], &call.fork, false, gas),
        Call::changedErc20BalanceDeltas(call) => transfers(asked.scene, &[call.token], &call.fork, false, gas),
        Call::getErc20TransfersForTokens(call) => transfers(asked.scene, &call.tokens, &call.fork, false, gas),
        Call::reduceErc20BalanceDeltas(call) => transfers(asked.scene, &[call.token], &call.fork, true, gas),
        _ => Err(Answer::Refuse("the question has no answer here".to_owned())),
    }
}

fn too_long() -> Answer {
    Answer::TooMuch("the data of this call was not kept, for the size of all together".to_owned())
}

fn data(kept: Option<&revm::primitives::Bytes>, gas: &mut Gas) -> Answered<Answer> {
    let data = kept.ok_or_else(too_long)?;
    pay(gas, words(data.len()))?;
    Ok(Answer::Return(data.abi_encode()))
}

fn inputs(
    asked: &Asked<'_, '_>,
    target: Address,
    selector: [u8; 4],
    scheme: Option<CallScheme>,
    gas: &mut Gas,
) -> Answered<Answer> {
    let trace = asked.scene.trace;
    let mut found = Vec::new();
    for id in trace.matching(target, selector) {
        let Some(call) = trace.calls.get(*id).filter(|call| scheme.is_none_or(|scheme| scheme == call.scheme)) else {
            continue;
        };
        let input = call.input.as_ref().ok_or_else(too_long)?;
        pay(gas, words(input.len()).saturating_add(10))?;
        found.push(CallInputs {
            input: input.get(4..).map(revm::primitives::Bytes::copy_from_slice).unwrap_or_default(),
            gas_limit: call.gas_limit,
            bytecode_address: call.code_address,
            target_address: call.target,
            caller: call.caller,
            value: call.value,
            id: U256::from(*id),
        });
    }
    Ok(value(&found))
}

/// The numbers that the interface gives to the opcodes.
const fn call_type(scheme: CallScheme) -> u8 {
    match scheme {
        CallScheme::Call => 1,
        CallScheme::StaticCall => 2,
        CallScheme::DelegateCall => 3,
        CallScheme::CallCode => 4,
    }
}

fn passes(call: &TracedCall, filter: &CallFilter) -> bool {
    (filter.callType == 0 || filter.callType == call_type(call.scheme))
        && call.depth >= filter.minDepth
        && (filter.maxDepth == 0 || call.depth <= filter.maxDepth)
        && (!filter.topLevelOnly || call.depth == 1)
}

fn matching(asked: &Asked<'_, '_>, query: &Ph::matchingCallsCall, gas: &mut Gas) -> Answered<Answer> {
    let trace = asked.scene.trace;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let ids = trace.matching(query.target, query.selector.0).iter();
    let passing =
        ids.filter_map(|id| Some((*id, trace.calls.get(*id)?))).filter(|(_, call)| passes(call, &query.filter));
    let mut found = Vec::new();
    for (id, call) in passing.take(limit) {
        let input = call.input.as_ref().ok_or_else(too_long)?;
        pay(gas, words(input.len()).saturating_add(14))?;
        found.push(TriggerCall {
            callId: U256::from(id),
            // The transaction's own call has none.
            parentCallId: call.parent.map_or(U256::MAX, U256::from),
            caller: call.caller,
            target: call.target,
            codeAddress: call.code_address,
            selector: call.selector.into(),
            depth: call.depth,
            callType: call_type(call.scheme),
            success: true,
            value: call.value,
            input: input.get(4..).map(revm::primitives::Bytes::copy_from_slice).unwrap_or_default(),
        });
    }
    Ok(value(&found))
}

fn is_untouched(asked: &Asked<'_, '_>, slot: &B256) -> bool {
    asked.scene.trace.values(asked.adopter, U256::from_be_bytes(slot.0)).is_empty()
}

const fn any_log() -> LogQuery {
    LogQuery { emitter: Address::ZERO, signature: B256::ZERO }
}

/// How many logs had been emitted at the moment that `fork` names.
fn logs_until(scene: &Scene<'_>, fork: &ForkId) -> Answered<usize> {
    match fork.forkType {
        0 => Ok(0),
        1 => Ok(scene.trace.logs.len()),
        2 => Ok(known(scene, fork.callIndex)?.logs_start),
        3 => Ok(known(scene, fork.callIndex)?.logs_end),
        other => Err(Answer::Refuse(format!("there is no fork of type {other}"))),
    }
}

fn logs(scene: &Scene<'_>, query: &LogQuery, start: usize, end: usize, gas: &mut Gas) -> Answered<Answer> {
    let mut found = Vec::new();
    let all = scene.trace.logs.get(start..end).unwrap_or_default();
    pay(gas, all.len())?;
    for log in all {
        let emitter = query.emitter.is_zero() || query.emitter == log.address;
        let signature = query.signature.is_zero() || log.topics().first() == Some(&query.signature);
        if emitter && signature {
            pay(gas, words(log.data.data.len()).saturating_add(8))?;
            let (topics, data) = (log.topics().to_vec(), log.data.data.clone());
            found.push(Log { topics, data, emitter: log.address });
        }
    }
    Ok(value(&found))
}

fn transfers(scene: &Scene<'_>, tokens: &[Address], fork: &ForkId, reduce: bool, gas: &mut Gas) -> Answered<Answer> {
    let all = scene.trace.logs.get(..logs_until(scene, fork)?).unwrap_or_default();
    pay(gas, all.len().saturating_add(tokens.len()))?;
    let mut found: Vec<Erc20TransferData> = Vec::new();
    for log in all {
        let ([TRANSFER, from, to], true) = (log.topics(), tokens.contains(&log.address)) else { continue };
        let Some(amount) = log.data.data.get(..32).filter(|_| log.data.data.len() == 32) else { continue };
        pay(gas, 4)?;
        let transfer = Erc20TransferData {
            token_addr: log.address,
            from: Address::from_word(*from),
            to: Address::from_word(*to),
            value: U256::from_be_slice(amount),
        };
        let same = |known: &&mut Erc20TransferData| known.from == transfer.from && known.to == transfer.to;
        match found.iter_mut().find(|known| reduce && same(known)) {
            // A token may claim any amounts; their sum must not wrap to a small one.
            Some(known) => known.value = known.value.saturating_add(transfer.value),
            None => found.push(transfer),
        }
        if reduce {
            pay(gas, found.len().div_ceil(64))?;
        }
    }
    Ok(value(&found))
}
