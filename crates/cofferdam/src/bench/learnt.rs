//! Learnt behaviour, measured: what a judge that was taught by ordinary days says of what comes after them.
//!
//! What is judged is never among what was learnt: of the zoo, the history before anything happens; of blocks on disk, the
//! older ones. It must not be mistaken for a team's own history, which is longer.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use cofferdam_chain::case::Manifest;
use cofferdam_detect::behaviour::Learner;
use cofferdam_detect::settings::{ModuleSettings, NoveltySettings};
use cofferdam_detect::{Detection, Settings};
use cofferdam_evm::Engine;
use cofferdam_simnet::zoo::{Part, PlayedState, Recording};
use cofferdam_types::primitives::Address;
use cofferdam_types::{ChainId, Judge, Level, Watchlist};
use serde::Serialize;

use super::blocks::{Flagged, flagged};
use super::everywhere::{Levels, contracts};
use crate::cases::{Runnable, one_each};

/// The chain that the zoo is played on.
const ZOO_CHAIN: ChainId = ChainId(31_337);
/// Two weeks of the zoo are fewer transactions than a team has; the time is asked for in full.
const ZOO_LEAST: u64 = 10;
/// Of ten contract calls, those of the blocks that are learnt from.
const TENTHS_LEARNT: u64 = 6;

/// Settings of a guard of `watch` that has learnt the history of `recording`, up to the first transaction of anything
/// else.
///
/// # Errors
/// A sentence that says what failed.
pub(super) fn of_history(recording: &Recording, watch: &Arc<Watchlist>) -> Result<Settings, String> {
    let rules = NoveltySettings { least_transactions: ZOO_LEAST, ..NoveltySettings::default() };
    let mut settings = with_rules(watch, &rules);
    let mut learner = Learner::new(watch.clone(), &settings, ZOO_CHAIN).map_err(|error| error.to_string())?;
    let source = Arc::new(PlayedState::new(&recording.played));
    let mut engine = Engine::new(recording.played.rules, source, watch.clone());
    engine.reset(recording.played.parent.clone());
    engine.set_needs(learner.needs().clone());
    'blocks: for block in &recording.played.blocks {
        let advanced = engine.advance(&block.block).map_err(|error| error.to_string())?;
        for (execution, sent) in advanced.executions.iter().zip(&block.sent) {
            if sent.part != Part::History {
                break 'blocks;
            }
            learner.take(execution);
        }
    }
    settings.learnt = Some(Arc::new(learner.finish()));
    Ok(settings)
}

fn with_rules(watch: &Watchlist, rules: &NoveltySettings) -> Settings {
    let of = |id: &cofferdam_types::ModuleId| ModuleSettings {
        novelty: rules.clone(),
        ..ModuleSettings::defaults(id.clone())
    };
    let modules = watch.modules().iter().map(|module| of(&module.id)).collect();
    Settings { modules, ..Settings::default() }
}

/// What was said of newer blocks after older ones were learnt.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LearntMeasured {
    /// Blocks that were learnt from.
    pub learnt_blocks: u64,
    /// Transactions of these that touched any of the contracts.
    pub learnt_transactions: u64,
    /// Blocks that were judged, all of them newer.
    pub judged_blocks: u64,
    /// Contracts that occur on both sides, each a module of its own.
    pub modules: u64,
    /// Judged transactions that touched any of them.
    pub judged_transactions: u64,
    /// What novelty said of these, each transaction and module once.
    pub novelty: Levels,
    /// What all other detectors said.
    pub others: Levels,
    /// Each transaction with a stop.
    pub stops: Vec<Flagged>,
    /// Each transaction with an alert: had it been new, it would have been a stop.
    pub alerts: Vec<Flagged>,
}

