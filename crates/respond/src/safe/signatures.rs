//! Signatures of owners: recovered, counted against the threshold, and packed as `checkNSignatures` wants them.
//!
//! Four kinds, told apart by the last byte of 65: ECDSA over the hash (27, 28), ECDSA over the hash as an
//! `eth_sign` message (31, 32), an approval on chain (1), and a contract's own signature (0) with its bytes behind all
//! others. Owners stand in ascending order, each once.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, Signature, U256, eip191_hash_message};

/// One owner's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerSignature {
    /// 65 bytes by an owner's key: EIP-712, or `eth_sign` when the last byte is 31 or 32.
    Key(Box<[u8; 65]>),
    /// The owner called `approveHash`, or is whoever sends the transaction.
    Approved {
        /// The owner.
        owner: Address,
    },
    /// The owner is a contract and says by itself whether it signed.
    Contract {
        /// The owner.
        owner: Address,
        /// What it is asked about.
        signature: Bytes,
    },
}

/// A signature, or a set of them, cannot be used.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// Not 65 bytes, or an offset that leads outside of them.
    #[error("signatures of {length} bytes end inside signature {index}")]
    Truncated {
        /// All bytes.
        length: usize,
        /// Which signature, from 0.
        index: usize,
    },
    /// The last byte is none of 0, 1, 27, 28, 31, 32.
    #[error("signature {index} has the kind byte {seen}, expected 0, 1, 27, 28, 31 or 32")]
    Kind {
        /// Which signature, from 0.
        index: usize,
        /// What stands there.
        seen: u8,
    },
    /// No key can have made it.
    #[error("signature {index} is of no key")]
    Unrecoverable {
        /// Which signature, from 0.
        index: usize,
    },
    /// Of somebody who is no owner: another transaction was signed, or by a removed owner.
    #[error("{signer} is no owner of the Safe: the signature is of another account or over another transaction")]
    NotAnOwner {
        /// Who was recovered.
        signer: Address,
    },
    /// Twice by one owner.
    #[error("{owner} signed twice")]
    Twice {
        /// The owner.
        owner: Address,
    },
    /// The order that the contract demands is not kept.
    #[error("owner {owner} stands after a higher one; the contract wants them in ascending order")]
    Order {
        /// The owner that comes too late.
        owner: Address,
    },
    /// Not enough.
    #[error("{have} of {need} signatures")]
    TooFew {
        /// What there is.
        have: usize,
        /// The threshold.
        need: u64,
    },
}

/// Signatures over one hash, one for each owner. Never holds one of a stranger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    hash: B256,
    of: BTreeMap<Address, OwnerSignature>,
}

/// How far a collection of signatures is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Who signed, in the order of the contract.
    pub signed: Vec<Address>,
    /// Those of them whose signature only the chain can confirm: approvals and contracts.
    pub unconfirmed: Vec<Address>,
    /// Owners who have not signed.
    pub missing: Vec<Address>,
    /// Signatures still needed.
    pub needed: u64,
}

impl OwnerSignature {
    /// Takes 65 bytes of a wallet. Wallets that answer 0 or 1 in the last byte mean 27 and 28.
    ///
    /// # Errors
    /// [`SignatureError::Truncated`] and [`SignatureError::Kind`].
    pub fn from_wallet(bytes: &[u8]) -> Result<Self, SignatureError> {
        let mut bytes: [u8; 65] =
            bytes.try_into().map_err(|_| SignatureError::Truncated { length: bytes.len(), index: 0 })?;
        let [.., kind] = &mut bytes;
        match *kind {
            0 | 1 => *kind = kind.saturating_add(27),
            27 | 28 | 31 | 32 => {}
            seen => return Err(SignatureError::Kind { index: 0, seen }),
        }
        Ok(Self::Key(Box::new(bytes)))
    }

