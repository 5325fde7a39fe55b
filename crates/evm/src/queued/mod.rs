//! Operations that wait for their time in timelocks and governors: read off events, and carried out on a fork of the head
//! at their due time.
//!
//! ```text
//! events ──▶ announced      what was queued, carried out, cancelled
//! operation ──▶ rehearse    what it does, as the controller would do it
//! ```
//!
//! Nothing here decides what harm is, and a rehearsal leaves no trace in the engine. An operation whose events claim what
//! its controller has no power to do fails when it is tried, like any call of a stranger: events need not be believed.
//!
//! What cannot be seen: a Safe's approved hash and a signature that is collected off chain carry no call. What a Safe is
//! to do is known when the transaction that does it is pending, and is executed there like any other.

mod abi;
mod announce;
mod rehearse;

pub use announce::announced;
pub use rehearse::{RehearsalBudget, rehearse};
