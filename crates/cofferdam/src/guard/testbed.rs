//! A guard over a chain inside the process: every part is that of a live watch but the judge, the limits and the time.
//!
//! The contract is a vault in hand-made bytecode: it takes what is sent to it, `drain()` pays the caller a quarter of it,
//! and `pause()`, `unpause()` and `paused()` are for its guardian. No function leaves an event.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test bed may panic")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cofferdam_chain::{Endpoint, Follower, FollowerOptions, Node, NodeOptions, NodeState};
use cofferdam_evm::{Budget, Rules, Spec};
use cofferdam_incident::{Options, Store};
use cofferdam_respond::{Guardian, LeverKind, LeverSettings, Limits, NodeChannel, Responder, Setup};
use cofferdam_simnet::scenario::{Actor, Call, Signed, Ticket};
use cofferdam_simnet::{Config, GenesisAccount, Simnet};
use cofferdam_types::primitives::{Address, B256, Bytes, U256, hex, keccak256};
use cofferdam_types::{
    AccessListItem, AccountState, Asset, Basis, Batch, Block, BlockNumber, BlockRef, ChainId, Clock, Committed, Event,
    Execution, Finding, FindingId, Harm, Journal, JournalError, Judge, Known, Level, ManualClock, Maturity, Module,
    ModuleId, Needs, Newborn, OperatorAlert, PendingTx, PendingUpdate, PlanId, PlanRecord, PlanStep, PreState,
    Rehearsal, Severity, Standing, StateError, StateSource, Transaction, UnixMillis, Verdict, Watchlist,
};

use super::{Guard, GuardError, Happening, MempoolOptions, NewbornOptions, Parts, QueuedOptions};

pub(super) const CHAIN: ChainId = ChainId(31_337);
pub(super) const VAULT: Address = Address::repeat_byte(0xaa);
/// Nobody watches it: it calls `drain()` of the vault and keeps what it gets.
pub(super) const CAT: Address = Address::repeat_byte(0xca);
pub(super) const GWEI: u128 = 1_000_000_000;
pub(super) const ETHER: u128 = 1_000_000_000 * GWEI;
/// What trying a new contract may cost: no time, because tests have none to lose or win.
const TRIAL: Budget = Budget { calls: 100, gas: 50_000_000, gas_per_call: 1_000_000, micros: u64::MAX, kept: 4 };
/// Emits what it is told as an event of three topics, and keeps what it is paid: a timelock, as far as anybody can see.
pub(super) const TELLER: Address = Address::repeat_byte(0x7e);
/// What the vault holds in block 0.
pub(super) const HOARD: u128 = 1_000 * ETHER;

pub(super) const LIMITS: &str = "enabled = true\n[[allow]]\nmodule = 'vault'\nmax_actions = 3\nwindow_seconds = 86400\n\
     expires_unix_seconds = 4000000000\nmax_fee_per_gas_wei = 500000000000\nmax_total_cost_wei = '100000000000000000'\n";

/// The store of a live watch, which can be made to fail, and what was written to it.
pub(super) struct Diary {
    store: Store,
    pub(super) broken: AtomicBool,
    /// Batches that are still written before the process is as good as dead; `None` while it lives.
    left: Mutex<Option<u32>>,
    pub(super) batches: Mutex<Vec<Batch>>,
}

impl Diary {
    pub(super) fn lives(&self, batches: Option<u32>) {
        *self.left.lock().unwrap() = batches;
    }

    /// Findings about `transaction` that stand in the store.
    pub(super) fn standing(&self, transaction: B256) -> usize {
        let incidents = self.store.incidents().unwrap();
        let events = incidents.iter().flat_map(|incident| self.store.incident(&incident.id).unwrap().unwrap().entries);
        let is_it = |event: &Event| matches!(event, Event::Found { finding, .. } if finding.transaction == transaction);
        events.filter(|line| is_it(&line.event)).count()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.batches.lock().unwrap().iter().flat_map(|batch| batch.events.clone()).collect()
    }

