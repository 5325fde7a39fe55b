//! How much may leave, for what, and how fast.

use cofferdam_types::{Finding, Level};
use serde_json::{Value, json};

use super::ID;
use crate::testbed::{last, level};

/// `amount` of the 1,000,000 tokens that the vault holds go to the user for nothing.
fn outflow(amount: u64) -> Value {
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault", "@reserve"], "assets": ["@token", "@nft"] }],
        "transactions": [withdrawal(1_000_000, amount)],
    })
}

fn withdrawal(held: u64, amount: u64) -> Value {
    json!({
        "from": "@user",
        "call": { "to": "@vault", "function": "withdraw(uint256)" },
        "moves": [["@token", "@vault", "@user", amount.to_string()]],
        "checks": [["@vault", "@token", held.to_string(), held.saturating_sub(amount).to_string()]],
    })
}

fn with_limit(mut case: Value, limit: Value) -> Value {
    case["settings"] = json!({ "modules": [{ "module": "vault", "outflow": { "limits": [limit] } }] });
    case
}

#[test]
fn a_share_for_nothing_is_an_alert_from_its_threshold_on() {
    assert_eq!(level(ID, outflow(99_999)), None);
    assert_eq!(level(ID, outflow(100_000)), Some(Level::Alert));
    assert_eq!(level(ID, outflow(1_000_000)), Some(Level::Alert), "harm alone is no stop");
}

#[test]
fn what_goes_round_in_the_same_transaction_hides_no_loss() {
    let mut case = outflow(500_000);
    let moves = case["transactions"][0]["moves"].as_array_mut().unwrap();
    for _ in 0..20 {
        moves.push(json!(["@token", "@user", "@vault", "100000000"]));
        moves.push(json!(["@token", "@vault", "@user", "100000000"]));
    }
    assert_eq!(level(ID, case.clone()), Some(Level::Alert));
    let limited = with_limit(case, json!({ "asset": "@token", "per_transaction_bps": 4_000 }));
    assert_eq!(level(ID, limited), Some(Level::Stop), "nor from a limit that people wrote");
}

#[test]
fn an_allowance_of_the_same_amount_is_no_entry_in_the_books() {
    let booked = |approval: bool| {
        let mut case = outflow(200_000);
        let call = case["transactions"][0]["call"].clone();
        case["transactions"][0]["call"] = json!({ "kind": "Create", "to": "@attack", "calls": [call] });
        case["transactions"][0]["writes"] = json!([["@vault", "@allowance", "0", "200000"]]);
        if approval {
            let log = json!({
                "event": "Approval(address,address,uint256)", "topics": ["@user", "@attack"], "data": ["200000"],
            });
            case["transactions"][0]["call"]["calls"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "to": "@vault", "function": "approve(address,uint256)", "logs": [log] }));
        }
        level(ID, case)
    };
    assert_eq!(booked(true), Some(Level::Stop));
    assert_eq!(booked(false), Some(Level::Alert), "an entry of the vault itself");
}

#[test]
fn a_share_for_nothing_and_a_counterparty_born_for_it_are_a_stop() {
    let mut case = outflow(200_000);
    let call = case["transactions"][0]["call"].clone();
    case["transactions"][0]["call"] = json!({ "kind": "Create", "to": "@attack", "calls": [call] });
    assert_eq!(level(ID, case), Some(Level::Stop));
}

#[test]
fn a_token_that_strangers_made_alerts_and_never_stops() {
    let mut case = outflow(1_000_000);
    case["transactions"][0]["call"] = json!({ "kind": "Create", "to": "@attack", "calls": [
        { "to": "@vault", "function": "poke()" }, { "to": "@token", "function": "pretend()" },
    ] });
    case["modules"][0]["assets"] = json!(["@coin"]);
    assert_eq!(level(ID, case.clone()), Some(Level::Alert), "people named what the vault holds, and this is not it");
    case["modules"][0]["assets"] = json!([]);
    assert_eq!(level(ID, case.clone()), Some(Level::Alert), "nobody named anything, but the vault never called it");
    assert_eq!(level(ID, with_limit(case.clone(), json!({ "per_transaction_bps": 100 }))), Some(Level::Alert));
    let own_call = json!([{ "to": "@token", "function": "transfer(address,uint256)" }]);
    case["transactions"][0]["call"]["calls"][0]["calls"] = own_call;
    assert_eq!(level(ID, case.clone()), Some(Level::Stop), "the vault itself pays it out");
    case["transactions"][0]["call"]["calls"][1]["kind"] = json!("Create");
    assert_eq!(level(ID, case), Some(Level::Alert), "the token came into being for it");
}

