//! A comparison of view calls, as people write it: `vault.totalAssets() >= vault.totalSupply() * 99 / 100`.
//!
//! ```text
//! text ─▶ calls are taken out and become variables ─▶ exmex (precedence, parentheses) ─▶ exact integers of any size
//! ```
//! It must never round in silence, overflow, or panic on what somebody typed: `/` and `%` are those of Solidity (towards
//! zero), and everything that has no value says why.

use std::str::FromStr;

use exmex::{BinOp, Express, FlatEx, MakeOperators, MatchLiteral, Operator};
use num_bigint::BigInt;

/// Characters of an expression.
const MOST_CHARACTERS: usize = 1_000;
/// Calls in an expression.
const MOST_CALLS: usize = 32;
/// Digits of a number.
const MOST_DIGITS: usize = 100;

/// What a part of an expression is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Int(BigInt),
    Bool(bool),
    /// It has no value.
    Fault(&'static str),
}

impl Default for Value {
    fn default() -> Self {
        Self::Fault("nothing")
    }
}

impl FromStr for Value {
    type Err = String;

    /// `1_000_000`, or `5e18`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.replace('_', "");
        let (digits, zeros) = digits.split_once('e').unwrap_or((&digits, "0"));
        let zeros: usize = zeros.parse().map_err(|_| format!("`{text}` is no number"))?;
        if digits.len().saturating_add(zeros) > MOST_DIGITS {
            return Err(format!("a number has at most {MOST_DIGITS} digits"));
        }
        let whole = format!("{digits}{}", "0".repeat(zeros));
        whole.parse().map(Self::Int).map_err(|_| format!("`{text}` is no number"))
    }
}

/// One view call in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallText {
    /// What stands before the dot; `None` for a call without one.
    pub(super) contract: Option<String>,
    pub(super) function: String,
    pub(super) arguments: Vec<String>,
    /// On the state before the transaction instead of the one after it.
    pub(super) before: bool,
}

impl std::fmt::Display for CallText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let contract = self.contract.as_ref().map(|contract| format!("{contract}.")).unwrap_or_default();
        write!(f, "{contract}{}({})", self.function, self.arguments.join(", "))
    }
}

/// A condition that can be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// Each once, in the order of the text. `calls[n]` is variable `v` and n.
    pub(super) calls: Vec<CallText>,
    parsed: FlatEx<Value, Operators, Numbers>,
    /// For each variable of the parsed expression the number of its call.
    variables: Vec<usize>,
}

impl Expression {
    /// Reads `text`.
    ///
    /// # Errors
    /// What cannot be meant, in words.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.chars().count() > MOST_CHARACTERS {
            return Err(format!("it is longer than {MOST_CHARACTERS} characters"));
        }
        let (plain, calls) = take_out_calls(text)?;
        if calls.is_empty() {
            return Err("it calls no view".to_owned());
        }
        check_order(&plain)?;
        let parsed = FlatEx::<Value, Operators, Numbers>::parse_wo_compile(&plain)
            .map_err(|error| format!("it cannot be read: {}", error.msg().chars().take(120).collect::<String>()))?;
        let number = |name: &String| name.strip_prefix('v').and_then(|digits| digits.parse::<usize>().ok());
        let variables: Option<Vec<usize>> = parsed.var_names().iter().map(number).collect();
        let variables = variables.ok_or("it cannot be read")?;
        let expression = Self { calls, parsed, variables };
        // What kind of value comes out does not depend on the numbers.
        match expression.evaluate(&vec![BigInt::from(1); expression.calls.len()]) {
            Err(why) if why == NOT_A_NUMBER || why == NOT_A_TRUTH => Err(why.to_owned()),
            Err(_) | Ok(_) => Ok(expression),
        }
    }

    /// Whether the condition holds with these answers of the calls, in their order.
    ///
    /// # Errors
    /// Why it has no value.
    pub(super) fn evaluate(&self, answers: &[BigInt]) -> Result<bool, &'static str> {
        let value = |call: &usize| answers.get(*call).cloned().map_or(Value::default(), Value::Int);
        let values: Vec<Value> = self.variables.iter().map(value).collect();
        match self.parsed.eval(&values) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(Value::Int(_)) => Err(NOT_A_TRUTH),
            Ok(Value::Fault(why)) => Err(why),
            Err(_) => Err("it cannot be evaluated"),
        }
    }
}

const NOT_A_NUMBER: &str = "a truth stands where a number belongs; comparisons need parentheses around `&&` and `||`";
const NOT_A_TRUTH: &str = "a number stands where a comparison belongs";
const BY_ZERO: &str = "it divides by zero";

