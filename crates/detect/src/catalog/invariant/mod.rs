//! Invariants that people wrote: an integer that a view call answers, before against after.
//!
//! Exact integers, no rounding. A view that fails or answers with nonsense is said, never passed over: somebody relies
//! on it. A breach is an anomaly by definition, so with counted harm it is a stop.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Evidence, Fact, Finding, Level, Severity, Signed, ViewNeed, ViewResult};

mod compiled;

pub(crate) use compiled::Compiled;

use crate::{
    Detector, DetectorInfo, History, Seen,
    amounts::{exceeds, share_bps},
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "invariant";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// What the folder says of it.
pub(crate) fn info() -> &'static DetectorInfo {
    &INFO
}

/// Holds what was written against what the views say.
pub(crate) struct Invariants {
    /// In the order of the needs: the fact of view `n` belongs to entry `n`.
    compiled: Vec<Compiled>,
}

impl Invariants {
    /// Takes compiled invariants of all modules.
    pub(crate) const fn new(compiled: Vec<Compiled>) -> Self {
        Self { compiled }
    }

    /// The views that must be among the facts.
    pub(crate) fn views(&self) -> Vec<ViewNeed> {
        self.compiled.iter().map(Compiled::need).collect()
    }
}

impl Detector for Invariants {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, _history: &History) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (view, invariant) in self.compiled.iter().enumerate() {
            if invariant.module != seen.module.id {
                continue;
            }
            let fact = seen.execution.facts.iter().find(|fact| fact.view == view);
            if let Some(said) = judge(seen, invariant, fact) {
                findings.push(seen.finding(&INFO, invariant.name.as_bytes(), said));
            }
        }
        findings
    }
}

fn judge(seen: &Seen<'_>, invariant: &Compiled, fact: Option<&Fact>) -> Option<Said> {
    let Some(fact) = fact else {
        let why = "the view was not read".to_owned();
        return Some(inconclusive(seen, invariant, Level::Notice, &why, Vec::new()));
    };
    let (before, after) = (invariant.read(&fact.before), invariant.read(&fact.after));
    let shown = |what, result: &ViewResult, read: &Result<Signed, String>| match read {
        Ok(value) => Evidence::new(what, value),
        Err(why) => Evidence::new(what, format!("{why}: {}", raw(result))),
    };
    let evidence = vec![shown("before", &fact.before, &before), shown("after", &fact.after, &after)];
    let (before, after) = match (before, after) {
        (Ok(before), Ok(after)) => (before, after),
        (Ok(_), Err(why)) => {
            let why = format!("it could be read before, and after the transaction {why}");
            return Some(inconclusive(seen, invariant, Level::Alert, &why, evidence));
        }
        (Err(_), Ok(after)) => match breach_of_bounds(invariant, after) {
            Some(breach) => return Some(broken(seen, invariant, &breach, evidence)),
            None if invariant.only_bounds() => return None,
            None => {
                let why = "it could not be read before, so nothing can be compared";
                return Some(inconclusive(seen, invariant, Level::Notice, why, evidence));
            }
        },
        (Err(_), Err(why)) => {
            let why = format!("neither before nor after: {why}");
            return Some(inconclusive(seen, invariant, Level::Notice, &why, evidence));
        }
    };
    let breach = breach_of_bounds(invariant, after).or_else(|| breach_of_change(invariant, before, after))?;
    Some(broken(seen, invariant, &breach, evidence))
}

fn breach_of_bounds(invariant: &Compiled, after: Signed) -> Option<String> {
    if let Some(min) = invariant.min
        && is_less(after, min)
    {
        return Some(format!("{after} is below the minimum {min}"));
    }
    let max = invariant.max.filter(|max| is_less(*max, after))?;
    Some(format!("{after} is above the maximum {max}"))
}

fn breach_of_change(invariant: &Compiled, before: Signed, after: Signed) -> Option<String> {
    if before == after {
        return None;
    }
    if invariant.unchanged {
        return Some(format!("changed from {before} to {after}"));
    }
    let distance = if before.negative == after.negative {
        before.magnitude.abs_diff(after.magnitude)
    } else {
        before.magnitude.saturating_add(after.magnitude)
    };
    let fell = is_less(after, before);
    let (most, verb) = if fell { (invariant.max_fall, "fell") } else { (invariant.max_rise, "rose") };
    let most = most.filter(|most| exceeds(distance, before.magnitude, *most))?;
    let share = share_bps(distance, before.magnitude).map_or_else(|| "from zero".to_owned(), percent);
    Some(format!("{verb} from {before} to {after} ({share}), at most {} is allowed", percent(u64::from(most.get()))))
}

fn is_less(left: Signed, right: Signed) -> bool {
    match (left.negative, right.negative) {
        (true, false) => true,
        (false, true) => false,
        (false, false) => left.magnitude < right.magnitude,
        (true, true) => left.magnitude > right.magnitude,
    }
}

fn broken(seen: &Seen<'_>, invariant: &Compiled, breach: &str, mut evidence: Vec<Evidence>) -> Said {
    let harm = seen.harm();
    let level = invariant.level.unwrap_or(if harm.is_empty() { Level::Alert } else { Level::Stop });
    evidence.insert(0, Evidence::new("invariant", &invariant.name));
    evidence.push(Evidence::new("view", &invariant.view));
    evidence.push(Evidence::new("contract", invariant.target));
    Said {
        level,
        severity: if level == Level::Stop { Severity::Critical } else { Severity::High },
        summary: format!("invariant `{}` of module {} is broken: {breach}", invariant.name, seen.module.id),
        harm,
        evidence,
    }
}

fn inconclusive(seen: &Seen<'_>, invariant: &Compiled, level: Level, why: &str, mut evidence: Vec<Evidence>) -> Said {
    evidence.insert(0, Evidence::new("invariant", &invariant.name));
    evidence.push(Evidence::new("view", &invariant.view));
    evidence.push(Evidence::new("contract", invariant.target));
    Said {
        level,
        severity: Severity::Medium,
        summary: format!("invariant `{}` of module {} is inconclusive: {why}", invariant.name, seen.module.id),
        harm: Vec::new(),
        evidence,
    }
}

/// As much of an answer as a person wants to see.
fn raw(result: &ViewResult) -> String {
    match result {
        ViewResult::Returned(bytes) => {
            let shown = bytes.get(..bytes.len().min(64)).unwrap_or_default();
            format!("{} bytes {}", bytes.len(), alloy_primitives::hex::encode_prefixed(shown))
        }
        ViewResult::Failed(how) => how.chars().take(120).collect(),
    }
}

/// An integer without a sign.
pub(super) const fn unsigned(magnitude: U256) -> Signed {
    Signed { negative: false, magnitude }
}

#[cfg(test)]
mod tests;
