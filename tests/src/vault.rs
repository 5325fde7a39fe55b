//! A small protocol on the test's own node, and the configuration that guards it.

use std::fs;
use std::path::Path;

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

use crate::contract::{self, calldata, done, ether};
use crate::{Receiver, Rpc};

/// Ether in the vault at the start.
pub const HELD_ETHER: u64 = 100;
/// More than this in one transaction is a stop.
pub const LIMIT_ETHER: u64 = 10;

/// The receiver's secret: the ASCII text `a secret that only the tests of cofferdam use`.
pub const SECRET: &str = "whsec_YSBzZWNyZXQgdGhhdCBvbmx5IHRoZSB0ZXN0cyBvZiBjb2ZmZXJkYW0gdXNl";

/// An `EtherVault` of `contracts/` with ether of one honest user in it.
#[derive(Clone, Copy, Debug)]
pub struct Vault {
    /// The contract.
    pub address: Address,
    /// Who deposited.
    pub user: Address,
}

impl Vault {
    /// Deploys the vault and fills it with [`HELD_ETHER`].
    ///
    /// # Panics
    /// When the node does not play along.
    pub async fn deploy(node: &Rpc) -> Self {
        let accounts = node.accounts().await;
        let [user, guardian, steward] = accounts.first_chunk().copied().expect("the node has three accounts");
        let roles = [guardian.into_word(), steward.into_word()];
        let address = contract::deploy(node, user, "EtherVault", &roles).await;
        let deposit =
            json!({ "from": user, "to": address, "value": ether(HELD_ETHER), "data": calldata("deposit()", &[]) });
        done(node, node.send(deposit).await).await;
        Self { address, user }
    }

    /// The user takes `amount` ether out; gives the transaction, which may not be mined yet.
    pub async fn withdraw(&self, node: &Rpc, amount: u64) -> B256 {
        node.send(self.withdrawal(amount)).await
    }

    /// The user's transaction that takes `amount` ether out, for a node that signs for the user.
    pub fn withdrawal(&self, amount: u64) -> Value {
        let data = calldata("withdraw(uint256)", &[ether(amount).into()]);
        json!({ "from": self.user, "to": self.address, "data": data, "gas": "0x30d40" })
    }

    /// Writes a configuration into `folder` that follows the endpoints of `proxies` by HTTP and tells `receiver`.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn configure(&self, folder: &Path, endpoints: &[String], receiver: &Receiver) {
        self.configure_with(folder, endpoints, receiver, &[]);
    }

    /// As [`Self::configure`], with `tokens` among the vault's assets.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn configure_with(&self, folder: &Path, endpoints: &[String], receiver: &Receiver, tokens: &[Address]) {
        let tokens: String = tokens.iter().map(|token| format!(", \"{token}\"")).collect();
        let mut text = "[chain]\nid = 31337\n".to_owned();
        for (number, url) in endpoints.iter().enumerate() {
            text.push_str(&format!("[[endpoint]]\nname = \"node-{number}\"\nurl = \"{url}\"\n"));
        }
        // Native coin leaves no event: further behind than this, a block is judged by its receipts alone, which do not
        // show it (docs/adr/0003). A guard of native coin sets it above its longest downtime, as here.
        text.push_str(&format!(
            "[follow]\nrequest_timeout_ms = 1000\nexecute_within_blocks = 1000\n\
             [record]\ndatabase = \"record.db\"\nreserve_mib = 1\n\
             [[module]]\nid = \"vault\"\ncontracts = [\"{}\"]\nassets = [\"native\"{tokens}]\n\
             [[module.outflow.limits]]\nasset = \"native\"\nper_transaction_amount = \"{}\"\n\
             [[webhook]]\nname = \"pager\"\nurl = \"{}\"\nsecret_env = \"PAGER_SECRET\"\n",
            self.address,
            ether(LIMIT_ETHER),
            receiver.url(),
        ));
        fs::write(folder.join("cofferdam.toml"), text).expect("a new folder can be written");
    }

    /// What the program finds in its environment.
    pub const fn environment() -> [(&'static str, &'static str); 1] {
        [("PAGER_SECRET", SECRET)]
    }
}
