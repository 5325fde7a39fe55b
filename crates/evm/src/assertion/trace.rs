//! A transaction run once more with everything written down that assertions may ask: calls with all their data, and the
//! state at the start and at the end of each of them.
//!
//! Only transactions that may fire an assertion are run again. It must never change what is executed, and what a
//! reverted frame did leaves no trace here, as it leaves none on the chain.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use revm::context::result::{EVMError, HaltReason, InvalidTransaction};
use revm::context_interface::journaled_state::entry::{JournalEntry, JournalEntryTr};
use revm::handler::{EvmTr, FrameResult, Handler, ItemOrResult};
use revm::interpreter::interpreter_action::FrameInit;
use revm::interpreter::{CallScheme, FrameInput};
use revm::primitives::{Address, Bytes, Log, U256};
use revm::state::EvmState;

use crate::machine::{Context, RevmEvm};
use crate::rules::Spec;
use crate::state::DbError;

/// Calldata and return data kept of one transaction. More would let an attacker fill memory by passing the same bytes on.
const MOST_DATA: usize = 32 << 20;
/// Snapshots kept; beyond it they are made anew.
const MOST_SNAPSHOTS: usize = 64;

/// One call that was kept.
#[derive(Clone, Debug)]
pub(super) struct TracedCall {
    pub(super) parent: Option<usize>,
    /// 1 for the transaction's own call.
    pub(super) depth: u32,
    pub(super) scheme: CallScheme,
    /// `msg.sender` as the code sees it.
    pub(super) caller: Address,
    /// The account whose storage is worked on.
    pub(super) target: Address,
    pub(super) code_address: Address,
    /// Zero where there are fewer than four bytes.
    pub(super) selector: [u8; 4],
    pub(super) value: U256,
    pub(super) gas_limit: u64,
    /// `None` past [`MOST_DATA`].
    pub(super) input: Option<Bytes>,
    /// `None` past [`MOST_DATA`].
    pub(super) output: Option<Bytes>,
    /// Places in the journal.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Logs emitted before its start and before its end.
    pub(super) logs_start: usize,
    pub(super) logs_end: usize,
}

/// Everything written down.
#[derive(Default)]
pub(crate) struct Trace {
    /// In the order in which they were opened; the index is the id that assertions see.
    pub(super) calls: Vec<TracedCall>,
    pub(super) logs: Vec<Log>,
    journal: Vec<JournalEntry>,
    /// The state when the last frame had ended, before the gas was settled.
    end: EvmState,
    /// Accounts and slots in `end`.
    size: usize,
    spurious_dragon: bool,
    by_selector: HashMap<(Address, [u8; 4]), Vec<usize>>,
    writes: HashMap<(Address, U256), Vec<usize>>,
    snapshots: Mutex<HashMap<usize, Arc<EvmState>>>,
}

impl Trace {
    /// Ids of the calls to `target` with `selector`, ascending.
    pub(super) fn matching(&self, target: Address, selector: [u8; 4]) -> &[usize] {
        self.by_selector.get(&(target, selector)).map(Vec::as_slice).unwrap_or_default()
    }

    /// All values that a slot had, the first one first; empty when it was never changed.
    pub(super) fn values(&self, address: Address, slot: U256) -> Vec<U256> {
        let Some(places) = self.writes.get(&(address, slot)) else { return Vec::new() };
        let had = |place: &usize| match self.journal.get(*place) {
            Some(JournalEntry::StorageChanged { had_value, .. }) => Some(*had_value),
            _ => None,
        };
        let mut values: Vec<U256> = places.iter().filter_map(had).collect();
        let last = self.end.get(&address).and_then(|account| account.storage.get(&slot));
        values.extend(last.map(|value| value.present_value));
        values
    }

    /// Slots of `address` that were changed, in no particular order; also those that were changed back.
    pub(super) fn changed_slots(&self, address: Address) -> impl Iterator<Item = U256> + '_ {
        self.writes.keys().filter(move |(of, _)| *of == address).map(|(_, slot)| *slot)
    }

    /// Whether wei moved to or from `address`.
    pub(super) fn balance_moved(&self, address: Address) -> bool {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other entries move nothing")]
        self.journal.iter().any(|entry| match entry {
            JournalEntry::BalanceTransfer { from, to, balance } => {
                !balance.is_zero() && (*from == address || *to == address)
            }
            JournalEntry::AccountDestroyed { address: gone, target, had_balance, .. } => {
                !had_balance.is_zero() && (*gone == address || *target == address)
            }
            _ => false,
        })
    }

    /// Whether anything in `read` (slots, and accounts by their balance) changed between two places of the journal.
    pub(super) fn altered_between(&self, from: usize, to: usize, read: &EvmState) -> bool {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other entries change nothing that can be read")]
        self.journal.get(from..to).unwrap_or_default().iter().any(|entry| match entry {
            JournalEntry::StorageChanged { address, key, .. } => {
                read.get(address).is_some_and(|account| account.storage.contains_key(key))
            }
            JournalEntry::BalanceTransfer { from, to, .. } => read.contains_key(from) || read.contains_key(to),
            JournalEntry::AccountDestroyed { address, target, .. } => {
                read.contains_key(address) || read.contains_key(target)
            }
            JournalEntry::BalanceChange { address, .. }
            | JournalEntry::AccountCreated { address, .. }
            | JournalEntry::CodeChange { address, .. } => read.contains_key(address),
            _ => false,
        })
    }

    /// Starts and ends of all calls at which `contract` was not itself at work, ascending, each once.
    pub(super) fn places_outside(&self, contract: Address) -> Vec<usize> {
        let mut at_work: Vec<(usize, usize)> = Vec::new();
        for call in self.calls.iter().filter(|call| call.target == contract) {
            // Calls come in the order of their starts, and one inside of another ends before it.
            if at_work.last().is_none_or(|(_, end)| call.start >= *end) {
                at_work.push((call.start, call.end));
            }
        }
        let outside = |place: &usize| {
            let next = at_work.partition_point(|(start, _)| start < place);
            next.checked_sub(1).and_then(|last| at_work.get(last)).is_none_or(|(_, end)| place >= end)
        };
        let mut places: Vec<usize> =
            self.calls.iter().flat_map(|call| [call.start, call.end]).filter(outside).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// What it takes to make the state at `place`: accounts and slots that are copied, entries that are undone.
    pub(super) fn cost_at(&self, place: usize) -> usize {
        self.size.saturating_add(self.journal.len().saturating_sub(place))
    }

    /// What the transaction had loaded and changed when the journal was `place` entries long.
    pub(super) fn state_at(&self, place: usize) -> Arc<EvmState> {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = snapshots.get(&place) {
            return known.clone();
        }
        if snapshots.len() >= MOST_SNAPSHOTS {
            snapshots.clear();
        }
        let mut state = self.end.clone();
        for entry in self.journal.get(place..).unwrap_or_default().iter().rev() {
            entry.clone().revert(&mut state, None, self.spurious_dragon);
        }
        let state = Arc::new(state);
        snapshots.insert(place, state.clone());
        state
    }

    fn index(&mut self) {
        self.size =
            self.end.values().fold(0, |size, account| size.saturating_add(account.storage.len()).saturating_add(1));
        for (id, call) in self.calls.iter().enumerate() {
            self.by_selector.entry((call.target, call.selector)).or_default().push(id);
        }
        for (place, entry) in self.journal.iter().enumerate() {
            if let JournalEntry::StorageChanged { address, key, .. } = entry {
                self.writes.entry((*address, *key)).or_default().push(place);
            }
        }
    }
}

