//! What is too little, and what only looks like it.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

fn case() -> Value {
    serde_json::from_str(include_str!("cases/sixty-times-its-collateral.json")).expect("the case is JSON")
}

#[test]
fn a_loan_is_too_large_below_half_of_its_worth_in_collateral() {
    let with = |collateral: u64| {
        let mut case = case();
        case["transactions"][0]["moves"][2][3] = json!(collateral.to_string());
        case["transactions"][0]["checks"][1][3] = json!(collateral.saturating_add(4_000_000).to_string());
        level(ID, case)
    };
    assert_eq!(with(2_999_999), Some(Level::Alert));
    assert_eq!(with(3_000_000), None);
}

#[test]
fn without_a_price_nobody_is_accused() {
    let mut unpriced = case();
    unpriced["transactions"][0]["call"]["calls"][0]["logs"] = json!([]);
    assert_eq!(level(ID, unpriced), None);
}

/// A loan is booked, and collateral comes; `back` of it leaves again.
fn shown(back: u64) -> Value {
    json!({
        "modules": [{ "id": "market", "contracts": ["@market"], "assets": ["@cash", "@coin"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@market", "function": "borrow(uint256)" },
            "moves": [
                ["@coin", "@thief", "@market", "9000000"],
                ["@cash", "@market", "@thief", "6000000"],
                ["@coin", "@market", "@thief", back.to_string()],
            ],
            "writes": [["@market", "@entry", "0", "6000000"]],
            "checks": [["@market", "@cash", "50000000", "44000000"]],
        }],
    })
}

#[test]
fn collateral_that_leaves_again_is_none() {
    assert_eq!(level(ID, shown(9_000_000)), Some(Level::Alert));
    assert_eq!(level(ID, shown(1_000_000)), None, "most of it stays");
}

/// What the market keeps for the holder is paid out through it to the thief, who brings `brought` of cash; the pool says
/// that 1,000 of the coin are worth as much cash.
fn passed(brought: u64, written: &str) -> Value {
    let holder = crate::testbed::account("holder").into_word();
    let place = alloy_primitives::B256::with_last_byte(2);
    let slot = alloy_primitives::keccak256([holder, place].concat()).to_string();
    let mut moves = vec![
        json!(["@cash", "@attack", "@holder", brought.to_string()]),
        json!(["@cash", "@holder", "@market", brought.to_string()]),
        json!(["@coin", "@market", "@holder", "20000"]),
        json!(["@coin", "@holder", "@attack", "20000"]),
        json!(["@coin", "@attack", "@pool", "20000"]),
        json!(["@cash", "@pool", "@attack", "19999"]),
    ];
    if brought == 0 {
        moves.drain(..2);
    }
    json!({
        "modules": [{ "id": "holder", "contracts": ["@holder"], "assets": ["@cash", "@coin"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@attack", "function": "run()", "calls": [
                { "to": "@holder", "function": "operate()", "calls": [{ "to": "@market", "function": "withdraw()" }] },
                { "to": "@pool", "function": "swap()", "logs": [
                    { "event": "Sync(uint112,uint112)", "data": ["100000000", "100000000"] }
                ] }
            ] },
            "moves": moves,
            "writes": [[written, slot, "20000", "0"]],
        }],
    })
}

#[test]
fn what_others_keep_for_the_module_and_goes_through_it_is_told() {
    assert_eq!(level(ID, passed(12_000, "@market")), Some(Level::Alert));
    assert_eq!(level(ID, passed(0, "@market")), Some(Level::Alert), "for nothing");
    assert_eq!(level(ID, passed(15_500, "@market")), None, "about what it is worth");
    assert_eq!(level(ID, passed(12_000, "@coin")), None, "a balance that passed through is nobody's deposit");
    let mut booked = passed(12_000, "@market");
    booked["transactions"][0]["writes"]
        .as_array_mut()
        .expect("a list")
        .push(json!(["@holder", "@entry", "20000", "0"]));
    assert_eq!(level(ID, booked), None, "the module knows whose it was");
}
