//! What no text in the file may be, whatever its field: a secret, or an address with a wrong checksum.
//!
//! A message about a secret never holds it, and neither does any other message: all of them pass [`withhold`].

use alloy_primitives::Address;
use serde_json::Value;

use super::{Mistake, inside};

/// What stands in a message in place of a secret.
const WITHHELD: &str = "(withheld)";
/// Hexadecimal digits of a private key.
const KEY_DIGITS: usize = 64;
/// How a webhook's secret begins.
const WEBHOOK_SECRET: &str = "whsec_";

/// What was found in the texts of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Texts that look like secrets.
    pub(super) secrets: Vec<Mistake>,
    /// Addresses whose capital letters are wrong.
    pub(super) checksums: Vec<Mistake>,
}

/// Mistakes in the texts of `value`, wherever they stand.
pub(super) fn mistakes(value: &Value) -> Found {
    let mut found = Found::default();
    walk("", value, &mut found);
    found
}

/// `text` without anything that looks like a private key or a webhook's secret.
pub(super) fn withhold(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_alphanumeric()) {
        let (before, from) = rest.split_at(start);
        let length = from.find(|character: char| !is_word(character)).unwrap_or(from.len());
        let (word, after) = from.split_at(length);
        clean.push_str(before);
        clean.push_str(if is_secret_word(word) { WITHHELD } else { word });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

fn walk(path: &str, value: &Value, found: &mut Found) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                if is_secret_word(key) {
                    found.secrets.push(Mistake::new(inside(path, key), "this key looks like a secret; remove it"));
                }
                walk(&inside(path, key), inner, found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                walk(&format!("{path}[{index}]"), inner, found);
            }
        }
        Value::String(text) => {
            found.secrets.extend(secret(path, text));
            found.checksums.extend(checksum(path, text));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn secret(path: &str, text: &str) -> Option<Mistake> {
    // A 32-byte argument of a view call (a role, a pool's id) has the shape of a key and is none.
    let is_argument = path.contains("arguments[");
    // A reason is prose; twelve plain words in a row are nothing unusual there.
    let is_prose = path.ends_with(".reason");
    let looks_secret = (!is_argument && withhold(text) != text) || (!is_prose && is_seed_phrase(text));
    let expected = "looks like a secret, and secrets never stand in this file: keys belong into files of their own \
                    (`keystore`, `key_file_env`), other secrets into environment variables. Treat this one as stolen \
                    if anybody else could read the file";
    looks_secret.then(|| Mistake::new(path, expected))
}

fn checksum(path: &str, text: &str) -> Option<Mistake> {
    let digits = text.strip_prefix("0x")?;
    let address: Address = text.parse().ok()?;
    let has = |kind: fn(&u8) -> bool| digits.as_bytes().iter().any(kind);
    let wrong = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && address.to_checksum(None) != text;
    let expected = format!("the capital letters are not the checksum (EIP-55) of this address, which is {address}");
    wrong.then(|| Mistake::new(path, expected).seeing(text))
}

const fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '+' | '=')
}

fn is_secret_word(word: &str) -> bool {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
    let key = digits.len() == KEY_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    key || word.strip_prefix(WEBHOOK_SECRET).is_some_and(|rest| rest.len() >= 16)
}

/// The shape of a BIP-39 phrase: 12, 15, 18, 21 or 24 plain words of three to eight letters.
fn is_seed_phrase(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = |word: &&str| (3..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    matches!(words.len(), 12 | 15 | 18 | 21 | 24) && words.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_secrets_are_cut_out_of_any_text_and_addresses_are_not() {
        let key = "ab".repeat(32);
        let address = "0x00000000000000000000000000000000000000aa";
        assert_eq!(withhold(&format!("at `0x{key}`: no")), "at `(withheld)`: no");
        assert_eq!(withhold(&format!("https://node.invalid/{key}?x")), "https://node.invalid/(withheld)?x");
        assert_eq!(withhold("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw="), "(withheld)");
        assert_eq!(withhold(&format!("ü {address}, 5 bps: `x` =")), format!("ü {address}, 5 bps: `x` ="));
    }

    #[test]
    fn a_seed_phrase_is_known_by_its_shape() {
        let phrase = "test test test test test test test test test test test junk";
        assert!(is_seed_phrase(phrase));
        assert!(!is_seed_phrase("share price does not fall"));
        assert!(!is_seed_phrase("a migration to the new vault of the protocol on a single day"));
    }

    #[test]
    fn a_wrong_checksum_is_told_with_the_right_one_and_single_case_is_taken() {
        let found = |text: &str| mistakes(&serde_json::json!({ "contracts": [text] })).checksums;
        let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(found(right), Vec::new());
        assert_eq!(found(&right.to_lowercase()), Vec::new());
        let wrong = found("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD");
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].expected.contains(right) && wrong[0].field == "contracts[0]", "{wrong:?}");
    }

    #[test]
    fn a_32_byte_argument_of_a_view_is_no_secret() {
        let role = format!("0x{}", "9f".repeat(32));
        let value = serde_json::json!({ "module": [{ "invariants": [{ "arguments": [role] }] }] });
        assert_eq!(mistakes(&value), Found::default());
    }
}
