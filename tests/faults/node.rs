//! Nodes that err, hang, lag or lie, over HTTP and over WebSocket.

use cofferdam_e2e::{Fault, contract, wait};
use serde_json::json;

use crate::{Scene, Transport, over_both};

over_both! {
    without_a_fault_an_attack_is_told: told;
    one_failed_call_for_the_receipts_of_the_attack_block_loses_nothing: one_failed_call;
    a_long_outage_of_the_receipts_is_told_and_loses_nothing: outage_of_receipts;
    a_long_outage_of_everything_is_told_and_loses_nothing: outage_of_everything;
    an_endpoint_that_hangs_loses_nothing: |over| during(over, Fault::Hang, "*");
    an_endpoint_that_drops_connections_loses_nothing: |over| during(over, Fault::CutOff, "*");
    an_endpoint_that_answers_503_loses_nothing: |over| during(over, Fault::Status(503), "*");
    an_endpoint_that_answers_no_json_loses_nothing: |over| during(over, Fault::NotJson, "*");
    an_endpoint_that_lags_loses_nothing: |over| during(over, Fault::Lag(2), "*");
    an_endpoint_that_knows_no_receipts_loses_nothing:
        |over| during(over, Fault::nothing(), "eth_getBlockReceipts");
    a_block_number_as_a_decimal_string_is_refused_and_loses_nothing:
        |over| during(over, Fault::decimal("number"), "eth_getBlockBy*");
    gas_in_a_receipt_as_a_decimal_string_is_refused_and_loses_nothing:
        |over| during(over, Fault::decimal("gasUsed"), "eth_getBlockReceipts");
    a_block_whose_parent_does_not_fit_is_not_believed_and_loses_nothing:
        |over| during(over, Fault::foreign_parent(), "eth_getBlockBy*");
    an_endpoint_of_another_chain_is_refused_at_the_start: other_chain_at_the_start;
    an_endpoint_that_moves_to_another_chain_is_told_and_loses_nothing: other_chain_meanwhile;
    a_failed_transaction_among_successful_ones_is_not_told: failed_among_successful;
}

async fn told(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    let attack = scene.attack().await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// An attack happens while `fault` strikes `method`, which must strike, and is lifted afterwards.
async fn during(over: Transport, fault: Fault, method: &'static str) {
    let scene = Scene::over(over).await;
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

async fn one_failed_call(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    let mut rule = scene.proxy.inject(Fault::error().on("eth_getBlockReceipts").times(1));
    let attack = scene.attack().await;
    rule.struck(1).await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// Receipts carry the logs; the program asks for logs in no other way.
async fn outage_of_receipts(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    let mut by_block = scene.proxy.inject(Fault::error().on("eth_getBlockReceipts").for_duration(wait::outage()));
    scene.proxy.inject(Fault::error().on("eth_getTransactionReceipt").for_duration(wait::outage()));
    let attack = scene.attack().await;
    by_block.struck(1).await;
    scene.operator_is_told("cannot be read").await;
    scene.told(attack).await;
    scene.operator_is_told("can be read again").await;
    scene.nothing_is_lost_or_doubled(program).await;
}

async fn outage_of_everything(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    let before = scene.attack().await;
    scene.told(before).await;
    let mut rule = scene.proxy.inject(Fault::Hang.on_all_for(wait::outage()));
    rule.struck(1).await;
    let attack = scene.attack().await;
    scene.operator_is_told("was not answered within").await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

async fn other_chain_at_the_start(over: Transport) {
    let scene = Scene::over(over).await;
    scene.proxy.inject(Fault::other_chain(1).on("eth_chainId"));
    let ended = scene.start().ended().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("31337"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("127.0.0.1"), "an address is told: {}", ended.stderr);
}

/// As when a gateway is pointed elsewhere: the connections end, and the new ones lead to another chain.
async fn other_chain_meanwhile(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    let before = scene.attack().await;
    scene.told(before).await;
    let mut rule = scene.proxy.inject(Fault::other_chain(1).on("eth_chainId"));
    scene.proxy.inject(Fault::CutOff.on("*").times(1));
    rule.struck(2).await;
    let attack = scene.attack().await;
    scene.operator_is_told("is on chain 1, expected chain 31337").await;
    rule.lift();
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// In one block: a transaction that fails, one that succeeds and leaves a log, and the attack.
async fn failed_among_successful(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    scene.hold_back().await;
    // More than the vault holds: it reverts.
    let failed = scene.vault.withdraw(&scene.node, 1_000).await;
    let honest = scene.vault.withdraw(&scene.node, 1).await;
    let attack = scene.attack().await;
    scene.mine_together(&[honest, attack]).await;
    let receipt = scene.node.receipt(failed).await.expect("it is mined with the others");
    assert_eq!((&receipt["status"], &receipt["logs"]), (&json!("0x0"), &json!([])), "{receipt}");
    let logs = contract::done(&scene.node, honest).await["logs"].clone();
    assert_eq!(logs.as_array().map(Vec::len), Some(1), "{logs}");
    scene.told(attack).await;
    let about = |hash| scene.receiver.attempts().into_iter().any(|delivery| crate::is_about(&delivery.json, hash));
    assert!(!about(failed) && !about(honest));
    scene.nothing_is_lost_or_doubled(program).await;
}
