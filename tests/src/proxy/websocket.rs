//! The WebSocket face of the proxy. Only subscriptions use a WebSocket to the node; other calls are answered as over
//! HTTP, so that a fault is the same on both.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as NodeMessage;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Answer, Fault, NOT_JSON, Shared, lag};

type NodeSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What follows from one message.
enum Next {
    Nothing,
    Send(Answer),
    /// These notifications, in this order, and after them what was held back.
    Notify(Vec<String>),
    /// This notification is held back until after the next one.
    Hold(String),
    End,
}

/// Serves one client until it, the node, or a fault ends the connection.
pub(super) async fn serve(shared: Arc<Shared>, mut client: WebSocket) {
    let Ok((mut node, _)) = tokio_tungstenite::connect_async(format!("ws://{}", shared.upstream)).await else {
        return;
    };
    // Calls are answered beside each other: one that hangs must not hold up the rest.
    let (answers, mut answered) = mpsc::channel(64);
    let mut held = None;
    loop {
        let next = tokio::select! {
            message = client.recv() => match message {
                Some(Ok(Message::Text(text))) => from_client(&shared, &mut node, text.as_str(), &answers).await,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Next::Nothing,
                Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => Next::End,
            },
            message = node.next() => match message {
                Some(Ok(NodeMessage::Text(text))) => from_node(&shared, text.as_str()).await,
                Some(Ok(NodeMessage::Ping(_) | NodeMessage::Pong(_))) => Next::Nothing,
                Some(Ok(NodeMessage::Binary(_) | NodeMessage::Close(_) | NodeMessage::Frame(_)) | Err(_)) | None => {
                    Next::End
                }
            },
            Some(answer) = answered.recv() => Next::Send(answer),
        };
        let open = match next {
            Next::Nothing => true,
            Next::Hold(text) if held.is_none() => {
                held = Some(text);
                true
            }
            Next::Hold(text) => all_sent(&mut client, std::iter::once(text).chain(held.take())).await,
            Next::Notify(texts) => all_sent(&mut client, texts.into_iter().chain(held.take())).await,
            Next::Send(Answer::Text(text)) => client.send(Message::Text(text.into())).await.is_ok(),
            Next::Send(Answer::Status(_) | Answer::CutOff) | Next::End => false,
        };
        if !open {
            return;
        }
    }
}

async fn all_sent(client: &mut WebSocket, texts: impl Iterator<Item = String>) -> bool {
    for text in texts {
        if client.send(Message::Text(text.into())).await.is_err() {
            return false;
        }
    }
    true
}

/// Takes a message of the client: subscriptions go to the node, all else is answered by a task of its own.
async fn from_client(shared: &Arc<Shared>, node: &mut NodeSocket, text: &str, answers: &mpsc::Sender<Answer>) -> Next {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        return Next::End;
    };
    if matches!(message["method"].as_str(), Some("eth_subscribe" | "eth_unsubscribe")) {
        let strike = shared.rules.strike(&message);
        // A lag or a lie shows in the notifications, so the subscription itself must come about.
        let of_notifications =
            |fault: &Fault| matches!(fault, Fault::Lag(_) | Fault::Rewrite(_) | Fault::Twice | Fault::Late);
        let struck = strike.filter(|strike| !of_notifications(strike.fault()));
        if let Some(strike) = struck {
            return Next::Send(shared.struck(&message, strike).await);
        }
        return match node.send(NodeMessage::Text(text.into())).await {
            Ok(()) => Next::Nothing,
            Err(_) => Next::End,
        };
    }
    let (shared, answers) = (Arc::clone(shared), answers.clone());
    tokio::spawn(async move {
        let answer = shared.answer(&message).await;
        // Fails only when the client has gone.
        drop(answers.send(answer).await);
    });
    Next::Nothing
}

/// Passes on what the node sent: the answer to a subscription, or a notification, which may be struck.
async fn from_node(shared: &Arc<Shared>, text: &str) -> Next {
    let Ok(mut message) = serde_json::from_str::<Value>(text) else {
        return Next::End;
    };
    if message.get("method").is_none() {
        return Next::Send(Answer::Text(text.to_owned()));
    }
    let notify = |text: String| Next::Notify(vec![text]);
    let Some(strike) = shared.rules.strike(&message) else {
        return notify(text.to_owned());
    };
    match strike.fault() {
        Fault::Hang | Fault::Error { .. } | Fault::Status(_) => Next::Nothing,
        Fault::CutOff => Next::End,
        Fault::Twice => Next::Notify(vec![text.to_owned(), text.to_owned()]),
        Fault::Late => Next::Hold(text.to_owned()),
        Fault::NotJson => notify(NOT_JSON.to_owned()),
        Fault::Lag(blocks) => match lag::notification(&shared.rpc, message, *blocks).await {
            Ok(older) => notify(older.to_string()),
            Err(_) => Next::End,
        },
        Fault::Rewrite(rewrite) => {
            rewrite(&mut message["params"]["result"]);
            notify(message.to_string())
        }
    }
}
