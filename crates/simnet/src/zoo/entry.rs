//! An entry of the zoo: what it is, and how it is played with or without a mutation.

use alloy_primitives::{Address, U256};
use cofferdam_evm::Spec;
use serde::Serialize;

use super::mutator::{Mutator, perform};
use super::plan::Step;
use super::stage::{Part, Played, Probe, Send, Stage};

/// What kind of protocol is attacked or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Lends against collateral.
    Lending,
    /// A pool to trade in.
    Amm,
    /// Shares of assets, by ERC-4626.
    Vault,
    /// Stakes and rewards.
    Staking,
    /// Releases what is locked elsewhere.
    Bridge,
    /// Votes, a timelock, a treasury.
    Governance,
    /// Several owners.
    Multisig,
    /// A token, a router, a reserve with one owner.
    Other,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Through the same function.
    ReentrancySameFunction,
    /// Through another function.
    ReentrancyCrossFunction,
    /// Through another contract.
    ReentrancyCrossContract,
    /// A view is read while it is wrong.
    ReentrancyReadOnly,
    /// A pool's price or balances are moved and value is taken.
    PoolManipulation,
    /// A vault's share price is moved by a donation.
    ShareInflation,
    /// An empty market is.
    EmptyMarket,
    /// A price is read from a pool that was moved.
    OracleManipulation,
    /// Borrowed weight decides.
    FlashLoan,
    /// Supply without backing.
    UnbackedMint,
    /// Arithmetic that wraps.
    Overflow,
    /// Rounding, many times.
    Rounding,
    /// The module owes more than it holds.
    Solvency,
    /// Users' assets leave through their allowances.
    AllowanceDrain,
    /// A protected contract calls what a stranger wants.
    ArbitraryCall,
    /// Anybody may set up.
    UnprotectedInitialiser,
    /// Anybody may set up again.
    RepeatedInitialiser,
    /// Anybody may.
    MissingAccessControl,
    /// A bridge releases what was never locked.
    BridgeRelease,
    /// A message that nobody sent.
    ForgedMessage,
    /// Code that others run is gone.
    DestroyedCode,
    /// An upgrade to code that was never seen.
    HostileUpgrade,
    /// A role or ownership for a fresh account.
    RoleGrant,
    /// A multisig is deceived or weakened.
    MultisigTakeover,
    /// A timelock is shortened or gone around.
    TimelockBypass,
    /// Votes for an instant.
    GovernanceFlashVote,
    /// A proposal that harms once it is executed.
    HostileProposal,
    /// A little at a time.
    SlowDrain,
    /// Too often.
    Velocity,
    /// What the module depends on is emptied.
    LiquidityWithdrawn,
    /// More debt than collateral can bear.
    Leverage,
    /// A price that is old or far off.
    PriceFeed,
    /// A token's own books are wrong.
    TokenFault,
    /// Rewards are counted wrongly.
    RewardFault,
    /// A contract that a stranger names is believed.
    UntrustedContract,
    /// The same claim is paid more than once.
    DoublePayment,
    /// A signature means nothing, or too much.
    Signature,
    /// Who may liquidate whom, and for how much.
    Liquidation,
    /// Chance that can be known beforehand.
    Randomness,
    /// What is unique changes hands for nothing.
    Collectible,
    /// A key that was trusted with daily work is in other hands.
    StolenKey,
}

/// Whether an entry does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    /// An attack of a family.
    Attack(Family),
    /// An honest flow that looks like one.
    Honest,
}

/// One attack or one look-alike.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Unique.
    pub name: &'static str,
    /// What it is.
    pub nature: Nature,
    /// On what.
    pub protocol: Protocol,
    /// One sentence for a person.
    pub text: &'static str,
    pub(super) scene: fn(&mut Stage) -> Scene,
    pub(super) spec: Spec,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("nature", &self.nature).finish_non_exhaustive()
    }
}

/// What a part of the subject is written for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    /// The contract that carries out plans.
    pub(super) me: Address,
    /// The account behind it.
    pub(super) thief: Address,
    /// Which part, from 0.
    pub(super) piece: u64,
    /// Of how many parts.
    pub(super) pieces: u64,
}