/// Replaces every call by a variable.
fn take_out_calls(text: &str) -> Result<(String, Vec<CallText>), String> {
    let (mut plain, mut calls) = (String::new(), Vec::<CallText>::new());
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            // A number, with its `_` and `e`, is left for the literals.
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            Numbers::is_literal(number)
                .filter(|all| *all == number)
                .ok_or_else(|| format!("`{number}` is no number"))?;
            plain.push_str(number);
            rest = after;
        } else if first.is_ascii_alphabetic() || first == '_' {
            let (call, after) = read_call(rest)?;
            let known = calls.iter().position(|earlier| *earlier == call);
            let number = known.unwrap_or(calls.len());
            if known.is_none() {
                calls.push(call);
            }
            if calls.len() > MOST_CALLS {
                return Err(format!("it makes more than {MOST_CALLS} calls"));
            }
            plain.push_str(&format!("v{number}"));
            rest = after;
        } else if "+-*/%<>=!&|() ".contains(first) {
            plain.push(first);
            rest = rest.get(1..).unwrap_or_default();
        } else {
            return Err(format!("`{}` has no meaning here", first.escape_default()));
        }
    }
    Ok((plain, calls))
}

/// Reads `vault.totalAssets()`, `totalAssets()` or `before(vault.totalAssets())` at the beginning of `text`.
fn read_call(text: &str) -> Result<(CallText, &str), String> {
    let (name, rest) = identifier(text);
    if name == "before"
        && let Some(inner) = rest.strip_prefix('(')
    {
        let (call, rest) = read_call(inner.trim_start())?;
        let rest = rest.trim_start().strip_prefix(')').ok_or("`before(` needs one call and `)`")?;
        return if call.before {
            Err("`before` stands in `before`".to_owned())
        } else {
            Ok((CallText { before: true, ..call }, rest))
        };
    }
    let (contract, function, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (function, rest) = identifier(rest);
            (Some(name.to_owned()), function, rest)
        }
        None => (None, name, rest),
    };
    let whole = text.get(..text.len().saturating_sub(rest.len())).unwrap_or(text);
    let arguments = rest.strip_prefix('(').ok_or_else(|| format!("`{whole}` is no call: `(` is missing after it"))?;
    let (arguments, rest) = arguments.split_once(')').ok_or_else(|| format!("`{whole}(` is not closed"))?;
    if function.is_empty() || arguments.contains('(') {
        return Err(format!("`{whole}({arguments})` is no call of a view with plain arguments"));
    }
    let arguments = if arguments.trim().is_empty() {
        Vec::new()
    } else {
        arguments.split(',').map(|argument| argument.trim().to_owned()).collect()
    };
    Ok((CallText { contract, function: function.to_owned(), arguments, before: false }, rest))
}

