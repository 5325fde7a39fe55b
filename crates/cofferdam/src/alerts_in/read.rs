//! Makes a report of a message whose sender is known. Pure: the same bytes at the same time make the same report.

use std::collections::BTreeSet;

use cofferdam_types::primitives::{Address, B256, keccak256};
use cofferdam_types::{ChainId, Level, MOST_PARTY, ModuleId, Report, Score, Severity, Stage, UnixMillis, Watchlist};
use serde_json::Value;

use super::{Fields, Format, Source, forta, text};
use crate::printable::shortened;

/// Transactions of one alert that are kept.
const MOST_TRANSACTIONS: usize = 16;
/// Characters that are kept of what a stranger writes.
const MOST_TEXT: usize = 300;
const MOST_KIND: usize = 80;
const MOST_KEY: usize = 160;
/// What claims to be older, or later than this, is taken to be from now.
const OLDEST_MILLIS: u64 = 864_000_000;
const LATEST_MILLIS: u64 = 3_600_000;

/// A message that is no alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    Json(String),
    /// JSON of another shape.
    #[error("the body is not {0}")]
    Shape(&'static str),
    /// It names nobody and nothing.
    #[error("the alert names no account and no transaction")]
    Empty,
}

/// An alert in parts, before it is bounded and weighed.
pub(super) struct Alert {
    pub(super) key: Option<String>,
    pub(super) kind: String,
    pub(super) summary: String,
    pub(super) severity: Option<Severity>,
    pub(super) stage: Option<Stage>,
    pub(super) score: Score,
    pub(super) at: Option<UnixMillis>,
    pub(super) chain_id: Option<u64>,
    /// Who is on the attacker's side.
    pub(super) addresses: Vec<Address>,
    /// Who else is named: whose modules it speaks of.
    pub(super) named: Vec<Address>,
    pub(super) transactions: Vec<B256>,
}

/// What `body` reports; `None` where it is a test, or about another chain. `delivery` is what was signed beside it: it
/// tells two alerts of the same text apart where they have no key.
///
/// # Errors
/// [`ReadError`]: one sentence for who sent it.
pub(crate) fn read(
    source: &Source,
    body: &[u8],
    delivery: Option<&str>,
    (watch, chain): (&Watchlist, ChainId),
    now: UnixMillis,
) -> Result<Option<Report>, ReadError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| ReadError::Json(error.to_string()))?;
    let alert = match &source.format {
        Format::Forta => {
            forta::alert(&value).ok_or(ReadError::Shape("a finding: `name` and `alertId` are required"))?
        }
        Format::OpenZeppelinMonitor => monitor(&value).ok_or(ReadError::Shape("a title and a body of text"))?,
        Format::Tenderly => match value.get("event_type").and_then(Value::as_str) {
            Some("TEST") => return Ok(None),
            Some("ALERT") => tenderly(&value).ok_or(ReadError::Shape("an alert with its transaction"))?,
            Some(_) | None => return Err(ReadError::Shape("of `event_type` TEST or ALERT")),
        },
        Format::Mapped(fields) => mapped(&value, fields),
    };
    if alert.chain_id.is_some_and(|id| id != chain.0) {
        return Ok(None);
    }
    if alert.addresses.is_empty() && alert.named.is_empty() && alert.transactions.is_empty() {
        return Err(ReadError::Empty);
    }
    Ok(Some(report(source, alert, (body, delivery), (watch, now))))
}

