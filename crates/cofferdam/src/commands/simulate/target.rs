//! What is to be simulated: told apart by its shape, and read as far as that goes without a node.
//!
//! Text from outside: whatever it is, the answer is a target or one error that names it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use alloy_primitives::{B256, Bytes, hex};
use cofferdam_chain::case::Case;
use cofferdam_simnet::read_signed;
use cofferdam_types::Transaction;

use crate::cli::Failure;
use crate::printable::shortened;

/// Longest file that is taken for a signed transaction: a full set of blobs in hexadecimal, twice over.
const LARGEST_RAW: u64 = 4 * 1_024 * 1_024;

/// What is to be simulated.
#[derive(Debug)]
pub(super) enum Target {
    /// A transaction that a node knows, mined or pending.
    Hash(B256),
    /// A signed transaction, whether anybody has sent it or not.
    Raw(Box<Transaction>),
    /// A case on disk.
    Case(Box<Case>),
}

impl Target {
    /// Reads the argument.
    ///
    /// # Errors
    /// [`Failure::Input`] names the argument and what it could have been.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let shown = shortened(text, 70);
        let path = Path::new(text);
        if path.is_file() {
            return Self::from_file(path);
        }
        let refused = |what: &str| {
            Failure::input(format!(
                "`{shown}` {what}; expected a transaction hash (0x and 64 hexadecimal digits), a signed transaction \
                 (0x and hexadecimal digits, or a file that holds them), or the path of a case file"
            ))
        };
        if path.is_dir() {
            return Err(refused("is a folder"));
        }
        let Some(bytes) = hexadecimal(text) else {
            let looks_like_hex = text.starts_with("0x") || text.starts_with("0X");
            return Err(refused(if looks_like_hex {
                "is not hexadecimal, or has an odd number of digits"
            } else {
                "is no file that can be found"
            }));
        };
        match B256::try_from(bytes.as_ref()) {
            Ok(hash) => Ok(Self::Hash(hash)),
            Err(_) => signed(&bytes).map_err(|reason| refused(&format!("is no signed transaction: {reason}"))),
        }
    }

    fn from_file(path: &Path) -> Result<Self, Failure> {
        if let Some(bytes) = raw_in(path) {
            let named = |reason: String| Failure::input(format!("`{}`: {reason}", path.display()));
            return signed(&bytes).map_err(named);
        }
        Ok(Self::Case(Box::new(Case::read(&PathBuf::from(path)).map_err(Failure::input)?)))
    }
}

fn signed(bytes: &[u8]) -> Result<Target, String> {
    read_signed(bytes).map(|transaction| Target::Raw(Box::new(transaction))).map_err(|error| error.to_string())
}

/// The bytes of a file that holds nothing but hexadecimal digits.
fn raw_in(path: &Path) -> Option<Bytes> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(LARGEST_RAW).read_to_string(&mut text).ok()?;
    hexadecimal(text.trim())
}

/// `None` for what is not an even, positive number of hexadecimal digits, with or without `0x`.
fn hexadecimal(text: &str) -> Option<Bytes> {
    let bytes = hex::decode(text).ok()?;
    (!bytes.is_empty()).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match Target::read(text) {
            Err(Failure::Input(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_hash_is_told_from_a_transaction_by_its_length() {
        let hash = format!("0x{}", "ab".repeat(32));
        assert!(matches!(Target::read(&hash), Ok(Target::Hash(hash)) if hash == B256::repeat_byte(0xab)));
        // The first transaction of EIP-155's example.
        let raw = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340b\
                   d939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc642\
                   14b297fb1966a3b6d83";
        let Ok(Target::Raw(transaction)) = Target::read(raw) else { panic!("{:?}", Target::read(raw)) };
        assert_eq!((transaction.nonce, transaction.chain_id), (9, Some(1)));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signed.txt");
        fs::write(&file, format!("{raw}\n")).unwrap();
        assert!(matches!(Target::read(file.to_str().unwrap()), Ok(Target::Raw(_))));
    }

    #[test]
    fn what_is_nothing_of_all_this_is_named_once() {
        for (text, word) in [
            ("0x", "not hexadecimal"),
            ("0x123", "odd number"),
            ("0xzz", "not hexadecimal"),
            ("0x02f8", "no signed transaction"),
            ("gone.json.zst", "no file"),
            (".", "is a folder"),
            ("", "no file"),
        ] {
            let said = said(text);
            assert!(said.contains(word) && said.contains(&format!("`{text}`")), "{said}");
        }
        assert!(said(&"0".repeat(1_001)).len() < 400, "a long argument is not repeated whole");
    }
}
