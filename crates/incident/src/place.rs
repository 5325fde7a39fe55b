//! Decides to which incident an event belongs. Reads the tables, writes nothing.
//!
//! What is tied belongs together ([`crate::joining`]), and goes to the oldest open incident among what it is tied to. An
//! alert that is tied to nothing goes to the incident that had a finding on the same transaction and that lost its last
//! one by withdrawal (the transaction came back after a reorg: the same incident, opened again), and else opens one. A notice
//! opens none.
//!
//! A plan goes where its draft went: by its transaction, then by its module. A loss goes to the newest incident of its
//! module, one that is not closed before one that is.

use alloy_primitives::B256;
use cofferdam_types::{Finding, FindingId, IncidentId, IncidentState, ModuleId, PlanId, UnixMillis};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::{lifecycle, naming, sql};

/// The incident that `finding`, which is tied to none that is open, opens again or for the first time at `at`.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn anew(
    connection: &mut SqliteConnection,
    finding: &Finding,
    at: UnixMillis,
) -> Result<IncidentId, sqlx::Error> {
    let select = "SELECT i.id FROM finding f JOIN incident i ON i.id = f.incident WHERE f.subject = ? \
                  AND (i.withdrawn = 1 OR i.state <> 'closed' AND NOT EXISTS (SELECT 1 FROM finding g \
                  WHERE g.incident = i.id AND g.standing = 1)) ORDER BY f.sequence DESC LIMIT 1";
    let query = sqlx::query(select).bind(finding.transaction.as_slice());
    match name(query.fetch_optional(&mut *connection).await?)? {
        Some(incident) => Ok(incident),
        None => free_name(connection, at, finding.id.0).await,
    }
}

/// The incident that the first draft of `plan` belongs to: for a module in danger, because of a transaction.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn of_draft(
    connection: &mut SqliteConnection,
    module: &ModuleId,
    against: B256,
    plan: PlanId,
    at: UnixMillis,
) -> Result<IncidentId, sqlx::Error> {
    if let Some(incident) = of_transaction(connection, against).await? {
        return Ok(incident);
    }
    match of_module(connection, module, UnixMillis(0)).await? {
        Some(incident) => Ok(incident),
        None => free_name(connection, at, plan.0).await,
    }
}

/// The plan's incident and last step; `None` when nobody drafted it.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn of_plan(
    connection: &mut SqliteConnection,
    plan: PlanId,
) -> Result<Option<(IncidentId, String)>, sqlx::Error> {
    let select = sqlx::query("SELECT incident, step FROM plan WHERE id = ?").bind(plan.0.as_slice());
    let row = select.fetch_optional(connection).await?;
    row.map(|row| Ok((IncidentId(row.try_get(0)?), row.try_get(1)?))).transpose()
}

/// The newest incident of `module`, if it ever had one; one that is not closed first.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn of_loss(
    connection: &mut SqliteConnection,
    module: &ModuleId,
) -> Result<Option<IncidentId>, sqlx::Error> {
    let select = "SELECT i.id FROM finding f JOIN incident i ON i.id = f.incident WHERE f.module = ? \
                  ORDER BY i.state = 'closed', f.sequence DESC LIMIT 1";
    name(sqlx::query(select).bind(module.as_str()).fetch_optional(connection).await?)
}

/// Whether the finding is already recorded for this block (or as pending), and its incident.
pub(crate) enum Recorded {
    /// Never, for this block.
    No,
    /// And it stands.
    Standing(Option<IncidentId>),
    /// And it was withdrawn.
    Withdrawn(Option<IncidentId>),
}

/// Looks up a finding by its key.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn recorded(
    connection: &mut SqliteConnection,
    finding: FindingId,
    block: &[u8],
) -> Result<Recorded, sqlx::Error> {
    let select = sqlx::query("SELECT incident, standing FROM finding WHERE id = ? AND block = ?");
    let Some(row) = select.bind(finding.0.as_slice()).bind(block).fetch_optional(connection).await? else {
        return Ok(Recorded::No);
    };
    let incident = row.try_get::<Option<String>, _>(0)?.map(IncidentId);
    Ok(if sql::unsigned(&row, 1)? == 0 { Recorded::Withdrawn(incident) } else { Recorded::Standing(incident) })
}

