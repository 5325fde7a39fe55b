//! What is known of the mempool, without any I/O: who replaces whom, what was mined, what had to be forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use alloy_primitives::map::{HashMap, HashSet};
use alloy_primitives::{Address, B256};
use cofferdam_types::{Block, BlockRef, PendingTx, PendingUpdate, Transaction, UnixMillis};

/// Blocks whose transactions are remembered as mined, so that a late announcement does not bring them back.
const MINED_BLOCKS: usize = 64;

#[derive(Debug)]
pub(super) struct Known {
    limit: usize,
    by_hash: HashMap<B256, Entry>,
    by_slot: BTreeMap<(Address, u64), B256>,
    /// In the order of arrival, or of the last confirmation.
    by_age: BTreeMap<u64, B256>,
    next_age: u64,
    mined: VecDeque<(BlockRef, HashSet<B256>)>,
}

#[derive(Debug)]
struct Entry {
    slot: (Address, u64),
    age: u64,
}

impl Known {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            by_hash: HashMap::default(),
            by_slot: BTreeMap::new(),
            by_age: BTreeMap::new(),
            next_age: 0,
            mined: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// `None` when it is nothing new.
    pub(super) fn add(&mut self, transaction: Transaction, first_seen: UnixMillis) -> Option<PendingUpdate> {
        let hash = transaction.hash;
        if self.by_hash.contains_key(&hash) || self.mined.iter().any(|(_, hashes)| hashes.contains(&hash)) {
            return None;
        }
        let slot = (transaction.from, transaction.nonce);
        let old = self.by_slot.get(&slot).copied();
        if let Some(old) = old {
            self.remove(old);
        }
        let age = self.age();
        self.by_hash.insert(hash, Entry { slot, age });
        self.by_slot.insert(slot, hash);
        self.by_age.insert(age, hash);
        self.evict();
        let new = PendingTx { transaction: Arc::new(transaction), first_seen };
        Some(match old {
            Some(old) => PendingUpdate::Replaced { old, new },
            None => PendingUpdate::Added(new),
        })
    }

    /// As [`Self::add`], for what may be out of date: it never takes the place of another.
    pub(super) fn add_standing(&mut self, transaction: Transaction, first_seen: UnixMillis) -> Option<PendingUpdate> {
        if self.by_slot.contains_key(&(transaction.from, transaction.nonce)) {
            return None;
        }
        self.add(transaction, first_seen)
    }

    /// Forgets what is not in `shown`.
    pub(super) fn retain(&mut self, shown: &HashSet<B256>) -> Vec<PendingUpdate> {
        let gone: Vec<B256> = self.by_age.values().copied().filter(|hash| !shown.contains(hash)).collect();
        self.drop_all(gone)
    }

    pub(super) fn oldest(&self, count: usize) -> Vec<B256> {
        self.by_age.values().take(count).copied().collect()
    }

    /// Of those `asked` for, forgets the `missing` and makes the others the youngest.
    pub(super) fn confirm(&mut self, asked: &[B256], missing: &HashSet<B256>) -> Vec<PendingUpdate> {
        for hash in asked.iter().filter(|hash| !missing.contains(*hash)) {
            let age = self.age();
            if let Some(entry) = self.by_hash.get_mut(hash) {
                self.by_age.remove(&entry.age);
                entry.age = age;
                self.by_age.insert(age, *hash);
            }
        }
        let gone = asked.iter().copied().filter(|hash| missing.contains(hash) && self.by_hash.contains_key(hash));
        let gone = gone.collect();
        self.drop_all(gone)
    }

    pub(super) fn mined(&mut self, block: &Block) -> Vec<PendingUpdate> {
        let mut gone = Vec::new();
        for transaction in &block.transactions {
            self.remove(transaction.hash);
            let used = (transaction.from, 0)..=(transaction.from, transaction.nonce);
            gone.extend(self.by_slot.range(used).map(|(_, hash)| *hash));
        }
        let carried = block.transactions.iter().map(|transaction| transaction.hash).collect();
        self.mined.push_back((block.header.block_ref(), carried));
        if self.mined.len() > MINED_BLOCKS {
            self.mined.pop_front();
        }
        // A sender's transactions of one block each find the same leftovers: those are told once.
        let gone: Vec<B256> = gone.into_iter().filter(|hash| self.remove(*hash)).collect();
        gone.into_iter().map(|hash| PendingUpdate::Dropped { hash }).collect()
    }

    pub(super) fn unmined(&mut self, dropped: &[BlockRef]) {
        self.mined.retain(|(block, _)| !dropped.contains(block));
    }

    fn age(&mut self) -> u64 {
        let age = self.next_age;
        self.next_age = self.next_age.saturating_add(1);
        age
    }

    fn drop_all(&mut self, gone: Vec<B256>) -> Vec<PendingUpdate> {
        gone.into_iter()
            .map(|hash| {
                self.remove(hash);
                PendingUpdate::Dropped { hash }
            })
            .collect()
    }

    fn remove(&mut self, hash: B256) -> bool {
        let Some(entry) = self.by_hash.remove(&hash) else { return false };
        self.by_age.remove(&entry.age);
        if self.by_slot.get(&entry.slot) == Some(&hash) {
            self.by_slot.remove(&entry.slot);
        }
        true
    }

    fn evict(&mut self) {
        while self.by_hash.len() > self.limit {
            let Some((_, oldest)) = self.by_age.first_key_value() else { return };
            self.remove(*oldest);
            metrics::counter!("cofferdam_mempool_evicted_total").increment(1);
        }
    }
}
