//! The loop as a whole, on a chain inside the process: what is told, what is answered and on which block, what survives
//! reorgs, restarts and failures.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::sync::atomic::Ordering;

use cofferdam_respond::{Limits, Progress, Reply};
use cofferdam_simnet::{Orphans, ReorgKind};
use cofferdam_types::primitives::U256;
use cofferdam_types::{Event, OperatorAlert, PlanStep};

use super::Happening;
use super::testbed::{Bed, CAT, ETHER, HOARD, LIMITS, VAULT};

fn replies(happenings: &[Happening]) -> Vec<Reply> {
    let response = |happening: &Happening| match happening {
        Happening::Answered { response, .. } => response.answers.iter().map(|answer| answer.reply.clone()).collect(),
        Happening::Found { .. } | Happening::Plan(_) | Happening::Processed { .. } => Vec::new(),
    };
    happenings.iter().flat_map(response).collect()
}

fn is_confirmed(happenings: &[Happening]) -> bool {
    happenings.iter().any(|happening| matches!(happening, Happening::Plan(Progress::Confirmed { .. })))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attack_in_the_newest_block_is_told_sealed_and_read_back() {
    let mut bed = Bed::new().await;
    let attack = bed.robbed();
    let happenings = bed.follow().await;
    assert!(matches!(replies(&happenings)[..], [Reply::Sent { .. }]), "{happenings:?}");
    assert_eq!(bed.diary.found()[0].0, attack);
    bed.mine(1);
    assert!(is_confirmed(&bed.follow().await));
    assert!(bed.is_paused());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_in_several_old_blocks_are_told_each_and_answered_once_on_the_newest_head() {
    let mut bed = Bed::new().await;
    bed.mine(3);
    let attacks = [bed.robbed(), bed.robbed(), bed.robbed()];
    // Empty blocks: what the chain asks now is far from what it asked then.
    let before = bed.net.header().base_fee.unwrap();
    bed.mine(12);
    assert!(bed.net.header().base_fee.unwrap() < before * 3 / 4);
    let tip = bed.net.head();

    let happenings = bed.follow().await;
    let told: Vec<_> = bed.diary.found().into_iter().map(|(hash, _)| hash).collect();
    assert_eq!(told, attacks);
    let replies = replies(&happenings);
    assert!(matches!(replies[..], [Reply::Sent { .. }, Reply::Joined { .. }, Reply::Joined { .. }]), "{replies:?}");
    assert_eq!(bed.diary.sent().len(), 1);
    for (_, step) in bed.diary.steps() {
        if let PlanStep::Simulated { head, .. } = step {
            assert_eq!(head, tip, "tried on the block after which it would be mined");
        }
    }
    // The first of them was told before the second was looked at.
    let batches = bed.diary.batches.lock().unwrap().clone();
    let position = |wanted: &dyn Fn(&Event) -> bool| batches.iter().position(|batch| batch.events.iter().any(wanted));
    let sent = position(&|event| matches!(event, Event::Plan { step: PlanStep::Sent { .. }, .. })).unwrap();
    let second = position(&|event| matches!(event, Event::Found { finding, .. } if finding.transaction == attacks[1]));
    assert!(sent < second.unwrap());
    bed.mine(1);
    assert!(is_confirmed(&bed.follow().await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_did_since_counts_when_an_old_attack_is_found() {
    let mut bed = Bed::new().await;
    let attack = bed.robbed();
    bed.mined(&bed.guardian, VAULT, "pause()", 0);
    bed.mine(20);
    let happenings = bed.follow().await;
    assert_eq!(bed.diary.found()[0].0, attack);
    let replies = replies(&happenings);
    assert!(matches!(&replies[..], [Reply::Refused { reason, .. }] if reason.to_string().contains("already closed")));
    assert!(bed.diary.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_attack_is_tried_on_the_newest_head_while_old_blocks_are_caught_up_with() {
    let mut bed = Bed::new().await;
    bed.mine(40);
    bed.mined(&bed.guardian, VAULT, "pause()", 0);
    // One update of sixteen blocks: the guard is behind, and on the head that it has the vault is still open.
    bed.follow_once().await;
    assert!(bed.guard.processed().unwrap().number < bed.net.head().number);
    let attack = bed.sign(&bed.thief, VAULT, "drain()", 0);
    assert!(bed.show(&attack).await.unwrap().is_empty(), "paused on the newest head: it does nothing");
    bed.follow().await;
    assert!(bed.show(&attack).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_attack_is_answered_after_a_restart_although_no_block_came_since() {
    let mut bed = Bed::new().await;
    bed.restart().await.unwrap();
    let attack = bed.sign(&bed.thief, VAULT, "drain()", 0);
    bed.guard.stand_on(bed.net.header());
    let happenings = bed.show(&attack).await.unwrap();
    assert!(matches!(replies(&happenings)[..], [Reply::Sent { .. }]), "{happenings:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_while_it_waited_leaves_with_the_block_that_mined_it_and_is_told_again_when_it_waits_again() {
    let mut bed = Bed::new().await;
    let attack = bed.sign(&bed.thief, CAT, "", 0);
    bed.show(&attack).await.unwrap();
    bed.net.submit_private(&attack.raw).unwrap();
    bed.mine(1);
    bed.follow().await;
    let told = |bed: &Bed| bed.diary.found().iter().map(|(_, block)| block.is_some()).collect::<Vec<_>>();
    assert_eq!(told(&bed), [false, true]);

    bed.net.reorg(1, &ReorgKind::Empty(Orphans::Forget)).unwrap();
    bed.mine(1);
    bed.follow().await;
    let withdrawn =
        |event: Event| if let Event::Withdrawn { block, .. } = event { Some(block.is_some()) } else { None };
    let withdrawn: Vec<_> = bed.diary.events().into_iter().filter_map(withdrawn).collect();
    assert_eq!(withdrawn, [true, false], "the finding in the block, and the one about what waited");
    bed.show(&attack).await.unwrap();
    assert_eq!(told(&bed), [false, true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_attack_that_was_announced_before_the_nonce_below_it_is_told_once_that_comes() {
    let mut bed = Bed::new().await;
    let harmless = bed.sign(&bed.thief, VAULT, "", 0);
    let attack = bed.sign_after(&harmless, &bed.thief, CAT);
    assert!(bed.show(&attack).await.unwrap().is_empty(), "a nonce is missing");
    bed.show(&harmless).await.unwrap();
    assert_eq!(bed.diary.found(), [(attack.transaction.hash, None)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_attack_that_needs_what_somebody_else_pays_more_for_is_told_whichever_comes_first() {
    for opener_first in [true, false] {
        let mut bed = Bed::new().await;
        bed.mined(&bed.guardian, VAULT, "pause()", 0);
        bed.follow().await;
        let attack = bed.sign(&bed.thief, CAT, "", 0);
        let opener = bed.sign_paying(&bed.guardian, VAULT, "unpause()", 3);
        if opener_first {
            assert!(bed.show(&opener).await.unwrap().is_empty());
            bed.show(&attack).await.unwrap();
        } else {
            assert!(bed.show(&attack).await.unwrap().is_empty(), "the vault is closed");
            bed.show(&opener).await.unwrap();
        }
        assert_eq!(bed.diary.found(), [(attack.transaction.hash, None)], "opener first: {opener_first}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pays_less_comes_after_and_changes_nothing() {
    let mut bed = Bed::new().await;
    bed.mined(&bed.guardian, VAULT, "pause()", 0);
    bed.follow().await;
    let attack = bed.sign(&bed.thief, CAT, "", 0);
    let opener = bed.sign_paying(&bed.guardian, VAULT, "unpause()", 1);
    bed.show(&opener).await.unwrap();
    assert!(bed.show(&attack).await.unwrap().is_empty());
    assert!(bed.diary.found().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_attack_that_needs_its_senders_earlier_transaction_is_told() {
    let mut bed = Bed::new().await;
    bed.mined(&bed.guardian, VAULT, "pause()", 0);
    bed.follow().await;
    let opener = bed.sign(&bed.guardian, VAULT, "unpause()", 0);
    let attack = bed.sign_after(&opener, &bed.guardian, CAT);
    assert!(bed.show(&opener).await.unwrap().is_empty());
    bed.show(&attack).await.unwrap();
    assert_eq!(bed.diary.found(), [(attack.transaction.hash, None)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_coin_taken_without_an_event_long_ago_is_told_and_quiet_blocks_are_not_executed() {
    let mut bed = Bed::executing_within(4).await;
    bed.shelf.executed.lock().unwrap().clear();
    for _ in 0..10 {
        bed.mined(&bed.thief, VAULT, "", ETHER);
    }
    let attack = bed.robbed();
    let robbed_at = bed.net.head().number;
    for _ in 0..30 {
        bed.mined(&bed.thief, VAULT, "", ETHER / 10);
    }
    let happenings = bed.follow().await;
    assert_eq!(bed.diary.found(), [(attack, Some(robbed_at))]);
    assert!(matches!(replies(&happenings)[..], [Reply::Sent { .. }]), "{:?}", replies(&happenings));
    let near = bed.net.head().number.0 - 4;
    let old: Vec<u64> = bed.shelf.executed.lock().unwrap().iter().copied().filter(|block| *block < near).collect();
    assert_eq!(old, [robbed_at.0]);
    assert!(bed.diary.alerts().is_empty(), "{:?}", bed.diary.alerts());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_old_state_is_gone_it_is_said_once_and_the_blocks_are_judged_by_their_receipts() {
    let mut bed = Bed::executing_within(4).await;
    bed.mine(1);
    bed.robbed();
    bed.mine(40);
    let near = bed.net.head().number.0 - 4;
    *bed.shelf.pruned_below.lock().unwrap() = near - 2;
    bed.follow().await;
    assert_eq!(bed.guard.processed(), Some(bed.net.head()));
    assert!(bed.diary.found().is_empty());
    let alerts = bed.diary.alerts();
    assert!(
        matches!(&alerts[..], [OperatorAlert::ReceiptsOnly { from, reason }]
        if from.0 == 2 && reason.contains("missing trie node")),
        "{alerts:?}"
    );

    // Nothing at all to be had is a failure of the endpoints, and no block is passed over.
    bed.mine(40);
    *bed.shelf.pruned_below.lock().unwrap() = u64::MAX;
    let stood = bed.guard.processed();
    assert!(bed.try_follow().await.is_err());
    assert_eq!(bed.guard.processed(), stood);
    *bed.shelf.pruned_below.lock().unwrap() = 0;
    bed.restart().await.unwrap();
    bed.follow().await;
    assert_eq!(bed.guard.processed(), Some(bed.net.head()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losses_are_counted_in_the_units_of_the_chain() {
    let mut bed = Bed::new().await;
    bed.robbed();
    bed.follow().await;
    let lost = bed.diary.events().into_iter().find_map(|event| {
        if let Event::Loss { amounts, .. } = event { amounts.first().map(|(_, amount)| *amount) } else { None }
    });
    assert_eq!(lost, Some(U256::from(HOARD / 4)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_record_cannot_be_written_nothing_is_sent_and_afterwards_nothing_is_missing() {
    let mut bed = Bed::new().await;
    let attack = bed.robbed();
    bed.diary.broken.store(true, Ordering::Relaxed);
    let stood = bed.guard.processed();
    let stuck = OperatorAlert::Stuck { doing: "new blocks".to_owned(), detail: "it has failed for 5 s".to_owned() };
    assert!(bed.try_follow().await.is_err());
    assert!(bed.guard.tell(vec![stuck.clone()]).is_err());
    assert!(bed.guard.tell(Vec::new()).is_err());
    assert_eq!(bed.guard.processed(), stood);
    bed.mine(1);
    assert!(!bed.is_paused(), "without the record nothing is sent");

    bed.diary.broken.store(false, Ordering::Relaxed);
    // A live watch hands the same update in again; a new process begins at the checkpoint, which is the same.
    bed.guard.tell(Vec::new()).unwrap();
    assert_eq!(bed.diary.alerts(), [stuck]);
    bed.restart().await.unwrap();
    bed.follow().await;
    assert_eq!(bed.diary.found()[0].0, attack);
    assert_eq!((bed.diary.sent().len(), bed.diary.alerts().len()), (1, 1));
    bed.mine(1);
    assert!(is_confirmed(&bed.follow().await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_people_tighten_hold_for_the_next_stop() {
    let mut bed = Bed::new().await;
    let off = LIMITS.replace("enabled = true", "enabled = false");
    bed.guard.set_limits(Limits::parse(off.as_bytes()).unwrap()).unwrap();
    bed.robbed();
    let replies = replies(&bed.follow().await);
    assert!(matches!(&replies[..], [Reply::Refused { reason, .. }] if reason.to_string().contains("enabled = false")));
    let other = LIMITS.replace("'vault'", "'vualt'");
    assert!(bed.guard.set_limits(Limits::parse(other.as_bytes()).unwrap()).is_err());
}
