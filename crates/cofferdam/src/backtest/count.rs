//! Walks one track with its judge and counts what is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_detect::Detection;
use cofferdam_evm::{Budget, Engine, Subject, Trials, created};
use cofferdam_types::{Clock, Creator, Effects, Execution, Judge as _, Level, Verdict, Watchlist, Window};

use super::run::Options;
use super::tally::{Attack, Found, Line, Part, Tally};
use super::track::{Chain, Done, Step, Track, TrackError, Walker};
use crate::cases::touches;

/// Walks `track` to its end; `each` is called after every block, and ends the walk early by saying false: then there is no
/// part.
pub(super) fn walk(
    track: &Track,
    chain: Option<&Chain>,
    options: &Options,
    clock: &Arc<dyn Clock>,
    each: &mut dyn FnMut() -> bool,
) -> Result<Option<Part>, TrackError> {
    let mut walker = Walker::new(track, chain)?;
    // Bounded by calls and gas and not by time, so that the same blocks give the same counts on every machine.
    let budget = Budget { micros: u64::MAX, ..Budget::default() };
    let mut trials = options.trials.then(|| Trials::new(budget, clock.clone()));
    let mut part = Part { attack: attack(track), ..Part::default() };
    while let Some(done) = walker.next(clock.as_ref())? {
        let (engine, judge) = walker.parts();
        let place = Place { done: &done, track, options };
        count(&place, engine, judge, trials.as_mut(), clock.as_ref(), &mut part);
        if !each() {
            return Ok(None);
        }
    }
    if let (Some(attack), Some(Step::Case { entry, .. })) = (&mut part.attack, track.steps.first())
        && attack.name.is_empty()
    {
        attack.name = entry.file.display().to_string();
    }
    Ok(Some(part))
}

/// Where something is said.
struct Place<'p> {
    done: &'p Done,
    track: &'p Track,
    options: &'p Options,
}

fn attack(track: &Track) -> Option<Attack> {
    let Some(Step::Case { entry, .. }) = track.steps.first().filter(|_| track.is_attack == Some(true)) else {
        return None;
    };
    Some(Attack {
        name: String::new(),
        family: entry.family.clone(),
        told: None,
        first: None,
        detectors: BTreeMap::new(),
        notices: Vec::new(),
        ended: "nothing was executed".to_owned(),
    })
}

fn count(
    place: &Place<'_>,
    engine: &mut Engine,
    judge: &mut Detection,
    mut trials: Option<&mut Trials>,
    clock: &dyn Clock,
    part: &mut Part,
) {
    let done = place.done;
    // What happens after the attack helps nobody, and is no honest transaction either.
    let last = match place.track.steps.first() {
        Some(Step::Case { entry, .. }) if place.track.is_attack == Some(true) => {
            entry.attack_tx.unwrap_or_else(|| done.advanced.executions.len().saturating_sub(1))
        }
        _ => usize::MAX,
    };
    let executed = u64::try_from(done.advanced.executions.len()).unwrap_or(u64::MAX);
    let share = done.nanos.checked_div(executed).unwrap_or_default();
    let mut tally = Tally { blocks: 1, ..Tally::default() };
    tally.diverged = u64::try_from(done.advanced.diverged.len()).unwrap_or(u64::MAX);
    for execution in done.advanced.executions.iter().take(last.saturating_add(1)) {
        let began = clock.monotonic_nanos();
        let verdict = judge.judge(execution);
        judge.record(execution);
        if !done.counted {
            continue;
        }
        part.times.add(clock.monotonic_nanos().saturating_sub(began).saturating_add(share));
        look(execution, &verdict, &place.track.guarded.watch, &mut tally);
        said(place, execution, Window::Mined, &verdict, &mut tally, part);
        if let Some(trials) = trials.as_deref_mut() {
            for verdict in newborns(execution, engine, judge, trials) {
                tally.tried = tally.tried.saturating_add(1);
                said(place, execution, Window::Before, &verdict, &mut tally, part);
            }
        }
    }
    if done.counted && place.track.is_attack != Some(true) {
        part.ordinary.merge(&tally);
        if place.track.is_attack == Some(false) {
            part.honest.merge(&tally);
        }
    }
}