    /// Whose it is, when it is over `hash`. `None`: of no key.
    pub fn signer(&self, hash: B256) -> Option<Address> {
        match self {
            Self::Approved { owner } | Self::Contract { owner, .. } => Some(*owner),
            Self::Key(bytes) => {
                let (rs, [kind]) = bytes.split_last_chunk::<1>()?;
                let (signed, parity) = match kind {
                    27 | 28 => (hash, *kind == 28),
                    31 | 32 => (eip191_hash_message(hash), *kind == 32),
                    _ => return None,
                };
                let signature = Signature::from_bytes_and_parity(rs, parity);
                // The contract's `ecrecover` takes a high `s` too; so do we, or we would refuse what it accepts.
                signature.recover_address_from_prehash(&signed).ok()
            }
        }
    }
}

impl Signatures {
    /// None yet, over `hash`.
    pub const fn new(hash: B256) -> Self {
        Self { hash, of: BTreeMap::new() }
    }

    /// Adds one of an owner.
    ///
    /// # Errors
    /// [`SignatureError`] when it is of no key, of a stranger, or of somebody who signed already.
    pub fn add(&mut self, signature: OwnerSignature, owners: &[Address]) -> Result<Address, SignatureError> {
        let index = self.of.len();
        let signer = signature.signer(self.hash).ok_or(SignatureError::Unrecoverable { index })?;
        if !owners.contains(&signer) {
            return Err(SignatureError::NotAnOwner { signer });
        }
        if self.of.contains_key(&signer) {
            return Err(SignatureError::Twice { owner: signer });
        }
        self.of.insert(signer, signature);
        Ok(signer)
    }

    /// How far it is.
    pub fn tally(&self, owners: &[Address], threshold: u64) -> Tally {
        let signed: Vec<Address> = self.of.keys().copied().filter(|signer| owners.contains(signer)).collect();
        let is_key = |signer: &&Address| matches!(self.of.get(*signer), Some(OwnerSignature::Key(_)));
        let have = u64::try_from(signed.len()).unwrap_or(u64::MAX);
        Tally {
            unconfirmed: signed.iter().filter(|signer| !is_key(signer)).copied().collect(),
            missing: owners.iter().copied().filter(|owner| !signed.contains(owner)).collect(),
            needed: threshold.saturating_sub(have),
            signed,
        }
    }

    /// Packs as many as the threshold asks for: those that need nobody's word first.
    ///
    /// # Errors
    /// [`SignatureError::TooFew`]; owners who are not owners any more do not count.
    pub fn pack(&self, owners: &[Address], threshold: u64) -> Result<Bytes, SignatureError> {
        let tally = self.tally(owners, threshold);
        if tally.needed > 0 || threshold == 0 {
            return Err(SignatureError::TooFew { have: tally.signed.len(), need: threshold });
        }
        let need = usize::try_from(threshold).unwrap_or(usize::MAX);
        let mut chosen: Vec<Address> = tally.signed;
        chosen.sort_by_key(|owner| tally.unconfirmed.contains(owner));
        chosen.truncate(need);
        chosen.sort_unstable();
        let mut fixed = Vec::new();
        let mut behind = Vec::new();
        let begin = chosen.len().saturating_mul(65);
        for owner in &chosen {
            match self.of.get(owner) {
                Some(OwnerSignature::Key(bytes)) => fixed.extend_from_slice(bytes.as_slice()),
                Some(OwnerSignature::Approved { owner }) => fixed.extend(slot(*owner, U256::ZERO, 1)),
                Some(OwnerSignature::Contract { owner, signature }) => {
                    fixed.extend(slot(*owner, U256::from(begin.saturating_add(behind.len())), 0));
                    behind.extend(U256::from(signature.len()).to_be_bytes::<32>());
                    behind.extend_from_slice(signature);
                }
                None => {}
            }
        }
        fixed.extend(behind);
        Ok(fixed.into())
    }

