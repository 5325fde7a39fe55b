//! The state at head, and every transaction executed on it: pending ones on top, mined ones in their place.
//!
//! Start at [`Engine::advance`] and [`Engine::pending`]. A pending transaction must never leave a trace in the state,
//! and an execution that differs from the chain's receipt must never be passed off as the chain's.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use cofferdam_types::{
    Asset, Basis, Block, BlockNumber, BlockRef, CallKind, Effects, Execution, Fact, Header, Needs, Outcome, Receipt,
    Standing, StateError, StateSource, Transaction, ViewResult, Watchlist, Window,
};
use revm::primitives::{Address, B256, U256};
use revm::state::EvmState;

use crate::assertion::{About, Assertions};
use crate::balances::{Balances, MOST_CHECKS};
use crate::fork::Fork;
use crate::ledger;
use crate::machine::{Checks, Machine, RunError};
use crate::rules::Rules;
use crate::state::{Bulk, DbError, Mark, State};
use crate::{effects, views};

/// Accounts named by two that are looked at in one transaction.
const MOST_NAMED: usize = 16;

/// Blocks that can be taken back unless [`Engine::set_depth`] says otherwise.
const DEPTH: usize = 128;
/// Slots kept in memory before accounts that were not used for a while are dropped (about 100 bytes each).
const MOST_SLOTS: usize = 4_000_000;
/// Blocks without use after which an account may be dropped.
const IDLE_BLOCKS: u64 = 256;
/// Wei of a gwei, the unit of withdrawals.
const GWEI: u64 = 1_000_000_000;

/// A block that was executed.
#[derive(Clone, Debug)]
pub struct Advanced {
    /// In block order, one for each transaction.
    pub executions: Vec<Execution>,
    /// Transactions whose execution here differs from the chain's receipt, with what differs. Empty is the rule.
    pub diverged: Vec<(u32, String)>,
}

/// The engine does not hold the state to go back to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("block {to} is not among the {kept} blocks that can be taken back")]
pub struct RollbackError {
    /// Where the chain went back to.
    pub to: BlockNumber,
    /// Blocks held.
    pub kept: usize,
}

struct Executed {
    header: Arc<Header>,
    /// State before the block.
    before: Stand,
    credited: Vec<Address>,
}

/// Where everything stood that can be taken back.
#[derive(Clone, Copy)]
pub(crate) struct Stand {
    state: Mark,
    /// What assertions remember of flows.
    flows: usize,
}

