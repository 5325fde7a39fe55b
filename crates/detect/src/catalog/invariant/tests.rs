//! What breaks an invariant, what leaves it open, and what cannot be meant.

use cofferdam_types::Level;
use serde_json::{Value, json};

use super::ID;
use crate::{
    Detection, Settings, SettingsError,
    testbed::{Case, level},
};

/// One invariant with `rules` over a view that answers `before` and `after`.
fn case(rules: Value, before: Value, after: Value) -> Value {
    let mut invariant = json!({ "name": "price", "target": "@vault", "view": "price()(uint256)" });
    for (key, value) in rules.as_object().unwrap() {
        invariant[key] = value.clone();
    }
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@token"] }],
        "settings": { "modules": [{ "module": "vault", "invariants": [invariant] }] },
        "transactions": [{
            "from": "@user",
            "call": { "to": "@vault", "function": "act()" },
            "facts": [[before, after]],
        }],
    })
}

fn judged(rules: Value, before: u64, after: u64) -> Option<Level> {
    level(ID, case(rules, json!(before), json!(after)))
}

#[test]
fn a_fall_past_the_tolerance_breaks_it_and_one_up_to_it_does_not() {
    assert_eq!(judged(json!({ "max_fall_bps": 100 }), 10_000, 9_900), None);
    assert_eq!(judged(json!({ "max_fall_bps": 100 }), 10_000, 9_899), Some(Level::Alert));
    assert_eq!(judged(json!({ "max_fall_bps": 100 }), 10_000, 99_999), None, "it may rise");
    assert_eq!(judged(json!({ "max_rise_bps": 100 }), 10_000, 10_101), Some(Level::Alert));
    assert_eq!(judged(json!({ "max_rise_bps": 100 }), 0, 1), Some(Level::Alert), "from zero");
}

#[test]
fn bounds_hold_whatever_was_before() {
    assert_eq!(judged(json!({ "min": "10" }), 5, 9), Some(Level::Alert));
    assert_eq!(judged(json!({ "min": "10" }), 5, 10), None);
    assert_eq!(judged(json!({ "max": "10" }), 5, 11), Some(Level::Alert));
    assert_eq!(judged(json!({ "unchanged": true }), 5, 5), None);
    assert_eq!(judged(json!({ "unchanged": true }), 5, 6), Some(Level::Alert));
}

#[test]
fn numbers_below_zero_are_compared_with_their_sign() {
    let minus_two = "0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe";
    let rules = |min: &str| json!({ "view": "price()(int256)", "min": min });
    assert_eq!(level(ID, case(rules("-2"), json!(1), json!(minus_two))), None);
    assert_eq!(level(ID, case(rules("-1"), json!(1), json!(minus_two))), Some(Level::Alert));
}

#[test]
fn a_breach_with_counted_harm_is_a_stop_unless_people_said_otherwise() {
    let lossy = |rules: Value| {
        let mut case = case(rules, json!(10), json!(5));
        case["transactions"][0]["moves"] = json!([["@token", "@vault", "@user", "50000"]]);
        case["transactions"][0]["checks"] = json!([["@vault", "@token", "1000000", "950000"]]);
        case
    };
    assert_eq!(level(ID, lossy(json!({ "unchanged": true }))), Some(Level::Stop));
    assert_eq!(level(ID, lossy(json!({ "unchanged": true, "level": "notice" }))), Some(Level::Notice));
}

#[test]
fn a_view_that_fails_is_said_and_never_passed_over() {
    let fall = || json!({ "max_fall_bps": 1 });
    assert_eq!(level(ID, case(fall(), json!(10), Value::Null)), Some(Level::Alert));
    assert_eq!(level(ID, case(fall(), Value::Null, json!(10))), Some(Level::Notice));
    assert_eq!(level(ID, case(fall(), Value::Null, Value::Null)), Some(Level::Notice));
    let mut unread = case(fall(), json!(10), json!(10));
    unread["transactions"][0]["facts"] = json!([]);
    assert_eq!(level(ID, unread), Some(Level::Notice));
}

#[test]
fn bounds_need_no_value_from_before() {
    assert_eq!(level(ID, case(json!({ "min": "5" }), Value::Null, json!(5))), None);
    assert_eq!(level(ID, case(json!({ "min": "5" }), Value::Null, json!(4))), Some(Level::Alert));
}

