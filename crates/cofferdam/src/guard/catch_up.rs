//! Which of the blocks far behind the head are worth executing, found out from the state between them.
//!
//! Receipts show what was logged and what was sent along with a transaction. What else may have happened to a watched
//! account shows in the state between two blocks: its native balance beside what the receipts explain, its nonce, its
//! code, and the slots of EIP-1967. Where that does not fit, the stretch is halved until the blocks are found.
//!
//! Nothing here is executed or judged. What cannot be seen this way: native coin that left and came back within one
//! stretch to the last wei, and writes to other slots that no event shows, unless the watched account was called without
//! leaving any event.

use std::collections::HashMap;

use cofferdam_types::primitives::{Address, B256, U256, b256};
use cofferdam_types::{AccessListItem, Block, BlockRef, PreState, Receipt, StateError, StateSource, Watchlist};

/// Wei of a gwei, the unit of withdrawals.
const GWEI: u64 = 1_000_000_000;

/// Where proxies keep implementation, admin and beacon (EIP-1967).
const PROXY_SLOTS: [B256; 3] = [
    b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"),
    b256!("b53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103"),
    b256!("a3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50"),
];

/// Compares the watched accounts' state between blocks.
pub(super) struct Audit<'a> {
    pub(super) source: &'a dyn StateSource,
    pub(super) watch: &'a Watchlist,
    /// What is compared: [`keys`].
    pub(super) keys: &'a [AccessListItem],
    /// The state after the last stretch, which is that before the next.
    pub(super) known: &'a mut Option<(BlockRef, PreState)>,
}

/// The accounts of `watch` with their proxy slots.
pub(super) fn keys(watch: &Watchlist) -> Vec<AccessListItem> {
    let mut accounts: Vec<Address> = watch.modules().iter().flat_map(|module| module.contracts.clone()).collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts.into_iter().map(|address| AccessListItem { address, slots: PROXY_SLOTS.to_vec() }).collect()
}

