//! What a drill found out, as data: the one thing that the screen, the page and `--json` are made from.
//!
//! The runner states facts (what happened when, what was lost with and without); conclusions from them are drawn in
//! [`conclude`](super::conclude) and nowhere else. Everything but the `wall_micros` fields is decided by the seed.

use alloy_primitives::{Address, B256, U256};
use cofferdam_types::{Bps, Level, ModuleId};
use serde::{Deserialize, Serialize};

use super::amount::{AssetLabel, share};
pub use super::conclude::{Containment, Outcome, Totals};

/// Every run of one invocation of `drill`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// Version of the program.
    pub version: String,
    /// The seed: the same one gives the same blocks, verdicts, plans and losses.
    pub seed: u64,
    /// In the order in which they ran; grouped by scenario.
    pub runs: Vec<Run>,
}

/// How the attack reaches the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// One transaction in the public mempool: it can be seen before it is final.
    Mempool,
    /// Several transactions over several blocks: the first ones land, the rest can be stopped.
    Split,
    /// One private transaction: nobody sees it before it is in a block.
    Private,
}

impl Lane {
    /// All lanes, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Mempool, Self::Split, Self::Private];

    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mempool => "mempool",
            Self::Split => "split",
            Self::Private => "private",
        }
    }
}

/// When, in the life of an attack, it was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Before it was sent: its contract was tried on a fork.
    Before,
    /// While it waited to be mined.
    Pending,
    /// When part of it was in a block and more was to follow.
    Between,
}

impl Window {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Pending => "pending",
            Self::Between => "between",
        }
    }
}

impl From<cofferdam_types::Window> for Window {
    fn from(window: cofferdam_types::Window) -> Self {
        match window {
            cofferdam_types::Window::Before => Self::Before,
            cofferdam_types::Window::Pending => Self::Pending,
            cofferdam_types::Window::Mined => Self::Between,
        }
    }
}

/// One scenario in one lane, run twice: with Cofferdam and without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The scenario's short name.
    pub scenario: String,
    /// The scenario's name for a person.
    pub title: String,
    /// What is attacked and how, a few sentences.
    pub story: String,
    /// How the attack travels.
    pub lane: Lane,
    /// What happened in the run with Cofferdam, in order.
    pub timeline: Vec<TimelineEvent>,
    /// The protocol's modules and what became of each.
    pub modules: Vec<ModuleState>,
    /// Per module and asset; the first one is the headline.
    pub losses: Vec<Loss>,
    /// The course of the losses, in the order of `losses`.
    pub curves: Vec<LossCurve>,
    /// Per module.
    pub honest: Vec<Honest>,
    /// The first verdict that called for action, or the strongest that there was.
    pub verdict: Option<VerdictSummary>,
    /// What was done.
    pub plan: Option<PlanSummary>,
    /// What was written down.
    pub record: RecordSummary,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// The head when it happened; for what is mined, the block that carries it.
    pub block: u64,
    /// Chain time since the start of the run.
    pub virtual_ms: u64,
    /// Time of this machine since the start of the run; `None` where nothing was measured. Never decides anything.
    pub wall_micros: Option<u64>,
    /// What kind of thing.
    pub kind: EventKind,
    /// One line for a person.
    pub text: String,
}

/// Kinds of [`TimelineEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The first hostile transaction came into view: pending, or only in its block.
    AttackSeen,
    /// A verdict of level alert or stop.
    Verdict,
    /// A containment was simulated and authorised.
    Planned,
    /// It was handed to the endpoints.
    Sent,
    /// It is in a block and was read back.
    Mined,
    /// A hostile transaction is in a block and did its harm.
    AttackMined,
    /// A hostile transaction is in a block and failed.
    AttackFailed,
    /// Something left a module.
    Loss,
    /// An honest transaction went through.
    HonestOk,
    /// An honest transaction failed.
    HonestFailed,
    /// Anything else that helps to follow.
    Note,
}

impl EventKind {
    /// Two words at most, for columns.
    pub const fn words(self) -> &'static str {
        match self {
            Self::AttackSeen => "attack seen",
            Self::Verdict => "verdict",
            Self::Planned => "plan",
            Self::Sent => "sent",
            Self::Mined => "mined",
            Self::AttackMined => "attack mined",
            Self::AttackFailed => "attack failed",
            Self::Loss => "loss",
            Self::HonestOk => "honest ok",
            Self::HonestFailed => "honest failed",
            Self::Note => "note",
        }
    }
}

