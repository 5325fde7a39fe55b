//! From raw bytes to a transaction that may wait in the pool: decoding, the signer, and every check that needs no state.
//!
//! Bytes come from strangers: each fault is one error in geth's words, never a panic.

use std::sync::Arc;

use alloy_consensus::transaction::{Recovered, SignerRecoverable};
use alloy_consensus::{Transaction as _, TxEip4844Variant, TxEnvelope, Typed2718};
use alloy_eips::eip2718::Decodable2718;
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use alloy_primitives::{Address, B256, U256};
use cofferdam_evm::Spec;
use cofferdam_types::{AccessListItem, Authorization, Transaction};

use crate::Config;

/// geth's limit on a transaction without blobs, in bytes.
const MAX_BYTES: usize = 131_072;
/// EIP-3860, in bytes.
const MAX_INITCODE: usize = 49_152;

/// A signed transaction in both shapes: the library's for hashes and the wire, ours for execution.
#[derive(Debug)]
pub(crate) struct SignedTx {
    pub(crate) envelope: Recovered<TxEnvelope>,
    pub(crate) plain: Arc<Transaction>,
}

impl SignedTx {
    pub(crate) fn hash(&self) -> B256 {
        self.plain.hash
    }

    pub(crate) fn sender(&self) -> Address {
        self.plain.from
    }

    /// The most that the sender can be charged: gas, blobs and value.
    pub(crate) fn cost(&self) -> U256 {
        let gas = U256::from(self.plain.gas_limit).saturating_mul(U256::from(self.plain.max_fee_per_gas));
        let blob_fee = U256::from(self.plain.max_fee_per_blob_gas.unwrap_or_default());
        let blobs = U256::from(self.blob_gas()).saturating_mul(blob_fee);
        gas.saturating_add(blobs).saturating_add(self.plain.value)
    }

    pub(crate) fn blob_gas(&self) -> u64 {
        u64::try_from(self.plain.blob_hashes.len()).unwrap_or(u64::MAX).saturating_mul(DATA_GAS_PER_BLOB)
    }
}

/// A transaction was not taken. The messages are geth's, because clients match on them.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// Not an EIP-2718 transaction.
    #[error("transaction could not be decoded: {reason}")]
    Decode {
        /// What the decoder said.
        reason: String,
    },
    /// The hard fork does not know the type.
    #[error("transaction type not supported: type {kind} before its hard fork")]
    UnsupportedType {
        /// EIP-2718 type.
        kind: u8,
    },
    /// A blob transaction must travel with its blobs.
    #[error("blob transaction without its sidecar: submit it in the network form of EIP-4844")]
    MissingSidecar,
    /// The commitments do not hash to what was signed.
    #[error("blob commitments do not match the {hashes} versioned hashes of the transaction")]
    WrongCommitments {
        /// Number of signed hashes.
        hashes: usize,
    },
    /// geth's limit of 128 KiB.
    #[error("oversized data: transaction size {size}, limit {MAX_BYTES}")]
    TooLarge {
        /// Bytes.
        size: usize,
    },
    /// The signature gives no address.
    #[error("invalid sender")]
    InvalidSender,
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {seen} want {wanted}")]
    WrongChain {
        /// Of the transaction.
        seen: u64,
        /// Of this chain.
        wanted: u64,
    },
    /// EIP-1559.
    #[error("max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas {tip}, maxFeePerGas {cap}")]
    TipAboveCap {
        /// Wei per gas.
        tip: u128,
        /// Wei per gas.
        cap: u128,
    },
    /// Would never fit.
    #[error("exceeds block gas limit: gas {gas}, limit {limit}")]
    GasAboveBlock {
        /// Of the transaction.
        gas: u64,
        /// Of a block.
        limit: u64,
    },
    /// EIP-7825.
    #[error("transaction gas limit too high (cap: {MAX_TX_GAS_LIMIT_OSAKA}, tx: {gas})")]
    GasAboveCap {
        /// Of the transaction.
        gas: u64,
    },
    /// EIP-3860.
    #[error("max initcode size exceeded: code size {size}, limit {MAX_INITCODE}")]
    InitcodeTooLarge {
        /// Bytes.
        size: usize,
    },
    /// The yellow paper's g0.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// Of the transaction.
        gas: u64,
        /// The least that is valid.
        needed: u64,
    },
    /// EIP-7623.
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorGas {
        /// Of the transaction.
        gas: u64,
        /// The least that is valid.
        needed: u64,
    },
    /// EIP-7702.
    #[error("EIP-7702 transaction with empty auth list")]
    NoAuthorization,
    /// That nonce is spent.
    #[error("nonce too low: next nonce {next}, tx nonce {seen}")]
    NonceTooLow {
        /// The next valid one.
        next: u64,
        /// Of the transaction.
        seen: u64,
    },
    /// The sender cannot pay for this and what already waits.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, queued cost {queued}")]
    InsufficientFunds {
        /// Wei.
        balance: U256,
        /// Wei.
        cost: U256,
        /// Wei that the sender's other waiting transactions may cost.
        queued: U256,
    },
    /// It waits already, or is mined.
    #[error("already known")]
    AlreadyKnown,
    /// The one that waits pays as much, or nearly.
    #[error("replacement transaction underpriced")]
    Underpriced,
    /// The lane holds as many as it may.
    #[error("txpool is full: {limit} transactions")]
    PoolFull {
        /// How many it holds.
        limit: usize,
    },
}

