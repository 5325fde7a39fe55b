//! A guard that acts is killed at moments spread over what it does about an attack: from the attack's arrival in the
//! mempool to the containment's, and from the block of both to what is told about it. After each kill it is started
//! again, and each attack must have been met by one pause, been told, and stand on a record that verifies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use cofferdam_e2e::{Acting, Link, Program, record};
use serde_json::Value;

use crate::kills;

/// How long an undisturbed guard takes from an attack to the pause in the mempool, and from their block to the message
/// that says so.
struct Course {
    acting: Duration,
    settling: Duration,
}

/// A moment of `span`, never twice the same and spread evenly however many there are: steps of the golden ratio.
fn moment(kill: u32, span: Duration) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    span.mul_f64((f64::from(kill) * GOLDEN).fract())
}

async fn undisturbed(scene: &Acting) -> Course {
    let begin = Instant::now();
    let attack = scene.attack().await;
    scene.pauses_wait(1).await;
    let acting = begin.elapsed();
    let begin = Instant::now();
    let pause = contained(scene, attack).await;
    scene.confirmed(pause).await;
    Course { acting, settling: begin.elapsed() }
}

/// Mines the attack and its one containment; gives this.
async fn contained(scene: &Acting, attack: B256) -> B256 {
    let pauses = scene.contained(&[attack], 1).await;
    assert!(scene.is_paused(&scene.vault()).await);
    pauses[0]
}

/// Kills the guard and starts it again. The record in between must hold; its last event is counted by its kind.
async fn killed(scene: &Acting, program: Program, ends: &mut BTreeMap<String, u32>) -> Program {
    program.kill().await;
    let events = record::is_true(scene.folder.path(), &scene.record).await;
    let last = &events.last().expect("a record begins with the start")["record"]["event"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seen = ends.entry(word(&last["type"]) + " " + &word(&last["step"]["step"])).or_default();
    *seen = seen.saturating_add(1);
    scene.watch().await
}

#[tokio::test]
async fn a_guard_that_is_killed_at_any_moment_acts_once_and_tells_everything() {
    let scene = Acting::set(1, Link::WebSocket).await;
    let vault = scene.vault();
    let mut program = scene.watch().await;
    let course = undisturbed(&scene).await;
    scene.reopen(&vault).await;

    let kills = kills();
    let mut ends = BTreeMap::new();
    for kill in 0..kills {
        scene.deposit(&vault, vault.user).await;
        let attack = scene.attack().await;
        if kill % 2 == 0 {
            // The moment is the fault itself, not a wait for something.
            tokio::time::sleep(moment(kill, course.acting)).await;
            program = killed(&scene, program, &mut ends).await;
        }
        scene.pauses_wait(1).await;
        let pause = contained(&scene, attack).await;
        if kill % 2 == 1 {
            tokio::time::sleep(moment(kill, course.settling)).await;
            program = killed(&scene, program, &mut ends).await;
            // Plans are looked after at each block, and the one that was killed may have had this one.
            scene.mine().await;
        }
        scene.told(attack, "pending").await;
        scene.confirmed(pause).await;
        scene.reopen(&vault).await;
    }
    let Course { acting, settling } = course;
    println!("{kills} kills, within {acting:?} of an attack and {settling:?} of its block; the record ended {ends:?}");
    assert!(ends.len() >= 2, "all kills found the record at the same point {ends:?}: they test nothing");

    let actions = u64::from(kills).saturating_add(1);
    assert_eq!(scene.guardian_count("pending").await, actions, "one pause for each attack, none waits");
    let sent = record::sent_nonces(&scene.settle(program).await);
    assert!(sent.values().all(|nonces| nonces.len() == 1), "a plan was sent under two nonces: {sent:?}");
    assert_eq!(sent.len(), usize::try_from(actions).expect("some hundreds"), "one plan for each attack");
}
