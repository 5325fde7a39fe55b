//! Tries a contract that has just come to be, on a fork of the head, before anybody uses it.
//!
//! ```text
//! code ──▶ signs        what it says: names, callbacks, functions
//!      └─▶ probe ──▶ arguments ──▶ run        what it does: its entry points, called by its creator and by a stranger
//! ```
//!
//! Start at [`Trials::of`]. Everything is bounded by a [`Budget`]: calls, gas, and time, looked at between calls; what
//! was not done is said in the [`Effort`](cofferdam_types::Effort). Nothing here decides what harm is, and a trial
//! leaves no trace in the engine.

mod arguments;
mod code;
mod palette;
mod probe;
mod run;
mod signs;

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_types::{
    Clock, CodeChange, Creator, Effort, Execution, Newborn, Selector, Signs, Transaction, TrialEnd, Watchlist, Window,
};
use revm::database_interface::Database;
use revm::primitives::{Address, Bytes, KECCAK_EMPTY, U256, b256};

use crate::engine::{Engine, next_header};
use crate::machine::{Checks, Machine, RunError};
use crate::state::DbError;
use run::Run;
pub(crate) use run::STRANGER;

/// Contracts of one transaction that are tried; a factory that makes more is looked at in part.
const MOST_OF_ONE: usize = 4;
/// Protected contracts whose functions are known; the names of all others are still found.
const MOST_FUNCTIONS: usize = 256;
/// Blocks after which the functions of protected contracts are read again.
const FUNCTIONS_HOLD_BLOCKS: u64 = 300;
/// Where a proxy keeps its implementation (EIP-1967).
const IMPLEMENTATION: U256 =
    U256::from_be_bytes(b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc").0);

/// How much one contract may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls, those that only look for arguments included.
    pub calls: u32,
    /// Gas of all calls.
    pub gas: u64,
    /// Gas of one call.
    pub gas_per_call: u64,
    /// Microseconds of this machine; a call that has begun is let end. `u64::MAX` for none: then the result depends on
    /// the chain alone.
    pub micros: u64,
    /// Calls that reached a protected contract, kept for judging.
    pub kept: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { calls: 1_500, gas: 250_000_000, gas_per_call: 12_000_000, micros: 1_200_000, kept: 8 }
    }
}

/// A contract to be tried.
#[derive(Clone, Debug)]
pub struct Subject<'s> {
    /// The transaction that created it. Pending: it is executed first.
    pub creation: &'s Arc<Execution>,
    /// Pending transactions that must run before the creation.
    pub earlier: &'s [Arc<Transaction>],
    /// The contract.
    pub address: Address,
    /// Who made it.
    pub creator: Creator,
}

/// Contracts that came to be in `execution`, in the order of their addresses, and how many more there are than are tried.
pub fn created(execution: &Execution) -> (Vec<Address>, usize) {
    let is_new =
        |change: &&CodeChange| change.old == KECCAK_EMPTY && change.new != KECCAK_EMPTY && change.creator.is_some();
    let all = execution.effects.code_changes.iter().filter(is_new).map(|change| change.address);
    let kept: Vec<Address> = all.clone().take(MOST_OF_ONE).collect();
    let left_out = all.count().saturating_sub(kept.len());
    (kept, left_out)
}

/// Tries contracts, one after the other. See the module.
pub struct Trials {
    budget: Budget,
    clock: Arc<dyn Clock>,
    functions: Vec<(Address, Vec<Selector>)>,
    /// Height at which `functions` were read.
    functions_of: Option<u64>,
    /// Selectors by code hash, so that clones are read once.
    by_code: HashMap<revm::primitives::B256, Vec<Selector>>,
}

