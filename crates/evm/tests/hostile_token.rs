//! Tokens that do not answer, answer nonsense, or lie in their events: the engine must stay alive and bounded, say what
//! it could not look at, and see what is real in the same block.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests of small numbers")]

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use cofferdam_evm::{Engine, Rules, Spec};
use cofferdam_types::{
    AccountState, Asset, BalanceCheck, Block, BlockNumber, BlockRef, ChainId, Effects, Header, Known, Module, ModuleId,
    PreState, StateError, StateSource, Transaction, Watchlist,
};

const RULES: Rules = Rules::fixed(ChainId(31_337), Spec::CANCUN);
const VAULT: Address = Address::with_last_byte(0xbb);
const THIEF: Address = Address::with_last_byte(0xcc);

/// The numbers of `HostileToken.Manner`; the token of each manner lives at an address of its own.
const CONSTANT: u8 = 0;
const NOTHING: u8 = 1;
const GARBAGE: u8 = 2;
const MEGABYTE: u8 = 3;
const GAS: u8 = 4;

const fn token(manner: u8) -> Address {
    Address::with_last_byte(0xa0 + manner)
}

/// A node whose chain holds one hostile token of each manner, and a vault with ether that obeys anybody.
struct Node {
    token_code: Bytes,
}

impl Node {
    fn new() -> Arc<Self> {
        let artifact = include_str!("../../../contracts/artifacts/HostileToken.json");
        let artifact: serde_json::Value = serde_json::from_str(artifact).unwrap();
        let code = hex::decode(artifact["deployedBytecode"].as_str().unwrap()).unwrap();
        Arc::new(Self { token_code: code.into() })
    }
}

impl StateSource for Node {
    fn account(&self, address: Address, _: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        let balance = U256::from(10).pow(U256::from(18));
        let code = if address == VAULT {
            // Sends half an ether to the caller: CALL(gas, caller, 5e17, 0, 0, 0, 0).
            hex!("5f5f5f5f6706f05b59d3b20000335af100").into()
        } else if (token(CONSTANT)..=token(GAS)).contains(&address) {
            self.token_code.clone()
        } else {
            Bytes::new()
        };
        Ok(Known::Value(Some(AccountState { balance, code, ..AccountState::default() })))
    }

