//! The follower against a toy chain: whatever the nodes do, the consumer's view ends up as the canonical chain.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use alloy_primitives::B256;
use cofferdam_types::{BlockNumber, BlockRef, ChainUpdate, OperatorAlert};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{FollowError, Follower, FollowerOptions};
use crate::testing::{Reply, Toy, node_of};

/// A consumer that checks the contract of every update.
#[derive(Default)]
struct View {
    blocks: Vec<BlockRef>,
    redelivered: bool,
}

impl View {
    fn take(&mut self, update: &ChainUpdate) {
        if let ChainUpdate::Reorged { dropped, adopted } = update {
            for (left, mine) in dropped.iter().zip(self.blocks.iter().rev()) {
                assert_eq!(left, mine, "dropped blocks are those delivered, newest first");
            }
            self.blocks.truncate(self.blocks.len().saturating_sub(dropped.len()));
            if let Some(first) = adopted.first() {
                let before = self.blocks.len();
                self.blocks.retain(|block| block.number < first.header.number);
                self.redelivered |= self.blocks.len() != before;
            }
        } else {
            assert!(!update.adopted().is_empty(), "an extension is never empty");
        }
        for block in update.adopted().iter() {
            if let Some(tip) = self.blocks.last() {
                assert_eq!(block.header.parent_hash, tip.hash, "no gap below block {}", block.header.number);
            }
            assert_eq!(block.receipts.len(), block.transactions.len(), "whole blocks only");
            self.blocks.push(block.header.block_ref());
        }
    }

    async fn catch_up(&mut self, follower: &mut Follower) {
        while let Some(update) = follower.poll().await.unwrap() {
            self.take(&update);
        }
    }
}

fn shallow(depth: u64) -> FollowerOptions {
    FollowerOptions { depth, shrink_polls: 3, ..FollowerOptions::default() }
}

async fn following(toy: &Toy, options: FollowerOptions) -> (Follower, View) {
    let mut follower = Follower::new(toy.node().await, None, options);
    let mut view = View::default();
    view.catch_up(&mut follower).await;
    (follower, view)
}

#[tokio::test]
async fn without_a_resume_point_the_head_is_the_first_block() {
    let toy = Toy::new(10);
    let (mut follower, mut view) = following(&toy, shallow(8)).await;
    assert_eq!(view.blocks, [toy.at(10)]);
    assert!(follower.poll().await.unwrap().is_none());
    toy.mine(3);
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks, [toy.at(10), toy.at(11), toy.at(12), toy.at(13)]);
}

#[tokio::test]
async fn a_chain_that_has_only_its_first_block_is_followed() {
    let toy = Toy::new(0);
    let (mut follower, mut view) = following(&toy, shallow(8)).await;
    toy.mine(2);
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks, [toy.at(0), toy.at(1), toy.at(2)]);
}

#[tokio::test]
async fn a_downtime_of_500_blocks_is_delivered_whole_and_in_bounded_pieces() {
    let toy = Toy::new(520);
    let mut follower = Follower::new(toy.node().await, Some(toy.at(20)), shallow(64));
    let mut view = View { blocks: vec![toy.at(20)], ..View::default() };
    while let Some(update) = follower.poll().await.unwrap() {
        assert!(update.adopted().len() <= 32);
        view.take(&update);
    }
    assert_eq!(view.blocks.len(), 501);
    assert_eq!(view.blocks.last(), Some(&toy.at(520)));
}

#[tokio::test]
async fn reorgs_up_to_the_depth_are_data() {
    for depth in 1..=8 {
        let toy = Toy::new(30);
        let (mut follower, mut view) = following(&toy, shallow(8)).await;
        toy.mine(10);
        view.catch_up(&mut follower).await;
        let old: Vec<BlockRef> = (41 - depth as u64..=40).rev().map(|number| toy.at(number)).collect();
        toy.reorg(depth, depth as u64 + 1);
        let update = follower.poll().await.unwrap().unwrap();
        let ChainUpdate::Reorged { dropped, .. } = &update else { panic!("{update:?}") };
        assert_eq!(**dropped, *old);
        view.take(&update);
        view.catch_up(&mut follower).await;
        assert_eq!(view.blocks.last(), Some(&toy.head()));
    }
}

