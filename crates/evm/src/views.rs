//! View calls and what they read, so that an answer need not be asked for again when nothing that it read has changed.

use cofferdam_types::ViewResult;
use revm::primitives::{Address, B256, Bytes, U256};
use revm::state::EvmState;

use crate::machine::{CallRequest, Machine};
use crate::state::DbError;

/// Gas of one view: enough for every honest accounting view, little enough that a hostile one cannot stall the loop.
pub(crate) const VIEW_GAS: u64 = 2_000_000;

/// What a view read: slots with their values, and the code hash of every account that it loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadSet {
    pub(crate) slots: Vec<(Address, U256, U256)>,
    pub(crate) codes: Vec<(Address, B256)>,
    balances: Vec<(Address, U256)>,
}

impl ReadSet {
    fn of(changes: &EvmState, caller: Address) -> Self {
        let mut read = Self::default();
        for (address, account) in changes {
            if *address == caller {
                continue;
            }
            read.codes.push((*address, account.info.code_hash));
            read.balances.push((*address, account.info.balance));
            read.slots.extend(account.storage.iter().map(|(slot, value)| (*address, *slot, value.original_value)));
        }
        read
    }

    /// Whether `changes` alter anything that was read.
    pub(crate) fn altered_by(&self, changes: &EvmState) -> bool {
        self.code_altered_by(changes)
            || self.balances.iter().any(|(address, balance)| {
                changes.get(address).is_some_and(|account| account.is_touched() && account.info.balance != *balance)
            })
            || self.slots.iter().any(|(address, slot, _)| changed_slot(changes, *address, *slot).is_some())
    }

    /// Whether `changes` alter the code of an account that was read.
    pub(crate) fn code_altered_by(&self, changes: &EvmState) -> bool {
        self.codes.iter().any(|(address, hash)| {
            changes.get(address).is_some_and(|account| account.is_touched() && account.info.code_hash != *hash)
        })
    }
}

/// The new value of a slot that `changes` changed. A wiped account counts as changed to zero.
pub(crate) fn changed_slot(changes: &EvmState, address: Address, slot: U256) -> Option<U256> {
    let account = changes.get(&address)?;
    if account.is_touched() && account.is_selfdestructed() {
        return Some(U256::ZERO);
    }
    let value = account.storage.get(&slot)?;
    value.is_changed().then_some(value.present_value)
}

/// Asks `target` on the current state.
pub(crate) fn ask(
    machine: &mut Machine,
    target: Address,
    data: Bytes,
    gas: u64,
) -> Result<(ViewResult, ReadSet), DbError> {
    let caller = Address::ZERO;
    let request = CallRequest { from: caller, to: Some(target), value: U256::ZERO, data, gas };
    let (outcome, changes) = machine.view(&request)?;
    Ok((outcome.result, ReadSet::of(&changes, caller)))
}
