//! Taking up where a process ended, at whatever instant that was.
//!
//! The record says what was about to be handed out; the same bytes are handed out again and no others are made. A plan
//! that was never sent is ended: its stop is judged again, because the block was not acknowledged.

use cofferdam_types::PlanStep;

use crate::answer::Progress;
use crate::answer::RespondError;
use crate::plan::{Confirmed, Sent};
use crate::responder::{Active, Responder};

/// How far back confirmed plans are watched after a restart, and ids of attempts are remembered: a week.
const LOOK_BACK_SECONDS: u64 = 7 * 24 * 3_600;

impl Responder {
    /// Reads the record and hands out again what was on its way. To be called once before anything else; other calls
    /// read the record by themselves but hand nothing out.
    ///
    /// # Errors
    /// [`RespondError`] when the record failed, or holds bytes that are not a plan's own. Such a plan is ended and told,
    /// and a second call goes on without it.
    pub async fn resume(&mut self) -> Result<Vec<Progress>, RespondError> {
        self.load()?;
        self.learn_purses(true).await;
        let mut gone = Vec::new();
        for plan in &self.closed {
            let mut still_there = false;
            for transaction in plan.transactions() {
                // An endpoint that fails proves nothing: the next reorg or reading will.
                still_there |= match self.channel.mined(transaction).await {
                    Ok(mined) => mined.is_some_and(|mined| mined.block == plan.block()),
                    Err(_) => true,
                };
            }
            if !still_there {
                gone.push(plan.id());
            }
        }
        let mut progress = Vec::new();
        let broken = self.reopen_where(|plan| gone.contains(&plan.id()), &mut progress);
        for active in &self.active {
            let (plan, lever) = (active.sent.id(), active.sent.lever());
            let allowed = self.limits.as_ref().is_some_and(|limits| limits.caps(lever, self.book.now(), 0).is_ok());
            if allowed && !self.outgoing.contains(&plan) {
                self.outgoing.push(plan);
                progress.push(Progress::Resent { plan });
            }
        }
        self.flush().await;
        broken.map(|()| progress)
    }

    /// Reads the record, once.
    pub(crate) fn load(&mut self) -> Result<(), RespondError> {
        if self.loaded {
            return Ok(());
        }
        let mut active = Vec::new();
        for record in self.book.unfinished()? {
            self.spent.insert(record.id);
            match Sent::restore(&record, &self.levers, self.chain_id) {
                Ok(Some(sent)) => active.push(Active::restored(sent)),
                Ok(None) => {
                    let reason = "the process ended before it was sent; nothing went out".to_owned();
                    self.book.write(record.id, &[PlanStep::Refused { reason }])?;
                }
                Err(error) => {
                    self.book.write(record.id, &[PlanStep::Failed { reason: error.to_string() }])?;
                    self.alert_lever(&record.action.lever, error.to_string())?;
                    return Err(error.into());
                }
            }
        }
        let mut closed = Vec::new();
        for lever in self.levers.clone() {
            for record in self.book.sent_within(lever.name(), LOOK_BACK_SECONDS)? {
                self.spent.insert(record.id);
                closed.extend(Confirmed::restore(&record, &self.levers, self.chain_id)?);
            }
        }
        self.active = active;
        self.closed = closed;
        self.loaded = true;
        Ok(())
    }
}
