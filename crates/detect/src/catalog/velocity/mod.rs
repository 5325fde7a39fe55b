//! Speed: accounts that the module never saw before get something for nothing, many within an hour, where few did.
//!
//! One attacker behind many fresh accounts shows in no account's sum. The module's own week is the measure.

use std::sync::LazyLock;

use cofferdam_types::{Evidence, Finding, Level, Severity};

use crate::{
    Detector, DetectorInfo, History, Seen, Tally,
    detection::{is_newcomer, received},
    seen::{Said, percent},
    settings::VelocitySettings,
};

/// The detector's id.
pub const ID: &str = "velocity";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Hours of the week that the last hour is compared with.
const HOURS: u64 = 167;

/// Recognises a run of newcomers.
pub struct Velocity;

impl Detector for Velocity {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let sender = seen.execution.transaction.from;
        if seen.losses().next().is_none() || !is_newcomer(seen, history) {
            return Vec::new();
        }
        let Some(bps) =
            received(seen).into_iter().filter(|(account, _)| seen.actors().contains(account)).map(|(_, bps)| bps).max()
        else {
            return Vec::new();
        };
        let rules = &seen.settings.velocity;
        let (before, week) = history.newcomers_of(seen.index, seen.now());
        let after = Tally { count: before.count.saturating_add(1), sum: before.sum.saturating_add(bps) };
        if !is_run(after, week, rules) || is_run(before, week, rules) {
            return Vec::new();
        }
        let said = Said {
            level: Level::Alert,
            severity: Severity::Medium,
            summary: format!(
                "{} accounts never seen before got {} of what module {} holds for nothing within an hour; {} did in the \
                 week before",
                after.count,
                percent(after.sum),
                seen.module.id,
                week.count
            ),
            harm: seen.harm(),
            evidence: vec![
                Evidence::new("newcomers within the hour", after.count),
                Evidence::new("what they got, added up", percent(after.sum)),
                Evidence::new("newcomers in the week before", week.count),
                Evidence::new("sender", sender),
            ],
        };
        vec![seen.finding(&INFO, b"", said)]
    }
}

/// Whether the hour is a run, by the week before it.
fn is_run(hour: Tally, week: Tally, rules: &VelocitySettings) -> bool {
    hour.count >= rules.newcomers
        && hour.sum >= u64::from(rules.alert_bps.get())
        && hour.count.saturating_mul(HOURS) >= week.count.saturating_mul(rules.times_average)
}

#[cfg(test)]
mod tests;
