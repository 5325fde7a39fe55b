//! Transactions of a Safe, built, hashed, signed for and packed here: no service in between is needed or trusted.
//!
//! Start at [`Safe`], the account, and [`SafeTransaction`], what its owners sign. [`Signatures`] are checked before they
//! are packed in the order that the contract demands; [`batch`] puts several calls into one; [`builder`] reads and
//! writes the files of the Transaction Builder. Source: the contracts `Safe` 1.1.1 to 1.5.0, whose own answers the tests compare
//! with for 1.3.0, 1.4.1 and 1.5.0.
//!
//! **Invariant:** pure. Nothing here asks a chain, holds a key or sends; what owners, threshold and nonce are is told by
//! the caller, who read them.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct};
use serde_json::{Value, json};

use crate::typed::typed_data;

pub mod batch;
pub mod builder;
mod signatures;

pub use signatures::{OwnerSignature, SignatureError, Signatures, Tally};

mod abi {
    #![allow(missing_docs, clippy::too_many_arguments, reason = "expanded by `sol!`; the Safe documents it")]

    use alloy_sol_types::sol;

    sol! {
        /// What the owners sign, as EIP-712 typed data.
        struct SafeTx {
            address to;
            uint256 value;
            bytes data;
            uint8 operation;
            uint256 safeTxGas;
            uint256 baseGas;
            uint256 gasPrice;
            address gasToken;
            address refundReceiver;
            uint256 nonce;
        }

        /// What the owners sign when the Safe itself is asked for a signature.
        struct SafeMessage {
            bytes message;
        }

        function execTransaction(
            address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, uint256 gasPrice,
            address gasToken, address refundReceiver, bytes signatures
        ) external payable returns (bool success);

        function approveHash(bytes32 hashToApprove) external;
    }
}

/// Which contract the account runs, as its `VERSION()` says. It decides the domain of the hash and how contracts among
/// the owners are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SafeVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

/// A version that is not known.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("Safe version `{seen}` is not known, expected 1.1.1 to 1.5.x such as `1.4.1`")]
pub struct UnknownVersion {
    /// What was given, shortened.
    pub seen: String,
}

impl SafeVersion {
    /// Reads the answer of `VERSION()`: `1.4.1`, or `1.3.0+L2`.
    ///
    /// # Errors
    /// [`UnknownVersion`]: hashing by guess would have people sign something else.
    pub fn parse(text: &str) -> Result<Self, UnknownVersion> {
        let unknown = || UnknownVersion { seen: text.chars().take(40).collect() };
        let numbers = text.split_once('+').map_or(text, |(numbers, _)| numbers);
        let parts: Vec<u16> = numbers
            .split('.')
            .map(|part| part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit())))
            .collect::<Option<_>>()
            .ok_or_else(unknown)?;
        let [major, minor, patch] = parts.as_slice() else { return Err(unknown()) };
        let version = Self { major: *major, minor: *minor, patch: *patch };
        let known = version >= Self { major: 1, minor: 1, patch: 1 } && version < Self { major: 1, minor: 6, patch: 0 };
        if known { Ok(version) } else { Err(unknown()) }
    }

    /// Any version whose hash holds on one chain.
    pub(crate) const SIGNS_CHAIN: Self = Self { major: 1, minor: 3, patch: 0 };
    /// Any version whose hash holds on every chain.
    pub(crate) const SIGNS_NO_CHAIN: Self = Self { major: 1, minor: 1, patch: 1 };

    /// Whether the chain's id is part of what is signed.
    pub const fn signs_chain(self) -> bool {
        self.minor >= 3
    }

    /// Whether contracts among the owners are asked by EIP-1271's `isValidSignature(bytes32,bytes)`; before 1.5.0 it is
    /// the older `isValidSignature(bytes,bytes)`, which is given the preimage of the hash.
    pub const fn asks_by_eip1271(self) -> bool {
        self.minor >= 5
    }
}

impl fmt::Display for SafeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A Safe: where it stands, and by which rules it hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safe {
    /// EIP-155 id of its chain.
    pub chain_id: u64,
    /// The account (the proxy).
    pub address: Address,
    /// What its `VERSION()` says.
    pub version: SafeVersion,
}

/// How a Safe makes its call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// An ordinary call.
    #[default]
    Call,
    /// Runs foreign code as the Safe itself: owners, threshold and slot 0 can be overwritten.
    DelegateCall,
}

impl Operation {
    const fn code(self) -> u8 {
        match self {
            Self::Call => 0,
            Self::DelegateCall => 1,
        }
    }
}

/// What the owners of a Safe sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeTransaction {
    /// The contract called.
    pub to: Address,
    /// Wei sent along.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Call or delegate call.
    pub operation: Operation,
    /// Gas that the inner call gets at least; 0 with a `gas_price` of 0: all, and a failing call fails the transaction.
    pub safe_tx_gas: U256,
    /// Gas that is refunded beside it.
    pub base_gas: U256,
    /// What is refunded per gas; 0: nothing is.
    pub gas_price: U256,
    /// In which token; zero: the native coin.
    pub gas_token: Address,
    /// To whom; zero: to whoever sent the transaction.
    pub refund_receiver: Address,
    /// The Safe's own counter. Another transaction with the same number voids this one.
    pub nonce: U256,
}

impl SafeTransaction {
    /// A call without value, refund or gas limit of its own: what a containment needs.
    pub fn call(to: Address, data: Bytes, nonce: U256) -> Self {
        Self {
            to,
            value: U256::ZERO,
            data,
            operation: Operation::Call,
            safe_tx_gas: U256::ZERO,
            base_gas: U256::ZERO,
            gas_price: U256::ZERO,
            gas_token: Address::ZERO,
            refund_receiver: Address::ZERO,
            nonce,
        }
    }

