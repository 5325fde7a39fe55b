//! What happens in which block, before anybody knows a nonce.

use alloy_primitives::{Address, Bytes, U256};
use cofferdam_types::ModuleId;

use crate::Lane as Way;

/// How the attack of one run travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// In the public mempool: it can be seen before it is final.
    Mempool,
    /// Private, and in smaller takings over several blocks: the first ones land, the rest can be stopped.
    Split,
    /// Private: nobody sees it before it is in a block.
    Private,
}

impl Lane {
    /// All lanes, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Mempool, Self::Split, Self::Private];

    /// The way that hostile steps take in this lane.
    pub const fn way(self) -> Way {
        match self {
            Self::Mempool => Way::Public,
            Self::Split | Self::Private => Way::Private,
        }
    }
}

/// Whose side a step is on. Ground truth for scoring; nothing that defends may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Ordinary use.
    Honest,
    /// Part of the attack, its preparation included.
    Attack,
}

/// A transaction without nonce, fee cap and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `None` creates a contract.
    pub to: Option<Address>,
    /// Wei.
    pub value: U256,
    /// Calldata or creation code.
    pub data: Bytes,
    /// Gas.
    pub gas_limit: u64,
    /// Wei per gas.
    pub tip: u128,
}

/// One transaction of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The block that it is sent for, counted from the first block of its script.
    pub block: u64,
    /// Who signs.
    pub actor: Address,
    /// Public mempool or private lane.
    pub way: Way,
    /// Honest or hostile.
    pub side: Side,
    /// For a person, a few words.
    pub text: String,
    /// The modules that must be open for it to succeed; empty when it needs none.
    pub modules: Vec<ModuleId>,
    /// What is called.
    pub call: Call,
}

/// All steps of one run, ascending by block; within a block in the order of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Blocks to mine, the ones without steps included.
    pub blocks: u64,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Script {
    /// Sorts `steps` by block and keeps their order within a block.
    pub(super) fn new(blocks: u64, mut steps: Vec<Step>) -> Self {
        steps.sort_by_key(|step| step.block);
        Self { blocks, steps }
    }

    /// The steps of one block, in the order of sending.
    pub fn at(&self, block: u64) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.block == block)
    }

    /// The same run without its attack.
    #[must_use]
    pub fn without_attack(&self) -> Self {
        let steps = self.steps.iter().filter(|step| step.side == Side::Honest).cloned().collect();
        Self { blocks: self.blocks, steps }
    }

    /// The block of the first hostile step, be it preparation or taking; `None` for a script without attack.
    pub fn first_attack(&self) -> Option<u64> {
        self.steps.iter().find(|step| step.side == Side::Attack).map(|step| step.block)
    }
}
