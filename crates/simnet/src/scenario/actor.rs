//! Who signs: keys that follow from the seed, and EIP-1559 transactions made with them.
//!
//! These keys are worth nothing outside a drill: anybody can derive them from the seed.

use std::fmt;

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use cofferdam_types::{ChainId, Transaction};

use super::Call;

/// Somebody with a key.
#[derive(Clone)]
pub struct Actor {
    name: &'static str,
    signer: PrivateKeySigner,
}

/// What a signature needs to know of the chain at the moment of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The chain.
    pub chain_id: ChainId,
    /// The sender's next nonce.
    pub nonce: u64,
    /// Base fee of the head, in wei per gas.
    pub base_fee: u64,
}

/// A signed transaction, as bytes to submit and as the noun of the other rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// EIP-2718 bytes.
    pub raw: Bytes,
    /// The same, decoded; its hash is that of `raw`.
    pub transaction: Transaction,
}

impl Actor {
    /// The actor called `name` in the drill of `seed`.
    pub fn new(seed: u64, name: &'static str) -> Self {
        let preimage = [b"cofferdam drill actor".as_slice(), &seed.to_be_bytes(), name.as_bytes()].concat();
        let mut key = keccak256(preimage);
        // Zero and what is beyond the curve's order are no keys: about one hash in 2^128, then the next hash is taken.
        let signer = loop {
            match PrivateKeySigner::from_bytes(&key) {
                Ok(signer) => break signer,
                Err(_) => key = keccak256(key),
            }
        };
        Self { name, signer }
    }

    /// The name, unique in its drill.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The address.
    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// The key, for whoever must act as this actor by itself (the guardian).
    pub const fn signer(&self) -> &PrivateKeySigner {
        &self.signer
    }

    /// The key's 32 bytes, for a key file.
    pub fn secret(&self) -> B256 {
        self.signer.to_bytes()
    }

    /// Signs `call` as an EIP-1559 transaction. Pays up to twice the base fee, and the call's own tip.
    ///
    /// The same call and ticket give the same bytes (RFC 6979).
    pub fn sign(&self, call: &Call, ticket: Ticket) -> Signed {
        let max_fee_per_gas = u128::from(ticket.base_fee).saturating_mul(2).saturating_add(call.tip);
        let unsigned = TxEip1559 {
            chain_id: ticket.chain_id.0,
            nonce: ticket.nonce,
            gas_limit: call.gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas: call.tip,
            to: call.to.map_or(TxKind::Create, TxKind::Call),
            value: call.value,
            input: call.data.clone(),
            ..TxEip1559::default()
        };
        let signature =
            self.signer.sign_hash_sync(&unsigned.signature_hash()).expect("a key in memory signs any 32 bytes");
        let signed = unsigned.into_signed(signature);
        let transaction = Transaction {
            hash: *signed.hash(),
            kind: 2,
            from: self.address(),
            to: call.to,
            nonce: ticket.nonce,
            gas_limit: call.gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas: Some(call.tip),
            value: call.value,
            input: call.data.clone(),
            chain_id: Some(ticket.chain_id.0),
            ..Transaction::default()
        };
        Signed { raw: signed.encoded_2718().into(), transaction }
    }
}

/// Name and address only: keys do not belong in logs, not even these.
impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("name", &self.name).field("address", &self.address()).finish_non_exhaustive()
    }
}
