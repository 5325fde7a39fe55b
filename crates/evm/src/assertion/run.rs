//! One run of one function of an assertion: plain EVM code, except that calls to a few addresses are answered here.
//!
//! Only the assertion itself is answered, and only while none but its own code is running: a contract that it asks must
//! not be able to turn it to another moment behind its back.

use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, Output};
use revm::context::{BlockEnv, CfgEnv, Journal, TxEnv};
use revm::context_interface::journaled_state::entry::JournalEntry;
use revm::context_interface::{ContextTr, LocalContextTr};
use revm::handler::{EvmTr, FrameResult, Handler, ItemOrResult, execution};
use revm::interpreter::interpreter_action::FrameInit;
use revm::interpreter::{
    CallInputs, CallOutcome, CallScheme, FrameInput, Gas, GasTracker, InitialAndFloorGas, InstructionResult,
    InterpreterResult, SharedMemory,
};
use revm::primitives::{Address, AddressMap, Bytes, HashMap, PRECOMPILE3, TxKind, U256};
use revm::state::EvmState;
use revm::{ExecuteEvm, MainBuilder, MainnetEvm};

use cofferdam_types::Missing;

use super::abi;
use super::dispatch::{self, Answer};
use super::flow::FlowContext;
use super::record::{Recorded, Version};
use super::world::{Fork, Residents, Scene, World};
use crate::state::DbError;

pub(super) type RunContext<'s> = revm::Context<BlockEnv, TxEnv, CfgEnv, World<'s>, Journal<World<'s>>, ()>;
pub(super) type RunEvm<'s> = MainnetEvm<RunContext<'s>>;

/// What is being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The constructor.
    Constructor,
    /// `triggers()`.
    Triggers,
    /// An assertion function, about a transaction.
    Check,
    /// A contract of the chain, asked by the assertion: nothing is answered, and nothing may be written.
    View,
}

/// What a function was fired for.
#[derive(Clone, Debug, Default)]
pub(super) struct Invocation {
    /// The call, where it is run for one.
    pub(super) call: Option<usize>,
    pub(super) outflow: Option<FlowContext>,
    pub(super) inflow: Option<FlowContext>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Returned(Bytes),
    Reverted(Bytes),
    OutOfGas,
    Halted(String),
}

/// A run that has ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ended: Ended,
    pub(super) gas: u64,
    /// State that was read and that nobody could tell.
    pub(super) missing: Vec<Missing>,
    /// All that was read and written.
    pub(super) changes: EvmState,
}

/// Who answers, and what was noticed.
pub(super) struct Host {
    pub(super) phase: Phase,
    pub(super) version: Version,
    pub(super) adopter: Address,
    pub(super) invocation: Invocation,
    pub(super) recorded: Recorded,
    /// Some frame had too little gas.
    pub(super) starved: bool,
    /// A call that is not built.
    pub(super) not_supported: Option<String>,
    /// A demand past a bound.
    pub(super) too_much: Option<String>,
    /// Missing state that asked contracts read.
    pub(super) missing: Vec<Missing>,
    /// Accounts of the chain as the run left them at moments that it turned away from.
    left: HashMap<Fork, EvmState>,
    /// For each open frame, whether it is the assertion's own.
    open: Vec<bool>,
}

impl Host {
    pub(super) fn new(phase: Phase, version: Version, adopter: Address, invocation: Invocation) -> Self {
        Self {
            phase,
            version,
            adopter,
            invocation,
            recorded: Recorded::default(),
            starved: false,
            not_supported: None,
            too_much: None,
            missing: Vec::new(),
            left: HashMap::default(),
            open: Vec::new(),
        }
    }

