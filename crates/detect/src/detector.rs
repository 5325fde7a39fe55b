//! What a detector is, and what its folder says of it.

use cofferdam_types::{Finding, Maturity, Score, Severity, Stage};
use serde::Deserialize;

use crate::{History, Seen};

/// What stands in a detector's `detector.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorInfo {
    /// Its id: the folder's name with `-` for `_`.
    pub id: String,
    /// One line for operators.
    pub title: String,
    /// The worst that it says.
    pub severity: Severity,
    /// How far it may be trusted: caps the level of its findings.
    pub maturity: Maturity,
    /// How far an attack is that it shows.
    #[serde(default = "exploitation")]
    pub stage: Stage,
    /// How often honest transactions made it speak, where that was measured.
    #[serde(default)]
    pub measured: Option<Measured>,
    /// Families of attacks that it is for.
    pub attack_classes: Vec<String>,
    /// Defaults of the settings that it reads, with units in the names, for people. A test holds them equal to the
    /// defaults in the code.
    #[serde(default)]
    pub defaults: toml::Table,
}

/// On how many honest transactions it said anything at all (docs/benchmarks.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Transactions.
    pub seen: u64,
    /// Of how many.
    pub of: u64,
}

const fn exploitation() -> Stage {
    Stage::Exploitation
}

impl DetectorInfo {
    /// How seldom an honest transaction makes it speak, at most; the whole where that was not measured.
    pub fn score(&self) -> Score {
        self.measured.map_or(Score::WHOLE, |measured| Score::measured(measured.seen, measured.of))
    }

    /// Reads a `detector.toml` that was embedded at build time.
    ///
    /// # Panics
    /// When the file is malformed: a mistake of the build that the catalogue's test finds.
    pub(crate) fn embedded(text: &str) -> Self {
        toml::from_str(text).expect("every detector.toml is read by the test of the catalogue")
    }
}

/// One way of recognising trouble in one execution.
///
/// A detector is a pure function: same inputs, same findings. It does no I/O and cannot fail; the views that it must
/// read are asked for by [`Detection`](crate::Detection) and stand among the execution's facts. What it remembers lives
/// in [`History`], which the caller rolls back on a reorg.
pub trait Detector: Send + Sync {
    /// Identity, severity and maturity, as shown to operators.
    fn info(&self) -> &'static DetectorInfo;

    /// Findings about one module that the execution touched. Empty means "nothing seen".
    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding>;
}
