//! What the facts of a drill amount to, in figures and in honest words. Drawn here and nowhere else, so that no
//! scenario can praise itself.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use super::report::{DrillReport, EventKind, Lane, Loss, Run, TimelineEvent};

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

    /// Honest transactions to modules that stayed open: gone through, and failed because of Cofferdam.
    pub fn honest_open(&self) -> (u64, u64) {
        let sealed = |module: &cofferdam_types::ModuleId| {
            self.modules.iter().any(|state| state.module == *module && state.sealed)
        };
        let open = self.honest.iter().filter(|honest| !sealed(&honest.module));
        open.fold((0, 0), |(ok, hurt), honest| {
            let failed = honest.failed.saturating_sub(honest.failed_without);
            (honest.ok.saturating_add(ok), failed.saturating_add(hurt))
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
    /// Of those that went through, the ones to modules that stayed open.
    pub open_ok: u64,
    /// Of those that failed, the ones to modules that stayed open that do not fail without Cofferdam: harm done by it.
    pub open_hurt: u64,
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
        let sum = |count: &dyn Fn(&Run) -> u64| self.runs.iter().map(count).fold(0, u64::saturating_add);
        Totals {
            stopped: count(Outcome::Stopped),
            bounded: count(Outcome::Bounded),
            lost: count(Outcome::Lost),
            idle: count(Outcome::Idle),
            honest_ok: sum(&|run| run.honest_total().0),
            honest_failed: sum(&|run| run.honest_total().1),
            open_ok: sum(&|run| run.honest_open().0),
            open_hurt: sum(&|run| run.honest_open().1),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::fixture;

    fn run(lane: Lane) -> Run {
        fixture::report().runs.into_iter().find(|run| run.lane == lane).unwrap()
    }

    #[test]
    fn the_losses_alone_decide_the_outcome() {
        let outcomes = Lane::ALL.map(|lane| run(lane).outcome());
        assert_eq!(outcomes, [Outcome::Stopped, Outcome::Bounded, Outcome::Lost]);
        let mut idle = run(Lane::Mempool);
        idle.losses[0].without = U256::ZERO;
        assert_eq!(idle.outcome(), Outcome::Idle);
    }

    #[test]
    fn a_loss_is_called_a_loss_whatever_was_sealed_afterwards() {
        let lost = run(Lane::Private).statement();
        assert!(lost.contains("was lost, as much as without Cofferdam"), "{lost}");
        let mut worse = run(Lane::Mempool);
        worse.losses[0].with = worse.losses[0].without.saturating_add(U256::from(1));
        assert!(worse.statement().contains("more than the"), "{}", worse.statement());
        assert!(worse.statement().contains("sealed too late"), "{}", worse.statement());
    }

    #[test]
    fn durations_are_read_off_the_timeline_and_missing_steps_have_none() {
        let times = run(Lane::Mempool).containment();
        assert_eq!(times.seen_to_sent_micros, Some(2_444));
        assert_eq!(times.seen_to_mined_blocks, Some(2));
        let mut unsent = run(Lane::Mempool);
        unsent.timeline.retain(|event| event.kind != EventKind::Sent);
        assert_eq!(unsent.containment().seen_to_sent_micros, None);
        assert_eq!(unsent.without_wall_clock().containment().seen_to_verdict_micros, None);
    }

    #[test]
    fn harm_to_open_modules_is_counted_apart_from_what_a_seal_is_meant_to_stop() {
        let mut report = fixture::report();
        assert_eq!((report.totals().open_ok, report.totals().open_hurt), (24 * 15, 0));
        report.runs[0].honest[1].failed = 2;
        assert_eq!(report.totals().open_hurt, 2);
    }

    #[test]
    fn the_json_document_has_facts_and_conclusions() {
        let json = fixture::report().to_json().unwrap();
        assert_eq!(json["totals"]["stopped"], 5);
        assert_eq!(json["runs"][0]["outcome"], "stopped");
        assert!(json["runs"][0]["containment"]["seen_to_sent_micros"].is_u64());
        assert_eq!(json["runs"][0]["timeline"][0]["kind"], "honest_ok");
    }
}
