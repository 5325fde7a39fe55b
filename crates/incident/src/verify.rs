//! Checks a record or a bundle, offline: that no byte was changed, and nothing removed, inserted or moved.
//!
//! What this cannot see is a record that was rewritten from some event on with all its hashes and its head. Against
//! that a hash noted elsewhere helps (every message carries one): give it, and it must occur in the chain.
//!
//! Must never change what it checks.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use cofferdam_types::{BlockNumber, BlockRef, ChainId, Event, IncidentId};
use serde::Serialize;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};

use crate::canonical;
use crate::export::{self, Head, Line};
use crate::inspect::{self, Found, OpenError};
use crate::link::{self, Record};
use crate::{index, session, sql};

/// A record that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Its chain.
    pub chain: ChainId,
    /// The incident of a bundle that holds only one.
    pub incident: Option<IncidentId>,
    /// Events in the chain of hashes.
    pub events: u64,
    /// Of these, the ones whose content was there to be checked.
    pub included: u64,
    /// Hash of the last event: note it elsewhere.
    pub head: B256,
}

/// The record does not hold, or could not be read; [`VerifyError::is_unread`] tells the two apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The outside failed.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What was said.
        reason: String,
    },
    /// There is nothing that could be checked: an empty file, or a database without tables. Evidence that was emptied
    /// does not hold.
    #[error("{} is empty: there is not even the beginning of a record in it", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// It is a database, but not a whole record of ours.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The chain breaks.
    #[error("the record is broken at event {sequence}: {what}")]
    Broken {
        /// The first event that does not fit, counted from 1.
        sequence: u64,
        /// In words.
        what: String,
    },
    /// The events hold, but something beside them was changed.
    #[error("the events hold, but {part} does not follow from them: {what}")]
    Beside {
        /// The table or line.
        part: String,
        /// In words.
        what: String,
    },
    /// The hash that was noted elsewhere does not occur: the record was rewritten, or it is another one.
    #[error("the record holds in itself but does not contain the hash {noted}: it was rewritten, or is another record")]
    NotContained {
        /// The hash given.
        noted: B256,
    },
}

impl VerifyError {
    /// Whether nothing was learnt about the record, because it could not be read at all: neither that it holds nor that
    /// it does not.
    pub const fn is_unread(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::Open(error) => match error {
                // A later program may know what this one cannot judge.
                OpenError::Io { .. } | OpenError::InUse { .. } | OpenError::Newer { .. } => true,
                OpenError::Nothing { .. }
                | OpenError::NotADatabase { .. }
                | OpenError::Truncated { .. }
                | OpenError::Foreign { .. }
                | OpenError::OtherChain { .. }
                | OpenError::Damaged { .. } => false,
            },
            Self::Empty { .. } | Self::Broken { .. } | Self::Beside { .. } | Self::NotContained { .. } => false,
        }
    }
}

/// Checks the database or bundle at `path`. `noted`, if given, is the hash of any event, noted elsewhere.
///
/// # Errors
/// [`VerifyError`]: names the first event that does not fit.
pub fn verify(path: &Path, noted: Option<B256>) -> Result<Verified, VerifyError> {
    let mut first = [0_u8; 1];
    let read = File::open(path).and_then(|mut file| file.read(&mut first));
    if read.map_err(|error| unreadable(path, error))? == 0 {
        return Err(VerifyError::Empty { path: path.to_owned() });
    }
    if first == *b"{" {
        let bytes = fs::read(path).map_err(|error| unreadable(path, error))?;
        return verify_bundle(&bytes, noted);
    }
    // A thread of its own, because the caller may itself be inside an async runtime.
    let check = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| unreadable(path, error))?.block_on(verify_database(path, noted))
    };
    let joined = std::thread::scope(|scope| scope.spawn(check).join());
    joined.unwrap_or_else(|_| Err(unreadable(path, "the check itself failed")))
}

