//! What is a harmful re-entry, and what only looks like one.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

/// The vault is called, calls the attacker, and `inner` is what the attacker does meanwhile. `after` of 1,000,000
/// tokens are left, and `extra` goes before.
fn case(inner: Value, after: u64) -> Value {
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault", "@sister"], "assets": ["@token"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@attack", "function": "run()", "calls": [
                { "to": "@vault", "function": "withdraw(uint256)", "calls": [
                    { "to": "@attack", "function": "hook()", "calls": [inner] }
                ] }
            ] },
            "moves": [["@token", "@vault", "@attack", 1_000_000_u64.saturating_sub(after).to_string()]],
            "checks": [["@vault", "@token", "1000000", after.to_string()]],
        }],
    })
}

fn frame(kind: &str, to: &str) -> Value {
    json!({ "kind": kind, "to": to, "function": "withdraw(uint256)", "logs": [{ "event": "Withdrawn(uint256)" }] })
}

#[test]
fn coming_back_for_a_one_sided_loss_is_a_stop() {
    assert_eq!(level(ID, case(frame("Call", "@vault"), 990_000)), Some(Level::Stop));
    assert_eq!(level(ID, case(frame("Call", "@sister"), 990_000)), Some(Level::Stop), "another contract of the module");
}

#[test]
fn less_than_the_share_is_a_notice() {
    assert_eq!(level(ID, case(frame("Call", "@vault"), 990_001)), Some(Level::Notice));
}

#[test]
fn a_callback_without_a_loss_is_nothing() {
    assert_eq!(level(ID, case(frame("Call", "@vault"), 1_000_000)), None);
}

#[test]
fn reading_the_module_in_mid_call_is_nothing() {
    let mut read = frame("StaticCall", "@vault");
    assert_eq!(level(ID, case(read.clone(), 0)), None);
    read["calls"] = json!([frame("Call", "@vault")]);
    assert_eq!(level(ID, case(read, 0)), None, "what runs below a static call cannot act either");
}

#[test]
fn a_delegate_call_is_no_re_entry() {
    let mut case = case(frame("DelegateCall", "@vault"), 0);
    assert_eq!(level(ID, case.clone()), None, "the module's code on the attacker's state");
    case["transactions"][0]["call"] = json!({ "to": "@vault", "function": "withdraw(uint256)", "calls": [
        frame("DelegateCall", "@implementation"), frame("DelegateCall", "@implementation")
    ] });
    assert_eq!(level(ID, case), None, "a proxy that runs its implementation");
}

#[test]
fn calls_among_contracts_of_the_module_are_its_own_business() {
    let mut case = case(frame("Call", "@vault"), 0);
    case["transactions"][0]["call"] = json!({ "to": "@vault", "function": "withdraw(uint256)", "calls": [
        { "to": "@sister", "function": "settle()", "calls": [frame("Call", "@vault")] }
    ] });
    assert_eq!(level(ID, case), None);
}

#[test]
fn two_calls_one_after_the_other_are_no_re_entry() {
    let mut case = case(frame("Call", "@vault"), 0);
    case["transactions"][0]["call"] = json!({ "to": "@attack", "function": "run()", "calls": [
        frame("Call", "@vault"), frame("Call", "@vault")
    ] });
    assert_eq!(level(ID, case), None);
}

#[test]
fn a_frame_that_failed_or_did_nothing_does_not_count() {
    let mut failed = frame("Call", "@vault");
    failed["failed"] = json!(true);
    assert_eq!(level(ID, case(failed, 0)), None);
    assert_eq!(level(ID, case(json!({ "to": "@vault", "function": "poke()" }), 0)), None);
    assert_eq!(level(ID, case(json!({ "to": "@vault", "value": "1" }), 0)), None, "a plain payment");
}

#[test]
fn a_way_of_re_entering_that_is_old_here_is_an_alert_when_much_leaves_and_else_nothing() {
    let with_past = |after: u64| {
        let past = case(frame("Call", "@vault"), 1_000_000)["transactions"][0].clone();
        let mut case = case(frame("Call", "@vault"), after);
        case["transactions"][0]["after_seconds"] = json!(86_400);
        case["transactions"].as_array_mut().unwrap().insert(0, past);
        case
    };
    assert_eq!(level(ID, with_past(900_000)), Some(Level::Alert));
    assert_eq!(level(ID, with_past(950_000)), None);
}

#[test]
fn what_comes_back_makes_it_a_trade() {
    let mut case = case(frame("Call", "@vault"), 900_000);
    let transaction = &mut case["transactions"][0];
    transaction["moves"].as_array_mut().unwrap().push(json!(["@coin", "@attack", "@vault", "100000"]));
    transaction["checks"].as_array_mut().unwrap().push(json!(["@vault", "@coin", "1000000", "1100000"]));
    assert_eq!(level(ID, case.clone()), Some(Level::Notice));
    let hook = "/transactions/0/call/calls/0/calls/0/calls";
    let frames = case.pointer_mut(hook).unwrap().as_array_mut().unwrap();
    frames.push(frame("Call", "@vault"));
    assert_eq!(level(ID, case.clone()), Some(Level::Alert), "a function entered inside itself, again and again");
    case.pointer_mut(hook).unwrap()[1]["function"] = json!("deposit(uint256)");
    assert_eq!(level(ID, case), Some(Level::Notice));
}

#[test]
fn a_token_that_sells_fees_out_of_its_own_stock_is_a_notice() {
    let mut case = case(frame("Call", "@vault"), 900_000);
    case["transactions"][0]["moves"] = json!([["@vault", "@vault", "@attack", "100000"]]);
    case["transactions"][0]["checks"] = json!([["@vault", "@vault", "1000000", "900000"]]);
    assert_eq!(level(ID, case.clone()), Some(Level::Notice));
    let transaction = &mut case["transactions"][0];
    transaction["moves"].as_array_mut().unwrap().push(json!(["@token", "@vault", "@attack", "20000"]));
    transaction["checks"].as_array_mut().unwrap().push(json!(["@vault", "@token", "1000000", "980000"]));
    assert_eq!(level(ID, case), Some(Level::Stop), "a deposit that leaves with it still counts");
}
