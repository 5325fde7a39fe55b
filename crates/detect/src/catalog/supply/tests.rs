//! Supply that nobody paid for, and balances that do not add up.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

const ZERO: &str = "0x0000000000000000000000000000000000000000";

fn transfer(from: &str, to: &str, amount: &str) -> Value {
    json!({
        "modules": [{ "id": "token", "contracts": ["@token"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@token", "function": "transfer(address,uint256)" },
            "moves": [["@token", from, to, amount]],
        }],
    })
}

const HALF: &str = "0x8000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn more_than_any_supply_moved_from_nothing_is_a_stop() {
    let mut case = transfer("@thief", "@one", HALF);
    assert_eq!(level(ID, case.clone()), Some(Level::Stop), "and no balance fell by it");
    case["transactions"][0]["writes"] = json!([["@token", "@balance of thief", HALF, "0"]]);
    assert_eq!(level(ID, case), None, "the holder had it and paid it");
    assert_eq!(level(ID, transfer(ZERO, "@thief", HALF)), Some(Level::Stop), "minted");
}

#[test]
fn a_balance_that_wraps_below_zero_is_a_stop() {
    let mut case = transfer("@thief", "@one", "10");
    let wrapped = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    case["transactions"][0]["writes"] = json!([["@token", "@balance of thief", "9", wrapped]]);
    assert_eq!(level(ID, case), Some(Level::Stop));
}

#[test]
fn a_transfer_to_oneself_that_pays_is_a_stop() {
    let mut case = transfer("@thief", "@thief", "5000");
    assert_eq!(level(ID, case.clone()), None);
    case["transactions"][0]["writes"] = json!([["@token", "@balance of thief", "5000", "10000"]]);
    assert_eq!(level(ID, case.clone()), Some(Level::Stop));
    let others = json!([["@token", "@thief", "@thief", "5000"], ["@token", "@one", "@two", "5000"]]);
    case["transactions"][0]["moves"] = others;
    assert_eq!(level(ID, case), None, "the balance that rose may be that of the other one");
}

#[test]
fn minting_a_large_share_of_the_supply_for_nothing_is_an_alert() {
    let mint = |amount: &str, after: &str| {
        let mut case = transfer(ZERO, "@thief", amount);
        case["transactions"][0]["writes"] = json!([["@token", "2", "1000000", after]]);
        level(ID, case)
    };
    assert_eq!(mint("99999", "1099999"), None);
    assert_eq!(mint("100000", "1100000"), Some(Level::Alert));
}

/// The thief mints `amount` of 1,000,000 shares of a vault and pays `paid` of its 1,000,000 coins.
fn vault(amount: u64, paid: u64) -> Value {
    let total = |before: u64, more: u64| before.saturating_add(more).to_string();
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@coin"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@vault", "function": "mint(uint256)" },
            "moves": [["@coin", "@thief", "@vault", paid.to_string()], ["@vault", ZERO, "@thief", amount.to_string()]],
            "writes": [["@vault", "2", "1000000", total(1_000_000, amount)]],
            "checks": [["@vault", "@coin", "1000000", total(1_000_000, paid)]],
        }],
    })
}

#[test]
fn shares_minted_for_far_too_little_are_an_alert() {
    assert_eq!(level(ID, vault(200_000, 1)), Some(Level::Alert));
    assert_eq!(level(ID, vault(200_000, 49_999)), Some(Level::Alert), "less than a quarter of what it is worth");
    assert_eq!(level(ID, vault(200_000, 50_000)), None);
    assert_eq!(level(ID, vault(99_999, 1)), None, "a small mint");
}

#[test]
fn a_small_mint_that_is_sold_at_once_is_an_alert() {
    let mut sold = vault(10_000, 0);
    let moves = sold["transactions"][0]["moves"].as_array_mut().unwrap();
    moves.push(json!(["@vault", "@thief", "@pool", "10000"]));
    moves.push(json!(["@cash", "@pool", "@thief", "9000"]));
    assert_eq!(level(ID, vault(10_000, 0)), None);
    assert_eq!(level(ID, sold), Some(Level::Alert));
}

