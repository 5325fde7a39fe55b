//! How far off, how late, and what else must be true.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

/// Time of the first transaction of a case.
const FIRST: u64 = 1_700_000_012;

fn case() -> Value {
    serde_json::from_str(include_str!("cases/fifty-times-the-price.json")).expect("the case is JSON")
}

fn saying(answer: u64, after_seconds: u64) -> Option<Level> {
    let mut case = case();
    let last = &mut case["transactions"][1];
    last["after_seconds"] = json!(after_seconds);
    last["call"]["calls"][0]["returns"] = json!([answer.to_string()]);
    level(ID, case)
}

#[test]
fn an_answer_is_far_off_from_the_last_one_of_two_days() {
    assert_eq!(saying(130, 3_600), Some(Level::Alert));
    assert_eq!(saying(129, 3_600), None);
    assert_eq!(saying(76, 3_600), Some(Level::Alert), "downwards, measured by the lower");
    assert_eq!(saying(77, 3_600), None);
    assert_eq!(saying(5_000, 180_000), None, "what it said days ago is no measure");
}

#[test]
fn a_small_loan_and_one_that_is_paid_for_are_not_told() {
    let mut small = case();
    small["transactions"][1]["checks"][0] = json!(["@market", "@cash", "500000000", "494000000"]);
    assert_eq!(level(ID, small), None);
    let mut other = case();
    other["transactions"][1]["call"]["calls"][0]["to"] = json!("@another");
    assert_eq!(level(ID, other), None, "a feed that was never read before has no past");
}

/// Hourly rounds, then a loan `late` seconds after the last one, in a transaction that uses a pool where the collateral
/// is worth `worth`.
fn late_by(late: u64, worth: u64) -> Option<Level> {
    let round = |updated: u64| {
        let words = ["7", "100", &updated.to_string(), &updated.to_string(), "7"].map(str::to_owned);
        json!({ "kind": "StaticCall", "to": "@feed", "function": "latestRoundData()", "returns": words })
    };
    let small = |hour: u64| {
        json!({
            "from": "@user", "after_seconds": if hour == 0 { 12 } else { 3_600 },
            "call": { "to": "@market", "function": "check()",
                "calls": [round(FIRST.saturating_add(hour.saturating_mul(3_600)))] },
        })
    };
    let last = FIRST.saturating_add(10_800);
    let loan = json!({
        "from": "@thief", "after_seconds": late,
        "call": { "to": "@wallet", "function": "run()", "calls": [
            { "to": "@pool", "function": "swap()", "logs": [
                { "event": "Sync(uint112,uint112)", "data": ["100000000", "100000000"] }
            ] },
            { "to": "@market", "function": "borrow(uint256)", "calls": [round(last)] },
        ] },
        "moves": [
            ["@cash", "@wallet", "@pool", "1000"], ["@coin", "@pool", "@wallet", "1000"],
            ["@coin", "@wallet", "@market", worth.to_string()], ["@cash", "@market", "@wallet", "6000000"],
        ],
        "checks": [["@market", "@cash", "50000000", "44000000"],
            ["@market", "@coin", "4000000", worth.saturating_add(4_000_000).to_string()]],
    });
    let modules = json!([{ "id": "market", "contracts": ["@market"], "assets": ["@cash", "@coin"] }]);
    let transactions = json!([small(0), small(1), small(2), small(3), loan]);
    level(ID, json!({ "modules": modules, "transactions": transactions }))
}

#[test]
fn an_answer_is_late_when_it_is_older_than_it_ever_gets_and_pools_say_otherwise() {
    assert_eq!(late_by(5_400, 4_000_000), Some(Level::Alert));
    assert_eq!(late_by(5_300, 4_000_000), None, "hours of an hourly feed");
    assert_eq!(late_by(50_000, 7_000_000), None, "old news that is still true");
}
