//! What makes votes borrowed.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

fn case() -> Value {
    serde_json::from_str(include_str!("cases/borrowed-votes.json")).expect("the case is JSON")
}

#[test]
fn votes_that_stay_with_the_voter_are_his() {
    let mut kept = case();
    kept["transactions"][0]["moves"].as_array_mut().unwrap().pop();
    assert_eq!(level(ID, case()), Some(Level::Alert), "an incubating detector says no more than an alert");
    assert_eq!(level(ID, kept), None);
}

#[test]
fn a_loan_of_a_voting_token_that_casts_no_vote_is_trade() {
    let mut trade = case();
    trade["transactions"][0]["call"]["calls"][1]["logs"] = json!([]);
    trade["transactions"][0]["call"]["calls"][1]["to"] = json!("@exchange");
    assert_eq!(level(ID, trade), None);
}
