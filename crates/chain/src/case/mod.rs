//! Cases on disk (`cofferdam-case/1`): a block or an attack with the state it reads, to be run offline.
//!
//! A case comes from outside and is checked like anything else from there: one clear error, naming the file and the
//! field. Unknown keys are skipped, since other collectors add their own; a known key with a wrong value never is.

mod format;
mod manifest;
mod record;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use cofferdam_types::{AccountState, BlockNumber, BlockRef, Header, Transaction};

pub use manifest::{Entry, Manifest, Window};
pub use record::Recorder;
pub use source::CaseState;

/// Longest document that is unpacked.
const LARGEST: u64 = 1_024 * 1_024 * 1_024;
/// Zstandard's own default is 3; cases are written once and read often.
const COMPRESSION: i32 = 10;

/// What is wrong with a case or manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// The file cannot be read or written.
    #[error("`{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The content is not a case.
    #[error("`{}`: {detail}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Field, value seen, and what was expected.
        detail: String,
    },
    /// The node could not tell what a case needs.
    #[error("block {number} cannot be recorded: {reason}")]
    Record {
        /// Which.
        number: BlockNumber,
        /// Why.
        reason: String,
    },
}

/// The block that a case's transactions run in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// Height.
    pub number: u64,
    /// Fee recipient.
    pub coinbase: Address,
    /// Unix seconds.
    pub timestamp: u64,
    /// Gas.
    pub gas_limit: u64,
    /// Wei per gas; zero before London.
    pub basefee: u64,
    /// Zero after the merge.
    pub difficulty: U256,
    /// After the merge.
    pub prevrandao: Option<B256>,
    /// EIP-4844.
    pub excess_blob_gas: Option<u64>,
    /// Set where the block starts with the EIP-4788 system call.
    pub beacon_root: Option<B256>,
    /// Set where the block starts with the EIP-2935 system call.
    pub parent_hash_sys: Option<B256>,
    /// The update fraction of the blob base fee where it is not Cancun's.
    pub bfraction: Option<u64>,
}

/// One account before the case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseAccount {
    /// Balance, nonce and code.
    pub state: AccountState,
    /// Slots that the case knows.
    pub storage: BTreeMap<U256, U256>,
}

/// A case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// EIP-155.
    pub chain_id: u64,
    /// revm's name of the hard fork, in any letter case. Whether it exists is known to the EVM's room.
    pub spec: String,
    /// The block.
    pub env: Env,
    /// What `BLOCKHASH` may read.
    pub block_hashes: BTreeMap<u64, B256>,
    /// The state before; an account that is absent does not exist.
    pub pre: BTreeMap<Address, CaseAccount>,
    /// In order, senders recovered.
    pub transactions: Vec<Transaction>,
    /// Gas of the whole block, where the case is a whole block.
    pub expected_gas_used: Option<u64>,
}

impl Case {
    /// Reads a case, compressed or plain.
    ///
    /// # Errors
    /// [`CaseError`] naming the file, and the field where one is at fault.
    pub fn read(path: &Path) -> Result<Self, CaseError> {
        let packed = std::fs::read(path).map_err(|source| CaseError::File { path: path.to_owned(), source })?;
        Self::parse(&packed).map_err(|detail| CaseError::Content { path: path.to_owned(), detail })
    }

    /// Reads a case from the bytes of a file, compressed or plain.
    ///
    /// # Errors
    /// In words: field, value seen, and what was expected.
    pub fn parse(packed: &[u8]) -> Result<Self, String> {
        const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
        if !packed.starts_with(&MAGIC) {
            return format::parse(packed);
        }
        let mut text = Vec::new();
        let unpacked = zstd::Decoder::new(packed).and_then(|decoder| decoder.take(LARGEST).read_to_end(&mut text));
        let length = unpacked.map_err(|error| format!("not a whole zstd stream: {error}"))?;
        if u64::try_from(length).is_ok_and(|length| length >= LARGEST) {
            return Err(format!("unpacks to more than the {LARGEST} bytes allowed"));
        }
        format::parse(&text)
    }

