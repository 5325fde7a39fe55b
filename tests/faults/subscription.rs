//! Announcements of heads that are dropped, silent, doubled, out of order, or lie: a hint that is lost or wrong costs a
//! moment and never a block.

use cofferdam_e2e::{Fault, Injected};

use crate::{Scene, Transport};

/// An attack happens while `fault` strikes the announcements of heads, which it must do before the attack is told, and
/// another one after them. `fault` stays in force.
async fn of_heads(fault: Fault, strikes: u64) -> Injected {
    let scene = Scene::over(Transport::WebSocket).await;
    let program = scene.watch().await;
    let before = scene.attack().await;
    scene.told(before).await;
    let mut rule = scene.proxy.inject(fault.on("eth_subscription").about("parentHash"));
    let first = scene.attack().await;
    scene.told(first).await;
    let second = scene.attack().await;
    scene.told(second).await;
    rule.struck(strikes).await;
    scene.nothing_is_lost_or_doubled(program).await;
    rule
}

#[tokio::test]
async fn announcements_that_never_come_lose_nothing() {
    of_heads(Fault::Hang, 2).await;
}

#[tokio::test]
async fn a_connection_that_ends_with_each_announcement_loses_nothing() {
    of_heads(Fault::CutOff, 1).await;
}

#[tokio::test]
async fn announcements_that_come_twice_tell_nothing_twice() {
    of_heads(Fault::Twice, 2).await;
}

#[tokio::test]
async fn announcements_that_come_out_of_order_lose_nothing() {
    of_heads(Fault::Late, 2).await;
}

#[tokio::test]
async fn announcements_of_an_old_head_lose_nothing() {
    of_heads(Fault::Lag(1), 2).await;
}

#[tokio::test]
async fn announcements_with_a_foreign_parent_are_not_believed_and_lose_nothing() {
    of_heads(Fault::foreign_parent(), 2).await;
}

#[tokio::test]
async fn announcements_with_a_decimal_number_are_refused_and_lose_nothing() {
    of_heads(Fault::decimal("number"), 2).await;
}

#[tokio::test]
async fn announcements_that_are_no_json_lose_nothing() {
    of_heads(Fault::NotJson, 1).await;
}

#[tokio::test]
async fn an_endpoint_that_refuses_subscriptions_is_asked_instead() {
    let scene = Scene::over(Transport::WebSocket).await;
    let mut rule = scene.proxy.inject(Fault::Error { code: -32601, message: "method not found" }.on("eth_subscribe"));
    let program = scene.watch().await;
    rule.struck(1).await;
    let attack = scene.attack().await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}
