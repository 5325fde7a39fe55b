//! Plays what has happened to the judge that `watch` runs, and counts what it would have said.
//!
//! ```text
//! folders of cases ─┐
//!                   ├─▶ plan (tracks) ─▶ run (a thread for each core) ─▶ parts ─▶ report
//! a range of blocks ┘      one judge a track      │                       ▲
//!                                                 └──── run file ─────────┘
//! ```
//! Start at [`Plan`]. A track is a piece of one chain under one judge, in order: what is said of it depends on nothing
//! else, so that neither the number of threads nor a killed run changes the result.
//!
//! A range is cut into tracks of a fixed length, each of which begins with blocks that are recorded and not counted
//! (the warm-up). **What that changes:** a judge knows nothing that happened before its warm-up. Sums of a sliding
//! window that is longer, habits (who sends, who administers, which code is run) and suspicions that are older are
//! missing in the blocks after a cut; people who have been around then count as strangers, which makes findings
//! stronger, and a drain that is slower than the warm-up is not added up over the cut. With segments of 0 blocks a range
//! is one track, and nothing of this holds.
//!
//! **Invariant:** labels, where there are any, are compared with the answers and never shown to the judge.

mod count;
mod plan;
mod report;
mod run;
mod run_file;
mod tally;
#[cfg(test)]
mod tests;
mod times;
mod track;

pub use plan::{Guarded, Plan, PlanError, Range, Whose};
pub(crate) use report::why;
pub use report::{AttackLine, Attacks, Rate, Rates, Report};
pub use run::{Options, run};
pub use run_file::RunFile;
pub use tally::{Attack, Found, Line, Part, Tally};
pub use times::Times;
pub use track::{Chain, Done, Step, Track, TrackError, Walker};
