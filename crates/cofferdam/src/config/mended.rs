//! A file with structural mistakes, mended where they are: so that the rest of it can be checked too, and all mistakes
//! are told at once. What was mended is never used for anything else.

use serde_json::{Map, Value, json};

use super::schema::{AMOUNT, ASSET, Fault, MODULE_ID, MOMENT, SELECTOR, VARIABLE, faults, part, resolved};
use super::{File, Mistake, schema};

/// How often mending may bring up further mistakes.
const ROUNDS: usize = 3;

/// The file with stand-ins where mistakes are, and where those are; `None` where that cannot be done.
pub(super) fn mended(value: &Value) -> Option<(File, Vec<String>)> {
    let schema = schema();
    let mut value = value.clone();
    let mut places = Vec::new();
    for _ in 0..ROUNDS {
        let found = faults(&schema, &value);
        if found.is_empty() {
            return serde_json::from_value(value).ok().map(|file| (file, places));
        }
        for fault in found {
            // What is left out because nobody knows it changes nothing else.
            if fault.unknown.is_none() {
                places.push(fault.mistake.field.clone());
            }
            mend(&schema, &mut value, &fault)?;
        }
    }
    None
}

/// Whether a mistake may come from the mending itself: it is about a mended field, or about what holds or is in one.
pub(super) fn is_ours(mistake: &Mistake, places: &[String]) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    places.iter().any(|place| within(&mistake.field, place) || within(place, &mistake.field))
}

fn mend(schema: &Value, value: &mut Value, fault: &Fault) -> Option<()> {
    if let Some(key) = &fault.unknown {
        value.pointer_mut(&fault.pointer)?.as_object_mut()?.remove(key);
        return Some(());
    }
    if let Some(key) = &fault.missing {
        let stand_in = stand_in(schema, part(schema, &format!("{}/{key}", fault.pointer))?)?;
        value.pointer_mut(&fault.pointer)?.as_object_mut()?.insert(key.clone(), stand_in);
        return Some(());
    }
    let (holder, key) = fault.pointer.rsplit_once('/')?;
    let optional = part(schema, holder).and_then(|part| resolved(schema, part)).is_some_and(|table| {
        let required = table.get("required").and_then(Value::as_array);
        table.get("properties").is_some() && !required.is_some_and(|names| names.contains(&json!(key)))
    });
    if optional {
        value.pointer_mut(holder)?.as_object_mut()?.remove(key);
    } else {
        *value.pointer_mut(&fault.pointer)? = stand_in(schema, part(schema, &fault.pointer)?)?;
    }
    Some(())
}

/// A value that the part of the schema accepts.
fn stand_in(schema: &Value, wanted: &Value) -> Option<Value> {
    let part = resolved(schema, wanted)?;
    let kind = part.get("type")?;
    let kind = kind.as_array().map_or(Some(kind), |kinds| kinds.first())?.as_str()?;
    Some(match kind {
        "string" => json!(match part.get("pattern").and_then(Value::as_str) {
            Some(AMOUNT) => "1",
            Some(ASSET) => "native",
            Some(MODULE_ID) => "stand-in",
            Some(VARIABLE) => "STAND_IN",
            Some(MOMENT) => "1970-01-01T00:00Z",
            Some(SELECTOR) => "0x00000000",
            Some(_) => "0x0000000000000000000000000000000000000001",
            None => part.pointer("/enum/0").and_then(Value::as_str).unwrap_or("stand-in"),
        }),
        "integer" | "number" => part.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        "array" => match part.get("minItems") {
            Some(_) => json!([stand_in(schema, part.get("items")?)?]),
            None => json!([]),
        },
        "object" => {
            let mut table = Map::new();
            for name in part.get("required").and_then(Value::as_array).into_iter().flatten() {
                let name = name.as_str()?;
                table.insert(name.to_owned(), stand_in(schema, part.get("properties")?.get(name)?)?);
            }
            Value::Object(table)
        }
        _ => return None,
    })
}
