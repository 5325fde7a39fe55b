//! Measures what the attack takes, transaction by transaction, from what execution did to the modules' holdings.
//!
//! Comparing end balances would count every honest withdrawal that a seal held up as a gain. So only hostile
//! transactions are counted, each by its own effects. It must never be seen by what defends: it knows who is hostile.

use std::collections::HashSet;
use std::sync::Arc;

use cofferdam_chain::{Node, NodeState};
use cofferdam_evm::{Engine, Rules};
use cofferdam_simnet::scenario::Holding;
use cofferdam_types::primitives::{B256, U256};
use cofferdam_types::{Block, Header, Signed, StateError, Watchlist};

/// Holdings, and what hostile transactions have moved out of them so far.
pub(super) struct Meter {
    engine: Engine,
    holdings: Vec<Holding>,
    taken: Vec<Signed>,
}

impl Meter {
    pub(super) fn new(
        rules: Rules,
        node: Node,
        runtime: tokio::runtime::Handle,
        watch: Arc<Watchlist>,
        holdings: Vec<Holding>,
        head: Header,
    ) -> Self {
        let mut engine = Engine::new(rules, Arc::new(NodeState::new(node, runtime)), watch);
        engine.reset(head);
        let taken = vec![Signed::default(); holdings.len()];
        Self { engine, holdings, taken }
    }

    /// Takes a mined block in. Returns the hostile transactions that took something, with what they took by holding.
    pub(super) fn measure(&mut self, block: &Block, hostile: &HashSet<B256>) -> Result<Vec<Taking>, StateError> {
        let advanced = tokio::task::block_in_place(|| self.engine.advance(block))?;
        let mut takings = Vec::new();
        for execution in advanced.executions.iter().filter(|execution| hostile.contains(&execution.hash())) {
            for (index, holding) in self.holdings.iter().enumerate() {
                let Some(net) = execution.effects.net(holding.account, holding.asset) else { continue };
                if net == Signed::default() {
                    continue;
                }
                if let Some(taken) = self.taken.get_mut(index) {
                    *taken = taken.saturating_add(net);
                }
                takings.push(Taking { transaction: execution.hash(), holding: index, amount: net.loss() });
            }
        }
        takings.retain(|taking| !taking.amount.is_zero());
        Ok(takings)
    }

    pub(super) fn holdings(&self) -> &[Holding] {
        &self.holdings
    }

    /// What has left each holding so far by hostile transactions, what they brought deducted; never less than nothing.
    pub(super) fn lost(&self) -> Vec<U256> {
        self.taken.iter().map(|net| net.loss()).collect()
    }
}

/// What one transaction took out of one holding.
pub(super) struct Taking {
    pub(super) transaction: B256,
    pub(super) holding: usize,
    pub(super) amount: U256,
}
