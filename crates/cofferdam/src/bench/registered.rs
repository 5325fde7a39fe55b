//! What is said of ordinary blocks when their most-called contracts are protected one at a time, and as one protocol.
//!
//! One at a time is what a team is that registers a single contract: nothing of the others is known then, neither that they
//! are protected nor what they do, so that each gets a watchlist, an engine and a judge of its own.

use std::sync::Arc;

use cofferdam_types::primitives::Address;
use cofferdam_types::{Execution, Judge as _, Module, Watchlist};
use serde::Serialize;

use super::blocks::{Honest, count};
use crate::cases::{Runnable, judge, one_each, together, touches};

/// The same contracts, registered in two more ways.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Registered {
    /// Contracts.
    pub contracts: u64,
    /// Blocks run for one contract that something in them touches.
    pub runs: u64,
    /// Each contract by itself; a transaction counts once for each contract by which it was flagged, contract calls once.
    pub in_turn: Honest,
    /// All contracts as one module.
    pub as_one: Honest,
}

impl Registered {
    /// Adds one block.
    pub(super) fn block(&mut self, case: &Runnable, contracts: &[Address]) -> Result<(), String> {
        self.contracts = u64::try_from(contracts.len()).unwrap_or(u64::MAX);
        let plain = case.engine(Arc::default()).advance(&case.block).map_err(|error| error.to_string())?;
        for contract in contracts {
            let modules = one_each([*contract]);
            if touched(&plain.executions, &modules) {
                let before = self.in_turn.found.len();
                run(case, modules, &mut self.in_turn)?;
                self.runs = self.runs.saturating_add(1);
                for found in self.in_turn.found.iter_mut().skip(before) {
                    found.why.insert(0, format!("{contract} protected"));
                }
            }
        }
        run(case, together(contracts.to_vec()), &mut self.as_one)?;
        // Each was run on a part of the blocks; all of them could have been flagged.
        self.in_turn.contract_calls = self.as_one.contract_calls;
        Ok(())
    }
}

fn touched(executions: &[Execution], modules: &[Module]) -> bool {
    let watch = Watchlist::new(modules.to_vec());
    executions.iter().any(|execution| touches(&execution.effects, &watch))
}

fn run(case: &Runnable, modules: Vec<Module>, honest: &mut Honest) -> Result<(), String> {
    let watch = Arc::new(Watchlist::new(modules));
    let mut engine = case.engine(watch.clone());
    let mut judge = judge(&watch).map_err(|error| error.to_string())?;
    engine.set_needs(judge.needs().clone());
    let advanced = engine.advance(&case.block).map_err(|error| error.to_string())?;
    for execution in &advanced.executions {
        let verdict = judge.judge(execution);
        judge.record(execution);
        count(case, execution, &verdict, honest);
    }
    Ok(())
}
