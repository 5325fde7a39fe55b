//! A chain, a record and a judge in memory, and a fuse that ends the process at any chosen effect.
//!
//! The contract is a vault in hand-made bytecode: `pause()`, `unpause()`, `paused()` for its guardian, `drain()` which a
//! pause stops, `empty()` which takes all and is stopped too, and `escape()` which no pause stops.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test bed may panic")]

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use cofferdam_evm::{CallRequest, Engine, Ledger, Rules, Spec};
use cofferdam_types::{
    AccountState, Asset, Batch, Block, BlockNumber, BlockRef, ChainId, Committed, Event, Execution, Finding, FindingId,
    Harm, Header, IncidentId, Journal, JournalError, Judge, Known, Level, ManualClock, Maturity, Module, ModuleId,
    Needs, OperatorAlert, PlanId, PlanRecord, PlanStep, PreState, Severity, StateError, StateSource, Transaction,
    UnixMillis, Verdict, Watchlist, Window,
};

use crate::answer::Progress;
use crate::answer::{RespondError, Response, Stop};
use crate::channel::{Answer, Channel, ChannelError, Delivery, Mined, Purse, Reading};
use crate::guardian::Guardian;
use crate::lever::{LeverKind, LeverSettings};
use crate::limits::Limits;
use crate::responder::{Responder, Setup};

pub(crate) const CHAIN: ChainId = ChainId(31_337);
pub(crate) const VAULT: Address = Address::repeat_byte(0xaa);
pub(crate) const VAULT_B: Address = Address::repeat_byte(0xbb);
pub(crate) const THIEF: Address = Address::repeat_byte(0x66);
pub(crate) const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = 1_000_000_000 * GWEI;

/// Stops the process: after `left` more effects everything outside is out of reach.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    left: Mutex<Option<(u32, bool)>>,
    dead: Mutex<bool>,
}

impl Fuse {
    /// Burns at the effect after `effects` more; `after`: that last effect still happens.
    pub(crate) fn light(&self, effects: u32, after: bool) {
        *self.left.lock().unwrap() = Some((effects, after));
    }

    pub(crate) fn reset(&self) {
        *self.left.lock().unwrap() = None;
        *self.dead.lock().unwrap() = false;
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.dead.lock().unwrap()
    }

    /// Whether the effect happens.
    fn effect(&self) -> bool {
        if self.is_dead() {
            return false;
        }
        let mut left = self.left.lock().unwrap();
        match &mut *left {
            None => true,
            Some((0, after)) => {
                *self.dead.lock().unwrap() = true;
                *after
            }
            Some((more, _)) => {
                *more -= 1;
                true
            }
        }
    }
}

/// A record in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) events: Mutex<Vec<(UnixMillis, Event)>>,
    pub(crate) fuse: Arc<Fuse>,
}

impl Memory {
    pub(crate) fn plans(&self) -> Vec<PlanRecord> {
        let mut plans: Vec<PlanRecord> = Vec::new();
        for (at, event) in self.events.lock().unwrap().iter() {
            let Event::Plan { plan, step } = event else { continue };
            if let Some(record) = plans.iter_mut().find(|record| record.id == *plan) {
                record.steps.push((*at, step.clone()));
            } else if let PlanStep::Draft { action, .. } = step {
                plans.push(PlanRecord {
                    id: *plan,
                    incident: IncidentId("test".to_owned()),
                    action: action.clone(),
                    steps: vec![(*at, step.clone())],
                });
            } else {
                panic!("a plan must begin with its draft: {step:?}");
            }
        }
        plans
    }

    pub(crate) fn steps(&self, plan: PlanId) -> Vec<PlanStep> {
        let record = self.plans().into_iter().find(|record| record.id == plan);
        record.map(|record| record.steps.into_iter().map(|(_, step)| step).collect()).unwrap_or_default()
    }

