//! What the node announces, and when it arrived here: the view from outside the program.

use std::time::Instant;

use cofferdam_e2e::Anvil;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// A subscription of the benchmark's own.
pub(crate) struct Feed {
    items: mpsc::UnboundedReceiver<(Instant, Value)>,
}

impl Feed {
    /// Pending transactions with their bodies.
    ///
    /// # Panics
    /// When the node does not play along.
    pub(crate) async fn of_pending(node: &Anvil) -> Self {
        let (mut socket, _) = connect_async(format!("ws://{}", node.address())).await.expect("the node listens");
        let params = json!(["newPendingTransactions", true]);
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params });
        socket.send(Message::text(question.to_string())).await.expect("the node listens");
        let answer = socket.next().await.expect("the node answers").expect("the connection holds");
        let answer: Value =
            serde_json::from_str(answer.to_text().expect("an answer is text")).expect("an answer is JSON");
        assert!(answer["result"].is_string(), "no subscription: {answer}");
        let (sender, items) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                let at = Instant::now();
                let Ok(text) = message.to_text() else { continue };
                let Ok(mut notice) = serde_json::from_str::<Value>(text) else { continue };
                if sender.send((at, notice["params"]["result"].take())).is_err() {
                    return;
                }
            }
        });
        Self { items }
    }

    /// The next transaction that fits, and when its announcement came.
    ///
    /// # Panics
    /// When the connection ends.
    pub(crate) async fn next(&mut self, fits: impl Fn(&Value) -> bool) -> (Instant, Value) {
        loop {
            let (at, item) = self.items.recv().await.expect("the node goes on announcing");
            if fits(&item) {
                return (at, item);
            }
        }
    }
}
