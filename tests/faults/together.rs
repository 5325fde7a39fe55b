//! Two sends at the same moment.

use cofferdam_e2e::{Acting, Fault, Link, record};

/// Over HTTP a node without a mempool to show: what it mines is seen in blocks only.
fn hide_the_mempool(scene: &Acting) {
    let lacking = Fault::Error { code: -32601, message: "the method txpool_content does not exist" };
    scene.proxy.inject(lacking.on("txpool_content"));
}

#[tokio::test]
async fn two_attacks_on_one_module_at_the_same_moment_cause_one_pause() {
    let scene = Acting::set(1, Link::WebSocket).await;
    let other = scene.further_user(scene.vault(), 0).await;
    let program = scene.watch().await;
    let attacks = <[_; 2]>::from(tokio::join!(scene.attack(), scene.attack_on(other)));
    scene.pauses_wait(1).await;
    for attack in attacks {
        scene.told(attack, "pending").await;
    }
    let pauses = scene.contained(&attacks, 1).await;
    scene.confirmed(pauses[0]).await;
    let events = scene.settle(program).await;
    assert_eq!(record::sent_nonces(&events).len(), 1, "one plan");
    assert_eq!(scene.guardian_count("pending").await, 1, "nothing more waits");
}

#[tokio::test]
async fn two_attacks_in_one_block_that_nobody_saw_before_cause_one_pause() {
    let scene = Acting::set(1, Link::Http).await;
    hide_the_mempool(&scene);
    let other = scene.further_user(scene.vault(), 0).await;
    let program = scene.watch().await;
    let attacks = <[_; 2]>::from(tokio::join!(scene.attack(), scene.attack_on(other)));
    let block = scene.mine().await;
    assert!(scene.sent_by_guardian(&block).is_empty());
    for attack in attacks {
        let receipt = scene.node.receipt(attack).await.expect("both are in the block");
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        scene.told(attack, "mined").await;
    }
    scene.pauses_wait(1).await;
    let pauses = scene.contained(&[], 1).await;
    assert!(scene.is_paused(&scene.vault()).await);
    scene.confirmed(pauses[0]).await;
    let events = scene.settle(program).await;
    assert_eq!(record::sent_nonces(&events).len(), 1, "one plan");
    assert_eq!(scene.guardian_count("pending").await, 1, "nothing more waits");
}

/// Each attack is its own sender's, so that neither waits for the other.
async fn attacks_on_two_modules(seen_before: bool) {
    let scene = Acting::set(2, Link::Http).await;
    if !seen_before {
        hide_the_mempool(&scene);
    }
    let second = scene.further_user(scene.vaults[1], 0).await;
    let program = scene.watch().await;
    let attacks = <[_; 2]>::from(tokio::join!(scene.attack(), scene.attack_on(second)));
    if !seen_before {
        scene.mine().await;
    }
    scene.pauses_wait(2).await;
    let failed = if seen_before { &attacks[..] } else { &[] };
    let pauses = scene.contained(failed, 2).await;
    for vault in &scene.vaults {
        assert!(scene.is_paused(vault).await);
    }
    for pause in pauses {
        scene.confirmed(pause).await;
    }
    let sent = record::sent_nonces(&scene.settle(program).await);
    let nonces: Vec<u64> = sent.values().flatten().copied().collect();
    assert!(sent.len() == 2 && nonces.len() == 2 && nonces.contains(&0) && nonces.contains(&1), "{sent:?}");
    assert_eq!(scene.guardian_count("pending").await, 2, "nothing more waits");
}

#[tokio::test]
async fn attacks_on_two_modules_at_the_same_moment_cause_one_pause_each() {
    attacks_on_two_modules(true).await;
}

#[tokio::test]
async fn attacks_on_two_modules_in_one_block_cause_one_pause_each() {
    attacks_on_two_modules(false).await;
}
