//! What is measured of the program itself, on cases from disk ([`run`]) and on the attack zoo ([`zoo`]).
//!
//! Both run the engine and the judge that `watch` runs. Nothing here may know a case or an entry by name.

pub mod asserted;
mod blocks;
mod everywhere;
pub mod export;
pub mod figures;
pub mod hostile;
mod hostile_code;
mod joined;
pub mod learnt;
pub mod memory;
mod newborns;
mod registered;
pub mod rules;
mod watched;
pub mod zoo;

pub use blocks::{Exactness, Exploits, Flagged, Honest, Latencies, Measured, Missed, Percentiles, Throughput, run};
pub use everywhere::{Everywhere, Levels};
pub use newborns::NewContracts;
pub use registered::Registered;