    pub(super) fn alerts(&self) -> Vec<OperatorAlert> {
        let alert = |event| if let Event::Operator { alert } = event { Some(alert) } else { None };
        self.events().into_iter().filter_map(alert).collect()
    }

    /// Transactions in which something was found, in the order of the record, with their blocks.
    pub(super) fn found(&self) -> Vec<(B256, Option<BlockNumber>)> {
        let found = |event| {
            let Event::Found { finding, block, .. } = event else { return None };
            Some((finding.transaction, block.map(|block| block.number)))
        };
        self.events().into_iter().filter_map(found).collect()
    }

    pub(super) fn steps(&self) -> Vec<(PlanId, PlanStep)> {
        let step = |event| if let Event::Plan { plan, step } = event { Some((plan, step)) } else { None };
        self.events().into_iter().filter_map(step).collect()
    }

    /// The plans that were ever sent.
    pub(super) fn sent(&self) -> Vec<PlanId> {
        let sent = |(plan, step)| matches!(step, PlanStep::Sent { .. }).then_some(plan);
        let mut plans: Vec<PlanId> = self.steps().into_iter().filter_map(sent).collect();
        plans.dedup();
        plans
    }
}

impl Journal for Diary {
    fn commit(&self, batch: &Batch) -> Result<Committed, JournalError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(JournalError::Write { reason: "the test says no".to_owned() });
        }
        if let Some(left) = &mut *self.left.lock().unwrap() {
            let gone = || JournalError::Write { reason: "the process is gone".to_owned() };
            *left = left.checked_sub(1).ok_or_else(gone)?;
        }
        let committed = self.store.commit(batch)?;
        self.batches.lock().unwrap().push(batch.clone());
        Ok(committed)
    }

    fn checkpoint(&self) -> Result<Option<BlockRef>, JournalError> {
        self.store.checkpoint()
    }

    fn findings_in(&self, block: BlockRef) -> Result<Vec<FindingId>, JournalError> {
        self.store.findings_in(block)
    }

    fn unfinished_plans(&self) -> Result<Vec<PlanRecord>, JournalError> {
        self.store.unfinished_plans()
    }

    fn plans_sent_since(&self, lever: &str, since: UnixMillis) -> Result<Vec<PlanRecord>, JournalError> {
        self.store.plans_sent_since(lever, since)
    }
}

/// The node's state, of which blocks can be taken away as if pruned; counts the blocks that were executed on it.
pub(super) struct Shelf {
    node: NodeState,
    /// State of blocks below this number is gone.
    pub(super) pruned_below: Mutex<u64>,
    pub(super) executed: Mutex<Vec<u64>>,
}

impl Shelf {
    fn has(&self, at: BlockNumber) -> Result<(), StateError> {
        if at.0 < *self.pruned_below.lock().unwrap() {
            return Err(StateError::Unavailable { at, reason: "missing trie node".to_owned() });
        }
        Ok(())
    }
}

impl StateSource for Shelf {
    fn account(&self, address: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        self.has(at.number)?;
        self.node.account(address, at)
    }

    fn slot(&self, address: Address, slot: U256, at: BlockRef) -> Result<Known<U256>, StateError> {
        self.has(at.number)?;
        self.node.slot(address, slot, at)
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Known<B256>, StateError> {
        self.node.block_hash(number)
    }

    fn prestate(&self, transaction: &Transaction, at: BlockRef) -> Result<PreState, StateError> {
        self.has(at.number)?;
        self.node.prestate(transaction, at)
    }

    fn block_prestate(&self, block: &Block) -> Result<PreState, StateError> {
        let number = block.header.number;
        self.has(BlockNumber(number.0 - 1))?;
        self.executed.lock().unwrap().push(number.0);
        self.node.block_prestate(block)
    }

    fn keys(&self, keys: &[AccessListItem], at: BlockRef) -> Result<PreState, StateError> {
        self.has(at.number)?;
        self.node.keys(keys, at)
    }
}

/// Says stop when more than a tenth of the native coin leaves the vault, alert when less does.
struct Eyes(Needs);

impl Judge for Eyes {
    fn needs(&self) -> &Needs {
        &self.0
    }

