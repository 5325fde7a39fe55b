//! Faults that must lose nothing: the program guards a vault on a real node, through a proxy that errs, hangs and lies, and
//! tells a receiver that may refuse. Each attack here must be told, once for each finding, whatever went wrong.

mod clock;
mod disk;
mod endpoints;
mod envelope;
mod guardian;
mod ipc;
mod mempool;
mod node;
mod process;
mod receiver;
mod reorg;
mod subscription;
mod together;
mod token;

use alloy_primitives::B256;
use cofferdam_e2e::vault::LIMIT_ETHER;
use cofferdam_e2e::{Anvil, Delivery, Program, Proxy, Receiver, Vault, contract};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How the program speaks to the proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    Http,
    WebSocket,
}

impl Transport {
    pub(crate) fn url(self, proxy: &Proxy) -> String {
        match self {
            Self::Http => proxy.http(),
            Self::WebSocket => proxy.ws(),
        }
    }
}

/// Each test twice: over HTTP and over WebSocket.
macro_rules! over_both {
    ($($name:ident: $test:expr;)+) => {
        mod http {
            use super::*;
            $(#[tokio::test] async fn $name() { ($test)(Transport::Http).await; })+
        }
        mod websocket {
            use super::*;
            $(#[tokio::test] async fn $name() { ($test)(Transport::WebSocket).await; })+
        }
    };
}
pub(crate) use over_both;

/// A vault on a node, a proxy before it, a receiver, and a folder with a configuration for all this.
pub(crate) struct Scene {
    pub(crate) node: Anvil,
    pub(crate) vault: Vault,
    pub(crate) proxy: Proxy,
    pub(crate) receiver: Receiver,
    pub(crate) folder: TempDir,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        Self::over(Transport::Http).await
    }

    pub(crate) async fn over(transport: Transport) -> Self {
        Self::before(Anvil::start().await, |proxy| transport.url(proxy)).await
    }

    /// As [`Self::over`], on this node; `url` is where the program is sent.
    pub(crate) async fn before(node: Anvil, url: impl FnOnce(&Proxy) -> String) -> Self {
        let vault = Vault::deploy(&node).await;
        let proxy = Proxy::before(node.address()).await;
        let receiver = Receiver::start().await;
        let folder = tempfile::tempdir().expect("there is room for a folder");
        vault.configure(folder.path(), &[url(&proxy)], &receiver);
        Self { node, vault, proxy, receiver, folder }
    }

    /// Starts the program and returns when it guards.
    pub(crate) async fn watch(&self) -> Program {
        let mut program = self.start();
        program.says("watching").await;
        program
    }

    pub(crate) fn start(&self) -> Program {
        Program::start(self.folder.path(), &["watch"], &Vault::environment())
    }

    /// Takes more out of the vault than it may lose at once.
    pub(crate) async fn attack(&self) -> B256 {
        self.vault.withdraw(&self.node, LIMIT_ETHER.saturating_add(1)).await
    }

    /// The message that tells of `transaction` as mined, once the receiver has taken it.
    pub(crate) async fn told(&self, transaction: B256) -> Delivery {
        let what = format!("a stop about {transaction}");
        self.receiver.accepts(&what, |message| is_about(message, transaction)).await
    }

    /// The message that tells of `transaction` as pending, once the receiver has taken it.
    pub(crate) async fn told_pending(&self, transaction: B256) -> Delivery {
        let what = format!("a stop about {transaction} while it waits");
        self.receiver.accepts(&what, |message| is_stop_about(message, transaction, "pending")).await
    }

    /// The message to the operator that says `text`, once the receiver has taken it.
    pub(crate) async fn operator_is_told(&self, text: &str) -> Delivery {
        let says = |message: &Value| {
            let told = message["data"]["text"].as_str().unwrap_or_default();
            message["type"] == "operator.alert" && told.contains(text)
        };
        self.receiver.accepts(&format!("word to the operator of `{text}`"), says).await
    }

    /// Holds blocks back, so that what is sent from now on is mined together or not at all.
    pub(crate) async fn hold_back(&self) {
        self.node.call("evm_setAutomine", json!([false])).await;
    }

    /// Mines what was held back as one block and goes on as usual. `transactions` must be in it and have succeeded.
    pub(crate) async fn mine_together(&self, transactions: &[B256]) {
        self.node.mine(1).await;
        let block = json!(cofferdam_e2e::rpc::hex(self.node.head().await));
        self.node.call("evm_setAutomine", json!([true])).await;
        for transaction in transactions {
            let receipt = contract::done(&self.node, *transaction).await;
            assert_eq!(receipt["blockNumber"], block, "{receipt}");
        }
    }

    /// Checks the record offline, that no finding was told as two messages, and no message with two contents.
    pub(crate) async fn nothing_is_lost_or_doubled(&self, program: Program) {
        program.kill().await;
        let verified = Program::run(self.folder.path(), &["incident", "verify", "record.db"]).await;
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        let mut seen = std::collections::BTreeMap::new();
        let mut findings = std::collections::BTreeMap::new();
        for message in self.receiver.accepted() {
            let key = message.headers.get("webhook-id").cloned().expect("a message carries its key");
            let event = &message.json["data"]["event"];
            if event["type"] == "found" {
                let what = format!("{} {} {}", event["finding"]["id"], event["window"], event["block"]);
                assert_eq!(findings.insert(what, key.clone()).unwrap_or_else(|| key.clone()), key, "{}", message.json);
            }
            let sequence = message.json["data"]["sequence"].clone();
            assert_eq!(seen.insert(sequence.to_string(), key.clone()).unwrap_or_else(|| key.clone()), key);
        }
    }
}

impl Scene {
    /// The events on the record, oldest first, as a person exports them.
    pub(crate) async fn recorded(&self) -> Vec<Value> {
        let exported = Program::run(self.folder.path(), &["incident", "export", "record.db"]).await;
        assert_eq!(exported.code, Some(0), "{}", exported.stderr);
        let lines = exported.stdout.lines().skip(1);
        let line = |line| -> Value { serde_json::from_str(line).expect("an event is one line of JSON") };
        lines.map(|text| line(text)["record"]["event"].take()).collect()
    }
}

/// Whether `message` is a finding of level stop about the mined `transaction`.
fn is_about(message: &Value, transaction: B256) -> bool {
    is_stop_about(message, transaction, "mined")
}

fn is_stop_about(message: &Value, transaction: B256, window: &str) -> bool {
    let event = &message["data"]["event"];
    message["type"] == "finding.stop"
        && event["window"] == window
        && event["finding"]["transaction"] == transaction.to_string()
}