/// The state at head. See the module.
pub struct Engine {
    machine: Machine,
    watch: Arc<Watchlist>,
    needs: Needs,
    assertions: Assertions,
    balances: Balances,
    head: Arc<Header>,
    /// The block before the oldest of `blocks`: the deepest that can be gone back to.
    base: Arc<Header>,
    blocks: VecDeque<Executed>,
    depth: usize,
    pending_gas: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("head", &self.head.block_ref()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Knows nothing yet and stands on an empty header: call [`Self::reset`] before use.
    pub fn new(rules: Rules, source: Arc<dyn StateSource>, watch: Arc<Watchlist>) -> Self {
        Self {
            machine: Machine::new(rules, State::with_source(source)),
            watch,
            needs: Needs::default(),
            assertions: Assertions::default(),
            balances: Balances::default(),
            head: Arc::default(),
            base: Arc::default(),
            blocks: VecDeque::new(),
            depth: DEPTH,
            pending_gas: 0,
        }
    }

    /// The views to answer for every execution that touches their module.
    pub fn set_needs(&mut self, needs: Needs) {
        self.needs = needs;
    }

    /// The Solidity assertions to run for every execution that touches their module.
    pub fn set_assertions(&mut self, mut assertions: Assertions) {
        assertions.settle(&self.watch);
        self.assertions = assertions;
    }

    /// How many blocks can be taken back.
    pub const fn set_depth(&mut self, blocks: usize) {
        self.depth = blocks;
    }

    /// Forgets all state and stands on `head`; reads are fetched anew. After start, and where a block was not executed.
    pub fn reset(&mut self, head: Header) {
        self.blocks.clear();
        self.assertions.forget_after(head.timestamp);
        let state = self.machine.state_mut();
        state.forget();
        // What was to be fetched was for what stood here before: a block that was not executed exactly would otherwise
        // be traced, and tell the state before it as that of the head.
        state.bulk = Bulk::None;
        state.at = head.block_ref();
        self.head = Arc::new(head);
        self.base = self.head.clone();
    }

    /// The block that the state stands on.
    pub fn head(&self) -> &Header {
        &self.head
    }

    /// What is protected.
    pub const fn watch(&self) -> &Arc<Watchlist> {
        &self.watch
    }

    /// Storage slots in memory.
    pub fn slots_in_memory(&self) -> usize {
        self.machine.state().slot_count()
    }

    /// Executes `transaction` on the head, as if it were the first of the next block.
    ///
    /// # Errors
    /// [`StateError`] when state is missing that the source could not fetch now.
    pub fn pending(&mut self, transaction: Arc<Transaction>) -> Result<Execution, StateError> {
        self.pending_after(&[], transaction)
    }

    /// The same after `earlier` transactions, which are executed first: those of the same sender with lower nonces.
    ///
    /// # Errors
    /// [`StateError`] when state is missing that the source could not fetch now.
    pub fn pending_after(
        &mut self,
        earlier: &[Arc<Transaction>],
        transaction: Arc<Transaction>,
    ) -> Result<Execution, StateError> {
        let block = Arc::new(next_header(&self.head));
        let stand = self.stand();
        self.machine.enter_block(&block);
        let done = self.run_pending(earlier, transaction, block);
        self.back_to(stand);
        done.map_err(|DbError(error)| error)
    }

    fn run_pending(
        &mut self,
        earlier: &[Arc<Transaction>],
        transaction: Arc<Transaction>,
        block: Arc<Header>,
    ) -> Result<Execution, DbError> {
        for before in earlier {
            self.machine.state_mut().bulk = Bulk::Transaction(before.clone());
            match self.machine.run(before, Checks::Pending) {
                Ok(run) => {
                    self.pending_gas = self.pending_gas.saturating_add(run.result.tx_gas_used());
                    self.machine.state_mut().commit(run.changes);
                }
                Err(RunError::Invalid(_)) => {}
                Err(RunError::State(error)) => return Err(error),
            }
        }
        self.machine.state_mut().bulk = Bulk::Transaction(transaction.clone());
        let seen = Seen { transaction, window: Window::Pending, block, index: None };
        let execution = self.execute(seen, Checks::Pending)?;
        self.pending_gas = self.pending_gas.saturating_add(execution.effects.gas_used);
        Ok(execution)
    }

    /// Gas of all that [`Self::pending_after`] has executed so far, those before a transaction included.
    pub const fn pending_gas(&self) -> u64 {
        self.pending_gas
    }

    /// Executes all of `block` on the head, which must be its parent, and makes it the head.
    ///
    /// Each execution is compared with the receipt, where the block has receipts. After a difference, or a transaction
    /// of a type that is not known, nothing in memory is trusted any more and state is fetched anew at the new head.
    ///
    /// # Errors
    /// [`StateError`] when state is missing that the source could not fetch now; the head has not moved.
    pub fn advance(&mut self, block: &Block) -> Result<Advanced, StateError> {
        let before = self.stand();
        match self.execute_block(block) {
            Ok(advanced) => {
                self.adopt(block, before, advanced.diverged.is_empty());
                Ok(advanced)
            }
            Err(DbError(error)) => {
                let at = self.head.block_ref();
                self.back_to(before);
                let state = self.machine.state_mut();
                ledger::SYSTEM_CONTRACTS.into_iter().for_each(|contract| state.forget_account(contract));
                state.at = at;
                state.bulk = Bulk::None;
                Err(error)
            }
        }
    }

    fn execute_block(&mut self, block: &Block) -> Result<Advanced, DbError> {
        let header = Arc::new(block.header.clone());
        let at = self.head.block_ref();
        self.machine.enter_block(&header);
        self.machine.state_mut().set_block_hash(at.number, at.hash);
        ledger::begin_block(&mut self.machine, &header)?;
        // Only now: nothing that the transactions read is worth tracing all of them while it is in memory.
        self.machine.state_mut().bulk = Bulk::Block(Arc::new(block.clone()));
        let mut advanced = Advanced { executions: Vec::with_capacity(block.transactions.len()), diverged: Vec::new() };
        for (index, transaction) in (0_u32..).zip(&block.transactions) {
            let receipt = usize::try_from(index).ok().and_then(|index| block.receipts.get(index));
            let (transaction, block) = (Arc::new(transaction.clone()), header.clone());
            let seen = Seen { transaction, window: Window::Mined, block, index: Some(index) };
            let mut execution = self.execute(seen, Checks::All)?;
            if let Some(difference) = difference(&execution.effects, receipt) {
                advanced.diverged.push((index, difference));
                distrust(&mut execution, receipt);
            }
            advanced.executions.push(execution);
        }
        for withdrawal in &block.withdrawals {
            let wei = U256::from(withdrawal.amount_gwei).saturating_mul(U256::from(GWEI));
            self.machine.state_mut().credit(withdrawal.address, wei);
        }
        Ok(advanced)
    }

    fn adopt(&mut self, block: &Block, before: Stand, exact: bool) {
        if !exact {
            self.assertions.revert_to(before.flows);
            self.reset(block.header.clone());
            return;
        }
        let header = Arc::new(block.header.clone());
        let credited = block.withdrawals.iter().map(|withdrawal| withdrawal.address).collect();
        self.blocks.push_back(Executed { header: header.clone(), before, credited });
        self.head = header;
        let state = self.machine.state_mut();
        state.bulk = Bulk::None;
        state.at = block.header.block_ref();
        if self.blocks.len() > self.depth
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.base = oldest.header;
        }
        if let Some(oldest) = self.blocks.front() {
            state.prune(oldest.before.state);
            self.assertions.prune(oldest.before.flows, block.header.timestamp);
        }
        if state.slot_count() > MOST_SLOTS {
            let watch = self.watch.clone();
            let idle = BlockNumber(block.header.number.0.saturating_sub(IDLE_BLOCKS));
            state.evict(idle, &|address| watch.contains(address));
        }
    }

