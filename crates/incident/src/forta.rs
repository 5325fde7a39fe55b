//! Our findings in the shape that the ecosystem reads: Forta's `Finding` (sdk `finding.ts`, `label.ts`). Pure.
//!
//! Everything that the schema requires is filled. `uniqueKey` is the finding's own id, which never depends on optional
//! data. Other tools' alerts are not repeated as ours.

use alloy_primitives::{B256, keccak256};
use cofferdam_types::{Actor, ChainId, Event, Finding, IncidentId, Level, Role, Score, Severity, Stage, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::naming;
use crate::query::Timeline;

/// A finding as Forta's schema has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FortaFinding {
    /// Of the alert.
    pub name: String,
    /// For a person.
    pub description: String,
    /// The same for all findings of one detector.
    pub alert_id: String,
    /// Ours.
    pub protocol: String,
    /// 0 unknown, 1 info, 2 low, 3 medium, 4 high, 5 critical.
    pub severity: u8,
    /// 0 unknown, 1 exploit, 2 suspicious, 3 degraded, 4 info, 5 scam.
    #[serde(rename = "type")]
    pub kind: u8,
    /// `anomaly_score` within (0, 1] and everything else that is known.
    pub metadata: BTreeMap<String, String>,
    /// Everybody whom it names.
    pub addresses: Vec<String>,
    /// Who is on the attacker's side.
    pub labels: Vec<FortaLabel>,
    /// Names the finding for ever.
    pub unique_key: String,
    /// Where it was found.
    pub source: FortaSource,
    /// `2026-11-23T04:05:06Z`.
    pub timestamp: String,
}

/// What is said of one account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FortaLabel {
    /// 1: an address.
    pub entity_type: u8,
    /// The address.
    pub entity: String,
    /// `attacker` or `attacker-contract`.
    pub label: String,
    /// Within (0, 1].
    pub confidence: f64,
    /// Never: labels are not taken back here.
    pub remove: bool,
    /// The role, in our words.
    pub metadata: BTreeMap<String, String>,
    /// Names the label for ever.
    pub unique_key: String,
}

/// Where a finding was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FortaSource {
    /// One.
    pub chains: Vec<FortaChain>,
    /// The block, where it is in one.
    pub blocks: Vec<FortaBlock>,
    /// One.
    pub transactions: Vec<FortaTransaction>,
    /// None.
    pub urls: Vec<String>,
    /// None.
    pub alerts: Vec<FortaAlert>,
    /// None.
    pub custom_sources: Vec<serde_json::Value>,
}

/// A chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FortaChain {
    /// EIP-155.
    pub chain_id: u64,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FortaBlock {
    /// EIP-155.
    pub chain_id: u64,
    /// Its hash.
    pub hash: B256,
    /// Its height.
    pub number: u64,
}

/// A transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FortaTransaction {
    /// EIP-155.
    pub chain_id: u64,
    /// Its hash.
    pub hash: B256,
}

/// Another alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FortaAlert {
    /// Its id.
    pub id: String,
}

/// The standing findings of an incident in Forta's shape, in the order of the record, each once.
pub fn forta_findings(timeline: &Timeline, chain: ChainId) -> Vec<FortaFinding> {
    let standing: BTreeSet<_> = timeline.joined.iter().map(|finding| finding.id).collect();
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    // The last sighting says most: in its block rather than waiting.
    for entry in timeline.entries.iter().rev() {
        let Event::Found { finding, .. } = &entry.event else { continue };
        if !standing.contains(&finding.id) || !told.insert(finding.id) {
            continue;
        }
        let mut shaped = forta_finding(&entry.event, entry.at, chain, Some(&timeline.summary.id));
        if let (Some(shaped), Some((severity, rule))) =
            (&mut shaped, timeline.summary.severity.zip(timeline.summary.rule.as_ref()))
        {
            shaped.metadata.insert("incident_severity".to_owned(), severity.to_string());
            shaped.metadata.insert("incident_severity_rule".to_owned(), rule.clone());
        }
        findings.extend(shaped);
    }
    findings.reverse();
    findings
}

