//! What an assertion sees of the chain: the state before the transaction, after it, or at one of its calls, under the
//! few accounts that are always there.
//!
//! Reads go through to the engine's state, which learns from them as from any other read; writes never do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_types::{BlockNumber, Missing, Transaction};
use revm::bytecode::Bytecode;
use revm::context::{BlockEnv, CfgEnv};
use revm::context_interface::cfg::gas_params::GasId;
use revm::database_interface::Database;
use revm::primitives::{Address, AddressMap, B256, Bytes, HashMap, StorageKeyMap, U256};
use revm::state::{Account, AccountInfo, EvmState};

use super::abi;
use super::trace::Trace;
use crate::machine::config;
use crate::rules::{Rules, Spec};
use crate::state::{DbError, State};

/// A moment of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fork {
    /// Before the transaction.
    PreTx,
    /// After it.
    PostTx,
    /// When the journal had this length: the start or end of a call.
    At(usize),
}

/// Accounts that are there at every moment: the assertion itself, its caller, and what answers its questions.
#[derive(Clone, Debug)]
pub(super) struct Residents(AddressMap<(AccountInfo, StorageKeyMap<U256>)>);

impl Residents {
    /// The caller and what answers; no contract yet.
    pub(super) fn new(nonce: u64) -> Self {
        let mut accounts = AddressMap::default();
        let caller = AccountInfo { balance: U256::from(u128::MAX), nonce, ..AccountInfo::default() };
        accounts.insert(abi::CALLER, (caller, StorageKeyMap::default()));
        // Solidity looks whether there is code before it calls.
        let code = Bytecode::new_legacy(Bytes::from_static(&[0]));
        for address in [abi::PH, abi::TRIGGER_RECORDER, abi::SPEC_RECORDER, abi::CONSOLE] {
            let info = AccountInfo { code_hash: code.hash_slow(), code: Some(code.clone()), ..AccountInfo::default() };
            accounts.insert(address, (info, StorageKeyMap::default()));
        }
        Self(accounts)
    }

    /// Takes in what a deployment left behind.
    pub(super) fn adopt(&mut self, changes: EvmState) {
        for (address, account) in changes {
            if account.is_created() && !account.is_selfdestructed() {
                let storage = account.storage.iter().map(|(slot, value)| (*slot, value.present_value)).collect();
                self.0.insert(address, (account.info, storage));
            }
        }
        if let Some((caller, _)) = self.0.get_mut(&abi::CALLER) {
            caller.nonce = abi::NONCE;
        }
    }

    pub(super) fn contains(&self, address: Address) -> bool {
        self.0.contains_key(&address)
    }

    /// Whether code of the assertion itself stands at `address`.
    pub(super) fn is_own(&self, address: Address) -> bool {
        !matches!(address, abi::CALLER | abi::PH | abi::TRIGGER_RECORDER | abi::SPEC_RECORDER | abi::CONSOLE)
            && self.contains(address)
    }
}

/// One transaction as all assertions of its modules see it.
pub(super) struct Scene<'s> {
    base: &'s Mutex<State>,
    pub(super) trace: &'s Trace,
    post: &'s EvmState,
    pub(super) transaction: &'s Transaction,
    pub(super) block: BlockEnv,
    pub(super) cfg: CfgEnv,
}

impl<'s> Scene<'s> {
    pub(super) fn new(
        base: &'s Mutex<State>,
        trace: &'s Trace,
        post: &'s EvmState,
        transaction: &'s Transaction,
        (block, cfg): (BlockEnv, CfgEnv),
    ) -> Self {
        Self { base, trace, post, transaction, block, cfg }
    }

    fn base(&self) -> MutexGuard<'s, State> {
        // A panic elsewhere leaves the state as good as it was: reads only add to it.
        self.base.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rules by which assertions run on a chain with `rules` at hard fork `chain`: writing costs what reading costs, and
/// no size or gas rule of transactions holds. Assertions are compiled for recent forks, so old blocks get a recent one.
pub(super) fn rules(rules: Rules, chain: Spec) -> CfgEnv {
    let spec = chain.max(Spec::CANCUN);
    let mut cfg = config(rules, spec);
    cfg.gas_params.override_gas([
        (GasId::sstore_set_without_load_cost(), 0),
        (GasId::sstore_reset_without_cold_load_cost(), 0),
        (GasId::sstore_set_refund(), 0),
        (GasId::sstore_reset_refund(), 0),
        (GasId::sstore_clearing_slot_refund(), 0),
    ]);
    cfg.tx_gas_limit_cap = Some(u64::MAX);
    cfg.limit_contract_code_size = Some(usize::MAX);
    cfg.limit_contract_initcode_size = Some(usize::MAX);
    cfg
}

/// The database of one run.
pub(super) struct World<'s> {
    /// `None` in a constructor and in `triggers()`: there is no chain then.
    pub(super) scene: Option<&'s Scene<'s>>,
    residents: &'s Residents,
    fork: Fork,
    at: Option<Arc<EvmState>>,
    /// Reads that nobody could answer.
    pub(super) missing: Vec<Missing>,
    codes: HashMap<B256, Bytecode>,
}

