//! Hashes and signatures of Safe transactions against the contracts themselves: every version that is claimed.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, missing_docs, reason = "a test may panic")]

use std::path::Path;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{SolCall, SolValue, sol};
use cofferdam_evm::{CallRequest, Ledger, Rules, spec_named};
use cofferdam_respond::safe::{
    Operation, OwnerSignature, Safe, SafeTransaction, SafeVersion, Signatures,
    batch::{BatchCall, batched, unpacked},
};
use cofferdam_types::{AccountState, BlockNumber, ChainId, Effects, Header, Outcome, Transaction, ViewResult};

sol! {
    function setup(
        address[] owners, uint256 threshold, address to, bytes data, address fallbackHandler, address paymentToken,
        uint256 payment, address paymentReceiver
    );
    function VERSION() returns (string);
    function nonce() returns (uint256);
    function getTransactionHash(
        address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, uint256 gasPrice,
        address gasToken, address refundReceiver, uint256 nonce
    ) returns (bytes32);
}

const CHAIN: u64 = 31_337;

/// Where the bytecode of one version stands in its package.
struct Release {
    package: &'static str,
    singleton: &'static str,
    proxy: &'static str,
}

const RELEASES: [Release; 3] = [
    Release { package: "@gnosis.pm/safe-contracts", singleton: "GnosisSafe", proxy: "GnosisSafeProxy" },
    Release { package: "@safe-global/safe-contracts", singleton: "Safe", proxy: "SafeProxy" },
    Release { package: "@safe-global/safe-smart-account", singleton: "Safe", proxy: "SafeProxy" },
];

fn bytecode(package: &str, folder: &str, name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../tests/node_modules/{package}/build/artifacts/contracts/{folder}{name}.sol/{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `scripts/setup` installs it", path.display()));
    let artifact: serde_json::Value = serde_json::from_str(&text).unwrap();
    artifact["bytecode"].as_str().unwrap().parse().unwrap()
}

/// A chain with one release of the Safe on it.
struct Chain {
    ledger: Ledger,
    header: Header,
    nonce: u64,
    deployer: Address,
    singleton: Address,
    proxy: Bytes,
    handler: Address,
    multi_send: Address,
}

impl Chain {
    fn new(release: &Release) -> Self {
        let deployer = Address::with_last_byte(0xdd);
        let mut ledger = Ledger::new(Rules::fixed(ChainId(CHAIN), spec_named("cancun").unwrap()));
        ledger.set_account(deployer, AccountState { balance: U256::from(u128::MAX), nonce: 0, code: Bytes::new() });
        let header = Header {
            number: BlockNumber(1),
            timestamp: 1_700_000_000,
            gas_limit: 60_000_000,
            base_fee: Some(0),
            prev_randao: Some(B256::ZERO),
            excess_blob_gas: Some(0),
            ..Header::default()
        };
        let mut chain = Self {
            ledger,
            header,
            nonce: 0,
            deployer,
            singleton: Address::ZERO,
            proxy: bytecode(release.package, "proxies/", release.proxy),
            handler: Address::ZERO,
            multi_send: Address::ZERO,
        };
        chain.singleton = chain.create(bytecode(release.package, "", release.singleton));
        chain.handler = chain.create(bytecode(release.package, "handler/", "CompatibilityFallbackHandler"));
        chain.multi_send = chain.create(bytecode(release.package, "libraries/", "MultiSendCallOnly"));
        chain
    }

    fn send(&mut self, to: Option<Address>, input: Bytes) -> Effects {
        let transaction = Transaction {
            hash: keccak256(self.nonce.to_be_bytes()),
            kind: 2,
            from: self.deployer,
            to,
            nonce: self.nonce,
            gas_limit: 16_000_000,
            max_priority_fee_per_gas: Some(0),
            input,
            chain_id: Some(CHAIN),
            ..Transaction::default()
        };
        self.nonce += 1;
        self.ledger.execute(&self.header, &transaction)
    }

    fn create(&mut self, code: Bytes) -> Address {
        let address = self.deployer.create(self.nonce);
        let effects = self.send(None, code);
        assert!(effects.outcome.succeeded(), "{:?}", effects.outcome);
        address
    }

    fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        let data = call.abi_encode().into();
        let request = CallRequest { from: self.deployer, to: Some(to), value: U256::ZERO, data, gas: 9_000_000 };
        match self.ledger.call(&self.header, &request).result {
            ViewResult::Returned(data) => C::abi_decode_returns(&data).unwrap(),
            ViewResult::Failed(reason) => panic!("{reason}"),
        }
    }

    /// A new Safe of `owners`.
    fn safe(&mut self, owners: Vec<Address>, threshold: u64) -> Safe {
        let code = [self.proxy.as_ref(), &self.singleton.abi_encode()].concat();
        let address = self.create(code.into());
        let setup = setupCall {
            owners,
            threshold: U256::from(threshold),
            to: Address::ZERO,
            data: Bytes::new(),
            fallbackHandler: self.handler,
            paymentToken: Address::ZERO,
            payment: U256::ZERO,
            paymentReceiver: Address::ZERO,
        };
        let effects = self.send(Some(address), setup.abi_encode().into());
        assert!(effects.outcome.succeeded(), "{:?}", effects.outcome);
        let version = self.view(address, &VERSIONCall {});
        Safe { chain_id: CHAIN, address, version: SafeVersion::parse(&version).unwrap() }
    }

    fn theirs(&mut self, safe: &Safe, transaction: &SafeTransaction) -> B256 {
        let call = getTransactionHashCall {
            to: transaction.to,
            value: transaction.value,
            data: transaction.data.clone(),
            operation: u8::from(transaction.operation == Operation::DelegateCall),
            safeTxGas: transaction.safe_tx_gas,
            baseGas: transaction.base_gas,
            gasPrice: transaction.gas_price,
            gasToken: transaction.gas_token,
            refundReceiver: transaction.refund_receiver,
            nonce: transaction.nonce,
        };
        self.view(safe.address, &call)
    }
}

