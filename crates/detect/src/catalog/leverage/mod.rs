//! A position that is under water when it is opened: its debt is more than its collateral is worth at prices before.
//!
//! Only whole positions count: both the debt and the collateral must be written down for the first time in this transaction,
//! exactly as they moved. Whoever borrows more against what he left long ago is not meant.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Asset, Evidence, Finding, Level, Severity};

use crate::{
    Bargain, Detector, DetectorInfo, Flow, History, Seen,
    amounts::{reaches, share_bps},
    seen::{PLAIN_SLOTS, Said, percent},
};

/// The detector's id.
pub const ID: &str = "leverage";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises positions that owe more than they hold.
pub struct Leverage;

impl Detector for Leverage {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, _: &History) -> Vec<Finding> {
        let rules = &seen.settings.leverage;
        let large = |flow: &&Flow| {
            matches!(flow.asset, Asset::Native | Asset::Erc20(_))
                && flow.held.is_some_and(|held| reaches(Seen::lost_of_holdings(flow), held, rules.alert_bps))
                && is_new_entry(seen, Seen::lost_of_holdings(flow))
        };
        let found = seen.losses().filter(large).find_map(|debt| {
            let Bargain::Under { lost, gained } = seen.bargain(debt) else { return None };
            let collateral = seen.flows.iter().find(|flow| {
                flow.asset != debt.asset && !flow.net.gain().is_zero() && is_new_entry(seen, flow.net.gain())
            })?;
            reaches(lost.saturating_sub(gained), gained, rules.over_bps)
                .then(|| said(seen, debt, collateral, lost, gained))
        });
        found.map(|said| seen.finding(&INFO, b"", said)).into_iter().collect()
    }
}

/// Whether an entry of the module's books went from nothing to exactly `amount`.
fn is_new_entry(seen: &Seen<'_>, amount: U256) -> bool {
    let mut writes = seen.effects().writes.iter();
    writes.any(|write| {
        write.slot >= PLAIN_SLOTS && write.old.is_zero() && write.new == amount && seen.member(write.address)
    })
}

fn said(seen: &Seen<'_>, debt: &Flow, collateral: &Flow, lost: U256, gained: U256) -> Said {
    let amount = Seen::lost_of_holdings(debt);
    let part = seen.share_bps(debt).map_or_else(|| "an unknown share".to_owned(), percent);
    let covered = share_bps(gained, lost).map_or_else(|| "nothing".to_owned(), percent);
    let effects = seen.effects();
    let loans = effects.movements.iter().filter(|moved| moved.asset == debt.asset && seen.member(moved.from)).count();
    Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "a position was opened in module {} that owes {amount} of {} ({part} of what was held) and is covered by {covered} \
             of it",
            seen.module.id, debt.asset
        ),
        harm: seen.harm_in(debt.asset),
        evidence: vec![
            Evidence::new("debt", format!("{amount} of {}", debt.asset)),
            Evidence::new("collateral", format!("{} of {}", collateral.net.gain(), collateral.asset)),
            Evidence::new("worth of the debt, at prices before", lost),
            Evidence::new("worth of the collateral, at prices before", gained),
            Evidence::new("loans taken in this transaction", loans),
            Evidence::new("sender", seen.execution.transaction.from),
        ],
    }
}

#[cfg(test)]
mod tests;
