//! How fast is too fast.

use cofferdam_types::{Finding, Level};
use serde_json::{Value, json};

use super::ID;
use crate::testbed::Case;

/// One payment of `amount` out of 1,000,000 to each of `senders`.
fn claims(senders: &[String], amount: u64) -> Vec<Value> {
    let claim = |sender: &String| {
        json!({
            "from": sender,
            "call": { "to": "@vault", "function": "welcome()" },
            "moves": [["@coin", "@vault", sender, amount.to_string()]],
            "checks": [["@vault", "@coin", "1000000", 1_000_000_u64.saturating_sub(amount).to_string()]],
        })
    };
    senders.iter().map(claim).collect()
}

fn told(transactions: Vec<Value>) -> Vec<usize> {
    said(transactions, Level::Alert)
}

fn said(transactions: Vec<Value>, level: Level) -> Vec<usize> {
    let case = json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@coin"] }],
        "transactions": transactions,
    });
    let ours =
        |found: &Vec<Finding>| found.iter().filter(|finding| finding.detector == ID && finding.level == level).count();
    Case::read(case).findings().iter().map(ours).collect()
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("@{prefix}{number}")).collect()
}

#[test]
fn the_twentieth_newcomer_of_an_hour_is_told_once() {
    let told = told(claims(&names("fresh", 25), 2_000));
    assert_eq!(told.iter().position(|count| *count == 1), Some(19));
    assert_eq!(told.iter().sum::<usize>(), 1);
}

#[test]
fn newcomers_after_the_alert_are_counted_and_bother_nobody() {
    let noticed = said(claims(&names("fresh", 25), 2_000), Level::Notice);
    assert_eq!(noticed.iter().skip(20).sum::<usize>(), 5);
}

#[test]
fn newcomers_two_hours_apart_are_a_run_where_one_came_a_day() {
    let mut transactions = claims(&names("usual", 5), 1_100);
    for transaction in &mut transactions {
        transaction["after_seconds"] = json!(86_400);
    }
    let mut fresh = claims(&names("fresh", 25), 2_000);
    for transaction in &mut fresh {
        transaction["after_seconds"] = json!(7_200);
    }
    transactions.extend(fresh);
    assert_eq!(told(transactions.clone()).iter().sum::<usize>(), 1);
    transactions.drain(..5);
    assert_eq!(told(transactions).iter().sum::<usize>(), 0, "without a time before there is nothing to compare with");
}

#[test]
fn those_who_were_seen_before_are_no_newcomers() {
    let stakers = names("staker", 25);
    let deposit = |sender: &String| json!({ "from": sender, "call": { "to": "@vault", "function": "deposit()" } });
    let mut transactions: Vec<Value> = stakers.iter().map(deposit).collect();
    transactions.extend(claims(&stakers, 2_000));
    assert_eq!(told(transactions).iter().sum::<usize>(), 0);
}

#[test]
fn those_who_had_an_entry_in_the_books_are_no_newcomers() {
    let mut transactions = claims(&names("staker", 25), 2_000);
    for transaction in &mut transactions {
        transaction["writes"] = json!([["@vault", "@entry", "5", "6"]]);
    }
    assert_eq!(told(transactions).iter().sum::<usize>(), 0);
}

#[test]
fn a_module_that_is_always_this_busy_is_not_told() {
    let mut transactions = claims(&names("usual", 400), 1_100);
    for transaction in &mut transactions {
        transaction["after_seconds"] = json!(1_300);
    }
    transactions.extend(claims(&names("today", 20), 2_000));
    assert_eq!(told(transactions).iter().sum::<usize>(), 0);
}
