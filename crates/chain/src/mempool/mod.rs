//! Transactions that wait to be mined, as all endpoints together show them.
//!
//! A mempool is each node's own and never complete: a transaction that is not here may still be mined. Memory is
//! bounded, and what had to be forgotten is counted.

mod feed;
mod known;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use alloy_primitives::map::HashSet;
use cofferdam_types::{Block, BlockRef, Clock, PendingUpdate};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::feed::{Feeds, Seen};
use self::known::Known;
use crate::endpoint::Endpoint;
use crate::error::RequestError;
use crate::fetch;
use crate::node::Node;
use crate::wire;

/// Most transactions asked for in one sweep.
const SWEEP_BATCH: usize = 100;
/// Transactions waiting between the feeds and the consumer; a slow consumer slows the feeds down.
const CHANNEL: usize = 1_024;

/// How to watch.
#[derive(Clone, Copy, Debug)]
pub struct MempoolOptions {
    /// Most transactions kept.
    pub limit: usize,
    /// The longest pause between two readings of `txpool_content` where there are no subscriptions.
    pub poll_interval: Duration,
    /// How often `txpool_content` is read beside a subscription, whose announcements may get lost.
    pub glance_interval: Duration,
    /// How often the oldest transactions are asked for, to notice that nobody has them any more.
    pub sweep_interval: Duration,
}

impl Default for MempoolOptions {
    fn default() -> Self {
        Self {
            limit: 20_000,
            poll_interval: Duration::from_millis(200),
            glance_interval: Duration::from_secs(12),
            sweep_interval: Duration::from_secs(12),
        }
    }
}

/// The merged mempool.
///
/// [`next`](Self::next) listens to all endpoints and may be dropped at any await; [`poll`](Self::poll) asks them once.
/// Use one of the two.
pub struct Mempool {
    node: Node,
    clock: Arc<dyn Clock>,
    options: MempoolOptions,
    known: Known,
    feeds: Option<(Feeds, mpsc::Receiver<Seen>)>,
    ready: VecDeque<PendingUpdate>,
    next_sweep: Option<Instant>,
}

impl Mempool {
    /// A mempool that knows nothing yet. Nothing is sent until it is asked.
    pub fn new(node: Node, clock: Arc<dyn Clock>, options: MempoolOptions) -> Self {
        Self {
            node,
            clock,
            options,
            known: Known::new(options.limit),
            feeds: None,
            ready: VecDeque::new(),
            next_sweep: None,
        }
    }

    /// Transactions that are waiting, as far as known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True when none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next change.
    pub async fn next(&mut self) -> PendingUpdate {
        if self.feeds.is_none() {
            let (sender, receiver) = mpsc::channel(CHANNEL);
            self.feeds = Some((Feeds::start(&self.node, &sender, self.options), receiver));
        }
        loop {
            if let Some(update) = self.ready.pop_front() {
                return update;
            }
            let sweep_at = *self.next_sweep.get_or_insert_with(|| later(self.options.sweep_interval));
            let seen = match &mut self.feeds {
                Some((_, receiver)) => tokio::select! {
                    seen = receiver.recv() => seen,
                    () = tokio::time::sleep_until(sweep_at) => None,
                },
                None => None,
            };
            match seen {
                Some(Seen::Transaction(transaction)) => {
                    let now = self.clock.now();
                    self.ready.extend(self.known.add(*transaction, now));
                }
                Some(Seen::Standing(transaction)) => {
                    let now = self.clock.now();
                    self.ready.extend(self.known.add_standing(*transaction, now));
                }
                None => {
                    let updates = self.sweep().await;
                    self.ready.extend(updates);
                    self.next_sweep = Some(later(self.options.sweep_interval));
                }
            }
        }
    }

    /// Reads the whole pool of every endpoint once. In the order in which the pools show them: additions and
    /// replacements, then what has gone.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint shows its pool. While any endpoint fails, nothing is taken for gone.
    pub async fn poll(&mut self) -> Result<Vec<PendingUpdate>, RequestError> {
        const METHOD: &str = "txpool_content";
        let mut updates: Vec<PendingUpdate> = self.ready.drain(..).collect();
        let mut shown: HashSet<B256> = HashSet::default();
        let mut failure = None;
        let mut answered = false;
        for endpoint in self.node.endpoints().to_vec() {
            match read_pool(&endpoint).await {
                Ok((pending, queued)) => {
                    self.node.did_well(&endpoint);
                    answered = true;
                    shown.extend(pending.iter().chain(&queued).map(|transaction| transaction.hash));
                    for transaction in pending {
                        updates.extend(self.known.add(transaction, self.clock.now()));
                    }
                }
                // An endpoint without a pool has nothing to say about what is gone.
                Err(error) if error.is_unsupported() => {
                    failure.get_or_insert((false, error));
                }
                Err(error) => {
                    self.node.did_badly(&endpoint, &error);
                    failure = Some((true, error));
                }
            }
        }
        match failure {
            Some((true, _)) if answered => return Ok(updates),
            Some((_, error)) if !answered => {
                self.ready.extend(updates);
                return Err(error);
            }
            Some(_) => {}
            None if !answered => {
                return Err(RequestError::AllFailed { reasons: format!("no endpoint for `{METHOD}`") });
            }
            None => {}
        }
        updates.extend(self.known.retain(&shown));
        Ok(updates)
    }

    /// Takes out what `block` mined. Returns what can no longer be mined because of it.
    pub fn on_block(&mut self, block: &Block) -> Vec<PendingUpdate> {
        self.known.mined(block)
    }

    /// Blocks left the chain: their transactions may be announced again and are then new.
    pub fn on_dropped(&mut self, dropped: &[BlockRef]) {
        self.known.unmined(dropped);
    }

    /// Asks for the oldest transactions; those that no endpoint has are gone.
    async fn sweep(&mut self) -> Vec<PendingUpdate> {
        let oldest = self.known.oldest(SWEEP_BATCH);
        let mut missing: HashSet<B256> = oldest.iter().copied().collect();
        for endpoint in self.node.endpoints() {
            if missing.is_empty() {
                break;
            }
            let asked: Vec<B256> = oldest.iter().copied().filter(|hash| missing.contains(hash)).collect();
            match still_there(endpoint, &asked).await {
                Ok(there) => there.iter().for_each(|hash| {
                    missing.remove(hash);
                }),
                Err(error) => {
                    self.node.did_badly(endpoint, &error);
                    return Vec::new();
                }
            }
        }
        self.known.confirm(&oldest, &missing)
    }
}

fn later(interval: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(interval).unwrap_or(now)
}

async fn read_pool(
    endpoint: &Endpoint,
) -> Result<(Vec<cofferdam_types::Transaction>, Vec<cofferdam_types::Transaction>), RequestError> {
    const METHOD: &str = "txpool_content";
    if endpoint.abilities().pool.is_lacking() {
        return Err(RequestError::Unsupported { endpoint: endpoint.shared_name(), method: METHOD });
    }
    match endpoint.ask(METHOD, json!([])).await {
        Ok(text) => endpoint.read(METHOD, &text, wire::pool),
        Err(error) => {
            if error.is_unsupported() {
                endpoint.abilities().pool.set_lacking();
            }
            Err(error)
        }
    }
}

async fn still_there(endpoint: &Endpoint, hashes: &[B256]) -> Result<Vec<B256>, RequestError> {
    let found = fetch::transactions(endpoint, hashes).await?;
    Ok(found.into_iter().map(|mined| mined.transaction.hash).collect())
}
