//! What a drill found out, as data: the one thing that the screen, the page and `--json` are made from.
//!
//! The runner states facts (what happened when, what was lost with and without); the conclusions in words are drawn
//! here, in one place, so that no scenario can praise itself. Everything but the `wall_micros` fields is decided by
//! the seed.

use alloy_primitives::{Address, B256, U256};
use cofferdam_types::{Bps, Level, ModuleId};
use serde::{Deserialize, Serialize};

use super::amount::{AssetLabel, share};

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
    /// Names of the incidents in it.
    pub incidents: Vec<String>,
    /// Hash of the last line.
    pub head: B256,
    /// Whether the chain of hashes was checked after the run and held.
    pub verified: bool,
    /// Oldest first.
    pub lines: Vec<RecordLine>,
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

/// How a run ended for the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was lost that would have been lost.
    Stopped,
    /// Part of it was lost.
    Bounded,
    /// All of it was lost.
    Lost,
    /// The attack takes nothing even without Cofferdam: the run shows nothing.
    Idle,
}

impl Outcome {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Bounded => "bounded",
            Self::Lost => "lost",
            Self::Idle => "idle",
        }
    }
}

/// Durations between the steps of one containment; `None` where a step did not happen or was not timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Containment {
    /// Wall clock, first hostile transaction seen → verdict.
    pub seen_to_verdict_micros: Option<u64>,
    /// Wall clock, verdict → plan authorised.
    pub verdict_to_plan_micros: Option<u64>,
    /// Wall clock, plan authorised → handed to the endpoints.
    pub plan_to_sent_micros: Option<u64>,
    /// Wall clock, seen → handed to the endpoints.
    pub seen_to_sent_micros: Option<u64>,
    /// Blocks from the head when it was seen to the block with the containment.
    pub seen_to_mined_blocks: Option<u64>,
    /// Chain time, seen → mined.
    pub seen_to_mined_virtual_ms: Option<u64>,
}

impl Run {
    /// How it ended, judged by the losses alone.
    pub fn outcome(&self) -> Outcome {
        let at_stake = self.losses.iter().any(|loss| !loss.without.is_zero() || !loss.with.is_zero());
        if !at_stake {
            Outcome::Idle
        } else if self.losses.iter().all(|loss| loss.with.is_zero()) {
            Outcome::Stopped
        } else if self.losses.iter().any(|loss| !loss.kept().is_zero()) {
            Outcome::Bounded
        } else {
            Outcome::Lost
        }
    }

    /// The end in one or two honest sentences.
    pub fn statement(&self) -> String {
        let lost = self.amounts(|loss| loss.with);
        let at_stake = self.amounts(|loss| loss.without);
        match self.outcome() {
            Outcome::Idle => "The attack takes nothing even without Cofferdam, so this run shows nothing.".to_owned(),
            Outcome::Stopped => format!("Nothing was lost. Without Cofferdam, {at_stake} would have been taken."),
            Outcome::Bounded => {
                let share = self.losses.first().and_then(Loss::kept_share).map(super::amount::percent);
                let share = share.map(|share| format!(" ({share} kept)")).unwrap_or_default();
                format!("{lost} was lost before the module was sealed; {at_stake} would have been taken{share}.")
            }
            Outcome::Lost => {
                let more = self.losses.iter().any(|loss| loss.with > loss.without);
                let compared = if more { format!("more than the {at_stake}") } else { "as much as".to_owned() };
                format!("{lost} was lost, {compared} without Cofferdam. {}", self.why_lost())
            }
        }
    }

    /// Durations of the containment, read off the timeline.
    pub fn containment(&self) -> Containment {
        let seen = self.first(EventKind::AttackSeen);
        let (verdict, plan) = (self.first(EventKind::Verdict), self.first(EventKind::Planned));
        let (sent, mined) = (self.first(EventKind::Sent), self.first(EventKind::Mined));
        let wall =
            |from: Option<&TimelineEvent>, to: Option<&TimelineEvent>| to?.wall_micros?.checked_sub(from?.wall_micros?);
        let chain = |read: fn(&TimelineEvent) -> u64| read(mined?).checked_sub(read(seen?));
        Containment {
            seen_to_verdict_micros: wall(seen, verdict),
            verdict_to_plan_micros: wall(verdict, plan),
            plan_to_sent_micros: wall(plan, sent),
            seen_to_sent_micros: wall(seen, sent),
            seen_to_mined_blocks: chain(|event| event.block),
            seen_to_mined_virtual_ms: chain(|event| event.virtual_ms),
        }
    }

    /// The first event of a kind.
    pub fn first(&self, kind: EventKind) -> Option<&TimelineEvent> {
        self.timeline.iter().find(|event| event.kind == kind)
    }