#[tokio::test]
async fn a_reorg_right_after_the_start_is_no_deep_one() {
    let toy = Toy::new(30);
    let (mut follower, mut view) = following(&toy, shallow(8)).await;
    toy.reorg(3, 3);
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks.last(), Some(&toy.head()));
}

#[tokio::test]
async fn a_deeper_reorg_pages_the_operator_and_is_resumed_explicitly() {
    let toy = Toy::new(30);
    let (mut follower, mut view) = following(&toy, shallow(4)).await;
    toy.mine(5);
    view.catch_up(&mut follower).await;
    let oldest_kept = toy.at(31);
    toy.reorg(6, 8);
    for _ in 0..2 {
        let error = follower.poll().await.unwrap_err();
        assert!(matches!(error, FollowError::ReorgTooDeep { from: BlockNumber(31), kept: 5 }), "{error}");
    }
    let alerts = follower.node.alerts().drain();
    assert!(alerts.contains(&OperatorAlert::ReorgTooDeep { from: BlockNumber(31), kept: 5 }), "{alerts:?}");
    follower.accept_deep_reorg();
    let update = follower.poll().await.unwrap().unwrap();
    let ChainUpdate::Reorged { dropped, adopted } = &update else { panic!("{update:?}") };
    assert_eq!((dropped.len(), dropped.last()), (5, Some(&oldest_kept)));
    assert_eq!(adopted.first().unwrap().header.block_ref(), toy.at(31));
    assert_eq!(follower.tip(), Some(toy.head()));
}

#[tokio::test]
async fn a_chain_that_became_shorter_is_told_once_it_is_certain() {
    let toy = Toy::new(30);
    let (mut follower, mut view) = following(&toy, shallow(8)).await;
    toy.mine(2);
    view.catch_up(&mut follower).await;
    toy.reorg(2, 0);
    assert!(follower.poll().await.unwrap().is_none());
    assert!(follower.poll().await.unwrap().is_none());
    let update = follower.poll().await.unwrap().unwrap();
    assert!(matches!(&update, ChainUpdate::Reorged { dropped, adopted } if dropped.len() == 2 && adopted.is_empty()));
    view.take(&update);
    toy.mine(1);
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks.last(), Some(&toy.head()));
}

#[tokio::test]
async fn a_node_that_goes_back_a_block_for_a_moment_is_no_reorg() {
    let toy = Toy::new(30);
    let (mut follower, mut view) = following(&toy, shallow(8)).await;
    toy.mine(2);
    view.catch_up(&mut follower).await;
    let older = toy.0.lock().unwrap().canonical[30].body.clone();
    toy.fault(move |_, params| (params[0] == "latest").then(|| Reply::Result(older.clone())));
    for _ in 0..10 {
        assert!(follower.poll().await.unwrap().is_none());
    }
    toy.heal();
    toy.mine(1);
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks.last(), Some(&toy.head()));
}

#[tokio::test]
async fn a_resume_block_that_left_the_chain_is_dropped_with_its_branch() {
    let toy = Toy::new(30);
    let (resume, below) = (toy.at(30), toy.at(29));
    toy.reorg(2, 5);
    let mut follower = Follower::new(toy.node().await, Some(resume), shallow(8));
    let update = follower.poll().await.unwrap().unwrap();
    let ChainUpdate::Reorged { dropped, adopted } = &update else { panic!("{update:?}") };
    assert_eq!(**dropped, [resume, below]);
    assert_eq!(adopted.first().unwrap().header.block_ref(), toy.at(29));
}

#[tokio::test]
async fn a_resume_block_that_nobody_remembers_is_dropped_and_the_window_delivered_again() {
    let toy = Toy::new(30);
    let resume = toy.at(30);
    toy.reorg(2, 5);
    toy.forget_side_blocks();
    let mut follower = Follower::new(toy.node().await, Some(resume), shallow(8));
    let update = follower.poll().await.unwrap().unwrap();
    let ChainUpdate::Reorged { dropped, adopted } = &update else { panic!("{update:?}") };
    assert_eq!(**dropped, [resume]);
    assert_eq!(adopted.first().unwrap().header.block_ref(), toy.at(23));
    let mut view = View::default();
    view.catch_up(&mut follower).await;
    assert_eq!(follower.tip(), Some(toy.head()));
}