    pub(crate) fn alerts(&self) -> Vec<OperatorAlert> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .filter_map(|(_, event)| if let Event::Operator { alert } = event { Some(alert.clone()) } else { None })
            .collect()
    }
}

impl Journal for Memory {
    fn commit(&self, batch: &Batch) -> Result<Committed, JournalError> {
        let done = self.fuse.effect();
        if done {
            self.events.lock().unwrap().extend(batch.events.iter().map(|event| (batch.at, event.clone())));
        }
        if !done || self.fuse.is_dead() {
            return Err(JournalError::Write { reason: "the process is gone".to_owned() });
        }
        Ok(Committed::default())
    }

    fn checkpoint(&self) -> Result<Option<BlockRef>, JournalError> {
        Ok(None)
    }

    fn findings_in(&self, _: BlockRef) -> Result<Vec<FindingId>, JournalError> {
        Ok(Vec::new())
    }

    fn unfinished_plans(&self) -> Result<Vec<PlanRecord>, JournalError> {
        Ok(self.plans().into_iter().filter(|record| !is_final(&record.steps.last().unwrap().1)).collect())
    }

    fn plans_sent_since(&self, lever: &str, since: UnixMillis) -> Result<Vec<PlanRecord>, JournalError> {
        let sent = |record: &PlanRecord| {
            record.steps.iter().any(|(at, step)| *at >= since && matches!(step, PlanStep::Sent { .. }))
        };
        Ok(self.plans().into_iter().filter(|record| record.action.lever == lever && sent(record)).collect())
    }
}

pub(crate) fn is_final(step: &PlanStep) -> bool {
    matches!(
        step,
        PlanStep::Confirmed { .. } | PlanStep::Undone { .. } | PlanStep::Refused { .. } | PlanStep::Failed { .. }
    )
}

#[derive(Clone)]
struct Snapshot {
    header: Header,
    state: State,
    receipts: HashMap<B256, Mined>,
}

/// All accounts and slots: a ledger as plain data, because the machine in a ledger stays on its thread.
#[derive(Clone, Default)]
struct State {
    accounts: BTreeMap<Address, AccountState>,
    slots: BTreeMap<(Address, U256), U256>,
}

impl State {
    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::new(Rules::fixed(CHAIN, Spec::CANCUN));
        for (address, account) in &self.accounts {
            ledger.set_account(*address, account.clone());
        }
        for ((address, slot), value) in &self.slots {
            ledger.set_slot(*address, *slot, *value);
        }
        ledger
    }

    fn of(ledger: &Ledger) -> Self {
        let mut state = Self::default();
        for (address, account, slots) in ledger.accounts() {
            state.accounts.insert(address, account);
            state.slots.extend(slots.into_iter().map(|(slot, value)| ((address, slot), value)));
        }
        state
    }

    fn account(&self, address: Address) -> Option<AccountState> {
        self.accounts.get(&address).cloned()
    }

    fn slot(&self, address: Address, slot: U256) -> U256 {
        self.slots.get(&(address, slot)).copied().unwrap_or_default()
    }
}

/// The chain and its one endpoint.
pub(crate) struct World {
    chain: Mutex<Chain>,
    pub(crate) memory: Arc<Memory>,
    /// Records of other processes that send to the same chain.
    others: Mutex<Vec<Arc<Memory>>>,
}

struct Chain {
    blocks: Vec<Snapshot>,
    pool: Vec<Transaction>,
    known: HashMap<B256, Transaction>,
    salt: u64,
    base_fee: Option<u64>,
    /// All bytes that were handed to the endpoints.
    broadcasts: Vec<Bytes>,
    /// The endpoint takes nothing.
    deaf: bool,
    /// A second endpoint that contradicts the first about views.
    liar: bool,
}

