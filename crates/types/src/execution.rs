//! One execution, with the facts that judging it needs, and the trait through which it is judged.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::{
    AssertionOutcome, BlockNumber, BlockRef, Effects, Header, ModuleId, Newborn, Rehearsal, Transaction, Verdict,
};

/// When, in the life of a transaction, it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Nobody has sent it: a call of a new contract, or an operation that waits for its time, that was made on a fork of
    /// the head to see what it does.
    Before,
    /// Not in a block yet: executed on the head.
    Pending,
    /// In a block: executed in its place.
    Mined,
}

/// What the effects rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Executed here, and (in a block) equal to the chain's own gas and receipts.
    Executed,
    /// Executed here, but the chain's receipt says otherwise: state was wrong or rules unknown.
    Diverged,
    /// Taken from the receipt alone: no call tree, no storage, token events unchecked.
    Receipt,
}

/// A piece of state that execution wanted and nobody could tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A whole account, read as not existing.
    Account(Address),
    /// A slot, read as zero.
    Slot(Address, U256),
    /// A block hash, read as zero.
    BlockHash(BlockNumber),
}

/// What a verdict stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The block on whose state the transaction ran.
    pub head: BlockRef,
    /// How the effects were obtained.
    pub basis: Basis,
    /// State that was missing, each once. Empty means complete.
    pub missing: Vec<Missing>,
    /// In a verdict: assets, balances, changes and owners that were not looked at, for their number. Of an execution that
    /// nobody has judged yet it is 0.
    #[serde(default, skip_serializing_if = "is_none")]
    pub left_out: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A view call whose answer, before and after a transaction, somebody wants to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewNeed {
    /// Read only when a transaction touches this module.
    pub module: ModuleId,
    /// The contract asked.
    pub target: Address,
    /// ABI-encoded call.
    pub calldata: Bytes,
}

/// What the facts must contain. Views are answered in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The view calls.
    pub views: Vec<ViewNeed>,
}

/// The answer of a view call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewResult {
    /// Return data.
    Returned(Bytes),
    /// It reverted, or halted; the text says how.
    Failed(String),
}

/// A view before and after the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Index into [`Needs::views`].
    pub view: usize,
    /// On the state before the transaction.
    pub before: ViewResult,
    /// On the state after it.
    pub after: ViewResult,
}

/// A transaction that was executed, what it did, and what that rests on.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Pending or mined.
    pub window: Window,
    /// The block it is in; for a pending one, the block it would be in (number and time are guesses).
    pub block: Arc<Header>,
    /// Place in the block, from 0; `None` when pending.
    pub index: Option<u32>,
    /// What it did.
    pub effects: Effects,
    /// Views of the modules that it touched, each at most once, ascending by `view`.
    pub facts: Vec<Fact>,
    /// What the Solidity assertions of the modules that it touched said, in the order of the configuration.
    pub assertions: Vec<AssertionOutcome>,
    /// What all this rests on.
    pub standing: Standing,
}

impl Execution {
    /// Hash of the transaction.
    pub fn hash(&self) -> B256 {
        self.transaction.hash
    }
}

/// Decides what an execution means.
///
/// Judging is a pure function of the execution and of what was recorded before; it does no I/O and cannot fail.
pub trait Judge: Send {
    /// The views that must be among the facts of every execution that touches their module.
    fn needs(&self) -> &Needs;

    /// What `execution` means on top of what has been recorded. Records nothing.
    fn judge(&self, execution: &Execution) -> Verdict;

    /// What a new contract means, by what it did when it was tried. Records nothing. A judge that does not look at new
    /// contracts finds nothing.
    fn judge_newborn(&self, newborn: &Newborn) -> Verdict {
        Verdict { findings: Vec::new(), harm: Vec::new(), standing: newborn.creation.standing.clone() }
    }

    /// What an operation that waits for its time means, by what it did when it was carried out on a fork. Records nothing. A
    /// judge that does not look at such operations finds nothing.
    fn judge_queued(&self, rehearsal: &Rehearsal) -> Verdict {
        let standing = Standing { head: rehearsal.head, basis: Basis::Executed, missing: Vec::new(), left_out: 0 };
        Verdict { findings: Vec::new(), harm: Vec::new(), standing }
    }

    /// Takes a mined execution into the history, in block order.
    fn record(&mut self, execution: &Execution);

    /// Forgets everything recorded of `block`: it left the canonical chain. Blocks are retracted newest first.
    fn retract(&mut self, block: BlockRef);
}
