//! State from a node that can trace, from one that cannot, and from one that can do next to nothing.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{AccountState, Known, StateSource, Transaction};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{NodeState, Ways};
use crate::testing::{Reply, Toy};

const TARGET: Address = Address::repeat_byte(0xcc);

fn word(byte: u8) -> B256 {
    B256::with_last_byte(byte)
}

fn plain(method: &str, params: &Value) -> Option<Reply> {
    Some(Reply::Result(match method {
        "eth_getBalance" => json!("0x64"),
        "eth_getTransactionCount" => json!("0x1"),
        "eth_getCode" if params[0] == json!(TARGET) => json!("0x6001"),
        "eth_getCode" => json!("0x00"),
        "eth_getStorageAt" => json!(word(7)),
        _ => return None,
    }))
}

async fn over(toy: &Toy) -> NodeState {
    NodeState::new(toy.node().await, Handle::current())
}

fn call() -> Transaction {
    Transaction { hash: word(1), from: Address::repeat_byte(1), to: Some(TARGET), ..Transaction::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_answers_all_later_questions() {
    let toy = Toy::new(3);
    toy.fault(|method, params| {
        (method == "debug_traceCall").then(|| {
            assert_eq!(params[2], json!({ "tracer": "prestateTracer" }));
            Reply::Result(json!({
                TARGET.to_string(): { "balance": "0x5", "nonce": 1, "code": "0x6001", "storage": { word(2).to_string(): word(9) } },
            }))
        })
    });
    let state = over(&toy).await;
    let at = toy.head();
    let fetched = state.prestate(&call(), at).unwrap();
    assert_eq!(fetched.accounts.len(), 1);
    assert!(state.prestate(&call(), at).unwrap().accounts.is_empty(), "never twice");
    assert_eq!(state.slot(TARGET, U256::from(2), at).unwrap(), Known::Value(U256::from(9)));
    let Known::Value(Some(account)) = state.account(TARGET, at).unwrap() else { panic!() };
    assert_eq!(account.code, Bytes::from_static(&[0x60, 1]));
    assert_eq!(toy.calls("debug_traceCall"), 1);
    assert_eq!(state.ways(), Ways { traced: 1, ..Ways::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_traces_is_asked_for_an_access_list() {
    let toy = Toy::new(3);
    toy.fault(|method, params| match method {
        "eth_createAccessList" => Some(Reply::Result(json!({
            "accessList": [{ "address": TARGET, "storageKeys": [word(2), word(3)] }], "gasUsed": "0x5208",
        }))),
        _ => plain(method, params),
    });
    let state = over(&toy).await;
    let at = toy.head();
    let fetched = state.prestate(&call(), at).unwrap();
    assert_eq!(fetched.accounts.len(), 2, "the sender as well");
    assert_eq!(state.slot(TARGET, U256::from(3), at).unwrap(), Known::Value(U256::from(7)));
    assert_eq!(toy.calls("eth_getStorageAt"), 2);
    assert_eq!(state.ways(), Ways { listed: 1, ..Ways::default() });
    let second = Transaction { hash: word(2), ..call() };
    state.prestate(&second, at).unwrap();
    assert_eq!(toy.calls("debug_traceCall"), 1, "remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_can_do_neither_is_asked_one_by_one_and_never_twice() {
    let toy = Toy::new(3);
    toy.fault(plain);
    let state = over(&toy).await;
    let at = toy.head();
    assert!(state.prestate(&call(), at).unwrap().accounts.is_empty());
    for _ in 0..3 {
        assert_eq!(state.slot(TARGET, U256::from(3), at).unwrap(), Known::Value(U256::from(7)));
        let codeless = Known::Value(Some(AccountState { balance: U256::from(100), nonce: 1, code: Bytes::new() }));
        assert_eq!(state.account(Address::repeat_byte(1), at).unwrap(), codeless, "`0x00` is no code");
    }
    assert_eq!((toy.calls("eth_getStorageAt"), toy.calls("eth_getBalance")), (1, 1));
    assert_eq!(state.ways(), Ways { single: 2, ..Ways::default() });
    state.slot(TARGET, U256::from(3), toy.at(2)).unwrap();
    assert_eq!(toy.calls("eth_getStorageAt"), 2, "another block is another question");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_block_the_first_value_of_everything_counts() {
    let toy = Toy::new(3);
    let block = toy.node().await.block(toy.at(3).number).await.unwrap().unwrap();
    let traces: Vec<Value> = (1..=2_u8)
        .map(|turn| {
            json!({ "txHash": block.transactions[usize::from(turn) - 1].hash, "result": {
                TARGET.to_string(): { "balance": format!("{turn:#x}"), "storage": { word(2).to_string(): word(turn) } },
                Address::repeat_byte(turn).to_string(): { "balance": "0x9", "storage": { word(turn).to_string(): word(1) } },
            }})
        })
        .collect();
    let answer = json!(traces);
    toy.fault(move |method, _| (method == "debug_traceBlockByHash").then(|| Reply::Result(answer.clone())));
    let state = over(&toy).await;
    let fetched = state.block_prestate(&block).unwrap();
    let target = fetched.accounts.iter().find(|account| account.address == TARGET).unwrap();
    assert_eq!(target.state.as_ref().unwrap().balance, U256::from(1));
    assert_eq!(target.slots, [(U256::from(2), U256::from(1))]);
    assert_eq!(fetched.accounts.len(), 3);
    assert_eq!(
        state.slot(TARGET, U256::from(2), block.header.parent_ref().unwrap()).unwrap(),
        Known::Value(U256::from(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_that_are_not_those_of_the_block_are_refused() {
    let toy = Toy::new(3);
    let block = toy.node().await.block(toy.at(3).number).await.unwrap().unwrap();
    toy.fault(|method, _| (method == "debug_traceBlockByHash").then(|| Reply::Result(json!([{ "result": {} }]))));
    let state = over(&toy).await;
    assert!(state.block_prestate(&block).unwrap().accounts.is_empty());
    assert_eq!(state.ways().traced, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_the_node_will_not_run_is_not_held_against_the_node() {
    let toy = Toy::new(3);
    toy.fault(|method, params| match method {
        "debug_traceCall" | "eth_createAccessList" => Some(Reply::Error(-32000, "insufficient funds for transfer")),
        _ => plain(method, params),
    });
    let state = over(&toy).await;
    for salt in 1..10 {
        state.prestate(&Transaction { hash: word(salt), ..call() }, toy.head()).unwrap();
    }
    assert!(state.node.alerts().drain().is_empty());
    assert_eq!(toy.calls("debug_traceCall"), 9, "the node can trace");
}

#[tokio::test]
async fn a_runtime_with_one_thread_is_an_error_and_no_deadlock() {
    let toy = Toy::new(3);
    let error = over(&toy).await.account(TARGET, toy.head()).unwrap_err().to_string();
    assert!(error.contains("the runtime has one thread"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_threads_may_ask_as_well() {
    let toy = Toy::new(3);
    toy.fault(plain);
    let (state, at) = (over(&toy).await, toy.head());
    let asked = tokio::task::spawn_blocking(move || state.slot(TARGET, U256::ZERO, at)).await.unwrap();
    assert_eq!(asked.unwrap(), Known::Value(U256::from(7)));
}
