//! The process is away: for long, or while an attack arrives.

use std::fs;

use cofferdam_e2e::{Acting, Link, Program};

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

#[tokio::test]
async fn a_second_guard_on_the_same_record_is_refused_and_the_first_goes_on() {
    let scene = Acting::set(1, Link::Http).await;
    let program = scene.watch().await;
    let second = scene.start().ended().await;
    assert_eq!(second.code, Some(3), "{}", second.stderr);
    assert!(second.stderr.contains("another process"), "{}", second.stderr);
    let attack = scene.attack().await;
    scene.pauses_wait(1).await;
    let pauses = scene.contained(&[attack], 1).await;
    scene.confirmed(pauses[0]).await;
    scene.settle(program).await;
}

#[tokio::test]
async fn a_guard_that_is_asked_to_end_ends_well_and_leaves_a_record_in_one_file() {
    let scene = Acting::set(1, Link::WebSocket).await;
    let program = scene.watch().await;
    let attack = scene.attack().await;
    scene.told(attack, "pending").await;
    let ended = program.asked_to_end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let log = scene.folder.path().join("record.db-wal");
    assert!(!log.exists(), "the record alone is the record");
    let verified = Program::run(scene.folder.path(), &["incident", "verify", "record.db"]).await;
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

/// Cuts the record of a guard that met an attack to one part in two, or puts something else in its place.
#[tokio::test]
async fn a_guard_does_not_start_on_a_truncated_or_foreign_database_and_leaves_it_alone() {
    let scene = Acting::set(1, Link::Http).await;
    let program = scene.watch().await;
    let attack = scene.attack().await;
    scene.told(attack, "pending").await;
    program.asked_to_end().await;
    let file = scene.folder.path().join("record.db");
    let whole = fs::read(&file).expect("the guard left a record");
    let half = &whole[..whole.len() / 2];
    for bytes in [half, b"a letter to my bank"] {
        fs::write(&file, bytes).expect("the folder can be written");
        let refused = scene.start().ended().await;
        assert!(matches!(refused.code, Some(2 | 3)), "{refused:?}");
        assert!(refused.stderr.contains("record.db") && !refused.stderr.contains("panicked"), "{}", refused.stderr);
        assert_eq!(fs::read(&file).expect("it is still there"), bytes, "it was changed");
    }
}

#[tokio::test]
async fn a_guard_on_an_empty_database_begins_a_fresh_record() {
    let scene = Acting::set(1, Link::Http).await;
    fs::write(scene.folder.path().join("record.db"), b"").expect("the folder can be written");
    let program = scene.watch().await;
    let attack = scene.attack().await;
    scene.told(attack, "pending").await;
    scene.settle(program).await;
}
