//! Positional parameters, read one by one with geth's error words.

use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Answer, bad_params};

/// The parameters of one call.
pub(super) struct Args(Vec<Value>);

impl Args {
    /// Reads an array; parameters by name count as one object.
    pub(super) fn of(params: &Params<'_>) -> Answer<Self> {
        let Some(text) = params.as_str() else { return Ok(Self(Vec::new())) };
        let value: Value = serde_json::from_str(text).map_err(|error| bad_params(&error))?;
        match value {
            Value::Array(values) => Ok(Self(values)),
            Value::Null => Ok(Self(Vec::new())),
            object @ Value::Object(_) => Ok(Self(vec![object])),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(bad_params(&"non-array args")),
        }
    }

    pub(super) fn required<T: DeserializeOwned>(&self, index: usize) -> Answer<T> {
        self.optional(index)?.ok_or_else(|| bad_params(&format!("missing value for required argument {index}")))
    }

    /// `None` when absent or null.
    pub(super) fn optional<T: DeserializeOwned>(&self, index: usize) -> Answer<Option<T>> {
        match self.0.get(index) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value).map(Some).map_err(|error| invalid(index, &error)),
        }
    }

    /// A quantity as a hex string or a plain number, as the control methods of test nodes take them.
    pub(super) fn quantity(&self, index: usize) -> Answer<Option<u64>> {
        match self.0.get(index) {
            Some(Value::Number(number)) => {
                number.as_u64().map(Some).ok_or_else(|| invalid(index, &"not an unsigned 64-bit number"))
            }
            _ => Ok(self.optional::<alloy_primitives::U64>(index)?.map(|value| value.to::<u64>())),
        }
    }
}

fn invalid(index: usize, reason: &impl std::fmt::Display) -> ErrorObjectOwned {
    bad_params(&format!("invalid argument {index}: {reason}"))
}
