//! Parsing: what is right comes through whole, what is wrong is one error, and nothing panics.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, B256, Bytes, U256, address};
use cofferdam_types::{AccountState, BlockNumber};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Toy, transaction};

fn toy_block() -> (Value, Vec<Value>) {
    let toy = Toy::new(3);
    let state = toy.0.lock().unwrap();
    (state.canonical[3].body.clone(), state.canonical[3].receipts.clone())
}

#[test]
fn a_block_comes_through_whole() {
    let (body, mined) = toy_block();
    let block = with_transactions(&body.to_string()).unwrap().unwrap();
    assert_eq!(block.header.number, BlockNumber(3));
    assert_eq!(block.header.base_fee, Some(1_000_000_000));
    assert_eq!(block.header.gas_limit, 30_000_000);
    assert_eq!(block.header.prev_randao, Some(B256::repeat_byte(9)));
    assert_eq!((block.withdrawals[0].address, block.withdrawals[0].amount_gwei), (Address::repeat_byte(0xaa), 100));
    let first = &block.transactions[0];
    assert_eq!((first.kind, first.nonce, first.gas_limit), (2, 3, 21_000));
    assert_eq!(first.value, U256::from(10).pow(U256::from(18)));
    assert_eq!((first.max_fee_per_gas, first.max_priority_fee_per_gas), (2_000_000_000, Some(1)));
    assert_eq!(first.access_list[0].slots, [B256::repeat_byte(1)]);
    assert_eq!(first.chain_id, Some(31_337));
    let mined = receipts(&json!(mined).to_string()).unwrap().unwrap();
    let checked = check_receipts(&block.header, &block.transactions, mined).unwrap();
    assert_eq!(checked[1].success, Some(true));
    assert_eq!(checked[1].logs[0].data.topics(), [B256::repeat_byte(2)]);
    assert_eq!(whole_header(&body.to_string()).unwrap().unwrap(), block.header);
}

#[test]
fn transactions_of_unknown_types_are_kept() {
    // A deposit of the OP stack: no fees, no signature, fields of its own.
    let deposit = json!({
        "hash": B256::repeat_byte(1), "type": "0x7e", "from": Address::repeat_byte(1), "to": Address::repeat_byte(2),
        "nonce": "0x5", "gas": "0xf4240", "gasPrice": "0x0", "value": "0x0", "input": "0x", "mint": "0x0",
        "sourceHash": B256::repeat_byte(3), "isSystemTx": false, "v": "0x0", "r": "0x0", "s": "0x0",
    });
    let seen = pending_transaction(&deposit.to_string()).unwrap().unwrap().transaction;
    assert_eq!((seen.kind, seen.nonce, seen.max_fee_per_gas), (0x7e, 5, 0));
}

#[test]
fn a_transaction_before_types_is_legacy() {
    let mut old = transaction(1, 7, 0);
    for field in ["type", "chainId", "maxFeePerGas", "maxPriorityFeePerGas", "accessList"] {
        old.as_object_mut().unwrap().remove(field);
    }
    let seen = pending_transaction(&old.to_string()).unwrap().unwrap().transaction;
    assert_eq!((seen.kind, seen.chain_id, seen.max_fee_per_gas), (0, None, 1_000_000_007));
    assert_eq!(seen.max_priority_fee_per_gas, None);
}

#[test]
fn an_authorization_is_recovered_and_a_bad_one_has_no_authority() {
    // Signed by anvil's first account for its own chain, delegating to 0x00..aa at nonce 1.
    let mut one = transaction(1, 7, 0);
    one["type"] = json!("0x4");
    one["authorizationList"] = json!([{
        "chainId": "0x7a69", "address": Address::repeat_byte(0xaa), "nonce": "0x1", "yParity": "0x9", "r": "0x1", "s": "0x2",
    }]);
    let seen = pending_transaction(&one.to_string()).unwrap().unwrap().transaction;
    assert_eq!(seen.authorizations[0].authority, None);
    assert_eq!(seen.authorizations[0].nonce, 1);
}

