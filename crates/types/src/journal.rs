//! The record as the other rooms see it: they write before they act, and they can ask what was left unfinished.

use std::fmt;

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{BlockRef, Event, FindingId, LeverAction, ModuleId, PlanStep, UnixMillis};

/// Names an incident: short enough to be said on the phone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub String);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one logical action. The same attack and lever give the same plan, so it is never carried out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub B256);

impl PlanId {
    /// Keccak of the module, the lever and what opened the episode (the first finding that asked for it).
    pub fn new(module: &ModuleId, lever: &str, cause: FindingId) -> Self {
        let mut preimage = Vec::new();
        for part in [module.as_str().as_bytes(), lever.as_bytes(), cause.0.as_slice()] {
            preimage.extend_from_slice(keccak256(part).as_slice());
        }
        Self(keccak256(&preimage))
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Events, and the point up to which the chain has been dealt with: durable together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// When, by our clock.
    pub at: UnixMillis,
    /// In order. Each goes to the incident of its module; the room decides which incident that is.
    pub events: Vec<Event>,
    /// The tip up to which everything has been processed, if it moved.
    pub checkpoint: Option<BlockRef>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Incidents that the events went to, in the order of the events; `None` for events outside any incident.
    pub incidents: Vec<Option<IncidentId>>,
    /// True when written into the space set aside because the disk is full.
    pub on_reserve: bool,
}

/// A plan as the record knows it.
#[derive(Clone, Debug)]
pub struct PlanRecord {
    /// The plan.
    pub id: PlanId,
    /// The incident it belongs to.
    pub incident: IncidentId,
    /// What it calls.
    pub action: LeverAction,
    /// All its steps so far with their times, oldest first; the first is the draft.
    pub steps: Vec<(UnixMillis, PlanStep)>,
}

/// Writing failed: nothing of the batch is durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The store could not write.
    #[error("the record cannot be written: {reason}")]
    Write {
        /// What the store said.
        reason: String,
    },
    /// The store could not be read.
    #[error("the record cannot be read: {reason}")]
    Read {
        /// What the store said.
        reason: String,
    },
}

/// The record. Calls block the calling thread until the batch is on disk.
pub trait Journal: Send + Sync {
    /// Appends the batch and moves the checkpoint, in one transaction with the messages that follow from it.
    ///
    /// # Errors
    /// [`JournalError::Write`]: nothing was written.
    fn commit(&self, batch: &Batch) -> Result<Committed, JournalError>;

    /// Where to resume; `None` on a fresh record.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    fn checkpoint(&self) -> Result<Option<BlockRef>, JournalError>;

    /// Findings of mined transactions of `block` that were recorded and not withdrawn: what to withdraw when the block
    /// leaves the chain, also after a restart.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    fn findings_in(&self, block: BlockRef) -> Result<Vec<FindingId>, JournalError>;

    /// Plans whose last step is not final (confirmed, undone, refused or failed), oldest first.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    fn unfinished_plans(&self) -> Result<Vec<PlanRecord>, JournalError>;

    /// Plans of `lever` that were sent at or after `since`, oldest first: what the limits count.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    fn plans_sent_since(&self, lever: &str, since: UnixMillis) -> Result<Vec<PlanRecord>, JournalError>;
}
