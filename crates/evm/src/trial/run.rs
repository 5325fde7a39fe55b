//! The calls of one trial, in order of plausibility, until the budget is used up.
//!
//! First each entry point is called alone on the contract as it was made, by its creator. Then calls that set the
//! contract up are kept, one after the other and a block apart, and the entry points are called again: an attack in
//! several transactions shows only then.

use std::sync::Arc;

use cofferdam_types::{
    Attempt, BalanceCheck, Clock, Effort, Execution, Header, Outcome, Selector, Signs, StateError, Transaction,
    TrialEnd, Window,
};
use revm::database_interface::Database;
use revm::primitives::{Address, Bytes, U256, keccak256};

use super::arguments::{self, Palette};
use super::code::Code;
use super::probe::{self, Learnt};
use super::{Budget, Subject, signs};
use crate::engine::{Engine, Seen, next_header};
use crate::machine::Checks;
use crate::state::{Bulk, DbError};

/// Entry points that are tried; hostile code may claim any number.
const MOST_ENTRIES: usize = 48;
/// Calls that set the contract up and are kept, one after the other.
const MOST_SETUPS: usize = 8;
/// Things said to be left out; more would say no more.
const MOST_SKIPPED: usize = 6;
/// Calls that find out what arguments one function takes.
const MOST_LESSONS: usize = 4;
/// Kept attempts of one entry point: the others need room too.
const MOST_OF_ENTRY: usize = 2;
/// Calldata of each entry point tried at first, before any value is sent along.
const FIRST: usize = 4;
/// Who calls when anybody may: an account without history and money.
pub(crate) const STRANGER: Address = Address::repeat_byte(0x5e);

/// One trial. See the module.
pub(super) struct Run<'r> {
    pub(super) engine: &'r mut Engine,
    /// The block in which is tried.
    pub(super) block: Arc<Header>,
    pub(super) budget: &'r Budget,
    pub(super) clock: &'r dyn Clock,
    pub(super) began: u64,
    pub(super) subject: &'r Subject<'r>,
    /// What ran on the fork already.
    pub(super) earlier: Vec<Arc<Transaction>>,
    pub(super) effort: Effort,
    pub(super) ended: Option<TrialEnd>,
    /// Why a part of the trial was cut short.
    pub(super) cut: Option<TrialEnd>,
    /// What reached protected contracts, by how much it took.
    pub(super) kept: Vec<(u64, Attempt)>,
    pub(super) harmful: &'r mut dyn FnMut(&Execution) -> bool,
}

/// One way to call the contract.
struct Entry {
    /// Whether only a lender would call it.
    callback: bool,
    sender: Address,
    data: Vec<Bytes>,
    /// False once it turned down what was sent along.
    payable: bool,
    /// What made it write something, where that was no harm.
    setup: Option<Call>,
    ran: bool,
}

#[derive(Clone, Debug)]
struct Call {
    sender: Address,
    value: U256,
    data: Bytes,
}

/// What a call came to.
struct Came {
    succeeded: bool,
    wrote: bool,
    /// Turned down before anything was done.
    refused: bool,
}

