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

/// The operator pays a friend a little every day for two weeks, and then `large` of 1,000,000 to each of `receivers`.
fn operated(receivers: &[&str], large: u64) -> Vec<Value> {
    let pay = |to: &str, amount: u64, seconds: u64| {
        json!({
            "from": "@operator",
            "after_seconds": seconds,
            "call": { "to": "@vault", "function": "pay()" },
            "moves": [["@coin", "@vault", to, amount.to_string()]],
            "checks": [["@vault", "@coin", "1000000", 1_000_000_u64.saturating_sub(amount).to_string()]],
        })
    };
    let mut transactions: Vec<Value> = (0..14).map(|_| pay("@friend", 2_000, 86_400)).collect();
    transactions.extend(receivers.iter().map(|receiver| pay(receiver, large, 600)));
    transactions
}

#[test]
fn one_who_pays_strangers_much_more_than_ever_is_told_once() {
    let told_of =
        |receivers: &[&str], large| told(operated(receivers, large)).iter().skip(14).copied().collect::<Vec<_>>();
    let pockets = ["@one", "@two", "@one", "@two", "@one", "@two"];
    assert_eq!(told_of(&pockets, 40_000), [0, 0, 0, 1, 0, 0]);
    assert_eq!(told_of(&pockets, 16_000), [0; 6], "not a tenth");
    assert_eq!(told_of(&["@friend"; 6], 40_000), [0; 6], "whom he always pays");
    assert_eq!(told_of(&["@one"], 200_000), [0], "one payment is no run");
}

#[test]
fn those_who_asked_the_module_before_are_no_strangers() {
    let pockets = ["@one", "@two", "@one", "@two", "@one", "@two"];
    let mut transactions: Vec<Value> = ["@one", "@two"]
        .iter()
        .map(|sender| json!({ "from": sender, "call": { "to": "@vault", "function": "deposit()" } }))
        .collect();
    transactions.extend(operated(&pockets, 40_000));
    assert_eq!(told(transactions).iter().sum::<usize>(), 0);
}

#[test]
fn those_whose_entries_are_paid_out_are_no_strangers() {
    let pockets = ["@one", "@two", "@one", "@two", "@one", "@two"];
    let written = |whose: fn(&str) -> String| {
        let mut transactions = operated(&pockets, 40_000);
        for (payment, receiver) in transactions.iter_mut().skip(14).zip(pockets) {
            let word = crate::testbed::account(&whose(receiver)).into_word();
            let slot = alloy_primitives::keccak256([word, alloy_primitives::B256::with_last_byte(1)].concat());
            payment["writes"] = json!([["@vault", slot.to_string(), "90000", "50000"]]);
        }
        told(transactions).iter().sum::<usize>()
    };
    assert_eq!(written(|receiver| receiver.trim_start_matches('@').to_owned()), 0);
    assert_eq!(written(|_| "somebody".to_owned()), 1, "somebody else's");
}
