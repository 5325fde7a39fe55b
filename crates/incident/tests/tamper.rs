//! `verify` notices every changed, removed, inserted or moved byte, and says where.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test may unwrap, and picks places by remainder"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_incident::{Verified, VerifyError, verify, verify_bundle};
use cofferdam_types::primitives::{B256, U256};
use cofferdam_types::{Asset, Batch, Clock, Event, IncidentId, Journal, Level, PlanId};
use proptest::prelude::*;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use support::{Desk, block, confirmed, draft, finding, from_sender, mined, module, sent, tx, withdrawn};
use tempfile::TempDir;

const PLAN: PlanId = PlanId(B256::repeat_byte(0xaa));

/// A record with something in every table, and the first of its two incidents.
fn full_desk() -> (Desk, IncidentId) {
    let desk = Desk::new();
    let attack = from_sender(finding(Level::Stop, "vault", tx(1)), "0xbad");
    let other = finding(Level::Alert, "bridge", tx(2));
    let loss = Event::Loss { module: module("vault"), amounts: vec![(Asset::Native, U256::from(7))] };
    let events = vec![
        Event::Started { version: "0.1.0".into(), chain_id: 1, configuration: tx(9) },
        mined(attack, block(1)),
        draft(PLAN, "vault", tx(1)),
        mined(other.clone(), block(1)),
        sent(PLAN, 3),
        withdrawn(&other, Some(block(1))),
        confirmed(PLAN),
        loss,
    ];
    let batch = Batch { at: desk.clock.now(), events, checkpoint: Some(block(1)) };
    let incident = desk.store.commit(&batch).unwrap().incidents.get(1).cloned().flatten().unwrap();
    (desk, incident)
}

fn full_record() -> (TempDir, PathBuf) {
    full_desk().0.close()
}

fn with_database<T>(path: &Path, work: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
        let mut connection = options.connect().await.unwrap();
        let value = work(&mut connection).await;
        connection.close().await.unwrap();
        value
    })
}

