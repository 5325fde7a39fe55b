//! The JSON Schema of the file, and structural mistakes against it: unknown keys, wrong types, missing fields.
//!
//! Must never show a value that may be secret.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Value, json};

use super::{File, Mistake};

const ADDRESS: &str = "^0x[0-9a-fA-F]{40}$";
const MODULE_ID: &str = "^[a-z0-9][a-z0-9-]{0,62}$";

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
    name_addresses(&mut schema);
    schema
}

/// Gives fields that hold accounts the pattern of an address.
fn name_addresses(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                let place = match key.as_str() {
                    "target" | "sender" | "recipient" | "address" => Some(inner),
                    "contracts" | "holders" => inner.get_mut("items"),
                    _ => {
                        name_addresses(inner);
                        None
                    }
                };
                if let Some(Value::Object(place)) = place
                    && place.contains_key("type")
                {
                    place.insert("pattern".to_owned(), json!(ADDRESS));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(name_addresses),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Everything in which `value` is not of the schema.
pub(super) fn structural(value: &Value) -> Vec<Mistake> {
    let validator = jsonschema::validator_for(&schema()).expect("the schema of our own types is a schema");
    let mut mistakes: Vec<Mistake> = validator.iter_errors(value).flat_map(|error| mistakes(&error)).collect();
    mistakes.dedup();
    mistakes
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rules that our schema does not use are told by their name")]
fn mistakes(error: &ValidationError<'_>) -> Vec<Mistake> {
    let field = field(&error.instance_path().to_string());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|key| Mistake::new(inside(&field, key), "there is no such key")).collect()
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            vec![Mistake::new(inside(&field, key), "is missing")]
        }
        // An optional table: what is wrong inside it says more than "neither this nor nothing".
        ValidationErrorKind::AnyOf { context } => {
            let inner = context.iter().flatten().filter(|inner| !is_null_wanted(inner));
            let inner: Vec<Mistake> = inner.flat_map(mistakes).collect();
            if inner.is_empty() { vec![seen(field, error)] } else { inner }
        }
        _ => vec![seen(field, error)],
    }
}

fn is_null_wanted(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(kind) } if kind.to_string() == "null")
}

fn seen(field: String, error: &ValidationError<'_>) -> Mistake {
    let value = error.instance();
    let may_be_secret = field.ends_with("url");
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
        ValidationErrorKind::Pattern { pattern } if pattern == ADDRESS => {
            "expected an address: 0x and 40 hexadecimal digits".to_owned()
        }
        ValidationErrorKind::Pattern { pattern } => format!("expected text that matches {pattern}"),
        ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => format!("expected {kind}"),
        ValidationErrorKind::Type { kind: TypeKind::Multiple(kinds) } => {
            let kinds: Vec<String> = kinds.iter().map(|kind| kind.to_string()).filter(|kind| kind != "null").collect();
            format!("expected {}", kinds.join(" or "))
        }
        ValidationErrorKind::Enum { options } => format!("expected one of {options}"),
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

fn inside(path: &str, key: &str) -> String {
    let key = crate::printable::shortened(key, 60);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
