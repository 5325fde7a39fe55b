//! A plan whose transaction is in a block: read back from every endpoint, and the attack tried again.
//!
//! Confirmed is only what the target itself says, in the words of endpoints that agree. Nothing is sent here.

use alloy_primitives::B256;
use cofferdam_evm::Engine;
use cofferdam_types::{BlockNumber, BlockRef, Judge, OperatorAlert};

use crate::answer::{Progress, RespondError};
use crate::channel::{Mined, Reading};
use crate::follow::Fate;
use crate::lever::read_closed;
use crate::responder::{Active, Responder};
use crate::trial::{Aftermath, aftermath, is_closed};

/// What the endpoints that answered say of the target, with their names.
enum Said {
    Nothing,
    Closed(String),
    Open(String),
    Both { closed: String, open: String },
}

impl Said {
    fn of(readings: &[Reading]) -> Self {
        let who_says = |wanted: bool| {
            let says = |reading: &&Reading| reading.answer.as_ref().ok().and_then(read_closed) == Some(wanted);
            readings.iter().filter(says).map(|reading| reading.endpoint.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (closed, open) = (who_says(true), who_says(false));
        match (closed.is_empty(), open.is_empty()) {
            (true, true) => Self::Nothing,
            (false, true) => Self::Closed(closed),
            (true, false) => Self::Open(open),
            (false, false) => Self::Both { closed, open },
        }
    }
}

impl Responder {
    /// A plan whose transaction is in a block.
    #[expect(clippy::too_many_arguments, reason = "what one plan needs to be judged by, used in one place")]
    pub(crate) fn settle(
        &mut self,
        active: Active,
        transaction: B256,
        mined: Mined,
        readings: &[Reading],
        engine: &mut Engine,
        judge: &dyn Judge,
        progress: &mut Vec<Progress>,
    ) -> Result<Fate, (Box<Active>, RespondError)> {
        let head = engine.head().block_ref();
        let other_branch = mined.block.number == head.number && mined.block != head;
        if mined.block.number > head.number || other_branch {
            return Ok(Fate::Waiting(Box::new(active)));
        }
        let number = mined.block.number;
        if !mined.success {
            return self.give_up(active, format!("{transaction} was mined in block {number} and reverted"), progress);
        }
        let closed = match Said::of(readings) {
            Said::Nothing => return Ok(Fate::Waiting(Box::new(active))),
            Said::Open(open) => {
                let reason =
                    format!("{transaction} was mined in block {number}, and the target still says open ({open})");
                return self.give_up(active, reason, progress);
            }
            Said::Both { closed, open } => return self.wait_for_agreement(active, number, &closed, open),
            Said::Closed(closed) => closed,
        };
        let after = match self.words_after(&active, mined.block, engine, judge) {
            Some(Ok(after)) => after,
            Some(Err(reason)) => return self.give_up(active, reason, progress),
            None => return Ok(Fate::Waiting(Box::new(active))),
        };
        let read_back = format!("the target says closed in block {number} ({closed}); {after}");
        let module = active.sent.lever().module().clone();
        let plan = active.sent.id();
        let Active { sent, .. } = active.clone();
        match sent.confirm(&self.book, transaction, mined.block, read_back.clone()) {
            Ok(confirmed) => {
                progress.push(Progress::Confirmed { plan, module, transaction, block: mined.block, read_back });
                Ok(Fate::Confirmed(confirmed))
            }
            Err(failed) => Err((Box::new(active), failed.error.into())),
        }
    }

    /// Endpoints contradict each other about the target: told once, and asked again at the next head.
    fn wait_for_agreement(
        &self,
        mut active: Active,
        number: BlockNumber,
        closed: &str,
        open: String,
    ) -> Result<Fate, (Box<Active>, RespondError)> {
        if !active.told_disagreement {
            let plan = active.sent.id();
            let detail = format!("says that the target of plan {plan} is open in block {number}, {closed} say closed");
            if let Err(error) = self.book.alert(OperatorAlert::Endpoint { name: open, detail }) {
                return Err((Box::new(active), error.into()));
            }
            active.told_disagreement = true;
        }
        Ok(Fate::Waiting(Box::new(active)))
    }

    /// What the attack does now: in words when it is harmless, the reason to give up when not, `None` when it cannot be
    /// told yet.
    fn words_after(
        &self,
        active: &Active,
        block: BlockRef,
        engine: &mut Engine,
        judge: &dyn Judge,
    ) -> Option<Result<String, String>> {
        let Some(attack) = &active.attack else {
            return Some(Ok("the attack is not known to any endpoint any more and was not tried again".to_owned()));
        };
        let lever = active.sent.lever();
        match aftermath(engine, judge, lever.module(), attack).ok()? {
            Aftermath::Harmless(ends) => Some(Ok(format!("the attack, tried again on the head, {ends} without harm"))),
            Aftermath::Harmful => {
                let reopened = engine.head().number > block.number && is_closed(engine, lever).ok()? == Some(false);
                Some(if reopened {
                    Ok("it has been opened again since".to_owned())
                } else {
                    Err(format!("the target says closed in block {}, and the attack still does harm", block.number))
                })
            }
        }
    }
}
