//! Reads TOML and remembers on which line each field stands, so that a mistake can be found by whoever made it.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;

/// Lines of fields, by their path as mistakes write it: `module[0].contracts[1]`.
#[derive(Debug, Default)]
pub(super) struct Places {
    lines: BTreeMap<String, usize>,
}

impl Places {
    /// Says the line of each mistake that is in this file, and puts them into its order; those in others come last.
    pub(super) fn locate(&self, mistakes: &mut [Mistake]) {
        for mistake in &mut *mistakes {
            if mistake.line.is_none() && mistake.file.is_none() {
                mistake.line = self.line(&mistake.field);
            }
        }
        mistakes.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    }

    /// The line of a field, or of the nearest that contains it; `None` for what should stand at the top and does not.
    fn line(&self, field: &str) -> Option<usize> {
        let mut path = field;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }
}

/// The text as JSON, which the schema speaks of, and where each field stands.
///
/// # Errors
/// Every place that is not TOML; never quotes the text, which may hold a key.
pub(super) fn read(text: &str) -> Result<(Value, Places), Vec<Mistake>> {
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at.saturating_add(1)))
        .collect();
    let line = |offset: usize| starts.partition_point(|start| *start <= offset);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mistake = |error: &toml::de::Error| Mistake {
            line: error.span().map(|span| line(span.start)),
            ..Mistake::new("", format!("is not TOML: {}", error.message()))
        };
        return Err(errors.iter().map(mistake).collect());
    }
    let mut reader = Reader { places: Places::default(), line: &line };
    let value = reader.table("", table.get_ref());
    Ok((value, reader.places))
}

struct Reader<'l> {
    places: Places,
    line: &'l dyn Fn(usize) -> usize,
}

impl Reader<'_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>) -> Value {
        let mut object = Map::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let field = super::inside(path, &name);
            self.places.lines.insert(field.clone(), (self.line)(key.span().start));
            object.insert(name, self.value(&field, value));
        }
        Value::Object(object)
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).map(Number::from);
                // Larger than any field can hold: told by the schema as what it is, text.
                number.map_or_else(|_| Value::String(integer.to_string()), Value::Number)
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(Number::from_f64);
                number.map_or_else(|| Value::String(float.to_string()), Value::Number)
            }
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(date) => Value::String(date.to_string()),
            DeValue::Array(items) => {
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let field = format!("{path}[{index}]");
                    self.places.lines.insert(field.clone(), (self.line)(item.span().start));
                    values.push(self.value(&field, item));
                }
                Value::Array(values)
            }
            DeValue::Table(table) => self.table(path, table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_on_their_lines_and_missing_ones_where_they_belong() {
        let text = "a = 1\n[chain]\nid = 5\n\n[[module]]\nid = 'x'\n[[module]]\ncontracts = [\n 'p',\n 'q']\n";
        let (value, places) = read(text).unwrap();
        assert_eq!(value["module"][1]["contracts"][1], "q");
        let lines = ["a", "chain.id", "module[1].contracts[1]", "module[0].id", "chain.name"].map(|it| places.line(it));
        assert_eq!(lines, [Some(1), Some(3), Some(10), Some(6), Some(2)]);
        assert_eq!(places.line("module[1].id"), Some(7));
        assert_eq!(places.line("record"), None);
    }

    #[test]
    fn every_broken_line_is_told() {
        let mistakes = read("a = \nb = 'x\nc = 1\n").unwrap_err();
        assert!(mistakes.len() >= 2, "{mistakes:?}");
        assert_eq!(mistakes[0].line, Some(1));
    }

    #[test]
    fn numbers_keep_their_radix_and_huge_ones_are_no_numbers() {
        let (value, _) = read("a = 0x10\nb = 99999999999999999999\nc = 1_000\nd = -2").unwrap();
        assert_eq!((&value["a"], &value["c"], &value["d"]), (&16.into(), &1000.into(), &(-2).into()));
        assert!(value["b"].is_string());
    }
}
