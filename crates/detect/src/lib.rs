//! Turns what an execution did into findings.
//!
//! ```text
//! types::Execution ─▶ Detection ─touched modules─▶ Seen ─▶ catalog::* (pure) ─▶ Finding ─▶ types::Verdict
//!                                                   ▲
//!                                                History (recorded per block, retracted on reorgs)
//! ```
//!
//! Start at [`Detection`]. Add a detector as a folder of [`catalog`]. What people configure stands in [`settings`].
//!
//! **Invariant:** nothing here does I/O, reads a clock or knows an incident by name. The same execution on the same
//! history gives the same findings, so every finding can be replayed.
//!
//! Harm is judged as a share of what the module holds of the very asset that leaves, or against limits that people
//! wrote. Prices only compare what left with what came in, and only where a pool in the same state tells them.

mod amounts;
mod bargain;
pub mod behaviour;
pub mod catalog;
mod claims;
mod depends;
mod detection;
mod detector;
mod entries;
mod flows;
mod harm;
mod history;
mod prices;
mod recent;
mod seen;
pub mod settings;
#[cfg(test)]
mod testbed;

pub use bargain::{Bargain, Taker};
pub use detection::Detection;
pub use detector::{Detector, DetectorInfo};
pub use flows::Flow;
pub use history::{Habit, History, Receipt, Receiver, Suspect, WindowSum};
pub use prices::{Pool, Prices, Worth};
pub use recent::Tally;
pub use seen::{Exchange, Seen};
pub use settings::{Settings, SettingsError};
