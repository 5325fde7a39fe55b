//! A toy chain behind a scripted JSON-RPC server in this process: what the tests of this crate talk to.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    reason = "a server for tests: a panic is a failed test"
)]

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use alloy_json_rpc::{ErrorPayload, RequestPacket, Response, ResponsePacket, ResponsePayload};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, keccak256};
use alloy_rpc_client::RpcClient;
use alloy_transport::{TransportError, TransportErrorKind, TransportFut};
use cofferdam_types::{BlockNumber, BlockRef};
use serde_json::{Value, json};

use crate::{Endpoint, EndpointOptions, Node, NodeOptions};

/// What the server says instead of the truth.
pub(crate) enum Reply {
    Result(Value),
    Error(i64, &'static str),
    /// Never answers.
    Hang,
    /// The connection breaks.
    Broken,
}

type Fault = Box<dyn FnMut(&str, &Value) -> Option<Reply> + Send>;

#[derive(Clone)]
pub(crate) struct ToyBlock {
    pub(crate) at: BlockRef,
    pub(crate) body: Value,
    pub(crate) receipts: Vec<Value>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) chain_id: u64,
    pub(crate) canonical: Vec<ToyBlock>,
    pub(crate) remembered: HashMap<B256, ToyBlock>,
    pub(crate) pool: Vec<Value>,
    pub(crate) calls: Vec<String>,
    fault: Option<Fault>,
    salt: u64,
}

/// The server; clones share the chain.
#[derive(Clone, Default)]
pub(crate) struct Toy(pub(crate) Arc<Mutex<State>>);

impl Toy {
    /// A chain of blocks 0 to `height`.
    pub(crate) fn new(height: u64) -> Self {
        let toy = Self::default();
        toy.0.lock().unwrap().chain_id = 31_337;
        toy.mine(height + 1);
        toy
    }

    /// Another server of the same blocks, from now on on its own.
    pub(crate) fn copy(&self) -> Self {
        let state = self.0.lock().unwrap();
        let copied = State {
            chain_id: state.chain_id,
            canonical: state.canonical.clone(),
            remembered: state.remembered.clone(),
            salt: state.salt,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(copied)))
    }

    pub(crate) fn mine(&self, count: u64) {
        let mut state = self.0.lock().unwrap();
        for _ in 0..count {
            let (number, parent) =
                state.canonical.last().map_or((0, B256::ZERO), |block| (block.at.number.0 + 1, block.at.hash));
            let block = block(number, parent, state.salt);
            state.remembered.insert(block.at.hash, block.clone());
            state.canonical.push(block);
        }
    }

    /// Drops the newest `depth` blocks and mines `count` others.
    pub(crate) fn reorg(&self, depth: usize, count: u64) {
        {
            let mut state = self.0.lock().unwrap();
            let keep = state.canonical.len() - depth;
            state.canonical.truncate(keep);
            state.salt += 1;
        }
        self.mine(count);
    }

    /// Forgets all blocks that are not canonical.
    pub(crate) fn forget_side_blocks(&self) {
        let mut state = self.0.lock().unwrap();
        state.remembered = state.canonical.iter().map(|block| (block.at.hash, block.clone())).collect();
    }

    pub(crate) fn fault(&self, fault: impl FnMut(&str, &Value) -> Option<Reply> + Send + 'static) {
        self.0.lock().unwrap().fault = Some(Box::new(fault));
    }

    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().fault = None;
    }

    pub(crate) fn at(&self, number: u64) -> BlockRef {
        self.0.lock().unwrap().canonical[number as usize].at
    }

    pub(crate) fn head(&self) -> BlockRef {
        self.0.lock().unwrap().canonical.last().unwrap().at
    }

    pub(crate) fn calls(&self, method: &str) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|called| *called == method).count()
    }

    pub(crate) fn endpoint(&self, name: &str) -> Endpoint {
        Endpoint::from_client_with(name, RpcClient::new(self.clone(), true), EndpointOptions::default())
    }

    pub(crate) async fn node(&self) -> Node {
        node_of(&[self]).await
    }

    fn answer(&self, method: &str, params: &Value) -> Reply {
        let mut state = self.0.lock().unwrap();
        state.calls.push(method.to_owned());
        if let Some(reply) = state.fault.as_mut().and_then(|fault| fault(method, params)) {
            return reply;
        }
        state.truth(method, params)
    }
}

impl State {
    fn by_number(&self, text: &str) -> Option<&ToyBlock> {
        if text == "latest" {
            return self.canonical.last();
        }
        let number = u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        self.canonical.get(number as usize)
    }

    fn by_hash(&self, text: &str) -> Option<&ToyBlock> {
        self.remembered.get(&text.parse::<B256>().unwrap())
    }

