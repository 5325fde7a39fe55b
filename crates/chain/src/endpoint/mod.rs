//! One address that speaks JSON-RPC: connecting, asking, subscribing, and what it turned out to be able to do.
//!
//! Connections are made when they are needed and made anew after they break; each new one must first name the right
//! chain. An endpoint must never appear in a message by its address, only by its name.

mod abilities;
mod subscription;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use alloy_primitives::B256;
use alloy_pubsub::{ConnectionHandle, PubSubConnect};
use alloy_rpc_client::{ClientBuilder, IpcConnect, RpcClient};
use alloy_transport::{RpcError, TransportError, TransportErrorKind, TransportResult};
use cofferdam_types::ChainId;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use url::Url;

pub(crate) use self::abilities::{Abilities, Ability};
pub(crate) use self::subscription::{Notice, Subscription};
use crate::error::{ConnectError, RequestError};
use crate::health::Health;
use crate::http::{Http, HttpFault};
use crate::redact::{Redactor, clip};
use crate::wire;
use crate::ws::{Ending, LastWords, WebSocket};

/// Questions sent as one batch; hosted nodes refuse larger ones.
const BATCH: usize = 100;
/// Notifications kept while the reader is busy.
const SUBSCRIPTION_BUFFER: usize = 4_096;

/// Limits of one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct EndpointOptions {
    /// How long an ordinary question may take, connecting included.
    pub timeout: Duration,
    /// How long a trace of a transaction or block may take.
    pub trace_timeout: Duration,
    /// Longest answer taken, in bytes.
    pub max_answer_bytes: usize,
}

impl Default for EndpointOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            trace_timeout: Duration::from_secs(30),
            max_answer_bytes: 256 * 1_024 * 1_024,
        }
    }
}

/// One endpoint; clones share the connection.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    dial: Dial,
    options: EndpointOptions,
    redactor: Redactor,
    session: tokio::sync::Mutex<Option<RpcClient>>,
    chain: OnceLock<ChainId>,
    health: Mutex<Health>,
    abilities: Abilities,
    /// Why the last WebSocket connection ended.
    last_words: LastWords,
}

