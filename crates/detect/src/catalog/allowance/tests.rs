//! When a spent or given allowance serves a stranger, and when it is how relayers and reward payers work.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::level;

/// The router spends 90,000 of what the victim allowed; the victim keeps `left`.
fn spend(sender: &str, left: u64) -> Value {
    let arguments = json!(["@victim", "@thief", "90000"]);
    json!({
        "modules": [{ "id": "router", "contracts": ["@router"] }],
        "transactions": [{
            "from": sender,
            "call": { "to": "@router", "function": "execute(bytes)", "calls": [
                { "to": "@token", "function": "transferFrom(address,address,uint256)", "arguments": arguments }
            ] },
            "moves": [["@token", "@victim", "@thief", "90000"]],
            "writes": [["@token", "0xffff0001", left.saturating_add(90_000).to_string(), left.to_string()]],
        }],
    })
}

#[test]
fn an_owner_who_does_nothing_and_is_left_with_nothing_is_an_alert() {
    assert_eq!(level(ID, spend("@thief", 0)), Some(Level::Alert));
    assert_eq!(level(ID, spend("@victim", 0)), None, "the owner acts");
    let mut paid = spend("@thief", 0);
    paid["transactions"][0]["moves"].as_array_mut().unwrap().push(json!(["@coin", "@thief", "@victim", "1"]));
    assert_eq!(level(ID, paid), None, "the owner is paid");
}

#[test]
fn a_part_of_a_balance_is_how_rewards_are_paid() {
    assert_eq!(level(ID, spend("@operator", 1_000_000)), Some(Level::Notice));
    let mut used_up = spend("@operator", 1_000_000);
    used_up["transactions"][0]["writes"].as_array_mut().unwrap().push(json!(["@token", "0xffff0002", "90000", "0"]));
    assert_eq!(level(ID, used_up), Some(Level::Notice), "the allowance is used up, the balance is not");
}

#[test]
fn who_writes_the_victim_into_the_calldata_makes_an_arbitrary_call() {
    let mut chosen = spend("@thief", 1_000_000);
    let call = &mut chosen["transactions"][0]["call"];
    call["function"] = json!("transferFrom(address,address,uint256)");
    call["arguments"] = json!(["@victim", "@thief", "90000"]);
    assert_eq!(level(ID, chosen), Some(Level::Alert));
}

#[test]
fn several_owners_among_the_callers_arguments_whose_assets_are_his_now_are_an_alert() {
    let pull = |owners: &[&str], to: &str| {
        let calls: Vec<Value> = owners
            .iter()
            .map(|owner| {
                let arguments = json!([owner, to, "90000"]);
                json!({ "to": "@token", "function": "transferFrom(address,address,uint256)", "arguments": arguments })
            })
            .collect();
        let moves: Vec<Value> = owners.iter().map(|owner| json!(["@token", owner, to, "90000"])).collect();
        let call =
            json!({ "to": "@router", "function": "collect(address,address)", "arguments": owners, "calls": calls });
        json!({
            "modules": [{ "id": "router", "contracts": ["@router"] }],
            "transactions": [{ "from": "@caller", "call": call, "moves": moves }],
        })
    };
    assert_eq!(level(ID, pull(&["@one", "@two"], "@caller")), Some(Level::Alert));
    assert_eq!(level(ID, pull(&["@one"], "@caller")), Some(Level::Notice), "one may have asked for it");
    assert_eq!(level(ID, pull(&["@one", "@two"], "@shop")), Some(Level::Notice), "somebody else is paid");
}

/// The vault allows `spender` to spend its token.
fn approve(spender: &str, held: Value) -> Value {
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@token"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@vault", "function": "execute(bytes)", "calls": [{
                "to": "@token", "function": "approve(address,uint256)",
                "logs": [{ "event": "Approval(address,address,uint256)", "topics": ["@vault", spender], "data": ["500"] }],
            }] },
            "checks": [["@vault", "@token", held, held]],
        }],
    })
}

