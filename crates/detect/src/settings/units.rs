//! Values as people write them: amounts as decimal strings, assets by address, end dates as calendar days.

use std::fmt;

use alloy_primitives::{Address, U256};
use cofferdam_types::Asset;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount in the asset's smallest unit, written as a decimal string: TOML and JSON numbers lose digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9]{1,78}$"))]
pub struct Amount(pub U256);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(de::Error::custom(format!("amount `{}` is not a whole decimal number", shown(&text))));
        }
        let amount = U256::from_str_radix(&text, 10)
            .map_err(|_| de::Error::custom(format!("amount `{}` does not fit 256 bits", shown(&text))))?;
        Ok(Self(amount))
    }
}

/// An asset as people name it: `native`, or the address of the token contract. For NFTs the collection is meant and
/// amounts count items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^(native|0x[0-9a-fA-F]{40})$"))]
pub enum AssetName {
    /// The chain's own coin.
    Native,
    /// A token contract.
    Token(Address),
}

impl AssetName {
    /// The asset that is meant.
    pub const fn asset(self) -> Asset {
        match self {
            Self::Native => Asset::Native,
            Self::Token(token) => Asset::Erc20(token),
        }
    }

    /// Whether `asset` is meant by this name.
    pub fn names(self, asset: Asset) -> bool {
        match self {
            Self::Native => asset == Asset::Native,
            Self::Token(token) => asset.token() == Some(token),
        }
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Token(token) => token.fmt(f),
        }
    }
}

impl Serialize for AssetName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AssetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "native" {
            return Ok(Self::Native);
        }
        text.parse()
            .map(Self::Token)
            .map_err(|_| de::Error::custom(format!("asset `{}` is neither `native` nor a token address", shown(&text))))
    }
}

/// The last day, UTC, on which something holds, written `2026-12-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
pub struct Until {
    year: u16,
    month: u8,
    day: u8,
}

impl Until {
    /// The first second after the day, in Unix seconds.
    pub fn end_unix_seconds(self) -> u64 {
        let days: u64 = (1970..self.year)
            .map(days_of_year)
            .sum::<u64>()
            .saturating_add((1..self.month).map(|month| u64::from(days_of_month(self.year, month))).sum::<u64>());
        days.saturating_add(u64::from(self.day)).saturating_mul(DAY_SECONDS)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        if parts.next().is_some() || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
            return None;
        }
        let until = Self { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()? };
        let valid = until.year >= 1970
            && (1..=12).contains(&until.month)
            && (1..=days_of_month(until.year, until.month)).contains(&until.day);
        valid.then_some(until)
    }
}

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// The first second of a day written `2026-12-31`, in Unix seconds; `None` where there is no such day.
pub(super) fn seconds_of_day_start(text: &str) -> Option<u64> {
    Until::parse(text).map(|day| day.end_unix_seconds().saturating_sub(DAY_SECONDS))
}

const fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u16) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Serialize for Until {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("`{}` is not a day like `2026-12-31`", shown(&text))))
    }
}

/// As much of a stranger's text as belongs into an error.
fn shown(text: &str) -> String {
    text.chars().take(90).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_decimal_strings() {
        let most = format!("\"{}\"", U256::MAX);
        assert_eq!(serde_json::from_str::<Amount>(&most).unwrap().0, U256::MAX);
        for wrong in ["\"\"", "\"-1\"", "\"0x10\"", "\"1.5\"", "\"1_000\"", "5", &format!("\"{}0\"", U256::MAX)] {
            assert!(serde_json::from_str::<Amount>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_ends_when_the_next_begins() {
        let day = |text: &str| serde_json::from_str::<Until>(&format!("\"{text}\"")).map(Until::end_unix_seconds);
        assert_eq!(day("1970-01-01").unwrap(), 86_400);
        assert_eq!(day("2024-02-29").unwrap(), 1_709_251_200);
        assert_eq!(day("2026-12-31").unwrap(), 1_798_761_600);
        for wrong in ["2023-02-29", "2026-13-01", "2026-00-01", "2026-1-01", "1969-12-31", "2026-12-31-1", "soon"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_asset_is_native_or_an_address() {
        assert_eq!(serde_json::from_str::<AssetName>("\"native\"").unwrap(), AssetName::Native);
        assert!(serde_json::from_str::<AssetName>("\"USDC\"").is_err());
        let token = Address::with_last_byte(7);
        assert!(AssetName::Token(token).names(Asset::Erc721(token, U256::from(4))));
        assert!(!AssetName::Token(token).names(Asset::Native));
    }
}
