//! Vaults on a node whose blocks are mined by the test, guarded by a program that may act.
//!
//! What travels to the node waits in its mempool until [`Acting::mine`], so that an attack and its containment meet
//! there as on a real chain.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::contract::{calldata, done, ether};
use crate::rpc::{hex, quantity};
use crate::vault::{LIMIT_ETHER, SECRET};
use crate::{Anvil, Program, Proxy, Receiver, Vault, record, wait};

/// The node's well-known second account, which the vaults take for their guardian.
const GUARDIAN_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// How the program follows the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Asking again and again.
    Http,
    /// By subscription.
    WebSocket,
}

/// The scene. Everything in it ends when it is dropped.
#[derive(Debug)]
pub struct Acting {
    /// The node; it mines when asked to.
    pub node: Anvil,
    /// One module each: `vault-0`, `vault-1`, ...
    pub vaults: Vec<Vault>,
    /// Between the program and the node.
    pub proxy: Proxy,
    /// Who is told.
    pub receiver: Receiver,
    /// Configuration, limits, key, and the record unless it lies elsewhere.
    pub folder: TempDir,
    /// Where the record is, as the configuration has it.
    pub record: String,
    /// Who pauses.
    pub guardian: Address,
    /// Who opens again.
    pub steward: Address,
}

impl Acting {
    /// A scene with `modules` vaults.
    ///
    /// # Panics
    /// When the node does not play along.
    pub async fn set(modules: usize, link: Link) -> Self {
        Self::on(Anvil::start().await, modules, link, "record.db").await
    }

    /// A scene on `node`, with the record at `record`.
    ///
    /// # Panics
    /// When the node does not play along.
    pub async fn on(node: Anvil, modules: usize, link: Link, record: &str) -> Self {
        let accounts = node.accounts().await;
        let [_, guardian, steward] = accounts.first_chunk().copied().expect("the node has three accounts");
        let mut vaults = Vec::new();
        for _ in 0..modules {
            vaults.push(Vault::deploy(&node).await);
        }
        node.call("evm_setAutomine", json!([false])).await;
        let proxy = Proxy::before(node.address()).await;
        let receiver = Receiver::start().await;
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let url = match link {
            Link::Http => proxy.http(),
            Link::WebSocket => proxy.ws(),
        };
        write(folder.path(), "cofferdam.toml", &configuration(&url, &vaults, &receiver, record));
        write(folder.path(), "limits.toml", &limits(vaults.len()));
        write(folder.path(), "guardian.key", GUARDIAN_KEY);
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(folder.path().join("guardian.key"), private).expect("a new file can be made private");
        Self { node, vaults, proxy, receiver, folder, record: record.to_owned(), guardian, steward }
    }

    /// Starts the program and returns when it guards.
    pub async fn watch(&self) -> Program {
        let mut program = self.start();
        program.says("acts within its limits").await;
        program
    }

    /// Starts the program.
    pub fn start(&self) -> Program {
        let environment = [("PAGER_SECRET", SECRET), ("GUARDIAN_KEY_FILE", "guardian.key")];
        Program::start(self.folder.path(), &["watch"], &environment)
    }

    /// The first vault.
    ///
    /// # Panics
    /// When there is none.
    pub fn vault(&self) -> Vault {
        self.vaults.first().copied().expect("a scene has a vault")
    }

    /// The first vault's user takes more out of it than may leave at once.
    pub async fn attack(&self) -> B256 {
        self.attack_on(self.vault()).await
    }

    /// The user of `vault` takes more out of it than may leave at once.
    pub async fn attack_on(&self, vault: Vault) -> B256 {
        vault.withdraw(&self.node, LIMIT_ETHER.saturating_add(1)).await
    }

    /// `vault` as its `number`-th further user sees it, who has put as much into it as two attacks take out.
    ///
    /// # Panics
    /// When the node does not play along.
    pub async fn further_user(&self, vault: Vault, number: usize) -> Vault {
        let accounts = self.node.accounts().await;
        let user = accounts.get(number.saturating_add(3)).copied().expect("the node has ten accounts");
        self.deposit(&vault, user).await;
        Vault { user, ..vault }
    }

    /// `account` puts as much into `vault` as two attacks take out; returns when that is mined.
    ///
    /// # Panics
    /// When the node does not play along.
    pub async fn deposit(&self, vault: &Vault, account: Address) {
        let value = ether(LIMIT_ETHER.saturating_add(1).saturating_mul(2));
        let data = calldata("deposit()", &[]);
        let deposit =
            self.node.send(json!({ "from": account, "to": vault.address, "value": value, "data": data })).await;
        self.mine().await;
        done(&self.node, deposit).await;
    }

    /// Mines one block of what waits; gives it with its transactions.
    ///
    /// # Panics
    /// When the node does not play along.
    pub async fn mine(&self) -> Value {
        self.node.mine(1).await;
        self.node.call("eth_getBlockByNumber", json!(["latest", true])).await
    }

    /// Returns when `pauses` transactions of the guardian wait to be mined.
    ///
    /// # Panics
    /// When that does not happen within [`wait::PATIENCE`].
    pub async fn pauses_wait(&self, pauses: u64) {
        let what = format!("{pauses} pauses wait to be mined");
        wait::until(&what, wait::PATIENCE, async || {
            let waiting = self.guardian_count("pending").await.saturating_sub(self.guardian_count("latest").await);
            (waiting >= pauses).then_some(())
        })
        .await;
    }

