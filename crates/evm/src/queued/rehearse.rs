//! Carries one operation out on a fork of the head, at its due time: through the controller where somebody known may, and
//! otherwise call by call in the controller's name.

use std::sync::Arc;

use alloy_sol_types::SolCall;
use cofferdam_types::{
    Clock, Effort, Execution, Header, OperationKind, Outcome, Party, QueuedOperation, Rehearsal, Transaction, TrialEnd,
    ViewResult, Window,
};
use revm::database_interface::Database;
use revm::primitives::{Address, B256, Bytes, KECCAK_EMPTY, U256, keccak256};

use super::abi;
use crate::engine::{Engine, Seen, next_header};
use crate::machine::{CallRequest, Checks};
use crate::state::{Bulk, DbError};
use crate::trial::STRANGER;
use crate::views::VIEW_GAS;

/// Accounts that are looked up.
const MOST_PARTIES: usize = 32;
/// Words of calldata that are read as accounts.
const MOST_WORDS: usize = 256;
/// Seconds of a block.
const BLOCK_SECONDS: u64 = 12;
/// Numbers below this are counters, times and amounts rather than accounts.
const SMALLEST_ADDRESS: U256 = U256::from_limbs([0, 1, 0, 0]);

/// How much one operation may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RehearsalBudget {
    /// Gas of one call.
    pub gas_per_call: u64,
    /// Gas of all calls; a call that has begun is let end.
    pub gas: u64,
    /// Microseconds of this machine, as gas. `u64::MAX` for none.
    pub micros: u64,
}

impl Default for RehearsalBudget {
    fn default() -> Self {
        Self { gas_per_call: 30_000_000, gas: 120_000_000, micros: 2_000_000 }
    }
}

/// Carries `operation` out on the engine's head and takes it back.
pub fn rehearse(
    engine: &mut Engine,
    operation: &Arc<QueuedOperation>,
    budget: &RehearsalBudget,
    clock: &dyn Clock,
) -> Rehearsal {
    let began = clock.monotonic_micros();
    let block = Arc::new(due_header(engine.head(), operation.due));
    let stand = engine.stand();
    engine.machine().enter_block(&block);
    let effort = Effort { entries: 1, ..Effort::default() };
    let mut run = Run { engine, operation, budget, clock, began, block, effort, executions: Vec::new() };
    let done = run.all();
    let Run { engine, mut effort, executions, .. } = run;
    let (through_controller, parties) = done.unwrap_or_else(|DbError(error)| {
        effort.end = TrialEnd::State;
        effort.skipped.push(error.to_string());
        (false, Vec::new())
    });
    engine.back_to(stand);
    effort.tried = u32::from(!executions.is_empty());
    effort.micros = clock.monotonic_micros().saturating_sub(began);
    let head = engine.head().block_ref();
    Rehearsal { operation: operation.clone(), head, executions, through_controller, parties, effort }
}

/// The block in which an operation that is due at `due` would be carried out at the earliest.
fn due_header(head: &Header, due: u64) -> Header {
    let mut block = next_header(head);
    // Who makes a head by hand may leave it out; after the merge nothing runs without it.
    block.prev_randao.get_or_insert_default();
    let ahead = due.saturating_sub(block.timestamp);
    // What is due in centuries is not worth a header that overflows what contracts compute with time.
    let ahead = ahead.min(MOST_AHEAD_SECONDS);
    block.timestamp = block.timestamp.saturating_add(ahead);
    block.number.0 = block.number.0.saturating_add(ahead.checked_div(BLOCK_SECONDS).unwrap_or_default());
    block
}

/// Ten years.
const MOST_AHEAD_SECONDS: u64 = 315_360_000;

struct Run<'r> {
    engine: &'r mut Engine,
    operation: &'r Arc<QueuedOperation>,
    budget: &'r RehearsalBudget,
    clock: &'r dyn Clock,
    began: u64,
    block: Arc<Header>,
    effort: Effort,
    executions: Vec<Execution>,
}