#[test]
fn allowing_the_sender_to_spend_what_the_module_holds_is_an_alert() {
    assert_eq!(level(ID, approve("@thief", json!("900"))), Some(Level::Alert));
    assert_eq!(level(ID, approve("@exchange", json!("900"))), None, "a third party that does not act here");
    assert_eq!(level(ID, approve("@thief", json!("0"))), None, "there is nothing to spend");
}

/// Two holders of the module's token are emptied by the thief, who redeems `sold` of the 180,000.
fn emptied(holders: &[&str], sold: u64) -> Value {
    let calls: Vec<Value> = holders
        .iter()
        .map(|holder| {
            let arguments = json!([holder, "@attack", "90000"]);
            json!({ "to": "@vault", "function": "transferFrom(address,address,uint256)", "arguments": arguments })
        })
        .collect();
    let mut moves: Vec<Value> = holders.iter().map(|holder| json!(["@vault", holder, "@attack", "90000"])).collect();
    moves.push(json!(["@vault", "@attack", "@pool", sold.to_string()]));
    let writes: Vec<Value> =
        (0..holders.len()).map(|index| json!(["@vault", format!("0xffff000{index}"), "90000", "0"])).collect();
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@attack", "function": "run()", "calls": calls },
            "moves": moves,
            "writes": writes,
        }],
    })
}

#[test]
fn holders_who_are_emptied_and_turned_to_money_at_once_are_an_alert() {
    assert_eq!(level(ID, emptied(&["@one", "@two"], 90_000)), Some(Level::Alert));
    assert_eq!(level(ID, emptied(&["@one", "@two"], 89_999)), None, "a collector keeps what he sweeps");
    assert_eq!(level(ID, emptied(&["@one"], 90_000)), None, "one may have asked for it");
    let mut acting = emptied(&["@one", "@two"], 90_000);
    acting["transactions"][0]["from"] = json!("@two");
    assert_eq!(level(ID, acting), None, "one of two acts");
}

/// The desk takes in what the owner allowed, and `to` is written down for it, where its books stand in mapping `place`.
fn deposited(to: u8, place: u8) -> Value {
    let word = |byte: u8| alloy_primitives::B256::with_last_byte(byte);
    let slot = alloy_primitives::keccak256([word(to), word(place)].concat()).to_string();
    let (owner, thief) = (format!("0x{:040x}", 7), format!("0x{:040x}", 8));
    let arguments = json!([owner, "@desk", "90000"]);
    json!({
        "modules": [{ "id": "desk", "contracts": ["@desk"] }],
        "transactions": [{
            "from": thief,
            "call": { "to": "@desk", "function": "depositFor(address)", "calls": [
                { "to": "@token", "function": "transferFrom(address,address,uint256)", "arguments": arguments }
            ] },
            "moves": [["@token", owner, "@desk", "90000"]],
            "writes": [["@desk", slot, "5", "90005"]],
        }],
    })
}

#[test]
fn what_an_owner_allowed_and_a_stranger_is_credited_with_is_an_alert() {
    for place in [0, 3, 23] {
        assert_eq!(level(ID, deposited(8, place)), Some(Level::Alert), "{place}");
        assert_eq!(level(ID, deposited(7, place)), None, "the owner's own deposit, sent by a relayer");
        assert_eq!(level(ID, deposited(9, place)), None, "somebody else's books are not read");
    }
    assert_eq!(level(ID, deposited(8, 24)), None, "where the books stand is not known");
}

