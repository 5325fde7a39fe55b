//! The engine against a ledger that is the truth: same effects, exact rollbacks, no traces, honest failures.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests of small numbers")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use cofferdam_evm::{CallRequest, Engine, Ledger, Rules, Spec, from_receipts};
use cofferdam_types::{
    AccountState, Asset, Basis, Block, BlockNumber, BlockRef, ChainId, Header, Known, Module, ModuleId, Outcome,
    PreAccount, PreState, Receipt, StateError, StateSource, Transaction, ViewResult, Watchlist, Window,
};
use proptest::prelude::*;

const RULES: Rules = Rules::fixed(ChainId(31_337), Spec::CANCUN);
const TOKEN: Address = Address::with_last_byte(0xaa);
const VAULT: Address = Address::with_last_byte(0xbb);
const THIEF: Address = Address::with_last_byte(0xcc);

/// `balanceOf` answers slot `account`; anything else moves `word 1` from the caller to `word 0` and says so in an event.
fn token_code() -> Bytes {
    let mut code = hex!("5f3560e01c806370a0823114").to_vec();
    let transfer = [
        hex!("6024353354033355602435600435540160043555").as_slice(),
        hex!("6024355f5260043533").as_slice(),
        &[0x7f],
        hex!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef").as_slice(),
        hex!("60205fa300").as_slice(),
    ]
    .concat();
    let target = u8::try_from(code.len() + 3 + transfer.len()).unwrap();
    code.extend([0x60, target, 0x57]);
    code.extend(transfer);
    code.extend(hex!("5b600435545f5260205ff3"));
    code.into()
}

fn transfer(from: Address, to: Address, amount: u64, nonce: u64) -> Transaction {
    let mut input = hex!("a9059cbb").to_vec();
    input.extend(to.into_word());
    input.extend(U256::from(amount).to_be_bytes::<32>());
    Transaction {
        hash: B256::from(U256::from(nonce) + U256::from_be_slice(from.as_slice())),
        from,
        to: Some(TOKEN),
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 10,
        input: input.into(),
        ..Transaction::default()
    }
}

fn header(number: u64) -> Header {
    Header {
        number: BlockNumber(number),
        hash: B256::with_last_byte(u8::try_from(number).unwrap()),
        parent_hash: B256::with_last_byte(u8::try_from(number - 1).unwrap()),
        timestamp: 1_700_000_000 + number * 12,
        gas_limit: 30_000_000,
        base_fee: Some(7),
        prev_randao: Some(B256::ZERO),
        ..Header::default()
    }
}

/// The truth at block 1: state as a node would tell it.
fn genesis() -> Ledger {
    let mut ledger = Ledger::new(RULES);
    ledger.set_account(TOKEN, AccountState { nonce: 1, code: token_code(), ..AccountState::default() });
    for (account, amount) in [(VAULT, 1_000_u64), (THIEF, 500)] {
        let balance = U256::from(10).pow(U256::from(18));
        ledger.set_account(account, AccountState { balance, ..AccountState::default() });
        ledger.set_slot(TOKEN, U256::from_be_slice(account.as_slice()), U256::from(amount));
    }
    ledger
}

/// An account, and its slots with their values.
type Told = (Address, AccountState, Vec<(U256, U256)>);

/// A node that knows the truth at one block and can be told to fail.
struct Node {
    accounts: Vec<Told>,
    asked: AtomicUsize,
    broken: AtomicBool,
}

impl Node {
    fn new(ledger: &Ledger) -> Arc<Self> {
        let accounts = ledger.accounts().collect();
        Arc::new(Self { accounts, asked: AtomicUsize::new(0), broken: AtomicBool::new(false) })
    }

    fn ask(&self, at: BlockRef) -> Result<(), StateError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.broken.load(Ordering::SeqCst) {
            return Err(StateError::Unavailable { at: at.number, reason: "down".to_owned() });
        }
        Ok(())
    }
}

impl StateSource for Node {
    fn account(&self, address: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        self.ask(at)?;
        Ok(Known::Value(self.accounts.iter().find(|known| known.0 == address).map(|known| known.1.clone())))
    }

