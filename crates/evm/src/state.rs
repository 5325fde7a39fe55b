//! Chain state in memory: what was loaded, what was executed on top, and how to take it back.
//!
//! Reads that miss go to the [`StateSource`], first in bulk, then one by one, and only for the block that the state
//! stands on. It must never answer from another block, and never forget that an answer was missing.

use std::sync::Arc;

use cofferdam_types::{
    AccountState, Block, BlockNumber, BlockRef, Known, Missing, PreState, StateError, StateSource, Transaction,
};
use revm::bytecode::Bytecode;
use revm::database_interface::{DBErrorMarker, Database};
use revm::primitives::{
    Address, AddressMap, B256, B256Map, Bytes, HashMap, HashSet, KECCAK_EMPTY, StorageKeyMap, U256, keccak256,
};
use revm::state::{Account, AccountInfo, EvmState};

/// Where the undo log stood: everything after it can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// The outside failed while the EVM was running.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct DbError(#[from] pub(crate) StateError);

impl DBErrorMarker for DbError {}

/// What to ask for in one call when the first read misses.
#[derive(Clone, Default)]
pub(crate) enum Bulk {
    #[default]
    None,
    Transaction(Arc<Transaction>),
    Block(Arc<Block>),
}

#[derive(Clone, Debug)]
struct Entry {
    /// `None`: known not to exist.
    info: Option<AccountInfo>,
    storage: StorageKeyMap<U256>,
    /// Slots that are absent are zero (the account was created or destroyed here); the source is not asked.
    whole: bool,
    /// Block at which it was last loaded or committed; for eviction.
    used: u64,
}

#[derive(Clone, Debug)]
enum Undo {
    Info(Address, Option<AccountInfo>),
    Slot(Address, U256, U256),
    /// The account was wiped: all that was known of it.
    Whole(Address, Box<Entry>),
}

/// The accounts in memory.
#[derive(Clone, Default)]
pub(crate) struct State {
    accounts: AddressMap<Entry>,
    codes: B256Map<Bytecode>,
    block_hashes: HashMap<u64, B256>,
    undo: Vec<Undo>,
    /// How many undo entries were discarded from the front: marks stay valid across pruning.
    undo_pruned: usize,
    source: Option<Arc<dyn StateSource>>,
    /// Block that answers of the source must be for.
    pub(crate) at: BlockRef,
    pub(crate) bulk: Bulk,
    pub(crate) missing: Vec<Missing>,
    /// Everything that was ever read as zero because nobody could tell, so that a cached zero is not taken for a fact.
    unknown: HashSet<Missing>,
    slots: usize,
}

impl State {
    pub(crate) fn with_source(source: Arc<dyn StateSource>) -> Self {
        Self { source: Some(source), ..Self::default() }
    }

    /// Forgets everything but code: the next reads ask the source again.
    pub(crate) fn forget(&mut self) {
        self.accounts.clear();
        self.block_hashes.clear();
        self.undo_pruned = self.undo_pruned.saturating_add(self.undo.len());
        self.undo.clear();
        self.unknown.clear();
        self.slots = 0;
    }

    /// Forgets what is known of one account, for changes that no transaction made (withdrawals taken back).
    pub(crate) fn forget_account(&mut self, address: Address) {
        if let Some(entry) = self.accounts.remove(&address) {
            self.slots = self.slots.saturating_sub(entry.storage.len());
        }
    }

    /// Slots in memory, for the memory bound and the metric.
    pub(crate) const fn slot_count(&self) -> usize {
        self.slots
    }

    /// Drops accounts that were not used since block `before` and that `keep` does not name.
    pub(crate) fn evict(&mut self, before: BlockNumber, keep: &dyn Fn(Address) -> bool) {
        self.accounts.retain(|address, entry| entry.used >= before.0 || keep(*address));
        self.slots = self.accounts.values().map(|entry| entry.storage.len()).sum();
    }

    pub(crate) const fn mark(&self) -> Mark {
        Mark(self.undo_pruned.saturating_add(self.undo.len()))
    }

    /// Takes everything back to `mark`. False when the log no longer reaches that far.
    pub(crate) fn revert_to(&mut self, mark: Mark) -> bool {
        let Some(keep) = mark.0.checked_sub(self.undo_pruned) else { return false };
        while self.undo.len() > keep {
            match self.undo.pop() {
                // An evicted account is not brought back: its next read asks the source at the then valid block.
                Some(Undo::Info(address, info)) => {
                    if let Some(entry) = self.accounts.get_mut(&address) {
                        entry.info = info;
                    }
                }
                Some(Undo::Slot(address, slot, value)) => {
                    if let Some(entry) = self.accounts.get_mut(&address) {
                        entry.storage.insert(slot, value);
                    }
                }
                Some(Undo::Whole(address, entry)) => {
                    self.accounts.insert(address, *entry);
                }
                None => break,
            }
        }
        true
    }

