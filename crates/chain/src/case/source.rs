//! A case as a [`StateSource`]: the state before its transactions, and nothing else.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use cofferdam_types::{
    AccountState, Block, BlockNumber, BlockRef, Known, PreAccount, PreState, StateError, StateSource, Transaction,
};

use super::Case;

/// The state of one case.
#[derive(Clone, Debug)]
pub struct CaseState {
    case: Arc<Case>,
    parent: BlockRef,
    absent_is_zero: bool,
}

impl CaseState {
    /// * `absent_is_zero`: whether a slot that the case does not name is zero (whole blocks) or unknown (attacks, which
    ///   hold what they touched and little else); see [`Case::is_whole_block`]
    pub fn new(case: Arc<Case>, absent_is_zero: bool) -> Self {
        let parent = case.parent();
        Self { case, parent, absent_is_zero }
    }

    fn at(&self, at: BlockRef) -> Result<(), StateError> {
        if at == self.parent {
            return Ok(());
        }
        let (number, hash) = (self.parent.number, self.parent.hash);
        let reason = format!("the case `{}` holds the state of block {number} {hash} only", self.case.name);
        Err(StateError::Unavailable { at: at.number, reason })
    }

    fn all(&self) -> PreState {
        let account = |(address, account): (&Address, &super::CaseAccount)| PreAccount {
            address: *address,
            state: Some(account.state.clone()),
            slots: account.storage.iter().map(|(slot, value)| (*slot, *value)).collect(),
        };
        PreState { accounts: self.case.pre.iter().map(account).collect() }
    }
}

impl StateSource for CaseState {
    fn account(&self, address: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        self.at(at)?;
        Ok(Known::Value(self.case.pre.get(&address).map(|account| account.state.clone())))
    }

    fn slot(&self, address: Address, slot: U256, at: BlockRef) -> Result<Known<U256>, StateError> {
        self.at(at)?;
        let Some(account) = self.case.pre.get(&address) else { return Ok(Known::Value(U256::ZERO)) };
        Ok(match account.storage.get(&slot) {
            Some(value) => Known::Value(*value),
            None if self.absent_is_zero => Known::Value(U256::ZERO),
            None => Known::Unknown,
        })
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Known<B256>, StateError> {
        let stated = self.case.block_hashes.get(&number.0).copied();
        let parent = (number == self.parent.number).then_some(self.parent.hash);
        Ok(stated.or(parent).map_or(Known::Unknown, Known::Value))
    }

    fn prestate(&self, _: &Transaction, at: BlockRef) -> Result<PreState, StateError> {
        self.at(at)?;
        Ok(PreState::default())
    }

    fn block_prestate(&self, block: &Block) -> Result<PreState, StateError> {
        self.at(block.header.parent_ref().unwrap_or_default())?;
        Ok(self.all())
    }
}
