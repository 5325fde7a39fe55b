//! Which other tools may say something: `[[alerts_in]]`, each with its format and its shared secret.

use cofferdam_incident::{Scheme, Verifier};
use cofferdam_types::{Level, Severity, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::{File, Mistake};
use crate::alerts_in::{Fields, Format, Source};

/// A tool whose alerts are taken in at `/alerts/` and its name. They inform, and prove nothing: at most an alert comes
/// of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertSource {
    /// Its name, `[a-z0-9][a-z0-9-]{0,62}`: the end of its address, and what it is called in incidents.
    #[schemars(extend("pattern" = "^[a-z0-9][a-z0-9-]{0,62}$"))]
    pub name: String,
    /// The shape of its alerts.
    pub format: AlertFormat,
    /// The environment variable that holds the shared secret.
    pub secret_env: String,
    /// How it signs. Absent: as its format usually does.
    #[serde(default)]
    pub signature: Option<AlertSignature>,
    /// The most that comes of what it says: `notice` or `alert`.
    #[serde(default = "alert")]
    pub most: Level,
    /// The stage of an attack that it speaks of, where an alert does not tell.
    #[serde(default = "exploitation")]
    pub stage: Stage,
    /// How bad what it says is, where an alert does not tell: `high` or worse is an alert, less is a notice.
    #[serde(default = "medium")]
    pub severity: Severity,
    /// Where things stand in an alert of format `mapped`.
    #[serde(default)]
    pub fields: Option<AlertFields>,
}

const fn alert() -> Level {
    Level::Alert
}

const fn exploitation() -> Stage {
    Stage::Exploitation
}

const fn medium() -> Severity {
    Severity::Medium
}

/// The shape of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertFormat {
    /// Forta's findings and alerts.
    Forta,
    /// The generic webhook of OpenZeppelin Monitor: a title and a body of text.
    OpenzeppelinMonitor,
    /// Tenderly's webhook: the transaction that an alert fired on.
    Tenderly,
    /// Any JSON; `fields` says where things stand.
    Mapped,
}

/// How alerts are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertSignature {
    /// Standard Webhooks; the secret is `whsec_` and base64.
    StandardWebhooks,
    /// Headers `x-signature` and `x-timestamp`.
    OpenzeppelinMonitor,
    /// Headers `x-tenderly-signature` and `date`.
    Tenderly,
    /// The secret itself in `authorization: Bearer`.
    Bearer,
}

/// Where things stand in an alert, as JSON pointers such as `/data/risk/txHash`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertFields {
    /// What names the alert; the same alert again must have the same. Absent: all of it names it.
    #[serde(default)]
    pub key: Option<String>,
    /// What kind of alert it is.
    #[serde(default)]
    pub kind: Option<String>,
    /// One line for a person.
    #[serde(default)]
    pub summary: Option<String>,
    /// `info`, `low`, `medium`, `high` or `critical`, in any case, or 1 to 5.
    #[serde(default)]
    pub severity: Option<String>,
    /// Unix seconds or milliseconds.
    #[serde(default)]
    pub time: Option<String>,
    /// The EIP-155 id of the chain that it speaks of; alerts about others are left out.
    #[serde(default)]
    pub chain_id: Option<String>,
    /// Texts, lists or tables that name accounts.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The same for transactions.
    #[serde(default)]
    pub transactions: Vec<String>,
}

/// The sources of the file.
pub(super) fn sources(check: &mut Check<'_>, file: &File) -> Vec<Source> {
    check.names("alerts_in", file.alerts_in.iter().map(|entry| entry.name.as_str()));
    if !file.alerts_in.is_empty() && file.alerts_listen.is_none() {
        check.mistake(Mistake::new("alerts_listen", "is missing: where the alerts of `alerts_in` are taken in"));
    }
    let mut sources = Vec::new();
    for (index, entry) in file.alerts_in.iter().enumerate() {
        let table = format!("alerts_in[{index}]");
        if entry.most == Level::Stop {
            let mistake =
                Mistake::new(format!("{table}.most"), "expected `notice` or `alert`: alerts of others prove nothing");
            check.mistake(mistake.seeing(entry.most));
        }
        let fields = fields(check, &table, entry);
        let scheme = match entry.signature.unwrap_or_else(|| usual(entry.format)) {
            AlertSignature::StandardWebhooks => Scheme::StandardWebhooks,
            AlertSignature::OpenzeppelinMonitor => Scheme::OpenZeppelinMonitor,
            AlertSignature::Tenderly => Scheme::Tenderly,
            AlertSignature::Bearer => Scheme::Bearer,
        };
        let field = format!("{table}.secret_env");
        let Some(secret) = check.variable(field.clone(), &entry.secret_env) else { continue };
        match Verifier::new(scheme, &secret) {
            Ok(verifier) => {
                let format = match entry.format {
                    AlertFormat::Forta => Format::Forta,
                    AlertFormat::OpenzeppelinMonitor => Format::OpenZeppelinMonitor,
                    AlertFormat::Tenderly => Format::Tenderly,
                    AlertFormat::Mapped => Format::Mapped(fields),
                };
                let (name, most, stage) = (entry.name.clone(), entry.most.min(Level::Alert), entry.stage);
                let severity = entry.severity;
                sources.push(Source { name, format, verifier, most, stage, severity });
            }
            Err(error) => check.mistake(Mistake::new(field, error.to_string()).seeing(&entry.secret_env)),
        }
    }
    sources
}

const fn usual(format: AlertFormat) -> AlertSignature {
    match format {
        AlertFormat::Forta | AlertFormat::Mapped => AlertSignature::StandardWebhooks,
        AlertFormat::OpenzeppelinMonitor => AlertSignature::OpenzeppelinMonitor,
        AlertFormat::Tenderly => AlertSignature::Tenderly,
    }
}

fn fields(check: &mut Check<'_>, table: &str, entry: &AlertSource) -> Fields {
    let given = entry.fields.clone().unwrap_or_default();
    let mapped = entry.format == AlertFormat::Mapped;
    if mapped && given.addresses.is_empty() && given.transactions.is_empty() {
        let expected = "give at least one of `addresses` and `transactions`: what it speaks of must be found";
        check.mistake(Mistake::new(format!("{table}.fields"), expected));
    }
    if !mapped && entry.fields.is_some() {
        check.mistake(Mistake::new(format!("{table}.fields"), "is for format `mapped` only"));
    }
    let single = [
        ("key", &given.key),
        ("kind", &given.kind),
        ("summary", &given.summary),
        ("severity", &given.severity),
        ("time", &given.time),
        ("chain_id", &given.chain_id),
    ];
    let single = single.into_iter().filter_map(|(name, pointer)| Some((name.to_owned(), pointer.as_ref()?)));
    let lists = [("addresses", &given.addresses), ("transactions", &given.transactions)];
    let lists = lists.into_iter().flat_map(|(name, pointers)| {
        pointers.iter().enumerate().map(move |(index, pointer)| (format!("{name}[{index}]"), pointer))
    });
    for (name, pointer) in single.chain(lists) {
        if !pointer.starts_with('/') {
            let mistake =
                Mistake::new(format!("{table}.fields.{name}"), "expected a JSON pointer such as `/data/txHash`");
            check.mistake(mistake.seeing(pointer));
        }
    }
    let AlertFields { key, kind, summary, severity, time, chain_id, addresses, transactions } = given;
    Fields { key, kind, summary, severity, time, chain_id, addresses, transactions }
}
