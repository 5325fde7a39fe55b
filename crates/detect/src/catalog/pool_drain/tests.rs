//! Which pools were robbed, and which only traded.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::{last, level};

const ZERO: &str = "0x0000000000000000000000000000000000000000";

fn packed(cash: u64, token: u64) -> String {
    let word = alloy_primitives::U256::from(token).wrapping_shl(112) | alloy_primitives::U256::from(cash);
    word.to_string()
}

/// A pool of 1,000,000 cash and 10,000,000 tokens that says `then` after the token's balance was changed, and ends at
/// `after`; `gone` tokens went to `grave`, and the thief has `paid` cash.
fn case(registered: &str, then: (u64, u64), after: (u64, u64), gone: (&str, u64), paid: u64) -> Value {
    let sync = |(cash, token): (u64, u64)| {
        let log = json!({ "event": "Sync(uint112,uint112)", "data": [cash.to_string(), token.to_string()] });
        json!({ "to": "@pool", "function": "sync()", "logs": [log] })
    };
    json!({
        "modules": [{ "id": "module", "contracts": [registered] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@attack", "function": "run()", "calls": [
                { "to": "@token", "function": "change(address,uint256)" }, sync(then), sync(after),
            ] },
            "moves": [
                ["@token", "@pool", gone.0, gone.1.to_string()],
                ["@token", "@attack", "@pool", "1000"],
                ["@cash", "@pool", "@attack", paid.to_string()],
            ],
            "writes": [["@pool", "8", packed(1_000_000, 10_000_000), packed(after.0, after.1)]],
        }],
    })
}

#[test]
fn the_pool_of_a_registered_token_and_a_registered_pool_are_told_alike() {
    for registered in ["@token", "@pool"] {
        let case = case(registered, (1_000_000, 10_000), (100_000, 100_000), (ZERO, 9_990_000), 900_000);
        assert_eq!(level(ID, case.clone()), Some(Level::Alert), "{registered}");
        let finding = last(case).into_iter().find(|finding| finding.detector == ID).unwrap();
        assert_eq!(finding.harm[0].amount, alloy_primitives::U256::from(900_000));
    }
}

#[test]
fn whoever_unwraps_what_he_got_has_got_it() {
    let mut case = case("@token", (1_000_000, 10_000), (100_000, 100_000), (ZERO, 9_990_000), 900_000);
    let moves = case["transactions"][0]["moves"].as_array_mut().unwrap();
    moves.push(json!(["@cash", "@attack", ZERO, "900000"]));
    assert_eq!(level(ID, case.clone()), None, "nobody has it");
    let moves = case["transactions"][0]["moves"].as_array_mut().unwrap();
    moves.push(json!(["native", "@cash", "@attack", "900000"]));
    assert_eq!(level(ID, case), Some(Level::Alert));
}

#[test]
fn strangers_to_the_pool_are_not_told() {
    let case = case("@other", (1_000_000, 10_000), (100_000, 100_000), (ZERO, 9_990_000), 900_000);
    assert_eq!(level(ID, case), None);
}

#[test]
fn a_burn_that_pays_nobody_is_the_token_s_own_affair() {
    let case = case("@token", (1_000_000, 5_000_000), (1_000_000, 5_000_000), (ZERO, 5_000_000), 0);
    assert_eq!(level(ID, case), None);
}

#[test]
fn a_hundredth_burnt_in_a_sale_is_no_drain() {
    let case = case("@token", (1_000_000, 9_900_000), (940_000, 10_540_000), (ZERO, 100_000), 60_000);
    assert_eq!(level(ID, case), None);
}

#[test]
fn burnt_shares_excuse_what_they_stand_for_and_no_more() {
    let redeemed = |burnt: u64| {
        let mut case = case("@token", (1_000_000, 10_000), (100_000, 100_000), (ZERO, 9_990_000), 900_000);
        let transaction = &mut case["transactions"][0];
        transaction["moves"].as_array_mut().unwrap().push(json!(["@pool", "@attack", ZERO, burnt.to_string()]));
        let supply = json!(["@pool", "0", "1000", (1_000 - burnt).to_string()]);
        transaction["writes"].as_array_mut().unwrap().push(supply);
        level(ID, case)
    };
    assert_eq!(redeemed(1), Some(Level::Alert), "a share burnt for show");
    assert_eq!(redeemed(970), None);
}
