//! Brings the record of an earlier version up to ours. Events stay as they are, byte for byte: what changes is what stands
//! beside them, which is a function of them.

use cofferdam_types::{ChainId, IncidentId, UnixMillis};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::inspect::SCHEMA_VERSION;
use crate::link::Record;
use crate::session::{self, SCHEMAS};
use crate::{export, index, query, sql};

/// Brings an open record up, in one transaction: a crash leaves it as it was.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn in_place(connection: &mut SqliteConnection, version: i64) -> Result<(), sqlx::Error> {
    if version >= SCHEMA_VERSION {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    for (_, schema) in SCHEMAS.iter().filter(|(of, _)| *of > version) {
        sqlx::raw_sql(*schema).execute(&mut *transaction).await?;
    }
    let mut after = 0;
    loop {
        let rows = export::page(&mut transaction, after).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let record = record(row)?;
            after = record.sequence;
            index::keep_joining(&mut transaction, &record).await?;
        }
    }
    let mark = format!("PRAGMA user_version = {SCHEMA_VERSION}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// A copy in memory of the record behind `stored`, of which an earlier program may be the owner.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn copy(stored: &mut SqliteConnection, chain: ChainId) -> Result<SqliteConnection, sqlx::Error> {
    let mut memory = SqliteConnectOptions::new().in_memory(true).connect().await?;
    session::create(&mut memory, chain).await?;
    // One snapshot, also while another process writes.
    sqlx::raw_sql("BEGIN").execute(&mut *stored).await?;
    let mut after = 0;
    loop {
        let rows = export::page(stored, after).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let (record, event) = (record(row)?, export::stored(row)?);
            after = record.sequence;
            index::write(&mut memory, &record, event.previous, event.hash).await?;
        }
    }
    copy_deliveries(stored, &mut memory).await?;
    sqlx::raw_sql("ROLLBACK").execute(stored).await?;
    Ok(memory)
}

/// What does not follow from the events: the checkpoint, and how far each receiver is.
async fn copy_deliveries(stored: &mut SqliteConnection, memory: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for row in sqlx::query("SELECT number, hash, seal FROM checkpoint").fetch_all(&mut *stored).await? {
        sqlx::query("INSERT INTO checkpoint (only, number, hash, seal) VALUES (1, ?, ?, ?)")
            .bind(row.try_get::<i64, _>(0)?)
            .bind(row.try_get::<Vec<u8>, _>(1)?)
            .bind(row.try_get::<Vec<u8>, _>(2)?)
            .execute(&mut *memory)
            .await?;
    }
    for row in sqlx::query("SELECT name, delivered_through, alerted FROM receiver").fetch_all(&mut *stored).await? {
        sqlx::query("INSERT INTO receiver (name, delivered_through, alerted) VALUES (?, ?, ?)")
            .bind(row.try_get::<String, _>(0)?)
            .bind(row.try_get::<i64, _>(1)?)
            .bind(row.try_get::<i64, _>(2)?)
            .execute(&mut *memory)
            .await?;
    }
    for row in sqlx::query("SELECT receiver, sequence, at, reason FROM dead_letter").fetch_all(stored).await? {
        sqlx::query("INSERT INTO dead_letter (receiver, sequence, at, reason) VALUES (?, ?, ?, ?)")
            .bind(row.try_get::<String, _>(0)?)
            .bind(row.try_get::<i64, _>(1)?)
            .bind(row.try_get::<i64, _>(2)?)
            .bind(row.try_get::<String, _>(3)?)
            .execute(&mut *memory)
            .await?;
    }
    Ok(())
}

