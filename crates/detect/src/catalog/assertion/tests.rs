//! What each outcome is worth.

use cofferdam_types::Level;
use serde_json::{Value, json};

use crate::testbed::{last, level};

const ID: &str = "assertion";

fn outcome(call: Option<u64>, result: Value) -> Value {
    json!({
        "module": "vault", "contract": "VaultAssertion", "function": "assertPrice", "call": call, "result": result,
        "gas": 4321,
    })
}

fn case(outcomes: &[Value], harmful: bool) -> Value {
    let (moves, checks) = if harmful {
        (json!([["@token", "@vault", "@user", "50000"]]), json!([["@vault", "@token", "1000000", "950000"]]))
    } else {
        (json!([]), json!([]))
    };
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@token"] }],
        "transactions": [{
            "from": "@user", "call": { "to": "@vault", "function": "act()" }, "moves": moves, "checks": checks,
            "assertions": outcomes,
        }],
    })
}

#[test]
fn each_outcome_has_its_worth() {
    let broken = json!({ "broken": { "reason": "the price moved" } });
    let dry = json!({ "inconclusive": { "out_of_gas": { "limit": 30_000_000 } } });
    let unsupported = json!({ "inconclusive": { "not_supported": { "what": "store(bytes32,bytes32)" } } });
    for (result, harmful, expected) in [
        (broken.clone(), true, Some(Level::Stop)),
        (broken, false, Some(Level::Alert)),
        (dry.clone(), true, Some(Level::Alert)),
        (dry, false, Some(Level::Alert)),
        (unsupported, true, Some(Level::Notice)),
        (json!({ "inconclusive": { "missing_state": { "pieces": 2 } } }), true, Some(Level::Notice)),
        (json!({ "inconclusive": { "too_much": { "what": "calls" } } }), false, Some(Level::Alert)),
        (json!({ "held": { "over_limit": 300_000 } }), true, Some(Level::Notice)),
        (json!({ "held": { "over_limit": null } }), true, None),
        (json!({ "not_fired": { "why": "it waits" } }), true, None),
    ] {
        assert_eq!(level(ID, case(&[outcome(None, result.clone())], harmful)), expected, "{result} {harmful}");
    }
}

#[test]
fn runs_of_one_function_are_one_finding_about_the_worst() {
    let outcomes = [
        outcome(Some(3), json!({ "held": { "over_limit": null } })),
        outcome(Some(7), json!({ "broken": { "reason": "fell" } })),
        outcome(Some(9), json!({ "broken": { "reason": "fell again" } })),
    ];
    let findings: Vec<_> = last(case(&outcomes, false)).into_iter().filter(|finding| finding.detector == ID).collect();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].summary, "assertion `VaultAssertion.assertPrice` of module vault is broken: fell");
    assert!(findings[0].evidence.iter().any(|evidence| evidence.value == "2 of 3 runs, for calls 7, 9"));
}

#[test]
fn people_may_say_what_a_breach_is_worth_and_nothing_else() {
    let worth = |result: Value, said: &str, harmful: bool| {
        let mut outcome = outcome(None, result);
        outcome["level"] = json!(said);
        level(ID, case(&[outcome], harmful))
    };
    let broken = json!({ "broken": { "reason": "fell" } });
    assert_eq!(worth(broken.clone(), "notice", true), Some(Level::Notice));
    assert_eq!(worth(broken, "stop", false), Some(Level::Stop));
    let dry = json!({ "inconclusive": { "out_of_gas": { "limit": 1 } } });
    assert_eq!(worth(dry, "stop", true), Some(Level::Alert), "never a stop");
}

#[test]
fn what_is_inconclusive_claims_no_harm() {
    let dry = outcome(None, json!({ "inconclusive": { "out_of_gas": { "limit": 1 } } }));
    let findings = last(case(&[dry], true));
    assert!(findings.iter().filter(|finding| finding.detector == ID).all(|finding| finding.harm.is_empty()));
}

#[test]
fn outcomes_of_another_module_are_not_ours() {
    let mut other = outcome(None, json!({ "broken": { "reason": "fell" } }));
    other["module"] = json!("pool");
    assert_eq!(level(ID, case(&[other], false)), None);
}