impl<'s> World<'s> {
    pub(super) fn new(scene: Option<&'s Scene<'s>>, residents: &'s Residents, fork: Fork) -> Self {
        let mut world =
            Self { scene, residents, fork: Fork::PreTx, at: None, missing: Vec::new(), codes: HashMap::default() };
        world.turn_to(fork);
        world
    }

    pub(super) const fn fork(&self) -> Fork {
        self.fork
    }

    pub(super) const fn residents(&self) -> &'s Residents {
        self.residents
    }

    /// Shows another moment from now on.
    pub(super) fn turn_to(&mut self, fork: Fork) {
        self.fork = fork;
        self.at = match (fork, self.scene) {
            (Fork::At(place), Some(scene)) => Some(scene.trace.state_at(place)),
            (Fork::At(_) | Fork::PreTx | Fork::PostTx, _) => None,
        };
    }

    fn note(&mut self, missing: Missing) {
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }

    /// The account as the transaction left it at this moment; `None` where the transaction has not loaded it.
    fn changed(&self, address: Address) -> Option<(&Account, bool)> {
        match self.fork {
            Fork::PreTx => None,
            Fork::PostTx => self.scene.and_then(|scene| scene.post.get(&address)).map(|account| (account, true)),
            Fork::At(_) => self.at.as_ref().and_then(|state| state.get(&address)).map(|account| (account, false)),
        }
    }
}

/// Whether `account` is gone once the transaction has ended.
fn is_gone(account: &Account) -> bool {
    account.is_touched() && (account.is_selfdestructed() || (account.is_empty() && !account.is_created()))
}

impl Database for World<'_> {
    type Error = DbError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DbError> {
        if let Some((info, _)) = self.residents.0.get(&address) {
            return Ok(Some(info.clone()));
        }
        let Some(scene) = self.scene else { return Ok(None) };
        if let Some((account, ended)) = self.changed(address) {
            let absent = account.is_loaded_as_not_existing() && !account.is_touched();
            let info = account.info.clone();
            if absent || (ended && is_gone(account)) {
                return Ok(None);
            }
            if let Some(code) = &info.code {
                self.codes.entry(info.code_hash).or_insert_with(|| code.clone());
            }
            return Ok(Some(info));
        }
        let mut base = scene.base();
        let info = base.basic(address)?;
        let unknown = base.is_unknown(Missing::Account(address));
        drop(base);
        if unknown {
            self.note(Missing::Account(address));
        }
        Ok(info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, DbError> {
        if let Some(code) = self.codes.get(&code_hash) {
            return Ok(code.clone());
        }
        self.scene.map_or_else(|| Ok(Bytecode::default()), |scene| scene.base().code_by_hash(code_hash))
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, DbError> {
        if let Some((_, storage)) = self.residents.0.get(&address) {
            return Ok(storage.get(&index).copied().unwrap_or_default());
        }
        let Some(scene) = self.scene else { return Ok(U256::ZERO) };
        if let Some((account, ended)) = self.changed(address) {
            if ended && is_gone(account) {
                return Ok(U256::ZERO);
            }
            if let Some(value) = account.storage.get(&index) {
                return Ok(value.present_value);
            }
            if account.is_created() {
                return Ok(U256::ZERO);
            }
        }
        let mut base = scene.base();
        // A slot is read of an account that is known; the account may have been loaded by nobody yet.
        base.basic(address)?;
        let value = base.storage(address, index)?;
        let unknown = base.is_unknown(Missing::Slot(address, index)) || base.is_unknown(Missing::Account(address));
        drop(base);
        if unknown {
            self.note(Missing::Slot(address, index));
        }
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, DbError> {
        let Some(scene) = self.scene else { return Ok(B256::ZERO) };
        let mut base = scene.base();
        let hash = base.block_hash(number)?;
        let unknown = base.is_unknown(Missing::BlockHash(BlockNumber(number)));
        drop(base);
        if unknown {
            self.note(Missing::BlockHash(BlockNumber(number)));
        }
        Ok(hash)
    }
}
