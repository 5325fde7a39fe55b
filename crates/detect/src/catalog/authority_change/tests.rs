//! By whom authority and code change, and what that is worth.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::testbed::{account, last, level};

/// `by` (through no contract) has ownership of the vault, held by `@owner` before, pass to `to`; the vault holds 5
/// coins.
fn handover(by: &str, to: &str) -> Value {
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"] }],
        "transactions": [{
            "from": by,
            "call": { "to": "@vault", "function": "transferOwnership(address)",
                "logs": [{ "event": "OwnershipTransferred(address,address)", "topics": ["@owner", to] }] },
            "checks": [["@vault", "native", "5000000000000000000", "5000000000000000000"]],
        }],
    })
}

/// A transaction of `by` that writes `old` to `new` into `slot` of the vault, which holds 5 coins.
fn write(by: &str, slot: &str, old: &str, new: &str) -> Value {
    let mut case = handover(by, new);
    case["transactions"][0]["call"] = json!({ "to": "@vault", "function": "set(address)" });
    case["transactions"][0]["writes"] = json!([["@vault", slot, old, new]]);
    case
}

const IMPLEMENTATION: &str = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
const ADMIN: &str = "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103";

#[test]
fn a_stranger_who_becomes_owner_is_a_stop_with_what_is_held_at_risk() {
    let findings = last(handover("@thief", "@thief"));
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].detector.as_ref(), findings[0].level), (ID, Level::Stop));
    let harm = &findings[0].harm;
    assert_eq!(harm.len(), 1);
    assert!(harm[0].at_risk && harm[0].account == account("vault"));
    assert_eq!(harm[0].amount.to_string(), "5000000000000000000");
}

#[test]
fn with_nothing_to_steal_a_stranger_is_an_alert() {
    let mut case = handover("@thief", "@thief");
    case["transactions"][0]["checks"] = json!([]);
    assert_eq!(level(ID, case), Some(Level::Alert));
}

#[test]
fn a_configured_holder_is_a_notice() {
    let mut case = handover("@keeper", "@someone");
    case["settings"] = json!({ "modules": [{ "module": "vault", "authority": { "holders": ["@keeper"] } }] });
    assert_eq!(level(ID, case), Some(Level::Notice));
}

#[test]
fn the_owner_before_is_an_alert() {
    assert_eq!(level(ID, handover("@owner", "@someone")), Some(Level::Alert));
    assert_eq!(level(ID, handover("@thief", "@someone")), Some(Level::Alert), "a stranger who gains nothing by it");
}

#[test]
fn taking_what_was_offered_earlier_is_an_alert_and_no_stop() {
    let mut case = handover("@heir", "@heir");
    case["transactions"][0]["writes"] = json!([["@vault", "1", "@heir", "0"]]);
    assert_eq!(level(ID, case), Some(Level::Alert));
}

#[test]
fn what_a_contract_does_while_it_is_created_is_nothing() {
    let mut case = handover("@deployer", "@deployer");
    let set_up = case["transactions"][0]["call"].clone();
    case["transactions"][0]["call"] = json!({ "to": "@factory", "function": "create()", "calls": [
        { "kind": "Create", "to": "@vault" }, set_up
    ] });
    case["transactions"][0]["writes"] = json!([["@vault", IMPLEMENTATION, "0", "@good"]]);
    assert_eq!(level(ID, case), None);
}

#[test]
fn a_failed_transaction_changes_nothing() {
    let mut case = handover("@thief", "@thief");
    case["transactions"][0]["call"]["failed"] = json!(true);
    assert_eq!(level(ID, case), None);
}

#[test]
fn standard_slots_speak_without_an_event() {
    assert_eq!(level(ID, write("@thief", ADMIN, "@owner", "@thief")), Some(Level::Stop));
    assert_eq!(level(ID, write("@thief", IMPLEMENTATION, "@good", "@evil")), Some(Level::Alert));
}

#[test]
fn an_event_and_its_slot_are_one_change() {
    let mut case = write("@thief", IMPLEMENTATION, "@good", "@evil");
    case["transactions"][0]["call"]["logs"] = json!([{ "event": "Upgraded(address)", "topics": ["@evil"] }]);
    assert_eq!(last(case).len(), 1);
}

