//! The state root, with the parts of it that did not change kept from block to block.
//!
//! The account trie is computed anew for every block; storage roots and code hashes only for accounts that a
//! transaction wrote to. What is kept is a pure function of the ledger: forgetting it changes time, never a hash.

use std::collections::HashMap;

use alloy_consensus::TrieAccount;
use alloy_consensus::proofs::{state_root_unhashed, storage_root_unhashed};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_primitives::{Address, B256, keccak256};
use cofferdam_evm::Ledger;
use cofferdam_types::Effects;

/// Storage roots and code hashes by account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roots {
    known: HashMap<Address, (B256, B256)>,
}

impl Roots {
    /// Forgets what `effects` changed.
    pub(crate) fn note(&mut self, effects: &Effects) {
        for write in &effects.writes {
            self.known.remove(&write.address);
        }
        for change in &effects.code_changes {
            self.known.remove(&change.address);
        }
    }

    /// Forgets what the protocol's own calls at the start of a block may have changed.
    pub(crate) fn note_system_calls(&mut self) {
        self.known.remove(&BEACON_ROOTS_ADDRESS);
        self.known.remove(&HISTORY_STORAGE_ADDRESS);
    }

    /// Forgets everything, after state was rolled back.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    /// The root of the whole state. Empty accounts are not part of it (EIP-161).
    pub(crate) fn state_root(&mut self, ledger: &Ledger) -> B256 {
        let mut accounts = Vec::new();
        for (address, state, slots) in ledger.accounts() {
            if state.nonce == 0 && state.balance.is_zero() && state.code.is_empty() {
                continue;
            }
            let (storage_root, code_hash) = *self.known.entry(address).or_insert_with(|| {
                let written = slots.into_iter().filter(|(_, value)| !value.is_zero());
                (storage_root_unhashed(written.map(|(slot, value)| (B256::from(slot), value))), keccak256(&state.code))
            });
            accounts.push((address, TrieAccount::new(state.nonce, state.balance, storage_root, code_hash)));
        }
        state_root_unhashed(accounts)
    }
}
