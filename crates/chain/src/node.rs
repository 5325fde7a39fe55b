//! Several endpoints as one node: failover in order, health, and the questions everybody asks.
//!
//! An answer comes from one endpoint and is a claim of it. A question goes to the next endpoint when one fails; it must
//! never be answered by an endpoint of another chain.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{Block, BlockNumber, BlockRef, ChainId, Header, Transaction};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::alerts::Alerts;
use crate::endpoint::Endpoint;
use crate::error::{ConnectError, RequestError};
use crate::fetch;
use crate::heads::Disagreement;
use crate::health::Change;
use crate::wire::{self, Head, MinedReceipt};

/// How endpoints are compared.
#[derive(Clone, Copy, Debug)]
pub struct NodeOptions {
    /// Heads may be this many blocks apart.
    pub max_lag: u64,
    /// A disagreement is told when it was seen in this many comparisons in a row: forks of a moment are normal.
    pub rounds: u32,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { max_lag: 3, rounds: 2 }
    }
}

/// The state a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// After the newest block.
    Latest,
    /// After the newest block and what the node expects to mine next.
    Pending,
    /// After this block and no other.
    Block(BlockRef),
}

/// How a view call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallAnswer {
    /// Return data.
    Returned(Bytes),
    /// It reverted.
    Reverted {
        /// Revert data, empty where the node sends none.
        data: Bytes,
        /// The node's words.
        message: String,
    },
}

/// A block by number or by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockId {
    Number(BlockNumber),
    Hash(B256),
}

/// The endpoints of one chain; clones share them.
#[derive(Clone, Debug)]
pub struct Node {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoints: Vec<Endpoint>,
    chain: ChainId,
    options: NodeOptions,
    alerts: Alerts,
    disagreement: Mutex<Disagreement>,
}

/// An answer and who gave it.
pub(crate) struct Answered<T> {
    pub(crate) value: T,
    pub(crate) endpoint: Endpoint,
}

impl Node {
    /// Asks all endpoints for their chain. Those that do not answer are told to the operator and tried again later;
    /// one answer is enough to begin.
    ///
    /// * `expected`: the chain that all must be on; without it the first endpoint that answers decides
    ///
    /// # Errors
    /// [`ConnectError`] when there is no endpoint, none answers, or one is on another chain.
    pub async fn connect(
        endpoints: Vec<Endpoint>,
        expected: Option<ChainId>,
        options: NodeOptions,
    ) -> Result<Self, ConnectError> {
        for (index, endpoint) in endpoints.iter().enumerate() {
            if endpoints.iter().skip(index.saturating_add(1)).any(|other| other.name() == endpoint.name()) {
                return Err(ConnectError::SameName { name: endpoint.shared_name() });
            }
        }
        if let Some(chain) = expected {
            endpoints.iter().for_each(|endpoint| endpoint.expect_chain(chain));
        }
        let answers = futures_util::future::join_all(endpoints.iter().map(Endpoint::chain_id)).await;
        let chain = match answers.iter().find_map(|answer| answer.as_ref().ok().copied()) {
            Some(chain) => chain,
            None => {
                return Err(answers.into_iter().find_map(Result::err).map_or(ConnectError::NoEndpoints, Into::into));
            }
        };
        let alerts = Alerts::default();
        for (endpoint, answer) in endpoints.iter().zip(answers) {
            endpoint.expect_chain(chain);
            match answer {
                Ok(seen) if seen != chain => {
                    let endpoint = endpoint.shared_name();
                    return Err(RequestError::WrongChain { endpoint, seen, expected: chain }.into());
                }
                Err(error @ RequestError::WrongChain { .. }) => return Err(error.into()),
                Err(error) => {
                    endpoint.health().failed(error.blame(), Instant::now());
                    alerts.endpoint(endpoint.name(), format!("not usable at the start: {error}"));
                }
                Ok(_) => {}
            }
        }
        let disagreement = Mutex::default();
        Ok(Self { shared: Arc::new(Shared { endpoints, chain, options, alerts, disagreement }) })
    }

    /// The chain that all endpoints are on.
    pub fn chain_id(&self) -> ChainId {
        self.shared.chain
    }

    /// What the operator must know: demotions, returns, heads that disagree, reorgs that are too deep.
    pub fn alerts(&self) -> Alerts {
        self.shared.alerts.clone()
    }