    /// Gives up the ability to go back before `mark`.
    pub(crate) fn prune(&mut self, mark: Mark) {
        let gone = mark.0.saturating_sub(self.undo_pruned).min(self.undo.len());
        self.undo.drain(..gone);
        self.undo_pruned = self.undo_pruned.saturating_add(gone);
    }

    pub(crate) fn set_block_hash(&mut self, number: BlockNumber, hash: B256) {
        self.block_hashes.insert(number.0, hash);
    }

    pub(crate) fn forget_block_hash(&mut self, number: BlockNumber) {
        self.block_hashes.remove(&number.0);
    }

    fn bytecode(&mut self, code: Bytes) -> (B256, Bytecode) {
        if code.is_empty() {
            return (KECCAK_EMPTY, Bytecode::default());
        }
        let hash = keccak256(&code);
        let analysed = self.codes.entry(hash).or_insert_with(|| {
            // A malformed 7702 designator cannot come to be on chain; a source that claims one gets plain code.
            Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
        });
        (hash, analysed.clone())
    }

    fn info(&mut self, state: AccountState) -> AccountInfo {
        let (code_hash, code) = self.bytecode(state.code);
        AccountInfo {
            balance: state.balance,
            nonce: state.nonce,
            code_hash,
            code: Some(code),
            ..AccountInfo::default()
        }
    }

    /// Sets an account from outside (genesis, cases). Storage is set apart.
    pub(crate) fn put_account(&mut self, address: Address, state: AccountState) {
        let info = self.info(state);
        let used = self.at.number.0;
        let entry = self.accounts.entry(address).or_insert_with(|| Entry {
            info: None,
            storage: StorageKeyMap::default(),
            whole: false,
            used,
        });
        self.undo.push(Undo::Info(address, entry.info.replace(info)));
    }

    pub(crate) fn put_slot(&mut self, address: Address, slot: U256, value: U256) {
        let used = self.at.number.0;
        let entry = self.accounts.entry(address).or_insert_with(|| Entry {
            info: None,
            storage: StorageKeyMap::default(),
            whole: false,
            used,
        });
        match entry.storage.insert(slot, value) {
            Some(old) => self.undo.push(Undo::Slot(address, slot, old)),
            None => {
                self.slots = self.slots.saturating_add(1);
                self.undo.push(Undo::Slot(address, slot, U256::ZERO));
            }
        }
    }

    /// Adds to a balance outside of any transaction (EIP-4895). Unknown accounts are left unknown.
    pub(crate) fn credit(&mut self, address: Address, wei: U256) {
        if let Some(entry) = self.accounts.get_mut(&address) {
            self.undo.push(Undo::Info(address, entry.info.clone()));
            let info = entry.info.get_or_insert_default();
            info.balance = info.balance.saturating_add(wei);
        }
    }

    /// What is in memory of an account, without asking anybody.
    pub(crate) fn known_info(&self, address: Address) -> Option<&AccountInfo> {
        self.accounts.get(&address)?.info.as_ref()
    }

