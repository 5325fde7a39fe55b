//! What would be done about it: the responder of the watch itself, without keys, over a record that is kept in memory.
//!
//! Nothing is signed, sent or written. What the limits have counted so far is read from the record, where there is one.

use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_incident::Store;
use cofferdam_respond::{Refusal, Reply, Responder, Stop};
use cofferdam_types::{
    Batch, BlockRef, Committed, Event, Execution, FindingId, Journal, JournalError, Level, PlanRecord, PlanStep,
    UnixMillis, Window,
};
use serde::Serialize;

use super::ground::Ground;
use crate::cli::Failure;
use crate::config::{Ready, Rehearsal};
use crate::telemetry::SystemClock;

/// The answer for one module.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Containment {
    /// The module in danger.
    pub(super) module: String,
    /// The lever that was chosen; `None` where none is configured.
    pub(super) lever: Option<String>,
    /// What it would call: contract and calldata.
    pub(super) call: Option<Called>,
    /// Whether the transaction does no harm any more after it; `None` when it could not be tried.
    pub(super) stops: Option<bool>,
    /// What was seen when it was tried, with it and without it.
    pub(super) tried: Option<String>,
    /// Gas of the closing call.
    pub(super) gas_used: Option<u64>,
    /// Whether the watch would send it.
    pub(super) would_be_sent: bool,
    /// Why, or why not.
    pub(super) reason: String,
}

/// A call that would be made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Called {
    /// The contract.
    pub(super) target: String,
    /// The function.
    pub(super) function: String,
    /// The calldata.
    pub(super) calldata: String,
    /// Who would sign.
    pub(super) guardian: String,
    /// The guardian's account.
    pub(super) from: Option<String>,
}

/// Tries the levers of every module in danger against the transaction, as the watch would.
///
/// # Errors
/// [`Failure::Outside`] when state for the trial could not be had.
pub(super) async fn contain(ground: &mut Ground, ready: &Ready) -> Result<Vec<Containment>, Failure> {
    if ground.verdict.level() != Some(Level::Stop) {
        return Ok(Vec::new());
    }
    let clock = Arc::new(SystemClock::start());
    let notes = Arc::new(Notes::new(Store::open_read_only(&ready.file.record.database, clock.clone()).ok()));
    let setup = ready.setup_without_keys();
    let mut responder = Responder::new(setup, notes.clone(), Arc::new(Rehearsal), clock).map_err(Failure::input)?;
    // As if it had been seen before it was mined: that is when a containment helps.
    let attack = Execution { window: Window::Pending, index: None, ..ground.execution.clone() };
    let stop = Stop { attack: &attack, earlier: &ground.earlier, findings: &ground.verdict.findings };
    let response = responder.on_stop(&stop, &mut ground.engine, &ground.judge).await.map_err(Failure::outside)?;
    if ground.execution.index.is_some() {
        ground.notes.push("the containment was tried as if it had been mined before this transaction's block".into());
    }
    let mut containments = Vec::new();
    for answer in response.answers {
        let module = answer.module.to_string();
        containments.push(match answer.reply {
            Reply::NoLever => nothing(module, "no lever is configured for this module: only people can help"),
            Reply::Joined { plan } => nothing(module, &format!("plan {plan} for the same contract covers it")),
            Reply::Refused { plan, lever, reason, .. } => {
                described(module, lever, &reason, &notes.steps_of(plan), ready)
            }
            Reply::Sent { .. } => return Err(Failure::outside("a responder without keys must not send")),
        });
    }
    Ok(containments)
}

fn nothing(module: String, reason: &str) -> Containment {
    Containment {
        module,
        lever: None,
        call: None,
        stops: None,
        tried: None,
        gas_used: None,
        would_be_sent: false,
        reason: reason.to_owned(),
    }
}

fn described(module: String, lever: String, refusal: &Refusal, steps: &[PlanStep], ready: &Ready) -> Containment {
    let settings = ready.file.levers.iter().find(|settings| settings.name == lever);
    let guardian = settings.map(|settings| settings.guardian.clone()).unwrap_or_default();
    let held = ready.responder.guardians.get(&guardian);
    // Without keys that is where every plan ends that the limits allow.
    let allowed = matches!(refusal, Refusal::NoKey { .. });
    let would_be_sent = allowed && held.is_some_and(cofferdam_respond::Guardian::has_key);
    let reason = if would_be_sent {
        format!("the limits allow it, and guardian `{guardian}` would sign; price, nonce and funds were not looked at")
    } else if allowed {
        format!("the limits allow it, but there is no key for guardian `{guardian}` here")
    } else {
        refusal.to_string()
    };
    let mut described = Containment { lever: Some(lever), would_be_sent, ..nothing(module, &reason) };
    for step in steps {
        match step {
            PlanStep::Draft { action, .. } => {
                described.call = Some(Called {
                    target: action.target.to_string(),
                    function: settings.map(|settings| settings.pause.clone()).unwrap_or_default(),
                    calldata: action.calldata.to_string(),
                    guardian: guardian.clone(),
                    from: held.map(|held| held.address().to_string()),
                });
            }
            PlanStep::Simulated { stops_attack, gas_used, note, .. } => {
                described.stops = Some(*stops_attack);
                described.tried = Some(note.clone());
                described.gas_used = Some(*gas_used);
            }
            PlanStep::Authorised { .. }
            | PlanStep::Refused { .. }
            | PlanStep::Sent { .. }
            | PlanStep::Confirmed { .. }
            | PlanStep::Undone { .. }
            | PlanStep::Failed { .. } => {}
        }
    }
    described
}

/// A record in memory, in front of the one on disk, which is only read.
struct Notes {
    events: Mutex<Vec<Event>>,
    record: Option<Store>,
}

impl Notes {
    const fn new(record: Option<Store>) -> Self {
        Self { events: Mutex::new(Vec::new()), record }
    }

    fn steps_of(&self, wanted: cofferdam_types::PlanId) -> Vec<PlanStep> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut steps = Vec::new();
        for event in events.iter() {
            if let Event::Plan { plan, step } = event
                && *plan == wanted
            {
                steps.push(step.clone());
            }
        }
        steps
    }
}

impl Journal for Notes {
    fn commit(&self, batch: &Batch) -> Result<Committed, JournalError> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.events.iter().cloned());
        Ok(Committed { incidents: vec![None; batch.events.len()], on_reserve: false })
    }

    fn checkpoint(&self) -> Result<Option<BlockRef>, JournalError> {
        Ok(None)
    }

    fn findings_in(&self, _: BlockRef) -> Result<Vec<FindingId>, JournalError> {
        Ok(Vec::new())
    }

    /// None: plans that are on their way are the watch's business, not taken up here.
    fn unfinished_plans(&self) -> Result<Vec<PlanRecord>, JournalError> {
        Ok(Vec::new())
    }

    fn plans_sent_since(&self, lever: &str, since: UnixMillis) -> Result<Vec<PlanRecord>, JournalError> {
        self.record.as_ref().map_or_else(|| Ok(Vec::new()), |record| record.plans_sent_since(lever, since))
    }
}
