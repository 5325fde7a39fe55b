//! A drain in many small parts: what one account got for nothing within a day, added up over transactions, blocks and
//! modules.
//!
//! Each part is too small to be told, and the sum over a module may be small as well where several modules bleed at the
//! same pace. Shares of different holdings are added: it is not an amount, but how much of what there was went one way.

use std::sync::LazyLock;

use cofferdam_types::{Evidence, Finding, Level, Severity};

use crate::{
    Detector, DetectorInfo, History, Seen,
    detection::received,
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "slow-drain";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises drains in small parts.
pub struct SlowDrain;

impl Detector for SlowDrain {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        if seen.losses().next().is_none() {
            return Vec::new();
        }
        let rules = &seen.settings.slow_drain;
        let (most, times) = (u64::from(rules.alert_bps.get()), rules.times);
        let mut findings = Vec::new();
        for (account, bps) in received(seen) {
            let before = history.receipts_of(account, seen.now());
            let (count, sum) = (before.count.saturating_add(1), before.sum.saturating_add(bps));
            // Only the transaction that crosses the line is told, not every one after it.
            let crossed = sum >= most && count >= times;
            let was_over = before.sum >= most && before.count >= times;
            if !crossed || was_over {
                continue;
            }
            let said = Said {
                level: Level::Alert,
                severity: Severity::High,
                summary: format!(
                    "{account} got something for nothing {count} times within a day, {} of holdings in all; this time \
                     from module {}",
                    percent(sum),
                    seen.module.id
                ),
                harm: seen.harm(),
                evidence: vec![
                    Evidence::new("receiver", account),
                    Evidence::new("times within a day", count),
                    Evidence::new("shares of holdings, added up", percent(sum)),
                    Evidence::new("this time", percent(bps)),
                    Evidence::new("sender", seen.execution.transaction.from),
                ],
            };
            findings.push(seen.finding(&INFO, account.as_slice(), said));
        }
        findings
    }
}

#[cfg(test)]
mod tests;
