//! Why a run failed, in words: decoded where the contract's interface or Solidity itself says how.
//!
//! Reasons may hold text that an attacker chose: it is cut, and nothing that a terminal would obey is left in it.

use alloy_dyn_abi::{DynSolValue, ErrorExt};
use alloy_json_abi::JsonAbi;
use alloy_sol_types::{Panic, Revert, SolError};
use revm::primitives::hex;

use super::run::Ended;

/// Characters of a reason that are shown.
const MOST_CHARACTERS: usize = 300;

/// The reason of a failure; `None` where there was none.
pub(super) fn of(ended: &Ended, abi: &JsonAbi) -> Option<String> {
    match ended {
        Ended::Returned(_) => None,
        Ended::OutOfGas => Some("out of gas".to_owned()),
        Ended::Halted(how) => Some(printable(&format!("halted: {how}"))),
        Ended::Reverted(data) => Some(printable(&decoded(data, abi))),
    }
}

fn decoded(data: &[u8], abi: &JsonAbi) -> String {
    if data.is_empty() {
        return "reverted without a reason".to_owned();
    }
    if let Ok(error) = Revert::abi_decode(data) {
        return error.reason;
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return format!("panic {:#04x}: {}", panic.code, panic.kind().map_or("unknown", |kind| kind.as_str()));
    }
    let selector = data.first_chunk::<4>().copied().unwrap_or_default();
    let named = abi.errors().find(|error| error.selector().0 == selector);
    if let Some(error) = named
        && let Ok(arguments) = error.decode_error(data)
    {
        let shown: Vec<String> = arguments.body.iter().map(shown).collect();
        return format!("{}({})", error.name, shown.join(", "));
    }
    format!("reverted with {}", hex::encode_prefixed(data.get(..68).unwrap_or(data)))
}

fn shown(value: &DynSolValue) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds that are not often in an error are shown raw")]
    match value {
        DynSolValue::Uint(number, _) => number.to_string(),
        DynSolValue::Int(number, _) => number.to_string(),
        DynSolValue::Bool(truth) => truth.to_string(),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::String(text) => format!("\"{text}\""),
        DynSolValue::Bytes(bytes) => hex::encode_prefixed(bytes.get(..64).unwrap_or(bytes)),
        DynSolValue::FixedBytes(word, size) => hex::encode_prefixed(word.get(..*size).unwrap_or_default()),
        other => format!("{other:?}"),
    }
}

fn printable(text: &str) -> String {
    let safe = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().take(MOST_CHARACTERS).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use revm::primitives::Bytes;

    use super::*;

    fn reason(data: Vec<u8>, abi: &str) -> String {
        of(&Ended::Reverted(Bytes::from(data)), &serde_json::from_str(abi).unwrap()).unwrap()
    }

    #[test]
    fn reasons_are_decoded_and_made_safe_to_show() {
        assert_eq!(reason(Revert::from("no \u{1b}[31mred").abi_encode(), "[]"), "no  [31mred");
        assert_eq!(reason(Panic::from(0x11).abi_encode(), "[]"), "panic 0x11: arithmetic underflow or overflow");
        assert_eq!(reason(Vec::new(), "[]"), "reverted without a reason");
        assert_eq!(reason(vec![1, 2], "[]"), "reverted with 0x0102");
        let abi = r#"[{"type":"error","name":"Fell","inputs":[{"name":"by","type":"uint256"}]}]"#;
        let mut data = revm::primitives::keccak256("Fell(uint256)")[..4].to_vec();
        data.extend([0_u8; 31]);
        data.push(7);
        assert_eq!(reason(data, abi), "Fell(7)");
        assert!(reason(Revert::from("x".repeat(10_000)).abi_encode(), "[]").len() <= MOST_CHARACTERS);
    }
}
