//! Looks at a database file before SQLite does, so that a wrong file is named and left exactly as it is.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use cofferdam_types::ChainId;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::sql;

/// `application_id` of our databases: `COFF`.
pub(crate) const APPLICATION_ID: i64 = 0x434f_4646;
/// The schema that this program writes. Records of every earlier one are read, and brought up to it when they are written.
pub(crate) const SCHEMA_VERSION: i64 = 2;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_LENGTH: u64 = 100;
/// Of the records that this program makes.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// The record cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file system, or SQLite, said no.
    #[error("the record {} cannot be opened: {reason}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was said.
        reason: String,
    },
    /// There is no record to read.
    #[error("there is no record at {}: `watch` or `drill` makes one", path.display())]
    Nothing {
        /// Which file.
        path: PathBuf,
    },
    /// Another process is writing this record.
    #[error("the record {} is being written by another process: stop that one, or name another file", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error(
        "{} is not a database, it begins with `{begins}`: it was left alone; name another file for the record",
        path.display()
    )]
    NotADatabase {
        /// Which file.
        path: PathBuf,
        /// Its first bytes, escaped.
        begins: String,
    },
    /// A part of the file is missing.
    #[error(
        "the record {} is truncated: {seen} bytes of {expected}; it was left alone; restore it from a copy, or move it \
         away to begin a new one",
        path.display()
    )]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Its length.
        seen: u64,
        /// The length that its header states.
        expected: u64,
    },
    /// A SQLite database of another program.
    #[error(
        "{} is a database of another program (application id {application_id:#x}, {tables} tables): it was left alone; \
         name another file for the record",
        path.display()
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What its header says; zero for most programs.
        application_id: i64,
        /// How many tables, indices and triggers it has.
        tables: i64,
    },
    /// Written by a later version of this program.
    #[error(
        "the record {} has schema version {seen}, this program knows up to {known}: use the later program",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        seen: i64,
        /// Ours.
        known: i64,
    },
    /// The record of another chain.
    #[error(
        "the record {} belongs to chain {stored}, the configuration says chain {configured}: one record per chain, \
         name another file",
        path.display()
    )]
    OtherChain {
        /// Which file.
        path: PathBuf,
        /// The record's chain.
        stored: String,
        /// The chain asked for.
        configured: ChainId,
    },
    /// SQLite cannot make sense of it, or its last event does not fit its seal.
    #[error(
        "the record {} is damaged: {reason}; it was left alone; run `incident verify` on it and restore it from a copy",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
}

impl OpenError {
    /// Any other failure, with what was said.
    pub(crate) fn io(path: &Path, reason: impl ToString) -> Self {
        Self::Io { path: path.to_owned(), reason: reason.to_string() }
    }

    /// A failure of SQLite: damage where its code or the content says so.
    pub(crate) fn sqlite(path: &Path, error: &sqlx::Error) -> Self {
        if is_damage(error) {
            return Self::Damaged { path: path.to_owned(), reason: error.to_string() };
        }
        Self::io(path, error)
    }
}

/// Whether the file was read, and what is in it is not what a record has: not pages, tables, rows or values of ours.
fn is_damage(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound) {
        return true;
    }
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // The low byte is the primary code. 1 is SQLITE_ERROR, which our fixed statements meet where a table or a column is
    // missing; 11 is SQLITE_CORRUPT, 26 SQLITE_NOTADB.
    let primary = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    matches!(primary, Some(1 | 11 | 26))
}

/// What lies at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, an empty file, or a database that nobody has put anything into yet.
    Fresh,
    /// A record of ours with this schema version, not newer than what we know.
    Record(i64),
}

