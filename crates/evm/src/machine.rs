//! One revm instance over our state: runs a transaction or a view and hands back what changed.
//!
//! It must never commit by itself: callers decide what becomes permanent.

use cofferdam_types::{Header, Transaction, ViewResult};
use revm::context::result::{EVMError, ExecutionResult, HaltReason, Output};
use revm::context::{BlockEnv, CfgEnv, Journal, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::either::Either;
use revm::context_interface::transaction::{
    AccessList, AccessListItem, Authorization, RecoveredAuthority, RecoveredAuthorization,
};
use revm::handler::Handler;
use revm::primitives::{Address, Bytes, TxKind, U256};
use revm::state::EvmState;
use revm::{ExecuteEvm, MainBuilder, MainnetEvm, SystemCallEvm};

use crate::assertion::{Trace, Tracing};
use crate::record::{Recorder, Recording};
use crate::rules::{Rules, Spec};
use crate::state::{DbError, State};

pub(crate) type Context = revm::Context<BlockEnv, TxEnv, CfgEnv, State, Journal<State>, ()>;
pub(crate) type RevmEvm = MainnetEvm<Context>;

/// A read-only call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRequest {
    /// `msg.sender`; any address, no signature is needed.
    pub from: Address,
    /// `None` runs creation code.
    pub to: Option<Address>,
    /// Wei.
    pub value: U256,
    /// Calldata or creation code.
    pub data: Bytes,
    /// Gas limit.
    pub gas: u64,
}

/// The answer of a read-only call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// Return data, or how it failed.
    pub result: ViewResult,
    /// Data of a `REVERT`; empty otherwise.
    pub revert_data: Bytes,
    /// Gas used.
    pub gas_used: u64,
}

/// Which checks of a transaction hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// As in a block.
    All,
    /// As in a block, but the fee cap may be below the base fee: base fees fall.
    Pending,
    /// Neither nonce, nor fees, nor that the sender is an account without code: calls that nobody signed.
    None,
}

/// What one execution left behind; nothing of it is committed.
pub(crate) struct Run {
    pub(crate) result: ExecutionResult<HaltReason>,
    pub(crate) changes: EvmState,
    pub(crate) recorder: Recorder,
}

pub(crate) enum RunError {
    /// The chain would not take this transaction here.
    Invalid(String),
    /// State could not be fetched.
    State(DbError),
}

pub(crate) struct Machine {
    evm: RevmEvm,
    rules: Rules,
}

impl Machine {
    pub(crate) fn new(rules: Rules, state: State) -> Self {
        Self { evm: build(state, rules, Spec::default()), rules }
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) const fn state(&self) -> &State {
        &self.evm.ctx.journaled_state.database
    }

    pub(crate) const fn state_mut(&mut self) -> &mut State {
        &mut self.evm.ctx.journaled_state.database
    }

    /// Everything that runs from now on runs in the block of `header`.
    pub(crate) fn enter_block(&mut self, header: &Header) {
        let spec = self.rules.spec(header);
        if self.evm.ctx.cfg.spec != spec {
            let state = std::mem::take(self.state_mut());
            self.evm = build(state, self.rules, spec);
        }
        self.evm.ctx.cfg.blob_base_fee_update_fraction = Some(self.rules.blob_fraction(header));
        self.evm.ctx.block = block_env(&self.rules, header);
    }

    fn set_checks(&mut self, checks: Checks) {
        let cfg = &mut self.evm.ctx.cfg;
        cfg.disable_nonce_check = checks == Checks::None;
        cfg.disable_eip3607 = checks == Checks::None;
        cfg.disable_block_gas_limit = checks == Checks::None;
        cfg.disable_base_fee = checks != Checks::All;
    }

    /// Runs a transaction and records its frames.
    pub(crate) fn run(&mut self, transaction: &Transaction, checks: Checks) -> Result<Run, RunError> {
        if transaction.kind > 4 {
            return Err(RunError::Invalid(format!("transaction type {} is not known", transaction.kind)));
        }
        self.set_checks(checks);
        self.run_env(tx_env(transaction))
    }

    /// Runs a transaction once more and writes down all that assertions may ask. Nothing is committed.
    pub(crate) fn trace(&mut self, transaction: &Transaction, checks: Checks) -> Result<Trace, RunError> {
        self.set_checks(checks);
        self.evm.ctx.tx = tx_env(transaction);
        let mut tracing = Tracing::default();
        let outcome = tracing.run(&mut self.evm);
        self.evm.finalize();
        match outcome {
            Ok(_) => Ok(tracing.trace),
            Err(EVMError::Database(error)) => Err(RunError::State(error)),
            Err(other) => Err(RunError::Invalid(other.to_string())),
        }
    }

    fn run_env(&mut self, env: TxEnv) -> Result<Run, RunError> {
        let mut recorder = Recorder::default();
        self.evm.ctx.tx = env;
        let outcome = Recording(&mut recorder).run(&mut self.evm);
        let changes = self.evm.finalize();
        match outcome {
            Ok(result) => Ok(Run { result, changes, recorder }),
            Err(EVMError::Database(error)) => Err(RunError::State(error)),
            Err(EVMError::Transaction(reason)) => Err(RunError::Invalid(reason.to_string())),
            Err(other @ (EVMError::Header(_) | EVMError::Custom(_) | EVMError::CustomAny(_))) => {
                Err(RunError::Invalid(other.to_string()))
            }
        }
    }

