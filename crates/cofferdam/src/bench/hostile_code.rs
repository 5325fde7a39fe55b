//! Contracts that are built to make executing, recording and judging slow. The engine runs them with more and more gas,
//! and what they did is judged; gas is the only bound that a chain sets.
//!
//! A call passes on 63 of 64 parts of the gas that is left, so that no tree of 60 million gas is deeper than some 600
//! frames, whatever the limit of 1,024 allows.

use std::sync::Arc;

use cofferdam_evm::{Engine, Rules, Spec};
use cofferdam_types::primitives::{Address, B256, Bytes, U256, b256};
use cofferdam_types::{
    AccountState, Block, BlockNumber, BlockRef, ChainId, Clock, Execution, Header, Judge as _, Known, PreState,
    StateError, StateSource, Transaction, Verdict, Watchlist,
};

use super::hostile::{SENDER, VAULT};
use crate::cases::{judge, together};

/// Gas of the transactions that are compared; an unoptimised build takes many times as long.
pub(super) const GAS: [u32; 3] =
    if cfg!(debug_assertions) { [1_500_000, 3_000_000, 6_000_000] } else { [15_000_000, 30_000_000, 60_000_000] };
/// Gas below which a loop ends: more than its longest round costs.
const RESERVE: [u8; 3] = [0x01, 0x86, 0xa0];

const ENTRY: Address = Address::repeat_byte(0xe1);
const HOSTILE: Address = Address::repeat_byte(0xe2);
const NOBODY: Address = Address::repeat_byte(0xe3);
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
const DEPOSIT: B256 = b256!("e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c");

const PUSH0: u8 = 0x5f;
const PUSH1: u8 = 0x60;
const PUSH2: u8 = 0x61;
const PUSH3: u8 = 0x62;
const PUSH9: u8 = 0x68;
const PUSH20: u8 = 0x73;
const PUSH32: u8 = 0x7f;
const GAS_LEFT: u8 = 0x5a;
const ITSELF: u8 = 0x30;
const LESS: u8 = 0x10;
const POP: u8 = 0x50;
const KEEP: u8 = 0x52;
const STORE: u8 = 0x55;
const JUMP_IF: u8 = 0x57;
const TARGET: u8 = 0x5b;
const LOG2: u8 = 0xa2;
const LOG4: u8 = 0xa4;
const CREATE: u8 = 0xf0;
const CALL: u8 = 0xf1;
const STATIC_CALL: u8 = 0xfa;
const REVERT: u8 = 0xfd;

/// A way to build code.
type Build = fn() -> Vec<u8>;

/// What is tried: in words, and the code.
pub(super) const SHAPES: [(&str, Build); 8] = [
    ("code: calls itself twice as deep as gas allows, all reverted", nested_reverts),
    ("code: calls by the thousand", calls),
    ("code: calls with four kilobytes each", large_calls),
    ("code: events of tokens that left the vault", tokens),
    ("code: payments, and events of a wrapped coin", wraps),
    ("code: storage writes by the thousand", writes),
    ("code: contracts by the thousand", creations),
    ("code: no code at all", junk),
];

/// A chain on which `code` stands, and a vault that is robbed by whoever runs it.
pub(super) struct Arena {
    engine: Engine,
    watch: Arc<Watchlist>,
}

impl Arena {
    /// With `code` as the contract that the robber calls after he has robbed.
    pub(super) fn new(code: Vec<u8>) -> Self {
        let watch = Arc::new(Watchlist::new(together(vec![VAULT])));
        let rules = Rules::fixed(ChainId(1), Spec::CANCUN);
        let mut engine = Engine::new(rules, Arc::new(Ground { code: code.into() }), watch.clone());
        engine.reset(Header {
            number: BlockNumber(100),
            timestamp: 1_700_000_000,
            gas_limit: 1_000_000_000,
            base_fee: Some(7),
            prev_randao: Some(B256::ZERO),
            ..Header::default()
        });
        Self { engine, watch }
    }

    /// The robbery with so much gas, executed as a pending transaction and judged, and how many microseconds that took.
    pub(super) fn run(&mut self, gas: u32, clock: &dyn Clock) -> Result<(Execution, Verdict, u64), String> {
        let transaction = Transaction {
            hash: B256::repeat_byte(7),
            from: SENDER,
            to: Some(ENTRY),
            gas_limit: gas.into(),
            max_fee_per_gas: 10,
            chain_id: Some(1),
            ..Transaction::default()
        };
        let mut judge = judge(&self.watch).map_err(|error| error.to_string())?;
        let began = clock.monotonic_micros();
        let execution = self.engine.pending(Arc::new(transaction)).map_err(|error| error.to_string())?;
        let verdict = judge.judge(&execution);
        judge.record(&execution);
        Ok((execution, verdict, clock.monotonic_micros().saturating_sub(began)))
    }
}

/// State of the arena: every slot of the hostile contract is 1, so that writing one is as cheap as it gets.
struct Ground {
    code: Bytes,
}