    /// All endpoints, in the order of preference.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.shared.endpoints
    }

    pub(crate) fn options(&self) -> NodeOptions {
        self.shared.options
    }

    pub(crate) async fn disagreement(&self) -> tokio::sync::MutexGuard<'_, Disagreement> {
        self.shared.disagreement.lock().await
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn head(&self) -> Result<BlockRef, RequestError> {
        Ok(self.newest().await?.block)
    }

    pub(crate) async fn newest(&self) -> Result<Head, RequestError> {
        self.attempt(|endpoint| async move { fetch::newest(&endpoint).await }).await.map(|answered| answered.value)
    }

    /// The header of canonical block `number`; `None` when no endpoint has it (yet).
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn header(&self, number: BlockNumber) -> Result<Option<Header>, RequestError> {
        let found = self.find(move |endpoint| async move { fetch::header(&endpoint, BlockId::Number(number)).await });
        Ok(found.await?.map(|answered| answered.value))
    }

    /// The header named `hash`, canonical or not; `None` when no endpoint knows it.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn header_by_hash(&self, hash: B256) -> Result<Option<Header>, RequestError> {
        let found = self.find(move |endpoint| async move { fetch::header(&endpoint, BlockId::Hash(hash)).await });
        Ok(found.await?.map(|answered| answered.value))
    }

    /// Canonical block `number` with transactions and receipts; `None` when no endpoint has it (yet).
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint gives it whole.
    pub async fn block(&self, number: BlockNumber) -> Result<Option<Block>, RequestError> {
        Ok(self.whole(BlockId::Number(number)).await?.map(|answered| answered.value))
    }

    /// The block named `hash` with transactions and receipts; `None` when no endpoint knows it.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint gives it whole.
    pub async fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, RequestError> {
        Ok(self.whole(BlockId::Hash(hash)).await?.map(|answered| answered.value))
    }

    pub(crate) async fn whole(&self, id: BlockId) -> Result<Option<Answered<Block>>, RequestError> {
        self.find(move |endpoint| async move { fetch::whole_block(&endpoint, id).await }).await
    }

    /// Headers of canonical blocks `first..=last`, oldest first, in one question; ends early where the chain ends.
    pub(crate) async fn headers(&self, first: BlockNumber, last: BlockNumber) -> Result<Vec<Header>, RequestError> {
        self.attempt(move |endpoint| async move { fetch::headers(&endpoint, first, last).await })
            .await
            .map(|answered| answered.value)
    }

    /// A view call from the zero address.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers; a revert is an answer.
    pub async fn call(&self, to: Address, data: &Bytes, at: At) -> Result<CallAnswer, RequestError> {
        let call = json!({ "to": to, "input": fetch::hex_of(data), "data": fetch::hex_of(data) });
        let answered = self.attempt(move |endpoint| {
            let call = call.clone();
            async move {
                let error = match fetch::at_state(&endpoint, "eth_call", vec![call], at, wire::hex::<Bytes>).await {
                    Ok(returned) => return Ok(CallAnswer::Returned(returned)),
                    Err(error) => error,
                };
                match error.reverted() {
                    Some((message, data)) => Ok(CallAnswer::Reverted { data, message }),
                    None => Err(error),
                }
            }
        });
        Ok(answered.await?.value)
    }

    /// Wei.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn balance(&self, address: Address, at: At) -> Result<U256, RequestError> {
        self.of_account("eth_getBalance", address, at, wire::hex::<U256>).await
    }

    /// The next nonce; at [`At::Pending`] after the account's transactions in the mempool.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn nonce(&self, address: Address, at: At) -> Result<u64, RequestError> {
        self.of_account("eth_getTransactionCount", address, at, wire::hex::<u64>).await
    }

    /// Runtime code, empty where there is none.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn code(&self, address: Address, at: At) -> Result<Bytes, RequestError> {
        self.of_account("eth_getCode", address, at, wire::hex::<Bytes>).await.map(wire::code_of)
    }

    async fn of_account<T: Send>(
        &self,
        method: &'static str,
        address: Address,
        at: At,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<T, RequestError> {
        let asked = self.attempt(move |endpoint| async move {
            fetch::at_state(&endpoint, method, vec![json!(address)], at, parse).await
        });
        Ok(asked.await?.value)
    }

    /// The receipt of a mined transaction; `None` while no endpoint has one.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn receipt(&self, transaction: B256) -> Result<Option<MinedReceipt>, RequestError> {
        const METHOD: &str = "eth_getTransactionReceipt";
        let found = self.find(move |endpoint| async move {
            let text = endpoint.ask(METHOD, json!([transaction])).await?;
            let seen = endpoint.read(METHOD, &text, wire::receipt)?;
            if let Some(other) = seen.as_ref().map(|seen| seen.receipt.transaction).filter(|hash| *hash != transaction)
            {
                return Err(endpoint
                    .malformed(METHOD, &format!("`transactionHash`: {other}, expected {transaction}, as asked")));
            }
            Ok(seen)
        });
        Ok(found.await?.map(|answered| answered.value))
    }

    /// A transaction by hash, and the block that carries it if any does; `None` when no endpoint knows it.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn transaction(&self, hash: B256) -> Result<Option<(Transaction, Option<B256>)>, RequestError> {
        let found = self.find(move |endpoint| async move { fetch::transaction(&endpoint, hash).await });
        Ok(found.await?.map(|answered| (answered.value.transaction, answered.value.block_hash)))
    }

    /// What the node would pay per gas for an ordinary transaction, in wei.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn gas_price(&self) -> Result<u128, RequestError> {
        self.plain("eth_gasPrice").await
    }

    /// The priority fee per gas that the node suggests, in wei.
    ///
    /// # Errors
    /// [`RequestError`] when no endpoint answers.
    pub async fn suggested_priority_fee(&self) -> Result<u128, RequestError> {
        self.plain("eth_maxPriorityFeePerGas").await
    }

    async fn plain(&self, method: &'static str) -> Result<u128, RequestError> {
        let asked = self.attempt(move |endpoint| async move {
            let text = endpoint.ask(method, Value::Array(Vec::new())).await?;
            endpoint.read(method, &text, wire::hex::<u128>)
        });
        Ok(asked.await?.value)
    }

    /// Tries `work` on one endpoint after the other until one does it.
    pub(crate) async fn attempt<T, F, Fut>(&self, work: F) -> Result<Answered<T>, RequestError>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<T, RequestError>>,
    {
        let mut failures = Vec::new();
        for endpoint in self.order() {
            match work(endpoint.clone()).await {
                Ok(value) => {
                    self.did_well(&endpoint);
                    return Ok(Answered { value, endpoint });
                }
                Err(error) => {
                    self.did_badly(&endpoint, &error);
                    failures.push(error);
                }
            }
        }
        Err(all_failed(failures))
    }

    /// As [`attempt`](Self::attempt), going on where the answer is "not here": another endpoint may be ahead.
    pub(crate) async fn find<T, F, Fut>(&self, work: F) -> Result<Option<Answered<T>>, RequestError>
    where
        F: Fn(Endpoint) -> Fut,
        Fut: Future<Output = Result<Option<T>, RequestError>>,
    {
        let mut failures = Vec::new();
        let mut absent = false;
        for endpoint in self.order() {
            match work(endpoint.clone()).await {
                Ok(Some(value)) => {
                    self.did_well(&endpoint);
                    return Ok(Some(Answered { value, endpoint }));
                }
                Ok(None) => {
                    self.did_well(&endpoint);
                    absent = true;
                }
                Err(error) => {
                    self.did_badly(&endpoint, &error);
                    failures.push(error);
                }
            }
        }
        if absent { Ok(None) } else { Err(all_failed(failures)) }
    }

    /// Endpoints to ask, healthy ones first, otherwise as configured.
    pub(crate) fn order(&self) -> Vec<Endpoint> {
        let now = Instant::now();
        let mut endpoints = self.shared.endpoints.clone();
        endpoints.sort_by_cached_key(|endpoint| endpoint.health().rank(now));
        endpoints
    }

    pub(crate) fn did_well(&self, endpoint: &Endpoint) {
        let change = endpoint.health().succeeded();
        if change == Change::Returned {
            self.shared.alerts.endpoint(endpoint.name(), "answers again".to_owned());
        }
    }

    pub(crate) fn did_badly(&self, endpoint: &Endpoint, error: &RequestError) {
        tracing::debug!(endpoint = endpoint.name(), %error, "request failed");
        let change = endpoint.health().failed(error.blame(), Instant::now());
        if change == Change::Demoted {
            metrics::counter!("cofferdam_endpoint_demotions_total", "endpoint" => endpoint.name().to_owned())
                .increment(1);
            self.shared.alerts.endpoint(endpoint.name(), format!("demoted: {error}"));
        }
    }

    /// Compares the heads of all endpoints every `every`, for ever. For a task of its own.
    pub async fn watch_heads(&self, every: Duration) {
        loop {
            self.compare_heads().await;
            tokio::time::sleep(every).await;
        }
    }
}

fn all_failed(mut failures: Vec<RequestError>) -> RequestError {
    if failures.len() == 1
        && let Some(only) = failures.pop()
    {
        return only;
    }
    let reasons: Vec<String> = failures.iter().map(ToString::to_string).collect();
    RequestError::AllFailed { reasons: reasons.join("; ") }
}
