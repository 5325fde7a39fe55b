//! Bad input ends with one clear error and exit code 2; what the command line promises about exit codes, and what it
//! makes of what a real node has.

mod config;
mod envelope;
mod record;
mod sign;
mod simulate;

use std::fs;

use cofferdam_e2e::{Ended, Program};

const PROTECTED: &str = "0x00000000000000000000000000000000000000aa";

async fn run(files: &[(&str, &[u8])], arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("a new folder can be written");
    }
    Program::run(folder.path(), arguments).await
}

/// Exit code 2, nothing on standard output, and exactly one error that contains every one of `words`.
fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(ended.stdout, "", "a refusal is no result");
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "no `{word}` in: {}", ended.stderr);
    }
}

#[tokio::test]
async fn an_unknown_command_is_bad_input() {
    refused(&run(&[], &["guard"]).await, &["guard"]);
}

#[tokio::test]
async fn an_unknown_scenario_is_bad_input_that_names_it() {
    refused(&run(&[], &["drill", "--scenario", "meteor"]).await, &["meteor"]);
}

#[tokio::test]
async fn a_folder_without_cases_is_bad_input() {
    refused(&run(&[], &["bench", "--cases", "nowhere"]).await, &["nowhere"]);
}

#[tokio::test]
async fn a_manifest_that_is_no_manifest_is_bad_input() {
    for bytes in [&b""[..], b"[", b"[]garbage", b"{\"blocks\": 7}", b"\xff\xfe"] {
        refused(&run(&[("manifest.json", bytes)], &["bench", "--cases", "."]).await, &["manifest.json"]);
    }
}

#[tokio::test]
async fn a_case_that_is_no_case_is_bad_input_that_names_the_file() {
    let cut_short = [0x28, 0xb5, 0x2f, 0xfd, 0x24];
    for bytes in [&b""[..], b"not zstd", &cut_short] {
        refused(
            &run(&[("a.json.zst", bytes)], &["simulate", "a.json.zst", "--protect", PROTECTED]).await,
            &["a.json.zst"],
        );
    }
}

#[tokio::test]
async fn a_record_that_is_missing_is_bad_input() {
    refused(&run(&[], &["incident", "list", "gone.db"]).await, &["gone.db"]);
}

#[tokio::test]
async fn an_empty_a_truncated_and_a_foreign_database_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let arguments = ["drill", "--scenario", "re-entrancy", "--lane", "mempool", "--out", "."];
    let drilled = Program::run(folder.path(), &arguments).await;
    assert_eq!(drilled.code, Some(0), "{}", drilled.stderr);
    let whole = fs::read(folder.path().join("re-entrancy-mempool.db")).expect("the drill left a record");
    let half = whole.get(..whole.len() / 2).expect("a half is shorter than the whole");
    for (name, bytes) in [("empty.db", &b""[..]), ("half.db", half), ("foreign.db", b"a letter to my bank")] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).expect("the folder can be written");
        refused(&Program::run(folder.path(), &["incident", "list", name]).await, &[name]);
        let verified = Program::run(folder.path(), &["incident", "verify", name]).await;
        assert_eq!(verified.code, Some(1), "{name} holds as a record: {verified:?}");
        assert_eq!(fs::read(&file).expect("it is still there"), bytes, "{name} was changed");
    }
}

#[tokio::test]
async fn a_changed_byte_of_a_bundle_is_found() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let arguments = ["drill", "--scenario", "re-entrancy", "--lane", "mempool", "--out", "."];
    Program::run(folder.path(), &arguments).await;
    let bundle = Program::run(folder.path(), &["incident", "export", "re-entrancy-mempool.db"]).await.stdout;
    let verify = async |text: &str| {
        fs::write(folder.path().join("bundle.jsonl"), text).expect("the folder can be written");
        Program::run(folder.path(), &["incident", "verify", "bundle.jsonl"]).await
    };
    assert_eq!(verify(&format!("{bundle}\n")).await.code, Some(0), "untouched");
    let unknown = ["incident", "export", "re-entrancy-mempool.db", "no-such-incident"];
    refused(&Program::run(folder.path(), &unknown).await, &["error: there is no incident `no-such-incident`"]);
    let name = "\"detector\":\"";
    let place = bundle.find(name).expect("the drill has findings, and they are in the bundle");
    let place = place.saturating_add(name.len());
    let mut changed = bundle.clone();
    changed.replace_range(place..place.saturating_add(1), "A");
    assert_eq!(verify(&changed).await.code, Some(1));
    let without_last: Vec<&str> = bundle.lines().collect();
    let without_last = without_last.split_last().expect("a bundle has lines").1.join("\n");
    assert_eq!(verify(&without_last).await.code, Some(1));
}
