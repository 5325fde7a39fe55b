//! What counts as lost, and that nothing is counted twice.

#![allow(clippy::unwrap_used, reason = "a wrong case must panic")]

use alloy_primitives::U256;
use cofferdam_types::{HarmAccount, Judge as _};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::testbed::{Case, account};

const ZERO: &str = "0x0000000000000000000000000000000000000000";

/// The account of the one module in the last transaction of `case`.
fn last(case: Value) -> Option<HarmAccount> {
    let case = Case::read(case);
    let detection = case.detection();
    let execution = case.executions().pop().unwrap();
    detection.judge(&execution).harm.pop()
}

fn case(contracts: &[&str], moves: &Value, checks: &Value, writes: &Value) -> Value {
    json!({
        "modules": [{ "id": "market", "contracts": contracts }],
        "transactions": [{
            "from": "@somebody",
            "call": { "to": contracts[0], "function": "act()" },
            "moves": moves, "checks": checks, "writes": writes,
        }],
    })
}

fn lost(account: &HarmAccount) -> Vec<Option<u64>> {
    account.lines.iter().map(|line| line.lost().map(|lost| lost.to::<u64>())).collect()
}

#[test]
fn what_leaves_for_nothing_is_lost_and_told_who_has_it() {
    let moves = json!([["@coin", "@vault", "@thief", "5000"]]);
    let told = last(case(&["@vault"], &moves, &json!([["@vault", "@coin", "9000", "4000"]]), &json!([]))).unwrap();
    assert_eq!(lost(&told), [Some(5_000)]);
    assert_eq!(told.lines[0].held, Some(U256::from(9_000)));
    assert_eq!(told.gainers.len(), 1);
    assert_eq!(told.gainers[0].account, account("thief"));
    assert_eq!(told.gainers[0].worth, None, "no pool tells what the coin is worth");
}

#[test]
fn burnt_shares_make_good_their_part_and_no_more() {
    // A tenth of the shares, for a tenth of the coins; then for half of them.
    let redeemed = |paid: u64| {
        let moves = json!([["@vault", "@somebody", ZERO, "10000"], ["@coin", "@vault", "@somebody", paid.to_string()]]);
        let after = 1_000_000_u64.saturating_sub(paid).to_string();
        let checks = json!([["@vault", "@coin", "1000000", after]]);
        lost(&last(case(&["@vault"], &moves, &checks, &json!([["@vault", "2", "100000", "90000"]]))).unwrap())
    };
    assert_eq!(redeemed(100_000), [Some(0)]);
    assert_eq!(redeemed(500_000), [Some(400_000)]);
}

#[test]
fn one_share_of_all_is_all() {
    let moves = json!([["@vault", "@somebody", ZERO, "1"], ["@coin", "@vault", "@somebody", "35000"]]);
    let checks = json!([["@vault", "@coin", "35000", "0"]]);
    let told = last(case(&["@vault"], &moves, &checks, &json!([["@vault", "2", "1", "0"]]))).unwrap();
    assert_eq!(lost(&told), [Some(0)]);
}

#[test]
fn what_came_and_cannot_be_valued_makes_the_loss_unknown_and_not_nothing() {
    let moves = json!([["@coin", "@vault", "@somebody", "500000"], ["@paper", "@somebody", "@vault", "300000"]]);
    let checks = json!([["@vault", "@coin", "1000000", "500000"], ["@vault", "@paper", "600000", "900000"]]);
    let told = last(case(&["@vault"], &moves, &checks, &json!([]))).unwrap();
    assert_eq!(lost(&told), [None]);
    assert_eq!(told.lines[0].lost_at_most(), U256::from(500_000));
}

#[test]
fn what_one_contract_earned_does_not_make_good_what_another_lent() {
    let moves = json!([["@coin", "@market", "@somebody", "37000"], ["@coin", "@somebody", "@pool", "17000"]]);
    let checks = json!([["@market", "@coin", "90000", "53000"], ["@pool", "@coin", "20000", "37000"]]);
    let told = last(case(&["@market", "@pool"], &moves, &checks, &json!([]))).unwrap();
    assert_eq!(lost(&told), [Some(37_000)]);
    assert_eq!(told.lines[0].account, account("market"));
}

