//! The window between: an attack that was flagged goes on, in more transactions, from the same hands or the same code.
//!
//! Hands are the sender, and contracts that came into being for him, then or later. Code is known again by its hash and by its
//! shape, whoever made it; and so are three calls or more in the same order. Once somebody is under suspicion, a much smaller
//! loss is enough.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, keccak256};
use cofferdam_types::{CallKind, Evidence, Execution, Finding, Level, Severity, Verdict, Watchlist};

use crate::{
    Detector, DetectorInfo, Exchange, Flow, History, Seen, Suspect,
    amounts::reaches,
    catalog::{asset_outflow, authority_change},
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "repeat";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Suspects that one transaction may add.
const MOST_IMPLICATED: usize = 64;
/// Calls in the same order that are no chance.
const LEAST_PATTERN: usize = 3;
/// Calls of one transaction that are looked at for their order.
const MOST_PATTERN: usize = 512;

/// Recognises those who were flagged before.
pub struct Repeat;

impl Detector for Repeat {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        if !history.has_suspects() {
            return Vec::new();
        }
        let share = seen.settings.repeat.least_bps;
        let lost = |flow: &&Flow| {
            !Seen::lost_of_holdings(flow).is_zero()
                && flow.held.is_none_or(|held| reaches(Seen::lost_of_holdings(flow), held, share))
                && matches!(seen.exchange(flow), Exchange::Nothing | Exchange::Strange | Exchange::Little)
                && !seen.is_own_sale(flow)
        };
        let Some(flow) = seen.losses().filter(lost).max_by_key(|flow| seen.share_bps(flow)) else { return Vec::new() };
        let Some((suspect, how)) = suspect(seen, history) else { return Vec::new() };
        let amount = Seen::lost_of_holdings(flow);
        let part = seen.share_bps(flow).map_or_else(|| "an unknown share".to_owned(), percent);
        let said = Said {
            level: if seen.deals_in(flow.asset) { Level::Stop } else { Level::Alert },
            severity: Severity::High,
            summary: format!(
                "{how} was flagged shortly before, and module {} loses {amount} of {} ({part}) again",
                seen.module.id, flow.asset
            ),
            harm: seen.harm_in(flow.asset),
            evidence: vec![
                Evidence::new("known again by", how),
                Evidence::new("suspect", suspect),
                Evidence::new("asset", flow.asset),
                Evidence::new("lost", format!("{amount} ({part} of what was held)")),
                Evidence::new("left", seen.exchange(flow).words()),
                Evidence::new("sender", seen.execution.transaction.from),
            ],
        };
        vec![seen.finding(&INFO, b"", said)]
    }
}

/// The first sign by which somebody under suspicion is known again.
fn suspect(seen: &Seen<'_>, history: &History) -> Option<(String, &'static str)> {
    let is = |suspect: Suspect| history.is_suspect(suspect, seen.now());
    let sender = seen.execution.transaction.from;
    if is(Suspect::Account(sender)) {
        return Some((sender.to_string(), "the sender"));
    }
    let entry = seen.execution.transaction.to.filter(|to| !seen.protected(*to) && is(Suspect::Account(*to)));
    if let Some(entry) = entry {
        return Some((entry.to_string(), "the entry contract"));
    }
    let code = created(seen.execution).find(|(_, signs)| signs.iter().any(|sign| is(*sign)));
    if let Some((contract, _)) = code {
        return Some((contract.to_string(), "the code of a new contract"));
    }
    let entry = seen.execution.transaction.to.filter(|to| !seen.protected(*to));
    let made = entry.and_then(|entry| Some((entry, history.made(entry, seen.now())?)));
    if let Some((entry, (code, shape, _))) = made
        && signs_of(code, shape).any(is)
    {
        return Some((entry.to_string(), "the code of the entry contract"));
    }
    if let Some(pattern) = pattern(seen.execution, &|account| seen.protected(account)).filter(|sign| is(*sign)) {
        let Suspect::Pattern(pattern) = pattern else { return None };
        return Some((pattern.to_string(), "the order of the calls"));
    }
    let receives = seen
        .effects()
        .movements
        .iter()
        .find(|moved| seen.member(moved.from) && !seen.protected(moved.to) && is(Suspect::Account(moved.to)))?;
    Some((receives.to.to_string(), "a receiver"))
}

/// Contracts that came into being, with what their code is known again by.
fn created(execution: &Execution) -> impl Iterator<Item = (Address, Vec<Suspect>)> {
    let changes = execution.effects.code_changes.iter();
    changes
        .filter(|change| change.creator.is_some() && change.new != KECCAK256_EMPTY)
        .map(|change| (change.address, signs_of(change.new, change.shape).collect()))
}

fn signs_of(code: B256, shape: Option<B256>) -> impl Iterator<Item = Suspect> {
    [Suspect::Code(code)].into_iter().chain(shape.map(Suspect::Shape))
}

/// The calls that outsiders made into protected contracts, in their order; repetitions count once. `None` of so few that
/// anybody makes them.
fn pattern(execution: &Execution, protected: &impl Fn(Address) -> bool) -> Option<Suspect> {
    let calls = execution.effects.calls.iter().filter(|call| {
        call.effective && call.kind == CallKind::Call && protected(call.callee) && !protected(call.caller)
    });
    let mut steps = Vec::new();
    for call in calls.take(MOST_PATTERN) {
        let step = (call.callee, call.selector);
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    let mut different = steps.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() < LEAST_PATTERN {
        return None;
    }
    let bytes = steps.iter().flat_map(|(callee, selector)| {
        let selector = selector.unwrap_or_default();
        callee.iter().copied().chain(selector).collect::<Vec<u8>>()
    });
    Some(Suspect::Pattern(keccak256(bytes.collect::<Vec<u8>>())))
}

/// Whether a verdict puts people under suspicion: a stop, or an alert on how something was done. That much left, or that
/// an owner acted, happens to honest people.
pub(crate) fn is_hostile(verdict: &Verdict) -> bool {
    let ordinary = [asset_outflow::ID, authority_change::ID, ID];
    verdict.findings.iter().any(|finding| {
        finding.level == Level::Stop || finding.level == Level::Alert && !ordinary.contains(&finding.detector.as_ref())
    })
}

/// Who falls under suspicion by `execution`: all that acted for the sender when it was `hostile`; what a suspect creates
/// otherwise.
pub(crate) fn implicated(execution: &Execution, watch: &Watchlist, history: &History, hostile: bool) -> Vec<Suspect> {
    let sender = execution.transaction.from;
    let known = history.has_suspects() && history.is_suspect(Suspect::Account(sender), execution.block.timestamp);
    if !hostile && !known {
        return Vec::new();
    }
    let mut suspects: Vec<Suspect> = Vec::new();
    for (contract, signs) in created(execution).filter(|(contract, _)| !watch.contains(*contract)) {
        suspects.push(Suspect::Account(contract));
        suspects.extend(signs);
        if suspects.len() >= MOST_IMPLICATED {
            break;
        }
    }
    if hostile {
        suspects.push(Suspect::Account(sender));
        suspects.extend(pattern(execution, &|account| watch.contains(account)));
        // A router that others made is not his.
        let entry = execution.transaction.to.filter(|to| !watch.contains(*to));
        let made = entry.and_then(|entry| Some((entry, history.made(entry, execution.block.timestamp)?)));
        if let Some((entry, (code, shape, _))) = made.filter(|(_, (_, _, by))| *by == sender) {
            suspects.push(Suspect::Account(entry));
            suspects.extend(signs_of(code, shape));
        }
    }
    suspects
}

#[cfg(test)]
mod tests;
