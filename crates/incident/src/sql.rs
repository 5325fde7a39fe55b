//! How values stand in SQLite: integers are signed 64 bits there, hashes are blobs.
//!
//! Must never wrap or truncate: a value that does not fit, or is not what it should be, is an error.

use alloy_primitives::B256;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// Result codes of SQLite that mean, or at a full disk may mean, that there is no space: `SQLITE_FULL` and the
/// failures of write, fsync, truncate, shared-memory size and map (<https://sqlite.org/rescode.html>).
const NO_SPACE_CODES: [&str; 6] = ["13", "778", "1034", "1546", "4874", "5386"];

/// `value` as SQLite keeps it.
///
/// # Errors
/// [`sqlx::Error::Encode`] above 2^63 - 1.
pub(crate) fn int(value: u64) -> Result<i64, sqlx::Error> {
    i64::try_from(value).map_err(|_| sqlx::Error::Encode(format!("{value} does not fit into 63 bits").into()))
}

/// The unsigned integer in column `index`.
///
/// # Errors
/// [`sqlx::Error`] when the column holds anything else.
pub(crate) fn unsigned(row: &SqliteRow, index: usize) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(index)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The 32 bytes in column `index`.
///
/// # Errors
/// [`sqlx::Error`] when the column holds anything else.
pub(crate) fn hash(row: &SqliteRow, index: usize) -> Result<B256, sqlx::Error> {
    B256::try_from(row.try_get::<&[u8], _>(index)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Whether `error` may come from a full disk (or a full quota): freeing space and trying again may help.
pub(crate) fn may_be_full(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| NO_SPACE_CODES.contains(&code.as_ref()))
}
