//! A whole chain's state in memory, with nothing outside of it: for simulated chains and tests.
//!
//! Unlike [`crate::Engine`] it makes state instead of following it. An account that was never set does not exist.

use cofferdam_types::{
    AccountState, BlockNumber, Effects, Header, Outcome, PreAccount, PreState, Transaction, ViewResult,
};
use revm::database_interface::Database;
use revm::primitives::{Address, B256, Bytes, U256};

use crate::effects;
use crate::machine::{CallOutcome, CallRequest, Checks, Machine, RunError};
use crate::rules::{Rules, Spec};
use crate::state::{DbError, Mark, State};

/// EIP-4788: holds the roots of the beacon chain's blocks.
const BEACON_ROOTS: Address = revm::primitives::address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
/// EIP-2935: holds the hashes of the last 8,191 blocks.
const BLOCK_HASHES: Address = revm::primitives::address!("0000F90827F1C53a10cb7A02335B175320002935");

/// Length of the ring buffers of both.
const RING: u64 = 8_191;

/// State, and the rules by which transactions change it.
pub struct Ledger {
    machine: Machine,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("slots", &self.machine.state().slot_count()).finish_non_exhaustive()
    }
}

impl Clone for Ledger {
    fn clone(&self) -> Self {
        Self { machine: Machine::new(*self.machine.rules(), self.machine.state().clone()) }
    }
}

impl Ledger {
    /// An empty state.
    pub fn new(rules: Rules) -> Self {
        Self { machine: Machine::new(rules, State::default()) }
    }

    /// Sets balance, nonce and code of an account; its storage stays.
    pub fn set_account(&mut self, address: Address, state: AccountState) {
        self.machine.state_mut().put_account(address, state);
    }

    /// Sets one storage slot.
    pub fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        self.machine.state_mut().put_slot(address, slot, value);
    }

    /// The account; `None` when it does not exist.
    pub fn account(&self, address: Address) -> Option<AccountState> {
        let info = self.machine.state().known_info(address)?;
        Some(account_state(info))
    }

    /// The slot; zero when never written.
    pub fn slot(&self, address: Address, slot: U256) -> U256 {
        self.machine.state().known_slot(address, slot).unwrap_or_default()
    }

    /// What `BLOCKHASH` answers for `number`.
    pub fn set_block_hash(&mut self, number: BlockNumber, hash: B256) {
        self.machine.state_mut().set_block_hash(number, hash);
    }

    /// The protocol's own calls at the start of a block (EIP-4788, EIP-2935), as the fork of `header` has them.
    pub fn begin_block(&mut self, header: &Header) {
        self.machine.enter_block(header);
        // A ledger has no source, so reading state cannot fail.
        let _ = begin_block(&mut self.machine, header);
    }

    /// Runs `transaction` in the block of `header` and keeps what it changed. [`Outcome::Invalid`] changes nothing.
    pub fn execute(&mut self, header: &Header, transaction: &Transaction) -> Effects {
        self.machine.enter_block(header);
        match self.machine.run(transaction, Checks::All) {
            Ok(run) => {
                let (effects, changes) = effects::of_run(run);
                self.machine.state_mut().commit(changes);
                effects
            }
            Err(RunError::Invalid(reason)) => Effects::nothing(Outcome::Invalid(reason)),
            Err(RunError::State(error)) => Effects::nothing(Outcome::Invalid(error.to_string())),
        }
    }

    /// Adds wei to an account outside of any transaction: rewards, withdrawals, faucets.
    pub fn credit(&mut self, address: Address, wei: U256) {
        if self.account(address).is_none() {
            self.set_account(address, AccountState::default());
        }
        self.machine.state_mut().credit(address, wei);
    }

    /// A call that changes nothing; neither nonce nor fees are checked.
    pub fn call(&mut self, header: &Header, request: &CallRequest) -> CallOutcome {
        self.machine.enter_block(header);
        match self.machine.view(request) {
            Ok((outcome, _)) => outcome,
            Err(error) => {
                CallOutcome { result: ViewResult::Failed(error.to_string()), revert_data: Bytes::new(), gas_used: 0 }
            }
        }
    }

    /// Everything that `transaction` would read in the block of `header`, as it is before it. Nothing is checked
    /// of nonce and fees, and nothing is kept.
    pub fn prestate(&mut self, header: &Header, transaction: &Transaction) -> PreState {
        self.machine.enter_block(header);
        let Ok(run) = self.machine.run(transaction, Checks::None) else { return PreState::default() };
        let mut accounts = Vec::with_capacity(run.changes.len());
        for (address, account) in &run.changes {
            let state = self.account(*address);
            let slots = account.storage.iter().map(|(slot, value)| (*slot, value.original_value)).collect();
            accounts.push(PreAccount { address: *address, state, slots });
        }
        PreState { accounts }
    }

    /// Where to come back to with [`Self::revert_to`]. Marks nest.
    pub fn mark(&mut self) -> Mark {
        self.machine.state().mark()
    }

    /// Takes back everything since `mark`, exactly. False when the mark was pruned.
    pub fn revert_to(&mut self, mark: Mark) -> bool {
        self.machine.state_mut().revert_to(mark)
    }

    /// Gives up going back before `mark`, and the memory that this took.
    pub fn prune(&mut self, mark: Mark) {
        self.machine.state_mut().prune(mark);
    }

    /// All existing accounts with their non-zero slots, in no particular order.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, AccountState, Vec<(U256, U256)>)> {
        self.machine.state().accounts().map(|(address, info, storage)| {
            let slots = storage.iter().filter(|(_, value)| !value.is_zero()).map(|(slot, value)| (*slot, *value));
            (address, account_state(info), slots.collect())
        })
    }
}

