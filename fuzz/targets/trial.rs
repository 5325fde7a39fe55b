//! Any bytes as the code of a new contract that is tried, and as the calldata of the one that it is said to attack: a trial
//! ends within its budget and leaves no trace.
#![no_main]

use std::sync::Arc;

use cofferdam_evm::{Budget, Engine, Rules, Spec, Subject, Trials};
use cofferdam_types::primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{
    AccountState, Asset, Basis, Block, BlockNumber, BlockRef, ChainId, Creator, Effects, Execution, Header, Known,
    ManualClock, Module, ModuleId, Outcome, PreState, Standing, StateError, StateSource, Transaction, UnixMillis,
    Watchlist, Window,
};
use libfuzzer_sys::fuzz_target;

const CREATOR: Address = Address::with_last_byte(1);
const VAULT: Address = Address::with_last_byte(2);
const TRIED: Address = Address::with_last_byte(3);

/// A vault, a contract with the bytes as its code, and its creator.
struct World {
    tried: Bytes,
    vault: Bytes,
}

impl StateSource for World {
    fn account(&self, address: Address, _: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        let code = match address {
            TRIED => self.tried.clone(),
            VAULT => self.vault.clone(),
            CREATOR => Bytes::new(),
            _ => return Ok(Known::Value(None)),
        };
        Ok(Known::Value(Some(AccountState { balance: U256::from(1_000_000_u64), nonce: 1, code })))
    }

    fn slot(&self, _: Address, slot: U256, _: BlockRef) -> Result<Known<U256>, StateError> {
        Ok(if slot.bit(7) { Known::Unknown } else { Known::Value(slot) })
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

fuzz_target!(|bytes: &[u8]| {
    // The first byte tells where the code ends and the vault's begins.
    let Some((at, bytes)) = bytes.split_first() else { return };
    let (tried, vault) = bytes.split_at(bytes.len().saturating_sub(usize::from(*at)));
    let world = World { tried: Bytes::copy_from_slice(tried), vault: Bytes::copy_from_slice(vault) };
    let Ok(id) = ModuleId::new("vault") else { return };
    let module = Module { id, contracts: vec![VAULT], assets: vec![Asset::Native] };
    let watch = Arc::new(Watchlist::new(vec![module]));
    let mut engine = Engine::new(Rules::fixed(ChainId(1), Spec::PRAGUE), Arc::new(world), watch);
    let head = Header { number: BlockNumber(9), timestamp: 1_700_000_000, gas_limit: 30_000_000, ..Header::default() };
    let head = Header { base_fee: Some(0), excess_blob_gas: Some(0), prev_randao: Some(B256::ZERO), ..head };
    engine.reset(head);
    let made = Transaction { from: CREATOR, input: Bytes::copy_from_slice(tried), ..Transaction::default() };
    let creation = Arc::new(Execution {
        transaction: Arc::new(made),
        window: Window::Mined,
        block: Arc::new(engine.head().clone()),
        index: Some(0),
        effects: Effects::nothing(Outcome::Success(Bytes::new())),
        facts: Vec::new(),
        assertions: Vec::new(),
        standing: Standing {
            head: engine.head().block_ref(),
            basis: Basis::Executed,
            missing: Vec::new(),
            left_out: 0,
        },
    });
    let budget = Budget { calls: 60, gas: 6_000_000, gas_per_call: 500_000, micros: u64::MAX, kept: 4 };
    let creator = Creator { account: CREATOR, ..Creator::default() };
    let subject = Subject { creation: &creation, earlier: &[], address: TRIED, creator };
    let mut trials = Trials::new(budget, Arc::new(ManualClock::new(UnixMillis(0))));
    let before = engine.slots_in_memory();
    let newborn = trials.of(&mut engine, &subject, &mut |_| false);
    assert!(newborn.effort.calls <= budget.calls, "{} calls of {}", newborn.effort.calls, budget.calls);
    assert!(newborn.attempts.len() <= budget.kept);
    let again = trials.of(&mut engine, &subject, &mut |_| false);
    assert_eq!(newborn.attempts.len(), again.attempts.len(), "a trial left a trace: {before} slots before");
    assert_eq!(newborn.effort.calls, again.effort.calls, "a trial left a trace: {before} slots before");
});
