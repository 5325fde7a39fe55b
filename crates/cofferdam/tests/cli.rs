//! What the command line promises to scripts: exit codes, what goes to which stream, JSON where it is asked for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use cofferdam_incident::{Options, Store};
use cofferdam_types::primitives::B256;
use cofferdam_types::{
    Basis, Batch, BlockRef, ChainId, Event, Finding, FindingId, Journal as _, Level, ManualClock, Maturity, ModuleId,
    Severity, Standing, UnixMillis, Window,
};

const GOOD: &str = "
[chain]
id = 31337
[[endpoint]]
name = 'a'
url = 'ws://127.0.0.1:8545'
[record]
database = 'cofferdam.db'
[[module]]
id = 'vault'
contracts = ['0x00000000000000000000000000000000000000aa']
";

fn cofferdam(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cofferdam")).args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_right_configuration_is_code_0_and_a_wrong_one_code_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cofferdam.toml"), GOOD).unwrap();
    let good = cofferdam(folder.path(), &["config", "check"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(text(&good.stdout).contains("1 endpoint, 1 module, 0 levers"), "{good:?}");

    let wrong = GOOD.replace("id = 31337", "id = 'x'\nsurprise = 1");
    std::fs::write(folder.path().join("wrong.toml"), wrong).unwrap();
    let bad = cofferdam(folder.path(), &["config", "check", "wrong.toml"]);
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    assert_eq!(text(&bad.stdout), "", "a refusal is no result");
    let said = text(&bad.stderr);
    assert!(
        said.contains("2 mistakes") && said.contains("line 3: chain.id") && said.contains("line 4: chain.surprise")
    );
}

#[test]
fn mistakes_are_a_json_document_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cofferdam.toml"), GOOD.replace("id = 'vault'", "id = 'Vault'")).unwrap();
    let bad = cofferdam(folder.path(), &["config", "check", "--json"]);
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    let checked = json(&bad);
    assert_eq!(checked["ok"], false);
    assert_eq!(checked["mistakes"][0]["field"], "module[0].id");
    assert_eq!(checked["mistakes"][0]["seen"], "Vault");
    assert_eq!(checked["mistakes"][0]["line"], 10);
}

#[test]
fn the_schema_is_a_json_document_with_or_without_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["config", "schema"][..], &["--json", "config", "schema"]] {
        let schema = cofferdam(folder.path(), arguments);
        assert_eq!((schema.status.code(), text(&schema.stderr)), (Some(0), ""));
        assert_eq!(json(&schema)["title"], "cofferdam.toml");
    }
}

#[test]
fn what_is_missing_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["config", "check", "gone.toml"][..],
        &["watch", "--config", "gone.toml"],
        &["incident", "list", "gone.db"],
        &["incident", "verify", "gone.db"],
        &["incident", "close", "gone.db", "2026-11-23-a1b", "--reason", "false alarm"],
        &["record", "--rpc", "ws://127.0.0.1:9", "--from", "5", "--to", "4"],
        &["record", "--rpc", "gopher://127.0.0.1:9/secret", "--from", "4", "--to", "5"],
        &["record", "--rpc", "ws://127.0.0.1:9", "--from", "4", "--to", "5", "--hardfork", "spoon"],
        &["no-such-command"],
    ] {
        let ended = cofferdam(folder.path(), arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
        assert!(!text(&ended.stderr).contains("secret"), "{ended:?}");
    }
}

#[test]
fn a_node_that_does_not_answer_is_code_3_and_its_address_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    // A port of our own that nobody listens on: it is bound and closed again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let node = format!("http://127.0.0.1:{port}/v3/secret-key");
    let ended = cofferdam(folder.path(), &["record", "--rpc", &node, "--from", "1", "--to", "1"]);
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert!(!text(&ended.stderr).contains("secret-key"), "{ended:?}");
}

#[test]
fn a_person_closes_an_incident_while_a_guard_holds_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(UnixMillis(1_795_406_706_789)));
    let options = Options { reserve_mib: 1, ..Options::default() };
    let guard = Store::open(&folder.path().join("record.db"), ChainId(1), options, clock).unwrap();
    let module = ModuleId::new("vault").unwrap();
    let finding = Finding {
        id: FindingId::new("test", &module, B256::ZERO, b""),
        detector: "test".into(),
        maturity: Maturity::Stable,
        level: Level::Alert,
        severity: Severity::High,
        module,
        transaction: B256::ZERO,
        summary: "the vault loses money".to_owned(),
        harm: Vec::new(),
        evidence: Vec::new(),
    };
    let standing = Standing { head: BlockRef::default(), basis: Basis::Executed, missing: Vec::new(), left_out: 0 };
    let found = Event::Found { finding, window: Window::Pending, block: None, standing, trail: None };
    let batch = Batch { at: UnixMillis(1_795_406_706_789), events: vec![found], checkpoint: None };
    let incident = guard.commit(&batch).unwrap().incidents.remove(0).unwrap();

    let close = |name: &str, reason: &str| {
        cofferdam(folder.path(), &["--json", "incident", "close", "record.db", name, "--reason", reason])
    };
    assert_eq!(close(&incident.0, " ").status.code(), Some(2), "nobody closes without a reason");
    assert_eq!(close("2026-11-23-zzz", "false alarm").status.code(), Some(2));
    let closed = close(&incident.0, "false alarm, says Ada");
    assert_eq!((closed.status.code(), json(&closed)["closed_now"].as_bool()), (Some(0), Some(true)), "{closed:?}");
    let again = close(&incident.0, "false alarm, says Ada");
    assert_eq!((again.status.code(), json(&again)["closed_now"].as_bool()), (Some(1), Some(false)));
    let shown = cofferdam(folder.path(), &["incident", "show", "record.db", &incident.0]);
    assert!(text(&shown.stdout).contains("says Ada"), "{shown:?}");
    let holds = cofferdam(folder.path(), &["incident", "verify", "record.db"]);
    assert_eq!(holds.status.code(), Some(0), "{holds:?}");
    drop(guard);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_cofferdam"))
        .args(["config", "schema"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), text(&ended.stderr)), (Some(0), ""));
}

#[test]
fn no_colour_reaches_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let help = cofferdam(folder.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for command in ["drill", "watch", "config", "bench", "record", "simulate", "incident"] {
        assert!(text(&help.stdout).contains(command), "{command}");
    }
    assert!(!text(&help.stdout).contains('\u{1b}'));
}
