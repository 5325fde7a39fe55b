//! New contracts, tried on a fork: what is found, in how much time, and that nothing stays.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests of small numbers"
)]

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256, hex};
use cofferdam_evm::{Budget, Engine, Rules, Spec, Subject, Trials, created};
use cofferdam_types::{
    AccountState, Block, BlockNumber, BlockRef, ChainId, Creator, Execution, Header, Known, ManualClock, Module,
    ModuleId, Newborn, Place, PreState, StateError, StateSource, Transaction, TrialEnd, Watchlist, Window,
};

const VAULT: Address = Address::repeat_byte(0xbb);
const TAKER: Address = Address::repeat_byte(0xcc);

/// A vault that pays all it has to whoever calls it, and an account with some ether.
struct World;

impl StateSource for World {
    fn account(&self, address: Address, _: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        let ether = |ether: u64| U256::from(ether) * U256::from(10).pow(U256::from(18));
        Ok(Known::Value(match address {
            VAULT => {
                Some(AccountState { balance: ether(1_000), nonce: 1, code: hex!("5f5f5f5f47335af100").to_vec().into() })
            }
            TAKER => Some(AccountState { balance: ether(10), ..AccountState::default() }),
            _ => None,
        }))
    }

    fn slot(&self, _: Address, _: U256, _: BlockRef) -> Result<Known<U256>, StateError> {
        Ok(Known::Value(U256::ZERO))
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
    let module = Module { id: ModuleId::new("vault").unwrap(), contracts: vec![VAULT], assets: Vec::new() };
    let watch = Arc::new(Watchlist::new(vec![module]));
    let mut engine = Engine::new(Rules::fixed(ChainId(31_337), Spec::CANCUN), Arc::new(World), watch);
    let header = Header {
        number: BlockNumber(7),
        hash: B256::repeat_byte(7),
        timestamp: 1_700_000_000,
        gas_limit: 30_000_000,
        base_fee: Some(7),
        prev_randao: Some(B256::ZERO),
        ..Header::default()
    };
    engine.reset(header);
    engine
}

/// Creation code that returns `runtime`, with `arguments` behind it.
fn creating(runtime: &[u8], arguments: &[u8]) -> Transaction {
    let length = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    let mut input = [[0x61].as_slice(), &length, &hex!("80600a5f395ff3")].concat();
    input.extend_from_slice(runtime);
    input.extend_from_slice(arguments);
    Transaction {
        hash: B256::repeat_byte(1),
        from: TAKER,
        gas_limit: 8_000_000,
        max_fee_per_gas: 10,
        input: input.into(),
        ..Transaction::default()
    }
}

fn tried_with(budget: Budget, transaction: Transaction, harmful: &mut dyn FnMut(&Execution) -> bool) -> Newborn {
    let mut engine = engine();
    let creation = Arc::new(engine.pending(Arc::new(transaction)).unwrap());
    let (addresses, _) = created(&creation);
    let creator = Creator { account: TAKER, ..Creator::default() };
    let subject = Subject { creation: &creation, earlier: &[], address: addresses[0], creator };
    let before = engine.slots_in_memory();
    let newborn = Trials::new(budget, Arc::new(ManualClock::default())).of(&mut engine, &subject, harmful);
    assert_eq!(engine.fork().balance(VAULT).unwrap(), U256::from(10).pow(U256::from(21)), "a trial leaves no trace");
    assert!(engine.slots_in_memory() >= before);
    newborn
}

fn tried(runtime: &[u8]) -> Newborn {
    tried_with(Budget::default(), creating(runtime, &[]), &mut |_| false)
}

/// A selector, and the function's code, which is told where it begins.
type Function<'f> = ([u8; 4], &'f dyn Fn(u8) -> Vec<u8>);

