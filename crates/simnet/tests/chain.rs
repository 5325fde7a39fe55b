//! What the chain promises: order, determinism, exact reorgs, and secrecy of the private lane.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_used, reason = "tests")]

mod common;

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip4844, TxEip4844WithSidecar, TxEip7702, TxEnvelope, TxLegacy,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip4844::{Blob, BlobTransactionSidecar, Bytes48};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy_rpc_client::RpcClient;
use cofferdam_evm::{CallRequest, Spec};
use cofferdam_simnet::{Config, ConfigError, Orphans, ReorgError, ReorgKind, Simnet, SubmitError};
use cofferdam_types::{BlockNumber, ViewResult};
use common::{Actor, COIN, GWEI, READER, STORE, chain, config, word};
use proptest::prelude::*;
use serde_json::{Value, json};

const EVE: Address = Address::repeat_byte(0xee);

fn hashes(net: &Simnet) -> Vec<B256> {
    (0..=net.head().number.0).map(|number| net.block(BlockNumber(number)).unwrap().header.hash).collect()
}

#[test]
fn a_block_carries_what_was_sent_in_order_of_tips() {
    let (net, a, b) = (chain(), Actor::new(0), Actor::new(1));
    let cheap = net.submit(&a.tx(0, EVE, 1, Bytes::new(), 1)).unwrap();
    let dear = net.submit(&b.tx(0, STORE, 0, word(5), 2)).unwrap();
    let block = net.mine();
    let block = net.block(block.number).unwrap();
    assert_eq!(block.transactions.iter().map(|tx| tx.hash).collect::<Vec<_>>(), [dear, cheap]);
    assert_eq!(block.receipts[0].logs[0].topics(), [B256::from(U256::from(5))]);
    assert_eq!(block.header.gas_used, block.receipts.iter().map(|receipt| receipt.gas_used).sum::<u64>());
    assert_eq!(net.slot(STORE, U256::ZERO), U256::from(5));
    assert_eq!(net.account(EVE).balance, U256::from(1));
    // The tips go to the beneficiary, the base fee to nobody.
    let tips: u64 = block.receipts[0].gas_used * 2 + block.receipts[1].gas_used;
    assert_eq!(net.account(block.header.beneficiary).balance, U256::from(u128::from(tips) * GWEI));
}

#[test]
fn a_nonce_gap_waits_until_it_is_filled() {
    let (net, a) = (chain(), Actor::new(0));
    let second = net.submit(&a.tx(1, EVE, 1, Bytes::new(), 9)).unwrap();
    net.mine();
    assert!(net.receipt(second).is_none());
    let first = net.submit(&a.tx(0, EVE, 1, Bytes::new(), 1)).unwrap();
    let block = net.mine();
    assert_eq!(net.receipt(first).unwrap().0, block);
    assert_eq!(net.receipt(second).unwrap().0, block);
}

#[test]
fn refusals_use_the_words_of_geth() {
    let (net, a) = (chain(), Actor::new(0));
    let raw = a.tx(0, EVE, 1, Bytes::new(), 1);
    net.submit(&raw).unwrap();
    let refused = |raw: &[u8]| net.submit(raw).unwrap_err().to_string();
    assert_eq!(refused(&raw), "already known");
    assert_eq!(refused(&a.tx(0, EVE, 2, Bytes::new(), 1)), "replacement transaction underpriced");
    assert!(
        refused(&a.tx(1, EVE, 2_000 * COIN, Bytes::new(), 1)).starts_with("insufficient funds for gas * price + value")
    );
    net.mine();
    assert_eq!(refused(&raw), "already known");
    assert!(refused(&a.tx(0, EVE, 2, Bytes::new(), 1)).starts_with("nonce too low"));
    assert!(refused(&[]).starts_with("transaction could not be decoded"));
    assert!(refused(&[0x02, 0xc0, 0x01]).starts_with("transaction could not be decoded"));
    let base = TxEip1559 { chain_id: 31_337, nonce: 1, max_fee_per_gas: GWEI, ..TxEip1559::default() };
    let poor = TxEip1559 { gas_limit: 20_999, to: TxKind::Call(EVE), ..base.clone() };
    assert!(refused(&a.raw(poor)).starts_with("intrinsic gas too low: gas 20999, minimum needed 21000"));
    let floor = TxEip1559 { gas_limit: 26_000, to: TxKind::Call(EVE), input: vec![1; 200].into(), ..base.clone() };
    assert!(refused(&a.raw(floor)).starts_with("insufficient gas for floor data gas cost"));
    let big = TxEip1559 { gas_limit: 30_000_001, to: TxKind::Call(EVE), ..base.clone() };
    assert!(refused(&a.raw(big)).starts_with("exceeds block gas limit"));
    let inverted = TxEip1559 { gas_limit: 21_000, max_priority_fee_per_gas: 2 * GWEI, ..base.clone() };
    assert!(refused(&a.raw(inverted)).starts_with("max priority fee per gas higher than max fee per gas"));
    let elsewhere = TxEip1559 { chain_id: 1, gas_limit: 21_000, ..base };
    assert!(refused(&a.raw(elsewhere)).starts_with("invalid chain id for signer"));
}

