//! Handing a signed transaction to every endpoint.
//!
//! All endpoints get it, the demoted ones as well: a transaction that seals a module must not wait for failover.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes, keccak256};
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::{RequestError, SendError};
use crate::fetch;
use crate::node::Node;
use crate::wire;

const METHOD: &str = "eth_sendRawTransaction";

impl Node {
    /// Hands `raw` to all endpoints at once and waits for each within its limit. One result an endpoint, in the order
    /// of the configuration; an endpoint that has the transaction already counts as success.
    pub async fn broadcast(&self, raw: &Bytes) -> Vec<(Arc<str>, Result<B256, SendError>)> {
        let hash = keccak256(raw);
        let sends = self.endpoints().iter().map(|endpoint| async move {
            let sent = send(endpoint, raw, hash).await;
            match &sent {
                Ok(_) => self.did_well(endpoint),
                Err(SendError::Request(error)) => self.did_badly(endpoint, error),
                Err(
                    SendError::NonceTooLow { .. }
                    | SendError::Underpriced { .. }
                    | SendError::InsufficientFunds { .. }
                    | SendError::Refused { .. },
                ) => {}
            }
            (endpoint.shared_name(), sent)
        });
        futures_util::future::join_all(sends).await
    }
}

async fn send(endpoint: &Endpoint, raw: &Bytes, hash: B256) -> Result<B256, SendError> {
    let text = match endpoint.ask(METHOD, json!([fetch::hex_of(raw)])).await {
        Ok(text) => text,
        Err(RequestError::Refused { endpoint, code, message, .. }) => return classify(endpoint, code, message, hash),
        Err(error) => return Err(SendError::Request(error)),
    };
    let seen = endpoint.read(METHOD, &text, wire::hex::<B256>).map_err(SendError::Request)?;
    if seen != hash {
        let detail = format!("{seen}, expected {hash}, the hash of what was sent");
        return Err(SendError::Request(endpoint.malformed(METHOD, &detail)));
    }
    Ok(hash)
}

/// Nodes share no codes for refusals, so their words are read: those of geth, reth, erigon, nethermind, besu and anvil.
fn classify(endpoint: Arc<str>, code: i64, message: String, hash: B256) -> Result<B256, SendError> {
    let words = message.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
    if says(&[
        "already known",
        "already imported",
        "alreadyknown",
        "already in mempool",
        "already exists",
        "known transaction",
    ]) {
        return Ok(hash);
    }
    Err(if says(&["nonce too low", "nonce is too low", "oldnonce", "nonce has already been used"]) {
        SendError::NonceTooLow { endpoint, message }
    } else if says(&[
        "underpriced",
        "fee too low",
        "feetoolow",
        "gas price too low",
        "less than block base fee",
        "gas price below",
        "max fee per gas",
    ]) {
        SendError::Underpriced { endpoint, message }
    } else if says(&["insufficient funds", "insufficientfunds", "upfront cost exceeds", "not enough funds"]) {
        SendError::InsufficientFunds { endpoint, message }
    } else {
        SendError::Refused { endpoint, code, message }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Result<B256, SendError> {
        classify("a".into(), -32000, message.to_owned(), B256::ZERO)
    }

    #[test]
    fn refusals_of_the_common_nodes_are_told_apart() {
        assert!(of("already known").is_ok());
        assert!(of("Known transaction").is_ok());
        assert!(of("transaction already imported").is_ok());
        assert!(matches!(of("nonce too low: next nonce 5, tx nonce 4"), Err(SendError::NonceTooLow { .. })));
        assert!(matches!(of("replacement transaction underpriced"), Err(SendError::Underpriced { .. })));
        assert!(matches!(of("FeeTooLow, EffectivePriorityFeePerGas too low"), Err(SendError::Underpriced { .. })));
        assert!(matches!(of("max fee per gas less than block base fee"), Err(SendError::Underpriced { .. })));
        assert!(matches!(
            of("insufficient funds for gas * price + value: balance 0"),
            Err(SendError::InsufficientFunds { .. })
        ));
        assert!(matches!(of("intrinsic gas too low"), Err(SendError::Refused { code: -32000, .. })));
    }
}
