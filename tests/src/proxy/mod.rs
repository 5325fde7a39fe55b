//! A JSON-RPC proxy, over HTTP and WebSocket, that tells the truth except where a rule says otherwise.
//!
//! The faults are those that real endpoints show: [`Fault`] lists them, [`Rule`] says when one strikes. Beside the
//! rules the proxy adds nothing: ids, order of a batch and subscriptions pass through.

mod fault;
mod http;
mod lag;
mod rule;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use fault::Fault;
pub use rule::{Injected, Rule};

use crate::Rpc;
use rule::{Rules, Strike};

/// What a gateway in front of a node answers when the node is away.
const NOT_JSON: &str = "<html><body>502 Bad Gateway</body></html>";

/// A proxy that lives as long as this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What all connections of one proxy share.
#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    rpc: Rpc,
    rules: Rules,
}

/// What goes back to the client.
enum Answer {
    /// This text, JSON or not.
    Text(String),
    /// This HTTP status and nothing else.
    Status(u16),
    /// Nothing: the connection ends.
    CutOff,
}

impl Proxy {
    /// Stands in front of the node at `upstream`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn before(upstream: SocketAddr) -> Self {
        let shared = Arc::new(Shared { upstream, rpc: Rpc::new(upstream), rules: Rules::default() });
        let router = Router::new().route("/", any(http::serve)).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the system has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                panic!("the proxy ended: {error}");
            }
        });
        Self { address, shared, server }
    }

    /// Where it listens, for HTTP and WebSocket alike.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint for HTTP.
    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The endpoint for WebSocket.
    pub fn ws(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Puts `rule` into force. It stays until its limit is reached or the handle lifts it.
    pub fn inject(&self, rule: Rule) -> Injected {
        self.shared.rules.add(rule)
    }

    /// How many requests for `method` have come so far, faulty or not.
    pub fn requests(&self, method: &str) -> u64 {
        self.shared.rules.requests(method)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    /// Answers one message of a client: a call or a batch of calls.
    async fn answer(&self, message: &Value) -> Answer {
        let Some(batch) = message.as_array() else {
            return self.answer_call(message).await;
        };
        let mut answers = Vec::new();
        for call in batch {
            match self.answer_call(call).await {
                Answer::Text(text) => answers.push(text),
                whole @ (Answer::Status(_) | Answer::CutOff) => return whole,
            }
        }
        Answer::Text(format!("[{}]", answers.join(",")))
    }

    async fn answer_call(&self, call: &Value) -> Answer {
        match self.rules.strike(call) {
            Some(strike) => self.struck(call, strike).await,
            None => self.honest(call).await,
        }
    }

    async fn struck(&self, call: &Value, strike: Strike) -> Answer {
        let id = call.get("id").cloned().unwrap_or(Value::Null);
        match strike.fault() {
            Fault::Error { code, message } => {
                let error = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
                Answer::Text(error.to_string())
            }
            Fault::Status(status) => Answer::Status(*status),
            Fault::NotJson => Answer::Text(NOT_JSON.to_owned()),
            Fault::CutOff => Answer::CutOff,
            Fault::Hang => {
                strike.lifted().await;
                Answer::CutOff
            }
            Fault::Lag(blocks) => match lag::answer(&self.rpc, call, *blocks).await {
                Ok(answer) => Answer::Text(answer.to_string()),
                Err(_) => Answer::CutOff,
            },
            // These strike notifications only.
            Fault::Twice | Fault::Late => self.honest(call).await,
            Fault::Rewrite(rewrite) => match self.rpc.forward(call).await {
                Ok(mut answer) => {
                    if let Some(result) = answer.get_mut("result") {
                        rewrite(result);
                    }
                    Answer::Text(answer.to_string())
                }
                Err(_) => Answer::CutOff,
            },
        }
    }

    async fn honest(&self, call: &Value) -> Answer {
        match self.rpc.forward(call).await {
            Ok(answer) => Answer::Text(answer.to_string()),
            Err(_) => Answer::CutOff,
        }
    }
}