    /// Goes back to block `to`, exactly.
    ///
    /// # Errors
    /// [`RollbackError`] when `to` is not held; the engine is unchanged and [`Self::reset`] is what helps.
    pub fn rollback(&mut self, to: BlockRef) -> Result<(), RollbackError> {
        if to == self.head.block_ref() {
            return Ok(());
        }
        let kept = if to == self.base.block_ref() {
            0
        } else {
            let position = self.blocks.iter().position(|executed| executed.header.block_ref() == to);
            let refused = RollbackError { to: to.number, kept: self.blocks.len() };
            position.ok_or(refused)?.saturating_add(1)
        };
        while self.blocks.len() > kept {
            let Some(dropped) = self.blocks.pop_back() else { break };
            self.back_to(dropped.before);
            let state = self.machine.state_mut();
            state.forget_block_hash(dropped.header.number);
            for account in dropped.credited.into_iter().chain(ledger::SYSTEM_CONTRACTS) {
                state.forget_account(account);
            }
        }
        self.head = self.blocks.back().map_or(&self.base, |executed| &executed.header).clone();
        self.machine.state_mut().at = to;
        Ok(())
    }

    /// A fork of the head in which anything may be tried; dropping it takes everything back.
    pub fn fork(&mut self) -> Fork<'_> {
        let block = Arc::new(next_header(&self.head));
        self.machine.enter_block(&block);
        let stand = self.stand();
        Fork::new(self, block, stand)
    }

    pub(crate) fn stand(&self) -> Stand {
        Stand { state: self.machine.state().mark(), flows: self.assertions.mark() }
    }

    pub(crate) fn back_to(&mut self, stand: Stand) {
        self.machine.state_mut().revert_to(stand.state);
        self.assertions.revert_to(stand.flows);
    }

    pub(crate) const fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Runs a transaction in the block that the machine is in, answers the facts, and commits.
    pub(crate) fn execute(&mut self, seen: Seen, checks: Checks) -> Result<Execution, DbError> {
        self.machine.state_mut().missing.clear();
        let run = match self.machine.run(&seen.transaction, checks) {
            Ok(run) => run,
            Err(RunError::Invalid(reason)) => {
                return Ok(self.execution(seen, Effects::nothing(Outcome::Invalid(reason))));
            }
            Err(RunError::State(error)) => return Err(error),
        };
        let (mut effects, changes) = effects::of_run(run);
        let touched = touched_modules(&self.watch, &effects);
        if touched.is_empty() {
            self.machine.state_mut().commit(changes);
            return Ok(self.execution(seen, effects));
        }
        let about = About {
            transaction: &seen.transaction,
            block: &seen.block,
            effects: &effects,
            changes: &changes,
            touched: &touched,
            checks,
        };
        let assertions = self.assertions.check(&mut self.machine, &about)?;
        let pairs = self.balances_to_look_at(&mut effects, &touched, &changes);
        self.native_checks(&mut effects, &touched, &changes)?;
        self.named_contracts(&mut effects)?;
        let halves = self.balances.before(&mut self.machine, &changes, &pairs, &mut effects.checks)?;
        let asked = self.views_before(&touched, &changes)?;
        self.machine.state_mut().commit(changes);
        self.balances.after(&mut self.machine, halves, &mut effects.checks)?;
        let facts = self.views_after(asked)?;
        Ok(Execution { facts, assertions, ..self.execution(seen, effects) })
    }

    /// An execution of which nothing more was asked.
    fn execution(&mut self, seen: Seen, effects: Effects) -> Execution {
        let Seen { transaction, window, block, index } = seen;
        let state = self.machine.state_mut();
        let missing = std::mem::take(&mut state.missing);
        let standing = Standing { head: state.at, basis: Basis::Executed, missing, left_out: 0 };
        let (facts, assertions) = (Vec::new(), Vec::new());
        Execution { transaction, window, block, index, effects, facts, assertions, standing }
    }

    /// Protected accounts and the tokens in which the events name them, and the configured assets of touched modules
    /// whose token changed its storage. First come movements of tokens that people named or a protected contract called,
    /// then the other contracts of the module, then what anybody claims: whoever makes events of his own tokens must not
    /// crowd out the balance that he takes.
    fn balances_to_look_at(
        &self,
        effects: &mut Effects,
        touched: &[u32],
        changes: &EvmState,
    ) -> Vec<(Address, Address)> {
        let mut pairs = Vec::new();
        let mut left_out = 0_u32;
        let mut add = |token: Address, account: Address| {
            if pairs.contains(&(token, account)) {
                return;
            }
            if pairs.len() < MOST_CHECKS {
                pairs.push((token, account));
            } else {
                left_out = left_out.saturating_add(1);
            }
        };
        let modules = || touched.iter().filter_map(|index| self.watch.module(*index));
        let believed: Option<HashSet<Address>> = (effects.movements.len() > FEW_MOVEMENTS).then(|| {
            let called = effects
                .calls
                .iter()
                .filter(|call| call.effective && call.kind == CallKind::Call && self.watch.contains(call.caller));
            let named = modules().flat_map(|module| module.assets.iter().filter_map(Asset::token));
            called.map(|call| call.callee).chain(named).collect()
        });
        let moved = |believable: bool, add: &mut dyn FnMut(Address, Address)| {
            for movement in &effects.movements {
                let Asset::Erc20(token) = movement.asset else { continue };
                if believed.as_ref().is_none_or(|believed| believed.contains(&token)) != believable {
                    continue;
                }
                for account in [movement.from, movement.to] {
                    if self.watch.contains(account) {
                        add(token, account);
                    }
                }
            }
        };
        moved(true, &mut add);
        for module in modules() {
            for token in module.assets.iter().filter_map(Asset::token) {
                if changes.get(&token).is_some_and(|account| account.changed_storage_slots().next().is_some()) {
                    module.contracts.iter().for_each(|contract| add(token, *contract));
                }
            }
        }
        moved(false, &mut add);
        effects.unchecked = left_out;
        pairs
    }

    fn native_checks(&mut self, effects: &mut Effects, touched: &[u32], changes: &EvmState) -> Result<(), DbError> {
        use revm::database_interface::Database;
        for module in touched.iter().filter_map(|index| self.watch.module(*index)) {
            for contract in &module.contracts {
                let Some(account) = changes.get(contract) else { continue };
                let asset = Asset::Native;
                if effects.checks.iter().any(|check| check.account == *contract && check.asset == asset) {
                    continue;
                }
                let before = self.machine.state_mut().basic(*contract)?.map(|info| info.balance).unwrap_or_default();
                let gone = account.is_touched() && account.is_selfdestructed();
                let after = if gone { U256::ZERO } else { account.info.balance };
                effects.checks.push(cofferdam_types::BalanceCheck {
                    account: *contract,
                    asset,
                    before: Some(before),
                    after: Some(after),
                });
            }
        }
        Ok(())
    }

    /// Which accounts have code, of those that events of protected contracts name by two. Such events are rare, and what
    /// nobody can tell of an account is then no gap in what was executed.
    fn named_contracts(&mut self, effects: &mut Effects) -> Result<(), DbError> {
        use revm::database_interface::Database;
        let mut named: Vec<Address> = Vec::new();
        for emitted in effects.logs.iter().filter(|emitted| self.watch.contains(emitted.log.address)) {
            let [_, first, second] = emitted.log.topics() else { continue };
            let is_account = |word: &B256| word.starts_with(&[0; 12]) && !word.is_zero();
            if emitted.log.data.data.is_empty() && is_account(second) && named.len() < MOST_NAMED {
                named.extend(
                    [first, second].into_iter().filter(|word| is_account(word)).map(|word| Address::from_word(*word)),
                );
            }
        }
        if named.is_empty() {
            return Ok(());
        }
        named.sort_unstable();
        named.dedup();
        let missing = self.machine.state_mut().missing.clone();
        for account in named {
            let info = self.machine.state_mut().basic(account)?;
            if info.is_some_and(|info| !info.is_empty_code_hash()) {
                effects.contracts.push(account);
            }
        }
        self.machine.state_mut().missing = missing;
        Ok(())
    }

    fn views_before(&mut self, touched: &[u32], changes: &EvmState) -> Result<Vec<Asked>, DbError> {
        let mut asked = Vec::new();
        for (view, need) in self.needs.views.iter().enumerate() {
            let wanted = |index: &u32| self.watch.module(*index).is_some_and(|module| module.id == need.module);
            if !touched.iter().any(wanted) {
                continue;
            }
            let (before, read) = views::ask(&mut self.machine, need.target, need.calldata.clone(), views::VIEW_GAS)?;
            let changed = read.altered_by(changes);
            asked.push(Asked { view, before, changed });
        }
        Ok(asked)
    }

    fn views_after(&mut self, asked: Vec<Asked>) -> Result<Vec<Fact>, DbError> {
        let mut facts = Vec::with_capacity(asked.len());
        for Asked { view, before, changed } in asked {
            let Some(need) = self.needs.views.get(view) else { continue };
            let after = if changed {
                views::ask(&mut self.machine, need.target, need.calldata.clone(), views::VIEW_GAS)?.0
            } else {
                before.clone()
            };
            facts.push(Fact { view, before, after });
        }
        Ok(facts)
    }
}

