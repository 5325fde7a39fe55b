//! One task an endpoint that brings its pending transactions, the best way the endpoint can: bodies by subscription,
//! hashes by subscription and the bodies on request, or the whole pool again and again.
//!
//! A subscription tells of what comes; what came before it, while this process was away or the connection was, is read
//! from the pool, and so is now and then what an announcement that got lost was about.

use std::time::Duration;

use alloy_primitives::B256;
use cofferdam_types::Transaction;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{MempoolOptions, read_pool};
use crate::endpoint::{Endpoint, Notice, Subscription};
use crate::error::RequestError;
use crate::fetch;
use crate::node::Node;
use crate::pace::pause_after;
use crate::wire;

/// Between attempts after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Most bodies asked for at once.
const BODIES: usize = 50;

/// What a feed brings.
pub(super) enum Seen {
    /// Just announced, or in the pool now.
    Transaction(Box<Transaction>),
    /// From a pool that was read while announcements went on: those know better who took whose place.
    Standing(Box<Transaction>),
}

/// The running tasks; dropping this ends them.
pub(super) struct Feeds {
    _tasks: JoinSet<()>,
}

impl Feeds {
    pub(super) fn start(node: &Node, sender: &mpsc::Sender<Seen>, options: MempoolOptions) -> Self {
        let mut tasks = JoinSet::new();
        for endpoint in node.endpoints() {
            tasks.spawn(feed(node.clone(), endpoint.clone(), sender.clone(), options));
        }
        Self { _tasks: tasks }
    }
}

/// The consumer is gone.
struct Closed;

async fn feed(node: Node, endpoint: Endpoint, sender: mpsc::Sender<Seen>, options: MempoolOptions) {
    loop {
        let ended = match subscribe(&endpoint).await {
            Ok(subscription) => {
                tokio::select! {
                    ended = listen(&node, &endpoint, subscription, &sender) => ended,
                    ended = glance(&node, &endpoint, &sender, options.glance_interval) => ended,
                }
            }
            Err(error) if error.is_unsupported() || error.is_bad_params() => {
                poll_pool(&node, &endpoint, &sender, options.poll_interval).await
            }
            Err(error) => {
                node.did_badly(&endpoint, &error);
                Ok(())
            }
        };
        if ended.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Asks for full bodies, and for hashes where the node does not know of bodies.
async fn subscribe(endpoint: &Endpoint) -> Result<Subscription, RequestError> {
    match endpoint.subscribe(json!(["newPendingTransactions", true])).await {
        Err(RequestError::Refused { .. }) => endpoint.subscribe(json!(["newPendingTransactions"])).await,
        other => other,
    }
}

/// What waits, again and again beside the announcements. An endpoint that does not show its pool has told what it can.
async fn glance(
    node: &Node,
    endpoint: &Endpoint,
    sender: &mpsc::Sender<Seen>,
    interval: Duration,
) -> Result<(), Closed> {
    loop {
        match read_pool(endpoint).await {
            Ok((pending, _)) => {
                for transaction in pending {
                    sender.send(Seen::Standing(Box::new(transaction))).await.map_err(|_| Closed)?;
                }
            }
            Err(error) if error.is_unsupported() => {
                tracing::info!(endpoint = endpoint.name(), "endpoint shows only what is announced from now on");
                return std::future::pending().await;
            }
            Err(error) => node.did_badly(endpoint, &error),
        }
        sleep(interval).await;
    }
}

/// Until the connection ends. Some nodes send hashes although bodies were asked for, so each notice is looked at.
async fn listen(
    node: &Node,
    endpoint: &Endpoint,
    mut subscription: Subscription,
    sender: &mpsc::Sender<Seen>,
) -> Result<(), Closed> {
    const NOTICE: &str = "newPendingTransactions";
    loop {
        let mut next = match subscription.next().await {
            Notice::Item(text) => Some(text),
            Notice::Lost(count) => {
                metrics::counter!("cofferdam_mempool_lost_total").increment(count);
                continue;
            }
            Notice::Ended => return Ok(()),
        };
        let mut hashes: Vec<B256> = Vec::new();
        while let Some(text) = next.take() {
            if text.get().starts_with('"') {
                match endpoint.read(NOTICE, &text, wire::hex::<B256>) {
                    Ok(hash) => hashes.push(hash),
                    Err(error) => node.did_badly(endpoint, &error),
                }
            } else {
                match endpoint.read(NOTICE, &text, wire::pending_transaction) {
                    Ok(Some(seen)) => pass(sender, seen.transaction).await?,
                    Ok(None) => {}
                    Err(error) => node.did_badly(endpoint, &error),
                }
            }
            if hashes.len() < BODIES {
                next = subscription.ready();
            }
        }
        if hashes.is_empty() {
            continue;
        }
        match fetch::transactions(endpoint, &hashes).await {
            // Some are gone or mined by now: those are no news.
            Ok(found) => {
                for seen in found.into_iter().filter(|seen| seen.block_hash.is_none()) {
                    pass(sender, seen.transaction).await?;
                }
            }
            Err(error) => node.did_badly(endpoint, &error),
        }
    }
}

/// Until the endpoint fails. One that has no pool to show is asked again much later: it may have been replaced.
async fn poll_pool(
    node: &Node,
    endpoint: &Endpoint,
    sender: &mpsc::Sender<Seen>,
    interval: Duration,
) -> Result<(), Closed> {
    loop {
        let asked = Instant::now();
        let read = read_pool(endpoint).await;
        let pause = pause_after(asked.elapsed(), interval);
        match read {
            Ok((pending, _)) => {
                for transaction in pending {
                    pass(sender, transaction).await?;
                }
            }
            Err(error) if error.is_unsupported() => {
                tracing::info!(endpoint = endpoint.name(), "endpoint shows no pending transactions");
                sleep(PAUSE.saturating_mul(60)).await;
                return Ok(());
            }
            Err(error) => {
                node.did_badly(endpoint, &error);
                return Ok(());
            }
        }
        sleep(pause).await;
    }
}

async fn pass(sender: &mpsc::Sender<Seen>, transaction: Transaction) -> Result<(), Closed> {
    sender.send(Seen::Transaction(Box::new(transaction))).await.map_err(|_| Closed)
}
