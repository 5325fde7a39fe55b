//! What the machine may do alone: a local file that people write, read once and named by its hash in every
//! authorisation. No file means shadow mode: everything but sending.
//!
//! Nothing here looks at a chain or a clock; what has been done so far is handed in, from the record, so that a restart
//! forgets nothing.

use std::fmt;
use std::path::Path;

use alloy_primitives::{B256, keccak256};
use cofferdam_types::{Finding, Level, Maturity, ModuleId, PlanRecord, PlanStep, UnixMillis};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::fees::Caps;
use crate::lever::Lever;
use crate::refusal::Refusal;
use crate::trial::Proof;

/// The limits as read, and the hash of the bytes they were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    file: LimitsFile,
    hash: B256,
}

/// The contents of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitsFile {
    /// The kill switch: `false` and nothing is sent.
    enabled: bool,
    /// What may be done alone, one entry a lever or module.
    #[serde(default)]
    allow: Vec<Allowance>,
}

/// What may be done alone with one lever, or with the levers of one module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// The lever; exactly one of `lever` and `module`. A lever's own entry beats its module's.
    lever: Option<String>,
    /// The module, for all its levers.
    module: Option<ModuleId>,
    /// The least level that a finding must have: `stop` or `alert`.
    #[serde(default = "stop")]
    min_level: Level,
    /// The least maturity that the detector must have.
    #[serde(default = "stable")]
    min_maturity: Maturity,
    /// Plans that may be sent within `window_seconds`, failed ones included.
    max_actions: u32,
    /// Length of the sliding window.
    window_seconds: u64,
    /// Seconds after one plan was sent before another may be; failed plans do not start it.
    #[serde(default)]
    cool_down_seconds: u64,
    /// How long the module should stay closed. A pause does not lapse by itself: people are told, nothing is done.
    max_duration_seconds: Option<u64>,
    /// Unix seconds from which on this entry is void.
    expires_unix_seconds: u64,
    /// The most that is paid per gas, base fee included.
    max_fee_per_gas_wei: Wei,
    /// The most that one transaction may cost.
    max_total_cost_wei: Wei,
    /// The tip that is offered even when nothing must be overtaken.
    #[serde(default = "one_gwei")]
    priority_floor_wei: Wei,
    /// Added on top of the attacker's tip.
    #[serde(default = "one_gwei")]
    priority_bump_wei: Wei,
    /// Whether to close after harm that is already in a block when trying the attack again on the head shows nothing:
    /// most drains cannot be repeated as they were, and pausing is the least power there is. Never applies to pending
    /// transactions, nor where the trial shows that the attack still works.
    #[serde(default = "yes")]
    act_when_unproven: bool,
}

const fn stop() -> Level {
    Level::Stop
}

const fn stable() -> Maturity {
    Maturity::Stable
}

const fn one_gwei() -> Wei {
    Wei(1_000_000_000)
}

const fn yes() -> bool {
    true
}

/// An amount: a whole number, or a string of digits where TOML's 63 bits do not suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wei(u128);

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

/// The limits file cannot be used. Nothing is sent on the strength of a file that is not understood.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitsError {
    /// It cannot be read.
    #[error("limits `{file}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// It is not TOML of this shape.
    #[error("limits: {reason}")]
    Syntax {
        /// Line, field and what was expected.
        reason: String,
    },
    /// An entry for neither or for both.
    #[error("limits: `allow` entry {index} must name exactly one of `lever` and `module`")]
    Subject {
        /// Place in the file, from 1.
        index: usize,
    },
    /// The same lever or module twice.
    #[error("limits: `{subject}` has two `allow` entries")]
    Twice {
        /// The lever or module.
        subject: String,
    },
    /// A value that allows nothing, or too much.
    #[error("limits: `{field}` of `{subject}` is {seen}, expected {expected}")]
    Value {
        /// The lever or module.
        subject: String,
        /// The field.
        field: &'static str,
        /// What stands there.
        seen: String,
        /// What may.
        expected: &'static str,
    },
    /// A lever or module that does not exist.
    #[error("limits: `{subject}` is neither a lever nor a module with levers")]
    Unknown {
        /// The lever or module.
        subject: String,
    },
}

/// One thing that is wrong in a limits file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Place of the `allow` entry, from 0; `None` for the file as a whole.
    pub entry: Option<usize>,
    /// What.
    pub error: LimitsError,
}

/// What the limits said, and in whose name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Keccak of the limits file.
    pub by: B256,
    /// Which limit, in words.
    pub reason: String,
    /// What may be paid.
    pub caps: Caps,
}

