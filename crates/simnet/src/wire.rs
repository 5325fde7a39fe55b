//! Blocks, transactions, receipts and logs in the shapes that geth puts on the wire.

use alloy_consensus::transaction::TransactionInfo;
use alloy_consensus::{ReceiptEnvelope, Sealed};
use alloy_eips::eip4895::Withdrawals;
use alloy_rpc_types_eth::{
    Block, BlockTransactions, BlockTransactionsKind, Header, Log, Transaction, TransactionReceipt,
};

use crate::block::{Mined, SealedBlock};
use crate::intake::SignedTx;

impl SealedBlock {
    /// The header with its hash and size.
    pub(crate) fn wire_header(&self) -> Header {
        let sealed = Sealed::new_unchecked(self.header.clone(), self.hash());
        Header::from_consensus(sealed, None, Some(self.size))
    }

    /// The block with hashes or whole transactions.
    pub(crate) fn wire_block(&self, kind: BlockTransactionsKind) -> Block {
        let transactions = match kind {
            BlockTransactionsKind::Full => {
                let whole = (0_u64..).zip(&self.transactions).map(|(index, mined)| self.wire_transaction(index, mined));
                BlockTransactions::Full(whole.collect())
            }
            BlockTransactionsKind::Hashes => {
                BlockTransactions::Hashes(self.transactions.iter().map(|mined| mined.tx.hash()).collect())
            }
        };
        let withdrawals = self.header.withdrawals_root.map(|_| Withdrawals::default());
        Block::new(self.wire_header(), transactions).with_withdrawals(withdrawals)
    }

    /// A mined transaction.
    pub(crate) fn wire_transaction(&self, index: u64, mined: &Mined) -> Transaction {
        let info = TransactionInfo {
            hash: Some(mined.tx.hash()),
            index: Some(index),
            block_hash: Some(self.hash()),
            block_number: Some(self.number()),
            base_fee: self.header.base_fee_per_gas,
            block_timestamp: Some(self.header.timestamp),
        };
        Transaction::from_transaction(mined.tx.envelope.clone(), info)
    }

    /// A receipt with logs that know their place.
    pub(crate) fn wire_receipt(&self, index: u64, mined: &Mined) -> TransactionReceipt {
        let mut logs = self.wire_logs_of(index, mined, false).into_iter();
        let inner: ReceiptEnvelope<Log> = mined.receipt.clone().map_logs(|log| {
            // Both have the same length; a log without a place would still be the right log.
            logs.next().unwrap_or_else(|| Log { inner: log, ..Log::default() })
        });
        let blob_gas = mined.tx.blob_gas();
        let blobs = (blob_gas > 0).then_some(blob_gas);
        TransactionReceipt {
            inner,
            transaction_hash: mined.tx.hash(),
            transaction_index: Some(index),
            block_hash: Some(self.hash()),
            block_number: Some(self.number()),
            gas_used: mined.gas_used,
            effective_gas_price: mined.gas_price,
            blob_gas_used: blobs,
            blob_gas_price: blobs.and(self.blob_gas_price),
            from: mined.tx.sender(),
            to: mined.tx.plain.to,
            contract_address: mined.created,
        }
    }

    /// All receipts in block order.
    pub(crate) fn wire_receipts(&self) -> Vec<TransactionReceipt> {
        (0_u64..).zip(&self.transactions).map(|(index, mined)| self.wire_receipt(index, mined)).collect()
    }

    /// All logs in block order; `removed` when the block left the chain.
    pub(crate) fn wire_logs(&self, removed: bool) -> impl Iterator<Item = Log> {
        (0_u64..).zip(&self.transactions).flat_map(move |(index, mined)| self.wire_logs_of(index, mined, removed))
    }

    fn wire_logs_of(&self, index: u64, mined: &Mined, removed: bool) -> Vec<Log> {
        let place = (mined.first_log..).zip(mined.receipt.logs());
        let logs = place.map(|(log_index, log)| Log {
            inner: log.clone(),
            block_hash: Some(self.hash()),
            block_number: Some(self.number()),
            block_timestamp: Some(self.header.timestamp),
            transaction_hash: Some(mined.tx.hash()),
            transaction_index: Some(index),
            log_index: Some(log_index),
            removed,
        });
        logs.collect()
    }
}

impl SignedTx {
    /// A transaction that waits.
    pub(crate) fn wire_pending(&self) -> Transaction {
        let info = TransactionInfo { hash: Some(self.hash()), ..TransactionInfo::default() };
        Transaction::from_transaction(self.envelope.clone(), info)
    }
}
