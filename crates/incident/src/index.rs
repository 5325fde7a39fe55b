//! Writes one event and what follows from it in the tables beside it.
//!
//! **Invariant:** everything here is a function of the event, its place and the events before it. `verify` runs the
//! same code over the same events and compares every row.

use alloy_primitives::B256;
use cofferdam_types::{
    BlockRef, Event, Finding, FindingId, IncidentId, IncidentState, Level, PlanId, PlanStep, Report, Severity, Trail,
    Window,
};
use sqlx::{Row as _, SqliteConnection};

use crate::canonical;
use crate::group::{is_precise, severity_word};
use crate::joining::Sighting;
use crate::lifecycle::{step_word, word};
use crate::link::Record;
use crate::sql;

/// What a finding's evidence calls the account that sent the transaction.
const SENDER: &str = "sender";

/// The block of a finding that is in none: a pending transaction.
pub(crate) const NO_BLOCK: &[u8] = &[];

/// Sequence and hash of the last event, `None` when there is none.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn last_event(connection: &mut SqliteConnection) -> Result<Option<(u64, B256)>, sqlx::Error> {
    let select = "SELECT sequence, hash FROM event ORDER BY sequence DESC LIMIT 1";
    let row = sqlx::query(select).fetch_optional(connection).await?;
    row.map(|row| Ok((sql::unsigned(&row, 0)?, sql::hash(&row, 1)?))).transpose()
}

/// The block part of a finding's key: a pending transaction is in none, whatever the event says; a new contract has that
/// of the block that created it.
pub(crate) fn block_key(window: Window, block: Option<&BlockRef>) -> &[u8] {
    match window {
        Window::Pending => NO_BLOCK,
        Window::Before | Window::Mined => block.map_or(NO_BLOCK, |block| block.hash.as_slice()),
    }
}

