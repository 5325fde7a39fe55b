//! The limits file that a configuration names: all that is wrong in it at once, each with its line, as in the
//! configuration itself.

use std::path::Path;

use cofferdam_respond::{Limits, LimitsError, Wrong};
use serde_json::Value;

use super::schema::{refined, structural_in};
use super::{File, Mistake, content, places};

/// Reads the limits and looks whether what they name exists in `file`.
///
/// # Errors
/// Every mistake, each naming the file that it is in; never empty.
pub(super) fn load(path: &Path, file: &File) -> Result<Limits, Vec<Mistake>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return Err(vec![Mistake::new("limits", format!("cannot be read: {error}")).seeing(path.display())]);
        }
    };
    take(&bytes, file).map_err(|mut mistakes| {
        for mistake in &mut mistakes {
            mistake.file = Some(content::withhold(&path.display().to_string()));
        }
        mistakes
    })
}

fn take(bytes: &[u8], file: &File) -> Result<Limits, Vec<Mistake>> {
    let text = std::str::from_utf8(bytes).map_err(|_| vec![Mistake::new("", "is not UTF-8 text")])?;
    let (value, places) = places::read(text)?;
    let mut mistakes = structural_in(&refined(Limits::schema()), &value);
    let parsed = Limits::parse_all(bytes);
    if mistakes.is_empty()
        && let Err(wrong) = &parsed
    {
        mistakes.extend(wrong.iter().filter_map(mistake));
    }
    mistakes.extend(subjects(&value, file));
    match parsed {
        Ok(limits) if mistakes.is_empty() => Ok(limits),
        Ok(_) | Err(_) => {
            places.locate(&mut mistakes);
            Err(mistakes)
        }
    }
}

fn mistake(wrong: &Wrong) -> Option<Mistake> {
    let entry = wrong.entry.map_or_else(String::new, |entry| format!("allow[{entry}]"));
    match &wrong.error {
        LimitsError::Value { field, seen, expected, .. } => {
            Some(Mistake::new(format!("{entry}.{field}"), format!("expected {expected}")).seeing(seen))
        }
        // Told by `subjects`.
        LimitsError::Subject { .. } => None,
        LimitsError::Twice { subject } => Some(Mistake::new(entry, format!("`{subject}` has an entry already"))),
        other @ (LimitsError::Unreadable { .. } | LimitsError::Syntax { .. } | LimitsError::Unknown { .. } | _) => {
            Some(Mistake::new(entry, other.to_string()))
        }
    }
}

/// Entries that name both a lever and a module or neither, or what the configuration does not have: a limit that was
/// meant for something is void.
fn subjects(value: &Value, file: &File) -> Vec<Mistake> {
    let entries = value.get("allow").and_then(Value::as_array).into_iter().flatten();
    let mut found = Vec::new();
    for (index, entry) in entries.enumerate() {
        let named = |key: &str| entry.get(key).and_then(Value::as_str);
        if entry.get("lever").is_some() == entry.get("module").is_some() {
            found.push(Mistake::new(format!("allow[{index}]"), "must name exactly one of `lever` and `module`"));
        }
        if let Some(name) = named("lever")
            && !file.levers.iter().any(|lever| lever.name == name)
        {
            found.push(Mistake::new(format!("allow[{index}].lever"), "there is no such lever").seeing(name));
        }
        if let Some(name) = named("module")
            && !file.levers.iter().any(|lever| lever.module.as_str() == name)
        {
            let mistake = Mistake::new(format!("allow[{index}].module"), "no lever seals such a module");
            found.push(mistake.seeing(name));
        }
    }
    found
}
