//! Whether the loop does its work, as seen from other threads.
//!
//! Healthy: the process answers. Ready: it has dealt with the chain up to near its head and is not stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

/// Shared by the loop, which writes, and the server, which reads.
#[derive(Clone, Debug, Default)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    processed: AtomicU64,
    caught_up: AtomicBool,
    stuck: AtomicBool,
}

/// What `/readyz` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether the guard sees what happens now.
    pub ready: bool,
    /// The last block that was dealt with.
    pub processed_block: u64,
    /// Whether it has come near the head since it started.
    pub caught_up: bool,
    /// Whether it keeps failing at the same place.
    pub stuck: bool,
}

impl Health {
    /// A block has been dealt with; `caught_up`: it is the newest that is known, or next to it.
    pub fn processed(&self, block: u64, caught_up: bool) {
        self.shared.processed.store(block, Ordering::Relaxed);
        self.shared.caught_up.store(caught_up, Ordering::Relaxed);
    }

    /// The loop fails at the same place for long, or goes on again.
    pub fn stuck(&self, stuck: bool) {
        self.shared.stuck.store(stuck, Ordering::Relaxed);
    }

    /// As it is now.
    pub fn readiness(&self) -> Readiness {
        let caught_up = self.shared.caught_up.load(Ordering::Relaxed);
        let stuck = self.shared.stuck.load(Ordering::Relaxed);
        let processed_block = self.shared.processed.load(Ordering::Relaxed);
        Readiness { ready: caught_up && !stuck, processed_block, caught_up, stuck }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_near_the_head_and_not_stuck() {
        let health = Health::default();
        assert!(!health.readiness().ready);
        health.processed(7, false);
        assert!(!health.readiness().ready);
        health.processed(8, true);
        assert!(health.readiness().ready);
        health.stuck(true);
        assert_eq!(health.readiness(), Readiness { ready: false, processed_block: 8, caught_up: true, stuck: true });
    }
}
