//! The JSON Schema of the file, and structural mistakes against it: unknown keys, wrong types, missing fields.
//!
//! Must never show a value that may be secret.

use std::net::SocketAddr;

use cofferdam_detect::settings::Maintenance;
use cofferdam_respond::limits::envelope::Signers;
use cofferdam_respond::{GuardianSettings, LeverSettings};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    AlertSource, Chain, EndpointAddress, File, Follow, Mistake, ModuleEntry, Record, SeverityRule, Webhook, inside,
};

const ADDRESS: &str = "^0x[0-9a-fA-F]{40}$";
pub(super) const MODULE_ID: &str = "^[a-z0-9][a-z0-9-]{0,62}$";
/// As `detect` has them.
pub(super) const ASSET: &str = "^(native|0x[0-9a-fA-F]{40})$";
pub(super) const AMOUNT: &str = "^[0-9]{1,78}$";
pub(super) const MOMENT: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z$";
pub(super) const SELECTOR: &str = "^0x[0-9a-fA-F]{8}$";
pub(super) const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// The JSON Schema of `cofferdam.toml`.
pub fn schema() -> Value {
    let mut schema = Value::from(schemars::schema_for!(File));
    // What the types check while they are read, said in the schema too, so that each mistake is named with its field.
    if let Some(Value::Object(definitions)) = schema.pointer_mut("/$defs") {
        if let Some(Value::Object(share)) = definitions.get_mut("Bps") {
            share.insert("maximum".to_owned(), json!(10_000));
        }
        if let Some(Value::Object(id)) = definitions.get_mut("ModuleId") {
            id.insert("pattern".to_owned(), json!(MODULE_ID));
        }
    }
    refined(schema)
}

/// The same schema with what else the types demand.
pub(super) fn refined(mut schema: Value) -> Value {
    refine(&mut schema);
    schema
}

/// Says in the schema what else the types demand: the shape of accounts and of names of variables, the size of
/// integers. TOML has no null, so what may be absent need not be nullable.
fn refine(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            not_null(object);
            limit(object);
            for (key, inner) in object.iter_mut() {
                let (place, pattern) = match key.as_str() {
                    "target" | "sender" | "recipient" | "address" | "adopter" | "signer" | "token" => {
                        (Some(&mut *inner), ADDRESS)
                    }
                    "contracts" | "holders" | "accounts" => (inner.get_mut("items"), ADDRESS),
                    name if name.ends_with("_env") => (Some(&mut *inner), VARIABLE),
                    _ => (None, ""),
                };
                if let Some(Value::Object(place)) = place
                    && place.contains_key("type")
                {
                    place.insert("pattern".to_owned(), json!(pattern));
                }
                refine(inner);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refine),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn not_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    let Some(Value::Array(choices)) = object.get("anyOf") else { return };
    let rest: Vec<Value> =
        choices.iter().filter(|choice| choice.get("type") != Some(&json!("null"))).cloned().collect();
    if let [Value::Object(only)] = rest.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

fn limit(object: &mut Map<String, Value>) {
    let most = match object.get("format").and_then(Value::as_str) {
        Some("uint16") => u64::from(u16::MAX),
        Some("uint32") => u64::from(u32::MAX),
        _ => return,
    };
    object.entry("maximum").or_insert(json!(most));
}

/// One place where a value is not of its schema.
pub(super) struct Fault {
    /// JSON pointer to the value, or to the table that lacks something or has too much.
    pub(super) pointer: String,
    /// A key that should not be there.
    pub(super) unknown: Option<String>,
    /// A key that should.
    pub(super) missing: Option<String>,
    /// For people.
    pub(super) mistake: Mistake,
}

/// Everything in which `value` is not of the schema of the file.
pub(super) fn structural(value: &Value) -> Vec<Mistake> {
    structural_in(&schema(), value)
}

/// Everything in which `value` is not of `schema`.
pub(super) fn structural_in(schema: &Value, value: &Value) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = faults(schema, value).into_iter().map(|fault| fault.mistake).collect();
    mistakes.dedup();
    mistakes
}

/// The same, with what stands where.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<Fault> {
    let validator = jsonschema::validator_for(schema).expect("the schema of our own types is a schema");
    validator.iter_errors(value).flat_map(|error| faults_of(schema, &error)).collect()
}

/// Reads `value`, whose structure is right, part by part: what only the types know is told for each of them.
///
/// # Errors
/// The first mistake of each part.
pub(super) fn typed(value: &Value) -> Result<File, Vec<Mistake>> {
    serde_json::from_value(value.clone()).map_err(|whole| {
        let mut found = Vec::new();
        each::<Chain>(value, "chain", &mut found);
        each::<EndpointAddress>(value, "endpoint", &mut found);
        each::<Record>(value, "record", &mut found);
        each::<ModuleEntry>(value, "module", &mut found);
        each::<LeverSettings>(value, "lever", &mut found);
        each::<GuardianSettings>(value, "guardian", &mut found);
        each::<Webhook>(value, "webhook", &mut found);
        each::<Maintenance>(value, "maintenance", &mut found);
        each::<Signers>(value, "signers", &mut found);
        each::<Follow>(value, "follow", &mut found);
        each::<SocketAddr>(value, "metrics_listen", &mut found);
        each::<SeverityRule>(value, "severity", &mut found);
        each::<AlertSource>(value, "alerts_in", &mut found);
        each::<SocketAddr>(value, "alerts_listen", &mut found);
        if found.is_empty() { vec![Mistake::new("", whole.to_string())] } else { found }
    })
}