impl World {
    pub(crate) fn new(memory: Arc<Memory>, guardian: Address, vaults: &[Address]) -> Arc<Self> {
        let mut ledger = Ledger::new(Rules::fixed(CHAIN, Spec::CANCUN));
        for account in [guardian, THIEF] {
            let balance = U256::from(100 * ETHER);
            ledger.set_account(account, AccountState { balance, ..AccountState::default() });
        }
        for vault in vaults {
            let balance = U256::from(1_000 * ETHER);
            ledger.set_account(*vault, AccountState { balance, nonce: 1, code: vault_code() });
            ledger.set_slot(*vault, U256::from(1), guardian.into_word().into());
        }
        let header = header_after(None, 10 * GWEI as u64, 0);
        let chain = Chain {
            blocks: vec![Snapshot { header, state: State::of(&ledger), receipts: HashMap::new() }],
            pool: Vec::new(),
            known: HashMap::new(),
            salt: 0,
            base_fee: Some(10 * GWEI as u64),
            broadcasts: Vec::new(),
            deaf: false,
            liar: false,
        };
        Arc::new(Self { chain: Mutex::new(chain), memory, others: Mutex::default() })
    }

    pub(crate) fn head(&self) -> Header {
        self.chain.lock().unwrap().blocks.last().unwrap().header.clone()
    }

    pub(crate) fn set_base_fee(&self, base_fee: Option<u64>) {
        let mut chain = self.chain.lock().unwrap();
        chain.base_fee = base_fee;
        chain.blocks.last_mut().unwrap().header.base_fee = base_fee;
    }

