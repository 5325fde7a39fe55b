//! When small parts add up.

use cofferdam_types::Finding;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::Case;

/// Payments of `amount` out of 1,000,000 to the thief, `gap` seconds apart, from two modules by turns, each written down.
fn payments(count: usize, amount: u64, gap: u64) -> Value {
    let payment = |index: usize| {
        let module = if index.is_multiple_of(2) { "@vault" } else { "@bank" };
        json!({
            "from": "@thief",
            "after_seconds": gap,
            "call": { "to": module, "function": "claim()" },
            "writes": [[module, "@claimed", "1", "2"]],
            "moves": [["@coin", module, "@thief", amount.to_string()]],
            "checks": [[module, "@coin", "1000000", 1_000_000_u64.saturating_sub(amount).to_string()]],
        })
    };
    json!({
        "modules": [
            { "id": "vault", "contracts": ["@vault"], "assets": ["@coin"] },
            { "id": "bank", "contracts": ["@bank"], "assets": ["@coin"] },
        ],
        "transactions": (0..count).map(payment).collect::<Vec<_>>(),
    })
}

fn told(case: Value) -> Vec<usize> {
    let ours = |found: &Vec<Finding>| found.iter().filter(|finding| finding.detector == ID).count();
    Case::read(case).findings().iter().map(ours).collect()
}

#[test]
fn parts_from_several_modules_are_added_up_and_told_once() {
    assert_eq!(told(payments(7, 20_000, 600)), [0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn few_payments_are_no_drain_and_old_ones_are_forgotten() {
    assert_eq!(told(payments(3, 90_000, 600)), [0, 0, 0]);
    assert_eq!(told(payments(8, 20_000, 40_000)), [0; 8]);
}

#[test]
fn what_leaves_no_trace_is_told_at_a_quarter_of_the_sum() {
    assert_eq!(told(payments(7, 5_100, 600)), [0; 7], "each is written down");
    let mut traceless = payments(7, 5_100, 600);
    for payment in traceless["transactions"].as_array_mut().expect("a list") {
        payment["writes"] = json!([]);
    }
    assert_eq!(told(traceless), [0, 0, 0, 0, 1, 0, 0]);
}
