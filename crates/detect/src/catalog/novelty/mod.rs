//! What a module never did before, held against what was learnt of it: alone a notice, together with counted harm a stop.
//!
//! Speaks only where a learnt file is loaded that knows enough of the module. It must never lower what another detector
//! says: what is familiar may still be harm.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Evidence, Finding, Harm, Level, Maturity, Severity, Window};

use crate::{
    DetectorInfo, Seen,
    behaviour::{Behaviour, Novelty, Witnessed},
    seen::Said,
};

/// The detector's id.
pub const ID: &str = "novelty";

/// Novelties that are told of one transaction.
const MOST_TOLD: usize = 4;

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// What the folder says.
pub(crate) fn info() -> &'static DetectorInfo {
    &INFO
}

/// What is new about `witnessed`, which is what `seen` shows; `told` is what other detectors say of it.
pub(crate) fn inspect(
    seen: &Seen<'_>,
    behaviour: &Behaviour,
    witnessed: &Witnessed,
    told: &[Finding],
) -> Option<Finding> {
    // Whatever a new contract does when it is tried is new.
    if seen.execution.window == Window::Before {
        return None;
    }
    let novelties = behaviour.novelties(witnessed, &seen.settings.novelty)?;
    if novelties.is_empty() {
        return None;
    }
    let harmful: Vec<&Finding> = told.iter().filter(|finding| counts_harm(seen, finding)).collect();
    let is_strong = novelties.iter().any(Novelty::is_strong);
    let in_charge = behaviour.are_in_charge(witnessed, &seen.settings.authority.holders);
    let through_stranger = behaviour.is_through_stranger(witnessed);
    let is_tool = through_stranger || novelties.iter().any(Novelty::takes_power);
    let is_stop = is_strong && is_tool && !in_charge && !harmful.is_empty() && has_counted_loss(seen);
    let words: Vec<String> = novelties.iter().take(MOST_TOLD).map(Novelty::words).collect();
    let words = words.join("; ");
    let mut evidence: Vec<Evidence> =
        novelties.iter().take(MOST_TOLD).map(|novelty| Evidence::new("never seen before", novelty.words())).collect();
    evidence.extend(harmful.iter().map(|finding| Evidence::new("harm counted by", &finding.detector)));
    let transactions = behaviour.transactions(witnessed.module);
    evidence.push(Evidence::new("held against", format!("{transactions} transactions, {}", behaviour.about())));
    if through_stranger {
        evidence.push(Evidence::new("through", "a contract that is not known to have called the module before"));
    }
    if in_charge {
        let why = "whoever called has long and often called what few may: told, and not acted on";
        evidence.push(Evidence::new("in charge", why));
    }
    evidence.push(Evidence::new("sender", seen.execution.transaction.from));
    let module = &seen.module.id;
    let said = if is_stop {
        Said {
            level: Level::Stop,
            severity: Severity::Critical,
            summary: format!("unlike anything that module {module} was learnt to do, and harmful: {words}"),
            harm: harm_of(&harmful),
            evidence,
        }
    } else {
        Said {
            level: Level::Notice,
            severity: Severity::Info,
            summary: format!("new at module {module}: {words}"),
            harm: Vec::new(),
            evidence,
        }
    };
    Some(seen.finding(&INFO, b"", said))
}

/// Whether a detector that people are told by counted a loss, of something that the module is known to deal in, that
/// has left and is not merely in danger.
fn counts_harm(seen: &Seen<'_>, finding: &Finding) -> bool {
    let is_loss = |harm: &Harm| !harm.at_risk && !harm.amount.is_zero() && seen.deals_in(harm.asset);
    finding.level >= Level::Alert && finding.maturity >= Maturity::Incubating && finding.harm.iter().any(is_loss)
}

/// Whether something left for which nothing, or less than half of its worth, came back, as far as that is known exactly: a
/// loan against an entry in the books is not.
fn has_counted_loss(seen: &Seen<'_>) -> bool {
    seen.account().lines.iter().filter(|line| seen.deals_in(line.asset)).any(|line| {
        let back = line.returned.map(|returned| returned.saturating_mul(U256::from(2)));
        !line.left.is_zero() && back.is_some_and(|back| back < line.left)
    })
}

/// The largest claim for each account and asset.
fn harm_of(findings: &[&Finding]) -> Vec<Harm> {
    let mut all: Vec<Harm> = Vec::new();
    for harm in findings.iter().flat_map(|finding| &finding.harm).filter(|harm| !harm.at_risk) {
        match all.iter_mut().find(|known| (known.account, known.asset) == (harm.account, harm.asset)) {
            Some(known) => known.amount = known.amount.max(harm.amount),
            None => all.push(harm.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests;