/// Learns from the older blocks of `folder` and judges the newer ones, every contract that occurs in both protected. Asks for
/// no least history: whatever was seen once is all that is familiar, which is harder than what `watch` does.
///
/// # Errors
/// A sentence that names the file and field at fault.
pub fn run(folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<LearntMeasured, String> {
    let manifest = Manifest::read(folder).map_err(|error| error.to_string())?;
    let mut cases = Vec::new();
    for entry in &manifest.blocks {
        cases.push(Runnable::new(entry.read(folder).map_err(|error| error.to_string())?)?);
    }
    cases.sort_by_key(|case| case.block.header.number);
    let mut occurring = Vec::new();
    for case in &cases {
        let advanced = case.engine(Arc::default()).advance(&case.block).map_err(|error| error.to_string())?;
        let calls = case.block.transactions.iter().filter(|transaction| transaction.selector().is_some()).count();
        occurring.push((contracts(case, &advanced.executions), u64::try_from(calls).unwrap_or(u64::MAX)));
        progress(&case.case.name);
    }
    let all = occurring.iter().map(|(_, calls)| *calls).fold(0, u64::saturating_add);
    let mut sum = 0_u64;
    let older = occurring.iter().take_while(|(_, calls)| {
        let is_older = sum.saturating_mul(10) < all.saturating_mul(TENTHS_LEARNT);
        sum = sum.saturating_add(*calls);
        is_older
    });
    let split = older.count();
    let union = |sides: &[(BTreeSet<Address>, u64)]| -> BTreeSet<Address> {
        sides.iter().flat_map(|(contracts, _)| contracts.iter().copied()).collect()
    };
    let (before, after) = occurring.split_at(split);
    let both: Vec<Address> = union(before).intersection(&union(after)).copied().collect();
    let watch = Arc::new(Watchlist::new(one_each(both)));
    let (learnt, judged) = cases.split_at(split);
    measure(learnt, judged, &watch, progress)
}

fn measure(
    learnt: &[Runnable],
    judged: &[Runnable],
    watch: &Arc<Watchlist>,
    progress: &mut dyn FnMut(&str),
) -> Result<LearntMeasured, String> {
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let rules = NoveltySettings { least_transactions: 1, least_seconds: 0, ..NoveltySettings::default() };
    let mut settings = with_rules(watch, &rules);
    let chain = ChainId(learnt.first().map(|case| case.case.chain_id).unwrap_or_default());
    let mut learner = Learner::new(watch.clone(), &settings, chain).map_err(|error| error.to_string())?;
    for case in learnt {
        let mut engine = case.engine(watch.clone());
        engine.set_needs(learner.needs().clone());
        let advanced = engine.advance(&case.block).map_err(|error| error.to_string())?;
        advanced.executions.iter().for_each(|execution| {
            learner.take(execution);
        });
        progress(&case.case.name);
    }
    let mut measured = LearntMeasured {
        learnt_blocks: count(learnt.len()),
        learnt_transactions: learner.judged(),
        judged_blocks: count(judged.len()),
        modules: count(watch.modules().len()),
        ..LearntMeasured::default()
    };
    settings.learnt = Some(Arc::new(learner.finish()));
    let mut judge = Detection::new(watch.clone(), &settings).map_err(|error| error.to_string())?;
    for case in judged {
        let mut engine = case.engine(watch.clone());
        engine.set_needs(judge.needs().clone());
        let advanced = engine.advance(&case.block).map_err(|error| error.to_string())?;
        for execution in &advanced.executions {
            let verdict = judge.judge(execution);
            judge.record(execution);
            let touched = u64::from(crate::cases::touches(&execution.effects, watch));
            measured.judged_transactions = measured.judged_transactions.saturating_add(touched);
            for finding in &verdict.findings {
                let is_ours = finding.detector == cofferdam_detect::catalog::novelty::ID;
                let levels = if is_ours { &mut measured.novelty } else { &mut measured.others };
                levels.count(finding.level);
            }
            match verdict.level() {
                Some(Level::Stop) => measured.stops.push(flagged(case, execution, &verdict, Level::Stop)),
                Some(Level::Alert) => measured.alerts.push(flagged(case, execution, &verdict, Level::Alert)),
                Some(Level::Notice) | None => {}
            }
        }
        progress(&case.case.name);
    }
    Ok(measured)
}
