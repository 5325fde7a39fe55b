//! When novelty speaks, and when it stops something.

#![allow(clippy::unwrap_used, reason = "a wrong case must panic")]

use std::sync::Arc;

use cofferdam_types::{ChainId, Finding, Judge as _, Level};
use serde_json::{Value, json};

use super::ID;
use crate::{
    Detection, Settings, SettingsError,
    behaviour::{Learner, Learnt},
    testbed::Case,
};

const DAY: u64 = 86_400;

/// A user takes `amount` of 1,000,000 out for nothing.
fn claim(from: &str, amount: u64) -> Value {
    json!({
        "from": from, "after_seconds": 3_600,
        "call": { "to": "@vault", "function": "claim()", "calls": [
            { "to": "@coin", "function": "transfer(address,uint256)", "logs": [
                { "event": "Transfer(address,address,uint256)", "topics": ["@vault", from] }] }] },
        "moves": [["@coin", "@vault", from, amount.to_string()]],
        "checks": [["@vault", "@coin", "1000000", 1_000_000_u64.saturating_sub(amount).to_string()]],
    })
}

/// The keeper harvests.
fn harvest() -> Value {
    json!({
        "from": "@keeper", "after_seconds": 20_000,
        "call": { "to": "@vault", "function": "harvest()", "logs": [{ "event": "Harvested()" }] },
    })
}

/// A contract that nobody knows calls the functions, one after the other, and mallory has `amount`.
fn through(functions: &[&str], amount: u64) -> Value {
    through_one("@evil", functions, amount)
}

fn through_one(contract: &str, functions: &[&str], amount: u64) -> Value {
    let calls: Vec<Value> = functions
        .iter()
        .map(|function| json!({ "to": "@vault", "function": function, "logs": [{ "event": "Done()" }] }))
        .collect();
    let mut transaction = claim("@mallory", amount);
    transaction["call"] = json!({ "to": contract, "function": "go()", "calls": calls });
    transaction
}

fn ordinary() -> Vec<Value> {
    let mut days = Vec::new();
    for day in 0..12 {
        days.push(claim(&format!("@user {}", day % 6), 2_000));
        days.push(harvest());
        days.push(through_one("@router", &["deposit()", "borrow()"], 2_000));
        days.push(through_one("@router", &["donate()"], 0));
        for transaction in days.iter_mut().rev().take(4) {
            transaction["after_seconds"] = json!(DAY / 4);
        }
    }
    days
}

fn case(settings: &Value, transactions: Vec<Value>) -> Case {
    Case::read(json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@coin"] }],
        "settings": settings,
        "transactions": transactions,
    }))
}

fn few() -> Value {
    json!({ "modules": [{ "module": "vault", "novelty": { "least_transactions": 20 } }] })
}

/// A judge that was taught by ordinary days, and judges under these settings.
fn taught(settings: &Value) -> Detection {
    let days = case(&few(), ordinary());
    let mut learner = Learner::new(days.watch(), &days.settings, ChainId(1)).unwrap();
    for execution in days.executions() {
        assert_eq!(learner.take(&execution).level(), None, "ordinary days are quiet");
    }
    let learnt = learner.finish();
    let read = Learnt::parse(learnt.write().as_bytes()).unwrap();
    assert_eq!(read, learnt);
    judging(&case(settings, Vec::new()), read).unwrap()
}

fn judging(case: &Case, learnt: Learnt) -> Result<Detection, SettingsError> {
    Detection::new(case.watch(), &Settings { learnt: Some(Arc::new(learnt)), ..case.settings.clone() })
}

fn said(settings: &Value, transaction: Value) -> Option<Finding> {
    let detection = taught(settings);
    let execution = case(settings, vec![transaction]).executions().remove(0);
    detection.judge(&execution).findings.into_iter().find(|finding| finding.detector == ID)
}

fn level(transaction: Value) -> Option<Level> {
    said(&few(), transaction).map(|finding| finding.level)
}

