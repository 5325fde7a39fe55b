//! A fork of the head: what would happen if. Dropping it takes everything back.

use std::sync::Arc;

use cofferdam_types::{Execution, Header, StateError, Transaction, Window};
use revm::primitives::{Address, Bytes, U256};

use crate::engine::{Engine, Seen, Stand};
use crate::machine::{CallOutcome, CallRequest, Checks};
use crate::state::{Bulk, DbError};

/// See the module. What is applied stays for the life of the fork.
pub struct Fork<'e> {
    engine: &'e mut Engine,
    block: Arc<Header>,
    stand: Stand,
}

impl std::fmt::Debug for Fork<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fork").field("block", &self.block.number).finish_non_exhaustive()
    }
}

impl Drop for Fork<'_> {
    fn drop(&mut self) {
        self.engine.back_to(self.stand);
    }
}

impl<'e> Fork<'e> {
    pub(crate) const fn new(engine: &'e mut Engine, block: Arc<Header>, stand: Stand) -> Self {
        Self { engine, block, stand }
    }

    /// The block in which things are tried: the one after the head.
    pub fn block(&self) -> &Header {
        &self.block
    }

    /// Executes a signed transaction and keeps what it changed. An invalid one changes nothing and says so in its
    /// outcome.
    ///
    /// # Errors
    /// [`StateError`] when state is missing that the source could not fetch now.
    pub fn apply(&mut self, transaction: Arc<Transaction>) -> Result<Execution, StateError> {
        self.run(transaction, Checks::Pending)
    }

    /// The same without checking nonce, fees and funds for gas: an attack tried again after its nonce was used.
    ///
    /// # Errors
    /// [`StateError`] when state is missing that the source could not fetch now.
    pub fn apply_unchecked(&mut self, transaction: Arc<Transaction>) -> Result<Execution, StateError> {
        let free = Transaction {
            kind: 0,
            max_fee_per_gas: 0,
            max_priority_fee_per_gas: None,
            max_fee_per_blob_gas: None,
            blob_hashes: Vec::new(),
            authorizations: Vec::new(),
            access_list: Vec::new(),
            ..(*transaction).clone()
        };
        // Authorizations cannot be tried again: their nonces are used. Without them the type is plain.
        let keeps_type = !transaction.authorizations.is_empty();
        let tried = if keeps_type { (*transaction).clone() } else { free };
        self.run(Arc::new(tried), Checks::None)
    }

    /// A call as `from` that nobody has signed yet: neither nonce, fees nor funds for gas are checked.
    ///
    /// # Errors
    /// [`StateError`] when state is missing that the source could not fetch now.
    pub fn apply_as(&mut self, from: Address, to: Address, data: Bytes, gas: u64) -> Result<Execution, StateError> {
        let transaction = Transaction { from, to: Some(to), input: data, gas_limit: gas, ..Transaction::default() };
        self.run(Arc::new(transaction), Checks::None)
    }

    /// A call that changes nothing.
    ///
    /// # Errors
    /// [`StateError`] when state is missing that the source could not fetch now.
    pub fn call(&mut self, request: &CallRequest) -> Result<CallOutcome, StateError> {
        let done = self.engine.machine().view(request);
        done.map(|(outcome, _)| outcome).map_err(|DbError(error)| error)
    }

    /// Wei of an account.
    ///
    /// # Errors
    /// [`StateError`] when state is missing that the source could not fetch now.
    pub fn balance(&mut self, address: Address) -> Result<U256, StateError> {
        use revm::database_interface::Database;
        let info = self.engine.machine().state_mut().basic(address);
        info.map(|info| info.map(|info| info.balance).unwrap_or_default()).map_err(|DbError(error)| error)
    }

    /// Moves the fork's clock and height on by one block, for what happens later.
    pub fn next_block(&mut self) {
        self.block = Arc::new(crate::engine::next_header(&self.block));
        self.engine.machine().enter_block(&self.block);
    }

    fn run(&mut self, transaction: Arc<Transaction>, checks: Checks) -> Result<Execution, StateError> {
        self.engine.machine().state_mut().bulk = Bulk::Transaction(transaction.clone());
        let seen = Seen { transaction, window: Window::Pending, block: self.block.clone(), index: None };
        self.engine.execute(seen, checks).map_err(|DbError(error)| error)
    }
}