impl Run<'_> {
    /// Tries everything, or as much as the budget allows.
    pub(super) fn all(&mut self, read: &Code, signs: &Signs) {
        let Some(palette) = self.palette(read, signs) else { return };
        let mut entries = self.entries(read, &palette);
        self.alone(&mut entries);
        self.together(&mut entries);
        let tried = entries.iter().filter(|entry| entry.ran).count();
        self.effort.tried = u32::try_from(tried).unwrap_or(u32::MAX);
    }

    /// What it took, and what was found.
    pub(super) fn finish(self) -> (Effort, Vec<Attempt>) {
        let Self { mut effort, ended, cut, kept, .. } = self;
        effort.end = ended.or(cut).unwrap_or_default();
        let left = effort.entries.saturating_sub(effort.tried);
        if left > 0 {
            effort.skipped.push(format!("{left} entry points"));
        }
        (effort, kept.into_iter().map(|(_, attempt)| attempt).collect())
    }

    /// Entry points with what to call them with; callbacks last.
    fn entries(&mut self, read: &Code, palette: &Palette) -> Vec<Entry> {
        let count = read.entries.len();
        if count > MOST_ENTRIES {
            self.effort.skipped.push(format!("{} of {count} entry points", count.saturating_sub(MOST_ENTRIES)));
        }
        let creator = self.subject.creator.account;
        let payment = Entry {
            callback: false,
            sender: creator,
            data: vec![Bytes::new()],
            payable: true,
            setup: None,
            ran: false,
        };
        let mut entries = vec![payment];
        for selector in read.entries.iter().take(MOST_ENTRIES) {
            let learnt = self.learn(*selector);
            let asked = learnt.callers.first().copied();
            entries.push(Entry {
                callback: signs::is_callback(*selector),
                // Whom the code compares its caller with may call it, if anybody may.
                sender: asked.unwrap_or(creator),
                data: arguments::plausible(*selector, &learnt, palette),
                payable: true,
                setup: None,
                ran: false,
            });
        }
        entries.sort_by_key(|entry| entry.callback);
        self.effort.entries = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        entries
    }

    /// What arguments a function takes. Each call gets further by what the one before it showed.
    fn learn(&mut self, selector: Selector) -> Learnt {
        let mut learnt = Learnt::default();
        for _ in 0..MOST_LESSONS {
            if self.is_over(2) {
                break;
            }
            let data = arguments::marked(selector, &learnt);
            let (caller, target) = (self.subject.creator.account, self.subject.address);
            let (block, most_gas) = (&self.block, self.budget.gas_per_call);
            let Some(seen) = probe::watch(self.engine.machine(), block, caller, target, (data, most_gas)) else {
                break;
            };
            self.effort.calls = self.effort.calls.saturating_add(1);
            self.effort.gas = self.effort.gas.saturating_add(seen.gas);
            if !learnt.add(seen) {
                break;
            }
        }
        learnt
    }

    /// Each entry point alone, on the contract as it was made. Uses at most six tenths of the budget.
    fn alone(&mut self, entries: &mut [Entry]) {
        let values = self.values();
        self.rounds(entries, 0..FIRST, &[U256::ZERO], 6);
        self.rounds(entries, 0..FIRST, &values, 6);
        self.rounds(entries, FIRST..arguments::MOST, &[U256::ZERO], 6);
        self.rounds(entries, FIRST..FIRST.saturating_mul(2), &values, 6);
        let senders: Vec<Address> = entries.iter().map(|entry| entry.sender).collect();
        for sender in [self.subject.creator.account, STRANGER] {
            let mut idle: Vec<&mut Entry> = entries.iter_mut().filter(|entry| entry.setup.is_none()).collect();
            for entry in &mut idle {
                if entry.sender == sender {
                    continue;
                }
                entry.sender = sender;
                for data in entry.data.clone().iter().take(2) {
                    if self.is_over(6) {
                        break;
                    }
                    self.once(entry, U256::ZERO, data);
                }
            }
        }
        for (entry, sender) in entries.iter_mut().zip(senders) {
            entry.sender = sender;
        }
    }

    /// One call of each entry point, then the next one of each, so that none is starved by another.
    fn rounds(&mut self, entries: &mut [Entry], rounds: std::ops::Range<usize>, values: &[U256], tenths: u64) {
        for round in rounds {
            for value in values {
                for entry in entries.iter_mut() {
                    let Some(data) = entry.data.get(round).cloned() else { continue };
                    if self.is_over(tenths) {
                        return;
                    }
                    if value.is_zero() || entry.payable {
                        self.once(entry, *value, &data);
                    }
                }
            }
        }
    }

    /// Keeps what sets the contract up, and tries everything again after each of it.
    fn together(&mut self, entries: &mut [Entry]) {
        let mark = self.engine.machine().state().mark();
        let (block, depth) = (self.block.clone(), self.earlier.len());
        let mut kept = 0;
        let mut done: Vec<usize> = Vec::new();
        while kept < MOST_SETUPS && !self.is_over(10) {
            let next = entries.iter().enumerate().find(|(index, entry)| entry.setup.is_some() && !done.contains(index));
            let Some((index, call)) = next.and_then(|(index, entry)| Some((index, entry.setup.clone()?))) else {
                break;
            };
            done.push(index);
            let Some((transaction, execution)) = self.call(&call) else { break };
            if !execution.effects.outcome.succeeded() {
                continue;
            }
            self.earlier.push(transaction);
            kept = kept.saturating_add(1);
            self.block = Arc::new(next_header(&self.block));
            self.engine.machine().enter_block(&self.block);
            let values = self.values();
            self.rounds(entries, 0..FIRST, &[U256::ZERO], 10);
            self.rounds(entries, 0..2, values.get(..1).unwrap_or_default(), 10);
        }
        self.engine.machine().state_mut().revert_to(mark);
        self.block = block;
        self.engine.machine().enter_block(&self.block);
        self.earlier.truncate(depth);
    }

    /// One call, taken back.
    fn once(&mut self, entry: &mut Entry, value: U256, data: &Bytes) {
        let mark = self.engine.machine().state().mark();
        let call = Call { sender: entry.sender, value, data: data.clone() };
        let made = self.call(&call);
        self.engine.machine().state_mut().revert_to(mark);
        let Some((_, execution)) = made else { return };
        entry.ran = true;
        let came = self.examine(execution);
        if came.refused && !value.is_zero() {
            entry.payable = false;
        }
        if came.succeeded && came.wrote && entry.setup.is_none() {
            entry.setup = Some(call);
        }
    }

    /// One call that stays. `None` when it could not be made.
    fn call(&mut self, call: &Call) -> Option<(Arc<Transaction>, Execution)> {
        let nonce = match self.engine.machine().state_mut().basic(call.sender) {
            Ok(info) => info.map(|info| info.nonce).unwrap_or_default(),
            Err(error) => return self.broke(error),
        };
        let transaction = Arc::new(self.transaction(call, nonce));
        self.engine.machine().state_mut().bulk = Bulk::Transaction(transaction.clone());
        let block = self.block.clone();
        let seen = Seen { transaction: transaction.clone(), window: Window::Before, block, index: None };
        let done = self.engine.execute(seen, Checks::Pending);
        self.engine.machine().state_mut().bulk = Bulk::None;
        match done {
            Ok(execution) => {
                self.effort.calls = self.effort.calls.saturating_add(1);
                self.effort.gas = self.effort.gas.saturating_add(execution.effects.gas_used);
                Some((transaction, execution))
            }
            Err(error) => self.broke(error),
        }
    }

    /// As if it had been signed: nonce right, no fee. The hash names it on every node alike.
    fn transaction(&self, call: &Call, nonce: u64) -> Transaction {
        let to = self.subject.address;
        let parts = [
            b"trial".as_slice(),
            self.subject.creation.transaction.hash.as_slice(),
            call.sender.as_slice(),
            to.as_slice(),
            &nonce.to_be_bytes(),
            &call.value.to_be_bytes::<32>(),
            &call.data,
        ];
        Transaction {
            hash: keccak256(parts.concat()),
            from: call.sender,
            to: Some(to),
            nonce,
            gas_limit: self.budget.gas_per_call.min(self.block.gas_limit.max(21_000)),
            value: call.value,
            input: call.data.clone(),
            ..Transaction::default()
        }
    }

    fn examine(&mut self, execution: Execution) -> Came {
        let effects = &execution.effects;
        if let Outcome::Invalid(reason) = &effects.outcome {
            let invalid = format!("a call that the chain would not take: {reason}");
            if self.effort.skipped.len() < MOST_SKIPPED && !self.effort.skipped.contains(&invalid) {
                self.effort.skipped.push(invalid);
            }
        }
        let succeeded = effects.outcome.succeeded();
        let refused = !succeeded && effects.calls.len() <= 1;
        let wrote = effects.writes.iter().any(|write| write.address == self.subject.address) || effects.calls.len() > 1;
        let weight = if succeeded { self.weight(&execution) } else { 0 };
        if weight > 0 {
            if (self.harmful)(&execution) {
                self.ended = Some(TrialEnd::Harm);
                self.kept.clear();
            }
            self.keep(weight, execution);
        }
        Came { succeeded, wrote, refused }
    }

    fn keep(&mut self, weight: u64, execution: Execution) {
        let attempt = Attempt { earlier: self.earlier.clone(), execution };
        let entry = attempt.entry();
        let same = self.kept.iter().filter(|(_, kept)| kept.entry() == entry).count();
        let worst = |kept: &[(u64, Attempt)], only: bool| {
            let index = kept.iter().rposition(|(_, attempt)| !only || attempt.entry() == entry);
            index.filter(|index| kept.get(*index).is_some_and(|(least, _)| *least < weight))
        };
        let full = self.kept.len() >= self.budget.kept.max(1);
        if same >= MOST_OF_ENTRY || full {
            let Some(index) = worst(&self.kept, same >= MOST_OF_ENTRY) else { return };
            self.kept.remove(index);
        }
        let place = self.kept.partition_point(|(other, _)| *other >= weight);
        self.kept.insert(place, (weight, attempt));
    }

    /// How much a call did to protected contracts: nothing, something, or a share of what they held in basis points.
    fn weight(&self, execution: &Execution) -> u64 {
        let watch = self.engine.watch();
        let effects = &execution.effects;
        let share = |check: &BalanceCheck| {
            let (before, after) = (check.before?, check.after?);
            let lost = before.checked_sub(after).filter(|lost| !lost.is_zero())?;
            let scaled = lost.checked_mul(U256::from(10_000)).and_then(|scaled| scaled.checked_div(before));
            Some(u64::try_from(scaled.unwrap_or(U256::from(10_000))).unwrap_or(10_000).saturating_add(10))
        };
        let lost = effects.checks.iter().filter_map(share).max().unwrap_or(0);
        let moved = effects.movements.iter().any(|moved| watch.contains(moved.from) || watch.contains(moved.to));
        let wrote = effects.writes.iter().any(|write| watch.contains(write.address));
        let code = effects.code_changes.iter().any(|change| watch.contains(change.address));
        let other = if code { 5_000 } else { u64::from(moved).saturating_add(u64::from(wrote)) };
        lost.max(other)
    }

    /// Whether the trial must end, given that this part of it may use so many tenths of the budget.
    fn is_over(&mut self, tenths: u64) -> bool {
        if self.ended.is_some() {
            return true;
        }
        let part = |whole: u64| (whole / 10).saturating_mul(tenths);
        let micros = self.clock.monotonic_micros().saturating_sub(self.began);
        let end = if u64::from(self.effort.calls) >= part(u64::from(self.budget.calls)) {
            TrialEnd::Calls
        } else if self.effort.gas >= part(self.budget.gas) {
            TrialEnd::Gas
        } else if micros >= part(self.budget.micros) {
            TrialEnd::Time
        } else {
            return false;
        };
        if tenths >= 10 {
            self.ended = Some(end);
        } else {
            self.cut = Some(end);
        }
        true
    }

    pub(super) fn broke<T>(&mut self, DbError(error): DbError) -> Option<T> {
        self.said(&error);
        None
    }

    fn said(&mut self, error: &StateError) {
        self.ended = Some(TrialEnd::State);
        self.effort.skipped.push(error.to_string());
    }
}
