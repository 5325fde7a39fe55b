//! What can go wrong between a question and a usable answer.
//!
//! Every message names the endpoint by its configured name, the method, and for a malformed answer the field, the value
//! seen and what was expected. It must never carry a URL: a URL may hold a key.

use std::sync::Arc;

use alloy_primitives::Bytes;
use cofferdam_types::ChainId;

/// A request that brought no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nothing came within the limit.
    #[error("endpoint `{endpoint}`: `{method}` was not answered within {limit_ms} ms")]
    TimedOut {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// JSON-RPC method.
        method: &'static str,
        /// The limit.
        limit_ms: u128,
    },
    /// The connection could not be made or broke.
    #[error("endpoint `{endpoint}`: `{method}` got no answer: {reason}")]
    Connection {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// JSON-RPC method.
        method: &'static str,
        /// In words, without addresses.
        reason: String,
    },
    /// The node answered with a JSON-RPC error.
    #[error("endpoint `{endpoint}`: `{method}` was refused with code {code}: {message}")]
    Refused {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// JSON-RPC method.
        method: &'static str,
        /// The node's code.
        code: i64,
        /// The node's words, cut to a sane length.
        message: String,
        /// Revert data, where the node sent some.
        data: Option<Bytes>,
    },
    /// The node would not run a transaction, which says nothing against the node.
    #[error("endpoint `{endpoint}`: `{method}` was declined: {message}")]
    Declined {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// JSON-RPC method.
        method: &'static str,
        /// The node's words.
        message: String,
    },
    /// The answer is not what the method promises.
    #[error("endpoint `{endpoint}`: malformed answer to `{method}`: {detail}")]
    Malformed {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// JSON-RPC method.
        method: &'static str,
        /// Field, value seen, and what was expected.
        detail: String,
    },
    /// The answer is empty although the thing asked for must exist: the endpoint lags.
    #[error("endpoint `{endpoint}`: `{method}` does not have {what}")]
    Missing {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// JSON-RPC method.
        method: &'static str,
        /// What was asked for.
        what: String,
    },
    /// The endpoint serves another chain.
    #[error("endpoint `{endpoint}` is on chain {seen}, expected chain {expected}")]
    WrongChain {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// The chain it is on.
        seen: ChainId,
        /// The chain it should be on.
        expected: ChainId,
    },
    /// The endpoint cannot do this at all.
    #[error("endpoint `{endpoint}` cannot do `{method}`")]
    Unsupported {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// JSON-RPC method.
        method: &'static str,
    },
    /// Every endpoint was tried.
    #[error("no endpoint answered: {reasons}")]
    AllFailed {
        /// One reason an endpoint, in the order tried.
        reasons: String,
    },
}

/// How much a failure says against the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The endpoint is not usable now.
    Hard,
    /// It may be a passing matter of this one question.
    Soft,
    /// The answer is legitimate: it just is not the wanted one.
    None,
}

impl RequestError {
    /// The endpoint that failed; `None` when all did.
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            Self::TimedOut { endpoint, .. }
            | Self::Connection { endpoint, .. }
            | Self::Refused { endpoint, .. }
            | Self::Declined { endpoint, .. }
            | Self::Malformed { endpoint, .. }
            | Self::Missing { endpoint, .. }
            | Self::WrongChain { endpoint, .. }
            | Self::Unsupported { endpoint, .. } => Some(endpoint),
            Self::AllFailed { .. } => None,
        }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::TimedOut { .. } | Self::Connection { .. } | Self::Malformed { .. } | Self::WrongChain { .. } => {
                Blame::Hard
            }
            Self::Refused { .. } if self.is_unsupported() || self.reverted().is_some() || self.is_bad_params() => {
                Blame::None
            }
            Self::Refused { .. } => Blame::Soft,
            // A block is announced a moment before all of it is there; who lags for longer is found by comparison.
            Self::Missing { .. } => Blame::None,
            Self::Declined { .. } | Self::Unsupported { .. } | Self::AllFailed { .. } => Blame::None,
        }
    }

    /// A refusal of a question that depends on a stranger's transaction, which may be at fault itself.
    pub(crate) fn declined(self) -> Self {
        if let Self::Refused { endpoint, method, message, .. } = self {
            return Self::Declined { endpoint, method, message };
        }
        self
    }

    /// Whether the node said that it does not have the method (or tracer), as opposed to failing at it.
    ///
    /// JSON-RPC has a code for this and many nodes do not use it, so their words are read as well.
    pub(crate) fn is_unsupported(&self) -> bool {
        let Self::Refused { code, message, .. } = self else { return matches!(self, Self::Unsupported { .. }) };
        let message = message.to_ascii_lowercase();
        let says = |words: &str| message.contains(words);
        *code == -32601
            || *code == -32004
            || says("method not found")
            || says("not supported")
            || says("unsupported")
            || says("does not exist/is not available")
            || says("method not allowed")
            || says("method is not available")
            || (says("method") && says("does not exist"))
    }

    /// Whether the node did not understand the parameters: a sign that it knows only an older form of the method.
    pub(crate) fn is_bad_params(&self) -> bool {
        matches!(self, Self::Refused { code: -32602, .. })
    }

    /// The node's words and the revert data of a call that was executed and reverted, which is an answer and no failure.
    pub(crate) fn reverted(&self) -> Option<(String, Bytes)> {
        let Self::Refused { code, message, data, .. } = self else { return None };
        let reverted = *code == 3 || data.is_some() || message.to_ascii_lowercase().contains("revert");
        reverted.then(|| (message.clone(), data.clone().unwrap_or_default()))
    }
}

/// What became of the attempt to connect.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No endpoint was given.
    #[error("no endpoint is configured")]
    NoEndpoints,
    /// Two endpoints share a name.
    #[error("two endpoints are named `{name}`")]
    SameName {
        /// The name.
        name: Arc<str>,
    },
    /// The address is not one that we can connect to.
    #[error(
        "address of endpoint `{name}` is not usable: {reason}, expected http, https, ws, wss or the path of a socket"
    )]
    Address {
        /// Name of the endpoint.
        name: Arc<str>,
        /// In words, without the address.
        reason: String,
    },
    /// No endpoint answered, or one is on another chain than the others.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// A transaction that one endpoint did not take.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The nonce has been used. It may have been used by this very transaction: read the receipt.
    #[error("endpoint `{endpoint}`: nonce too low: {message}")]
    NonceTooLow {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// The node's words.
        message: String,
    },
    /// Another transaction holds the nonce at a better price, or the fee is below what the node takes.
    #[error("endpoint `{endpoint}`: underpriced: {message}")]
    Underpriced {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// The node's words.
        message: String,
    },
    /// The sender cannot pay.
    #[error("endpoint `{endpoint}`: insufficient funds: {message}")]
    InsufficientFunds {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// The node's words.
        message: String,
    },
    /// Any other refusal.
    #[error("endpoint `{endpoint}`: refused with code {code}: {message}")]
    Refused {
        /// Name of the endpoint.
        endpoint: Arc<str>,
        /// The node's code.
        code: i64,
        /// The node's words.
        message: String,
    },
    /// The endpoint did not answer usably; it may have taken the transaction all the same.
    #[error(transparent)]
    Request(RequestError),
}
