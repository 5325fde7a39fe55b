//! What borrowed money makes an alert of, and what it does not.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

fn case() -> Value {
    serde_json::from_str(include_str!("cases/borrowed-and-taken.json")).expect("the case is JSON")
}

#[test]
fn less_than_the_share_is_nothing() {
    let mut small = case();
    small["transactions"][0]["moves"][1][3] = json!("9999");
    small["transactions"][0]["checks"][0][3] = json!("990001");
    assert_eq!(level(ID, case()), Some(Level::Alert));
    assert_eq!(level(ID, small), None);
}

#[test]
fn a_loan_that_stays_open_is_no_flash_loan() {
    let mut open = case();
    open["transactions"][0]["moves"].as_array_mut().unwrap().pop();
    assert_eq!(level(ID, open), None);
}

#[test]
fn a_sender_who_has_long_been_around_is_left_alone() {
    let mut known = case();
    let honest = json!({ "from": "@thief", "call": { "to": "@vault", "function": "deposit()" } });
    let attack = known["transactions"][0].clone();
    let mut late = attack.clone();
    late["after_seconds"] = json!(90_000);
    known["transactions"] = json!([honest, late]);
    assert_eq!(level(ID, known.clone()), None);
    known["transactions"] = json!([honest, attack]);
    assert_eq!(level(ID, known), Some(Level::Alert), "since a block is not long");
}
