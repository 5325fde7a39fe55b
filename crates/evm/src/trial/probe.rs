//! Finds out what arguments an entry point takes, by calling it with marked words and watching what becomes of them.
//!
//! A word that is cut to 160 bits is an address; one that is compared with 2^64 is an offset; whatever else a marked
//! word or the caller is compared with is what the code would rather see. This needs no source and no symbols, and works
//! for every compiler that reads calldata word by word. Nothing is kept of what these calls do.

use cofferdam_types::Header;
use revm::bytecode::opcode;
use revm::context::TxEnv;
use revm::inspector::Inspector;
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps};
use revm::primitives::{Address, TxKind, U256};
use revm::{ExecuteEvm, InspectEvm, MainBuilder};

use super::arguments::Kind;
use crate::machine::{self, Context, Machine};

/// Words that are marked; functions with more arguments get zeros beyond.
pub(super) const WORDS: usize = 12;
/// Gas of one such call: enough to read and check arguments.
const PROBE_GAS: u64 = 2_000_000;
/// Comparisons kept of one call.
const MOST_WANTED: usize = 48;

/// What a call with marked words showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Learnt {
    /// For each word that was read, what it is; in order. Words that were never read are not there.
    pub(super) kinds: Vec<Kind>,
    /// Word and the value that it was compared with.
    pub(super) wanted: Vec<(usize, U256)>,
    /// Accounts that the caller was compared with.
    pub(super) callers: Vec<Address>,
    /// Gas of the call.
    pub(super) gas: u64,
}

impl Learnt {
    /// Adds what a further call showed. False when that was nothing new.
    pub(super) fn add(&mut self, seen: Self) -> bool {
        let mut is_new = false;
        for (index, kind) in seen.kinds.into_iter().enumerate() {
            match self.kinds.get_mut(index) {
                Some(known) if *known == Kind::Wide && kind != Kind::Wide => *known = kind,
                Some(_) => continue,
                None => self.kinds.push(kind),
            }
            is_new = true;
        }
        for wanted in seen.wanted.into_iter().filter(|(word, _)| *word < WORDS) {
            if !self.wanted.contains(&wanted) && self.wanted.len() < MOST_WANTED {
                self.wanted.push(wanted);
            }
        }
        for caller in seen.callers {
            if !self.callers.contains(&caller) {
                self.callers.push(caller);
            }
        }
        self.gas = self.gas.saturating_add(seen.gas);
        is_new
    }
}

/// The word with which argument `index` is marked: a plausible address, and unlike any number that code works with.
pub(super) fn marker(index: usize) -> U256 {
    let mut bytes = [0xc5_u8; 32];
    bytes.iter_mut().take(12).for_each(|byte| *byte = 0);
    if let (Some(place), Ok(number)) = (bytes.get_mut(13), u8::try_from(index)) {
        *place = number;
    }
    U256::from_be_bytes(bytes)
}

/// Calls `target` once with `data`, and no more gas than given, and watches. `None` when state could not be had.
pub(super) fn watch(
    machine: &mut Machine,
    block: &Header,
    caller: Address,
    target: Address,
    (data, most_gas): (Vec<u8>, u64),
) -> Option<Learnt> {
    let rules = *machine.rules();
    let spec = rules.spec(block);
    let state = std::mem::take(machine.state_mut());
    let mut config = machine::config(rules, spec);
    config.disable_nonce_check = true;
    config.disable_eip3607 = true;
    config.disable_block_gas_limit = true;
    config.disable_base_fee = true;
    let mut context = Context::new(state, spec).with_cfg(config);
    context.block = machine::block_env(&rules, block);
    let mut evm = context.build_mainnet_with_inspector(Watcher::new(caller, target));
    let done = evm.inspect_one_tx(TxEnv {
        caller,
        gas_limit: PROBE_GAS.min(most_gas),
        kind: TxKind::Call(target),
        data: data.into(),
        chain_id: Some(rules.chain().0),
        ..TxEnv::default()
    });
    evm.finalize();
    *machine.state_mut() = std::mem::take(&mut evm.ctx.journaled_state.database);
    let gas = done.ok()?.tx_gas_used();
    Some(Learnt { gas, ..evm.inspector.learnt() })
}

