//! The program is killed at moments spread over a whole drill. What it had recorded until then must be a true beginning
//! of the record that an undisturbed drill of the same seed writes: nothing lost in between, nothing twice, every hash
//! right.

use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_e2e::{Program, wait};
use futures_util::{StreamExt, stream};

use crate::kills;

/// At once: as many as the machine has cores.
const TOGETHER: usize = 2;

/// How often the record's size is looked at: a drill writes it within some tens of milliseconds.
const GLANCE: Duration = Duration::from_millis(1);

/// Of the attacks that are stopped, the one that leaves most on the record.
const RECORD: &str = "out/stolen-admin-key-split.db";

fn drill(folder: &Path) -> Program {
    let arguments = ["drill", "--seed", "7", "--scenario", "stolen-admin-key", "--lane", "split", "--out", "out"];
    Program::start(folder, &arguments, &[])
}

/// The events of the record in `folder`, one a line, without the first line that sums them up. `None` when the program
/// was killed before there was a record: no file, or one whose tables were never committed.
async fn events(folder: &Path) -> Option<Vec<String>> {
    let bytes = folder.join(RECORD).metadata().map_or(0, |file| file.len());
    if bytes == 0 {
        return None;
    }
    let exported = Program::run(folder, &["incident", "export", RECORD]).await;
    if exported.stderr.contains("there is no record at") {
        return None;
    }
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let verified = Program::run(folder, &["incident", "verify", RECORD]).await;
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    Some(exported.stdout.lines().skip(1).map(str::to_owned).collect())
}

/// When a drill is killed, counted from when it opens its record: what goes before is set-up of the process.
#[derive(Clone, Copy)]
enum Moment {
    /// After so long.
    Passed(Duration),
    /// When so many bytes have been added. Most of a drill adds nothing, so moments alone would rarely hit a write.
    Grown(u64),
}

/// Bytes in the log of what was committed; zero before the first and after the end.
fn grown(folder: &Path) -> u64 {
    folder.join(format!("{RECORD}-wal")).metadata().map_or(0, |log| log.len())
}

async fn recording(folder: &Path) {
    wait::until("the drill opens its record", wait::PATIENCE, async || folder.join(RECORD).exists().then_some(()))
        .await;
}

/// Kills a drill at `moment`. The wait is the fault itself, not a wait for something.
async fn killed_at(moment: Moment) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut program = drill(folder.path());
    recording(folder.path()).await;
    match moment {
        Moment::Passed(time) => tokio::time::sleep(time).await,
        Moment::Grown(bytes) => {
            while grown(folder.path()) < bytes && program.runs() {
                tokio::time::sleep(GLANCE).await;
            }
        }
    }
    program.kill().await;
    events(folder.path()).await
}

/// Runs a drill to its end; gives how long it recorded and how large the log of its record became.
async fn undisturbed(folder: &Path) -> (Duration, u64) {
    let mut program = drill(folder);
    recording(folder).await;
    let begin = Instant::now();
    let mut largest = 0;
    while program.runs() {
        largest = grown(folder).max(largest);
        tokio::time::sleep(GLANCE).await;
    }
    let whole = begin.elapsed();
    let ended = program.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    (whole, largest)
}

#[tokio::test]
async fn a_drill_that_is_killed_at_any_moment_leaves_a_true_record() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let (whole, largest) = undisturbed(folder.path()).await;
    let truth = events(folder.path()).await.expect("a whole drill leaves a record");
    assert!(truth.len() >= 20, "the attack in parts leaves more than {} events", truth.len());

    let kills = kills();
    let moments = (0..kills).map(|kill| {
        if kill % 2 == 0 {
            Moment::Passed(whole.mul_f64(f64::from(kill) / f64::from(kills)))
        } else {
            Moment::Grown(largest.saturating_mul(kill.into()) / u64::from(kills))
        }
    });
    let mut lengths = Vec::new();
    let mut killed = stream::iter(moments).map(killed_at).buffer_unordered(TOGETHER);
    while let Some(left) = killed.next().await {
        if let Some(left) = left {
            assert!(truth.starts_with(&left), "not a beginning of the whole record: {left:#?}");
            lengths.push(left.len());
        }
    }
    lengths.sort_unstable();
    println!("{kills} kills over {whole:?} left {} records, of lengths {lengths:?}", lengths.len());
    lengths.dedup();
    assert!(lengths.len() >= 4, "the kills found the record at the lengths {lengths:?} only: they test little");
}
