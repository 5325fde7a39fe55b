//! Alerts of other tools: who may say something, in which shape, and what we make of it.
//!
//! ```text
//! POST /alerts/NAME ─▶ intake: size, rate, signature ─▶ read: Forta, OpenZeppelin Monitor, Tenderly, any JSON
//!                                                        └▶ Report ─▶ record (once per key) ─▶ joins an incident
//! ```
//! **Invariant:** what others say informs and proves nothing. At most an alert comes of it, it never reaches the judge
//! or the responder, and it is shown as foreign. Whatever a message holds, it is answered with one clear sentence, in
//! bounded time and space.

mod forta;
mod intake;
mod read;
mod text;

use cofferdam_incident::Verifier;
use cofferdam_types::{Level, Severity, Stage};

pub(crate) use intake::serve;
pub(crate) use read::read;

/// A tool that may say something.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub(crate) name: String,
    /// The shape of what it says.
    pub(crate) format: Format,
    /// Whether it was the one who said it.
    pub(crate) verifier: Verifier,
    /// The most that comes of it; never a stop.
    pub(crate) most: Level,
    /// The stage of an attack that it speaks of, where an alert does not tell.
    pub(crate) stage: Stage,
    /// How bad what it says is, where an alert does not tell.
    pub(crate) severity: Severity,
}

/// The shape of an alert.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    /// Forta's findings and alerts.
    Forta,
    /// A title and a body of text.
    OpenZeppelinMonitor,
    /// The transaction that an alert fired on.
    Tenderly,
    /// Any JSON.
    Mapped(Fields),
}

/// Where things stand in an alert, as JSON pointers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) key: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) severity: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) chain_id: Option<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) transactions: Vec<String>,
}
