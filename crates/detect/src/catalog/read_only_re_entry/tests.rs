//! Who reads in mid-call, and who loses by it.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

fn case() -> Value {
    serde_json::from_str(include_str!("cases/market-reads-in-mid-call.json")).expect("the case is JSON")
}

#[test]
fn a_reader_who_is_paid_is_not_robbed() {
    let mut paid = case();
    paid["transactions"][0]["moves"].as_array_mut().unwrap().push(json!(["@coin", "@attack", "@market", "900000"]));
    assert_eq!(level(ID, case()), Some(Level::Alert));
    assert_eq!(level(ID, paid), None);
}

#[test]
fn reading_after_the_call_has_ended_is_reading() {
    let mut after = case();
    let market = after["transactions"][0]["call"]["calls"][0]["calls"][0]["calls"][0].take();
    after["transactions"][0]["call"]["calls"][0]["calls"][0]["calls"] = json!([]);
    after["transactions"][0]["call"]["calls"].as_array_mut().unwrap().push(market);
    assert_eq!(level(ID, after), None);
}

#[test]
fn whoever_opened_the_call_knows_what_it_reads() {
    let mut own = case();
    let call = own["transactions"][0]["call"].take();
    own["transactions"][0]["call"] = json!({ "to": "@market", "function": "sell()", "calls": [call] });
    own["transactions"][0]["from"] = json!("@stranger");
    assert_eq!(level(ID, own), None);
}
