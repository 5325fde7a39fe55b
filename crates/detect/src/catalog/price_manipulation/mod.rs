//! A price that the transaction itself moved, and value taken from the module while it stood there.
//!
//! Honest trades move prices too. What they do not do is leave a module with less, at the prices from before, in favour
//! of somebody who paid for nothing. Where the worth is unknown only a loss without return counts. Never a rule about a
//! kind of pool: whoever tells a price by the common events counts.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Asset, Evidence, Finding, Level, Severity};

use crate::{
    Bargain, Detector, DetectorInfo, Exchange, Flow, Habit, History, Pool, Seen, Taker,
    amounts::{reaches, share_bps},
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "price-manipulation";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises value taken at a price that was moved for it.
pub struct PriceManipulation;

impl Detector for PriceManipulation {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let rules = &seen.settings.prices;
        let large = |flow: &&Flow| {
            matches!(flow.asset, Asset::Native | Asset::Erc20(_))
                && flow.held.is_some_and(|held| reaches(Seen::lost_of_holdings(flow), held, rules.alert_bps))
        };
        let mut losses: Vec<&Flow> = seen.losses().filter(large).collect();
        losses.sort_by_key(|flow| std::cmp::Reverse(seen.share_bps(flow)));
        if losses.is_empty() {
            return Vec::new();
        }
        let Some(pool) = seen.prices().farthest() else { return Vec::new() };
        if pool.excursion_bps < u64::from(rules.excursion_bps.get()) {
            return Vec::new();
        }
        let found = losses.into_iter().find_map(|flow| Some((flow, taken(seen, flow)?)));
        let Some((flow, (deficit, taker))) = found else { return Vec::new() };
        vec![seen.finding(&INFO, b"", said(seen, history, flow, deficit, taker, pool))]
    }
}

/// How much of `flow` left without fair return, and to whom.
fn taken(seen: &Seen<'_>, flow: &Flow) -> Option<(U256, Taker)> {
    if seen.is_own_sale(flow) {
        return None;
    }
    let deficit = match (seen.bargain(flow), seen.exchange(flow)) {
        (Bargain::Fair, _) => return None,
        (Bargain::Under { lost, gained }, _) => lost.saturating_sub(gained).min(Seen::lost_of_holdings(flow)),
        (Bargain::Unknown, Exchange::Nothing | Exchange::Strange | Exchange::Little | Exchange::Booked) => {
            Seen::lost_of_holdings(flow)
        }
        (Bargain::Unknown, Exchange::Assets | Exchange::Redeemed) => return None,
    };
    if !reaches(deficit, flow.held?, seen.settings.prices.alert_bps) {
        return None;
    }
    Some((deficit, seen.taker(flow, deficit)?))
}

fn said(seen: &Seen<'_>, history: &History, flow: &Flow, deficit: U256, taker: Taker, pool: &Pool) -> Said {
    let share = flow.held.and_then(|held| share_bps(deficit, held)).map_or_else(|| "all".to_owned(), percent);
    let moved = percent(pool.excursion_bps);
    let familiar = history.is_familiar(seen.index, Habit::Sender(seen.execution.transaction.from), seen.now());
    let sure = matches!(seen.bargain(flow), Bargain::Under { .. }) && seen.deals_in(flow.asset) && !familiar;
    let mut evidence = vec![
        Evidence::new("pool", pool.address),
        Evidence::new("its price was moved by", &moved),
        Evidence::new("asset", flow.asset),
        Evidence::new("left without fair return", format!("{deficit} ({share} of what was held)")),
        Evidence::new("who gained", taker.account),
        Evidence::new("gained, in the asset that left", taker.gained),
    ];
    if let Bargain::Under { lost, gained } = seen.bargain(flow) {
        evidence.push(Evidence::new("worth of what left, at prices before", lost));
        evidence.push(Evidence::new("worth of what came, at prices before", gained));
    }
    if familiar {
        evidence.push(Evidence::new("history", "this sender has long been around"));
    }
    Said {
        level: if sure { Level::Stop } else { Level::Alert },
        severity: Severity::Critical,
        summary: format!(
            "the price of pool {} was moved by {moved} and module {} gave {deficit} of {} ({share}) for too little",
            pool.address, seen.module.id, flow.asset
        ),
        harm: seen.harm_in(flow.asset),
        evidence,
    }
}

#[cfg(test)]
mod tests;