    /// Writes the case, compressed.
    ///
    /// # Errors
    /// [`CaseError::File`].
    pub fn write(&self, path: &Path) -> Result<(), CaseError> {
        let written = self.pack().and_then(|packed| std::fs::File::create(path)?.write_all(&packed));
        written.map_err(|source| CaseError::File { path: path.to_owned(), source })
    }

    /// The bytes of the case's file, compressed.
    ///
    /// # Errors
    /// What the compressor says; it has no reason to.
    pub fn pack(&self) -> std::io::Result<Vec<u8>> {
        let text = serde_json::to_vec(&format::document(self))?;
        zstd::encode_all(text.as_slice(), COMPRESSION)
    }

    /// Whether the case holds all state that its transactions read, so that an absent slot is zero. Cases of attacks
    /// hold what the attack touched and little else.
    pub fn is_whole_block(&self) -> bool {
        self.expected_gas_used.is_some()
    }

    /// The block that the case's transactions stand on.
    pub fn parent(&self) -> BlockRef {
        let number = self.env.number.saturating_sub(1);
        let stated = self.block_hashes.get(&number).copied().or(self.env.parent_hash_sys);
        BlockRef { number: BlockNumber(number), hash: stated.unwrap_or_else(|| self.synthetic("parent")) }
    }

    /// A header for [`parent`](Self::parent), of which only number and hash are facts.
    pub fn parent_header(&self) -> Header {
        let parent = self.parent();
        Header {
            number: parent.number,
            hash: parent.hash,
            parent_hash: parent
                .number
                .0
                .checked_sub(1)
                .and_then(|number| self.block_hashes.get(&number).copied())
                .unwrap_or_default(),
            gas_limit: self.env.gas_limit,
            timestamp: self.env.timestamp.saturating_sub(1),
            ..Header::default()
        }
    }

    /// The header that the transactions run under. Its own hash is made up from the case's name.
    pub fn header(&self) -> Header {
        let env = &self.env;
        Header {
            number: BlockNumber(env.number),
            hash: self.synthetic("block"),
            parent_hash: self.parent().hash,
            timestamp: env.timestamp,
            gas_limit: env.gas_limit,
            gas_used: self.expected_gas_used.unwrap_or(0),
            base_fee: self.since("london").then_some(env.basefee),
            beneficiary: env.coinbase,
            difficulty: env.difficulty,
            prev_randao: env.prevrandao,
            excess_blob_gas: env.excess_blob_gas.filter(|_| self.since("cancun")),
            parent_beacon_block_root: env.beacon_root,
            receipts_root: B256::ZERO,
            state_root: B256::ZERO,
        }
    }

    /// Whether the case's hard fork is `fork` or a later one; a name that is not known counts as the newest.
    fn since(&self, fork: &str) -> bool {
        const BEFORE_LONDON: [&str; 12] = [
            "frontier",
            "frontierthawing",
            "homestead",
            "daofork",
            "tangerine",
            "spurious",
            "spuriousdragon",
            "byzantium",
            "constantinople",
            "petersburg",
            "istanbul",
            "muirglacier",
        ];
        const BEFORE_CANCUN: [&str; 6] = ["berlin", "london", "arrowglacier", "grayglacier", "merge", "shanghai"];
        let plain =
            |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let own = plain(&self.spec);
        let early = BEFORE_LONDON.contains(&own.as_str()) || own == "berlin";
        match fork {
            "london" => !early,
            _ => !early && !BEFORE_CANCUN.contains(&own.as_str()),
        }
    }

    fn synthetic(&self, what: &str) -> B256 {
        keccak256(format!("cofferdam-case/1 {} {what}", self.name))
    }

    /// The hash that stands in for a transaction's own, which the format does not carry.
    fn synthetic_transaction(name: &str, index: usize) -> B256 {
        keccak256(format!("cofferdam-case/1 {name} transaction {index}"))
    }
}

impl CaseAccount {
    /// An account with this state and no slots.
    pub fn new(balance: U256, nonce: u64, code: Bytes) -> Self {
        Self { state: AccountState { balance, nonce, code }, storage: BTreeMap::new() }
    }
}
