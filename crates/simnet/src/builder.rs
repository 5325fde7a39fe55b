//! One block from its first transaction to its seal: execution in place, receipts, roots, and the hash of a real header.

use std::sync::Arc;

use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_consensus::{
    Block, BlockBody, EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, Header as ConsensusHeader, Receipt, ReceiptEnvelope,
    TxEnvelope,
};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_eips::eip4895::Withdrawals;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{B256, Bloom, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use cofferdam_evm::{Ledger, Spec};
use cofferdam_types::{BlockNumber, Header, Outcome};

use crate::block::{Dropped, Mined, SealedBlock};
use crate::intake::SignedTx;
use crate::roots::Roots;
use crate::{Config, Lane};

/// What became of a transaction that was tried.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inclusion {
    /// It is in the block.
    Included,
    /// It may fit into a later block.
    NoRoom,
    /// It is not valid here.
    Invalid(String),
}

/// A block being built.
#[derive(Debug)]
pub(crate) struct Builder {
    env: Header,
    blobs: Option<BlobParams>,
    gas_used: u64,
    blob_gas_used: u64,
    logs: u64,
    bloom: Bloom,
    transactions: Vec<Mined>,
    pub(crate) dropped: Vec<Dropped>,
}

/// Blob limits of a hard fork; `None` before Cancun.
pub(crate) const fn blob_params(spec: Spec) -> Option<BlobParams> {
    if spec.is_enabled_in(Spec::OSAKA) {
        Some(BlobParams::osaka())
    } else if spec.is_enabled_in(Spec::PRAGUE) {
        Some(BlobParams::prague())
    } else if spec.is_enabled_in(Spec::CANCUN) {
        Some(BlobParams::cancun())
    } else {
        None
    }
}

/// The base fee of the block after `parent` (EIP-1559).
pub(crate) fn next_base_fee(parent: &ConsensusHeader) -> u64 {
    parent.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or_default()
}

/// Excess blob gas of the block after `parent` (EIP-4844, EIP-7918).
fn next_excess_blob_gas(parent: &ConsensusHeader, params: BlobParams) -> u64 {
    params.next_block_excess_blob_gas_osaka(
        parent.excess_blob_gas.unwrap_or_default(),
        parent.blob_gas_used.unwrap_or_default(),
        parent.base_fee_per_gas.unwrap_or_default(),
    )
}

/// Randomness of a block: fixed by the seed, its height, and how often the chain has been rewritten before it.
fn randao(seed: u64, number: u64, rewrites: u64) -> B256 {
    let mut preimage = [0_u8; 24];
    for (part, word) in preimage.chunks_exact_mut(8).zip([seed, number, rewrites]) {
        part.copy_from_slice(&word.to_be_bytes());
    }
    keccak256(preimage)
}

/// The header that transactions on top of `parent` see.
pub(crate) fn next_env(config: &Config, parent: &SealedBlock, timestamp: u64, rewrites: u64) -> Header {
    let number = parent.number().saturating_add(1);
    let blobs = blob_params(config.spec);
    Header {
        number: BlockNumber(number),
        hash: B256::ZERO,
        parent_hash: parent.hash(),
        timestamp,
        gas_limit: config.gas_limit,
        gas_used: 0,
        base_fee: Some(next_base_fee(&parent.header)),
        beneficiary: config.beneficiary,
        difficulty: U256::ZERO,
        prev_randao: Some(randao(config.seed, number, rewrites)),
        excess_blob_gas: blobs.map(|params| next_excess_blob_gas(&parent.header, params)),
        parent_beacon_block_root: blobs.map(|_| B256::ZERO),
        receipts_root: B256::ZERO,
        state_root: B256::ZERO,
    }
}

/// Block 0 on the accounts of `ledger`.
pub(crate) fn genesis(config: &Config, ledger: &Ledger, roots: &mut Roots) -> SealedBlock {
    let blobs = blob_params(config.spec);
    let env = Header {
        timestamp: config.genesis_time,
        gas_limit: config.gas_limit,
        base_fee: Some(config.base_fee),
        beneficiary: config.beneficiary,
        prev_randao: Some(randao(config.seed, 0, 0)),
        excess_blob_gas: blobs.map(|_| 0),
        parent_beacon_block_root: blobs.map(|_| B256::ZERO),
        ..Header::default()
    };
    Builder::new(env, config.spec).seal(config.spec, roots.state_root(ledger))
}

impl Builder {
    /// A block on top of the state of `ledger`, with the protocol's own calls made.
    pub(crate) fn open(env: Header, spec: Spec, ledger: &mut Ledger, roots: &mut Roots) -> Self {
        ledger.begin_block(&env);
        roots.note_system_calls();
        Self::new(env, spec)
    }

