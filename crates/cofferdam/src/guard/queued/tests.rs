//! The loop around operations that wait: told long before they are due, tried again, and taken back.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests of small numbers")]

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use cofferdam_simnet::{Orphans, ReorgKind};
use cofferdam_types::{BlockNumber, Event, Level, Module, ModuleId, QueuedCall, Window};

use super::super::Happening;
use super::super::testbed::{Bed, TELLER, VAULT, input};
use super::*;

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

/// A queue that no thread works on.
fn idle(most: usize) -> (Queued, std::sync::mpsc::Receiver<Job>) {
    let (to, jobs) = sync_channel(MOST_A_BLOCK);
    let (_, from) = mpsc::channel(1);
    let watch =
        Watchlist::new(vec![Module { id: ModuleId::new("vault").unwrap(), contracts: vec![VAULT], assets: vec![] }]);
    let queued = Queued {
        to,
        from,
        options: QueuedOptions { most, ..QueuedOptions::default() },
        finished: VecDeque::new(),
        on_their_way: 0,
        followed: HashMap::new(),
        order: VecDeque::new(),
        held: HashMap::new(),
        bytes: 0,
        watch: Arc::new(watch),
        withdrawals: Vec::new(),
        assertions: None,
    };
    (queued, jobs)
}

fn operation(controller: u8, id: u8, kind: OperationKind) -> QueuedOperation {
    let call = QueuedCall { target: VAULT, value: U256::ZERO, data: Bytes::new() };
    QueuedOperation {
        id: OperationId { controller: Address::with_last_byte(controller), id: B256::with_last_byte(id) },
        kind,
        calls: vec![call],
        due: u64::MAX,
        proposer: TELLER,
        caller: TELLER,
        carried_out_by: Vec::new(),
        transaction: B256::ZERO,
        block: BlockRef::default(),
        announced: 0,
        truncated: false,
    }
}

fn head(number: u64, timestamp: u64) -> Header {
    Header { number: BlockNumber(number), timestamp, ..Header::default() }
}

#[test]
fn a_flood_of_announcements_neither_pushes_an_operation_out_nor_keeps_it_waiting() {
    let (mut queued, jobs) = idle(96);
    for id in 0..90 {
        queued.follow(Arc::new(operation(1, id, OperationKind::Proposal)));
    }
    assert_eq!(queued.followed.len(), MOST_OF_CONTROLLER);
    let real = operation(2, 0, OperationKind::Timelock);
    queued.follow(Arc::new(real.clone()));
    for controller in 3..60 {
        queued.follow(Arc::new(operation(controller, 0, OperationKind::Proposal)));
    }
    assert_eq!((queued.followed.len(), queued.order.len()), (96, 96));
    assert!(queued.followed.contains_key(&real.id), "those that stand beside most others make room");
    queued.submit(&head(1, 1), 0);
    let first: Vec<OperationId> = jobs.try_iter().map(|job| job.operation.id).collect();
    assert_eq!((first.len(), first.first()), (MOST_A_BLOCK, Some(&real.id)));
    for followed in queued.followed.values_mut() {
        followed.on_its_way = false;
    }
    queued.submit(&head(60, 1), 0);
    let again = jobs.try_iter().filter(|job| first.contains(&job.operation.id)).count();
    assert_eq!(again, MOST_A_BLOCK / ONE_AGAIN_OF, "what is new leaves room for what was tried");
    queued.forget(&head(61, LATEST_SECONDS + FORGET_SECONDS), 0);
    assert!(queued.followed.is_empty() && queued.held.is_empty() && queued.bytes == 0, "due is a claim");
}

#[test]
fn a_trial_that_was_cut_short_is_repeated_soon_and_not_for_ever() {
    let (mut queued, _jobs) = idle(4);
    let one = operation(1, 1, OperationKind::Timelock);
    queued.follow(Arc::new(one.clone()));
    let followed = queued.followed.get_mut(&one.id).unwrap();
    assert_eq!(followed.pause(50), 50);
    followed.cut_short = 1;
    assert_eq!(followed.pause(50), SOON_BLOCKS);
    followed.cut_short = MOST_SOON + 1;
    assert_eq!(followed.pause(50), 50);
    (followed.cut_short, followed.concerns_us) = (0, Some(false));
    assert_eq!(followed.pause(50), 50 * SELDOM);
}

#[test]
fn bytes_are_bounded_over_all_that_is_followed() {
    let (mut queued, _jobs) = idle(4_096);
    let data = Bytes::from(vec![0; MOST_BYTES / 4]);
    for controller in 1..=8 {
        let mut large = operation(controller, 0, OperationKind::Timelock);
        large.calls.iter_mut().for_each(|call| call.data = data.clone());
        queued.follow(Arc::new(large));
    }
    assert_eq!(queued.followed.len(), 3);
    assert!(queued.bytes <= MOST_BYTES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_that_says_it_was_handed_on_stands_until_the_timelock_has_it() {
    let mut bed = Bed::new().await;
    let id = B256::repeat_byte(5);
    mined(&mut bed, announcement(id, "drain()")).await;
    mined(&mut bed, says("ProposalQueued(uint256,uint256)", id, &[])).await;
    assert_eq!((found(&bed).len(), withdrawn(&bed)), (1, 0));
}