/// What a plan asks the limits about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) lever: &'a Lever,
    /// All findings about the attack; those of other modules do not count.
    pub(crate) findings: &'a [Finding],
    pub(crate) proof: Proof,
    /// Our clock, and the head's: whichever is later counts against the expiry.
    pub(crate) now: UnixMillis,
    pub(crate) head_timestamp: u64,
    /// Plans of the lever that were sent within [`Limits::look_back`], from the record.
    pub(crate) sent: &'a [PlanRecord],
}

impl Limits {
    /// Reads a limits file.
    ///
    /// # Errors
    /// [`LimitsError`] with the field and the value seen.
    pub fn load(path: &Path) -> Result<Self, LimitsError> {
        let bytes = std::fs::read(path)
            .map_err(|error| LimitsError::Unreadable { file: path.display().to_string(), reason: error.to_string() })?;
        Self::parse(&bytes)
    }

    /// Takes the contents of a limits file.
    ///
    /// # Errors
    /// The first [`LimitsError`], with the field and the value seen.
    pub fn parse(bytes: &[u8]) -> Result<Self, LimitsError> {
        Self::parse_all(bytes).map_err(|mut wrong| wrong.swap_remove(0).error)
    }

    /// The same, with everything that is wrong.
    ///
    /// # Errors
    /// Every mistake of the first kind that was met: of form, or else of meaning. Never empty.
    pub fn parse_all(bytes: &[u8]) -> Result<Self, Vec<Wrong>> {
        let syntax = |reason: String| vec![Wrong { entry: None, error: LimitsError::Syntax { reason } }];
        let text = std::str::from_utf8(bytes).map_err(|_| syntax("not UTF-8 text".to_owned()))?;
        let file: LimitsFile = toml::from_str(text).map_err(|error| syntax(in_one_line(&error, text)))?;
        let mut wrong = Vec::new();
        let mut seen = Vec::new();
        for (entry, allowance) in file.allow.iter().enumerate() {
            let Some(subject) = allowance.subject() else {
                let index = entry.saturating_add(1);
                wrong.push(Wrong { entry: Some(entry), error: LimitsError::Subject { index } });
                continue;
            };
            if seen.contains(&subject) {
                let error = LimitsError::Twice { subject: subject.1.to_owned() };
                wrong.push(Wrong { entry: Some(entry), error });
            }
            let values = allowance.check(subject.1).into_iter();
            wrong.extend(values.map(|error| Wrong { entry: Some(entry), error }));
            seen.push(subject);
        }
        if wrong.is_empty() { Ok(Self { hash: keccak256(bytes), file }) } else { Err(wrong) }
    }

    /// The JSON Schema of the file.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(LimitsFile).into()
    }

    /// Keccak of the file.
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Whether every entry names a lever or module that exists.
    ///
    /// # Errors
    /// [`LimitsError::Unknown`]: a limit that was meant for something is silently void.
    pub(crate) fn check_subjects<'a>(
        &self,
        levers: impl Iterator<Item = &'a Lever> + Clone,
    ) -> Result<(), LimitsError> {
        for entry in &self.file.allow {
            let named = |lever: &Lever| {
                entry.lever.as_deref().is_some_and(|name| name == lever.name())
                    || entry.module.as_ref().is_some_and(|module| module == lever.module())
            };
            if !levers.clone().any(named) {
                let subject = entry.subject().map_or_else(String::new, |(_, name)| name.to_owned());
                return Err(LimitsError::Unknown { subject });
            }
        }
        Ok(())
    }

    /// How far back the record must be asked for what was sent.
    pub(crate) fn look_back_seconds(&self, lever: &Lever) -> u64 {
        self.entry(lever).map_or(0, |entry| entry.window_seconds.max(entry.cool_down_seconds))
    }

    /// Whether a finding of this level could lead to an action with `lever` at all.
    pub(crate) fn is_called_by(&self, lever: &Lever, finding: &Finding) -> bool {
        self.entry(lever).is_some_and(|entry| finding.module == *lever.module() && finding.level >= entry.min_level)
    }

    /// The caps, for a price that is raised later.
    ///
    /// # Errors
    /// [`Refusal`] when nothing may be sent any more: switched off, not listed, expired.
    pub(crate) fn caps(&self, lever: &Lever, now: UnixMillis, head_timestamp: u64) -> Result<Caps, Refusal> {
        self.valid_entry(lever, now, head_timestamp).map(Allowance::caps)
    }

    /// Whether the machine may do this alone.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub(crate) fn allow(&self, request: &Request<'_>) -> Result<Authority, Refusal> {
        let entry = self.valid_entry(request.lever, request.now, request.head_timestamp)?;
        let finding = entry.strong_enough(request)?;
        match request.proof {
            Proof::Stops => {}
            Proof::DoesNotStop => return Err(Refusal::DoesNotStop),
            Proof::NothingToStop if entry.act_when_unproven => {}
            Proof::NothingToStop => return Err(Refusal::Unproven),
            Proof::NoHarmPending => return Err(Refusal::NoHarmPending),
        }
        let done = entry.count(request)?;
        let subject = entry.subject().map_or("", |(_, name)| name);
        let duration = entry.max_duration_seconds.map_or_else(String::new, |seconds| {
            format!("; people should reopen or confirm it within {seconds} s, a pause does not lapse by itself")
        });
        let reason = format!(
            "limits for `{subject}`: `{}` ({}) is at least {} and {}, action {} of {} in {} s{duration}",
            finding.detector,
            finding.level,
            entry.min_level,
            maturity_name(entry.min_maturity),
            done.saturating_add(1),
            entry.max_actions,
            entry.window_seconds,
        );
        Ok(Authority { by: self.hash, reason, caps: entry.caps() })
    }

    fn entry(&self, lever: &Lever) -> Option<&Allowance> {
        let own = self.file.allow.iter().find(|entry| entry.lever.as_deref() == Some(lever.name()));
        own.or_else(|| self.file.allow.iter().find(|entry| entry.module.as_ref() == Some(lever.module())))
    }

    fn valid_entry(&self, lever: &Lever, now: UnixMillis, head_timestamp: u64) -> Result<&Allowance, Refusal> {
        if !self.file.enabled {
            return Err(Refusal::SwitchedOff);
        }
        let entry = self.entry(lever).ok_or(Refusal::NotListed)?;
        let seconds = now.seconds().max(head_timestamp);
        if seconds >= entry.expires_unix_seconds {
            return Err(Refusal::Expired { at: entry.expires_unix_seconds, now: seconds });
        }
        Ok(entry)
    }
}

