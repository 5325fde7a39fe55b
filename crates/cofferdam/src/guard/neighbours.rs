//! Which pending transactions of others come before one and touch the same state.
//!
//! A block takes what pays more first. What a transaction does alone on the head may be nothing, and harm after another
//! that is mined before it: so what was called and written when each was tried is remembered, by contract. Contracts that
//! half the mempool writes (a large token, a router) tell nothing and are passed over, unless they are protected. It must
//! stay a small part of the work: what is kept of each transaction and of each contract is bounded.

use std::collections::HashMap;

use cofferdam_types::primitives::{Address, B256};
use cofferdam_types::{Execution, Watchlist};

/// Contracts remembered of one transaction that it called, and that it wrote to.
const MOST_CALLED: usize = 32;
const MOST_WRITTEN: usize = 16;
/// Transactions remembered of one contract.
const MOST_OF_CONTRACT: usize = 64;
/// A contract that more pending transactions write to is everybody's.
const BUSY: usize = 16;

/// What one pending transaction called and wrote to when it was tried last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    calls: Box<[Address]>,
    writes: Box<[Address]>,
}

impl Footprint {
    pub(super) fn of(execution: &Execution, watch: &Watchlist) -> Self {
        let effects = &execution.effects;
        // What failed counts too: it may run after another.
        let calls = effects.calls.iter().flat_map(|call| [call.callee, call.code_address]);
        let writes = effects.writes.iter().map(|write| write.address);
        let created = effects.code_changes.iter().map(|change| change.address);
        Self { calls: few(calls, watch, MOST_CALLED), writes: few(writes.chain(created), watch, MOST_WRITTEN) }
    }
}

/// The first `most` of `accounts`, those that are protected before all others: calls of nothing push them out otherwise.
fn few(accounts: impl Iterator<Item = Address> + Clone, watch: &Watchlist, most: usize) -> Box<[Address]> {
    let protected = accounts.clone().filter(|account| watch.contains(*account));
    let mut kept: Vec<Address> = Vec::new();
    for account in protected.chain(accounts) {
        if kept.len() >= most {
            break;
        }
        if !kept.contains(&account) {
            kept.push(account);
        }
    }
    kept.into()
}

/// Pending transactions by the contracts that they call and write to.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    writers: HashMap<Address, Vec<B256>>,
    callers: HashMap<Address, Vec<B256>>,
}

impl Neighbours {
    pub(super) fn add(&mut self, hash: B256, footprint: &Footprint) {
        for (index, contracts) in [(&mut self.writers, &footprint.writes), (&mut self.callers, &footprint.calls)] {
            for contract in contracts {
                let known = index.entry(*contract).or_default();
                if known.len() < MOST_OF_CONTRACT && !known.contains(&hash) {
                    known.push(hash);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, hash: B256, footprint: &Footprint) {
        for (index, contracts) in [(&mut self.writers, &footprint.writes), (&mut self.callers, &footprint.calls)] {
            for contract in contracts {
                if let Some(known) = index.get_mut(contract) {
                    known.retain(|other| *other != hash);
                    if known.is_empty() {
                        index.remove(contract);
                    }
                }
            }
        }
    }

    /// Those that write what `footprint` calls.
    pub(super) fn writers_of(&self, footprint: &Footprint, watch: &Watchlist) -> Vec<B256> {
        self.shared(&self.writers, &footprint.calls, watch)
    }

    /// Those that call what `footprint` writes.
    pub(super) fn callers_of(&self, footprint: &Footprint, watch: &Watchlist) -> Vec<B256> {
        self.shared(&self.callers, &footprint.writes, watch)
    }

    fn shared(&self, index: &HashMap<Address, Vec<B256>>, contracts: &[Address], watch: &Watchlist) -> Vec<B256> {
        let is_telling = |contract: &&Address| {
            watch.contains(**contract) || self.writers.get(*contract).is_none_or(|writers| writers.len() <= BUSY)
        };
        let found = contracts.iter().filter(is_telling).filter_map(|contract| index.get(contract)).flatten();
        let mut found: Vec<B256> = found.copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::as_conversions, clippy::unwrap_used, reason = "small numbers in tests")]

    use cofferdam_types::{Module, ModuleId};

    use super::*;

    const SHARED: Address = Address::with_last_byte(1);
    const TOKEN: Address = Address::with_last_byte(2);
    const VAULT: Address = Address::with_last_byte(3);

    fn writes(contract: Address) -> Footprint {
        Footprint { calls: Box::new([contract]), writes: Box::new([contract]) }
    }

    fn watch() -> Watchlist {
        let id = ModuleId::new("vault").unwrap();
        Watchlist::new(vec![Module { id, contracts: vec![VAULT], assets: Vec::new() }])
    }

    #[test]
    fn what_writes_the_called_contract_is_found_until_it_leaves() {
        let mut neighbours = Neighbours::default();
        let (first, second) = (B256::with_last_byte(1), B256::with_last_byte(2));
        neighbours.add(first, &writes(SHARED));
        neighbours.add(second, &writes(TOKEN));
        assert_eq!(neighbours.writers_of(&writes(SHARED), &watch()), [first]);
        assert_eq!(neighbours.callers_of(&writes(TOKEN), &watch()), [second]);
        neighbours.remove(first, &writes(SHARED));
        neighbours.remove(second, &writes(TOKEN));
        assert!(neighbours.writers.is_empty() && neighbours.callers.is_empty());
    }

    #[test]
    fn what_everybody_writes_tells_nothing_unless_it_is_protected_and_memory_is_bounded() {
        let mut neighbours = Neighbours::default();
        for number in 0..200_u8 {
            neighbours.add(B256::with_last_byte(number), &writes(TOKEN));
            neighbours.add(B256::with_last_byte(number), &writes(VAULT));
        }
        assert!(neighbours.writers_of(&writes(TOKEN), &watch()).is_empty());
        assert_eq!(neighbours.writers_of(&writes(VAULT), &watch()).len(), MOST_OF_CONTRACT);
        let many = few((100..250_u8).chain([3]).map(Address::with_last_byte), &watch(), MOST_WRITTEN);
        assert_eq!(many.len(), MOST_WRITTEN);
        assert_eq!(many[0], VAULT, "what is protected is kept, however much comes before it");
    }
}
