//! People with keys, and three small contracts, for the tests of the chain.
#![allow(
    dead_code,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests, each of which uses a part"
)]

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use cofferdam_simnet::{Config, GenesisAccount, Simnet};
use cofferdam_types::AccountState;

/// One coin, in wei.
pub const COIN: u128 = 1_000_000_000_000_000_000;
/// One gwei, in wei.
pub const GWEI: u128 = 1_000_000_000;

/// Reverts with its calldata as revert data.
pub const REVERTER: Address = address!("00000000000000000000000000000000000c0de1");
/// Stores its first word at slot 0 and logs it as a topic.
pub const STORE: Address = address!("00000000000000000000000000000000000c0de2");
/// Returns the word at slot 0 of its storage.
pub const READER: Address = address!("00000000000000000000000000000000000c0de3");

/// Somebody who signs.
pub struct Actor {
    pub key: PrivateKeySigner,
}

impl Actor {
    /// The same key for the same number.
    pub fn new(number: u8) -> Self {
        Self { key: PrivateKeySigner::from_bytes(&B256::repeat_byte(number + 1)).unwrap() }
    }

    pub fn address(&self) -> Address {
        self.key.address()
    }

    pub fn sign(&self, hash: &B256) -> Signature {
        self.key.sign_hash_sync(hash).unwrap()
    }

    /// A type 2 transaction with fees that any test's base fee allows.
    pub fn tx(&self, nonce: u64, to: Address, value: u128, data: impl Into<Bytes>, tip_gwei: u128) -> Bytes {
        self.raw(TxEip1559 {
            chain_id: 31_337,
            nonce,
            gas_limit: 100_000,
            max_fee_per_gas: 100 * GWEI + tip_gwei * GWEI,
            max_priority_fee_per_gas: tip_gwei * GWEI,
            to: TxKind::Call(to),
            value: U256::from(value),
            input: data.into(),
            ..TxEip1559::default()
        })
    }

    pub fn raw(&self, tx: TxEip1559) -> Bytes {
        let signature = self.sign(&tx.signature_hash());
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
    }
}

/// Ten rich people and the three contracts.
pub fn config() -> Config {
    let mut config = Config::default();
    for number in 0..10 {
        config = config.fund(Actor::new(number).address(), U256::from(1_000 * COIN));
    }
    let codes: [(Address, &[u8]); 3] = [
        (REVERTER, &hex!("365f5f37365ffd")),
        (STORE, &hex!("5f355f555f355f5fa100")),
        (READER, &hex!("5f545f5260205ff3")),
    ];
    for (contract, code) in codes {
        let state = AccountState { nonce: 1, code: code.into(), ..AccountState::default() };
        config.accounts.insert(contract, GenesisAccount { state, slots: vec![(U256::ZERO, U256::from(7))] });
    }
    config
}

pub fn chain() -> Simnet {
    Simnet::new(config()).unwrap()
}

/// A word of calldata.
pub fn word(number: u64) -> Bytes {
    B256::from(U256::from(number)).into()
}