#[test]
fn a_written_limit_per_transaction_is_a_stop_just_above_it() {
    for limit in
        [json!({ "per_transaction_bps": 100 }), json!({ "asset": "@token", "per_transaction_amount": "10000" })]
    {
        assert_eq!(level(ID, with_limit(outflow(10_000), limit.clone())), None, "{limit}");
        assert_eq!(level(ID, with_limit(outflow(10_001), limit.clone())), Some(Level::Stop), "{limit}");
    }
}

#[test]
fn a_limit_for_another_asset_does_not_bind() {
    let limit = json!({ "asset": "@coin", "per_transaction_amount": "1" });
    assert_eq!(level(ID, with_limit(outflow(10_001), limit)), None);
}

#[test]
fn a_window_adds_up_what_left_and_forgets_what_is_older() {
    for limit in [
        json!({ "window_amount": "20000", "window_seconds": 600 }),
        json!({ "window_bps": 200, "window_seconds": 600 }),
    ] {
        let twice = |wait: u64| {
            let mut case = outflow(15_000);
            let mut second = withdrawal(985_000, 15_000);
            second["after_seconds"] = json!(wait);
            case["transactions"].as_array_mut().unwrap().push(second);
            with_limit(case, limit.clone())
        };
        assert_eq!(level(ID, twice(600)), Some(Level::Stop), "{limit}");
        assert_eq!(level(ID, twice(601)), None, "{limit}");
    }
}

#[test]
fn a_slow_drain_is_told_once_when_it_crosses_the_window() {
    let mut case = outflow(1);
    let draw = |number: u64| withdrawal(1_000_000_u64.saturating_sub(number.saturating_mul(70_000)), 70_000);
    case["transactions"] = (0..4).map(draw).collect();
    let told = |found: &Vec<Finding>| found.iter().filter(|finding| finding.detector == ID).count();
    let told: Vec<usize> = crate::testbed::Case::read(case).findings().iter().map(told).collect();
    assert_eq!(told, [0, 0, 1, 0]);
}

#[test]
fn moves_inside_the_module_are_no_outflow() {
    let mut case = outflow(1_000_000);
    case["transactions"][0]["moves"] = json!([["@token", "@vault", "@reserve", "1000000"]]);
    case["transactions"][0]["checks"] =
        json!([["@vault", "@token", "1000000", "0"], ["@reserve", "@token", "0", "1000000"]]);
    assert_eq!(level(ID, with_limit(case, json!({ "per_transaction_amount": "1" }))), None);
}

#[test]
fn a_fair_exchange_may_be_larger_than_a_gift() {
    let swap = |amount: u64, held: &str, paid: &str, after: &str| {
        let mut case = outflow(amount);
        let transaction = &mut case["transactions"][0];
        transaction["moves"].as_array_mut().unwrap().push(json!(["@coin", "@user", "@vault", paid]));
        transaction["checks"].as_array_mut().unwrap().push(json!(["@vault", "@coin", held, after]));
        case
    };
    assert_eq!(level(ID, swap(300_000, "1000000", "300000", "1300000")), None);
    assert_eq!(level(ID, swap(400_000, "1000000", "400000", "1400000")), Some(Level::Alert));
    assert_eq!(
        level(ID, swap(300_000, "1000000", "2000", "1002000")),
        Some(Level::Alert),
        "next to nothing is nothing"
    );
}

#[test]
fn a_balance_that_fell_without_an_event_is_seen() {
    let mut case = outflow(500_000);
    case["transactions"][0]["moves"] = json!([]);
    assert_eq!(level(ID, case), Some(Level::Alert));
}

#[test]
fn a_named_token_that_does_not_answer_for_its_balances_is_an_alert_and_others_are_silent() {
    let mut case = outflow(5_000);
    case["transactions"][0]["checks"] = json!([["@vault", "@token", null, null]]);
    assert_eq!(level(ID, case.clone()), Some(Level::Alert));
    let findings = last(case.clone());
    assert!(findings.iter().all(|finding| finding.harm.iter().all(|harm| harm.at_risk)), "a claim is no loss");
    case["modules"][0]["assets"] = json!(["@coin"]);
    assert_eq!(level(ID, case), None);
}

#[test]
fn effects_that_were_not_executed_here_never_stop() {
    let mut case = with_limit(outflow(500_000), json!({ "per_transaction_bps": 1 }));
    assert_eq!(level(ID, case.clone()), Some(Level::Stop));
    for basis in ["receipt", "diverged"] {
        case["transactions"][0]["basis"] = json!(basis);
        assert_eq!(level(ID, case.clone()), Some(Level::Alert));
    }
}

