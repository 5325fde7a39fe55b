//! How bad an incident is, by rules that people declare. The first rule that fits decides, and is named.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use cofferdam_types::{Asset, Harm, Level, ModuleId, Severity, Stage};

use super::Combination;

/// The name of the rule where none that is declared fits: the worst that an alert's own detector says.
const AS_DETECTED: &str = "as-detected";

/// One declared rule. Everything that it names must hold; what it leaves out does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// Its name, for people.
    pub name: String,
    /// How bad the incident is when it fits.
    pub severity: Severity,
    /// A finding of at least this level.
    pub level: Option<Level>,
    /// ... of this stage.
    pub stage: Option<Stage>,
    /// ... by one of these detectors; empty: by any.
    pub detectors: Vec<String>,
    /// ... about one of these modules; empty: about any.
    pub modules: Vec<ModuleId>,
    /// ... that says that at least this part of what one account held of one asset is lost, in basis points.
    pub lost_bps: Option<u16>,
    /// All such findings together count at least this much of the asset as lost, smallest units.
    pub lost: Option<(Asset, U256)>,
    /// The signs of the incident add up to an attack.
    pub combined: bool,
}

impl Criterion {
    /// A rule that asks for nothing: it fits every incident.
    pub fn any(name: &str, severity: Severity) -> Self {
        Self {
            name: name.to_owned(),
            severity,
            level: None,
            stage: None,
            detectors: Vec::new(),
            modules: Vec::new(),
            lost_bps: None,
            lost: None,
            combined: false,
        }
    }

    /// Whether it asks for nothing, and so lets no rule after it speak.
    pub fn fits_all(&self) -> bool {
        *self == Self::any(&self.name, self.severity)
    }

    fn fits(&self, findings: &[Weighed], combination: Option<&Combination>) -> Option<String> {
        let combination = combination.filter(|_| self.combined);
        if self.combined && combination.is_none() {
            return None;
        }
        let of: Vec<&Weighed> = findings.iter().filter(|finding| self.speaks_of(finding)).collect();
        let first = of.iter().max_by_key(|finding| (finding.level, finding.lost_bps))?;
        let mut reason = format!("{} by {}", first.level, first.detector);
        if !first.module.is_empty() {
            reason.push_str(&format!(" on {}", first.module));
        }
        if self.stage.is_some() {
            reason.push_str(&format!(", {}", first.stage));
        }
        if let (Some(_), Some(bps)) = (self.lost_bps, first.lost_bps) {
            reason.push_str(&format!(", {bps} bps of what was held"));
        }
        if let Some((asset, least)) = self.lost {
            let lost = total(&of, asset);
            if lost < least {
                return None;
            }
            reason.push_str(&format!(", {lost} of {asset} lost"));
        }
        if let Some(combination) = combination {
            reason.push_str(&format!("; {}", combination.words()));
        }
        Some(reason)
    }

    fn speaks_of(&self, finding: &Weighed) -> bool {
        self.level.is_none_or(|level| finding.level >= level)
            && self.stage.is_none_or(|stage| finding.stage == stage)
            && (self.detectors.is_empty() || self.detectors.contains(&finding.detector))
            && (self.modules.is_empty() || self.modules.iter().any(|module| module.as_str() == finding.module))
            && self.lost_bps.is_none_or(|least| finding.lost_bps.is_some_and(|bps| bps >= least))
    }
}

/// A finding as far as rating looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// Who spoke.
    pub detector: String,
    /// What should be done.
    pub level: Level,
    /// How bad the detector thinks it is.
    pub severity: Severity,
    /// How far the attack is.
    pub stage: Stage,
    /// The module in danger; empty where another tool named none.
    pub module: String,
    /// The transaction.
    pub transaction: B256,
    /// The largest part lost of what one account held, in basis points.
    pub lost_bps: Option<u16>,
    /// What it counts.
    pub harm: Vec<Harm>,
}

/// What the findings count as lost of `asset`, each loss once: of several claims about one transaction and account the
/// largest holds. What is merely at risk is none.
fn total(findings: &[&Weighed], asset: Asset) -> U256 {
    let mut claims: BTreeMap<(B256, &str, Address), U256> = BTreeMap::new();
    for finding in findings {
        for harm in finding.harm.iter().filter(|harm| harm.asset == asset && !harm.at_risk) {
            let claim = claims.entry((finding.transaction, &finding.module, harm.account)).or_default();
            *claim = harm.amount.max(*claim);
        }
    }
    claims.into_values().fold(U256::ZERO, U256::saturating_add)
}

/// How bad an incident is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// How bad.
    pub severity: Severity,
    /// The rule that fitted.
    pub rule: String,
    /// What fitted it.
    pub reason: String,
}

