//! Learning, from the command line: the same from a node as from its recorded blocks, of settled blocks only, and never over
//! what people wrote.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

use cofferdam::commands::record::record;
use cofferdam_chain::case::Manifest;
use cofferdam_chain::{Endpoint, Node, NodeOptions};
use cofferdam_evm::{Rules, spec_name};
use cofferdam_simnet::scenario::Scenario;

/// Blocks that may still leave a chain of which nothing is configured.
const DEPTH: u64 = 256;

fn learn(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.current_dir(folder).env_remove("COFFERDAM_RPC_URL").arg("learn").args(arguments).output().unwrap()
}

/// `more` after the accounts to protect.
fn with<'a>(protect: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [protect, more].concat()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_and_its_recorded_blocks_teach_the_same() {
    let setup = Scenario::ReEntrancy.setup(3);
    let config = setup.config();
    let (net, _courier) = setup.found(config.clone()).unwrap();
    let last = net.head().number.0;
    (0..DEPTH).for_each(|_| {
        net.mine();
    });
    let folder = tempfile::tempdir().unwrap();
    let node = Node::connect(vec![Endpoint::from_client("simnet", net.client())], None, NodeOptions::default());
    let rules = Rules::fixed(config.chain_id, config.spec);
    let cases = folder.path().join("cases");
    let mut manifest = Manifest::default();
    record(node.await.unwrap(), &rules, 1..=last, &cases, &mut manifest, &mut || {}).await.unwrap();

    let accounts: Vec<String> = setup.deployment.modules[0].contracts.iter().map(ToString::to_string).collect();
    let mut protect = Vec::new();
    accounts.iter().for_each(|account| protect.extend(["--protect", account]));
    let of_cases = learn(folder.path(), &with(&protect, &["--cases", "cases", "--out", "a.toml", "--json"]));
    assert_eq!(of_cases.status.code(), Some(0), "{}", said(&of_cases));
    let document: serde_json::Value = serde_json::from_slice(&of_cases.stdout).unwrap();
    assert!(document["modules"][0]["transactions"].as_u64() > Some(0), "{document}");
    assert_eq!(document["modules"][0]["enough"], false, "a few blocks are no history");

    let serving = net.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let url = format!("ws://{}", serving.address());
    let (to, spec) = (last.to_string(), spec_name(config.spec));
    let node = ["--rpc", &url, "--hardfork", spec, "--from", "1"];
    let of_node = learn(folder.path(), &with(&protect, &[&node[..], &["--to", &to, "--out", "b.toml"]].concat()));
    assert_eq!(of_node.status.code(), Some(0), "{}", said(&of_node));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("a.toml"), read("b.toml"));

    let near = last.saturating_add(1).to_string();
    let refused = learn(folder.path(), &with(&protect, &[&node[..], &["--to", &near]].concat()));
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("can still leave the chain"), "{}", said(&refused));

    let again = learn(folder.path(), &with(&protect, &["--cases", "cases", "--out", "a.toml"]));
    assert_eq!(again.status.code(), Some(0), "what nobody edited may be replaced: {}", said(&again));
    std::fs::write(folder.path().join("a.toml"), read("a.toml").replacen("most_calls = 1", "most_calls = 9", 1))
        .unwrap();
    let refused = learn(folder.path(), &with(&protect, &["--cases", "cases", "--out", "a.toml"]));
    assert!(said(&refused).contains("somebody has edited it"), "{}", said(&refused));
    assert_eq!(refused.status.code(), Some(2));

    let budget = learn(folder.path(), &with(&protect, &["--cases", "cases", "--budget", "2/month"]));
    let text = String::from_utf8(budget.stdout.clone()).unwrap();
    assert_eq!(budget.status.code(), Some(0), "{}", said(&budget));
    assert!(text.contains("outflow.one_sided_alert_bps = ") && text.contains("too short"), "{text}");
    assert!(!folder.path().join("learnt.toml").exists(), "a budget alone writes nothing");
}

#[test]
fn what_cannot_be_learnt_from_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let account = ["--protect", "0x00000000000000000000000000000000000000aa"];
    for (arguments, part) in [
        (vec!["--cases", "nowhere"], "nowhere"),
        (vec!["--from", "9", "--to", "3"], "the first not after the last"),
        (vec!["--cases", "nowhere", "--budget", "2/fortnight"], "is no budget"),
        (vec!["--from", "9"], "--to"),
    ] {
        let output = learn(folder.path(), &[account.to_vec(), arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
}
