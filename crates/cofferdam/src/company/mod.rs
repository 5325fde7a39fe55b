//! Who belongs to whom, as far as this process has seen: who made a contract, who sent an account its first coin, which
//! contracts everybody uses, and where money goes after something was flagged.
//!
//! ```text
//! mined execution ─▶ learn ─▶ makers, users, funders, holders of what was taken
//! finding ─▶ trail: when, stage, score, party      ─▶ what it ties findings by is on the record with the finding
//!         └▶ money: funding by a listed party, what was taken moves on ─▶ notices of their own
//! ```
//! What is remembered is lost with the process; what it said of a finding is on the record. A party never holds a
//! protected contract, a listed exchange, mixer, bridge or service, or a contract that strangers use: they would tie
//! everything to everything.
//!
//! Must never decide what a transaction means, nor be a part of a finding's identity.

mod money;
mod trail;

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use cofferdam_types::primitives::{Address, B256, KECCAK256_EMPTY, U256};
use cofferdam_types::{
    Asset, BlockRef, Execution, LabelCategory, ModuleId, Score, Stage, UnixMillis, Verdict, Watchlist,
};

use crate::labels::Labels;

/// Who speaks here, beside the detectors of the catalogue and what the record combines.
pub(crate) const SPEAKS: [&str; 3] = [money::FUNDING, money::LAUNDERING, "combined"];

/// Accounts and contracts remembered of each kind; the oldest are forgotten first.
const MOST: usize = 50_000;
/// A contract that this many others than its maker used without being flagged is everybody's.
const STRANGERS: usize = 4;
/// Whoever sent a first coin to this many accounts is a place that gives coin to everybody.
const FED: u32 = 8;
/// Before its transaction of this number, an account is young: who sent it its first coin means something.
const YOUNG: u64 = 16;

/// Where an account had its first coin from.
#[derive(Clone, Copy, Debug)]
struct Funding {
    from: Address,
    transaction: B256,
    at: UnixMillis,
    block: BlockRef,
}

/// A contract whose creation was seen.
#[derive(Clone, Debug)]
struct Made {
    by: Address,
    block: BlockRef,
    /// Others that used it without being flagged, each with the block in which it was seen first.
    strangers: Vec<(Address, BlockRef)>,
}

/// Somebody who has, or passed on, what was taken.
#[derive(Clone, Debug)]
struct Holder {
    module: ModuleId,
    /// The transaction in which it was taken.
    origin: B256,
    /// How many hands it went through since.
    hops: u32,
    /// What was lost there and how much of it, and what this one made of it: of that, any amount.
    assets: Vec<(Asset, U256)>,
    /// Blocks of the transactions that have been told already.
    told: Vec<BlockRef>,
    /// When it was taken, not when it came here.
    since: UnixMillis,
    block: BlockRef,
}

/// A map that forgets its oldest entries.
#[derive(Debug)]
struct Recent<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    fn new() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }

    /// Adds what is not known yet. True when it was not.
    fn add(&mut self, key: K, value: V) -> bool {
        if self.entries.contains_key(&key) {
            return false;
        }
        self.entries.insert(key, value);
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        true
    }

    fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries.retain(|_, value| keep(value));
        let entries = &self.entries;
        self.order.retain(|key| entries.contains_key(key));
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Company {
    watch: Arc<Watchlist>,
    labels: Arc<Labels>,
    /// Stage and score of each detector.
    declared: HashMap<String, (Stage, Score)>,
    funded: Recent<Address, Funding>,
    /// How many accounts had their first coin from it.
    fed: Recent<Address, u32>,
    made: Recent<Address, Made>,
    holders: Recent<Address, Holder>,
    /// Blocks of the transactions that were told of what was taken in one transaction.
    followed: Recent<B256, Vec<BlockRef>>,
}

