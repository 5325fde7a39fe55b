//! A receiver that refuses, and the program killed meanwhile.

use std::time::Duration;

use alloy_primitives::B256;
use cofferdam_e2e::{Delivery, record};
use tokio::time::Instant;

use crate::Scene;

/// How long the receiver answers 503: `COFFERDAM_OUTAGE_SECONDS`, 30 by `scripts/kills`.
fn outage() -> Duration {
    let asked = std::env::var("COFFERDAM_OUTAGE_SECONDS").unwrap_or_else(|_| "5".to_owned());
    Duration::from_secs(asked.parse().expect("`COFFERDAM_OUTAGE_SECONDS` is a number"))
}

/// The refused attempt to tell of `attack`.
async fn refused(scene: &Scene, attack: B256) -> Delivery {
    let attempt = |delivery: &Delivery| !delivery.accepted && crate::is_about(&delivery.json, attack);
    scene.receiver.first("an attempt while it refuses", attempt).await
}

#[tokio::test]
async fn a_receiver_that_answers_503_for_a_while_and_two_kills_meanwhile_lose_no_alert() {
    let scene = Scene::set().await;
    let program = scene.watch().await;
    let back_at = Instant::now() + outage();
    scene.receiver.refuse();
    let seen = scene.attack().await;
    let tried = refused(&scene, seen).await;
    program.kill().await;
    let missed = scene.attack().await;
    // The messages are carried in order, so the first is what is tried: again and again, until it is taken.
    let program = scene.watch().await;
    let attempts = scene.receiver.attempts().len();
    scene.receiver.comes_to(attempts + 1).await;
    program.kill().await;
    let program = scene.watch().await;
    let last = scene.attack().await;
    // The outage is the fault: it lasts at least so long, whatever else went fast.
    tokio::time::sleep_until(back_at).await;
    assert!(scene.receiver.accepted().is_empty());
    scene.receiver.accept();

    let told = scene.told(seen).await;
    assert_eq!((&told.headers["webhook-id"], &told.body), (&tried.headers["webhook-id"], &tried.body));
    scene.told(missed).await;
    scene.told(last).await;
    record::is_told(scene.folder.path(), "record.db", &scene.receiver).await;
    scene.nothing_is_lost_or_doubled(program).await;
}
