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

/// The claim: at first by a contract that is born for it, which makes it hostile; later without.
fn claim(first: bool) -> Value {
    let claim = json!({ "to": "@vault", "function": "claim()" });
    if first { json!({ "kind": "Create", "to": "@child", "code": 9, "calls": [claim] }) } else { claim }
}

/// What the attack takes, much at first and a little later, for `who`.
fn taking(who: &str, first: bool) -> Value {
    let (amount, before, after) = if first { (200_000, 1_000_000, 800_000) } else { (3_000, 800_000, 797_000) };
    let text = |amount: u64| amount.to_string();
    json!({
        "from": who, "moves": [["@coin", "@vault", who, text(amount)]],
        "checks": [["@vault", "@coin", text(before), text(after)]],
    })
}

/// The attack by a contract of the thief's, and again by a contract of somebody else's, in a transaction of its own each.
fn by_contracts(second: &Value) -> Value {
    let made = |who: &str, contract: &str, code: &Value| {
        let mut call = json!({ "kind": "Create", "to": contract });
        for (key, value) in code.as_object().expect("code and shape") {
            call[key] = value.clone();
        }
        json!({ "from": who, "call": call })
    };
    let used = |who: &str, contract: &str, first: bool| {
        let mut used = taking(who, first);
        used["call"] = json!({ "to": contract, "function": "go()", "calls": [claim(first)] });
        used
    };
    let mut both = case();
    both["transactions"] = json!([
        made("@thief", "@first", &json!({ "code": 3, "shape": 4 })),
        used("@thief", "@first", true),
        made("@friend", "@second", second),
        used("@friend", "@second", false),
    ]);
    both
}

#[test]
fn a_copy_with_another_constant_is_known_by_its_shape() {
    assert_eq!(level(ID, by_contracts(&json!({ "code": 5, "shape": 4 }))), Some(Level::Alert));
    assert_eq!(level(ID, by_contracts(&json!({ "code": 3 }))), Some(Level::Alert), "the same code");
    assert_eq!(level(ID, by_contracts(&json!({ "code": 5, "shape": 6 }))), None, "other code");
    assert_eq!(level(ID, by_contracts(&json!({ "code": 5 }))), None, "too short to be told from others");
}

/// The attack after calls of these functions, and again by somebody else after those.
fn in_order(first: &[&str], second: &[&str]) -> Option<Level> {
    let with = |who: &str, functions: &[&str], first: bool| {
        let calls = functions.iter().map(|function| json!({ "to": "@vault", "function": function }));
        let calls: Vec<Value> = calls.chain([claim(first)]).collect();
        let mut with = taking(who, first);
        with["call"] = json!({ "to": "@router", "function": "go()", "calls": calls });
        with
    };
    let mut both = case();
    both["transactions"] = json!([with("@thief", first, true), with("@friend", second, false)]);
    level(ID, both)
}

#[test]
fn three_calls_in_the_same_order_are_known_again_and_two_are_not() {
    let long = ["donate()", "borrow()"];
    assert_eq!(in_order(&long, &long), Some(Level::Alert));
    assert_eq!(in_order(&long, &["donate()", "donate()", "borrow()"]), Some(Level::Alert), "repetitions count once");
    assert_eq!(in_order(&long, &["borrow()", "donate()"]), None, "another order");
    assert_eq!(in_order(&["donate()"], &["donate()"]), None, "two calls are chance");
}

#[test]
fn a_large_exit_puts_nobody_under_suspicion() {
    let mut exit = case();
    exit["transactions"][0]["call"] = json!({ "to": "@vault", "function": "withdraw()" });
    assert_eq!(level(ID, exit), None);
}
