//! What ties findings together: when, in which stage of an attack, and who belongs to whom. Facts that the guard knows
//! when it records a finding; which findings are one attack is decided in `incident`.

use std::fmt;

use alloy_primitives::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::UnixMillis;

/// Accounts that one finding may name; more are left out, those that say least first.
pub const MOST_PARTY: usize = 24;

/// How far an attack has come. Ordered as attacks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Money without history comes to those who will attack.
    Funding,
    /// Contracts are made, rights are changed, things are tried.
    Preparation,
    /// Value is taken.
    Exploitation,
    /// What was taken is moved away.
    Laundering,
}

impl Stage {
    /// All stages, as attacks go.
    pub const ALL: [Self; 4] = [Self::Funding, Self::Preparation, Self::Exploitation, Self::Laundering];

    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Funding => "funding",
            Self::Preparation => "preparation",
            Self::Exploitation => "exploitation",
            Self::Laundering => "laundering",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How seldom an honest transaction causes such a finding, in parts of 10^12: exact, so that products of scores compare
/// the same everywhere. Always within `1..=10^12`; the whole means "says nothing".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Score(u64);

impl Score {
    /// The parts of a whole.
    pub const PARTS: u64 = 1_000_000_000_000;
    /// A finding that says nothing about how likely an attack is.
    pub const WHOLE: Self = Self(Self::PARTS);

    /// `None` for zero and above the whole.
    pub const fn new(parts: u64) -> Option<Self> {
        if parts >= 1 && parts <= Self::PARTS { Some(Self(parts)) } else { None }
    }

    /// At most how often honest transactions cause it when `seen` of `of` did: the upper end of a 95 % interval, by the
    /// rule of three for none and by the normal approximation of a count (plus two) above it; rounded up.
    pub const fn measured(seen: u64, of: u64) -> Self {
        if of == 0 {
            return Self::WHOLE;
        }
        // Three for none (rule of three); else the count, two standard deviations and two.
        let upper = if seen == 0 { 3 } else { seen.saturating_add(seen.isqrt().saturating_mul(2)).saturating_add(2) };
        let parts = upper.saturating_mul(Self::PARTS / 1_000_000).div_ceil(of).saturating_mul(1_000_000);
        match Self::new(parts) {
            Some(score) => score,
            None => Self::WHOLE,
        }
    }

    /// Parts of 10^12.
    pub const fn parts(self) -> u64 {
        self.0
    }
}

impl Default for Score {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// As a decimal fraction without rounding: `0.0001`.
impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::WHOLE {
            return f.write_str("1");
        }
        let digits = format!("{:012}", self.0);
        write!(f, "0.{}", digits.trim_end_matches('0'))
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = u64::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("{parts} is not within 1 to {} parts", Self::PARTS));
        Self::new(parts).ok_or_else(wrong)
    }
}

/// What an account has to do with what was found. Ordered by how much it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Signed the transaction.
    Sender,
    /// Came into being in it.
    Created,
    /// Made the contract that was called.
    Maker,
    /// A contract that was called, and that is young and not everybody's.
    Entry,
    /// Got what left.
    Recipient,
    /// Known again from an earlier finding.
    Suspect,
    /// Sent the sender its first coin.
    Funder,
    /// Named by an alert of another tool.
    Named,
}

impl Role {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Created => "created",
            Self::Maker => "maker",
            Self::Entry => "entry",
            Self::Recipient => "recipient",
            Self::Suspect => "suspect",
            Self::Funder => "funder",
            Self::Named => "named",
        }
    }
}

/// An account on the side of whoever did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The account.
    pub account: Address,
    /// What it has to do with it.
    pub role: Role,
}

/// When, how far, and who. Never part of a finding's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Time of the block, or of the block that the pending transaction would be in: the same on every node.
    pub at: UnixMillis,
    /// How far the attack would be.
    pub stage: Stage,
    /// How seldom honest transactions cause it.
    pub score: Score,
    /// Ascending, each account once, at most [`MOST_PARTY`]. Never a protected contract, and never a place that
    /// everybody uses.
    pub party: Vec<Actor>,
    /// The largest part that was lost of what one protected account held of one asset, in basis points; `None` where
    /// nothing was lost or what was held is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_bps: Option<u16>,
}

impl Trail {
    /// Brings the party into its one order, each account once with the role that says most, and within its bound.
    #[must_use]
    pub fn tidy(mut self) -> Self {
        self.party.sort_unstable_by_key(|party| (party.role, party.account));
        let mut seen = std::collections::BTreeSet::new();
        self.party.retain(|party| seen.insert(party.account));
        self.party.truncate(MOST_PARTY);
        self.party.sort_unstable();
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_score_is_a_part_of_a_whole_and_reads_as_a_fraction() {
        assert!(Score::new(0).is_none() && Score::new(Score::PARTS + 1).is_none());
        assert_eq!(Score::new(100_000_000).unwrap().to_string(), "0.0001");
        assert_eq!(Score::WHOLE.to_string(), "1");
        assert!(serde_json::from_str::<Score>("0").is_err());
    }

    #[test]
    fn a_measured_rate_errs_on_the_side_of_saying_less() {
        assert_eq!(Score::measured(0, 100_000).to_string(), "0.00003");
        assert!(Score::measured(100, 1_000_000).parts() > 100 * (Score::PARTS / 1_000_000));
        assert_eq!(Score::measured(5, 0), Score::WHOLE);
        assert_eq!(Score::measured(u64::MAX, 1), Score::WHOLE);
    }

    #[test]
    fn a_party_names_each_account_once_and_keeps_those_that_say_most() {
        let account = |byte| Address::with_last_byte(byte);
        let mut party: Vec<Actor> = (0..60).map(|byte| Actor { account: account(byte), role: Role::Funder }).collect();
        party.push(Actor { account: account(59), role: Role::Sender });
        let trail =
            Trail { at: UnixMillis(1), stage: Stage::Funding, score: Score::WHOLE, party, lost_bps: None }.tidy();
        assert_eq!(trail.party.len(), MOST_PARTY);
        assert!(trail.party.contains(&Actor { account: account(59), role: Role::Sender }));
        assert!(trail.party.is_sorted());
    }
}
