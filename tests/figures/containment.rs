//! From the attack in the mempool to the containment in the mempool.
//!
//! Ten vaults, each a module with a lever of its own, are attacked in turn. After each attack a block is mined, the plan
//! is confirmed, and the steward opens the vault again. The first attack on each vault meets a program that has never
//! read its state.
//!
//! * *inside*: from the transaction's hand-in to the guard, body at hand, until the endpoint has answered that it took
//!   the signed pause (the program's own log, `micros`). Between: execution, verdict, record, trial on a fork, limits,
//!   signature, record again, hand-over.
//! * *outside*: from just before the attack is handed to the node until the node announces the pause to us. Adds both
//!   ways through the node and, without subscriptions, the waiting for the next look at the pool.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use cofferdam_e2e::contract::{calldata, ether};
use cofferdam_e2e::vault::LIMIT_ETHER;
use cofferdam_e2e::{Anvil, Program, Receiver, Vault};
use serde_json::{Value, json};

use crate::Lane;
use crate::feed::Feed;
use crate::protocol::{self, People, mine, transaction, word};
use crate::sample::Sample;

const VAULTS: usize = 10;
/// After so long without news of the vault another block is mined.
const NEXT_BLOCK: Duration = Duration::from_secs(2);
const DEPOSIT_ETHER: u64 = 100;

/// The key of the node's second account, as its mnemonic gives it on every machine.
const GUARDIAN_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const KEY_FILE: &str = "guardian.key";

struct Scene {
    node: Anvil,
    people: People,
    vaults: Vec<Vault>,
    receiver: Receiver,
    pending: Feed,
}

/// Attacks every vault `rounds` times.
pub(crate) async fn measure(lane: Lane, rounds: usize) -> Value {
    let node = Anvil::start().await;
    let people = People::of(&node).await;
    let mut vaults = Vec::with_capacity(VAULTS);
    for _ in 0..VAULTS {
        vaults.push(protocol::vault(&node, &people, DEPOSIT_ETHER).await);
    }
    protocol::stop_mining(&node).await;
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().expect("there is room for a folder");
    configure(folder.path(), &lane.url(&node), &vaults, &receiver);
    let pending = Feed::of_pending(&node).await;
    let mut scene = Scene { node, people, vaults, receiver, pending };
    let program = protocol::watch(folder.path(), &[("GUARDIAN_KEY_FILE", KEY_FILE)]);
    protocol::has_dealt_with(&program, scene.node.head().await).await;

    let mut outside = Vec::new();
    for round in 0..rounds {
        for index in 0..VAULTS {
            let (attack, took) = scene.attack(index).await;
            outside.push((attack, round == 0, took));
        }
    }
    let inside = micros_of(&program, "answered: ");
    let decision = micros_of(&program, "found: ");
    let differs = |message: &Value| message["data"]["event"]["alert"]["alert"] == "diverged";
    let diverged = scene.receiver.accepted().iter().filter(|delivery| differs(&delivery.json)).count();
    program.kill().await;
    eprintln!("{}: blocks whose execution differed from their receipts: {diverged}", lane.name());
    summary(lane, &outside, &inside, &decision, diverged)
}

impl Scene {
    /// One attack, contained and cleaned up; gives its hash and how long it took from outside.
    async fn attack(&mut self, index: usize) -> (B256, Duration) {
        let vault = self.vaults[index].address;
        let amount = ether(LIMIT_ETHER.saturating_add(1));
        let data = calldata("withdraw(uint256)", &[word(amount)]);
        let before = Instant::now();
        let attack = self.node.send(transaction(self.people.user, vault, U256::ZERO, &data)).await;
        let (guardian, target) = (self.people.guardian, vault);
        let is_pause = |seen: &Value| is_between(seen, guardian, target);
        let (after, pause) = self.pending.next(is_pause).await;
        mine(&self.node).await;
        self.reopen(vault, &pause["hash"]).await;
        (attack, after - before)
    }