    /// Honest transactions: gone through, failed, and failed without Cofferdam too.
    pub fn honest_total(&self) -> (u64, u64, u64) {
        self.honest.iter().fold((0, 0, 0), |(ok, failed, without), honest| {
            (
                ok.saturating_add(honest.ok),
                failed.saturating_add(honest.failed),
                without.saturating_add(honest.failed_without),
            )
        })
    }

    /// The same run without what the machine's own clock measured: equal for equal seeds.
    #[must_use]
    pub fn without_wall_clock(mut self) -> Self {
        for event in &mut self.timeline {
            event.wall_micros = None;
        }
        self
    }

    fn why_lost(&self) -> &'static str {
        let sealed = self.modules.iter().any(|module| module.sealed);
        match (self.lane, sealed) {
            (Lane::Private, true) => {
                "The attack was one private transaction that nobody outside the block builder could see: Cofferdam \
                 saw it only in its block, and sealed the module against a second one. Against the first, only what \
                 is installed on chain beforehand helps."
            }
            (Lane::Private, false) => {
                "The attack was one private transaction that nobody outside the block builder could see. Against \
                 that, only what is installed on chain beforehand helps."
            }
            (Lane::Mempool | Lane::Split, true) => "The module was sealed too late.",
            (Lane::Mempool | Lane::Split, false) => "The module was not sealed.",
        }
    }

    fn amounts(&self, read: fn(&Loss) -> U256) -> String {
        let amounts: Vec<String> = self
            .losses
            .iter()
            .filter(|loss| !read(loss).is_zero())
            .map(|loss| format!("{} of {}", loss.asset.amount(read(loss)), loss.module))
            .collect();
        match amounts.as_slice() {
            [] => "nothing".to_owned(),
            [only] => only.clone(),
            [first, second] => format!("{first} and {second}"),
            [first, second, ..] => format!("{first}, {second} and more"),
        }
    }
}

/// Counts over all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Runs that ended [`Outcome::Stopped`].
    pub stopped: usize,
    /// Runs that ended [`Outcome::Bounded`].
    pub bounded: usize,
    /// Runs that ended [`Outcome::Lost`].
    pub lost: usize,
    /// Runs that ended [`Outcome::Idle`].
    pub idle: usize,
    /// Honest transactions that went through.
    pub honest_ok: u64,
    /// Honest transactions that failed with Cofferdam.
    pub honest_failed: u64,
    /// Median wall time from seen to sent over the runs that sent, the upper one of two.
    pub seen_to_sent_median_micros: Option<u64>,
    /// The longest of those times.
    pub seen_to_sent_slowest_micros: Option<u64>,
}

impl DrillReport {
    /// Counts over all runs.
    pub fn totals(&self) -> Totals {
        let count = |outcome| self.runs.iter().filter(|run| run.outcome() == outcome).count();
        let mut times: Vec<u64> = self.runs.iter().filter_map(|run| run.containment().seen_to_sent_micros).collect();
        times.sort_unstable();
        let honest = self.runs.iter().map(Run::honest_total);
        let (ok, failed) = honest.fold((0_u64, 0_u64), |(all_ok, all_failed), (ok, failed, _)| {
            (all_ok.saturating_add(ok), all_failed.saturating_add(failed))
        });
        Totals {
            stopped: count(Outcome::Stopped),
            bounded: count(Outcome::Bounded),
            lost: count(Outcome::Lost),
            idle: count(Outcome::Idle),
            honest_ok: ok,
            honest_failed: failed,
            seen_to_sent_median_micros: times.get(times.len() / 2).copied(),
            seen_to_sent_slowest_micros: times.last().copied(),
        }
    }

    /// The report with its conclusions, for `--json`: every run has `outcome`, `statement` and `containment` beside
    /// the facts, and the whole has `totals`.
    ///
    /// # Errors
    /// Never in practice: the types hold nothing that JSON cannot.
    pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        #[derive(Serialize)]
        struct Concluded<'a> {
            #[serde(flatten)]
            run: &'a Run,
            outcome: Outcome,
            statement: String,
            containment: Containment,
        }
        #[derive(Serialize)]
        struct Whole<'a> {
            version: &'a str,
            seed: u64,
            totals: Totals,
            runs: Vec<Concluded<'a>>,
        }
        let conclude = |run| Concluded {
            run,
            outcome: Run::outcome(run),
            statement: Run::statement(run),
            containment: Run::containment(run),
        };
        serde_json::to_value(Whole {
            version: &self.version,
            seed: self.seed,
            totals: self.totals(),
            runs: self.runs.iter().map(conclude).collect(),
        })
    }
}