/// A transaction and where it is looked at.
pub(crate) struct Seen {
    pub(crate) transaction: Arc<Transaction>,
    pub(crate) window: Window,
    pub(crate) block: Arc<Header>,
    pub(crate) index: Option<u32>,
}

struct Asked {
    view: usize,
    before: ViewResult,
    changed: bool,
}

/// Modules that the execution called, wrote to, moved assets of, or changed the code of. Ascending, each once.
fn touched_modules(watch: &Watchlist, effects: &Effects) -> Vec<u32> {
    let mut touched: Vec<u32> = Vec::new();
    if watch.is_empty() {
        return touched;
    }
    let mut last = Address::ZERO;
    let mut look = |address: Address| {
        if address != last {
            touched.extend_from_slice(watch.modules_of(address));
            last = address;
        }
    };
    for call in effects.calls.iter().filter(|call| call.effective) {
        look(call.callee);
        look(call.code_address);
    }
    effects.writes.iter().for_each(|write| look(write.address));
    effects.code_changes.iter().for_each(|change| look(change.address));
    for movement in &effects.movements {
        look(movement.from);
        look(movement.to);
    }
    touched.sort_unstable();
    touched.dedup();
    touched
}

/// The header of the block that would follow: number and time are guesses, the base fee is the rule of EIP-1559.
pub(crate) fn next_header(head: &Header) -> Header {
    Header {
        number: head.number.next(),
        hash: Default::default(),
        parent_hash: head.hash,
        // Twelve seconds is Ethereum's slot; contracts that care about seconds are rare and the verdict says "pending".
        timestamp: head.timestamp.saturating_add(12),
        gas_used: 0,
        base_fee: head.base_fee.map(|base_fee| next_base_fee(base_fee, head.gas_used, head.gas_limit)),
        ..head.clone()
    }
}