fn identifier(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// Values and operators must take turns: the parser behind this is more lenient than anybody expects.
fn check_order(plain: &str) -> Result<(), String> {
    let mut rest = plain;
    let (mut open, mut wants_value) = (0_usize, true);
    while let Some(first) = rest.chars().next() {
        let mut taken = 1;
        match first {
            ' ' => {}
            '(' if wants_value => open = open.saturating_add(1),
            ')' if !wants_value => open = open.checked_sub(1).ok_or("a `)` closes nothing")?,
            '-' | '!' if wants_value => {}
            _ if first.is_ascii_alphanumeric() && wants_value => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                taken = end.unwrap_or(rest.len());
                wants_value = false;
            }
            _ if !wants_value => {
                let two = rest.get(..2).unwrap_or_default();
                let is_two = ["&&", "||", "==", "!=", "<=", ">="].contains(&two);
                if !is_two && !"+-*/%<>".contains(first) {
                    return Err(format!("`{first}` is no operator"));
                }
                taken = if is_two { 2 } else { 1 };
                wants_value = true;
            }
            _ => return Err(format!("a value is missing before `{first}`")),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    if open > 0 {
        return Err("a `(` is not closed".to_owned());
    }
    if wants_value { Err("a value is missing at its end".to_owned()) } else { Ok(()) }
}

/// Which text is a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Numbers;

impl MatchLiteral for Numbers {
    fn is_literal(text: &str) -> Option<&str> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
        let mantissa = digits(text);
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let exponent = text
            .get(mantissa..)
            .and_then(|rest| rest.strip_prefix('e'))
            .map(|rest| rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        match exponent {
            Some(length) if (1..=2).contains(&length) => text.get(..mantissa.saturating_add(1).saturating_add(length)),
            Some(_) | None => text.get(..mantissa),
        }
    }
}

/// The operators, with the precedence that Solidity gives them.
#[derive(Clone, Debug)]
struct Operators;

impl MakeOperators<Value> for Operators {
    fn make<'a>() -> Vec<Operator<'a, Value>> {
        // No operator is told to commute: nothing is reordered, and `7 / 2 * 2` stays what it says.
        let binary = |repr, prio, apply| Operator::make_bin(repr, BinOp { apply, prio, is_commutative: false });
        vec![
            binary("||", 0, |a, b| truths(a, b, |a, b| a || b)),
            binary("&&", 1, |a, b| truths(a, b, |a, b| a && b)),
            binary("==", 2, |a, b| compared(a, b, |a, b| a == b)),
            binary("!=", 2, |a, b| compared(a, b, |a, b| a != b)),
            binary("<=", 3, |a, b| compared(a, b, |a, b| a <= b)),
            binary(">=", 3, |a, b| compared(a, b, |a, b| a >= b)),
            binary("<", 3, |a, b| compared(a, b, |a, b| a < b)),
            binary(">", 3, |a, b| compared(a, b, |a, b| a > b)),
            binary("+", 4, |a, b| numbers(a, b, |a, b| a.checked_add(&b))),
            Operator::make_bin_unary(
                "-",
                BinOp { apply: |a, b| numbers(a, b, |a, b| a.checked_sub(&b)), prio: 4, is_commutative: false },
                |a| numbers(Value::Int(BigInt::ZERO), a, |zero, a| zero.checked_sub(&a)),
            ),
            binary("*", 5, |a, b| numbers(a, b, |a, b| a.checked_mul(&b))),
            binary("/", 5, |a, b| numbers(a, b, |a, b| a.checked_div(&b))),
            binary("%", 5, |a, b| numbers(a, b, remainder)),
            Operator::make_unary("!", |a| truths(a, Value::Bool(true), |a, _| !a)),
        ]
    }
}

/// What is left of `a` after as many `b` as go into it; the sign is that of `a`.
fn remainder(a: BigInt, b: BigInt) -> Option<BigInt> {
    let whole = a.checked_div(&b)?.checked_mul(&b)?;
    a.checked_sub(&whole)
}

fn numbers(a: Value, b: Value, apply: fn(BigInt, BigInt) -> Option<BigInt>) -> Value {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => apply(a, b).map_or(Value::Fault(BY_ZERO), Value::Int),
        (Value::Fault(why), _) | (_, Value::Fault(why)) => Value::Fault(why),
        (Value::Bool(_), _) | (_, Value::Bool(_)) => Value::Fault(NOT_A_NUMBER),
    }
}

fn compared(a: Value, b: Value, apply: fn(&BigInt, &BigInt) -> bool) -> Value {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Bool(apply(&a, &b)),
        (Value::Fault(why), _) | (_, Value::Fault(why)) => Value::Fault(why),
        (Value::Bool(_), _) | (_, Value::Bool(_)) => Value::Fault(NOT_A_NUMBER),
    }
}

