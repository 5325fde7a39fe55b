//! Reads operations off the events of one execution, whole or known by its receipt alone.

use std::sync::Arc;

use alloy_sol_types::{SolCall, SolEvent, SolValue};
use cofferdam_types::{
    Announcement, Call, CallKind, Execution, OperationId, OperationKind, QueuedCall, QueuedOperation,
};
use revm::primitives::{Address, B256, Bytes, Log, U256, keccak256};

use super::abi;

/// Operations of one transaction that are looked at; a governor queues one.
const MOST_OPERATIONS: usize = 16;
/// Calls of one operation that are looked at.
const MOST_CALLS: usize = 64;
/// Seconds of a block, to tell when a vote that is counted in blocks ends.
const BLOCK_SECONDS: u64 = 12;
/// A number above this is a time in Unix seconds, below it a block.
const FIRST_TIME: u64 = 1_000_000_000;
/// Words of calldata before the salt in `schedule` and `scheduleBatch`.
const SALT_WORD: usize = 4;

/// What `execution` announces, carries out and withdraws, in the order of its events. Costs one comparison of each log's
/// topic where there is nothing.
pub fn announced(execution: &Execution) -> Vec<Announcement> {
    let mut found = Vec::new();
    let mut scheduled: Vec<Scheduled> = Vec::new();
    let mut queued: Vec<(Address, Vec<abi::QueueTransaction>)> = Vec::new();
    for log in execution.effects.logs.iter().map(|emitted| &emitted.log) {
        let Some(topic) = log.topics().first() else { continue };
        match *topic {
            abi::CallScheduled::SIGNATURE_HASH => gather(&mut scheduled, log),
            abi::QueueTransaction::SIGNATURE_HASH => {
                let Some(event) = read::<abi::QueueTransaction>(log) else { continue };
                let room = queued.len() < MOST_OPERATIONS;
                match queued.iter_mut().find(|(timelock, _)| *timelock == log.address) {
                    Some((_, events)) if events.len() < MOST_CALLS => events.push(event),
                    None if room => queued.push((log.address, vec![event])),
                    Some(_) | None => {}
                }
            }
            abi::ProposalCreated::SIGNATURE_HASH => found.extend(proposal(execution, log)),
            _ => found.extend(ended(log, *topic)),
        }
    }
    let salts = |id: B256, controller: Address| salts(execution, id, controller);
    for operation in scheduled {
        let salts = salts(operation.id, operation.controller);
        found.push(queued_as(operation.finish(execution, &salts)));
    }
    for (timelock, events) in queued {
        found.extend(compound(execution, timelock, events).map(queued_as));
    }
    // What is carried out in the transaction that announces it waits for nothing.
    let over: Vec<OperationId> = found.iter().filter_map(executed).collect();
    found.retain(|one| !matches!(one, Announcement::Queued(operation) if over.contains(&operation.id)));
    found
}

const fn executed(announcement: &Announcement) -> Option<OperationId> {
    match announcement {
        Announcement::Executed(id) => Some(*id),
        Announcement::Queued(_) | Announcement::Withdrawn(_) => None,
    }
}

fn queued_as(operation: QueuedOperation) -> Announcement {
    Announcement::Queued(Arc::new(operation))
}

/// A log as the event that its topic says it is; `None` where it is not.
fn read<E: SolEvent>(log: &Log) -> Option<E> {
    E::decode_raw_log_validate(log.topics(), &log.data.data).ok()
}

/// An operation of OpenZeppelin's timelock, call by call.
struct Scheduled {
    controller: Address,
    id: B256,
    calls: Vec<QueuedCall>,
    predecessor: B256,
    delay: u64,
}