/// Decodes raw bytes, recovers the signer and checks what can be checked without state.
pub(crate) fn take_in(raw: &[u8], config: &Config) -> Result<SignedTx, SubmitError> {
    let envelope =
        TxEnvelope::decode_2718_exact(raw).map_err(|error| SubmitError::Decode { reason: error.to_string() })?;
    if !type_known(envelope.ty(), config.spec) {
        return Err(SubmitError::UnsupportedType { kind: envelope.ty() });
    }
    if envelope.ty() != 3 && raw.len() > MAX_BYTES {
        return Err(SubmitError::TooLarge { size: raw.len() });
    }
    let envelope = envelope.try_map_eip4844(without_sidecar)?;
    let envelope = envelope.try_into_recovered().map_err(|_| SubmitError::InvalidSender)?;
    let plain = Arc::new(plain(&envelope));
    check(&plain, config)?;
    Ok(SignedTx { envelope, plain })
}

/// Reads a signed transaction and recovers its signer, without asking any chain whether it would take it. Blobs may be
/// with it or not.
///
/// # Errors
/// [`SubmitError`] when `raw` is not one transaction of a known type, its signature gives no address, or its blobs are
/// not those that were signed.
pub fn read_signed(raw: &[u8]) -> Result<Transaction, SubmitError> {
    let envelope =
        TxEnvelope::decode_2718_exact(raw).map_err(|error| SubmitError::Decode { reason: error.to_string() })?;
    let envelope = envelope.try_map_eip4844(|variant| match variant {
        TxEip4844Variant::TxEip4844(_) => Ok(variant),
        TxEip4844Variant::TxEip4844WithSidecar(_) => without_sidecar(variant),
    })?;
    let envelope = envelope.try_into_recovered().map_err(|_| SubmitError::InvalidSender)?;
    Ok(plain(&envelope))
}

fn type_known(kind: u8, spec: Spec) -> bool {
    match kind {
        0..=2 => true,
        3 => spec.is_enabled_in(Spec::CANCUN),
        4 => spec.is_enabled_in(Spec::PRAGUE),
        _ => false,
    }
}

/// Blobs are checked against what was signed and then let go: no block carries them. Their KZG proofs are not checked.
fn without_sidecar(variant: TxEip4844Variant) -> Result<TxEip4844Variant, SubmitError> {
    match variant {
        TxEip4844Variant::TxEip4844(_) => Err(SubmitError::MissingSidecar),
        TxEip4844Variant::TxEip4844WithSidecar(with) => {
            let signed = &with.tx.blob_versioned_hashes;
            if signed.is_empty() || !with.sidecar.versioned_hashes().eq(signed.iter().copied()) {
                return Err(SubmitError::WrongCommitments { hashes: signed.len() });
            }
            Ok(TxEip4844Variant::TxEip4844(with.tx))
        }
    }
}

/// The library's transaction in our own nouns.
fn plain(envelope: &Recovered<TxEnvelope>) -> Transaction {
    let access_list = envelope.access_list().map(|list| {
        list.iter()
            .map(|item| AccessListItem { address: item.address, slots: item.storage_keys.clone() })
            .collect::<Vec<_>>()
    });
    let authorizations = envelope.authorization_list().unwrap_or_default().iter().map(|signed| Authorization {
        chain_id: signed.chain_id,
        address: signed.address,
        nonce: signed.nonce,
        authority: signed.recover_authority().ok(),
    });
    Transaction {
        hash: *envelope.hash(),
        kind: envelope.ty(),
        from: envelope.signer(),
        to: envelope.to(),
        nonce: envelope.nonce(),
        gas_limit: envelope.gas_limit(),
        max_fee_per_gas: envelope.max_fee_per_gas(),
        max_priority_fee_per_gas: envelope.max_priority_fee_per_gas(),
        value: envelope.value(),
        input: envelope.input().clone(),
        chain_id: envelope.chain_id(),
        access_list: access_list.unwrap_or_default(),
        blob_hashes: envelope.blob_versioned_hashes().unwrap_or_default().to_vec(),
        max_fee_per_blob_gas: envelope.max_fee_per_blob_gas(),
        authorizations: authorizations.collect(),
    }
}

