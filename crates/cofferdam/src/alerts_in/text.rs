//! Strangers' values: addresses and hashes wherever they stand in a text, severities, times and scores however they are
//! written. Pure; what cannot be read is nothing, never a guess.

use cofferdam_types::primitives::{Address, B256};
use cofferdam_types::{Score, Severity, UnixMillis};
use serde_json::Value;

/// Values inside one value that are looked at.
const MOST_VALUES: usize = 256;

/// Addresses and transaction hashes that are named in `text`: `0x` with exactly 40 or 64 digits.
pub(super) fn named(text: &str) -> (Vec<Address>, Vec<B256>) {
    let (mut addresses, mut hashes) = (Vec::new(), Vec::new());
    for word in text.split(|character: char| !character.is_ascii_alphanumeric()) {
        match word.len() {
            42 => addresses.extend(word.parse::<Address>().ok().filter(|_| word.starts_with("0x"))),
            66 => hashes.extend(word.parse::<B256>().ok().filter(|_| word.starts_with("0x"))),
            _ => {}
        }
    }
    (addresses, hashes)
}

/// The same of every text in `value`.
pub(super) fn named_in(value: &Value) -> (Vec<Address>, Vec<B256>) {
    let (mut addresses, mut hashes) = (Vec::new(), Vec::new());
    let mut rest = vec![value];
    let mut seen = 0_usize;
    while let Some(value) = rest.pop() {
        seen = seen.saturating_add(1);
        if seen > MOST_VALUES {
            break;
        }
        match value {
            Value::String(text) => {
                let (more_addresses, more_hashes) = named(text);
                addresses.extend(more_addresses);
                hashes.extend(more_hashes);
            }
            Value::Array(items) => rest.extend(items.iter().rev().take(MOST_VALUES)),
            Value::Object(members) => rest.extend(members.values().take(MOST_VALUES)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    (addresses, hashes)
}

/// `high`, `HIGH`, `4` or 4.
pub(super) fn severity(value: &Value) -> Option<Severity> {
    let word = match value {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(match word.as_str() {
        "1" | "info" | "informational" => Severity::Info,
        "2" | "low" => Severity::Low,
        "3" | "medium" | "moderate" => Severity::Medium,
        "4" | "high" => Severity::High,
        "5" | "critical" => Severity::Critical,
        _ => return None,
    })
}

/// Unix seconds, or milliseconds where that many seconds would be after the year 5000.
pub(super) fn time(value: &Value) -> Option<UnixMillis> {
    const LATEST_SECONDS: u64 = 95_617_584_000;
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    if number > LATEST_SECONDS { Some(UnixMillis(number)) } else { number.checked_mul(1_000).map(UnixMillis) }
}

/// An anomaly score as the ecosystem writes it, read digit by digit so that no rounding decides. By its convention one
/// that is missing says nothing, and one at or below zero counts as one in a thousand.
pub(super) fn score(text: Option<&str>) -> Score {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Score::WHOLE };
    if text.starts_with('-') {
        return at_most(1_000_000_000);
    }
    match parts(text) {
        Some(0) => at_most(1_000_000_000),
        Some(parts) => Score::new(parts).unwrap_or(Score::WHOLE),
        None => Score::WHOLE,
    }
}

fn at_most(parts: u64) -> Score {
    Score::new(parts).unwrap_or(Score::WHOLE)
}

/// `0.0005`, `5e-4` in parts of 10^12, rounded up to one part where there are digits at all.
fn parts(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|exponent| (-400..=400).contains(exponent))?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 40 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // The value is digits × 10^shift parts.
    let shift = exponent.checked_add(12)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scaled = if shift >= 0 {
        format!("{digits}{}", "0".repeat(usize::try_from(shift).ok()?))
    } else {
        let kept = digits.len().saturating_sub(usize::try_from(shift.unsigned_abs()).ok()?);
        digits.get(..kept)?.to_owned()
    };
    Some(if scaled.is_empty() { 1 } else { scaled.parse().unwrap_or(u64::MAX) }.max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn scores_are_read_exactly_and_by_the_convention() {
        for (text, parts) in [
            ("1", Score::PARTS),
            ("0.0005", 500_000_000),
            ("5e-4", 500_000_000),
            ("1.25E-7", 125_000),
            ("1e-300", 1),
            ("0", 1_000_000_000),
            ("-3", 1_000_000_000),
            ("7", Score::PARTS),
            ("junk", Score::PARTS),
            ("1e999999999999", Score::PARTS),
        ] {
            assert_eq!(score(Some(text)).parts(), parts, "{text}");
        }
        assert_eq!(score(None), Score::WHOLE);
    }

    #[test]
    fn addresses_and_hashes_are_found_in_text_and_nothing_else() {
        let (account, hash) = (Address::repeat_byte(0xab), B256::repeat_byte(0xcd));
        let text = format!("from {account}, tx={hash}; 0x1234 and {}", &hash.to_string()[2..]);
        assert_eq!(named(&text), (vec![account], vec![hash]));
        let nested = json!({ "a": [{ "b": account.to_string() }], "c": 5, "d": null });
        assert_eq!(named_in(&nested).0, [account]);
    }

    #[test]
    fn severities_and_times_are_read_in_every_spelling() {
        assert_eq!(severity(&json!("HIGH")), Some(Severity::High));
        assert_eq!(severity(&json!(5)), Some(Severity::Critical));
        assert_eq!(severity(&json!(0)), None);
        assert_eq!(severity(&json!({})), None);
        assert_eq!(time(&json!(1_700_000_000)), Some(UnixMillis(1_700_000_000_000)));
        assert_eq!(time(&json!("1700000000000")), Some(UnixMillis(1_700_000_000_000)));
        assert_eq!(time(&json!(-1)), None);
    }
}
