//! Wakes the follower when any endpoint announces a head, and lets it poll where none can.
//!
//! An announcement is a hint: losing one costs a moment and never a block.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::endpoint::{Endpoint, Notice};
use crate::error::RequestError;
use crate::node::Node;
use crate::wire::{self, Head};

/// Between attempts to subscribe again.
const RESUBSCRIBE: Duration = Duration::from_secs(1);
/// A subscription that is silent for longer than this is checked by asking.
const WATCHDOG: Duration = Duration::from_secs(1);

/// Tasks that listen to every endpoint with subscriptions; dropping this ends them.
#[derive(Debug)]
pub(crate) struct Signals {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    newest: Mutex<Option<Head>>,
    wake: Notify,
    live: AtomicUsize,
}

impl Signals {
    pub(crate) fn listen(node: &Node) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for endpoint in node.endpoints() {
            tasks.spawn(listen(endpoint.clone(), Arc::clone(&shared)));
        }
        Self { shared, _tasks: tasks }
    }

    /// Returns when a head was announced, or when it is time to ask.
    pub(crate) async fn wait(&self, poll: Duration) {
        let patience = if self.shared.live.load(Ordering::Relaxed) > 0 { WATCHDOG } else { poll };
        // Running out of time is not an error: the caller asks then.
        let _ = timeout(patience, self.shared.wake.notified()).await;
    }

    /// The head announced last, if one was since the last call.
    pub(crate) fn take(&self) -> Option<Head> {
        self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts a live subscription for as long as it exists.
struct Live<'a>(&'a AtomicUsize);

impl<'a> Live<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn listen(endpoint: Endpoint, shared: Arc<Shared>) {
    loop {
        match endpoint.subscribe(json!(["newHeads"])).await {
            Ok(mut heads) => {
                let _live = Live::new(&shared.live);
                loop {
                    match heads.next().await {
                        Notice::Item(text) => match endpoint.read("newHeads", &text, wire::head) {
                            Ok(head) => {
                                *shared.newest.lock().unwrap_or_else(PoisonError::into_inner) = head;
                                shared.wake.notify_one();
                            }
                            Err(error) => tracing::warn!(%error, "announcement of a head is not usable"),
                        },
                        Notice::Lost(_) => shared.wake.notify_one(),
                        Notice::Ended => break,
                    }
                }
                // Whoever waits must go back to polling now, not when the watchdog bites.
                shared.wake.notify_one();
            }
            Err(RequestError::Unsupported { .. }) => return,
            Err(error) if error.is_unsupported() => return,
            Err(error) => tracing::debug!(%error, "no subscription to heads"),
        }
        sleep(RESUBSCRIBE).await;
    }
}