    pub(crate) fn set_liar(&self, liar: bool) {
        self.chain.lock().unwrap().liar = liar;
    }

    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.chain.lock().unwrap().deaf = deaf;
    }

    pub(crate) fn broadcasts(&self) -> Vec<Bytes> {
        self.chain.lock().unwrap().broadcasts.clone()
    }

    pub(crate) fn pool(&self) -> Vec<Transaction> {
        self.chain.lock().unwrap().pool.clone()
    }

    pub(crate) fn forget_pool(&self) {
        self.chain.lock().unwrap().pool.clear();
    }

    pub(crate) fn edit(&self, change: impl FnOnce(&mut Ledger)) {
        let mut chain = self.chain.lock().unwrap();
        let newest = chain.blocks.last_mut().unwrap();
        let mut ledger = newest.state.ledger();
        change(&mut ledger);
        newest.state = State::of(&ledger);
    }

    pub(crate) fn nonce(&self, account: Address) -> u64 {
        let chain = self.chain.lock().unwrap();
        chain.blocks.last().unwrap().state.account(account).map_or(0, |state| state.nonce)
    }

    /// How many transactions closed the vault, whether or not it is closed now.
    pub(crate) fn paused_times(&self, vault: Address) -> usize {
        let chain = self.chain.lock().unwrap();
        let closed = |state: &State| state.slot(vault, U256::ZERO) == U256::from(1);
        chain.blocks.windows(2).filter(|pair| !closed(&pair[0].state) && closed(&pair[1].state)).count()
    }

    pub(crate) fn is_paused(&self, vault: Address) -> bool {
        let chain = self.chain.lock().unwrap();
        chain.blocks.last().unwrap().state.slot(vault, U256::ZERO) == U256::from(1)
    }

    /// The next block: `first` in order, then the pool by what it pays, where `with_pool`.
    pub(crate) fn mine(&self, first: &[Transaction], with_pool: bool) {
        let mut chain = self.chain.lock().unwrap();
        chain.salt += 1;
        let salt = chain.salt;
        let parent = chain.blocks.last().unwrap().clone();
        let mut header = header_after(Some(&parent.header), 0, salt);
        header.base_fee = chain.base_fee;
        let mut next = Snapshot { header, ..parent };
        let mut queue = first.to_vec();
        if with_pool {
            let base = chain.base_fee.unwrap_or_default();
            let mut pool = chain.pool.clone();
            pool.sort_by_key(|transaction| (transaction.nonce, std::cmp::Reverse(transaction.effective_tip(base))));
            queue.extend(pool);
        }
        let mut ledger = next.state.ledger();
        for transaction in queue {
            let effects = ledger.execute(&next.header, &transaction);
            if matches!(effects.outcome, cofferdam_types::Outcome::Invalid(_)) {
                continue;
            }
            let mined = Mined { block: next.header.block_ref(), success: effects.outcome.succeeded() };
            next.receipts.insert(transaction.hash, mined);
            chain.known.insert(transaction.hash, transaction.clone());
        }
        next.state = State::of(&ledger);
        let nonce = |account| next.state.account(account).map_or(0, |state: AccountState| state.nonce);
        chain.pool.retain(|transaction| transaction.nonce >= nonce(transaction.from));
        chain.blocks.push(next);
    }

    /// Drops the newest block; what it held is not in the pool again.
    pub(crate) fn drop_block(&self) -> Option<BlockRef> {
        let mut chain = self.chain.lock().unwrap();
        if chain.blocks.len() < 3 {
            return None;
        }
        chain.blocks.pop().map(|block| block.header.block_ref())
    }

    /// A transaction of the guardian's account that is not ours, straight into a block.
    pub(crate) fn foreign(&self, guardian: Address, input: Bytes, vault: Address) {
        let transaction = self.call(guardian, vault, input, 1);
        self.mine(&[transaction], false);
    }

    pub(crate) fn attack(&self, input: Bytes, tip_gwei: u128) -> Transaction {
        self.call(THIEF, VAULT, input, tip_gwei)
    }

    pub(crate) fn call(&self, from: Address, to: Address, input: Bytes, tip_gwei: u128) -> Transaction {
        let nonce = self.nonce(from);
        let mut chain = self.chain.lock().unwrap();
        chain.salt += 1;
        let transaction = Transaction {
            hash: keccak256(chain.salt.to_be_bytes()),
            kind: 2,
            from,
            to: Some(to),
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: (30 + tip_gwei) * GWEI,
            max_priority_fee_per_gas: Some(tip_gwei * GWEI),
            input,
            chain_id: Some(CHAIN.0),
            ..Transaction::default()
        };
        chain.known.insert(transaction.hash, transaction.clone());
        transaction
    }

    fn at<T>(&self, at: BlockRef, read: impl FnOnce(&Snapshot) -> T) -> Result<T, StateError> {
        let chain = self.chain.lock().unwrap();
        let found = chain.blocks.iter().rev().find(|block| block.header.block_ref() == at);
        found.map(read).ok_or(StateError::Unavailable { at: at.number, reason: "unknown block".to_owned() })
    }

    fn alive(&self) -> Result<(), ChannelError> {
        if self.memory.fuse.is_dead() {
            return Err(ChannelError { reason: "the process is gone".to_owned() });
        }
        Ok(())
    }

    fn take(&self, raw: &Bytes) -> Result<(), String> {
        self.check_authority(raw);
        let envelope = TxEnvelope::decode_2718_exact(raw).map_err(|error| error.to_string())?;
        let from = envelope.recover_signer().map_err(|error| error.to_string())?;
        let legacy = envelope.is_legacy();
        let transaction = Transaction {
            hash: *envelope.tx_hash(),
            kind: if legacy { 0 } else { 2 },
            from,
            to: envelope.to(),
            nonce: envelope.nonce(),
            gas_limit: envelope.gas_limit(),
            max_fee_per_gas: envelope.max_fee_per_gas(),
            max_priority_fee_per_gas: envelope.max_priority_fee_per_gas(),
            input: envelope.input().clone(),
            chain_id: envelope.chain_id(),
            ..Transaction::default()
        };
        let nonce = self.nonce(from);
        let mut chain = self.chain.lock().unwrap();
        chain.broadcasts.push(raw.clone());
        if chain.deaf {
            return Err("no room".to_owned());
        }
        if transaction.nonce < nonce {
            return Err("nonce too low".to_owned());
        }
        if let Some(old) = chain.pool.iter_mut().find(|old| old.from == from && old.nonce == transaction.nonce) {
            if old.hash == transaction.hash {
                return Ok(());
            }
            if transaction.max_fee_per_gas * 10 < old.max_fee_per_gas * 11 {
                return Err("replacement underpriced".to_owned());
            }
            *old = transaction;
        } else {
            chain.pool.push(transaction);
        }
        Ok(())
    }

    /// Whatever leaves the process is on the record, tried and authorised, before it leaves.
    fn check_authority(&self, raw: &Bytes) {
        let is_sent = |step: &PlanStep| matches!(step, PlanStep::Sent { raw: sent, .. } if sent == raw);
        let mut plans = self.memory.plans();
        plans.extend(self.others.lock().unwrap().iter().flat_map(|other| other.plans()));
        plans.retain(|plan| plan.steps.iter().any(|(_, step)| is_sent(step)));
        assert!(!plans.is_empty(), "bytes left the process that are not on the record");
        // After a reorg two attempts may sign the very same bytes: one of them must be under way.
        let under_way = plans.iter().find(|plan| !is_final(&plan.steps.last().unwrap().1));
        let plan = under_way.unwrap_or_else(|| panic!("sent after the plan ended: {plans:#?}"));
        let has = |wanted: fn(&PlanStep) -> bool| plan.steps.iter().any(|(_, step)| wanted(step));
        assert!(has(|step| matches!(step, PlanStep::Simulated { .. })), "sent without a trial");
        assert!(has(|step| matches!(step, PlanStep::Authorised { .. })), "sent without authority");
    }
}

