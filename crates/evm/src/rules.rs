//! Which hard fork's rules hold at which block. Gas that is off by one is an execution that is not the chain's.

use cofferdam_types::{ChainId, Header};
use revm::primitives::eip4844::{BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE};
pub use revm::primitives::hardfork::SpecId as Spec;

/// Ethereum mainnet's forks by block number, before the merge and up to it (EIP-6122 lists the later ones by time).
const MAINNET_BY_NUMBER: [(u64, Spec); 10] = [
    (15_537_394, Spec::MERGE),
    (12_965_000, Spec::LONDON),
    (12_244_000, Spec::BERLIN),
    (9_069_000, Spec::ISTANBUL),
    (7_280_000, Spec::PETERSBURG),
    (4_370_000, Spec::BYZANTIUM),
    (2_675_000, Spec::SPURIOUS_DRAGON),
    (2_463_000, Spec::TANGERINE),
    (1_150_000, Spec::HOMESTEAD),
    (0, Spec::FRONTIER),
];

/// Ethereum mainnet's forks by block time in Unix seconds.
const MAINNET_BY_TIME: [(u64, Spec); 4] = [
    (1_764_798_551, Spec::OSAKA),
    (1_746_612_311, Spec::PRAGUE),
    (1_710_338_135, Spec::CANCUN),
    (1_681_338_455, Spec::SHANGHAI),
];

/// Blob base-fee update fractions that EIP-7892 changed without a fork of the EVM: time and fraction.
const MAINNET_BLOB_SCHEDULE: [(u64, u64); 2] = [(1_767_747_671, 11_684_671), (1_765_290_071, 8_346_193)];

/// revm's name of a hard fork, any letter case; `None` when there is no such fork.
pub fn spec_named(name: &str) -> Option<Spec> {
    let specs = [
        Spec::FRONTIER,
        Spec::HOMESTEAD,
        Spec::TANGERINE,
        Spec::SPURIOUS_DRAGON,
        Spec::BYZANTIUM,
        Spec::PETERSBURG,
        Spec::ISTANBUL,
        Spec::BERLIN,
        Spec::LONDON,
        Spec::MERGE,
        Spec::SHANGHAI,
        Spec::CANCUN,
        Spec::PRAGUE,
        Spec::OSAKA,
    ];
    let wanted = name.to_ascii_lowercase().replace(['_', ' ', '-'], "");
    let wanted = match wanted.as_str() {
        "spuriousdragon" => "spurious",
        "tangerinewhistle" => "tangerine",
        "paris" => "merge",
        other => other,
    };
    specs.into_iter().find(|spec| spec_name(*spec).to_ascii_lowercase().starts_with(wanted) && wanted.len() > 3)
}

/// revm's name of a hard fork.
pub fn spec_name(spec: Spec) -> &'static str {
    spec.into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forks {
    Mainnet,
    Fixed(Spec),
}

/// The rules of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    chain: ChainId,
    forks: Forks,
    blob_fraction: Option<u64>,
}

impl Rules {
    /// One hard fork for every block.
    pub const fn fixed(chain: ChainId, spec: Spec) -> Self {
        Self { chain, forks: Forks::Fixed(spec), blob_fraction: None }
    }

    /// Ethereum mainnet's own schedule for chain 1; Prague for every other chain, which the configuration can override.
    pub const fn for_chain(chain: ChainId) -> Self {
        let forks = if chain.0 == 1 { Forks::Mainnet } else { Forks::Fixed(Spec::PRAGUE) };
        Self { chain, forks, blob_fraction: None }
    }

    /// The same rules with another blob base-fee update fraction (EIP-7840).
    #[must_use]
    pub const fn with_blob_fraction(self, fraction: u64) -> Self {
        Self { blob_fraction: Some(fraction), ..self }
    }

    /// The chain.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// The hard fork at `header`.
    pub fn spec(&self, header: &Header) -> Spec {
        match self.forks {
            Forks::Fixed(spec) => spec,
            Forks::Mainnet => {
                let by_time = MAINNET_BY_TIME.iter().find(|(time, _)| header.timestamp >= *time);
                let by_number = MAINNET_BY_NUMBER.iter().find(|(number, _)| header.number.0 >= *number);
                by_time.or(by_number).map_or(Spec::FRONTIER, |(_, spec)| *spec)
            }
        }
    }

    /// The blob base-fee update fraction at `header` (EIP-4844, EIP-7691, EIP-7892).
    pub fn blob_fraction(&self, header: &Header) -> u64 {
        if let Some(fraction) = self.blob_fraction {
            return fraction;
        }
        if self.forks == Forks::Mainnet
            && let Some((_, fraction)) = MAINNET_BLOB_SCHEDULE.iter().find(|(time, _)| header.timestamp >= *time)
        {
            return *fraction;
        }
        if self.spec(header).is_enabled_in(Spec::PRAGUE) {
            BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE
        } else {
            BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_types::BlockNumber;

    use super::*;

    #[test]
    fn mainnet_forks_lie_where_the_chain_has_them() {
        let rules = Rules::for_chain(ChainId(1));
        let at =
            |number, timestamp| rules.spec(&Header { number: BlockNumber(number), timestamp, ..Header::default() });
        assert_eq!(at(46_147, 1_438_918_233), Spec::FRONTIER);
        assert_eq!(at(2_675_000, 1_479_831_344), Spec::SPURIOUS_DRAGON);
        assert_eq!(at(12_964_999, 1_628_166_812), Spec::BERLIN);
        assert_eq!(at(15_537_394, 1_663_224_179), Spec::MERGE);
        assert_eq!(at(17_034_870, 1_681_338_455), Spec::SHANGHAI);
        assert_eq!(at(19_426_587, 1_710_338_135), Spec::CANCUN);
        assert_eq!(at(23_935_694, 1_764_798_551), Spec::OSAKA);
    }

    #[test]
    fn forks_are_found_by_name_in_any_letter_case() {
        for (name, spec) in [("cancun", Spec::CANCUN), ("SPURIOUS", Spec::SPURIOUS_DRAGON), ("Merge", Spec::MERGE)] {
            assert_eq!(spec_named(name), Some(spec));
        }
        assert_eq!(spec_named("constantinople"), None);
        assert_eq!(spec_named(""), None);
    }
}
