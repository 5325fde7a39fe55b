//! A small protocol on the test's own node, and the configuration that guards it.

use std::fs;
use std::path::Path;

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use serde_json::{Value, json};

use crate::{Proxy, Receiver, Rpc, wait};

/// Ether in the vault at the start.
pub const HELD_ETHER: u64 = 100;
/// More than this in one transaction is a stop.
pub const LIMIT_ETHER: u64 = 10;

/// The receiver's secret: the ASCII text `a secret that only the tests of cofferdam use`.
const SECRET: &str = "whsec_YSBzZWNyZXQgdGhhdCBvbmx5IHRoZSB0ZXN0cyBvZiBjb2ZmZXJkYW0gdXNl";

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
        let mut code = creation_code("EtherVault");
        for role in [guardian, steward] {
            code.extend_from_slice(role.into_word().as_slice());
        }
        let receipt = done(node, node.send(json!({ "from": user, "data": hex::encode_prefixed(code) })).await).await;
        let address = serde_json::from_value(receipt["contractAddress"].clone()).expect("a creation has an address");
        let deposit = json!({ "from": user, "to": address, "value": ether(HELD_ETHER), "data": selector("deposit()") });
        done(node, node.send(deposit).await).await;
        Self { address, user }
    }

    /// The user takes `amount` ether out; gives the transaction, which may not be mined yet.
    pub async fn withdraw(&self, node: &Rpc, amount: u64) -> B256 {
        let argument = B256::from(ether(amount));
        let data = format!("{}{}", selector("withdraw(uint256)"), hex::encode(argument));
        node.send(json!({ "from": self.user, "to": self.address, "data": data, "gas": "0x30d40" })).await
    }

    /// Writes a configuration into `folder` that follows the endpoints of `proxies` by HTTP and tells `receiver`.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn configure(&self, folder: &Path, endpoints: &[String], receiver: &Receiver) {
        let mut text = "[chain]\nid = 31337\n".to_owned();
        for (number, url) in endpoints.iter().enumerate() {
            text.push_str(&format!("[[endpoint]]\nname = \"node-{number}\"\nurl = \"{url}\"\n"));
        }
        // Native coin leaves no event: further behind than this, a block is judged by its receipts alone, which do not
        // show it (docs/adr/0003). A guard of native coin sets it above its longest downtime, as here.
        text.push_str(&format!(
            "[follow]\nrequest_timeout_ms = 1000\nexecute_within_blocks = 1000\n\
             [record]\ndatabase = \"record.db\"\nreserve_mib = 1\n\
             [[module]]\nid = \"vault\"\ncontracts = [\"{}\"]\nassets = [\"native\"]\n\
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

    /// As [`Self::configure`], with one endpoint: `proxy` over HTTP.
    pub fn configure_http(&self, folder: &Path, proxy: &Proxy, receiver: &Receiver) {
        self.configure(folder, &[proxy.http()], receiver);
    }
}

/// The receipt of `transaction`, which must have succeeded.
async fn done(node: &Rpc, transaction: B256) -> Value {
    let what = format!("{transaction} is mined");
    let receipt = wait::until(&what, wait::PATIENCE, async || node.receipt(transaction).await).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    receipt
}

fn ether(amount: u64) -> U256 {
    U256::from(amount).saturating_mul(U256::from(10).pow(U256::from(18)))
}

fn selector(signature: &str) -> String {
    let hash = keccak256(signature);
    hex::encode_prefixed(hash.first_chunk::<4>().expect("a hash has four bytes"))
}

/// The creation code of one of the committed artifacts.
fn creation_code(contract: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../contracts/artifacts/{contract}.json"));
    let text = fs::read_to_string(path).expect("the artifact is committed");
    let artifact: Value = serde_json::from_str(&text).expect("an artifact is JSON");
    hex::decode(artifact["bytecode"].as_str().expect("an artifact has bytecode")).expect("bytecode is hexadecimal")
}
