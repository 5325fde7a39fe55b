//! A new contract written by hand, in a case: what its code says and what it did when it was tried.

#![allow(clippy::unwrap_used, reason = "a bench for tests")]

use std::sync::Arc;

use alloy_primitives::Address;
use cofferdam_types::{Attempt, Creator, Effort, Execution, Label, LabelCategory, Newborn, Place, Signs, Window};
use serde::Deserialize;

use crate::testbed::TransactionDraft;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewbornDraft {
    address: Address,
    /// Transactions of its maker before.
    #[serde(default)]
    nonce: u64,
    /// Protected addresses and where each stands.
    #[serde(default)]
    names: Vec<(Address, Place)>,
    #[serde(default)]
    callbacks: Vec<String>,
    /// What a list says of whom its maker had money from: account, kind, name.
    #[serde(default)]
    funded_by: Option<(Address, LabelCategory, String)>,
    /// Calls of it that were tried.
    #[serde(default)]
    attempts: Vec<TransactionDraft>,
}

impl NewbornDraft {
    pub(crate) fn newborn(&self, creation: &Execution) -> Newborn {
        let attempt = |draft: &TransactionDraft| {
            let mut execution = draft.execution(creation.block.number.0, creation.block.timestamp);
            (execution.window, execution.index) = (Window::Before, None);
            let input = execution.effects.calls.first().map(|call| execution.effects.input(call).to_vec());
            Arc::make_mut(&mut execution.transaction).input = input.unwrap_or_default().into();
            Attempt { earlier: Vec::new(), execution }
        };
        let funded = self.funded_by.clone();
        Newborn {
            address: self.address,
            creation: Arc::new(creation.clone()),
            creator: Creator {
                account: creation.transaction.from,
                nonce: self.nonce,
                funded_by: funded.map(|(account, category, name)| (account, Label { category, name })),
                ..Creator::default()
            },
            signs: Signs {
                names: self.names.clone(),
                callbacks: self.callbacks.clone(),
                can_call: true,
                ..Signs::default()
            },
            attempts: self.attempts.iter().map(attempt).collect(),
            effort: Effort::default(),
        }
    }
}
