//! What a detector says, and the verdict that several of them add up to.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use alloy_primitives::{Address, B256, U256, keccak256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Asset, HarmAccount, ModuleId, Standing};

/// What is done about it. Ordered: a stop is more than an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Logged and summarised.
    Notice,
    /// Somebody is told now.
    Alert,
    /// The machine acts, inside its limits.
    Stop,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notice => "notice",
            Self::Alert => "alert",
            Self::Stop => "stop",
        })
    }
}

/// How bad it is if true. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Small or indirect.
    Low,
    /// A part of a module.
    Medium,
    /// A module.
    High,
    /// The protocol.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// How far a detector may be trusted (architecture, decision 11). Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Maturity {
    /// Logs only.
    Sandbox,
    /// Pages people.
    Incubating,
    /// May trigger a containment.
    Stable,
}

/// Names a finding: the same fact found twice, on another node or after a restart, has the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub B256);

impl FindingId {
    /// Keccak of detector, module, transaction and `subject` (what distinguishes two findings of one detector on one
    /// transaction). Never of optional data such as traces that a node may lack.
    pub fn new(detector: &str, module: &ModuleId, transaction: B256, subject: &[u8]) -> Self {
        let mut preimage = Vec::new();
        for part in [detector.as_bytes(), module.as_str().as_bytes(), transaction.as_slice(), subject] {
            preimage.extend_from_slice(keccak256(part).as_slice());
        }
        Self(keccak256(&preimage))
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A loss that can be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harm {
    /// In what.
    pub asset: Asset,
    /// Whose loss.
    pub account: Address,
    /// How much, smallest unit.
    pub amount: U256,
    /// True when the amount has not left but can now be taken.
    pub at_risk: bool,
}

/// One thing that was read, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is, a few words.
    pub what: Cow<'static, str>,
    /// Its value, decoded where possible.
    pub value: String,
}

impl Evidence {
    /// A pair of words and value.
    pub fn new(what: &'static str, value: impl fmt::Display) -> Self {
        Self { what: Cow::Borrowed(what), value: value.to_string() }
    }
}

/// What one detector says about one transaction and one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Identity, stable across nodes and restarts.
    pub id: FindingId,
    /// The detector's id, as in its folder.
    pub detector: Cow<'static, str>,
    /// The detector's maturity when it spoke.
    pub maturity: Maturity,
    /// What should be done.
    pub level: Level,
    /// How bad it is if true.
    pub severity: Severity,
    /// The module in danger.
    pub module: ModuleId,
    /// The transaction.
    pub transaction: B256,
    /// One sentence for a person at 3 a.m.
    pub summary: String,
    /// Losses counted, largest concern first; empty when none can be counted.
    pub harm: Vec<Harm>,
    /// What was read.
    pub evidence: Vec<Evidence>,
}

/// All findings about one execution. No findings: nothing was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Strongest first.
    pub findings: Vec<Finding>,
    /// What left the modules that were touched, flagged or not; only modules that something left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub harm: Vec<HarmAccount>,
    /// What they stand on.
    pub standing: Standing,
}

impl Verdict {
    /// The strongest level among the findings; `None` when nothing was seen.
    pub fn level(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    /// What the findings count as lost, each loss once: several of them may speak of the same one, so the largest claim
    /// for each module, asset and account holds. What is merely at risk is none.
    pub fn losses(&self) -> BTreeMap<(ModuleId, Asset, Address), U256> {
        let mut losses: BTreeMap<(ModuleId, Asset, Address), U256> = BTreeMap::new();
        for finding in &self.findings {
            for harm in finding.harm.iter().filter(|harm| !harm.at_risk && !harm.amount.is_zero()) {
                let largest = losses.entry((finding.module.clone(), harm.asset, harm.account)).or_default();
                *largest = harm.amount.max(*largest);
            }
        }
        losses
    }
}
