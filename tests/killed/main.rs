//! The program is killed (SIGKILL) at many moments of its work, and must have lost and doubled nothing.
//!
//! How often is `COFFERDAM_KILLS`: few by default, 200 by `scripts/kills`, which is the same test.

mod drill;
mod watch;

/// How often each test kills.
fn kills() -> u32 {
    let asked = std::env::var("COFFERDAM_KILLS").unwrap_or_else(|_| "20".to_owned());
    asked.parse().expect("`COFFERDAM_KILLS` is a number")
}
