//! The catalogue: one folder per detector, with its page, its `detector.toml` and its cases. A test walks it.
//!
//! A detector decides on effects and state. It never knows an incident, an address or a protocol by name.

use crate::{Detector, DetectorInfo};

pub mod allowance;
pub mod assertion;
pub mod asset_outflow;
pub mod authority_change;
pub mod flash_loan;
pub mod hostile_contract;
pub mod invariant;
pub mod leverage;
pub mod liquidity;
pub mod novelty;
pub mod pool_drain;
pub mod price_feed;
pub mod price_manipulation;
pub mod queued_operation;
pub mod re_entry;
pub mod read_only_re_entry;
pub mod repeat;
pub mod slow_drain;
pub mod supply;
pub mod underpaid;
pub mod velocity;
pub mod votes;

/// All detectors that need no settings of their own to be built, in the order in which they speak.
pub(crate) fn detectors() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(asset_outflow::AssetOutflow),
        Box::new(re_entry::ReEntry),
        Box::new(authority_change::AuthorityChange),
        Box::new(price_manipulation::PriceManipulation),
        Box::new(flash_loan::FlashLoan),
        Box::new(allowance::Allowance),
        Box::new(supply::Supply),
        Box::new(read_only_re_entry::ReadOnlyReEntry),
        Box::new(votes::Votes),
        Box::new(assertion::SolidityAssertions),
        Box::new(repeat::Repeat),
        Box::new(underpaid::Underpaid),
        Box::new(slow_drain::SlowDrain),
        Box::new(velocity::Velocity),
        Box::new(pool_drain::PoolDrain),
        Box::new(liquidity::Liquidity),
        Box::new(leverage::Leverage),
        Box::new(price_feed::PriceFeed),
    ]
}

/// What every detector's folder says of it, in the order of the catalogue.
pub fn infos() -> Vec<&'static DetectorInfo> {
    let mut infos: Vec<&'static DetectorInfo> = detectors().iter().map(|detector| detector.info()).collect();
    infos.push(invariant::info());
    infos.push(hostile_contract::info());
    infos.push(novelty::info());
    infos.push(queued_operation::info());
    infos
}

mod figures;
mod pages;
#[cfg(test)]
mod tests;

pub use figures::{Figure, Figures, Measured, Said, figures};
pub use pages::page;