fn gather(scheduled: &mut Vec<Scheduled>, log: &Log) {
    let Some(event) = read::<abi::CallScheduled>(log) else { return };
    let call = QueuedCall { target: event.target, value: event.value, data: event.data };
    let room = scheduled.len() < MOST_OPERATIONS;
    let known = scheduled.iter_mut().find(|known| known.controller == log.address && known.id == event.id);
    match known {
        Some(known) if known.calls.len() < MOST_CALLS => known.calls.push(call),
        None if room => scheduled.push(Scheduled {
            controller: log.address,
            id: event.id,
            calls: vec![call],
            predecessor: event.predecessor,
            delay: event.delay.saturating_to(),
        }),
        Some(_) | None => {}
    }
}

impl Scheduled {
    fn finish(self, execution: &Execution, salts: &[B256]) -> QueuedOperation {
        let Self { controller, id, calls, predecessor, delay } = self;
        let targets: Vec<Address> = calls.iter().map(|call| call.target).collect();
        let values: Vec<U256> = calls.iter().map(|call| call.value).collect();
        let payloads: Vec<Bytes> = calls.iter().map(|call| call.data.clone()).collect();
        let single = |salt: B256| {
            let (target, value, payload) = (*targets.first()?, *values.first()?, payloads.first()?.clone());
            let name = keccak256((target, value, payload.clone(), predecessor, salt).abi_encode_params());
            let execute = abi::executeCall { target, value, payload, predecessor, salt };
            (name == id && calls.len() == 1).then(|| Bytes::from(execute.abi_encode()))
        };
        let batch = |salt: B256| {
            let (targets, values, payloads) = (targets.clone(), values.clone(), payloads.clone());
            let parts = (targets.clone(), values.clone(), payloads.clone(), predecessor, salt);
            let name = keccak256(parts.abi_encode_params());
            let execute = abi::executeBatchCall { targets, values, payloads, predecessor, salt };
            (name == id).then(|| Bytes::from(execute.abi_encode()))
        };
        let carried_out_by = salts.iter().find_map(|salt| single(*salt).or_else(|| batch(*salt)));
        QueuedOperation {
            id: OperationId { controller, id },
            kind: OperationKind::Timelock,
            calls,
            due: execution.block.timestamp.saturating_add(delay),
            caller: caller_of(execution, controller),
            carried_out_by: carried_out_by.into_iter().collect(),
            ..nothing(execution)
        }
    }
}

/// All that one transaction queued in a timelock of Compound's kind.
fn compound(execution: &Execution, timelock: Address, events: Vec<abi::QueueTransaction>) -> Option<QueuedOperation> {
    let id = events.first()?.txHash;
    let due = events.iter().map(|event| event.eta).max().unwrap_or_default().saturating_to();
    let calls = events.iter().map(|event| QueuedCall {
        target: event.target,
        value: event.value,
        data: with_signature(&event.signature, &event.data),
    });
    let calls = calls.collect();
    let execute = |event: abi::QueueTransaction| {
        let abi::QueueTransaction { target, value, signature, data, eta, .. } = event;
        abi::executeTransactionCall { target, value, signature, data, eta }.abi_encode().into()
    };
    Some(QueuedOperation {
        id: OperationId { controller: timelock, id },
        kind: OperationKind::CompoundTimelock,
        calls,
        due,
        caller: caller_of(execution, timelock),
        carried_out_by: events.into_iter().map(execute).collect(),
        ..nothing(execution)
    })
}

fn proposal(execution: &Execution, log: &Log) -> Option<Announcement> {
    let event = read::<abi::ProposalCreated>(log)?;
    let mut calls = Vec::new();
    for (index, target) in event.targets.iter().take(MOST_CALLS).enumerate() {
        let signature = event.signatures.get(index).map(String::as_str).unwrap_or_default();
        let data = event.calldatas.get(index).cloned().unwrap_or_default();
        let value = event.values.get(index).copied().unwrap_or_default();
        calls.push(QueuedCall { target: *target, value, data: with_signature(signature, &data) });
    }
    let (now, end) = (&execution.block, event.voteEnd.saturating_to::<u64>());
    let due = if end >= FIRST_TIME {
        end
    } else {
        now.timestamp.saturating_add(end.saturating_sub(now.number.0).saturating_mul(BLOCK_SECONDS))
    };
    Some(queued_as(QueuedOperation {
        id: OperationId { controller: log.address, id: event.proposalId.into() },
        kind: OperationKind::Proposal,
        calls,
        due,
        caller: event.proposer,
        ..nothing(execution)
    }))
}

