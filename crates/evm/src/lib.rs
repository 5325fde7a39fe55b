//! Execute it before it is real: the only home of the EVM.
//!
//! ```text
//! StateSource ──missing state──▶ state ──▶ machine (revm) ──▶ record ──▶ effects ──▶ Execution
//! ```
//!
//! Start at [`Engine`] for a chain that is followed, at [`Ledger`] for a chain that is made.
//!
//! **Invariant:** nothing here decides what an effect means, talks to a network by itself or reads a clock. State that
//! nobody could tell is read as zero and named in the verdict's standing; it is never invented in silence.

mod assertion;
mod balances;
mod bare;
mod effects;
mod engine;
mod fork;
mod ledger;
mod machine;
mod queued;
mod record;
mod rules;
mod shape;
mod state;
mod tokens;
mod trial;
mod views;

pub use assertion::{Artifact, ArtifactError, AssertionError, AssertionSource, Assertions, DEFAULT_GAS, Version};
pub use bare::{Bare, BareRun};
pub use engine::{Advanced, Engine, RollbackError, from_receipts};
pub use fork::Fork;
pub use ledger::Ledger;
pub use machine::{CallOutcome, CallRequest, warm_up};
pub use queued::{RehearsalBudget, announced, rehearse};
pub use rules::{Rules, Spec, spec_name, spec_named};
pub use state::Mark;
pub use trial::{Budget, Subject, Trials, created};
