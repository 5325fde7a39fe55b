//! The contracts that are guarded while figures are taken, and the configuration that guards them.

use std::fs;
use std::path::Path;

use alloy_primitives::{Address, B256, U256};
use cofferdam_e2e::contract::{calldata, deploy, done, ether};
use cofferdam_e2e::{Program, Receiver, Rpc, Vault};
use serde_json::{Value, json};

/// Fees that no honest base fee of these chains reaches.
const MAX_FEE: &str = "0x174876e800";
const TIP: &str = "0x3b9aca00";
/// Transactions in one request to the node.
const BATCH: usize = 250;

/// A transaction that the node signs.
pub(crate) fn transaction(from: Address, to: Address, value: U256, data: &str) -> Value {
    json!({
        "from": from, "to": to, "value": value, "data": data, "gas": "0x493e0",
        "maxFeePerGas": MAX_FEE, "maxPriorityFeePerGas": TIP,
    })
}

/// An amount as an argument.
pub(crate) fn word(amount: U256) -> B256 {
    B256::from(amount)
}

/// An `EtherVault` into which `user` has put `amount` ether.
pub(crate) async fn vault(node: &Rpc, people: &People, amount: u64) -> Vault {
    let roles = [people.guardian.into_word(), people.steward.into_word()];
    let address = deploy(node, people.user, "EtherVault", &roles).await;
    let deposit = transaction(people.user, address, ether(amount), &calldata("deposit()", &[]));
    done(node, node.send(deposit).await).await;
    Vault { address, user: people.user }
}

/// Accounts that the node signs for.
pub(crate) struct People {
    /// Deposits, and attacks.
    pub(crate) user: Address,
    /// May pause; the program has the key.
    pub(crate) guardian: Address,
    /// May open again.
    pub(crate) steward: Address,
    /// Everybody else.
    pub(crate) others: Vec<Address>,
}

impl People {
    pub(crate) async fn of(node: &Rpc) -> Self {
        let accounts = node.accounts().await;
        let ([user, guardian, steward], others) = accounts.split_first_chunk().expect("the node has three accounts");
        Self { user: *user, guardian: *guardian, steward: *steward, others: others.to_vec() }
    }
}

/// Hands transactions over in as few requests as is sensible. The node does not mine by itself.
///
/// # Panics
/// When the node does not take one of them.
pub(crate) async fn hand_over(node: &Rpc, transactions: &[Value]) {
    for part in transactions.chunks(BATCH) {
        let calls = part.iter().map(|transaction| ("eth_sendTransaction", json!([transaction]))).collect();
        ask_all(node, calls).await;
    }
}

/// Several calls in one request.
///
/// # Panics
/// When the node refuses one of them.
pub(crate) async fn ask_all(node: &Rpc, calls: Vec<(&str, Value)>) {
    let requests: Vec<Value> = (0_u32..)
        .zip(calls)
        .map(|(id, (method, params))| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
        .collect();
    let answers = node.forward(&Value::Array(requests)).await.expect("the node answers");
    let refused =
        answers.as_array().expect("a batch is answered with a batch").iter().find(|one| one["error"].is_object());
    assert!(refused.is_none(), "the node refused: {refused:?}");
}

/// Mines one block of what was handed over.
pub(crate) async fn mine(node: &Rpc) {
    node.call("evm_mine", json!([])).await;
}

/// From now on blocks are mined when asked for.
pub(crate) async fn stop_mining(node: &Rpc) {
    node.call("evm_setAutomine", json!([false])).await;
}

/// A configuration of `endpoint` with `modules`, in TOML; the rest is the same for all figures.
pub(crate) fn configure(folder: &Path, endpoint: &str, modules: &str, receiver: &Receiver) {
    let text = format!(
        "{modules}\n\
         [chain]\nid = 31337\n\
         [[endpoint]]\nname = \"node\"\nurl = \"{endpoint}\"\n\
         [record]\ndatabase = \"record.db\"\nreserve_mib = 1\n\
         [[webhook]]\nname = \"pager\"\nurl = \"{}\"\nsecret_env = \"PAGER_SECRET\"\n",
        receiver.url()
    );
    fs::write(folder.join("cofferdam.toml"), text).expect("a new folder can be written");
}

/// Starts the program in `folder` with logs for machines.
pub(crate) fn watch(folder: &Path, environment: &[(&str, &str)]) -> Program {
    let mut all = Vault::environment().to_vec();
    all.extend_from_slice(environment);
    Program::start(folder, &["watch", "--log-format", "json"], &all)
}

/// The program's log lines as JSON.
pub(crate) fn log_of(program: &Program) -> Vec<Value> {
    program.said().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits until `program` has dealt with `block` as the last of what it was handed.
pub(crate) async fn has_dealt_with(program: &mut Program, block: u64) {
    program.says(&format!("\"last\":{block},\"behind\"")).await;
}

/// Whether a webhook's message tells of `transaction` in a block.
pub(crate) fn tells_mined(message: &Value, transaction: B256) -> bool {
    let event = &message["data"]["event"];
    event["window"] == "mined" && event["finding"]["transaction"] == transaction.to_string()
}
