//! What a chain starts from. Everything that could differ between two runs is named here; nothing is taken from outside.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256, address};
use cofferdam_evm::Spec;
use cofferdam_types::{AccountState, ChainId};

/// An account that exists in block 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Balance, nonce and code.
    pub state: AccountState,
    /// Slots and their values.
    pub slots: Vec<(U256, U256)>,
}

/// How a chain is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// EIP-155 id.
    pub chain_id: ChainId,
    /// The rules of every block; the merge is the oldest that is built.
    pub spec: Spec,
    /// Gas of a block.
    pub gas_limit: u64,
    /// Base fee of block 0, in wei per gas.
    pub base_fee: u64,
    /// Unix seconds of block 0.
    pub genesis_time: u64,
    /// Seconds from one block to the next, unless time is moved by hand.
    pub block_seconds: u64,
    /// Who gets the tips.
    pub beneficiary: Address,
    /// Goes into `prev_randao`: two chains with the same accounts and another seed have other hashes.
    pub seed: u64,
    /// Mines a block after every accepted transaction.
    pub automine: bool,
    /// How many transactions each lane of the mempool holds at most.
    pub pool_limit: usize,
    /// Accounts of block 0.
    pub accounts: BTreeMap<Address, GenesisAccount>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chain_id: ChainId(31_337),
            spec: Spec::PRAGUE,
            gas_limit: 30_000_000,
            base_fee: 1_000_000_000,
            genesis_time: 1_700_000_000,
            block_seconds: 12,
            beneficiary: address!("00000000000000000000000000000000c0ffe7da"),
            seed: 0,
            automine: false,
            pool_limit: 10_000,
            accounts: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Gives `address` a balance in block 0, in wei.
    #[must_use]
    pub fn fund(mut self, address: Address, wei: U256) -> Self {
        self.accounts.entry(address).or_default().state.balance = wei;
        self
    }

    /// Checks what would make blocks that no client accepts.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !self.spec.is_enabled_in(Spec::MERGE) {
            return Err(ConfigError::BeforeMerge { spec: self.spec });
        }
        if self.gas_limit < MIN_GAS_LIMIT {
            return Err(ConfigError::GasLimit { seen: self.gas_limit });
        }
        if self.block_seconds == 0 {
            return Err(ConfigError::BlockSeconds);
        }
        Ok(())
    }
}

/// The yellow paper's lower bound of a block's gas limit.
const MIN_GAS_LIMIT: u64 = 5_000;

/// The configuration cannot make a chain.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Proof-of-work blocks are not built here.
    #[error("spec `{spec}` is older than the merge, the oldest that can be built")]
    BeforeMerge {
        /// The spec asked for.
        spec: Spec,
    },
    /// Below the protocol's minimum.
    #[error("gas limit {seen} is below the minimum of {MIN_GAS_LIMIT}")]
    GasLimit {
        /// The limit asked for.
        seen: u64,
    },
    /// Two blocks may not have the same timestamp.
    #[error("block time must be at least 1 second")]
    BlockSeconds,
    /// The chain's thread could not be started.
    #[error("the thread of the chain cannot be started: {reason}")]
    Thread {
        /// What the operating system said.
        reason: String,
    },
}
