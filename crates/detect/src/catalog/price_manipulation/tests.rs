//! When a moved price is an exploit, and when it is trade.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

/// The market lends 9,000,000 of its cash against coins worth 1,000,000 before, which a pool shows at ten times that.
fn case() -> Value {
    serde_json::from_str(include_str!("cases/lending-at-a-pushed-price.json")).expect("the case is JSON")
}

#[test]
fn lending_too_much_at_a_pushed_price_is_found() {
    assert_eq!(level(ID, case()), Some(Level::Alert), "an incubating detector says no more than an alert");
}

#[test]
fn a_pool_that_hardly_moved_explains_nothing() {
    let mut calm = case();
    calm["transactions"][0]["call"]["calls"][0]["logs"][0]["data"] = json!(["31000000", "33000000"]);
    assert_eq!(level(ID, calm), None);
}

#[test]
fn what_was_worth_its_price_before_is_fair() {
    let mut fair = case();
    fair["transactions"][0]["moves"][2][3] = json!("9000000");
    fair["transactions"][0]["checks"][1][3] = json!("13000000");
    assert_eq!(level(ID, fair), None);
}

#[test]
fn a_share_below_the_threshold_is_nothing() {
    let mut small = case();
    small["transactions"][0]["checks"][0] = json!(["@market", "@cash", "900000001000", "899991001000"]);
    assert_eq!(level(ID, small), None);
}