/// Writes `record` with its hashes, its consequences in the tables, and the message that it calls for.
/// True when there is a message.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    record: &Record,
    previous: B256,
    hash: B256,
) -> Result<bool, sqlx::Error> {
    let body = canonical::to_text(&record.event).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("INSERT INTO event (sequence, at, incident, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(sql::int(record.sequence)?)
        .bind(sql::int(record.at.0)?)
        .bind(record.incident.as_ref().map(|id| id.0.as_str()))
        .bind(body)
        .bind(previous.as_slice())
        .bind(hash.as_slice())
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE head SET count = ?, hash = ?")
        .bind(sql::int(record.sequence)?)
        .bind(hash.as_slice())
        .execute(&mut *connection)
        .await?;
    let announced = is_announced(connection, record).await?;
    apply(connection, record).await?;
    if announced {
        sqlx::query("INSERT INTO message (sequence, key) VALUES (?, ?)")
            .bind(sql::int(record.sequence)?)
            .bind(message_key(hash))
            .execute(connection)
            .await?;
    }
    Ok(announced)
}

/// The idempotency key of a message: from the hash of its event, so the same event never has two.
fn message_key(hash: B256) -> String {
    let short: alloy_primitives::FixedBytes<16> = alloy_primitives::FixedBytes::from_slice(&hash[..16]);
    format!("msg_{}", short.to_string().trim_start_matches("0x"))
}

/// Whether people are told: alerts and stops and their withdrawal, what a plan does to the chain, changes of state, and
/// whatever the operator must know. A re-priced transaction is the same sending and is told once.
async fn is_announced(connection: &mut SqliteConnection, record: &Record) -> Result<bool, sqlx::Error> {
    Ok(match &record.event {
        Event::Found { finding, .. } => finding.level >= Level::Alert,
        Event::Reported { report } => report.level >= Level::Alert,
        Event::Joined { .. } => true,
        Event::Gathered { from, .. } => from.is_some() && record.incident.is_some(),
        Event::Rated { severity, .. } => match &record.incident {
            Some(incident) => rated(connection, incident).await?.as_deref() != Some(severity_word(*severity)),
            None => false,
        },
        Event::Withdrawn { .. } => record.incident.is_some(),
        Event::State { .. } | Event::Operator { .. } => true,
        Event::Plan { plan, step: PlanStep::Sent { .. } } => {
            let select = sqlx::query("SELECT step FROM plan WHERE id = ?").bind(plan.0.as_slice());
            let last: Option<String> = match select.fetch_optional(connection).await? {
                Some(row) => Some(row.try_get(0)?),
                None => None,
            };
            last.as_deref() != Some("sent")
        }
        Event::Plan { step, .. } => matches!(
            step,
            PlanStep::Refused { .. } | PlanStep::Confirmed { .. } | PlanStep::Undone { .. } | PlanStep::Failed { .. }
        ),
        Event::Started { .. } | Event::Loss { .. } | _ => false,
    })
}

async fn apply(connection: &mut SqliteConnection, record: &Record) -> Result<(), sqlx::Error> {
    if let Some(incident) = &record.incident {
        open_incident(connection, incident, record).await?;
    }
    match &record.event {
        Event::Found { finding, window, block, .. } => {
            keep_finding(connection, record, finding, block_key(*window, block.as_ref())).await?;
            keep_joining(connection, record).await
        }
        Event::Reported { report } => {
            keep_report(connection, record, report).await?;
            keep_ties(connection, &Sighting::of_report(report), NO_BLOCK).await
        }
        Event::Joined { incident, .. } => match &record.incident {
            Some(whole) => keep_joined(connection, whole, incident).await,
            None => Ok(()),
        },
        Event::Gathered { findings, plans, .. } => {
            keep_gathered(connection, record.incident.as_ref(), findings, plans).await
        }
        Event::Rated { severity, rule, .. } => match &record.incident {
            Some(incident) => keep_rating(connection, incident, *severity, rule).await,
            None => Ok(()),
        },
        Event::Withdrawn { finding, block, .. } => {
            let update = sqlx::query("UPDATE finding SET standing = 0 WHERE id = ? AND block = ?");
            update
                .bind(finding.0.as_slice())
                .bind(block_key(Window::Mined, block.as_ref()))
                .execute(connection)
                .await
                .map(drop)
        }
        Event::Plan { plan, step } => keep_step(connection, record, plan.0, step).await,
        Event::State { to, .. } => match &record.incident {
            Some(incident) => keep_state(connection, incident, *to, record).await,
            None => Ok(()),
        },
        Event::Started { .. } | Event::Loss { .. } | Event::Operator { .. } | _ => Ok(()),
    }
}

/// The first event of an incident opens it.
async fn open_incident(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
    record: &Record,
) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO incident (id, state, withdrawn, opened_at, sequence) VALUES (?, 'open', 0, ?, ?) \
                  ON CONFLICT DO NOTHING";
    sqlx::query(insert)
        .bind(incident.0.as_str())
        .bind(sql::int(record.at.0)?)
        .bind(sql::int(record.sequence)?)
        .execute(connection)
        .await
        .map(drop)
}

async fn keep_finding(
    connection: &mut SqliteConnection,
    record: &Record,
    finding: &Finding,
    block: &[u8],
) -> Result<(), sqlx::Error> {
    let sender = finding.evidence.iter().find(|evidence| evidence.what == SENDER);
    let upsert = "INSERT INTO finding (id, block, incident, level, module, subject, sender, at, standing, sequence) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (id, block) DO UPDATE SET \
                  incident = excluded.incident, level = excluded.level, at = excluded.at, standing = 1, \
                  sequence = excluded.sequence";
    sqlx::query(upsert)
        .bind(finding.id.0.as_slice())
        .bind(block)
        .bind(record.incident.as_ref().map(|id| id.0.as_str()))
        .bind(finding.level.to_string())
        .bind(finding.module.as_str())
        .bind(finding.transaction.as_slice())
        .bind(sender.map(|evidence| evidence.value.as_str()))
        .bind(sql::int(record.at.0)?)
        .bind(sql::int(record.sequence)?)
        .execute(connection)
        .await
        .map(drop)
}

