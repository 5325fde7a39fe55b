//! Events by which contracts announce that authority or code changed. An event is a claim of the contract that emits
//! it; here that contract is a protected one.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Log, U256, keccak256, map::HashMap};

use super::Kind;

/// How to read one event. Parameters are counted over topics first, then data words: nobody mixes them out of order.
pub(super) struct Announcement {
    pub(super) kind: Kind,
    /// In words.
    pub(super) what: &'static str,
    /// Which parameter names who or what holds from now on.
    gained: Option<usize>,
    /// Which parameter names who or what held before.
    before: Option<usize>,
}

/// Signature, kind, words, parameter that gains, parameter that held before.
type Row = (&'static str, Kind, &'static str, Option<usize>, Option<usize>);

const ROWS: &[Row] = &[
    // Ownable and its relatives
    ("OwnershipTransferred(address,address)", Kind::Owner, "owner changed", Some(1), Some(0)),
    ("OwnerChanged(address,address)", Kind::Owner, "owner changed", Some(1), Some(0)),
    ("OwnerUpdate(address,address)", Kind::Owner, "owner changed", Some(1), Some(0)),
    ("OwnerUpdated(address,address)", Kind::Owner, "owner changed", Some(1), None),
    ("LogSetOwner(address)", Kind::Owner, "owner changed", Some(0), None),
    ("LogSetAuthority(address)", Kind::Owner, "authority contract changed", Some(0), None),
    ("AuthorityUpdated(address)", Kind::Owner, "authority contract changed", Some(0), None),
    ("AuthorityUpdated(address,address)", Kind::Owner, "authority contract changed", Some(1), None),
    ("NewAdmin(address,address)", Kind::Owner, "admin changed", Some(1), Some(0)),
    // proxies
    ("AdminChanged(address,address)", Kind::Owner, "proxy admin changed", Some(1), Some(0)),
    ("Upgraded(address)", Kind::Code, "implementation changed", Some(0), None),
    ("BeaconUpgraded(address)", Kind::Code, "beacon changed", Some(0), None),
    ("NewImplementation(address,address)", Kind::Code, "implementation changed", Some(1), Some(0)),
    ("ChangedMasterCopy(address)", Kind::Code, "singleton changed", Some(0), None),
    ("DiamondCut((address,uint8,bytes4[])[],address,bytes)", Kind::Code, "facets changed", None, None),
    // roles
    ("RoleGranted(bytes32,address,address)", Kind::Role, "role granted", Some(1), None),
    ("RoleRevoked(bytes32,address,address)", Kind::Less, "role revoked", None, Some(1)),
    ("RoleAdminChanged(bytes32,bytes32,bytes32)", Kind::Role, "admin of a role changed", None, None),
    ("RoleGranted(uint64,address,uint32,uint48,bool)", Kind::Role, "role granted", Some(1), None),
    ("RoleRevoked(uint64,address)", Kind::Less, "role revoked", None, Some(1)),
    ("RoleAdminChanged(uint64,uint64)", Kind::Role, "admin of a role changed", None, None),
    ("TargetFunctionRoleUpdated(address,bytes4,uint64)", Kind::Role, "role of a function changed", None, None),
    ("MinterAdded(address)", Kind::Role, "minter added", Some(0), None),
    ("PauserAdded(address)", Kind::Role, "pauser added", Some(0), None),
    // multisigs
    ("AddedOwner(address)", Kind::Signers, "signer added", Some(0), None),
    ("RemovedOwner(address)", Kind::Signers, "signer removed", None, Some(0)),
    ("ChangedThreshold(uint256)", Kind::Signers, "threshold changed", None, None),
    ("EnabledModule(address)", Kind::Signers, "Safe module enabled", Some(0), None),
    ("DisabledModule(address)", Kind::Less, "Safe module disabled", None, Some(0)),
    ("ChangedGuard(address)", Kind::Signers, "Safe guard changed", Some(0), None),
    ("ChangedModuleGuard(address)", Kind::Signers, "Safe module guard changed", Some(0), None),
    ("ChangedFallbackHandler(address)", Kind::Signers, "Safe fallback handler changed", Some(0), None),
    ("OwnerAddition(address)", Kind::Signers, "signer added", Some(0), None),
    ("OwnerRemoval(address)", Kind::Signers, "signer removed", None, Some(0)),
    ("OwnerAdded(address)", Kind::Signers, "signer added", Some(0), None),
    ("OwnerRemoved(address)", Kind::Signers, "signer removed", None, Some(0)),
    ("RequirementChange(uint256)", Kind::Signers, "threshold changed", None, None),
    // delays
    ("MinDelayChange(uint256,uint256)", Kind::Signers, "delay of the timelock changed", None, None),
];

