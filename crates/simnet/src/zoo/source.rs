//! A recording as the place where a guard's engine finds the state that it starts from.

use std::collections::HashMap;

use alloy_primitives::{Address, B256, U256};
use cofferdam_types::{
    AccountState, Block, BlockNumber, BlockRef, Known, PreState, StateError, StateSource, Transaction,
};

use super::stage::Played;

/// The whole state before the first block. What is not in it does not exist, and what a block has changed since is in
/// the memory of the engine that executed it.
#[derive(Debug)]
pub struct PlayedState {
    accounts: HashMap<Address, (Option<AccountState>, HashMap<U256, U256>)>,
    hashes: HashMap<u64, B256>,
}

impl PlayedState {
    /// Indexes the state of `played`.
    pub fn new(played: &Played) -> Self {
        let accounts = played.state.accounts.iter().map(|account| {
            let slots = account.slots.iter().copied().collect();
            (account.address, (account.state.clone(), slots))
        });
        let headers = played.blocks.iter().map(|block| &block.block.header).chain([&played.parent]);
        Self { accounts: accounts.collect(), hashes: headers.map(|header| (header.number.0, header.hash)).collect() }
    }
}

impl StateSource for PlayedState {
    fn account(&self, address: Address, _at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        Ok(Known::Value(self.accounts.get(&address).and_then(|(state, _)| state.clone())))
    }

    fn slot(&self, address: Address, slot: U256, _at: BlockRef) -> Result<Known<U256>, StateError> {
        let known = self.accounts.get(&address).and_then(|(_, slots)| slots.get(&slot));
        Ok(Known::Value(known.copied().unwrap_or_default()))
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Known<B256>, StateError> {
        Ok(self.hashes.get(&number.0).map_or(Known::Unknown, |hash| Known::Value(*hash)))
    }

    fn prestate(&self, _transaction: &Transaction, _at: BlockRef) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }

    fn block_prestate(&self, _block: &Block) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }
}
