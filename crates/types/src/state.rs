//! How missing chain state is asked for. The answers come from outside and are claims of one node at one block.

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::{AccessListItem, Block, BlockNumber, BlockRef, Transaction};

/// An account as of one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Runtime code; empty for accounts without code. EIP-7702 delegations keep their `0xef0100` prefix.
    pub code: Bytes,
}

/// A looked-up value, or the honest statement that the source cannot know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// The value as of the block asked for.
    Value(T),
    /// The source holds only part of the state (a case on disk): read as zero, and say so.
    Unknown,
}

/// One account of a [`PreState`].
#[derive(Clone, Debug, Default)]
pub struct PreAccount {
    /// Whose.
    pub address: Address,
    /// `None` when the account does not exist.
    pub state: Option<AccountState>,
    /// Slot and value; slots that are absent were not read.
    pub slots: Vec<(U256, U256)>,
}

/// State that one or more transactions read, fetched in one call.
#[derive(Clone, Debug, Default)]
pub struct PreState {
    /// Each account at most once.
    pub accounts: Vec<PreAccount>,
}

/// The outside failed to answer.
#[derive(Debug, thiserror::Error, Clone)]
#[non_exhaustive]
pub enum StateError {
    /// No endpoint answered in time.
    #[error("state of block {at} is not available: {reason}")]
    Unavailable {
        /// The block asked for.
        at: BlockNumber,
        /// What the last endpoint said; never a URL.
        reason: String,
    },
}

/// Where state comes from that is not in memory yet.
///
/// Calls block the calling thread. Implementors never answer for another block than the one named.
pub trait StateSource: Send + Sync {
    /// The account after block `at`; `Value(None)` when it does not exist.
    ///
    /// # Errors
    /// [`StateError`] when no endpoint could answer.
    fn account(&self, address: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError>;

    /// One storage slot after block `at`; zero when never written.
    ///
    /// # Errors
    /// [`StateError`] when no endpoint could answer.
    fn slot(&self, address: Address, slot: U256, at: BlockRef) -> Result<Known<U256>, StateError>;

    /// The hash of canonical block `number`, for the `BLOCKHASH` opcode.
    ///
    /// # Errors
    /// [`StateError`] when no endpoint could answer.
    fn block_hash(&self, number: BlockNumber) -> Result<Known<B256>, StateError>;

    /// Everything that `transaction` would read on top of block `at`, in one call where the node can.
    /// An empty answer is allowed: slots are then asked for one by one.
    ///
    /// # Errors
    /// [`StateError`] when no endpoint could answer.
    fn prestate(&self, transaction: &Transaction, at: BlockRef) -> Result<PreState, StateError>;

    /// Accounts with some of their slots after block `at`, in one question where the source can. In the order of
    /// `keys`; what the source cannot know is absent or zero.
    ///
    /// # Errors
    /// [`StateError`] when no endpoint could answer.
    fn keys(&self, keys: &[AccessListItem], at: BlockRef) -> Result<PreState, StateError> {
        let mut accounts = Vec::with_capacity(keys.len());
        for AccessListItem { address, slots } in keys {
            let state = match self.account(*address, at)? {
                Known::Value(state) => state,
                Known::Unknown => None,
            };
            let mut values = Vec::with_capacity(slots.len());
            for slot in slots.iter().map(|slot| U256::from_be_bytes(slot.0)) {
                let value = match self.slot(*address, slot, at)? {
                    Known::Value(value) => value,
                    Known::Unknown => U256::ZERO,
                };
                values.push((slot, value));
            }
            accounts.push(PreAccount { address: *address, state, slots: values });
        }
        Ok(PreState { accounts })
    }

    /// Everything that the transactions of `block` read, as it was *before* the block. Empty is allowed.
    ///
    /// # Errors
    /// [`StateError`] when no endpoint could answer.
    fn block_prestate(&self, block: &Block) -> Result<PreState, StateError>;
}
