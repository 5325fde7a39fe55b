//! Amounts of wei as people write them.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// An amount: a whole number, or a string of digits where TOML's 63 bits do not suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wei(pub u128);

impl<'de> Deserialize<'de> for Wei {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WeiVisitor)
    }
}

impl JsonSchema for Wei {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wei".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,78}$" })
    }
}

struct WeiVisitor;

impl de::Visitor<'_> for WeiVisitor {
    type Value = Wei;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of wei, as a whole number or as digits in quotes")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Wei, E> {
        u128::try_from(value).map(Wei).map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Wei, E> {
        Ok(Wei(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Wei, E> {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        value
            .parse()
            .ok()
            .filter(|_| digits)
            .map(Wei)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
    }
}
