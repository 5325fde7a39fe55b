//! A clock that is minutes wrong. The node's is moved and not ours: only the distance can be seen.

use std::collections::BTreeSet;

use cofferdam_e2e::rpc::quantity;
use cofferdam_e2e::{Acting, Anvil, Link};
use serde_json::{Value, json};

const MINUTES: u64 = 600;

/// The distances that were told, in seconds, each once for each event.
fn told(scene: &Acting) -> Vec<i64> {
    let alerts = scene.receiver.accepted().into_iter().filter_map(|message| {
        let alert = &message.json["data"]["event"]["alert"];
        (alert["alert"] == "clock_skew").then(|| {
            let sequence = message.json["data"]["sequence"].as_u64().expect("an event has its place");
            (sequence, alert["seconds"].as_i64().expect("a distance is a number"))
        })
    });
    alerts.collect::<BTreeSet<_>>().into_iter().map(|(_, seconds)| seconds).collect()
}

async fn is_told(scene: &Acting, wanted: impl Fn(i64) -> bool) {
    let skew = |message: &Value| {
        let alert = &message["data"]["event"]["alert"];
        alert["alert"] == "clock_skew" && alert["seconds"].as_i64().is_some_and(&wanted)
    };
    scene.receiver.accepts("our clock and block time are apart", skew).await;
}

/// Moves the node's clock on.
async fn forward(scene: &Acting, seconds: u64) {
    scene.node.call("evm_increaseTime", json!([seconds])).await;
    scene.mine().await;
}

/// An attack is met whatever the clock says, and everything before it has been dealt with.
async fn an_attack_is_contained(scene: &Acting) {
    let attack = scene.attack().await;
    scene.pauses_wait(1).await;
    let pauses = scene.contained(&[attack], 1).await;
    scene.confirmed(pauses[0]).await;
    scene.reopen(&scene.vault()).await;
}

#[tokio::test]
async fn a_clock_that_is_minutes_slow_is_told_once_and_holds_up_nothing() {
    let scene = Acting::set(1, Link::Http).await;
    let program = scene.watch().await;
    an_attack_is_contained(&scene).await;
    assert!(told(&scene).is_empty(), "it is right at first");
    forward(&scene, MINUTES).await;
    is_told(&scene, |seconds| (-700..=-540).contains(&seconds)).await;
    an_attack_is_contained(&scene).await;
    assert_eq!(told(&scene).len(), 1, "it is told once");
    scene.settle(program).await;
}

#[tokio::test]
async fn a_clock_that_is_minutes_fast_is_told_at_the_first_block_and_again_after_it_was_right() {
    let now = quantity(&Anvil::start().await.block(0).await["timestamp"]);
    let past = (now - MINUTES).to_string();
    let node = Anvil::with(&["--timestamp", &past]).await;
    let scene = Acting::on(node, 1, Link::Http, "record.db").await;
    let program = scene.watch().await;
    is_told(&scene, |seconds| (540..=700).contains(&seconds)).await;
    an_attack_is_contained(&scene).await;
    forward(&scene, MINUTES).await;
    an_attack_is_contained(&scene).await;
    assert_eq!(told(&scene).len(), 1, "it is told once, and nothing is told of a clock that is right");
    forward(&scene, MINUTES).await;
    is_told(&scene, |seconds| (-700..=-540).contains(&seconds)).await;
    scene.settle(program).await;
}
