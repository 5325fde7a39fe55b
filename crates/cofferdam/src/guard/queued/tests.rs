//! The loop around operations that wait: told long before they are due, tried again, and taken back.
#![allow(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use cofferdam_simnet::{Orphans, ReorgKind};
use cofferdam_types::{Event, Level, Window};

use super::super::Happening;
use super::super::testbed::{Bed, TELLER, VAULT, input};

const TWO_DAYS: u64 = 172_800;

/// Calldata of the teller: an event of OpenZeppelin's timelock about operation `id`.
fn says(signature: &str, id: B256, data: &[u8]) -> Bytes {
    [keccak256(signature).as_slice(), id.as_slice(), B256::ZERO.as_slice(), data].concat().into()
}

/// The teller announces that it will call `function` of the vault in two days.
fn announcement(id: B256, function: &str) -> Bytes {
    let call = input(function);
    let word = |value: U256| value.to_be_bytes::<32>();
    let mut padded = call.to_vec();
    padded.resize(32, 0);
    let head = [
        VAULT.into_word().0,
        word(U256::ZERO),
        word(U256::from(160)),
        [0; 32],
        word(U256::from(TWO_DAYS)),
        word(U256::from(call.len())),
    ];
    says("CallScheduled(bytes32,uint256,address,uint256,bytes,bytes32,uint256)", id, &[head.concat(), padded].concat())
}

async fn mined(bed: &mut Bed, data: Bytes) -> Vec<Happening> {
    let hash = bed.net.submit_private(&bed.sign_data(TELLER, data).raw).unwrap();
    bed.mine(1);
    assert_eq!(bed.net.receipt(hash).unwrap().1.success, Some(true));
    bed.follow().await;
    bed.guard.settle_trials().await.unwrap()
}

/// Window and whether it stands in a block, of each finding on the record.
fn found(bed: &Bed) -> Vec<(Window, bool)> {
    let told = |event: Event| {
        let Event::Found { window, block, .. } = event else { return None };
        Some((window, block.is_some()))
    };
    bed.diary.events().into_iter().filter_map(told).collect()
}

fn withdrawn(bed: &Bed) -> usize {
    bed.diary.events().iter().filter(|event| matches!(event, Event::Withdrawn { .. })).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_operation_is_told_when_it_is_queued_and_a_cancelled_one_is_withdrawn() {
    let mut bed = Bed::new().await;
    let id = B256::repeat_byte(1);
    let happenings = mined(&mut bed, announcement(id, "drain()")).await;
    let [Happening::Found { execution, verdict, .. }] = happenings.as_slice() else { panic!("{happenings:?}") };
    assert_eq!((execution.window, verdict.level()), (Window::Before, Some(Level::Stop)));
    assert!(execution.block.timestamp >= bed.net.header().timestamp + TWO_DAYS, "as it will be in two days");
    assert_eq!(found(&bed), [(Window::Before, true)]);
    bed.mine(5);
    bed.follow().await;
    assert!(bed.guard.settle_trials().await.unwrap().is_empty(), "what was told is not told again");

    mined(&mut bed, says("Cancelled(bytes32)", id, &[])).await;
    assert_eq!((found(&bed).len(), withdrawn(&bed)), (1, 1));
    bed.mine(5);
    bed.follow().await;
    bed.guard.settle_trials().await.unwrap();
    assert_eq!((found(&bed).len(), withdrawn(&bed)), (1, 1), "a cancelled operation is not tried any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorg_takes_back_what_it_announced_and_gives_back_what_it_cancelled() {
    let mut bed = Bed::new().await;
    let empty = ReorgKind::Empty(Orphans::Forget);
    let id = B256::repeat_byte(2);
    mined(&mut bed, announcement(id, "drain()")).await;
    bed.net.reorg(1, &empty).unwrap();
    bed.mine(2);
    bed.follow().await;
    assert!(bed.guard.settle_trials().await.unwrap().is_empty());
    assert_eq!((found(&bed).len(), withdrawn(&bed)), (1, 1));

    mined(&mut bed, announcement(id, "drain()")).await;
    mined(&mut bed, says("Cancelled(bytes32)", id, &[])).await;
    assert_eq!((found(&bed).len(), withdrawn(&bed)), (2, 2));
    bed.net.reorg(1, &empty).unwrap();
    bed.mine(2);
    bed.follow().await;
    bed.guard.settle_trials().await.unwrap();
    assert_eq!(found(&bed).len(), 3, "it waits again, and is told again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_no_harm_today_is_tried_again_until_it_does() {
    let mut bed = Bed::new().await;
    bed.mined(&bed.guardian, VAULT, "pause()", 0);
    bed.follow().await;
    assert!(mined(&mut bed, announcement(B256::repeat_byte(3), "drain()")).await.is_empty(), "the vault is closed");
    bed.mined(&bed.guardian, VAULT, "unpause()", 0);
    bed.mine(2);
    bed.follow().await;
    bed.guard.settle_trials().await.unwrap();
    assert_eq!(found(&bed), [(Window::Before, true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_power_over_anything_protected_shows_nothing() {
    let mut bed = Bed::new().await;
    let happenings = mined(&mut bed, announcement(B256::repeat_byte(4), "pause()")).await;
    assert!(happenings.is_empty() && found(&bed).is_empty(), "only the guardian may, whatever an event claims");
    assert_ne!(TELLER, Address::ZERO);
}