/// An event that is a finding, in Forta's shape; `None` for every other event.
pub(crate) fn forta_finding(
    event: &Event,
    recorded_at: UnixMillis,
    chain: ChainId,
    incident: Option<&IncidentId>,
) -> Option<FortaFinding> {
    let Event::Found { finding, window, block, trail, .. } = event else { return None };
    let stage = trail.as_ref().map_or(Stage::Exploitation, |trail| trail.stage);
    let score = trail.as_ref().map_or(Score::WHOLE, |trail| trail.score);
    let party = trail.as_ref().map(|trail| trail.party.as_slice()).unwrap_or_default();
    let at = trail.as_ref().map_or(recorded_at, |trail| trail.at);
    let mut metadata: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |key: &str, value: String| metadata.insert(key.to_owned(), value);
    add("anomaly_score", score.to_string());
    add("stage", stage.to_string());
    add("module", finding.module.to_string());
    add("level", finding.level.to_string());
    add("window", word(*window).to_owned());
    if let Some(incident) = incident {
        add("incident", incident.to_string());
    }
    for (index, harm) in finding.harm.iter().enumerate() {
        let risk = if harm.at_risk { " at risk" } else { "" };
        add(&format!("harm_{index}"), format!("{} of {} from {}{risk}", harm.amount, harm.asset, harm.account));
    }
    let mut addresses: BTreeSet<String> = party.iter().map(|actor| actor.account.to_string()).collect();
    addresses.extend(finding.harm.iter().map(|harm| harm.account.to_string()));
    let chain_id = chain.0;
    let summary = if finding.summary.trim().is_empty() { finding.detector.as_ref() } else { &finding.summary };
    Some(FortaFinding {
        name: format!("{} on {}", finding.detector, finding.module),
        description: summary.to_owned(),
        alert_id: format!("COFFERDAM-{}", finding.detector.to_uppercase()),
        protocol: "cofferdam".to_owned(),
        severity: severity(finding.severity),
        kind: if stage == Stage::Exploitation && finding.level >= Level::Alert { 1 } else { 2 },
        metadata,
        addresses: addresses.into_iter().collect(),
        labels: party.iter().map(|actor| label(finding, actor)).collect(),
        unique_key: finding.id.to_string(),
        source: FortaSource {
            chains: vec![FortaChain { chain_id }],
            blocks: block.iter().map(|at| FortaBlock { chain_id, hash: at.hash, number: at.number.0 }).collect(),
            transactions: vec![FortaTransaction { chain_id, hash: finding.transaction }],
            ..FortaSource::default()
        },
        timestamp: naming::timestamp_seconds(at),
    })
}

fn label(finding: &Finding, actor: &Actor) -> FortaLabel {
    let mut preimage = finding.id.0.to_vec();
    preimage.extend_from_slice(actor.account.as_slice());
    let contract = matches!(actor.role, Role::Created | Role::Entry);
    // In Forta's own words, so that its combiner reads them; how sure follows from what we would do about it.
    let confidence = match (finding.level, actor.role) {
        (Level::Stop, Role::Sender | Role::Created | Role::Entry | Role::Maker) => 0.9,
        (Level::Stop, _) => 0.7,
        (Level::Alert, _) => 0.6,
        (Level::Notice, _) => 0.2,
    };
    FortaLabel {
        entity_type: 1,
        entity: actor.account.to_string(),
        label: if contract { "attacker-contract" } else { "attacker" }.to_owned(),
        confidence,
        remove: false,
        metadata: BTreeMap::from([("role".to_owned(), actor.role.word().to_owned())]),
        unique_key: keccak256(&preimage).to_string(),
    }
}

const fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

const fn word(window: cofferdam_types::Window) -> &'static str {
    match window {
        cofferdam_types::Window::Before => "before",
        cofferdam_types::Window::Pending => "pending",
        cofferdam_types::Window::Mined => "mined",
    }
}
