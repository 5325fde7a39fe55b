//! The process is away: for long, or while an attack arrives.

use cofferdam_e2e::{Acting, Link};

use crate::Scene;

#[tokio::test]
async fn an_attack_in_the_middle_of_five_hundred_missed_blocks_is_told_after_a_restart() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    let before = scene.attack().await;
    scene.told(before).await;
    program.kill().await;
    scene.node.mine(250).await;
    let missed = scene.attack().await;
    scene.node.mine(250).await;
    let program = scene.watch().await;
    scene.told(missed).await;
    scene.nothing_is_lost_or_doubled(program).await;
}

/// No block comes between the end of the program and the pause: what was known of the chain is all that is known of it.
async fn an_attack_arrives_while_the_program_is_away(link: Link) {
    let scene = Acting::set(1, link).await;
    let program = scene.watch().await;
    let before = scene.attack().await;
    scene.pauses_wait(1).await;
    let pauses = scene.contained(&[before], 1).await;
    scene.confirmed(pauses[0]).await;
    scene.reopen(&scene.vault()).await;
    program.kill().await;

    let attack = scene.attack().await;
    let program = scene.watch().await;
    scene.pauses_wait(1).await;
    scene.told(attack, "pending").await;
    let pauses = scene.contained(&[attack], 1).await;
    scene.confirmed(pauses[0]).await;
    scene.settle(program).await;
}

#[tokio::test]
async fn an_attack_that_arrives_in_the_mempool_while_the_program_is_away_is_stopped_after_the_start() {
    an_attack_arrives_while_the_program_is_away(Link::Http).await;
}

#[tokio::test]
async fn an_attack_that_arrives_while_the_program_is_away_is_stopped_although_subscriptions_tell_news_only() {
    an_attack_arrives_while_the_program_is_away(Link::WebSocket).await;
}
