//! Operations that wait for their time: read off events, carried out at their due time, and nothing stays.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests of small numbers"
)]

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, Log, U256, hex, keccak256};
use alloy_sol_types::SolValue;
use cofferdam_evm::{Engine, RehearsalBudget, Rules, Spec, announced, rehearse};
use cofferdam_types::{
    AccountState, Announcement, Asset, Basis, Block, BlockNumber, BlockRef, ChainId, Effects, EmittedLog, Execution,
    Header, Known, ManualClock, Module, ModuleId, OperationId, OperationKind, Outcome, PreState, QueuedOperation,
    Rehearsal, Standing, StateError, StateSource, Transaction, TrialEnd, Watchlist, Window,
};

const VAULT: Address = Address::repeat_byte(0xbb);
/// Has no function that carries anything out.
const MUTE: Address = Address::repeat_byte(0xc1);
/// Calls the vault when it is called.
const ABLE: Address = Address::repeat_byte(0xc2);
/// A governor whose timelock is `MUTE`.
const GOVERNOR: Address = Address::repeat_byte(0xc3);
const PROPOSER: Address = Address::repeat_byte(0xaa);
const NOW: u64 = 1_700_000_000;
const DUE: u64 = NOW + 172_800;

/// A vault that pays all it has to one of the two timelocks, from [`DUE`] on.
fn vault() -> Vec<u8> {
    // Each guard leaves a boolean; where it is false the call reverts: PC PUSH1 8 ADD JUMPI PUSH0 PUSH0 REVERT JUMPDEST
    let guard = hex!("58600801575f5ffd5b");
    let due = u32::try_from(DUE).unwrap().to_be_bytes();
    let not_early = [hex!("4263").as_slice(), &due, &hex!("1115"), &guard].concat();
    let is = |account: Address| [hex!("3373").as_slice(), account.as_slice(), &hex!("14")].concat();
    let known = [is(MUTE), is(ABLE), hex!("17").to_vec(), guard.to_vec()].concat();
    [not_early, known, hex!("5f5f5f5f47335af100").to_vec()].concat()
}

struct World;

impl StateSource for World {
    fn account(&self, address: Address, _: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        let contract = |ether: u64, code: Vec<u8>| {
            let balance = U256::from(ether) * U256::from(10).pow(U256::from(18));
            Some(AccountState { balance, nonce: 1, code: code.into() })
        };
        let calls_vault = [hex!("5f5f5f5f5f73").as_slice(), VAULT.as_slice(), &hex!("5af100")].concat();
        let answers = [hex!("73").as_slice(), MUTE.as_slice(), &hex!("5f5260205ff3")].concat();
        // Called by the vault it keeps what it gets: CALLER PUSH20 vault EQ PUSH1 end JUMPI .. JUMPDEST
        let end = u8::try_from(26 + calls_vault.len()).unwrap();
        let keeps = [hex!("3373").as_slice(), VAULT.as_slice(), &[0x14, 0x60, end, 0x57]].concat();
        let able = [keeps, calls_vault, hex!("5b00").to_vec()].concat();
        Ok(Known::Value(match address {
            VAULT => contract(1_000, vault()),
            MUTE => contract(0, hex!("00").to_vec()),
            ABLE => contract(0, able),
            GOVERNOR => contract(0, answers),
            _ => None,
        }))
    }

    fn slot(&self, _: Address, _: U256, _: BlockRef) -> Result<Known<U256>, StateError> {
        Ok(Known::Value(U256::ZERO))
    }

    fn block_hash(&self, _: BlockNumber) -> Result<Known<B256>, StateError> {
        Ok(Known::Unknown)
    }

    fn prestate(&self, _: &Transaction, _: BlockRef) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }

    fn block_prestate(&self, _: &Block) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }
}

fn head() -> Header {
    Header {
        number: BlockNumber(7),
        hash: B256::repeat_byte(7),
        timestamp: NOW,
        gas_limit: 30_000_000,
        base_fee: Some(7),
        prev_randao: Some(B256::ZERO),
        ..Header::default()
    }
}

fn engine() -> Engine {
    let module = Module { id: ModuleId::new("vault").unwrap(), contracts: vec![VAULT], assets: Vec::new() };
    let watch = Arc::new(Watchlist::new(vec![module]));
    let mut engine = Engine::new(Rules::fixed(ChainId(31_337), Spec::CANCUN), Arc::new(World), watch);
    engine.reset(head());
    engine
}

