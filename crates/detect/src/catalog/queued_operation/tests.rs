//! What an announcement excuses, and what it does not.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::{last, level};

fn pays() -> Value {
    serde_json::from_str(include_str!("cases/pays-its-proposer.json")).expect("the case is JSON")
}

fn hands_over() -> Value {
    serde_json::from_str(include_str!("cases/hands-over-to-one-key.json")).expect("the case is JSON")
}

/// The case with the receiver of ownership replaced.
fn handed_to(name: &str, people: &Value) -> Value {
    let mut case = hands_over();
    let queued = &mut case["transactions"][0]["queued"];
    queued["people"] = people.clone();
    queued["does"][0]["call"]["calls"][0]["logs"][0]["topics"][1] = json!(name);
    queued["does"][0]["writes"][0][3] = json!(name);
    case
}

#[test]
fn what_it_takes_is_an_alert_and_has_not_left_yet() {
    let found = last(pays()).into_iter().find(|finding| finding.detector == ID).expect("it is told");
    assert_eq!(found.level, Level::Alert);
    assert!(found.harm.iter().all(|harm| harm.at_risk) && !found.harm.is_empty());
    let mut small = pays();
    let does = &mut small["transactions"][0]["queued"]["does"][0];
    does["moves"][0][3] = json!("20000");
    does["checks"][0][3] = json!("980000");
    assert_eq!(level(ID, small), None, "a grant of two percent");
}

#[test]
fn ownership_for_one_key_is_told_and_for_a_contract_or_a_named_holder_noted() {
    assert_eq!(level(ID, handed_to("@stranger", &json!([["@stranger", 3_000]]))), Some(Level::Alert));
    assert_eq!(level(ID, handed_to("@council", &json!([]))), Some(Level::Notice));
    let mut named = handed_to("@stranger", &json!([["@stranger", 3_000]]));
    named["settings"] = json!({ "modules": [{ "module": "treasury", "authority": { "holders": ["@stranger"] } }] });
    assert_eq!(level(ID, named), Some(Level::Notice));
}

#[test]
fn a_role_is_told_for_its_proposer_and_for_a_fresh_account_only() {
    let granted = |account: &str, people: Value| {
        let mut case = handed_to(account, &people);
        let does = &mut case["transactions"][0]["queued"]["does"][0];
        let role = json!("0x0000000000000000000000000000000000000000000000000000000000000001");
        does["writes"] = json!([]);
        does["call"]["calls"][0]["logs"] = json!([{
            "event": "RoleGranted(bytes32,address,address)", "topics": [role, account, "@timelock"],
        }]);
        level(ID, case)
    };
    assert_eq!(granted("@proposer", json!([["@proposer", 90]])), Some(Level::Alert));
    assert_eq!(granted("@fresh", json!([["@fresh", 0]])), Some(Level::Alert));
    assert_eq!(granted("@keeper", json!([["@keeper", 90]])), Some(Level::Notice));
}

#[test]
fn a_delay_may_change_and_not_vanish() {
    let becomes = |after: u64| {
        let mut case = hands_over();
        let does = &mut case["transactions"][0]["queued"]["does"][0];
        does["writes"] = json!([]);
        does["call"]["calls"][0] = json!({ "to": "@treasury", "function": "updateDelay(uint256)",
            "logs": [{ "event": "MinDelayChange(uint256,uint256)", "data": ["172800", after.to_string()] }] });
        level(ID, case)
    };
    assert_eq!(becomes(0), Some(Level::Alert));
    assert_eq!(becomes(86_400), Some(Level::Notice));
    assert_eq!(becomes(500_000), Some(Level::Notice));
}

#[test]
fn it_has_the_operations_name_whatever_head_it_was_tried_on() {
    let found = |case: Value| last(case).into_iter().find(|finding| finding.detector == ID).map(|finding| finding.id);
    let mut more = pays();
    let does = &mut more["transactions"][0]["queued"]["does"][0];
    does["moves"][0][3] = json!("700000");
    does["checks"][0][3] = json!("300000");
    assert!(found(pays()).is_some() && found(pays()) == found(more));
}
