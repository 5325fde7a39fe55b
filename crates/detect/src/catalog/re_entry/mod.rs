//! Re-entry: control leaves a module in the middle of a call, and comes back into it before that call has ended.
//!
//! By itself this is how callbacks work, so it is never more than a notice. Together with a loss for nothing in return
//! it is the oldest exploit there is. What runs is not asked: same function, another function, another contract of the
//! module, all are one thing here. Never decides by names; selectors only name the shape for people and for habits.

use std::sync::LazyLock;

use alloy_primitives::Address;
use cofferdam_types::{CallKind, Effects, Evidence, Finding, Level, Selector, Severity};

use crate::{
    Detector, DetectorInfo, Flow, Habit, History, Seen,
    amounts::reaches,
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "re-entry";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// A frame into the module that was opened while an earlier one was, with an outsider between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reentry {
    /// Index of the frame that was open.
    pub outer: usize,
    /// Index of the frame that came back.
    pub inner: usize,
    /// What `outer` ran.
    pub outer_selector: Option<Selector>,
    /// What `inner` ran.
    pub inner_selector: Option<Selector>,
}

impl Reentry {
    /// Its shape, as it is remembered.
    pub const fn habit(&self) -> Habit {
        Habit::Reentry(self.outer_selector, self.inner_selector)
    }
}

/// All re-entries that could change state, in order of execution: read-only calls, plain payments and calls that
/// neither moved nor logged anything are left out.
pub(crate) fn reentries(effects: &Effects, member: &impl Fn(Address) -> bool) -> Vec<Reentry> {
    let mut found = Vec::new();
    let calls = &effects.calls;
    let (mut open, mut read_only): (Option<usize>, Option<u16>) = (None, None);
    let mut acted: Option<Vec<bool>> = None;
    for (index, call) in calls.iter().enumerate() {
        if read_only.is_some_and(|depth| call.depth <= depth) {
            read_only = None;
        }
        if open.and_then(|outer| calls.get(outer)).is_some_and(|outer| call.depth <= outer.depth) {
            open = None;
        }
        if call.kind == CallKind::StaticCall && read_only.is_none() {
            read_only = Some(call.depth);
        }
        if read_only.is_some() || !call.effective || !member(call.callee) {
            continue;
        }
        let Some(outer) = open else {
            open = Some(index);
            continue;
        };
        let parent = call.parent.and_then(|parent| calls.get(usize::try_from(parent).ok()?));
        let from_outside = parent.is_some_and(|parent| !member(parent.callee));
        let payment = call.selector.is_none() && !call.value.is_zero();
        let called = matches!(call.kind, CallKind::Call | CallKind::CallCode);
        if from_outside
            && called
            && !payment
            && acted.get_or_insert_with(|| all_that_acted(effects)).get(index).copied().unwrap_or_default()
        {
            found.push(Reentry {
                outer,
                inner: index,
                outer_selector: calls.get(outer).and_then(|outer| outer.selector),
                inner_selector: call.selector,
            });
        }
    }
    found
}

/// For each frame whether it, or one below it, moved the native coin, created something or emitted a log.
fn all_that_acted(effects: &Effects) -> Vec<bool> {
    let moves = |call: &cofferdam_types::Call| {
        call.effective
            && (!call.value.is_zero() && call.kind != CallKind::DelegateCall
                || matches!(call.kind, CallKind::Create | CallKind::Create2 | CallKind::SelfDestruct))
    };
    let mut acted: Vec<bool> = effects.calls.iter().map(moves).collect();
    for emitting in effects.logs.iter().filter_map(|log| usize::try_from(log.call?).ok()) {
        if let Some(frame) = acted.get_mut(emitting) {
            *frame = true;
        }
    }
    // Frames are opened after their parents: from the last to the first, each tells its own.
    for (index, call) in effects.calls.iter().enumerate().rev() {
        let parent = call.parent.and_then(|parent| usize::try_from(parent).ok()).filter(|parent| *parent < index);
        if acted.get(index) == Some(&true)
            && let Some(parent) = parent.and_then(|parent| acted.get_mut(parent))
        {
            *parent = true;
        }
    }
    acted
}

