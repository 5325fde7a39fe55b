//! An operation that was announced on chain and may be carried out later, and what it did when that was tried on a fork
//! at its due time.
//!
//! Facts only. Whether it is a danger is decided in `detect`.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::{BlockRef, Effort, Execution};

/// Names an operation: the contract that announced it, and the name that it gave it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId {
    /// The timelock or governor.
    pub controller: Address,
    /// Its name there: a hash, or the number of a proposal.
    pub id: B256,
}

/// What kind of contract announced it, by the events that it emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// OpenZeppelin's `TimelockController`.
    Timelock,
    /// Compound's `Timelock`: all that one transaction queued there.
    CompoundTimelock,
    /// A proposal of an OpenZeppelin or Compound governor that has not been handed to a timelock.
    Proposal,
}

impl OperationKind {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Timelock | Self::CompoundTimelock => "operation queued in a timelock",
            Self::Proposal => "proposal",
        }
    }
}

/// One call that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedCall {
    /// Who is called.
    pub target: Address,
    /// Wei sent along.
    pub value: U256,
    /// Calldata, the selector included.
    pub data: Bytes,
}

/// An operation as it was announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedOperation {
    /// Which.
    pub id: OperationId,
    /// Who announced it.
    pub kind: OperationKind,
    /// What it does, in order.
    pub calls: Vec<QueuedCall>,
    /// From when on it can be carried out, in Unix seconds; of a proposal the end of the vote, as far as it is told.
    pub due: u64,
    /// Who signed the transaction that announced it.
    pub proposer: Address,
    /// Who called the controller in it: the signer, or a contract.
    pub caller: Address,
    /// How anybody who may carries it out, as far as it can be told from the announcement: calls of the controller, in
    /// order. Empty: only acting as the controller remains.
    pub carried_out_by: Vec<Bytes>,
    /// The transaction that announced it.
    pub transaction: B256,
    /// Its block.
    pub block: BlockRef,
    /// Time of that block, in Unix seconds.
    pub announced: u64,
    /// Whether calls of it were left out, for their number or size: what it does is not known whole.
    #[serde(default)]
    pub truncated: bool,
}

/// What became known of operations in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// It is announced.
    Queued(Arc<QueuedOperation>),
    /// It has been carried out.
    Executed(OperationId),
    /// It will not be: cancelled.
    Withdrawn(OperationId),
    /// Its governor says that it was handed on to a timelock, which announces it again.
    HandedOn(OperationId),
    /// So many operations, or logs about them, were not read, for their number or size.
    LeftOut(u64),
}

/// An account that an operation names or writes down as holder of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The account.
    pub address: Address,
    /// Whether it is a contract once the operation was carried out.
    pub has_code: bool,
    /// Transactions that it has sent, or contracts that it has made.
    pub nonce: u64,
}

/// An operation that was carried out on a fork of the head, at its due time.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// The operation.
    pub operation: Arc<QueuedOperation>,
    /// The state it was tried on.
    pub head: BlockRef,
    /// What it did: one execution where it was carried out through the controller at once, one for each call otherwise.
    pub executions: Vec<Execution>,
    /// Whether the controller itself carried it out; false where the calls were made in its name, because nobody known may
    /// carry it out yet.
    pub through_controller: bool,
    /// Accounts that it names or writes down, few.
    pub parties: Vec<Party>,
    /// What this took.
    pub effort: Effort,
}