impl Allowance {
    /// Kind and name of what it is for.
    fn subject(&self) -> Option<(&'static str, &str)> {
        match (&self.lever, &self.module) {
            (Some(lever), None) => Some(("lever", lever)),
            (None, Some(module)) => Some(("module", module.as_str())),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// Every value that allows nothing, or too much.
    fn check(&self, subject: &str) -> Vec<LimitsError> {
        let mut found = Vec::new();
        let mut wrong = |field, seen: String, expected| {
            found.push(LimitsError::Value { subject: subject.to_owned(), field, seen, expected });
        };
        if self.min_level == Level::Notice {
            wrong("min_level", self.min_level.to_string(), "`alert` or `stop`");
        }
        if self.window_seconds == 0 {
            wrong("window_seconds", "0".to_owned(), "at least 1");
        }
        let amounts =
            [("max_fee_per_gas_wei", self.max_fee_per_gas_wei), ("max_total_cost_wei", self.max_total_cost_wei)];
        for (field, amount) in amounts {
            if amount.0 == 0 {
                wrong(field, "0".to_owned(), "at least 1");
            }
        }
        if self.priority_floor_wei.0 > self.max_fee_per_gas_wei.0 {
            wrong("priority_floor_wei", self.priority_floor_wei.0.to_string(), "at most `max_fee_per_gas_wei`");
        }
        found
    }

    const fn caps(&self) -> Caps {
        Caps {
            max_fee: self.max_fee_per_gas_wei.0,
            max_total_wei: self.max_total_cost_wei.0,
            floor: self.priority_floor_wei.0,
            bump: self.priority_bump_wei.0,
        }
    }

    fn strong_enough<'a>(&self, request: &Request<'a>) -> Result<&'a Finding, Refusal> {
        let about = || request.findings.iter().filter(|finding| finding.module == *request.lever.module());
        let level = about().map(|finding| finding.level).max();
        if level.is_none_or(|level| level < self.min_level) {
            let seen = level.map_or_else(|| "nothing".to_owned(), |level| level.to_string());
            return Err(Refusal::TooWeak { seen, needed: self.min_level });
        }
        about()
            .find(|finding| finding.level >= self.min_level && finding.maturity >= self.min_maturity)
            .ok_or(Refusal::Immature { needed: maturity_name(self.min_maturity) })
    }

    /// How many actions the window holds already.
    fn count(&self, request: &Request<'_>) -> Result<u32, Refusal> {
        let now = request.now;
        // A time in the future (our clock went back) counts as just now: limits err on the side of doing less.
        let recent = |at: UnixMillis, seconds: u64| now.since(at) < seconds.saturating_mul(1_000);
        let mut done = 0_u32;
        for record in request.sent {
            let first_sent = sent_times(record).min();
            if first_sent.is_some_and(|at| recent(at, self.window_seconds)) {
                done = done.saturating_add(1);
            }
            let failed = matches!(record.steps.last(), Some((_, PlanStep::Failed { .. })));
            let last_sent = sent_times(record).max();
            if let Some(at) = last_sent.filter(|at| !failed && recent(*at, self.cool_down_seconds)) {
                let passed = now.since(at) / 1_000;
                return Err(Refusal::CoolingDown { left_seconds: self.cool_down_seconds.saturating_sub(passed) });
            }
        }
        if done >= self.max_actions {
            return Err(Refusal::TooMany { done, allowed: self.max_actions, window_seconds: self.window_seconds });
        }
        Ok(done)
    }
}

