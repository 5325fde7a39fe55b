//! Plain revm over its own in-memory database: the yardstick that our speed is measured against, in the same process.
//!
//! It records nothing and judges nothing. It must stay the fastest straightforward use of the library, or the
//! comparison is worth nothing.

use cofferdam_types::{BlockNumber, Header, PreState, Transaction};
use revm::bytecode::Bytecode;
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::{B256, Bytes, KECCAK_EMPTY, keccak256};
use revm::state::AccountInfo;
use revm::{ExecuteCommitEvm, MainBuilder, MainnetEvm, SystemCallCommitEvm, context};

use crate::ledger::system_calls;
use crate::machine::{block_env, config, tx_env};
use crate::rules::Rules;

type Db = CacheDB<EmptyDB>;
type BareContext = context::Context<context::BlockEnv, TxEnv, context::CfgEnv, Db, context::Journal<Db>, ()>;

/// One block with all the state that it reads, its code analysed.
pub struct Bare {
    db: Db,
    rules: Rules,
    header: Header,
    transactions: Vec<TxEnv>,
}

/// A run that only has to be started.
pub struct BareRun {
    evm: MainnetEvm<BareContext>,
    transactions: Vec<TxEnv>,
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bare").field("transactions", &self.transactions.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for BareRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BareRun").field("transactions", &self.transactions.len()).finish_non_exhaustive()
    }
}

impl Bare {
    /// Loads everything; `state` and `hashes` are those before the block of `header`.
    pub fn new(
        rules: Rules,
        state: &PreState,
        hashes: &[(BlockNumber, B256)],
        header: &Header,
        transactions: &[Transaction],
    ) -> Self {
        let mut db = CacheDB::new(EmptyDB::new());
        for account in &state.accounts {
            if let Some(known) = &account.state {
                let (code_hash, code) = analysed(&known.code);
                let info =
                    AccountInfo { balance: known.balance, nonce: known.nonce, code_hash, code, ..Default::default() };
                db.insert_account_info(account.address, info);
            }
            for (slot, value) in &account.slots {
                // An in-memory database over an empty one cannot fail.
                let _ = db.insert_account_storage(account.address, *slot, *value);
            }
        }
        db.cache
            .block_hashes
            .extend(hashes.iter().map(|(number, hash)| (revm::primitives::U256::from(number.0), *hash)));
        let transactions = transactions.iter().map(tx_env).collect();
        Self { db, rules, header: header.clone(), transactions }
    }

    /// Everything that is not to be timed: copies, the block's environment, the protocol's own calls.
    pub fn prepare(&self) -> BareRun {
        let spec = self.rules.spec(&self.header);
        let mut cfg = config(self.rules, spec);
        cfg.blob_base_fee_update_fraction = Some(self.rules.blob_fraction(&self.header));
        let block = block_env(&self.rules, &self.header);
        let context = BareContext::new(self.db.clone(), spec).with_cfg(cfg).with_block(block);
        let mut evm = context.build_mainnet();
        for (contract, data) in system_calls(spec, &self.header) {
            // A failing system contract changes nothing (EIP-4788, EIP-2935).
            let _ = evm.system_call_commit(contract, data);
        }
        BareRun { evm, transactions: self.transactions.clone() }
    }
}

impl BareRun {
    /// Runs all transactions and returns the gas that they used; invalid ones use none.
    pub fn run(mut self) -> u64 {
        let mut gas = 0_u64;
        for transaction in self.transactions {
            if let Ok(result) = self.evm.transact_commit(transaction) {
                gas = gas.saturating_add(result.tx_gas_used());
            }
        }
        gas
    }
}

fn analysed(code: &Bytes) -> (B256, Option<Bytecode>) {
    if code.is_empty() {
        return (KECCAK_EMPTY, Some(Bytecode::default()));
    }
    let bytecode = Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code.clone()));
    (keccak256(code), Some(bytecode))
}
