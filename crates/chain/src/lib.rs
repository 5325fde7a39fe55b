//! Where blocks come from: nodes over JSON-RPC (WebSocket, HTTP, IPC), and cases on disk.
//!
//! ```text
//! Endpoint ─┐
//! Endpoint ─┼─▶ Node ──▶ Follower ──ChainUpdate──▶ the loop
//! Endpoint ─┘    │ └───▶ Mempool ──PendingUpdate─▶ the loop
//!                ├─────▶ NodeState (a StateSource for the EVM)
//!                └─────▶ Alerts (what the operator must know)
//! ```
//!
//! Start at [`Node`]; [`Follower`] is where nothing may be lost.
//!
//! **Invariant:** everything that comes from a node is a claim. It is parsed strictly, checked against itself, and an
//! error names the endpoint, the method and the field. No message ever carries an address: it may hold a key.

mod alerts;
pub mod case;
mod endpoint;
mod error;
mod fetch;
mod follow;
mod heads;
mod health;
mod http;
mod mempool;
mod node;
mod pace;
mod redact;
mod send;
mod state;
#[cfg(test)]
mod testing;
mod wire;
mod ws;

pub use alerts::Alerts;
pub use endpoint::{Endpoint, EndpointOptions};
pub use error::{ConnectError, RequestError, SendError};
pub use follow::{FollowError, Follower, FollowerOptions, Recovery};
pub use heads::Comparison;
pub use mempool::{Mempool, MempoolOptions};
pub use node::{At, CallAnswer, Node, NodeOptions};
pub use state::{NodeState, Ways};
pub use wire::{MinedReceipt, kinds_that_accept};