impl StateSource for Ground {
    fn account(&self, address: Address, _: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        let code = match address {
            ENTRY => [call(VAULT, &[PUSH0]), call(HOSTILE, &[PUSH0])].concat().into(),
            // Nine hundred of its thousand ether go to nobody.
            VAULT => {
                let amount: [u8; 9] = [0x30, 0xca, 0x02, 0x4f, 0x98, 0x7b, 0x90, 0x00, 0x00];
                call(NOBODY, &[&[PUSH9][..], &amount].concat()).into()
            }
            HOSTILE => self.code.clone(),
            SENDER | NOBODY => Bytes::new(),
            _ => return Ok(Known::Value(None)),
        };
        let balance = U256::from(1_000_000_000_000_000_000_000_u128);
        Ok(Known::Value(Some(AccountState { balance, code, ..AccountState::default() })))
    }

    fn slot(&self, address: Address, _: U256, _: BlockRef) -> Result<Known<U256>, StateError> {
        Ok(Known::Value(if address == HOSTILE { U256::ONE } else { U256::ZERO }))
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

/// Calls `to` with all gas and what `value` pushes.
fn call(to: Address, value: &[u8]) -> Vec<u8> {
    [&[PUSH0; 4], value, &[PUSH20], to.as_slice(), &[GAS_LEFT, CALL, POP]].concat()
}

/// `body` again and again until little gas is left.
fn again(body: &[u8]) -> Vec<u8> {
    let reserve = [&[GAS_LEFT, PUSH3][..], &RESERVE, &[LESS, PUSH0, JUMP_IF, 0]].concat();
    [&[TARGET], body, &reserve].concat()
}

fn nested_reverts() -> Vec<u8> {
    let itself = [&[PUSH0; 5][..], &[ITSELF, GAS_LEFT, CALL, POP]].concat();
    [itself.clone(), itself, vec![PUSH0, PUSH0, REVERT]].concat()
}

fn calls() -> Vec<u8> {
    again(&call(NOBODY, &[PUSH0]))
}

fn large_calls() -> Vec<u8> {
    let data = [PUSH0, PUSH0, PUSH2, 0x10, 0x00, PUSH0, PUSH20];
    again(&[&data[..], NOBODY.as_slice(), &[GAS_LEFT, STATIC_CALL, POP]].concat())
}

/// Each says that another token by ERC-721 went from the vault to the contract.
fn tokens() -> Vec<u8> {
    let event = [&[GAS_LEFT, ITSELF, PUSH20][..], VAULT.as_slice(), &[PUSH32], TRANSFER.as_slice()].concat();
    again(&[&event[..], &[PUSH0, PUSH0, LOG4]].concat())
}

fn wraps() -> Vec<u8> {
    let amount = [GAS_LEFT, PUSH0, KEEP];
    let event = [&amount[..], &[PUSH20], VAULT.as_slice(), &[PUSH32], DEPOSIT.as_slice(), &[PUSH1, 32, PUSH0, LOG2]];
    again(&[call(NOBODY, &[PUSH1, 1]), event.concat().repeat(4)].concat())
}

fn writes() -> Vec<u8> {
    again(&[GAS_LEFT, GAS_LEFT, STORE])
}

fn creations() -> Vec<u8> {
    again(&[PUSH0, PUSH0, PUSH0, CREATE, POP])
}

fn junk() -> Vec<u8> {
    vec![0xef; 24_576]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a wrong shape must panic")]

    use cofferdam_types::{ManualClock, UnixMillis};

    use super::*;

    #[test]
    fn the_robbery_is_told_whatever_runs_beside_it() {
        let clock = ManualClock::new(UnixMillis(0));
        for (shape, code) in SHAPES {
            let (execution, verdict, _) = Arena::new(code()).run(1_500_000, &clock).unwrap();
            assert!(execution.effects.outcome.succeeded(), "{shape}: {:?}", execution.effects.outcome);
            assert!(verdict.level().is_some(), "{shape}: what was robbed is not seen for all that is around it");
        }
    }

    #[test]
    fn each_shape_is_what_its_name_says() {
        let clock = ManualClock::new(UnixMillis(0));
        let effects = |code: Build| Arena::new(code()).run(1_500_000, &clock).unwrap().0.effects;
        let nested = effects(nested_reverts);
        assert!(nested.calls.len() > 3_000 && nested.calls.iter().any(|call| call.depth > 300), "deep and many");
        assert_eq!(nested.calls.iter().filter(|call| call.effective).count(), 3, "the entry, the vault, its payment");
        assert!(effects(calls).calls.len() > 5_000);
        assert!(effects(large_calls).calldata.len() > 1_000_000);
        assert!(effects(tokens).movements.len() > 500);
        assert!(effects(wraps).logs.len() > 300);
        assert!(effects(writes).writes.len() > 200);
        assert!(effects(creations).code_changes.len() + 3 < effects(creations).calls.len());
    }
}