enum Dial {
    Http(Url),
    WebSocket(Url),
    Ipc(PathBuf),
    Given(RpcClient),
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint at `address`: an `http`, `https`, `ws` or `wss` URL, or the path of a socket (also as `ipc://path`).
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConnectError::Address`] when `address` is none of these.
    pub fn new(name: &str, address: &str, options: EndpointOptions) -> Result<Self, ConnectError> {
        let name: Arc<str> = name.into();
        let unusable = |reason: &str| ConnectError::Address { name: Arc::clone(&name), reason: reason.to_owned() };
        let path = address.strip_prefix("ipc://").or_else(|| address.strip_prefix("file://"));
        let (dial, redactor) = match path.or_else(|| (!address.contains("://")).then_some(address)) {
            Some("") => return Err(unusable("it is empty")),
            Some(path) => (Dial::Ipc(path.into()), Redactor::for_path(path.as_ref())),
            None => {
                let url = Url::parse(address).map_err(|error| unusable(&error.to_string()))?;
                let redactor = Redactor::for_url(&url);
                match url.scheme() {
                    "http" | "https" => (Dial::Http(url), redactor),
                    "ws" | "wss" => (Dial::WebSocket(url), redactor),
                    other => return Err(unusable(&format!("its scheme is `{}`", clip(other, 20)))),
                }
            }
        };
        Ok(Self::build(name, dial, redactor, options))
    }

    /// As [`new`](Self::new), and connects at once.
    ///
    /// # Errors
    /// [`ConnectError`] when the address is not usable or nobody answers there.
    pub async fn connect(name: &str, address: &str, options: EndpointOptions) -> Result<Self, ConnectError> {
        let endpoint = Self::new(name, address, options)?;
        endpoint.chain_id().await?;
        Ok(endpoint)
    }

    /// An endpoint over a connection that exists already, such as one to a chain in this process.
    pub fn from_client(name: &str, client: RpcClient) -> Self {
        Self::from_client_with(name, client, EndpointOptions::default())
    }

    /// As [`from_client`](Self::from_client), with limits.
    pub fn from_client_with(name: &str, client: RpcClient, options: EndpointOptions) -> Self {
        Self::build(name.into(), Dial::Given(client), Redactor::default(), options)
    }

    fn build(name: Arc<str>, dial: Dial, redactor: Redactor, options: EndpointOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                dial,
                options,
                redactor,
                session: tokio::sync::Mutex::default(),
                chain: OnceLock::new(),
                health: Mutex::default(),
                abilities: Abilities::default(),
                last_words: LastWords::default(),
            }),
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.shared.name)
    }

    pub(crate) fn abilities(&self) -> &Abilities {
        &self.shared.abilities
    }

    pub(crate) fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fixes the chain that this endpoint must be on. The first word counts.
    pub(crate) fn expect_chain(&self, chain: ChainId) {
        let _ = self.shared.chain.set(chain);
    }

    /// The chain that it says it is on, checked against the one it must be on.
    pub(crate) async fn chain_id(&self) -> Result<ChainId, RequestError> {
        let text = self.ask("eth_chainId", Value::Array(Vec::new())).await?;
        let seen = self.read("eth_chainId", &text, wire::hex::<u64>).map(ChainId)?;
        self.right_chain(seen)
    }

    fn right_chain(&self, seen: ChainId) -> Result<ChainId, RequestError> {
        let expected = *self.shared.chain.get_or_init(|| seen);
        if seen == expected {
            return Ok(seen);
        }
        Err(RequestError::WrongChain { endpoint: self.shared_name(), seen, expected })
    }

    /// Asks one question.
    pub(crate) async fn ask(&self, method: &'static str, params: Value) -> Result<Box<RawValue>, RequestError> {
        let started = Instant::now();
        let answer = self.within(method, async {
            let client = self.session().await?;
            let answer = client.request::<_, Box<RawValue>>(method, params).await;
            answer.map_err(|error| self.fault(method, error))
        });
        let answer = answer.await.and_then(|text| self.bounded(method, text));
        self.measure(method, started, &answer);
        if let Err(error) = &answer {
            self.after_failure(error);
        }
        answer
    }

    /// Asks several questions, in batches where the node takes them. One answer a question, in order.
    pub(crate) async fn ask_all(
        &self,
        questions: Vec<(&'static str, Value)>,
    ) -> Result<Vec<Result<Box<RawValue>, RequestError>>, RequestError> {
        let mut answers = Vec::with_capacity(questions.len());
        for chunk in questions.chunks(BATCH) {
            if !self.shared.abilities.batches.is_lacking() {
                let batch = self.ask_batch(chunk).await?;
                let refused = chunk.len() > 1 && batch.iter().all(Result::is_err);
                if !refused {
                    answers.extend(batch);
                    continue;
                }
                // Nothing of the batch was answered. If the same questions do better one by one, batches are at fault.
            }
            let one_by_one = chunk.iter().map(|(method, params)| self.ask(method, params.clone()));
            let singles = futures_util::future::join_all(one_by_one).await;
            if singles.iter().any(Result::is_ok) {
                self.shared.abilities.batches.set_lacking();
            }
            answers.extend(singles);
        }
        Ok(answers)
    }

    async fn ask_batch(
        &self,
        chunk: &[(&'static str, Value)],
    ) -> Result<Vec<Result<Box<RawValue>, RequestError>>, RequestError> {
        let Some((first, _)) = chunk.first() else { return Ok(Vec::new()) };
        let method = *first;
        let started = Instant::now();
        let sent = self.within(method, async {
            let client = self.session().await?;
            let mut batch = client.new_batch();
            let mut waiting = Vec::with_capacity(chunk.len());
            for (method, params) in chunk {
                let added = batch.add_call::<_, Box<RawValue>>(*method, params);
                waiting.push((*method, added.map_err(|error| self.fault(method, error))?));
            }
            batch.send().await.map_err(|error| self.fault(method, error))?;
            let mut answers = Vec::with_capacity(waiting.len());
            for (method, answer) in waiting {
                let answer = answer.await.map_err(|error| self.fault(method, error));
                answers.push(answer.and_then(|text| self.bounded(method, text)));
            }
            Ok(answers)
        });
        let answers = sent.await;
        self.measure(method, started, &answers);
        if let Err(error) = &answers {
            self.after_failure(error);
        }
        answers
    }

    /// Subscribes. Ends with [`RequestError::Unsupported`] where the transport has no subscriptions.
    pub(crate) async fn subscribe(&self, params: Value) -> Result<Subscription, RequestError> {
        const METHOD: &str = "eth_subscribe";
        let opened = self.within(METHOD, async {
            let client = self.session().await?;
            let Some(frontend) = client.pubsub_frontend().cloned() else {
                return Err(RequestError::Unsupported { endpoint: self.shared_name(), method: METHOD });
            };
            frontend.set_channel_size(SUBSCRIPTION_BUFFER);
            let id: B256 = client.request(METHOD, params).await.map_err(|error| self.fault(METHOD, error))?;
            let feed = frontend.get_subscription(id).await.map_err(|error| self.fault(METHOD, error))?;
            Ok(Subscription { feed, frontend })
        });
        let opened = opened.await;
        if let Err(error) = &opened {
            self.after_failure(error);
        }
        opened
    }

    /// Parses an answer; a complaint becomes an error that names endpoint and method.
    pub(crate) fn read<T>(
        &self,
        method: &'static str,
        answer: &RawValue,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, RequestError> {
        parse(answer.get()).map_err(|detail| self.malformed(method, &detail))
    }

    pub(crate) fn malformed(&self, method: &'static str, detail: &str) -> RequestError {
        RequestError::Malformed { endpoint: self.shared_name(), method, detail: self.shared.redactor.clean(detail) }
    }

    pub(crate) fn missing(&self, method: &'static str, what: String) -> RequestError {
        RequestError::Missing { endpoint: self.shared_name(), method, what }
    }

    fn bounded(&self, method: &'static str, text: Box<RawValue>) -> Result<Box<RawValue>, RequestError> {
        let limit = self.shared.options.max_answer_bytes;
        let seen = text.get().len();
        if seen <= limit {
            return Ok(text);
        }
        Err(self.malformed(method, &format!("{seen} bytes, expected at most {limit}")))
    }

    async fn within<T>(
        &self,
        method: &'static str,
        work: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        let options = &self.shared.options;
        let limit = if method.starts_with("debug_") { options.trace_timeout } else { options.timeout };
        match timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => Err(RequestError::TimedOut { endpoint: self.shared_name(), method, limit_ms: limit.as_millis() }),
        }
    }

    fn measure<T>(&self, method: &'static str, started: Instant, answer: &Result<T, RequestError>) {
        let endpoint = self.name().to_owned();
        let outcome = if answer.is_ok() { "ok" } else { "error" };
        let seconds = started.elapsed().as_secs_f64();
        metrics::counter!("cofferdam_rpc_requests_total", "endpoint" => endpoint.clone(), "method" => method, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("cofferdam_rpc_seconds", "endpoint" => endpoint, "method" => method).record(seconds);
    }

    /// A connection that hung, broke or spoke nonsense is not used again: the next question makes a new one.
    fn after_failure(&self, error: &RequestError) {
        if matches!(
            error,
            RequestError::TimedOut { .. }
                | RequestError::Connection { .. }
                | RequestError::Malformed { .. }
                | RequestError::WrongChain { .. }
        ) {
            // When it is locked, somebody is dialing already.
            if let Ok(mut session) = self.shared.session.try_lock() {
                *session = None;
            }
            self.shared.abilities.forget();
        }
    }

    /// The connection, made if there is none. The lock is held meanwhile so that one caller dials for all.
    async fn session(&self) -> Result<RpcClient, RequestError> {
        const METHOD: &str = "eth_chainId";
        let mut session = self.shared.session.lock().await;
        if let Some(client) = session.as_ref() {
            return Ok(client.clone());
        }
        // Boxed because a handshake is large and rare, and every question would carry its size.
        let client = Box::pin(self.dial()).await?;
        let answer = client.request_noparams::<Box<RawValue>>(METHOD).await;
        let answer = answer.map_err(|error| self.fault(METHOD, error))?;
        self.right_chain(ChainId(self.read(METHOD, &answer, wire::hex::<u64>)?))?;
        *session = Some(client.clone());
        Ok(client)
    }

    async fn dial(&self) -> Result<RpcClient, RequestError> {
        const METHOD: &str = "connect";
        let limit = self.shared.options.max_answer_bytes;
        let connected = match &self.shared.dial {
            Dial::Given(client) => return Ok(client.clone()),
            Dial::Http(url) => {
                let http = Http::new(url.clone(), limit).ok_or_else(|| RequestError::Connection {
                    endpoint: self.shared_name(),
                    method: METHOD,
                    reason: "the TLS library did not start".to_owned(),
                })?;
                return Ok(RpcClient::new(http, false));
            }
            Dial::WebSocket(url) => {
                let last_words = Arc::clone(&self.shared.last_words);
                ClientBuilder::default().pubsub(WebSocket { url: url.clone(), limit, last_words }).await
            }
            Dial::Ipc(path) => ClientBuilder::default().pubsub(Once(IpcConnect::new(path.clone()))).await,
        };
        connected.map_err(|error| self.fault(METHOD, error))
    }

    fn fault(&self, method: &'static str, error: TransportError) -> RequestError {
        let endpoint = self.shared_name();
        let clean = |text: &str| self.shared.redactor.clean(text);
        let connection = |reason: String| RequestError::Connection { endpoint: Arc::clone(&endpoint), method, reason };
        match error {
            RpcError::ErrorResp(payload) => {
                let data = payload.as_revert_data();
                RequestError::Refused { endpoint, method, code: payload.code, message: clean(&payload.message), data }
            }
            RpcError::DeserError { err, text } => {
                let begins = clean(&clip(&text, 80));
                self.malformed(method, &format!("{err}, expected a JSON-RPC answer, seen `{begins}`"))
            }
            RpcError::NullResp => self.malformed(method, "null"),
            RpcError::Transport(TransportErrorKind::Custom(inner)) => match inner.downcast_ref::<HttpFault>() {
                Some(HttpFault::TooLarge { .. }) => self.malformed(method, &inner.to_string()),
                Some(HttpFault::Connect(_) | HttpFault::Status(_) | HttpFault::Broken) | None => {
                    connection(clean(&inner.to_string()))
                }
            },
            RpcError::Transport(kind) => {
                let last_words = self.shared.last_words.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match last_words.filter(|_| kind.is_backend_gone()) {
                    Some(Ending::NotJson(detail)) => self.malformed(method, &detail),
                    Some(Ending::Closed(reason)) => connection(clean(&format!("the connection ended: {reason}"))),
                    None => connection(clean(&kind.to_string())),
                }
            }
            RpcError::UnsupportedFeature(_) | RpcError::LocalUsageError(_) | RpcError::SerError(_) => {
                connection(clean(&error.to_string()))
            }
        }
    }
}

/// A connector for sockets that connects once. The library would reconnect on its own and go on without asking which chain it
/// reached; here the connection ends instead, and the next question makes a new one.
#[derive(Clone, Debug)]
struct Once<C>(C);

impl<C: PubSubConnect> PubSubConnect for Once<C> {
    fn is_local(&self) -> bool {
        self.0.is_local()
    }

    async fn connect(&self) -> TransportResult<ConnectionHandle> {
        self.0.connect().await
    }

    async fn try_reconnect(&self) -> TransportResult<ConnectionHandle> {
        Err(TransportErrorKind::non_retryable_str("the connection ended"))
    }
}
