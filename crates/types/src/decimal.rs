//! 128-bit amounts as decimal text: JSON readers round large numbers, and serde cannot read them inside tagged enums.

use serde::{Deserialize as _, Deserializer, Serializer};

/// Writes `amount` as text.
pub(crate) fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// Reads what [`serialize`] wrote.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is not a decimal number of 128 bits")))
}
