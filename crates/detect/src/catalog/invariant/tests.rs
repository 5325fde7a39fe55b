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
