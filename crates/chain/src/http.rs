//! JSON-RPC over HTTP with a bound on the size of answers.
//!
//! The library's own HTTP transport reads a body to its end, however long, and writes the address into its log spans.
//! This one does neither: it must never keep more than the limit in memory nor repeat an address.

use std::task::{Context, Poll};

use alloy_json_rpc::{RequestPacket, ResponsePacket};
use alloy_transport::{TransportError, TransportErrorKind, TransportFut};
use url::Url;

/// What went wrong on the way, in words that hold no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpFault {
    #[error("connection failed ({0})")]
    Connect(&'static str),
    #[error("status {0}")]
    Status(u16),
    #[error("the answer is longer than the {limit} bytes allowed")]
    TooLarge { limit: usize },
    #[error("the connection broke while the answer was read")]
    Broken,
}

/// The transport: one pool of connections to one address.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    url: Url,
    limit: usize,
}

impl Http {
    /// `None` when the TLS library cannot be started.
    pub(crate) fn new(url: Url, limit: usize) -> Option<Self> {
        // A redirect would send questions (and raw transactions) to an address nobody configured.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().ok()?;
        Some(Self { client, url, limit })
    }

    async fn exchange(self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let body = serde_json::to_vec(&packet).map_err(TransportError::ser_err)?;
        let request = self.client.post(self.url).header("content-type", "application/json").body(body);
        let mut response = request.send().await.map_err(|error| {
            let stage = if error.is_timeout() { "timed out" } else { "refused, unreachable or not TLS" };
            TransportErrorKind::custom(HttpFault::Connect(stage))
        })?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| TransportErrorKind::custom(HttpFault::Broken))? {
            if answer.len().saturating_add(chunk.len()) > self.limit {
                return Err(TransportErrorKind::custom(HttpFault::TooLarge { limit: self.limit }));
            }
            answer.extend_from_slice(&chunk);
        }
        let parsed: Result<ResponsePacket, _> = serde_json::from_slice(&answer);
        match parsed {
            // Some gateways put a JSON-RPC error into an answer with another status than 200.
            Ok(packet) if status.is_success() || packet.is_error() => Ok(packet),
            Ok(_) => Err(TransportErrorKind::custom(HttpFault::Status(status.as_u16()))),
            Err(_) if !status.is_success() => Err(TransportErrorKind::custom(HttpFault::Status(status.as_u16()))),
            Err(error) => {
                let head = answer.get(..answer.len().min(200)).unwrap_or_default();
                Err(TransportError::deser_err(error, String::from_utf8_lossy(head)))
            }
        }
    }
}

impl tower::Service<RequestPacket> for Http {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        Box::pin(self.clone().exchange(packet))
    }
}
