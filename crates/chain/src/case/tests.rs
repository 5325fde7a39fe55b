//! Cases: the real ones parse, own ones round-trip, bad ones are one clear error.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{AccessListItem, Authorization, BlockNumber, BlockRef, Known, StateSource, Transaction};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Reply, Toy};

fn shared() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found =
        here.ancestors().map(|folder| folder.join("shared/data")).find(|folder| folder.join("manifest.json").is_file());
    if found.is_none() {
        eprintln!("skipped: no folder `shared/data` with real cases beside the project");
    }
    found
}

#[test]
fn every_real_case_parses_and_agrees_with_its_manifest() {
    let Some(folder) = shared() else { return };
    let manifest = Manifest::read(&folder).unwrap();
    assert_eq!((manifest.blocks.len(), manifest.exploits.len()), (42, 8));
    for entry in &manifest.blocks {
        let case = entry.read(&folder).unwrap();
        assert_eq!(Some(case.env.number), entry.number);
        assert_eq!(Some(case.spec.clone()), entry.spec);
        assert_eq!(u64::try_from(case.transactions.len()).ok(), entry.txs);
        assert_eq!(case.expected_gas_used, entry.gas_used);
        let calls = Manifest::entry_for(&case, entry.file.clone()).contract_calls;
        assert_eq!(calls, entry.contract_calls, "{}", case.name);
        let header = case.header();
        assert_eq!(header.base_fee.is_some(), case.env.number >= 12_965_000, "{}", case.name);
        assert_eq!(header.excess_blob_gas.is_some(), case.env.number >= 19_426_587, "{}", case.name);
        assert!(case.is_whole_block());
    }
    for entry in &manifest.exploits {
        let case = entry.read(&folder).unwrap();
        assert_eq!(Some(case.chain_id), entry.chain_id);
        assert!(!case.is_whole_block() && !entry.protected.is_empty());
    }
}

#[test]
fn a_real_case_survives_being_written_and_read() {
    let Some(folder) = shared() else { return };
    let case = Manifest::read(&folder).unwrap().blocks[40].read(&folder).unwrap();
    let written = Case::parse(&case.pack().unwrap()).unwrap();
    assert!(case == written);
}

fn small() -> Value {
    json!({
        "name": "small", "chain_id": 1, "spec": "CANCUN",
        "env": {
            "number": "0x64", "coinbase": Address::repeat_byte(9), "timestamp": "0x10", "gas_limit": "0x1c9c380",
            "basefee": "0x7", "difficulty": "0x0", "prevrandao": B256::repeat_byte(1), "excess_blob_gas": "0x0",
        },
        "block_hashes": { "98": B256::repeat_byte(8) },
        "pre": { Address::repeat_byte(1).to_string(): { "balance": "0x5", "nonce": 3, "code": "0x", "storage": { "0x1": "0x2" } } },
        "txs": [{
            "type": "0x0", "from": Address::repeat_byte(1), "to": null, "gas": "0x5208", "gas_price": "0x7",
            "value": "0x0", "input": "0x", "nonce": "0x3", "chain_id": null,
        }],
    })
}

#[test]
fn every_mistake_names_its_field() {
    type Mistake = fn(&mut Value);
    let mistakes: [(&str, Mistake); 9] = [
        ("`env`: `number`: invalid value: string \"100\"", |case| case["env"]["number"] = json!("100")),
        ("`txs` is missing", |case| case["txs"] = Value::Null),
        ("`pre`: entry 0: `balance`: invalid type: integer `5`", |case| {
            case["pre"][Address::repeat_byte(1).to_string()]["balance"] = json!(5);
        }),
        ("`pre`: entry 1: invalid value: string \"0x12\"", |case| case["pre"]["0x12"] = json!({})),
        ("`block_hashes`: entry 0: key \"0x9\", expected a decimal", |case| {
            case["block_hashes"]["0x9"] = json!(B256::ZERO)
        }),
        ("`txs`: item 0: `gas_price` is missing in a transaction of type 0", |case| {
            case["txs"][0]["gas_price"] = Value::Null
        }),
        ("`txs`: item 0: `max_fee` is missing in a transaction of type 2", |case| case["txs"][0]["type"] = json!(2)),
        ("`txs`: item 0: `to`: invalid value", |case| case["txs"][0]["to"] = json!("0xabc")),
        ("`txs`: item 0: `auth_list`: item 0: `yParity`, `r` and `s` must come together", |case| {
            case["txs"][0]["auth_list"] =
                json!([{ "chainId": "0x1", "address": Address::ZERO, "nonce": 1, "r": "0x1" }]);
        }),
    ];
    assert!(Case::parse(small().to_string().as_bytes()).is_ok());
    for (expected, mistake) in mistakes {
        let mut case = small();
        mistake(&mut case);
        let error = Case::parse(case.to_string().as_bytes()).unwrap_err();
        assert!(error.contains(expected), "expected {expected} in {error}");
    }
}

