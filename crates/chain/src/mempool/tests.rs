//! The merged mempool against toy servers.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use alloy_primitives::B256;
use cofferdam_types::{ManualClock, PendingUpdate, UnixMillis};
use serde_json::{Value, json};

use super::known::Known;
use super::{Mempool, MempoolOptions};
use crate::testing::{Reply, Toy, node_of, transaction};
use crate::wire;

fn hash(one: &Value) -> B256 {
    one["hash"].as_str().unwrap().parse().unwrap()
}

async fn over(toys: &[&Toy], limit: usize) -> Mempool {
    let clock = Arc::new(ManualClock::new(UnixMillis(7_000)));
    Mempool::new(node_of(toys).await, clock, MempoolOptions { limit, ..MempoolOptions::default() })
}

fn put(toy: &Toy, pool: &[&Value]) {
    toy.0.lock().unwrap().pool = pool.iter().map(|one| (*one).clone()).collect();
}

fn short(updates: &[PendingUpdate]) -> Vec<(&'static str, B256)> {
    let one = |update: &PendingUpdate| match update {
        PendingUpdate::Added(new) => ("added", new.transaction.hash),
        PendingUpdate::Replaced { new, .. } => ("replaced", new.transaction.hash),
        PendingUpdate::Dropped { hash } => ("dropped", *hash),
    };
    updates.iter().map(one).collect()
}

#[tokio::test]
async fn several_endpoints_are_merged_and_the_first_sight_counts() {
    let (one, two) = (Toy::new(3), Toy::new(3));
    let mut pool = over(&[&one, &two], 10).await;
    let (first, second) = (transaction(1, 9, 0), transaction(2, 9, 0));
    put(&one, &[&first]);
    put(&two, &[&first, &second]);
    let updates = pool.poll().await.unwrap();
    assert_eq!(short(&updates), [("added", hash(&first)), ("added", hash(&second))]);
    let PendingUpdate::Added(seen) = &updates[0] else { panic!() };
    assert_eq!(seen.first_seen, UnixMillis(7_000));
    assert!(pool.poll().await.unwrap().is_empty());
    put(&one, &[]);
    assert!(pool.poll().await.unwrap().is_empty(), "the other endpoint still has it");
    put(&two, &[&second]);
    assert_eq!(short(&pool.poll().await.unwrap()), [("dropped", hash(&first))]);
    assert_eq!(pool.len(), 1);
}

#[tokio::test]
async fn nothing_is_taken_for_gone_while_an_endpoint_fails() {
    let (one, two) = (Toy::new(3), Toy::new(3));
    let mut pool = over(&[&one, &two], 10).await;
    let first = transaction(1, 9, 0);
    put(&two, &[&first]);
    pool.poll().await.unwrap();
    two.fault(|_, _| Some(Reply::Error(-32000, "trouble")));
    assert!(pool.poll().await.unwrap().is_empty());
    two.heal();
    put(&two, &[]);
    assert_eq!(short(&pool.poll().await.unwrap()), [("dropped", hash(&first))]);
}

#[tokio::test]
async fn the_same_sender_and_nonce_replaces() {
    let toy = Toy::new(3);
    let mut pool = over(&[&toy], 10).await;
    let (old, new) = (transaction(1, 9, 0), transaction(1, 9, 1));
    put(&toy, &[&old]);
    pool.poll().await.unwrap();
    put(&toy, &[&new]);
    let updates = pool.poll().await.unwrap();
    assert!(matches!(&updates[..], [PendingUpdate::Replaced { old: lost, new: won }]
        if *lost == hash(&old) && won.transaction.hash == hash(&new)));
}

#[test]
fn what_was_waiting_before_is_news_but_takes_the_place_of_nothing_that_was_announced() {
    let read = |one: Value| wire::pending_transaction(&one.to_string()).unwrap().unwrap().transaction;
    let mut known = Known::new(10);
    known.add(read(transaction(1, 9, 1)), UnixMillis(1)).unwrap();
    assert!(known.add_standing(read(transaction(1, 9, 0)), UnixMillis(2)).is_none(), "it was replaced meanwhile");
    let waiting = known.add_standing(read(transaction(1, 10, 0)), UnixMillis(3));
    assert!(matches!(waiting, Some(PendingUpdate::Added(_))));
}

#[tokio::test]
async fn what_a_block_carries_leaves_silently_and_what_it_makes_impossible_is_dropped() {
    let toy = Toy::new(3);
    let node = toy.node().await;
    let block = node.block(toy.at(3).number).await.unwrap().unwrap();
    let mut pool = over(&[&toy], 10).await;
    // The block carries nonce 3 of both senders; this one had another transaction at 3 and one at 2.
    let (carried, beaten, stale, later) =
        (transaction(1, 3, 0), transaction(2, 3, 5), transaction(2, 2, 5), transaction(1, 4, 0));
    put(&toy, &[&carried, &beaten, &stale, &later]);
    pool.poll().await.unwrap();
    let mut updates = short(&pool.on_block(&block));
    updates.sort_unstable();
    let mut expected = [("dropped", hash(&beaten)), ("dropped", hash(&stale))];
    expected.sort_unstable();
    assert_eq!(updates, expected);
    put(&toy, &[&carried, &later]);
    assert!(pool.poll().await.unwrap().is_empty(), "a late announcement of a mined transaction is no news");
    pool.on_dropped(&[block.header.block_ref()]);
    assert_eq!(short(&pool.poll().await.unwrap()), [("added", hash(&carried))]);
}

#[tokio::test]
async fn memory_is_bounded() {
    let toy = Toy::new(3);
    let mut pool = over(&[&toy], 5).await;
    let many: Vec<Value> = (0..20).map(|nonce| transaction(1, nonce, 0)).collect();
    put(&toy, &many.iter().collect::<Vec<_>>());
    assert_eq!(pool.poll().await.unwrap().len(), 20);
    assert_eq!(pool.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn without_subscriptions_the_pool_is_polled_and_the_disappeared_are_noticed() {
    let toy = Toy::new(3);
    let mut pool = over(&[&toy], 10).await;
    let first = transaction(1, 9, 0);
    put(&toy, &[&first]);
    assert_eq!(short(&[pool.next().await]), [("added", hash(&first))]);
    put(&toy, &[]);
    assert_eq!(short(&[pool.next().await]), [("dropped", hash(&first))]);
}

#[tokio::test]
async fn an_endpoint_without_a_pool_says_so_once() {
    let toy = Toy::new(3);
    let mut pool = over(&[&toy], 10).await;
    toy.fault(|method, _| (method == "txpool_content").then_some(Reply::Error(-32601, "method not found")));
    assert!(pool.poll().await.is_err());
    assert!(pool.poll().await.is_err());
    assert_eq!(toy.calls("txpool_content"), 1);
}

#[tokio::test]
async fn a_malformed_pool_is_one_clear_error() {
    let toy = Toy::new(3);
    let mut pool = over(&[&toy], 10).await;
    let mut wrong = transaction(1, 9, 0);
    wrong["gas"] = json!(21_000);
    put(&toy, &[&wrong]);
    let error = pool.poll().await.unwrap_err().to_string();
    assert!(error.contains("`gas`: invalid type: integer `21000`"), "{error}");
}
