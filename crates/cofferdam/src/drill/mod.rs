//! Drills: a whole incident on the chain inside the process, and what it shows.
//!
//! ```text
//! scenario x lane -> runner -> report (facts) -> conclude -> screen (lines, table)
//!                                                        -> html   (one page, charts)
//!                                                        -> JSON
//! ```
//! Start at [`report`]. Nothing that shows a drill may change what is in the report.

pub mod amount;
pub mod charts;
pub mod conclude;
mod envelope;
pub mod glossary;
pub mod html;
mod meter;
pub mod report;
pub mod runner;
pub mod screen;

#[cfg(test)]
pub(crate) mod fixture;
