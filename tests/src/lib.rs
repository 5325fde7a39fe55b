//! What black-box tests need around the program: a node, a liar in front of it, a receiver of alerts, and the program
//! itself as a process that can be killed.
//!
//! ```text
//!  Program (cofferdam) ──JSON-RPC──▶ Proxy (faults by rule) ──▶ Anvil (a real node)
//!        └──────────────webhooks──▶ Receiver (may refuse)
//! ```
//! Nothing here waits for a time to pass: [`wait::until`] waits for a condition, and panics with its name when it does
//! not come true. Everything is killed when it is dropped.
//!
//! **Invariant:** nothing here links a room of the program. What a test knows, a user could see too.

pub mod acting;
pub mod anvil;
pub mod contract;
pub mod people;
pub mod program;
pub mod proxy;
pub mod receiver;
pub mod record;
pub mod relay;
pub mod rpc;
pub mod vault;
pub mod wait;

pub use acting::{Acting, Link};
pub use anvil::Anvil;
pub use program::{Ended, Program};
pub use proxy::{Fault, Injected, Proxy};
pub use receiver::{Delivery, Receiver};
pub use relay::Relay;
pub use rpc::{Rpc, RpcError};
pub use vault::Vault;