    fn judge(&self, execution: &Execution) -> Verdict {
        let loss = execution.effects.net(VAULT, Asset::Native).unwrap_or_default().loss();
        let mut findings = Vec::new();
        if !loss.is_zero() && execution.effects.outcome.succeeded() {
            findings.push(Finding {
                id: FindingId::new("eyes", &module(), execution.hash(), &[]),
                detector: Cow::Borrowed("eyes"),
                maturity: Maturity::Stable,
                level: if loss > U256::from(HOARD / 10) { Level::Stop } else { Level::Alert },
                severity: Severity::High,
                module: module(),
                transaction: execution.hash(),
                summary: "the vault loses money".to_owned(),
                harm: vec![Harm { asset: Asset::Native, account: VAULT, amount: loss, at_risk: false }],
                evidence: Vec::new(),
            });
        }
        Verdict { findings, harm: Vec::new(), standing: execution.standing.clone() }
    }

    fn judge_newborn(&self, newborn: &Newborn) -> Verdict {
        let judged = newborn.attempts.iter().map(|attempt| self.judge(&attempt.execution));
        let nothing =
            || Verdict { findings: Vec::new(), harm: Vec::new(), standing: newborn.creation.standing.clone() };
        judged.into_iter().find(|verdict| !verdict.findings.is_empty()).unwrap_or_else(nothing)
    }

    fn judge_queued(&self, rehearsal: &Rehearsal) -> Verdict {
        let judged = rehearsal.executions.iter().map(|execution| self.judge(execution));
        let standing = Standing { head: rehearsal.head, basis: Basis::Executed, missing: Vec::new(), left_out: 0 };
        let nothing = || Verdict { findings: Vec::new(), harm: Vec::new(), standing };
        judged.into_iter().find(|verdict| !verdict.findings.is_empty()).unwrap_or_else(nothing)
    }

    fn record(&mut self, _: &Execution) {}

