//! A record and a channel for a responder that must not act: it is put together with them to learn whether levers,
//! guardians and limits fit, and what it would do. Whatever is asked of them is refused.

use alloy_primitives::{Address, B256, Bytes};
use cofferdam_respond::channel::Answer;
use cofferdam_respond::{Channel, ChannelError, Delivery, Mined, Purse, Reading};
use cofferdam_types::{
    Batch, BlockRef, Committed, FindingId, Journal, JournalError, PlanRecord, Transaction, UnixMillis,
};

const REASON: &str = "this is a rehearsal";

/// Refuses everything.
pub(crate) struct Rehearsal;

fn write() -> JournalError {
    JournalError::Write { reason: REASON.to_owned() }
}

fn read() -> JournalError {
    JournalError::Read { reason: REASON.to_owned() }
}

fn silent() -> ChannelError {
    ChannelError { reason: REASON.to_owned() }
}

impl Journal for Rehearsal {
    fn commit(&self, _: &Batch) -> Result<Committed, JournalError> {
        Err(write())
    }

    fn checkpoint(&self) -> Result<Option<BlockRef>, JournalError> {
        Err(read())
    }

    fn findings_in(&self, _: BlockRef) -> Result<Vec<FindingId>, JournalError> {
        Err(read())
    }

    fn unfinished_plans(&self) -> Result<Vec<PlanRecord>, JournalError> {
        Err(read())
    }

    fn plans_sent_since(&self, _: &str, _: UnixMillis) -> Result<Vec<PlanRecord>, JournalError> {
        Err(read())
    }
}

impl Channel for Rehearsal {
    fn broadcast<'a>(&'a self, _: &'a Bytes) -> Answer<'a, Vec<Delivery>> {
        Box::pin(async { Vec::new() })
    }

    fn purse(&self, _: Address) -> Answer<'_, Result<Purse, ChannelError>> {
        Box::pin(async { Err(silent()) })
    }

    fn mined(&self, _: B256) -> Answer<'_, Result<Option<Mined>, ChannelError>> {
        Box::pin(async { Err(silent()) })
    }

    fn read<'a>(&'a self, _: Address, _: &'a Bytes, _: BlockRef) -> Answer<'a, Vec<Reading>> {
        Box::pin(async { Vec::new() })
    }

    fn transaction(&self, _: B256) -> Answer<'_, Result<Option<Transaction>, ChannelError>> {
        Box::pin(async { Err(silent()) })
    }
}
