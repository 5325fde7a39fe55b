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
use serde_json::Value;

use crate::cli::Failure;
use crate::printable::shortened;

/// Longest file that is taken for a signed transaction: a full set of blobs in hexadecimal, twice over.
const LARGEST_RAW: u64 = 4 * 1_024 * 1_024;

/// Transactions of one bundle; builders take fewer.
const MOST_OF_BUNDLE: usize = 64;

/// What is to be simulated.
#[derive(Debug)]
pub(super) enum Target {
    /// A transaction that a node knows, mined or pending.
    Hash(B256),
    /// A signed transaction, whether anybody has sent it or not.
    Raw(Box<Transaction>),
    /// Signed transactions that are to be mined one after the other.
    Bundle(Vec<Transaction>),
    /// A case on disk.
    Case(Box<Case>),
}

impl Target {
    /// Reads the arguments: one target, or several signed transactions in the order in which they are to run.
    ///
    /// # Errors
    /// [`Failure::Input`] names the argument that cannot be used.
    pub(super) fn read_all(texts: &[String]) -> Result<Self, Failure> {
        if let [only] = texts {
            return Self::read(only);
        }
        let mut bundle = Vec::new();
        for text in texts {
            match Self::read(text)? {
                Self::Raw(transaction) => bundle.push(*transaction),
                Self::Bundle(transactions) => bundle.extend(transactions),
                Self::Hash(_) | Self::Case(_) => {
                    let shown = shortened(text, 70);
                    return Err(Failure::input(format!(
                        "`{shown}`: of several arguments each is a signed transaction"
                    )));
                }
            }
        }
        bundled(bundle).map_err(Failure::input)
    }

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
        if let Some(raw) = bundle_in(path) {
            let named = |reason: String| Failure::input(format!("`{}`: {reason}", path.display()));
            let read = |(place, bytes): (usize, &Bytes)| {
                let place = place.saturating_add(1);
                read_signed(bytes).map_err(|error| format!("transaction {place} of the bundle: {error}"))
            };
            let transactions: Result<Vec<Transaction>, String> = raw.iter().enumerate().map(read).collect();
            return transactions.and_then(bundled).map_err(named);
        }
        Ok(Self::Case(Box::new(Case::read(&PathBuf::from(path)).map_err(Failure::input)?)))
    }
}

fn signed(bytes: &[u8]) -> Result<Target, String> {
    read_signed(bytes).map(|transaction| Target::Raw(Box::new(transaction))).map_err(|error| error.to_string())
}

fn bundled(transactions: Vec<Transaction>) -> Result<Target, String> {
    match transactions.len() {
        0 => Err("a bundle without transactions".to_owned()),
        count if count > MOST_OF_BUNDLE => Err(format!("{count} transactions, a bundle has at most {MOST_OF_BUNDLE}")),
        _ => Ok(Target::Bundle(transactions)),
    }
}

/// The text of a file, if it is text and no longer than is taken for transactions.
fn text_in(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(LARGEST_RAW).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The bytes of a file that holds nothing but hexadecimal digits.
fn raw_in(path: &Path) -> Option<Bytes> {
    hexadecimal(text_in(path)?.trim())
}

/// The parts of a file that holds several such: one in each line, a JSON list, or the question `eth_sendBundle` or its
/// parameter with a list under `txs`.
fn bundle_in(path: &Path) -> Option<Vec<Bytes>> {
    let text = text_in(path)?;
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        let parameter = value.pointer("/params/0").unwrap_or(&value);
        let list = parameter.get("txs").unwrap_or(parameter).as_array()?;
        return list.iter().map(|raw| raw.as_str().and_then(hexadecimal)).collect();
    }
    let parts: Option<Vec<Bytes>> = text.split_whitespace().map(hexadecimal).collect();
    parts.filter(|parts| !parts.is_empty())
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
    fn several_signed_transactions_are_a_bundle_in_lines_in_json_and_as_arguments() {
        let raw = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340b\
                   d939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc642\
                   14b297fb1966a3b6d83";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bundle");
        let name = file.to_str().unwrap().to_owned();
        let question = format!("{{\"method\":\"eth_sendBundle\",\"params\":[{{\"txs\":[\"{raw}\",\"{raw}\"]}}]}}");
        for text in [format!("{raw}\n{raw}\n"), format!("[\"{raw}\", \"{raw}\"]"), question] {
            fs::write(&file, text).unwrap();
            assert!(matches!(Target::read(&name), Ok(Target::Bundle(bundle)) if bundle.len() == 2));
        }
        let several = [raw.to_owned(), name.clone()];
        assert!(matches!(Target::read_all(&several), Ok(Target::Bundle(bundle)) if bundle.len() == 3));
        let mixed = [raw.to_owned(), format!("0x{}", "ab".repeat(32))];
        assert!(
            matches!(Target::read_all(&mixed), Err(Failure::Input(error)) if error.to_string().contains("each is a signed"))
        );
        fs::write(&file, format!("{raw}\n").repeat(65)).unwrap();
        assert!(matches!(Target::read(&name), Err(Failure::Input(error)) if error.to_string().contains("at most 64")));
        fs::write(&file, format!("{raw}\n0x02f8\n")).unwrap();
        assert!(
            matches!(Target::read(&name), Err(Failure::Input(error)) if error.to_string().contains("transaction 2"))
        );
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