    fn retract(&mut self, _: BlockRef) {}
}

pub(super) fn module() -> ModuleId {
    ModuleId::new("vault").unwrap()
}

/// Everything together.
pub(super) struct Bed {
    pub(super) net: Simnet,
    pub(super) thief: Actor,
    pub(super) guardian: Actor,
    pub(super) clock: Arc<ManualClock>,
    pub(super) diary: Arc<Diary>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) guard: Guard,
    pub(super) limits: Option<String>,
    follower: Follower,
    node: Node,
    execute_within_blocks: u64,
    _folder: tempfile::TempDir,
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::executing_within(u64::MAX).await
    }

    /// A guard that has dealt with the chain's first block.
    pub(super) async fn executing_within(execute_within_blocks: u64) -> Self {
        let (thief, guardian) = (Actor::new(7, "thief"), Actor::new(7, "guardian"));
        let net = chain(&[&thief, &guardian]);
        net.mine();
        let endpoint = Endpoint::from_client("simnet", net.client());
        let node = Node::connect(vec![endpoint], Some(CHAIN), NodeOptions::default()).await.unwrap();
        let clock = Arc::new(ManualClock::new(UnixMillis(net.header().timestamp * 1_000)));
        let folder = tempfile::tempdir().unwrap();
        let options = Options { reserve_mib: 1, ..Options::default() };
        let store = Store::open(&folder.path().join("record.db"), CHAIN, options, clock.clone()).unwrap();
        let diary = Arc::new(Diary {
            store,
            broken: AtomicBool::new(false),
            left: Mutex::default(),
            batches: Mutex::default(),
        });
        let state = NodeState::new(node.clone(), tokio::runtime::Handle::current());
        let shelf = Arc::new(Shelf { node: state, pruned_below: Mutex::default(), executed: Mutex::default() });
        let limits = Some(LIMITS.to_owned());
        let parts = Built { node: &node, diary: &diary, shelf: &shelf, clock: &clock, guardian: &guardian };
        let guard = parts.guard(limits.as_deref(), execute_within_blocks);
        let follower = Follower::new(node.clone(), None, following());
        let mut bed = Self {
            net,
            thief,
            guardian,
            clock,
            diary,
            shelf,
            guard,
            limits,
            follower,
            node,
            execute_within_blocks,
            _folder: folder,
        };
        bed.follow().await;
        bed
    }

    /// A new process with the same record.
    pub(super) async fn restart(&mut self) -> Result<Vec<Happening>, GuardError> {
        let parts = Built {
            node: &self.node,
            diary: &self.diary,
            shelf: &self.shelf,
            clock: &self.clock,
            guardian: &self.guardian,
        };
        self.guard = parts.guard(self.limits.as_deref(), self.execute_within_blocks);
        self.follower = Follower::new(self.node.clone(), self.diary.checkpoint().unwrap(), following());
        self.guard.resume().await
    }

    /// Deals with all that the chain has.
    pub(super) async fn follow(&mut self) -> Vec<Happening> {
        self.try_follow().await.unwrap()
    }

    /// The same; after an error the rest is for a [`Self::restart`].
    pub(super) async fn try_follow(&mut self) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = Vec::new();
        while let Some(update) = self.follower.poll().await.unwrap() {
            happenings.extend(self.guard.on_chain(&update, &self.net.header()).await?);
        }
        Ok(happenings)
    }

    /// Deals with one update of the chain.
    pub(super) async fn follow_once(&mut self) -> Vec<Happening> {
        let Some(update) = self.follower.poll().await.unwrap() else { return Vec::new() };
        self.guard.on_chain(&update, &self.net.header()).await.unwrap()
    }

    /// Mines `blocks` blocks from what waits; the clock goes along.
    pub(super) fn mine(&self, blocks: u64) {
        for _ in 0..blocks {
            self.net.mine();
            self.clock.set(UnixMillis(self.net.header().timestamp * 1_000));
        }
    }

    /// Signs a call by `actor` with its next nonce.
    pub(super) fn sign(&self, actor: &Actor, to: Address, signature: &str, wei: u128) -> Signed {
        let data = if signature.is_empty() { Bytes::new() } else { input(signature) };
        let call = Call { to: Some(to), value: U256::from(wei), data, gas_limit: 300_000, tip: 2 * GWEI };
        self.sign_with(actor, &call, self.net.account(actor.address()).nonce)
    }

    /// Signs a call that pays `tip` gwei per gas above the base fee; others pay two.
    pub(super) fn sign_paying(&self, actor: &Actor, to: Address, signature: &str, tip: u128) -> Signed {
        let call =
            Call { to: Some(to), value: U256::ZERO, data: input(signature), gas_limit: 300_000, tip: tip * GWEI };
        self.sign_with(actor, &call, self.net.account(actor.address()).nonce)
    }

    /// Signs a call with calldata by the thief.
    pub(super) fn sign_data(&self, to: Address, data: Bytes) -> Signed {
        let call = Call { to: Some(to), value: U256::ZERO, data, gas_limit: 300_000, tip: 2 * GWEI };
        self.sign_with(&self.thief, &call, self.net.account(self.thief.address()).nonce)
    }

    /// Signs the creation of a contract that anybody may call, and that takes all from the vault then.
    pub(super) fn sign_thief(&self) -> Signed {
        let (store, call) = (hex!("60e01b5f525f5f60045f5f73"), hex!("5af100"));
        let runtime = [[0x63].as_slice(), &input("drain()")[..4], &store, VAULT.as_slice(), &call].concat();
        let length = u8::try_from(runtime.len()).unwrap();
        let code = [[0x60, length].as_slice(), &hex!("8060095f395ff3"), &runtime].concat();
        let call = Call { to: None, value: U256::ZERO, data: code.into(), gas_limit: 300_000, tip: 2 * GWEI };
        self.sign_with(&self.thief, &call, self.net.account(self.thief.address()).nonce)
    }

    /// Signs a plain call of `to` with the nonce after that of `before`.
    pub(super) fn sign_after(&self, before: &Signed, actor: &Actor, to: Address) -> Signed {
        let call = Call { to: Some(to), value: U256::ZERO, data: Bytes::new(), gas_limit: 300_000, tip: 2 * GWEI };
        self.sign_with(actor, &call, before.transaction.nonce + 1)
    }

    fn sign_with(&self, actor: &Actor, call: &Call, nonce: u64) -> Signed {
        actor.sign(call, Ticket { chain_id: CHAIN, nonce, base_fee: self.net.next_base_fee() })
    }

    /// The same, mined in a block of its own, past the mempool.
    pub(super) fn mined(&self, actor: &Actor, to: Address, signature: &str, wei: u128) -> B256 {
        let hash = self.net.submit_private(&self.sign(actor, to, signature, wei).raw).unwrap();
        self.mine(1);
        assert_eq!(self.net.receipt(hash).unwrap().1.success, Some(true));
        hash
    }

    /// The thief's attack, mined.
    pub(super) fn robbed(&self) -> B256 {
        self.mined(&self.thief, CAT, "", 0)
    }

    /// Shows the guard a pending transaction.
    pub(super) async fn show(&mut self, signed: &Signed) -> Result<Vec<Happening>, GuardError> {
        let transaction = Arc::new(signed.transaction.clone());
        let first_seen = self.clock.now();
        self.guard.on_pending(&PendingUpdate::Added(PendingTx { transaction, first_seen })).await
    }

    pub(super) fn is_paused(&self) -> bool {
        self.net.slot(VAULT, U256::ZERO) == U256::from(1)
    }
}

