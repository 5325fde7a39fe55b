//! The endpoints of a chain as the way out.
//!
//! Sending and reading back go to every endpoint by itself: what one endpoint claims about a containment is compared
//! with the others, never taken for them.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use cofferdam_chain::{At, CallAnswer, Endpoint, Node, NodeOptions, RequestError, SendError};
use cofferdam_types::{BlockRef, ChainId, Transaction, ViewResult};

use crate::channel::{Answer, Channel, ChannelError, Delivery, Mined, Purse, Reading};

/// How long the loop waits for the endpoints' answers to what was sent, and for one endpoint's reading.
const PATIENCE: Duration = Duration::from_secs(1);

/// A [`Channel`] over the endpoints of a [`Node`].
#[derive(Clone, Debug)]
pub struct NodeChannel {
    node: Node,
}

impl NodeChannel {
    /// Sends to, and reads from, all endpoints of `node`.
    pub const fn new(node: Node) -> Self {
        Self { node }
    }
}

impl Channel for NodeChannel {
    fn broadcast<'a>(&'a self, raw: &'a Bytes) -> Answer<'a, Vec<Delivery>> {
        let (node, raw) = (self.node.clone(), raw.clone());
        let names: Vec<String> = self.node.endpoints().iter().map(|endpoint| endpoint.name().to_owned()).collect();
        Box::pin(async move {
            // A task of its own: an endpoint that hangs gets its full time, and the next stop does not wait for it.
            let sending = tokio::spawn(async move { node.broadcast(&raw).await });
            let outcome = match tokio::time::timeout(PATIENCE, sending).await {
                Ok(Ok(answers)) => return answers.into_iter().map(delivery).collect(),
                Ok(Err(_)) => "the sending broke off".to_owned(),
                Err(_) => format!("not all endpoints answered within {} ms, the sending goes on", PATIENCE.as_millis()),
            };
            names.into_iter().map(|endpoint| Delivery { endpoint, taken: Err(outcome.clone()) }).collect()
        })
    }

    fn purse(&self, account: Address) -> Answer<'_, Result<Purse, ChannelError>> {
        Box::pin(async move {
            let (latest, pending, balance) = tokio::join!(
                self.node.nonce(account, At::Latest),
                self.node.nonce(account, At::Pending),
                self.node.balance(account, At::Latest),
            );
            Ok(Purse {
                latest_nonce: latest.map_err(failed)?,
                pending_nonce: pending.map_err(failed)?,
                balance: balance.map_err(failed)?,
            })
        })
    }

    fn mined(&self, transaction: B256) -> Answer<'_, Result<Option<Mined>, ChannelError>> {
        Box::pin(async move {
            let found = self.node.receipt(transaction).await.map_err(failed)?;
            // A receipt without a status is older than any chain that is guarded: whether it worked is read back.
            Ok(found.map(|found| Mined { block: found.block, success: found.receipt.success.unwrap_or(true) }))
        })
    }

    fn read<'a>(&'a self, target: Address, calldata: &'a Bytes, at: BlockRef) -> Answer<'a, Vec<Reading>> {
        Box::pin(async move {
            let mut readings = Vec::new();
            for endpoint in self.node.endpoints() {
                let asked = read_one(endpoint, self.node.chain_id(), target, calldata, at);
                let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
                    Err(ChannelError { reason: format!("no answer within {} ms", PATIENCE.as_millis()) })
                });
                readings.push(Reading { endpoint: endpoint.name().to_owned(), answer });
            }
            readings
        })
    }

    fn transaction(&self, hash: B256) -> Answer<'_, Result<Option<Transaction>, ChannelError>> {
        Box::pin(async move {
            let found = self.node.transaction(hash).await.map_err(failed)?;
            Ok(found.map(|(transaction, _)| transaction))
        })
    }
}

fn delivery((endpoint, taken): (Arc<str>, Result<B256, SendError>)) -> Delivery {
    Delivery { endpoint: endpoint.to_string(), taken: taken.map(drop).map_err(|error| error.to_string()) }
}

/// Asks one endpoint and no other, after making sure that it is on the right chain.
async fn read_one(
    endpoint: &Endpoint,
    chain: ChainId,
    target: Address,
    calldata: &Bytes,
    at: BlockRef,
) -> Result<ViewResult, ChannelError> {
    let alone = Node::connect(vec![endpoint.clone()], Some(chain), NodeOptions::default());
    let alone = alone.await.map_err(|error| ChannelError { reason: error.to_string() })?;
    let answer = alone.call(target, calldata, At::Block(at)).await.map_err(failed)?;
    Ok(match answer {
        CallAnswer::Returned(data) => ViewResult::Returned(data),
        CallAnswer::Reverted { message, .. } => ViewResult::Failed(message),
    })
}

fn failed(error: RequestError) -> ChannelError {
    ChannelError { reason: error.to_string() }
}
