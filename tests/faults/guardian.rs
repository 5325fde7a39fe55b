//! The guardian has no money for gas: to be known before the incident, not in it.

use cofferdam_e2e::{Acting, Link};
use serde_json::{Value, json};

/// More than three actions at the highest price that the limits allow.
const ENOUGH_WEI: u64 = 10_000_000_000_000_000_000;
/// Levers are looked at this often, so that one of as many blocks is looked at.
const LOOKED_AT_BLOCKS: u32 = 5;

async fn lever_is(scene: &Acting, alert: &str) -> Value {
    let says = |message: &Value| message["data"]["event"]["alert"]["alert"] == alert;
    scene.receiver.accepts(&format!("the lever: {alert}"), says).await.json
}

#[tokio::test]
async fn a_guardian_without_gas_money_is_told_before_an_incident_and_again_when_it_has_some() {
    let scene = Acting::set(1, Link::Http).await;
    scene.fund_guardian(0).await;
    let program = scene.watch().await;
    let told = lever_is(&scene, "lever_not_ready").await;
    let text = told["data"]["text"].as_str().expect("a message is in words");
    assert!(text.contains("pause-0") && text.contains("has 0 wei"), "{text}");

    scene.fund_guardian(ENOUGH_WEI).await;
    for _ in 0..LOOKED_AT_BLOCKS {
        scene.mine().await;
    }
    lever_is(&scene, "lever_ready").await;
    let findings = |message: &Value| message["type"].as_str().is_some_and(|kind| kind.starts_with("finding"));
    assert!(!scene.receiver.attempts().iter().any(|message| findings(&message.json)), "all this before an incident");

    let attack = scene.attack().await;
    scene.pauses_wait(1).await;
    let pauses = scene.contained(&[attack], 1).await;
    scene.confirmed(pauses[0]).await;
    scene.settle(program).await;
}

#[tokio::test]
async fn an_attack_that_the_guardian_cannot_pay_to_stop_is_told_with_the_reason_and_stopped_once_it_can() {
    let scene = Acting::set(1, Link::Http).await;
    scene.fund_guardian(1).await;
    let program = scene.watch().await;
    lever_is(&scene, "lever_not_ready").await;
    let attack = scene.attack().await;
    scene.told(attack, "pending").await;
    let refused = |message: &Value| message["type"] == "plan.refused";
    let told = scene.receiver.accepts("why nothing is sent", refused).await;
    let text = told.json["data"]["text"].as_str().expect("a message is in words").to_owned();
    assert!(text.contains("1 wei"), "{text}");
    assert_eq!(scene.guardian_count("pending").await, 0);

    // The money comes while the attack still waits: it is kept out of the block that brings the money to light.
    let raw = scene.node.call("eth_getRawTransactionByHash", json!([attack])).await;
    scene.node.call("anvil_dropTransaction", json!([attack])).await;
    scene.fund_guardian(ENOUGH_WEI).await;
    scene.mine().await;
    scene.node.call("eth_sendRawTransaction", json!([raw])).await;
    scene.pauses_wait(1).await;
    let pauses = scene.contained(&[attack], 1).await;
    scene.confirmed(pauses[0]).await;
    scene.settle(program).await;
}