/// Rates an incident by the first of `criteria` that fits its standing findings; by its detectors' own word where none
/// does. `None` for an incident without findings.
pub fn rate(criteria: &[Criterion], findings: &[Weighed], combination: Option<&Combination>) -> Option<Rating> {
    for criterion in criteria {
        if let Some(reason) = criterion.fits(findings, combination) {
            return Some(Rating { severity: criterion.severity, rule: criterion.name.clone(), reason });
        }
    }
    let worst = findings.iter().max_by_key(|finding| (finding.level >= Level::Alert, finding.severity))?;
    let reason = format!("{} by {}, which calls it so itself", worst.level, worst.detector);
    Some(Rating { severity: worst.severity, rule: AS_DETECTED.to_owned(), reason })
}

/// The rules where none are declared.
pub fn default_criteria() -> Vec<Criterion> {
    let stop = |name, severity| Criterion { level: Some(Level::Stop), ..Criterion::any(name, severity) };
    let alert = |name, severity| Criterion { level: Some(Level::Alert), ..Criterion::any(name, severity) };
    vec![
        Criterion { lost_bps: Some(5_000), ..alert("half-of-holdings", Severity::Critical) },
        Criterion { combined: true, ..stop("stop-and-more", Severity::Critical) },
        stop("stop", Severity::High),
        Criterion { lost_bps: Some(1_000), ..alert("tenth-of-holdings", Severity::High) },
        Criterion { combined: true, ..alert("combined", Severity::High) },
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn weighed(level: Level, lost_bps: Option<u16>, transaction: u8, amount: u64) -> Weighed {
        let account = Address::repeat_byte(1);
        Weighed {
            detector: "reserve-drain".into(),
            level,
            severity: Severity::Medium,
            stage: Stage::Exploitation,
            module: "vault".into(),
            transaction: B256::repeat_byte(transaction),
            lost_bps,
            harm: vec![Harm { asset: Asset::Native, account, amount: U256::from(amount), at_risk: false }],
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_says_why() {
        let findings = [weighed(Level::Stop, Some(6_000), 1, 5)];
        let rating = rate(&default_criteria(), &findings, None).unwrap();
        assert_eq!((rating.severity, rating.rule.as_str()), (Severity::Critical, "half-of-holdings"));
        assert!(rating.reason.contains("6000 bps"), "{}", rating.reason);
        let rating = rate(&default_criteria(), &[weighed(Level::Stop, None, 1, 5)], None).unwrap();
        assert_eq!((rating.severity, rating.rule.as_str()), (Severity::High, "stop"));
        let rating = rate(&default_criteria(), &[weighed(Level::Alert, Some(10), 1, 5)], None).unwrap();
        assert_eq!((rating.severity, rating.rule.as_str()), (Severity::Medium, AS_DETECTED));
        assert_eq!(rate(&default_criteria(), &[], None), None);
    }

    #[test]
    fn losses_add_up_over_transactions_and_two_claims_of_one_are_one() {
        let rule = |least: u64| {
            vec![Criterion {
                lost: Some((Asset::Native, U256::from(least))),
                ..Criterion::any("big", Severity::Critical)
            }]
        };
        let findings =
            [weighed(Level::Alert, None, 1, 5), weighed(Level::Stop, None, 1, 4), weighed(Level::Alert, None, 2, 3)];
        assert_eq!(rate(&rule(8), &findings, None).unwrap().rule, "big");
        assert_eq!(rate(&rule(9), &findings, None).unwrap().rule, AS_DETECTED);
    }

    #[test]
    fn a_rule_asks_for_everything_that_it_names_of_one_finding() {
        let vault = ModuleId::new("vault").unwrap();
        let rule = Criterion {
            modules: vec![vault],
            detectors: vec!["reserve-drain".into()],
            stage: Some(Stage::Exploitation),
            level: Some(Level::Stop),
            ..Criterion::any("mine", Severity::Info)
        };
        let rated = |finding: Weighed| rate(std::slice::from_ref(&rule), &[finding], None).unwrap().rule;
        assert_eq!(rated(weighed(Level::Stop, None, 1, 1)), "mine");
        for other in [
            weighed(Level::Alert, None, 1, 1),
            Weighed { module: "bridge".into(), ..weighed(Level::Stop, None, 1, 1) },
            Weighed { detector: "other".into(), ..weighed(Level::Stop, None, 1, 1) },
            Weighed { stage: Stage::Funding, ..weighed(Level::Stop, None, 1, 1) },
        ] {
            assert_eq!(rated(other), AS_DETECTED);
        }
        assert!(Criterion::any("x", Severity::Low).fits_all() && !rule.fits_all());
    }
}