impl std::fmt::Debug for Trials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trials").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Trials {
    /// Knows nothing yet.
    pub fn new(budget: Budget, clock: Arc<dyn Clock>) -> Self {
        Self { budget, clock, functions: Vec::new(), functions_of: None, by_code: HashMap::new() }
    }

    /// Looks at one contract and tries it on the engine's head. `harmful` is asked about every call that reached a
    /// protected contract; the trial ends with the first that it says yes to.
    pub fn of(
        &mut self,
        engine: &mut Engine,
        subject: &Subject<'_>,
        harmful: &mut dyn FnMut(&Execution) -> bool,
    ) -> Newborn {
        let began = self.clock.monotonic_micros();
        let mut block = next_header(engine.head());
        // Who makes a head by hand may leave it out; after the merge nothing runs without it.
        block.prev_randao.get_or_insert_default();
        let block = Arc::new(block);
        let watch = engine.watch().clone();
        let machine = engine.machine();
        let mark = machine.state().mark();
        machine.enter_block(&block);
        let mut effort = Effort::default();
        let looked = self.prepare(machine, subject, &watch, &mut effort);
        let (signs, attempts) = match looked {
            Ok(Ready { signs, read, .. }) if !read.can_call => {
                effort.end = TrialEnd::Harmless;
                (signs, Vec::new())
            }
            Ok(ready) => {
                let mut run = Run {
                    engine: &mut *engine,
                    block,
                    budget: &self.budget,
                    clock: self.clock.as_ref(),
                    began,
                    subject,
                    earlier: ready.earlier,
                    effort,
                    ended: None,
                    cut: None,
                    kept: Vec::new(),
                    harmful,
                };
                run.all(&ready.read, &ready.signs);
                let (finished, attempts) = run.finish();
                effort = finished;
                (ready.signs, attempts)
            }
            Err(error) => {
                effort.end = TrialEnd::State;
                effort.skipped.push(error.0.to_string());
                (Signs::default(), Vec::new())
            }
        };
        engine.machine().state_mut().revert_to(mark);
        effort.micros = self.clock.monotonic_micros().saturating_sub(began);
        let (address, creation) = (subject.address, subject.creation.clone());
        Newborn { address, creation, creator: subject.creator.clone(), signs, attempts, effort }
    }

    /// Brings the fork to where the contract exists, and reads it.
    fn prepare(
        &mut self,
        machine: &mut Machine,
        subject: &Subject<'_>,
        watch: &Watchlist,
        effort: &mut Effort,
    ) -> Result<Ready, DbError> {
        let mut earlier = Vec::new();
        if subject.creation.window != Window::Mined {
            for transaction in subject.earlier.iter().chain([&subject.creation.transaction]) {
                match machine.run(transaction, Checks::Pending) {
                    Ok(run) => machine.state_mut().commit(run.changes),
                    Err(RunError::Invalid(reason)) => effort.skipped.push(format!("a transaction before it: {reason}")),
                    Err(RunError::State(error)) => return Err(error),
                }
                earlier.push(transaction.clone());
            }
        }
        self.learn_functions(machine, watch)?;
        let bytes = code_of(machine, subject.address)?;
        let mut read = code::read(&bytes);
        if let Some(target) = implementation(machine, subject.address, &bytes)? {
            let behind = code::read(&code_of(machine, target)?);
            read.entries.extend(behind.entries);
            read.selectors.extend(behind.selectors);
            read.addresses.extend(behind.addresses);
            read.can_call = true;
            read.cut |= behind.cut;
        }
        if read.cut {
            effort.skipped.push(format!("code after the first {} bytes", code::MOST_BYTES));
        }
        let signs = signs::of(subject.address, &bytes, &read, subject.creation, watch, &self.functions);
        Ok(Ready { signs, read, earlier })
    }

    /// The functions of protected contracts, behind their proxies.
    fn learn_functions(&mut self, machine: &mut Machine, watch: &Watchlist) -> Result<(), DbError> {
        let now = machine.state().at.number.0;
        if self.functions_of.is_some_and(|at| now.abs_diff(at) < FUNCTIONS_HOLD_BLOCKS) {
            return Ok(());
        }
        let mut functions = Vec::new();
        let contracts = watch.modules().iter().flat_map(|module| &module.contracts).take(MOST_FUNCTIONS);
        for contract in contracts {
            let bytes = code_of(machine, *contract)?;
            let code = match implementation(machine, *contract, &bytes)? {
                Some(target) => code_of(machine, target)?,
                None => bytes,
            };
            let hash = revm::primitives::keccak256(&code);
            let entries = self.by_code.entry(hash).or_insert_with(|| code::read(&code).entries).clone();
            functions.push((*contract, entries));
        }
        self.functions = functions;
        self.functions_of = Some(now);
        Ok(())
    }
}

/// A contract that was read and stands on the fork.
struct Ready {
    signs: Signs,
    read: code::Code,
    /// What had to run before, on the fork.
    earlier: Vec<Arc<Transaction>>,
}

fn code_of(machine: &mut Machine, address: Address) -> Result<Bytes, DbError> {
    let info = machine.state_mut().basic(address)?;
    Ok(info.and_then(|info| info.code).map(|code| code.original_bytes()).unwrap_or_default())
}

/// Whose code `address` runs, where that is a clone or a proxy that says so.
fn implementation(machine: &mut Machine, address: Address, bytes: &[u8]) -> Result<Option<Address>, DbError> {
    if let Some(target) = code::clone_of(bytes) {
        return Ok(Some(target));
    }
    if !bytes.contains(&revm::bytecode::opcode::DELEGATECALL) {
        return Ok(None);
    }
    let stored = machine.state_mut().storage(address, IMPLEMENTATION)?;
    Ok((!stored.is_zero() && stored.bit_len() <= 160).then(|| Address::from_word(stored.into())))
}