fn record(row: &sqlx::sqlite::SqliteRow) -> Result<Record, sqlx::Error> {
    Ok(Record {
        sequence: sql::unsigned(row, 0)?,
        at: UnixMillis(sql::unsigned(row, 1)?),
        incident: row.try_get::<Option<String>, _>(2)?.map(IncidentId),
        event: query::event(row, 3)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use alloy_primitives::B256;
    use cofferdam_types::{
        Basis, Batch, BlockRef, Event, Evidence, Finding, FindingId, IncidentState, Journal as _, Level, ManualClock,
        Maturity, ModuleId, Severity, Standing, Window,
    };
    use tokio::runtime::Runtime;

    use super::*;
    use crate::{Options, Store, verify};

    const CHAIN: ChainId = ChainId(1);

    fn found(number: u8) -> Event {
        let module = ModuleId::new("vault").unwrap();
        let transaction = B256::repeat_byte(number);
        let finding = Finding {
            id: FindingId::new("drain", &module, transaction, b""),
            detector: "drain".into(),
            maturity: Maturity::Stable,
            level: Level::Alert,
            severity: Severity::High,
            module,
            transaction,
            summary: "half of it leaves".into(),
            harm: Vec::new(),
            evidence: vec![Evidence::new("sender", alloy_primitives::Address::repeat_byte(9))],
        };
        let standing = Standing { head: BlockRef::default(), basis: Basis::Executed, missing: Vec::new(), left_out: 0 };
        Event::Found { finding, window: Window::Pending, block: None, standing, trail: None }
    }

    /// A file as a program of version 1 left it: two alerts of one incident, and a person who closed another.
    fn old_record(folder: &Path) -> PathBuf {
        let (path, new) = (folder.join("old.db"), folder.join("new.db"));
        let none = || Options { reserve_mib: 0, criteria: Arc::new([]), ..Options::default() };
        drop(Store::open(&new, CHAIN, none(), Arc::new(ManualClock::default())).unwrap());
        Runtime::new().unwrap().block_on(async {
            let options = |path: &Path| SqliteConnectOptions::new().filename(path).create_if_missing(true);
            let mut new = options(&new).connect().await.unwrap();
            let mut head = crate::link::genesis(CHAIN);
            for number in 1..=2 {
                let incident = Some(IncidentId("2026-11-23-k7".into()));
                let sequence = u64::from(number);
                let record = Record { at: UnixMillis(1_000 * sequence), event: found(number), incident, sequence };
                let text = crate::canonical::to_text(&record).unwrap();
                let hash = crate::link::tie(head, crate::link::digest(&text));
                index::write(&mut new, &record, head, hash).await.unwrap();
                head = hash;
            }
            new.close().await.unwrap();
            let mut old = options(&path).connect().await.unwrap();
            session::create_as(&mut old, CHAIN, 1).await.unwrap();
            let copy = format!(
                "ATTACH '{}' AS new; INSERT INTO event SELECT * FROM new.event WHERE sequence = 1; \
                 UPDATE head SET count = 1; INSERT INTO event SELECT * FROM new.event WHERE sequence = 2; \
                 UPDATE head SET count = 2, hash = (SELECT hash FROM new.head); \
                 INSERT INTO incident SELECT id, state, withdrawn, opened_at, closed_at, sequence FROM new.incident; \
                 INSERT INTO finding SELECT id, block, incident, level, module, subject, sender, at, standing, sequence \
                 FROM new.finding; INSERT INTO message SELECT * FROM new.message; \
                 INSERT INTO receiver VALUES ('hook', 1, 0)",
                folder.join("new.db").display()
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(copy)).execute(&mut old).await.unwrap();
            old.close().await.unwrap();
        });
        path
    }

    #[test]
    fn a_record_of_version_1_is_read_and_verified_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = old_record(folder.path());
        let before = std::fs::read(&path).unwrap();
        assert_eq!(verify(&path, None).unwrap().events, 2);
        let store = Store::open_read_only(&path, Arc::new(ManualClock::default())).unwrap();
        let incidents = store.incidents().unwrap();
        let only = incidents.first().unwrap();
        assert_eq!((incidents.len(), only.findings, only.severity), (1, 2, None));
        assert_eq!(only.stages.len(), 1);
        assert_eq!(store.incident(&only.id).unwrap().unwrap().entries.len(), 2);
        drop(store);
        let guest = Store::open_beside(&path, Arc::new(ManualClock::default())).unwrap();
        guest.change_state(&only.id, IncidentState::Triaged, "Ada looked").unwrap();
        drop(guest);
        assert_eq!(verify(&path, None).unwrap().events, 3);
        assert_ne!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_record_of_version_1_is_brought_up_and_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = old_record(folder.path());
        let open = || {
            let options = Options { reserve_mib: 0, ..Options::default() };
            Store::open(&path, CHAIN, options, Arc::new(ManualClock::default())).unwrap()
        };
        let store = open();
        let batch = Batch { at: UnixMillis(3_000), events: vec![found(3)], checkpoint: None };
        let joined = store.commit(&batch).unwrap().incidents;
        assert_eq!(joined, [Some(IncidentId("2026-11-23-k7".into()))], "tied to what version 1 wrote");
        assert!(store.incidents().unwrap().first().unwrap().severity.is_some());
        drop(store);
        verify(&path, None).unwrap();
        drop(open());
        verify(&path, None).unwrap();
    }
}
