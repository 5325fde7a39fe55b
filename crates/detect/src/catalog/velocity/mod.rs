//! Speed: accounts that the module never saw before get something for nothing, many within an hour or two days, where few
//! did.
//!
//! Or one who has long been around pays accounts that the module never dealt with much more than he ever paid anybody.
//!
//! One attacker behind many fresh accounts shows in no account's sum. The module's own week is the measure.

use std::sync::LazyLock;

mod payer;

use cofferdam_types::{Evidence, Finding, Level, Severity};

use crate::{
    Detector, DetectorInfo, History, Seen, Tally,
    catalog::slow_drain::with_earlier,
    detection::{is_newcomer, own, received},
    seen::{Said, percent},
    settings::VelocitySettings,
};

/// The detector's id.
pub const ID: &str = "velocity";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises a run of newcomers.
pub struct Velocity;

impl Detector for Velocity {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let mut findings: Vec<Finding> = newcomers(seen, history).into_iter().collect();
        findings.extend(payer::turned(seen, history).map(|said| seen.finding(&INFO, b"payer", said)));
        findings
    }
}

/// A run of newcomers that this transaction makes, or goes on with.
fn newcomers(seen: &Seen<'_>, history: &History) -> Option<Finding> {
    let sender = seen.execution.transaction.from;
    if seen.losses().next().is_none() || !is_newcomer(seen, history) {
        return None;
    }
    let bps = own(seen, &received(seen)).first().map(|receipt| receipt.bps)?;
    let rules = &seen.settings.velocity;
    let runs = WINDOWS.iter().find_map(|window| run(seen, history, bps, rules, window));
    let (window, after, earlier, crosses) = runs?;
    // Only the one that makes it a run is told to people; those after it are counted.
    let harm = if crosses {
        let before = history.uncounted_newcomers_of(seen.index, seen.now(), window.seconds);
        with_earlier(seen.harm(), before)
    } else {
        seen.harm()
    };
    let said = Said {
        level: if crosses { Level::Alert } else { Level::Notice },
        severity: Severity::Medium,
        summary: format!(
            "{} accounts never seen before got {} of what module {} holds for nothing within {}; {} did in the \
                 rest of the week before",
            after.count,
            percent(after.sum),
            seen.module.id,
            window.words,
            earlier.count
        ),
        harm,
        evidence: vec![
            Evidence::new("newcomers", format!("{} within {}", after.count, window.words)),
            Evidence::new("what they got, added up", percent(after.sum)),
            Evidence::new("newcomers in the week before", earlier.count),
            Evidence::new("sender", sender),
        ],
    };
    Some(seen.finding(&INFO, b"", said))
}

/// A time within which newcomers are counted.
struct Window {
    seconds: u64,
    words: &'static str,
    /// Whether there must be as long a time to compare it with: over days, "never seen" may only mean that nobody looked.
    compared: bool,
}

/// An hour, and two days for those who take their time.
const WINDOWS: [Window; 2] = [
    Window { seconds: 3_600, words: "an hour", compared: false },
    Window { seconds: 172_800, words: "two days", compared: true },
];

/// Seconds of the week that the window is compared with the rest of.
const WEEK_SECONDS: u64 = 604_800;

/// The run that this newcomer makes or goes on with, the newcomers before it, and whether it makes it.
fn run<'w>(
    seen: &Seen<'_>,
    history: &History,
    bps: u64,
    rules: &VelocitySettings,
    window: &'w Window,
) -> Option<(&'w Window, Tally, Tally, bool)> {
    let (before, earlier) = history.newcomers_of(seen.index, seen.now(), window.seconds);
    let after = Tally { count: before.count.saturating_add(1), sum: before.sum.saturating_add(bps) };
    // While a run lasts it makes the rest of the week look busy: it is not held against itself.
    let goes_on = history.has_counted_newcomers(seen.index, seen.now(), window.seconds);
    let watched = history.newcomers_watched(seen.index, seen.now(), window.seconds);
    if window.compared && watched < window.seconds {
        return None;
    }
    let rest = if window.compared { watched } else { WEEK_SECONDS.saturating_sub(window.seconds) };
    let usual = earlier.count.saturating_mul(rules.times_average).saturating_mul(window.seconds);
    let is_run = |tally: Tally| {
        tally.count >= rules.newcomers
            && tally.sum >= u64::from(rules.alert_bps.get())
            && (goes_on || tally.count.saturating_mul(rest) >= usual)
    };
    is_run(after).then(|| (window, after, earlier, !is_run(before)))
}

#[cfg(test)]
mod tests;
