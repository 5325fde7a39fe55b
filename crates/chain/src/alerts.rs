//! What the operator must know, kept until somebody takes it.
//!
//! The queue is bounded. It must never block what it reports on: when full, the oldest goes and the loss is counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_types::OperatorAlert;
use tokio::sync::Notify;

const MOST: usize = 1_024;

/// A queue of alerts; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<VecDeque<OperatorAlert>>,
    wake: Notify,
}

impl Alerts {
    /// Takes all alerts that are waiting, oldest first.
    pub fn drain(&self) -> Vec<OperatorAlert> {
        self.queue().drain(..).collect()
    }

    /// Waits until there is at least one, then takes all, oldest first. For one waiter at a time.
    pub async fn wait(&self) -> Vec<OperatorAlert> {
        loop {
            let waiting = self.drain();
            if !waiting.is_empty() {
                return waiting;
            }
            self.shared.wake.notified().await;
        }
    }

    pub(crate) fn raise(&self, alert: OperatorAlert) {
        tracing::warn!(?alert, "operator alert");
        let mut queue = self.queue();
        if queue.len() >= MOST {
            queue.pop_front();
            metrics::counter!("cofferdam_chain_alerts_lost_total").increment(1);
        }
        queue.push_back(alert);
        drop(queue);
        self.shared.wake.notify_one();
    }

    pub(crate) fn endpoint(&self, name: &str, detail: String) {
        self.raise(OperatorAlert::Endpoint { name: name.to_owned(), detail });
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<OperatorAlert>> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
