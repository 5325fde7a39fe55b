//! `simulate` against a real node: what it explains, and that it changes nothing.

use std::fs;

use alloy_primitives::{B256, U256, hex};
use cofferdam_e2e::{Anvil, Ended, Program, Vault};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::refused;

/// A vault on a node that mines only when told from now on, and a folder with a configuration whose lever closes it.
struct Scene {
    node: Anvil,
    vault: Vault,
    folder: TempDir,
    rpc: String,
}

impl Scene {
    async fn set() -> Self {
        let node = Anvil::start().await;
        let vault = Vault::deploy(&node).await;
        node.call("evm_setAutomine", json!([false])).await;
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let rpc = format!("http://{}", node.address());
        let guardian = node.accounts().await.get(1).copied().expect("the node has several accounts");
        let (address, limit) = (vault.address, ether(10));
        let text = format!(
            "[chain]\nid = 31337\n[[endpoint]]\nname = 'node'\nurl = '{rpc}'\n[record]\ndatabase = 'record.db'\n\
             [[module]]\nid = 'vault'\ncontracts = ['{address}']\nassets = ['native']\n\
             [[module.outflow.limits]]\nasset = 'native'\nper_transaction_amount = '{limit}'\n\
             [[lever]]\nname = 'pause-vault'\nmodule = 'vault'\ntarget = '{address}'\nguardian = 'machine'\n\
             [[guardian]]\nname = 'machine'\naddress = '{guardian}'\n"
        );
        fs::write(folder.path().join("cofferdam.toml"), text).expect("a new folder can be written");
        Self { node, vault, folder, rpc }
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        Program::run(self.folder.path(), arguments).await
    }

    /// Simulates by the configuration; the answer is "no", and the JSON document is given.
    async fn found(&self, target: &str) -> Value {
        let ended = self.run(&["simulate", target, "--config", "cofferdam.toml", "--json"]).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        serde_json::from_str(&ended.stdout).expect("one JSON document")
    }

    /// A withdrawal that nobody has sent, signed by the node.
    async fn signed(&self, amount: u64, nonce: u64) -> String {
        let data = format!("0x2e1a7d4d{}", hex::encode(B256::from(ether(amount))));
        let (from, to) = (self.vault.user, self.vault.address);
        let transaction = json!({
            "from": from, "to": to, "data": data, "nonce": format!("{nonce:#x}"), "gas": "0x30d40",
            "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1",
        });
        let signed = self.node.call("eth_signTransaction", json!([transaction])).await;
        signed.as_str().expect("the node answers with the bytes").to_owned()
    }

    async fn nonce(&self) -> u64 {
        let nonce = self.node.call("eth_getTransactionCount", json!([self.vault.user, "latest"])).await;
        cofferdam_e2e::rpc::quantity(&nonce)
    }
}

fn ether(amount: u64) -> U256 {
    U256::from(amount).saturating_mul(U256::from(10).pow(U256::from(18)))
}

/// What the vault gained or lost, and the words about what changed in it.
fn of_vault(explained: &Value) -> (&str, String) {
    let account = explained["accounts"].as_array().and_then(|all| all.iter().find(|one| one["label"] == "vault"));
    let amount = account.and_then(|account| account["assets"][0]["amount"].as_str()).unwrap_or_default();
    let changed = explained["changes"].as_array().and_then(|all| all.iter().find(|one| one["label"] == "vault"));
    (amount, changed.map(|changed| changed["words"].to_string()).unwrap_or_default())
}

#[tokio::test]
async fn a_mined_transaction_is_executed_after_those_before_it_in_its_block() {
    let scene = Scene::set().await;
    scene.vault.withdraw(&scene.node, 5).await;
    let second = scene.vault.withdraw(&scene.node, 20).await;
    scene.node.mine(1).await;
    scene.node.mine(3).await;
    let explained = scene.found(&second.to_string()).await;
    let standing = &explained["stands_on"];
    assert_eq!((&standing["index"], &standing["basis"]), (&json!(1), &json!("executed")), "{standing}");
    assert_eq!(standing["missing"], json!([]), "{standing}");
    let (lost, changed) = of_vault(&explained);
    assert_eq!(lost, "-20 ETH");
    assert!(changed.contains("95,000,000,000,000,000,000 -> 75,000,000,000,000,000,000"), "{changed}");
    assert!(changed.contains("entry of 0x"), "the mapping is named: {changed}");
    assert_eq!(explained["transaction"]["call"], "withdraw(20000000000000000000)");
    assert_eq!(explained["calls"][1]["value"], "20 ETH", "{}", explained["calls"]);
}

