//! Catching up with full blocks after a downtime: processor time and speed.
//!
//! The chain is made once, every transaction from or to a guarded contract, ten limits written for them. The program is
//! started on a record that stands before the first of these blocks. Start-up is measured in the same way on one empty
//! block and taken off.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use cofferdam_e2e::contract::{calldata, deploy, done, ether};
use cofferdam_e2e::{Anvil, Receiver};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Lane;
use crate::process;
use crate::protocol::{self, People, hand_over, mine, transaction, word};
use crate::sample::in_milliseconds;

const TRANSACTIONS: u32 = 150;
const VAULTS: usize = 5;
const RUNS: usize = 3;

/// What the blocks are full of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Traffic {
    /// Deposits of tokens into ERC-4626 vaults: three logs each, all from guarded contracts.
    Tokens,
    /// Deposits of the native coin into vaults: one log each.
    Native,
}

struct Protocol {
    /// Who sends, to which vault.
    senders: Vec<(Address, Address)>,
    modules: String,
}

/// Catches up with `blocks` blocks, several times.
pub(crate) async fn measure(traffic: Traffic, blocks: u32) -> Value {
    let node = Anvil::with(&["--accounts", "53", "--gas-limit", "100000000"]).await;
    let people = People::of(&node).await;
    let protocol = match traffic {
        Traffic::Tokens => tokens(&node, &people).await,
        Traffic::Native => native(&node, &people).await,
    };
    protocol::stop_mining(&node).await;
    mine(&node).await;
    let receiver = Receiver::start().await;
    let start = tempfile::tempdir().expect("there is room for a folder");
    protocol::configure(start.path(), &Lane::Http.url(&node), &protocol.modules, &receiver);
    let program = protocol::watch(start.path(), &[]);
    protocol::has_dealt_with(&program, node.head().await).await;
    program.kill().await;

    mine(&node).await;
    let mut start_up = Vec::new();
    for _ in 0..RUNS {
        start_up.push(run(&start, node.head().await).await.cpu);
    }
    let start_up = start_up.into_iter().min().expect("there was a run");
    make(&node, &protocol, traffic, blocks).await;
    let logs = logs_of(&node).await;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(run(&start, node.head().await).await);
    }
    summary(traffic, blocks, logs, start_up, &runs)
}

struct Run {
    cpu: Duration,
    /// From the start of the process to the last block dealt with.
    wall: Duration,
    messages: usize,
}

/// One start on a copy of the record in `start`, until `head` is dealt with and nothing is left to do.
async fn run(start: &TempDir, head: u64) -> Run {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    copy(start.path(), folder.path());
    let began = Instant::now();
    let program = protocol::watch(folder.path(), &[]);
    protocol::has_dealt_with(&program, head).await;
    let wall = began.elapsed();
    let cpu = process::settled_cpu(&program).await;
    let found = |line: &Value| line["message"].as_str().is_some_and(|message| message.starts_with("found"));
    let messages = protocol::log_of(&program).into_iter().filter(found).count();
    program.kill().await;
    Run { cpu, wall, messages }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("an own folder can be listed") {
        let path = entry.expect("an own folder can be listed").path();
        let name = path.file_name().expect("an entry has a name");
        fs::copy(&path, to.join(name)).expect("an own file can be copied");
    }
}

fn summary(traffic: Traffic, blocks: u32, logs: u64, start_up: Duration, runs: &[Run]) -> Value {
    let best = runs.iter().min_by_key(|run| run.cpu).expect("there was a run");
    let per_block = |run: &Run| in_milliseconds(run.cpu.saturating_sub(start_up) / blocks);
    let wall = runs.iter().map(|run| run.wall).min().expect("there was a run");
    let speed = f64::from(blocks) / wall.as_secs_f64();
    eprintln!(
        "catch-up {traffic:?}: {blocks} blocks of {TRANSACTIONS} transactions and {logs} logs: {:.2} CPU ms a block \
         (all runs {:?}), {speed:.0} blocks/s with start-up, start-up {:.0} CPU ms, {} findings",
        per_block(best),
        runs.iter().map(per_block).collect::<Vec<_>>(),
        in_milliseconds(start_up),
        best.messages,
    );
    json!({
        "blocks": blocks, "transactions": TRANSACTIONS, "logs": logs, "rules": 2 * VAULTS,
        "cpu_ms_per_block": per_block(best),
        "cpu_ms_per_block_of_each_run": runs.iter().map(per_block).collect::<Vec<_>>(),
        "start_up_cpu_ms": in_milliseconds(start_up),
        "blocks_per_second_with_start_up": speed,
        "findings": best.messages,
    })
}

