//! Solidity assertions of the team: what they said, as findings.
//!
//! They were run where the EVM is; here it is only decided what it means. A broken assertion is a broken invariant, so
//! with counted harm it is a stop. What an attacker can force (running out of gas) is never a stop and never silent.

use std::sync::LazyLock;

use cofferdam_types::{AssertionOutcome, AssertionResult, Evidence, Finding, Level, Severity};

use crate::{Detector, DetectorInfo, History, Seen, seen::Said};

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Calls that are listed one by one.
const MOST_CALLS_LISTED: usize = 8;

/// Turns outcomes into findings.
pub(crate) struct SolidityAssertions;

impl Detector for SolidityAssertions {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, _history: &History) -> Vec<Finding> {
        let own: Vec<&AssertionOutcome> =
            seen.execution.assertions.iter().filter(|outcome| outcome.module == seen.module.id).collect();
        let mut findings = Vec::new();
        for (index, first) in own.iter().enumerate() {
            let same =
                |other: &&&AssertionOutcome| other.contract == first.contract && other.function == first.function;
            if own.iter().take(index).any(|earlier| same(&earlier)) {
                continue;
            }
            let runs: Vec<&AssertionOutcome> = own.iter().filter(same).copied().collect();
            if let Some(said) = judge(seen, &runs) {
                let subject = format!("{}.{}", first.contract, first.function);
                findings.push(seen.finding(&INFO, subject.as_bytes(), said));
            }
        }
        findings
    }
}

/// What all runs of one function mean together: the worst of them is told, and how many there were.
fn judge(seen: &Seen<'_>, runs: &[&AssertionOutcome]) -> Option<Said> {
    let harm = seen.harm();
    let worth = |outcome: &AssertionOutcome| match &outcome.result {
        AssertionResult::Broken { .. } => {
            let level = outcome.level.unwrap_or(if harm.is_empty() { Level::Alert } else { Level::Stop });
            Some((level, if level == Level::Stop { Severity::Critical } else { Severity::High }))
        }
        AssertionResult::Inconclusive(why) if why.can_be_forced() => Some((Level::Alert, Severity::Medium)),
        AssertionResult::Inconclusive(_) => Some((Level::Notice, Severity::Medium)),
        AssertionResult::Held { over_limit: Some(_) } => Some((Level::Notice, Severity::Low)),
        AssertionResult::Held { over_limit: None } | AssertionResult::NotFired { .. } => None,
    };
    let worst = runs.iter().filter_map(|outcome| Some((worth(outcome)?, *outcome)));
    // The first of equals, so that every node tells the same.
    let ((level, severity), outcome) = worst.reduce(|one, other| if other.0 > one.0 { other } else { one })?;
    let name = format!("assertion `{}.{}` of module {}", outcome.contract, outcome.function, seen.module.id);
    let broken = matches!(outcome.result, AssertionResult::Broken { .. });
    let summary = match &outcome.result {
        AssertionResult::Broken { reason } => format!("{name} is broken: {reason}"),
        AssertionResult::Inconclusive(why) => format!("{name} is inconclusive: {why}"),
        AssertionResult::Held { over_limit } => {
            let limit = over_limit.unwrap_or_default();
            format!("{name} holds, with {} gas where {limit} are configured", outcome.gas)
        }
        AssertionResult::NotFired { why } => format!("{name} was not run: {why}"),
    };
    let mut evidence = vec![Evidence::new("assertion", format!("{}.{}", outcome.contract, outcome.function))];
    let calls: Vec<String> = runs
        .iter()
        .filter(|run| worth(run) == Some((level, severity)))
        .filter_map(|run| run.call.map(|call| call.to_string()))
        .collect();
    if !calls.is_empty() {
        let shown = calls.get(..MOST_CALLS_LISTED).unwrap_or(&calls).join(", ");
        let text = format!("{} of {} runs, for calls {shown}", calls.len(), runs.len());
        evidence.push(Evidence::new("runs", text));
    }
    evidence.push(Evidence::new("gas", outcome.gas));
    let harm = if broken { harm } else { Vec::new() };
    Some(Said { level, severity, summary, harm, evidence })
}

#[cfg(test)]
mod tests;