fn log(from: Address, signature: &str, topics: &[B256], data: Vec<u8>) -> Log {
    let topics = [keccak256(signature)].into_iter().chain(topics.iter().copied()).collect();
    Log::new_unchecked(from, topics, data.into())
}

/// A transaction of the proposer that left these logs, known by its receipt alone.
fn receipt(logs: Vec<Log>) -> Execution {
    let logs = logs.into_iter().map(|log| EmittedLog { call: None, log }).collect();
    Execution {
        transaction: Arc::new(Transaction { hash: B256::repeat_byte(1), from: PROPOSER, ..Transaction::default() }),
        window: Window::Mined,
        block: Arc::new(head()),
        index: Some(0),
        effects: Effects { logs, ..Effects::nothing(Outcome::Success(Bytes::new())) },
        facts: Vec::new(),
        assertions: Vec::new(),
        standing: Standing { head: head().block_ref(), basis: Basis::Receipt, missing: Vec::new(), left_out: 0 },
    }
}

const SCHEDULED: &str = "CallScheduled(bytes32,uint256,address,uint256,bytes,bytes32,uint256)";

/// A call of the vault that `timelock` announces, `delay` seconds ahead.
fn scheduled(timelock: Address, id: B256, index: u8, delay: u64) -> Log {
    let data = (VAULT, U256::ZERO, Bytes::new(), B256::ZERO, U256::from(delay)).abi_encode_params();
    log(timelock, SCHEDULED, &[id, B256::with_last_byte(index)], data)
}

/// The id that OpenZeppelin gives to one call of the vault with this salt.
fn id_of(salt: B256) -> B256 {
    keccak256((VAULT, U256::ZERO, Bytes::new(), B256::ZERO, salt).abi_encode_params())
}

fn operations(execution: &Execution) -> Vec<Arc<QueuedOperation>> {
    let queued = |announcement| match announcement {
        Announcement::Queued(operation) => Some(operation),
        Announcement::Executed(_)
        | Announcement::Withdrawn(_)
        | Announcement::HandedOn(_)
        | Announcement::LeftOut(_) => None,
    };
    announced(execution).into_iter().filter_map(queued).collect()
}

fn rehearsed(execution: &Execution) -> Rehearsal {
    let mut engine = engine();
    let operation = operations(execution).remove(0);
    let clock = ManualClock::default();
    let rehearsal = rehearse(&mut engine, &operation, &RehearsalBudget::default(), &clock);
    assert_eq!(engine.fork().balance(VAULT).unwrap(), U256::from(10).pow(U256::from(21)), "nothing stays");
    assert_eq!(engine.fork().block().timestamp, NOW + 12, "the clock is back");
    rehearsal
}

fn taken(rehearsal: &Rehearsal) -> U256 {
    let losses = rehearsal.executions.iter().map(|done| done.effects.net(VAULT, Asset::Native).unwrap().loss());
    losses.fold(U256::ZERO, |sum, loss| sum + loss)
}

#[test]
fn what_is_done_in_the_controllers_name_is_done_at_its_due_time() {
    let rehearsal = rehearsed(&receipt(vec![scheduled(MUTE, B256::repeat_byte(9), 0, 172_800)]));
    assert_eq!((rehearsal.executions.len(), rehearsal.through_controller), (1, false));
    assert_eq!(taken(&rehearsal), U256::from(10).pow(U256::from(21)));
    assert_eq!(rehearsal.executions[0].window, Window::Before);
    let early = rehearsed(&receipt(vec![scheduled(MUTE, B256::repeat_byte(9), 0, 3_600)]));
    assert!(early.executions.is_empty(), "what would fail did nothing");
    assert!(early.effort.skipped[0].contains("fails now"), "and that is said: {:?}", early.effort.skipped);
}

