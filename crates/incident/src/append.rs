//! Appends events in one transaction, with the changes of state that follow from them.
//!
//! ```text
//! batch ─▶ Session::write ─▶ BEGIN ─▶ Appender: place, hash, write, follow up ─▶ checkpoint ─▶ COMMIT
//!                └── no space: give up the reserve, say so, once more
//! ```
//! Must never leave half a batch, and never report as written what is not on disk and matters ([`Haste`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy_primitives::B256;
use cofferdam_types::{
    Batch, BlockRef, Event, Finding, FindingId, IncidentId, IncidentState, Level, OperatorAlert, PlanId, PlanStep,
    Report, UnixMillis, Window,
};
use sqlx::SqliteConnection;

use crate::canonical::{self, CanonicalError};
use crate::joining::{Criterion, Sighting, Windows};
use crate::lifecycle::{after_step, is_legal, word};
use crate::link::{self, Record};
use crate::place::{self, Recorded};
use crate::session::{Gone, Session};
use crate::{index, inspect, sql};

/// Nothing of what was asked for is durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// SQLite said no.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// An event has no canonical text.
    #[error("an event cannot be written down: {0}")]
    Canonical(#[from] CanonicalError),
    /// The reserve could not be given up.
    #[error("the space set aside cannot be used: {0}")]
    Reserve(#[from] std::io::Error),
    /// A step of a plan that nobody drafted.
    #[error("plan {0} has no draft, so its step has no incident")]
    NoDraft(PlanId),
    /// A change of state that names no incident.
    #[error("a change of state from {} to {} names no incident; use `change_state`", word(*.0), word(*.1))]
    StateWithoutIncident(IncidentState, IncidentState),
    /// Nobody opened it.
    #[error("there is no incident `{0}`")]
    NoIncident(IncidentId),
    /// The state machine does not allow it.
    #[error("incident `{0}` is {from} and cannot become {to}", from = word(*.1), to = word(*.2))]
    Illegal(IncidentId, IncidentState, IncidentState),
    /// The store was opened for reading.
    #[error("the record is open for reading only")]
    ReadOnly,
    /// The thread ended.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// When a write is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// When the call returns: something will happen because of it.
    Now,
    /// With the next write that is. A power cut before that undoes it and nothing else, so it must be one after which
    /// things only happen again that may: a quiet block is judged, a message is sent under the same key.
    Later,
}

impl Haste {
    const fn begin(self) -> &'static str {
        match self {
            Self::Now => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            Self::Later => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        }
    }
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Written<T> {
    /// The answer of the work.
    pub(crate) value: T,
    /// Whether there are new messages.
    pub(crate) announced: bool,
    /// Whether the space set aside is in use.
    pub(crate) on_reserve: bool,
}

impl Session {
    /// Writes a batch and the checkpoint.
    ///
    /// # Errors
    /// [`CommitError`]: nothing was written.
    pub(crate) async fn commit(&mut self, batch: &Batch) -> Result<Written<Vec<Option<IncidentId>>>, CommitError> {
        let work = async |appender: &mut Appender<'_>| {
            let mut incidents = Vec::with_capacity(batch.events.len());
            for event in &batch.events {
                incidents.push(appender.take(event).await?);
            }
            appender.settle().await?;
            if let Some(tip) = batch.checkpoint {
                appender.move_checkpoint(tip).await?;
            }
            Ok(incidents)
        };
        let haste = if batch.events.is_empty() { Haste::Later } else { Haste::Now };
        self.write(batch.at, haste, work).await
    }

    /// Does `work` in one transaction; a second time, on the reserve, when there is no space.
    ///
    /// # Errors
    /// [`CommitError`]: nothing was written.
    pub(crate) async fn write<T>(
        &mut self,
        at: UnixMillis,
        haste: Haste,
        work: impl AsyncFn(&mut Appender<'_>) -> Result<T, CommitError>,
    ) -> Result<Written<T>, CommitError> {
        if !self.writes {
            return Err(CommitError::ReadOnly);
        }
        let Some(reserve) = &mut self.reserve else {
            // A guest beside the process that holds the record: the space set aside is not for it.
            let (value, announced) = self.attempt(at, haste, false, &work).await?;
            return Ok(Written { value, announced, on_reserve: false });
        };
        if !self.limit_lifted {
            reserve.regain();
        }
        let mut missing = !reserve.is_held();
        self.shortage_told &= missing;
        let tell = missing && !self.shortage_told;
        let mut outcome = self.attempt(at, haste, tell, &work).await;
        if let Err(CommitError::Sql(error)) = &outcome
            && sql::may_be_full(error)
            && let Some(reserve) = &mut self.reserve
            && reserve.release()?
        {
            tracing::error!(%error, "no space for the record: going on in the space set aside");
            self.lift_limit().await?;
            missing = true;
            outcome = self.attempt(at, haste, true, &work).await;
        }
        let (value, announced) = outcome?;
        self.shortage_told = missing;
        Ok(Written { value, announced, on_reserve: missing })
    }

    async fn attempt<T>(
        &mut self,
        at: UnixMillis,
        haste: Haste,
        tell_shortage: bool,
        work: &impl AsyncFn(&mut Appender<'_>) -> Result<T, CommitError>,
    ) -> Result<(T, bool), CommitError> {
        sqlx::raw_sql(haste.begin()).execute(&mut self.connection).await?;
        let done = self.fill(at, tell_shortage, work).await;
        if done.is_err() {
            // SQLite has already rolled back by itself after some errors; then this fails, and nothing is left to do.
            drop(sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await);
        }
        done
    }

    async fn fill<T>(
        &mut self,
        at: UnixMillis,
        tell_shortage: bool,
        work: &impl AsyncFn(&mut Appender<'_>) -> Result<T, CommitError>,
    ) -> Result<(T, bool), CommitError> {
        let (windows, criteria) = (self.options.windows, self.options.criteria.clone());
        let (count, head) = inspect::stored_head(&mut self.connection).await?;
        let mut appender = Appender {
            connection: &mut self.connection,
            at,
            windows,
            criteria,
            count,
            head,
            announced: false,
            withdrawn_from: BTreeSet::new(),
            touched: BTreeSet::new(),
        };
        let value = work(&mut appender).await?;
        if tell_shortage {
            let detail = format!(
                "the disk of the record is full: the {} MiB set aside are in use; free some space",
                self.options.reserve_mib
            );
            appender.append(None, &Event::Operator { alert: OperatorAlert::StorageFull { detail } }).await?;
        }
        let announced = appender.announced;
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await?;
        Ok((value, announced))
    }
}

/// The end of the chain inside an open transaction.
pub(crate) struct Appender<'c> {
    /// For statements that belong to the same transaction.
    pub(crate) connection: &'c mut SqliteConnection,
    /// When, by our clock.
    pub(crate) at: UnixMillis,
    /// How far apart tied findings may be.
    pub(crate) windows: Windows,
    /// How incidents are rated.
    pub(crate) criteria: Arc<[Criterion]>,
    count: u64,
    head: B256,
    announced: bool,
    /// Incidents that lost a finding in this batch.
    pub(crate) withdrawn_from: BTreeSet<IncidentId>,
    /// Incidents that are to be rated again at its end.
    pub(crate) touched: BTreeSet<IncidentId>,
}

impl Appender<'_> {
    /// Places and appends one event of a batch, and what follows from it. The incident it went to.
    async fn take(&mut self, event: &Event) -> Result<Option<IncidentId>, CommitError> {
        match event {
            Event::Found { finding, window, block, .. } => self.take_finding(event, finding, *window, *block).await,
            Event::Reported { report } => self.take_report(report).await,
            Event::Withdrawn { finding, block, .. } => self.take_withdrawal(event, *finding, *block).await,
            Event::Plan { plan, step } => self.take_step(event, *plan, step).await.map(Some),
            Event::State { from, to, .. } => Err(CommitError::StateWithoutIncident(*from, *to)),
            Event::Loss { module, .. } => {
                let incident = place::of_loss(self.connection, module).await?;
                self.append(incident.as_ref(), event).await?;
                Ok(incident)
            }
            Event::Started { .. } | Event::Operator { .. } | _ => {
                self.append(None, event).await?;
                Ok(None)
            }
        }
    }

    async fn take_finding(
        &mut self,
        event: &Event,
        finding: &Finding,
        window: Window,
        block: Option<BlockRef>,
    ) -> Result<Option<IncidentId>, CommitError> {
        let key = index::block_key(window, block.as_ref());
        if let Recorded::Standing(incident) = place::recorded(self.connection, finding.id, key).await? {
            return Ok(incident);
        }
        let Event::Found { trail, .. } = event else { return Ok(None) };
        let sighting = Sighting::of_finding(finding, trail.as_ref(), self.at);
        let group = self.group(&sighting).await?;
        let first = group.incidents.first().map(|(incident, _)| incident.clone());
        let incident = match first {
            Some(incident) => incident,
            None if finding.level < Level::Alert => {
                self.append(None, event).await?;
                return self.combine_loose(finding.id, &group).await;
            }
            None => place::anew(self.connection, finding, self.at).await?,
        };
        let before = place::state(self.connection, &incident).await?;
        self.append(Some(&incident), event).await?;
        if before == Some(IncidentState::Closed) {
            self.move_to(&incident, IncidentState::Open, "found again after its withdrawal".into()).await?;
        }
        let now_open = matches!(before, None | Some(IncidentState::Open | IncidentState::Closed));
        if finding.level == Level::Stop && now_open {
            let reason = format!("{} says stop", finding.detector);
            self.move_to(&incident, IncidentState::Triaged, reason).await?;
        }
        self.join(&incident, &group).await?;
        Ok(Some(incident))
    }

    /// Another tool's alert: at most an alert whatever it claims, and recorded once.
    async fn take_report(&mut self, report: &Report) -> Result<Option<IncidentId>, CommitError> {
        let report = Report { level: report.level.min(Level::Alert), ..report.clone() };
        match place::recorded(self.connection, report.id(), index::NO_BLOCK).await? {
            Recorded::Standing(incident) | Recorded::Withdrawn(incident) => return Ok(incident),
            Recorded::No => {}
        }
        let group = self.group(&Sighting::of_report(&report)).await?;
        let event = Event::Reported { report };
        let Event::Reported { report } = &event else { return Ok(None) };
        let incident = match group.incidents.first() {
            Some((incident, _)) => incident.clone(),
            None if report.level < Level::Alert || report.modules.is_empty() => {
                self.append(None, &event).await?;
                return self.combine_loose(report.id(), &group).await;
            }
            None => place::free_name(self.connection, self.at, report.id().0).await?,
        };
        self.append(Some(&incident), &event).await?;
        self.join(&incident, &group).await?;
        Ok(Some(incident))
    }

    async fn take_withdrawal(
        &mut self,
        event: &Event,
        finding: FindingId,
        block: Option<BlockRef>,
    ) -> Result<Option<IncidentId>, CommitError> {
        let key = index::block_key(Window::Mined, block.as_ref());
        let incident = match place::recorded(self.connection, finding, key).await? {
            Recorded::Withdrawn(incident) => return Ok(incident),
            Recorded::Standing(incident) => incident,
            Recorded::No => None,
        };
        self.append(incident.as_ref(), event).await?;
        self.withdrawn_from.extend(incident.clone());
        Ok(incident)
    }

    async fn take_step(&mut self, event: &Event, plan: PlanId, step: &PlanStep) -> Result<IncidentId, CommitError> {
        let known = place::of_plan(self.connection, plan).await?;
        let was_confirmed = known.as_ref().is_some_and(|(_, last)| last == "confirmed");
        let incident = match (known, step) {
            (Some((incident, _)), _) => incident,
            (None, PlanStep::Draft { action, against }) => {
                place::of_draft(self.connection, &action.module, *against, plan, self.at).await?
            }
            (None, _) => return Err(CommitError::NoDraft(plan)),
        };
        self.append(Some(&incident), event).await?;
        let others_hold = place::others_confirmed(self.connection, &incident, plan).await? > 0;
        if let Some(from) = place::state(self.connection, &incident).await?
            && let Some(to) = after_step(from, step, was_confirmed, others_hold)
        {
            self.move_to(&incident, to, reason_of(plan, step)).await?;
        }
        Ok(incident)
    }

    /// Changes the state of an incident.
    ///
    /// # Errors
    /// [`CommitError::NoIncident`], [`CommitError::Illegal`], or a failure to write.
    pub(crate) async fn move_to(
        &mut self,
        incident: &IncidentId,
        to: IncidentState,
        reason: String,
    ) -> Result<(), CommitError> {
        let state = place::state(self.connection, incident).await?;
        let from = state.ok_or_else(|| CommitError::NoIncident(incident.clone()))?;
        if !is_legal(from, to) {
            return Err(CommitError::Illegal(incident.clone(), from, to));
        }
        self.append(Some(incident), &Event::State { from, to, reason }).await
    }

    /// Writes one event at the end of the chain.
    ///
    /// # Errors
    /// [`CommitError`].
    pub(crate) async fn append(&mut self, incident: Option<&IncidentId>, event: &Event) -> Result<(), CommitError> {
        let sequence = self.count.saturating_add(1);
        let record = Record { at: self.at, event: event.clone(), incident: incident.cloned(), sequence };
        let hash = link::tie(self.head, link::digest(&canonical::to_text(&record)?));
        self.announced |= index::write(self.connection, &record, self.head, hash).await?;
        self.count = sequence;
        self.head = hash;
        Ok(())
    }

    async fn move_checkpoint(&mut self, tip: BlockRef) -> Result<(), CommitError> {
        let upsert = "INSERT INTO checkpoint (only, number, hash, seal) VALUES (1, ?, ?, ?) ON CONFLICT (only) \
                      DO UPDATE SET number = excluded.number, hash = excluded.hash, seal = excluded.seal";
        sqlx::query(upsert)
            .bind(sql::int(tip.number.0)?)
            .bind(tip.hash.as_slice())
            .bind(link::checkpoint_seal(tip).as_slice())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

fn reason_of(plan: PlanId, step: &PlanStep) -> String {
    match step {
        PlanStep::Confirmed { block, read_back, .. } => {
            format!("plan {plan} is confirmed in block {}: {read_back}", block.number)
        }
        PlanStep::Undone { reason } => format!("plan {plan} was undone: {reason}"),
        PlanStep::Failed { reason } => format!("plan {plan} no longer holds: {reason}"),
        PlanStep::Draft { .. }
        | PlanStep::Simulated { .. }
        | PlanStep::Authorised { .. }
        | PlanStep::Refused { .. }
        | PlanStep::Sent { .. } => format!("plan {plan} no longer holds"),
    }
}
