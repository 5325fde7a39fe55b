//! A node on the same machine, spoken to through a socket.

use cofferdam_e2e::{Anvil, Relay};
use tempfile::TempDir;

use crate::Scene;

/// A scene whose program speaks to the node's socket through a relay.
async fn behind_a_socket() -> (Scene, Relay, TempDir) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let (socket, relayed) = (folder.path().join("node.ipc"), folder.path().join("relay.ipc"));
    let text = |path: &std::path::Path| path.to_str().expect("the folder's name is text").to_owned();
    let node = Anvil::with(&["--ipc", &text(&socket)]).await;
    let relay = Relay::before(&relayed, &socket);
    let scene = Scene::before(node, |_| text(&relayed)).await;
    (scene, relay, folder)
}

#[tokio::test]
async fn a_node_behind_a_socket_is_guarded_in_mempool_and_blocks() {
    let (scene, _relay, _folder) = behind_a_socket().await;
    let program = scene.watch().await;
    scene.hold_back().await;
    let attack = scene.attack().await;
    scene.told_pending(attack).await;
    scene.mine_together(&[attack]).await;
    scene.told(attack).await;
    assert_eq!(scene.proxy.requests("eth_chainId"), 0, "the proxy has no part in this");
    scene.nothing_is_lost_or_doubled(program).await;
}

/// An attack before, in and after what `trouble` does to the connection.
async fn in_spite_of(trouble: fn(&Relay)) {
    let (scene, relay, _folder) = behind_a_socket().await;
    let program = scene.watch().await;
    let before = scene.attack().await;
    scene.told(before).await;
    trouble(&relay);
    let during = scene.attack().await;
    scene.told(during).await;
    let after = scene.attack().await;
    scene.told(after).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

#[tokio::test]
async fn a_socket_that_closes_loses_nothing() {
    in_spite_of(Relay::cut).await;
}

#[tokio::test]
async fn a_socket_that_says_what_is_no_json_loses_nothing() {
    in_spite_of(Relay::babble).await;
}
