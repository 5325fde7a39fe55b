//! Blocks that are fetched ahead of their turn, so that catching up is not one round trip a block.
//!
//! Order is kept and the number of blocks in flight is bounded. What comes out is unchecked against the chain before
//! it: linking is the follower's task.

use std::collections::VecDeque;

use cofferdam_types::{Block, BlockNumber};
use tokio::task::JoinHandle;

use crate::error::RequestError;
use crate::node::{Answered, BlockId, Node};

type Fetched = Result<Option<Answered<Block>>, RequestError>;

/// Fetches in flight, ascending and without gaps.
#[derive(Default)]
pub(super) struct Ahead {
    tasks: VecDeque<(BlockNumber, JoinHandle<Fetched>)>,
}

impl Ahead {
    /// Makes sure that `next` and the blocks after it, up to `last` and at most `width`, are being fetched.
    pub(super) fn fill(&mut self, node: &Node, next: BlockNumber, last: BlockNumber, width: usize) {
        if self.tasks.front().is_some_and(|(number, _)| *number != next) {
            self.clear();
        }
        while self.tasks.len() < width.max(1) {
            let number = self.tasks.back().map_or(next, |(number, _)| number.next());
            if number > last {
                break;
            }
            let node = node.clone();
            let task = tokio::spawn(async move { node.whole(BlockId::Number(number)).await });
            self.tasks.push_back((number, task));
        }
    }

    /// The block in front. Leaves it there when the caller gives up waiting; `None` when nothing is in flight.
    pub(super) async fn pop(&mut self) -> Option<Fetched> {
        let (_, task) = self.tasks.front_mut()?;
        let fetched = task.await;
        self.tasks.pop_front();
        match fetched {
            Ok(fetched) => Some(fetched),
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is shutting down.
            Err(_) => None,
        }
    }

    /// Forgets everything in flight.
    pub(super) fn clear(&mut self) {
        for (_, task) in self.tasks.drain(..) {
            task.abort();
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.clear();
    }
}