struct Built<'a> {
    node: &'a Node,
    diary: &'a Arc<Diary>,
    shelf: &'a Arc<Shelf>,
    clock: &'a Arc<ManualClock>,
    guardian: &'a Actor,
}

impl Built<'_> {
    fn guard(&self, limits: Option<&str>, execute_within_blocks: u64) -> Guard {
        let lever = LeverSettings {
            name: "vault-pause".to_owned(),
            module: module(),
            kind: LeverKind::Pausable,
            target: VAULT,
            guardian: "machine".to_owned(),
            pause: "pause()".to_owned(),
            unpause: "unpause()".to_owned(),
            paused: "paused()".to_owned(),
        };
        let guardian = Guardian::from_key("machine", &self.guardian.secret()).unwrap();
        let setup = Setup {
            chain_id: CHAIN,
            levers: vec![lever],
            limits: limits.map(|text| Limits::parse(text.as_bytes()).unwrap()),
            signers: None,
            guardians: BTreeMap::from([("machine".to_owned(), guardian)]),
            readiness_blocks: 1,
        };
        let channel = Arc::new(NodeChannel::new(self.node.clone()));
        let responder = Responder::new(setup, self.diary.clone(), channel, self.clock.clone()).unwrap();
        let watched = Module { id: module(), contracts: vec![VAULT], assets: vec![Asset::Native] };
        Guard::new(Parts {
            rules: Rules::fixed(CHAIN, Spec::PRAGUE),
            source: self.shelf.clone(),
            watch: Arc::new(Watchlist::new(vec![watched])),
            judge: Box::new(Eyes(Needs::default())),
            responder: Some(responder),
            journal: self.diary.clone(),
            clock: self.clock.clone(),
            mempool: MempoolOptions::default(),
            execute_within_blocks,
            newborns: Some(NewbornOptions { budget: TRIAL, ..NewbornOptions::default() }),
            queued: Some(QueuedOptions { again_blocks: 2, ..QueuedOptions::default() }),
        })
    }
}

fn following() -> FollowerOptions {
    FollowerOptions { chunk: 16, shrink_polls: 1, ..FollowerOptions::default() }
}

fn chain(actors: &[&Actor]) -> Simnet {
    let mut config = Config { chain_id: CHAIN, spec: Spec::PRAGUE, ..Config::default() };
    for actor in actors {
        config = config.fund(actor.address(), U256::from(100 * ETHER));
    }
    let contract =
        |code: Vec<u8>, balance: u128| AccountState { balance: U256::from(balance), nonce: 1, code: Bytes::from(code) };
    let guardian = actors[1].address().into_word().into();
    let vault = GenesisAccount { state: contract(vault_code(), HOARD), slots: vec![(U256::from(1), guardian)] };
    config.accounts.insert(VAULT, vault);
    config.accounts.insert(CAT, GenesisAccount { state: contract(cat_code(), 0), slots: Vec::new() });
    config.accounts.insert(TELLER, GenesisAccount { state: contract(teller_code(), 0), slots: Vec::new() });
    Simnet::new(config).unwrap()
}

