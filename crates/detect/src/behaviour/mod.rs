//! What a protocol does when nothing is wrong: learnt from its own confirmed, honest transactions, written to a file
//! that a person can read, and held against each new transaction.
//!
//! ```text
//! Execution ─▶ Shape (entry, ordered path of calls, values, who called what)
//!                ├▶ Learner ─▶ Learnt ─▶ file (TOML, versioned, digest) ─▶ Learnt
//!                └▶ Behaviour (file + what was added since) ─▶ Novelty ─▶ catalog::novelty ─▶ notice, or stop with harm
//! ```
//!
//! Start at [`Shape`]. What is learnt and how it is bounded stands in `docs/learnt.md`.
//!
//! **Invariant:** nothing that was flagged, declared as maintenance, failed, or executed on incomplete state teaches
//! anything, and what is learnt while watching never grows past the bound that `online` states.

mod book;
mod budget;
mod file;
mod learner;
mod memory;
mod names;
mod novelty;
mod online;
mod shape;

pub use book::{Function, Learnt, MOST_FUNCTIONS, MOST_PATHS, ModuleLearnt};
pub use budget::{Afforded, Budget, BudgetError, Choice, Rate, Sweep, ValueChoice, thresholds_at};
pub use file::{LearntError, MOST_BYTES};
pub use learner::Learner;
pub(crate) use memory::{Behaviour, Witnessed};
pub use names::signature_of;
pub(crate) use novelty::Novelty;
pub use shape::{Entry, MOST_STEPS, Shape, Step};
