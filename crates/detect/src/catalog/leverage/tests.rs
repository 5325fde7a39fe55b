//! How far under water, and which positions are whole.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

fn case() -> Value {
    serde_json::from_str(include_str!("cases/under-water-from-the-start.json")).expect("the case is JSON")
}

/// The case with so much collateral.
fn covered_by(collateral: u64) -> Value {
    let mut case = case();
    let transaction = &mut case["transactions"][0];
    transaction["moves"][2][3] = json!(collateral.to_string());
    transaction["writes"][0][3] = json!(collateral.to_string());
    transaction["checks"][1][3] = json!(collateral.saturating_add(4_000_000).to_string());
    case
}

#[test]
fn a_debt_of_a_fifth_more_than_its_collateral_is_told() {
    assert_eq!(level(ID, covered_by(5_000_000)), Some(Level::Alert));
    assert_eq!(level(ID, covered_by(5_000_001)), None);
}

#[test]
fn whoever_had_left_collateral_before_is_not_meant() {
    for entry in [0, 1] {
        let mut older = case();
        let write = &mut older["transactions"][0]["writes"][entry];
        let (old, new) = (9_000_000, if entry == 0 { 13_000_000 } else { 15_000_000 });
        (write[2], write[3]) = (json!(old.to_string()), json!(new.to_string()));
        assert_eq!(level(ID, older), None, "entry {entry}");
    }
}

#[test]
fn without_a_price_nobody_is_accused_and_a_small_loan_is_not_told() {
    let mut unpriced = case();
    unpriced["transactions"][0]["call"]["calls"][0]["logs"] = json!([]);
    assert_eq!(level(ID, unpriced), None);
    let mut small = case();
    small["transactions"][0]["checks"][0] = json!(["@market", "@cash", "700000000", "694000000"]);
    assert_eq!(level(ID, small), None);
}
