//! HTTP and WebSocket on one port.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use jsonrpsee::Methods;
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::server::{ServerBuilder, ServerConfig, ServerHandle};
use jsonrpsee::types::SubscriptionId;

/// Blocks of a drill with full bodies and calldata stay well below this, in bytes.
const MAX_BODY: u32 = 256 << 20;

/// A running server. Stops when dropped or told to.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Serving {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, closes all connections, and waits until that is done.
    pub async fn stop(self) {
        let handle = self.handle.clone();
        drop(self);
        handle.stopped().await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Stopping what has stopped already is no fault.
        let _ = self.handle.stop();
    }
}

/// Subscription ids as geth writes them, counted instead of drawn.
#[derive(Debug, Default)]
struct CountedIds {
    last: AtomicU64,
}

impl IdProvider for CountedIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        let id = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        SubscriptionId::Str(format!("0x{id:x}").into())
    }
}

pub(crate) async fn start(methods: Methods, address: SocketAddr) -> std::io::Result<Serving> {
    let config = ServerConfig::builder()
        .max_request_body_size(MAX_BODY)
        .max_response_body_size(MAX_BODY)
        .set_id_provider(CountedIds::default())
        .build();
    let server = ServerBuilder::with_config(config).build(address).await?;
    let address = server.local_addr()?;
    Ok(Serving { address, handle: server.start(methods) })
}
