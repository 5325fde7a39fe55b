//! Events that exist only on one side of a reorg.

use alloy_primitives::B256;
use cofferdam_e2e::vault::LIMIT_ETHER;
use serde_json::{Value, json};

use crate::{Scene, Transport, over_both};

over_both! {
    an_event_that_exists_only_before_a_reorg_is_withdrawn: only_before;
    an_event_that_exists_only_after_a_reorg_is_told: only_after;
    an_attack_that_is_mined_again_elsewhere_stands_again: again;
}

/// The record holds what `told` tells of a block, and after it the event that withdraws it.
async fn is_withdrawn_on_the_record(scene: &Scene, told: &Value) {
    let (finding, block) = (&told["data"]["event"]["finding"]["id"], &told["data"]["event"]["block"]);
    let events = scene.recorded().await;
    let found = |event: &Value| event["type"] == "found" && event["finding"]["id"] == *finding;
    let withdrawn = |event: &Value| event["type"] == "withdrawn" && event["finding"] == *finding;
    let found = events.iter().rposition(|event| found(event) && event["block"] == *block);
    let withdrawn = events.iter().rposition(|event| withdrawn(event) && event["block"] == *block);
    assert!(found.is_some() && found < withdrawn, "found at {found:?}, withdrawn at {withdrawn:?}: {events:#?}");
}

async fn only_before(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    let attack = scene.attack().await;
    let told = scene.told(attack).await;
    let finding = told.json["data"]["event"]["finding"]["id"].clone();
    scene.node.reorg(1).await;
    scene.node.mine(1).await;
    let withdrawn =
        |message: &Value| message["type"] == "finding.withdrawn" && message["data"]["event"]["finding"] == finding;
    scene.receiver.accepts("the withdrawal", withdrawn).await;
    scene.nothing_is_lost_or_doubled(program).await;
    is_withdrawn_on_the_record(&scene, &told.json).await;
}

/// Two blocks, the newer with an attack, give way to two others, the older of them with another attack.
async fn only_after(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    scene.node.mine(1).await;
    let before = scene.attack().await;
    let told = scene.told(before).await;
    let height = scene.node.head().await;
    let mut transaction = scene.vault.withdrawal(LIMIT_ETHER.saturating_add(2));
    transaction["nonce"] = json!("0x2");
    scene.node.call("anvil_reorg", json!([2, [[transaction, 0]]])).await;
    assert_eq!(scene.node.head().await, height);
    let block = scene.node.block(height.saturating_sub(1)).await;
    let after: B256 =
        serde_json::from_value(block["transactions"][0].clone()).expect("the reorg brought a transaction");
    assert_ne!(after, before);
    scene.told(after).await;
    scene.nothing_is_lost_or_doubled(program).await;
    is_withdrawn_on_the_record(&scene, &told.json).await;
}

/// The attack leaves the chain with its block and is mined in another one.
async fn again(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    let attack = scene.attack().await;
    let told = scene.told(attack).await;
    let first = told.json["data"]["event"]["block"].clone();
    let raw = scene.node.call("eth_getRawTransactionByHash", json!([attack])).await;
    scene.node.reorg(1).await;
    let again: B256 =
        serde_json::from_value(scene.node.call("eth_sendRawTransaction", json!([raw])).await).expect("a hash");
    assert_eq!(again, attack);
    let elsewhere = |message: &Value| crate::is_about(message, attack) && message["data"]["event"]["block"] != first;
    scene.receiver.accepts("the same attack in another block", elsewhere).await;
    scene.nothing_is_lost_or_doubled(program).await;
}
