//! What is handed in, and what is said about what was done. Plain data; nothing is decided here.

use std::sync::Arc;

use alloy_primitives::B256;
use cofferdam_types::{BlockRef, Execution, Finding, JournalError, ModuleId, PlanId, Transaction};

use crate::channel::Delivery;
use crate::fees::Price;
use crate::plan::RestoreError;
use crate::refusal::Refusal;

/// A response broke off. What had been recorded was sent; the rest was not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// Without the record nothing is sent.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The record of an older plan cannot be trusted; that plan was ended.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// A stop, as the judge gave it.
#[derive(Clone, Copy, Debug)]
pub struct Stop<'a> {
    /// The attack, pending or mined.
    pub attack: &'a Execution,
    /// Pending transactions of the same sender that must run before it, lowest nonce first; mostly empty.
    pub earlier: &'a [Arc<Transaction>],
    /// All findings about it, strongest first.
    pub findings: &'a [Finding],
}

/// What was done about a stop: one answer for each module in danger.
#[derive(Clone, Debug)]
pub struct Response {
    /// In the order of the findings.
    pub answers: Vec<PlanAnswer>,
}

/// What was done about one module.
#[derive(Clone, Debug)]
pub struct PlanAnswer {
    /// The module in danger.
    pub module: ModuleId,
    /// What was done.
    pub reply: Reply,
    /// When, since the stop was handed in.
    pub timing: Timing,
}

/// Microseconds since the stop was handed in; zero for stages that were not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// The trial was done.
    pub simulated_micros: u64,
    /// The plan was durable.
    pub recorded_micros: u64,
    /// All endpoints had answered.
    pub sent_micros: u64,
}

/// What was done about one module.
#[derive(Clone, Debug)]
pub enum Reply {
    /// No lever is configured for the module: only people can help.
    NoLever,
    /// A plan for this module is on its way already.
    Joined {
        /// That plan.
        plan: PlanId,
    },
    /// Nothing was sent.
    Refused {
        /// The plan.
        plan: PlanId,
        /// Its lever.
        lever: String,
        /// Why.
        reason: Refusal,
        /// False when the same was said of the same attack before and is on the record already.
        recorded: bool,
    },
    /// Signed, on the record and handed to the endpoints.
    Sent {
        /// The plan.
        plan: PlanId,
        /// Its lever.
        lever: String,
        /// Hash of the transaction.
        transaction: B256,
        /// The guardian's nonce.
        nonce: u64,
        /// The offer.
        price: Price,
        /// What the endpoints did with it.
        deliveries: Vec<Delivery>,
    },
}

/// What a block, a reorg or a restart changed.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A dearer offer with the same nonce is out.
    Repriced {
        /// The plan.
        plan: PlanId,
        /// Hash of the new offer.
        transaction: B256,
        /// The new offer.
        price: Price,
    },
    /// Still not mined, and the caps allow no dearer offer: the last one was handed out again.
    AtCap {
        /// The plan.
        plan: PlanId,
    },
    /// The same bytes were handed out again, after a restart or a reorg.
    Resent {
        /// The plan.
        plan: PlanId,
    },
    /// Mined and read back.
    Confirmed {
        /// The plan.
        plan: PlanId,
        /// Its module.
        module: ModuleId,
        /// Hash of the transaction that was mined.
        transaction: B256,
        /// Where.
        block: BlockRef,
        /// What was read back, in words.
        read_back: String,
    },
    /// It cannot reach its goal any more.
    Failed {
        /// The plan.
        plan: PlanId,
        /// In words.
        reason: String,
    },
    /// The target is open again: people undid it.
    Undone {
        /// The plan.
        plan: PlanId,
    },
    /// After a failure another attempt was decided on.
    Tried(PlanAnswer),
    /// A lever would not work if it were needed now.
    NotReady {
        /// The lever.
        lever: String,
        /// In words.
        reason: String,
    },
    /// A lever works again.
    Ready {
        /// The lever.
        lever: String,
    },
}
