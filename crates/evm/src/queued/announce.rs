//! Reads operations off the events of one execution, whole or known by its receipt alone.
//!
//! Anybody may emit such events, so every bound is one contract's own: what another says takes nothing from it. What is
//! left out is counted, and an operation of which a part is left out says so.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use alloy_sol_types::abi::decode_sequence;
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use cofferdam_types::{
    Announcement, Call, CallKind, Execution, OperationId, OperationKind, QueuedCall, QueuedOperation,
};
use revm::primitives::{Address, B256, Bytes, Log, U256, keccak256};

use super::abi;

/// Operations of one contract in one transaction that are looked at; a governor queues one.
const MOST_OPERATIONS: usize = 16;
/// Data of a log that is read.
const MOST_LOG_BYTES: usize = 128 * 1024;
/// Calldata of one operation that is kept.
const MOST_BYTES: usize = 256 * 1024;
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
    let mut reading = Reading::default();
    for log in execution.effects.logs.iter().map(|emitted| &emitted.log) {
        reading.log(execution, log);
    }
    reading.finish(execution)
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    found: Vec<Announcement>,
    scheduled: Vec<Scheduled>,
    /// Place in `scheduled`.
    places: HashMap<OperationId, usize>,
    queued: Vec<Compound>,
    /// Operations of each contract.
    of_controller: HashMap<Address, usize>,
    left_out: u64,
}

impl Reading {
    fn log(&mut self, execution: &Execution, log: &Log) {
        let Some(topic) = log.topics().first() else { return };
        match *topic {
            abi::CallScheduled::SIGNATURE_HASH | abi::QueueTransaction::SIGNATURE_HASH
                if log.data.data.len() > MOST_LOG_BYTES =>
            {
                self.leave_out();
            }
            abi::CallScheduled::SIGNATURE_HASH => self.gather(log),
            abi::QueueTransaction::SIGNATURE_HASH => self.gather_compound(log),
            abi::ProposalCreated::SIGNATURE_HASH => {
                if log.data.data.len() > MOST_LOG_BYTES || is_folded(log) {
                    self.leave_out();
                } else if let Some(proposal) = proposal(execution, log)
                    && self.has_room(log.address)
                {
                    self.found.push(proposal);
                }
            }
            _ => self.found.extend(ended(log, *topic)),
        }
    }

    const fn leave_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    /// Whether one more operation of `controller` is looked at.
    fn has_room(&mut self, controller: Address) -> bool {
        let known = self.of_controller.entry(controller).or_default();
        let room = *known < MOST_OPERATIONS;
        if room {
            *known = known.saturating_add(1);
        } else {
            self.leave_out();
        }
        room
    }

    fn gather(&mut self, log: &Log) {
        let Some(event) = read::<abi::CallScheduled>(log) else { return };
        let call = QueuedCall { target: event.target, value: event.value, data: event.data };
        let id = OperationId { controller: log.address, id: event.id };
        if let Some(known) = self.places.get(&id).and_then(|place| self.scheduled.get_mut(*place)) {
            if known.calls.len() < MOST_CALLS && bytes_of(&known.calls).saturating_add(call.data.len()) <= MOST_BYTES {
                known.calls.push(call);
            } else {
                known.truncated = true;
            }
        } else if self.has_room(log.address) {
            self.places.insert(id, self.scheduled.len());
            self.scheduled.push(Scheduled {
                id,
                calls: vec![call],
                predecessor: event.predecessor,
                delay: event.delay.saturating_to(),
                truncated: false,
            });
        }
    }

    fn gather_compound(&mut self, log: &Log) {
        let Some(event) = read::<abi::QueueTransaction>(log) else { return };
        if let Some(known) = self.queued.iter_mut().find(|known| known.timelock == log.address) {
            let kept = known.events.iter().fold(0_usize, |sum, event| sum.saturating_add(event.data.len()));
            if known.events.len() < MOST_CALLS && kept.saturating_add(event.data.len()) <= MOST_BYTES {
                known.events.push(event);
            } else {
                known.truncated = true;
            }
        } else if self.has_room(log.address) {
            self.queued.push(Compound { timelock: log.address, events: vec![event], truncated: false });
        }
    }

