//! Reads bytecode without running it: constants, selectors, entry points, and whether it can call anybody.
//!
//! The walk is the one by which the EVM itself finds jump destinations, from the first byte and over push data, so
//! nothing that could run is missed by it. It looks at a bounded number of bytes and never fails: bytes that are no
//! code are walked like any others and merely mean nothing.

use cofferdam_types::Selector;
use revm::bytecode::opcode;
use revm::primitives::{Address, U256};

/// Bytes looked at. Ethereum allows 24,576 (EIP-170); some chains allow more.
pub(super) const MOST_BYTES: usize = 131_072;
/// Constants kept of each kind; more is an attempt to make us slow.
const MOST_CONSTANTS: usize = 512;
/// The least bytes of a constant that may be an address: one with many leading zeros is pushed shorter.
const SHORTEST_ADDRESS: usize = 16;

/// How a clone that forwards everything begins and ends (ERC-1167).
const CLONE: ([u8; 10], [u8; 15]) = (
    [0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73],
    [0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3],
);

/// What stands in code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    /// Constants that may be addresses, in order, each once.
    pub(super) addresses: Vec<Address>,
    /// Four-byte constants, those that a longer one begins with included; each once.
    pub(super) selectors: Vec<Selector>,
    /// Selectors that calldata is compared with; each once.
    pub(super) entries: Vec<Selector>,
    /// Whether it can call, create or pay.
    pub(super) can_call: bool,
    /// Whether there was more than is looked at.
    pub(super) cut: bool,
}

/// Whose code a clone runs.
pub(super) fn clone_of(code: &[u8]) -> Option<Address> {
    let middle = code.strip_prefix(&CLONE.0)?.strip_suffix(&CLONE.1)?;
    (middle.len() == 20).then(|| Address::from_slice(middle))
}

/// Reads `code`.
pub(super) fn read(code: &[u8]) -> Code {
    let mut walk = Walk::default();
    let mut rest = code.get(..MOST_BYTES).unwrap_or(code);
    while let Some((op, after)) = rest.split_first() {
        let length = push_length(*op).min(after.len());
        let (data, next) = after.split_at(length);
        walk.step(*op, data);
        rest = next;
    }
    let mut found = walk.found;
    found.cut = code.len() > MOST_BYTES;
    if found.entries.is_empty() {
        // No dispatcher that we know: whatever looks like a selector may be one.
        let no_error =
            |selector: &&Selector| !matches!(selector.0, [0x4e, 0x48, 0x7b, 0x71] | [0x08, 0xc3, 0x79, 0xa0]);
        found.entries = found.selectors.iter().filter(no_error).copied().collect();
    }
    found
}

fn push_length(op: u8) -> usize {
    if op > opcode::PUSH32 { 0 } else { usize::from(op.saturating_sub(opcode::PUSH0)) }
}

#[derive(Default)]
struct Walk {
    found: Code,
    /// The last selector that was pushed, and how many instructions ago.
    pushed: Option<(Selector, u32)>,
    /// The same after it was subtracted from or mixed with something: compared, if a jump follows.
    differs: Option<(Selector, u32)>,
}

impl Walk {
    fn step(&mut self, op: u8, data: &[u8]) {
        self.age();
        match op {
            opcode::EQ => {
                if let Some((selector, _)) = self.pushed.take() {
                    keep(&mut self.found.entries, selector);
                }
            }
            opcode::SUB | opcode::XOR => self.differs = self.pushed.take().map(|(selector, _)| (selector, 0)),
            opcode::JUMPI => {
                if let Some((selector, _)) = self.differs.take() {
                    keep(&mut self.found.entries, selector);
                }
            }
            opcode::CALL
            | opcode::CALLCODE
            | opcode::DELEGATECALL
            | opcode::CREATE
            | opcode::CREATE2
            | opcode::SELFDESTRUCT => self.found.can_call = true,
            _ => self.constant(data),
        }
    }