#[test]
fn an_answer_out_of_its_type_is_no_answer() {
    let wide = json!("0x10000000000000000000000000000000000000000000000000000000000000000");
    assert!(serde_json::from_value::<alloy_primitives::U256>(wide).is_err());
    let rules = json!({ "view": "price()(uint256,uint256)", "output": 1, "min": "1" });
    assert_eq!(level(ID, case(rules, json!(1), json!(1))), Some(Level::Notice), "one word where two are due");
}

#[test]
fn another_module_does_not_pay_for_it() {
    let mut case = case(json!({ "min": "10" }), json!(5), json!(5));
    case["modules"] = json!([{ "id": "vault", "contracts": ["@vault"], "assets": ["@token"] }, { "id": "other", "contracts": ["@other"] }]);
    case["transactions"][0]["call"]["to"] = json!("@other");
    assert_eq!(level(ID, case), None);
}

#[test]
fn every_mistake_in_an_invariant_is_named() {
    for (rules, part) in [
        (json!({}), "give `max_fall_bps`"),
        (json!({ "name": " ", "min": "1" }), "needs a name"),
        (json!({ "view": "price", "min": "1" }), "not a signature"),
        (json!({ "view": "price()(address)", "min": "1" }), "not an integer"),
        (json!({ "view": "price()(uint256)", "output": 1, "min": "1" }), "does not exist"),
        (json!({ "view": "price(uint256)(uint256)", "min": "1" }), "0 arguments given, 1 needed"),
        (json!({ "view": "price(uint256)(uint256)", "arguments": ["x"], "min": "1" }), "argument `x`"),
        (json!({ "min": "1.5" }), "bound `1.5`"),
        (json!({ "max": "--1" }), "bound `--1`"),
        (json!({ "max": "" }), "bound ``"),
    ] {
        let mut text = case(rules.clone(), json!(1), json!(1));
        let mut settings = text.as_object_mut().unwrap().remove("settings").unwrap();
        let watch = Case::read(text).watch();
        settings["modules"][0]["invariants"][0]["target"] = json!("0x0000000000000000000000000000000000000001");
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let error = Detection::new(watch, &settings).err().unwrap_or_else(|| panic!("{rules} was accepted"));
        assert!(matches!(error, SettingsError::Invalid { .. }), "{rules}: {error}");
        assert!(error.to_string().contains(part), "{rules}: {error}");
    }
}

/// A condition over views that answer `facts`, in the order of the calls.
fn condition(holds: &str, facts: Value) -> Value {
    let contracts = json!({ "vault": "@vault", "token": "@token" });
    let signatures = json!(["price(address)(int256)"]);
    json!({
        "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@token"] }],
        "settings": { "modules": [{ "module": "vault", "invariants": [
            { "name": "solvent", "holds": holds, "contracts": contracts, "signatures": signatures }
        ] }] },
        "transactions": [{ "from": "@user", "call": { "to": "@vault", "function": "act()" }, "facts": facts }],
    })
}

const SOLVENT: &str = "vault.totalAssets() >= vault.totalSupply() * 99 / 100";

#[test]
fn a_condition_over_two_views_breaks_at_its_edge() {
    let told = |assets: u64| level(ID, condition(SOLVENT, json!([[100, assets], [100, 100]])));
    assert_eq!(told(99), None);
    assert_eq!(told(98), Some(Level::Alert));
    let mut lossy = condition(SOLVENT, json!([[100, 98], [100, 100]]));
    lossy["transactions"][0]["moves"] = json!([["@token", "@vault", "@user", "50000"]]);
    lossy["transactions"][0]["checks"] = json!([["@vault", "@token", "1000000", "950000"]]);
    assert_eq!(level(ID, lossy), Some(Level::Stop));
}

#[test]
fn a_condition_that_was_false_before_is_not_this_transactions_doing() {
    assert_eq!(level(ID, condition(SOLVENT, json!([[98, 98], [100, 100]]))), Some(Level::Notice));
    assert_eq!(level(ID, condition(SOLVENT, json!([[98, 99], [100, 100]]))), None, "mended");
}