#[test]
fn files_that_are_no_cases_are_one_error_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Case::parse(small().to_string().as_bytes()).unwrap().pack().unwrap();
    for (name, content) in [
        ("empty", Vec::new()),
        ("foreign", b"SQLite format 3\0".to_vec()),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("binary", vec![0xff, 0xfe]),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let error = Case::read(&path).unwrap_err().to_string();
        assert!(error.contains(name) && !error.contains('\n'), "{error}");
    }
    assert!(Case::read(&folder.path().join("absent")).unwrap_err().to_string().contains("absent"));
}

#[test]
fn a_manifest_is_checked() {
    for (manifest, expected) in [
        (json!({ "format": "cofferdam-case/2" }), "`format`: \"cofferdam-case/2\", expected \"cofferdam-case/1\""),
        (json!({ "format": "cofferdam-case/1", "blocks": [{ "file": "../../etc/passwd" }] }), "expected a path below"),
        (json!({ "format": "cofferdam-case/1", "blocks": [{ "file": "/etc/passwd" }] }), "expected a path below"),
        (json!({ "format": "cofferdam-case/1", "blocks": [{}] }), "missing field `file`"),
        (
            json!({ "format": "cofferdam-case/1", "exploits": [{ "file": "a", "txs": 1, "attack_tx": 1 }] }),
            "`attack_tx`: 1",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        let error = Manifest::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("manifest.json"), "{error}");
    }
}

#[test]
fn a_manifest_and_its_cases_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case::parse(small().to_string().as_bytes()).unwrap();
    case.write(&folder.path().join("small.json.zst")).unwrap();
    let entry = Entry {
        protected: vec![Address::repeat_byte(4)],
        attack_tx: Some(0),
        window: Some(Window("pending".to_owned())),
        family: Some("re-entrancy".to_owned()),
        date: Some("2026-01".to_owned()),
        ..Manifest::entry_for(&case, "small.json.zst".into())
    };
    let mut manifest = Manifest::default();
    manifest.exploits.push(entry);
    manifest.write(folder.path()).unwrap();
    let read = Manifest::read(folder.path()).unwrap();
    assert_eq!(read, manifest);
    assert_eq!(read.exploits[0].read(folder.path()).unwrap(), case);
    let beyond = Entry { attack_tx: Some(1), txs: None, ..read.exploits[0].clone() };
    assert!(beyond.read(folder.path()).unwrap_err().to_string().contains("`attack_tx` in the manifest: 1"));
}

#[test]
fn what_a_case_does_not_name_is_zero_in_blocks_and_unknown_in_attacks() {
    let case = Arc::new(Case::parse(small().to_string().as_bytes()).unwrap());
    let (known, stranger) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let at = case.parent();
    assert_eq!(at.number, BlockNumber(99));
    for (whole, absent) in [(true, Known::Value(U256::ZERO)), (false, Known::Unknown)] {
        let state = CaseState::new(Arc::clone(&case), whole);
        assert_eq!(state.slot(known, U256::from(1), at).unwrap(), Known::Value(U256::from(2)));
        assert_eq!(state.slot(known, U256::from(7), at).unwrap(), absent);
        assert_eq!(state.slot(stranger, U256::from(7), at).unwrap(), Known::Value(U256::ZERO));
        assert_eq!(state.account(stranger, at).unwrap(), Known::Value(None));
        assert_eq!(state.block_hash(BlockNumber(98)).unwrap(), Known::Value(B256::repeat_byte(8)));
        assert_eq!(state.block_hash(BlockNumber(50)).unwrap(), Known::Unknown);
        let elsewhere = BlockRef { number: BlockNumber(98), ..at };
        assert!(state.account(known, elsewhere).unwrap_err().to_string().contains("block 99"));
    }
}