    fn slot(&self, address: Address, slot: U256, at: BlockRef) -> Result<Known<U256>, StateError> {
        self.ask(at)?;
        let known = self.accounts.iter().find(|known| known.0 == address);
        let value = known.and_then(|known| known.2.iter().find(|(key, _)| *key == slot)).map(|(_, value)| *value);
        Ok(Known::Value(value.unwrap_or_default()))
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

fn engine(node: Arc<dyn StateSource>) -> Engine {
    let id = ModuleId::new("vault").unwrap();
    let watch = Watchlist::new(vec![Module { id, contracts: vec![VAULT], assets: Vec::new() }]);
    let mut engine = Engine::new(RULES, node, Arc::new(watch));
    engine.reset(header(1));
    engine
}

fn balance(engine: &mut Engine, account: Address) -> U256 {
    let mut data = hex!("70a08231").to_vec();
    data.extend(account.into_word());
    let request =
        CallRequest { from: Address::ZERO, to: Some(TOKEN), value: U256::ZERO, data: data.into(), gas: 100_000 };
    match engine.fork().call(&request).unwrap().result {
        ViewResult::Returned(word) => U256::from_be_slice(&word),
        ViewResult::Failed(reason) => panic!("{reason}"),
    }
}

fn block(number: u64, transactions: Vec<Transaction>) -> Block {
    Block { header: header(number), transactions, ..Block::default() }
}

#[test]
fn balances_of_protected_accounts_are_looked_at_every_time() {
    let mut engine = engine(Node::new(&genesis()));
    // The first two times the view is run, later the learnt slot is read: the answers must not differ.
    let mut held = 1_000_u64;
    for nonce in 0..4_u64 {
        let advanced = engine.advance(&block(nonce + 2, vec![transfer(VAULT, THIEF, 10, nonce)])).unwrap();
        let effects = &advanced.executions[0].effects;
        assert!(effects.outcome.succeeded(), "{:?}", effects.outcome);
        let check = effects.checks.iter().find(|check| check.asset == Asset::Erc20(TOKEN)).unwrap();
        assert_eq!(check.before, Some(U256::from(held)));
        held -= 10;
        assert_eq!(check.after, Some(U256::from(held)));
        assert_eq!(effects.net(VAULT, Asset::Erc20(TOKEN)).unwrap().loss(), U256::from(10));
    }
}

#[test]
fn a_pending_transaction_leaves_no_trace() {
    let mut engine = engine(Node::new(&genesis()));
    let theft = Arc::new(transfer(VAULT, THIEF, 900, 0));
    let first = engine.pending(theft.clone()).unwrap();
    let second = engine.pending(theft).unwrap();
    assert_eq!(first.effects, second.effects);
    assert_eq!((first.window, first.standing.basis), (Window::Pending, Basis::Executed));
    assert_eq!(balance(&mut engine, VAULT), U256::from(1_000));
}

#[test]
fn a_pending_transaction_sees_the_ones_before_it_of_the_same_sender() {
    let mut engine = engine(Node::new(&genesis()));
    let (first, second) = (Arc::new(transfer(VAULT, THIEF, 1, 0)), Arc::new(transfer(VAULT, THIEF, 2, 1)));
    let alone = engine.pending(second.clone()).unwrap();
    assert!(matches!(alone.effects.outcome, Outcome::Invalid(_)), "{:?}", alone.effects.outcome);
    let after = engine.pending_after(&[first], second).unwrap();
    assert!(after.effects.outcome.succeeded());
    let checks = &after.effects.checks;
    let check = checks.iter().find(|check| check.account == VAULT && check.asset == Asset::Erc20(TOKEN)).unwrap();
    assert_eq!(check.before, Some(U256::from(999)));
}

#[test]
fn what_a_fork_tries_is_gone_when_it_is_dropped() {
    let mut engine = engine(Node::new(&genesis()));
    {
        let mut fork = engine.fork();
        let tried = fork.apply(Arc::new(transfer(VAULT, THIEF, 1_000, 0))).unwrap();
        assert!(tried.effects.outcome.succeeded());
        assert!(fork.apply_as(THIEF, TOKEN, Bytes::new(), 100_000).unwrap().effects.outcome.succeeded());
    }
    assert_eq!(balance(&mut engine, VAULT), U256::from(1_000));
}

#[test]
fn a_block_whose_state_cannot_be_fetched_moves_nothing_and_can_be_tried_again() {
    let node = Node::new(&genesis());
    let mut engine = engine(node.clone());
    let next = block(2, vec![transfer(VAULT, THIEF, 10, 0)]);
    node.broken.store(true, Ordering::SeqCst);
    assert!(engine.advance(&next).is_err());
    assert_eq!(engine.head().number, BlockNumber(1));
    node.broken.store(false, Ordering::SeqCst);
    assert_eq!(engine.advance(&next).unwrap().diverged, Vec::new());
    assert_eq!(balance(&mut engine, VAULT), U256::from(990));
}

#[test]
fn warm_state_is_not_asked_for_again() {
    let node = Node::new(&genesis());
    let mut engine = engine(node.clone());
    engine.advance(&block(2, vec![transfer(VAULT, THIEF, 10, 0)])).unwrap();
    let asked = node.asked.load(Ordering::SeqCst);
    engine.advance(&block(3, vec![transfer(VAULT, THIEF, 10, 1)])).unwrap();
    engine.pending(Arc::new(transfer(VAULT, THIEF, 10, 2))).unwrap();
    assert_eq!(node.asked.load(Ordering::SeqCst), asked);
}

/// EIP-4788's contract, and a block that begins with a call of it.
const BEACON_ROOTS: Address = alloy_primitives::address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");

fn with_beacon_roots(ledger: &mut Ledger) {
    let code = hex!(
        "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff8106908154
         14603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500"
    );
    ledger.set_account(BEACON_ROOTS, AccountState { nonce: 1, code: code.into(), ..AccountState::default() });
}

fn rooted(number: u64, transactions: Vec<Transaction>) -> Block {
    let mut block = block(number, transactions);
    block.header.parent_beacon_block_root = Some(B256::with_last_byte(7));
    block
}

fn root_at(engine: &mut Engine, timestamp: u64) -> Option<U256> {
    let data = Bytes::copy_from_slice(&U256::from(timestamp).to_be_bytes::<32>());
    let to = Some(BEACON_ROOTS);
    let request = CallRequest { from: Address::ZERO, to, value: U256::ZERO, data, gas: 100_000 };
    match engine.fork().call(&request).unwrap().result {
        ViewResult::Returned(word) => Some(U256::from_be_slice(&word)),
        ViewResult::Failed(_) => None,
    }
}

#[test]
fn what_a_system_call_overwrites_is_not_asked_for() {
    let mut truth = genesis();
    with_beacon_roots(&mut truth);
    let node = Node::new(&truth);
    let mut engine = engine(node.clone());
    engine.advance(&rooted(2, vec![transfer(VAULT, THIEF, 10, 0)])).unwrap();
    let asked = node.asked.load(Ordering::SeqCst);
    engine.advance(&rooted(3, vec![transfer(VAULT, THIEF, 10, 1)])).unwrap();
    assert_eq!(node.asked.load(Ordering::SeqCst), asked);
    assert_eq!(root_at(&mut engine, header(3).timestamp), Some(U256::from(7)));
}

#[test]
fn what_a_system_call_overwrote_is_there_again_after_a_rollback() {
    let long_ago = header(2).timestamp - 8_191;
    let mut truth = genesis();
    with_beacon_roots(&mut truth);
    truth.set_slot(BEACON_ROOTS, U256::from(long_ago % 8_191), U256::from(long_ago));
    truth.set_slot(BEACON_ROOTS, U256::from(long_ago % 8_191 + 8_191), U256::from(3));
    let mut engine = engine(Node::new(&truth));
    engine.advance(&rooted(2, Vec::new())).unwrap();
    assert_eq!(root_at(&mut engine, long_ago), None);
    engine.rollback(header(1).block_ref()).unwrap();
    assert_eq!(root_at(&mut engine, long_ago), Some(U256::from(3)));
}

#[test]
fn an_execution_that_is_not_the_chains_is_replaced_by_the_receipt() {
    let mut engine = engine(Node::new(&genesis()));
    let mut next = block(2, vec![transfer(VAULT, THIEF, 10, 0)]);
    let transaction = next.transactions[0].hash;
    next.receipts = vec![Receipt { transaction, success: Some(false), gas_used: 21_000, ..Receipt::default() }];
    let advanced = engine.advance(&next).unwrap();
    assert_eq!(advanced.diverged.len(), 1);
    assert_eq!(advanced.executions[0].standing.basis, Basis::Receipt);
    assert!(!advanced.executions[0].effects.outcome.succeeded());
    assert_eq!(advanced.executions[0].effects.logs, Vec::new());
}

/// A node whose trace of a block tells what stood before it: that nobody had any token.
struct Tracing(Arc<Node>);

impl StateSource for Tracing {
    fn account(&self, address: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        self.0.account(address, at)
    }

    fn slot(&self, address: Address, slot: U256, at: BlockRef) -> Result<Known<U256>, StateError> {
        self.0.slot(address, slot, at)
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Known<B256>, StateError> {
        self.0.block_hash(number)
    }

    fn prestate(&self, transaction: &Transaction, at: BlockRef) -> Result<PreState, StateError> {
        self.0.prestate(transaction, at)
    }

    fn block_prestate(&self, _: &Block) -> Result<PreState, StateError> {
        let state = self.0.accounts.iter().find(|known| known.0 == TOKEN).map(|known| known.1.clone());
        let slots = vec![(U256::from_be_slice(VAULT.as_slice()), U256::ZERO)];
        Ok(PreState { accounts: vec![PreAccount { address: TOKEN, state, slots }] })
    }
}

#[test]
fn after_a_difference_nothing_is_read_of_the_state_before_the_block() {
    let mut engine = engine(Arc::new(Tracing(Node::new(&genesis()))));
    // All that the block reads is in memory, so that its trace is not asked for while it is executed.
    engine.pending(Arc::new(transfer(VAULT, THIEF, 10, 0))).unwrap();
    let mut next = block(2, vec![transfer(VAULT, THIEF, 10, 0)]);
    let transaction = next.transactions[0].hash;
    next.receipts = vec![Receipt { transaction, success: Some(false), gas_used: 21_000, ..Receipt::default() }];
    assert_eq!(engine.advance(&next).unwrap().diverged.len(), 1);
    assert_eq!(balance(&mut engine, VAULT), U256::from(1_000), "what the node says of the new head");
}

#[test]
fn a_transaction_of_an_unknown_type_is_said_to_be_one() {
    let mut engine = engine(Node::new(&genesis()));
    let deposit = Transaction { kind: 0x7e, ..transfer(VAULT, THIEF, 10, 0) };
    let pending = engine.pending(Arc::new(deposit)).unwrap();
    assert_eq!(pending.effects.outcome, Outcome::Invalid("transaction type 126 is not known".to_owned()));
}

#[test]
fn a_failed_receipt_claims_nothing_among_successful_ones() {
    let log = alloy_primitives::Log::new_unchecked(TOKEN, vec![B256::ZERO], Bytes::new());
    let receipt = |success| Receipt { success: Some(success), logs: vec![log.clone()], ..Receipt::default() };
    let mut next = block(2, vec![transfer(VAULT, THIEF, 1, 0), transfer(VAULT, THIEF, 2, 1)]);
    next.receipts = vec![receipt(false), receipt(true)];
    let executions = from_receipts(&next);
    assert_eq!(executions[0].effects.logs.len(), 0);
    assert_eq!(executions[1].effects.logs.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn going_back_is_exact(moves in prop::collection::vec((any::<bool>(), 0_u64..400), 1..8), back in 0_usize..8) {
        let truth = genesis();
        let mut engine = engine(Node::new(&truth));
        let mut ledger = truth;
        let mut seen = vec![(engine.head().block_ref(), balance(&mut engine, VAULT), balance(&mut engine, THIEF))];
        let mut nonces = [0_u64, 0];
        for (number, (by_vault, amount)) in (2_u64..).zip(&moves) {
            let (from, to, which) = if *by_vault { (VAULT, THIEF, 0) } else { (THIEF, VAULT, 1) };
            let step = transfer(from, to, *amount, nonces[which]);
            nonces[which] += 1;
            let ours = engine.advance(&block(number, vec![step.clone()])).unwrap();
            let theirs = ledger.execute(&header(number), &step);
            prop_assert_eq!(&ours.executions[0].effects.logs, &theirs.logs);
            prop_assert_eq!(ours.executions[0].effects.gas_used, theirs.gas_used);
            seen.push((engine.head().block_ref(), balance(&mut engine, VAULT), balance(&mut engine, THIEF)));
        }
        let (to, vault, thief) = seen[back.min(seen.len() - 1)];
        engine.rollback(to).unwrap();
        prop_assert_eq!(engine.head().block_ref(), to);
        prop_assert_eq!((balance(&mut engine, VAULT), balance(&mut engine, THIEF)), (vault, thief));
    }
}

/// Calls each of `targets` with nothing.
fn caller_code(targets: &[Address]) -> Bytes {
    let call =
        |target: &Address| [hex!("5f5f5f5f5f73").as_slice(), target.as_slice(), hex!("5af150").as_slice()].concat();
    targets.iter().flat_map(call).collect::<Vec<u8>>().into()
}

/// Says that one unit went from `from` to `to`.
fn claiming_code(from: Address, to: Address) -> Bytes {
    let topic = hex!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
    let push = |word: &[u8]| [&[0x7f], word].concat();
    let (to, from) = (push(to.into_word().as_slice()), push(from.into_word().as_slice()));
    [hex!("60015f52").to_vec(), to, from, push(&topic), hex!("60205fa3").to_vec()].concat().into()
}

#[test]
fn forged_events_do_not_crowd_out_the_balance_that_is_taken() {
    let mut ledger = genesis();
    let place = |ledger: &mut Ledger, address: Address, code: Bytes| {
        ledger.set_account(address, AccountState { nonce: 1, code, ..AccountState::default() });
    };
    let forged: Vec<Address> = (0..40_u8).map(|number| Address::repeat_byte(100 + number)).collect();
    for token in &forged {
        place(&mut ledger, *token, claiming_code(THIEF, VAULT));
    }
    let (real, driver) = (Address::repeat_byte(7), Address::repeat_byte(8));
    place(&mut ledger, real, claiming_code(VAULT, THIEF));
    place(&mut ledger, VAULT, caller_code(&[real]));
    place(&mut ledger, driver, caller_code(&[forged.as_slice(), &[VAULT]].concat()));
    let module = Module { id: ModuleId::new("vault").unwrap(), contracts: vec![VAULT], assets: Vec::new() };
    let watch = Arc::new(Watchlist::new(vec![module]));
    let mut engine = Engine::new(RULES, Node::new(&ledger), watch);
    engine.reset(header(1));
    let attack = Transaction { to: Some(driver), gas_limit: 5_000_000, ..transfer(THIEF, VAULT, 0, 0) };
    let execution = engine.pending(Arc::new(attack)).unwrap();
    assert!(execution.effects.outcome.succeeded(), "{:?}", execution.effects.outcome);
    assert!(execution.effects.unchecked > 0, "there are more than are looked at");
    let looked_at = execution.effects.checks.iter().any(|check| check.asset == Asset::Erc20(real));
    assert!(looked_at, "{:?}", execution.effects.checks);
}

#[test]
fn whoever_moved_is_looked_at_before_those_of_the_module_who_did_not() {
    let ledger = genesis();
    let mut contracts: Vec<Address> = (0..40_u8).map(|number| Address::repeat_byte(100 + number)).collect();
    contracts.push(VAULT);
    let module = Module { id: ModuleId::new("vault").unwrap(), contracts, assets: vec![Asset::Erc20(TOKEN)] };
    let watch = Arc::new(Watchlist::new(vec![module]));
    let mut engine = Engine::new(RULES, Node::new(&ledger), watch);
    engine.reset(header(1));
    let execution = engine.pending(Arc::new(transfer(VAULT, THIEF, 70, 0))).unwrap();
    assert!(execution.effects.unchecked > 0, "there are more than are looked at");
    let mover =
        execution.effects.checks.iter().find(|check| check.account == VAULT && check.asset == Asset::Erc20(TOKEN));
    assert_eq!(mover.map(|check| check.after), Some(Some(U256::from(930))), "{:?}", execution.effects.checks);
}
