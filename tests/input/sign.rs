//! `sign`: what is signed is shown for what it is, and nothing else is signed.

use std::path::Path;

use cofferdam_e2e::{Ended, Program, people};
use serde_json::{Value, json};

use crate::refused;

const SAFE: &str = "0x000000000000000000000000000000000000005a";

/// A Safe's transaction as its page hands it to a wallet.
fn document(operation: u8, to: &str, data: &str) -> Value {
    let field = |(kind, name): (&str, &str)| json!({ "type": kind, "name": name });
    let fields = [
        ("address", "to"),
        ("uint256", "value"),
        ("bytes", "data"),
        ("uint8", "operation"),
        ("uint256", "safeTxGas"),
        ("uint256", "baseGas"),
        ("uint256", "gasPrice"),
        ("address", "gasToken"),
        ("address", "refundReceiver"),
        ("uint256", "nonce"),
    ];
    let zero = "0x0000000000000000000000000000000000000000";
    json!({
        "types": {
            "EIP712Domain": [field(("uint256", "chainId")), field(("address", "verifyingContract"))],
            "SafeTx": fields.map(field),
        },
        "primaryType": "SafeTx",
        "domain": { "chainId": 10, "verifyingContract": SAFE },
        "message": {
            "to": to, "value": "0", "data": data, "operation": operation, "safeTxGas": "0", "baseGas": "0",
            "gasPrice": "0", "gasToken": zero, "refundReceiver": zero, "nonce": "12",
        },
    })
}

async fn run(folder: &Path, line: &str) -> Ended {
    Program::run(folder, &line.split(' ').collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_transaction_of_a_safe_is_shown_call_by_call_and_signed_only_when_its_hash_is_the_expected_one() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let at = folder.path();
    people::move_in(at);
    let pause = document(0, "0x00000000000000000000000000000000000000aa", "0x8456cb59");
    people::place(at, "pause.json", &pause.to_string());
    let shown = run(at, "sign pause.json --json").await;
    let json: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert!(shown.stderr.contains("its number 12") && shown.stderr.contains("0x8456cb59"), "{}", shown.stderr);
    assert!(json["signature"].is_null(), "without a key nothing is signed");
    let hash = json["hash"].as_str().expect("a hash").to_owned();
    let by = "--keystore one.json --password-file one --json";
    let signed = run(at, &format!("sign pause.json {by} --expect {hash}")).await;
    let json: Value = serde_json::from_str(&signed.stdout).expect("JSON");
    assert_eq!(json["signer"].as_str().map(str::to_lowercase), Some(people::ONE.to_lowercase()));
    assert_eq!(json["signature"].as_str().map(str::len), Some(2 + 130));
    let other = format!("0x{}", "11".repeat(32));
    refused(&run(at, &format!("sign pause.json {by} --expect {other}")).await, &["nothing is signed", &hash]);
}

#[tokio::test]
async fn foreign_code_that_runs_as_the_safe_is_said_in_capitals() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let takeover = document(1, "0x00000000000000000000000000000000000000bb", "0xa9059cbb");
    people::place(folder.path(), "bybit.json", &takeover.to_string());
    let shown = run(folder.path(), "sign bybit.json").await;
    assert!(shown.stderr.contains("RUNS THE CODE AT 0x00000000000000000000000000000000000000bb"), "{}", shown.stderr);
}

#[tokio::test]
async fn what_is_no_document_says_why() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, text) in [("empty", ""), ("list", "[]"), ("half", "{\"types\":"), ("nothing", "{}")] {
        people::place(folder.path(), name, text);
        refused(&run(folder.path(), &format!("sign {name}")).await, &[name, "typed data"]);
    }
    refused(&run(folder.path(), "sign nowhere").await, &["nowhere"]);
}
