//! Turns what one run left behind into [`Effects`]. Facts only, in the order of the types' docs.

use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;
use cofferdam_types::{
    Call, CallKind, CodeChange, Effects, EmittedLog, Movement, MovementProof, Outcome, Receipt, StorageWrite,
    Transaction,
};
use revm::context::result::{ExecutionResult, HaltReason, Output};
use revm::primitives::{KECCAK_EMPTY, U256};
use revm::state::EvmState;

use crate::machine::Run;
use crate::record::Recorder;
use crate::shape;
use crate::tokens;

/// The effects of a run; its state changes are left in place for whoever commits them.
pub(crate) fn of_run(run: Run) -> (Effects, EvmState) {
    let Run { result, changes, recorder } = run;
    let gas_used = result.tx_gas_used();
    let Recorder { calls, calldata, returned, log_frames, .. } = recorder;
    let (outcome, logs) = outcome(result);
    let mut effects = Effects { gas_used, calls, calldata, returned, ..Effects::nothing(outcome) };
    if effects.outcome.succeeded() {
        let frames = log_frames.into_iter().map(Some).chain(std::iter::repeat(None));
        effects.logs = logs.into_iter().zip(frames).map(|(log, call)| EmittedLog { call, log }).collect();
    }
    state_changes(&changes, &mut effects);
    // The journal's maps have no order of their own; the same execution must read the same every time.
    effects.writes.sort_unstable_by_key(|write| (write.address, write.slot));
    effects.code_changes.sort_unstable_by_key(|change| change.address);
    movements(&mut effects);
    (effects, changes)
}

/// The effects as far as a receipt tells them: no call tree, no storage.
pub(crate) fn of_receipt(transaction: &Transaction, receipt: Option<&Receipt>) -> Effects {
    let Some(receipt) = receipt else {
        return Effects::nothing(Outcome::Invalid("no receipt and not executed".to_owned()));
    };
    // Before Byzantium a receipt does not tell success; logs exist only where the transaction succeeded.
    let failed = receipt.success == Some(false);
    let outcome = if failed { Outcome::Reverted(Default::default()) } else { Outcome::Success(Default::default()) };
    let mut effects = Effects { gas_used: receipt.gas_used, ..Effects::nothing(outcome) };
    if failed {
        return effects;
    }
    effects.logs = receipt.logs.iter().map(|log| EmittedLog { call: None, log: log.clone() }).collect();
    if let Some(to) = transaction.to.or(receipt.created)
        && !transaction.value.is_zero()
        && to != transaction.from
    {
        let (from, amount) = (transaction.from, transaction.value);
        let proof = MovementProof::Native;
        effects.movements.push(Movement { asset: cofferdam_types::Asset::Native, from, to, amount, proof });
    }
    token_movements(&mut effects);
    effects
}

fn outcome(result: ExecutionResult<HaltReason>) -> (Outcome, Vec<alloy_primitives::Log>) {
    match result {
        ExecutionResult::Success { output: Output::Call(data) | Output::Create(data, _), logs, .. } => {
            (Outcome::Success(data), logs)
        }
        ExecutionResult::Revert { output, .. } => (Outcome::Reverted(output), Vec::new()),
        ExecutionResult::Halt { reason, .. } => (Outcome::Halted(format!("{reason:?}")), Vec::new()),
    }
}

/// Who made each contract: the first frame that did. Made once: every contract would go over every frame otherwise.
fn creators_in(calls: &[Call]) -> AddressMap<Address> {
    let creations = calls.iter().filter(|call| matches!(call.kind, CallKind::Create | CallKind::Create2));
    let mut creators = AddressMap::default();
    for creation in creations {
        creators.entry(creation.callee).or_insert(creation.caller);
    }
    creators
}

fn state_changes(changes: &EvmState, effects: &mut Effects) {
    let mut creators: Option<AddressMap<Address>> = None;
    for (address, account) in changes {
        if !account.is_touched() {
            continue;
        }
        if account.is_selfdestructed() {
            let old = account.original_info().code_hash;
            if old != KECCAK_EMPTY {
                effects.code_changes.push(CodeChange {
                    address: *address,
                    old,
                    new: KECCAK_EMPTY,
                    creator: None,
                    shape: None,
                });
            }
            continue;
        }
        for (slot, value) in account.changed_storage_slots() {
            let (old, new) = (value.original_value, value.present_value);
            effects.writes.push(StorageWrite { address: *address, slot: *slot, old, new });
        }
        let new = account.info.code_hash;
        // Code changes only by creation, or by an EIP-7702 designator of 23 bytes.
        let delegated = account.info.code.as_ref().is_none_or(|code| code.len() == 23 || code.is_empty());
        if !account.is_created() && !delegated {
            continue;
        }
        let old = account.original_info().code_hash;
        let old = if account.is_loaded_as_not_existing() { KECCAK_EMPTY } else { old };
        if old != new {
            let creator = creators.get_or_insert_with(|| creators_in(&effects.calls)).get(address).copied();
            let code = account.info.code.as_ref().filter(|_| account.is_created());
            let shape = code.and_then(|code| shape::shape_of(code.original_byte_slice()));
            effects.code_changes.push(CodeChange { address: *address, old, new, creator, shape });
        }
    }
}

fn movements(effects: &mut Effects) {
    for call in &effects.calls {
        let moves = !matches!(call.kind, CallKind::CallCode | CallKind::DelegateCall | CallKind::StaticCall);
        if call.effective && moves && call.value != U256::ZERO && call.caller != call.callee {
            effects.movements.push(Movement {
                asset: cofferdam_types::Asset::Native,
                from: call.caller,
                to: call.callee,
                amount: call.value,
                proof: MovementProof::Native,
            });
        }
    }
    token_movements(effects);
}

fn token_movements(effects: &mut Effects) {
    if effects.logs.is_empty() {
        return;
    }
    let mut claimed = tokens::claims(effects.logs.iter().map(|emitted| &emitted.log), &effects.movements);
    effects.movements.append(&mut claimed);
}