fn keys(from: u8, count: u8) -> Vec<PrivateKeySigner> {
    (from..from + count).map(|byte| PrivateKeySigner::from_bytes(&B256::with_last_byte(byte)).unwrap()).collect()
}

fn by_key(key: &PrivateKeySigner, hash: B256) -> OwnerSignature {
    OwnerSignature::from_wallet(&key.sign_hash_sync(&hash).unwrap().as_bytes()).unwrap()
}

/// As a wallet that only knows `eth_sign` does, with what the Safe's page adds to the last byte.
fn by_message(key: &PrivateKeySigner, hash: B256) -> OwnerSignature {
    let mut bytes = key.sign_message_sync(hash.as_slice()).unwrap().as_bytes();
    *bytes.last_mut().unwrap() += 4;
    OwnerSignature::from_wallet(&bytes).unwrap()
}

/// Some transaction, each field of it from `seed`.
fn some(seed: u64) -> SafeTransaction {
    let word = |field: u8| keccak256([seed.to_be_bytes().as_slice(), &[field]].concat());
    let number = |field| U256::from_be_bytes(word(field).0);
    let length = usize::from(word(3)[0]);
    SafeTransaction {
        to: Address::from_word(word(0)),
        value: number(1),
        data: word(2).iter().copied().cycle().take(length).collect(),
        operation: if seed.is_multiple_of(2) { Operation::Call } else { Operation::DelegateCall },
        safe_tx_gas: number(4),
        base_gas: number(5),
        gas_price: number(6),
        gas_token: Address::from_word(word(7)),
        refund_receiver: Address::from_word(word(8)),
        nonce: number(9),
    }
}

#[test]
fn hashes_are_those_that_the_contracts_of_each_version_compute() {
    for release in &RELEASES {
        let mut chain = Chain::new(release);
        let safe = chain.safe(vec![Address::with_last_byte(0x99)], 1);
        for seed in 0..100 {
            let transaction = some(seed);
            let theirs = chain.theirs(&safe, &transaction);
            assert_eq!(safe.transaction_hash(&transaction), theirs, "{} {seed}", safe.version);
        }
    }
}

#[test]
fn every_kind_of_signature_is_accepted_by_the_contracts_of_each_version() {
    for release in &RELEASES {
        let mut chain = Chain::new(release);
        let people = keys(1, 2);
        let inner_people = keys(11, 2);
        let inner_owners: Vec<Address> = inner_people.iter().map(PrivateKeySigner::address).collect();
        let inner = chain.safe(inner_owners.clone(), 2);
        // Whoever sends the transaction has approved it by that.
        let sender = chain.deployer;
        let owners = vec![people[0].address(), inner.address, sender, people[1].address()];
        let safe = chain.safe(owners.clone(), 4);
        let calls = [0x51, 0x52].map(|to| BatchCall {
            to: Address::with_last_byte(to),
            value: U256::ZERO,
            data: Bytes::from_static(b"hello"),
        });
        let batch = batched(&calls, chain.multi_send, U256::ZERO);
        assert_eq!(unpacked(&batch.data).unwrap(), calls);
        let hash = safe.transaction_hash(&batch);
        let inner_hash = inner.message_to_sign(&safe.asked_of_contracts(&batch));
        let mut inner_signatures = Signatures::new(inner_hash);
        for key in &inner_people {
            inner_signatures.add(by_key(key, inner_hash), &inner_owners).unwrap();
        }
        let signature = inner_signatures.pack(&inner_owners, 2).unwrap();
        let mut signatures = Signatures::new(hash);
        for signature in [
            by_key(&people[0], hash),
            by_message(&people[1], hash),
            OwnerSignature::Approved { owner: sender },
            OwnerSignature::Contract { owner: inner.address, signature },
        ] {
            signatures.add(signature, &owners).unwrap();
        }
        let packed = signatures.pack(&owners, 4).unwrap();
        assert_eq!(Signatures::unpack(&packed, hash, &owners, 4).unwrap(), signatures);
        // A byte of each owner's: of the signature, or of the address that stands for the signature.
        for at in [20, 85, 150, 215, packed.len() - 40] {
            let spoilt = packed.iter().enumerate().map(|(place, byte)| if place == at { byte ^ 1 } else { *byte });
            let refused = chain.send(Some(safe.address), batch.exec_call(spoilt.collect()));
            let reverted = matches!(refused.outcome, Outcome::Reverted { .. });
            assert!(reverted, "{} byte {at}: {:?}", safe.version, refused.outcome);
        }
        let done = chain.send(Some(safe.address), batch.exec_call(packed));
        assert!(done.outcome.succeeded(), "{}: {:?}", safe.version, done.outcome);
        assert_eq!(chain.view(safe.address, &nonceCall {}), U256::from(1), "{}", safe.version);
        let called = |to: u8| done.calls.iter().any(|call| call.callee == Address::with_last_byte(to));
        assert!(called(0x51) && called(0x52), "{}", safe.version);
    }
}