#[tokio::test]
async fn a_pending_transaction_stands_on_the_head_and_its_containment_is_tried_and_not_sent() {
    let scene = Scene::set().await;
    let pending = scene.vault.withdraw(&scene.node, 30).await;
    let head = scene.node.head().await;
    let explained = scene.found(&pending.to_string()).await;
    assert_eq!(
        (&explained["stands_on"]["block"], &explained["stands_on"]["head"]["number"]),
        (&json!(null), &json!(head))
    );
    let detector = &explained["detectors"][0];
    assert_eq!((&detector["detector"], &detector["level"]), (&json!("asset-outflow"), &json!("stop")));
    let containment = &explained["containment"][0];
    assert_eq!((&containment["lever"], &containment["stops"]), (&json!("pause-vault"), &json!(true)), "{containment}");
    assert_eq!(containment["call"]["function"], "pause()");
    assert_eq!(containment["would_be_sent"], false, "{containment}");
    assert!(containment["reason"].as_str().is_some_and(|reason| reason.contains("shadow mode")), "{containment}");
    assert_eq!(scene.node.head().await, head);
    let paused = json!([{ "to": scene.vault.address, "data": "0x5c975abb" }, "latest"]);
    assert_eq!(scene.node.call("eth_call", paused).await, json!(B256::ZERO), "nothing was closed");
    assert!(!scene.folder.path().join("record.db").exists(), "nothing is written");
}

#[tokio::test]
async fn a_bundle_runs_in_its_order_and_the_transaction_that_most_is_said_of_is_shown() {
    let scene = Scene::set().await;
    let nonce = scene.nonce().await;
    let (first, second) = (scene.signed(1, nonce).await, scene.signed(40, nonce.saturating_add(1)).await);
    let file = scene.folder.path().join("bundle.txt");
    fs::write(&file, format!("{first}\n{second}\n")).expect("the folder can be written");
    let explained = scene.found("bundle.txt").await;
    assert_eq!(of_vault(&explained).0, "-40 ETH");
    let notes = explained["notes"].to_string();
    assert!(notes.contains("a bundle of 2 transactions; shown is number 2"), "{notes}");
    let ended = scene.run(&["simulate", &second, &first, "--config", "cofferdam.toml", "--json"]).await;
    let reversed: Value = serde_json::from_str(&ended.stdout).expect("one JSON document");
    assert!(reversed["notes"].to_string().contains("transaction 1 would not be mined in this place"), "{reversed}");
}

#[tokio::test]
async fn a_signed_transaction_is_explained_before_anybody_sends_it() {
    let scene = Scene::set().await;
    let raw = scene.signed(40, scene.nonce().await).await;
    let text = scene.run(&["simulate", &raw, "--rpc", &scene.rpc, "--protect", &scene.vault.address.to_string()]).await;
    assert_eq!(text.code, Some(1), "{text:?}");
    for expected in
        ["outcome      succeeded", "-40 ETH", "missing      nothing", "asset-outflow       notice", "no history"]
    {
        assert!(text.stdout.contains(expected), "no `{expected}` in:\n{}", text.stdout);
    }
    assert!(!text.stdout.contains("containment\n"), "no lever is known");
    let file = scene.folder.path().join("signed.txt");
    fs::write(&file, format!("{raw}\n")).expect("the folder can be written");
    assert_eq!(of_vault(&scene.found("signed.txt").await).0, "-40 ETH");
    let early = scene.signed(40, scene.nonce().await.saturating_add(7)).await;
    let explained = scene.found(&early).await;
    assert_eq!(of_vault(&explained).0, "-40 ETH");
    let notes = explained["notes"].to_string();
    assert!(notes.contains("would not be mined on this head") && notes.contains("nonce"), "{notes}");
}

#[tokio::test]
async fn without_anything_protected_it_still_says_what_is_done() {
    let scene = Scene::set().await;
    let raw = scene.signed(40, scene.nonce().await).await;
    let environment = [("COFFERDAM_RPC_URL", scene.rpc.as_str())];
    let ended = Program::start(scene.folder.path(), &["simulate", &raw], &environment).ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("-40 ETH") && ended.stdout.contains("nothing is protected"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_target_that_is_none_is_bad_input_and_a_dead_node_is_not() {
    let scene = Scene::set().await;
    let unknown = B256::repeat_byte(0xab).to_string();
    let mainnet = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd9\
                   39bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b2\
                   97fb1966a3b6d83";
    let rpc = scene.rpc.as_str();
    let mistyped = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD";
    for (arguments, word) in [
        (&["simulate", &unknown, "--rpc", rpc][..], "0xababab"),
        (&["simulate", &unknown], "--rpc"),
        (&["simulate", mainnet, "--rpc", rpc], "signed for chain 1"),
        (&["simulate", "0x1234", "--rpc", rpc], "0x1234"),
        (&["simulate", "gone.json.zst", "--rpc", rpc], "gone.json.zst"),
        (&["simulate", &unknown, "--rpc", "gopher://node.invalid/secret"], "--rpc"),
        (&["simulate", &unknown, "--rpc", rpc, "--hardfork", "spoon"], "spoon"),
        (&["simulate", &unknown, "--rpc", rpc, "--index", "1"], "--index"),
        (&["simulate", &unknown, "--rpc", rpc, "--protect", mistyped], "checksum"),
        (&["simulate", &unknown, "--rpc", rpc, "--protect", "0x12"], "40 hexadecimal digits"),
        (&["simulate", &unknown, "--config", "gone.toml"], "gone.toml"),
    ] {
        let ended = scene.run(arguments).await;
        refused(&ended, &[word]);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
    let dead = scene.run(&["simulate", &unknown, "--rpc", "http://127.0.0.1:1/secret"]).await;
    assert_eq!(dead.code, Some(3), "{dead:?}");
    assert!(!dead.stderr.contains("secret"), "{}", dead.stderr);
}
