//! Messages to the outside: at least once, in order for each receiver, the same message always under the same id.
//!
//! ```text
//! event ─(one transaction)─▶ message ─▶ delivery (one task per receiver) ─▶ webhook: sign, post
//!                                            └── ledger: how far each receiver is, what it refused for good
//! ```

mod delivery;
mod ledger;
mod webhook;

pub use delivery::{DeliveryOptions, Outbox, OutboxError};
pub use webhook::{Receiver, Secret, SecretError, Shape};