fn sent_times(record: &PlanRecord) -> impl Iterator<Item = UnixMillis> + '_ {
    record.steps.iter().filter(|(_, step)| matches!(step, PlanStep::Sent { .. })).map(|(at, _)| *at)
}

/// What the parser complains of, without the picture that it draws.
fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count().saturating_add(1));
    let line = line.map_or_else(String::new, |line| format!("line {line}: "));
    format!("{line}{}", error.message().replace('\n', ", "))
}

const fn maturity_name(maturity: Maturity) -> &'static str {
    match maturity {
        Maturity::Sandbox => "sandbox",
        Maturity::Incubating => "incubating",
        Maturity::Stable => "stable",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const ENTRY: &str = r#"
        [[allow]]
        lever = "vault-pause"
        max_actions = 1
        window_seconds = 60
        expires_unix_seconds = 4000000000
        max_fee_per_gas_wei = 1000000000000
        max_total_cost_wei = "340282366920938463463374607431768211455"
    "#;

    fn parse(text: &str) -> Result<Limits, LimitsError> {
        Limits::parse(text.as_bytes())
    }

    fn file(entry: &str) -> String {
        format!("enabled = true\n{entry}")
    }

    #[test]
    fn a_file_is_named_by_the_hash_of_its_bytes() {
        let text = file(ENTRY);
        assert_eq!(parse(&text).unwrap().hash(), keccak256(text.as_bytes()));
        assert_ne!(parse(&text).unwrap().hash(), parse(&format!("{text}# a remark")).unwrap().hash());
    }

    #[test]
    fn the_defaults_are_the_strict_ones() {
        let limits = parse(&file(ENTRY)).unwrap();
        let entry = &limits.file.allow[0];
        assert_eq!((entry.min_level, entry.min_maturity), (Level::Stop, Maturity::Stable));
        assert_eq!(entry.max_total_cost_wei, Wei(u128::MAX));
    }

    #[test]
    fn the_kill_switch_must_be_written_out() {
        assert!(matches!(parse(ENTRY), Err(LimitsError::Syntax { .. })));
    }

    #[test]
    fn every_mistake_has_its_own_error() {
        let with = |from: &str, to: &str| file(&ENTRY.replace(from, to));
        type Expected = fn(&LimitsError) -> bool;
        let syntax: Expected = |error| matches!(error, LimitsError::Syntax { .. });
        let value: Expected = |error| matches!(error, LimitsError::Value { .. });
        let cases: [(String, Expected); 11] = [
            (with("max_actions", "max_action"), syntax),
            (with("max_actions = 1", "max_actions = -1"), syntax),
            (with("1000000000000", "-5"), syntax),
            (with("1000000000000", "\"+5\""), syntax),
            (with("1000000000000", "\"five\""), syntax),
            (with("1000000000000", "0"), value),
            (with("window_seconds = 60", "window_seconds = 0"), value),
            (with("max_actions = 1", "max_actions = 1\nmin_level = 'notice'"), value),
            (with("1000000000000", "5"), value),
            (with("max_actions = 1", "max_actions = 1\nmodule = 'vault'"), |error| {
                matches!(error, LimitsError::Subject { index: 1 })
            }),
            (file(&format!("{ENTRY}{ENTRY}")), |error| matches!(error, LimitsError::Twice { .. })),
        ];
        for (text, expected) in cases {
            let error = parse(&text).unwrap_err();
            assert!(expected(&error), "{text}: {error}");
        }
        assert!(syntax(&Limits::parse(&[0xff]).unwrap_err()));
        assert!(matches!(Limits::load(Path::new("/nowhere/limits.toml")), Err(LimitsError::Unreadable { .. })));
    }

    #[test]
    fn a_levers_own_entry_beats_its_modules() {
        let module = ENTRY
            .replace("lever = \"vault-pause\"", "module = \"vault\"")
            .replace("max_actions = 1", "max_actions = 9");
        let limits = parse(&file(&format!("{module}{ENTRY}"))).unwrap();
        let lever = Lever::new(&crate::testbed::lever("vault-pause", crate::testbed::module(), crate::testbed::VAULT));
        assert_eq!(limits.entry(&lever.unwrap()).unwrap().max_actions, 1);
        let other = Lever::new(&crate::testbed::lever("other", crate::testbed::module(), crate::testbed::VAULT));
        assert_eq!(limits.entry(&other.unwrap()).unwrap().max_actions, 9);
    }
}