/// The number of logs in the newest block.
async fn logs_of(node: &Anvil) -> u64 {
    let receipts = node.call("eth_getBlockReceipts", json!(["latest"])).await;
    let logs = receipts.as_array().into_iter().flatten().filter_map(|receipt| receipt["logs"].as_array().map(Vec::len));
    u64::try_from(logs.sum::<usize>()).unwrap_or(u64::MAX)
}

/// Makes the blocks; every sender in turn.
async fn make(node: &Anvil, protocol: &Protocol, traffic: Traffic, blocks: u32) {
    let one = word(ether(1));
    for _ in 0..blocks {
        let senders = protocol.senders.iter().cycle().take(usize::try_from(TRANSACTIONS).unwrap_or(usize::MAX));
        let transactions: Vec<Value> = senders
            .map(|(sender, vault)| match traffic {
                Traffic::Tokens => {
                    let data = calldata("deposit(uint256,address)", &[one, sender.into_word()]);
                    transaction(*sender, *vault, U256::ZERO, &data)
                }
                Traffic::Native => transaction(*sender, *vault, U256::from(1_000), &calldata("deposit()", &[])),
            })
            .collect();
        hand_over(node, transactions).await;
        mine(node).await;
    }
}

/// Five tokens and their savings vaults. Each pair is a module with a limit on what may leave of either.
async fn tokens(node: &Anvil, people: &People) -> Protocol {
    let mut protocol = Protocol { senders: Vec::new(), modules: String::new() };
    for index in 0..VAULTS {
        let token = deploy(node, people.user, "DrillToken", &named_token(people.user)).await;
        let roles = [token.into_word(), people.guardian.into_word(), people.steward.into_word()];
        let vault = deploy(node, people.user, "SavingsVault", &roles).await;
        for sender in people.others.iter().skip(index).step_by(VAULTS) {
            let mint = calldata("mint(address,uint256)", &[sender.into_word(), word(ether(1_000_000))]);
            done(node, node.send(transaction(people.user, token, U256::ZERO, &mint)).await).await;
            let approve = calldata("approve(address,uint256)", &[vault.into_word(), word(U256::MAX)]);
            done(node, node.send(transaction(*sender, token, U256::ZERO, &approve)).await).await;
            protocol.senders.push((*sender, vault));
        }
        protocol.modules.push_str(&format!(
            "[[module]]\nid = \"savings-{index}\"\ncontracts = [\"{vault}\", \"{token}\"]\n\
             assets = [\"{token}\", \"{vault}\"]\n"
        ));
        for asset in [token, vault] {
            protocol.modules.push_str(&format!(
                "[[module.outflow.limits]]\nasset = \"{asset}\"\nper_transaction_amount = \"{}\"\n",
                ether(1_000)
            ));
        }
    }
    protocol
}

/// Ten vaults of the native coin, each a module with one limit.
async fn native(node: &Anvil, people: &People) -> Protocol {
    let mut protocol = Protocol { senders: Vec::new(), modules: String::new() };
    let count = 2 * VAULTS;
    for index in 0..count {
        let vault = protocol::vault(node, people, 100).await.address;
        protocol.senders.extend(people.others.iter().skip(index).step_by(count).map(|sender| (*sender, vault)));
        protocol.modules.push_str(&format!(
            "[[module]]\nid = \"vault-{index}\"\ncontracts = [\"{vault}\"]\nassets = [\"native\"]\n\
             [[module.outflow.limits]]\nasset = \"native\"\nper_transaction_amount = \"{}\"\n",
            ether(10)
        ));
    }
    protocol
}

/// The constructor's arguments of a token named `D`, symbol `D`.
fn named_token(owner: Address) -> [B256; 7] {
    let number = |value: u64| word(U256::from(value));
    let mut letter = B256::ZERO;
    letter[0] = b'D';
    [number(0x60), number(0xa0), owner.into_word(), number(1), letter, number(1), letter]
}
