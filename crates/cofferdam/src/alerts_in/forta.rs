//! Forta's findings, as bots make them and as its feeds deliver them, in the parts that we read.

use cofferdam_types::Stage;
use cofferdam_types::primitives::{Address, B256};
use serde_json::Value;

use super::read::Alert;
use super::text;

/// Words in labels that mark an attacker.
const ATTACKER: [&str; 3] = ["attack", "exploit", "scam"];
/// Words in alert ids, by stage. The first that fits decides; none: the stage of the source.
const WORDS: [(Stage, &[&str]); 3] = [
    (Stage::Laundering, &["LAUNDER", "TRANSFER-OUT", "AZTEC", "UNUSUAL-NATIVE-SWAP"]),
    (Stage::Funding, &["FUND", "TORNADO", "CHANGENOW", "FIXEDFLOAT", "RAILGUN", "CEX"]),
    (Stage::Preparation, &["SUSPICIOUS-CONTRACT", "UNVERIFIED", "SIMULATION", "ROLE-CHANGE", "PHISH", "DEPLOY"]),
];

/// The parts of a finding, or of an alert that carries one.
pub(super) fn alert(value: &Value) -> Option<Alert> {
    let value = value.get("alert").or_else(|| value.get("finding")).unwrap_or(value);
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    // Required by the schema: without these it is something else.
    let (name, kind) = (text("name")?, text("alertId")?);
    let source = value.get("source").unwrap_or(&Value::Null);
    let chains = source.get("chains").and_then(Value::as_array);
    let chain_id = chains.and_then(|chains| chains.first()).and_then(|chain| chain.get("chainId"));
    let chain_id = chain_id.or_else(|| source.pointer("/block/chainId")).or_else(|| value.get("chainId"));
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let transactions = source.get("transactions").or_else(|| source.get("transactionHash"));
    let transactions: Vec<B256> = transactions.map(|found| text::named_in(found).1).unwrap_or_default();
    let said = text("description").map_or_else(|| name.to_owned(), |words| format!("{name}: {words}"));
    let score = metadata.get("anomaly_score").or_else(|| metadata.get("anomalyScore"));
    let score_text = score.and_then(|score| score.as_str().map(str::to_owned).or_else(|| Some(score.to_string())));
    Some(Alert {
        key: text("uniqueKey").or_else(|| text("hash")).map(str::to_owned),
        kind: kind.to_owned(),
        summary: said,
        severity: value.get("severity").and_then(text::severity),
        stage: stage(kind),
        score: text::score(score_text.as_deref()),
        at: value.get("timestamp").and_then(text::time),
        chain_id: chain_id.and_then(Value::as_u64),
        addresses: attackers(value, metadata),
        named: text::named_in(value.get("addresses").unwrap_or(&Value::Null)).0,
        transactions,
    })
}

/// Labels that say attacker; else what the metadata names so; else all addresses.
fn attackers(value: &Value, metadata: &Value) -> Vec<Address> {
    let labels = value.get("labels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_attacker = |label: &&Value| {
        let words = label.get("label").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        ATTACKER.iter().any(|word| words.contains(word)) && label.get("remove").and_then(Value::as_bool) != Some(true)
    };
    let labelled: Vec<Address> = labels
        .iter()
        .filter(is_attacker)
        .filter_map(|label| label.get("entity"))
        .flat_map(|it| text::named_in(it).0)
        .collect();
    if !labelled.is_empty() {
        return labelled;
    }
    let named = metadata.as_object().into_iter().flatten();
    let named: Vec<Address> = named
        .filter(|(key, _)| ATTACKER.iter().any(|word| key.to_ascii_lowercase().contains(word)))
        .flat_map(|(_, value)| text::named_in(value).0)
        .collect();
    if !named.is_empty() {
        return named;
    }
    text::named_in(value.get("addresses").unwrap_or(&Value::Null)).0
}

fn stage(kind: &str) -> Option<Stage> {
    let kind = kind.to_ascii_uppercase();
    let fits = |words: &&[&str]| words.iter().any(|word| kind.contains(word));
    WORDS.iter().find(|(_, words)| fits(words)).map(|(stage, _)| *stage)
}
