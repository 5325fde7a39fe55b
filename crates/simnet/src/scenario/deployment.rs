//! What a scenario's protocol consists of, in the words of the rooms that guard it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use cofferdam_types::{Asset, Bps, Module, ModuleId};

use super::contracts::DrillToken;
use super::{Actor, Step};

/// Everything that must be on the chain before a script runs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What all of it follows from.
    pub seed: u64,
    /// Balances of block 0, in wei.
    pub genesis: Vec<(Address, U256)>,
    /// Everybody who signs, the guardian included.
    pub actors: Vec<Actor>,
    /// Deployments and first deposits, ascending by block; every one succeeds.
    pub steps: Vec<Step>,
    /// Blocks that `steps` need.
    pub blocks: u64,
    /// What stands on the chain afterwards.
    pub deployment: Deployment,
}

impl Setup {
    /// The actor who signs for `address`.
    pub fn actor(&self, address: Address) -> Option<&Actor> {
        self.actors.iter().find(|actor| actor.address() == address)
    }

    /// The actor whose key may seal modules.
    pub fn guardian(&self) -> &Actor {
        self.actor(self.deployment.guardian).expect("every setup casts its guardian")
    }
}

/// A protocol on the chain, as its operators would describe it.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// Its parts; at least two.
    pub modules: Vec<Module>,
    /// At least one for each module.
    pub levers: Vec<LeverSpec>,
    /// View calls worth watching.
    pub invariants: Vec<InvariantSpec>,
    /// What may leave, as suggested to the operators.
    pub limits: Vec<LimitSpec>,
    /// How amounts are written for a person.
    pub assets: Vec<AssetSpec>,
    /// May seal every module.
    pub guardian: Address,
    /// May open every module.
    pub steward: Address,
    /// Names for a person: actors and contracts, the attacker's future ones included.
    pub labels: BTreeMap<Address, String>,
}

/// A call that seals one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeverSpec {
    /// Its name.
    pub name: String,
    /// What it seals.
    pub module: ModuleId,
    /// The contract called.
    pub target: Address,
    /// Calldata that seals; from the guardian.
    pub pause: Bytes,
    /// Calldata that opens; from the steward.
    pub unpause: Bytes,
    /// Calldata of the view that tells; it returns a `bool`.
    pub paused: Bytes,
}

/// A view call and what must hold of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvariantSpec {
    /// Read when a transaction touches this module.
    pub module: ModuleId,
    /// A short name.
    pub name: String,
    /// The contract asked.
    pub target: Address,
    /// Such as `sharePrice()(uint256)`; no arguments, one number back. An address is read as the number that it is:
    /// `owner()(uint160)`.
    pub signature: String,
    /// What must hold.
    pub rule: InvariantRule,
}

/// What must hold of a view before and after one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvariantRule {
    /// The number must not fall by more than this share of itself.
    FallsAtMost(Bps),
    /// The answer must stay what it was.
    Unchanged,
}

/// How much of an asset may leave a module, as shares of what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSpec {
    /// The module.
    pub module: ModuleId,
    /// The asset.
    pub asset: Asset,
    /// In one transaction.
    pub per_transaction: Bps,
    /// In a window, net of what comes in.
    pub per_window: Bps,
    /// Length of the window, in blocks.
    pub window_blocks: u64,
}

/// How amounts of an asset are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetSpec {
    /// The asset.
    pub asset: Asset,
    /// Its short name.
    pub symbol: String,
    /// Decimal places of the smallest unit.
    pub decimals: u8,
}

/// An account's balance in one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Whose module it is; `None` for the attacker's.
    pub module: Option<ModuleId>,
    /// The account.
    pub account: Address,
    /// The asset.
    pub asset: Asset,
}

/// How a balance is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BalanceView {
    /// The account's own wei.
    Native,
    /// A view call that returns a number.
    Call {
        /// The token.
        target: Address,
        /// ABI-encoded call.
        calldata: Bytes,
    },
}

impl Holding {
    /// How this balance is asked for. Drills deal in the native coin and in ERC-20 tokens only.
    pub fn view(&self) -> BalanceView {
        self.asset.token().map_or(BalanceView::Native, |target| BalanceView::Call {
            target,
            calldata: DrillToken::balanceOfCall { account: self.account }.abi_encode().into(),
        })
    }
}

/// What must be measured to say what an attack cost: compare a run with the same run without the attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Losses {
    /// Holdings of all modules; the attacked one's main asset first.
    pub modules: Vec<Holding>,
    /// Where the gain goes.
    pub attacker: Vec<Holding>,
}
