//! The attack zoo: small protocols with a history, attacks on them, and honest flows that look like attacks.
//!
//! ```text
//! Entry ──scene──▶ history on a stage + script (steps, plans, acts) ──mutator──▶ Recording (blocks, truth)
//! ```
//!
//! Start at [`ENTRIES`]; add an entry as a function that makes a `Scene`. The contracts stand in
//! `contracts/src/zoo`: our own, each flaw on purpose.
//!
//! **Invariant:** the zoo knows what was truly lost and tells only the benchmark. What defends is given blocks and the
//! protected addresses. Nothing here reads a clock or draws a random number: the same entry gives the same blocks.

mod access;
mod amm;
mod amount;
mod bridge;
mod catalog;
mod contracts;
mod entry;
mod governance;
mod held_out;
mod honest;
mod lending;
mod multisig;
mod mutator;
mod plan;
mod source;
mod stage;
mod staking;
#[cfg(test)]
mod tests;
mod town;
mod upkeep;
mod vault;

pub use catalog::ENTRIES;
pub use entry::{Entry, Family, Nature, Protocol, Recording};
pub use held_out::{HELD_OUT_ATTACKS, HELD_OUT_FLOWS};
pub use mutator::Mutator;
pub use source::PlayedState;
pub use stage::{Part, Played, PlayedBlock, Sent};
