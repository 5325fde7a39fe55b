//! JSON with exactly one spelling per value (RFC 8785), so that a hash of it means something.
//!
//! Written here rather than with a library because the libraries pass every number through a 64-bit float: block
//! numbers and clock differences beyond 2^53 would be rounded, and evidence must never be. Such integers are wrapped
//! as `{"$integer":"<decimal>"}`; all others are plain. Fractions do not occur in events and are refused.
//!
//! Must never accept a text that it would not itself have written.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

/// The largest integer that every JSON reader keeps exactly: 2^53 - 1.
const LARGEST_EXACT: u64 = 9_007_199_254_740_991;

/// Key of the wrapper around larger integers.
const INTEGER: &str = "$integer";

/// The value has no canonical text, or the text is not canonical.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CanonicalError {
    /// Not JSON, or not of the expected shape.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Only integers have one spelling.
    #[error("number `{0}` is not an integer")]
    Fraction(Number),
    /// The same value is spelled in another way.
    #[error("the text is not in canonical form")]
    Spelling,
}

/// The canonical text of `value`.
///
/// # Errors
/// [`CanonicalError`] when `value` holds a fraction, or an integer beyond 64 bits.
pub(crate) fn to_text(value: &impl Serialize) -> Result<String, CanonicalError> {
    let value = serde_json::to_value(value)?;
    let mut out = String::new();
    write(&value, &mut out)?;
    Ok(out)
}

/// The value that `text` spells, which must be canonical to the byte.
///
/// # Errors
/// [`CanonicalError`] when `text` is not JSON, not canonical, or not a `T`.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, CanonicalError> {
    let value = unwrap_integers(serde_json::from_str(text)?);
    let mut again = String::with_capacity(text.len());
    write(&value, &mut again)?;
    if again != text {
        return Err(CanonicalError::Spelling);
    }
    Ok(serde_json::from_value(value)?)
}

fn write(value: &Value, out: &mut String) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_integer(number, out)?,
        // serde_json escapes exactly what RFC 8785 asks for, with the same short forms.
        Value::String(text) => out.push_str(&serde_json::to_string(text)?),
        Value::Array(items) => write_list('[', ']', items, out, write)?,
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            write_list('{', '}', &sorted, out, |(key, member), text| {
                text.push_str(&serde_json::to_string(key)?);
                text.push(':');
                write(member, text)
            })?;
        }
    }
    Ok(())
}

fn write_list<T>(
    open: char,
    close: char,
    items: &[T],
    out: &mut String,
    each: impl Fn(&T, &mut String) -> Result<(), CanonicalError>,
) -> Result<(), CanonicalError> {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(item, out)?;
    }
    out.push(close);
    Ok(())
}

fn write_integer(number: &Number, out: &mut String) -> Result<(), CanonicalError> {
    let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match magnitude {
        Some(0..=LARGEST_EXACT) => out.push_str(&number.to_string()),
        Some(_) => out.push_str(&format!(r#"{{"{INTEGER}":"{number}"}}"#)),
        None => return Err(CanonicalError::Fraction(number.clone())),
    }
    Ok(())
}

fn unwrap_integers(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(unwrap_integers).collect()),
        Value::Object(members) => match wrapped_integer(&members) {
            Some(number) => Value::Number(number),
            None => Value::Object(members.into_iter().map(|(key, member)| (key, unwrap_integers(member))).collect()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn wrapped_integer(members: &Map<String, Value>) -> Option<Number> {
    let digits = members.get(INTEGER)?.as_str().filter(|_| members.len() == 1)?;
    digits.parse::<u64>().map(Number::from).or_else(|_| digits.parse::<i64>().map(Number::from)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_by_utf16_and_strings_escaped_as_in_the_rfc() {
        // RFC 8785, section 3.2.3, its sorting example.
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let text = to_text(&value).unwrap();
        assert_eq!(text, "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}");
        let escapes = json!("\u{20ac}$\u{f}\nA'\u{42}\"\\\\\"/");
        assert_eq!(to_text(&escapes).unwrap(), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
    }

    #[test]
    fn another_spelling_of_the_same_value_is_refused() {
        for text in [r#"{"b":1,"a":2}"#, r#"{"a": 1}"#, r#"{"a":1,"a":1}"#, r#""\u0041""#, r#"{"$integer":"7"}"#, "-0"]
        {
            assert!(from_text::<Value>(text).is_err(), "{text}");
        }
        assert!(to_text(&1.5).is_err());
    }

    proptest! {
        #[test]
        fn integers_of_64_bits_come_back_exactly(unsigned in any::<u64>(), signed in any::<i64>()) {
            let text = to_text(&(unsigned, signed)).unwrap();
            prop_assert_eq!(from_text::<(u64, i64)>(&text).unwrap(), (unsigned, signed));
        }
    }
}