#[test]
fn what_goes_through_another_contract_of_the_module_is_counted_once() {
    let moves = json!([["@coin", "@vault", "@strategy", "5000"], ["@coin", "@strategy", "@thief", "5000"]]);
    let checks = json!([["@vault", "@coin", "9000", "4000"], ["@strategy", "@coin", "1", "1"]]);
    let told = last(case(&["@vault", "@strategy"], &moves, &checks, &json!([]))).unwrap();
    assert_eq!(lost(&told), [Some(5_000)]);
    assert_eq!(told.lines[0].account, account("vault"));
}

#[test]
fn a_move_between_contracts_of_the_module_is_no_loss() {
    let moves = json!([["@coin", "@vault", "@strategy", "5000"]]);
    let checks = json!([["@vault", "@coin", "9000", "4000"], ["@strategy", "@coin", "0", "5000"]]);
    assert_eq!(last(case(&["@vault", "@strategy"], &moves, &checks, &json!([]))), None);
}

proptest! {
    /// Accounts 0 to 2 are the module, 3 to 5 are not; one asset, any transfers.
    #[test]
    fn what_left_is_what_was_returned_and_what_was_lost(
        moves in prop::collection::vec((0..6_usize, 0..6_usize, 1_000..1_000_000_u64), 1..20),
    ) {
        let names = ["@a", "@b", "@c", "@x", "@y", "@z"];
        let moved: Vec<Value> =
            moves.iter().map(|(from, to, amount)| json!(["@coin", names[*from], names[*to], amount.to_string()])).collect();
        let told = last(case(&names[..3], &json!(moved), &json!([]), &json!([])));
        let (mut out, mut back) = (0_u64, 0_u64);
        for (from, to, amount) in &moves {
            match (*from < 3, *to < 3) {
                (true, false) => out = out.saturating_add(*amount),
                (false, true) => back = back.saturating_add(*amount),
                (true, true) | (false, false) => {}
            }
        }
        let lines = told.map(|told| told.lines).unwrap_or_default();
        let left = lines.iter().fold(U256::ZERO, |sum, line| sum.saturating_add(line.left));
        // Contracts that share nothing are told apart, so more may have left them than the module; never less, except
        // for what is rounding beside what came.
        let slack = back.saturating_div(500).saturating_add(3_000);
        prop_assert!(left.saturating_add(U256::from(slack)) >= U256::from(out.saturating_sub(back)));
        prop_assert!(left <= U256::from(out), "nothing is counted twice");
        for line in &lines {
            let (returned, lost) = (line.returned.unwrap_or_default(), line.lost_at_most());
            prop_assert_eq!(returned.saturating_add(lost), line.left);
            prop_assert!([account("a"), account("b"), account("c")].contains(&line.account));
        }
    }
}

#[test]
fn thousands_of_forged_assets_are_counted_in_bounded_time() {
    let moves: Vec<Value> = (0..4_000)
        .map(|number| json!([format!("@token{number}"), "@vault", "@thief", "5000"]))
        .chain((0..4_000).map(|number| json!([format!("@other{number}"), "@thief", "@vault", "7000"])))
        .collect();
    let told = last(case(&["@vault"], &json!(moves), &json!([]), &json!([]))).unwrap();
    assert!(told.lines.len() <= 16 && told.gainers.len() <= 16);
}

#[test]
fn worth_is_told_in_what_people_name_and_is_unknown_elsewhere() {
    let moves = json!([["@dai", "@vault", "@thief", "5000000000000000000"], ["@other", "@vault", "@thief", "7000"]]);
    let mut case = case(&["@vault"], &moves, &json!([]), &json!([]));
    let same = json!([{ "asset": "@dai", "decimals": 18 }]);
    let worth = json!({ "numeraire": "@usdc", "numeraire_decimals": 6, "same": same });
    case["settings"] = json!({ "modules": [{ "module": "market", "worth": worth }] });
    let told = last(case).unwrap();
    let mut worths: Vec<Option<u64>> =
        told.lines.iter().map(|line| line.worth.map(|worth| worth.to::<u64>())).collect();
    worths.sort_unstable();
    assert_eq!(worths, [None, Some(5_000_000)]);
}
