//! JSON-RPC over WebSocket.
//!
//! The library's own connector leaves Nagle's algorithm on, which holds back the second of two questions for 40 ms, and
//! ends a connection on a message that is not JSON without saying so. It must never connect twice: a new connection has
//! to be asked for its chain first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_json_rpc::PubSubItem;
use alloy_pubsub::{ConnectionHandle, ConnectionInterface, PubSubConnect};
use alloy_transport::{Authorization, TransportErrorKind, TransportResult};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use crate::redact::clip;

/// A ping is sent this often; a connection that answered none of two is dead.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Why a connection ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// It was closed or broke.
    Closed(String),
    /// The other side sent something that is not JSON-RPC.
    NotJson(String),
}

/// Where the reason is left for those who still wait for an answer.
pub(crate) type LastWords = Arc<Mutex<Option<Ending>>>;

/// Connects once to one address.
#[derive(Clone)]
pub(crate) struct WebSocket {
    pub(crate) url: Url,
    pub(crate) limit: usize,
    pub(crate) last_words: LastWords,
}

impl PubSubConnect for WebSocket {
    fn is_local(&self) -> bool {
        false
    }

    async fn connect(&self) -> TransportResult<ConnectionHandle> {
        let mut request = self.url.as_str().into_client_request().map_err(TransportErrorKind::custom)?;
        if let Some(authorization) = Authorization::extract_from_url(&self.url) {
            let mut value = HeaderValue::from_str(&authorization.to_string()).map_err(TransportErrorKind::custom)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let limit = Some(self.limit);
        let bounds = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
        let connected = connect_async_with_config(request, Some(bounds), true).await;
        let (socket, _) = connected.map_err(TransportErrorKind::custom)?;
        *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let (handle, interface) = ConnectionHandle::new();
        tokio::spawn(serve(socket, interface, Arc::clone(&self.last_words)));
        Ok(handle)
    }

    async fn try_reconnect(&self) -> TransportResult<ConnectionHandle> {
        Err(TransportErrorKind::non_retryable_str("the connection ended"))
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server that waits for our acknowledgement before its next message would otherwise wait 40 ms for it, as anvil
/// does. The kernel forgets this wish now and then, so it is repeated; failing at it costs only that time.
#[cfg(target_os = "linux")]
fn acknowledge_at_once(socket: &Socket) {
    let _ = socket.get_ref().get_ref().set_quickack(true);
}

#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_: &Socket) {}

async fn serve(mut socket: Socket, mut interface: ConnectionInterface, last_words: LastWords) {
    let mut keepalive = tokio::time::interval(KEEPALIVE);
    let mut unanswered = 0_u8;
    let ending = loop {
        tokio::select! {
            question = interface.recv_from_frontend() => {
                // Nobody holds the client any more.
                let Some(question) = question else { break None };
                if let Err(error) = socket.send(Message::text(question.get())).await {
                    break Some(Ending::Closed(error.to_string()));
                }
                acknowledge_at_once(&socket);
            }
            _ = keepalive.tick() => {
                if unanswered >= 2 {
                    break Some(Ending::Closed("no answer to two pings".to_owned()));
                }
                unanswered = unanswered.saturating_add(1);
                if let Err(error) = socket.send(Message::Ping(Default::default())).await {
                    break Some(Ending::Closed(error.to_string()));
                }
            }
            message = socket.next() => {
                unanswered = 0;
                acknowledge_at_once(&socket);
                match item_of(message) {
                    Ok(None) => {}
                    Ok(Some(item)) => {
                        if interface.send_to_frontend(item).is_err() {
                            break None;
                        }
                    }
                    Err(ending) => break Some(ending),
                }
            }
        }
    };
    if let Some(ending) = ending {
        *last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
        interface.close_with_transport_error(TransportErrorKind::non_retryable_str("the connection ended"));
    }
}

fn item_of(message: Option<Result<Message, SocketError>>) -> Result<Option<PubSubItem>, Ending> {
    match message {
        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
            Ok(item) => Ok(Some(item)),
            Err(error) => Err(Ending::NotJson(format!("{error}, expected JSON-RPC, seen `{}`", clip(&text, 80)))),
        },
        Some(Ok(Message::Binary(_))) => Err(Ending::NotJson("a binary message, expected text".to_owned())),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(_))) | None => Err(Ending::Closed("the other side closed it".to_owned())),
        Some(Err(error)) => Err(Ending::Closed(error.to_string())),
    }
}