/// EIP-1559, rounded as there.
fn next_base_fee(base_fee: u64, gas_used: u64, gas_limit: u64) -> u64 {
    let target = u128::from(gas_limit / 2);
    let (base, used) = (u128::from(base_fee), u128::from(gas_used));
    let change = |distance: u128| base.saturating_mul(distance).checked_div(target).map_or(0, |scaled| scaled / 8);
    let next = if used > target {
        base.saturating_add(change(used.saturating_sub(target)).max(1))
    } else {
        base.saturating_sub(change(target.saturating_sub(used)))
    };
    u64::try_from(if target == 0 { base } else { next }).unwrap_or(u64::MAX)
}

/// How our execution differs from the chain's receipt; `None` when equal or when there is no receipt.
fn difference(effects: &Effects, receipt: Option<&Receipt>) -> Option<String> {
    if let Outcome::Invalid(reason) = &effects.outcome {
        return Some(format!("not executable here: {reason}"));
    }
    let receipt = receipt?;
    if receipt.gas_used != effects.gas_used {
        return Some(format!("gas {} here, {} on chain", effects.gas_used, receipt.gas_used));
    }
    if receipt.success.is_some_and(|success| success != effects.outcome.succeeded()) {
        return Some("success differs from the receipt".to_owned());
    }
    let same_logs = receipt.logs.len() == effects.logs.len()
        && receipt.logs.iter().zip(&effects.logs).all(|(theirs, ours)| *theirs == ours.log);
    (!same_logs)
        .then(|| format!("{} logs here, {} on chain, or other contents", effects.logs.len(), receipt.logs.len()))
}