    /// Takes packed signatures apart, as `checkNSignatures` would, and says what it would not accept.
    ///
    /// # Errors
    /// The first [`SignatureError`], in the order of the contract. Whether a contract or an approval stands is not looked at.
    pub fn unpack(bytes: &[u8], hash: B256, owners: &[Address], threshold: u64) -> Result<Self, SignatureError> {
        let mut signatures = Self::new(hash);
        let mut last = Address::ZERO;
        let need = usize::try_from(threshold).unwrap_or(usize::MAX);
        for index in 0..need {
            let begin = index.saturating_mul(65);
            let Some(part) = bytes.get(begin..begin.saturating_add(65)) else {
                let have = bytes.len() / 65;
                return Err(SignatureError::TooFew { have, need: threshold });
            };
            let signature = signature_at(part, bytes, index, need)?;
            let signer = signature.signer(hash).ok_or(SignatureError::Unrecoverable { index })?;
            if signatures.of.contains_key(&signer) {
                return Err(SignatureError::Twice { owner: signer });
            }
            if signer < last {
                return Err(SignatureError::Order { owner: signer });
            }
            last = signatures.add(signature, owners)?;
        }
        Ok(signatures)
    }

    /// Each owner's, in the order of the contract.
    pub fn iter(&self) -> impl Iterator<Item = (Address, &OwnerSignature)> {
        self.of.iter().map(|(owner, signature)| (*owner, signature))
    }
}

/// 65 bytes that stand for a signature that is elsewhere.
fn slot(owner: Address, word: U256, kind: u8) -> Vec<u8> {
    [owner.into_word().as_slice(), &word.to_be_bytes::<32>(), &[kind]].concat()
}