#[test]
fn what_was_always_done_is_not_new() {
    assert_eq!(level(claim("@somebody else", 2_000)), None);
    assert_eq!(level(harvest()), None);
    assert_eq!(level(through_one("@router", &["deposit()", "borrow()"], 1_500)), None);
}

#[test]
fn harm_on_a_known_path_within_its_range_stays_an_alert() {
    let detection = taught(&json!({ "modules": [{ "module": "vault", "novelty": { "least_transactions": 20 },
        "outflow": { "one_sided_alert_bps": 10 } }] }));
    let execution = case(&few(), vec![claim("@somebody else", 2_100)]).executions().remove(0);
    assert_eq!(detection.judge(&execution).level(), Some(Level::Alert));
}

#[test]
fn an_order_that_was_never_seen_is_told_in_words() {
    let found = said(&few(), through(&["donate()", "borrow()"], 0)).unwrap();
    assert_eq!(found.level, Level::Notice);
    assert!(found.summary.contains("follows") && found.summary.contains("in one transaction"), "{}", found.summary);
}

#[test]
fn new_and_harmful_is_a_stop_with_the_harm_counted() {
    let found = said(&few(), through(&["donate()", "borrow()"], 150_000)).unwrap();
    assert_eq!(found.level, Level::Stop);
    assert_eq!(found.harm.first().map(|harm| harm.amount.to_string()), Some("150000".to_owned()));
    let large = said(&few(), through(&["deposit()", "borrow()"], 150_000)).unwrap();
    assert_eq!(large.level, Level::Stop);
    assert!(large.summary.contains("75 times the largest seen (2000)"), "{}", large.summary);
    let much = through(&["deposit()", "borrow()"], 45_000);
    assert_eq!(level(much), Some(Level::Notice), "much, and no harm by any threshold");
}

#[test]
fn whoever_calls_himself_or_through_what_is_known_is_told_of_and_not_stopped() {
    assert_eq!(level(claim("@mallory", 150_000)), Some(Level::Notice));
    let known = through_one("@router", &["donate()", "borrow()"], 150_000);
    assert_eq!(level(known), Some(Level::Notice), "through a contract that has long called");
}

#[test]
fn a_loan_that_only_the_books_know_is_no_counted_loss() {
    let mut loan = through(&["donate()", "borrow()"], 450_000);
    loan["writes"] =
        json!([["@vault", "0x1000000000000000000000000000000000000000000000000000000000000000", "0", "450000"]]);
    let found = said(&few(), loan).unwrap();
    assert_eq!(found.level, Level::Notice);
}

#[test]
fn a_stranger_who_calls_what_only_the_keeper_calls_is_new() {
    let mut stranger = harvest();
    stranger["from"] = json!("@mallory");
    let found = said(&few(), stranger).unwrap();
    assert!(found.level == Level::Notice && found.summary.contains("has callers of its own"), "{}", found.summary);
}

#[test]
fn whoever_is_in_charge_is_told_of_and_not_stopped() {
    let sweep = |from: &str, contract: Option<&str>| {
        let mut transaction = claim(from, 900_000);
        transaction["call"]["function"] = json!("sweep()");
        if let Some(contract) = contract {
            let call = transaction["call"].take();
            transaction["call"] = json!({ "to": contract, "function": "go()", "calls": [call] });
        }
        transaction
    };
    assert_eq!(level(sweep("@mallory", Some("@evil"))), Some(Level::Stop));
    assert_eq!(level(sweep("@keeper", None)), Some(Level::Notice), "beside the alert for the harm");
    assert_eq!(level(sweep("@keeper", Some("@evil"))), Some(Level::Stop), "what he runs is not his own function");
    let mut settings = few();
    settings["modules"][0]["authority"] = json!({ "holders": ["@safe"] });
    let by_safe = said(&settings, sweep("@signer", Some("@safe"))).unwrap();
    assert_eq!(by_safe.level, Level::Notice, "a contract is in charge where it is said to be");
}