/// One module at the end of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleState {
    /// Its name.
    pub module: ModuleId,
    /// Whether a lever closed it.
    pub sealed: bool,
    /// Whether the scenario attacks it.
    pub attacked: bool,
}

/// What left one module in one asset, in the two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// From where.
    pub module: ModuleId,
    /// In what.
    pub asset: AssetLabel,
    /// Lost without Cofferdam, smallest unit.
    pub without: U256,
    /// Lost with it, smallest unit.
    pub with: U256,
}

impl Loss {
    /// What was kept, zero where more was lost with Cofferdam than without.
    pub fn kept(&self) -> U256 {
        self.without.saturating_sub(self.with)
    }

    /// The kept share, rounded down; `None` when nothing was at stake.
    pub fn kept_share(&self) -> Option<Bps> {
        share(self.kept(), self.without)
    }
}

/// One module's loss in one asset, block by block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossCurve {
    /// From where.
    pub module: ModuleId,
    /// In what.
    pub asset: AssetLabel,
    /// Ascending by block. Empty when the runner kept no course.
    pub points: Vec<LossPoint>,
}

/// Losses so far at the end of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossPoint {
    /// The block.
    pub block: u64,
    /// Without Cofferdam, smallest unit.
    pub without: U256,
    /// With it, smallest unit.
    pub with: U256,
}

/// Honest transactions that called one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Honest {
    /// The module called.
    pub module: ModuleId,
    /// Went through with Cofferdam.
    pub ok: u64,
    /// Failed with Cofferdam.
    pub failed: u64,
    /// Failed in the run without Cofferdam: what Cofferdam is not to blame for.
    pub failed_without: u64,
}

/// The verdict that mattered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictSummary {
    /// When.
    pub window: Window,
    /// How strong.
    pub level: Level,
    /// The detector that spoke first.
    pub detector: String,
    /// Its sentence.
    pub summary: String,
    /// The block on whose state it stands.
    pub head: u64,
    /// Whether any state was missing.
    pub complete: bool,
    /// What was read: words and value.
    pub evidence: Vec<(String, String)>,
}

/// The containment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// The lever's name.
    pub lever: String,
    /// The module that it seals.
    pub module: ModuleId,
    /// The call, in words (`pause()`).
    pub call: String,
    /// The contract called.
    pub target: Address,
    /// Who signed.
    pub guardian: Option<Address>,
    /// The step it reached: draft, simulated, authorised, sent, confirmed, undone, refused or failed.
    pub step: String,
    /// What the trial on a fork showed.
    pub trial: String,
    /// Which limit allowed it, in words.
    pub authority: String,
    /// Wei per gas of the last price sent: the maximum.
    pub max_fee_per_gas: Option<U256>,
    /// Wei per gas of the last price sent: the tip.
    pub max_priority_fee_per_gas: Option<U256>,
    /// The transaction that was mined.
    pub transaction: Option<B256>,
    /// The block that carries it.
    pub mined_in: Option<u64>,
    /// What was read back.
    pub read_back: Option<String>,
}

/// The incident record of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSummary {
    /// The incidents in it, newest first: one attack should be one.
    pub incidents: Vec<IncidentSummary>,
    /// Hash of the last line.
    pub head: B256,
    /// Whether the chain of hashes was checked after the run and held.
    pub verified: bool,
    /// Oldest first.
    pub lines: Vec<RecordLine>,
}

/// An incident, as the record joined it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentSummary {
    /// Its name.
    pub name: String,
    /// How bad, and the rule that says so.
    pub severity: String,
    /// Each stage that was seen, as attacks go: its word, findings, and who spoke.
    pub stages: Vec<(String, u64, Vec<String>)>,
    /// Accounts and contracts that belong to whoever did it.
    pub party: u64,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLine {
    /// Place, from the record itself.
    pub seq: u64,
    /// Chain time since the start of the run.
    pub virtual_ms: u64,
    /// The event's type.
    pub kind: String,
    /// One line for a person.
    pub text: String,
    /// Hash of this line, which includes the hash of the line before.
    pub hash: B256,
}