fn report(
    source: &Source,
    alert: Alert,
    (body, delivery): (&[u8], Option<&str>),
    (watch, now): (&Watchlist, UnixMillis),
) -> Report {
    let all: BTreeSet<Address> = alert.addresses.iter().chain(&alert.named).copied().collect();
    let modules: BTreeSet<ModuleId> = all
        .iter()
        .flat_map(|account| watch.modules_of(*account))
        .filter_map(|index| watch.module(*index))
        .map(|module| module.id.clone())
        .collect();
    let strangers: BTreeSet<Address> =
        alert.addresses.into_iter().filter(|account| !account.is_zero() && !watch.contains(*account)).collect();
    let severity = alert.severity.unwrap_or(source.severity);
    let wakes = severity >= Severity::High && !modules.is_empty();
    let at = alert.at.filter(|at| now.since(*at) <= OLDEST_MILLIS && at.since(now) <= LATEST_MILLIS).unwrap_or(now);
    let key = match alert.key.filter(|key| !key.trim().is_empty()) {
        Some(key) if key.len() <= MOST_KEY => shortened(&key, MOST_KEY),
        Some(key) => keccak256(key.as_bytes()).to_string(),
        None => match delivery {
            Some(delivery) => keccak256([keccak256(body).as_slice(), delivery.as_bytes()].concat()).to_string(),
            None => keccak256(body).to_string(),
        },
    };
    let mut transactions = alert.transactions;
    transactions.truncate(MOST_TRANSACTIONS);
    Report {
        source: source.name.clone(),
        key,
        kind: shortened(&alert.kind, MOST_KIND),
        summary: shortened(&alert.summary, MOST_TEXT),
        severity,
        level: if wakes { source.most.min(Level::Alert) } else { Level::Notice },
        stage: alert.stage.unwrap_or(source.stage),
        score: alert.score,
        at,
        accounts: strangers.into_iter().take(MOST_PARTY).collect(),
        transactions,
        modules: modules.into_iter().collect(),
    }
}

/// `{"title": …, "body": …}`: everything that the text names.
fn monitor(value: &Value) -> Option<Alert> {
    let (title, body) = (value.get("title")?.as_str()?, value.get("body")?.as_str()?);
    let (addresses, transactions) = text::named(body);
    Some(Alert {
        key: None,
        kind: title.to_owned(),
        summary: body.split_whitespace().collect::<Vec<_>>().join(" "),
        severity: None,
        stage: None,
        score: Score::WHOLE,
        at: None,
        chain_id: None,
        addresses,
        named: Vec::new(),
        transactions,
    })
}

/// `{"id": …, "event_type": "ALERT", "transaction": {"hash": …, "from": …, "to": …, "network": …}}`.
fn tenderly(value: &Value) -> Option<Alert> {
    let transaction = value.get("transaction")?;
    let field = |name: &str| transaction.get(name);
    let account = |name: &str| field(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
    let hash: B256 = field("hash")?.as_str()?.parse().ok()?;
    let network = field("network").and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()));
    Some(Alert {
        key: value.get("id").and_then(Value::as_str).map(str::to_owned),
        kind: "alert".to_owned(),
        summary: format!("an alert fired on transaction {hash}"),
        severity: None,
        stage: None,
        score: Score::WHOLE,
        at: None,
        chain_id: network,
        addresses: account("from").into_iter().collect(),
        named: account("to").into_iter().collect(),
        transactions: vec![hash],
    })
}

