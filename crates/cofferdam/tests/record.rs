//! Blocks that were recorded from a node run again offline, exactly.
#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::bench;
use cofferdam::cli::Failure;
use cofferdam::commands::record::{manifest_of, record};
use cofferdam::telemetry::SystemClock;
use cofferdam_chain::case::Manifest;
use cofferdam_chain::{Endpoint, Node, NodeOptions};
use cofferdam_evm::Rules;
use cofferdam_simnet::Simnet;
use cofferdam_simnet::scenario::{Courier, Scenario, Setup};

/// A chain on which a protocol was deployed and set up, and a node of it.
async fn chain(setup: &Setup) -> (Simnet, Courier<'_>, Node) {
    let (net, courier) = setup.found(setup.config()).unwrap();
    net.mine();
    let node = Node::connect(vec![Endpoint::from_client("simnet", net.client())], None, NodeOptions::default());
    (net.clone(), courier, node.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_blocks_run_again_exactly() {
    let setup = Scenario::ReEntrancy.setup(3);
    let (net, _courier, node) = chain(&setup).await;
    let rules = Rules::fixed(setup.config().chain_id, setup.config().spec);
    let folder = tempfile::tempdir().unwrap();
    let last = net.head().number.0;
    let mut blocks = 0_u64;
    let written =
        record(node, &rules, 1..=last, folder.path(), &mut Manifest::default(), &mut || blocks += 1).await.unwrap();
    assert_eq!(blocks, last);
    assert!(written.iter().map(|block| block.transactions).sum::<usize>() > 0, "{written:?}");
    let measured = bench::run(folder.path(), 1, &SystemClock::start(), &mut |_| {}).unwrap();
    assert_eq!(measured.exactness.blocks, last);
    assert_eq!(measured.exactness.matched, measured.exactness.blocks, "{:?}", measured.exactness.differing);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_a_failure_is_listed_and_written_once() {
    let setup = Scenario::ReEntrancy.setup(3);
    let (net, _courier, node) = chain(&setup).await;
    let rules = Rules::fixed(setup.config().chain_id, setup.config().spec);
    let folder = tempfile::tempdir().unwrap();
    let head = net.head().number.0;
    for _ in 0..2 {
        let past_the_head = head.saturating_sub(1)..=head.saturating_add(1);
        let mut manifest = manifest_of(folder.path()).unwrap();
        let failed = record(node.clone(), &rules, past_the_head, folder.path(), &mut manifest, &mut || {}).await;
        let failed = failed.unwrap_err();
        assert!(matches!(failed, Failure::Outside(_)), "{failed:?}");
    }
    let manifest = Manifest::read(folder.path()).unwrap();
    let numbers: Vec<_> = manifest.blocks.iter().filter_map(|entry| entry.number).collect();
    assert_eq!(numbers, [head.saturating_sub(1), head]);
}