/// What remains of an execution that is not the chain's: the receipt, which is.
fn distrust(execution: &mut Execution, receipt: Option<&Receipt>) {
    execution.effects = effects::of_receipt(&execution.transaction, receipt);
    execution.facts.clear();
    execution.assertions.clear();
    execution.standing.basis = if receipt.is_some() { Basis::Receipt } else { Basis::Diverged };
}

/// An execution from the receipt alone, for blocks whose state is not available any more.
pub(crate) fn from_receipt(
    header: &Arc<Header>,
    index: u32,
    transaction: &Transaction,
    receipt: Option<&Receipt>,
) -> Execution {
    Execution {
        transaction: Arc::new(transaction.clone()),
        window: Window::Mined,
        block: header.clone(),
        index: Some(index),
        effects: effects::of_receipt(transaction, receipt),
        facts: Vec::new(),
        assertions: Vec::new(),
        standing: Standing {
            head: header.parent_ref().unwrap_or_default(),
            basis: Basis::Receipt,
            missing: Vec::new(),
            left_out: 0,
        },
    }
}

/// So many movements all find room among the balances that are looked at, whoever made them.
const FEW_MOVEMENTS: usize = 8;

/// All executions of a block from its receipts alone: no call tree, no storage, token events unchecked.
pub fn from_receipts(block: &Block) -> Vec<Execution> {
    let header = Arc::new(block.header.clone());
    let receipts = block.receipts.iter().map(Some).chain(std::iter::repeat(None));
    (0_u32..)
        .zip(block.transactions.iter().zip(receipts))
        .map(|(index, (transaction, receipt))| from_receipt(&header, index, transaction, receipt))
        .collect()
}