/// A contract whose functions have these bodies; each is told where it begins, and may jump within itself.
fn contract(functions: &[Function<'_>]) -> Vec<u8> {
    let mut at = u8::try_from(6 + 10 * functions.len()).unwrap();
    let (mut dispatch, mut bodies) = (hex!("5f3560e01c").to_vec(), Vec::new());
    for (selector, body) in functions {
        dispatch.extend([hex!("8063").as_slice(), selector, &hex!("1460"), &[at], &hex!("57")].concat());
        let body = [vec![0x5b], body(at)].concat();
        at += u8::try_from(body.len()).unwrap();
        bodies.extend(body);
    }
    dispatch.push(0);
    [dispatch, bodies].concat()
}

/// Goes on where the word on the stack is not zero, and reverts elsewhere.
fn only_if(at: u8, condition: &[u8], then: Vec<u8>) -> Vec<u8> {
    let target = at + 1 + u8::try_from(condition.len()).unwrap() + 6;
    [condition, &[0x60, target, 0x57], &hex!("5f5ffd5b"), &then].concat()
}

/// Calls the vault, which pays.
fn take() -> Vec<u8> {
    [hex!("5f5f5f5f5f73").as_slice(), VAULT.as_slice(), &hex!("5af100")].concat()
}

fn lost(newborn: &Newborn) -> bool {
    let paid = |execution: &Execution| execution.effects.movements.iter().any(|moved| moved.from == VAULT);
    newborn.attempts.iter().any(|attempt| paid(&attempt.execution))
}

#[test]
fn what_one_call_of_the_creator_takes_is_found_before_it_is_made() {
    let runtime = contract(&[([0x22; 4], &|_| take())]);
    let newborn = tried(&runtime);
    assert!(lost(&newborn), "{newborn:?}");
    assert_eq!(newborn.signs.names, [(VAULT, Place::Code)]);
    let attempt = &newborn.attempts[0];
    assert_eq!(attempt.entry().unwrap().0, [0x22; 4]);
    assert_eq!(attempt.execution.window, Window::Before);
    assert_eq!(attempt.earlier.len(), 1, "the creation is pending");
}

#[test]
fn an_attack_that_must_be_prepared_first_is_found_with_its_preparation() {
    // The one sets slot 0, the other takes where it is set.
    let runtime = contract(&[
        ([0x22; 4], &|at| only_if(at, &hex!("5f54"), take())),
        ([0x11; 4], &|_| hex!("60015f5500").to_vec()),
    ]);
    let newborn = tried(&runtime);
    assert!(lost(&newborn), "{newborn:?}");
    let attempt = newborn.attempts.iter().find(|attempt| attempt.earlier.len() > 1).unwrap();
    assert_eq!(attempt.earlier[1].input[..4], [0x11; 4]);
}

#[test]
fn a_password_that_stands_in_the_code_is_no_obstacle() {
    let runtime = contract(&[([0x22; 4], &|at| only_if(at, &hex!("60043563deadbeef14"), take()))]);
    assert!(lost(&tried(&runtime)), "{:?}", tried(&runtime));
}

#[test]
fn a_contract_that_calls_nobody_is_read_and_not_tried() {
    let newborn = tried(&contract(&[([0x22; 4], &|_| hex!("60015f5500").to_vec())]));
    assert_eq!((newborn.effort.end, newborn.effort.calls), (TrialEnd::Harmless, 0));
}

#[test]
fn code_that_spins_uses_up_its_gas_and_no_more() {
    let spin = contract(&[([0x22; 4], &|at| [&[0x60, at, 0x56], hex!("f1").as_slice()].concat())]);
    let budget = Budget { gas: 1_500_000, gas_per_call: 500_000, ..Budget::default() };
    let newborn = tried_with(budget, creating(&spin, &[]), &mut |_| false);
    assert_eq!(newborn.effort.end, TrialEnd::Gas, "{:?}", newborn.effort);
    assert!(newborn.effort.gas < 3_000_000, "{:?}", newborn.effort);
}

#[test]
fn bytes_that_are_no_code_are_tried_like_any_others() {
    let bytes: Vec<u8> = (0..2_000_u32).map(|at| (at * 193 + 7) as u8).collect();
    let newborn = tried(&bytes);
    assert!(newborn.effort.calls <= Budget::default().calls && newborn.attempts.is_empty(), "{:?}", newborn.effort);
}

#[test]
fn what_its_creator_gave_it_is_looked_at_too() {
    let arguments = VAULT.into_word();
    let newborn = tried_with(Budget::default(), creating(&hex!("f1"), arguments.as_slice()), &mut |_| false);
    assert_eq!(newborn.signs.names, [(VAULT, Place::ConstructorArgument)]);
}

#[test]
fn a_trial_ends_when_harm_was_found() {
    let runtime = contract(&[([0x22; 4], &|_| take())]);
    let all = tried(&runtime).effort.calls;
    let newborn = tried_with(Budget::default(), creating(&runtime, &[]), &mut |_| true);
    assert_eq!(newborn.effort.end, TrialEnd::Harm);
    assert!(newborn.effort.calls < all && newborn.attempts.len() == 1);
}

#[test]
fn the_same_contract_gives_the_same_attempts() {
    let runtime = contract(&[([0x22; 4], &|_| take())]);
    let [first, second] = [tried(&runtime), tried(&runtime)].map(|newborn| {
        let hashes = newborn.attempts.iter().map(|attempt| attempt.execution.hash());
        (hashes.collect::<Vec<B256>>(), newborn.effort)
    });
    assert_eq!(first, second);
}
