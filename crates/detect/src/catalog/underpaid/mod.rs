//! The module gave much more than it got: a loan against collateral that is worth a fraction of it at prices before, or
//! whose collateral came and went again.
//!
//! What the module's own feed or books say is not asked: they may be stale, wrong, or in an enemy's hands. Pools that the
//! same transaction used tell the worth; where none does, only collateral that left again counts.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Asset, Evidence, Finding, Level, Severity};

mod passed;

use crate::{
    Bargain, Detector, DetectorInfo, Exchange, Flow, History, Seen, Taker,
    amounts::{reaches, share_bps},
    seen::{ROUNDING_UNITS, Said, percent},
};

/// The detector's id.
pub const ID: &str = "underpaid";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises what was given for too little.
pub struct Underpaid;

impl Detector for Underpaid {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let share = seen.settings.underpaid.alert_bps;
        let large = |flow: &&Flow| {
            matches!(flow.asset, Asset::Native | Asset::Erc20(_))
                && flow.held.is_some_and(|held| reaches(Seen::lost_of_holdings(flow), held, share))
        };
        let found = seen.losses().filter(large).find_map(|flow| {
            let (how, taker, evidence) = too_little(seen, flow).or_else(|| came_and_went(seen, flow))?;
            Some(said(seen, flow, how, taker, evidence))
        });
        let found = found.map(|said| seen.finding(&INFO, b"", said));
        let passed = || passed::passed(seen, history).map(|said| seen.finding(&INFO, b"passed", said));
        found.or_else(passed).into_iter().collect()
    }
}

type Found = (&'static str, Taker, Vec<Evidence>);

/// What came in is worth less than the share of what left that is asked for, whichever pool tells the price.
fn too_little(seen: &Seen<'_>, flow: &Flow) -> Option<Found> {
    let Bargain::Under { lost, gained } = seen.bargain(flow) else { return None };
    if reaches(gained, lost, seen.settings.underpaid.worth_bps) {
        return None;
    }
    let taker = seen.taker(flow, lost.saturating_sub(gained))?;
    let evidence = vec![
        Evidence::new("worth of what left, at prices before", lost),
        Evidence::new("worth of what came, at prices before", gained),
        Evidence::new("that is", share_bps(gained, lost).map_or_else(|| "nothing".to_owned(), percent)),
    ];
    Some(("for a fraction of its worth", taker, evidence))
}

/// Nothing came in to stay; something of the sender's came and left again, as if it had been there all the time.
fn came_and_went(seen: &Seen<'_>, flow: &Flow) -> Option<Found> {
    if !matches!(seen.exchange(flow), Exchange::Booked | Exchange::Nothing) {
        return None;
    }
    let sender = seen.execution.transaction.from;
    let shown = seen.flows.iter().find(|other| {
        other.asset != flow.asset && other.gross_in > U256::from(ROUNDING_UNITS) && other.net.gain().is_zero()
    })?;
    let from_sender = seen
        .effects()
        .movements
        .iter()
        .any(|moved| moved.asset == shown.asset && seen.member(moved.to) && seen.is_actor(moved.from));
    let taker = seen.taker(flow, Seen::lost_of_holdings(flow)).filter(|taker| taker.account == sender)?;
    let evidence = vec![Evidence::new("came and left again", format!("{} of {}", shown.gross_in, shown.asset))];
    from_sender.then_some(("against collateral that left again", taker, evidence))
}

fn said(seen: &Seen<'_>, flow: &Flow, how: &'static str, taker: Taker, mut evidence: Vec<Evidence>) -> Said {
    let lost = Seen::lost_of_holdings(flow);
    let share = seen.share_bps(flow).map_or_else(|| "an unknown share".to_owned(), percent);
    evidence.extend([
        Evidence::new("asset", flow.asset),
        Evidence::new("left", format!("{lost} ({share} of what was held)")),
        Evidence::new("who gained", taker.account),
        Evidence::new("sender", seen.execution.transaction.from),
    ]);
    Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!("{lost} of {} ({share}) left module {} {how}", flow.asset, seen.module.id),
        harm: seen.harm_in(flow.asset),
        evidence,
    }
}

#[cfg(test)]
mod tests;
