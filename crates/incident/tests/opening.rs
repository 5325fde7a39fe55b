//! Files that are not what they should be: each is named, and none is changed.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests may")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cofferdam_incident::{OpenError, Options, Store};
use cofferdam_types::{ChainId, Clock, Journal, Level, ManualClock};
use sqlx::{ConnectOptions as _, Connection as _};
use support::{CHAIN, Desk, block, finding, mined, options, tx};

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::default())
}

/// Opening fails with an error that `expected` likes, and the file is the same afterwards, with nothing beside it but
/// the lock.
fn refused(path: &Path, chain: ChainId, expected: impl Fn(&OpenError) -> bool) -> String {
    let before = fs::read(path).unwrap();
    let error = Store::open(path, chain, options(), clock()).err().unwrap();
    assert!(expected(&error), "{error:?}");
    assert_eq!(fs::read(path).unwrap(), before, "the file was changed");
    error.to_string()
}

/// Runs SQL on a database of somebody else's making.
fn sql(path: &Path, statements: &str) {
    let statements = sqlx::AssertSqlSafe(statements.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn a_missing_or_empty_file_becomes_a_fresh_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.db");
    assert!(matches!(Store::open_read_only(&path, clock()).err(), Some(OpenError::Nothing { .. })));
    fs::write(&path, b"").unwrap();
    let store = Store::open(&path, CHAIN, options(), clock()).unwrap();
    assert!(store.checkpoint().unwrap().is_none() && store.incidents().unwrap().is_empty());
}

#[test]
fn evidence_that_was_emptied_or_gutted_does_not_hold_and_what_cannot_be_read_is_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.db");
    let judged = |path: &Path| {
        let error = cofferdam_incident::verify(path, None).unwrap_err();
        (error.is_unread(), error.to_string())
    };
    assert!(judged(&path).0, "there is no such file");
    assert!(judged(folder.path()).0, "it is a directory");
    fs::write(&path, b"").unwrap();
    let (unread, said) = judged(&path);
    assert!(!unread && said.ends_with("is empty: there is not even the beginning of a record in it"), "{said}");
    sql(&path, "CREATE TABLE a (b); DROP TABLE a");
    let (unread, said) = judged(&path);
    assert!(!unread && said.contains("is empty"), "{said}");
    for (ruin, word) in [("DROP TABLE head", "head"), ("UPDATE about SET chain_id = 'x'", "chain id")] {
        fs::remove_file(&path).unwrap();
        drop(Store::open(&path, CHAIN, options(), clock()).unwrap());
        sql(&path, ruin);
        let (unread, said) = judged(&path);
        assert!(!unread && said.contains(word), "{ruin}: {said}");
    }
}

#[test]
fn something_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, b"my only copy\0 of the thesis").unwrap();
    let said = refused(&path, CHAIN, |error| matches!(error, OpenError::NotADatabase { .. }));
    assert!(said.contains(r"my only copy\x00") && said.contains("name another file"), "{said}");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bookmarks.db");
    sql(&path, "PRAGMA application_id = 77; CREATE TABLE bookmark (url TEXT)");
    let said = refused(&path, CHAIN, |error| matches!(error, OpenError::Foreign { application_id: 77, tables: 1, .. }));
    assert!(said.contains("0x4d"), "{said}");
}

#[test]
fn a_record_of_a_later_program_is_left_alone() {
    let (_folder, path) = Desk::new().close();
    sql(&path, "PRAGMA user_version = 99");
    refused(&path, CHAIN, |error| matches!(error, OpenError::Newer { seen: 99, known: 2, .. }));
}

#[test]
fn a_record_of_another_chain_is_left_alone() {
    let (_folder, path) = Desk::new().close();
    let said = refused(&path, ChainId(10), |error| matches!(error, OpenError::OtherChain { .. }));
    assert!(said.contains("chain 1") && said.contains("chain 10"), "{said}");
}

#[test]
fn a_truncated_record_is_named_with_both_lengths() {
    let desk = Desk::new();
    desk.put(mined(finding(Level::Stop, "vault", tx(1)), block(1)));
    let (_folder, path) = desk.close();
    let whole = fs::read(&path).unwrap();
    for length in [whole.len() / 2, whole.len() - 1, 4096, 60] {
        fs::write(&path, whole.get(..length).unwrap()).unwrap();
        let said = refused(&path, CHAIN, |error| matches!(error, OpenError::Truncated { .. }));
        assert!(said.contains(&length.to_string()), "{said}");
    }
}