/// Without calldata it does nothing; with calldata it emits all behind three words, and these as topics.
fn teller_code() -> Vec<u8> {
    let mut code = hex!("36600557005b").to_vec();
    // calldatacopy(0, 0x60, calldatasize - 0x60)
    code.extend(hex!("606036036060" "5f37"));
    // log3(0, calldatasize - 0x60, word 0, word 1, word 2)
    code.extend(hex!("604035602035" "5f35" "60603603" "5fa300"));
    code
}

pub(super) fn input(signature: &str) -> Bytes {
    Bytes::copy_from_slice(&keccak256(signature.as_bytes())[..4])
}

/// Slot 0: paused; slot 1: the guardian.
fn vault_code() -> Vec<u8> {
    // Each guard leaves a boolean; where it is false the call reverts: PC PUSH1 8 ADD JUMPI PUSH0 PUSH0 REVERT JUMPDEST
    const OR_REVERT: &[u8] = &[0x58, 0x60, 0x08, 0x01, 0x57, 0x5f, 0x5f, 0xfd, 0x5b];
    const CALLER_IS_GUARDIAN: &[u8] = &[0x60, 0x01, 0x54, 0x33, 0x14];
    const NOT_PAUSED: &[u8] = &[0x5f, 0x54, 0x15];
    // CALL(gas, caller, balance / 4, 0, 0, 0, 0), pushed from the last argument to the first.
    const PAY: &[u8] = &[0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0x04, 0x47, 0x04, 0x33, 0x5a, 0xf1, 0x50, 0x00];
    let set = |value: u8| vec![0x60, value, 0x5f, 0x55, 0x00];
    let bodies: [(&str, Vec<u8>); 4] = [
        ("pause()", [CALLER_IS_GUARDIAN, OR_REVERT, NOT_PAUSED, OR_REVERT, &set(1)].concat()),
        ("unpause()", [CALLER_IS_GUARDIAN, OR_REVERT, &set(0)].concat()),
        ("paused()", vec![0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]),
        ("drain()", [NOT_PAUSED, OR_REVERT, PAY].concat()),
    ];
    // CALLDATASIZE PUSH1 5 JUMPI STOP JUMPDEST: what is sent without a call is kept. Then the selector.
    let mut code = vec![0x36, 0x60, 0x05, 0x57, 0x00, 0x5b, 0x5f, 0x35, 0x60, 0xe0, 0x1c];
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
    code
}

/// Called by the vault, it keeps what it gets; called by anybody else it calls `drain()`, and reverts with it.
fn cat_code() -> Vec<u8> {
    let mut code = vec![0x73];
    code.extend(VAULT.as_slice());
    // CALLER EQ PUSH1 end JUMPI
    code.extend([0x33, 0x14, 0x60, 0, 0x57]);
    let end_at = code.len() - 2;
    // mstore(0, selector << 224)
    code.push(0x63);
    code.extend(input("drain()"));
    code.extend([0x60, 0xe0, 0x1b, 0x5f, 0x52]);
    // CALL(gas, vault, 0, 0, 4, 0, 0) PUSH1 end JUMPI PUSH0 PUSH0 REVERT
    code.extend([0x5f, 0x5f, 0x60, 0x04, 0x5f, 0x5f, 0x73]);
    code.extend(VAULT.as_slice());
    code.extend([0x5a, 0xf1, 0x60, 0, 0x57, 0x5f, 0x5f, 0xfd]);
    let second_end_at = code.len() - 5;
    let end = code.len() as u8;
    code[end_at] = end;
    code[second_end_at] = end;
    code.extend([0x5b, 0x00]);
    code
}
