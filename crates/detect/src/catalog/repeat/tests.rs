//! By what somebody is known again, and for how long.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

fn case() -> Value {
    serde_json::from_str(include_str!("cases/drained-again.json")).expect("the case is JSON")
}

#[test]
fn the_same_sender_is_known_for_a_day() {
    assert_eq!(level(ID, case()), Some(Level::Alert), "an incubating detector says no more than an alert");
    let mut late = case();
    late["transactions"][1]["after_seconds"] = json!(86_401);
    assert_eq!(level(ID, late), None);
}

#[test]
fn somebody_else_is_not_under_suspicion() {
    let mut other = case();
    other["transactions"][1]["from"] = json!("@user");
    other["transactions"][1]["moves"][0][2] = json!("@user");
    assert_eq!(level(ID, other.clone()), None);
    other["transactions"][1]["moves"][0][2] = json!("@thief");
    assert_eq!(level(ID, other), Some(Level::Alert), "he who was flagged is paid");
}

#[test]
fn the_same_code_from_another_sender_is_known_again() {
    let mut copy = case();
    let transaction = &mut copy["transactions"][1];
    transaction["from"] = json!("@friend");
    transaction["moves"][0][2] = json!("@second");
    let call = transaction["call"].take();
    transaction["call"] = json!({ "kind": "Create", "to": "@second", "calls": [call] });
    assert_eq!(level(ID, copy), Some(Level::Alert));
}

#[test]
fn a_large_exit_puts_nobody_under_suspicion() {
    let mut exit = case();
    exit["transactions"][0]["call"] = json!({ "to": "@vault", "function": "withdraw()" });
    assert_eq!(level(ID, exit), None);
}