#[test]
fn with_too_little_history_nothing_is_new() {
    let strict = json!({ "modules": [{ "module": "vault", "novelty": { "least_transactions": 1_000 } }] });
    assert_eq!(said(&strict, through(&["donate()", "borrow()"], 150_000)), None);
    let long = json!({ "modules": [{ "module": "vault",
        "novelty": { "least_transactions": 1, "least_seconds": 9_999_999 } }] });
    assert_eq!(said(&long, through(&["donate()", "borrow()"], 150_000)), None);
}

#[test]
fn a_token_that_anybody_made_stops_nothing() {
    let mut forged = through(&["donate()", "borrow()"], 0);
    forged["moves"] = json!([["@fake", "@vault", "@mallory", "900000"]]);
    forged["checks"] = json!([["@vault", "@fake", "1000000", "100000"]]);
    assert_eq!(level(forged), Some(Level::Notice));
}

#[test]
fn declared_maintenance_is_neither_new_nor_an_alert() {
    let selector = alloy_primitives::hex::encode_prefixed(&alloy_primitives::keccak256("sweep()")[..4]);
    let mut settings = few();
    settings["maintenance"] = json!([{
        "modules": ["vault"], "sender": "@mallory", "calls": [{ "target": "@vault", "selector": selector }],
        "from": "2023-11-14T00:00Z", "until": "2023-11-16T00:00Z", "owner": "Ann", "reason": "the vault moves",
    }]);
    let mut sweep = claim("@mallory", 900_000);
    sweep["call"]["function"] = json!("sweep()");
    let detection = taught(&settings);
    let execution = case(&settings, vec![sweep]).executions().remove(0);
    let findings = detection.judge(&execution).findings;
    assert!(findings.iter().all(|found| found.detector != ID && found.level == Level::Notice), "{findings:?}");
    assert!(!findings.is_empty());
}

#[test]
fn a_file_of_another_chain_or_of_other_contracts_is_refused() {
    let days = case(&few(), ordinary());
    let mut learner = Learner::new(days.watch(), &days.settings, ChainId(1)).unwrap();
    days.executions().iter().for_each(|execution| {
        learner.take(execution);
    });
    let learnt = learner.finish();
    let error = learnt.check_chain(ChainId(5)).unwrap_err().to_string();
    assert!(error.contains("`chain_id` is `1`, expected 5"), "{error}");
    let other = |modules: Value| {
        let case = Case::read(json!({ "modules": modules, "transactions": [] }));
        judging(&case, learnt.clone()).err().unwrap().to_string()
    };
    let moved = json!([{ "id": "vault", "contracts": ["@vault", "@second"] }]);
    let error = other(moved);
    assert!(error.contains("`module[0].contracts`") && error.contains("learn again"), "{error}");
    let renamed = json!([{ "id": "safe", "contracts": ["@vault"] }]);
    let error = other(renamed);
    assert!(error.contains("`module[0].module` is `vault`, expected a module of the configuration"), "{error}");
}

#[test]
fn what_was_flagged_teaches_nothing_and_neither_do_failures() {
    let mut failed = claim("@user 1", 2_000);
    failed["call"]["failed"] = json!(true);
    let mut transactions = vec![claim("@user 1", 2_000), through(&["donate()", "borrow()"], 900_000), failed];
    transactions.push(claim("@user 2", 2_000));
    let days = case(&few(), transactions);
    let mut learner = Learner::new(days.watch(), &days.settings, ChainId(1)).unwrap();
    days.executions().iter().for_each(|execution| {
        learner.take(execution);
    });
    assert_eq!(learner.flagged(), 1);
    let learnt = learner.finish();
    assert_eq!((learnt.modules()[0].transactions(), learnt.modules()[0].paths()), (2, 1));
}