    const fn new(env: Header, spec: Spec) -> Self {
        Self {
            env,
            blobs: blob_params(spec),
            gas_used: 0,
            blob_gas_used: 0,
            logs: 0,
            bloom: Bloom::ZERO,
            transactions: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Executes `tx` as the next one of the block if it fits and is valid.
    pub(crate) fn include(
        &mut self,
        tx: &Arc<SignedTx>,
        lane: Option<Lane>,
        ledger: &mut Ledger,
        roots: &mut Roots,
    ) -> Inclusion {
        let blob_gas = self.blob_gas_used.saturating_add(tx.blob_gas());
        let blob_room = self.blobs.map_or(0, |params| params.max_blob_gas_per_block());
        if self.gas_used.saturating_add(tx.plain.gas_limit) > self.env.gas_limit || blob_gas > blob_room {
            return Inclusion::NoRoom;
        }
        let effects = ledger.execute(&self.env, &tx.plain);
        let success = match &effects.outcome {
            Outcome::Invalid(reason) => return Inclusion::Invalid(reason.clone()),
            Outcome::Success(_) => true,
            Outcome::Reverted(_) | Outcome::Halted(_) => false,
        };
        roots.note(&effects);
        self.gas_used = self.gas_used.saturating_add(effects.gas_used);
        self.blob_gas_used = blob_gas;
        let logs: Vec<_> = effects.logs.into_iter().map(|emitted| emitted.log).collect();
        let first_log = self.logs;
        self.logs = self.logs.saturating_add(u64::try_from(logs.len()).unwrap_or(u64::MAX));
        let receipt = Receipt { status: success.into(), cumulative_gas_used: self.gas_used, logs };
        let receipt = ReceiptEnvelope::from_typed(tx.envelope.tx_type(), receipt.with_bloom());
        self.bloom.accrue_bloom(receipt.logs_bloom());
        let base_fee = self.env.base_fee.unwrap_or_default();
        let created = tx.plain.to.is_none().then(|| tx.sender().create(tx.plain.nonce));
        self.transactions.push(Mined {
            gas_price: u128::from(base_fee).saturating_add(tx.plain.effective_tip(base_fee)),
            tx: Arc::clone(tx),
            lane,
            receipt,
            gas_used: effects.gas_used,
            created,
            first_log,
        });
        Inclusion::Included
    }

    /// Computes the roots and the hash. `state_root` is that of the ledger after the last transaction.
    pub(crate) fn seal(self, spec: Spec, state_root: B256) -> SealedBlock {
        let envelopes: Vec<TxEnvelope> =
            self.transactions.iter().map(|mined| mined.tx.envelope.inner().clone()).collect();
        let receipts: Vec<&ReceiptEnvelope> = self.transactions.iter().map(|mined| &mined.receipt).collect();
        let env = self.env;
        let header = ConsensusHeader {
            parent_hash: env.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: env.beneficiary,
            state_root,
            transactions_root: calculate_transaction_root(&envelopes),
            receipts_root: calculate_receipt_root(&receipts),
            logs_bloom: self.bloom,
            difficulty: U256::ZERO,
            number: env.number.0,
            gas_limit: env.gas_limit,
            gas_used: self.gas_used,
            timestamp: env.timestamp,
            extra_data: Bytes::from_static(b"simnet"),
            mix_hash: env.prev_randao.unwrap_or_default(),
            base_fee_per_gas: env.base_fee,
            withdrawals_root: spec.is_enabled_in(Spec::SHANGHAI).then_some(EMPTY_ROOT_HASH),
            blob_gas_used: self.blobs.map(|_| self.blob_gas_used),
            excess_blob_gas: env.excess_blob_gas,
            parent_beacon_block_root: env.parent_beacon_block_root,
            requests_hash: spec.is_enabled_in(Spec::PRAGUE).then_some(EMPTY_REQUESTS_HASH),
            ..ConsensusHeader::default()
        };
        let plain = Header {
            hash: header.hash_slow(),
            gas_used: header.gas_used,
            receipts_root: header.receipts_root,
            state_root,
            ..env
        };
        let withdrawals = spec.is_enabled_in(Spec::SHANGHAI).then(Withdrawals::default);
        let block = Block { header, body: BlockBody { transactions: envelopes, ommers: Vec::new(), withdrawals } };
        let blob_gas_price = self.blobs.zip(block.header.excess_blob_gas);
        SealedBlock {
            size: U256::from(block.length()),
            blob_gas_price: blob_gas_price.map(|(params, excess)| params.calc_blob_fee(excess)),
            header: block.header,
            plain,
            transactions: self.transactions,
            dropped: self.dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_used, reason = "tests")]

    use alloy_eips::eip1559::calc_next_block_base_fee;
    use proptest::prelude::*;

    use super::*;

    /// EIP-1559's own pseudo code.
    fn eip1559(used: u128, limit: u128, base: u128) -> u128 {
        let target = limit / 2;
        if used == target {
            base
        } else if used > target {
            base + (base * (used - target) / target / 8).max(1)
        } else {
            base - base * (target - used) / target / 8
        }
    }

    proptest! {
        #[test]
        fn the_base_fee_follows_the_rule_of_eip_1559(
            limit in 10_000..100_000_000_u64,
            share in 0..=1_000_u64,
            base in 0..10_000_000_000_000_u64,
        ) {
            let used = limit / 1_000 * share;
            let parent = ConsensusHeader {
                gas_limit: limit,
                gas_used: used,
                base_fee_per_gas: Some(base),
                ..ConsensusHeader::default()
            };
            let next = next_base_fee(&parent);
            prop_assert_eq!(u128::from(next), eip1559(used.into(), limit.into(), base.into()));
            prop_assert_eq!(next, calc_next_block_base_fee(used, limit, base, BaseFeeParams::ethereum()));
        }
    }

    #[test]
    fn randomness_differs_by_seed_height_and_rewrite() {
        let all = [randao(0, 0, 0), randao(1, 0, 0), randao(0, 1, 0), randao(0, 0, 1)];
        let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(distinct.len(), 4);
    }
}