impl Run<'_> {
    /// Whether it went through the controller, and who is named.
    fn all(&mut self) -> Result<(bool, Vec<Party>), DbError> {
        let through = self.through_controller()?;
        if !through {
            self.in_its_name()?;
        }
        if self.operation.truncated {
            self.effort
                .skipped
                .push(format!("calls after the first {}, which were not kept", self.operation.calls.len()));
            if self.effort.end == TrialEnd::Done {
                self.effort.end = TrialEnd::Calls;
            }
        }
        Ok((through, self.parties()?))
    }

    /// As somebody who may would do it. False when none of those who are known may; then nothing was kept.
    fn through_controller(&mut self) -> Result<bool, DbError> {
        let steps = self.operation.carried_out_by.clone();
        if steps.is_empty() {
            return Ok(false);
        }
        let mut senders = vec![self.operation.proposer, self.operation.caller, STRANGER];
        senders.dedup();
        for sender in senders {
            let stand = self.engine.stand();
            let to = self.operation.id.controller;
            let mut done = Vec::new();
            for step in &steps {
                // The controller pays what it sends on from what it has.
                match self.call(sender, to, U256::ZERO, step.clone())? {
                    Some(execution) if execution.effects.outcome.succeeded() => done.push(execution),
                    Some(_) | None => break,
                }
            }
            // A contract that takes any call and does nothing has not carried it out.
            let called = |target: Address| {
                let mut calls = done.iter().flat_map(|execution| &execution.effects.calls);
                calls.any(|call| call.effective && call.callee == target)
            };
            if done.len() == steps.len() && self.operation.calls.iter().all(|call| called(call.target)) {
                self.executions = done;
                return Ok(true);
            }
            self.engine.back_to(stand);
        }
        Ok(false)
    }

    /// Call by call, as whoever carries out what the controller decides; ends with the first that fails, because nothing
    /// of the operation would stand then.
    fn in_its_name(&mut self) -> Result<(), DbError> {
        let stand = self.engine.stand();
        let name = self.executor()?;
        let operation = self.operation.clone();
        for call in &operation.calls {
            let Some(execution) = self.call(name, call.target, call.value, call.data.clone())? else { break };
            if !execution.effects.outcome.succeeded() {
                let reason = match &execution.effects.outcome {
                    Outcome::Invalid(reason) | Outcome::Halted(reason) => reason.clone(),
                    Outcome::Success(_) | Outcome::Reverted(_) => "reverted".to_owned(),
                };
                self.effort.skipped.push(format!("the call of {}, which fails now: {reason}", call.target));
                self.executions.clear();
                self.engine.back_to(stand);
                break;
            }
            self.executions.push(execution);
        }
        Ok(())
    }

    /// In whose name calls are made: the controller's, or its timelock's where a governor names one.
    fn executor(&mut self) -> Result<Address, DbError> {
        let controller = self.operation.id.controller;
        if self.operation.kind != OperationKind::Proposal {
            return Ok(controller);
        }
        let request = CallRequest {
            from: Address::ZERO,
            to: Some(controller),
            value: U256::ZERO,
            data: abi::timelockCall {}.abi_encode().into(),
            gas: VIEW_GAS,
        };
        let (answer, _) = self.engine.machine().view(&request)?;
        let named = match &answer.result {
            ViewResult::Returned(data) if data.len() == 32 => address_in(U256::from_be_slice(data)),
            ViewResult::Returned(_) | ViewResult::Failed(_) => None,
        };
        Ok(named.unwrap_or(controller))
    }

    /// One call that stays. `None` when the budget is used up.
    fn call(&mut self, from: Address, to: Address, value: U256, input: Bytes) -> Result<Option<Execution>, DbError> {
        let micros = self.clock.monotonic_micros().saturating_sub(self.began);
        let end = if self.effort.gas >= self.budget.gas {
            Some(TrialEnd::Gas)
        } else {
            (micros >= self.budget.micros).then_some(TrialEnd::Time)
        };
        if let Some(end) = end {
            self.effort.end = end;
            self.effort.skipped.push(format!("calls after the first {}", self.executions.len()));
            return Ok(None);
        }
        let place = u64::try_from(self.executions.len()).unwrap_or(u64::MAX).to_be_bytes();
        let id = self.operation.id;
        let parts = [b"rehearsal".as_slice(), id.controller.as_slice(), id.id.as_slice(), &place, &input];
        let transaction = Arc::new(Transaction {
            hash: keccak256(parts.concat()),
            from,
            to: Some(to),
            gas_limit: self.budget.gas_per_call,
            value,
            input,
            ..Transaction::default()
        });
        self.engine.machine().state_mut().bulk = Bulk::Transaction(transaction.clone());
        let seen = Seen { transaction, window: Window::Before, block: self.block.clone(), index: None };
        let done = self.engine.execute(seen, Checks::None);
        self.engine.machine().state_mut().bulk = Bulk::None;
        let execution = done?;
        self.effort.calls = self.effort.calls.saturating_add(1);
        self.effort.gas = self.effort.gas.saturating_add(execution.effects.gas_used);
        Ok(Some(execution))
    }

    /// Accounts in the operation's arguments and in what protected contracts wrote down, as they are afterwards.
    fn parties(&mut self) -> Result<Vec<Party>, DbError> {
        let watch = self.engine.watch().clone();
        let words = self.operation.calls.iter().flat_map(|call| {
            let arguments = call.data.get(4..).unwrap_or_default();
            arguments.chunks_exact(32).take(MOST_WORDS).map(U256::from_be_slice)
        });
        let writes = self.executions.iter().flat_map(|execution| &execution.effects.writes);
        let written = writes.filter(|write| watch.contains(write.address)).map(|write| write.new);
        let mut accounts: Vec<Address> = Vec::new();
        for account in words.chain(written).filter_map(address_in).chain([self.operation.proposer]) {
            if accounts.len() < MOST_PARTIES && !accounts.contains(&account) {
                accounts.push(account);
            }
        }
        let mut parties = Vec::with_capacity(accounts.len());
        for address in accounts {
            let info = self.engine.machine().state_mut().basic(address)?;
            let (code, nonce) = info.map_or((B256::ZERO, 0), |info| (info.code_hash, info.nonce));
            parties.push(Party { address, has_code: code != B256::ZERO && code != KECCAK_EMPTY, nonce });
        }
        Ok(parties)
    }
}

/// The account that a word holds; `None` for numbers.
fn address_in(word: U256) -> Option<Address> {
    (word >= SMALLEST_ADDRESS && word.bit_len() <= 160).then(|| Address::from_word(word.into()))
}