impl Audit<'_> {
    /// Whether each of `blocks`, a piece of one chain, holds something that its receipts do not show.
    ///
    /// # Errors
    /// [`StateError`] when the state between them is not to be had.
    pub(super) fn unexplained(&mut self, blocks: &[Block]) -> Result<Vec<bool>, StateError> {
        let mut marked = self.silent_calls(blocks);
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(marked) };
        if let Some(parent) = first.header.parent_ref().filter(|_| !self.keys.is_empty()) {
            let before = match self.known.take() {
                Some((at, state)) if at == parent => state,
                Some(_) | None => self.state(parent)?,
            };
            let after = self.state(last.header.block_ref())?;
            self.search(blocks, &before, &after, &mut marked)?;
            *self.known = Some((last.header.block_ref(), after));
        }
        Ok(marked)
    }

    /// Blocks that call a watched account without leaving an event are marked even where nothing else can be compared.
    pub(super) fn silent_calls(&self, blocks: &[Block]) -> Vec<bool> {
        blocks.iter().map(|block| self.is_silent_call(block)).collect()
    }

    fn is_silent_call(&self, block: &Block) -> bool {
        let silent = |receipt: &Receipt| receipt.success != Some(false) && receipt.logs.is_empty();
        block.transactions.iter().zip(&block.receipts).any(|(transaction, receipt)| {
            !transaction.input.is_empty() && transaction.to.is_some_and(|to| self.watch.contains(to)) && silent(receipt)
        })
    }

    fn state(&self, at: BlockRef) -> Result<PreState, StateError> {
        self.source.keys(self.keys, at)
    }

    fn search(
        &self,
        blocks: &[Block],
        before: &PreState,
        after: &PreState,
        marked: &mut [bool],
    ) -> Result<(), StateError> {
        if self.is_explained(blocks, before, after) {
            return Ok(());
        }
        if let ([_], [only]) = (blocks, &mut *marked) {
            *only = true;
            return Ok(());
        }
        let half = blocks.len() / 2;
        let (older, newer) = blocks.split_at(half);
        let (older_marks, newer_marks) = marked.split_at_mut(half);
        let Some(middle) = older.last() else { return Ok(()) };
        let between = self.state(middle.header.block_ref())?;
        self.search(older, before, &between, older_marks)?;
        self.search(newer, &between, after, newer_marks)
    }

    fn is_explained(&self, blocks: &[Block], before: &PreState, after: &PreState) -> bool {
        let Some(received) = self.received(blocks) else { return false };
        let same_keys = before.accounts.len() == self.keys.len() && after.accounts.len() == self.keys.len();
        same_keys
            && before.accounts.iter().zip(&after.accounts).all(|(before, after)| {
                let (old, new) = (before.state.clone().unwrap_or_default(), after.state.clone().unwrap_or_default());
                let gain = received.get(&before.address).copied().unwrap_or_default();
                before.slots == after.slots
                    && old.code == new.code
                    && old.nonce == new.nonce
                    && old.balance.checked_add(gain) == Some(new.balance)
            })
    }

    /// The native coin that watched accounts were sent by transactions and withdrawals; `None` where receipts are not
    /// all there, or a watched account itself pays fees.
    fn received(&self, blocks: &[Block]) -> Option<HashMap<Address, U256>> {
        let mut received: HashMap<Address, U256> = HashMap::new();
        let mut add = |to: Address, wei: U256| {
            let sum = received.entry(to).or_default();
            *sum = sum.saturating_add(wei);
        };
        for block in blocks {
            if block.receipts.len() != block.transactions.len() {
                return None;
            }
            for (transaction, receipt) in block.transactions.iter().zip(&block.receipts) {
                if self.watch.contains(transaction.from) {
                    return None;
                }
                let to = transaction.to.or(receipt.created).filter(|to| self.watch.contains(*to));
                if let Some(to) = to.filter(|_| receipt.success != Some(false)) {
                    add(to, transaction.value);
                }
            }
            for withdrawal in block.withdrawals.iter().filter(|withdrawal| self.watch.contains(withdrawal.address)) {
                add(withdrawal.address, U256::from(withdrawal.amount_gwei).saturating_mul(U256::from(GWEI)));
            }
        }
        Some(received)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test may panic")]

    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use cofferdam_types::primitives::Bytes;
    use cofferdam_types::{AccountState, Asset, BlockNumber, Header, Known, Module, ModuleId, Transaction, Withdrawal};
    use proptest::prelude::*;

    use super::*;

    const VAULT: Address = Address::repeat_byte(0xaa);

    /// The vault's state after each block.
    #[derive(Default)]
    struct States {
        after: BTreeMap<u64, (AccountState, U256)>,
        asked: Mutex<Vec<u64>>,
    }

    impl StateSource for States {
        fn account(&self, _: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
            self.asked.lock().unwrap().push(at.number.0);
            let gone = || StateError::Unavailable { at: at.number, reason: "pruned".to_owned() };
            self.after.get(&at.number.0).map(|(state, _)| Known::Value(Some(state.clone()))).ok_or_else(gone)
        }

        fn slot(&self, _: Address, _: U256, at: BlockRef) -> Result<Known<U256>, StateError> {
            Ok(Known::Value(self.after.get(&at.number.0).map(|(_, slot)| *slot).unwrap_or_default()))
        }

        fn block_hash(&self, _: BlockNumber) -> Result<Known<B256>, StateError> {
            Ok(Known::Unknown)
        }

        fn prestate(&self, _: &Transaction, _: BlockRef) -> Result<PreState, StateError> {
            Ok(PreState::default())
        }

        fn block_prestate(&self, _: &Block) -> Result<PreState, StateError> {
            Ok(PreState::default())
        }
    }

    /// What happened to the vault in one block.
    #[derive(Clone, Copy, Debug, Default)]
    struct Happened {
        /// Sent along with a transaction.
        sent: u64,
        /// Sent along with a transaction that failed.
        failed: u64,
        withdrawn_gwei: u64,
        /// Left by a call from an unwatched contract.
        stolen: u64,
        upgraded: bool,
        silent: bool,
    }

    fn chain(happened: &[Happened]) -> (Vec<Block>, States) {
        let mut states = States::default();
        let mut state = AccountState { balance: U256::from(1_000_000), nonce: 1, code: Bytes::from_static(&[1]) };
        let mut slot = U256::ZERO;
        states.after.insert(0, (state.clone(), slot));
        let mut blocks = Vec::new();
        for (number, one) in (1_u64..).zip(happened) {
            let hash = |number: u64| B256::with_last_byte(number as u8);
            let header = Header {
                number: BlockNumber(number),
                hash: hash(number),
                parent_hash: hash(number - 1),
                ..Header::default()
            };
            let call = |value: u64, to: Address, input: &'static [u8]| Transaction {
                to: Some(to),
                value: U256::from(value),
                input: Bytes::from_static(input),
                ..Transaction::default()
            };
            let receipt = |success: bool| Receipt { success: Some(success), ..Receipt::default() };
            let mut block = Block { header, ..Block::default() };
            block.transactions.extend([call(one.sent, VAULT, &[]), call(one.failed, VAULT, &[])]);
            block.receipts.extend([receipt(true), receipt(false)]);
            block.transactions.push(call(0, Address::repeat_byte(9), &[1, 2, 3, 4]));
            block.receipts.push(receipt(true));
            if one.silent {
                block.transactions.push(call(0, VAULT, &[1, 2, 3, 4]));
                block.receipts.push(receipt(true));
            }
            block.withdrawals.push(Withdrawal { address: VAULT, amount_gwei: one.withdrawn_gwei });
            let gain = U256::from(one.sent) + U256::from(one.withdrawn_gwei) * U256::from(GWEI);
            state.balance = state.balance + gain - U256::from(one.stolen);
            slot += U256::from(u8::from(one.upgraded));
            states.after.insert(number, (state.clone(), slot));
            blocks.push(block);
        }
        (blocks, states)
    }

    fn marks(happened: &[Happened]) -> (Result<Vec<bool>, StateError>, usize) {
        let (blocks, states) = chain(happened);
        let found = with(&states, |audit| audit.unexplained(&blocks));
        (found, states.asked.into_inner().unwrap().len())
    }

    fn with<T>(states: &States, work: impl FnOnce(&mut Audit<'_>) -> T) -> T {
        let module =
            Module { id: ModuleId::new("vault").unwrap(), contracts: vec![VAULT], assets: vec![Asset::Native] };
        let watch = Watchlist::new(vec![module]);
        work(&mut Audit { source: states, watch: &watch, keys: &keys(&watch), known: &mut None })
    }

    #[test]
    fn a_quiet_stretch_costs_one_question_and_the_first_one_two() {
        let busy = Happened { sent: 5, failed: 7, withdrawn_gwei: 3, ..Happened::default() };
        let (blocks, states) = chain(&[busy; 64]);
        let found = with(&states, |audit| {
            let (older, newer) = blocks.split_at(32);
            [audit.unexplained(older).unwrap(), audit.unexplained(newer).unwrap()].concat()
        });
        assert_eq!(found, [false; 64]);
        assert_eq!(*states.asked.lock().unwrap(), [0, 32, 64]);
    }

    #[test]
    fn a_block_that_cannot_be_reached_any_more_is_an_error_and_no_all_clear() {
        let (blocks, mut states) = chain(&[Happened::default(); 4]);
        states.after.remove(&0);
        assert!(with(&states, |audit| audit.unexplained(&blocks)).is_err());
        assert_eq!(with(&states, |audit| audit.silent_calls(&blocks)), [false; 4]);
    }

    #[test]
    fn a_block_without_its_receipts_explains_nothing() {
        let (mut blocks, states) = chain(&[Happened::default(); 4]);
        blocks[2].receipts.clear();
        let found = with(&states, |audit| audit.unexplained(&blocks)).unwrap();
        assert_eq!(found, [false, false, true, false]);
    }

    proptest! {
        #[test]
        fn exactly_the_blocks_that_hide_something_are_found(
            blocks in proptest::collection::vec((0_u64..50, 0_u64..50, 0_u64..3, 0_u8..24), 1..40),
        ) {
            let happened: Vec<Happened> = blocks
                .into_iter()
                .map(|(sent, failed, withdrawn_gwei, trick)| Happened {
                    sent,
                    failed,
                    withdrawn_gwei,
                    stolen: u64::from(trick == 0) * 17,
                    upgraded: trick == 1,
                    silent: trick == 2,
                })
                .collect();
            let hides = |one: &Happened| one.stolen > 0 || one.upgraded || one.silent;
            let expected: Vec<bool> = happened.iter().map(hides).collect();
            prop_assert_eq!(marks(&happened).0.unwrap(), expected);
        }
    }
}