/// What is counted of a transaction whatever is said of it.
fn look(execution: &Execution, verdict: &Verdict, watch: &Watchlist, tally: &mut Tally) {
    tally.transactions = tally.transactions.saturating_add(1);
    tally.incomplete = tally.incomplete.saturating_add(u64::from(!verdict.standing.missing.is_empty()));
    if calls_a_contract(execution) {
        tally.contract_calls = tally.contract_calls.saturating_add(1);
        tally.touching = tally.touching.saturating_add(u64::from(touches(&execution.effects, watch)));
    }
}

/// Whether code ran, as far as the transaction and its effects show it: it carries calldata, or something was called,
/// logged or written.
fn calls_a_contract(execution: &Execution) -> bool {
    let Effects { calls, logs, writes, .. } = &execution.effects;
    let transaction = &execution.transaction;
    transaction.to.is_some()
        && (transaction.selector().is_some() || calls.len() > 1 || !logs.is_empty() || !writes.is_empty())
}

fn said(
    place: &Place<'_>,
    execution: &Execution,
    window: Window,
    verdict: &Verdict,
    tally: &mut Tally,
    part: &mut Part,
) {
    if let Some(attack) = &mut part.attack {
        attack.name.clone_from(&place.done.name);
        attack.ended = format!("{} calls, outcome {:.60?}", execution.effects.calls.len(), execution.effects.outcome);
    }
    let Some(level) = verdict.level() else { return };
    tally.said.count(level);
    let mut strongest: BTreeMap<&str, Level> = BTreeMap::new();
    for finding in &verdict.findings {
        let known = strongest.entry(&finding.detector).or_insert(finding.level);
        *known = finding.level.max(*known);
    }
    for (detector, level) in &strongest {
        tally.detectors.entry((*detector).to_owned()).or_default().count(*level);
    }
    if let Some(attack) = &mut part.attack {
        note(attack, execution, verdict, &strongest);
    }
    if level > Level::Notice || place.options.notices {
        part.found.push(found(place, execution, window, verdict, level));
    }
}

fn note(attack: &mut Attack, execution: &Execution, verdict: &Verdict, strongest: &BTreeMap<&str, Level>) {
    for (detector, level) in strongest.iter().filter(|(_, level)| **level > Level::Notice) {
        attack.told = Some(attack.told.map_or(*level, |told| told.max(*level)));
        attack.first = attack.first.or(execution.index);
        let known = attack.detectors.entry((*detector).to_owned()).or_insert(*level);
        *known = (*level).max(*known);
    }
    let notices = verdict.findings.iter().filter(|finding| finding.level == Level::Notice);
    attack.notices.extend(notices.map(|finding| format!("{}: {}", finding.detector, finding.summary)));
}

fn found(place: &Place<'_>, execution: &Execution, window: Window, verdict: &Verdict, level: Level) -> Found {
    let line = |finding: &cofferdam_types::Finding| Line {
        detector: finding.detector.clone().into_owned(),
        level: finding.level,
        module: finding.module.to_string(),
        why: finding.summary.clone(),
    };
    Found {
        name: place.done.name.clone(),
        block: place.done.block.header.number.0,
        index: execution.index.unwrap_or_default(),
        transaction: execution.hash(),
        window,
        level,
        honest: place.track.is_attack.map(|attack| !attack),
        findings: verdict.findings.iter().map(line).collect(),
        incomplete: !verdict.standing.missing.is_empty(),
    }
}

/// What is said of each contract that the transaction made, tried on the state after its block, as `watch` does with
/// what it first sees in a block.
fn newborns(execution: &Execution, engine: &mut Engine, judge: &Detection, trials: &mut Trials) -> Vec<Verdict> {
    let addresses = created(execution).0;
    if addresses.is_empty() {
        return Vec::new();
    }
    let creation = Arc::new(execution.clone());
    let account = execution.transaction.from;
    let of = |address| {
        let change = execution.effects.code_changes.iter().find(|change| change.address == address);
        let through = change.and_then(|change| change.creator).filter(|through| *through != account);
        let creator = Creator { account, through, nonce: execution.transaction.nonce, ..Creator::default() };
        let subject = Subject { creation: &creation, earlier: &[], address, creator };
        judge.judge_newborn(&trials.of(engine, &subject, &mut |_| false))
    };
    addresses.into_iter().map(of).collect()
}