#[test]
fn an_allowance_for_later_is_told_where_the_module_was_watched_and_holds_the_token() {
    let bridge = |after_seconds: u64, spender_called: bool, moves: Value, checks: Value| {
        let unbounded = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
        let approval = json!({
            "event": "Approval(address,address,uint256)", "topics": ["@bridge", "@later"], "data": [unbounded],
        });
        let mut calls = vec![json!({ "to": "@coin", "function": "approve(address,uint256)", "logs": [approval] })];
        if spender_called {
            calls.push(json!({ "to": "@later", "function": "swap()" }));
        }
        json!({
            "modules": [{ "id": "bridge", "contracts": ["@bridge"] }],
            "transactions": [
                { "from": "@user",
                  "call": { "to": "@bridge", "function": "lock()", "calls": [{ "to": "@coin", "function": "move()" }] },
                  "moves": moves, "checks": checks },
                { "from": "@stranger", "after_seconds": after_seconds,
                  "call": { "to": "@bridge", "function": "execute()", "calls": calls } },
            ],
        })
    };
    let lock = || json!([["@coin", "@user", "@bridge", "1000"]]);
    let held = || json!([["@bridge", "@coin", "900000", "901000"]]);
    assert_eq!(level(ID, bridge(90_000, false, lock(), held())), Some(Level::Alert));
    assert_eq!(level(ID, bridge(90_000, true, lock(), held())), None, "used at once, as routers are");
    assert_eq!(level(ID, bridge(600, false, lock(), held())), None, "in the first day everything is new");
    assert_eq!(level(ID, bridge(90_000, false, json!([]), json!([]))), None, "never seen to hold any");
}

/// The desk fills the owner's order: 9,000 of the coin for `paid` of cash, both of the same worth in the pool that the taker
/// sells in.
fn filled(paid: u64, priced: bool) -> Value {
    let pool = if priced {
        json!([{ "event": "Sync(uint112,uint112)", "data": ["100000000", "100000000"] }])
    } else {
        json!([])
    };
    let arguments = json!(["@owner", "@attack", "9000"]);
    json!({
        "modules": [{ "id": "desk", "contracts": ["@desk"] }],
        "transactions": [{
            "from": "@thief",
            "call": { "to": "@attack", "function": "run()", "calls": [
                { "to": "@desk", "function": "fill()", "calls": [
                    { "to": "@coin", "function": "transferFrom(address,address,uint256)", "arguments": arguments }
                ] },
                { "to": "@pool", "function": "swap()", "logs": pool }
            ] },
            "moves": [
                ["@cash", "@attack", "@owner", paid.to_string()],
                ["@coin", "@owner", "@attack", "9000"],
                ["@coin", "@attack", "@pool", "9000"],
                ["@cash", "@pool", "@attack", "8999"],
            ],
        }],
    })
}

#[test]
fn an_owner_who_gets_too_little_for_what_he_allowed_is_an_alert() {
    assert_eq!(level(ID, filled(6_000, true)), Some(Level::Alert));
    assert_eq!(level(ID, filled(6_400, true)), None, "a bad price, not a theft");
    assert_eq!(level(ID, filled(6_000, false)), None, "nobody tells what it is worth");
    let mut own = filled(6_000, true);
    own["transactions"][0]["from"] = json!("@owner");
    assert_eq!(level(ID, own), None, "he asked for it himself");
    let mut other = filled(6_000, true);
    other["transactions"][0]["moves"].as_array_mut().unwrap().push(json!(["@cash", "@attack", "@friend", "2999"]));
    assert_eq!(level(ID, other), None, "the difference is not the sender's");
}

#[test]
fn items_of_two_owners_who_get_nothing_are_an_alert() {
    let bought = |owners: &[&str], to: &str| {
        let transfer = |(index, owner): (usize, &&str)| {
            let arguments = json!([owner, to, index.to_string()]);
            json!({ "to": "@nft", "function": "transferFrom(address,address,uint256)", "arguments": arguments })
        };
        let calls: Vec<Value> = owners.iter().enumerate().map(transfer).collect();
        let moved = |(index, owner): (usize, &&str)| json!([format!("@nft#{index}"), owner, to, "1"]);
        let moves: Vec<Value> = owners.iter().enumerate().map(moved).collect();
        json!({
            "modules": [{ "id": "bazaar", "contracts": ["@bazaar"] }],
            "transactions": [{
                "from": "@buyer",
                "call": { "to": "@bazaar", "function": "buy()", "calls": calls },
                "moves": moves,
            }],
        })
    };
    assert_eq!(level(ID, bought(&["@one", "@two"], "@buyer")), Some(Level::Alert));
    assert_eq!(level(ID, bought(&["@one"], "@buyer")), Some(Level::Notice), "one may have given it");
    assert_eq!(level(ID, bought(&["@one", "@two"], "@shelf")), Some(Level::Notice), "they are not his");
}
