//! Stands before a node's socket: passes bytes on, ends connections, or babbles in the middle of them.

use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

/// What every connection is told to do.
#[derive(Clone, Copy, Debug)]
enum Order {
    End,
    Babble,
}

/// A relay that lives as long as this value.
#[derive(Debug)]
pub struct Relay {
    orders: broadcast::Sender<Order>,
    server: JoinHandle<()>,
}

impl Relay {
    /// Listens at `path` and passes everything on to the node's socket at `upstream`.
    ///
    /// # Panics
    /// When `path` cannot be listened at.
    pub fn before(path: &Path, upstream: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket can be made in a new folder");
        let (orders, _) = broadcast::channel(16);
        let (upstream, told) = (upstream.to_owned(), orders.clone());
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(node) = UnixStream::connect(&upstream).await {
                    tokio::spawn(pass_on(client, node, told.subscribe()));
                }
            }
        });
        Self { orders, server }
    }

    /// Ends all connections. New ones are taken.
    ///
    /// # Panics
    /// When there is none, so that nothing would be tested.
    pub fn cut(&self) {
        self.order(Order::End);
    }

    /// Says something that is not JSON on all connections.
    ///
    /// # Panics
    /// As [`Self::cut`].
    pub fn babble(&self) {
        self.order(Order::Babble);
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("somebody is connected");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass_on(client: UnixStream, node: UnixStream, mut orders: broadcast::Receiver<Order>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_node, mut to_node) = node.into_split();
    loop {
        let order = tokio::select! {
            _ = tokio::io::copy(&mut from_client, &mut to_node) => return,
            _ = tokio::io::copy(&mut from_node, &mut to_client) => return,
            order = orders.recv() => order,
        };
        match order {
            Ok(Order::Babble) => {
                if to_client.write_all(b"<html>out of order</html>\n").await.is_err() {
                    return;
                }
            }
            Ok(Order::End) | Err(_) => return,
        }
    }
}
