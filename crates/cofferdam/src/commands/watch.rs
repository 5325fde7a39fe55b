//! `watch`: guards the configured contracts against a node, until it is told to end. Owns the wiring; the loop is in
//! `live`, what it says in `said`.
//!
//! A restart goes on where the record's checkpoint is.

mod limits_file;
mod live;
mod said;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cofferdam_chain::{Follower, FollowerOptions, Mempool, MempoolOptions, Node, NodeOptions, NodeState};
use cofferdam_detect::Detection;
use cofferdam_incident::joining::Criterion;
use cofferdam_incident::{DeliveryOptions, OpenError, Options, Outbox, Receiver, Store};
use cofferdam_respond::{NodeChannel, Responder};
use cofferdam_types::{Batch, Clock, Event, Journal};
use tokio::sync::watch;

use super::config::refused;
use crate::alerts_in;
use crate::cli::{Answer, Failure};
use crate::config::{self, Ready};
use crate::guard::{Guard, MempoolOptions as Kept, NewbornOptions, Parts, QueuedOptions};
use crate::telemetry::{Health, LogFormat, SystemClock, serve};
use limits_file::LimitsFile;
use live::Live;

/// How often the heads of all endpoints are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// How long what is under way may take after the end was asked for.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration.
    #[arg(long, default_value = "cofferdam.toml")]
    config: PathBuf,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

/// Runs the command until SIGINT or SIGTERM.
///
/// # Errors
/// [`Failure::Input`] when the configuration has mistakes; [`Failure::Outside`] when nodes, record or network fail
/// before the watch has begun.
pub fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let ready = config::load(&arguments.config, &|name| std::env::var_os(name));
    let ready = ready.map_err(|mistakes| refused(&mistakes))?;
    arguments.log_format.start();
    // Seconds of work that no verdict should wait for, and that nothing here waits for either.
    let warm_up = std::thread::Builder::new().name("warm-up".to_owned()).spawn(cofferdam_evm::warm_up);
    warm_up.map_err(Failure::outside)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::outside)?;
    // The guard stays on this thread: what it is made of need not be moved between threads.
    let done = runtime.block_on(watch(ready));
    runtime.shutdown_timeout(LAST_WORDS);
    done.map(|()| Answer::Yes)
}