    /// Waits for the confirmation, opens the vault as a person would, and waits until the program has seen it.
    async fn reopen(&self, vault: Address, pause: &Value) {
        let is_confirmed = |message: &Value| {
            message["type"] == "plan.confirmed" && message["data"]["event"]["step"]["transaction"] == *pause
        };
        let confirmed = self.receiver.accepts("the pause is confirmed", is_confirmed).await;
        let plan = &confirmed.json["data"]["event"]["plan"];
        let open = transaction(self.people.steward, vault, U256::ZERO, &calldata("unpause()", &[]));
        self.node.send(open).await;
        mine(&self.node).await;
        let is_undone = |message: &Value| message["type"] == "plan.undone" && message["data"]["event"]["plan"] == *plan;
        // Rarely the node tells the state of a block while it already works on the next; then the next block tells.
        while tokio::time::timeout(NEXT_BLOCK, self.receiver.accepts("the vault is open again", is_undone))
            .await
            .is_err()
        {
            mine(&self.node).await;
        }
    }
}

fn is_between(seen: &Value, from: Address, to: Address) -> bool {
    let address = |key: &str| serde_json::from_value::<Address>(seen[key].clone()).ok();
    address("from") == Some(from) && address("to") == Some(to)
}

/// Microseconds of the log lines that begin with `words`, by the transaction that they are about; the first of each.
fn micros_of(program: &Program, words: &str) -> HashMap<B256, Duration> {
    let mut found = HashMap::new();
    for line in protocol::log_of(program) {
        if !line["message"].as_str().is_some_and(|message| message.starts_with(words)) {
            continue;
        }
        let about = line.get("attack").or_else(|| line.get("transaction")).cloned().unwrap_or_default();
        let hash: B256 = serde_json::from_value(about).expect("a log line names its transaction");
        let micros = line["micros"].as_u64().expect("a log line tells how long it took");
        found.entry(hash).or_insert(Duration::from_micros(micros));
    }
    found
}

fn summary(
    lane: Lane,
    outside: &[(B256, bool, Duration)],
    inside: &HashMap<B256, Duration>,
    decision: &HashMap<B256, Duration>,
    diverged: usize,
) -> Value {
    let [mut all_inside, mut cold_inside, mut all_outside, mut verdicts] = std::array::from_fn(|_| Sample::default());
    for (attack, cold, took) in outside {
        let within = *inside.get(attack).expect("every attack was answered, or it would not have been contained");
        all_inside.add(within);
        if *cold {
            cold_inside.add(within);
        }
        all_outside.add(*took);
        verdicts.add(*decision.get(attack).expect("what was answered was found"));
    }
    let name = lane.name();
    verdicts.row(&format!("{name}: attack seen to verdict"));
    all_inside.row(&format!("{name}: attack seen to containment taken (inside)"));
    cold_inside.row(&format!("{name}:   of these, first attack on its module"));
    all_outside.row(&format!("{name}: attack handed over to pause announced (outside)"));
    json!({
        "verdict_ms": verdicts.milliseconds(),
        "inside_ms": all_inside.milliseconds(),
        "inside_first_ms": cold_inside.milliseconds(),
        "outside_ms": all_outside.milliseconds(),
        "blocks_diverged": diverged,
    })
}

fn configure(folder: &Path, endpoint: &str, vaults: &[Vault], receiver: &Receiver) {
    let mut modules = "limits = \"limits.toml\"\n".to_owned();
    let mut limits = "enabled = true\n".to_owned();
    for (index, vault) in vaults.iter().enumerate() {
        modules.push_str(&format!(
            "[[module]]\nid = \"vault-{index}\"\ncontracts = [\"{0}\"]\nassets = [\"native\"]\n\
             [[module.outflow.limits]]\nasset = \"native\"\nper_transaction_amount = \"{1}\"\n\
             [[lever]]\nname = \"pause-{index}\"\nmodule = \"vault-{index}\"\nkind = \"pausable\"\n\
             target = \"{0}\"\nguardian = \"guardian\"\n",
            vault.address,
            ether(LIMIT_ETHER)
        ));
        limits.push_str(&format!(
            "[[allow]]\nmodule = \"vault-{index}\"\nmax_actions = 1000\nwindow_seconds = 86400\n\
             expires_unix_seconds = 4102444800\nmax_fee_per_gas_wei = \"1000000000000\"\n\
             max_total_cost_wei = \"1000000000000000000\"\n"
        ));
    }
    modules.push_str("[[guardian]]\nname = \"guardian\"\nkey_file_env = \"GUARDIAN_KEY_FILE\"\n");
    protocol::configure(folder, endpoint, &modules, receiver);
    fs::write(folder.join("limits.toml"), limits).expect("a new folder can be written");
    let key = folder.join(KEY_FILE);
    fs::write(&key, GUARDIAN_KEY).expect("a new folder can be written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("an own file can be closed to others");
}
