//! An alert of another tool, as far as it is understood. It informs; it proves nothing.

use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{FindingId, Level, ModuleId, Score, Severity, Stage, UnixMillis};

/// What another tool said. Its words are strangers' words: bounded, and shown as foreign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who said it: the name of the source in the configuration.
    pub source: String,
    /// What names it at its source: the same alert again has the same key.
    pub key: String,
    /// What kind of alert it is, in the source's words.
    pub kind: String,
    /// One line for a person.
    pub summary: String,
    /// How bad the source thinks it is.
    pub severity: Severity,
    /// What we make of it: a notice or an alert, never a stop.
    pub level: Level,
    /// How far the attack would be.
    pub stage: Stage,
    /// How seldom the source says such a thing; the whole where it does not tell.
    pub score: Score,
    /// When the source saw it, or when it came where it does not tell.
    pub at: UnixMillis,
    /// Accounts that it names, ascending, without protected ones; bounded.
    pub accounts: Vec<Address>,
    /// Transactions that it names, in its order; bounded.
    pub transactions: Vec<B256>,
    /// Protected modules whose contracts it names, ascending.
    pub modules: Vec<ModuleId>,
}

impl Report {
    /// Its place among findings: keccak of the word `foreign`, the source and its key.
    pub fn id(&self) -> FindingId {
        let mut preimage = Vec::new();
        for part in ["foreign", &self.source, &self.key] {
            preimage.extend_from_slice(keccak256(part.as_bytes()).as_slice());
        }
        FindingId(keccak256(&preimage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_of_another_source_is_another_alert() {
        let report = |source: &str, key: &str| Report {
            source: source.to_owned(),
            key: key.to_owned(),
            kind: String::new(),
            summary: String::new(),
            severity: Severity::Info,
            level: Level::Notice,
            stage: Stage::Exploitation,
            score: Score::WHOLE,
            at: UnixMillis(0),
            accounts: Vec::new(),
            transactions: Vec::new(),
            modules: Vec::new(),
        };
        assert_eq!(report("a", "b").id(), report("a", "b").id());
        assert_ne!(report("a", "b").id(), report("b", "a").id());
        assert_ne!(report("ab", "c").id(), report("a", "bc").id());
    }
}
