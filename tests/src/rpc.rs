//! The smallest JSON-RPC client: tests speak to the node past the proxy, and the proxy speaks to it for the program.

use std::net::SocketAddr;

use alloy_primitives::{Address, B256, U64};
use serde_json::{Value, json};

/// A JSON-RPC endpoint over HTTP.
#[derive(Clone, Debug)]
pub struct Rpc {
    url: String,
    client: reqwest::Client,
}

/// The call did not give a result.
#[derive(Debug)]
pub enum RpcError {
    /// The node answered with an error object.
    Refused(Value),
    /// The node did not answer, or not with JSON-RPC.
    Transport(String),
}

impl Rpc {
    /// Speaks to the node at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { url: format!("http://{address}"), client: reqwest::Client::new() }
    }

    /// Sends `request`, one call or a batch, as it stands and gives back the whole answer.
    ///
    /// # Errors
    /// [`RpcError::Transport`].
    pub async fn forward(&self, request: &Value) -> Result<Value, RpcError> {
        let transport = |error: reqwest::Error| RpcError::Transport(error.to_string());
        let answer = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .body(request.to_string())
            .send()
            .await
            .map_err(transport)?
            .text()
            .await
            .map_err(transport)?;
        serde_json::from_str(&answer).map_err(|error| RpcError::Transport(error.to_string()))
    }

    /// Calls `method`; gives the `result`.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn try_call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.forward(&request).await?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(RpcError::Refused(answer)),
        }
    }

    /// Calls `method`, where an error would be a mistake of the test.
    ///
    /// # Panics
    /// On any error.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        match self.try_call(method, params).await {
            Ok(result) => result,
            Err(error) => panic!("`{method}` on the test's own node failed: {error:?}"),
        }
    }

    /// The number of the newest block.
    pub async fn head(&self) -> u64 {
        quantity(&self.call("eth_blockNumber", json!([])).await)
    }

    /// The block at `number` with its transactions' hashes.
    pub async fn block(&self, number: u64) -> Value {
        self.call("eth_getBlockByNumber", json!([hex(number), false])).await
    }

    /// Accounts that the node signs for.
    pub async fn accounts(&self) -> Vec<Address> {
        let accounts = self.call("eth_accounts", json!([])).await;
        serde_json::from_value(accounts).expect("the node lists its accounts as addresses")
    }

    /// Hands a transaction to the node, which signs it; does not wait until it is mined.
    pub async fn send(&self, transaction: Value) -> B256 {
        let hash = self.call("eth_sendTransaction", json!([transaction])).await;
        serde_json::from_value(hash).expect("the node answers a transaction with its hash")
    }

    /// The receipt, `None` while the transaction is not mined.
    pub async fn receipt(&self, hash: B256) -> Option<Value> {
        Some(self.call("eth_getTransactionReceipt", json!([hash])).await).filter(|receipt| !receipt.is_null())
    }

    /// Mines `blocks` blocks at once.
    pub async fn mine(&self, blocks: u64) {
        self.call("anvil_mine", json!([hex(blocks)])).await;
    }

    /// Replaces the newest `depth` blocks by empty ones.
    pub async fn reorg(&self, depth: u64) {
        self.call("anvil_reorg", json!([depth, []])).await;
    }
}

/// A JSON-RPC quantity as a number.
///
/// # Panics
/// When `value` is none.
pub fn quantity(value: &Value) -> u64 {
    let number: U64 = serde_json::from_value(value.clone()).expect("a quantity of the test's own node");
    number.to()
}

/// A number as a JSON-RPC quantity.
pub fn hex(number: u64) -> String {
    format!("{number:#x}")
}
