//! Two endpoints: heads that disagree, and one that fails in the middle of an incident.

use cofferdam_e2e::{Anvil, Fault, Proxy, Rpc};
use serde_json::json;

use crate::{Scene, Transport, over_both};

over_both! {
    an_endpoint_that_dies_in_the_middle_of_an_incident_loses_nothing: |over| dies(over, Fault::CutOff);
    an_endpoint_that_hangs_in_the_middle_of_an_incident_loses_nothing: |over| dies(over, Fault::Hang);
    an_endpoint_that_falls_behind_is_told_and_loses_nothing: falls_behind;
    endpoints_on_different_branches_are_told_and_the_preferred_one_is_followed: branches;
}

/// `scene`, with a second endpoint after its own.
fn with_second(scene: &Scene, over: Transport, second: &Proxy) {
    let endpoints = [over.url(&scene.proxy), over.url(second)];
    scene.vault.configure(scene.folder.path(), &endpoints, &scene.receiver);
}

/// The preferred endpoint fails between the first and the second transaction of a drain, and comes back at its end.
async fn dies(over: Transport, fault: Fault) {
    let scene = Scene::over(over).await;
    let second = Proxy::before(scene.node.address()).await;
    with_second(&scene, over, &second);
    let program = scene.watch().await;
    let first = scene.attack().await;
    scene.told(first).await;
    let mut dead = scene.proxy.inject(fault.on("*"));
    let later = scene.attack().await;
    dead.struck(1).await;
    scene.told(later).await;
    scene.operator_is_told("endpoint node-0: demoted").await;
    assert!(second.requests("eth_getBlockReceipts") > 0, "the second endpoint told of the block");
    dead.lift();
    scene.operator_is_told("endpoint node-0: answers again").await;
    let last = scene.attack().await;
    scene.told(last).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

async fn falls_behind(over: Transport) {
    let scene = Scene::over(over).await;
    let second = Proxy::before(scene.node.address()).await;
    with_second(&scene, over, &second);
    let program = scene.watch().await;
    let first = scene.attack().await;
    scene.told(first).await;
    let lag = scene.proxy.inject(Fault::Lag(5).on("*"));
    scene.node.mine(5).await;
    let later = scene.attack().await;
    scene.operator_is_told("`node-0` lags 5 blocks").await;
    scene.told(later).await;
    lag.lift();
    scene.operator_is_told("heads agree again").await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// The second endpoint is a node of the same chain whose blocks are others.
async fn branches(over: Transport) {
    let scene = Scene::over(over).await;
    let other = other_branch(&scene.node).await;
    let second = Proxy::before(other.address()).await;
    with_second(&scene, over, &second);
    let program = scene.watch().await;
    scene.operator_is_told("endpoints disagree on the head: at block").await;
    let attack = scene.attack().await;
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// A node as high as `node`, with blocks of its own.
async fn other_branch(node: &Rpc) -> Anvil {
    let other = Anvil::start().await;
    let someone = other.accounts().await.first().copied().expect("the node has accounts");
    other.send(json!({ "from": someone, "to": someone, "value": "0x1" })).await;
    other.mine(node.head().await.saturating_sub(other.head().await)).await;
    other
}