fn signature_at(part: &[u8], all: &[u8], index: usize, count: usize) -> Result<OwnerSignature, SignatureError> {
    let truncated = SignatureError::Truncated { length: all.len(), index };
    let part: &[u8; 65] = part.try_into().map_err(|_| truncated.clone())?;
    let (words, [kind]) = part.split_last_chunk::<1>().ok_or_else(|| truncated.clone())?;
    let (first, second) = words.split_at_checked(32).ok_or_else(|| truncated.clone())?;
    let owner = Address::from_word(B256::from_slice(first));
    match kind {
        1 => Ok(OwnerSignature::Approved { owner }),
        27 | 28 | 31 | 32 => Ok(OwnerSignature::Key(Box::new(*part))),
        0 => {
            let length_at = usize::try_from(U256::from_be_slice(second)).map_err(|_| truncated.clone())?;
            if length_at < count.saturating_mul(65) {
                return Err(truncated);
            }
            let begin = length_at.saturating_add(32);
            let length = all.get(length_at..begin).ok_or_else(|| truncated.clone())?;
            let length = usize::try_from(U256::from_be_slice(length)).map_err(|_| truncated.clone())?;
            let signature = all.get(begin..begin.saturating_add(length)).ok_or(truncated)?;
            Ok(OwnerSignature::Contract { owner, signature: Bytes::copy_from_slice(signature) })
        }
        seen => Err(SignatureError::Kind { index, seen: *seen }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

    use alloy_primitives::{address, keccak256};
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;
    use proptest::prelude::*;

    use super::*;

    fn hash() -> B256 {
        keccak256("a transaction")
    }

    fn keys(count: u8) -> Vec<PrivateKeySigner> {
        (1..=count).map(|byte| PrivateKeySigner::from_bytes(&B256::with_last_byte(byte)).unwrap()).collect()
    }

    fn by_key(key: &PrivateKeySigner) -> OwnerSignature {
        OwnerSignature::from_wallet(&key.sign_hash_sync(&hash()).unwrap().as_bytes()).unwrap()
    }

    fn by_message(key: &PrivateKeySigner) -> OwnerSignature {
        let mut bytes = key.sign_message_sync(hash().as_slice()).unwrap().as_bytes();
        bytes[64] += 4;
        OwnerSignature::from_wallet(&bytes).unwrap()
    }

    #[test]
    fn each_kind_is_packed_in_order_and_read_back_as_it_was() {
        let keys = keys(2);
        let contract = address!("00000000000000000000000000000000000000c0");
        let approver = address!("ffffffffffffffffffffffffffffffffffffff01");
        let owners = [approver, keys[0].address(), contract, keys[1].address()];
        let mut signatures = Signatures::new(hash());
        for signature in [
            by_key(&keys[0]),
            OwnerSignature::Approved { owner: approver },
            OwnerSignature::Contract { owner: contract, signature: vec![7; 70].into() },
            by_message(&keys[1]),
        ] {
            signatures.add(signature, &owners).unwrap();
        }
        let packed = signatures.pack(&owners, 4).unwrap();
        assert_eq!(packed.len(), 4 * 65 + 32 + 70);
        assert_eq!(Signatures::unpack(&packed, hash(), &owners, 4).unwrap(), signatures);
        let tally = signatures.tally(&owners, 4);
        assert_eq!((tally.needed, tally.unconfirmed), (0, vec![contract, approver]));
    }

    #[test]
    fn more_signatures_than_needed_leave_out_those_that_the_chain_must_confirm() {
        let keys = keys(2);
        let contract = Address::with_last_byte(0xc0);
        let owners = [contract, keys[0].address(), keys[1].address()];
        let mut signatures = Signatures::new(hash());
        signatures.add(OwnerSignature::Contract { owner: contract, signature: Bytes::new() }, &owners).unwrap();
        for key in &keys {
            signatures.add(by_key(key), &owners).unwrap();
        }
        let packed = signatures.pack(&owners, 2).unwrap();
        assert!(packed.chunks(65).all(|part| part[64] >= 27) && packed.len() == 130);
    }

    #[test]
    fn strangers_removed_owners_and_second_signatures_do_not_count() {
        let keys = keys(3);
        let owners = [keys[0].address(), keys[1].address()];
        let mut signatures = Signatures::new(hash());
        signatures.add(by_key(&keys[0]), &owners).unwrap();
        let twice = signatures.add(by_message(&keys[0]), &owners).unwrap_err();
        assert_eq!(twice, SignatureError::Twice { owner: owners[0] });
        let stranger = signatures.add(by_key(&keys[2]), &owners).unwrap_err();
        assert_eq!(stranger, SignatureError::NotAnOwner { signer: keys[2].address() });
        signatures.add(by_key(&keys[1]), &owners).unwrap();
        assert_eq!(signatures.pack(&owners[..1], 2).unwrap_err(), SignatureError::TooFew { have: 1, need: 2 });
    }

    #[test]
    fn packed_signatures_that_the_contract_would_refuse_are_refused_with_the_reason() {
        let mut keys = keys(2);
        keys.sort_by_key(|key| key.address());
        let owners: Vec<Address> = keys.iter().map(|key| key.address()).collect();
        let part = |key| match by_key(key) {
            OwnerSignature::Key(bytes) => bytes.to_vec(),
            OwnerSignature::Approved { .. } | OwnerSignature::Contract { .. } => unreachable!("made by a key"),
        };
        let (low, high) = (part(&keys[0]), part(&keys[1]));
        let read = |parts: &[&[u8]]| Signatures::unpack(&parts.concat(), hash(), &owners, 2).unwrap_err();
        assert_eq!(read(&[&high, &low]), SignatureError::Order { owner: owners[0] });
        assert_eq!(read(&[&low, &low]), SignatureError::Twice { owner: owners[0] });
        assert_eq!(read(&[&low, &high[..64]]), SignatureError::TooFew { have: 1, need: 2 });
        let kind = [&low[..64], &[9]].concat();
        assert_eq!(read(&[&kind, &high]), SignatureError::Kind { index: 0, seen: 9 });
        let inside = slot(owners[0], U256::from(65), 0);
        assert!(matches!(read(&[&inside, &high]), SignatureError::Truncated { index: 0, .. }));
        let far = slot(owners[0], U256::MAX, 0);
        assert!(matches!(read(&[&far, &high]), SignatureError::Truncated { index: 0, .. }));
        assert!(OwnerSignature::from_wallet(&low[..64]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_bytes_are_read_nothing_panics_and_what_is_read_packs_to_a_set_of_owners(
            bytes in prop::collection::vec(any::<u8>(), 0..400), kind in prop::sample::select(vec![0_u8, 1, 27, 31]),
            threshold in 1..4_u64,
        ) {
            let mut bytes = bytes;
            if let Some(last) = bytes.get_mut(64) {
                *last = kind;
            }
            let owner = bytes.get(12..32).map(Address::from_slice).unwrap_or_default();
            if let Ok(signatures) = Signatures::unpack(&bytes, hash(), &[owner], threshold) {
                prop_assert!(signatures.iter().all(|(signer, _)| signer == owner));
            }
        }
    }
}