#[test]
fn a_transaction_that_became_invalid_is_dropped_for_all_to_see() {
    let (net, a) = (chain(), Actor::new(0));
    // The private lane spends the money that the public transaction counts on.
    net.submit_private(&a.tx(0, EVE, 999 * COIN, Bytes::new(), 1)).unwrap();
    let hopeless = net.submit(&a.tx(1, EVE, 500 * COIN, Bytes::new(), 1)).unwrap();
    let block = net.mine();
    let dropped = net.dropped_by(block.number);
    assert_eq!(dropped.iter().map(|dropped| dropped.hash).collect::<Vec<_>>(), [hopeless]);
    assert!(!dropped[0].reason.is_empty());
    assert_eq!(net.drop_reason(hopeless), Some(dropped[0].reason.clone()));
    assert_eq!(net.mine(), net.head());
    assert!(net.dropped_by(net.head().number).is_empty(), "dropped once");
}

#[test]
fn what_does_not_fit_waits_for_the_next_block() {
    let net = Simnet::new(Config { gas_limit: 150_000, ..config() }).unwrap();
    let (a, b) = (Actor::new(0), Actor::new(1));
    let first = net.submit(&a.tx(0, EVE, 1, Bytes::new(), 2)).unwrap();
    let second = net.submit(&b.tx(0, EVE, 1, Bytes::new(), 1)).unwrap();
    // 21,000 gas are used of the first one's 100,000: the second's limit still fits into what is left.
    let together = net.mine();
    assert_eq!(net.receipt(first).unwrap().0, together);
    assert_eq!(net.receipt(second).unwrap().0, together);
    let third = net.submit(&a.tx(1, STORE, 0, word(1), 3)).unwrap();
    let fourth = net.submit(&a.tx(2, STORE, 0, word(2), 3)).unwrap();
    let fifth = net.submit(&b.tx(1, STORE, 0, word(3), 2)).unwrap();
    let full = net.mine();
    assert_eq!(net.receipt(third).unwrap().0, full);
    let next = net.mine();
    assert!([fourth, fifth].iter().any(|hash| net.receipt(*hash).unwrap().0 == next));
}

#[test]
fn time_moves_only_when_told() {
    let net = chain();
    let start = net.header().timestamp;
    net.mine();
    assert_eq!(net.header().timestamp, start + 12);
    net.advance_time(100);
    net.mine();
    assert_eq!(net.header().timestamp, start + 124);
    net.set_next_timestamp(start + 125).unwrap();
    net.mine();
    net.mine();
    assert_eq!(net.header().timestamp, start + 137);
    assert!(net.set_next_timestamp(start + 137).is_err());
}

