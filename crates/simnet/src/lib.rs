//! An EVM chain inside the process: blocks, a mempool, a private lane, reorgs on demand, and time that only moves when told.
//!
//! ```text
//! raw bytes ──▶ intake ──▶ pool (public lane, private lane) ──mine()──▶ world ──▶ block, receipts, honest hashes
//!                                                                        │
//!                    Simnet (handle) ◀── rpc: in process, HTTP, WebSocket ┘
//! ```
//!
//! Start at [`Simnet`]; the drills are in [`scenario`], the attacks that the judge is measured on in [`zoo`]. The JSON-RPC
//! face speaks as geth does, so that wallets, alloy and our own rooms cannot tell.
//!
//! **Invariant:** nothing here reads a clock or draws a random number. The same configuration and the same calls in the
//! same order give the same hashes.
//!
//! Deliberately absent: consensus, withdrawals and requests (EIP-7685), other nodes, state overrides. The contracts of
//! EIP-4788 and EIP-2935 are called at the start of each block and do something only when the genesis holds their code.

mod block;
mod builder;
mod client;
mod config;
mod intake;
mod pool;
mod roots;
mod rpc;
mod serve;
mod simnet;
mod wire;
mod world;

pub mod scenario;
pub mod zoo;

pub use block::Dropped;
pub use config::{Config, ConfigError, GenesisAccount};
pub use intake::{SubmitError, read_signed};
pub use pool::Lane;
pub use serve::Serving;
pub use simnet::Simnet;
pub use world::{Orphans, ReorgError, ReorgKind, Reorged, TimeError};