/// How many findings of the incident stand; `None` when it never had any.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn standing(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<Option<u64>, sqlx::Error> {
    let select = "SELECT count(*), coalesce(sum(standing), 0) FROM finding WHERE incident = ?";
    let row = sqlx::query(select).bind(incident.0.as_str()).fetch_one(connection).await?;
    let (all, standing) = (sql::unsigned(&row, 0)?, sql::unsigned(&row, 1)?);
    Ok((all > 0).then_some(standing))
}

/// The incident's state; `None` when there is no such incident.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn state(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<Option<IncidentState>, sqlx::Error> {
    let select = sqlx::query("SELECT state FROM incident WHERE id = ?").bind(incident.0.as_str());
    let Some(row) = select.fetch_optional(connection).await? else {
        return Ok(None);
    };
    let word: &str = row.try_get(0)?;
    let state = lifecycle::from_word(word);
    state.map(Some).ok_or_else(|| sqlx::Error::Decode(format!("incident state `{word}` is unknown").into()))
}

/// How many other plans of the incident stand confirmed.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn others_confirmed(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
    plan: PlanId,
) -> Result<u64, sqlx::Error> {
    let select = "SELECT count(*) FROM plan WHERE incident = ? AND step = 'confirmed' AND id <> ?";
    let count = sqlx::query(select).bind(incident.0.as_str()).bind(plan.0.as_slice());
    sql::unsigned(&count.fetch_one(connection).await?, 0)
}

/// How many plans of the incident were ever sent.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn plans_sent(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<u64, sqlx::Error> {
    let select = "SELECT count(*) FROM plan WHERE incident = ? AND last_sent_at IS NOT NULL";
    sql::unsigned(&sqlx::query(select).bind(incident.0.as_str()).fetch_one(connection).await?, 0)
}

async fn of_transaction(connection: &mut SqliteConnection, hash: B256) -> Result<Option<IncidentId>, sqlx::Error> {
    let select = "SELECT i.id FROM finding f JOIN incident i ON i.id = f.incident WHERE f.subject = ? \
                  AND f.incident IS NOT NULL AND (i.state <> 'closed' OR i.withdrawn = 1) ORDER BY f.sequence DESC LIMIT 1";
    name(sqlx::query(select).bind(hash.as_slice()).fetch_optional(connection).await?)
}

async fn of_module(
    connection: &mut SqliteConnection,
    module: &ModuleId,
    since: UnixMillis,
) -> Result<Option<IncidentId>, sqlx::Error> {
    let select = "SELECT i.id FROM finding f JOIN incident i ON i.id = f.incident WHERE f.module = ? AND f.at >= ? \
                  AND f.standing = 1 AND f.incident IS NOT NULL AND i.state <> 'closed' ORDER BY f.sequence DESC LIMIT 1";
    let query = sqlx::query(select).bind(module.as_str()).bind(sql::int(since.0)?);
    name(query.fetch_optional(connection).await?)
}

fn name(row: Option<SqliteRow>) -> Result<Option<IncidentId>, sqlx::Error> {
    row.map(|row| row.try_get(0).map(IncidentId)).transpose()
}

/// A name for an incident that begins at `at` because of `seed`.
///
/// # Errors
/// [`sqlx::Error`], also when every name is taken.
pub(crate) async fn free_name(
    connection: &mut SqliteConnection,
    at: UnixMillis,
    seed: B256,
) -> Result<IncidentId, sqlx::Error> {
    for candidate in naming::incident_names(at, seed) {
        if state(connection, &candidate).await?.is_none() {
            return Ok(candidate);
        }
    }
    Err(sqlx::Error::Encode(format!("every name for an incident begun by {seed} is taken").into()))
}