#[test]
fn a_reorg_restores_state_exactly() {
    let (net, a) = (chain(), Actor::new(0));
    net.submit(&a.tx(0, STORE, 0, word(1), 1)).unwrap();
    net.mine();
    let (header, account) = (net.header(), net.account(a.address()));
    net.submit(&a.tx(1, STORE, 0, word(2), 1)).unwrap();
    let lost = net.submit_private(&a.tx(2, EVE, COIN, Bytes::new(), 1)).unwrap();
    net.mine();
    net.mine();
    let root = net.block(BlockNumber(2)).unwrap().header.state_root;
    let orphaned = hashes(&net)[2..].iter().rev().copied().collect::<Vec<_>>();
    let done = net.reorg(2, &ReorgKind::Shorten(Orphans::ToPool)).unwrap();
    assert_eq!(done.dropped.iter().map(|block| block.hash).collect::<Vec<_>>(), orphaned);
    assert_eq!(net.header(), header);
    assert_eq!(net.account(a.address()), account);
    assert_eq!(net.slot(STORE, U256::ZERO), U256::from(1));
    assert_eq!(net.account(EVE).balance, U256::ZERO);
    assert!(net.receipt(lost).is_none());
    // Mined again, the same transactions give the same state under another hash.
    net.mine();
    assert_eq!(net.slot(STORE, U256::ZERO), U256::from(2));
    assert!(net.receipt(lost).is_some());
    assert_eq!(net.header().state_root, root);
    assert!(!orphaned.contains(&net.head().hash));
}

#[test]
fn a_reorg_can_forget_empty_or_replace() {
    let (net, a) = (chain(), Actor::new(0));
    let raw = a.tx(0, STORE, 0, word(1), 1);
    let hash = net.submit(&raw).unwrap();
    net.mine();
    let before = net.head();
    let done = net.reorg(1, &ReorgKind::Empty(Orphans::Forget)).unwrap();
    assert_eq!(done.adopted, [net.head()]);
    assert_ne!(net.head(), before);
    assert_eq!(net.head().number, before.number);
    assert_eq!(net.drop_reason(hash).as_deref(), Some("its block left the chain"));
    net.mine();
    assert!(net.receipt(hash).is_none());
    // Another transaction of the same nonce takes the place, in a longer chain; then the old one again.
    let other = a.tx(0, STORE, 0, word(9), 1);
    let done = net.reorg(1, &ReorgKind::Replace(vec![vec![other], vec![], vec![]])).unwrap();
    assert_eq!(done.adopted.len(), 3);
    assert_eq!(net.slot(STORE, U256::ZERO), U256::from(9));
    net.reorg(3, &ReorgKind::Replace(vec![vec![raw.clone()]])).unwrap();
    assert_eq!(net.receipt(hash).unwrap().0, net.head());
    let height = net.head().number.0;
    assert_eq!(
        net.reorg(height + 1, &ReorgKind::Empty(Orphans::Forget)),
        Err(ReorgError::TooDeep { depth: height + 1, height })
    );
    assert_eq!(net.reorg(0, &ReorgKind::Empty(Orphans::Forget)), Err(ReorgError::Zero));
    let bad = net.reorg(1, &ReorgKind::Replace(vec![vec![raw, Bytes::from_static(b"no")]])).unwrap_err();
    assert!(matches!(bad, ReorgError::Transaction { block: 0, index: 1, .. }), "{bad}");
    assert_eq!(net.receipt(hash).unwrap().0, net.head(), "a refused reorg changes nothing");
}

#[tokio::test]
async fn old_state_is_let_go_and_said_to_be_gone() {
    let (net, a) = (chain(), Actor::new(0));
    let client = net.client();
    net.submit(&a.tx(0, STORE, 0, word(1), 1)).unwrap();
    for _ in 0..600 {
        net.mine();
    }
    net.submit(&a.tx(1, STORE, 0, word(2), 1)).unwrap();
    net.mine();
    let slot =
        async |block: u64| client.request::<_, B256>("eth_getStorageAt", (STORE, U256::ZERO, U64::from(block))).await;
    assert_eq!(slot(601).await.unwrap(), B256::from(U256::from(2)));
    assert_eq!(slot(601 - 256).await.unwrap(), B256::from(U256::from(1)));
    let gone = slot(0).await.unwrap_err();
    assert!(gone.as_error_resp().unwrap().message.starts_with("historical state is not available"));
    let refused = net.reorg(601, &ReorgKind::Shorten(Orphans::Forget)).unwrap_err();
    assert_eq!(refused, ReorgError::Forgotten { depth: 601, kept: 256 });
    net.reorg(256, &ReorgKind::Shorten(Orphans::ToPool)).unwrap();
    assert_eq!(net.slot(STORE, U256::ZERO), U256::from(1));
    assert!(net.block(BlockNumber(1)).unwrap().receipts[0].success.unwrap());
    net.mine();
    assert_eq!(net.slot(STORE, U256::ZERO), U256::from(2));
}

