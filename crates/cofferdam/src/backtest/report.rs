//! What a run amounts to: rates with their intervals, for the whole and for each detector.

use std::collections::BTreeMap;

use cofferdam_types::Level;
use serde::Serialize;

use super::tally::{Attack, Found, Part, Tally};
use crate::bench::{Levels, Percentiles};
use crate::interval::{per_million, wilson};

/// Everything that was counted.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Transactions that are not part of an attack's case.
    pub ordinary: Tally,
    /// Of these, the ones that the collector calls honest.
    pub honest: Tally,
    /// How often something was said of `ordinary`.
    pub rates: Rates,
    /// The same of each detector that said anything.
    pub detectors: BTreeMap<String, Rates>,
    /// Recall, where cases are labelled as attacks.
    pub attacks: Option<Attacks>,
    /// From a transaction to its verdict, in milliseconds: its share of the time in which its block was executed, state
    /// fetched, and the time in which it was judged.
    pub transaction_ms: Percentiles,
    /// Each alert and stop, and each notice where they were asked for.
    pub found: Vec<Found>,
}

/// How often something was said.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rates {
    /// Would-be stops.
    pub stops: Rate,
    /// Alerts.
    pub alerts: Rate,
    /// Notices.
    pub notices: Rate,
}

/// A count with what it is of.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    /// How many.
    pub n: u64,
    /// For every million contract calls.
    pub per_million_contract_calls: f64,
    /// Lower and upper end of the 95 % interval (Wilson) of that.
    pub interval: (f64, f64),
    /// For every million contract calls that touched a protected module.
    pub per_million_touching: f64,
}

/// Recall over the cases that are labelled as attacks.
#[derive(Clone, Debug, Serialize)]
pub struct Attacks {
    /// Attacks.
    pub n: u64,
    /// With an alert or a stop at or before the attack.
    pub told: u64,
    /// Of these, stops.
    pub stopped: u64,
    /// Lower and upper end of the 95 % interval (Wilson) of `told`, from 0 to 1.
    pub interval: (f64, f64),
    /// How many of them each detector told of, and stopped.
    pub detectors: BTreeMap<String, Levels>,
    /// Each attack.
    pub each: Vec<AttackLine>,
}

/// One attack.
#[derive(Clone, Debug, Serialize)]
pub struct AttackLine {
    /// What was said.
    #[serde(flatten)]
    pub attack: Attack,
    /// Why it counts as told, or what was seen instead.
    pub why: String,
}

impl Report {
    /// Adds up the parts of a run.
    pub fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut whole = Part::default();
        let mut attacks = Vec::new();
        for part in parts {
            whole.ordinary.merge(&part.ordinary);
            whole.honest.merge(&part.honest);
            whole.times.merge(&part.times);
            attacks.extend(part.attack.map(|attack| line(attack, &part.found)));
            whole.found.extend(part.found);
        }
        let Part { ordinary, honest, found, times, .. } = whole;
        #[expect(clippy::as_conversions, reason = "nanoseconds of a run, far below 2^53")]
        let millis = |nanos: u64| nanos as f64 / 1e6;
        Self {
            rates: Rates::of(ordinary.said, &ordinary),
            detectors: ordinary.detectors.iter().map(|(id, said)| (id.clone(), Rates::of(*said, &ordinary))).collect(),
            attacks: (!attacks.is_empty()).then(|| Attacks::of(attacks)),
            transaction_ms: Percentiles {
                n: times.n(),
                p50: millis(times.at(500)),
                p99: millis(times.at(990)),
                max: millis(times.longest()),
            },
            ordinary,
            honest,
            found,
        }
    }

    /// Whether nothing was told of ordinary transactions and nothing missed.
    pub fn is_quiet(&self) -> bool {
        let missed = self.attacks.as_ref().is_some_and(|attacks| attacks.told < attacks.n);
        self.ordinary.said.stops == 0 && self.ordinary.said.alerts == 0 && !missed
    }
}

impl Rates {
    fn of(said: Levels, of: &Tally) -> Self {
        let rate = |n: u64| {
            let (low, high) = wilson(n, of.contract_calls);
            Rate {
                n,
                per_million_contract_calls: per_million(n, of.contract_calls),
                interval: (low * 1e6, high * 1e6),
                per_million_touching: per_million(n, of.touching),
            }
        };
        Self { stops: rate(said.stops), alerts: rate(said.alerts), notices: rate(said.notices) }
    }
}

impl Attacks {
    fn of(each: Vec<AttackLine>) -> Self {
        let count = |keep: &dyn Fn(&Attack) -> bool| {
            u64::try_from(each.iter().filter(|line| keep(&line.attack)).count()).unwrap_or(u64::MAX)
        };
        let (n, told) = (count(&|_| true), count(&|attack| attack.told.is_some()));
        let stopped = count(&|attack| attack.told == Some(Level::Stop));
        let mut detectors: BTreeMap<String, Levels> = BTreeMap::new();
        for (detector, level) in each.iter().flat_map(|line| &line.attack.detectors) {
            detectors.entry(detector.clone()).or_default().count(*level);
        }
        Self { n, told, stopped, interval: wilson(told, n), detectors, each }
    }
}

fn line(attack: Attack, found: &[Found]) -> AttackLine {
    let strongest = found.iter().max_by_key(|found| found.level).filter(|_| attack.told.is_some());
    let why = match strongest {
        Some(found) => why(found),
        None if attack.notices.is_empty() => format!("nothing was said: {}", attack.ended),
        None => attack.notices.join("; "),
    };
    AttackLine { attack, why }
}

/// The findings of one transaction in a line.
pub(crate) fn why(found: &Found) -> String {
    let said = found.findings.iter().map(|line| format!("{}: {}", line.detector, line.why));
    said.collect::<Vec<_>>().join("; ")
}