    /// Runs a call that nobody signed. Changes are handed back uncommitted: they also tell what was read.
    pub(crate) fn view(&mut self, request: &CallRequest) -> Result<(CallOutcome, EvmState), DbError> {
        self.set_checks(Checks::None);
        let run = self.run_env(TxEnv {
            tx_type: 0,
            caller: request.from,
            gas_limit: request.gas,
            gas_price: 0,
            kind: request.to.map_or(TxKind::Create, TxKind::Call),
            value: request.value,
            data: request.data.clone(),
            nonce: 0,
            chain_id: Some(self.rules.chain().0),
            access_list: AccessList::default(),
            gas_priority_fee: None,
            blob_hashes: Vec::new(),
            max_fee_per_blob_gas: 0,
            authorization_list: Vec::new(),
        });
        match run {
            Ok(run) => Ok((call_outcome(run.result), run.changes)),
            Err(RunError::State(error)) => Err(error),
            Err(RunError::Invalid(reason)) => {
                let result = ViewResult::Failed(reason);
                Ok((CallOutcome { result, revert_data: Bytes::new(), gas_used: 0 }, EvmState::default()))
            }
        }
    }

    /// A call by the protocol itself at the start of a block (EIP-4788, EIP-2935), committed at once.
    pub(crate) fn system_call(&mut self, contract: Address, data: Bytes) -> Result<(), DbError> {
        match self.evm.system_call(contract, data) {
            Ok(done) => {
                // The protocol's own address is not touched by its calls (EIP-4788).
                let mut changes = done.state;
                changes.remove(&revm::handler::SYSTEM_ADDRESS);
                self.state_mut().commit(changes);
                Ok(())
            }
            Err(EVMError::Database(error)) => Err(error),
            // By the EIPs a failing or missing system contract changes nothing.
            Err(_) => Ok(()),
        }
    }
}

fn call_outcome(result: ExecutionResult<HaltReason>) -> CallOutcome {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { output: Output::Call(data) | Output::Create(data, _), .. } => {
            CallOutcome { result: ViewResult::Returned(data), revert_data: Bytes::new(), gas_used }
        }
        ExecutionResult::Revert { output, .. } => {
            CallOutcome { result: ViewResult::Failed("reverted".to_owned()), revert_data: output, gas_used }
        }
        ExecutionResult::Halt { reason, .. } => {
            CallOutcome { result: ViewResult::Failed(format!("{reason:?}")), revert_data: Bytes::new(), gas_used }
        }
    }
}

pub(crate) fn config(rules: Rules, spec: Spec) -> CfgEnv {
    let mut cfg = CfgEnv::new().with_chain_id(rules.chain().0).with_spec_and_mainnet_gas_params(spec);
    // Transactions before EIP-155 carry no chain id; a wrong one is refused by the node long before us.
    cfg.tx_chain_id_check = false;
    cfg
}

fn build(state: State, rules: Rules, spec: Spec) -> RevmEvm {
    Context::new(state, spec).with_cfg(config(rules, spec)).build_mainnet()
}

pub(crate) fn block_env(rules: &Rules, header: &Header) -> BlockEnv {
    let assumed = rules.spec(header).is_enabled_in(Spec::CANCUN).then_some(0);
    let excess = header.excess_blob_gas.or(assumed);
    BlockEnv {
        number: U256::from(header.number.0),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee.unwrap_or(0),
        difficulty: header.difficulty,
        prevrandao: header.prev_randao,
        blob_excess_gas_and_price: excess.map(|excess| BlobExcessGasAndPrice::new(excess, rules.blob_fraction(header))),
        slot_num: 0,
    }
}

pub(crate) fn tx_env(transaction: &Transaction) -> TxEnv {
    let access_list = transaction
        .access_list
        .iter()
        .map(|item| AccessListItem { address: item.address, storage_keys: item.slots.clone() })
        .collect();
    let authorization_list = transaction
        .authorizations
        .iter()
        .map(|authorization| {
            let inner = Authorization {
                chain_id: authorization.chain_id,
                address: authorization.address,
                nonce: authorization.nonce,
            };
            let authority = authorization.authority.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
            Either::Right(RecoveredAuthorization::new_unchecked(inner, authority))
        })
        .collect();
    TxEnv {
        tx_type: transaction.kind,
        caller: transaction.from,
        gas_limit: transaction.gas_limit,
        gas_price: transaction.max_fee_per_gas,
        kind: transaction.to.map_or(TxKind::Create, TxKind::Call),
        value: transaction.value,
        data: transaction.input.clone(),
        nonce: transaction.nonce,
        chain_id: transaction.chain_id,
        access_list: AccessList(access_list),
        gas_priority_fee: transaction.max_priority_fee_per_gas,
        blob_hashes: transaction.blob_hashes.clone(),
        max_fee_per_blob_gas: transaction.max_fee_per_blob_gas.unwrap_or(0),
        authorization_list,
    }
}

/// Does all one-off set-up of the EVM now: the KZG trusted setup takes seconds on its first use.
pub fn warm_up() {
    let zero = [0_u8; 48];
    let field = [0_u8; 32];
    let _ = revm::precompile::kzg_point_evaluation::verify_kzg_proof(&zero, &field, &field, &zero);
}
