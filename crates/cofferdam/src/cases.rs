//! Cases on disk as the engine and the judge want them.

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_chain::case::{Case, CaseState};
use cofferdam_detect::{Detection, Settings, SettingsError};
use cofferdam_evm::{Engine, Rules, spec_named};
use cofferdam_types::primitives::{Address, B256};
use cofferdam_types::{Block, BlockNumber, ChainId, Effects, Module, ModuleId, PreAccount, PreState, Watchlist};

/// A case that can be run.
pub(crate) struct Runnable {
    pub(crate) case: Arc<Case>,
    pub(crate) rules: Rules,
    pub(crate) block: Block,
}

impl Runnable {
    /// Names the hard fork when there is none of that name.
    pub(crate) fn new(case: Case) -> Result<Self, String> {
        let spec = spec_named(&case.spec).ok_or_else(|| {
            format!("case `{}`: `spec` is `{}`, expected the name of a hard fork", case.name, case.spec)
        })?;
        let mut rules = Rules::fixed(ChainId(case.chain_id), spec);
        if let Some(fraction) = case.env.bfraction {
            rules = rules.with_blob_fraction(fraction);
        }
        let block = Block { header: case.header(), transactions: case.transactions.clone(), ..Block::default() };
        Ok(Self { case: Arc::new(case), rules, block })
    }

    /// An engine that stands on the case's parent and has nothing loaded yet.
    pub(crate) fn engine(&self, watch: Arc<Watchlist>) -> Engine {
        let whole = self.case.is_whole_block();
        let source = Arc::new(CaseState::new(self.case.clone(), whole));
        let mut engine = Engine::new(self.rules, source, watch);
        engine.reset(self.case.parent_header());
        engine
    }

    /// All state that the case knows.
    pub(crate) fn state(&self) -> PreState {
        let accounts = self.case.pre.iter().map(|(address, account)| PreAccount {
            address: *address,
            state: Some(account.state.clone()),
            slots: account.storage.iter().map(|(slot, value)| (*slot, *value)).collect(),
        });
        PreState { accounts: accounts.collect() }
    }

    /// What `BLOCKHASH` may read.
    pub(crate) fn hashes(&self) -> Vec<(BlockNumber, B256)> {
        self.case.block_hashes.iter().map(|(number, hash)| (BlockNumber(*number), *hash)).collect()
    }
}

/// The `count` contracts that are called most, of the targets of calls; ties by address.
pub(crate) fn most_called(targets: impl IntoIterator<Item = Address>, count: usize) -> Vec<Address> {
    let mut calls: HashMap<Address, u64> = HashMap::new();
    for target in targets {
        let calls = calls.entry(target).or_default();
        *calls = calls.saturating_add(1);
    }
    let mut ranked: Vec<(Address, u64)> = calls.into_iter().collect();
    ranked.sort_by_key(|(address, calls)| (std::cmp::Reverse(*calls), *address));
    ranked.into_iter().map(|(address, _)| address).take(count).collect()
}

/// Whether anything was done to, by, or with a protected account.
pub(crate) fn touches(effects: &Effects, watch: &Watchlist) -> bool {
    let called = effects.calls.iter().flat_map(|call| [call.callee, call.code_address]);
    let moved = effects.movements.iter().flat_map(|moved| [moved.from, moved.to]);
    let checked = effects.checks.iter().map(|check| check.account);
    let recoded = effects.code_changes.iter().map(|change| change.address);
    let emitting = effects.logs.iter().map(|emitted| emitted.log.address);
    called.chain(moved).chain(checked).chain(recoded).chain(emitting).any(|account| watch.contains(account))
}

/// Each contract a module of its own, as where nothing is known but addresses.
pub(crate) fn one_each(contracts: impl IntoIterator<Item = Address>) -> Vec<Module> {
    let modules = (0_u32..).zip(contracts).filter_map(|(index, contract)| {
        let id = ModuleId::new(&format!("contract-{index}")).ok()?;
        Some(Module { id, contracts: vec![contract], assets: Vec::new() })
    });
    modules.collect()
}

/// All contracts as one module.
pub(crate) fn together(contracts: Vec<Address>) -> Vec<Module> {
    let id = ModuleId::new("protocol").expect("the name is one that a module may have");
    vec![Module { id, contracts, assets: Vec::new() }]
}

/// A judge with nothing configured but addresses.
pub(crate) fn judge(watch: &Arc<Watchlist>) -> Result<Detection, SettingsError> {
    Detection::new(watch.clone(), &Settings::default())
}
