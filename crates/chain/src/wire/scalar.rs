//! Hex values, arrays and maps of an answer.

use std::fmt;
use std::marker::PhantomData;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::redact::clip;

/// Longest piece of a wrong value that an error repeats.
const LONGEST_SEEN: usize = 80;

/// A value that travels as a hex string.
pub(crate) trait HexValue: Sized {
    /// For error messages.
    const EXPECTED: &'static str;

    /// `None` when `text` is not such a value.
    fn read(text: &str) -> Option<Self>;
}

fn digits(text: &str) -> Option<&[u8]> {
    text.strip_prefix("0x").map(str::as_bytes)
}

/// Significant digits of a quantity; leading zeros are not canonical, and harmless.
fn quantity_digits(text: &str) -> Option<&[u8]> {
    let digits = digits(text)?;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    if digits.is_empty() || digits.len() > 64 { None } else { digits.get(zeros..) }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a' - 10),
        b'A'..=b'F' => digit.checked_sub(b'A' - 10),
        _ => None,
    }
}

fn small(text: &str) -> Option<u128> {
    let mut value = 0_u128;
    for digit in quantity_digits(text)? {
        value = value.checked_mul(16)?.checked_add(u128::from(nibble(*digit)?))?;
    }
    Some(value)
}

impl HexValue for u8 {
    const EXPECTED: &'static str = "a quantity of at most 8 bits such as \"0x2\"";

    fn read(text: &str) -> Option<Self> {
        small(text)?.try_into().ok()
    }
}

impl HexValue for u64 {
    const EXPECTED: &'static str = "a quantity of at most 64 bits such as \"0x1b4\"";

    fn read(text: &str) -> Option<Self> {
        small(text)?.try_into().ok()
    }
}

impl HexValue for u128 {
    const EXPECTED: &'static str = "a quantity of at most 128 bits such as \"0x1b4\"";

    fn read(text: &str) -> Option<Self> {
        small(text)
    }
}

impl HexValue for U256 {
    const EXPECTED: &'static str = "a quantity of at most 256 bits such as \"0x1b4\"";

    fn read(text: &str) -> Option<Self> {
        let significant = quantity_digits(text)?;
        let mut padded = [b'0'; 64];
        let start = padded.len().checked_sub(significant.len())?;
        padded.get_mut(start..)?.copy_from_slice(significant);
        let mut bytes = [0_u8; 32];
        hex::decode_to_slice(padded, &mut bytes).ok()?;
        Some(Self::from_be_bytes(bytes))
    }
}

impl HexValue for B256 {
    const EXPECTED: &'static str = "32 bytes as \"0x\" and 64 hex digits";

    fn read(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        hex::decode_to_slice(exactly(text, 64)?, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl HexValue for Address {
    const EXPECTED: &'static str = "an address as \"0x\" and 40 hex digits";

    fn read(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 20];
        hex::decode_to_slice(exactly(text, 40)?, &mut bytes).ok()?;
        Some(Self::from(bytes))
    }
}

impl HexValue for Bytes {
    const EXPECTED: &'static str = "bytes as \"0x\" and an even number of hex digits";

    fn read(text: &str) -> Option<Self> {
        let digits = digits(text)?;
        if digits.is_empty() {
            return Some(Self::new());
        }
        if digits.len() % 2 != 0 {
            return None;
        }
        // The length is fixed beforehand because the decoder would otherwise take a second `0x` for a prefix.
        let mut bytes = vec![0_u8; digits.len() / 2];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(bytes.into())
    }
}

fn exactly(text: &str, length: usize) -> Option<&[u8]> {
    digits(text).filter(|digits| digits.len() == length)
}

/// A hex value in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hex<T>(pub(crate) T);

struct HexVisitor<T>(PhantomData<T>);

impl<T: HexValue> Visitor<'_> for HexVisitor<T> {
    type Value = Hex<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Hex<T>, E> {
        match T::read(text) {
            Some(value) => Ok(Hex(value)),
            None => Err(E::invalid_value(Unexpected::Str(&clip(text, LONGEST_SEEN)), &self)),
        }
    }
}

impl<'de, T: HexValue> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexVisitor(PhantomData))
    }
}

/// A 64-bit number that some write as a JSON number and others as hex: nonces of traces and of case files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity(pub(crate) u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of at most 64 bits, plain or as hex such as \"0x1b4\"")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Quantity, E> {
                Ok(Quantity(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
                match u64::read(text) {
                    Some(value) => Ok(Quantity(value)),
                    None => Err(E::invalid_value(Unexpected::Str(&clip(text, LONGEST_SEEN)), &self)),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// An array; errors name the index.
#[derive(Debug)]
pub(crate) struct Items<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemsVisitor<T> {
            type Value = Items<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<T>, A::Error> {
                let mut items = Vec::new();
                loop {
                    let next = seq.next_element();
                    match next.map_err(|error| A::Error::custom(format_args!("item {}: {error}", items.len())))? {
                        Some(item) => items.push(item),
                        None => return Ok(Items(items)),
                    }
                }
            }
        }
        deserializer.deserialize_seq(ItemsVisitor(PhantomData))
    }
}

/// An object used as a map, in the order of the answer; errors name the entry by its number.
#[derive(Debug)]
pub(crate) struct Pairs<K, V>(pub(crate) Vec<(K, V)>);

impl<K, V> Default for Pairs<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<K, V>(PhantomData<(K, V)>);
        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<K, V> {
            type Value = Pairs<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<K, V>, A::Error> {
                let mut pairs = Vec::new();
                loop {
                    let next = map.next_entry();
                    match next.map_err(|error| A::Error::custom(format_args!("entry {}: {error}", pairs.len())))? {
                        Some(pair) => pairs.push(pair),
                        None => return Ok(Pairs(pairs)),
                    }
                }
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}
