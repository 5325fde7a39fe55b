//! Attacks to drill against: a small protocol, honest users on it, and somebody who takes what is not theirs.
//!
//! ```text
//! Scenario ──setup(seed)──▶ Setup (genesis, deployment steps, modules, levers, limits)
//!          ──script(setup, lane)──▶ Script (steps block by block, honest and hostile)
//!          ──losses(setup)──▶ Losses (whose balances tell what was lost, and who got it)
//! ```
//!
//! Start at [`Scenario`]. The contracts stand in `contracts/` and are embedded as compiled artifacts.
//!
//! **Invariant:** everything follows from the seed: keys, amounts, order, calldata. Nothing here
//! reads a clock or knows whether anybody defends. Steps carry no nonces: [`Courier`] adds them when it sends.

mod actor;
mod build;
mod catalog;
mod contracts;
mod courier;
mod deployment;
mod dice;
mod price_manipulation;
mod re_entrancy;
mod slow_drain;
mod step;
mod stolen_admin_key;
mod traffic;
mod unprotected_initialiser;

#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;

pub use actor::{Actor, Signed, Ticket};
pub use catalog::{Scenario, UnknownScenario};
pub use courier::{Courier, FoundError};
pub use deployment::{
    AssetSpec, BalanceView, Deployment, Holding, InvariantRule, InvariantSpec, LeverSpec, LimitSpec, Losses, Setup,
};
pub use step::{Call, Lane, Script, Side, Step};