#[test]
fn a_deposit_for_which_rounding_gives_no_share_is_an_alert() {
    let mut swallowed = vault(0, 500_000);
    swallowed["transactions"][0]["writes"] = json!([]);
    assert_eq!(level(ID, swallowed), Some(Level::Alert));
    assert_eq!(level(ID, vault(10, 500_000)), Some(Level::Alert), "ten of the smallest units are none");
    assert_eq!(level(ID, vault(11, 500_000)), None, "what shares are worth, their number does not tell");
}

/// The slot of `account` in the mapping at `place`.
fn balance_slot(account: u8, place: u8) -> String {
    let word = |byte: u8| alloy_primitives::B256::with_last_byte(byte);
    alloy_primitives::keccak256([word(account), word(place)].concat()).to_string()
}

/// Account 1 sends account 2 a thousand; the books say what `after` says of the second.
fn sent(place: u8, after: &str, other: &[(&str, &str)]) -> Option<Level> {
    let (one, two) = (format!("0x{:040x}", 1), format!("0x{:040x}", 2));
    let mut case = transfer(&one, &two, "1000");
    let mut writes = vec![
        json!(["@token", balance_slot(1, place), "5000", "4000"]),
        json!(["@token", balance_slot(2, place), "0", after]),
    ];
    writes.extend(other.iter().map(|(old, new)| json!(["@token", "@balance of somebody", old, new])));
    case["transactions"][0]["writes"] = json!(writes);
    level(ID, case)
}

#[test]
fn balances_that_grow_by_more_than_was_minted_are_an_alert() {
    for place in [0, 1, 51, 63] {
        assert_eq!(sent(place, "1000", &[]), None);
        assert_eq!(sent(place, "900", &[]), None, "a fee");
        assert_eq!(sent(place, "1049", &[]), None, "interest");
        assert_eq!(sent(place, "1050", &[]), Some(Level::Alert));
        assert_eq!(sent(place, "2000", &[]), Some(Level::Alert));
        assert_eq!(sent(place, "2000", &[("7000", "6000")]), None, "somebody paid without an event");
        assert_eq!(sent(place, "2000", &[("7000", "6001")]), Some(Level::Alert));
    }
    assert_eq!(sent(0, "2000", &[("90000", "91000")]), None, "the supply grew by as much: a mint by another event");
    assert_eq!(sent(64, "2000", &[]), None, "where the balances stand is not known");
}

/// 30 wei come to the sale once, which calls itself `calls` times and writes `grown` down.
fn counted(calls: usize, grown: u64) -> Value {
    let inner = json!({ "kind": "DelegateCall", "to": "@sale", "function": "commit()" });
    json!({
        "modules": [{ "id": "sale", "contracts": ["@sale"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@sale", "function": "multicall(bytes[])", "value": "30", "calls": vec![inner; calls] },
            "writes": [["@sale", "@entry", "7", grown.saturating_add(7).to_string()]],
        }],
    })
}

#[test]
fn a_payment_that_is_counted_several_times_is_an_alert() {
    assert_eq!(level(ID, counted(10, 300)), Some(Level::Alert));
    assert_eq!(level(ID, counted(10, 60)), Some(Level::Alert));
    assert_eq!(level(ID, counted(10, 30)), None, "once");
    assert_eq!(level(ID, counted(10, 45)), None, "not by the payment");
    assert_eq!(level(ID, counted(2, 300)), None, "more often than it was called: a price");
    let mut twice = counted(10, 60);
    let inner = twice["transactions"][0]["call"].clone();
    twice["transactions"][0]["call"] = json!({ "to": "@attack", "value": "60", "calls": [inner.clone(), inner] });
    assert_eq!(level(ID, twice), None, "two payments came");
}
