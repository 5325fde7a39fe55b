//! How bad an incident is, as people declare it: `[[severity]]`, the first rule that fits decides.

use std::collections::HashSet;

use cofferdam_detect::settings::{Amount, AssetName};
use cofferdam_incident::joining::{Criterion, default_criteria};
use cofferdam_types::{Asset, Level, ModuleId, Severity, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{File, Mistake};

/// One rule. Everything that it names must hold of one finding of the incident; what it leaves out does not matter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeverityRule {
    /// Its name, shown with the incident.
    pub name: String,
    /// How bad the incident is when it fits.
    pub severity: Severity,
    /// A finding of at least this level.
    #[serde(default)]
    pub level: Option<Level>,
    /// A finding of this stage of an attack.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// A finding by one of these detectors. Alerts of other tools are called `foreign:` and the name of their source.
    #[serde(default)]
    pub detectors: Vec<String>,
    /// A finding about one of these modules.
    #[serde(default)]
    pub modules: Vec<ModuleId>,
    /// A finding that says that at least this part of what one account of the module held of one asset is lost, in
    /// basis points.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub lost_bps: Option<u16>,
    /// All such findings together count at least this much as lost.
    #[serde(default)]
    pub lost: Option<Lost>,
    /// The signs of the incident add up to an attack: several weak ones over several stages, or a sure one and another.
    #[serde(default)]
    pub combined: bool,
}

/// An amount of an asset.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// `native`, or the address of a token.
    pub asset: AssetName,
    /// Smallest units, in quotes.
    pub at_least: Amount,
}

/// The rules of the file; those that hold where it has none.
///
/// # Errors
/// Every mistake.
pub(super) fn criteria(file: &File) -> Result<Vec<Criterion>, Vec<Mistake>> {
    if file.severity.is_empty() {
        return Ok(default_criteria());
    }
    let (mut criteria, mut mistakes) = (Vec::new(), Vec::new());
    let mut names = HashSet::new();
    let mut catches_all: Option<&str> = None;
    for (index, rule) in file.severity.iter().enumerate() {
        let table = format!("severity[{index}]");
        if rule.name.trim().is_empty() {
            mistakes.push(Mistake::new(format!("{table}.name"), "must not be empty"));
        } else if !names.insert(rule.name.as_str()) {
            mistakes.push(Mistake::new(format!("{table}.name"), "is given twice").seeing(&rule.name));
        }
        if let Some(earlier) = catches_all {
            let expected = format!("never decides: rule `{earlier}` before it asks for nothing and fits everything");
            mistakes.push(Mistake::new(&*table, expected));
        }
        mistakes.extend(unknown(file, &table, rule));
        let criterion = criterion(rule);
        if criterion.fits_all() && catches_all.is_none() {
            catches_all = Some(&rule.name);
        }
        criteria.push(criterion);
    }
    if mistakes.is_empty() { Ok(criteria) } else { Err(mistakes) }
}

fn unknown(file: &File, table: &str, rule: &SeverityRule) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (index, module) in rule.modules.iter().enumerate() {
        if file.modules.iter().all(|entry| entry.id != *module) {
            let mistake = Mistake::new(format!("{table}.modules[{index}]"), "there is no such module");
            mistakes.push(mistake.seeing(module));
        }
    }
    let infos = cofferdam_detect::catalog::infos();
    for (index, detector) in rule.detectors.iter().enumerate() {
        let known = match detector.strip_prefix("foreign:") {
            Some(source) => file.alerts_in.iter().any(|entry| entry.name == source),
            None => {
                infos.iter().any(|info| info.id == *detector) || crate::company::SPEAKS.contains(&detector.as_str())
            }
        };
        if !known {
            let mistake = Mistake::new(format!("{table}.detectors[{index}]"), "there is no such detector or source");
            mistakes.push(mistake.seeing(detector));
        }
    }
    if rule.lost.as_ref().is_some_and(|lost| lost.at_least.0.is_zero()) {
        mistakes.push(Mistake::new(format!("{table}.lost.at_least"), "must be more than nothing").seeing(0));
    }
    mistakes
}

fn criterion(rule: &SeverityRule) -> Criterion {
    let asset = |name: AssetName| match name {
        AssetName::Native => Asset::Native,
        AssetName::Token(token) => Asset::Erc20(token),
    };
    Criterion {
        name: rule.name.clone(),
        severity: rule.severity,
        level: rule.level,
        stage: rule.stage,
        detectors: rule.detectors.clone(),
        modules: rule.modules.clone(),
        lost_bps: rule.lost_bps,
        lost: rule.lost.as_ref().map(|lost| (asset(lost.asset), lost.at_least.0)),
        combined: rule.combined,
    }
}
