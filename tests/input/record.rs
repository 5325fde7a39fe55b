//! `record` against a real node: what it writes runs again in `bench` and `simulate`, and what it cannot write is named.

use std::fs;

use cofferdam_e2e::{Anvil, Ended, Fault, Program, Proxy, Vault};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::refused;

/// A node with a vault that somebody has withdrawn from, and an empty folder.
async fn scene() -> (Anvil, Vault, TempDir) {
    let node = Anvil::start().await;
    let vault = Vault::deploy(&node).await;
    node.call("evm_setAutomine", json!([false])).await;
    vault.withdraw(&node, 5).await;
    vault.withdraw(&node, 20).await;
    node.mine(1).await;
    (node, vault, tempfile::tempdir().expect("there is room for a folder"))
}

async fn record(folder: &TempDir, rpc: &str, arguments: &[&str]) -> Ended {
    let all: Vec<&str> = ["record", "--rpc", rpc].iter().chain(arguments).copied().collect();
    Program::run(folder.path(), &all).await
}

#[tokio::test]
async fn what_was_recorded_runs_exactly_and_is_explained() {
    let (node, vault, folder) = scene().await;
    let (rpc, head) = (format!("http://{}", node.address()), node.head().await.to_string());
    for _ in 0..2 {
        // The second time the folder holds the same blocks already.
        let done = record(&folder, &rpc, &["--from", "1", "--to", &head]).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stdout.contains("cofferdam bench --cases cases"), "{done:?}");
    }
    let bench = Program::run(folder.path(), &["bench", "--cases", "cases", "--runs", "1", "--json"]).await;
    let measured: Value = serde_json::from_str(&bench.stdout).expect("one JSON document");
    assert_eq!(measured["exactness"]["blocks"].to_string(), head, "{bench:?}");
    assert_eq!(measured["exactness"]["matched"].to_string(), head, "{bench:?}");
    let (case, address) = (format!("cases/blocks/{head}.json.zst"), vault.address.to_string());
    let simulated = Program::run(folder.path(), &["simulate", &case, "--protect", &address]).await;
    assert_eq!(simulated.code, Some(0), "{simulated:?}");
    for expected in ["-20 ETH", "missing      nothing", "transaction 1 of block"] {
        assert!(simulated.stdout.contains(expected), "no `{expected}` in:\n{}", simulated.stdout);
    }
    let first = Program::run(folder.path(), &["simulate", &case, "--index", "0"]).await;
    assert!(first.stdout.contains("-5 ETH"), "{first:?}");
}

#[tokio::test]
async fn a_range_that_the_node_does_not_have_and_a_folder_of_something_else_are_bad_input() {
    let (node, _, folder) = scene().await;
    let rpc = format!("http://{}", node.address());
    refused(&record(&folder, &rpc, &["--from", "1", "--to", "99"]).await, &["--to 99", "newest block is"]);
    refused(&record(&folder, &rpc, &["--from", "2", "--to", "1"]).await, &["--from 2 --to 1"]);
    assert!(!folder.path().join("cases").exists(), "nothing was written");
    let diary = folder.path().join("diary");
    fs::create_dir(&diary).expect("the folder can be written");
    fs::write(diary.join("today.txt"), "rain").expect("the folder can be written");
    refused(
        &record(&folder, &rpc, &["--from", "1", "--to", "1", "--out", "diary"]).await,
        &["--out diary", "not empty"],
    );
    assert!(!diary.join("blocks").exists(), "nothing was written");
    refused(&record(&folder, &rpc, &["--from", "1", "--to", "1", "--out", "diary/today.txt"]).await, &["today.txt"]);
    let elsewhere = r#"{"format":"cofferdam-case/1","blocks":[{"file":"blocks/1.json.zst","chain_id":1}]}"#;
    let mainnet = folder.path().join("mainnet");
    fs::create_dir(&mainnet).expect("the folder can be written");
    fs::write(mainnet.join("manifest.json"), elsewhere).expect("the folder can be written");
    refused(&record(&folder, &rpc, &["--from", "1", "--to", "1", "--out", "mainnet"]).await, &["chain 1,", "31337"]);
}

#[tokio::test]
async fn a_node_that_cannot_trace_is_named_and_nothing_is_guessed() {
    let (node, _, folder) = scene().await;
    let proxy = Proxy::before(node.address()).await;
    let lacking = Fault::Error { code: -32601, message: "the method does not exist/is not available" };
    let _injected = proxy.inject(lacking.on("debug_*"));
    let head = node.head().await.to_string();
    let failed = record(&folder, &proxy.http(), &["--from", &head, "--to", &head]).await;
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(3), ""), "{failed:?}");
    assert!(failed.stderr.contains("debug_traceBlockByHash"), "{failed:?}");
    assert!(failed.stderr.contains("needs a node that traces"), "{failed:?}");
    assert!(!folder.path().join(format!("cases/blocks/{head}.json.zst")).exists());
}