async fn run(connection: &mut SqliteConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// Does `statement` as somebody would who knows SQLite: takes the triggers away and puts them back.
fn forge(path: &Path, statement: &str) {
    with_database(path, async |connection: &mut SqliteConnection| {
        let rows = sqlx::query("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'");
        let triggers: Vec<(String, String)> =
            rows.fetch_all(&mut *connection).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        for (name, _) in &triggers {
            run(connection, format!("DROP TRIGGER {name}")).await.unwrap();
        }
        run(connection, statement.to_owned()).await.unwrap();
        for (_, sql) in triggers {
            run(connection, sql).await.unwrap();
        }
    });
}

fn broken_at(path: &Path) -> u64 {
    match verify(path, None) {
        Err(VerifyError::Broken { sequence, .. }) => sequence,
        other => panic!("expected a broken chain, got {other:?}"),
    }
}

#[test]
fn a_record_that_was_not_touched_holds_also_while_it_is_written() {
    let (desk, _) = full_desk();
    let open: Verified = verify(&desk.path(), None).unwrap();
    let (_folder, path) = desk.close();
    let closed = verify(&path, Some(open.head)).unwrap();
    assert_eq!(open, closed);
    assert!(closed.events > 8 && closed.included == closed.events);
    let stranger = verify(&path, Some(tx(0x77))).unwrap_err();
    assert!(matches!(stranger, VerifyError::NotContained { .. }), "{stranger}");
}

#[test]
fn sql_itself_refuses_to_change_or_delete_an_event() {
    let (_folder, path) = full_record();
    for statement in [
        "UPDATE event SET at = 0 WHERE sequence = 1",
        "DELETE FROM event WHERE sequence = 1",
        "INSERT OR REPLACE INTO event SELECT * FROM event WHERE sequence = 1",
        "INSERT INTO event SELECT 99, at, incident, body, previous, hash FROM event WHERE sequence = 1",
    ] {
        let outcome =
            with_database(&path, async |connection: &mut SqliteConnection| run(connection, statement.to_owned()).await);
        assert!(outcome.unwrap_err().to_string().contains("events are"), "{statement}");
    }
    verify(&path, None).unwrap();
}

#[test]
fn removed_moved_inserted_and_cut_off_events_are_named() {
    for (statement, expected) in [
        ("DELETE FROM event WHERE sequence = 3", 3),
        ("DELETE FROM event WHERE sequence = (SELECT max(sequence) FROM event)", 12),
        (
            "UPDATE event SET sequence = -sequence WHERE sequence IN (4, 5); \
          UPDATE event SET sequence = 9 + sequence WHERE sequence < 0",
            4,
        ),
        (
            "INSERT INTO event SELECT 13, at, incident, body, hash, hash FROM event WHERE sequence = 12; \
          UPDATE head SET count = 13",
            13,
        ),
        ("UPDATE event SET body = replace(body, '0.1.0', '0.1.1')", 1),
        ("UPDATE about SET chain_id = '2'", 1),
    ] {
        let (_folder, path) = full_record();
        assert_eq!(verify(&path, None).unwrap().events, 12);
        forge(&path, statement);
        assert_eq!(broken_at(&path), expected, "{statement}");
    }
}

#[test]
fn a_missing_trigger_is_noticed() {
    let (_folder, path) = full_record();
    with_database(&path, async |connection: &mut SqliteConnection| {
        run(connection, "DROP TRIGGER event_is_never_changed".into()).await.unwrap();
    });
    assert!(matches!(verify(&path, None), Err(VerifyError::Beside { .. })));
}

#[test]
fn a_bundle_of_one_incident_shows_nothing_of_the_others_and_is_checked_to_the_head() {
    let (desk, incident) = full_desk();
    let head = verify(&desk.path(), None).unwrap().head;
    let lines = desk.store.export(Some(&incident)).unwrap();
    let bundle = format!("{}\n", lines.join("\n"));
    assert!(!bundle.contains("bridge"), "another incident's module is in it");
    let path = desk.folder.path().join("bundle.jsonl");
    fs::write(&path, &bundle).unwrap();
    let verified = verify(&path, Some(head)).unwrap();
    assert_eq!((verified.head, verified.incident), (head, Some(incident)));
    assert!(verified.included < verified.events);
    let unknown = desk.store.export(Some(&IncidentId("2020-01-01-a2".into()))).unwrap_err();
    assert!(unknown.to_string().contains("2020-01-01-a2"));

    let all = format!("{}\n", desk.store.export(None).unwrap().join("\n"));
    assert_eq!(verify_bundle(all.as_bytes(), None).unwrap().included, 12);
    let without_line = |gone: usize| {
        let kept: Vec<_> = all.lines().enumerate().filter(|(index, _)| *index != gone).map(|(_, line)| line).collect();
        format!("{}\n", kept.join("\n"))
    };
    for gone in 1..=12 {
        let error = verify_bundle(without_line(gone).as_bytes(), None).unwrap_err();
        let expected = u64::try_from(gone).unwrap();
        assert!(matches!(error, VerifyError::Broken { sequence, .. } if sequence == expected), "{gone}: {error}");
    }
}

/// Table, column, and how its rows are told apart.
const COLUMNS: &[(&str, &[&str])] = &[
    ("event", &["sequence", "at", "incident", "body", "previous", "hash"]),
    ("head", &["count", "hash"]),
    ("about", &["chain_id"]),
    ("checkpoint", &["number", "hash", "seal"]),
    ("incident", &["id", "state", "withdrawn", "opened_at", "closed_at", "sequence", "joined", "severity", "rule"]),
    ("finding", &["id", "block", "incident", "level", "module", "subject", "sender", "at", "standing", "sequence"]),
    ("finding", &["detector", "stage", "score", "precise", "severity", "happened", "lost_bps", "harm"]),
    ("tie", &["value", "finding", "block"]),
    ("plan", &["id", "incident", "lever", "step", "last_sent_at", "sequence"]),
    ("plan_step", &["sequence", "plan"]),
    ("message", &["sequence", "key"]),
];

/// Flips one bit of one value, keeping its type. False when the value has nothing to flip.
async fn flip(connection: &mut SqliteConnection, table: &str, column: &str, row: usize, at: usize, bit: u8) -> bool {
    let select = format!("SELECT typeof({column}), {column} FROM {table} ORDER BY 2 LIMIT 1 OFFSET ?");
    let rows = sqlx::query(sqlx::AssertSqlSafe(select)).bind(i64::try_from(row).unwrap());
    let Some(found) = rows.fetch_optional(&mut *connection).await.unwrap() else {
        return false;
    };
    let update = format!("UPDATE {table} SET {column} = ?1 WHERE {column} IS ?2");
    let update = sqlx::query(sqlx::AssertSqlSafe(update));
    let flip_byte = |bytes: &mut Vec<u8>| {
        let length = bytes.len();
        bytes.get_mut(at.checked_rem(length).unwrap_or(0)).map(|byte| *byte ^= 1 << (bit % 7)).is_some()
    };
    let update = match found.get::<String, _>(0).as_str() {
        "integer" => {
            let old: i64 = found.get(1);
            update.bind(old ^ (1_i64 << (at % 50))).bind(old)
        }
        "text" => {
            let old: String = found.get(1);
            let mut bytes = old.clone().into_bytes();
            if !flip_byte(&mut bytes) {
                return false;
            }
            // What is no UTF-8 cannot be bound as text; bit 7 is never flipped, but a multi-byte sign may break.
            let Ok(new) = String::from_utf8(bytes) else { return false };
            if new.contains('\0') {
                return false;
            }
            update.bind(new).bind(old)
        }
        "blob" => {
            let old: Vec<u8> = found.get(1);
            let mut new = old.clone();
            if !flip_byte(&mut new) {
                return false;
            }
            update.bind(new).bind(old)
        }
        _ => return false,
    };
    // A change that a constraint forbids did not happen.
    update.execute(connection).await.is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_flipped_bit_in_any_stored_value_is_noticed(
        table in 0..COLUMNS.len(), column in any::<usize>(), row in 0..11_usize, at in any::<usize>(), bit in any::<u8>(),
    ) {
        let (_folder, path) = full_record();
        let (table, columns) = COLUMNS[table];
        let column = columns[column % columns.len()];
        let flipped = with_database(&path, async |connection: &mut SqliteConnection| {
            let rows = sqlx::query("SELECT sql FROM sqlite_schema WHERE type = 'trigger'");
            let triggers: Vec<String> =
                rows.fetch_all(&mut *connection).await.unwrap().iter().map(|row| row.get(0)).collect();
            for name in ["event_is_never_changed", "event_is_never_deleted", "event_is_only_appended"] {
                run(connection, format!("DROP TRIGGER {name}")).await.unwrap();
            }
            let flipped = flip(connection, table, column, row, at, bit).await;
            for sql in triggers {
                run(connection, sql).await.unwrap();
            }
            flipped
        });
        prop_assert_eq!(verify(&path, None).is_err(), flipped, "{}.{}", table, column);
    }

    #[test]
    fn one_changed_byte_of_a_bundle_is_noticed(place in any::<usize>(), change in 1..=255_u8, whole: bool) {
        let (desk, incident) = full_desk();
        let lines = desk.store.export((!whole).then_some(&incident)).unwrap();
        let mut bytes = format!("{}\n", lines.join("\n")).into_bytes();
        prop_assert!(verify_bundle(&bytes, None).is_ok());
        let place = place % bytes.len();
        bytes[place] ^= change;
        prop_assert!(verify_bundle(&bytes, None).is_err());
    }

    #[test]
    fn a_cut_off_bundle_is_noticed(length in any::<usize>()) {
        let (desk, _) = full_desk();
        let bytes = format!("{}\n", desk.store.export(None).unwrap().join("\n")).into_bytes();
        prop_assert!(verify_bundle(&bytes[..length % bytes.len()], None).is_err());
    }
}