#[tokio::test]
async fn a_node_that_has_not_come_to_the_resume_block_is_waited_for() {
    let toy = Toy::new(30);
    let late = toy.copy();
    toy.mine(3);
    let mut follower = Follower::new(late.node().await, Some(toy.at(33)), shallow(8));
    for _ in 0..3 {
        assert!(follower.poll().await.unwrap().is_none());
    }
    let alerts = follower.node.alerts().drain();
    assert!(
        matches!(&alerts[..], [OperatorAlert::Endpoint { detail, .. }] if detail.contains("head 30 is below block 33")),
        "{alerts:?}"
    );
    late.mine(5);
    let update = follower.poll().await.unwrap().unwrap();
    assert_eq!(update.adopted().first().unwrap().header.block_ref(), late.at(34));
}

#[tokio::test]
async fn a_chain_that_became_shorter_than_the_resume_block_is_a_reorg() {
    let toy = Toy::new(30);
    let (resume, below) = (toy.at(30), toy.at(29));
    toy.reorg(2, 1);
    let mut follower = Follower::new(toy.node().await, Some(resume), shallow(8));
    let update = follower.poll().await.unwrap().unwrap();
    let ChainUpdate::Reorged { dropped, adopted } = &update else { panic!("{update:?}") };
    assert_eq!(**dropped, [resume, below]);
    assert_eq!(adopted.first().unwrap().header.block_ref(), toy.at(29));
}

#[tokio::test]
async fn an_error_on_the_receipts_of_one_block_loses_nothing() {
    let toy = Toy::new(30);
    let (mut follower, mut view) = following(&toy, shallow(8)).await;
    toy.mine(1);
    let mut once = true;
    toy.fault(move |method, _| {
        (method == "eth_getBlockReceipts" && std::mem::take(&mut once))
            .then_some(Reply::Error(-32000, "internal database trouble"))
    });
    assert!(follower.poll().await.is_err());
    toy.mine(1);
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks, [toy.at(30), toy.at(31), toy.at(32)]);
}

#[tokio::test(start_paused = true)]
async fn thirty_seconds_of_errors_are_told_and_then_everything_is_delivered() {
    let toy = Toy::new(30);
    let (mut follower, mut view) = following(&toy, shallow(8)).await;
    toy.mine(5);
    toy.fault(|method, _| (method == "eth_getBlockReceipts").then_some(Reply::Error(-32000, "trouble")));
    let waited = tokio::time::timeout(Duration::from_secs(30), follower.next()).await;
    assert!(waited.is_err(), "nothing is delivered in parts");
    let alerts = follower.node.alerts().drain();
    assert!(alerts.iter().any(|alert| matches!(alert, OperatorAlert::Endpoint { detail, .. } if detail.contains("block 31 cannot be read"))), "{alerts:?}");
    toy.heal();
    view.take(&follower.next().await.unwrap());
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks.len(), 6);
    let alerts = follower.node.alerts().drain();
    assert!(
        alerts.iter().any(|alert| matches!(alert, OperatorAlert::Endpoint { detail, .. } if detail.contains("again"))),
        "{alerts:?}"
    );
}

#[tokio::test]
async fn a_node_without_block_receipts_is_asked_one_by_one_and_remembered() {
    let toy = Toy::new(30);
    toy.fault(|method, _| (method == "eth_getBlockReceipts").then_some(Reply::Error(-32601, "Method not found")));
    let (mut follower, mut view) = following(&toy, shallow(8)).await;
    toy.mine(5);
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks.len(), 6);
    assert_eq!(toy.calls("eth_getBlockReceipts"), 1);
    assert_eq!(toy.calls("eth_getTransactionReceipt"), 12);
    assert!(follower.node.alerts().drain().is_empty());
}

#[tokio::test]
async fn a_node_that_knows_block_receipts_by_number_only_is_asked_that_way() {
    let toy = Toy::new(30);
    toy.fault(|method, params| {
        let by_hash = params[0].as_str().is_some_and(|text| text.len() == 66);
        (method == "eth_getBlockReceipts" && by_hash).then_some(Reply::Error(-32602, "invalid block number"))
    });
    let (_, view) = following(&toy, shallow(8)).await;
    assert_eq!(view.blocks.len(), 1);
    assert_eq!(toy.calls("eth_getTransactionReceipt"), 0);
}

