//! A receiver of alerts that can refuse them, and remembers every attempt.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait;

/// One attempt to deliver a message.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as it came: what a signature covers.
    pub body: Bytes,
    /// The body as JSON; `null` when it is none.
    pub json: Value,
    /// Whether the receiver took it.
    pub accepted: bool,
    /// When it had come whole.
    pub at: Instant,
}

impl Delivery {
    /// Whether it is signed as a Standard Webhooks 1.0.0 receiver checks it with `secret`, `whsec_` and base64: the
    /// HMAC-SHA256 of id, time and body as they came.
    ///
    /// # Panics
    /// When `secret` is none.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let encoded = secret.strip_prefix("whsec_").expect("a secret begins with its prefix");
        let key = STANDARD.decode(encoded).expect("a secret is base64");
        let header = |name: &str| self.headers.get(name).map(String::as_str).unwrap_or_default();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
        mac.update(&self.body);
        let expected = STANDARD.encode(mac.finalize().into_bytes());
        header("webhook-signature").split(' ').any(|signature| signature.strip_prefix("v1,") == Some(&expected))
    }
}

/// A receiver that lives as long as this value.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Inbox>,
    deliveries: watch::Receiver<Vec<Delivery>>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Inbox {
    status: watch::Sender<StatusCode>,
    deliveries: watch::Sender<Vec<Delivery>>,
}

impl Receiver {
    /// A receiver that takes everything.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let (sender, deliveries) = watch::channel(Vec::new());
        let state = Arc::new(Inbox { status: watch::Sender::new(StatusCode::OK), deliveries: sender });
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the system has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                panic!("the receiver ended: {error}");
            }
        });
        Self { address, state, deliveries, server }
    }

    /// Where messages go.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers 503 from now on.
    pub fn refuse(&self) {
        self.state.status.send_replace(StatusCode::SERVICE_UNAVAILABLE);
    }

    /// Takes messages again.
    pub fn accept(&self) {
        self.state.status.send_replace(StatusCode::OK);
    }

    /// Every attempt so far, oldest first.
    pub fn attempts(&self) -> Vec<Delivery> {
        self.deliveries.borrow().clone()
    }

    /// Returns when there have been so many attempts in all.
    ///
    /// # Panics
    /// When they do not come within [`wait::PATIENCE`].
    pub async fn comes_to(&self, attempts: usize) {
        let mut deliveries = self.deliveries.clone();
        let reached = deliveries.wait_for(|all| all.len() >= attempts);
        let reached = tokio::time::timeout(wait::PATIENCE, reached).await.is_ok();
        assert!(reached, "there were {} attempts, not {attempts}", self.attempts().len());
    }

    /// The messages that were taken, oldest first; a message delivered twice stands here twice.
    pub fn accepted(&self) -> Vec<Delivery> {
        self.attempts().into_iter().filter(|delivery| delivery.accepted).collect()
    }

    /// The first attempt, past or future, that fits.
    ///
    /// # Panics
    /// When none comes within [`wait::PATIENCE`]; the message names `what` was waited for and what came instead.
    pub async fn first(&self, what: &str, fits: impl Fn(&Delivery) -> bool) -> Delivery {
        let mut deliveries = self.deliveries.clone();
        let found = deliveries.wait_for(|all| all.iter().any(&fits));
        if tokio::time::timeout(wait::PATIENCE, found).await.is_err() {
            let bodies: Vec<_> = self.attempts().iter().map(|delivery| delivery.json.to_string()).collect();
            panic!("no message came: {what}; what came: {bodies:#?}");
        }
        self.attempts().into_iter().find(|delivery| fits(delivery)).expect("attempts are never forgotten")
    }

    /// The first message, past or future, that was taken and fits.
    ///
    /// # Panics
    /// As [`Self::first`].
    pub async fn accepts(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Delivery {
        self.first(what, |delivery| delivery.accepted && fits(&delivery.json)).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let at = Instant::now();
    let status = *inbox.status.borrow();
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let delivery = Delivery { headers: headers.collect(), body, json, accepted: status.is_success(), at };
    inbox.deliveries.send_modify(|all| all.push(delivery));
    status
}