fn each<T: DeserializeOwned>(value: &Value, key: &str, found: &mut Vec<Mistake>) {
    let parts = match value.get(key) {
        None => return,
        Some(Value::Array(items)) => {
            items.iter().enumerate().map(|(index, item)| (format!("{key}[{index}]"), item)).collect()
        }
        Some(only) => vec![(key.to_owned(), only)],
    };
    for (field, part) in parts {
        if let Err(error) = serde_json::from_value::<T>(part.clone()) {
            found.push(Mistake::new(field, error.to_string()));
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rules that our schema does not use are told by their name")]
fn faults_of(schema: &Value, error: &ValidationError<'_>) -> Vec<Fault> {
    let pointer = error.instance_path().to_string();
    let field = field(&pointer);
    let fault = |mistake| Fault { pointer: pointer.clone(), unknown: None, missing: None, mistake };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known = keys(schema, &pointer);
            let unknown = |key: &String| {
                let mistake = Mistake::new(inside(&field, key), format!("there is no such key, {known}"));
                Fault { unknown: Some(key.clone()), ..fault(mistake) }
            };
            unexpected.iter().map(unknown).collect()
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let about = part(schema, &format!("{pointer}/{key}")).and_then(|part| part.get("description"));
            let about = about.and_then(Value::as_str).unwrap_or_default();
            let about = format!("is missing: {}", about.lines().next().unwrap_or_default());
            vec![Fault { missing: Some(key.to_owned()), ..fault(Mistake::new(inside(&field, key), about)) }]
        }
        _ => vec![fault(seen(field, error))],
    }
}

/// The keys that a table may have, in words.
fn keys(schema: &Value, pointer: &str) -> String {
    let table = part(schema, pointer).and_then(|part| resolved(schema, part));
    let known = table.and_then(|table| table.get("properties")).and_then(Value::as_object);
    let known: Vec<String> = known.into_iter().flat_map(Map::keys).map(|key| format!("`{key}`")).collect();
    format!("expected one of {}", known.join(", "))
}

/// The part of the schema that speaks of the value at `pointer`; it may be a reference with a description beside it.
pub(super) fn part<'s>(schema: &'s Value, pointer: &str) -> Option<&'s Value> {
    pointer.split('/').skip(1).try_fold(schema, |here, name| {
        let table = resolved(schema, here)?;
        let is_index = name.bytes().all(|byte| byte.is_ascii_digit());
        table.get("items").filter(|_| is_index).or_else(|| table.get("properties")?.get(name))
    })
}

/// What a reference of the schema refers to; the part itself where it is none.
pub(super) fn resolved<'s>(schema: &'s Value, part: &'s Value) -> Option<&'s Value> {
    match part.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.strip_prefix('#')?),
        None => Some(part),
    }
}

fn seen(field: String, error: &ValidationError<'_>) -> Mistake {
    let value = error.instance();
    let may_be_secret = field.ends_with("url") || field.ends_with("_env");
    let mistake = Mistake::new(field, expected(error));
    if may_be_secret {
        return mistake;
    }
    match value.as_ref() {
        Value::Array(items) => mistake.seeing(format_args!("{} entries", items.len())),
        Value::Object(_) => mistake.seeing("a table"),
        Value::String(text) => mistake.seeing(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => mistake.seeing(value),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rules that our schema does not use are told by their name")]
fn expected(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Pattern { pattern } => match pattern.as_str() {
            ADDRESS => "expected an address: 0x and 40 hexadecimal digits".to_owned(),
            MODULE_ID => "expected 1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit".to_owned(),
            VARIABLE => "expected the name of an environment variable, not what is in it".to_owned(),
            ASSET => "expected `native` or the address of a token: 0x and 40 hexadecimal digits".to_owned(),
            MOMENT => "expected a minute, UTC: 2026-12-31T09:30Z".to_owned(),
            SELECTOR => "expected a selector: 0x and 8 hexadecimal digits".to_owned(),
            AMOUNT => "expected a whole number of smallest units, in quotes".to_owned(),
            other => format!("expected text that matches {other}"),
        },
        ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => format!("expected {kind}"),
        ValidationErrorKind::Type { kind: TypeKind::Multiple(kinds) } => {
            let kinds: Vec<String> = kinds.iter().map(|kind| kind.to_string()).filter(|kind| kind != "null").collect();
            format!("expected {}", kinds.join(" or "))
        }
        ValidationErrorKind::Enum { options } => format!("expected one of {options}"),
        ValidationErrorKind::Constant { expected_value } => format!("expected {expected_value}"),
        ValidationErrorKind::Minimum { limit } => format!("expected {limit} or more"),
        ValidationErrorKind::Maximum { limit } => format!("expected {limit} or less"),
        ValidationErrorKind::MinItems { limit } => format!("expected at least {limit}"),
        other => format!("breaks the rule `{}`", other.keyword()),
    }
}

/// `/module/0/contracts` as people write it: `module[0].contracts`.
fn field(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|byte| byte.is_ascii_digit()) { format!("{path}[{part}]") } else { inside(&path, &part) }
    })
}
