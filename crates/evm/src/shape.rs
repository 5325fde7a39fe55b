//! The shape of a contract's code: what remains when constants, addresses, jump targets and the compiler's metadata are taken
//! out. Copies that differ in an address built into them share it.
//!
//! It says that two contracts do the same, never that they are the same.

use revm::bytecode::opcode;
use revm::primitives::{B256, keccak256};

/// Code of fewer instructions is a clone's or a stub's, and looks like any other.
const LEAST_INSTRUCTIONS: usize = 64;

/// Keccak of the instructions of `code` without their data. `None` of code that is too short to be told from others.
pub(crate) fn shape_of(code: &[u8]) -> Option<B256> {
    let code = without_metadata(code);
    let mut instructions = Vec::with_capacity(code.len());
    let mut at = 0_usize;
    while let Some(instruction) = code.get(at) {
        let data = match *instruction {
            opcode::PUSH1..=opcode::PUSH32 => instruction.saturating_sub(opcode::PUSH0),
            _ => 0,
        };
        // All widths of a constant are one: a small address is pushed with fewer bytes.
        instructions.push(if data == 0 { *instruction } else { opcode::PUSH1 });
        at = at.saturating_add(1).saturating_add(usize::from(data));
    }
    (instructions.len() >= LEAST_INSTRUCTIONS).then(|| keccak256(&instructions))
}

/// Code without the CBOR map that compilers put behind it, whose length stands in the last two bytes.
fn without_metadata(code: &[u8]) -> &[u8] {
    let stripped = || {
        let (body, length) = code.split_last_chunk::<2>()?;
        let start = body.len().checked_sub(usize::from(u16::from_be_bytes(*length)))?;
        let is_map = body.get(start).is_some_and(|first| (0xa1..=0xa4).contains(first));
        is_map.then(|| body.get(..start)).flatten()
    };
    stripped().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::as_conversions, reason = "small numbers in tests")]

    use proptest::prelude::*;

    use super::*;

    /// Code that calls `target` many times, and metadata.
    fn code(target: u8, metadata: &[u8]) -> Vec<u8> {
        let mut code = [opcode::PUSH20].to_vec();
        code.extend([target; 20]);
        code.extend([opcode::ADDRESS, opcode::CALLER].repeat(40));
        if !metadata.is_empty() {
            code.push(0xa2);
            code.extend(metadata);
            code.extend((metadata.len() as u16).saturating_add(1).to_be_bytes());
        }
        code
    }

    #[test]
    fn constants_and_metadata_do_not_change_a_shape_and_instructions_do() {
        let shape = shape_of(&code(1, &[7; 50]));
        assert!(shape.is_some());
        assert_eq!(shape, shape_of(&code(2, &[9; 50])));
        assert_eq!(shape, shape_of(&code(3, &[])));
        let mut other = code(1, &[]);
        other.push(opcode::GAS);
        assert_ne!(shape, shape_of(&other));
    }

    #[test]
    fn clones_have_no_shape() {
        let clone = [&[0x36, 0x3d, 0x3d, 0x37][..], &[opcode::PUSH20], &[1; 20], &[0x5a, 0xf4]].concat();
        assert_eq!(shape_of(&clone), None);
        assert_eq!(shape_of(&[]), None);
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_code_are_read_to_their_end(code in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = shape_of(&code);
        }
    }
}
