//! Runs the Solidity assertions that teams already have, unchanged, against what a transaction did.
//!
//! ```text
//! artifact ─▶ deploy (empty world, version, triggers) ─▶ Assertions
//! Execution ─▶ fires? ─no─▶ not fired, and why
//!                 └yes─▶ trace (the transaction once more) ─▶ run each function on its own fork ─▶ AssertionOutcome
//! ```
//! Start at [`Assertions`]. What is supported, and the test that proves it, stands in `docs/assertions.md`.
//!
//! **Invariant:** a transaction that touches no adopter pays a look-up. An assertion never changes the engine's state,
//! never decides by a clock, and is never silent: what it could not decide is said.

mod abi;
mod artifact;
mod assets;
mod calls;
mod check;
mod deploy;
mod dispatch;
mod fire;
mod flow;
mod math;
mod reason;
mod record;
mod run;
mod trace;
mod world;

pub use artifact::{Artifact, ArtifactError};
pub(crate) use check::About;
pub use check::{AssertionSource, Assertions, DEFAULT_GAS};
pub use deploy::AssertionError;
pub use record::Version;
pub(crate) use trace::{Trace, Tracing};
