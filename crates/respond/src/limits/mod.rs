//! What the machine may do alone: a local file that people write, named by its hash in every authorisation. No file
//! means shadow mode: everything but sending. Where it is an [`envelope`], it holds by the signatures under it.
//!
//! Nothing here looks at a chain or a clock; what has been done so far is handed in, from the record, so that a restart
//! forgets nothing.

use std::path::Path;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use cofferdam_types::{Finding, PlanRecord, UnixMillis};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::fees::Caps;
use crate::lever::Lever;
use crate::refusal::Refusal;
use crate::trial::Proof;

mod allowance;
pub mod envelope;
mod wei;

pub(crate) use allowance::maturity_name;
pub use allowance::{Allowance, MinLoss};
pub use wei::Wei;

use envelope::{Envelope, EnvelopeError, EnvelopeHeader, Signed, Signers};

/// The limits as read, and the hash that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    file: LimitsFile,
    hash: B256,
    file_hash: B256,
    envelope: Option<Envelope>,
    approval: Approval,
}

/// How far the signatures under the limits are. Only [`Limits::bind`] asks for any.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Approval {
    /// Nobody need sign.
    NotAsked,
    /// Ended by one of the signers.
    Revoked { signer: Address },
    /// Signed by enough, once the contracts among them have said so.
    Asked {
        given: envelope::Approval,
        /// Contracts that said yes on the last head at which they were asked.
        confirmed: Vec<Address>,
    },
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
    /// What makes these limits an envelope: the terms that signatures are over.
    #[serde(default)]
    envelope: Option<EnvelopeHeader>,
    /// Signatures under the envelope.
    #[serde(default)]
    signature: Vec<Signed>,
    /// One signer's signature that ends it.
    #[serde(default)]
    revoked: Option<Signed>,
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
    /// Signatures without `[envelope]`.
    #[error("limits: there are signatures and no `[envelope]` that they could be under")]
    NothingSigned,
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
    /// The hash that names the limits.
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
            let signed = file.envelope.as_ref().map(|_| allowance.check_signed(subject.1));
            let values = allowance.check(subject.1).into_iter().chain(signed.into_iter().flatten());
            wrong.extend(values.map(|error| Wrong { entry: Some(entry), error }));
            seen.push(subject);
        }
        if file.envelope.is_none() && (!file.signature.is_empty() || file.revoked.is_some()) {
            wrong.push(Wrong { entry: None, error: LimitsError::NothingSigned });
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let envelope = file
            .envelope
            .clone()
            .map(|header| Envelope::new(header, &file.allow, file.signature.clone(), file.revoked.clone()));
        let file_hash = keccak256(bytes);
        let hash = envelope.as_ref().map_or(file_hash, Envelope::hash);
        Ok(Self { hash, file_hash, file, envelope, approval: Approval::NotAsked })
    }

    /// From here on the limits hold by the signatures of `signers` under them, and not otherwise. A revoked envelope is
    /// taken and allows nothing: a watch goes on watching.
    ///
    /// # Errors
    /// [`EnvelopeError`]: they are no envelope, or too few signed, or somebody who should not have.
    pub fn bind(&mut self, signers: &Signers, chain_id: u64) -> Result<(), EnvelopeError> {
        let envelope = self.envelope.as_ref().ok_or(EnvelopeError::Unsigned)?;
        self.approval = match envelope.approval(signers, chain_id) {
            Ok(given) => Approval::Asked { given, confirmed: Vec::new() },
            Err(EnvelopeError::Revoked { signer }) => Approval::Revoked { signer },
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// The signer who ended them.
    pub(crate) const fn revoked_by(&self) -> Option<Address> {
        match &self.approval {
            Approval::Revoked { signer } => Some(*signer),
            Approval::NotAsked | Approval::Asked { .. } => None,
        }
    }

    /// Whether the contract `signer` said yes when it was last asked.
    pub(crate) fn is_confirmed(&self, signer: Address) -> bool {
        matches!(&self.approval, Approval::Asked { confirmed, .. } if confirmed.contains(&signer))
    }

    /// Contracts that must be asked whether they signed, and with which calldata.
    pub(crate) fn to_ask(&self) -> Vec<(Address, Bytes)> {
        match &self.approval {
            Approval::NotAsked | Approval::Revoked { .. } => Vec::new(),
            Approval::Asked { given, .. } => given
                .to_ask
                .iter()
                .map(|signed| (signed.signer, envelope::ask_call(self.hash, &signed.signature)))
                .collect(),
        }
    }

    /// Takes down which contracts said yes, of those that were asked.
    pub(crate) fn set_confirmed(&mut self, contracts: Vec<Address>) {
        if let Approval::Asked { confirmed, .. } = &mut self.approval {
            *confirmed = contracts;
        }
    }

    fn approved(&self) -> Result<(), Refusal> {
        let (given, confirmed) = match &self.approval {
            Approval::NotAsked => return Ok(()),
            Approval::Revoked { signer } => return Err(Refusal::Revoked { signer: *signer }),
            Approval::Asked { given, confirmed } => (given, confirmed),
        };
        let have = given.signed.len().saturating_add(confirmed.len());
        if u32::try_from(have).unwrap_or(u32::MAX) < given.threshold {
            return Err(Refusal::NotApproved { have, need: given.threshold });
        }
        Ok(())
    }

    /// The JSON Schema of the file.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(LimitsFile).into()
    }

    /// What names these limits in the record: what the signers signed, or else Keccak of the file.
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Keccak of the file: changes with every signature, revocation and remark.
    pub const fn file_hash(&self) -> B256 {
        self.file_hash
    }

    /// The signed terms, where the limits are an envelope.
    pub const fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// What may be done alone.
    pub fn allowances(&self) -> &[Allowance] {
        &self.file.allow
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
        self.approved()?;
        let entry = self.entry(lever).ok_or(Refusal::NotListed)?;
        let seconds = now.seconds().max(head_timestamp);
        let from = self.file.envelope.as_ref().map_or(0, |header| header.valid_from_unix_seconds);
        // The earlier clock counts here, as the later one does for the end.
        let earliest = now.seconds().min(head_timestamp);
        if earliest < from {
            return Err(Refusal::NotYet { from, now: earliest });
        }
        if seconds >= entry.expires_unix_seconds {
            return Err(Refusal::Expired { at: entry.expires_unix_seconds, now: seconds });
        }
        if !entry.names_call_of(lever) {
            return Err(Refusal::AnotherCall);
        }
        Ok(entry)
    }
}

/// What the parser complains of, without the picture that it draws.
fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count().saturating_add(1));
    let line = line.map_or_else(String::new, |line| format!("line {line}: "));
    format!("{line}{}", error.message().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use cofferdam_types::{Level, Maturity};

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
