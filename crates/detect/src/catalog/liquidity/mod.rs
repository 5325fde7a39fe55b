//! Liquidity leaves a pool that the module depends on: a thin pool's price is anybody's. Said when it happens, and told when
//! the module then gives something away by that price.

use std::sync::LazyLock;

use cofferdam_types::{Evidence, Finding, Level, Severity};

use crate::{
    Detector, DetectorInfo, History, Seen,
    depends::{Departure, given, quotes},
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "liquidity";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises value taken by the price of a pool that was left.
pub struct Liquidity;

impl Detector for Liquidity {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let leaving = leaving(seen, history);
        let taken = taken(seen, history, &leaving);
        // What is told needs not be noted.
        let noted = if taken.is_some() { None } else { noted(seen, history) };
        taken.into_iter().chain(noted).collect()
    }
}

/// That liquidity leaves a pool that the module of `seen` was seen reading, which it need not be touched for.
pub(crate) fn noted(seen: &Seen<'_>, history: &History) -> Option<Finding> {
    let departure = leaving(seen, history).into_iter().max_by_key(|departure| departure.bps)?;
    let share = percent(departure.bps);
    let said = Said {
        level: Level::Notice,
        severity: Severity::Low,
        summary: format!(
            "{share} of pool {}, whose price module {} reads, was taken out",
            departure.pool, seen.module.id
        ),
        harm: Vec::new(),
        evidence: about(&departure, seen.now()),
    };
    Some(seen.finding(&INFO, b"left", said))
}

/// What this transaction takes out of pools that the module was seen reading.
fn leaving(seen: &Seen<'_>, history: &History) -> Vec<Departure> {
    let depends = history.depends();
    if depends.is_empty() {
        return Vec::new();
    }
    let share = u64::from(seen.settings.liquidity.leave_bps.get());
    let mut found = depends.departures_in(seen.effects(), seen.execution.transaction.from, seen.now());
    found.retain(|left| left.bps >= share && depends.readers_of(left.pool).contains(&seen.index));
    found
}

fn taken(seen: &Seen<'_>, history: &History, leaving: &[Departure]) -> Option<Finding> {
    let rules = &seen.settings.liquidity;
    let asked = quotes(seen);
    let mut pools = asked.iter().flat_map(|quote| &quote.behind);
    let share = u64::from(rules.leave_bps.get());
    let departure = pools.find_map(|pool| {
        let earlier = || history.depends().left(*pool, seen.now(), rules.window_seconds, share);
        leaving.iter().find(|left| left.pool == *pool).copied().or_else(earlier)
    })?;
    let given = given(seen, rules.alert_bps)?;
    let part = seen.share_bps(given.flow).map_or_else(|| "an unknown share".to_owned(), percent);
    let mut evidence = about(&departure, seen.now());
    evidence.extend([
        Evidence::new("asset", given.flow.asset),
        Evidence::new("left the module", format!("{} ({part} of what was held)", given.lost)),
        Evidence::new("who gained", given.taker.account),
        Evidence::new("sender", seen.execution.transaction.from),
    ]);
    let said = Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{} of {} ({part}) left module {} by the price of pool {}, of which {} had been taken out",
            given.lost,
            given.flow.asset,
            seen.module.id,
            departure.pool,
            percent(departure.bps)
        ),
        harm: seen.harm_in(given.flow.asset),
        evidence,
    };
    Some(seen.finding(&INFO, b"", said))
}

fn about(departure: &Departure, now: u64) -> Vec<Evidence> {
    let ago = now.saturating_sub(departure.at);
    vec![
        Evidence::new("pool", departure.pool),
        Evidence::new("taken out of it", percent(departure.bps)),
        Evidence::new("by", departure.by),
        Evidence::new("seconds ago", ago),
    ]
}

#[cfg(test)]
mod tests;