impl Company {
    /// Nobody is known but who is listed.
    pub(crate) fn new(watch: Arc<Watchlist>, labels: Arc<Labels>) -> Self {
        let infos = cofferdam_detect::catalog::infos();
        let declared = infos.into_iter().map(|info| (info.id.clone(), (info.stage, info.score()))).collect();
        Self {
            watch,
            labels,
            declared,
            funded: Recent::new(),
            fed: Recent::new(),
            made: Recent::new(),
            holders: Recent::new(),
            followed: Recent::new(),
        }
    }

    /// Takes a mined execution in, after it was judged, in block order.
    pub(crate) fn learn(&mut self, execution: &Execution, verdict: &Verdict) {
        let effects = &execution.effects;
        if !effects.outcome.succeeded() {
            return;
        }
        let (sender, block) = (execution.transaction.from, execution.block.block_ref());
        for change in effects.code_changes.iter().filter(|change| change.new != KECCAK256_EMPTY) {
            if change.creator.is_some() {
                self.made.add(change.address, Made { by: sender, block, strangers: Vec::new() });
            }
        }
        if let Some(entry) = execution.transaction.to
            && verdict.findings.is_empty()
            && let Some(made) = self.made.entries.get_mut(&entry)
            && made.by != sender
            && made.strangers.len() < STRANGERS
            && !made.strangers.iter().any(|(known, _)| *known == sender)
        {
            made.strangers.push((sender, block));
        }
        let at = time_of(execution);
        for moved in effects.movements.iter().filter(|moved| moved.asset == Asset::Native && !moved.amount.is_zero()) {
            let ours = self.watch.contains(moved.from) || self.watch.contains(moved.to);
            if ours || moved.from == moved.to {
                continue;
            }
            let funding = Funding { from: moved.from, transaction: execution.hash(), at, block };
            if self.funded.add(moved.to, funding) {
                self.fed.add(moved.from, 0);
                if let Some(count) = self.fed.entries.get_mut(&moved.from) {
                    *count = count.saturating_add(1);
                }
            }
        }
        self.learn_holders(execution, verdict);
    }

    /// A block left the chain: what it showed did not happen.
    pub(crate) fn retract(&mut self, block: BlockRef) {
        for funding in self.funded.entries.values().filter(|funding| funding.block == block) {
            if let Some(count) = self.fed.entries.get_mut(&funding.from) {
                *count = count.saturating_sub(1);
            }
        }
        self.fed.retain(|count| *count > 0);
        self.funded.retain(|funding| funding.block != block);
        self.made.retain(|made| made.block != block);
        for made in self.made.entries.values_mut() {
            made.strangers.retain(|(_, seen)| *seen != block);
        }
        self.holders.retain(|holder| holder.block != block);
        let holders = self.holders.entries.values_mut().map(|holder| &mut holder.told);
        for told in holders.chain(self.followed.entries.values_mut()) {
            told.retain(|seen| *seen != block);
        }
    }

    /// Whether a list says that many people meet there.
    fn is_public(&self, account: Address) -> bool {
        self.labels.of(account).is_some_and(|label| label.category != LabelCategory::Hostile)
    }

    /// Whether a contract whose creation was seen is still used by few.
    fn is_own(&self, contract: Address) -> bool {
        self.made.entries.get(&contract).is_some_and(|made| made.strangers.len() < STRANGERS)
    }

    /// Whoever sent `account` its first coin, where that is somebody in particular.
    fn funder(&self, account: Address) -> Option<&Funding> {
        let funding = self.funded.entries.get(&account)?;
        let feeds_all = self.fed.entries.get(&funding.from).is_some_and(|count| *count >= FED);
        (!feeds_all).then_some(funding)
    }
}

/// Block time in milliseconds; for a pending transaction that of the block that it would be in.
fn time_of(execution: &Execution) -> UnixMillis {
    UnixMillis(execution.block.timestamp.saturating_mul(1_000))
}

#[cfg(test)]
mod tests;