/// A frame that has not ended.
struct Open {
    /// `None` for a creation.
    call: Option<usize>,
    /// Calls that were known when it was opened: what fails takes all later ones with it.
    first: usize,
}

/// Runs a transaction and fills a [`Trace`].
#[derive(Default)]
pub(crate) struct Tracing {
    pub(crate) trace: Trace,
    open: Vec<Open>,
    kept: usize,
}

impl Tracing {
    fn keep(&mut self, data: &[u8]) -> Option<Bytes> {
        self.kept = self.kept.saturating_add(data.len());
        (self.kept <= MOST_DATA).then(|| Bytes::copy_from_slice(data))
    }

    fn enter(&mut self, context: &Context, frame: &FrameInit) {
        let first = self.trace.calls.len();
        let mut opened = None;
        if let FrameInput::Call(inputs) = &frame.frame_input {
            let data = inputs.input.as_bytes(context);
            let place = context.journaled_state.journal.len();
            let logs = context.journaled_state.logs.len();
            let call = TracedCall {
                parent: self.open.iter().rev().find_map(|open| open.call),
                depth: u32::try_from(self.open.len().saturating_add(1)).unwrap_or(u32::MAX),
                scheme: inputs.scheme,
                caller: inputs.caller,
                target: inputs.target_address,
                code_address: inputs.bytecode_address,
                selector: data.first_chunk::<4>().copied().unwrap_or_default(),
                value: inputs.value.get(),
                gas_limit: inputs.gas_limit,
                input: self.keep(&data),
                output: None,
                start: place,
                end: place,
                logs_start: logs,
                logs_end: logs,
            };
            opened = Some(first);
            self.trace.calls.push(call);
        }
        self.open.push(Open { call: opened, first });
    }

    fn exit(&mut self, context: &Context, result: &FrameResult) {
        let Some(open) = self.open.pop() else { return };
        let ended = result.interpreter_result();
        if !ended.result.is_ok() {
            self.trace.calls.truncate(open.first);
            return;
        }
        let output = if open.call.is_some() { self.keep(&ended.output) } else { None };
        if let Some(call) = open.call.and_then(|id| self.trace.calls.get_mut(id)) {
            call.output = output;
            call.end = context.journaled_state.journal.len();
            call.logs_end = context.journaled_state.logs.len();
        }
    }

    fn end(&mut self, context: &Context) {
        let journal = &context.journaled_state;
        self.trace.logs.clone_from(&journal.logs);
        self.trace.journal.clone_from(&journal.journal);
        self.trace.end.clone_from(&journal.state);
        self.trace.spurious_dragon = journal.cfg.spec.is_enabled_in(Spec::SPURIOUS_DRAGON);
        self.trace.index();
    }
}

impl Handler for Tracing {
    type Evm = RevmEvm;
    type Error = EVMError<DbError, InvalidTransaction>;
    type HaltReason = HaltReason;

    fn run_exec_loop(&mut self, evm: &mut RevmEvm, first: FrameInit) -> Result<FrameResult, Self::Error> {
        self.enter(evm.ctx_ref(), &first);
        if let ItemOrResult::Result(result) = evm.frame_init(first)? {
            self.exit(evm.ctx_ref(), &result);
            self.end(evm.ctx_ref());
            return Ok(result);
        }
        loop {
            let result = match evm.frame_run()? {
                ItemOrResult::Item(init) => {
                    self.enter(evm.ctx_ref(), &init);
                    match evm.frame_init(init)? {
                        ItemOrResult::Item(_) => continue,
                        ItemOrResult::Result(result) => result,
                    }
                }
                ItemOrResult::Result(result) => result,
            };
            self.exit(evm.ctx_ref(), &result);
            if let Some(result) = evm.frame_return_result(result)? {
                self.end(evm.ctx_ref());
                return Ok(result);
            }
        }
    }
}
