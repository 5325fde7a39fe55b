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
