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

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_used, reason = "tests")]

    use alloy_primitives::{Bytes, U256, hex};
    use cofferdam_evm::{Rules, Spec};
    use cofferdam_types::{AccountState, BlockNumber, ChainId, Header, Transaction};
    use proptest::prelude::*;

    use super::*;

    const STORE: Address = Address::repeat_byte(0xc0);
    const SENDER: Address = Address::repeat_byte(0x5e);

    /// `STORE` stores the second word of its calldata at the slot named by the first.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(Rules::fixed(ChainId(1), Spec::PRAGUE));
        ledger.set_account(SENDER, AccountState { balance: U256::MAX, ..AccountState::default() });
        let code = Bytes::from_static(&hex!("6020355f355500"));
        ledger.set_account(STORE, AccountState { nonce: 1, code, ..AccountState::default() });
        ledger
    }

    proptest! {
        #[test]
        fn roots_kept_from_block_to_block_equal_roots_computed_anew(
            writes in proptest::collection::vec((0..6_u64, 0..3_u64, any::<bool>()), 1..30),
        ) {
            let (mut ledger, mut kept) = (ledger(), Roots::default());
            let header = Header { number: BlockNumber(1), gas_limit: 30_000_000, prev_randao: Some(B256::ZERO), ..Header::default() };
            for (nonce, (slot, value, create)) in (0_u64..).zip(writes) {
                let data = [U256::from(slot).to_be_bytes::<32>(), U256::from(value).to_be_bytes::<32>()].concat();
                let transaction = Transaction {
                    from: SENDER,
                    // The creation returns one byte of code.
                    to: (!create).then_some(STORE),
                    nonce,
                    gas_limit: 200_000,
                    input: if create { Bytes::from_static(&hex!("60015ff3")) } else { data.into() },
                    ..Transaction::default()
                };
                let effects = ledger.execute(&header, &transaction);
                prop_assert!(effects.outcome.succeeded(), "{:?}", effects.outcome);
                kept.note(&effects);
                prop_assert_eq!(kept.state_root(&ledger), Roots::default().state_root(&ledger));
            }
        }
    }

    #[test]
    fn the_empty_state_has_the_empty_root() {
        let ledger = Ledger::new(Rules::fixed(ChainId(1), Spec::PRAGUE));
        assert_eq!(Roots::default().state_root(&ledger), alloy_consensus::EMPTY_ROOT_HASH);
    }
}
