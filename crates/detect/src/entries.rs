//! Where an account's entry stands in books that a mapping keeps: Solidity hashes the key and the place of the mapping.
//!
//! Only asks of a slot whose it is; a slot that nobody's key leads to belongs to nobody known.

use alloy_primitives::{Address, B256, U256, keccak256};

/// Places of mappings that are tried.
const MOST_PLACES: u64 = 24;
/// Words of an entry that holds more than one value.
const MOST_FIELDS: U256 = U256::from_limbs([8, 0, 0, 0]);
/// Accounts beside the owner that may be the other key of an entry two mappings deep.
const MOST_BESIDE: usize = 8;

/// The entries of one account.
pub(crate) struct Entries(Vec<U256>);

impl Entries {
    /// Where entries of `account` begin, one mapping deep, or two with one of `beside` as the other key.
    pub(crate) fn of(account: Address, beside: &[Address]) -> Self {
        let hash = |key: B256, place: B256| keccak256([key, place].concat());
        let account = account.into_word();
        let mut slots = Vec::new();
        for place in (0..MOST_PLACES).map(|place| B256::from(U256::from(place))) {
            let own = hash(account, place);
            slots.push(own.into());
            for other in beside.iter().take(MOST_BESIDE).map(|other| other.into_word()) {
                slots.extend([U256::from_be_bytes(hash(other, own).0), hash(account, hash(other, place)).into()]);
            }
        }
        Self(slots)
    }

    /// Whether `slot` is one of them, or a field of one.
    pub(crate) fn hold(&self, slot: U256) -> bool {
        self.0.iter().any(|first| slot.wrapping_sub(*first) < MOST_FIELDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_where_solidity_keeps_them() {
        let (account, token) = (Address::with_last_byte(7), Address::with_last_byte(9));
        let hash = |key: Address, place: B256| keccak256([key.into_word(), place].concat());
        let third = B256::with_last_byte(3);
        let alone: U256 = hash(account, third).into();
        let deep: U256 = hash(account, hash(token, third)).into();
        assert!(Entries::of(account, &[]).hold(alone));
        assert!(Entries::of(account, &[]).hold(alone.wrapping_add(U256::from(7))), "a field of it");
        assert!(!Entries::of(account, &[]).hold(alone.wrapping_add(U256::from(8))));
        assert!(!Entries::of(account, &[]).hold(deep));
        assert!(Entries::of(account, &[token]).hold(deep));
        assert!(!Entries::of(token, &[account]).hold(alone), "somebody else's");
    }
}
