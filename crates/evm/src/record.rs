//! Writes down the frames of one execution while the plain interpreter runs.
//!
//! A step inspector costs on every opcode; here only frame starts and ends are seen, and logs are attributed to
//! frames by how many the journal holds at each of these moments. It must never change what is executed.

use cofferdam_types::{Call, CallKind, CallStatus, Selector};
use revm::context::result::{EVMError, HaltReason, InvalidTransaction};
use revm::context_interface::journaled_state::entry::JournalEntry;
use revm::handler::{EvmTr, FrameResult, Handler, ItemOrResult};
use revm::interpreter::interpreter_action::FrameInit;
use revm::interpreter::{CallScheme, FrameInput, InstructionResult};
use revm::primitives::{Address, U256};

use crate::machine::{Context, RevmEvm};
use crate::state::DbError;

/// Calldata kept of one frame. More would let an attacker fill memory cheaply by passing the same bytes on.
const CALLDATA_KEPT: usize = 4_096;
/// Calldata kept of one transaction.
const CALLDATA_KEPT_IN_ALL: usize = 4 << 20;

/// What is kept of the answer of one static call: a price with its round and times.
const ANSWER_KEPT: usize = 160;
/// Answers kept of one transaction.
const ANSWERS_KEPT_IN_ALL: usize = 1 << 20;

/// The frames of one execution, and the frame of each kept log.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) calls: Vec<Call>,
    pub(crate) calldata: Vec<u8>,
    pub(crate) returned: Vec<u8>,
    pub(crate) log_frames: Vec<u32>,
    open: Vec<u32>,
}

impl Recorder {
    fn attribute_logs(&mut self, logs: usize) {
        self.log_frames.truncate(logs);
        if self.log_frames.len() < logs {
            let frame = self.open.last().copied().unwrap_or(0);
            self.log_frames.resize(logs, frame);
        }
    }

    fn keep(&mut self, data: &[u8]) -> (u32, u32) {
        let room = CALLDATA_KEPT_IN_ALL.saturating_sub(self.calldata.len()).min(CALLDATA_KEPT);
        let kept = data.get(..room).unwrap_or(data);
        let start = u32::try_from(self.calldata.len()).unwrap_or(u32::MAX);
        self.calldata.extend_from_slice(kept);
        (start, u32::try_from(kept.len()).unwrap_or(0))
    }

    fn enter(&mut self, context: &Context, frame: &FrameInit) {
        self.attribute_logs(context.journaled_state.logs.len());
        let parent = self.open.last().copied();
        let depth = u16::try_from(self.open.len()).unwrap_or(u16::MAX);
        let call = match &frame.frame_input {
            FrameInput::Call(inputs) => {
                let kind = match inputs.scheme {
                    CallScheme::Call => CallKind::Call,
                    CallScheme::CallCode => CallKind::CallCode,
                    CallScheme::DelegateCall => CallKind::DelegateCall,
                    CallScheme::StaticCall => CallKind::StaticCall,
                };
                // For a delegate call `inputs.caller` is the caller's caller; the field means who opened the frame.
                let caller = if kind == CallKind::DelegateCall { inputs.target_address } else { inputs.caller };
                let data = inputs.input.as_bytes(context);
                let selector = data.first_chunk::<4>().map(Selector::from);
                let kept = self.keep(&data);
                let value = inputs.value.transfer().unwrap_or_default();
                Call::new(
                    parent,
                    depth,
                    kind,
                    caller,
                    inputs.target_address,
                    inputs.bytecode_address,
                    selector,
                    value,
                    kept,
                )
            }
            FrameInput::Create(inputs) => {
                let kind = match inputs.scheme() {
                    revm::interpreter::CreateScheme::Create2 { .. } => CallKind::Create2,
                    revm::interpreter::CreateScheme::Create | revm::interpreter::CreateScheme::Custom { .. } => {
                        CallKind::Create
                    }
                };
                let kept = self.keep(inputs.init_code());
                Call::new(
                    parent,
                    depth,
                    kind,
                    inputs.caller(),
                    Address::ZERO,
                    Address::ZERO,
                    None,
                    inputs.value(),
                    kept,
                )
            }
            // The interpreter never asks for an empty frame.
            FrameInput::Empty => return,
        };
        self.open.push(u32::try_from(self.calls.len()).unwrap_or(u32::MAX));
        self.calls.push(call);
    }

