//! A full disk: what acts goes on from the space set aside, and the record is whole afterwards.

#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use cofferdam_incident::{Options, Store, verify};
use cofferdam_types::primitives::B256;
use cofferdam_types::{Batch, BlockNumber, BlockRef, Committed, Event, Journal, JournalError, Level, ManualClock};
use support::{CHAIN, START, block, finding, mined, options};

/// Commits alerts one by one until `stop` likes the outcome; how many were committed before.
fn fill(store: &Store, stop: impl Fn(&Result<Committed, JournalError>) -> bool) -> u64 {
    for number in 1..20_000_u64 {
        let mut attack = finding(Level::Notice, "vault", B256::from(cofferdam_types::primitives::U256::from(number)));
        attack.summary = "x".repeat(2_000);
        let events = vec![mined(attack, block(1))];
        let tip = BlockRef { number: BlockNumber(number), hash: B256::ZERO };
        let outcome = store.commit(&Batch { at: START, events, checkpoint: Some(tip) });
        if stop(&outcome) {
            return number;
        }
    }
    panic!("it never happened");
}

/// The record is whole, ends where it should, and says that storage is full as often as `alerts`.
fn whole(path: &Path, checkpoint: u64, alerts: usize) {
    verify(path, None).unwrap();
    let store = Store::open_read_only(path, Arc::new(ManualClock::default())).unwrap();
    assert_eq!(store.checkpoint().unwrap().unwrap().number.0, checkpoint);
    let said = store.export(None).unwrap().iter().filter(|line| line.contains("storage_full")).count();
    assert_eq!(said, alerts);
}

#[test]
fn at_the_configured_bound_the_reserve_is_used_and_the_operator_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.db");
    let options = Options { largest_mib: Some(1), ..options() };
    let store = Store::open(&path, CHAIN, options, Arc::new(ManualClock::new(START))).unwrap();
    let on_reserve = fill(&store, |outcome| outcome.as_ref().unwrap().on_reserve);
    assert!(!path.with_file_name("record.db.reserve").exists());
    let refused = fill(&store, Result::is_err);
    drop(store);
    assert!(on_reserve > 100 && refused > on_reserve);
    whole(&path, refused - 1, 1);
}

/// A small file system of its own; `None` where that is not allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    /// Fills all that is free with one file.
    fn hog(&self) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.0.path().join("hog")).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

#[test]
fn on_a_disk_that_others_filled_the_record_goes_on_and_takes_its_space_back_later() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: file systems cannot be mounted here");
        return;
    };
    let path = disk.0.path().join("record.db");
    let reserve = path.with_file_name("record.db.reserve");
    let store = Store::open(&path, CHAIN, options(), Arc::new(ManualClock::new(START))).unwrap();
    disk.hog();
    fill(&store, |outcome| outcome.as_ref().unwrap().on_reserve);
    assert!(!reserve.exists());

    fs::remove_file(disk.0.path().join("hog")).unwrap();
    let tip = BlockRef { number: BlockNumber(77_777), hash: B256::ZERO };
    let committed = store.commit(&Batch { at: START, events: Vec::new(), checkpoint: Some(tip) }).unwrap();
    assert!(!committed.on_reserve && reserve.exists());
    drop(store);
    whole(&path, 77_777, 1);
}

#[test]
fn a_disk_that_is_full_at_the_start_is_said_with_the_first_commit() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: file systems cannot be mounted here");
        return;
    };
    let path = disk.0.path().join("record.db");
    let large = Options { reserve_mib: 64, ..options() };
    let store = Store::open(&path, CHAIN, large, Arc::new(ManualClock::new(START))).unwrap();
    let started = Event::Started { version: "0.1.0".into(), chain_id: 1, configuration: B256::ZERO };
    let tip = BlockRef { number: BlockNumber(1), hash: B256::ZERO };
    for _ in 0..2 {
        let batch = Batch { at: START, events: vec![started.clone()], checkpoint: Some(tip) };
        assert!(store.commit(&batch).unwrap().on_reserve);
    }
    drop(store);
    whole(&path, 1, 1);
}
