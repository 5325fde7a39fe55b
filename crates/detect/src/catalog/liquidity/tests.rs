//! How much must leave, for how long it counts, and what is only said.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::{Case, level};

fn case() -> Value {
    serde_json::from_str(include_str!("cases/left-and-then-lent.json")).expect("the case is JSON")
}

/// The levels of what is said of each transaction.
fn levels(case: Value) -> Vec<Option<Level>> {
    let of = |findings: Vec<cofferdam_types::Finding>| {
        findings.into_iter().filter(|finding| finding.detector == ID).map(|finding| finding.level).max()
    };
    Case::read(case).findings().into_iter().map(of).collect()
}

#[test]
fn leaving_is_noted_and_a_loan_by_the_thin_price_is_told() {
    assert_eq!(levels(case()), [None, Some(Level::Notice), Some(Level::Alert)]);
    let mut days_later = case();
    days_later["transactions"][2]["after_seconds"] = json!(90_000);
    assert_eq!(level(ID, days_later), None);
}

#[test]
fn a_pool_that_nobody_reads_is_nobodys_business() {
    let mut unread = case();
    unread["transactions"][0]["call"]["calls"] = json!([]);
    assert_eq!(levels(unread), [None, None, None], "read for the first time after it was left: it has no past");
}

#[test]
fn a_swap_takes_one_asset_out_and_is_not_leaving() {
    let mut swap = case();
    swap["transactions"][1]["moves"][1] = json!(["@coin", "@provider", "@pool", "90000000"]);
    assert_eq!(levels(swap), [None, None, None]);
    let mut unknown = case();
    unknown["transactions"][1]["writes"] = json!([]);
    assert_eq!(levels(unknown), [None, None, None], "what the pool held is not known");
}

#[test]
fn a_pool_without_numbers_of_its_own_is_known_by_its_event() {
    let mut told = case();
    told["transactions"][1]["writes"] = json!([]);
    told["transactions"][1]["call"]["logs"] =
        json!([{ "event": "Sync(uint112,uint112)", "data": ["10000000", "10000000"] }]);
    assert_eq!(levels(told), [None, Some(Level::Notice), Some(Level::Alert)]);
}
