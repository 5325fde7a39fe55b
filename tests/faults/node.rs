//! Nodes that err, hang, lag or lie.

use std::time::Duration;

use cofferdam_e2e::{Fault, wait};
use serde_json::json;

use crate::Scene;

#[tokio::test]
async fn without_a_fault_an_attack_is_told() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    let attack = scene.attack().await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// An attack happens while `fault` strikes `method`, which must strike, and is lifted afterwards.
async fn an_attack_during(fault: Fault, method: &'static str) {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    let before = scene.attack().await;
    scene.told(before).await;
    let mut rule = scene.proxy.inject(fault.on(method));
    let during = scene.attack().await;
    rule.struck(2).await;
    rule.lift();
    scene.told(during).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

#[tokio::test]
async fn one_failed_call_for_the_receipts_of_the_attack_block_loses_nothing() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    let mut rule = scene.proxy.inject(Fault::error().on("eth_getBlockReceipts").times(1));
    let attack = scene.attack().await;
    rule.struck(1).await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

#[tokio::test]
async fn thirty_seconds_of_failing_receipts_lose_nothing() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    let span = Duration::from_secs(30);
    let mut by_block = scene.proxy.inject(Fault::error().on("eth_getBlockReceipts").for_duration(span));
    scene.proxy.inject(Fault::error().on("eth_getTransactionReceipt").for_duration(span));
    let attack = scene.attack().await;
    by_block.struck(1).await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

#[tokio::test]
async fn an_endpoint_that_hangs_loses_nothing() {
    an_attack_during(Fault::Hang, "*").await;
}

#[tokio::test]
async fn an_endpoint_that_drops_connections_loses_nothing() {
    an_attack_during(Fault::CutOff, "*").await;
}

#[tokio::test]
async fn an_endpoint_that_answers_503_loses_nothing() {
    an_attack_during(Fault::Status(503), "*").await;
}

#[tokio::test]
async fn an_endpoint_that_answers_no_json_loses_nothing() {
    an_attack_during(Fault::NotJson, "*").await;
}

#[tokio::test]
async fn an_endpoint_that_lags_loses_nothing() {
    an_attack_during(Fault::Lag(2), "*").await;
}

#[tokio::test]
async fn a_block_number_written_as_a_decimal_string_is_refused_and_loses_nothing() {
    an_attack_during(Fault::decimal("number"), "eth_getBlockByNumber").await;
}

#[tokio::test]
async fn a_block_whose_parent_does_not_fit_is_not_believed_and_loses_nothing() {
    an_attack_during(Fault::foreign_parent(), "eth_getBlockByNumber").await;
}

#[tokio::test]
async fn an_endpoint_of_another_chain_is_refused_at_the_start() {
    let scene = Scene::set().await;
    scene.proxy.inject(Fault::other_chain(1).on("eth_chainId"));
    let ended = scene.start().ended().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("31337"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("127.0.0.1"), "an address is told: {}", ended.stderr);
}

#[tokio::test]
async fn a_failed_transaction_among_successful_ones_is_not_told() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    // More than the vault holds: it reverts.
    let failed = scene.vault.withdraw(&scene.node, 1_000).await;
    let attack = scene.attack().await;
    scene.told(attack).await;
    let about_failed = scene.receiver.attempts().into_iter().any(|delivery| crate::is_about(&delivery.json, failed));
    assert!(!about_failed);
    scene.nothing_is_lost_or_doubled(program).await;
}

#[tokio::test]
async fn an_event_that_exists_only_before_a_reorg_is_withdrawn() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    let attack = scene.attack().await;
    let told = scene.told(attack).await;
    let finding = told.json["data"]["event"]["finding"]["id"].clone();
    scene.node.reorg(1).await;
    scene.node.mine(1).await;
    let withdrawn = |message: &serde_json::Value| {
        message["type"] == "finding.withdrawn" && message["data"]["event"]["finding"] == finding
    };
    scene.receiver.accepts("the withdrawal", withdrawn).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

#[tokio::test]
async fn an_event_that_exists_only_after_a_reorg_is_told() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    scene.node.mine(3).await;
    let head = scene.node.head().await;
    wait::until("the program has read the head", wait::PATIENCE, async || {
        (scene.proxy.requests("eth_getBlockReceipts") > 0).then_some(())
    })
    .await;
    scene.node.call("anvil_reorg", json!([2, []])).await;
    let attack = scene.attack().await;
    assert!(scene.node.head().await >= head);
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}
