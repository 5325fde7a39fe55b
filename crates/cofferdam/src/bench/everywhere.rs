//! What is said of ordinary blocks when every contract in them is protected, each as a module of its own: far more
//! behaviour than the most-called contracts show, wallets, bots and tokens of all kinds among it. Nobody would register
//! these; it is where a detector's false alarms are counted and looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cofferdam_types::primitives::Address;
use cofferdam_types::{Execution, Judge, Level, Watchlist};
use serde::{Deserialize, Serialize};

use super::blocks::{Flagged, flagged};
use crate::cases::{Runnable, judge, one_each};

/// What was said with every contract protected.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Everywhere {
    /// Contracts of each block, added up over the blocks.
    pub modules: u64,
    /// Transactions.
    pub transactions: u64,
    /// Findings of each detector that said anything.
    pub findings: BTreeMap<String, Levels>,
    /// Each transaction with a stop.
    pub stops: Vec<Flagged>,
    /// Each transaction with an alert and no stop.
    pub alerts: Vec<Flagged>,
}

/// Findings by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// Stops.
    pub stops: u64,
    /// Alerts.
    pub alerts: u64,
    /// Notices.
    pub notices: u64,
}

impl Levels {
    /// Counts one more.
    pub fn count(&mut self, level: Level) {
        let count = match level {
            Level::Stop => &mut self.stops,
            Level::Alert => &mut self.alerts,
            Level::Notice => &mut self.notices,
        };
        *count = count.saturating_add(1);
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.stops = self.stops.saturating_add(other.stops);
        self.alerts = self.alerts.saturating_add(other.alerts);
        self.notices = self.notices.saturating_add(other.notices);
    }
}

impl Everywhere {
    /// Adds one block.
    pub(super) fn block(&mut self, case: &Runnable) -> Result<(), String> {
        let executions =
            case.engine(Arc::default()).advance(&case.block).map_err(|error| error.to_string())?.executions;
        let modules = one_each(contracts(case, &executions));
        self.modules = self.modules.saturating_add(u64::try_from(modules.len()).unwrap_or(u64::MAX));
        let watch = Arc::new(Watchlist::new(modules));
        let mut engine = case.engine(watch.clone());
        let mut judge = judge(&watch).map_err(|error| error.to_string())?;
        engine.set_needs(judge.needs().clone());
        let advanced = engine.advance(&case.block).map_err(|error| error.to_string())?;
        for execution in &advanced.executions {
            let verdict = judge.judge(execution);
            judge.record(execution);
            self.transactions = self.transactions.saturating_add(1);
            for finding in &verdict.findings {
                self.findings.entry(finding.detector.clone().into_owned()).or_default().count(finding.level);
            }
            match verdict.level() {
                Some(Level::Stop) => self.stops.push(flagged(case, execution, &verdict, Level::Stop)),
                Some(Level::Alert) => self.alerts.push(flagged(case, execution, &verdict, Level::Alert)),
                Some(Level::Notice) | None => {}
            }
        }
        Ok(())
    }
}

/// Accounts with code before the block that are called in it, lend their code, or move something.
pub(super) fn contracts(case: &Runnable, executions: &[Execution]) -> BTreeSet<Address> {
    let effects = || executions.iter().map(|execution| &execution.effects);
    let called = effects().flat_map(|effects| &effects.calls).flat_map(|call| [call.callee, call.code_address]);
    let moved = effects().flat_map(|effects| &effects.movements).flat_map(|moved| [moved.from, moved.to]);
    let has_code = |address: &Address| case.case.pre.get(address).is_some_and(|known| !known.state.code.is_empty());
    called.chain(moved).filter(has_code).collect()
}