#[test]
fn an_exception_lowers_to_a_notice_until_its_last_day() {
    let allowed = |until: &str, who: &str| {
        let mut case = outflow(500_000);
        case["settings"] = json!({ "modules": [{ "module": "vault", "allow": [
            { "detector": "asset-outflow", "recipient": who, "owner": "ann", "reason": "migration", "until": until }
        ] }] });
        level(ID, case)
    };
    assert_eq!(allowed("2023-11-14", "@user"), Some(Level::Notice), "the block is of that day");
    assert_eq!(allowed("2023-11-13", "@user"), Some(Level::Alert));
    assert_eq!(allowed("2023-11-14", "@other"), Some(Level::Alert));
}

#[test]
fn the_settings_cap_what_a_detector_may_say() {
    let mut case = with_limit(outflow(500_000), json!({ "per_transaction_bps": 1 }));
    case["settings"]["max_level"] = json!({ "asset-outflow": "notice" });
    assert_eq!(level(ID, case), Some(Level::Notice));
}

#[test]
fn items_of_a_collection_are_counted_for_written_amounts() {
    let mut case = outflow(1);
    case["transactions"][0]["checks"] = json!([]);
    case["transactions"][0]["moves"] = json!([["@nft#1", "@vault", "@user", "1"], ["@nft#2", "@vault", "@user", "1"]]);
    assert_eq!(level(ID, with_limit(case.clone(), json!({ "per_transaction_amount": "2" }))), None);
    assert_eq!(level(ID, with_limit(case, json!({ "per_transaction_amount": "1" }))), Some(Level::Stop));
}

#[test]
fn the_same_facts_give_the_same_findings_in_the_same_order() {
    let case = || with_limit(outflow(500_000), json!({ "per_transaction_bps": 1 }));
    assert_eq!(last(case()), last(case()));
}

/// A holder burns `burnt` of 1,000,000 shares and takes `amount` of the vault's 1,000,000 tokens.
fn redemption(burnt: u64, amount: u64) -> Value {
    let zero = "0x0000000000000000000000000000000000000000";
    let mut case = outflow(amount);
    case["transactions"][0]["moves"].as_array_mut().unwrap().push(json!(["@vault", "@user", zero, burnt.to_string()]));
    let left = 1_000_000_u64.saturating_sub(burnt).to_string();
    case["transactions"][0]["writes"] = json!([["@vault", "2", "1000000", left]]);
    case
}

#[test]
fn shares_burnt_for_their_worth_are_told_to_nobody_however_many() {
    assert_eq!(level(ID, redemption(700_000, 700_000)), None);
    assert_eq!(level(ID, redemption(700_000, 777_000)), None, "within a tenth");
    assert_eq!(level(ID, redemption(700_000, 780_000)), Some(Level::Alert), "more than they are worth");
}

/// The vault sells 400,000 of its 1,000,000 tokens for `paid` coins into a pool where both were worth the same.
fn sale(paid: u64, to: &str) -> Value {
    let mut case = outflow(400_000);
    let transaction = &mut case["transactions"][0];
    transaction["call"]["calls"] = json!([{ "to": "@pool", "function": "swap()",
        "logs": [{ "event": "Sync(uint112,uint112)", "data": ["1000000000", "1000000000"] }] }]);
    transaction["moves"] = json!([["@token", "@vault", "@pool", "400000"], ["@coin", "@pool", to, paid.to_string()]]);
    let held = 90_000_000_u64;
    let after = if to == "@vault" { held.saturating_add(paid) } else { held };
    transaction["checks"].as_array_mut().unwrap().push(json!(["@vault", "@coin", held.to_string(), after.to_string()]));
    case
}

#[test]
fn what_is_sold_at_its_price_before_is_no_loss() {
    assert_eq!(level(ID, sale(390_000, "@vault")), None);
    assert_eq!(level(ID, sale(300_000, "@vault")), Some(Level::Alert), "a quarter too little");
    assert_eq!(level(ID, sale(390_000, "@user")), Some(Level::Alert), "the vault gets nothing of it");
}