    fn truth(&self, method: &str, params: &Value) -> Reply {
        let first = params[0].as_str().unwrap_or_default();
        Reply::Result(match method {
            "eth_chainId" => json!(format!("{:#x}", self.chain_id)),
            "eth_getBlockByNumber" => self.by_number(first).map_or(Value::Null, |block| block.body.clone()),
            "eth_getBlockByHash" => self.by_hash(first).map_or(Value::Null, |block| block.body.clone()),
            "eth_getBlockReceipts" => {
                let found = if first.len() == 66 { self.by_hash(first) } else { self.by_number(first) };
                found.map_or(Value::Null, |block| json!(block.receipts))
            }
            "eth_getTransactionReceipt" => {
                let mut all = self.canonical.iter().flat_map(|block| &block.receipts);
                all.rfind(|receipt| receipt["transactionHash"] == first).cloned().unwrap_or_default()
            }
            "eth_getTransactionByHash" => {
                let mined = self.canonical.iter().flat_map(|block| block.body["transactions"].as_array().unwrap());
                self.pool.iter().chain(mined).find(|one| one["hash"] == first).cloned().unwrap_or_default()
            }
            "txpool_content" => {
                let mut pending = json!({});
                for one in &self.pool {
                    pending[one["from"].as_str().unwrap()][one["nonce"].as_str().unwrap()] = one.clone();
                }
                json!({ "pending": pending, "queued": {} })
            }
            _ => return Reply::Error(-32601, "the method does not exist/is not available"),
        })
    }
}

/// A node over these servers, named `a`, `b`, `c`.
pub(crate) async fn node_of(toys: &[&Toy]) -> Node {
    let endpoints = toys.iter().zip(["a", "b", "c"]).map(|(toy, name)| toy.endpoint(name)).collect();
    Node::connect(endpoints, None, NodeOptions::default()).await.unwrap()
}

pub(crate) fn transaction(from: u8, nonce: u64, salt: u64) -> Value {
    let from = Address::repeat_byte(from);
    json!({
        "hash": keccak256(format!("{from} {nonce} {salt}")),
        "type": "0x2", "from": from, "to": Address::repeat_byte(0xcc), "nonce": format!("{nonce:#x}"),
        "gas": "0x5208", "gasPrice": "0x3b9aca07", "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1",
        "value": "0xde0b6b3a7640000", "input": "0xa9059cbb", "chainId": "0x7a69",
        "accessList": [{ "address": Address::repeat_byte(0xcc), "storageKeys": [B256::repeat_byte(1)] }],
        "blockHash": null,
    })
}

fn block(number: u64, parent: B256, salt: u64) -> ToyBlock {
    let hash = keccak256(format!("block {number} {parent} {salt}"));
    let mut transactions = Vec::new();
    let mut receipts = Vec::new();
    for index in 0..2_u8 {
        let mut one = transaction(index + 1, number, salt);
        one["blockHash"] = json!(hash);
        receipts.push(json!({
            "transactionHash": one["hash"], "transactionIndex": format!("{index:#x}"), "blockHash": hash,
            "blockNumber": format!("{number:#x}"), "status": "0x1", "gasUsed": "0x5208",
            "cumulativeGasUsed": "0x5208", "contractAddress": null, "logsBloom": format!("0x{}", "00".repeat(256)),
            "logs": [{
                "address": Address::repeat_byte(0xcc), "topics": [B256::repeat_byte(2)], "data": "0x01",
                "blockHash": hash, "removed": false,
            }],
        }));
        transactions.push(one);
    }
    let body = json!({
        "number": format!("{number:#x}"), "hash": hash, "parentHash": parent, "timestamp": "0x66000000",
        "gasLimit": "0x1c9c380", "gasUsed": "0xa410", "baseFeePerGas": "0x3b9aca00",
        "miner": Address::repeat_byte(0xfe), "difficulty": "0x0", "mixHash": B256::repeat_byte(9),
        "receiptsRoot": B256::repeat_byte(8), "stateRoot": B256::repeat_byte(7), "transactions": transactions,
        "withdrawals": [{
            "index": "0x1", "validatorIndex": "0x2", "address": Address::repeat_byte(0xaa), "amount": "0x64",
        }],
    });
    ToyBlock { at: BlockRef { number: BlockNumber(number), hash }, body, receipts }
}

impl tower::Service<RequestPacket> for Toy {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let toy = self.clone();
        Box::pin(async move {
            let mut answers = Vec::new();
            for request in packet.requests() {
                let asked: Value = serde_json::from_str(request.serialized().get()).unwrap();
                let payload = match toy.answer(request.method(), &asked["params"]) {
                    Reply::Result(value) => ResponsePayload::Success(serde_json::value::to_raw_value(&value).unwrap()),
                    Reply::Error(code, message) => {
                        ResponsePayload::Failure(ErrorPayload { code, message: Cow::Borrowed(message), data: None })
                    }
                    Reply::Hang => std::future::pending().await,
                    Reply::Broken => return Err(TransportErrorKind::backend_gone()),
                };
                answers.push(Response { id: request.id().clone(), payload });
            }
            Ok(match packet {
                RequestPacket::Single(_) => ResponsePacket::Single(answers.remove(0)),
                RequestPacket::Batch(_) => ResponsePacket::Batch(answers),
            })
        })
    }
}
