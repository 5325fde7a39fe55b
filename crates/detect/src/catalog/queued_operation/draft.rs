//! An operation written by hand, in a case: who announced it, and what it did when it was carried out on a fork.

#![allow(clippy::unwrap_used, reason = "a bench for tests")]

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use cofferdam_types::{
    Effort, Execution, OperationId, OperationKind, Party, QueuedCall, QueuedOperation, Rehearsal, Window,
};
use serde::Deserialize;

use crate::testbed::TransactionDraft;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueuedDraft {
    controller: Address,
    /// Seconds until it can be carried out.
    after_seconds: u64,
    /// Accounts of one key that it names, with how many transactions they have sent; all others are contracts.
    #[serde(default)]
    people: Vec<(Address, u64)>,
    /// What it did.
    does: Vec<TransactionDraft>,
}

impl QueuedDraft {
    pub(crate) fn rehearsal(&self, announcement: &Execution) -> Rehearsal {
        let due = announcement.block.timestamp.checked_add(self.after_seconds).unwrap();
        let done = |draft: &TransactionDraft| {
            let mut execution = draft.execution(announcement.block.number.0, due);
            (execution.window, execution.index) = (Window::Before, None);
            execution
        };
        let executions: Vec<Execution> = self.does.iter().map(done).collect();
        let call = |execution: &Execution| QueuedCall {
            target: execution.transaction.to.unwrap_or_default(),
            value: execution.transaction.value,
            data: Bytes::from(
                execution.effects.calls.first().map(|call| execution.effects.input(call).to_vec()).unwrap(),
            ),
        };
        let operation = QueuedOperation {
            id: OperationId { controller: self.controller, id: B256::repeat_byte(7) },
            kind: OperationKind::Timelock,
            calls: executions.iter().map(call).collect(),
            due,
            proposer: announcement.transaction.from,
            caller: announcement.transaction.from,
            carried_out_by: Vec::new(),
            transaction: announcement.hash(),
            block: announcement.block.block_ref(),
            announced: announcement.block.timestamp,
            truncated: false,
        };
        let party = |(address, nonce): &(Address, u64)| Party { address: *address, has_code: false, nonce: *nonce };
        Rehearsal {
            operation: Arc::new(operation),
            head: announcement.block.block_ref(),
            executions,
            through_controller: true,
            parties: self.people.iter().map(party).collect(),
            effort: Effort::default(),
        }
    }
}
