//! One module a command: its arguments, and how it ends. What it does stands in the rooms and in [`crate::drill`].

pub mod backtest;
pub mod bench;
pub mod config;
pub mod detectors;
pub mod drill;
pub mod envelope;
pub mod incident;
pub mod learn;
pub mod record;
pub mod sign;
pub mod simulate;
pub mod watch;
