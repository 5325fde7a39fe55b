//! Tokens of strangers that lie in their events and do not answer, next to an attack that is real.

use alloy_primitives::{Address, B256, U256, keccak256};
use cofferdam_e2e::contract::{self, calldata};
use cofferdam_e2e::{Delivery, Rpc};
use serde_json::{Value, json};

use crate::Scene;

/// How a token answers questions: the numbers of `HostileToken.Manner`.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Constant,
    Nothing,
    Garbage,
    Megabyte,
    Gas,
}

/// A `HostileToken` and the accounts that a lie of it names.
struct Token {
    address: Address,
    stranger: Address,
}

impl Token {
    async fn deploy(node: &Rpc, manner: Manner) -> Self {
        let accounts = node.accounts().await;
        let stranger = accounts.last().copied().expect("the node has accounts");
        let number = match manner {
            Manner::Constant => 0,
            Manner::Nothing => 1,
            Manner::Garbage => 2,
            Manner::Megabyte => 3,
            Manner::Gas => 4,
        };
        let address = contract::deploy(node, stranger, "HostileToken", &[B256::with_last_byte(number)]).await;
        Self { address, stranger }
    }

    async fn send(&self, node: &Rpc, data: String) -> B256 {
        // Given, because the node cannot estimate what burns all gas.
        let gas = "0x7a1200";
        node.send(json!({ "from": self.stranger, "to": self.address, "data": data, "gas": gas })).await
    }

    /// Claims that the vault gave the stranger 2^100 of the token.
    async fn lie(&self, node: &Rpc, vault: Address) -> B256 {
        let amount = B256::from(U256::ONE.wrapping_shl(100));
        let words = [vault.into_word(), self.stranger.into_word(), amount];
        self.send(node, calldata("pretend(address,address,uint256)", &words)).await
    }

    /// Everything else that a token can do to whoever looks at it. `Gas` fails at the first of them.
    async fn rave(&self, node: &Rpc) {
        let transfer = keccak256("Transfer(address,address,uint256)");
        self.send(node, calldata("balanceOf(address)", &[self.stranger.into_word()])).await;
        self.send(node, calldata("mumble(uint256)", &[B256::ZERO])).await;
        self.send(node, calldata("mumble(uint256)", &[B256::from(U256::from(200_000))])).await;
        self.send(node, calldata("shout(bytes32,uint256)", &[transfer, B256::ZERO])).await;
        self.send(node, calldata("shout(bytes32,uint256)", &[B256::repeat_byte(0xa5), B256::ZERO])).await;
    }
}

fn about(scene: &Scene, transaction: B256) -> Vec<Delivery> {
    let names =
        |delivery: &Delivery| delivery.json["data"]["event"]["finding"]["transaction"] == transaction.to_string();
    scene.receiver.attempts().into_iter().filter(names).collect()
}

fn doubts(message: &Value) -> Vec<String> {
    let evidence = message["data"]["event"]["finding"]["evidence"].as_array().cloned().unwrap_or_default();
    evidence.iter().filter(|one| one["what"] == "doubt").map(|one| one["value"].to_string()).collect()
}

/// A lie of the token, its other tricks, and a real attack are mined in one block; the attack must be told, and once
/// more afterwards. What was told of the lie is handed back.
async fn beside_an_attack(manner: Manner, named: bool) -> Vec<Delivery> {
    let scene = Scene::set().await;
    let token = Token::deploy(&scene.node, manner).await;
    if named {
        let endpoints = [scene.proxy.http()];
        scene.vault.configure_with(scene.folder.path(), &endpoints, &scene.receiver, &[token.address]);
    }
    let program = scene.watch().await;
    // The first lie moves the garbage, so that the second is a fall.
    token.lie(&scene.node, scene.vault.address).await;
    scene.hold_back().await;
    let lie = token.lie(&scene.node, scene.vault.address).await;
    token.rave(&scene.node).await;
    let attack = scene.attack().await;
    scene.mine_together(&[lie, attack]).await;
    scene.told(attack).await;
    let after = scene.attack().await;
    scene.told(after).await;
    let told = about(&scene, lie);
    scene.nothing_is_lost_or_doubled(program).await;
    told
}

#[tokio::test]
async fn transfers_that_never_happened_are_not_believed() {
    let told = beside_an_attack(Manner::Constant, true).await;
    assert!(told.is_empty(), "{told:#?}");
}

#[tokio::test]
async fn what_a_token_of_strangers_claims_without_answering_hides_no_attack() {
    for manner in [Manner::Nothing, Manner::Gas] {
        let told = beside_an_attack(manner, false).await;
        assert!(told.is_empty(), "{manner:?}: {told:#?}");
    }
}

/// A token that the vault is said to hold does not answer: what it claims cannot be checked, and that is said.
async fn is_doubted(manner: Manner) {
    let told = beside_an_attack(manner, true).await;
    let first = told.first().unwrap_or_else(|| panic!("{manner:?}: nothing was told of what could not be known"));
    assert_eq!(first.json["type"], "finding.alert", "a claim alone must never be acted on: {}", first.json);
    assert!(doubts(&first.json).iter().any(|doubt| doubt.contains("did not answer")), "{}", first.json);
}

#[tokio::test]
async fn a_token_that_returns_nothing_is_doubted() {
    is_doubted(Manner::Nothing).await;
}

#[tokio::test]
async fn a_token_that_returns_a_megabyte_is_doubted() {
    is_doubted(Manner::Megabyte).await;
}

#[tokio::test]
async fn a_token_that_burns_all_gas_is_doubted() {
    is_doubted(Manner::Gas).await;
}

#[tokio::test]
async fn a_token_that_answers_garbage_hides_no_attack() {
    let told = beside_an_attack(Manner::Garbage, true).await;
    // Its answers are numbers, and they fell: for a token that people named that is a loss, until they look.
    assert!(!told.is_empty());
}
