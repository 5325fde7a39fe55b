//! Faults that must lose nothing: the program guards a vault on a real node, through a proxy that errs, hangs and lies, and
//! tells a receiver that may refuse. Each attack here must be told, once for each finding, whatever went wrong.

mod clock;
mod disk;
mod guardian;
mod node;
mod process;
mod receiver;
mod together;
mod token;

use alloy_primitives::B256;
use cofferdam_e2e::vault::LIMIT_ETHER;
use cofferdam_e2e::{Anvil, Delivery, Program, Proxy, Receiver, Vault};
use serde_json::Value;
use tempfile::TempDir;

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
        let node = Anvil::start().await;
        let vault = Vault::deploy(&node).await;
        let proxy = Proxy::before(node.address()).await;
        let receiver = Receiver::start().await;
        let folder = tempfile::tempdir().expect("there is room for a folder");
        vault.configure_http(folder.path(), &proxy, &receiver);
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

    /// Checks the record offline, and that no message was taken twice with different contents.
    pub(crate) async fn nothing_is_lost_or_doubled(&self, program: Program) {
        program.kill().await;
        let verified = Program::run(self.folder.path(), &["incident", "verify", "record.db"]).await;
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        let mut seen = std::collections::BTreeMap::new();
        for message in self.receiver.accepted() {
            let key = message.headers.get("webhook-id").cloned().expect("a message carries its key");
            let sequence = message.json["data"]["sequence"].clone();
            assert_eq!(seen.insert(sequence.to_string(), key.clone()).unwrap_or_else(|| key.clone()), key);
        }
    }
}

/// Whether `message` is a finding of level stop about the mined `transaction`.
fn is_about(message: &Value, transaction: B256) -> bool {
    let event = &message["data"]["event"];
    message["type"] == "finding.stop"
        && event["window"] == "mined"
        && event["finding"]["transaction"] == transaction.to_string()
}
