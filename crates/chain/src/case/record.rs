//! Writes cases from a node: whole blocks with all the state that they read, to be run again offline.
//!
//! Needs a node that traces blocks. What it records was true on the chain; it must never fill a gap with a guess.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use cofferdam_types::{AccessListItem, Block, BlockNumber, BlockRef, Header, PreState};

use super::{Case, CaseAccount, CaseError, Env};
use crate::node::Node;
use crate::state;

/// How far back `BLOCKHASH` reads.
const HASHES: u64 = 256;

/// Records blocks of one node, keeping what neighbouring blocks share.
pub struct Recorder {
    node: Node,
    hashes: BTreeMap<u64, B256>,
}

impl Recorder {
    /// A recorder of `node`.
    pub fn new(node: Node) -> Self {
        Self { node, hashes: BTreeMap::new() }
    }

    /// Records canonical block `number`.
    ///
    /// * `spec`: names the hard fork that the block ran under, as revm does
    ///
    /// # Errors
    /// [`CaseError::Record`] when the node does not have the block or cannot trace it.
    pub async fn block(
        &mut self,
        number: BlockNumber,
        spec: impl FnOnce(&Header) -> String,
    ) -> Result<Case, CaseError> {
        let failed = |reason: String| CaseError::Record { number, reason };
        let block = self.node.block(number).await.map_err(|error| failed(error.to_string()))?;
        let block = block.ok_or_else(|| failed("no endpoint has it".to_owned()))?;
        let parent = block.header.parent_ref().ok_or_else(|| failed("it has no parent".to_owned()))?;
        let untold = |error| {
            failed(format!("{error}; recording needs a node that traces blocks and keeps the state before them"))
        };
        let pre = self.prestate(&block, parent).await.map_err(untold)?;
        let block_hashes = self.hashes_before(&block.header).await.map_err(|error| failed(error.to_string()))?;
        let spec = spec(&block.header);
        Ok(Case {
            name: format!("chain-{}-block-{number}", self.node.chain_id()),
            chain_id: self.node.chain_id().0,
            env: env_of(&block.header, &spec),
            spec,
            block_hashes,
            pre: accounts_of(pre),
            transactions: block.transactions,
            expected_gas_used: Some(block.header.gas_used),
        })
    }

    async fn prestate(&self, block: &Block, parent: BlockRef) -> Result<PreState, crate::RequestError> {
        let (hash, transactions) = (block.header.hash, &block.transactions);
        let traced = if transactions.is_empty() {
            PreState::default()
        } else {
            let traced =
                self.node.attempt(|endpoint| async move { state::block_prestate(&endpoint, hash, transactions).await });
            traced.await?.value
        };
        // Tracers leave out accounts that a transaction touches without reading, such as the fee recipient.
        let mut absent: BTreeSet<Address> = [block.header.beneficiary].into();
        for transaction in transactions {
            absent.insert(transaction.from);
            absent.extend(transaction.to);
            absent.extend(transaction.authorizations.iter().filter_map(|signed| signed.authority));
        }
        for account in &traced.accounts {
            absent.remove(&account.address);
        }
        let keys: Vec<AccessListItem> =
            absent.into_iter().map(|address| AccessListItem { address, slots: Vec::new() }).collect();
        let keys = &keys;
        let rest = self.node.attempt(|endpoint| async move { state::keys_of(&endpoint, keys, parent).await }).await?;
        let mut merged = state::Merged::default();
        merged.add(traced);
        merged.add(rest.value);
        Ok(merged.finish())
    }

    async fn hashes_before(&mut self, header: &Header) -> Result<BTreeMap<u64, B256>, crate::RequestError> {
        let Some(last) = header.number.0.checked_sub(1) else { return Ok(BTreeMap::new()) };
        let first = header.number.0.saturating_sub(HASHES);
        // Hashes of another branch are of no use: the parent's own tells.
        if self.hashes.get(&last) != Some(&header.parent_hash) {
            let known = self.hashes.last_key_value().filter(|(known, _)| **known < last).map(|(known, _)| *known);
            let from = known.map_or(first, |known| known.saturating_add(1).max(first));
            for seen in self.node.headers(BlockNumber(from), BlockNumber(last)).await? {
                self.hashes.insert(seen.number.0, seen.hash);
            }
        }
        self.hashes = self.hashes.split_off(&first);
        Ok(self.hashes.range(first..=last).map(|(number, hash)| (*number, *hash)).collect())
    }
}

fn env_of(header: &Header, spec: &str) -> Env {
    // Since Prague each block begins by storing its parent's hash (EIP-2935).
    let keeps_hashes = header.parent_beacon_block_root.is_some() && !spec.eq_ignore_ascii_case("cancun");
    Env {
        number: header.number.0,
        coinbase: header.beneficiary,
        timestamp: header.timestamp,
        gas_limit: header.gas_limit,
        basefee: header.base_fee.unwrap_or(0),
        difficulty: header.difficulty,
        prevrandao: header.prev_randao,
        excess_blob_gas: header.excess_blob_gas,
        beacon_root: header.parent_beacon_block_root,
        parent_hash_sys: keeps_hashes.then_some(header.parent_hash),
        bfraction: None,
    }
}

fn accounts_of(prestate: PreState) -> BTreeMap<Address, CaseAccount> {
    let mut accounts = BTreeMap::new();
    for account in prestate.accounts {
        // Slots of an account that does not exist are all zero, which is what its absence says.
        if let Some(state) = account.state {
            accounts.insert(account.address, CaseAccount { state, storage: account.slots.into_iter().collect() });
        }
    }
    accounts
}
