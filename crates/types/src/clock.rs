//! Time comes in from outside, so that an incident can be replayed. Nothing here reads the system clock.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::UnixMillis;

/// Where the time of day and elapsed time come from.
pub trait Clock: Send + Sync {
    /// The time of day, for the record and for comparison with block timestamps.
    fn now(&self) -> UnixMillis;

    /// Nanoseconds since an arbitrary start, never going back: for latencies only.
    fn monotonic_nanos(&self) -> u64;

    /// The same in microseconds, rounded down.
    fn monotonic_micros(&self) -> u64 {
        self.monotonic_nanos() / 1_000
    }
}

/// A clock that stands still until it is told to move: drills and tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    millis: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub const fn new(start: UnixMillis) -> Self {
        Self { millis: AtomicU64::new(start.0) }
    }

    /// Moves the hands to `to`, also backwards: a wrong clock is one of the faults to test.
    pub fn set(&self, to: UnixMillis) {
        self.millis.store(to.0, Ordering::SeqCst);
    }

    /// Moves the hands forward by `millis`.
    pub fn advance(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.millis.load(Ordering::SeqCst))
    }

    fn monotonic_nanos(&self) -> u64 {
        self.millis.load(Ordering::SeqCst).saturating_mul(1_000_000)
    }
}