#[test]
fn a_record_with_a_page_of_garbage_is_refused_or_fails_to_verify() {
    let desk = Desk::new();
    desk.put(mined(finding(Level::Stop, "vault", tx(1)), block(1)));
    let (_folder, path) = desk.close();
    let mut bytes = fs::read(&path).unwrap();
    bytes.get_mut(4096..8192).unwrap().fill(0x5a);
    fs::write(&path, bytes).unwrap();
    refused(&path, CHAIN, |error| matches!(error, OpenError::Damaged { .. }));
    assert!(cofferdam_incident::verify(&path, None).is_err());
}

#[test]
fn a_record_whose_process_was_killed_holds_all_that_was_committed() {
    let desk = Desk::new();
    let incident = desk.put(mined(finding(Level::Stop, "vault", tx(1)), block(1))).unwrap();
    // What a kill leaves behind: the file and its log as they are, and no orderly closing.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.db");
    for name in ["record.db", "record.db-wal"] {
        fs::copy(desk.folder.path().join(name), folder.path().join(name)).unwrap();
    }
    assert!(fs::metadata(folder.path().join("record.db-wal")).unwrap().len() > 0);
    let events = cofferdam_incident::verify(&path, None).unwrap().events;
    let store = Store::open(&path, CHAIN, options(), clock()).unwrap();
    assert_eq!(store.incidents().unwrap().first().unwrap().id, incident);
    assert_eq!(events, 3);
}

/// The first page of a database, and the journal from which SQLite would take it back: it was empty before.
fn killed_while_it_began(path: &Path) {
    sql(path, "PRAGMA user_version = 1; VACUUM;");
    assert_eq!(fs::metadata(path).unwrap().len(), 4096);
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for field in [0_u32, 7, 0, 512, 4096] {
        journal.extend(field.to_be_bytes());
    }
    journal.resize(512, 0);
    fs::write(path.with_extension("db-journal"), journal).unwrap();
}

#[test]
fn a_record_whose_process_was_killed_before_it_had_begun_is_no_record_yet_and_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.db");
    killed_while_it_began(&path);
    assert!(matches!(Store::open_read_only(&path, clock()).err(), Some(OpenError::Nothing { .. })));
    let store = Store::open(&path, CHAIN, options(), clock()).unwrap();
    assert!(store.incidents().unwrap().is_empty());
    drop(store);
    cofferdam_incident::verify(&path, None).unwrap();
}

#[test]
fn a_log_cut_off_in_the_middle_of_a_commit_loses_that_commit_and_nothing_before() {
    let desk = Desk::new();
    desk.put(mined(finding(Level::Stop, "vault", tx(1)), block(1)));
    let before = fs::metadata(desk.folder.path().join("record.db-wal")).unwrap().len();
    desk.put(mined(finding(Level::Stop, "bridge", tx(2)), block(2)));
    let log = fs::read(desk.folder.path().join("record.db-wal")).unwrap();
    let database = fs::read(desk.path()).unwrap();
    let middle = usize::try_from(before).unwrap() + 5_000;
    assert!(middle < log.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.db");
    fs::write(&path, database).unwrap();
    fs::write(folder.path().join("record.db-wal"), log.get(..middle).unwrap()).unwrap();
    let store = Store::open(&path, CHAIN, options(), clock()).unwrap();
    assert_eq!(store.incidents().unwrap().len(), 1);
    drop(store);
    assert_eq!(cofferdam_incident::verify(&path, None).unwrap().events, 3);
}

#[test]
fn a_second_writer_is_kept_out_and_a_reader_is_let_in() {
    let desk = Desk::new();
    let incident = desk.put(mined(finding(Level::Stop, "vault", tx(1)), block(1))).unwrap();
    let second = Store::open(&desk.path(), CHAIN, options(), clock());
    assert!(matches!(second.err(), Some(OpenError::InUse { .. })));
    let reader = Store::open_read_only(&desk.path(), clock()).unwrap();
    assert_eq!(reader.incidents().unwrap().first().unwrap().id, incident);
    assert_eq!(reader.chain().unwrap(), CHAIN);
    let error = reader.commit(&cofferdam_types::Batch::default()).unwrap_err();
    assert!(error.to_string().contains("reading only"), "{error}");
}

#[test]
fn a_directory_that_is_not_there_is_one_clear_error() {
    let path = Path::new("/nonexistent/folder/record.db");
    let error = Store::open(path, CHAIN, Options::default(), clock()).err().unwrap();
    assert!(error.to_string().contains("/nonexistent/folder/record.db"), "{error}");
}
