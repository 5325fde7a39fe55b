//! The whole way over JSON-RPC: a simulated chain behind two endpoints, one of which is dead.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use cofferdam_chain::{Endpoint, EndpointOptions, Node, NodeOptions};
use cofferdam_evm::{Engine, Rules, Spec};
use cofferdam_simnet::{Config, GenesisAccount, Simnet};
use cofferdam_types::{
    AccountState, Asset, Block, BlockNumber, BlockRef, Judge, Known, ManualClock, Module, PreState, StateError,
    StateSource, Transaction, UnixMillis, Watchlist,
};

use crate::answer::{Progress, Reply, Stop};
use crate::channel::Channel;
use crate::limits::Limits;
use crate::node_channel::NodeChannel;
use crate::responder::{Responder, Setup};
use crate::testbed::{
    CHAIN, Eyes, GWEI, LIMITS, Memory, THIEF, VAULT, block_on, guardian, input, lever, module, vault_code,
};

/// State straight from the simulated chain's head.
struct Direct(Simnet);

impl StateSource for Direct {
    fn account(&self, address: Address, _: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        Ok(Known::Value(Some(self.0.account(address))))
    }

    fn slot(&self, address: Address, slot: U256, _: BlockRef) -> Result<Known<U256>, StateError> {
        Ok(Known::Value(self.0.slot(address, slot)))
    }

    fn block_hash(&self, _: BlockNumber) -> Result<Known<B256>, StateError> {
        Ok(Known::Unknown)
    }

    fn prestate(&self, _: &Transaction, _: BlockRef) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }

    fn block_prestate(&self, _: &Block) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }
}

fn chain() -> Simnet {
    let ether = U256::from(1_000_000_000 * GWEI);
    let mut config = Config { chain_id: CHAIN, spec: Spec::CANCUN, ..Config::default() };
    config = config.fund(guardian().address(), ether).fund(THIEF, ether);
    let state = AccountState { balance: ether, nonce: 1, code: vault_code() };
    let slots = vec![(U256::from(1), guardian().address().into_word().into())];
    config.accounts.insert(VAULT, GenesisAccount { state, slots });
    Simnet::new(config).unwrap()
}

async fn channel(simnet: &Simnet) -> NodeChannel {
    let alive = Endpoint::from_client("alive", simnet.client());
    // Port 9 discards; nothing listens there.
    let dead = Endpoint::new("dead", "http://127.0.0.1:9", EndpointOptions::default()).unwrap();
    NodeChannel::new(Node::connect(vec![alive, dead], Some(CHAIN), NodeOptions::default()).await.unwrap())
}

#[test]
fn an_attack_is_sealed_through_the_endpoint_that_lives() {
    let simnet = chain();
    let memory = Arc::new(Memory::default());
    let eyes = Eyes::default();
    let watch = Module { id: module(), contracts: vec![VAULT], assets: vec![Asset::Native] };
    let source = Arc::new(Direct(simnet.clone()));
    let mut engine = Engine::new(Rules::fixed(CHAIN, Spec::CANCUN), source, Arc::new(Watchlist::new(vec![watch])));
    block_on(async {
        let setup = Setup {
            chain_id: CHAIN,
            levers: vec![lever("vault-pause", module(), VAULT)],
            limits: Some(Limits::parse(LIMITS.as_bytes()).unwrap()),
            signers: None,
            guardians: BTreeMap::from([("machine".to_owned(), guardian())]),
            readiness_blocks: 5,
        };
        let clock = Arc::new(ManualClock::new(UnixMillis(1_700_000_000_000)));
        let out = Arc::new(channel(&simnet).await);
        let mut responder = Responder::new(setup, memory.clone(), out, clock).unwrap();
        engine.reset(simnet.header());
        responder.resume().await.unwrap();
        assert!(responder.on_head(&mut engine, &eyes).await.unwrap().is_empty(), "the lever is ready");

        let attack = Transaction {
            hash: B256::repeat_byte(1),
            kind: 2,
            from: THIEF,
            to: Some(VAULT),
            gas_limit: 200_000,
            max_fee_per_gas: 100 * GWEI,
            max_priority_fee_per_gas: Some(3 * GWEI),
            input: input("drain()"),
            chain_id: Some(CHAIN.0),
            ..Transaction::default()
        };
        let execution = engine.pending(Arc::new(attack)).unwrap();
        let findings = eyes.judge(&execution).findings;
        let stop = Stop { attack: &execution, earlier: &[], findings: &findings };
        let response = responder.on_stop(&stop, &mut engine, &eyes).await.unwrap();
        let Reply::Sent { transaction, deliveries, .. } = &response.answers[0].reply else { panic!("{response:?}") };
        let taken: Vec<_> = deliveries.iter().map(|one| (one.endpoint.as_str(), one.taken.is_ok())).collect();
        assert_eq!(taken, [("alive", true), ("dead", false)]);

        simnet.mine();
        engine.reset(simnet.header());
        let progress = responder.on_head(&mut engine, &eyes).await.unwrap();
        let Progress::Confirmed { transaction: mined, block, read_back, .. } = &progress[0] else {
            panic!("{progress:?}")
        };
        assert_eq!((mined, *block), (transaction, simnet.head()));
        assert!(read_back.contains("alive") && !read_back.contains("dead"), "{read_back}");
    });
}

#[test]
fn what_the_endpoints_do_not_know_is_none_and_not_an_error() {
    let simnet = chain();
    block_on(async {
        let channel = channel(&simnet).await;
        assert_eq!(channel.mined(B256::repeat_byte(7)).await.unwrap(), None);
        assert_eq!(channel.transaction(B256::repeat_byte(7)).await.unwrap(), None);
        let purse = channel.purse(guardian().address()).await.unwrap();
        assert_eq!((purse.latest_nonce, purse.pending_nonce), (0, 0));
        assert_eq!(purse.balance, U256::from(1_000_000_000 * GWEI));
    });
}
