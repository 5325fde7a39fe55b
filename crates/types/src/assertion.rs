//! What a team's own Solidity assertions said about one execution. They are run in `evm` and judged in `detect`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Level, ModuleId};

/// One assertion function of one module, about one execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionOutcome {
    /// The module that the assertion belongs to.
    pub module: ModuleId,
    /// Name of the assertion contract.
    pub contract: Arc<str>,
    /// Name of the function, or its selector where the artifact does not name it.
    pub function: Arc<str>,
    /// The call that it was run for, counted in the order in which the kept calls were opened; `None` where it was run
    /// once for the whole transaction.
    pub call: Option<u64>,
    /// What it said.
    pub result: AssertionResult,
    /// What a breach is worth, where people have said so.
    #[serde(default)]
    pub level: Option<Level>,
    /// Gas that the last run used; zero where it was not run.
    pub gas: u64,
}

/// What an assertion function said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionResult {
    /// It ran to its end.
    Held {
        /// The gas limit that it did not fit into, where it held only when run again with a higher one.
        over_limit: Option<u64>,
    },
    /// It reverted: what it asserts is not so.
    Broken {
        /// The decoded reason.
        reason: String,
    },
    /// Neither: it could not be decided.
    Inconclusive(Undecided),
    /// None of its triggers fired.
    NotFired {
        /// Which triggers it has, and what they would have needed.
        why: Arc<str>,
    },
}

/// Why an assertion could not be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undecided {
    /// Out of gas, also when run again with the high limit. An attacker can force it.
    OutOfGas {
        /// The high limit.
        limit: u64,
    },
    /// It asked for more work than one transaction may cause. An attacker can force it.
    TooMuch {
        /// Of what.
        what: String,
    },
    /// It uses something of the interface that is not built.
    NotSupported {
        /// The call, by name or selector.
        what: String,
    },
    /// It read state that nobody could tell, which was read as zero.
    MissingState {
        /// How many accounts and slots.
        pieces: u64,
    },
}

impl Undecided {
    /// Whether a transaction can be built so that this comes out of an assertion that otherwise decides.
    pub const fn can_be_forced(&self) -> bool {
        match self {
            Self::OutOfGas { .. } | Self::TooMuch { .. } => true,
            Self::NotSupported { .. } | Self::MissingState { .. } => false,
        }
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfGas { limit } => write!(f, "it ran out of gas, also with {limit}"),
            Self::TooMuch { what } => write!(f, "it asked for too much: {what}"),
            Self::NotSupported { what } => write!(f, "`{what}` is not supported"),
            Self::MissingState { pieces } => {
                write!(f, "it read {pieces} accounts or slots that nobody could tell")
            }
        }
    }
}
