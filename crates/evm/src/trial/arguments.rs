//! Plausible calldata for a function of which only the kinds of its words are known. The same input gives the same
//! calldata in the same order, most plausible first.

use cofferdam_types::Selector;
use revm::primitives::{Address, Bytes, U256};

use super::probe::{Learnt, WORDS, marker};

/// Calldata made for one function.
pub(super) const MOST: usize = 20;
/// Words that vary; later ones keep their first value.
const VARYING: usize = 6;
/// Lists of one entry that are tried, beside the empty one.
const TAILS: usize = 4;
/// Words of zeros after the arguments, in which lengths and contents of dynamic arguments are read.
const TAIL_WORDS: usize = 12;

/// What a word of calldata seems to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// All of it is used: an amount, or anything else where a compiler does not check.
    #[default]
    Wide,
    /// Cut to 160 bits.
    Address,
    /// A flag or a small number.
    Small,
    /// Says where bytes or a list stand.
    Offset,
}

/// What to try: what the contract itself, its creator and the protocol have to do with each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Palette {
    /// Protected contracts that it names, tokens, itself, its creator, and so on; most plausible first.
    pub(super) addresses: Vec<Address>,
    /// Holdings of the protocol and parts of them, small and round numbers; most plausible first.
    pub(super) amounts: Vec<U256>,
}

/// Calldata with marked words; what is known to be no amount or address is given as such, so that the call gets further.
pub(super) fn marked(selector: Selector, learnt: &Learnt) -> Vec<u8> {
    let words = (0..WORDS).map(|index| match learnt.kinds.get(index) {
        Some(Kind::Offset) => length(WORDS),
        Some(Kind::Small) => U256::ONE,
        Some(Kind::Wide | Kind::Address) | None => marker(index),
    });
    encode(selector, words.collect(), &[])
}

/// Calldata to try.
pub(super) fn plausible(selector: Selector, learnt: &Learnt, palette: &Palette) -> Vec<Bytes> {
    let count = learnt.kinds.len();
    let lists: Vec<Vec<U256>> = (0..count).map(|index| values(index, learnt, palette)).collect();
    let tails = tails(palette, &learnt.kinds);
    let mut sizes: Vec<usize> = lists.iter().take(VARYING).map(Vec::len).collect();
    sizes.push(tails.len());
    let mut made: Vec<Bytes> = Vec::new();
    let furthest = sizes.iter().map(|size| size.saturating_sub(1)).fold(0, usize::saturating_add);
    for distance in 0..=furthest {
        if made.len() >= MOST {
            break;
        }
        choices(&sizes, distance, &mut Vec::new(), &mut |chosen: &[usize]| {
            let word = |(index, list): (usize, &Vec<U256>)| {
                let choice = if index < VARYING { chosen.get(index).copied().unwrap_or(0) } else { 0 };
                list.get(choice).copied().unwrap_or_default()
            };
            let words = lists.iter().enumerate().map(word).collect();
            let tail = chosen.last().and_then(|choice| tails.get(*choice)).map(Vec::as_slice).unwrap_or_default();
            let data = Bytes::from(encode(selector, words, tail));
            if !made.contains(&data) {
                made.push(data);
            }
            made.len() < MOST
        });
    }
    made
}

/// All ways to go `distance` steps down the lists together; ends when `take` wants no more.
fn choices(sizes: &[usize], distance: usize, chosen: &mut Vec<usize>, take: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    let Some((size, rest)) = sizes.split_first() else {
        return distance > 0 || take(chosen);
    };
    for choice in 0..=distance.min(size.saturating_sub(1)) {
        chosen.push(choice);
        let goes_on = choices(rest, distance.saturating_sub(choice), chosen, take);
        chosen.pop();
        if !goes_on {
            return false;
        }
    }
    true
}

