//! Who made it and how much it takes decide what is done; what it merely says of itself is never a stop.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::{last, level};

fn takes() -> Value {
    serde_json::from_str(include_str!("cases/takes-when-tried.json")).expect("the case is JSON")
}

fn armed() -> Value {
    serde_json::from_str(include_str!("cases/named-by-a-young-borrower.json")).expect("the case is JSON")
}

#[test]
fn a_large_loss_for_nothing_is_a_stop_and_a_small_one_an_alert() {
    assert_eq!(level(ID, takes()), Some(Level::Stop));
    let mut small = takes();
    let attempt = &mut small["transactions"][0]["newborn"]["attempts"][0];
    attempt["moves"][0][3] = json!("120000");
    attempt["checks"][0][3] = json!("880000");
    assert_eq!(level(ID, small), Some(Level::Alert));
}

#[test]
fn what_the_modules_own_people_make_is_noted_and_what_an_old_acquaintance_makes_is_told() {
    let mut own = takes();
    own["settings"] = json!({ "modules": [{ "module": "vault", "authority": { "holders": ["@maker"] } }] });
    assert_eq!(level(ID, own), Some(Level::Notice));
    let mut known = takes();
    let honest = json!({ "from": "@maker", "call": { "to": "@vault", "function": "deposit()" } });
    let mut late = known["transactions"][0].clone();
    late["after_seconds"] = json!(90_000);
    known["transactions"] = json!([honest, late]);
    assert_eq!(level(ID, known), Some(Level::Alert));
}

#[test]
fn signs_alone_are_an_alert_only_together() {
    assert_eq!(level(ID, armed()), Some(Level::Alert));
    let mut old = armed();
    old["transactions"][0]["newborn"]["nonce"] = json!(10);
    assert_eq!(level(ID, old.clone()), Some(Level::Notice));
    old["transactions"][0]["newborn"]["funded_by"] = json!(["@mixer", "mixer", "a mixer"]);
    assert_eq!(level(ID, old), Some(Level::Alert), "money without history");
    let mut unarmed = armed();
    unarmed["transactions"][0]["newborn"]["callbacks"] = json!([]);
    assert_eq!(level(ID, unarmed), Some(Level::Notice));
}

#[test]
fn the_finding_is_about_the_contract_and_not_about_one_of_many_calls() {
    let found = |case: Value| last(case).into_iter().find(|finding| finding.detector == ID);
    let mut other = takes();
    other["transactions"][0]["newborn"]["attempts"][0]["call"]["function"] = json!("another(uint256)");
    let (first, second) = (found(takes()).map(|it| it.id), found(other).map(|it| it.id));
    assert!(first.is_some() && first == second);
}
