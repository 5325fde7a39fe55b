//! A real alloy provider over HTTP and WebSocket, and in process, finds the chain indistinguishable from a node.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use alloy_consensus::TxEnvelope;
use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::network::Ethereum;
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag, Filter, TransactionRequest};
use alloy_sol_types::{Revert, SolError};
use cofferdam_simnet::{Orphans, ReorgKind, Serving, Simnet};
use common::{Actor, COIN, READER, REVERTER, STORE, chain, word};
use serde_json::{Value, json};

const EVE: Address = Address::repeat_byte(0xee);

async fn serve(net: &Simnet) -> Serving {
    net.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap()
}

async fn connect(scheme: &str, serving: &Serving) -> RootProvider<Ethereum> {
    RootProvider::connect(&format!("{scheme}://{}", serving.address())).await.unwrap()
}

fn in_process(net: &Simnet) -> RootProvider<Ethereum> {
    RootProvider::new(net.client())
}

/// Every root and hash that a client can check, computed by the client.
async fn check_block(provider: &RootProvider<Ethereum>, number: u64) {
    let block = provider.get_block_by_number(number.into()).full().await.unwrap().unwrap();
    assert_eq!(block.header.hash, block.header.inner.hash_slow());
    let transactions: Vec<TxEnvelope> =
        block.transactions.txns().map(|transaction| transaction.inner.inner().clone()).collect();
    assert_eq!(block.header.transactions_root, calculate_transaction_root(&transactions));
    let receipts = provider.get_block_receipts(number.into()).await.unwrap().unwrap();
    let bare: Vec<_> = receipts.iter().map(|receipt| receipt.inner.clone().into_primitives_receipt()).collect();
    assert_eq!(block.header.receipts_root, calculate_receipt_root(&bare));
    if let Some(parent) = number.checked_sub(1) {
        let parent = provider.get_block_by_number(parent.into()).await.unwrap().unwrap();
        assert_eq!(parent.header.hash, block.header.parent_hash);
    }
    for (index, receipt) in (0_u64..).zip(&receipts) {
        assert_eq!(receipt.transaction_index, Some(index));
        assert_eq!(receipt.block_hash, Some(block.header.hash));
        let one = provider.get_transaction_receipt(receipt.transaction_hash).await.unwrap().unwrap();
        assert_eq!(one, *receipt);
        let transaction = provider.get_transaction_by_hash(receipt.transaction_hash).await.unwrap().unwrap();
        assert_eq!(transaction.block_number, Some(number));
    }
}

