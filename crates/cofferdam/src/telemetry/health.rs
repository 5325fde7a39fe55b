//! Whether the loop does its work, as seen from other threads.
//!
//! Healthy: the process answers. Ready: a node answers, what it says has been dealt with up to near its head, and the
//! loop is not stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

/// Blocks behind the head at which the guard still counts as seeing what happens now.
const NEAR_BLOCKS: u64 = 3;

/// Shared by the loop, which writes, and the server, which reads.
#[derive(Clone, Debug, Default)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    begun: AtomicBool,
    processed: AtomicU64,
    answers: AtomicBool,
    head: AtomicU64,
    stuck: AtomicBool,
}

/// What `/readyz` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether the guard sees what happens now.
    pub ready: bool,
    /// The last block that was dealt with; 0 before the first.
    pub processed_block: u64,
    /// The highest head that an endpoint named; 0 before the first.
    pub head_block: u64,
    /// Whether any endpoint named its head when they were asked last.
    pub node_answers: bool,
    /// Whether the loop keeps failing at the same place.
    pub stuck: bool,
}

impl Health {
    /// A block has been dealt with.
    pub fn processed(&self, block: u64) {
        self.shared.processed.store(block, Ordering::Relaxed);
        self.shared.begun.store(true, Ordering::Relaxed);
    }

    /// The highest head among the endpoints; `None` when none of them answered.
    pub fn heard(&self, head: Option<u64>) {
        self.shared.answers.store(head.is_some(), Ordering::Relaxed);
        if let Some(head) = head {
            self.shared.head.store(head, Ordering::Relaxed);
        }
    }

    /// The loop fails at the same place for long, or goes on again.
    pub fn stuck(&self, stuck: bool) {
        self.shared.stuck.store(stuck, Ordering::Relaxed);
    }

    /// As it is now.
    pub fn readiness(&self) -> Readiness {
        let processed_block = self.shared.processed.load(Ordering::Relaxed);
        let head_block = self.shared.head.load(Ordering::Relaxed);
        let node_answers = self.shared.answers.load(Ordering::Relaxed);
        let stuck = self.shared.stuck.load(Ordering::Relaxed);
        let near = head_block.saturating_sub(processed_block) <= NEAR_BLOCKS;
        let ready = self.shared.begun.load(Ordering::Relaxed) && near && node_answers && !stuck;
        Readiness { ready, processed_block, head_block, node_answers, stuck }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_near_the_head_of_a_node_that_answers_and_not_stuck() {
        let health = Health::default();
        let ready = |health: &Health| health.readiness().ready;
        assert!(!ready(&health));
        health.heard(Some(10));
        assert!(!ready(&health));
        health.processed(6);
        assert!(!ready(&health));
        health.processed(7);
        assert!(ready(&health));
        health.heard(None);
        assert!(!ready(&health));
        health.heard(Some(8));
        health.stuck(true);
        let readiness = Readiness { ready: false, processed_block: 7, head_block: 8, node_answers: true, stuck: true };
        assert_eq!(health.readiness(), readiness);
    }
}