/// What `log` says is over.
fn ended(log: &Log, topic: B256) -> Option<Announcement> {
    let named = |id: Option<&B256>| id.map(|id| OperationId { controller: log.address, id: *id });
    let number = || {
        let word = log.data.data.get(..32).map(B256::from_slice);
        named(log.topics().get(1).or(word.as_ref()))
    };
    match topic {
        abi::CallExecuted::SIGNATURE_HASH | abi::ExecuteTransaction::SIGNATURE_HASH => {
            named(log.topics().get(1)).map(Announcement::Executed)
        }
        abi::Cancelled::SIGNATURE_HASH | abi::CancelTransaction::SIGNATURE_HASH => {
            named(log.topics().get(1)).map(Announcement::Withdrawn)
        }
        abi::ProposalExecuted::SIGNATURE_HASH => number().map(Announcement::Executed),
        // What is queued stands in a timelock, which announces it again.
        abi::ProposalCanceled::SIGNATURE_HASH | abi::ProposalQueued::SIGNATURE_HASH => {
            number().map(Announcement::Withdrawn)
        }
        _ => None,
    }
}

fn with_signature(signature: &str, data: &Bytes) -> Bytes {
    if signature.is_empty() {
        return data.clone();
    }
    let selector = keccak256(signature.as_bytes());
    [selector.get(..4).unwrap_or_default(), data].concat().into()
}

/// Salts that the operation may have: told by an event, by the calls of the controller, or none.
fn salts(execution: &Execution, id: B256, controller: Address) -> Vec<B256> {
    let effects = &execution.effects;
    let logs = effects.logs.iter().map(|emitted| &emitted.log).filter(|log| log.address == controller);
    let told = logs.filter_map(read::<abi::CallSalt>).filter(|event| event.id == id).map(|event| event.salt);
    let is_schedule = |data: &[u8]| {
        data.starts_with(&abi::scheduleCall::SELECTOR) || data.starts_with(&abi::scheduleBatchCall::SELECTOR)
    };
    let start = SALT_WORD.saturating_mul(32).saturating_add(4);
    let word = |data: &[u8]| data.get(start..start.saturating_add(32)).map(B256::from_slice);
    let of_call = |call: &Call| Some(effects.input(call)).filter(|data| is_schedule(data)).and_then(word);
    let calls = effects.calls.iter().filter(|call| call.effective && call.callee == controller);
    let input = &execution.transaction.input;
    let sent = Some(input.as_ref()).filter(|data| is_schedule(data)).and_then(word);
    let mut salts: Vec<B256> = told.chain(calls.filter_map(of_call)).chain(sent).chain([B256::ZERO]).collect();
    salts.dedup();
    salts.truncate(MOST_CALLS);
    salts
}

/// Who called `controller` from outside; the sender where the calls are not known.
fn caller_of(execution: &Execution, controller: Address) -> Address {
    let calls = execution.effects.calls.iter();
    let mut into = calls.filter(|call| call.effective && call.callee == controller && call.kind == CallKind::Call);
    into.find(|call| call.caller != controller).map_or(execution.transaction.from, |call| call.caller)
}

fn nothing(execution: &Execution) -> QueuedOperation {
    QueuedOperation {
        id: OperationId { controller: Address::ZERO, id: B256::ZERO },
        kind: OperationKind::Timelock,
        calls: Vec::new(),
        due: 0,
        proposer: execution.transaction.from,
        caller: execution.transaction.from,
        carried_out_by: Vec::new(),
        transaction: execution.hash(),
        block: execution.block.block_ref(),
        announced: execution.block.timestamp,
    }
}