    fn slot(&self, address: Address, slot: U256, _: BlockRef) -> Result<Known<U256>, StateError> {
        let manner = address.as_slice().last().copied().unwrap_or_default().wrapping_sub(0xa0);
        Ok(Known::Value(if slot.is_zero() { U256::from(manner) } else { U256::ZERO }))
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

fn engine() -> Engine {
    let assets = [CONSTANT, NOTHING, GARBAGE, MEGABYTE, GAS].map(|manner| Asset::Erc20(token(manner)));
    let module = Module { id: ModuleId::new("vault").unwrap(), contracts: vec![VAULT], assets: assets.to_vec() };
    let mut engine = Engine::new(RULES, Node::new(), Arc::new(Watchlist::new(vec![module])));
    engine.reset(header(1));
    engine
}

fn header(number: u8) -> Header {
    Header {
        number: BlockNumber(number.into()),
        hash: B256::with_last_byte(number),
        parent_hash: B256::with_last_byte(number - 1),
        timestamp: 1_700_000_000 + u64::from(number) * 12,
        gas_limit: 60_000_000,
        base_fee: Some(7),
        prev_randao: Some(B256::ZERO),
        ..Header::default()
    }
}

/// A transaction of its own sender, calling `to` with `signature` and words.
fn call(sender: u8, to: Address, signature: &str, words: &[B256]) -> Transaction {
    let mut input = keccak256(signature)[..4].to_vec();
    words.iter().for_each(|word| input.extend_from_slice(word.as_slice()));
    Transaction {
        hash: B256::with_last_byte(sender),
        from: Address::with_last_byte(sender),
        to: Some(to),
        gas_limit: 8_000_000,
        max_fee_per_gas: 10,
        input: input.into(),
        ..Transaction::default()
    }
}

fn lie(sender: u8, manner: u8) -> Transaction {
    let words = [VAULT.into_word(), THIEF.into_word(), B256::repeat_byte(0x11)];
    call(sender, token(manner), "pretend(address,address,uint256)", &words)
}

/// Executes the transactions as one block, with a theft of half an ether at its end, which must be seen.
fn beside_a_theft(mut transactions: Vec<Transaction>) -> Vec<Effects> {
    transactions.push(call(0xfe, VAULT, "", &[]));
    let block = Block { header: header(2), transactions, ..Block::default() };
    let advanced = engine().advance(&block).unwrap();
    let mut effects: Vec<Effects> = advanced.executions.into_iter().map(|execution| execution.effects).collect();
    let theft = effects.pop().unwrap();
    let half = U256::from(500_000_000_000_000_000_u64);
    assert_eq!(theft.net(VAULT, Asset::Native).unwrap().loss(), half, "{:?}", theft.outcome);
    effects
}

fn check_of(effects: &Effects, manner: u8) -> &BalanceCheck {
    effects.checks.iter().find(|check| check.asset == Asset::Erc20(token(manner))).unwrap()
}

#[test]
fn a_token_that_does_not_answer_is_unknown_and_never_zero() {
    for manner in [NOTHING, MEGABYTE, GAS] {
        let effects = beside_a_theft(vec![lie(1, manner)]);
        assert!(effects[0].outcome.succeeded());
        let check = check_of(&effects[0], manner);
        assert_eq!((check.before, check.after), (None, None), "manner {manner}");
        assert_eq!(effects[0].net(VAULT, Asset::Erc20(token(manner))), None, "manner {manner}");
    }
}

#[test]
fn a_claimed_transfer_without_a_change_of_balance_is_none() {
    let effects = beside_a_theft(vec![lie(1, CONSTANT)]);
    assert!(!effects[0].claimed_net(VAULT, Asset::Erc20(token(CONSTANT))).loss().is_zero());
    assert!(effects[0].net(VAULT, Asset::Erc20(token(CONSTANT))).unwrap().loss().is_zero());
}

#[test]
fn garbage_is_read_as_the_number_that_it_begins_with() {
    let effects = beside_a_theft(vec![lie(1, GARBAGE), lie(2, GARBAGE)]);
    let answer = |lies: u8| Some(U256::from_be_bytes(keccak256(B256::with_last_byte(lies)).0));
    let seen = |effects| {
        let check = check_of(effects, GARBAGE);
        (check.before, check.after)
    };
    assert_eq!(seen(&effects[0]), (answer(0), answer(1)));
    assert_eq!(seen(&effects[1]), (answer(1), answer(2)));
}

#[test]
fn logs_without_topics_or_with_four_of_junk_move_nothing() {
    let transfer = keccak256("Transfer(address,address,uint256)");
    let size = B256::from(U256::from(32));
    let raving = vec![
        call(1, token(CONSTANT), "mumble(uint256)", &[B256::ZERO]),
        call(2, token(CONSTANT), "mumble(uint256)", &[B256::from(U256::from(200_000))]),
        call(3, token(CONSTANT), "shout(bytes32,uint256)", &[transfer, size]),
        call(4, token(CONSTANT), "shout(bytes32,uint256)", &[B256::repeat_byte(0xa5), size]),
    ];
    for effects in beside_a_theft(raving) {
        assert!(effects.outcome.succeeded(), "{:?}", effects.outcome);
        assert_eq!(effects.logs.len(), 1);
        assert!(matches!(effects.logs[0].log.topics().len(), 0 | 4));
        assert!(effects.movements.is_empty() && effects.checks.is_empty(), "{:?}", effects.movements);
    }
}

#[test]
fn a_transaction_that_returns_a_megabyte_or_burns_its_gas_is_one_like_others() {
    let asked = |sender, manner| call(sender, token(manner), "balanceOf(address)", &[VAULT.into_word()]);
    let effects = beside_a_theft(vec![asked(1, MEGABYTE), asked(2, GAS)]);
    assert!(effects[0].outcome.succeeded() && effects[0].gas_used > 2_000_000);
    assert_eq!(effects[1].gas_used, 8_000_000);
}

#[test]
fn a_block_full_of_lies_of_a_token_that_burns_all_gas_is_executed_to_its_end() {
    let effects = beside_a_theft((1..40).map(|sender| lie(sender, GAS)).collect());
    assert_eq!(effects.len(), 39);
    assert!(effects.iter().all(|effects| check_of(effects, GAS).after.is_none()));
}