/// The token sells a third of its own stock into a pool in the middle of a user's trade; the coins go to `to`.
fn own_sale(to: &str) -> Value {
    json!({
        "modules": [{ "id": "token", "contracts": ["@token"] }],
        "transactions": [{
            "from": "@user",
            "call": { "to": "@router", "function": "swap()", "calls": [{ "to": "@token", "function": "transfer()" },
                { "to": "@pool", "function": "swap()",
                    "logs": [{ "event": "Sync(uint112,uint112)", "data": ["1000000000", "1000000000"] }] }] },
            "moves": [["@token", "@token", "@pool", "300000"], ["@coin", "@pool", to, "299000"]],
            "checks": [["@token", "@token", "900000", "600000"]],
        }],
    })
}

#[test]
fn a_token_that_sells_its_own_stock_is_no_theft_unless_the_sender_is_paid() {
    assert_eq!(level(ID, own_sale("@treasury")), None);
    assert_eq!(level(ID, own_sale("@user")), Some(Level::Alert));
}

/// A keeper pays 1 % of a reserve to `@payee` every day for ten days, and then `amount` of 1,000,000 to `receivers`.
fn paid_for_weeks(receivers: &[String], amount: u64, writes: Value) -> Value {
    let pay = |to: &[String], amount: u64, writes: Value| {
        let each = amount.checked_div(u64::try_from(to.len()).unwrap()).unwrap();
        let moves: Vec<Value> = to.iter().map(|to| json!(["@coin", "@reserve", to, each.to_string()])).collect();
        let left = 1_000_000_u64.saturating_sub(amount).to_string();
        json!({
            "from": "@keeper", "after_seconds": 86_400,
            "call": { "to": "@reserve", "function": "pay()" },
            "moves": moves, "checks": [["@reserve", "@coin", "1000000", left]], "writes": writes,
        })
    };
    let usual = vec!["@payee".to_owned()];
    let mut transactions: Vec<Value> = (0..10).map(|_| pay(&usual, 10_000, json!([]))).collect();
    transactions.push(pay(receivers, amount, writes));
    let modules = json!([{ "id": "reserve", "contracts": ["@reserve"], "assets": ["@coin"] }]);
    json!({ "modules": modules, "transactions": transactions })
}

#[test]
fn who_has_paid_for_weeks_may_pay_somewhat_more_and_to_many() {
    let one = |name: &str| vec![name.to_owned()];
    let many: Vec<String> = (0..25).map(|number| format!("@holder{number}")).collect();
    assert_eq!(level(ID, paid_for_weeks(&one("@builder"), 150_000, json!([]))), Some(Level::Notice));
    assert_eq!(level(ID, paid_for_weeks(&one("@builder"), 500_000, json!([]))), Some(Level::Alert));
    assert_eq!(level(ID, paid_for_weeks(&many, 800_000, json!([]))), Some(Level::Notice), "in small parts");
    assert_eq!(level(ID, paid_for_weeks(&many[..5], 800_000, json!([]))), Some(Level::Alert));
    assert_eq!(level(ID, paid_for_weeks(&one("@keeper"), 150_000, json!([]))), Some(Level::Alert), "to himself");
}

#[test]
fn what_the_books_say_is_owed_back_by_the_usual_receiver_is_ordinary() {
    let owed = json!([["@reserve", "5", "1000", "501000"]]);
    let usual = vec!["@payee".to_owned()];
    assert_eq!(level(ID, paid_for_weeks(&usual, 500_000, owed.clone())), Some(Level::Notice));
    assert_eq!(level(ID, paid_for_weeks(&usual, 500_000, json!([]))), Some(Level::Alert));
    assert_eq!(level(ID, paid_for_weeks(&["@other".to_owned()], 500_000, owed)), Some(Level::Alert));
}

#[test]
fn a_claim_of_a_contract_that_has_just_come_into_being_is_one_that_nobody_owes() {
    let claim = |kind: &str| {
        json!({
            "modules": [{ "id": "farm", "contracts": ["@farm"], "assets": ["@coin"] }],
            "transactions": [{
                "from": "@stranger",
                "call": { "kind": kind, "to": "@attack", "calls": [{ "to": "@farm", "function": "claim()" }] },
                "moves": [["@coin", "@farm", "@attack", "200000"]],
                "checks": [["@farm", "@coin", "1000000", "800000"]],
                "writes": [["@farm", "@entry", "200000", "0"]],
            }],
        })
    };
    assert_eq!(level(ID, claim("Create")), Some(Level::Alert));
    assert_eq!(level(ID, claim("Call")), None, "a claim of somebody who was there before");
}

#[test]
fn items_that_leave_against_an_entry_of_the_books_are_nobody_s_loss() {
    let mut case = json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@nft"] }],
        "transactions": [{ "from": "@owner", "call": { "to": "@vault", "function": "withdraw(uint256)" },
                           "moves": [["@nft#4", "@vault", "@owner", "1"]] }],
    });
    assert_eq!(level(ID, case.clone()), Some(Level::Alert));
    case["transactions"][0]["writes"] = json!([["@vault", "@entry of item", "@owner", "0"]]);
    assert_eq!(level(ID, case), None);
}

