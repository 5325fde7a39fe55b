//! What registered rules cost that do not match: time for each transaction and memory, from ten to ten thousand.
//!
//! A rule is a module of one contract that nobody calls, with every detector and all default thresholds on it.

use std::path::Path;

use cofferdam_chain::case::Manifest;
use cofferdam_types::primitives::Address;
use cofferdam_types::{Clock, Module};
use serde::Serialize;

use super::blocks::{Timing, load, time_ours};
use crate::cases::one_each;

/// How many rules are registered, in turn.
const RULES: [u32; 4] = [10, 100, 1_000, 10_000];

/// One number of rules.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    /// Rules that do not match.
    pub rules: u32,
    /// Nanoseconds for executing and judging one transaction, the best run of each block.
    pub nanos_per_transaction: f64,
    /// Transactions in all blocks.
    pub transactions: u64,
    /// Resident memory of this process while they are registered, in KiB; `None` where the system does not tell.
    pub resident_kib: Option<u64>,
}

/// Runs the blocks of `folder` with every number of rules, in one process.
///
/// # Errors
/// A sentence that names the file and field at fault.
pub fn run(folder: &Path, runs: u32, clock: &dyn Clock, progress: &mut dyn FnMut(&str)) -> Result<Vec<Row>, String> {
    let manifest = Manifest::read(folder).map_err(|error| error.to_string())?;
    let blocks = load(folder, &manifest.blocks)?;
    cofferdam_evm::warm_up();
    let mut rows = Vec::new();
    for rules in RULES {
        let modules = silent(rules);
        let mut timing = Timing::default();
        for block in &blocks {
            time_ours(block, &modules, runs, clock, &mut timing)?;
        }
        let throughput = timing.throughput();
        let nanos_per_transaction = if throughput.tx_per_s > 0.0 { 1e9 / throughput.tx_per_s } else { 0.0 };
        let resident_kib = resident_kib();
        rows.push(Row { rules, nanos_per_transaction, transactions: throughput.transactions, resident_kib });
        progress(&format!("{rules} rules"));
    }
    Ok(rows)
}

/// Modules of contracts that are nowhere.
fn silent(rules: u32) -> Vec<Module> {
    one_each((0..rules).map(nobody))
}

/// A contract that is nowhere, another for every number.
pub(super) fn nobody(number: u32) -> Address {
    let mut bytes = [0xfe_u8; 20];
    if let Some(last) = bytes.last_chunk_mut::<4>() {
        *last = number.to_be_bytes();
    }
    Address::from(bytes)
}

/// Resident memory of this process, as Linux tells it.
pub(super) fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_of_its_own_contract() {
        let modules = silent(1_000);
        let mut contracts: Vec<Address> = modules.iter().flat_map(|module| module.contracts.clone()).collect();
        contracts.sort_unstable();
        contracts.dedup();
        assert_eq!(contracts.len(), 1_000);
    }
}
