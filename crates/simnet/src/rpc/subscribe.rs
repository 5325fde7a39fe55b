//! `eth_subscribe`: heads, pending transactions and logs, in the order in which they happen.
//!
//! A subscriber that falls far behind is cut off; it is never sent a stream with a hole in it.

use std::sync::Arc;

use alloy_rpc_types_eth::Filter;
use jsonrpsee::RpcModule;
use jsonrpsee::core::server::{PendingSubscriptionSink, SubscriptionSink};
use jsonrpsee::types::Params;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::args::Args;
use super::chain::matches;
use super::{Answer, bad_params};
use crate::Simnet;
use crate::block::SealedBlock;
use crate::world::{Event, World};

pub(super) fn register(module: &mut RpcModule<Simnet>) {
    let registered = module
        .register_subscription("eth_subscribe", "eth_subscription", "eth_unsubscribe", |params, pending, net, _| {
            serve(params, pending, net)
        })
        .map(drop);
    registered.expect("every method name is registered once");
}

enum Topic {
    Heads,
    Pending { whole: bool },
    Logs(Box<Filter>),
}

impl Topic {
    fn of(params: &Params<'_>) -> Answer<Self> {
        let args = Args::of(params)?;
        match args.required::<String>(0)?.as_str() {
            "newHeads" => Ok(Self::Heads),
            "newPendingTransactions" => Ok(Self::Pending { whole: args.optional(1)?.unwrap_or(false) }),
            "logs" => Ok(Self::Logs(Box::new(args.optional(1)?.unwrap_or_default()))),
            other => Err(bad_params(&format!("no \"{other}\" subscription in eth namespace"))),
        }
    }

    /// What the subscriber is told of `event`, in order.
    fn messages(&self, event: &Event) -> Vec<Box<RawValue>> {
        match (self, event) {
            (Self::Heads, Event::Head(block)) => vec![raw(&block.wire_header())],
            (Self::Pending { whole: true }, Event::Pending(tx)) => vec![raw(&tx.wire_pending())],
            (Self::Pending { whole: false }, Event::Pending(tx)) => vec![raw(&tx.hash())],
            (Self::Logs(filter), Event::Head(block)) => logs(filter, block, false),
            (Self::Logs(filter), Event::Orphaned(block)) => logs(filter, block, true),
            (Self::Heads, Event::Orphaned(_) | Event::Pending(_))
            | (Self::Pending { .. }, Event::Head(_) | Event::Orphaned(_))
            | (Self::Logs(_), Event::Pending(_)) => Vec::new(),
        }
    }
}

fn logs(filter: &Filter, block: &SealedBlock, removed: bool) -> Vec<Box<RawValue>> {
    block.wire_logs(removed).filter(|log| matches(filter, log)).map(|log| raw(&log)).collect()
}

fn raw(message: &impl Serialize) -> Box<RawValue> {
    to_raw_value(message).expect("these types have string keys only and always serialise")
}

async fn serve(params: Params<'static>, pending: PendingSubscriptionSink, net: Arc<Simnet>) {
    let topic = match Topic::of(&params) {
        Ok(topic) => topic,
        Err(error) => return pending.reject(error).await,
    };
    // Before the answer: what happens in between must not be lost.
    let mut events = net.with(World::subscribe);
    let Ok(sink) = pending.accept().await else { return };
    loop {
        let event = tokio::select! {
            () = sink.closed() => return,
            event = events.recv() => event,
        };
        let Some(event) = event else { return };
        if !tell(&sink, topic.messages(&event)).await {
            return;
        }
    }
}

/// False when the subscriber is gone.
async fn tell(sink: &SubscriptionSink, messages: Vec<Box<RawValue>>) -> bool {
    for message in messages {
        if sink.send(message).await.is_err() {
            return false;
        }
    }
    true
}
