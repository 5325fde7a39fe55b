//! Contracts of `contracts/`, deployed to the test's own node from the committed artifacts, and calls to them.

use std::fs;
use std::path::Path;

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use serde_json::{Value, json};

use crate::{Rpc, wait};

/// Creates `contract` with `arguments` for its constructor, one word each.
///
/// # Panics
/// When the node does not play along.
pub async fn deploy(node: &Rpc, from: Address, contract: &str, arguments: &[B256]) -> Address {
    let mut code = creation_code(contract);
    arguments.iter().for_each(|word| code.extend_from_slice(word.as_slice()));
    let receipt = done(node, node.send(json!({ "from": from, "data": hex::encode_prefixed(code) })).await).await;
    serde_json::from_value(receipt["contractAddress"].clone()).expect("a creation has an address")
}

/// The calldata of `signature` with one word for each argument.
pub fn calldata(signature: &str, arguments: &[B256]) -> String {
    let hash = keccak256(signature);
    let mut data = hash.first_chunk::<4>().expect("a hash has four bytes").to_vec();
    arguments.iter().for_each(|word| data.extend_from_slice(word.as_slice()));
    hex::encode_prefixed(data)
}

/// The receipt of `transaction`, which must have succeeded.
///
/// # Panics
/// When it has not, or is not mined within [`wait::PATIENCE`].
pub async fn done(node: &Rpc, transaction: B256) -> Value {
    let what = format!("{transaction} is mined");
    let receipt = wait::until(&what, wait::PATIENCE, async || node.receipt(transaction).await).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    receipt
}

/// So much ether in wei.
pub fn ether(amount: u64) -> U256 {
    U256::from(amount).saturating_mul(U256::from(10).pow(U256::from(18)))
}

/// The creation code of one of the committed artifacts.
fn creation_code(contract: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../contracts/artifacts/{contract}.json"));
    let text = fs::read_to_string(path).expect("the artifact is committed");
    let artifact: Value = serde_json::from_str(&text).expect("an artifact is JSON");
    hex::decode(artifact["bytecode"].as_str().expect("an artifact has bytecode")).expect("bytecode is hexadecimal")
}