fn edit(toy: &Toy, number: usize, edit: impl FnOnce(&mut Value, &mut Vec<Value>)) {
    let mut state = toy.0.lock().unwrap();
    let block = &mut state.canonical[number];
    edit(&mut block.body, &mut block.receipts);
    let block = block.clone();
    state.remembered.insert(block.at.hash, block);
}

#[tokio::test]
async fn every_lie_about_a_block_is_one_clear_error_and_never_a_block() {
    type Lie = fn(&mut Value, &mut Vec<Value>);
    let lies: [(&str, Lie); 11] = [
        ("`gasUsed`: invalid type: integer `5`, expected a quantity of at most 64 bits", |body, _| {
            body["gasUsed"] = json!(5)
        }),
        ("`gasLimit`: invalid value: string \"12\", expected a quantity", |body, _| body["gasLimit"] = json!("12")),
        ("`stateRoot` is missing", |body, _| body["stateRoot"] = Value::Null),
        ("`transactions`: item 1: `value`: invalid value: string \"0xzz\"", |body, _| {
            body["transactions"][1]["value"] = json!("0xzz")
        }),
        ("`transactions`: item 0: `maxFeePerGas` is missing in a transaction of type 2", |body, _| {
            body["transactions"][0]["maxFeePerGas"] = Value::Null
        }),
        ("`transactions`: item 0: `blockHash`: 0x0404", |body, _| {
            body["transactions"][0]["blockHash"] = json!(B256::repeat_byte(4))
        }),
        ("1 receipts for block 31, expected 2", |_, receipts| receipts.truncate(1)),
        ("item 0: receipt of transaction", |_, receipts| receipts.reverse()),
        ("item 1: receipt of block 31 0x0505", |_, receipts| receipts[1]["blockHash"] = json!(B256::repeat_byte(5))),
        ("item 0: `logs`: item 0: `topics`: 5 topics, expected at most 4", |_, receipts| {
            receipts[0]["logs"][0]["topics"] = json!(vec![B256::ZERO; 5])
        }),
        ("item 1: `status`: 7, expected 0 or 1", |_, receipts| receipts[1]["status"] = json!("0x7")),
    ];
    for (expected, lie) in lies {
        let toy = Toy::new(30);
        let (mut follower, _) = following(&toy, shallow(8)).await;
        toy.mine(1);
        edit(&toy, 31, lie);
        let error = follower.poll().await.unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected} in {error}");
        assert!(error.contains("endpoint `a`") && error.contains("eth_get"), "{error}");
    }
}

#[tokio::test]
async fn a_block_other_than_the_one_asked_for_is_an_error() {
    let toy = Toy::new(30);
    let node = toy.node().await;
    let (wanted, other) = (toy.at(30), toy.0.lock().unwrap().canonical[29].clone());
    toy.fault(move |method, _| method.starts_with("eth_getBlockBy").then(|| Reply::Result(other.body.clone())));
    let error = node.block_by_hash(wanted.hash).await.unwrap_err().to_string();
    assert!(error.contains(&format!("expected {}, as asked", wanted.hash)), "{error}");
    let error = node.block(wanted.number).await.unwrap_err().to_string();
    assert!(error.contains("`number`: 29, expected 30, as asked"), "{error}");
}

