//! What is counted, part by part, so that parts can be kept in a file and added up in any order.

use std::collections::BTreeMap;

use cofferdam_types::primitives::B256;
use cofferdam_types::{Level, Window};
use serde::{Deserialize, Serialize};

use super::Times;
use crate::bench::Levels;

/// What was said of transactions of which nobody claims that they are attacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Blocks.
    pub blocks: u64,
    /// Transactions.
    pub transactions: u64,
    /// Of these, transactions to an account that has code.
    pub contract_calls: u64,
    /// Of these, contract calls that touched a protected module in any way.
    pub touching: u64,
    /// Transactions judged with state missing.
    pub incomplete: u64,
    /// Transactions that ran differently here than on the chain.
    pub diverged: u64,
    /// New contracts that were tried.
    pub tried: u64,
    /// Transactions and new contracts by the strongest that was said.
    pub said: Levels,
    /// The same for each detector alone.
    pub detectors: BTreeMap<String, Levels>,
}

impl Tally {
    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        let sums = [
            (&mut self.blocks, other.blocks),
            (&mut self.transactions, other.transactions),
            (&mut self.contract_calls, other.contract_calls),
            (&mut self.touching, other.touching),
            (&mut self.incomplete, other.incomplete),
            (&mut self.diverged, other.diverged),
            (&mut self.tried, other.tried),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.said.merge(other.said);
        for (detector, levels) in &other.detectors {
            self.detectors.entry(detector.clone()).or_default().merge(*levels);
        }
    }
}

/// One transaction, or one new contract, of which something was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The case, or the block.
    pub name: String,
    /// Height.
    pub block: u64,
    /// Place in the block, from 0.
    pub index: u32,
    /// Hash of the transaction; of a case the one that stands in for it.
    pub transaction: B256,
    /// When it was looked at: as a transaction of a block, or as a new contract that was tried.
    pub window: Window,
    /// The strongest that was said.
    pub level: Level,
    /// Whether the collector says that this is an honest block; `None` where nobody says.
    pub honest: Option<bool>,
    /// Each finding: detector, level, module and sentence.
    pub findings: Vec<Line>,
    /// Whether state was missing.
    pub incomplete: bool,
}

/// One finding in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The detector.
    pub detector: String,
    /// How strong.
    pub level: Level,
    /// The module.
    pub module: String,
    /// The sentence.
    pub why: String,
}

/// What was said of one case that its manifest calls an attack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attack {
    /// The case.
    pub name: String,
    /// Kind of attack, in the collector's words.
    pub family: Option<String>,
    /// The strongest alert or stop at or before the attack's transaction.
    pub told: Option<Level>,
    /// Place of the transaction at which that began, from 0.
    pub first: Option<u32>,
    /// Detectors that raised an alert or a stop, with the strongest of each.
    pub detectors: BTreeMap<String, Level>,
    /// What was said below an alert; for a miss.
    pub notices: Vec<String>,
    /// How the transaction of the attack ended; for a miss.
    pub ended: String,
}

/// All that one track gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Transactions that are not part of an attack's case.
    pub ordinary: Tally,
    /// Of these, the ones that the collector calls honest.
    pub honest: Tally,
    /// What was said of the attack, where the track is one.
    pub attack: Option<Attack>,
    /// What was told, in order.
    pub found: Vec<Found>,
    /// From the transaction to its verdict.
    pub times: Times,
}