    fn exit(&mut self, context: &Context, result: &FrameResult) {
        self.attribute_logs(context.journaled_state.logs.len());
        let Some(index) = self.open.pop() else { return };
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let ended = result.interpreter_result().result;
        let status = if ended.is_ok() {
            CallStatus::Succeeded
        } else if ended.is_revert() {
            CallStatus::Reverted
        } else {
            CallStatus::Halted
        };
        if let Some(call) = self.calls.get_mut(at) {
            call.status = status;
            if call.kind == CallKind::StaticCall && status == CallStatus::Succeeded {
                let answer = &result.interpreter_result().output;
                let room = ANSWERS_KEPT_IN_ALL.saturating_sub(self.returned.len()).min(ANSWER_KEPT);
                let kept = answer.get(..room).unwrap_or(answer);
                let start = u32::try_from(self.returned.len()).unwrap_or(u32::MAX);
                call.set_output((start, u32::try_from(kept.len()).unwrap_or(0)));
                self.returned.extend_from_slice(kept);
            }
            if let FrameResult::Create(outcome) = result
                && let Some(created) = outcome.address
            {
                call.callee = created;
                call.code_address = created;
            }
        }
        if status != CallStatus::Succeeded {
            // The frames inside follow when the outermost ends: each of many nested reverts would go over all of them.
            if let Some(call) = self.calls.get_mut(at) {
                call.effective = false;
            }
        } else if ended == InstructionResult::SelfDestruct {
            self.destroyed(context, index);
        }
        if self.open.is_empty() {
            self.settle();
        }
    }

    /// What happened inside a frame that failed was not kept. A frame stands behind the one that opened it.
    fn settle(&mut self) {
        for at in 0..self.calls.len() {
            let parent =
                self.calls.get(at).and_then(|call| call.parent).and_then(|parent| usize::try_from(parent).ok());
            let kept = parent.and_then(|parent| self.calls.get(parent)).is_none_or(|parent| parent.effective);
            if let Some(call) = self.calls.get_mut(at) {
                call.effective &= kept;
            }
        }
    }

    /// The destroying opcode ends its frame, so its journal entry is the last one.
    fn destroyed(&mut self, context: &Context, frame: u32) {
        let (contract, target, amount) = match context.journaled_state.journal.last() {
            Some(
                JournalEntry::AccountDestroyed { address: contract, target, had_balance: amount, .. }
                | JournalEntry::BalanceTransfer { from: contract, to: target, balance: amount, .. },
            ) => (*contract, *target, *amount),
            _ => return,
        };
        let depth = u16::try_from(self.open.len().saturating_add(1)).unwrap_or(u16::MAX);
        if amount != U256::ZERO && contract != target {
            let kind = CallKind::SelfDestruct;
            self.calls.push(Call::new(Some(frame), depth, kind, contract, target, target, None, amount, (0, 0)));
        }
    }
}

/// Runs a transaction with the plain interpreter and writes down its frames.
pub(crate) struct Recording<'r>(pub(crate) &'r mut Recorder);

impl Handler for Recording<'_> {
    type Evm = RevmEvm;
    type Error = EVMError<DbError, InvalidTransaction>;
    type HaltReason = HaltReason;

    fn run_exec_loop(&mut self, evm: &mut RevmEvm, first: FrameInit) -> Result<FrameResult, Self::Error> {
        self.0.enter(evm.ctx_ref(), &first);
        if let ItemOrResult::Result(result) = evm.frame_init(first)? {
            self.0.exit(evm.ctx_ref(), &result);
            return Ok(result);
        }
        loop {
            let result = match evm.frame_run()? {
                ItemOrResult::Item(init) => {
                    self.0.enter(evm.ctx_ref(), &init);
                    match evm.frame_init(init)? {
                        ItemOrResult::Item(_) => continue,
                        ItemOrResult::Result(result) => result,
                    }
                }
                ItemOrResult::Result(result) => result,
            };
            self.0.exit(evm.ctx_ref(), &result);
            if let Some(result) = evm.frame_return_result(result)? {
                return Ok(result);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(parent: Option<u32>, effective: bool) -> Call {
        let (depth, zero) = (0, Address::ZERO);
        let mut call = Call::new(parent, depth, CallKind::Call, zero, zero, zero, None, U256::ZERO, (0, 0));
        call.effective = effective;
        call
    }

    #[test]
    fn frames_inside_a_frame_that_failed_are_not_kept_and_those_beside_it_are() {
        let frames =
            [(None, true), (Some(0), false), (Some(1), true), (Some(2), true), (Some(0), true), (Some(4), true)];
        let calls = frames.map(|(parent, effective)| frame(parent, effective)).into();
        let mut recorder = Recorder { calls, ..Recorder::default() };
        recorder.settle();
        let kept: Vec<bool> = recorder.calls.iter().map(|call| call.effective).collect();
        assert_eq!(kept, [true, false, false, false, true, true]);
    }
}