#[tokio::test]
async fn a_block_of_a_node_is_recorded_with_the_state_before_it() {
    let toy = Toy::new(300);
    let contract = Address::repeat_byte(0xcc);
    let traced = json!([
        { "result": { contract.to_string(): { "balance": "0x1", "code": "0x6001", "storage": { "0x01": "0x02" } } } },
        { "result": { contract.to_string(): { "balance": "0x9", "code": "0x6001", "storage": { "0x01": "0x09" } } } },
    ]);
    toy.fault(move |method, params| match method {
        "debug_traceBlockByHash" => Some(Reply::Result(traced.clone())),
        "eth_getBalance" => {
            assert_eq!(params[1]["blockHash"].as_str().unwrap().len(), 66);
            Some(Reply::Result(json!("0x64")))
        }
        "eth_getTransactionCount" => Some(Reply::Result(json!("0x3"))),
        "eth_getCode" => Some(Reply::Result(json!("0x"))),
        _ => None,
    });
    let mut recorder = Recorder::new(toy.node().await);
    let case = recorder.block(BlockNumber(290), |_| "Shanghai".to_owned()).await.unwrap();
    assert_eq!((case.transactions.len(), case.expected_gas_used), (2, Some(0xa410)));
    assert_eq!(case.pre[&contract].state.balance, U256::from(1));
    assert_eq!(case.pre[&contract].storage[&U256::from(1)], U256::from(2));
    assert_eq!(case.pre[&Address::repeat_byte(0xfe)].state.nonce, 3, "the fee recipient as well");
    assert_eq!((case.block_hashes.len(), case.parent()), (256, toy.at(289)));
    assert_eq!(Case::parse(&case.pack().unwrap()).unwrap(), case);
    let asked = toy.calls("eth_getBlockByNumber");
    recorder.block(BlockNumber(291), |_| "Shanghai".to_owned()).await.unwrap();
    assert!(toy.calls("eth_getBlockByNumber") - asked < 5, "neighbours share their hashes");
}

fn any_transaction() -> impl Strategy<Value = Transaction> {
    let fees = (any::<u128>(), any::<u128>(), any::<u128>());
    let body = (any::<[u8; 20]>(), any::<Option<[u8; 20]>>(), any::<u64>(), any::<u64>(), any::<[u64; 4]>());
    let data = (prop::collection::vec(any::<u8>(), 0..80), any::<Option<u64>>(), any::<[u8; 32]>());
    (0..=4_u8, fees, body, data).prop_map(
        |(kind, (fee, tip, blob), (from, to, nonce, gas, value), (input, chain, word))| {
            let word = B256::from(word);
            Transaction {
                hash: word,
                kind,
                from: from.into(),
                to: to.map(Into::into),
                nonce,
                gas_limit: gas,
                max_fee_per_gas: fee,
                max_priority_fee_per_gas: (kind >= 2).then_some(tip),
                value: U256::from_limbs(value),
                input: Bytes::from(input),
                chain_id: chain,
                access_list: vec![AccessListItem { address: from.into(), slots: vec![word] }; usize::from(kind > 0)],
                blob_hashes: vec![word; usize::from(kind == 3)],
                max_fee_per_blob_gas: (kind == 3).then_some(blob),
                authorizations: vec![
                    Authorization {
                        chain_id: U256::from_limbs(value),
                        address: from.into(),
                        nonce,
                        authority: to.map(Into::into)
                    };
                    usize::from(kind == 4)
                ],
            }
        },
    )
}

proptest! {
    #[test]
    fn any_transaction_survives_being_written_and_read(transaction in any_transaction()) {
        let mut case = Case::parse(small().to_string().as_bytes()).unwrap();
        case.transactions = vec![transaction];
        prop_assert_eq!(Case::parse(&case.pack().unwrap()).unwrap(), case);
    }

    #[test]
    fn arbitrary_bytes_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), packed in any::<bool>()) {
        let bytes = if packed { zstd::encode_all(bytes.as_slice(), 1).unwrap() } else { bytes };
        prop_assert!(Case::parse(&bytes).is_err());
    }
}
