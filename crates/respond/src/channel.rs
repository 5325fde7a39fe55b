//! The way out: how signed bytes reach the endpoints and how their effect is read back.
//!
//! Nothing here signs or decides. An endpoint's answer is a claim; what it claims is checked by the caller.

use std::future::Future;
use std::pin::Pin;

use alloy_primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{BlockRef, Transaction, ViewResult};

/// An answer that comes later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// No endpoint answered.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("no endpoint answered: {reason}")]
pub struct ChannelError {
    /// What the last endpoint said; never a URL.
    pub reason: String,
}

/// What one endpoint did with signed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name in the configuration.
    pub endpoint: String,
    /// Whether it took them (or had them already); otherwise why not.
    pub taken: Result<(), String>,
}

/// A guardian's account as the chain has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purse {
    /// Transactions mined.
    pub latest_nonce: u64,
    /// Transactions mined or in the endpoints' mempools.
    pub pending_nonce: u64,
    /// Wei.
    pub balance: U256,
}

/// A transaction that is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// The block.
    pub block: BlockRef,
    /// Whether it succeeded.
    pub success: bool,
}

/// What one endpoint answered to a view call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its name in the configuration.
    pub endpoint: String,
    /// The answer, or why there is none.
    pub answer: Result<ViewResult, ChannelError>,
}

/// The endpoints, as the responder needs them.
pub trait Channel: Send + Sync {
    /// Hands `raw` to all endpoints at once.
    fn broadcast<'a>(&'a self, raw: &'a Bytes) -> Answer<'a, Vec<Delivery>>;

    /// Nonces and balance of `account`.
    fn purse(&self, account: Address) -> Answer<'_, Result<Purse, ChannelError>>;

    /// Where `transaction` was mined; `None` when it is in no canonical block.
    fn mined(&self, transaction: B256) -> Answer<'_, Result<Option<Mined>, ChannelError>>;

    /// What each endpoint answers to a view call on the state after `at`.
    fn read<'a>(&'a self, target: Address, calldata: &'a Bytes, at: BlockRef) -> Answer<'a, Vec<Reading>>;

    /// A transaction by its hash, mined or pending; `None` when no endpoint knows it.
    fn transaction(&self, hash: B256) -> Answer<'_, Result<Option<Transaction>, ChannelError>>;
}