impl StateSource for World {
    fn account(&self, address: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        self.at(at, |block| Known::Value(block.state.account(address)))
    }

    fn slot(&self, address: Address, slot: U256, at: BlockRef) -> Result<Known<U256>, StateError> {
        self.at(at, |block| Known::Value(block.state.slot(address, slot)))
    }

    fn block_hash(&self, _: BlockNumber) -> Result<Known<B256>, StateError> {
        Ok(Known::Unknown)
    }

    fn prestate(&self, _: &Transaction, _: BlockRef) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }

    fn block_prestate(&self, _: &Block) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }
}

impl Channel for World {
    fn broadcast<'a>(&'a self, raw: &'a Bytes) -> Answer<'a, Vec<Delivery>> {
        Box::pin(async move {
            if !self.memory.fuse.effect() {
                return Vec::new();
            }
            vec![Delivery { endpoint: "a".to_owned(), taken: self.take(raw) }]
        })
    }

    fn purse(&self, account: Address) -> Answer<'_, Result<Purse, ChannelError>> {
        Box::pin(async move {
            self.alive()?;
            let latest_nonce = self.nonce(account);
            let chain = self.chain.lock().unwrap();
            let mut pending_nonce = latest_nonce;
            while chain.pool.iter().any(|pending| pending.from == account && pending.nonce == pending_nonce) {
                pending_nonce += 1;
            }
            let state = chain.blocks.last().unwrap().state.account(account).unwrap_or_default();
            Ok(Purse { latest_nonce, pending_nonce, balance: state.balance })
        })
    }

    fn mined(&self, transaction: B256) -> Answer<'_, Result<Option<Mined>, ChannelError>> {
        Box::pin(async move {
            self.alive()?;
            Ok(self.chain.lock().unwrap().blocks.last().unwrap().receipts.get(&transaction).copied())
        })
    }

    fn read<'a>(&'a self, target: Address, calldata: &'a Bytes, at: BlockRef) -> Answer<'a, Vec<Reading>> {
        Box::pin(async move {
            let Ok(snapshot) = self.at(at, Clone::clone) else { return Vec::new() };
            let data = calldata.clone();
            let request = CallRequest { from: Address::ZERO, to: Some(target), value: U256::ZERO, data, gas: 100_000 };
            let answer = snapshot.state.ledger().call(&snapshot.header, &request).result;
            let mut readings = vec![Reading { endpoint: "a".to_owned(), answer: Ok(answer) }];
            if self.chain.lock().unwrap().liar {
                let open = cofferdam_types::ViewResult::Returned(Bytes::from(vec![0; 32]));
                readings.push(Reading { endpoint: "b".to_owned(), answer: Ok(open) });
            }
            readings
        })
    }

    fn transaction(&self, hash: B256) -> Answer<'_, Result<Option<Transaction>, ChannelError>> {
        Box::pin(async move {
            self.alive()?;
            Ok(self.chain.lock().unwrap().known.get(&hash).cloned())
        })
    }
}

