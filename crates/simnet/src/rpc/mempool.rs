//! Sending transactions, and looking at those that wait in the public lane. The private lane has no view.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::Transaction;
use serde::{Deserialize, Serialize};

use super::args::Args;
use super::{Answer, Face, refused};
use crate::Lane;
use crate::pool::Listing;
use crate::world::World;

pub(super) fn register(face: &mut Face) {
    face.on("eth_sendRawTransaction", send);
    face.on("eth_sendPrivateTransaction", send_private);
    face.on("txpool_status", status);
    face.on("txpool_content", content);
}

fn send(world: &mut World, args: &Args) -> Answer<B256> {
    let raw = args.required::<Bytes>(0)?;
    world.submit(&raw, Lane::Public).map_err(|error| refused(&error))
}

/// As private relays take it; what else they know (`maxBlockNumber`, `preferences`) means nothing here.
#[derive(Deserialize)]
struct PrivateTransaction {
    tx: Bytes,
}

fn send_private(world: &mut World, args: &Args) -> Answer<B256> {
    let request = args.required::<PrivateTransaction>(0)?;
    world.submit(&request.tx, Lane::Private).map_err(|error| refused(&error))
}

#[derive(Clone, Serialize)]
struct Content<T> {
    pending: T,
    queued: T,
}

fn listings(world: &World) -> (Listing, Listing) {
    world.pool.listing(&|address| world.nonce(address))
}

fn status(world: &mut World, _: &Args) -> Answer<Content<U64>> {
    let (pending, queued) = listings(world);
    let count = |list: Listing| U64::from(list.values().map(BTreeMap::len).sum::<usize>());
    Ok(Content { pending: count(pending), queued: count(queued) })
}

/// By checksummed sender and decimal nonce.
type Whole = BTreeMap<String, BTreeMap<String, Transaction>>;

fn content(world: &mut World, _: &Args) -> Answer<Content<Whole>> {
    let (pending, queued) = listings(world);
    Ok(Content { pending: whole(pending), queued: whole(queued) })
}

fn whole(list: Listing) -> Whole {
    let by_sender = list.into_iter().map(|(sender, waiting)| {
        let by_nonce = waiting.into_iter().map(|(nonce, tx)| (nonce.to_string(), tx.wire_pending()));
        (sender.to_checksum(None), by_nonce.collect())
    });
    by_sender.collect()
}