struct Watcher {
    caller: U256,
    target: Address,
    read: [bool; WORDS],
    kinds: [Kind; WORDS],
    wanted: Vec<(usize, U256)>,
    callers: Vec<Address>,
}

impl Watcher {
    fn new(caller: Address, target: Address) -> Self {
        Self {
            caller: U256::from_be_slice(caller.as_slice()),
            target,
            read: [false; WORDS],
            kinds: [Kind::Wide; WORDS],
            wanted: Vec::new(),
            callers: Vec::new(),
        }
    }

    fn learnt(&self) -> Learnt {
        let count = self.read.iter().rposition(|read| *read).map_or(0, |last| last.saturating_add(1));
        let kinds = self.kinds.iter().take(count).copied().collect();
        Learnt { kinds, wanted: self.wanted.clone(), callers: self.callers.clone(), gas: 0 }
    }

    /// The word that `value` is, whole or cut.
    fn word(value: U256) -> Option<usize> {
        (0..WORDS).find(|index| marker(*index) == value)
    }

    fn set(&mut self, index: usize, kind: Kind) {
        if let Some(known) = self.kinds.get_mut(index) {
            // What is an offset stays one, whatever else is done with it.
            if *known != Kind::Offset {
                *known = kind;
            }
        }
    }

    fn masked(&mut self, a: U256, b: U256) {
        for (value, mask) in [(a, b), (b, a)] {
            let Some(index) = Self::word(value) else { continue };
            match mask.bit_len() {
                160 => self.set(index, Kind::Address),
                1..=64 => self.set(index, Kind::Small),
                _ => {}
            }
        }
    }

    fn compared(&mut self, a: U256, b: U256) {
        for (value, other) in [(a, b), (b, a)] {
            if let Some(index) = Self::word(value) {
                if is_bound_of_offsets(other) {
                    self.set(index, Kind::Offset);
                } else if other != value && self.wanted.len() < MOST_WANTED && !self.wanted.contains(&(index, other)) {
                    self.wanted.push((index, other));
                }
            }
            if value == self.caller && other != value && !other.is_zero() && other.bit_len() <= 160 {
                let account = Address::from_word(other.into());
                if self.callers.len() < 4 && !self.callers.contains(&account) {
                    self.callers.push(account);
                }
            }
        }
    }
}

/// What compilers compare offsets and lengths with.
fn is_bound_of_offsets(value: U256) -> bool {
    value == U256::from(u64::MAX) || value == U256::from(u32::MAX) || value == U256::from(1_u64 << 32)
}

impl Inspector<Context> for Watcher {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut Context) {
        let stack = &interpreter.stack;
        let top = |from_top: usize| {
            let data = stack.data();
            data.len().checked_sub(from_top.saturating_add(1)).and_then(|at| data.get(at)).copied()
        };
        let Some(first) = top(0) else { return };
        match interpreter.bytecode.opcode() {
            opcode::AND => {
                if let Some(second) = top(1) {
                    self.masked(first, second);
                }
            }
            opcode::EQ | opcode::LT | opcode::GT | opcode::SLT | opcode::SGT | opcode::XOR | opcode::SUB => {
                if let Some(second) = top(1) {
                    self.compared(first, second);
                }
            }
            opcode::ISZERO => {
                if let Some(index) = Self::word(first) {
                    self.set(index, Kind::Small);
                }
            }
            opcode::CALLDATALOAD if interpreter.input.target_address() == self.target => {
                let at = usize::try_from(first).ok().and_then(|at| at.checked_sub(4)).filter(|at| at % 32 == 0);
                if let Some(read) = at.and_then(|at| self.read.get_mut(at / 32)) {
                    *read = true;
                }
            }
            _ => {}
        }
    }
}
