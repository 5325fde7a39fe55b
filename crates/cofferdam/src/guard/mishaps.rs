//! What is said and done when blocks leave the chain, the process dies, the clock is wrong or the purse is empty.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use cofferdam_respond::Progress;
use cofferdam_simnet::{Orphans, ReorgKind};
use cofferdam_types::{Event, OperatorAlert, PlanStep, UnixMillis};

use super::Happening;
use super::testbed::{Bed, ETHER, LIMITS};

fn progress(happenings: &[Happening]) -> Vec<&'static str> {
    let word = |happening: &Happening| match happening {
        Happening::Plan(Progress::Resent { .. }) => Some("resent"),
        Happening::Plan(Progress::Confirmed { .. }) => Some("confirmed"),
        Happening::Plan(Progress::Failed { .. }) => Some("failed"),
        Happening::Plan(_) | Happening::Found { .. } | Happening::Answered { .. } | Happening::Processed { .. } => None,
    };
    happenings.iter().filter_map(word).collect()
}

/// Hashes of the signed bytes that were handed out, each once.
fn signed(bed: &Bed) -> Vec<cofferdam_types::primitives::B256> {
    let sent = |(_, step)| if let PlanStep::Sent { transaction, .. } = step { Some(transaction) } else { None };
    let mut sent: Vec<_> = bed.diary.steps().into_iter().filter_map(sent).collect();
    sent.dedup();
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_whose_block_left_the_chain_is_sent_again_and_confirmed_in_its_new_block() {
    let mut bed = Bed::new().await;
    bed.robbed();
    bed.follow().await;
    bed.mine(1);
    assert_eq!(progress(&bed.follow().await), ["confirmed"]);

    bed.net.reorg(1, &ReorgKind::Shorten(Orphans::Forget)).unwrap();
    assert_eq!(progress(&bed.follow().await), ["resent"]);
    assert!(!bed.is_paused());
    bed.mine(1);
    assert_eq!(progress(&bed.follow().await), ["confirmed"]);
    assert!(bed.is_paused());
    assert_eq!((signed(&bed).len(), bed.diary.sent().len()), (1, 1), "the same bytes, the same plan");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_confirmed_on_a_head_that_was_replaced_before_the_guard_had_come_to_it_is_sent_again() {
    let mut bed = Bed::new().await;
    bed.robbed();
    bed.mine(40);
    bed.follow_once().await;
    assert_eq!(bed.diary.sent().len(), 1, "answered while far behind");
    bed.mine(1);
    assert_eq!(progress(&bed.follow_once().await), ["confirmed"]);
    assert!(bed.guard.processed().unwrap().number < bed.net.head().number);

    bed.net.reorg(1, &ReorgKind::Empty(Orphans::Forget)).unwrap();
    assert_eq!(progress(&bed.follow().await), ["resent"]);
    bed.mine(1);
    assert_eq!(progress(&bed.follow().await), ["confirmed"]);
    assert_eq!((bed.net.account(bed.guardian.address()).nonce, bed.diary.sent().len()), (1, 1), "one plan, one nonce");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finding_whose_block_left_the_chain_is_withdrawn_and_its_containment_stays() {
    let mut bed = Bed::new().await;
    let attack = bed.robbed();
    let robbed_in = bed.net.head();
    bed.follow().await;
    bed.mine(1);
    bed.follow().await;

    // Both blocks give way to empty ones: neither attack nor containment is mined any more.
    bed.net.reorg(2, &ReorgKind::Empty(Orphans::Forget)).unwrap();
    bed.mine(1);
    let happenings = bed.follow().await;
    assert!(progress(&happenings).contains(&"resent"), "{happenings:?}");
    let withdrawn = |event: &Event| matches!(event, Event::Withdrawn { block, .. } if *block == Some(robbed_in));
    assert_eq!(bed.diary.events().iter().filter(|event| withdrawn(event)).count(), 1);
    let found = |event: &Event| matches!(event, Event::Found { finding, .. } if finding.transaction == attack);
    assert_eq!(bed.diary.events().iter().filter(|event| found(event)).count(), 1);
    // Nobody knows that the attack will not come back: closing is the least power there is, and people open.
    bed.mine(1);
    bed.follow().await;
    assert!(bed.is_paused());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_write_loses_no_finding_and_closes_once() {
    for writes in 0..12 {
        let mut bed = Bed::new().await;
        bed.mine(1);
        let attack = bed.robbed();
        bed.diary.lives(Some(writes));
        let died = bed.try_follow().await.is_err() || {
            bed.mine(1);
            bed.try_follow().await.is_err()
        };
        bed.diary.lives(None);
        bed.restart().await.unwrap();
        bed.follow().await;
        for _ in 0..2 {
            bed.mine(1);
            bed.follow().await;
        }
        assert!(bed.is_paused(), "killed after {writes} writes");
        assert_eq!(bed.net.account(bed.guardian.address()).nonce, 1, "killed after {writes} writes");
        assert_eq!(bed.diary.sent().len(), 1, "killed after {writes} writes");
        assert_eq!(bed.diary.standing(attack), 1, "killed after {writes} writes");
        assert!(bed.guard.tell(Vec::new()).is_ok());
        if !died {
            assert!(writes > 4, "a block with an attack takes more writes than {writes}");
            return;
        }
    }
    panic!("a block with an attack takes fewer writes than a dozen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_minutes_wrong_is_told_once_and_holds_up_no_containment() {
    let mut bed = Bed::new().await;
    let told = |bed: &Bed| {
        let skew = |alert| if let OperatorAlert::ClockSkew { seconds } = alert { Some(seconds) } else { None };
        bed.diary.alerts().into_iter().filter_map(skew).collect::<Vec<_>>()
    };
    bed.robbed();
    bed.mine(2);
    for _ in 0..3 {
        bed.net.mine();
        bed.clock.set(UnixMillis((bed.net.header().timestamp - 300) * 1_000));
        bed.follow().await;
    }
    assert_eq!(told(&bed), [-300]);
    assert!(bed.is_paused(), "the limits err on the side of doing less, and still allow it");
    bed.mine(1);
    bed.follow().await;
    assert_eq!(told(&bed), [-300]);
    bed.net.mine();
    bed.clock.set(UnixMillis((bed.net.header().timestamp + 3_600) * 1_000));
    bed.follow().await;
    assert_eq!(told(&bed), [-300, 3_600]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guardian_without_money_is_told_before_any_incident_and_again_when_it_has_some() {
    let mut bed = Bed::new().await;
    let lever = |bed: &Bed| {
        let word = |alert| {
            if let OperatorAlert::LeverNotReady { reason, .. } = alert {
                return Some(reason);
            }
            matches!(alert, OperatorAlert::LeverReady { .. }).then(|| "ready".to_owned())
        };
        bed.diary.alerts().into_iter().filter_map(word).collect::<Vec<_>>()
    };
    let kept = ETHER / 100;
    bed.mined(&bed.guardian, bed.thief.address(), "", 100 * ETHER - kept);
    bed.follow().await;
    bed.mine(1);
    bed.follow().await;
    let told = lever(&bed);
    assert!(matches!(&told[..], [reason] if reason.contains("3 actions")), "{told:?}");
    assert!(bed.diary.found().is_empty());

    bed.mined(&bed.thief, bed.guardian.address(), "", ETHER);
    bed.follow().await;
    let told = lever(&bed);
    assert_eq!((told.len(), told[1].as_str()), (2, "ready"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_asked_again_when_a_pending_plan_is_priced_again() {
    let mut bed = Bed::new().await;
    bed.robbed();
    bed.follow().await;
    let off = LIMITS.replace("enabled = true", "enabled = false");
    bed.guard.set_limits(cofferdam_respond::Limits::parse(off.as_bytes()).unwrap()).unwrap();
    // A block that nobody's transaction got into.
    bed.net.reorg(1, &ReorgKind::Empty(Orphans::Forget)).unwrap();
    bed.clock.advance(12_000);
    bed.follow().await;
    assert_eq!(signed(&bed).len(), 1);
}