/// Checks the bytes of a bundle.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_bundle(bytes: &[u8], noted: Option<B256>) -> Result<Verified, VerifyError> {
    let beside = |what: &str| VerifyError::Beside { part: "the first line".into(), what: what.into() };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let intact = bytes.get(..error.valid_up_to()).unwrap_or_default();
        broken(count_lines(intact), "its line is not UTF-8")
    })?;
    let (first, rest) = text.split_once('\n').ok_or_else(|| beside("it does not end"))?;
    let head: Head = strict(first).map_err(|what| beside(&what))?;
    if head.format != link::FORMAT {
        return Err(beside(&format!("format `{}` is not {}", head.format, link::FORMAT)));
    }
    let mut chain = Chain::new(head.chain_id, noted);
    let mut included = 0_u64;
    for line in rest.split_inclusive('\n') {
        let expected = chain.next();
        let line = line.strip_suffix('\n').ok_or_else(|| broken(expected, "its line does not end"))?;
        let line: Line = strict(line).map_err(|what| broken(expected, what))?;
        let digest = match (&line.record, line.digest, line.sequence) {
            (Some(record), None, None) => {
                included = included.saturating_add(1);
                digest_of_included(record, expected, &head)?
            }
            (None, Some(digest), Some(sequence)) if sequence == expected && head.incident.is_some() => digest,
            (None, Some(_), Some(sequence)) if sequence == expected => {
                return Err(broken(expected, "its content is left out of a bundle that claims to hold all"));
            }
            (None, Some(_), Some(sequence)) => return Err(out_of_place(expected, sequence)),
            _ => return Err(broken(expected, "its line is neither an event nor a digest")),
        };
        chain.step(digest, line.hash)?;
    }
    let seen = Head { events: chain.count, head: chain.head, included, ..head.clone() };
    if chain.count < head.events {
        return Err(broken(chain.next(), format!("it is missing: the first line says {} events", head.events)));
    }
    if seen != head {
        let what = format!("it says {} events, {} included, head {}", head.events, head.included, head.head);
        return Err(beside(&format!("{what}; seen {}, {included}, {}", chain.count, chain.head)));
    }
    chain.finish(head.incident, included)
}

fn digest_of_included(record: &Value, expected: u64, head: &Head) -> Result<B256, VerifyError> {
    let text = canonical::to_text(record).map_err(|error| broken(expected, error))?;
    let record: Record = canonical::from_text(&text).map_err(|error| broken(expected, error))?;
    if record.sequence != expected {
        return Err(out_of_place(expected, record.sequence));
    }
    // An earlier notice that was gathered into the incident belonged to none when it was written.
    let is_sign = matches!(record.event, Event::Found { .. } | Event::Reported { .. });
    let belongs = match (&head.incident, &record.incident) {
        (None, _) => true,
        (Some(whole), Some(of)) => whole == of || head.parts.contains(of),
        (Some(_), None) => is_sign,
    };
    if !belongs {
        return Err(broken(expected, "it belongs to another incident than the bundle"));
    }
    Ok(link::digest(&text))
}

/// Parses a line that must be spelled exactly as we would spell it.
fn strict<T: serde::de::DeserializeOwned + Serialize>(line: &str) -> Result<T, String> {
    let value: T = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let again = canonical::to_text(&value).map_err(|error| error.to_string())?;
    if again == line { Ok(value) } else { Err("it is not spelled canonically".into()) }
}

/// The chain of hashes as far as it was followed.
struct Chain {
    id: ChainId,
    count: u64,
    head: B256,
    noted: Option<B256>,
    noted_seen: bool,
}

impl Chain {
    fn new(id: ChainId, noted: Option<B256>) -> Self {
        let head = link::genesis(id);
        Self { id, count: 0, head, noted, noted_seen: noted == Some(head) }
    }

    const fn next(&self) -> u64 {
        self.count.saturating_add(1)
    }

    fn step(&mut self, digest: B256, stated: B256) -> Result<(), VerifyError> {
        let hash = link::tie(self.head, digest);
        if hash != stated {
            let what = format!("its content and the hash before it give {hash}, it states {stated}");
            return Err(broken(self.next(), what));
        }
        self.count = self.next();
        self.head = hash;
        self.noted_seen |= self.noted == Some(hash);
        Ok(())
    }

    fn finish(self, incident: Option<IncidentId>, included: u64) -> Result<Verified, VerifyError> {
        match self.noted {
            Some(noted) if !self.noted_seen => Err(VerifyError::NotContained { noted }),
            Some(_) | None => Ok(Verified { chain: self.id, incident, events: self.count, included, head: self.head }),
        }
    }
}