#[test]
fn code_exchanged_in_silence_is_a_stop() {
    let mut case = write("@thief", "7", "@good", "@evil");
    case["transactions"][0]["call"]["calls"] = json!([{ "kind": "DelegateCall", "to": "@good", "function": "set()" }]);
    assert_eq!(level(ID, case), Some(Level::Stop));
}

#[test]
fn a_slot_that_was_missing_never_stops() {
    let mut case = write("@thief", ADMIN, "0", "@thief");
    assert_eq!(level(ID, case.clone()), Some(Level::Stop));
    case["transactions"][0]["missing"] = json!([["@vault", ADMIN]]);
    assert_eq!(level(ID, case), Some(Level::Alert));
}

#[test]
fn destroyed_code_is_a_stop_while_something_is_held() {
    let mut case = handover("@thief", "@thief");
    case["transactions"][0]["call"]["logs"] = json!([]);
    case["transactions"][0]["destroyed"] = json!(["@vault"]);
    assert_eq!(level(ID, case.clone()), Some(Level::Stop));
    case["transactions"][0]["checks"] = json!([]);
    assert_eq!(level(ID, case), Some(Level::Alert));
}

#[test]
fn a_library_that_the_module_runs_is_missed_when_it_goes() {
    let mut case = handover("@user", "@user");
    case["transactions"] = json!([
        { "from": "@user", "call": { "to": "@vault", "function": "pay()", "calls": [
            { "kind": "DelegateCall", "to": "@library", "function": "pay()" }
        ] } },
        { "from": "@thief", "call": { "to": "@library", "function": "kill()" }, "destroyed": ["@library"] },
    ]);
    assert_eq!(level(ID, case.clone()), Some(Level::Alert));
    case["transactions"].as_array_mut().unwrap().remove(0);
    assert_eq!(level(ID, case), None, "nobody was seen to run it");
}

#[test]
fn an_upgrade_that_loots_is_a_stop_whoever_does_it() {
    let mut case = write("@owner", IMPLEMENTATION, "@good", "@evil");
    let transaction = &mut case["transactions"][0];
    transaction["call"]["calls"] = json!([{ "to": "@owner", "value": "5000000000000000000" }]);
    transaction["checks"] = json!([["@vault", "native", "5000000000000000000", "0"]]);
    assert_eq!(level(ID, case), Some(Level::Stop));
}

/// The timelock of the vault announces an upgrade and executes it `wait` seconds later.
fn scheduled(wait: u64, announced: &str) -> Value {
    let log = |event: &str, id: &str| json!({ "event": event, "topics": [id, "0"] });
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault", "@timelock"] }],
        "transactions": [
            { "from": "@proposer", "call": { "to": "@timelock", "function": "schedule()", "logs": [log(
                "CallScheduled(bytes32,uint256,address,uint256,bytes,bytes32,uint256)", announced)] } },
            { "from": "@anyone", "after_seconds": wait, "call": { "to": "@timelock", "function": "execute()",
                "logs": [log("CallExecuted(bytes32,uint256,address,uint256,bytes)", "@operation")],
                "calls": [{ "to": "@vault", "function": "upgradeTo(address)",
                    "logs": [{ "event": "Upgraded(address)", "topics": ["@code"] }] }] } },
        ],
    })
}

#[test]
fn what_a_timelock_announced_a_day_ago_is_a_notice() {
    assert_eq!(level(ID, scheduled(90_000, "@operation")), Some(Level::Notice));
    assert_eq!(level(ID, scheduled(600, "@operation")), Some(Level::Alert), "announced a moment ago");
    assert_eq!(level(ID, scheduled(90_000, "@another")), Some(Level::Alert), "something else was announced");
}

#[test]
fn what_was_announced_and_takes_a_large_share_is_a_stop_all_the_same() {
    let mut loot = scheduled(90_000, "@operation");
    loot["transactions"][1]["moves"] = json!([["@token", "@vault", "@thief", "900"]]);
    loot["transactions"][1]["checks"] = json!([["@vault", "@token", "1000000", "100000"]]);
    loot["modules"][0]["assets"] = json!(["@token"]);
    assert_eq!(level(ID, loot), Some(Level::Stop));
}