#[tokio::test]
async fn a_block_whose_parent_does_not_fit_is_taken_from_the_other_endpoint() {
    let liar = Toy::new(30);
    let honest = liar.copy();
    let mut follower = Follower::new(node_of(&[&liar, &honest]).await, None, shallow(8));
    let mut view = View::default();
    view.catch_up(&mut follower).await;
    liar.mine(2);
    honest.mine(2);
    edit(&liar, 31, |body, _| body["parentHash"] = json!(B256::repeat_byte(6)));
    let error = follower.poll().await.unwrap_err().to_string();
    assert!(error.contains("endpoint `a`") && error.contains("block 31: `parentHash`: 0x0606"), "{error}");
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks, [honest.at(30), honest.at(31), honest.at(32)]);
    let alerts = follower.node.alerts().drain();
    assert!(matches!(&alerts[0], OperatorAlert::Endpoint { name, .. } if name == "a"), "{alerts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_is_left_for_another_and_its_return_is_told() {
    let slow = Toy::new(30);
    let steady = slow.copy();
    let mut follower = Follower::new(node_of(&[&slow, &steady]).await, None, shallow(8));
    let mut view = View::default();
    view.catch_up(&mut follower).await;
    slow.fault(|_, _| Some(Reply::Hang));
    slow.mine(3);
    steady.mine(3);
    view.take(&follower.next().await.unwrap());
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks.last(), Some(&steady.at(33)));
    let alerts = follower.node.alerts().drain();
    assert!(
        matches!(&alerts[0], OperatorAlert::Endpoint { name, detail } if name == "a" && detail.contains("not answered within 5000 ms")),
        "{alerts:?}"
    );
    slow.heal();
    follower.node.compare_heads().await;
    let alerts = follower.node.alerts().drain();
    assert!(
        matches!(&alerts[..], [OperatorAlert::Endpoint { name, detail }] if name == "a" && detail == "answers again"),
        "{alerts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_polls_at_least_every_200_ms() {
    let toy = Toy::new(30);
    let (mut follower, _) = following(&toy, FollowerOptions::default()).await;
    let before = toy.calls("eth_getBlockByNumber");
    let waited = tokio::time::timeout(Duration::from_secs(10), follower.next()).await;
    assert!(waited.is_err());
    assert!(toy.calls("eth_getBlockByNumber") - before >= 49);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_at_any_moment_loses_nothing() {
    let toy = Toy::new(30);
    let mut follower = Follower::new(toy.node().await, Some(toy.at(5)), shallow(8));
    let mut view = View { blocks: vec![toy.at(5)], ..View::default() };
    // Each await of the toy is ready at once, so a select that polls once stops at the first real wait.
    for turn in 0..200_u32 {
        let once = std::pin::pin!(follower.next());
        let given_up = async {
            for _ in 0..turn % 7 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            update = once => view.take(&update.unwrap()),
            () = given_up => {}
        }
        if turn % 20 == 0 {
            toy.mine(1);
        }
    }
    view.catch_up(&mut follower).await;
    assert_eq!(view.blocks.last(), Some(&toy.head()));
    assert_eq!(view.blocks.len(), 31 + 10 - 5);
}

#[derive(Clone, Debug)]
enum Step {
    Mine(u64),
    Reorg(usize, u64),
    Fail(&'static str, u32),
    Poll(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let methods = prop_oneof![Just("eth_getBlockByNumber"), Just("eth_getBlockByHash"), Just("eth_getBlockReceipts"),];
    prop_oneof![
        (1..12_u64).prop_map(Step::Mine),
        (1..8_usize, 0..10_u64).prop_map(|(depth, count)| Step::Reorg(depth, count)),
        (methods, 1..6_u32).prop_map(|(method, count)| Step::Fail(method, count)),
        (1..5_u32).prop_map(Step::Poll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_the_view_becomes_the_canonical_chain(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let toy = Toy::new(40);
            let options = FollowerOptions { chunk: 5, prefetch: 3, ..shallow(80) };
            let mut follower = Follower::new(toy.node().await, Some(toy.at(30)), options);
            let mut view = View { blocks: (0..=30).map(|number| toy.at(number)).collect(), ..View::default() };
            for step in steps {
                match step {
                    Step::Mine(count) => toy.mine(count),
                    Step::Reorg(depth, count) => toy.reorg(depth, count),
                    Step::Fail(method, count) => {
                        let mut left = count;
                        toy.fault(move |called, _| {
                            let fails = called == method && left > 0;
                            left -= u32::from(fails);
                            fails.then_some(Reply::Error(-32000, "trouble"))
                        });
                    }
                    Step::Poll(count) => {
                        for _ in 0..count {
                            if let Ok(Some(update)) = follower.poll().await {
                                view.take(&update);
                            }
                        }
                    }
                }
            }
            toy.heal();
            toy.mine(1);
            for _ in 0..40 {
                if let Some(update) = follower.poll().await.unwrap() {
                    view.take(&update);
                }
            }
            let canonical: Vec<BlockRef> = toy.0.lock().unwrap().canonical.iter().map(|block| block.at).collect();
            assert_eq!(view.blocks, canonical);
            assert!(!view.redelivered);
        });
    }
}