/// What joining and rating look at, of an event that is a finding.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn keep_joining(connection: &mut SqliteConnection, record: &Record) -> Result<(), sqlx::Error> {
    let Event::Found { finding, window, block, trail, .. } = &record.event else { return Ok(()) };
    let block = block_key(*window, block.as_ref());
    let sighting = Sighting::of_finding(finding, trail.as_ref(), record.at);
    keep_weight(connection, finding, trail.as_ref(), block, &sighting).await?;
    keep_ties(connection, &sighting, block).await
}

/// What it says beside who found it where: stage, score, harm.
async fn keep_weight(
    connection: &mut SqliteConnection,
    finding: &Finding,
    trail: Option<&Trail>,
    block: &[u8],
    sighting: &Sighting,
) -> Result<(), sqlx::Error> {
    let harm = if finding.harm.is_empty() { None } else { Some(canonical::to_text(&finding.harm)) };
    let harm = harm.transpose().map_err(|error| sqlx::Error::Encode(error.into()))?;
    let update = "UPDATE finding SET detector = ?, stage = ?, score = ?, precise = ?, severity = ?, happened = ?, \
                  lost_bps = ?, harm = ? WHERE id = ? AND block = ?";
    sqlx::query(update)
        .bind(finding.detector.as_ref())
        .bind(sighting.stage.word())
        .bind(sql::int(trail.map(|trail| trail.score).unwrap_or_default().parts())?)
        .bind(is_precise(finding))
        .bind(severity_word(finding.severity))
        .bind(sql::int(sighting.at.0)?)
        .bind(trail.and_then(|trail| trail.lost_bps).map(i64::from))
        .bind(harm)
        .bind(finding.id.0.as_slice())
        .bind(block)
        .execute(connection)
        .await
        .map(drop)
}

/// What it can share with others. Seen again with other ties, the new ones hold.
async fn keep_ties(connection: &mut SqliteConnection, sighting: &Sighting, block: &[u8]) -> Result<(), sqlx::Error> {
    let delete = sqlx::query("DELETE FROM tie WHERE finding = ? AND block = ?");
    delete.bind(sighting.id.0.as_slice()).bind(block).execute(&mut *connection).await?;
    for key in &sighting.keys {
        sqlx::query("INSERT INTO tie (value, finding, block) VALUES (?, ?, ?)")
            .bind(key.bytes())
            .bind(sighting.id.0.as_slice())
            .bind(block)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Another tool's alert stands among the findings, in no block.
async fn keep_report(connection: &mut SqliteConnection, record: &Record, report: &Report) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO finding (id, block, incident, level, module, subject, at, standing, sequence, detector, \
                  stage, score, severity, happened) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?) \
                  ON CONFLICT DO NOTHING";
    sqlx::query(insert)
        .bind(report.id().0.as_slice())
        .bind(NO_BLOCK)
        .bind(record.incident.as_ref().map(|id| id.0.as_str()))
        .bind(report.level.to_string())
        .bind(report.modules.first().map_or("", |module| module.as_str()))
        .bind(report.transactions.first().unwrap_or(&B256::ZERO).as_slice())
        .bind(sql::int(record.at.0)?)
        .bind(sql::int(record.sequence)?)
        .bind(format!("{FOREIGN}{}", report.source))
        .bind(report.stage.word())
        .bind(sql::int(report.score.parts())?)
        .bind(severity_word(report.severity))
        .bind(sql::int(report.at.0)?)
        .execute(connection)
        .await
        .map(drop)
}

/// What stands before the name of another tool where detectors are named.
pub(crate) const FOREIGN: &str = "foreign:";

