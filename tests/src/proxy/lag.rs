//! An endpoint that lags: it answers every question as it would have so many blocks ago.

use serde_json::{Value, json};

use crate::rpc::{Rpc, RpcError, hex, quantity};

/// Answers `call` from the chain without its newest `blocks` blocks.
pub(super) async fn answer(rpc: &Rpc, call: &Value, blocks: u64) -> Result<Value, RpcError> {
    let head = quantity(&rpc.try_call("eth_blockNumber", json!([])).await?).saturating_sub(blocks);
    let mut call = call.clone();
    if let Some(params) = call.get_mut("params").and_then(Value::as_array_mut) {
        for param in params {
            if matches!(param.as_str(), Some("latest" | "pending" | "safe" | "finalized")) {
                *param = json!(hex(head));
            }
        }
    }
    let id = call.get("id").cloned().unwrap_or(Value::Null);
    let result = |result: Value| json!({ "jsonrpc": "2.0", "id": id, "result": result });
    match call.get("method").and_then(Value::as_str) {
        Some("eth_blockNumber") => return Ok(result(json!(hex(head)))),
        Some("eth_getBlockByNumber" | "eth_getBlockReceipts") if asks_beyond(&call, head) => {
            return Ok(result(Value::Null));
        }
        _ => {}
    }
    let mut answer = rpc.forward(&call).await?;
    if answer.get("result").is_some_and(|found| lies_beyond(found, head)) {
        answer["result"] = Value::Null;
    }
    Ok(answer)
}

/// The notification of a new head as the lagging endpoint would send it: that of an older block.
pub(super) async fn notification(rpc: &Rpc, mut message: Value, blocks: u64) -> Result<Value, RpcError> {
    let header = &mut message["params"]["result"];
    if let Some(number) = header.get("number") {
        let older = quantity(number).saturating_sub(blocks);
        *header = rpc.try_call("eth_getBlockByNumber", json!([hex(older), false])).await?;
    }
    Ok(message)
}

fn asks_beyond(call: &Value, head: u64) -> bool {
    let first = call.get("params").and_then(|params| params.get(0)).and_then(Value::as_str);
    let number = first.and_then(|text| text.strip_prefix("0x")).filter(|digits| digits.len() < 64);
    number.and_then(|digits| u64::from_str_radix(digits, 16).ok()).is_some_and(|number| number > head)
}

/// Whether a block, a receipt or the first of a list of receipts belongs to a block beyond `head`.
fn lies_beyond(found: &Value, head: u64) -> bool {
    let item = found.get(0).unwrap_or(found);
    let number = item.get("blockNumber").or_else(|| item.get("number"));
    number.filter(|number| number.is_string()).is_some_and(|number| quantity(number) > head)
}
