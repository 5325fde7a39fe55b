//! A contract that has just come to be: what its code says, who made it, and what it did when it was tried on a fork.
//!
//! Facts only. Whether they are a danger is decided in `detect`.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::{Execution, Selector, Transaction};

/// Where in a contract something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A constant or immutable of its code.
    Code,
    /// A slot of its storage.
    Storage,
    /// An argument of its constructor.
    ConstructorArgument,
}

impl Place {
    /// In words, as they follow "in its".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Storage => "storage",
            Self::ConstructorArgument => "constructor arguments",
        }
    }
}

/// What can be read off a contract without running it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signs {
    /// Keccak of the runtime code.
    pub code_hash: B256,
    /// Bytes of runtime code.
    pub code_bytes: u64,
    /// Protected addresses and where each stands, ascending, each pair once.
    pub names: Vec<(Address, Place)>,
    /// Callbacks of flash lenders and pools that it answers to, by their signatures' names; ascending.
    pub callbacks: Vec<String>,
    /// Functions of protected contracts that it can call and that not every token has: contract and selector.
    pub calls: Vec<(Address, Selector)>,
    /// Whether it can call other contracts at all.
    pub can_call: bool,
    /// Whose code it runs, when it is a minimal proxy.
    pub runs: Option<Address>,
}

/// What is known of an account from lists of others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Label {
    /// What kind of party.
    pub category: LabelCategory,
    /// Its name in the list.
    pub name: String,
}

/// Kinds of labelled parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelCategory {
    /// Customers' money comes out of it, customers are known to it.
    Exchange,
    /// Money that comes out of it has no history.
    Mixer,
    /// Money comes out of it from another chain.
    Bridge,
    /// Known to have attacked, or sanctioned.
    Hostile,
    /// Anything else that is known.
    Service,
}

impl LabelCategory {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Mixer => "mixer",
            Self::Bridge => "bridge",
            Self::Hostile => "hostile",
            Self::Service => "service",
        }
    }
}

/// Who made a contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creator {
    /// Who signed.
    pub account: Address,
    /// The contract that created it, where that was not the transaction itself.
    pub through: Option<Address>,
    /// Transactions of the account before this one.
    pub nonce: u64,
    /// What lists say of the account.
    pub label: Option<Label>,
    /// The labelled party that sent it native coin while this process watched.
    pub funded_by: Option<(Address, Label)>,
}

/// Why the trial of a contract ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialEnd {
    /// Everything that was planned has been tried.
    #[default]
    Done,
    /// Harm was found; nothing more was tried.
    Harm,
    /// The calls ran out.
    Calls,
    /// The gas ran out.
    Gas,
    /// The time ran out.
    Time,
    /// State could not be had.
    State,
    /// It can do nothing to others: nothing was tried.
    Harmless,
}

impl TrialEnd {
    /// In words, as they follow "the trial ended because".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Done => "everything planned was tried",
            Self::Harm => "harm was found",
            Self::Calls => "its calls ran out",
            Self::Gas => "its gas ran out",
            Self::Time => "its time ran out",
            Self::State => "state could not be had",
            Self::Harmless => "the contract calls nobody",
        }
    }
}

/// What trying a contract took, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Entry points that were found.
    pub entries: u32,
    /// Of these, called at least once.
    pub tried: u32,
    /// Calls made, those that only look for arguments included.
    pub calls: u32,
    /// Gas of all calls.
    pub gas: u64,
    /// Microseconds of this machine.
    pub micros: u64,
    /// Why it ended.
    pub end: TrialEnd,
    /// What was not looked at, in words; empty is the rule.
    pub skipped: Vec<String>,
}

/// A call of a new contract that nobody has made yet, made on a fork.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Calls that were made before it on the same fork, oldest first: the creation while it is pending, and what set
    /// the contract up.
    pub earlier: Vec<Arc<Transaction>>,
    /// What it did.
    pub execution: Execution,
}

impl Attempt {
    /// The function that was called; `None` for a plain payment.
    pub fn entry(&self) -> Option<Selector> {
        self.execution.transaction.selector()
    }

    /// What was sent along, in wei.
    pub fn value(&self) -> U256 {
        self.execution.transaction.value
    }

    /// The calldata.
    pub fn calldata(&self) -> &Bytes {
        &self.execution.transaction.input
    }
}

/// A contract that has just come to be.
#[derive(Clone, Debug)]
pub struct Newborn {
    /// The contract.
    pub address: Address,
    /// The transaction that created it, pending or mined.
    pub creation: Arc<Execution>,
    /// Who made it.
    pub creator: Creator,
    /// What its code says.
    pub signs: Signs,
    /// Calls of it that reached a protected contract, those that took most first; few.
    pub attempts: Vec<Attempt>,
    /// What this took.
    pub effort: Effort,
}