fn header_after(parent: Option<&Header>, base_fee: u64, salt: u64) -> Header {
    let number = parent.map_or(BlockNumber(1), |parent| parent.number.next());
    Header {
        number,
        hash: keccak256([number.0.to_be_bytes(), salt.to_be_bytes()].concat()),
        parent_hash: parent.map(|parent| parent.hash).unwrap_or_default(),
        timestamp: 1_700_000_000 + number.0 * 12,
        gas_limit: 30_000_000,
        base_fee: Some(base_fee),
        prev_randao: Some(B256::ZERO),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    }
}

/// Says stop whenever the native coin leaves a vault.
pub(crate) struct Eyes {
    needs: Needs,
    pub(crate) level: Level,
    pub(crate) maturity: Maturity,
}

impl Default for Eyes {
    fn default() -> Self {
        Self { needs: Needs::default(), level: Level::Stop, maturity: Maturity::Stable }
    }
}

impl Judge for Eyes {
    fn needs(&self) -> &Needs {
        &self.needs
    }

    fn judge(&self, execution: &Execution) -> Verdict {
        let mut findings = Vec::new();
        for (vault, module) in [(VAULT, module()), (VAULT_B, module_b())] {
            let loss = execution.effects.net(vault, Asset::Native).unwrap_or_default().loss();
            if loss.is_zero() {
                continue;
            }
            findings.push(Finding {
                id: FindingId::new("eyes", &module, execution.hash(), &[]),
                detector: Cow::Borrowed("eyes"),
                maturity: self.maturity,
                level: self.level,
                severity: Severity::High,
                module,
                transaction: execution.hash(),
                summary: "the vault loses money".to_owned(),
                harm: vec![Harm { asset: Asset::Native, account: vault, amount: loss, at_risk: false }],
                evidence: Vec::new(),
            });
        }
        Verdict { findings, harm: Vec::new(), standing: execution.standing.clone() }
    }

    fn record(&mut self, _: &Execution) {}

    fn retract(&mut self, _: BlockRef) {}
}

pub(crate) fn module() -> ModuleId {
    ModuleId::new("vault").unwrap()
}

pub(crate) fn module_b() -> ModuleId {
    ModuleId::new("vault-b").unwrap()
}

pub(crate) fn guardian() -> Guardian {
    Guardian::from_key("machine", &B256::repeat_byte(0x11)).unwrap()
}

pub(crate) fn lever(name: &str, module: ModuleId, target: Address) -> LeverSettings {
    LeverSettings {
        name: name.to_owned(),
        module,
        kind: LeverKind::Pausable,
        target,
        guardian: "machine".to_owned(),
        pause: "pause()".to_owned(),
        unpause: "unpause()".to_owned(),
        paused: "paused()".to_owned(),
    }
}

pub(crate) const LIMITS: &str = r#"
enabled = true
[[allow]]
module = "vault"
max_actions = 3
window_seconds = 86400
expires_unix_seconds = 4000000000
max_fee_per_gas_wei = 500000000000
max_total_cost_wei = "100000000000000000"
"#;