static TABLE: LazyLock<HashMap<B256, Announcement>> = LazyLock::new(|| {
    let announce = |row: &Row| {
        let (signature, kind, what, gained, before) = *row;
        (keccak256(signature), Announcement { kind, what, gained, before })
    };
    ROWS.iter().map(announce).collect()
});

/// What `log` announces, if anything.
pub(super) fn announced(log: &Log) -> Option<&'static Announcement> {
    TABLE.get(log.topics().first()?)
}

impl Announcement {
    /// Who or what holds from now on.
    pub(super) fn gained(&self, log: &Log) -> Option<Address> {
        parameter(log, self.gained?)
    }

    /// Who or what held before.
    pub(super) fn before(&self, log: &Log) -> Option<Address> {
        parameter(log, self.before?)
    }
}

fn parameter(log: &Log, place: usize) -> Option<Address> {
    let indexed = log.topics().get(1..).unwrap_or_default();
    let word = match indexed.get(place) {
        Some(topic) => *topic,
        None => {
            let start = place.checked_sub(indexed.len())?.checked_mul(32)?;
            B256::from_slice(log.data.data.get(start..start.checked_add(32)?)?)
        }
    };
    super::address_in(U256::from_be_bytes(word.0)).or(word.is_zero().then_some(Address::ZERO))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, b256};

    use super::*;

    #[test]
    fn signatures_hash_to_what_contracts_emit() {
        let known = [
            b256!("bc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b"),
            b256!("7e644d79422f17c01e4894b5f4f588d331ebfa28653d42ae832dc59e38c9798f"),
            b256!("9465fa0c962cc76958e6373a993326400c1c94f8be2fe3a952adfa7f60b2ea26"),
            b256!("610f7ff2b304ae8903c3de74c60c6ab1f7d6226b3f52c5161905bb5ad4039c93"),
            b256!("ecdf3a3effea5783a3c4c2140e677577666428d44ed9d474a0b3a4c9943f8440"),
            b256!("11c24f4ead16507c69ac467fbd5e4eed5fb5c699626d2cc6d66421df253886d5"),
        ];
        for topic in known {
            assert!(TABLE.contains_key(&topic), "{topic}");
        }
        assert_eq!(TABLE.len(), ROWS.len());
    }

    #[test]
    fn parameters_are_found_indexed_or_not() {
        let (old, new) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let topic = keccak256("OwnershipTransferred(address,address)");
        let indexed = Log::new_unchecked(Address::ZERO, vec![topic, old.into_word(), new.into_word()], Bytes::new());
        let data = [old.into_word().0, new.into_word().0].concat();
        let plain = Log::new_unchecked(Address::ZERO, vec![topic], data.into());
        for log in [indexed, plain] {
            let announcement = announced(&log).unwrap();
            assert_eq!((announcement.before(&log), announcement.gained(&log)), (Some(old), Some(new)));
        }
        let short = Log::new_unchecked(Address::ZERO, vec![topic], Bytes::from_static(&[1, 2, 3]));
        assert_eq!(announced(&short).unwrap().gained(&short), None);
        assert!(announced(&Log::new_unchecked(Address::ZERO, vec![], Bytes::new())).is_none());
    }
}
