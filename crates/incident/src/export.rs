//! The bundle: a record on paper, so to speak. One JSON object per line, each in its only spelling.
//!
//! ```text
//! {"chain_id":1,"events":3,"format":"cofferdam-record/1","head":"0x…","incident":"2026-11-23-k7","included":2}
//! {"digest":"0x…","hash":"0x…","sequence":1}                                    content left out
//! {"hash":"0x…","record":{"at":…,"event":{…},"incident":"…","sequence":2}}      content included
//! ```
//! All hashes of the chain are there, so that even a part of the contents is checked up to the head.

use alloy_primitives::B256;
use cofferdam_types::{ChainId, IncidentId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::canonical::{self, CanonicalError};
use crate::link;
use crate::{inspect, query, sql};

/// First line of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// The chain.
    pub(crate) chain_id: ChainId,
    /// How many events the record had, which is how many lines follow.
    pub(crate) events: u64,
    /// [`link::FORMAT`].
    pub(crate) format: String,
    /// Hash of the last event, or the chain's first hash when there is none.
    pub(crate) head: B256,
    /// The incident whose events are included; `None`: all are.
    pub(crate) incident: Option<IncidentId>,
    /// How many are.
    pub(crate) included: u64,
    /// Other incidents that became a part of it, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<IncidentId>,
}

/// Every other line: an event, or only its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// Of an event that is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<B256>,
    /// Of the event in the chain.
    pub(crate) hash: B256,
    /// An event that is included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<Value>,
    /// Of an event that is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<u64>,
}

/// An event as the database keeps it, texts as they stand there.
pub(crate) struct StoredEvent {
    /// Its place.
    pub(crate) sequence: u64,
    /// When.
    pub(crate) at: UnixMillis,
    /// Of which incident.
    pub(crate) incident: Option<IncidentId>,
    /// Canonical JSON.
    pub(crate) body: String,
    /// Hash of the event before.
    pub(crate) previous: B256,
    /// Its hash.
    pub(crate) hash: B256,
}

impl StoredEvent {
    /// The text that is hashed.
    ///
    /// # Errors
    /// [`CanonicalError`]: cannot happen for what SQLite keeps as text.
    pub(crate) fn text(&self) -> Result<String, CanonicalError> {
        link::text(self.at, &self.body, self.incident.as_ref(), self.sequence)
    }
}

/// Up to a thousand events that follow `after`, oldest first: records do not fit into memory forever.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn page(connection: &mut SqliteConnection, after: u64) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let select = "SELECT sequence, at, incident, body, previous, hash FROM event WHERE sequence > ? \
                  ORDER BY sequence LIMIT 1000";
    sqlx::query(select).bind(sql::int(after)?).fetch_all(connection).await
}

/// Reads a row of [`page`].
///
/// # Errors
/// [`sqlx::Error`] when a column does not hold what it should.
pub(crate) fn stored(row: &SqliteRow) -> Result<StoredEvent, sqlx::Error> {
    Ok(StoredEvent {
        sequence: sql::unsigned(row, 0)?,
        at: UnixMillis(sql::unsigned(row, 1)?),
        incident: row.try_get::<Option<String>, _>(2)?.map(IncidentId),
        body: row.try_get(3)?,
        previous: sql::hash(row, 4)?,
        hash: sql::hash(row, 5)?,
    })
}

/// The lines of a bundle, without line ends.
///
/// # Errors
/// [`sqlx::Error`], also when the incident has no events.
pub(crate) async fn lines(
    connection: &mut SqliteConnection,
    chain: ChainId,
    incident: Option<&IncidentId>,
) -> Result<Vec<String>, sqlx::Error> {
    let encode = |error: CanonicalError| sqlx::Error::Encode(error.into());
    let (events, head) = inspect::stored_head(connection).await?;
    let (mut lines, mut included, mut last) = (vec![String::new()], 0_u64, 0);
    let (parts, signs) = match incident {
        Some(incident) => (query::parts(connection, incident).await?, query::signs(connection, incident).await?),
        None => Default::default(),
    };
    while last < events {
        let rows = page(connection, last).await?;
        if rows.is_empty() {
            return Err(sqlx::Error::Decode(format!("events end at {last} of {events}").into()));
        }
        for row in &rows {
            let event = stored(row)?;
            last = event.sequence;
            let belongs = match (incident, &event.incident) {
                (None, _) => true,
                (Some(whole), Some(of)) => whole == of || parts.contains(of),
                (Some(_), None) => signs.contains(&event.sequence),
            };
            let line = if belongs {
                included = included.saturating_add(1);
                format!(r#"{{"hash":"{}","record":{}}}"#, event.hash, event.text().map_err(encode)?)
            } else {
                let digest = Some(link::digest(&event.text().map_err(encode)?));
                let line = Line { digest, hash: event.hash, record: None, sequence: Some(event.sequence) };
                canonical::to_text(&line).map_err(encode)?
            };
            lines.push(line);
        }
    }
    if let Some(id) = incident
        && included == 0
    {
        return Err(sqlx::Error::Decode(format!("there is no incident `{id}`").into()));
    }
    let format = link::FORMAT.to_owned();
    let first = Head { chain_id: chain, events, format, head, incident: incident.cloned(), included, parts };
    if let Some(line) = lines.first_mut() {
        *line = canonical::to_text(&first).map_err(encode)?;
    }
    Ok(lines)
}
