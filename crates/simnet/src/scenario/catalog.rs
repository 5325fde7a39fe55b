//! The scenarios: their names, their stories, and the way to each one's code.

use std::fmt;
use std::str::FromStr;

use super::{
    Lane, Losses, Script, Setup, price_manipulation, re_entrancy, slow_drain, stolen_admin_key, unprotected_initialiser,
};

/// One attack on one small protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scenario {
    /// A vault that pays before it books.
    ReEntrancy,
    /// A market that believes a pool's price of this instant.
    PriceManipulation,
    /// A rounding error, taken again and again.
    SlowDrain,
    /// A wallet that anybody may initialise again.
    UnprotectedInitialiser,
    /// An upgrade by whoever holds the key.
    StolenAdminKey,
    /// A contract that is made some blocks before it is used.
    WaitingContract,
}

/// There is no scenario of this name.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error(
    "scenario `{seen}` is none of re-entrancy, price-manipulation, slow-drain, unprotected-initialiser, stolen-admin-key, \
     waiting-contract"
)]
pub struct UnknownScenario {
    seen: String,
}

impl Scenario {
    /// All scenarios, in the order of tables.
    pub const ALL: [Self; 6] = [
        Self::ReEntrancy,
        Self::PriceManipulation,
        Self::SlowDrain,
        Self::UnprotectedInitialiser,
        Self::StolenAdminKey,
        Self::WaitingContract,
    ];

    /// Its name on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ReEntrancy => "re-entrancy",
            Self::PriceManipulation => "price-manipulation",
            Self::SlowDrain => "slow-drain",
            Self::UnprotectedInitialiser => "unprotected-initialiser",
            Self::StolenAdminKey => "stolen-admin-key",
            Self::WaitingContract => "waiting-contract",
        }
    }

    /// Its name for a person.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ReEntrancy => "Re-entrancy in a vault",
            Self::PriceManipulation => "A lending market fooled through a pool",
            Self::SlowDrain => "A slow drain through a rounding error",
            Self::UnprotectedInitialiser => "An unprotected initialiser behind a proxy",
            Self::StolenAdminKey => "A stolen admin key that upgrades and withdraws",
            Self::WaitingContract => "A contract that waits on the chain before it attacks",
        }
    }

    /// What is attacked and how, one paragraph.
    pub const fn story(self) -> &'static str {
        match self {
            Self::ReEntrancy => re_entrancy::STORY,
            Self::PriceManipulation => price_manipulation::STORY,
            Self::SlowDrain => slow_drain::STORY,
            Self::UnprotectedInitialiser => unprotected_initialiser::STORY,
            Self::StolenAdminKey => stolen_admin_key::STORY,
            Self::WaitingContract => re_entrancy::WAITING_STORY,
        }
    }

    /// Accounts, keys, contracts and what guards them.
    pub fn setup(self, seed: u64) -> Setup {
        match self {
            Self::ReEntrancy | Self::WaitingContract => re_entrancy::build(seed).0,
            Self::PriceManipulation => price_manipulation::build(seed).0,
            Self::SlowDrain => slow_drain::build(seed).0,
            Self::UnprotectedInitialiser => unprotected_initialiser::build(seed).0,
            Self::StolenAdminKey => stolen_admin_key::build(seed).0,
        }
    }

    /// What happens on this scenario's `setup`. The honest steps are the same in every lane. Hostile steps are sent
    /// whether or not earlier ones succeeded: an attacker who was stopped tries on.
    pub fn script(self, setup: &Setup, lane: Lane) -> Script {
        match self {
            Self::ReEntrancy => re_entrancy::script(setup.seed, lane),
            Self::PriceManipulation => price_manipulation::script(setup.seed, lane),
            Self::SlowDrain => slow_drain::script(setup.seed, lane),
            Self::UnprotectedInitialiser => unprotected_initialiser::script(setup.seed, lane),
            Self::StolenAdminKey => stolen_admin_key::script(setup.seed, lane),
            Self::WaitingContract => re_entrancy::waiting_script(setup.seed, lane),
        }
    }

    /// Whose balances tell what was lost on this scenario's `setup`, and who got it.
    pub fn losses(self, setup: &Setup) -> Losses {
        match self {
            Self::ReEntrancy | Self::WaitingContract => re_entrancy::losses(setup.seed),
            Self::PriceManipulation => price_manipulation::losses(setup.seed),
            Self::SlowDrain => slow_drain::losses(setup.seed),
            Self::UnprotectedInitialiser => unprotected_initialiser::losses(setup.seed),
            Self::StolenAdminKey => stolen_admin_key::losses(setup.seed),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.id() == name)
            .ok_or_else(|| UnknownScenario { seen: name.chars().take(80).collect() })
    }
}
