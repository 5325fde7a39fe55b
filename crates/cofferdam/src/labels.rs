//! Lists of known accounts: exchanges, mixers, bridges, attackers. Read from CSV files that people name in the configuration.
//!
//! A list says who money came from or who made a contract; it never decides alone. A file that cannot be meant is one
//! error that names the line, and nothing of it is used.

use std::collections::HashMap;

use cofferdam_types::primitives::Address;
use cofferdam_types::{Label, LabelCategory};

/// Accounts kept of all files: about 100 bytes each.
const MOST: usize = 2_000_000;

/// What is known of accounts.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    by_account: HashMap<Address, Label>,
}

/// A list cannot be meant.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelsError {
    /// The first line names no column `address`.
    #[error("line 1: no column is called `address`; the first line names the columns")]
    NoAddressColumn,
    /// Neither kind nor name.
    #[error("line 1: no column is called `category` or `label`")]
    NoKindColumn,
    /// Not an address.
    #[error("line {line}: `{seen}` is no address")]
    NotAnAddress {
        /// From 1.
        line: usize,
        /// What stands there, shortened.
        seen: String,
    },
    /// A quotation mark without its counterpart.
    #[error("line {line}: a quoted field does not end on its line")]
    OpenQuote {
        /// From 1.
        line: usize,
    },
    /// More than is kept.
    #[error("line {line}: more than {MOST} accounts in all lists")]
    TooMany {
        /// From 1.
        line: usize,
    },
}

impl Labels {
    /// Adds a list: CSV whose first line names the columns. `address` and one of `category` and `label` must be there; `name`
    /// or `tag` may be. Where a column is called `creator`, the accounts in it get the same kind. What was known before
    /// stays, unless the new list says hostile.
    ///
    /// # Errors
    /// [`LabelsError`]; then nothing was added.
    pub fn add(&mut self, text: &str) -> Result<(), LabelsError> {
        let mut lines = (1_usize..).zip(text.lines());
        let header = lines.next().map(|(line, header)| fields(header, line)).transpose()?.unwrap_or_default();
        let column = |name: &str| header.iter().position(|title| title.trim().eq_ignore_ascii_case(name));
        let address = column("address").ok_or(LabelsError::NoAddressColumn)?;
        let kind = column("category").or_else(|| column("label")).ok_or(LabelsError::NoKindColumn)?;
        let (name, creator) = (column("name").or_else(|| column("tag")), column("creator"));
        let mut added = Vec::new();
        for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
            let row = fields(text, line)?;
            let cell = |index: usize| row.get(index).map(|cell| cell.trim()).unwrap_or_default();
            let category = category(cell(kind));
            let known = name.map(cell).filter(|name| !name.is_empty()).unwrap_or_else(|| cell(kind));
            let label = Label { category, name: crate::printable::shortened(known, 80) };
            let seen = cell(address);
            let shortened = || crate::printable::shortened(seen, 60);
            let account: Address = seen.parse().map_err(|_| LabelsError::NotAnAddress { line, seen: shortened() })?;
            added.push((account, label.clone()));
            // A list of contracts that names who made them: an unknown one is a blank.
            added.extend(creator.map(cell).and_then(|creator| creator.parse().ok()).map(|creator| (creator, label)));
            if self.by_account.len().saturating_add(added.len()) > MOST {
                return Err(LabelsError::TooMany { line });
            }
        }
        for (account, label) in added {
            if label.category == LabelCategory::Hostile || !self.by_account.contains_key(&account) {
                self.by_account.insert(account, label);
            }
        }
        Ok(())
    }

    /// What is known of `account`.
    pub fn of(&self, account: Address) -> Option<&Label> {
        self.by_account.get(&account)
    }

    /// Accounts known.
    pub fn len(&self) -> usize {
        self.by_account.len()
    }

    /// Whether nothing is known of anybody.
    pub fn is_empty(&self) -> bool {
        self.by_account.is_empty()
    }
}

/// The kind that a word of a list stands for. Words that we do not know are services: known, and nothing more.
fn category(word: &str) -> LabelCategory {
    match word.to_ascii_lowercase().as_str() {
        "exchange" | "cex" => LabelCategory::Exchange,
        "mixer" | "ethereum-mixer" | "tornado-cash" => LabelCategory::Mixer,
        "bridge" => LabelCategory::Bridge,
        "hostile" | "sanctioned" | "exploit" | "heist" | "phish-hack" | "phishing" | "hack" | "attacker" => {
            LabelCategory::Hostile
        }
        _ => LabelCategory::Service,
    }
}

/// The cells of one line. Quoted cells may hold commas, and quotation marks twice.
fn fields(line: &str, number: usize) -> Result<Vec<String>, LabelsError> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    if quoted {
        return Err(LabelsError::OpenQuote { line: number });
    }
    cells.push(cell);
    Ok(cells)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "0x0000000000000000000000000000000000000001";
    const TWO: &str = "0x0000000000000000000000000000000000000002";

    fn read(text: &str) -> Result<Labels, LabelsError> {
        let mut labels = Labels::default();
        labels.add(text).map(|()| labels)
    }

    #[test]
    fn services_and_contracts_with_their_creators_are_read() {
        let mut labels =
            read(&format!("address,category,label,name\n{ONE},mixer,tornado,\"Mixer: 10,000 \"\"x\"\"\"\n")).unwrap();
        labels.add(&format!("address,tag,creator,label\n{TWO},Thief,{ONE},heist\n")).unwrap();
        let known = |account: &str| labels.of(account.parse().unwrap()).unwrap().clone();
        assert_eq!(known(ONE), Label { category: LabelCategory::Hostile, name: "Thief".to_owned() });
        assert_eq!(known(TWO).category, LabelCategory::Hostile);
        let mixer = read(&format!("address,category,label,name\n{ONE},mixer,t,\"a, \"\"b\"\"\"\n")).unwrap();
        assert_eq!(mixer.of(ONE.parse().unwrap()).unwrap().name, "a, \"b\"");
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_nothing_is_taken() {
        let mut labels = Labels::default();
        let wrong = labels.add(&format!("address,category\n{ONE},mixer\nnobody,mixer\n"));
        assert_eq!(wrong, Err(LabelsError::NotAnAddress { line: 3, seen: "nobody".to_owned() }));
        assert!(labels.is_empty());
        assert_eq!(read("a,b\n").unwrap_err(), LabelsError::NoAddressColumn);
        assert_eq!(read("address,b\n").unwrap_err(), LabelsError::NoKindColumn);
        assert_eq!(read("address,category\n\"x,y\n").unwrap_err(), LabelsError::OpenQuote { line: 2 });
        assert_eq!(read("").unwrap_err(), LabelsError::NoAddressColumn);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,400}") {
            let _read_or_refused = read(&format!("address,category\n{text}"));
        }
    }
}