/// The thief calls one function of the pool `calls` times, gets `amount` of 1,000,000 for nothing, and `entries` of the
/// books change.
fn repeated(calls: usize, amount: u64, entries: usize) -> Value {
    let entry = |index: usize| json!(["@pool", format!("@entry {index}"), "0", "1"]);
    json!({
        "modules": [{ "id": "pool", "contracts": ["@pool"], "assets": ["@token"] }],
        "transactions": [{
            "from": "@thief",
            "call": {
                "to": "@attack", "function": "run()",
                "calls": vec![json!({ "to": "@pool", "function": "buy()" }); calls],
            },
            "moves": [["@token", "@pool", "@attack", amount.to_string()]],
            "writes": (0..entries).map(entry).collect::<Vec<_>>(),
            "checks": [["@pool", "@token", "1000000", 1_000_000_u64.saturating_sub(amount).to_string()]],
        }],
    })
}

#[test]
fn many_small_payments_by_one_function_without_a_trace_are_an_alert() {
    assert_eq!(level(ID, repeated(8, 5_000, 0)), Some(Level::Alert));
    assert_eq!(level(ID, repeated(8, 5_000, 3)), Some(Level::Alert), "fewer entries than half of the calls");
    assert_eq!(level(ID, repeated(8, 5_000, 4)), None, "each claim is written down");
    assert_eq!(level(ID, repeated(7, 5_000, 0)), None, "no repetition yet");
    assert_eq!(level(ID, repeated(8, 2_400, 0)), None, "dust");
}

/// The user gets back half of what the desk holds; his entry, or that of `whose`, falls by as much.
fn claimed(whose: &str, fallen: u64) -> Value {
    let user = crate::testbed::account(whose).into_word();
    let slot = alloy_primitives::keccak256([user, alloy_primitives::B256::with_last_byte(1)].concat()).to_string();
    let mut case = outflow(500_000);
    case["transactions"][0]["writes"] =
        json!([["@vault", slot, "600000", 600_000_u64.saturating_sub(fallen).to_string()]]);
    case
}

#[test]
fn whoever_takes_what_the_books_owed_him_is_noted_only() {
    assert_eq!(level(ID, claimed("user", 500_000)), Some(Level::Notice));
    assert_eq!(level(ID, claimed("other", 500_000)), Some(Level::Alert), "somebody else's entry");
    assert_eq!(level(ID, claimed("user", 499_999)), Some(Level::Alert), "not what he got");
    let mut again = claimed("user", 300_000);
    again["transactions"][0]["moves"] =
        json!([["@token", "@vault", "@user", "200000"], ["@token", "@vault", "@user", "300000"]]);
    assert_eq!(level(ID, again), Some(Level::Alert), "paid more than once");
}

/// Nine users claim 40,000 each of the million, more than an hour apart; the tenth gets `amount` of what is left, 640,000. Who
/// claims is written down as `written`.
fn parts(amount: u64, written: &str) -> Value {
    let claim = |index: u64| {
        let (user, amount) = (format!("user {index}"), if index < 9 { 40_000 } else { amount });
        let held = 1_000_000_u64.saturating_sub(index.saturating_mul(40_000));
        let name = if written.is_empty() { &user } else { written };
        let word = crate::testbed::account(name).into_word();
        let slot = alloy_primitives::keccak256([word, alloy_primitives::B256::with_last_byte(2)].concat()).to_string();
        let mut claim = withdrawal(held, amount);
        claim["from"] = json!(format!("@{user}"));
        claim["moves"][0][2] = json!(format!("@{user}"));
        claim["after_seconds"] = json!(4_000);
        claim["writes"] = json!([["@vault", slot, "0", "1"]]);
        claim
    };
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@token"] }],
        "transactions": (0..10).map(claim).collect::<Vec<_>>(),
    })
}

#[test]
fn a_part_like_those_of_others_is_noted_however_little_is_left() {
    assert_eq!(level(ID, parts(70_000, "")), Some(Level::Notice));
    assert_eq!(level(ID, parts(80_000, "")), Some(Level::Notice), "up to twice as much");
    assert_eq!(level(ID, parts(80_001, "")), Some(Level::Alert));
    assert_eq!(level(ID, parts(70_000, "somebody")), Some(Level::Alert), "not written down to whom it went");
}
