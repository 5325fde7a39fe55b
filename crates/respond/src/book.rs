//! Writing before acting: the one place where this room puts something on the record.

use std::sync::Arc;

use cofferdam_types::{
    Batch, Clock, Event, Journal, JournalError, OperatorAlert, PlanId, PlanRecord, PlanStep, UnixMillis,
};
use tracing::{error, info, warn};

/// The record and the clock that dates it.
#[derive(Clone)]
pub(crate) struct Book {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
}

impl Book {
    pub(crate) fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        Self { journal, clock }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(crate) fn micros(&self) -> u64 {
        self.clock.monotonic_micros()
    }

    /// All of `steps` or none of them, on disk when this returns.
    pub(crate) fn write(&self, plan: PlanId, steps: &[PlanStep]) -> Result<(), JournalError> {
        let events = steps.iter().map(|step| Event::Plan { plan, step: step.clone() }).collect();
        self.journal.commit(&Batch { at: self.now(), events, checkpoint: None })?;
        for step in steps {
            tell(plan, step);
        }
        Ok(())
    }

    /// Tells the operator, on the record.
    pub(crate) fn alert(&self, alert: OperatorAlert) -> Result<(), JournalError> {
        warn!(?alert, "operator alert");
        let events = vec![Event::Operator { alert }];
        self.journal.commit(&Batch { at: self.now(), events, checkpoint: None }).map(drop)
    }

    pub(crate) fn unfinished(&self) -> Result<Vec<PlanRecord>, JournalError> {
        self.journal.unfinished_plans()
    }

    pub(crate) fn sent_within(&self, lever: &str, seconds: u64) -> Result<Vec<PlanRecord>, JournalError> {
        let since = UnixMillis(self.now().0.saturating_sub(seconds.saturating_mul(1_000)));
        self.journal.plans_sent_since(lever, since)
    }
}

/// The log line and the metric of one step.
fn tell(plan: PlanId, step: &PlanStep) {
    let name = match step {
        PlanStep::Draft { .. } => "draft",
        PlanStep::Simulated { .. } => "simulated",
        PlanStep::Authorised { .. } => "authorised",
        PlanStep::Refused { .. } => "refused",
        PlanStep::Sent { .. } => "sent",
        PlanStep::Confirmed { .. } => "confirmed",
        PlanStep::Undone { .. } => "undone",
        PlanStep::Failed { .. } => "failed",
    };
    metrics::counter!("cofferdam_plan_steps_total", "step" => name).increment(1);
    match step {
        PlanStep::Draft { action, against } => {
            info!(%plan, step = name, lever = action.lever, module = %action.module, %against, "plan step");
        }
        PlanStep::Simulated { note, stops_attack, .. } => info!(%plan, step = name, stops_attack, note, "plan step"),
        PlanStep::Authorised { reason, .. } | PlanStep::Refused { reason } | PlanStep::Undone { reason } => {
            info!(%plan, step = name, reason, "plan step");
        }
        PlanStep::Sent { transaction, nonce, max_fee_per_gas, .. } => {
            info!(%plan, step = name, %transaction, nonce, max_fee_per_gas, "plan step");
        }
        PlanStep::Confirmed { transaction, block, read_back } => {
            info!(%plan, step = name, %transaction, block = %block.number, read_back, "plan step");
        }
        PlanStep::Failed { reason } => error!(%plan, step = name, reason, "plan step"),
    }
}