#[test]
fn what_its_controller_carries_out_is_one_execution_and_needs_the_right_salt() {
    let salt = B256::repeat_byte(4);
    let told = log(ABLE, "CallSalt(bytes32,bytes32)", &[id_of(salt)], salt.to_vec());
    let rehearsal = rehearsed(&receipt(vec![scheduled(ABLE, id_of(salt), 0, 172_800), told]));
    assert!(rehearsal.through_controller && taken(&rehearsal) > U256::ZERO);
    let unknown = rehearsed(&receipt(vec![scheduled(ABLE, id_of(salt), 0, 172_800)]));
    assert!(!unknown.through_controller && taken(&unknown) > U256::ZERO, "without the salt, in its name");
    let idle = rehearsed(&receipt(vec![scheduled(MUTE, id_of(B256::ZERO), 0, 172_800)]));
    assert!(!idle.through_controller && taken(&idle) > U256::ZERO, "a controller that does nothing has done nothing");
}

#[test]
fn a_claim_without_power_shows_nothing() {
    let liar = Address::repeat_byte(0x11);
    let rehearsal = rehearsed(&receipt(vec![scheduled(liar, B256::repeat_byte(9), 0, 172_800)]));
    assert!(rehearsal.executions.is_empty());
}

#[test]
fn the_calls_of_a_batch_are_one_operation_and_what_is_over_is_told() {
    let id = B256::repeat_byte(9);
    let batch = receipt(vec![scheduled(MUTE, id, 0, 60), scheduled(MUTE, id, 1, 60), scheduled(ABLE, id, 0, 60)]);
    let found = operations(&batch);
    assert_eq!(found.iter().map(|operation| operation.calls.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((found[0].due, found[0].proposer, found[0].caller), (NOW + 60, PROPOSER, PROPOSER));
    let named = OperationId { controller: MUTE, id };
    let cancelled = receipt(vec![log(MUTE, "Cancelled(bytes32)", &[id], Vec::new())]);
    assert_eq!(announced(&cancelled), [Announcement::Withdrawn(named)]);
    let executed = || log(MUTE, "CallExecuted(bytes32,uint256,address,uint256,bytes)", &[id, B256::ZERO], Vec::new());
    assert_eq!(announced(&receipt(vec![executed()])), [Announcement::Executed(named)]);
    let at_once = receipt(vec![scheduled(MUTE, id, 0, 0), executed()]);
    assert!(operations(&at_once).is_empty(), "what is done in the transaction that announces it waits for nothing");
}

#[test]
fn compounds_timelock_and_both_governors_are_read() {
    let signature = "QueueTransaction(bytes32,address,uint256,string,bytes,uint256)";
    let queue = |id: u8| {
        let data =
            (U256::ZERO, "pay(uint256)".to_owned(), Bytes::from(U256::from(5).to_be_bytes::<32>()), U256::from(DUE));
        log(MUTE, signature, &[B256::repeat_byte(id), VAULT.into_word()], data.abi_encode_params())
    };
    let found = operations(&receipt(vec![queue(1), queue(2)]));
    assert_eq!((found.len(), found[0].kind, found[0].calls.len()), (1, OperationKind::CompoundTimelock, 2));
    assert_eq!(found[0].calls[0].data[..4], keccak256("pay(uint256)")[..4]);
    assert_eq!((found[0].due, found[0].carried_out_by.len()), (DUE, 2));

    let signature = "ProposalCreated(uint256,address,address[],uint256[],string[],bytes[],uint256,uint256,string)";
    let created = |end: u64| {
        let calls = (vec![VAULT], vec![U256::ZERO], vec![String::new()], vec![Bytes::new()]);
        let data = (
            U256::from(3),
            PROPOSER,
            calls.0,
            calls.1,
            calls.2,
            calls.3,
            U256::ZERO,
            U256::from(end),
            "pay".to_owned(),
        );
        receipt(vec![log(GOVERNOR, signature, &[], data.abi_encode_params())])
    };
    let by_time = operations(&created(DUE)).remove(0);
    assert_eq!((by_time.kind, by_time.due), (OperationKind::Proposal, DUE));
    assert_eq!(operations(&created(7 + 100)).remove(0).due, NOW + 1_200, "a vote that is counted in blocks");
    let rehearsal = rehearsed(&created(DUE));
    assert!(taken(&rehearsal) > U256::ZERO, "it is done in the name of the governor's timelock");
    let queued = receipt(vec![log(
        GOVERNOR,
        "ProposalQueued(uint256,uint256)",
        &[],
        (U256::from(3), U256::from(DUE)).abi_encode(),
    )]);
    assert_eq!(announced(&queued), [Announcement::HandedOn(by_time.id)], "a timelock announces it again");
}

#[test]
fn hostile_events_cost_little_and_never_panic() {
    let id = B256::repeat_byte(9);
    for data in [Vec::new(), vec![0xff; 31], vec![0xff; 4_096]] {
        for signature in [SCHEDULED, "QueueTransaction(bytes32,address,uint256,string,bytes,uint256)"] {
            assert!(announced(&receipt(vec![log(MUTE, signature, &[id, id], data.clone())])).is_empty());
        }
        let proposal = "ProposalCreated(uint256,address,address[],uint256[],string[],bytes[],uint256,uint256,string)";
        assert!(announced(&receipt(vec![log(MUTE, proposal, &[], data.clone())])).is_empty());
        let short = receipt(vec![log(MUTE, "ProposalExecuted(uint256)", &[], data.clone())]);
        assert!(announced(&short).len() <= 1);
    }
    let many: Vec<Log> = (0..200).map(|n| scheduled(MUTE, B256::with_last_byte(n), 0, 60)).collect();
    assert_eq!(announced(&receipt(many.clone())).last(), Some(&Announcement::LeftOut(184)));
    let long: Vec<Log> = (0..200).map(|n| scheduled(MUTE, id, n, 60)).collect();
    let cut = operations(&receipt(long)).remove(0);
    assert_eq!((cut.calls.len(), cut.truncated, cut.carried_out_by.len()), (64, true, 0));
    let behind_junk = receipt([many, vec![scheduled(ABLE, id, 0, 60)]].concat());
    assert_eq!(operations(&behind_junk).len(), 17, "what one contract says takes no room from another");
    let far = rehearsed(&receipt(vec![scheduled(MUTE, id, 0, u64::MAX)]));
    assert_eq!(far.executions.len(), 1, "what is due in centuries is tried in ten years");
}

#[test]
fn what_the_budget_left_out_is_said() {
    let id = B256::repeat_byte(9);
    let batch = receipt((0..3).map(|index| scheduled(MUTE, id, index, 172_800)).collect());
    let budget = RehearsalBudget { gas: 1, ..RehearsalBudget::default() };
    let operation = operations(&batch).remove(0);
    let rehearsal = rehearse(&mut engine(), &operation, &budget, &ManualClock::default());
    assert_eq!((rehearsal.executions.len(), rehearsal.effort.end), (1, TrialEnd::Gas));
    assert!(rehearsal.effort.skipped[0].contains("calls after the first 1"));
}

#[test]
fn large_and_folded_logs_are_left_out_and_a_cut_operation_is_never_whole() {
    let sized = |id: B256, index: u8, size: usize| {
        let data = (VAULT, U256::ZERO, Bytes::from(vec![0; size]), B256::ZERO, U256::from(60)).abi_encode_params();
        log(MUTE, SCHEDULED, &[id, B256::with_last_byte(index)], data)
    };
    let id = B256::repeat_byte(9);
    assert_eq!(announced(&receipt(vec![sized(id, 0, 131_072)])), [Announcement::LeftOut(1)]);
    let large = receipt((0..8).map(|index| sized(id, index, 65_536)).collect());
    let operation = operations(&large).remove(0);
    assert_eq!((operation.calls.len(), operation.truncated), (4, true));
    let rehearsal = rehearsed(&large);
    assert_ne!(rehearsal.effort.end, TrialEnd::Done);
    assert!(rehearsal.effort.skipped.iter().any(|what| what.contains("not kept")), "{:?}", rehearsal.effort.skipped);

    // Each of a hundred calls has its own place in the list, and all of these places name the same bytes.
    let word = |value: usize| U256::from(value).to_be_bytes::<32>();
    let (calls, size) = (100, 32_768);
    let empty = 9 * 32;
    let list = empty + 32;
    let mut data = vec![word(3), PROPOSER.into_word().0, word(empty), word(empty), word(empty), word(list)];
    data.extend([word(0), word(DUE.try_into().unwrap()), word(empty), word(0), word(calls)]);
    data.extend(std::iter::repeat_n(word(calls * 32), calls));
    data.push(word(size));
    data.extend(std::iter::repeat_n(word(0), size / 32));
    let signature = "ProposalCreated(uint256,address,address[],uint256[],string[],bytes[],uint256,uint256,string)";
    let folded = receipt(vec![log(GOVERNOR, signature, &[], data.concat())]);
    assert_eq!(announced(&folded), [Announcement::LeftOut(1)]);
}