#[test]
fn a_signer_whom_the_multisig_itself_adds_is_a_notice_and_any_other_change_is_not() {
    let change = |event: &str, topics: Value| {
        json!({
            "modules": [{ "id": "safe", "contracts": ["@safe"] }],
            "transactions": [{ "from": "@signer", "call": { "to": "@safe", "function": "execTransaction()", "calls": [
                { "to": "@safe", "function": "change()", "logs": [{ "event": event, "topics": topics }] }] } }],
        })
    };
    assert_eq!(level(ID, change("AddedOwner(address)", json!(["@new"]))), Some(Level::Notice));
    assert_eq!(level(ID, change("RemovedOwner(address)", json!(["@old"]))), Some(Level::Alert));
    assert_eq!(level(ID, change("ChangedThreshold(uint256)", json!([]))), Some(Level::Alert));
    let mut swapped = change("RemovedOwner(address)", json!(["@old"]));
    let logs = swapped["transactions"][0]["call"]["calls"][0]["logs"].as_array_mut().unwrap();
    logs.push(json!({ "event": "AddedOwner(address)", "topics": ["@new"] }));
    assert_eq!(level(ID, swapped.clone()), Some(Level::Notice), "one for another");
    let logs = swapped["transactions"][0]["call"]["calls"][0]["logs"].as_array_mut().unwrap();
    logs.push(json!({ "event": "ChangedThreshold(uint256)" }));
    assert_eq!(level(ID, swapped), Some(Level::Alert));
}

#[test]
fn a_shell_that_its_maker_clears_away_is_a_notice_and_a_library_that_is_run_is_not() {
    let destroyed = |registered: Value| {
        json!({
            "modules": registered,
            "transactions": [{ "from": "@bot", "call": { "to": "@maker", "function": "free()", "calls": [
                { "to": "@shell", "function": "kill()" }] }, "destroyed": ["@shell"] }],
        })
    };
    let both = json!([{ "id": "maker", "contracts": ["@maker"] }, { "id": "shell", "contracts": ["@shell"] }]);
    assert_eq!(level(ID, destroyed(both)), Some(Level::Notice));
    assert_eq!(level(ID, destroyed(json!([{ "id": "shell", "contracts": ["@shell"] }]))), Some(Level::Alert));
}

#[test]
fn code_that_the_sender_brings_along_is_an_alert() {
    let ran = |code: &str, to: &str| {
        json!({
            "modules": [{ "id": "wallet", "contracts": ["@wallet"] }],
            "transactions": [{
                "from": "@stranger",
                "call": { "to": to, "function": "run()", "calls": [{ "to": "@wallet", "function": "execute()", "calls": [
                    { "kind": "DelegateCall", "to": code, "function": "sweep()" }] }] },
            }],
        })
    };
    assert_eq!(level(ID, ran("@brought", "@brought")), Some(Level::Alert));
    assert_eq!(level(ID, ran("@library", "@entry")), None, "code that was there before");
}

/// The owner, seen for a day, hands over to `@next`, which had code or not.
fn handed_over(contracts: Value, from: &str) -> Value {
    let log = json!({ "event": "OwnershipTransferred(address,address)", "topics": ["@owner", "@next"] });
    json!({
        "modules": [{ "id": "treasury", "contracts": ["@treasury"] }],
        "transactions": [
            { "from": "@owner", "call": { "to": "@treasury", "function": "pay()" } },
            { "from": from, "after_seconds": 90_000, "contracts": contracts,
              "call": { "to": "@treasury", "function": "transferOwnership(address)", "logs": [log] } },
        ],
    })
}

#[test]
fn a_handover_to_a_contract_by_whom_held_it_long_is_a_notice_and_to_an_account_an_alert() {
    assert_eq!(level(ID, handed_over(json!(["@next"]), "@owner")), Some(Level::Notice));
    assert_eq!(level(ID, handed_over(json!([]), "@owner")), Some(Level::Alert));
    assert_eq!(level(ID, handed_over(json!(["@next"]), "@stranger")), Some(Level::Alert), "not by the holder");
}
