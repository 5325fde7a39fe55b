//! Work on a module that people declared beforehand: which calls, by whom, when, and who answers for it.

use alloy_primitives::{Address, B256};
use cofferdam_types::{ModuleId, Selector};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{SettingsError, units::seconds_of_day_start};

/// The longest that a declared window may be, in seconds.
const LONGEST_SECONDS: u64 = 31 * 86_400;

/// Maintenance that was declared: what it covers exactly is a notice, whatever detectors say. What goes beyond it in the
/// same transaction is not covered, and then nothing of that transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// The modules that are worked on.
    #[schemars(length(min = 1))]
    pub modules: Vec<ModuleId>,
    /// Who sends the transaction. Needed, unless the transaction itself is named.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub sender: Option<Address>,
    /// Every call into the modules.
    #[serde(default)]
    pub calls: Vec<DeclaredCall>,
    /// The hash of the transaction, where it is signed already.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("pattern" = "^0x[0-9a-fA-F]{64}$"))]
    pub transaction: Option<B256>,
    /// When it begins, UTC, by block time.
    pub from: Moment,
    /// When it is over, UTC, by block time; at most 31 days later.
    pub until: Moment,
    /// The person who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
}

/// One call that was declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredCall {
    /// The contract.
    #[schemars(with = "String")]
    pub target: Address,
    /// First four bytes of the calldata.
    #[schemars(with = "String", extend("pattern" = "^0x[0-9a-fA-F]{8}$"))]
    pub selector: Selector,
    /// Keccak of the whole calldata, selector included. Absent: any arguments.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("pattern" = "^0x[0-9a-fA-F]{64}$"))]
    pub calldata_hash: Option<B256>,
}

impl Maintenance {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`SettingsError::Maintenance`] says what it lacks.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let wrong = |reason: String| Err(SettingsError::Maintenance { reason });
        if self.modules.is_empty() {
            return wrong("`modules` names no module".to_owned());
        }
        if self.calls.is_empty() && self.transaction.is_none() {
            return wrong("covers nothing: give `calls` or `transaction`".to_owned());
        }
        if self.sender.is_none() && self.transaction.is_none() {
            return wrong("`sender` is missing: calls are declared of somebody".to_owned());
        }
        let (from, until) = (self.from.unix_seconds(), self.until.unix_seconds());
        if until <= from {
            return wrong(format!("`until` is {}, which is not after `from`, {}", self.until, self.from));
        }
        if until.saturating_sub(from) > LONGEST_SECONDS {
            return wrong(format!("`until` is {}, more than 31 days after `from`, {}", self.until, self.from));
        }
        if self.owner.trim().is_empty() || self.reason.trim().is_empty() {
            return wrong("needs an owner and a reason".to_owned());
        }
        Ok(())
    }
}

/// A minute, UTC, written `2026-12-31T09:30Z`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z$"))]
pub struct Moment {
    text: String,
    unix_seconds: u64,
}

impl Moment {
    /// Its first second, in Unix seconds.
    pub const fn unix_seconds(&self) -> u64 {
        self.unix_seconds
    }

    fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (hour, minute) = time.split_once(':')?;
        let number = |part: &str, below: u64| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<u64>().ok()).flatten().filter(|number| *number < below)
        };
        let (hour, minute) = (number(hour, 24)?, number(minute, 60)?);
        let of_day = hour.saturating_mul(3_600).saturating_add(minute.saturating_mul(60));
        Some(Self { text: text.to_owned(), unix_seconds: seconds_of_day_start(day)?.saturating_add(of_day) })
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let shown: String = text.chars().filter(|character| !character.is_control()).take(40).collect();
            de::Error::custom(format!("`{shown}` is no minute like `2026-12-31T09:30Z`"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_minute_of_a_day_that_exists() {
        let seconds = |text: &str| Moment::parse(text).map(|moment| moment.unix_seconds());
        assert_eq!(seconds("1970-01-01T00:00Z"), Some(0));
        assert_eq!(seconds("2026-11-23T10:30Z"), Some(1_795_429_800));
        for wrong in ["2026-02-30T00:00Z", "2026-11-23T24:00Z", "2026-11-23T10:60Z", "2026-11-23T10:30", "2026-11-23"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_covers_nothing_or_nobody_is_refused() {
        let head = "modules = ['vault']\nfrom = '2026-11-23T10:00Z'\nowner = 'ann'\nreason = 'upgrade'\n";
        let call = "calls = [{ target = '0x0000000000000000000000000000000000000001', selector = '0x3659cfe6' }]\n";
        let sender = "sender = '0x0000000000000000000000000000000000000002'\n";
        let until = "until = '2026-11-23T12:00Z'\n";
        let check = |text: String| toml::from_str::<Maintenance>(&text).unwrap().check().map_err(|e| e.to_string());
        assert_eq!(check(format!("{call}{sender}{until}{head}")), Ok(()));
        let hash = format!("transaction = '{}'\n", B256::repeat_byte(1));
        assert_eq!(check(format!("{hash}{until}{head}")), Ok(()));
        for (text, part) in [
            (format!("{sender}{until}{head}"), "covers nothing"),
            (format!("{call}{until}{head}"), "`sender` is missing"),
            (format!("{call}{sender}until = '2026-11-23T10:00Z'\n{head}"), "which is not after `from`"),
            (format!("{call}{sender}until = '2027-11-23T10:00Z'\n{head}"), "more than 31 days"),
            (format!("{call}{sender}{until}{}", head.replace("'ann'", "' '")), "needs an owner and a reason"),
            (format!("{call}{sender}{until}{}", head.replace("['vault']", "[]")), "`modules` names no module"),
        ] {
            let error = check(text.clone()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