    fn constant(&mut self, data: &[u8]) {
        if data.len() == 3 || data.len() == 4 {
            let selector = Selector::left_padding_from(data);
            if selector.0 != [0xff; 4] {
                keep(&mut self.found.selectors, selector);
                self.pushed = Some((selector, 0));
            }
        } else if data.len() >= SHORTEST_ADDRESS {
            let value = U256::from_be_slice(data);
            if value.bit_len() <= 160 && !is_mask(value) {
                keep(&mut self.found.addresses, Address::from_word(value.into()));
            } else if let Some((first, zeros)) = data.split_first_chunk::<4>()
                && zeros.iter().all(|byte| *byte == 0)
            {
                keep(&mut self.found.selectors, Selector::from(first));
            }
        }
    }

    fn age(&mut self) {
        for remembered in [&mut self.pushed, &mut self.differs] {
            *remembered =
                remembered.map(|(selector, age)| (selector, age.saturating_add(1))).filter(|(_, age)| *age < 4);
        }
    }
}

/// All ones: what other values are cut with.
fn is_mask(value: U256) -> bool {
    (value & value.wrapping_add(U256::ONE)).is_zero()
}

fn keep<T: PartialEq>(kept: &mut Vec<T>, new: T) {
    if kept.len() < MOST_CONSTANTS && !kept.contains(&new) {
        kept.push(new);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn push(data: &[u8]) -> Vec<u8> {
        let mut code = vec![opcode::PUSH0 + data.len() as u8];
        code.extend_from_slice(data);
        code
    }

    #[test]
    fn entry_points_are_what_calldata_is_compared_with() {
        let mut code = vec![opcode::DUP1];
        code.extend(push(&[1, 2, 3, 4]));
        code.push(opcode::EQ);
        code.extend(push(&[0, 9]));
        code.push(opcode::JUMPI);
        // The optimiser's way, with a selector that begins with a zero byte.
        code.extend(push(&[7, 8, 9]));
        code.extend([opcode::DUP2, opcode::SUB]);
        code.extend(push(&[0, 12]));
        code.push(opcode::JUMPI);
        // A split of the search, and an outgoing call.
        code.extend(push(&[0x11, 0, 0, 0]));
        code.extend([opcode::GT, opcode::POP]);
        code.extend(push(&[0xa9, 0x05, 0x9c, 0xbb]));
        code.extend([opcode::POP, opcode::POP, opcode::POP, opcode::POP, opcode::EQ]);
        let read = read(&code);
        assert_eq!(read.entries, [Selector::from([1, 2, 3, 4]), Selector::from([0, 7, 8, 9])]);
        assert_eq!(read.selectors.len(), 4);
        assert!(!read.can_call);
    }

    #[test]
    fn addresses_are_found_as_constants_and_as_immutables_and_not_inside_other_data() {
        let vault = Address::repeat_byte(0x5a);
        let mut code = push(vault.as_slice());
        let mut word = [0; 32];
        word[12..].copy_from_slice(Address::repeat_byte(0x6b).as_slice());
        code.extend(push(&word));
        let mut hidden = [0x73; 32];
        hidden[1..21].copy_from_slice(Address::repeat_byte(0x7c).as_slice());
        code.extend(push(&hidden));
        code.extend(push(&[0xff; 20]));
        assert_eq!(read(&code).addresses, [vault, Address::repeat_byte(0x6b)]);
    }

    #[test]
    fn a_call_inside_push_data_is_no_call() {
        assert!(!read(&push(&[opcode::CALL; 7])).can_call);
        assert!(read(&[opcode::PUSH1, opcode::CALL, opcode::CALL]).can_call);
    }

    #[test]
    fn a_clone_names_whose_code_it_runs() {
        let target = Address::repeat_byte(0x44);
        let clone = [CLONE.0.as_slice(), target.as_slice(), CLONE.1.as_slice()].concat();
        assert_eq!(clone_of(&clone), Some(target));
        assert_eq!(clone_of(&clone[..44]), None);
        assert!(read(&clone).can_call);
    }

    #[test]
    fn more_code_than_any_chain_allows_is_cut_and_that_is_said() {
        let code: Vec<u8> = (0..60_000_u32).flat_map(|at| push(&at.to_be_bytes())).collect();
        let read = read(&code);
        assert!(read.cut);
        assert_eq!(read.selectors.len(), MOST_CONSTANTS);
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_code_are_walked_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let found = read(&bytes);
            prop_assert!(found.entries.len() <= found.selectors.len());
        }
    }
}