/// What any transport must do.
async fn drive(provider: &RootProvider<Ethereum>) {
    let a = Actor::new(0);
    assert_eq!(provider.get_chain_id().await.unwrap(), 31_337);
    assert_eq!(provider.get_balance(a.address()).await.unwrap(), U256::from(1_000 * COIN));
    let head = provider.get_block_number().await.unwrap();
    let nonce = provider.get_transaction_count(a.address()).await.unwrap();
    let sent = provider.send_raw_transaction(&a.tx(nonce, STORE, 0, word(5), 1)).await.unwrap();
    let hash = *sent.tx_hash();
    assert_eq!(provider.get_transaction_count(a.address()).pending().await.unwrap(), nonce + 1);
    let waiting = provider.get_transaction_by_hash(hash).await.unwrap().unwrap();
    assert_eq!(waiting.block_hash, None);
    assert!(provider.get_transaction_receipt(hash).await.unwrap().is_none());
    let _: Value = provider.raw_request("evm_mine".into(), ()).await.unwrap();
    let receipt = provider.get_transaction_receipt(hash).await.unwrap().unwrap();
    assert_eq!(receipt.block_number, Some(head + 1));
    assert_eq!(receipt.logs()[0].topics(), [B256::from(U256::from(5))]);
    assert_eq!(provider.get_storage_at(STORE, U256::ZERO).await.unwrap(), U256::from(5));
    let before = provider.get_storage_at(STORE, U256::ZERO).block_id(head.into()).await.unwrap();
    assert_eq!(before, U256::from(7));
    for number in 0..=head + 1 {
        check_block(provider, number).await;
    }

    let read = TransactionRequest::default().to(READER);
    assert_eq!(provider.call(read).await.unwrap(), word(7));
    let reason = Revert::from("not today").abi_encode();
    let revert = TransactionRequest::default().to(REVERTER).input(reason.clone().into());
    for error in [provider.call(revert.clone()).await.unwrap_err(), provider.estimate_gas(revert).await.unwrap_err()] {
        let payload = error.as_error_resp().unwrap();
        assert_eq!(payload.code, 3);
        assert_eq!(payload.message, "execution reverted: not today");
        assert_eq!(payload.as_revert_data().unwrap(), Bytes::from(reason.clone()));
    }
    let bare = TransactionRequest::default().to(REVERTER);
    let error = provider.call(bare).await.unwrap_err();
    let payload = error.as_error_resp().unwrap();
    assert_eq!((payload.code, payload.message.as_ref()), (-32_000, "execution reverted"));

    let store = TransactionRequest::default().from(a.address()).to(STORE).input(word(9).into());
    let gas = provider.estimate_gas(store.clone()).await.unwrap();
    assert!(gas >= receipt.gas_used, "{gas} for {}", receipt.gas_used);
    let plain = TransactionRequest::default().from(a.address()).to(EVE).value(U256::from(1));
    assert_eq!(provider.estimate_gas(plain).await.unwrap(), 21_000);
    let list = provider.create_access_list(&store).await.unwrap();
    assert_eq!(list.access_list.0.len(), 1);
    assert_eq!((list.access_list.0[0].address, list.error), (STORE, None));

    let logs = provider.get_logs(&Filter::new().address(STORE).from_block(0)).await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].transaction_hash, logs[0].log_index), (Some(hash), Some(0)));
    assert!(provider.get_logs(&Filter::new().address(EVE).from_block(0)).await.unwrap().is_empty());
    let history = provider.get_fee_history(10, BlockNumberOrTag::Latest, &[50.0]).await.unwrap();
    assert_eq!(history.base_fee_per_gas.len(), history.gas_used_ratio.len() + 1);
    assert_eq!(history.reward.unwrap().last().unwrap(), &[1_000_000_000]);
    let fees = provider.estimate_eip1559_fees().await.unwrap();
    assert!(fees.max_fee_per_gas > provider.get_gas_price().await.unwrap() / 2);
    let refused = provider.send_raw_transaction(&[1, 2, 3]).await.unwrap_err();
    assert_eq!(refused.as_error_resp().unwrap().code, -32_000);
    assert!(provider.get_block(BlockId::number(999)).await.unwrap().is_none());
    let unknown: Result<Value, _> = provider.raw_request("eth_nonsense".into(), ()).await;
    assert_eq!(unknown.unwrap_err().as_error_resp().unwrap().code, -32_601);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_over_http_finds_a_node() {
    let net = chain();
    let serving = serve(&net).await;
    drive(&connect("http", &serving).await).await;
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_over_websocket_finds_a_node_and_is_told_what_happens() {
    let net = chain();
    let serving = serve(&net).await;
    let provider = connect("ws", &serving).await;
    drive(&provider).await;

    let mut heads = provider.subscribe_blocks().await.unwrap();
    let mut hashes = provider.subscribe_pending_transactions().await.unwrap();
    let mut bodies = provider.subscribe_full_pending_transactions().await.unwrap();
    let mut logs = provider.subscribe_logs(&Filter::new().address(STORE)).await.unwrap();
    let a = Actor::new(1);
    let secret = net.submit_private(&a.tx(0, STORE, 0, word(1), 1)).unwrap();
    let open = net.submit(&a.tx(1, STORE, 0, word(2), 1)).unwrap();
    assert_eq!(hashes.recv().await.unwrap(), open, "the private one was not told of");
    assert_eq!(*bodies.recv().await.unwrap().inner.hash(), open);
    let mined = net.mine();
    let head = heads.recv().await.unwrap();
    assert_eq!((head.hash, head.inner.hash_slow()), (mined.hash, mined.hash));
    for hash in [secret, open] {
        let log = logs.recv().await.unwrap();
        assert_eq!((log.transaction_hash, log.removed), (Some(hash), false));
    }

    let done = net.reorg(1, &ReorgKind::Empty(Orphans::ToPool)).unwrap();
    let head = heads.recv().await.unwrap();
    assert_eq!(head.hash, done.adopted[0].hash);
    assert_ne!(head.hash, mined.hash);
    for hash in [secret, open] {
        let log = logs.recv().await.unwrap();
        assert_eq!((log.transaction_hash, log.removed), (Some(hash), true));
    }
    assert_eq!(hashes.recv().await.unwrap(), open, "it waits again");
    serving.stop().await;
}

#[tokio::test]
async fn a_provider_in_process_finds_a_node() {
    let net = chain();
    let provider = in_process(&net);
    drive(&provider).await;
    let batch: Result<Value, _> = provider.raw_request("eth_subscribe".into(), ["newHeads"]).await;
    assert_eq!(batch.unwrap_err().as_error_resp().unwrap().message, "notifications not supported");
}

async fn ask(provider: &RootProvider<Ethereum>, method: &'static str, params: Value) -> Value {
    provider.raw_request::<_, Value>(method.into(), params).await.unwrap()
}

#[tokio::test]
async fn the_prestate_of_a_transaction_is_what_it_read() {
    let (net, a) = (chain(), Actor::new(0));
    let provider = in_process(&net);
    let first = net.submit(&a.tx(0, STORE, 0, word(5), 2)).unwrap();
    let second = net.submit(&a.tx(1, STORE, 0, word(6), 2)).unwrap();
    net.mine();
    let tracer = json!({"tracer": "prestateTracer"});
    let traced = ask(&provider, "debug_traceBlockByNumber", json!(["latest", tracer])).await;
    assert_eq!(traced[0]["txHash"], json!(first));
    assert_eq!(traced[1]["txHash"], json!(second));
    let contract = format!("{STORE:?}");
    let sender = format!("{:?}", a.address());
    let slot = format!("{:?}", B256::ZERO);
    let value = |index: usize| traced[index]["result"][&contract]["storage"][&slot].clone();
    assert_eq!(value(0), json!(B256::from(U256::from(7))));
    assert_eq!(value(1), json!(B256::from(U256::from(5))));
    assert_eq!(traced[1]["result"][&sender]["nonce"], json!(1));
    assert!(traced[0]["result"][&contract]["code"].as_str().unwrap().starts_with("0x5f35"));
    let by_hash = ask(&provider, "debug_traceBlockByHash", json!([net.head().hash, tracer])).await;
    assert_eq!(by_hash, traced);

    let call = json!({"from": a.address(), "to": STORE, "data": word(1)});
    let traced = ask(&provider, "debug_traceCall", json!([call, "latest", tracer])).await;
    assert_eq!(traced[&contract]["storage"][&slot], json!(B256::from(U256::from(6))));
    let traced = ask(&provider, "debug_traceCall", json!([call, "0x0", tracer])).await;
    assert_eq!(traced[&contract]["storage"][&slot], json!(B256::from(U256::from(7))));
}

#[tokio::test]
async fn test_nodes_hands_work_on_the_chain() {
    let net = chain();
    let provider = in_process(&net);
    ask(&provider, "anvil_mine", json!(["0x5"])).await;
    let old = net.head();
    let raw = Actor::new(0).tx(0, EVE, 1, Bytes::new(), 1);
    ask(&provider, "anvil_reorg", json!([3, [[raw, 1]]])).await;
    assert_eq!(net.head().number, old.number);
    assert_ne!(net.head().hash, old.hash);
    assert_eq!(net.account(EVE).balance, U256::from(1));
    ask(&provider, "anvil_reorg", json!({"depth": 1, "txBlockPairs": []})).await;
    let done = ask(&provider, "simnet_reorg", json!([{"depth": 2, "kind": "shorten", "orphans": "pool"}])).await;
    assert_eq!(done["dropped"].as_array().unwrap().len(), 2);
    assert_eq!(ask(&provider, "txpool_status", json!([])).await, json!({"pending": "0x1", "queued": "0x0"}));
    let deep: Result<Value, _> = provider.raw_request("anvil_reorg".into(), json!([99, []])).await;
    assert_eq!(deep.unwrap_err().as_error_resp().unwrap().code, -32_000);

    let before = net.header().timestamp;
    ask(&provider, "evm_increaseTime", json!([100])).await;
    ask(&provider, "evm_mine", json!([])).await;
    assert_eq!(net.header().timestamp, before + 112);
    ask(&provider, "evm_setNextBlockTimestamp", json!([before + 500])).await;
    ask(&provider, "evm_mine", json!([])).await;
    assert_eq!(net.header().timestamp, before + 500);
    ask(&provider, "evm_setAutomine", json!([true])).await;
    let raw = Actor::new(1).tx(0, EVE, 1, Bytes::new(), 1);
    let hash = ask(&provider, "eth_sendPrivateTransaction", json!([{"tx": raw}])).await;
    let receipt = ask(&provider, "eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], "0x1");
}

#[tokio::test]
async fn strange_parameters_are_one_clear_error() {
    let net = chain();
    let provider = in_process(&net);
    for (method, params) in [
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x12", "latest"])),
        ("eth_getBlockByNumber", json!([7, 7, 7])),
        ("eth_call", json!(["latest"])),
        ("eth_call", json!([{"to": EVE}, "latest", {EVE.to_string(): {"balance": "0x1"}}])),
        ("eth_getLogs", json!([{"fromBlock": "0x5", "toBlock": "0x1"}])),
        ("eth_feeHistory", json!(["0x5", "latest", [90.0, 10.0]])),
        ("debug_traceCall", json!([{"to": EVE}, "latest", {"tracer": "callTracer"}])),
        ("anvil_reorg", json!([1, [["0x00", 5]]])),
        ("anvil_mine", json!([u64::MAX])),
        ("simnet_reorg", json!([{"depth": 1, "kind": "sideways", "orphans": "pool"}])),
    ] {
        let answer: Result<Value, _> = provider.raw_request(method.into(), params).await;
        assert_eq!(answer.unwrap_err().as_error_resp().unwrap().code, -32_602, "{method}");
    }
    for (method, params) in [
        ("eth_getBalance", json!([EVE, "0x99"])),
        ("eth_sendRawTransaction", json!(["0x"])),
        ("evm_setNextBlockTimestamp", json!([1])),
        ("eth_estimateGas", json!([{"from": EVE, "to": EVE, "value": "0x1"}])),
        ("debug_traceBlockByNumber", json!(["0x0", {"tracer": "prestateTracer"}])),
    ] {
        let answer: Result<Value, _> = provider.raw_request(method.into(), params).await;
        assert_eq!(answer.unwrap_err().as_error_resp().unwrap().code, -32_000, "{method}");
    }
}