/// The steps of one part of the subject.
pub(super) type Script = Box<dyn Fn(Role) -> Vec<Step>>;

/// A protocol with its history, and what happens next.
pub(super) struct Scene {
    /// Contracts of each module.
    pub(super) modules: Vec<Vec<Address>>,
    /// Whose loss is measured.
    pub(super) victims: Vec<Probe>,
    /// What can be taken at the end without having left yet.
    pub(super) at_risk: Vec<Probe>,
    /// Honest calls that succeed whenever they are made.
    pub(super) traffic: Vec<Send>,
    /// Ether that the subject's contracts are given when they are created.
    pub(super) purse: U256,
    /// Whether the subject can be done in several smaller parts, each for itself.
    pub(super) divisible: bool,
    /// What happens.
    pub(super) script: Script,
}

impl Scene {
    /// One module, one thing that happens, as a whole.
    pub(super) fn new(contracts: &[Address], script: impl Fn(Role) -> Vec<Step> + 'static) -> Self {
        Self {
            modules: vec![contracts.to_vec()],
            victims: Vec::new(),
            at_risk: Vec::new(),
            traffic: Vec::new(),
            purse: U256::ZERO,
            divisible: false,
            script: Box::new(script),
        }
    }

    /// Can be done in several smaller parts.
    pub(super) const fn divisible(mut self) -> Self {
        self.divisible = true;
        self
    }

    /// The subject's contracts start with so much ether.
    pub(super) const fn with_purse(mut self, ether: U256) -> Self {
        self.purse = ether;
        self
    }

    /// Each of the contracts is a module of its own.
    pub(super) fn apart(mut self) -> Self {
        self.modules = self.modules.iter().flatten().map(|contract| vec![*contract]).collect();
        self
    }

    /// What falls in `probes` is lost.
    pub(super) fn losing(mut self, probes: Vec<Probe>) -> Self {
        self.victims = probes;
        self
    }

    /// What `probes` say at the end is at risk.
    pub(super) fn risking(mut self, probes: Vec<Probe>) -> Self {
        self.at_risk = probes;
        self
    }

    /// Honest calls that succeed whenever they are made.
    pub(super) fn among(mut self, traffic: &[Send]) -> Self {
        self.traffic = traffic.to_vec();
        self
    }
}

/// An entry that was played.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Which.
    pub name: &'static str,
    /// How it was changed.
    pub mutator: Mutator,
    /// Contracts of each module: all that a guard is given.
    pub modules: Vec<Vec<Address>>,
    /// What a guard sees.
    pub played: Played,
    /// What the victims lost, in smallest units of assets that are all worth the same.
    pub lost: U256,
    /// What can be taken without having left yet.
    pub at_risk: U256,
    /// Transactions of the subject that failed, and how.
    pub failed: Vec<String>,
}

impl Entry {
    /// Plays the entry changed by `mutator`. `None` when it cannot be changed so.
    ///
    /// # Errors
    /// What went wrong in a set-up or history: a mistake in the entry.
    pub fn play(&self, mutator: Mutator) -> Result<Option<Recording>, Vec<String>> {
        let mut stage = Stage::new(self.spec);
        let scene = (self.scene)(&mut stage);
        stage.next_block();
        stage.watch(&scene.victims);
        let Some(failed) = perform(&mut stage, &scene, mutator) else { return Ok(None) };
        let lost = stage.lost();
        let at_risk = scene.at_risk.iter().fold(U256::ZERO, |sum, probe| sum.saturating_add(stage.ask(probe)));
        let played = stage.finish()?;
        Ok(Some(Recording { name: self.name, mutator, modules: scene.modules, played, lost, at_risk, failed }))
    }

    /// Whether it does harm.
    pub const fn is_attack(&self) -> bool {
        matches!(self.nature, Nature::Attack(_))
    }
}

impl Recording {
    /// How many transactions of `part` there are.
    pub fn count(&self, part: Part) -> usize {
        self.played.blocks.iter().flat_map(|block| &block.sent).filter(|sent| sent.part == part).count()
    }
}