/// Everything together.
pub(crate) struct Bed {
    pub(crate) world: Arc<World>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) eyes: Eyes,
    pub(crate) responder: Responder,
    pub(crate) engine: Engine,
    pub(crate) levers: Vec<LeverSettings>,
    pub(crate) limits: Option<String>,
}

impl Bed {
    pub(crate) fn new(limits: Option<&str>) -> Self {
        Self::with(limits, vec![lever("vault-pause", module(), VAULT)])
    }

    pub(crate) fn with(limits: Option<&str>, levers: Vec<LeverSettings>) -> Self {
        let memory = Arc::new(Memory::default());
        let world = World::new(memory.clone(), guardian().address(), &[VAULT, VAULT_B]);
        let clock = Arc::new(ManualClock::new(UnixMillis(1_700_000_000_000)));
        let limits = limits.map(str::to_owned);
        let responder = start(&world, &memory, &clock, &levers, limits.as_deref());
        let watch = Watchlist::new(vec![
            Module { id: module(), contracts: vec![VAULT], assets: vec![Asset::Native] },
            Module { id: module_b(), contracts: vec![VAULT_B], assets: vec![Asset::Native] },
        ]);
        let engine = Engine::new(Rules::fixed(CHAIN, Spec::CANCUN), world.clone(), Arc::new(watch));
        let mut bed = Self { world, memory, clock, eyes: Eyes::default(), responder, engine, levers, limits };
        bed.sync();
        bed
    }

    /// Another process with a record of its own, the same key and the same chain.
    pub(crate) fn beside(other: &Self) -> Self {
        let memory = Arc::new(Memory::default());
        other.world.others.lock().unwrap().push(memory.clone());
        let (world, clock, levers) = (other.world.clone(), other.clock.clone(), other.levers.clone());
        let limits = other.limits.clone();
        let responder = start(&world, &memory, &clock, &levers, limits.as_deref());
        let watch = other.engine.watch().clone();
        let engine = Engine::new(Rules::fixed(CHAIN, Spec::CANCUN), world.clone(), watch);
        let mut bed = Self { world, memory, clock, eyes: Eyes::default(), responder, engine, levers, limits };
        bed.sync();
        bed
    }

    /// A new process with the same record.
    pub(crate) fn restart(&mut self) {
        self.memory.fuse.reset();
        self.responder = start(&self.world, &self.memory, &self.clock, &self.levers, self.limits.as_deref());
        self.sync();
    }

    pub(crate) fn sync(&mut self) {
        self.engine.reset(self.world.head());
    }

    pub(crate) fn resume(&mut self) -> Result<Vec<Progress>, RespondError> {
        block_on(self.responder.resume())
    }

    pub(crate) fn on_head(&mut self) -> Result<Vec<Progress>, RespondError> {
        self.sync();
        block_on(self.responder.on_head(&mut self.engine, &self.eyes))
    }

    pub(crate) fn on_reorg(&mut self, dropped: BlockRef) -> Result<Vec<Progress>, RespondError> {
        block_on(self.responder.on_reorg(&[dropped]))
    }

    /// Judges `attack` on the head and hands it in as seen in `window`.
    pub(crate) fn stop(&mut self, attack: &Transaction, window: Window) -> Result<Response, RespondError> {
        let mut execution = self.engine.pending(Arc::new(attack.clone())).unwrap();
        execution.window = window;
        self.hand_in(&execution)
    }

    /// Judges `attack` on the head, mines it, and hands it in as mined.
    pub(crate) fn stop_mined(&mut self, attack: &Transaction) -> Result<Response, RespondError> {
        let mut execution = self.engine.pending(Arc::new(attack.clone())).unwrap();
        execution.window = Window::Mined;
        self.world.mine(std::slice::from_ref(attack), false);
        self.sync();
        self.hand_in(&execution)
    }

