//! What the program keeps while it follows a chain for long: resident memory and the record on disk.
//!
//! Each block holds deposits and withdrawals of people that it knows and a deposit of somebody it has never seen; one
//! block in a hundred holds an attack, which is told and stays on the record.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use alloy_primitives::{Address, U256};
use cofferdam_e2e::contract::{calldata, ether};
use cofferdam_e2e::vault::LIMIT_ETHER;
use cofferdam_e2e::{Anvil, Program, Receiver};
use serde_json::{Value, json};

use crate::Lane;
use crate::process;
use crate::protocol::{self, People, ask_all, hand_over, mine, transaction, word};

/// Blocks between two looks at whether the program keeps up.
const STRIDE: u64 = 50;
const ATTACK_EVERY: u64 = 100;
const DEPOSIT_ETHER: u64 = 9_000;

/// Follows `blocks` blocks and looks at the memory ten times.
pub(crate) async fn measure(blocks: u64) -> Value {
    let node = Anvil::with(&["--prune-history", "300", "--transaction-block-keeper", "300"]).await;
    let people = People::of(&node).await;
    let vault = protocol::vault(&node, &people, DEPOSIT_ETHER).await.address;
    node.call("anvil_autoImpersonateAccount", json!([true])).await;
    protocol::stop_mining(&node).await;
    mine(&node).await;
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let modules = format!(
        "[[module]]\nid = \"vault\"\ncontracts = [\"{vault}\"]\nassets = [\"native\"]\n\
         [[module.outflow.limits]]\nasset = \"native\"\nper_transaction_amount = \"{}\"\n",
        ether(LIMIT_ETHER)
    );
    protocol::configure(folder.path(), &Lane::WebSocket.url(&node), &modules, &receiver);
    let program = protocol::watch(folder.path(), &[]);
    let start = node.head().await;
    protocol::has_dealt_with(&program, start).await;

    // What is set up once, in the background, is memory too.
    process::settled_cpu(&program).await;
    let mut looks = BTreeMap::from([(0, look(&program, folder.path()))]);
    for number in 1..=blocks {
        block(&node, &people, vault, number).await;
        if number.is_multiple_of(STRIDE) {
            protocol::has_dealt_with(&program, start + number).await;
        }
        if number.is_multiple_of((blocks / 10).max(1)) {
            looks.insert(number, look(&program, folder.path()));
        }
    }
    program.kill().await;
    for (number, look) in &looks {
        eprintln!("memory after {number:>6} blocks: {look}");
    }
    let looks: Vec<Value> = looks.into_iter().map(|(number, look)| json!({ "blocks": number, "look": look })).collect();
    json!({ "looks": looks })
}

/// One block of traffic.
async fn block(node: &Anvil, people: &People, vault: Address, number: u64) {
    let deposit = calldata("deposit()", &[]);
    let stranger = Address::from_word(word(U256::from(0x5000_0000_0000_u64 + number)));
    ask_all(node, vec![("anvil_setBalance", json!([stranger, ether(1)]))]).await;
    let mut transactions = vec![transaction(stranger, vault, U256::from(1_000), &deposit)];
    for known in people.others.iter().take(4) {
        transactions.push(transaction(*known, vault, U256::from(1_000), &deposit));
    }
    let withdraw = calldata("withdraw(uint256)", &[word(U256::from(1_000))]);
    for known in people.others.iter().take(2) {
        transactions.push(transaction(*known, vault, U256::ZERO, &withdraw));
    }
    if number.is_multiple_of(ATTACK_EVERY) {
        let data = calldata("withdraw(uint256)", &[word(ether(LIMIT_ETHER + 1))]);
        transactions.push(transaction(people.user, vault, U256::ZERO, &data));
    }
    hand_over(node, transactions).await;
    mine(node).await;
}

fn look(program: &Program, folder: &Path) -> Value {
    let size = |name: &str| fs::metadata(folder.join(name)).map_or(0, |file| file.len() / 1024);
    json!({
        "resident_kib": process::resident_kib(program),
        "record_kib": size("record.db") + size("record.db-wal"),
    })
}
