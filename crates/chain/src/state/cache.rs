//! What was fetched lately, by block. Bounded: the oldest block goes first.

use std::collections::VecDeque;

use alloy_primitives::map::{HashMap, HashSet};
use alloy_primitives::{Address, B256, U256};
use cofferdam_types::{AccountState, BlockRef, PreState};

/// Blocks kept: the head, and those that are executed while the node moves on.
const BLOCKS: usize = 4;
/// Values kept of one block; beyond that the block is forgotten, which costs time and nothing else.
const VALUES: usize = 500_000;

#[derive(Default)]
pub(super) struct Cache {
    blocks: VecDeque<(BlockRef, Values)>,
}

#[derive(Default)]
struct Values {
    accounts: HashMap<Address, Option<AccountState>>,
    slots: HashMap<(Address, U256), U256>,
    whole: HashSet<B256>,
}

impl Cache {
    pub(super) fn account(&self, at: BlockRef, address: Address) -> Option<Option<AccountState>> {
        self.of(at)?.accounts.get(&address).cloned()
    }

    pub(super) fn slot(&self, at: BlockRef, address: Address, slot: U256) -> Option<U256> {
        self.of(at)?.slots.get(&(address, slot)).copied()
    }

    pub(super) fn put_slot(&mut self, at: BlockRef, address: Address, slot: U256, value: U256) {
        self.of_mut(at).slots.insert((address, slot), value);
    }

    /// Whether all that `hash` reads on `at` is here.
    pub(super) fn has(&self, at: BlockRef, hash: B256) -> bool {
        self.of(at).is_some_and(|values| values.whole.contains(&hash))
    }

    /// Takes in all that the transaction or block `hash` reads on `at`; zero for a part of it.
    pub(super) fn absorb(&mut self, at: BlockRef, hash: B256, fetched: &PreState) {
        let values = self.of_mut(at);
        if !hash.is_zero() {
            values.whole.insert(hash);
        }
        for account in &fetched.accounts {
            values.accounts.entry(account.address).or_insert_with(|| account.state.clone());
            for (slot, value) in &account.slots {
                values.slots.entry((account.address, *slot)).or_insert(*value);
            }
        }
    }

    fn of(&self, at: BlockRef) -> Option<&Values> {
        self.blocks.iter().find(|(block, _)| *block == at).map(|(_, values)| values)
    }

    fn of_mut(&mut self, at: BlockRef) -> &mut Values {
        let size = |values: &Values| values.accounts.len().saturating_add(values.slots.len());
        self.blocks.retain(|(block, values)| *block != at || size(values) < VALUES);
        let index = match self.blocks.iter().position(|(block, _)| *block == at) {
            Some(index) => index,
            None => {
                if self.blocks.len() >= BLOCKS {
                    self.blocks.pop_front();
                }
                self.blocks.push_back((at, Values::default()));
                self.blocks.len().saturating_sub(1)
            }
        };
        &mut self.blocks[index].1
    }
}
