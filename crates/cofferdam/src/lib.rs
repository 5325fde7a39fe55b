//! The command line of Cofferdam: wires the rooms together, owns the clock, the environment and the exit code.
//!
//! ```text
//! cli -> commands::{drill, watch, simulate, backtest, bench, record, config, incident}
//!          |-> config     one file, every mistake at once
//!          |-> labels     lists of known accounts
//!          |-> guard      the loop over chain, evm, detect, respond and incident
//!          |-> telemetry  logs, metrics, health, the system's clock
//!          |-> backtest   what the judge would have said of what has happened
//!          '-> drill      what a drill shows
//! ```
//! Start at [`cli`].
//!
//! **Invariant:** results go to standard output and everything else to standard error; no other crate reads the
//! environment, the system's clock or a secret's file name from the configuration.

mod alerts_in;
pub mod backtest;
pub mod bench;
mod cases;
pub mod cli;
pub mod commands;
mod company;
pub mod config;
pub mod drill;
pub mod guard;
mod interval;
pub mod labels;
pub mod printable;
pub mod telemetry;
