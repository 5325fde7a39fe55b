//! Invariants that people wrote: an integer that a view call answers, before against after, or a condition over several.
//!
//! Exact integers, no rounding. A view that fails or answers with nonsense is said, never passed over: somebody relies
//! on it. A breach is an anomaly by definition, so with counted harm it is a stop.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Evidence, Fact, Finding, Level, Severity, Signed, ViewNeed, ViewResult};

mod compiled;
mod condition;
mod expression;

use compiled::Single;
use condition::Condition;

use crate::{
    Detector, DetectorInfo, History, Seen,
    amounts::{exceeds, share_bps},
    seen::{Said, percent},
    settings::{InvariantSettings, ModuleSettings, SettingsError},
};

/// The detector's id.
pub const ID: &str = "invariant";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// What the folder says of it.
pub(crate) fn info() -> &'static DetectorInfo {
    &INFO
}

/// One invariant, ready to be held against answers.
pub(crate) enum Compiled {
    /// Over one view.
    Single(Box<Single>),
    /// Over several.
    Condition(Box<Condition>),
}

impl Compiled {
    /// Compiles all invariants of a module.
    ///
    /// # Errors
    /// The first that cannot be meant.
    pub(crate) fn all(settings: &ModuleSettings) -> Result<Vec<Self>, SettingsError> {
        let mut compiled = Vec::new();
        for (index, invariant) in settings.invariants.iter().enumerate() {
            let twice = settings.invariants.iter().take(index).any(|earlier| earlier.name == invariant.name);
            let one = if twice { Err("the name is used twice".to_owned()) } else { Self::new(settings, invariant) };
            compiled.push(one.map_err(|reason| {
                let what = format!("invariant `{}`", invariant.name.chars().take(80).collect::<String>());
                SettingsError::Invalid { module: settings.module.clone(), what, reason }
            })?);
        }
        Ok(compiled)
    }

    fn new(module: &ModuleSettings, invariant: &InvariantSettings) -> Result<Self, String> {
        match &invariant.holds {
            Some(text) => Condition::new(&module.module, invariant, text).map(Box::new).map(Self::Condition),
            None => Single::new(&module.module, invariant).map(Box::new).map(Self::Single),
        }
    }

    fn needs(&self) -> Vec<ViewNeed> {
        match self {
            Self::Single(single) => vec![single.need()],
            Self::Condition(condition) => condition.needs().collect(),
        }
    }
}

/// Holds what was written against what the views say.
pub(crate) struct Invariants {
    /// With the number of the first view of each.
    compiled: Vec<(usize, Compiled)>,
    views: Vec<ViewNeed>,
}

impl Invariants {
    /// Takes compiled invariants of all modules.
    pub(crate) fn new(compiled: Vec<Compiled>) -> Self {
        let mut views = Vec::new();
        let numbered = compiled.into_iter().map(|one| {
            let first = views.len();
            views.extend(one.needs());
            (first, one)
        });
        Self { compiled: numbered.collect(), views }
    }

    /// The views that must be among the facts.
    pub(crate) fn views(&self) -> Vec<ViewNeed> {
        self.views.clone()
    }
}

impl Detector for Invariants {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, _history: &History) -> Vec<Finding> {
        let fact = |view: usize| seen.execution.facts.iter().find(|fact| fact.view == view);
        let mut findings = Vec::new();
        for (first, compiled) in &self.compiled {
            let (name, said) = match compiled {
                Compiled::Single(single) if single.module == seen.module.id => {
                    (&single.name, judge(seen, single, fact(*first)))
                }
                Compiled::Condition(condition) if condition.module == seen.module.id => {
                    let facts: Option<Vec<&Fact>> =
                        (*first..).zip(condition.needs()).map(|(view, _)| fact(view)).collect();
                    (&condition.name, judge_condition(seen, condition, facts.as_deref()))
                }
                Compiled::Single(_) | Compiled::Condition(_) => continue,
            };
            if let Some(said) = said {
                findings.push(seen.finding(&INFO, name.as_bytes(), said));
            }
        }
        findings
    }
}

/// A condition that was false before is not this transaction's doing: it is a stop where harm is counted, else a notice.
fn judge_condition(seen: &Seen<'_>, condition: &Condition, facts: Option<&[&Fact]>) -> Option<Said> {
    let mut evidence = vec![Evidence::new("invariant", &condition.name), Evidence::new("condition", &condition.text)];
    let Some(facts) = facts else {
        return Some(undecided(seen, &condition.name, Level::Notice, "a view was not read", evidence));
    };
    evidence.extend(condition.shown(facts).map(|(view, answers)| Evidence::new("view", format!("{view}: {answers}"))));
    let (level, how) = match condition.worth(facts) {
        (_, Ok(true)) => return None,
        (Ok(false), Ok(false)) => (Level::Notice, "did not hold before and does not hold after"),
        (Ok(true) | Err(_), Ok(false)) => (Level::Alert, "does not hold after the transaction"),
        (before, Err(why)) => {
            let could = before.is_ok();
            let level = if could { Level::Alert } else { Level::Notice };
            let why = if could { format!("it could be read before, and after the transaction {why}") } else { why };
            return Some(undecided(seen, &condition.name, level, &why, evidence));
        }
    };
    let harm = seen.harm();
    let level = condition.level.unwrap_or(if harm.is_empty() { level } else { Level::Stop });
    Some(Said {
        level,
        severity: if level == Level::Stop { Severity::Critical } else { Severity::High },
        summary: format!(
            "invariant `{}` of module {} is broken: `{}` {how}",
            condition.name, seen.module.id, condition.text
        ),
        harm,
        evidence,
    })
}

fn judge(seen: &Seen<'_>, invariant: &Single, fact: Option<&Fact>) -> Option<Said> {
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

fn breach_of_bounds(invariant: &Single, after: Signed) -> Option<String> {
    if let Some(min) = invariant.min
        && is_less(after, min)
    {
        return Some(format!("{after} is below the minimum {min}"));
    }
    let max = invariant.max.filter(|max| is_less(*max, after))?;
    Some(format!("{after} is above the maximum {max}"))
}

fn breach_of_change(invariant: &Single, before: Signed, after: Signed) -> Option<String> {
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

fn broken(seen: &Seen<'_>, invariant: &Single, breach: &str, mut evidence: Vec<Evidence>) -> Said {
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

fn inconclusive(seen: &Seen<'_>, invariant: &Single, level: Level, why: &str, mut evidence: Vec<Evidence>) -> Said {
    evidence.insert(0, Evidence::new("invariant", &invariant.name));
    evidence.push(Evidence::new("view", &invariant.view));
    evidence.push(Evidence::new("contract", invariant.target));
    undecided(seen, &invariant.name, level, why, evidence)
}

fn undecided(seen: &Seen<'_>, name: &str, level: Level, why: &str, evidence: Vec<Evidence>) -> Said {
    Said {
        level,
        severity: Severity::Medium,
        summary: format!("invariant `{name}` of module {} is inconclusive: {why}", seen.module.id),
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