    fn finish(self, execution: &Execution) -> Vec<Announcement> {
        let Self { mut found, scheduled, queued, left_out, .. } = self;
        for operation in scheduled {
            // What is not whole does not have the name that its salt would give it.
            let OperationId { controller, id } = operation.id;
            let salts = if operation.truncated { Vec::new() } else { salts(execution, id, controller) };
            found.push(queued_as(operation.finish(execution, &salts)));
        }
        for queued in queued {
            found.extend(compound(execution, queued).map(queued_as));
        }
        // What is carried out in the transaction that announces it waits for nothing.
        let over: HashSet<OperationId> = found.iter().filter_map(executed).collect();
        found.retain(|one| !matches!(one, Announcement::Queued(operation) if over.contains(&operation.id)));
        if left_out > 0 {
            tracing::warn!(left_out, transaction = %execution.hash(), "announced operations were not read, for their number or size");
            found.push(Announcement::LeftOut(left_out));
        }
        found
    }
}

const fn executed(announcement: &Announcement) -> Option<OperationId> {
    match announcement {
        Announcement::Executed(id) => Some(*id),
        Announcement::Queued(_) | Announcement::Withdrawn(_) | Announcement::HandedOn(_) | Announcement::LeftOut(_) => {
            None
        }
    }
}

fn queued_as(operation: QueuedOperation) -> Announcement {
    Announcement::Queued(Arc::new(operation))
}

fn bytes_of(calls: &[QueuedCall]) -> usize {
    calls.iter().fold(0, |sum, call| sum.saturating_add(call.data.len()))
}

/// A log as the event that its topic says it is; `None` where it is not.
fn read<E: SolEvent>(log: &Log) -> Option<E> {
    E::decode_raw_log_validate(log.topics(), &log.data.data).ok()
}

/// Whether a proposal's lists point at the same bytes more than once, as no contract's encoder does: read, it would be many
/// times as large as the log.
fn is_folded(log: &Log) -> bool {
    type Tokens<'d> = <abi::ProposalCreated as SolEvent>::DataToken<'d>;
    let Ok(tokens) = decode_sequence::<Tokens<'_>>(&log.data.data) else { return false };
    let (signatures, calldatas) = (&tokens.4.0, &tokens.5.0);
    let lengths = signatures.iter().chain(calldatas).map(|token| token.0.len());
    lengths.fold(0_usize, usize::saturating_add) > log.data.data.len()
}

/// An operation of OpenZeppelin's timelock, call by call.
struct Scheduled {
    id: OperationId,
    calls: Vec<QueuedCall>,
    predecessor: B256,
    delay: u64,
    truncated: bool,
}

/// What one transaction queued in a timelock of Compound's kind.
struct Compound {
    timelock: Address,
    events: Vec<abi::QueueTransaction>,
    truncated: bool,
}

impl Scheduled {
    fn finish(self, execution: &Execution, salts: &[B256]) -> QueuedOperation {
        let Self { id: OperationId { controller, id }, calls, predecessor, delay, truncated } = self;
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
            truncated,
            ..nothing(execution)
        }
    }
}

/// All that one transaction queued in a timelock of Compound's kind.
fn compound(execution: &Execution, queued: Compound) -> Option<QueuedOperation> {
    let Compound { timelock, events, truncated } = queued;
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
        carried_out_by: if truncated { Vec::new() } else { events.into_iter().map(execute).collect() },
        truncated,
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
        truncated: event.targets.len() > MOST_CALLS,
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
        abi::ProposalCanceled::SIGNATURE_HASH => number().map(Announcement::Withdrawn),
        abi::ProposalQueued::SIGNATURE_HASH => number().map(Announcement::HandedOn),
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
        truncated: false,
    }
}
