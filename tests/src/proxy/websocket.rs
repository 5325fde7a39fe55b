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
    End,
}

/// Serves one client until it, the node, or a fault ends the connection.
pub(super) async fn serve(shared: Arc<Shared>, mut client: WebSocket) {
    let Ok((mut node, _)) = tokio_tungstenite::connect_async(format!("ws://{}", shared.upstream)).await else {
        return;
    };
    // Calls are answered beside each other: one that hangs must not hold up the rest.
    let (answers, mut answered) = mpsc::channel(64);
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
            Next::Send(Answer::Text(text)) => client.send(Message::Text(text.into())).await.is_ok(),
            Next::Send(Answer::Status(_) | Answer::CutOff) | Next::End => false,
        };
        if !open {
            return;
        }
    }
}

/// Takes a message of the client: subscriptions go to the node, all else is answered by a task of its own.
async fn from_client(shared: &Arc<Shared>, node: &mut NodeSocket, text: &str, answers: &mpsc::Sender<Answer>) -> Next {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        return Next::End;
    };
    if matches!(message["method"].as_str(), Some("eth_subscribe" | "eth_unsubscribe")) {
        let strike = shared.rules.strike(&message);
        // A lag or a lie shows in the notifications, so the subscription itself must come about.
        let struck = strike.filter(|strike| !matches!(strike.fault(), Fault::Lag(_) | Fault::Rewrite(_)));
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
    let strike = if message.get("method").is_some() { shared.rules.strike(&message) } else { None };
    let Some(strike) = strike else {
        return Next::Send(Answer::Text(text.to_owned()));
    };
    match strike.fault() {
        Fault::Hang | Fault::Error { .. } | Fault::Status(_) => Next::Nothing,
        Fault::CutOff => Next::End,
        Fault::NotJson => Next::Send(Answer::Text(NOT_JSON.to_owned())),
        Fault::Lag(blocks) => match lag::notification(&shared.rpc, message, *blocks).await {
            Ok(older) => Next::Send(Answer::Text(older.to_string())),
            Err(_) => Next::End,
        },
        Fault::Rewrite(rewrite) => {
            rewrite(&mut message["params"]["result"]);
            Next::Send(Answer::Text(message.to_string()))
        }
    }
}