fn account_state(info: &revm::state::AccountInfo) -> AccountState {
    let code = info.code.as_ref().map(revm::bytecode::Bytecode::original_bytes).unwrap_or_default();
    AccountState { balance: info.balance, nonce: info.nonce, code }
}

/// The system calls that open a block. What the slots that they overwrite held before is not asked for.
pub(crate) fn begin_block(machine: &mut Machine, header: &Header) -> Result<(), DbError> {
    for (contract, data) in system_calls(machine.rules().spec(header), header) {
        let state = machine.state_mut();
        if state.basic(contract)?.is_some() {
            for slot in overwritten(contract, header) {
                if state.known_slot(contract, slot).is_none() {
                    state.put_slot(contract, slot, U256::ZERO);
                }
            }
        }
        machine.system_call(contract, data)?;
    }
    Ok(())
}

/// The contracts of the system calls: what they hold is to be read anew after a block was taken back.
pub(crate) const SYSTEM_CONTRACTS: [Address; 2] = [BEACON_ROOTS, BLOCK_HASHES];

/// The slots that a system call writes without reading them: the places of this block in the ring buffers.
fn overwritten(contract: Address, header: &Header) -> Vec<U256> {
    let place = |number: u64| U256::from(number % RING);
    if contract == BEACON_ROOTS {
        let at = place(header.timestamp);
        vec![at, at.saturating_add(U256::from(RING))]
    } else {
        vec![place(header.number.0.saturating_sub(1))]
    }
}

/// Contract and calldata of each system call at the start of the block of `header`.
pub(crate) fn system_calls(spec: Spec, header: &Header) -> Vec<(Address, Bytes)> {
    let mut calls = Vec::new();
    if spec.is_enabled_in(Spec::CANCUN)
        && let Some(root) = header.parent_beacon_block_root
    {
        calls.push((BEACON_ROOTS, Bytes::copy_from_slice(root.as_slice())));
    }
    if spec.is_enabled_in(Spec::PRAGUE) && header.number.0 > 0 {
        calls.push((BLOCK_HASHES, Bytes::copy_from_slice(header.parent_hash.as_slice())));
    }
    calls
}