async fn verify_database(path: &Path, noted: Option<B256>) -> Result<Verified, VerifyError> {
    let Found::Record(version) = inspect::inspect(path).await? else {
        return Err(VerifyError::Empty { path: path.to_owned() });
    };
    let failed = |error: sqlx::Error| VerifyError::Open(OpenError::sqlite(path, &error));
    let mut connection = inspect::reading(path).connect().await.map_err(failed)?;
    // One snapshot, also while another process writes.
    sqlx::raw_sql("BEGIN").execute(&mut connection).await.map_err(failed)?;
    let id = inspect::stored_chain(&mut connection).await.map_err(failed)?;
    let mut rebuilt = SqliteConnectOptions::new().in_memory(true).connect().await.map_err(failed)?;
    session::create(&mut rebuilt, id).await.map_err(failed)?;
    let mut chain = Chain::new(id, noted);
    loop {
        let rows = export::page(&mut connection, chain.count).await.map_err(failed)?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            check_event(&mut chain, row, &mut rebuilt).await?;
        }
    }
    let (count, _) = inspect::stored_head(&mut connection).await.map_err(failed)?;
    if chain.count < count {
        return Err(broken(chain.next(), format!("it is missing: the seal says {count} events")));
    }
    compare_tables(&mut connection, &mut rebuilt, version).await.map_err(failed)??;
    let mut empty = SqliteConnectOptions::new().in_memory(true).connect().await.map_err(failed)?;
    session::create_as(&mut empty, id, version).await.map_err(failed)?;
    compare(&mut connection, &mut empty, LAYOUT).await.map_err(failed)??;
    check_checkpoint(&mut connection).await.map_err(failed)??;
    let count = chain.count;
    chain.finish(None, count)
}

async fn check_event(
    chain: &mut Chain,
    row: &sqlx::sqlite::SqliteRow,
    rebuilt: &mut SqliteConnection,
) -> Result<(), VerifyError> {
    let expected = chain.next();
    let stored = export::stored(row).map_err(|error| broken(expected, error))?;
    if stored.sequence != expected {
        return Err(out_of_place(expected, stored.sequence));
    }
    if stored.previous != chain.head {
        let what = format!("it follows {}, but the event before it has {}", stored.previous, chain.head);
        return Err(broken(expected, what));
    }
    let event: Event = canonical::from_text(&stored.body).map_err(|error| broken(expected, error))?;
    let text = stored.text().map_err(|error| broken(expected, error))?;
    chain.step(link::digest(&text), stored.hash)?;
    let record = Record { at: stored.at, event, incident: stored.incident, sequence: expected };
    let again = index::write(rebuilt, &record, stored.previous, stored.hash).await;
    again.map(drop).map_err(|error| broken(expected, format!("it does not follow from the events before it: {error}")))
}

/// Everything beside the events, row by row as text: table (or the schema itself), and the query.
const BESIDE: [(&str, &str); 6] = [
    ("the seal", "SELECT quote(only) || ',' || quote(count) || ',' || quote(hash) FROM head ORDER BY only"),
    (
        "the table of incidents",
        "SELECT quote(id) || ',' || quote(state) || ',' || quote(withdrawn) || ',' || quote(opened_at) || ',' || \
         quote(closed_at) || ',' || quote(sequence) FROM incident ORDER BY id",
    ),
    (
        "the table of findings",
        "SELECT quote(id) || ',' || quote(block) || ',' || quote(incident) || ',' || quote(level) || ',' || \
         quote(module) || ',' || quote(subject) || ',' || quote(sender) || ',' || quote(at) || ',' || \
         quote(standing) || ',' || quote(sequence) FROM finding ORDER BY id, block",
    ),
    (
        "the table of plans",
        "SELECT quote(id) || ',' || quote(incident) || ',' || quote(lever) || ',' || quote(step) || ',' || \
         quote(last_sent_at) || ',' || quote(sequence) FROM plan ORDER BY id",
    ),
    ("the table of steps", "SELECT quote(sequence) || ',' || quote(plan) FROM plan_step ORDER BY sequence"),
    ("the table of messages", "SELECT quote(sequence) || ',' || quote(key) FROM message ORDER BY sequence"),
];