fn mapped(value: &Value, fields: &Fields) -> Alert {
    let at = |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| value.pointer(pointer));
    let words = |pointer: &Option<String>| {
        at(pointer).and_then(|found| match found {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        })
    };
    let found = |pointers: &[String]| {
        let values = pointers.iter().filter_map(|pointer| value.pointer(pointer));
        values.map(text::named_in).fold((Vec::new(), Vec::new()), |(mut accounts, mut hashes), more| {
            accounts.extend(more.0);
            hashes.extend(more.1);
            (accounts, hashes)
        })
    };
    let chain_id = at(&fields.chain_id).and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()));
    Alert {
        key: words(&fields.key),
        kind: words(&fields.kind).unwrap_or_else(|| "alert".to_owned()),
        summary: words(&fields.summary).unwrap_or_else(|| "no words".to_owned()),
        severity: at(&fields.severity).and_then(text::severity),
        stage: None,
        score: Score::WHOLE,
        at: at(&fields.time).and_then(text::time),
        chain_id,
        addresses: found(&fields.addresses).0,
        named: Vec::new(),
        transactions: found(&fields.transactions).1,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cofferdam_incident::{Scheme, Verifier};
    use cofferdam_types::Module;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_406_706_789);
    const VAULT: Address = Address::repeat_byte(0xaa);
    const THIEF: Address = Address::repeat_byte(0xbb);
    const HASH: B256 = B256::repeat_byte(0xcc);

    fn watch() -> Watchlist {
        let id = ModuleId::new("vault").unwrap();
        Watchlist::new(vec![Module { id, contracts: vec![VAULT], assets: Vec::new() }])
    }

    fn source(format: Format) -> Source {
        let verifier = Verifier::new(Scheme::Bearer, "a shared secret of some length").unwrap();
        Source {
            name: "other".into(),
            format,
            verifier,
            most: Level::Alert,
            stage: Stage::Exploitation,
            severity: Severity::Medium,
        }
    }

    fn taken(format: Format, value: &Value) -> Result<Option<Report>, ReadError> {
        read(&source(format), value.to_string().as_bytes(), None, (&watch(), ChainId(1)), NOW)
    }

    fn finding() -> Value {
        json!({
            "name": "Large profit", "description": "an account profits", "alertId": "LARGE-PROFIT", "protocol": "ethereum",
            "severity": 5, "type": 1, "metadata": { "anomaly_score": "0.0005" },
            "addresses": [VAULT.to_string(), THIEF.to_string()],
            "labels": [{ "entityType": 1, "entity": THIEF.to_string(), "label": "attacker", "confidence": 0.9 }],
            "uniqueKey": "unique-1",
            "source": { "chains": [{ "chainId": 1 }], "transactions": [{ "chainId": 1, "hash": HASH.to_string() }] },
        })
    }

    #[test]
    fn a_forta_finding_becomes_an_alert_about_the_module_it_names_and_never_more() {
        let report = taken(Format::Forta, &finding()).unwrap().unwrap();
        assert_eq!((report.key.as_str(), report.kind.as_str()), ("unique-1", "LARGE-PROFIT"));
        assert_eq!(
            (report.level, report.severity, report.stage),
            (Level::Alert, Severity::Critical, Stage::Exploitation)
        );
        assert_eq!((report.accounts, report.transactions), (vec![THIEF], vec![HASH]));
        assert_eq!((report.modules.len(), report.score.to_string().as_str()), (1, "0.0005"));
        assert_eq!(report.at, NOW);
        let stop = Source { most: Level::Stop, ..source(Format::Forta) };
        let most = read(&stop, finding().to_string().as_bytes(), None, (&watch(), ChainId(1)), NOW).unwrap().unwrap();
        assert_eq!(most.level, Level::Alert);
    }

    #[test]
    fn what_speaks_of_no_module_of_ours_is_a_notice_and_what_speaks_of_another_chain_is_left_out() {
        let mut elsewhere = finding();
        elsewhere["addresses"] = json!([THIEF.to_string()]);
        assert_eq!(taken(Format::Forta, &elsewhere).unwrap().unwrap().level, Level::Notice);
        elsewhere["source"]["chains"][0]["chainId"] = json!(137);
        assert_eq!(taken(Format::Forta, &elsewhere).unwrap(), None);
        let funding = json!({ "name": "f", "alertId": "FUNDING-TORNADO-CASH", "addresses": [THIEF.to_string()] });
        assert_eq!(taken(Format::Forta, &funding).unwrap().unwrap().stage, Stage::Funding);
    }

    #[test]
    fn our_own_findings_go_out_and_come_back_in() {
        let text = json!({
            "name": "asset-outflow on vault", "description": "half of it leaves", "alertId": "COFFERDAM-ASSET-OUTFLOW",
            "protocol": "cofferdam", "severity": 4, "type": 1, "metadata": { "anomaly_score": "0.00003" },
            "addresses": [], "labels": [], "uniqueKey": HASH.to_string(), "timestamp": "2026-11-23T04:05:06Z",
            "source": { "chains": [{ "chainId": 1 }], "blocks": [], "transactions": [{ "chainId": 1, "hash": HASH.to_string() }] },
        });
        let report = taken(Format::Forta, &text).unwrap().unwrap();
        assert_eq!((report.key, report.transactions), (HASH.to_string(), vec![HASH]));
    }

    #[test]
    fn monitor_tenderly_and_mapped_alerts_are_understood() {
        let monitor = json!({ "title": "Large transfer", "body": format!("{THIEF} took from {VAULT} in {HASH}") });
        let report = taken(Format::OpenZeppelinMonitor, &monitor).unwrap().unwrap();
        assert_eq!((report.kind.as_str(), report.accounts.as_slice()), ("Large transfer", &[THIEF][..]));
        assert_eq!((report.transactions.as_slice(), report.modules.len()), (&[HASH][..], 1));

        let transaction =
            json!({ "hash": HASH.to_string(), "from": THIEF.to_string(), "to": VAULT.to_string(), "network": "1" });
        let tenderly = json!({ "id": "a1", "event_type": "ALERT", "transaction": transaction });
        let report = taken(Format::Tenderly, &tenderly).unwrap().unwrap();
        assert_eq!((report.key.as_str(), report.accounts.as_slice(), report.modules.len()), ("a1", &[THIEF][..], 1));
        assert_eq!(taken(Format::Tenderly, &json!({ "event_type": "TEST" })).unwrap(), None);

        let fields = Fields {
            key: Some("/data/id".into()),
            severity: Some("/data/severity".into()),
            addresses: vec!["/data/assets".into()],
            transactions: vec!["/data/tx".into()],
            chain_id: Some("/data/chain".into()),
            ..Fields::default()
        };
        let mapped = json!({ "data": {
            "id": 77, "severity": "High", "chain": "1", "tx": HASH.to_string(),
            "assets": [{ "address": THIEF.to_string() }, { "address": VAULT.to_string() }],
        }});
        let report = taken(Format::Mapped(fields), &mapped).unwrap().unwrap();
        assert_eq!((report.key.as_str(), report.level, report.severity), ("77", Level::Alert, Severity::High));
    }

    #[test]
    fn the_same_text_delivered_twice_is_one_alert_and_said_again_later_is_another() {
        let body = json!({ "title": "Large transfer", "body": format!("{THIEF} took from {VAULT}") }).to_string();
        let source = Source { severity: Severity::High, ..source(Format::OpenZeppelinMonitor) };
        let key = |delivery| read(&source, body.as_bytes(), delivery, (&watch(), ChainId(1)), NOW).unwrap().unwrap();
        assert_eq!(key(Some("1")).id(), key(Some("1")).id());
        assert_ne!(key(Some("1")).id(), key(Some("2")).id());
        assert_eq!(key(None).level, Level::Alert, "the source says how bad it is");
    }

    #[test]
    fn what_is_no_alert_is_one_sentence() {
        let errors = [
            (Format::Forta, json!([]), "`alertId` are required"),
            (Format::Forta, json!({ "name": "a", "alertId": "b" }), "names no account"),
            (Format::OpenZeppelinMonitor, json!({ "title": 5 }), "a title and a body"),
            (Format::Tenderly, json!({ "event_type": "ALERT" }), "its transaction"),
            (Format::Tenderly, json!({}), "TEST or ALERT"),
        ];
        for (format, value, part) in errors {
            let said = taken(format, &value).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        }
        let junk = read(&source(Format::Forta), b"\xff{", None, (&watch(), ChainId(1)), NOW).unwrap_err();
        assert!(junk.to_string().contains("not JSON"));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&source(Format::Forta), deep.as_bytes(), None, (&watch(), ChainId(1)), NOW).is_err());
    }

    #[test]
    fn whatever_a_message_holds_the_report_is_bounded_and_printable() {
        let many: Vec<String> = (0..5_000_u32)
            .map(|number| {
                Address::from_word(B256::from(cofferdam_types::primitives::U256::from(number + 1))).to_string()
            })
            .collect();
        let mut hostile = finding();
        hostile["addresses"] = json!(many);
        hostile["labels"] = json!([]);
        hostile["description"] = json!("\u{1b}[2J\u{202e}".repeat(10_000));
        hostile["uniqueKey"] = json!("k".repeat(10_000));
        hostile["timestamp"] = json!(u64::MAX);
        let report = taken(Format::Forta, &hostile).unwrap().unwrap();
        assert!(report.accounts.len() <= MOST_PARTY && report.key.len() <= MOST_KEY);
        assert!(report.summary.chars().count() <= 2 * MOST_TEXT && !report.summary.contains('\u{1b}'));
        assert_eq!(report.at, NOW);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            for format in [Format::Forta, Format::OpenZeppelinMonitor, Format::Tenderly, Format::Mapped(Fields::default())] {
                drop(read(&source(format), &bytes, None, (&watch(), ChainId(1)), NOW));
            }
        }
    }
}