async fn keep_joined(
    connection: &mut SqliteConnection,
    whole: &IncidentId,
    part: &IncidentId,
) -> Result<(), sqlx::Error> {
    for update in [
        "UPDATE finding SET incident = ?1 WHERE incident = ?2",
        "UPDATE plan SET incident = ?1 WHERE incident = ?2",
        "UPDATE incident SET joined = ?1 WHERE id = ?2 OR joined = ?2",
    ] {
        let update = sqlx::query(update).bind(whole.0.as_str()).bind(part.0.as_str());
        update.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn keep_gathered(
    connection: &mut SqliteConnection,
    incident: Option<&IncidentId>,
    findings: &[FindingId],
    plans: &[PlanId],
) -> Result<(), sqlx::Error> {
    let name = incident.map(|id| id.0.as_str());
    for finding in findings {
        let update = sqlx::query("UPDATE finding SET incident = ? WHERE id = ?").bind(name);
        update.bind(finding.0.as_slice()).execute(&mut *connection).await?;
    }
    let Some(name) = name else { return Ok(()) };
    for plan in plans {
        let update = sqlx::query("UPDATE plan SET incident = ? WHERE id = ?").bind(name);
        update.bind(plan.0.as_slice()).execute(&mut *connection).await?;
    }
    let update = sqlx::query("UPDATE incident SET joined = NULL WHERE id = ?").bind(name);
    update.execute(connection).await.map(drop)
}

async fn keep_rating(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
    severity: Severity,
    rule: &str,
) -> Result<(), sqlx::Error> {
    let update = sqlx::query("UPDATE incident SET severity = ?, rule = ? WHERE id = ?").bind(severity_word(severity));
    update.bind(rule).bind(incident.0.as_str()).execute(connection).await.map(drop)
}

/// How bad the incident was said to be last.
async fn rated(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<Option<String>, sqlx::Error> {
    let select = sqlx::query("SELECT severity FROM incident WHERE id = ?").bind(incident.0.as_str());
    match select.fetch_optional(connection).await? {
        Some(row) => row.try_get(0),
        None => Ok(None),
    }
}

async fn keep_step(
    connection: &mut SqliteConnection,
    record: &Record,
    plan: B256,
    step: &PlanStep,
) -> Result<(), sqlx::Error> {
    if let (PlanStep::Draft { action, .. }, Some(incident)) = (step, &record.incident) {
        let insert = "INSERT INTO plan (id, incident, lever, step, sequence) VALUES (?, ?, ?, 'draft', ?) \
                      ON CONFLICT DO NOTHING";
        sqlx::query(insert)
            .bind(plan.as_slice())
            .bind(incident.0.as_str())
            .bind(action.lever.as_str())
            .bind(sql::int(record.sequence)?)
            .execute(&mut *connection)
            .await?;
    }
    let sent_at = matches!(step, PlanStep::Sent { .. }).then(|| sql::int(record.at.0)).transpose()?;
    sqlx::query("UPDATE plan SET step = ?, last_sent_at = coalesce(?, last_sent_at) WHERE id = ?")
        .bind(step_word(step))
        .bind(sent_at)
        .bind(plan.as_slice())
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO plan_step (sequence, plan) VALUES (?, ?)")
        .bind(sql::int(record.sequence)?)
        .bind(plan.as_slice())
        .execute(connection)
        .await
        .map(drop)
}

/// An incident that closes while findings exist and none stands was closed by withdrawal; it may come back.
async fn keep_state(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
    to: IncidentState,
    record: &Record,
) -> Result<(), sqlx::Error> {
    let closed_at = (to == IncidentState::Closed).then(|| sql::int(record.at.0)).transpose()?;
    let withdrawn = closed_at.is_some() && crate::place::standing(connection, incident).await? == Some(0);
    sqlx::query("UPDATE incident SET state = ?, closed_at = ?, withdrawn = ? WHERE id = ?")
        .bind(word(to))
        .bind(closed_at)
        .bind(withdrawn)
        .bind(incident.0.as_str())
        .execute(connection)
        .await
        .map(drop)
}