#[derive(Clone, Debug)]
enum Step {
    Send { actor: u8, contract: bool, private: bool, amount: u64, tip: u8 },
    Mine,
    Wait(u16),
    Reorg { depth: u8, kind: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let send = (0..4_u8, any::<bool>(), any::<bool>(), 0..9_u64, 1..9_u8);
    let send =
        send.prop_map(|(actor, contract, private, amount, tip)| Step::Send { actor, contract, private, amount, tip });
    let reorg = (0..4_u8, 0..4_u8).prop_map(|(depth, kind)| Step::Reorg { depth, kind });
    prop_oneof![6 => send, 3 => Just(Step::Mine), 1 => (0..900_u16).prop_map(Step::Wait), 1 => reorg]
}

/// Runs the steps; refusals are part of the outcome and just as fixed.
fn run(steps: &[Step]) -> (Simnet, Vec<String>) {
    let net = chain();
    let mut refusals = Vec::new();
    for step in steps {
        match step {
            Step::Send { actor, contract, private, amount, tip } => {
                let actor = Actor::new(*actor);
                let nonce = net.account(actor.address()).nonce + u64::from(*private);
                let to = if *contract { STORE } else { EVE };
                let raw =
                    actor.tx(nonce, to, u128::from(*amount) * u128::from(!*contract), word(*amount), u128::from(*tip));
                let sent = if *private { net.submit_private(&raw) } else { net.submit(&raw) };
                refusals.extend(sent.err().map(|error| error.to_string()));
            }
            Step::Mine => drop(net.mine()),
            Step::Wait(seconds) => net.advance_time(u64::from(*seconds)),
            Step::Reorg { depth, kind } => {
                let kind = match kind {
                    0 => ReorgKind::Shorten(Orphans::ToPool),
                    1 => ReorgKind::Shorten(Orphans::Forget),
                    2 => ReorgKind::Empty(Orphans::ToPool),
                    _ => ReorgKind::Replace(vec![vec![Actor::new(9).tx(0, EVE, 1, Bytes::new(), 1)]; 2]),
                };
                refusals.extend(net.reorg(u64::from(*depth), &kind).err().map(|error| error.to_string()));
            }
        }
    }
    (net, refusals)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_same_steps_give_the_same_hashes(steps in proptest::collection::vec(step(), 1..40)) {
        let ((one, said_one), (two, said_two)) = (run(&steps), run(&steps));
        prop_assert_eq!(hashes(&one), hashes(&two));
        prop_assert_eq!(said_one, said_two);
    }

    #[test]
    fn after_any_reorg_the_chain_is_as_if_the_dropped_blocks_had_never_been(
        steps in proptest::collection::vec(step(), 1..40),
        depth in 1..4_u64,
    ) {
        let (net, _) = run(&steps);
        let before: Vec<_> = (0..6).map(|number| net.account(Actor::new(number).address())).collect();
        let (root, slot) = (net.header().state_root, net.slot(STORE, U256::ZERO));
        for number in 0..depth {
            let actor = Actor::new(u8::try_from(number).unwrap());
            let nonce = net.account(actor.address()).nonce;
            let _ = net.submit_private(&actor.tx(nonce, STORE, 0, word(77), 50));
            net.mine();
        }
        net.reorg(depth, &ReorgKind::Shorten(Orphans::Forget)).unwrap();
        let after: Vec<_> = (0..6).map(|number| net.account(Actor::new(number).address())).collect();
        prop_assert_eq!(before, after);
        prop_assert_eq!((root, slot), (net.header().state_root, net.slot(STORE, U256::ZERO)));
    }
}

/// Anything that JSON can say, shallow.
fn junk() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(0x)?[0-9a-f]{0,70}".prop_map(Value::from),
        prop_oneof![Just("latest"), Just("pending"), Just("newHeads")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key = prop_oneof![Just("to"), Just("data"), Just("fromBlock"), Just("depth"), Just("tracer"), Just("tx")];
        let object = proptest::collection::btree_map(key.prop_map(str::to_owned), inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_bring_the_chain_down(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
    ) {
        let net = chain();
        let _ = net.submit(&bytes);
        let mut raw = Actor::new(0).tx(0, STORE, 1, word(1), 1).to_vec();
        for (at, mask) in flips {
            let length = raw.len();
            raw[at % length] ^= mask;
        }
        let _ = net.submit(&raw);
        let _ = net.submit_private(&raw[..raw.len() / 2]);
        prop_assert_eq!(net.mine(), net.head());
    }

    #[test]
    fn no_parameters_bring_the_chain_down(params in proptest::collection::vec(junk(), 0..4)) {
        let net = chain();
        net.mine();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let methods: Vec<&'static str> = net.rpc().method_names().filter(|method| !method.contains("mine")).collect();
        for method in methods {
            let _: Result<Value, _> = runtime.block_on(net.client().request(method, params.clone()));
        }
        prop_assert_eq!(net.mine(), net.head());
    }
}

async fn ask(client: &RpcClient, method: &'static str, params: Value) -> Value {
    client.request::<_, Value>(method, params).await.unwrap()
}

#[tokio::test]
async fn the_private_lane_shows_in_no_pending_view() {
    let (net, a, b) = (chain(), Actor::new(0), Actor::new(1));
    let client = net.client();
    let secret = net.submit_private(&a.tx(0, STORE, 0, word(5), 9)).unwrap();
    let open = net.submit(&b.tx(0, EVE, 1, Bytes::new(), 1)).unwrap();
    let all = [
        ask(&client, "txpool_content", json!([])).await,
        ask(&client, "eth_getBlockByNumber", json!(["pending", true])).await,
        ask(&client, "eth_getBlockReceipts", json!(["pending"])).await,
    ];
    for view in &all {
        let text = view.to_string();
        assert!(text.contains(&open.to_string()) && !text.contains(&secret.to_string()), "{text}");
    }
    assert_eq!(ask(&client, "txpool_status", json!([])).await, json!({"pending": "0x1", "queued": "0x0"}));
    assert_eq!(ask(&client, "eth_getTransactionByHash", json!([secret])).await, Value::Null);
    assert_eq!(ask(&client, "eth_getTransactionCount", json!([a.address(), "pending"])).await, "0x0");
    assert_eq!(
        ask(&client, "eth_getStorageAt", json!([STORE, "0x0", "pending"])).await,
        json!(B256::from(U256::from(7)))
    );
    // Looking at the pending block left no trace.
    let block = net.mine();
    assert_eq!(net.block(block.number).unwrap().transactions[0].hash, secret);
    assert_eq!(net.slot(STORE, U256::ZERO), U256::from(5));
    assert_ne!(ask(&client, "eth_getTransactionByHash", json!([secret])).await, Value::Null);
}

#[test]
fn all_transaction_types_are_mined() {
    let (net, a) = (chain(), Actor::new(0));
    let sign = |hash: B256| a.sign(&hash);
    let legacy = TxLegacy {
        chain_id: None,
        nonce: 0,
        gas_price: 100 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(EVE),
        ..TxLegacy::default()
    };
    let legacy = TxEnvelope::from(legacy.clone().into_signed(sign(legacy.signature_hash())));
    let mut hashes = vec![net.submit(&legacy.encoded_2718()).unwrap()];

    let sidecar = BlobTransactionSidecar::new(vec![Blob::ZERO], vec![Bytes48::ZERO], vec![Bytes48::ZERO]);
    let blob = TxEip4844 {
        chain_id: 31_337,
        nonce: 1,
        gas_limit: 21_000,
        max_fee_per_gas: 100 * GWEI,
        max_fee_per_blob_gas: GWEI,
        to: EVE,
        blob_versioned_hashes: sidecar.versioned_hashes().collect(),
        ..TxEip4844::default()
    };
    let signature = sign(blob.signature_hash());
    let bare = TxEnvelope::from(blob.clone().into_signed(signature)).encoded_2718();
    assert_eq!(net.submit(&bare), Err(SubmitError::MissingSidecar));
    let with = TxEip4844WithSidecar { tx: blob, sidecar: BlobTransactionSidecarVariant::Eip4844(sidecar) };
    hashes.push(net.submit(&TxEnvelope::from(with.into_signed(signature)).encoded_2718()).unwrap());

    let authority = Actor::new(1);
    let authorization = Authorization { chain_id: U256::from(31_337), address: READER, nonce: 0 };
    let signed = authorization.clone().into_signed(authority.sign(&authorization.signature_hash()));
    let delegation = TxEip7702 {
        chain_id: 31_337,
        nonce: 2,
        gas_limit: 100_000,
        max_fee_per_gas: 100 * GWEI,
        to: EVE,
        authorization_list: vec![signed],
        ..TxEip7702::default()
    };
    let delegation = TxEnvelope::from(delegation.clone().into_signed(sign(delegation.signature_hash())));
    hashes.push(net.submit(&delegation.encoded_2718()).unwrap());

    let block = net.mine();
    for hash in hashes {
        let (mined, receipt) = net.receipt(hash).unwrap();
        assert_eq!((mined, receipt.success), (block, Some(true)));
    }
    assert_eq!(net.account(authority.address()).code[..3], [0xef, 0x01, 0x00]);
    let frame =
        CallRequest { from: EVE, to: Some(authority.address()), value: U256::ZERO, data: Bytes::new(), gas: 100_000 };
    assert_eq!(net.call(&frame).result, ViewResult::Returned(word(0)));
}

#[test]
fn creation_is_received_with_its_address() {
    let (net, a) = (chain(), Actor::new(0));
    // Returns one byte, 0x00, as code.
    let create = TxEip1559 {
        chain_id: 31_337,
        gas_limit: 100_000,
        max_fee_per_gas: 100 * GWEI,
        to: TxKind::Create,
        input: Bytes::from_static(&[0x60, 0x01, 0x5f, 0xf3]),
        ..TxEip1559::default()
    };
    let hash = net.submit(&a.raw(create)).unwrap();
    net.mine();
    let created = net.receipt(hash).unwrap().1.created.unwrap();
    assert_eq!(created, a.address().create(0));
    assert_eq!(net.account(created).code, Bytes::from_static(&[0]));
}

#[test]
fn a_chain_that_cannot_be_is_refused() {
    let refused = |config: Config| Simnet::new(config).unwrap_err();
    assert_eq!(refused(Config { spec: Spec::LONDON, ..config() }), ConfigError::BeforeMerge { spec: Spec::LONDON });
    assert_eq!(refused(Config { gas_limit: 1, ..config() }), ConfigError::GasLimit { seen: 1 });
    assert_eq!(refused(Config { block_seconds: 0, ..config() }), ConfigError::BlockSeconds);
    for spec in [Spec::MERGE, Spec::SHANGHAI, Spec::CANCUN, Spec::OSAKA] {
        let net = Simnet::new(Config { spec, ..config() }).unwrap();
        net.submit(&Actor::new(0).tx(0, EVE, 1, Bytes::new(), 1)).unwrap();
        net.mine();
        assert_eq!(net.account(EVE).balance, U256::from(1), "{spec}");
    }
}

#[test]
fn another_seed_is_another_chain() {
    let one = Simnet::new(Config { seed: 1, ..config() }).unwrap();
    let two = Simnet::new(Config { seed: 2, ..config() }).unwrap();
    assert_ne!(one.head().hash, two.head().hash);
    assert_eq!(one.header().state_root, two.header().state_root);
}