    /// Mines what waits: `attacks`, which must all fail, and the guardian's pauses, of which there must be `pauses`; gives
    /// these.
    ///
    /// # Panics
    /// When an attack went through, or the guardian did more or less.
    pub async fn contained(&self, attacks: &[B256], pauses: usize) -> Vec<B256> {
        let block = self.mine().await;
        for attack in attacks {
            let receipt = self.node.receipt(*attack).await.expect("the attack was mined beside the pause");
            assert_eq!(receipt["status"], "0x0", "the attack went through: {receipt}");
        }
        let sent = self.sent_by_guardian(&block);
        assert_eq!(sent.len(), pauses, "{block}");
        sent
    }

    /// The guardian's transactions in `block`.
    ///
    /// # Panics
    /// When the node's answer is no block.
    pub fn sent_by_guardian(&self, block: &Value) -> Vec<B256> {
        let guardian = format!("{:#x}", self.guardian);
        let transactions = block["transactions"].as_array().expect("a block lists its transactions");
        let sent = transactions.iter().filter(|transaction| transaction["from"] == guardian);
        sent.map(|sent| serde_json::from_value(sent["hash"].clone()).expect("a transaction has a hash")).collect()
    }

    /// Returns when the receiver has taken word of `pause`, mined and read back.
    ///
    /// # Panics
    /// When it does not come within [`wait::PATIENCE`].
    pub async fn confirmed(&self, pause: B256) {
        let holds = |message: &Value| {
            message["type"] == "plan.confirmed" && message["data"]["event"]["step"]["transaction"] == pause.to_string()
        };
        self.receiver.accepts(&format!("pause {pause} is confirmed"), holds).await;
    }

    /// Returns when the receiver has taken word of `attack`, seen in `window`: `pending` or `mined`.
    ///
    /// # Panics
    /// When it does not come within [`wait::PATIENCE`].
    pub async fn told(&self, attack: B256, window: &str) {
        let about = |message: &Value| {
            let event = &message["data"]["event"];
            message["type"] == "finding.stop"
                && event["window"] == window
                && event["finding"]["transaction"] == attack.to_string()
        };
        self.receiver.accepts(&format!("a stop about {attack}, {window}"), about).await;
    }

    /// Transactions that the guardian has sent ever: mined ones (`latest`), or those that wait too (`pending`).
    pub async fn guardian_count(&self, tag: &str) -> u64 {
        quantity(&self.node.call("eth_getTransactionCount", json!([self.guardian, tag])).await)
    }

    /// Whether `vault` is paused at the newest block.
    pub async fn is_paused(&self, vault: &Vault) -> bool {
        let call = json!({ "to": vault.address, "data": calldata("paused()", &[]) });
        let answer = self.node.call("eth_call", json!([call, "latest"])).await;
        answer.as_str().is_some_and(|word| word.ends_with('1'))
    }

    /// The steward opens `vault` again, in a block of its own.
    ///
    /// # Panics
    /// When the node does not play along.
    pub async fn reopen(&self, vault: &Vault) {
        let data = calldata("unpause()", &[]);
        let opened = self.node.send(json!({ "from": self.steward, "to": vault.address, "data": data })).await;
        self.mine().await;
        done(&self.node, opened).await;
    }

    /// Gives the guardian this balance.
    pub async fn fund_guardian(&self, wei: u64) {
        self.node.call("anvil_setBalance", json!([self.guardian, hex(wei)])).await;
    }

    /// Waits until everything is told, ends the program, checks the record, and gives its events.
    ///
    /// # Panics
    /// When something is lost, doubled or wrong.
    pub async fn settle(&self, program: Program) -> Vec<Value> {
        record::is_told(self.folder.path(), &self.record, &self.receiver).await;
        program.kill().await;
        record::is_true(self.folder.path(), &self.record).await
    }
}

fn configuration(url: &str, vaults: &[Vault], receiver: &Receiver, record: &str) -> String {
    let mut text = format!(
        "limits = \"limits.toml\"\n\
         [chain]\nid = 31337\n\
         [[endpoint]]\nname = \"node\"\nurl = \"{url}\"\n\
         [follow]\nrequest_timeout_ms = 1000\n\
         [record]\ndatabase = \"{record}\"\nreserve_mib = 1\n\
         [[guardian]]\nname = \"guardian\"\nkey_file_env = \"GUARDIAN_KEY_FILE\"\n\
         [[webhook]]\nname = \"pager\"\nurl = \"{}\"\nsecret_env = \"PAGER_SECRET\"\n",
        receiver.url(),
    );
    for (number, vault) in vaults.iter().enumerate() {
        text.push_str(&format!(
            "[[module]]\nid = \"vault-{number}\"\ncontracts = [\"{address}\"]\nassets = [\"native\"]\n\
             [[module.outflow.limits]]\nasset = \"native\"\nper_transaction_amount = \"{limit}\"\n\
             [[lever]]\nname = \"pause-{number}\"\nmodule = \"vault-{number}\"\nkind = \"pausable\"\n\
             target = \"{address}\"\nguardian = \"guardian\"\n",
            address = vault.address,
            limit = ether(LIMIT_ETHER),
        ));
    }
    text
}

/// More actions than any test needs, and a price that no block of a test reaches.
fn limits(modules: usize) -> String {
    let mut text = "enabled = true\n".to_owned();
    for number in 0..modules {
        text.push_str(&format!(
            "[[allow]]\nmodule = \"vault-{number}\"\nmax_actions = 100000\nwindow_seconds = 3600\n\
             expires_unix_seconds = 4102444800\nmax_fee_per_gas_wei = \"500000000000\"\n\
             max_total_cost_wei = \"1000000000000000000\"\n"
        ));
    }
    text
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a new folder can be written");
}