#[test]
fn a_prestate_reads_absent_fields_as_empty_and_0x00_as_no_code() {
    let (full, bare, empty) =
        (Address::repeat_byte(1), Address::repeat_byte(2), address!("00000000000000000000000000000000000000ff"));
    let traced = json!({
        full.to_string(): { "balance": "0x5", "nonce": 7, "code": "0x6001", "storage": { B256::ZERO.to_string(): B256::repeat_byte(1) } },
        bare.to_string(): { "balance": "0x5", "nonce": "0x2", "code": "0x00" },
        empty.to_string(): { "balance": "0x0" },
    });
    let seen = prestate(&traced.to_string()).unwrap();
    let of = |address| seen.accounts.iter().find(|account| account.address == address).unwrap();
    let code = Bytes::from_static(&[0x60, 1]);
    assert_eq!(of(full).state, Some(AccountState { balance: U256::from(5), nonce: 7, code }));
    assert_eq!(of(full).slots, [(U256::ZERO, U256::from_be_bytes(B256::repeat_byte(1).0))]);
    assert_eq!(of(bare).state, Some(AccountState { balance: U256::from(5), nonce: 2, code: Bytes::new() }));
    assert_eq!(of(empty).state, None);
}

#[test]
fn hex_that_is_almost_right_is_wrong() {
    for text in ["", "0x", "12", "0X12", "0xg", "-0x1", "0x1 ", "0x10000000000000000"] {
        assert_eq!(u64::read(text), None, "{text}");
    }
    assert_eq!(u64::read("0xffffffffffffffff"), Some(u64::MAX));
    assert_eq!(u64::read("0x00ff"), Some(255));
    assert_eq!(u8::read("0x100"), None);
    assert_eq!(U256::read(&format!("0x{}", "f".repeat(64))), Some(U256::MAX));
    assert_eq!(U256::read(&format!("0x{}", "0".repeat(65))), None);
    assert_eq!(Bytes::read("0x"), Some(Bytes::new()));
    for text in ["", "0x1", "00", "0x0x11", "0xé1"] {
        assert_eq!(Bytes::read(text), None, "{text}");
    }
    assert_eq!(B256::read(&format!("0x{}", "1".repeat(63))), None);
    assert_eq!(Address::read(&format!("0x0x{}", "1".repeat(38))), None);
}

#[test]
fn a_wrong_value_of_a_megabyte_is_not_repeated() {
    let error = hex::<u64>(&json!("z".repeat(1_000_000)).to_string()).unwrap_err();
    assert!(error.len() < 400, "{}", error.len());
}

#[test]
fn a_key_that_comes_twice_counts_once_and_keys_with_escapes_are_read() {
    let text =
        format!(r#"{{"n\u0075mber":"0x1","number":"0x2","hash":"{}","parentHash":"{}"}}"#, B256::ZERO, B256::ZERO);
    assert_eq!(head(&text).unwrap().unwrap().block.number, BlockNumber(1));
}

/// Replaces one value somewhere in `value`.
fn spoil(value: &mut Value, path: &[prop::sample::Index], with: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = with.clone();
        return;
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let index = first.index(fields.len());
            spoil(fields.values_mut().nth(index).unwrap(), rest, with);
        }
        Value::Array(items) if !items.is_empty() => {
            let index = first.index(items.len());
            spoil(&mut items[index], rest, with);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            *value = with.clone()
        }
    }
}

fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "0x[0-9a-fA-Fxz]{0,70}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[["0x"]]])),
    ]
}

proptest! {
    #[test]
    fn quantities_round_trip(small in any::<u64>(), middle in any::<u128>(), large in any::<[u64; 4]>()) {
        prop_assert_eq!(u64::read(&format!("{small:#x}")), Some(small));
        prop_assert_eq!(u128::read(&format!("{middle:#x}")), Some(middle));
        let large = U256::from_limbs(large);
        prop_assert_eq!(U256::read(&format!("{large:#x}")), Some(large));
        prop_assert_eq!(U256::read(&format!("{large:#066x}")), Some(large));
    }

    #[test]
    fn bytes_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..200), word in any::<[u8; 32]>()) {
        let bytes = Bytes::from(bytes);
        prop_assert_eq!(Bytes::read(&bytes.to_string()), Some(bytes));
        prop_assert_eq!(B256::read(&B256::from(word).to_string()), Some(B256::from(word)));
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        prop_assert!(kinds_that_accept(&text) <= 12);
    }

    #[test]
    fn a_spoilt_answer_is_read_or_refused_and_never_panics(
        path in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        with in junk(),
    ) {
        let (mut body, mined) = toy_block();
        let mut mined = json!(mined);
        spoil(&mut body, &path, &with);
        spoil(&mut mined, &path, &with);
        let block = with_transactions(&body.to_string());
        let mined = receipts(&mined.to_string());
        if let (Ok(Some(block)), Ok(Some(mined))) = (block, mined) {
            let count = block.transactions.len();
            if let Ok(checked) = check_receipts(&block.header, &block.transactions, mined) {
                prop_assert_eq!(checked.len(), count);
            }
        }
    }
}
