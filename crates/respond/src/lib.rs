//! Seals what is being exploited: from a stop to a containment that is read back from the chain.
//!
//! ```text
//! stop ──▶ Draft ──trial on a fork──▶ Simulated ──limits──▶ Authorised ──key──▶ Signed ──record──▶ Sent ──▶ Confirmed
//!             └───────────────┴─────── Refused ◀────┴────────────┘            Failed ◀──┴──▶ (reorg) Sent, Undone
//! ```
//!
//! Start at [`Responder`]. The steps of a plan are the types of [`plan`]; what a person allows is in [`limits`].
//!
//! **Invariant:** nothing is sent that was not tried on the head, allowed by the limits and written to the record, in
//! this order; one plan has one nonce, whatever happens in between. Deliberately absent: opening again. The machine's
//! key closes; people open.

pub mod channel;
pub mod document;
pub mod fees;
pub mod guardian;
pub mod lever;
pub mod limits;
pub mod plan;
pub mod safe;

mod answer;
mod book;
mod decide;
mod follow;
mod keystore;
mod node_channel;
mod readiness;
mod refusal;
mod reprice;
mod responder;
mod resume;
mod settle;
mod trial;
mod typed;

#[cfg(test)]
mod over_simnet;
#[cfg(test)]
mod property;
#[cfg(test)]
mod testbed;
#[cfg(test)]
mod tests;

pub use answer::{PlanAnswer, Progress, Reply, RespondError, Response, Stop, Timing};
pub use channel::{Channel, ChannelError, Delivery, Mined, Purse, Reading};
pub use guardian::{Guardian, GuardianError, GuardianSettings, Wallet, open_all};
pub use lever::{Lever, LeverError, LeverKind, LeverSettings};
pub use limits::{Limits, LimitsError, Wrong};
pub use node_channel::NodeChannel;
pub use refusal::Refusal;
pub use responder::{Responder, Setup, SetupError};