    fn typed(&self) -> abi::SafeTx {
        abi::SafeTx {
            to: self.to,
            value: self.value,
            data: self.data.clone(),
            operation: self.operation.code(),
            safeTxGas: self.safe_tx_gas,
            baseGas: self.base_gas,
            gasPrice: self.gas_price,
            gasToken: self.gas_token,
            refundReceiver: self.refund_receiver,
            nonce: self.nonce,
        }
    }

    /// EIP-712 `hashStruct` of the message: the second of the two hashes that hardware wallets show.
    pub fn message_hash(&self) -> B256 {
        self.typed().eip712_hash_struct()
    }

    /// Calldata of `execTransaction` with packed signatures.
    pub fn exec_call(&self, signatures: Bytes) -> Bytes {
        let call = abi::execTransactionCall {
            to: self.to,
            value: self.value,
            data: self.data.clone(),
            operation: self.operation.code(),
            safeTxGas: self.safe_tx_gas,
            baseGas: self.base_gas,
            gasPrice: self.gas_price,
            gasToken: self.gas_token,
            refundReceiver: self.refund_receiver,
            signatures,
        };
        call.abi_encode().into()
    }
}

impl Safe {
    /// EIP-712 domain separator: the first of the two hashes that hardware wallets show. Before 1.3.0 the chain is no part
    /// of it, and a signature holds on every chain.
    pub fn domain_hash(&self) -> B256 {
        self.domain().separator()
    }

    /// What the owners sign: `getTransactionHash` of the contract.
    pub fn transaction_hash(&self, transaction: &SafeTransaction) -> B256 {
        keccak256(self.preimage(transaction))
    }

    /// What is hashed: `encodeTransactionData` of the contract, 66 bytes. Contracts among the owners of a Safe before 1.5.0
    /// are given this and not the hash.
    pub fn preimage(&self, transaction: &SafeTransaction) -> Bytes {
        let (domain, message) = (self.domain_hash(), transaction.message_hash());
        [&[0x19, 0x01], domain.as_slice(), message.as_slice()].concat().into()
    }

    /// What a contract among the owners is asked about: the hash, or before 1.5.0 its preimage.
    pub fn asked_of_contracts(&self, transaction: &SafeTransaction) -> Bytes {
        if self.version.asks_by_eip1271() {
            self.transaction_hash(transaction).into()
        } else {
            self.preimage(transaction)
        }
    }

    /// What the owners of this Safe sign so that it, as an owner of another or for anybody who asks by EIP-1271, has
    /// signed `message`: `getMessageHashForSafe` of the handler that Safes have by default.
    pub fn message_to_sign(&self, message: &[u8]) -> B256 {
        let message = abi::SafeMessage { message: Bytes::copy_from_slice(message) };
        let (domain, message) = (self.domain_hash(), message.eip712_hash_struct());
        keccak256([&[0x19, 0x01], domain.as_slice(), message.as_slice()].concat())
    }

    /// The same for wallets: the argument of `eth_signTypedData_v4`. Numbers are decimal strings.
    pub fn typed_data(&self, transaction: &SafeTransaction) -> Value {
        let message = json!({
            "to": transaction.to,
            "value": transaction.value.to_string(),
            "data": transaction.data,
            "operation": transaction.operation.code(),
            "safeTxGas": transaction.safe_tx_gas.to_string(),
            "baseGas": transaction.base_gas.to_string(),
            "gasPrice": transaction.gas_price.to_string(),
            "gasToken": transaction.gas_token,
            "refundReceiver": transaction.refund_receiver,
            "nonce": transaction.nonce.to_string(),
        });
        typed_data::<abi::SafeTx>(&self.domain(), &message)
    }

    fn domain(&self) -> Eip712Domain {
        let chain_id = self.version.signs_chain().then(|| U256::from(self.chain_id));
        Eip712Domain { chain_id, verifying_contract: Some(self.address), ..Eip712Domain::default() }
    }
}

/// Calldata of `approveHash`: an owner's approval as a transaction of its own, for owners that cannot sign.
pub fn approve_hash_call(hash: B256) -> Bytes {
    abi::approveHashCall { hashToApprove: hash }.abi_encode().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use alloy_primitives::b256;

    use super::*;

    #[test]
    fn the_type_hashes_are_those_of_the_contracts() {
        let type_hash = keccak256(<abi::SafeTx as SolStruct>::eip712_encode_type().as_bytes());
        assert_eq!(type_hash, b256!("bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8"));
        let domain = |version: &str| {
            let safe = Safe { chain_id: 1, address: Address::ZERO, version: SafeVersion::parse(version).unwrap() };
            let mut words = if safe.version.signs_chain() {
                b256!("47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218").to_vec()
            } else {
                b256!("035aff83d86937d35b32e04f0ddc6ff469290eef2f1b692d8a815c89404d4749").to_vec()
            };
            if safe.version.signs_chain() {
                words.extend(U256::from(1).to_be_bytes::<32>());
            }
            words.extend(B256::ZERO);
            (safe.domain_hash(), keccak256(words))
        };
        for version in ["1.1.1", "1.2.0", "1.3.0", "1.3.0+L2", "1.4.1", "1.5.0"] {
            let (ours, theirs) = domain(version);
            assert_eq!(ours, theirs, "{version}");
        }
    }

    #[test]
    fn a_version_that_is_not_known_is_refused() {
        for text in ["", "1", "1.3", "1.0.0", "1.6.0", "2.0.0", "1.4.1.1", "1.4.-1", "1.4.+1", "one", "1.70000.0"] {
            let error = SafeVersion::parse(text).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