fn check(tx: &Transaction, config: &Config) -> Result<(), SubmitError> {
    // Transactions from before EIP-155 name no chain; well-known deployers rely on them.
    if let Some(seen) = tx.chain_id
        && seen != config.chain_id.0
    {
        return Err(SubmitError::WrongChain { seen, wanted: config.chain_id.0 });
    }
    if let Some(tip) = tx.max_priority_fee_per_gas
        && tip > tx.max_fee_per_gas
    {
        return Err(SubmitError::TipAboveCap { tip, cap: tx.max_fee_per_gas });
    }
    if tx.gas_limit > config.gas_limit {
        return Err(SubmitError::GasAboveBlock { gas: tx.gas_limit, limit: config.gas_limit });
    }
    if tx.gas_limit > gas_cap(config) {
        return Err(SubmitError::GasAboveCap { gas: tx.gas_limit });
    }
    if tx.to.is_none() && config.spec.is_enabled_in(Spec::SHANGHAI) && tx.input.len() > MAX_INITCODE {
        return Err(SubmitError::InitcodeTooLarge { size: tx.input.len() });
    }
    if tx.kind == 4 && tx.authorizations.is_empty() {
        return Err(SubmitError::NoAuthorization);
    }
    let needed = intrinsic_gas(tx, config.spec);
    if tx.gas_limit < needed {
        return Err(SubmitError::IntrinsicGas { gas: tx.gas_limit, needed });
    }
    let floor = floor_gas(tx, config.spec);
    if tx.gas_limit < floor {
        return Err(SubmitError::FloorGas { gas: tx.gas_limit, needed: floor });
    }
    Ok(())
}

/// The most gas that one transaction may have.
pub(crate) fn gas_cap(config: &Config) -> u64 {
    if config.spec.is_enabled_in(Spec::OSAKA) { config.gas_limit.min(MAX_TX_GAS_LIMIT_OSAKA) } else { config.gas_limit }
}

/// Gas of a plain transfer.
pub(crate) const TRANSFER_GAS: u64 = 21_000;

/// Zero and other bytes of the calldata.
fn byte_counts(data: &[u8]) -> (u64, u64) {
    let zeros = data.iter().filter(|byte| **byte == 0).count();
    let others = data.len().saturating_sub(zeros);
    (u64::try_from(zeros).unwrap_or(u64::MAX), u64::try_from(others).unwrap_or(u64::MAX))
}

/// What is paid before the first opcode runs (EIP-2028, EIP-2930, EIP-3860, EIP-7702).
fn intrinsic_gas(tx: &Transaction, spec: Spec) -> u64 {
    let (zeros, others) = byte_counts(&tx.input);
    let mut gas = TRANSFER_GAS.saturating_add(zeros.saturating_mul(4)).saturating_add(others.saturating_mul(16));
    if tx.to.is_none() {
        gas = gas.saturating_add(32_000);
        if spec.is_enabled_in(Spec::SHANGHAI) {
            let words = u64::try_from(tx.input.len().div_ceil(32)).unwrap_or(u64::MAX);
            gas = gas.saturating_add(words.saturating_mul(2));
        }
    }
    gas.saturating_add(list_gas(tx))
}

/// What an access list and authorizations add to the intrinsic gas (EIP-2930, EIP-7702).
pub(crate) fn list_gas(tx: &Transaction) -> u64 {
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let mut gas = count(tx.authorizations.len()).saturating_mul(25_000);
    for item in &tx.access_list {
        gas = gas.saturating_add(2_400).saturating_add(count(item.slots.len()).saturating_mul(1_900));
    }
    gas
}

/// The least that calldata costs however little is executed (EIP-7623).
fn floor_gas(tx: &Transaction, spec: Spec) -> u64 {
    if !spec.is_enabled_in(Spec::PRAGUE) {
        return 0;
    }
    let (zeros, others) = byte_counts(&tx.input);
    TRANSFER_GAS.saturating_add(zeros.saturating_add(others.saturating_mul(4)).saturating_mul(10))
}