#[test]
fn a_condition_may_compare_with_the_state_before_and_asks_each_view_once() {
    let text = "vault.sharePrice() * 1000 >= before(vault.sharePrice()) * 999";
    let told = |after: u64| level(ID, condition(text, json!([[1_000, after]])));
    assert_eq!(told(999), None);
    assert_eq!(told(998), Some(Level::Alert));
}

#[test]
fn a_condition_without_a_value_says_why() {
    let text = "vault.totalAssets() / vault.totalSupply() >= 1";
    assert_eq!(level(ID, condition(text, json!([[100, 100], [100, 0]]))), Some(Level::Alert), "by zero, afterwards");
    assert_eq!(level(ID, condition(text, json!([[0, 0], [0, 0]]))), Some(Level::Notice), "by zero, all along");
    assert_eq!(level(ID, condition(text, json!([[100, null], [100, 100]]))), Some(Level::Alert));
    assert_eq!(level(ID, condition(text, json!([]))), Some(Level::Notice), "not read");
}

#[test]
fn signs_and_arguments_come_from_signatures() {
    let minus_two = "0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe";
    let text = "vault.price(token) >= -2 && token.balanceOf(vault) > 0";
    assert_eq!(level(ID, condition(text, json!([[1, minus_two], [1, 1]]))), None);
    let text = "vault.price(token) >= -1 && token.balanceOf(vault) > 0";
    assert_eq!(level(ID, condition(text, json!([[1, minus_two], [1, 1]]))), Some(Level::Alert));
}

#[test]
fn several_invariants_find_their_own_facts() {
    let mut case = condition(SOLVENT, json!([[1, 1], [100, 98], [100, 100], [7, 7]]));
    let invariants = &mut case["settings"]["modules"][0]["invariants"];
    let first = json!({ "name": "price", "target": "@vault", "view": "price()(uint256)", "unchanged": true });
    let last = json!({ "name": "count", "target": "@vault", "holds": "count() == 7" });
    let second = invariants[0].clone();
    *invariants = json!([first, second, last]);
    let findings = crate::testbed::last(case);
    let told: Vec<&str> = findings.iter().map(|finding| finding.summary.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`solvent`") && told[0].contains(SOLVENT), "{told:?}");
}

#[test]
fn conditions_that_cannot_be_meant_are_refused_with_their_name() {
    let refused = |rules: Value| {
        let mut invariant = json!({ "name": "solvent" });
        for (key, value) in rules.as_object().unwrap() {
            invariant[key] = value.clone();
        }
        let mut case = condition(SOLVENT, json!([]));
        case["settings"]["modules"][0]["invariants"] = json!([invariant]);
        let case = Case::read(case);
        match Detection::new(case.watch(), &case.settings) {
            Err(SettingsError::Invalid { what, reason, .. }) => {
                assert_eq!(what, "invariant `solvent`");
                reason
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("taken"),
        }
    };
    for (rules, part) in [
        (json!({}), "give `target` and `view`, or `holds`"),
        (json!({ "unchanged": true }), "give `target` and `view`, or `holds`"),
        (json!({ "holds": "vault.totalAssets() >= 1" }), "`contracts` has no `vault`"),
        (json!({ "holds": "totalAssets() >= 1" }), "it needs `target`"),
        (json!({ "holds": "totalAssets() >= 1", "target": "@vault", "min": "5" }), "take the other rules away"),
        (json!({ "holds": "f(x) >= 1", "target": "@vault" }), "argument `x` is neither of"),
        (json!({ "holds": "f(1) >= 1", "target": "@vault", "signatures": ["f(address)(uint256)"] }), "is no `address`"),
        (json!({ "holds": "f() >= 1", "target": "@vault", "signatures": ["f()(string)"] }), "is no integer"),
        (json!({ "holds": "f() >= 1", "target": "@vault", "signatures": ["f("] }), "is no signature"),
        (json!({ "holds": "f() + 1", "target": "@vault" }), "a number stands where a comparison belongs"),
        (
            json!({ "target": "@vault", "view": "price()(uint256)", "min": "1", "contracts": { "a": "@vault" } }),
            "belong to `holds`",
        ),
    ] {
        let reason = refused(rules.clone());
        assert!(reason.contains(part), "{rules}: {reason}");
    }
}