    /// Runs `call` and hands back how it ended. Nothing is kept anywhere.
    pub(super) fn execute<'s>(
        &mut self,
        world: World<'s>,
        (block, cfg): (BlockEnv, CfgEnv),
        call: TxEnv,
    ) -> Result<Ran, DbError> {
        let context = RunContext::new(world, cfg.spec).with_cfg(cfg).with_block(block).with_tx(call);
        let mut evm: RunEvm<'s> = context.build_mainnet();
        let mut running = Running { host: self, world: std::marker::PhantomData };
        let outcome = running.run(&mut evm);
        let changes = evm.finalize();
        let mut missing = std::mem::take(&mut evm.ctx.journaled_state.database.missing);
        missing.append(&mut self.missing);
        let (ended, gas) = match outcome {
            Ok(result) => ended(result),
            Err(EVMError::Database(error)) => return Err(error),
            Err(other) => (Ended::Halted(other.to_string()), 0),
        };
        self.starved |= ended == Ended::OutOfGas;
        Ok(Ran { ended, gas, missing, changes })
    }

    /// Shows the run another moment of the transaction: what it has read of the chain is put away, and what it had read
    /// at that moment is brought back.
    pub(super) fn turn_to(&mut self, evm: &mut RunEvm<'_>, fork: Fork) {
        let journal = &mut evm.ctx.journaled_state;
        let before = journal.database.fork();
        if before == fork {
            return;
        }
        let residents = journal.database.residents();
        let (mut stay, mut leave) = (EvmState::default(), EvmState::default());
        for (address, account) in std::mem::take(&mut journal.inner.state) {
            let home = residents.contains(address) || account.is_created();
            if home { &mut stay } else { &mut leave }.insert(address, account);
        }
        // Undoing what was done to an account that is put away is not possible. Its entry keeps its place, and becomes
        // the one that is undone by doing nothing (an oddity of 2016).
        for entry in &mut journal.inner.journal {
            if !names_only(entry, &stay) {
                *entry = JournalEntry::AccountTouched { address: PRECOMPILE3 };
            }
        }
        self.left.insert(before, leave);
        stay.extend(self.left.remove(&fork).unwrap_or_default());
        journal.inner.state = stay;
        journal.database.turn_to(fork);
    }

    fn is_own_code_running(&self) -> bool {
        self.open.iter().all(|own| *own)
    }

    /// The answer to a call to one of our addresses; `None` for every other call.
    fn intercept(&mut self, evm: &mut RunEvm<'_>, inputs: &CallInputs) -> Result<Option<FrameResult>, DbError> {
        let ours = matches!(inputs.target_address, abi::PH | abi::TRIGGER_RECORDER | abi::SPEC_RECORDER | abi::CONSOLE);
        let plain = matches!(inputs.scheme, CallScheme::Call | CallScheme::StaticCall);
        if !ours || !plain || self.phase == Phase::View {
            return Ok(None);
        }
        let mut gas = Gas::new(inputs.gas_limit);
        let own = evm.ctx.journaled_state.database.residents().is_own(inputs.caller)
            || (self.phase == Phase::Constructor && inputs.caller == abi::CONTRACT);
        let answer = if own && self.is_own_code_running() {
            let data = Bytes::copy_from_slice(&inputs.input.as_bytes(&evm.ctx));
            dispatch::answer(self, evm, inputs.target_address, &data, &mut gas)?
        } else {
            Answer::Refuse("only the assertion itself is answered".to_owned())
        };
        let (result, output) = match answer {
            Answer::Return(data) => (InstructionResult::Return, Bytes::from(data)),
            Answer::Refuse(reason) => (InstructionResult::Revert, reverted(&reason)),
            Answer::NotSupported(what) => {
                let reason = reverted(&format!("`{what}` is not supported"));
                self.not_supported.get_or_insert(what);
                (InstructionResult::Revert, reason)
            }
            Answer::TooMuch(what) => {
                let reason = reverted(&what);
                self.too_much.get_or_insert(what);
                (InstructionResult::Revert, reason)
            }
            Answer::OutOfGas => {
                self.starved = true;
                gas.spend_all();
                (InstructionResult::OutOfGas, Bytes::new())
            }
        };
        let outcome =
            CallOutcome::new(InterpreterResult::new(result, output, gas), inputs.return_memory_offset.clone());
        Ok(Some(FrameResult::Call(outcome)))
    }

    fn enter(&mut self, evm: &RunEvm<'_>, frame: &FrameInit) {
        let residents = evm.ctx.journaled_state.database.residents();
        let own = match &frame.frame_input {
            FrameInput::Call(inputs) => {
                let address = inputs.target_address;
                // What the assertion has created in this run counts as its own.
                let created = evm.ctx.journaled_state.state.get(&address).is_some_and(|account| account.is_created());
                residents.is_own(address) || created
            }
            FrameInput::Create(_) | FrameInput::Empty => self.is_own_code_running(),
        };
        self.open.push(own);
    }

    fn exit(&mut self, result: &FrameResult) {
        self.open.pop();
        self.starved |= is_out_of_gas(result.interpreter_result().result);
    }
}

/// The assertion's caller asks `to`, or deploys.
pub(super) fn call(to: TxKind, data: Bytes, gas: u64, block: &BlockEnv, chain: u64) -> TxEnv {
    TxEnv {
        caller: abi::CALLER,
        gas_limit: gas,
        gas_price: u128::from(block.basefee),
        kind: to,
        data,
        nonce: if to == TxKind::Create { 0 } else { abi::NONCE },
        chain_id: Some(chain),
        ..TxEnv::default()
    }
}

/// A contract of the chain asked at a moment of the transaction, as the assertion would by `STATICCALL`.
pub(super) fn view(
    scene: &Scene<'_>,
    residents: &Residents,
    fork: Fork,
    (target, data, gas): (Address, Bytes, u64),
) -> Result<Ran, DbError> {
    let mut host = Host::new(Phase::View, Version::Legacy, Address::ZERO, Invocation::default());
    let world = World::new(Some(scene), residents, fork);
    let asked =
        TxEnv { caller: abi::CONTRACT, ..call(TxKind::Call(target), data, gas, &scene.block, scene.cfg.chain_id) };
    host.execute(world, (scene.block.clone(), scene.cfg.clone()), asked)
}

/// A host at work on one EVM.
struct Running<'h, 's> {
    host: &'h mut Host,
    world: std::marker::PhantomData<&'s ()>,
}