/// Recognises re-entries that do harm.
pub struct ReEntry;

impl Detector for ReEntry {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        // Without a loss a re-entry is a callback.
        if seen.losses().next().is_none() {
            return Vec::new();
        }
        let reentries = seen.reentries();
        let Some(first) = reentries.first() else { return Vec::new() };
        let losses = seen.losses().filter(|flow| !Seen::lost_of_holdings(flow).is_zero());
        let Some((exchange, _, worst)) =
            losses.map(|flow| (seen.exchange(flow), seen.share_bps(flow), flow)).max_by_key(
                |(exchange, share, flow)| (seen.deals_in(flow.asset), !flow.issued, exchange.is_one_sided(), *share),
            )
        else {
            return Vec::new();
        };
        let familiar = reentries.iter().all(|reentry| history.is_familiar(seen.index, reentry.habit(), seen.now()));
        let lost = Seen::lost_of_holdings(worst);
        let reached = |share| worst.held.is_some_and(|held| reaches(lost, held, share));
        // A function that is entered again and again inside itself is no lender's callback: that comes back for something
        // else, and once.
        let same =
            |reentry: &&Reentry| reentry.outer_selector.is_some() && reentry.outer_selector == reentry.inner_selector;
        let inside_itself = reentries.iter().filter(same).count() > 1;
        let least = if inside_itself {
            seen.settings.reentry.one_sided_stop_bps
        } else {
            seen.settings.outflow.exchanged_alert_bps
        };
        let large = reached(least);
        let level = match (exchange.is_one_sided(), familiar) {
            // A token that sells fees out of its own stock calls a pool that calls it back: nobody's deposit leaves.
            (true, false) if worst.issued => Level::Notice,
            (true, true) if worst.issued => return Vec::new(),
            (true, false) if reached(seen.settings.reentry.one_sided_stop_bps) => {
                if seen.deals_in(worst.asset) {
                    Level::Stop
                } else {
                    Level::Alert
                }
            }
            (true, true) if reached(seen.settings.outflow.one_sided_alert_bps) => Level::Alert,
            (true, false) if worst.held.is_none() => Level::Alert,
            (false, false) if large => Level::Alert,
            (true | false, true) => return Vec::new(),
            (true | false, false) => Level::Notice,
        };
        vec![seen.finding(&INFO, b"", said(seen, first, reentries.len(), worst, level, familiar))]
    }
}

fn said(seen: &Seen<'_>, first: &Reentry, count: usize, worst: &Flow, level: Level, familiar: bool) -> Said {
    let effects = seen.effects();
    let name = |index: usize| {
        effects.calls.get(index).map_or_else(String::new, |call| {
            let function = call.selector.map_or_else(|| "no selector".to_owned(), |selector| selector.to_string());
            format!("{function} of {} called by {}", call.callee, call.caller)
        })
    };
    let lost = Seen::lost_of_holdings(worst);
    let share = seen.share_bps(worst).map_or_else(|| "an unknown share".to_owned(), percent);
    let mut evidence = vec![
        Evidence::new("open call", name(first.outer)),
        Evidence::new("call that came back", name(first.inner)),
        Evidence::new("re-entries", count),
        Evidence::new("net loss", format!("{lost} of {} ({share} of what was held)", worst.asset)),
        Evidence::new("what came back", seen.exchange(worst).words()),
    ];
    if worst.held.is_none() {
        evidence.push(Evidence::new("holdings", "unknown: no balance was looked at, so the share is not known either"));
    }
    if familiar {
        evidence.push(Evidence::new("history", "this way of re-entering has long been seen here"));
    }
    Said {
        level,
        severity: if level == Level::Stop { Severity::Critical } else { Severity::Medium },
        summary: format!(
            "module {} was re-entered while a call was open and lost {lost} of {} ({share}) {}",
            seen.module.id,
            worst.asset,
            seen.exchange(worst).words()
        ),
        harm: seen.harm(),
        evidence,
    }
}

#[cfg(test)]
mod tests;
