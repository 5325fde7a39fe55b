//! `envelope`: drafted, read, signed by people on machines without a node, checked, edited, revoked.

use std::fs;
use std::path::Path;

use cofferdam_e2e::{Ended, Program, people};
use serde_json::Value;

use crate::refused;

const CONFIGURATION: &str = "\
SIGNERS_AND_LIMITS
[chain]
id = 31337
[[endpoint]]
name = 'node'
url = 'http://127.0.0.1:1'
[record]
database = 'record.db'
[[module]]
id = 'vault'
contracts = ['0x00000000000000000000000000000000000000aa']
[[lever]]
name = 'pause-vault'
module = 'vault'
target = '0x00000000000000000000000000000000000000aa'
guardian = 'machine'
[[guardian]]
name = 'machine'
address = '0x00000000000000000000000000000000000000bb'
[signers]
accounts = ['0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A', '0x1563915e194D8CfBA1943570603F7606A3115508']
threshold = 2
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    people::move_in(folder.path());
    people::place(folder.path(), "cofferdam.toml", &CONFIGURATION.replace("SIGNERS_AND_LIMITS\n", ""));
    folder
}

async fn run(folder: &Path, line: &str) -> Ended {
    Program::run(folder, &line.split(' ').collect::<Vec<_>>()).await
}

async fn sign(folder: &Path, what: &str, who: &str) -> Ended {
    run(folder, &format!("envelope {what} envelope.toml --keystore {who}.json --password-file {who}")).await
}

/// Drafts an envelope into the folder.
async fn draft(folder: &Path) {
    let drafted = run(folder, "envelope new --protocol drill --serial 4 --expires 4000000000").await;
    assert_eq!(drafted.code, Some(0), "{drafted:?}");
    fs::write(folder.join("envelope.toml"), drafted.stdout).expect("the folder can be written");
}

#[tokio::test]
async fn an_envelope_holds_when_enough_have_signed_what_they_read_and_one_of_them_ends_it() {
    let folder = folder();
    let at = folder.path();
    draft(at).await;
    let verify = "envelope verify envelope.toml";
    let nobody = run(at, verify).await;
    assert_eq!((nobody.code, nobody.stdout.trim()), (Some(1), "not approved: 0 of 2 signatures"));
    let first = sign(at, "sign", "one").await;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stderr.contains("call 0x8456cb59"), "whoever signs has read it: {}", first.stderr);
    assert_eq!(run(at, verify).await.stdout.trim(), "not approved: 1 of 2 signatures");
    refused(&sign(at, "sign", "one").await, &["signed twice"]);
    assert_eq!(sign(at, "sign", "two").await.code, Some(0));
    let approved = run(at, verify).await;
    assert_eq!((approved.code, approved.stdout.trim()), (Some(0), "approved: 2 signed, 2 needed"));

    // The configuration takes it as its limits, and says so.
    let with = |limits: &str| CONFIGURATION.replace("SIGNERS_AND_LIMITS", limits);
    people::place(at, "cofferdam.toml", &with("limits = 'envelope.toml'"));
    let checked = run(at, "config check").await;
    assert!(checked.code == Some(0) && checked.stdout.contains("acts within its limits"), "{checked:?}");

    // Any value that is changed voids it, wherever that is noticed.
    let signed = fs::read_to_string(at.join("envelope.toml")).expect("it was written");
    people::place(at, "envelope.toml", &signed.replace("max_actions = 1", "max_actions = 9"));
    let edited = run(at, "config check").await;
    refused(&edited, &["is not over these terms"]);
    people::place(at, "envelope.toml", &signed.replace("max_actions = 1", "max_actions = 1 # once"));
    assert_eq!(run(at, verify).await.code, Some(0), "a remark is no term");

    let ended = sign(at, "revoke", "two").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let after = run(at, verify).await;
    assert_eq!(after.code, Some(1));
    assert!(after.stdout.contains("revoked by 0x1563915e"), "{after:?}");
    let checked = run(at, "config check").await;
    assert!(checked.code == Some(0) && checked.stdout.contains("revoked, so nothing is sent"), "{checked:?}");
}

#[tokio::test]
async fn unsigned_limits_are_refused_where_signers_are_named() {
    let folder = folder();
    let at = folder.path();
    people::place(at, "cofferdam.toml", &CONFIGURATION.replace("SIGNERS_AND_LIMITS", "limits = 'limits.toml'"));
    people::place(at, "limits.toml", "enabled = true\n");
    refused(&run(at, "config check").await, &["limits", "`[envelope]` is missing"]);
}

#[tokio::test]
async fn signers_who_are_the_machine_or_too_few_are_refused() {
    let folder = folder();
    let at = folder.path();
    let configuration = CONFIGURATION.replace("SIGNERS_AND_LIMITS\n", "").replace("threshold = 2", "threshold = 4");
    let configuration = configuration.replace(
        "accounts = [",
        "accounts = ['0x00000000000000000000000000000000000000bb', '0x1563915e194D8CfBA1943570603F7606A3115508', ",
    );
    people::place(at, "cofferdam.toml", &configuration.replace("threshold = 4", "threshold = 5"));
    let words = ["signers.accounts[0]", "is a guardian", "signers.accounts[3]", "is given twice", "signers.threshold"];
    refused(&run(at, "config check").await, &words);
}

#[tokio::test]
async fn a_wallet_far_from_here_signs_the_same_thing() {
    let folder = folder();
    let at = folder.path();
    draft(at).await;
    let shown = run(at, "envelope show envelope.toml --typed-data").await;
    let typed: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(typed["primaryType"], "Envelope");
    assert_eq!(typed["message"]["allow"][0]["lever"], "pause-vault");
    let spoilt = format!("0x{}1b", "11".repeat(64));
    let by = "--signer 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
    refused(
        &run(at, &format!("envelope sign envelope.toml --signature {spoilt} {by}")).await,
        &["not over these terms"],
    );
    assert_eq!(sign(at, "sign", "one").await.code, Some(0));
    let json: Value = serde_json::from_str(&run(at, "envelope show envelope.toml --json").await.stdout).expect("JSON");
    let signature = json["signatures"][0]["signature"].as_str().expect("one signature").to_owned();
    draft(at).await;
    let taken = run(at, &format!("envelope sign envelope.toml --signature {signature} {by}")).await;
    assert_eq!(taken.code, Some(0), "{taken:?}");
}

#[tokio::test]
async fn what_cannot_be_signed_says_why() {
    let folder = folder();
    let at = folder.path();
    refused(&sign(at, "sign", "one").await, &["envelope.toml"]);
    people::place(at, "envelope.toml", "enabled = true\n");
    refused(&sign(at, "sign", "one").await, &["no `[envelope]`"]);
    draft(at).await;
    refused(&run(at, "envelope sign envelope.toml").await, &["--keystore"]);
    refused(&run(at, "envelope sign envelope.toml --keystore one.json --password-file two").await, &["not opened by"]);
    let elsewhere = run(at, "envelope verify envelope.toml --config nowhere.toml").await;
    refused(&elsewhere, &["nowhere.toml"]);
}