    pub(crate) fn hand_in(&mut self, execution: &Execution) -> Result<Response, RespondError> {
        let findings = self.eyes.judge(execution).findings;
        let stop = Stop { attack: execution, earlier: &[], findings: &findings };
        block_on(self.responder.on_stop(&stop, &mut self.engine, &self.eyes))
    }
}

fn start(
    world: &Arc<World>,
    memory: &Arc<Memory>,
    clock: &Arc<ManualClock>,
    levers: &[LeverSettings],
    limits: Option<&str>,
) -> Responder {
    let setup = Setup {
        chain_id: CHAIN,
        levers: levers.to_vec(),
        limits: limits.map(|text| Limits::parse(text.as_bytes()).unwrap()),
        signers: None,
        guardians: BTreeMap::from([("machine".to_owned(), guardian())]),
        readiness_blocks: 5,
    };
    Responder::new(setup, memory.clone(), world.clone(), clock.clone()).unwrap()
}

/// Runs a future of this room, none of which waits for anything but the test bed.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn input(signature: &str) -> Bytes {
    Bytes::copy_from_slice(&keccak256(signature.as_bytes())[..4])
}

/// Slot 0: paused; slot 1: the guardian.
pub(crate) fn vault_code() -> Bytes {
    const CALLER_IS_GUARDIAN: &[u8] = &[0x60, 0x01, 0x54, 0x33, 0x14];
    const NOT_PAUSED: &[u8] = &[0x5f, 0x54, 0x15];
    const HALF: &[u8] = &[0x60, 0x02, 0x47, 0x04];
    const ALL: &[u8] = &[0x47];
    let mut bodies: Vec<(&str, Vec<u8>)> = Vec::new();
    let set = |value: u8| vec![0x60, value, 0x5f, 0x55, 0x00];
    let guarded = |guards: &[&[u8]], body: Vec<u8>| {
        // Each guard leaves a boolean; where it is false the call reverts.
        let mut code = Vec::new();
        for guard in guards {
            code.extend_from_slice(guard);
            // PC-relative jump over the revert: PC PUSH1 9 ADD JUMPI PUSH0 PUSH0 REVERT JUMPDEST
            code.extend_from_slice(&[0x58, 0x60, 0x08, 0x01, 0x57, 0x5f, 0x5f, 0xfd, 0x5b]);
        }
        code.extend(body);
        code
    };
    let pay = |amount: &[u8]| {
        // CALL(gas, caller, amount, 0, 0, 0, 0), pushed from the last argument to the first.
        let mut code = vec![0x5f, 0x5f, 0x5f, 0x5f];
        code.extend_from_slice(amount);
        code.extend_from_slice(&[0x33, 0x5a, 0xf1, 0x50, 0x00]);
        code
    };
    bodies.push(("pause()", guarded(&[CALLER_IS_GUARDIAN, NOT_PAUSED], set(1))));
    bodies.push(("unpause()", guarded(&[CALLER_IS_GUARDIAN], set(0))));
    bodies.push(("paused()", vec![0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]));
    bodies.push(("drain()", guarded(&[NOT_PAUSED], pay(HALF))));
    bodies.push(("empty()", guarded(&[NOT_PAUSED], pay(ALL))));
    bodies.push(("escape()", pay(HALF)));
    let mut code = vec![0x5f, 0x35, 0x60, 0xe0, 0x1c];
    // DUP1 PUSH4 selector EQ PUSH2 target JUMPI: eleven bytes a function, then a revert.
    let mut target = code.len() + bodies.len() * 11 + 3;
    for (signature, body) in &bodies {
        code.extend([0x80, 0x63]);
        code.extend(input(signature));
        code.extend([0x14, 0x61, (target >> 8) as u8, target as u8, 0x57]);
        target += 1 + body.len();
    }
    code.extend([0x5f, 0x5f, 0xfd]);
    for (_, body) in bodies {
        code.push(0x5b);
        code.extend(body);
    }
    Bytes::from(code)
}