/// Values for one word, most plausible first.
fn values(index: usize, learnt: &Learnt, palette: &Palette) -> Vec<U256> {
    let count = learnt.kinds.len();
    let kind = learnt.kinds.get(index).copied().unwrap_or_default();
    let before = learnt.kinds.iter().take(index).filter(|earlier| **earlier == Kind::Address).count();
    let words = palette.addresses.iter().map(|address| U256::from_be_slice(address.as_slice()));
    let mut values: Vec<U256> = match kind {
        // The second address of a function is seldom the first one again.
        Kind::Address => words.clone().skip(before).chain(words.take(before)).collect(),
        Kind::Wide => {
            let first = palette.amounts.iter().take(6).copied();
            let rest = palette.amounts.iter().skip(6).copied();
            first.chain(words.take(2)).chain([length(count)]).chain(rest).collect()
        }
        Kind::Small => vec![U256::ONE, U256::ZERO, U256::from(2)],
        Kind::Offset => return vec![length(count)],
    };
    let asked = learnt.wanted.iter().filter(|(word, _)| *word == index).map(|(_, value)| *value);
    // What the code compares the word with, and next to it: `<` is satisfied by one less.
    for value in asked.take(3) {
        values.insert(0, value.saturating_sub(U256::ONE));
        values.insert(0, value);
    }
    values.dedup();
    values
}

/// What stands behind the arguments: nothing, or one entry. Where no compiler checked, any word may be an offset.
fn tails(palette: &Palette, kinds: &[Kind]) -> Vec<Vec<U256>> {
    let most = match kinds {
        kinds if kinds.contains(&Kind::Offset) => TAILS,
        kinds if kinds.contains(&Kind::Wide) => 1,
        _ => 0,
    };
    let entries = palette.addresses.iter().take(most).map(|address| U256::from_be_slice(address.as_slice()));
    [Vec::new()].into_iter().chain(entries.map(|entry| vec![U256::ONE, entry])).collect()
}

/// Bytes of `count` words: where the tail begins, and a small number at that.
fn length(count: usize) -> U256 {
    U256::from(count).saturating_mul(U256::from(32))
}

fn encode(selector: Selector, words: Vec<U256>, tail: &[U256]) -> Vec<u8> {
    let mut data = selector.to_vec();
    let zeros = std::iter::repeat_n(U256::ZERO, TAIL_WORDS.saturating_sub(tail.len()));
    for word in words.into_iter().chain(tail.iter().copied()).chain(zeros) {
        data.extend_from_slice(&word.to_be_bytes::<32>());
    }
    data
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests of small numbers")]

    use super::*;

    const FUNCTION: Selector = Selector::new([1, 2, 3, 4]);

    fn palette() -> Palette {
        let addresses = (1..9).map(Address::repeat_byte).collect();
        Palette { addresses, amounts: [1_000, 100, 10, 1].map(U256::from).to_vec() }
    }

    fn word(data: &Bytes, index: usize) -> U256 {
        U256::from_be_slice(&data[4 + 32 * index..36 + 32 * index])
    }

    #[test]
    fn a_function_without_arguments_is_called_once() {
        assert_eq!(plausible(FUNCTION, &Learnt::default(), &palette()).len(), 1);
    }

    #[test]
    fn two_addresses_of_one_function_differ_at_first() {
        let learnt = Learnt { kinds: vec![Kind::Address, Kind::Address], ..Learnt::default() };
        let made = plausible(FUNCTION, &learnt, &palette());
        assert_eq!(made.len(), MOST);
        assert_ne!(word(&made[0], 0), word(&made[0], 1));
    }

    #[test]
    fn what_the_code_compares_with_comes_first() {
        let learnt = Learnt { kinds: vec![Kind::Wide], wanted: vec![(0, U256::from(0xbeef))], ..Learnt::default() };
        let made = plausible(FUNCTION, &learnt, &palette());
        assert_eq!(word(&made[0], 0), U256::from(0xbeef));
        assert!(made.iter().any(|data| word(data, 0) == U256::from(0xbeee)));
    }

    #[test]
    fn dynamic_arguments_are_empty_or_have_one_entry() {
        let learnt = Learnt { kinds: vec![Kind::Offset, Kind::Small], ..Learnt::default() };
        let made = plausible(FUNCTION, &learnt, &palette());
        assert!(made.iter().all(|data| word(data, 0) == U256::from(64)));
        let lengths: Vec<U256> = made.iter().map(|data| word(data, 2)).collect();
        assert!(lengths.contains(&U256::ZERO) && lengths.contains(&U256::ONE), "{lengths:?}");
    }
}
