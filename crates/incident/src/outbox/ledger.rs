//! What is owed to each receiver, in the same database as the events.
//!
//! A receiver is a place in the chain: everything up to it is delivered or refused for good. Messages are made from
//! their events when they are sent, so there is nothing that could differ from the record.

use cofferdam_types::{Event, IncidentId, OperatorAlert, UnixMillis};
use sqlx::Row as _;

use crate::append::{Appender, CommitError, Haste, Written};
use crate::forta::forta_finding;
use crate::link::Record;
use crate::session::Session;
use crate::{message, query, sql};

use super::webhook::Shape;

/// A message on its way to one receiver.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// Its event's place.
    pub(super) sequence: u64,
    /// Its idempotency key.
    pub(super) key: String,
    /// When its event was written.
    pub(super) at: UnixMillis,
    /// JSON; `None` when there is nothing to say in the receiver's shape.
    pub(super) body: Option<String>,
    /// Set when the message itself is the news that messages to this receiver do not arrive.
    pub(super) undelivered: Option<String>,
}

/// The receiver's next message; `None` when it has all.
///
/// # Errors
/// [`sqlx::Error`].
pub(super) async fn next(session: &mut Session, receiver: &str, shape: Shape) -> Result<Option<Outgoing>, sqlx::Error> {
    let select = "SELECT m.sequence, m.key, e.at, e.incident, e.hash, e.body FROM message m \
                  JOIN event e ON e.sequence = m.sequence \
                  WHERE m.sequence > (SELECT delivered_through FROM receiver WHERE name = ?) \
                  ORDER BY m.sequence LIMIT 1";
    let Some(row) = sqlx::query(select).bind(receiver).fetch_optional(&mut session.connection).await? else {
        return Ok(None);
    };
    let record = Record {
        at: UnixMillis(sql::unsigned(&row, 2)?),
        event: query::event(&row, 5)?,
        incident: row.try_get::<Option<String>, _>(3)?.map(IncidentId),
        sequence: sql::unsigned(&row, 0)?,
    };
    let body = match shape {
        Shape::Own => {
            let body = message::body(&record, session.chain, sql::hash(&row, 4)?);
            Some(body.map_err(|error| sqlx::Error::Decode(error.into()))?)
        }
        Shape::Forta => forta_finding(&record.event, record.at, session.chain, record.incident.as_ref())
            .map(|finding| serde_json::to_string(&finding))
            .transpose()
            .map_err(|error| sqlx::Error::Decode(error.into()))?,
    };
    let undelivered = if let Event::Operator { alert: OperatorAlert::Undelivered { receiver, .. } } = record.event {
        Some(receiver)
    } else {
        None
    };
    Ok(Some(Outgoing { sequence: record.sequence, key: row.try_get(1)?, at: record.at, body, undelivered }))
}

/// How many messages the receiver has not got yet.
///
/// # Errors
/// [`sqlx::Error`].
pub(super) async fn depth(session: &mut Session, receiver: &str) -> Result<u64, sqlx::Error> {
    let select = "SELECT count(*) FROM message \
                  WHERE sequence > (SELECT delivered_through FROM receiver WHERE name = ?)";
    sql::unsigned(&sqlx::query(select).bind(receiver).fetch_one(&mut session.connection).await?, 0)
}

/// Whether the receiver is known to the store.
///
/// # Errors
/// [`sqlx::Error`].
pub(super) async fn is_known(session: &mut Session, receiver: &str) -> Result<bool, sqlx::Error> {
    let select = sqlx::query("SELECT 1 FROM receiver WHERE name = ?").bind(receiver);
    Ok(select.fetch_optional(&mut session.connection).await?.is_some())
}

/// The receiver has the message: go on to the next, and say so again if it fails again.
///
/// # Errors
/// [`CommitError`]: the message will be sent again.
pub(super) async fn settle(
    session: &mut Session,
    receiver: &str,
    sequence: u64,
    at: UnixMillis,
) -> Result<Written<()>, CommitError> {
    let work = async |appender: &mut Appender<'_>| {
        let update = sqlx::query("UPDATE receiver SET delivered_through = ?, alerted = 0 WHERE name = ?");
        update.bind(sql::int(sequence)?).bind(receiver).execute(&mut *appender.connection).await?;
        Ok(())
    };
    session.write(at, Haste::Later, work).await
}

/// The receiver is not told this one: go on to the next. Nothing arrived, so what people were told about it stays true.
///
/// # Errors
/// [`CommitError`]: the message will be looked at again.
pub(super) async fn skip(
    session: &mut Session,
    receiver: &str,
    sequence: u64,
    at: UnixMillis,
) -> Result<Written<()>, CommitError> {
    let work = async |appender: &mut Appender<'_>| pass(appender, receiver, sequence).await;
    session.write(at, Haste::Later, work).await
}

/// The receiver will never take the message: keep it visible, tell the operator, go on to the next.
///
/// # Errors
/// [`CommitError`]: the message will be sent again.
pub(super) async fn bury(
    session: &mut Session,
    receiver: &str,
    message: &Outgoing,
    reason: &str,
    at: UnixMillis,
) -> Result<Written<()>, CommitError> {
    let work = async |appender: &mut Appender<'_>| {
        sqlx::query(
            "INSERT INTO dead_letter (receiver, sequence, at, reason) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(receiver)
        .bind(sql::int(message.sequence)?)
        .bind(sql::int(at.0)?)
        .bind(reason)
        .execute(&mut *appender.connection)
        .await?;
        pass(appender, receiver, message.sequence).await?;
        let detail = format!("{reason} to message {}, which is given up", message.key);
        raise(appender, receiver, message, detail).await
    };
    session.write(at, Haste::Now, work).await
}

/// The message has not arrived for too long: tell the operator, once until something arrives again.
///
/// # Errors
/// [`CommitError`].
pub(super) async fn complain(
    session: &mut Session,
    receiver: &str,
    message: &Outgoing,
    reason: &str,
    at: UnixMillis,
) -> Result<Written<()>, CommitError> {
    let work = async |appender: &mut Appender<'_>| {
        let waited = at.since(message.at) / 1_000;
        let detail = format!("{reason}; message {} waits since {waited} s and is tried again", message.key);
        raise(appender, receiver, message, detail).await
    };
    session.write(at, Haste::Now, work).await
}

/// What comes next for the receiver stands behind `sequence`.
async fn pass(appender: &mut Appender<'_>, receiver: &str, sequence: u64) -> Result<(), CommitError> {
    let update = sqlx::query("UPDATE receiver SET delivered_through = ? WHERE name = ?");
    update.bind(sql::int(sequence)?).bind(receiver).execute(&mut *appender.connection).await?;
    Ok(())
}

/// News about undelivered messages never cause further such news: two broken receivers would feed each other forever.
async fn raise(
    appender: &mut Appender<'_>,
    receiver: &str,
    message: &Outgoing,
    detail: String,
) -> Result<(), CommitError> {
    if message.undelivered.is_some() {
        return Ok(());
    }
    let update = sqlx::query("UPDATE receiver SET alerted = 1 WHERE name = ? AND alerted = 0").bind(receiver);
    if update.execute(&mut *appender.connection).await?.rows_affected() == 0 {
        return Ok(());
    }
    let alert = OperatorAlert::Undelivered { receiver: receiver.to_owned(), detail };
    appender.append(None, &Event::Operator { alert }).await
}
