//! From a mined attack to the message at the receiver.
//!
//! The node mines every transaction at once. The clock starts just before the transaction is handed to the node, so that
//! the node's own work counts as ours, and stops when the receiver has the whole message about the mined transaction.

use std::time::{Duration, Instant};

use cofferdam_e2e::contract::ether;
use cofferdam_e2e::vault::LIMIT_ETHER;
use cofferdam_e2e::{Anvil, Receiver};
use serde_json::{Value, json};

use crate::Lane;
use crate::protocol::{self, People, tells_mined};
use crate::sample::Sample;

/// Enough for every withdrawal.
const DEPOSIT_ETHER: u64 = 9_000;
/// The longest interval between two looks at the chain that the program has.
const POLL_MILLIS: u64 = 200;
/// Prime to it, so that attacks fall evenly on all moments between two looks.
const STRIDE_MILLIS: u64 = 37;

/// Attacks in `blocks` blocks, one each.
pub(crate) async fn measure(lane: Lane, blocks: u64) -> Value {
    let node = Anvil::start().await;
    let people = People::of(&node).await;
    let vault = protocol::vault(&node, &people, DEPOSIT_ETHER).await;
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let modules = format!(
        "[[module]]\nid = \"vault\"\ncontracts = [\"{}\"]\nassets = [\"native\"]\n\
         [[module.outflow.limits]]\nasset = \"native\"\nper_transaction_amount = \"{}\"\n",
        vault.address,
        ether(LIMIT_ETHER)
    );
    protocol::configure(folder.path(), &lane.url(&node), &modules, &receiver);
    let program = protocol::watch(folder.path(), &[]);
    protocol::has_dealt_with(&program, node.head().await).await;

    let mut sample = Sample::default();
    for block in 0..blocks {
        // A message goes out right after a look at the chain: attacking at once would always meet the same moment.
        tokio::time::sleep(Duration::from_millis(block * STRIDE_MILLIS % POLL_MILLIS)).await;
        let before = Instant::now();
        let attack = vault.withdraw(&node, LIMIT_ETHER.saturating_add(1)).await;
        let told = receiver.accepts("the mined attack", |message| tells_mined(message, attack)).await;
        sample.add(told.at - before);
    }
    program.kill().await;
    sample.row(&format!("{}: transaction handed over, mined at once, to webhook", lane.name()));
    json!({ "handed_over_to_webhook_ms": sample.milliseconds() })
}
