//! The contracts that are guarded while figures are taken, and the configuration that guards them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use cofferdam_e2e::contract::{calldata, deploy, done, ether};
use cofferdam_e2e::rpc::{hex, quantity};
use cofferdam_e2e::{Program, Receiver, Rpc, Vault};
use serde_json::{Value, json};

/// Fees that no honest base fee of these chains reaches.
const MAX_FEE: &str = "0x174876e800";
const TIP: &str = "0x3b9aca00";

/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often the program's log is looked at.
const LOOK: Duration = Duration::from_millis(5);

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

/// Hands transactions over in one request, to be mined with the next block. The node works on a request in no order, so
/// each transaction is given the place among its sender's that it has in `transactions`.
///
/// # Panics
/// When the node does not take one of them, or still holds earlier ones.
pub(crate) async fn hand_over(node: &Rpc, mut transactions: Vec<Value>) {
    let mut senders: Vec<Value> = transactions.iter().map(|transaction| transaction["from"].clone()).collect();
    senders.sort_unstable_by_key(Value::to_string);
    senders.dedup();
    let counts = senders.iter().map(|sender| ("eth_getTransactionCount", json!([sender, "latest"]))).collect();
    let counts = ask_all(node, counts).await;
    let mut nonces: BTreeMap<String, u64> =
        senders.iter().map(Value::to_string).zip(counts.iter().map(quantity)).collect();
    for transaction in &mut transactions {
        let nonce = nonces.get_mut(&transaction["from"].to_string()).expect("every sender was asked for");
        transaction["nonce"] = json!(hex(*nonce));
        *nonce += 1;
    }
    let calls = transactions.into_iter().map(|transaction| ("eth_sendTransaction", json!([transaction]))).collect();
    ask_all(node, calls).await;
}

/// Several calls in one request; gives their results in the same order.
///
/// # Panics
/// When the node refuses one of them.
pub(crate) async fn ask_all(node: &Rpc, calls: Vec<(&str, Value)>) -> Vec<Value> {
    let requests: Vec<Value> = (0_u32..)
        .zip(calls)
        .map(|(id, (method, params))| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
        .collect();
    let answers = node.forward(&Value::Array(requests)).await.expect("the node answers");
    let mut answers = answers.as_array().expect("a batch is answered with a batch").clone();
    answers.sort_unstable_by_key(|answer| answer["id"].as_u64());
    let result = |mut answer: Value| answer.get_mut("result").map(Value::take).ok_or(answer);
    let results: Result<Vec<Value>, Value> = answers.into_iter().map(result).collect();
    results.unwrap_or_else(|refused| panic!("the node refused: {refused}"))
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
///
/// # Panics
/// When that takes longer than any figure may.
pub(crate) async fn has_dealt_with(program: &Program, block: u64) {
    let words = format!("\"last\":{block},\"behind\"");
    let seen = async {
        while !program.said().iter().any(|line| line.contains(&words)) {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(PATIENCE, seen).await.is_err() {
        let said = program.said();
        let last = said.len().saturating_sub(20);
        panic!("block {block} was not dealt with in {PATIENCE:?}; the last words:\n{}", said[last..].join("\n"));
    }
}

/// Whether a webhook's message tells of `transaction` in a block.
pub(crate) fn tells_mined(message: &Value, transaction: B256) -> bool {
    let event = &message["data"]["event"];
    event["window"] == "mined" && event["finding"]["transaction"] == transaction.to_string()
}