/// What version 2 added beside the events.
const BESIDE_SINCE_2: [(&str, &str); 3] = [
    (
        "the rating of incidents",
        "SELECT quote(id) || ',' || quote(joined) || ',' || quote(severity) || ',' || quote(rule) FROM incident ORDER BY id",
    ),
    (
        "the weight of findings",
        "SELECT quote(id) || ',' || quote(block) || ',' || quote(detector) || ',' || quote(stage) || ',' || \
         quote(score) || ',' || quote(precise) || ',' || quote(severity) || ',' || quote(happened) || ',' || \
         quote(lost_bps) || ',' || quote(harm) FROM finding ORDER BY id, block",
    ),
    (
        "the table of ties",
        "SELECT quote(value) || ',' || quote(finding) || ',' || quote(block) FROM tie ORDER BY value, finding, block",
    ),
];

const LAYOUT: (&str, &str) = (
    "the layout",
    "SELECT quote(type) || ',' || quote(name) || ',' || quote(sql) FROM sqlite_schema ORDER BY type, name",
);

async fn compare_tables(
    stored: &mut SqliteConnection,
    rebuilt: &mut SqliteConnection,
    version: i64,
) -> Result<Result<(), VerifyError>, sqlx::Error> {
    let since_2 = BESIDE_SINCE_2.iter().filter(|_| version >= 2);
    for part in BESIDE.iter().chain(since_2) {
        if let Err(error) = compare(stored, rebuilt, *part).await? {
            return Ok(Err(error));
        }
    }
    let sound: String = sqlx::query("PRAGMA integrity_check(1)").fetch_one(stored).await?.try_get(0)?;
    if sound != "ok" {
        return Ok(Err(VerifyError::Beside { part: "the database file".into(), what: sound }));
    }
    Ok(Ok(()))
}

/// Compares one part, row by row.
async fn compare(
    stored: &mut SqliteConnection,
    rebuilt: &mut SqliteConnection,
    (part, select): (&'static str, &'static str),
) -> Result<Result<(), VerifyError>, sqlx::Error> {
    let (seen, expected) = (texts(stored, select).await?, texts(rebuilt, select).await?);
    let longest = seen.len().max(expected.len());
    for place in 0..longest {
        let (seen, expected) = (seen.get(place), expected.get(place));
        if seen != expected {
            let nothing = String::from("nothing");
            let (seen, expected) = (seen.unwrap_or(&nothing), expected.unwrap_or(&nothing));
            let what = format!("it has {seen}, should have {expected}");
            return Ok(Err(VerifyError::Beside { part: part.into(), what }));
        }
    }
    Ok(Ok(()))
}

async fn texts(connection: &mut SqliteConnection, select: &'static str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query(select).fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

async fn check_checkpoint(connection: &mut SqliteConnection) -> Result<Result<(), VerifyError>, sqlx::Error> {
    let select = "SELECT number, hash, seal FROM checkpoint";
    for row in sqlx::query(select).fetch_all(connection).await? {
        let number = BlockNumber(row.try_get::<i64, _>(0)?.cast_unsigned());
        let fits = match (sql::hash(&row, 1), sql::hash(&row, 2)) {
            (Ok(hash), Ok(seal)) => link::checkpoint_seal(BlockRef { number, hash }) == seal,
            (Err(_), _) | (_, Err(_)) => false,
        };
        if !fits {
            let what = format!("block {number} does not fit its seal");
            return Ok(Err(VerifyError::Beside { part: "the checkpoint".into(), what }));
        }
    }
    Ok(Ok(()))
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |lines, byte| if *byte == b'\n' { lines.saturating_add(1) } else { lines })
}

fn broken(sequence: u64, what: impl ToString) -> VerifyError {
    VerifyError::Broken { sequence, what: what.to_string() }
}

fn out_of_place(expected: u64, seen: u64) -> VerifyError {
    broken(expected, format!("event {seen} stands in its place"))
}

fn unreadable(path: &Path, reason: impl ToString) -> VerifyError {
    VerifyError::Unreadable { path: path.to_owned(), reason: reason.to_string() }
}
