//! `manifest.json`: which cases a folder holds, and what is known of each.

use std::path::{Component, Path, PathBuf};

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::{Case, CaseError};

/// The only format there is.
const FORMAT: &str = "cofferdam-case/1";

/// What a folder of cases holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    /// Whole blocks, executed exactly.
    #[serde(default)]
    pub blocks: Vec<Entry>,
    /// Attacks, with the state that they touched.
    #[serde(default)]
    pub exploits: Vec<Entry>,
}

/// One case of a folder. What is absent is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path below the folder.
    pub file: PathBuf,
    /// EIP-155.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Hard fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// Transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txs: Option<u64>,
    /// Transactions that call a contract directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_calls: Option<u64>,
    /// Gas of the whole block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas_used: Option<u64>,
    /// The protocol's addresses: what a security team would have registered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<Address>,
    /// Index of the attack among the transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack_tx: Option<usize>,
    /// When the attack could have been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What went wrong, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Kind of attack, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// When it happened, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// When an attack could have been seen, in the collector's word: `before`, `pending`, `between`, `atomic`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Window(pub String);

impl Default for Manifest {
    fn default() -> Self {
        Self { format: FORMAT.to_owned(), blocks: Vec::new(), exploits: Vec::new() }
    }
}

impl Manifest {
    /// Reads `manifest.json` of `folder`.
    ///
    /// # Errors
    /// [`CaseError`] naming the file and the entry at fault.
    pub fn read(folder: &Path) -> Result<Self, CaseError> {
        let path = folder.join("manifest.json");
        let text = std::fs::read(&path).map_err(|source| CaseError::File { path: path.clone(), source })?;
        Self::parse(&text).map_err(|detail| CaseError::Content { path, detail })
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!("`format`: {:?}, expected {FORMAT:?}", manifest.format));
        }
        for entry in manifest.blocks.iter().chain(&manifest.exploits) {
            let inside = entry.file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if !inside || entry.file.as_os_str().is_empty() {
                return Err(format!("`file`: `{}`, expected a path below the folder", entry.file.display()));
            }
            if let (Some(index), Some(count)) = (entry.attack_tx, entry.txs)
                && u64::try_from(index).is_ok_and(|index| index >= count)
            {
                return Err(format!("`{}`: `attack_tx`: {index}, expected less than {count}", entry.file.display()));
            }
        }
        Ok(manifest)
    }

    /// Writes `manifest.json` into `folder`.
    ///
    /// # Errors
    /// [`CaseError::File`].
    pub fn write(&self, folder: &Path) -> Result<(), CaseError> {
        let path = folder.join("manifest.json");
        let written = serde_json::to_vec_pretty(self).map_err(std::io::Error::from);
        written.and_then(|text| std::fs::write(&path, text)).map_err(|source| CaseError::File { path, source })
    }

    /// The entry that describes a case as a whole block.
    pub fn entry_for(case: &Case, file: PathBuf) -> Entry {
        let has_code = |address: &Address| case.pre.get(address).is_some_and(|account| !account.state.code.is_empty());
        let calls = case.transactions.iter().filter(|transaction| transaction.to.as_ref().is_some_and(has_code));
        Entry {
            file,
            chain_id: Some(case.chain_id),
            number: Some(case.env.number),
            spec: Some(case.spec.clone()),
            txs: u64::try_from(case.transactions.len()).ok(),
            contract_calls: u64::try_from(calls.count()).ok(),
            gas_used: case.expected_gas_used,
            ..Entry::default()
        }
    }
}

impl Entry {
    /// Reads the case and checks it against the entry.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn read(&self, folder: &Path) -> Result<Case, CaseError> {
        let path = folder.join(&self.file);
        let case = Case::read(&path)?;
        match self.attack_tx.filter(|index| *index >= case.transactions.len()) {
            None => Ok(case),
            Some(index) => {
                let count = case.transactions.len();
                let detail =
                    format!("`attack_tx` in the manifest: {index}, expected less than {count}, its transactions");
                Err(CaseError::Content { path, detail })
            }
        }
    }
}