async fn watch(mut ready: Ready) -> Result<(), Failure> {
    let stop = on_signal()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let health = Health::default();
    let served = match ready.file.metrics_listen {
        Some(address) => Some(serve(address, health.clone()).await.map_err(Failure::outside)?),
        None => None,
    };
    if let Some(served) = &served {
        tracing::info!(address = %served.address, "serving metrics and health");
    }
    let follow = &ready.file.follow;
    let options = NodeOptions { max_lag: follow.max_lag_blocks, ..NodeOptions::default() };
    let connected = Node::connect(ready.endpoints, Some(ready.file.chain.id), options).await;
    let node = connected.map_err(Failure::outside)?;
    let criteria = std::mem::take(&mut ready.criteria);
    let store = open(&ready.file.record, (&ready.receivers, criteria), &node, &clock)?;
    let started = Event::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        chain_id: node.chain_id().0,
        configuration: ready.hash,
    };
    let batch = Batch { at: clock.now(), events: vec![started], checkpoint: None };
    store.commit(&batch).map_err(Failure::outside)?;
    let checkpoint = store.checkpoint().map_err(Failure::outside)?;
    let acts = ready.responder.limits.is_some();
    tracing::info!(
        chain = node.chain_id().0,
        endpoints = node.endpoints().len(),
        modules = ready.watch.modules().len(),
        levers = ready.responder.levers.len(),
        resumes_at = checkpoint.map(|block| block.number.0),
        assertions = ready.assertions.summary().count(),
        mode = if acts { "acts within its limits" } else { "shadow: tries everything, sends nothing" },
        "watching"
    );
    if let Some(learnt) = &ready.settings.learnt {
        let (first, last) = learnt.blocks();
        tracing::info!(
            modules = learnt.modules().len(),
            first = first.0,
            last = last.0,
            "held against learnt behaviour"
        );
        if !learnt.is_as_written() {
            tracing::warn!("the learnt file was edited after it was written; it is used as it is");
        }
    }
    for (contract, module, _, not_supported) in ready.assertions.summary() {
        for trigger in not_supported {
            tracing::warn!(contract, %module, %trigger, "an assertion registers a trigger that is not supported");
        }
    }
    let outbox = Outbox::new(store.clone(), ready.receivers, DeliveryOptions::default()).map_err(Failure::outside)?;
    let mut told = stop.clone();
    let outbox = tokio::spawn(outbox.run(async move {
        // An error means that nobody can ask for the end any more, which is the end too.
        let _ended = told.wait_for(|stop| *stop).await;
    }));
    let compare = tokio::spawn(compare_heads(node.clone(), health.clone()));

    let taken_in = match ready.file.alerts_listen {
        Some(address) => {
            let what = (ready.watch.clone(), node.chain_id());
            let served = alerts_in::serve(address, ready.alerts_in, what, (store.clone(), clock.clone())).await;
            Some(served.map_err(Failure::outside)?)
        }
        None => None,
    };
    if let Some(served) = &taken_in {
        tracing::info!(address = %served.address, "taking in alerts of other tools");
    }
    let limits = ready.file.limits.as_ref().zip(ready.responder.limits.as_ref());
    let limits = limits.map(|(path, limits)| LimitsFile::new(path.clone(), limits));
    let channel = Arc::new(NodeChannel::new(node.clone()));
    let responder = Responder::new(ready.responder, store.clone(), channel, clock.clone()).map_err(Failure::input)?;
    let detection = Detection::new(ready.watch.clone(), &ready.settings).map_err(Failure::input)?;
    let source = Arc::new(NodeState::new(node.clone(), tokio::runtime::Handle::current()));
    let mut guard = Guard::new(Parts {
        rules: ready.rules,
        source,
        watch: ready.watch,
        judge: Box::new(detection),
        responder: Some(responder),
        journal: store,
        clock: clock.clone(),
        mempool: Kept::default(),
        execute_within_blocks: follow.execute_within_blocks,
        newborns: Some(NewbornOptions { labels: Arc::new(ready.labels), ..NewbornOptions::default() }),
        queued: Some(QueuedOptions::default()),
    });
    guard.set_assertions(&ready.assertions);
    let following = FollowerOptions { depth: u64::from(follow.reorg_depth_blocks), ..FollowerOptions::default() };
    let live = Live {
        guard,
        follower: Follower::new(node.clone(), checkpoint, following),
        mempool: Mempool::new(node.clone(), clock.clone(), MempoolOptions::default()),
        following,
        checkpoint,
        health,
        limits,
        stop,
        node,
    };
    live.run().await;
    compare.abort();
    tracing::info!("ended; the next start goes on from the last block on the record");
    if tokio::time::timeout(LAST_WORDS, outbox).await.is_err() {
        tracing::warn!("messages were not all handed over in time; they are delivered after the next start");
    }
    Ok(())
}

/// Compares the endpoints for ever. What they disagree about is raised by the node itself.
async fn compare_heads(node: Node, health: Health) {
    loop {
        let compared = node.compare_heads().await;
        health.heard(compared.heads.iter().map(|(_, head)| head.0).max());
        tokio::time::sleep(COMPARE_EVERY).await;
    }
}

fn open(
    record: &config::Record,
    (receivers, criteria): (&[Receiver], Vec<Criterion>),
    node: &Node,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Store>, Failure> {
    let receivers = receivers.iter().map(|receiver| receiver.name.clone()).collect();
    let criteria = criteria.into();
    let options = Options { reserve_mib: record.reserve_mib, receivers, criteria, ..Options::default() };
    let opened = Store::open(&record.database, node.chain_id(), options, clock.clone());
    opened.map(Arc::new).map_err(|error: OpenError| Failure::outside(error))
}

/// Turns true when the process is asked to end.
fn on_signal() -> Result<watch::Receiver<bool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::outside)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::outside)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        sender.send_replace(true);
    });
    Ok(receiver)
}