impl Running<'_, '_> {
    /// An answer, or a new frame, or the result of one that ended at once.
    fn init(
        &mut self,
        evm: &mut RunEvm<'_>,
        init: FrameInit,
    ) -> Result<Option<FrameResult>, EVMError<DbError, InvalidTransaction>> {
        if let FrameInput::Call(inputs) = &init.frame_input
            && let Some(answered) = self.host.intercept(evm, inputs)?
        {
            return Ok(Some(answered));
        }
        self.host.enter(evm, &init);
        match evm.frame_init(init)? {
            ItemOrResult::Item(_) => Ok(None),
            ItemOrResult::Result(result) => {
                self.host.exit(&result);
                Ok(Some(result))
            }
        }
    }
}

impl<'s> Handler for Running<'_, 's> {
    type Evm = RunEvm<'s>;
    type Error = EVMError<DbError, InvalidTransaction>;
    type HaltReason = HaltReason;

    /// Nobody signed this: there is nothing to check and nothing to pay.
    fn validate(&self, _evm: &mut RunEvm<'s>) -> Result<InitialAndFloorGas, Self::Error> {
        Ok(InitialAndFloorGas::new(0, 0))
    }

    fn refund(&self, _evm: &mut RunEvm<'s>, _result: &mut FrameResult, _delegated: i64) -> Result<(), Self::Error> {
        Ok(())
    }

    fn reimburse_caller(&self, _evm: &mut RunEvm<'s>, _result: &mut FrameResult) -> Result<(), Self::Error> {
        Ok(())
    }

    fn reward_beneficiary(&self, _evm: &mut RunEvm<'s>, _result: &mut FrameResult) -> Result<(), Self::Error> {
        Ok(())
    }

    fn first_frame_input(
        &mut self,
        evm: &mut RunEvm<'s>,
        gas: &mut GasTracker,
    ) -> Result<Option<FrameInit>, Self::Error> {
        let context = evm.ctx_mut();
        let memory = SharedMemory::new_with_buffer(context.local().shared_memory_buffer().clone());
        let Some(mut frame_input) = execution::create_init_frame(context, gas)? else { return Ok(None) };
        if self.host.phase == Phase::View
            && let FrameInput::Call(inputs) = &mut frame_input
        {
            inputs.is_static = true;
            inputs.scheme = CallScheme::StaticCall;
        }
        Ok(Some(FrameInit { depth: 0, memory, frame_input }))
    }

    fn run_exec_loop(&mut self, evm: &mut RunEvm<'s>, first: FrameInit) -> Result<FrameResult, Self::Error> {
        if let Some(result) = self.init(evm, first)? {
            return Ok(result);
        }
        loop {
            let result = match evm.frame_run()? {
                ItemOrResult::Item(init) => match self.init(evm, init)? {
                    None => continue,
                    Some(result) => result,
                },
                ItemOrResult::Result(result) => {
                    self.host.exit(&result);
                    result
                }
            };
            if let Some(result) = evm.frame_return_result(result)? {
                return Ok(result);
            }
        }
    }
}

fn ended(result: ExecutionResult<HaltReason>) -> (Ended, u64) {
    let gas = result.tx_gas_used();
    let ended = match result {
        ExecutionResult::Success { output: Output::Call(data) | Output::Create(data, _), .. } => Ended::Returned(data),
        ExecutionResult::Revert { output, .. } => Ended::Reverted(output),
        ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => Ended::OutOfGas,
        ExecutionResult::Halt { reason, .. } => Ended::Halted(format!("{reason:?}")),
    };
    (ended, gas)
}

const fn is_out_of_gas(result: InstructionResult) -> bool {
    matches!(
        result,
        InstructionResult::OutOfGas
            | InstructionResult::MemoryOOG
            | InstructionResult::MemoryLimitOOG
            | InstructionResult::PrecompileOOG
            | InstructionResult::InvalidOperandOOG
            | InstructionResult::ReentrancySentryOOG
    )
}

/// `Error(string)`.
fn reverted(reason: &str) -> Bytes {
    alloy_sol_types::SolError::abi_encode(&alloy_sol_types::Revert::from(reason)).into()
}

/// Whether all accounts that `entry` would be undone on are in `state`.
fn names_only(entry: &JournalEntry, state: &AddressMap<revm::state::Account>) -> bool {
    match entry {
        JournalEntry::BalanceTransfer { from, to, .. } => state.contains_key(from) && state.contains_key(to),
        JournalEntry::AccountDestroyed { address, target, .. } => {
            state.contains_key(address) && state.contains_key(target)
        }
        JournalEntry::AccountWarmed { address }
        | JournalEntry::AccountTouched { address }
        | JournalEntry::BalanceChange { address, .. }
        | JournalEntry::NonceChange { address, .. }
        | JournalEntry::NonceBump { address }
        | JournalEntry::AccountCreated { address, .. }
        | JournalEntry::StorageChanged { address, .. }
        | JournalEntry::StorageWarmed { address, .. }
        | JournalEntry::TransientStorageChange { address, .. }
        | JournalEntry::CodeChange { address, .. } => state.contains_key(address),
    }
}

/// A word as calldata has it.
pub(super) fn word(data: &[u8]) -> Option<U256> {
    data.get(..32).map(U256::from_be_slice)
}