    pub(crate) fn known_slot(&self, address: Address, slot: U256) -> Option<U256> {
        let entry = self.accounts.get(&address)?;
        entry.storage.get(&slot).copied().or(entry.whole.then_some(U256::ZERO))
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = (Address, &AccountInfo, &StorageKeyMap<U256>)> {
        self.accounts.iter().filter_map(|(address, entry)| Some((*address, entry.info.as_ref()?, &entry.storage)))
    }

    /// Makes the changes of one transaction permanent, reversibly.
    pub(crate) fn commit(&mut self, changes: EvmState) {
        for (address, account) in changes {
            if account.is_touched() {
                self.commit_account(address, account);
            }
        }
    }

    fn commit_account(&mut self, address: Address, account: Account) {
        let used = self.at.number.0;
        let entry = self.accounts.entry(address).or_insert_with(|| Entry {
            info: None,
            storage: StorageKeyMap::default(),
            whole: false,
            used,
        });
        entry.used = used;
        let emptied = account.is_empty() && !account.is_created();
        if account.is_selfdestructed() || emptied {
            self.slots = self.slots.saturating_sub(entry.storage.len());
            let gone = Entry { info: None, storage: StorageKeyMap::default(), whole: true, used };
            let old = std::mem::replace(entry, gone);
            self.undo.push(Undo::Whole(address, Box::new(old)));
            return;
        }
        if account.is_created() {
            self.slots = self.slots.saturating_sub(entry.storage.len());
            let fresh = Entry { info: None, storage: StorageKeyMap::default(), whole: true, used };
            let old = std::mem::replace(entry, fresh);
            self.undo.push(Undo::Whole(address, Box::new(old)));
        }
        if let Some(code) = account.info.code.as_ref()
            && account.info.code_hash != KECCAK_EMPTY
            && account.is_created()
        {
            self.codes.entry(account.info.code_hash).or_insert_with(|| code.clone());
        }
        let changed = entry.info.as_ref() != Some(&account.info);
        if changed {
            let old = entry.info.replace(account.info);
            self.undo.push(Undo::Info(address, old));
        }
        for (slot, value) in account.storage {
            if value.is_changed() {
                let old = entry.storage.insert(slot, value.present_value);
                if old.is_none() {
                    self.slots = self.slots.saturating_add(1);
                }
                self.undo.push(Undo::Slot(address, slot, value.original_value));
            }
        }
    }

    /// Takes in state fetched in bulk; what is known already is newer and stays.
    pub(crate) fn absorb(&mut self, fetched: PreState) {
        let used = self.at.number.0;
        for account in fetched.accounts {
            if !self.accounts.contains_key(&account.address) {
                let info = account.state.map(|state| self.info(state));
                let entry = Entry { info, storage: StorageKeyMap::default(), whole: false, used };
                self.accounts.insert(account.address, entry);
            }
            if let Some(entry) = self.accounts.get_mut(&account.address)
                && !entry.whole
            {
                for (slot, value) in account.slots {
                    if entry.storage.try_insert_absent(slot, value) {
                        self.slots = self.slots.saturating_add(1);
                    }
                }
            }
        }
    }

    /// Fetches in bulk if that was asked for and has not been done. True when something may have been added.
    fn fetch_bulk(&mut self) -> Result<bool, DbError> {
        let Some(source) = self.source.clone() else { return Ok(false) };
        let fetched = match std::mem::take(&mut self.bulk) {
            Bulk::None => return Ok(false),
            Bulk::Transaction(transaction) => source.prestate(&transaction, self.at)?,
            Bulk::Block(block) => source.block_prestate(&block)?,
        };
        self.absorb(fetched);
        Ok(true)
    }

    /// Whether the answer to a read was a zero that nobody could vouch for.
    pub(crate) fn is_unknown(&self, read: Missing) -> bool {
        !self.unknown.is_empty() && self.unknown.contains(&read)
    }

    /// Adds reads whose answer nobody could vouch for to those of the present execution.
    pub(crate) fn add_missing(&mut self, reads: Vec<Missing>) {
        for read in reads {
            if !self.missing.contains(&read) {
                self.missing.push(read);
            }
        }
    }

    fn note_missing(&mut self, missing: Missing) {
        self.unknown.insert(missing);
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }

    fn load_account(&mut self, address: Address) -> Result<(), DbError> {
        if self.fetch_bulk()? && self.accounts.contains_key(&address) {
            return Ok(());
        }
        let (info, whole) = match &self.source {
            // Without a source the state is whole: what is absent does not exist.
            None => (None, true),
            Some(source) => match source.account(address, self.at)? {
                Known::Value(state) => {
                    let absent = state.is_none();
                    (state.map(|state| self.info(state)), absent)
                }
                Known::Unknown => {
                    self.note_missing(Missing::Account(address));
                    (None, false)
                }
            },
        };
        let used = self.at.number.0;
        self.accounts.insert(address, Entry { info, storage: StorageKeyMap::default(), whole, used });
        Ok(())
    }

    fn load_slot(&mut self, address: Address, slot: U256) -> Result<U256, DbError> {
        if self.fetch_bulk()?
            && let Some(value) = self.known_slot(address, slot)
        {
            return Ok(value);
        }
        let value = match &self.source {
            None => U256::ZERO,
            Some(source) => match source.slot(address, slot, self.at)? {
                Known::Value(value) => value,
                Known::Unknown => {
                    self.note_missing(Missing::Slot(address, slot));
                    U256::ZERO
                }
            },
        };
        if let Some(entry) = self.accounts.get_mut(&address) {
            entry.storage.insert(slot, value);
            self.slots = self.slots.saturating_add(1);
        }
        Ok(value)
    }
}

impl Database for State {
    type Error = DbError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DbError> {
        if let Some(entry) = self.accounts.get(&address) {
            return Ok(entry.info.clone());
        }
        self.load_account(address)?;
        Ok(self.accounts.get(&address).and_then(|entry| entry.info.clone()))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, DbError> {
        Ok(self.codes.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, DbError> {
        if let Some(value) = self.known_slot(address, index) {
            return Ok(value);
        }
        self.load_slot(address, index)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, DbError> {
        if let Some(hash) = self.block_hashes.get(&number) {
            return Ok(*hash);
        }
        let Some(source) = &self.source else { return Ok(B256::ZERO) };
        let hash = match source.block_hash(BlockNumber(number))? {
            Known::Value(hash) => hash,
            Known::Unknown => {
                self.note_missing(Missing::BlockHash(BlockNumber(number)));
                B256::ZERO
            }
        };
        self.block_hashes.insert(number, hash);
        Ok(hash)
    }
}

/// `HashMap::try_insert` is unstable.
trait InsertAbsent {
    fn try_insert_absent(&mut self, slot: U256, value: U256) -> bool;
}

impl InsertAbsent for StorageKeyMap<U256> {
    fn try_insert_absent(&mut self, slot: U256, value: U256) -> bool {
        match self.entry(slot) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(value);
                true
            }
        }
    }
}
