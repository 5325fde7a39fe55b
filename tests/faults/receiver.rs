//! A receiver that refuses, and the program killed meanwhile.

use crate::Scene;

#[tokio::test]
async fn a_refusing_receiver_and_a_kill_meanwhile_lose_no_alert() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    scene.receiver.refuse();
    let attack = scene.attack().await;
    scene.receiver.first("an attempt while it refuses", |delivery| crate::is_about(&delivery.json, attack)).await;
    program.kill().await;
    let program = scene.watch().await;
    scene.receiver.accept();
    scene.told(attack).await;
    scene.nothing_is_lost_or_doubled(program).await;
}
