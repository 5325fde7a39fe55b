//! A price feed that the module reads is older than it ever gets, or says something far from what it said before, and the
//! module gives much away by it.
//!
//! What the feed should say nobody here knows: it is held against its own past, and pools that the same transaction used.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Evidence, Finding, Level, Severity};

use crate::{
    Bargain, Detector, DetectorInfo, History, Seen,
    amounts::share_bps,
    depends::{Given, Quote, given, quotes},
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "price-feed";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// A feed is never late before this, however often it is told otherwise: an hour.
const LEAST_AGE_SECONDS: u64 = 3_600;

/// Recognises feeds that are late or far off.
pub struct PriceFeed;

/// What is wrong with an answer.
enum Wrong {
    /// It is so many seconds old, and was never seen older than so many.
    Late(u64, u64),
    /// So many basis points from so much.
    Off(u64, U256),
}

impl Detector for PriceFeed {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let asked = quotes(seen);
        if asked.is_empty() {
            return Vec::new();
        }
        let Some(given) = given(seen, seen.settings.feeds.alert_bps) else { return Vec::new() };
        let found = asked.iter().find_map(|quote| Some((quote, wrong(seen, history, quote, &given)?)));
        let Some((quote, wrong)) = found else { return Vec::new() };
        vec![seen.finding(&INFO, b"", said(seen, quote, &wrong, &given))]
    }
}

fn wrong(seen: &Seen<'_>, history: &History, quote: &Quote, given: &Given<'_>) -> Option<Wrong> {
    let (rules, now) = (&seen.settings.feeds, seen.now());
    let depends = history.depends();
    let last = depends.last(quote.key(seen.index), now);
    if let Some(last) = last.filter(|last| last.at.saturating_add(rules.recent_seconds) >= now) {
        let (low, high) = (last.answer.min(quote.answer), last.answer.max(quote.answer));
        let apart = share_bps(high.saturating_sub(low), low).unwrap_or(u64::MAX);
        if low != high && !last.answer.is_zero() && apart >= rules.jump_bps {
            return Some(Wrong::Off(apart, last.answer));
        }
    }
    let (age, usual) = depends.age(quote, seen.index, now)?;
    // Old news may still be true: what it says must be more than what pools say.
    let is_contradicted = matches!(given.bargain, Bargain::Under { .. });
    let is_late = age.saturating_mul(100) >= usual.saturating_mul(rules.late_percent) && age >= LEAST_AGE_SECONDS;
    (is_late && is_contradicted).then_some(Wrong::Late(age, usual))
}

fn said(seen: &Seen<'_>, quote: &Quote, wrong: &Wrong, given: &Given<'_>) -> Said {
    let part = seen.share_bps(given.flow).map_or_else(|| "an unknown share".to_owned(), percent);
    let mut evidence = vec![Evidence::new("feed", quote.feed), Evidence::new("it says", quote.answer)];
    let how = match wrong {
        Wrong::Late(age, usual) => {
            evidence.push(Evidence::new("it was told so many seconds ago", age));
            evidence.push(Evidence::new("the longest it was ever seen to wait, in seconds", usual));
            format!(
                "was not told anything for {} h, {} h longer than ever",
                age / 3_600,
                age.saturating_sub(*usual) / 3_600
            )
        }
        Wrong::Off(apart, last) => {
            evidence.push(Evidence::new("it said before", last));
            format!("says {}, {} from what it said before", quote.answer, percent(*apart))
        }
    };
    if let Bargain::Under { lost, gained } = given.bargain {
        evidence.push(Evidence::new("worth of what left, at pools' prices before", lost));
        evidence.push(Evidence::new("worth of what came, at pools' prices before", gained));
    }
    evidence.extend([
        Evidence::new("asset", given.flow.asset),
        Evidence::new("left", format!("{} ({part} of what was held)", given.lost)),
        Evidence::new("who gained", given.taker.account),
        Evidence::new("sender", seen.execution.transaction.from),
    ]);
    Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "feed {} {how}, and {} of {} ({part}) left module {} by it",
            quote.feed, given.lost, given.flow.asset, seen.module.id
        ),
        harm: seen.harm_in(given.flow.asset),
        evidence,
    }
}

#[cfg(test)]
mod tests;