/// Looks at `path` without changing anything.
///
/// # Errors
/// Every [`OpenError`] that the file itself can cause.
pub(crate) async fn inspect(path: &Path) -> Result<Found, OpenError> {
    if !header_is_plausible(path)? {
        return Ok(Found::Fresh);
    }
    let looked = match look_inside(path).await {
        Ok(looked) => looked,
        Err(error) if is_unfinished_start(path, &error) => return Ok(Found::Fresh),
        Err(error) => return Err(OpenError::sqlite(path, &error)),
    };
    match looked {
        (0, _, 0) => Ok(Found::Fresh),
        (APPLICATION_ID, version, _) if version <= SCHEMA_VERSION => Ok(Found::Record(version)),
        (APPLICATION_ID, seen, _) => Err(OpenError::Newer { path: path.to_owned(), seen, known: SCHEMA_VERSION }),
        (application_id, _, tables) => Err(OpenError::Foreign { path: path.to_owned(), application_id, tables }),
    }
}

/// Options that cannot change the file.
pub(crate) fn reading(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).read_only(true).create_if_missing(false)
}

async fn look_inside(path: &Path) -> Result<(i64, i64, i64), sqlx::Error> {
    let mut connection = reading(path).connect().await?;
    let application_id = sqlx::query("PRAGMA application_id").fetch_one(&mut connection).await?.try_get(0)?;
    let version = sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await?.try_get(0)?;
    let tables = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?.try_get(0)?;
    connection.close().await?;
    Ok((application_id, version, tables))
}

/// Whether a process was killed while it made this file a database with a write-ahead log, which is before anything is
/// put into it: SQLite then owes a rollback (776 is SQLITE_READONLY_ROLLBACK), and one page holds no table.
fn is_unfinished_start(path: &Path, error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "776") && fs::metadata(path).is_ok_and(|file| file.len() <= PAGE_BYTES)
}

/// False when there is nothing to look into; an error when it is no SQLite database, or not a whole one.
/// (Layout: <https://sqlite.org/fileformat2.html#the_database_header>.)
fn header_is_plausible(path: &Path) -> Result<bool, OpenError> {
    let length = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(OpenError::io(path, "it is a directory")),
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(OpenError::io(path, error)),
    };
    if length == 0 {
        return Ok(false);
    }
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEADER_LENGTH).read_to_end(&mut header));
    read.map_err(|error| OpenError::io(path, error))?;
    if !header.starts_with(MAGIC) {
        let begins = header.get(..16).unwrap_or(&header).escape_ascii().to_string();
        return Err(OpenError::NotADatabase { path: path.to_owned(), begins });
    }
    let expected = stated_length(&header).unwrap_or(HEADER_LENGTH);
    if length < expected && !has_unfinished_log(path) {
        return Err(OpenError::Truncated { path: path.to_owned(), seen: length, expected });
    }
    Ok(true)
}

/// Page size times page count; `None` when the header is cut or states none.
fn stated_length(header: &[u8]) -> Option<u64> {
    let page_size = match u16::from_be_bytes(*header.get(16..)?.first_chunk()?) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u32::from_be_bytes(*header.get(28..)?.first_chunk()?);
    page_size.checked_mul(u64::from(pages))
}

/// A write-ahead log that is not empty: pages that the file lacks may still be in it.
fn has_unfinished_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0)
}

/// The chain that the record belongs to.
///
/// # Errors
/// [`sqlx::Error`] when it is not stated.
pub(crate) async fn stored_chain(connection: &mut SqliteConnection) -> Result<ChainId, sqlx::Error> {
    let row = sqlx::query("SELECT chain_id FROM about").fetch_one(connection).await?;
    let text: String = row.try_get(0)?;
    let chain = text.parse().ok().map(ChainId).filter(|chain| chain.to_string() == text);
    chain.ok_or_else(|| sqlx::Error::Decode(format!("chain id `{text}` is not a number").into()))
}

/// Count and hash that the record ends with.
///
/// # Errors
/// [`sqlx::Error`] when they are not there.
pub(crate) async fn stored_head(
    connection: &mut SqliteConnection,
) -> Result<(u64, alloy_primitives::B256), sqlx::Error> {
    let row = sqlx::query("SELECT count, hash FROM head").fetch_one(connection).await?;
    Ok((sql::unsigned(&row, 0)?, sql::hash(&row, 1)?))
}