fn truths(a: Value, b: Value, apply: fn(bool, bool) -> bool) -> Value {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Value::Bool(apply(a, b)),
        (Value::Fault(why), _) | (_, Value::Fault(why)) => Value::Fault(why),
        (Value::Int(_), _) | (_, Value::Int(_)) => Value::Fault(NOT_A_TRUTH),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers in tests")]

    use proptest::prelude::*;

    use super::*;

    fn holds(text: &str, answers: &[i64]) -> Result<bool, &'static str> {
        let answers: Vec<BigInt> = answers.iter().copied().map(BigInt::from).collect();
        Expression::new(text).unwrap_or_else(|error| panic!("{text}: {error}")).evaluate(&answers)
    }

    #[test]
    fn the_example_of_the_page_is_exact_at_its_edge() {
        let text = "vault.totalAssets() >= vault.totalSupply() * 99 / 100";
        assert_eq!(holds(text, &[99, 100]), Ok(true));
        assert_eq!(holds(text, &[98, 100]), Ok(false));
        assert_eq!(holds(text, &[98, 99]), Ok(true), "98.01 is cut to 98");
        let most: BigInt = BigInt::from(2).pow(256) - 1;
        let expression = Expression::new(text).unwrap();
        assert_eq!(expression.evaluate(&[most.clone() * 99 / 100, most.clone()]), Ok(true));
        assert_eq!(expression.evaluate(&[most.clone() * 99 / 100 - 1, most]), Ok(false));
    }

    #[test]
    fn precedence_and_order_are_those_of_solidity() {
        for (text, expected) in [
            ("a.x() + 2 * 3 == 7", true),
            ("(a.x() + 2) * 3 == 9", true),
            ("7 / 2 * 2 == 6 && a.x() == 1", true),
            ("10 - 3 - 2 == 5 || a.x() == 2", true),
            ("2 * 3 % 4 == 2 && a.x() > 0", true),
            ("-7 / 2 == -3 && a.x() > -1", true),
            ("-7 % 2 == -1 && a.x() > -1", true),
            ("a.x() == 1 || a.x() / 0 == 1 && a.x() == 3", true),
            ("!(a.x() >= 2)", true),
            ("!(a.x() < 2) || 1_000 == 1e3 && 5e18 > 4_999_999_999_999_999_999", true),
            ("a.x() != 1", false),
            ("1 <= a.x() && a.x() <= 1 && a.x() < 1", false),
        ] {
            // `1 / 0` on the way has no value, also where logic would not need one.
            let evaluated = holds(text, &[1]);
            if text.contains("/ 0") {
                assert_eq!(evaluated, Err(BY_ZERO), "{text}");
            } else {
                assert_eq!(evaluated, Ok(expected), "{text}");
            }
        }
    }

    #[test]
    fn calls_are_told_apart_by_contract_arguments_and_moment() {
        let text =
            "token.balanceOf( vault ) >= before(token.balanceOf(vault)) && totalAssets() > token.balanceOf(0xaa)";
        let expression = Expression::new(text).unwrap();
        let shown: Vec<String> = expression.calls.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["token.balanceOf(vault)", "token.balanceOf(vault)", "totalAssets()", "token.balanceOf(0xaa)"]
        );
        assert!(!expression.calls[0].before && expression.calls[1].before);
        let twelve: Vec<String> = (0..12).map(|index| format!("a.f{index}() == {index}")).collect();
        let answers: Vec<i64> = (0..12).collect();
        assert_eq!(holds(&twelve.join(" && "), &answers), Ok(true), "v10 sorts before v2");
    }

    #[test]
    fn what_cannot_be_meant_says_so() {
        for (text, part) in [
            ("", "calls no view"),
            ("1 == 1", "calls no view"),
            ("vault", "is no call"),
            ("vault.", "is no call"),
            ("vault.x", "`(` is missing"),
            ("vault.x(", "not closed"),
            ("vault.x(y())", "plain arguments"),
            ("vault.x()", "a number stands where a comparison belongs"),
            ("vault.x() + 1", "a number stands where a comparison belongs"),
            ("vault.x() == 1 == 1", "a truth stands where a number belongs"),
            ("vault.x() && 1", "a number stands where a comparison belongs"),
            ("vault.x() >= ", "missing at its end"),
            ("vault.x() >= * 2", "a value is missing before `*`"),
            ("vault.x() 5 == 5", "is no operator"),
            ("vault.x() = 5", "is no operator"),
            ("(vault.x() == 5", "`(` is not closed"),
            ("vault.x() == 5)", "closes nothing"),
            ("vault.x() == 5;", "`;` has no meaning here"),
            ("vault.x() == {a}", "`{` has no meaning here"),
            ("vault.x() == 5x", "`5x` is no number"),
            ("vault.x() == 0x10", "`0x10` is no number"),
            ("vault.x() == 1e999", "`1e999` is no number"),
            ("before(before(a.x())) == 1", "`before` stands in `before`"),
            ("before(a.x() == 1", "`before(` needs one call"),
        ] {
            let error = Expression::new(text).err().unwrap_or_else(|| panic!("taken: {text}"));
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Expression::new(&format!("a.x() > {}", "9".repeat(101))).unwrap_err().contains("digits"));
        assert!(Expression::new(&"(".repeat(2_000)).unwrap_err().contains("longer"));
    }

    proptest! {
        #[test]
        fn whatever_somebody_types_is_read_or_refused(text in "[a-c0-9.()+*/%<>=!&|, _e-]{0,40}") {
            let _ = Expression::new(&text);
        }

        #[test]
        fn sums_and_products_are_those_of_integers(a in -1_000..1_000_i64, b in -1_000..1_000_i64, c in 1..1_000_i64, d in -9..9_i64) {
            let text = format!("t.a() - t.b() * t.c() / t.c() + {} == t.d()", d.abs());
            let expected = a - b * c / c + d.abs();
            prop_assert_eq!(holds(&text, &[a, b, c, expected]), Ok(true));
            prop_assert_eq!(holds(&text, &[a, b, c, expected + 1]), Ok(false));
        }
    }
}
