//! The mempool of a real node: what waits is seen, replaced and dropped transactions are noticed.

use alloy_primitives::B256;
use cofferdam_e2e::{Fault, wait};
use serde_json::{Value, json};

use crate::{Scene, Transport, over_both};

over_both! {
    an_attack_that_waits_is_seen: waits;
    an_attack_that_waited_before_the_start_is_seen: waited_before;
    an_attack_that_is_replaced_is_withdrawn: replaced;
    an_attack_that_is_dropped_is_withdrawn: dropped;
    an_attack_that_waited_and_left_with_its_block_stands_nowhere: left_with_its_block;
}

/// Waits for the withdrawal of the pending finding that `told` is about.
async fn is_withdrawn(scene: &Scene, told: &Value, reason: &str) {
    let finding = &told["data"]["event"]["finding"]["id"];
    let withdrawn = |message: &Value| {
        let event = &message["data"]["event"];
        message["type"] == "finding.withdrawn"
            && event["finding"] == *finding
            && event["block"].is_null()
            && event["reason"].as_str().is_some_and(|words| words.contains(reason))
    };
    scene.receiver.accepts("the withdrawal of what waited", withdrawn).await;
}

/// The attack's sender uses its nonce for something harmless at a better price; gives the hash.
async fn replace(scene: &Scene, attack: B256) -> B256 {
    let waiting = scene.node.call("eth_getTransactionByHash", json!([attack])).await;
    let from = &waiting["from"];
    let other = json!({ "from": from, "to": from, "nonce": waiting["nonce"], "gasPrice": "0x174876e800" });
    scene.node.send(other).await
}

async fn waits(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    scene.hold_back().await;
    let attack = scene.attack().await;
    scene.told_pending(attack).await;
    assert!(scene.node.receipt(attack).await.is_none(), "it was told before it was mined");
    let method = match over {
        Transport::Http => "txpool_content",
        Transport::WebSocket => "eth_subscribe",
    };
    assert!(scene.proxy.requests(method) > 0, "{over:?} asks by {method}");
    scene.mine_together(&[attack]).await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

async fn waited_before(over: Transport) {
    let scene = Scene::over(over).await;
    scene.hold_back().await;
    let attack = scene.attack().await;
    let program = scene.watch().await;
    scene.told_pending(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

async fn replaced(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    scene.hold_back().await;
    let attack = scene.attack().await;
    let told = scene.told_pending(attack).await;
    replace(&scene, attack).await;
    is_withdrawn(&scene, &told.json, "another transaction took its place").await;
    scene.nothing_is_lost_or_doubled(program).await;
}

async fn dropped(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    scene.hold_back().await;
    let attack = scene.attack().await;
    let told = scene.told_pending(attack).await;
    scene.node.call("anvil_dropTransaction", json!([attack])).await;
    is_withdrawn(&scene, &told.json, "left the mempool").await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// Told while it waited and told when it was mined: after a reorg nothing of both is true any more.
async fn left_with_its_block(over: Transport) {
    let scene = Scene::over(over).await;
    let program = scene.watch().await;
    scene.hold_back().await;
    let attack = scene.attack().await;
    let told = scene.told_pending(attack).await;
    scene.mine_together(&[attack]).await;
    scene.told(attack).await;
    scene.node.reorg(1).await;
    is_withdrawn(&scene, &told.json, "").await;
    let closed = |message: &Value| message["type"] == "incident.closed";
    scene.receiver.accepts("the end of the incident", closed).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// Returns when the program listens to what is announced: it reads the pool once it has subscribed.
async fn listening(scene: &Scene) {
    wait::until("the program reads the pool", wait::PATIENCE, async || {
        (scene.proxy.requests("txpool_content") > 0).then_some(())
    })
    .await;
}

/// Announcements of pending transactions are struck by `fault`; an attack must be seen while it waits all the same.
async fn in_spite_of(fault: Fault) {
    let scene = Scene::over(Transport::WebSocket).await;
    let program = scene.watch().await;
    listening(&scene).await;
    let mut rule = scene.proxy.inject(fault.on("eth_subscription").about("\"gas\"").times(1));
    scene.hold_back().await;
    let attack = scene.attack().await;
    rule.struck(1).await;
    scene.told_pending(attack).await;
    scene.mine_together(&[attack]).await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

#[tokio::test]
async fn a_connection_that_ends_with_the_announcement_hides_no_attack_that_waits() {
    in_spite_of(Fault::CutOff).await;
}

#[tokio::test]
async fn an_announcement_that_is_no_json_hides_no_attack_that_waits() {
    in_spite_of(Fault::NotJson).await;
}

#[tokio::test]
async fn an_announcement_that_comes_twice_tells_nothing_twice() {
    in_spite_of(Fault::Twice).await;
}

#[tokio::test]
async fn an_announcement_that_is_lost_hides_no_attack_that_waits() {
    in_spite_of(Fault::Hang).await;
}

#[tokio::test]
async fn announcements_out_of_order_hide_no_attack_that_waits() {
    let scene = Scene::over(Transport::WebSocket).await;
    let program = scene.watch().await;
    listening(&scene).await;
    let mut rule = scene.proxy.inject(Fault::Late.on("eth_subscription").about("\"gas\"").times(1));
    scene.hold_back().await;
    let first = scene.attack().await;
    rule.struck(1).await;
    let second = scene.attack().await;
    scene.told_pending(first).await;
    scene.told_pending(second).await;
    scene.nothing_is_lost_or_doubled(program).await;
}
