//! The loop: what comes from the chain is executed, judged, recorded, and answered, in this order.
//!
//! ```text
//! ChainUpdate ─▶ execute ─▶ judge ─▶ commit with checkpoint ─▶ respond
//! PendingUpdate ─▶ execute on the tip ─▶ judge ─▶ commit ─▶ respond
//! new contract ─▶ try on a fork, in the background ─▶ judge ─▶ commit ─▶ respond
//! queued operation ─▶ carry out on a fork, in the background ─▶ judge ─▶ commit
//! ```
//!
//! Start at [`Guard`]. Drills, tests and the live watch drive the same guard; only where updates come from differs.
//!
//! **Invariant:** a block is acknowledged only in the transaction that holds everything that it caused. The guard must
//! never be the reason that a block is skipped: an error leaves it where it was, and the same update is handed in again.

mod blocks;
mod catch_up;
mod losses;
mod mempool;
#[cfg(test)]
mod mishaps;
mod neighbours;
mod newborn;
mod operator;
mod queued;
#[cfg(test)]
mod testbed;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_evm::{Assertions, Engine, Rules};
use cofferdam_respond::{Limits, Progress, RespondError, Responder, Response, SetupError, Stop};
use cofferdam_types::primitives::B256;
use cofferdam_types::{
    AccessListItem, Batch, BlockRef, Clock, Event, Execution, Header, Journal, JournalError, Judge, Level,
    OperatorAlert, PreState, StateError, StateSource, Transaction, Verdict, Watchlist,
};

pub use mempool::MempoolOptions;
pub use newborn::NewbornOptions;
pub use queued::QueuedOptions;

use crate::company::Company;
use losses::Losses;
use mempool::PendingSet;
use newborn::{Newborns, Workshop};
use operator::SkewWatch;
use queued::Queued;

/// What a guard is made of.
pub struct Parts {
    /// The rules of the chain.
    pub rules: Rules,
    /// Where state comes from.
    pub source: Arc<dyn StateSource>,
    /// What is protected.
    pub watch: Arc<Watchlist>,
    /// What executions mean.
    pub judge: Box<dyn Judge>,
    /// What is done about stops; `None` only watches.
    pub responder: Option<Responder>,
    /// The record.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How much of the mempool is kept.
    pub mempool: MempoolOptions,
    /// Blocks further than this behind the newest known head are judged by their receipts, and executed only when
    /// something was found in them, or happened to a watched account that they do not show.
    pub execute_within_blocks: u64,
    /// How new contracts are looked at; `None`: not at all.
    pub newborns: Option<NewbornOptions>,
    /// How operations that wait in timelocks and governors are looked at; `None`: not at all.
    pub queued: Option<QueuedOptions>,
}

/// Alerts that wait for a record that cannot be written; those beyond it are in the log alone.
const MOST_UNTOLD: usize = 64;

/// The guard could not deal with an update; it stands where it stood before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// State could not be fetched.
    #[error(transparent)]
    State(#[from] StateError),
    /// The record could not be written or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A response broke off.
    #[error(transparent)]
    Respond(#[from] RespondError),
}

/// One thing that the guard saw or did, for whoever watches it: the screen of a drill, a log, a metric.
#[derive(Clone, Debug)]
pub enum Happening {
    /// Something was found.
    Found {
        /// What was executed.
        execution: Arc<Execution>,
        /// What it means.
        verdict: Verdict,
        /// Microseconds from the hand-in of the update to the verdict.
        micros: u64,
    },
    /// A stop was answered.
    Answered {
        /// Hash of the attack.
        attack: B256,
        /// What was done.
        response: Response,
        /// Microseconds from the hand-in of the update to the end of the response.
        micros: u64,
    },
    /// A plan moved on.
    Plan(Progress),
    /// A block has been dealt with and is durable.
    Processed {
        /// Which.
        block: BlockRef,
        /// Microseconds from the hand-in of the update.
        micros: u64,
    },
}

/// The loop. See the module.
pub struct Guard {
    /// Stands on the block that was dealt with last.
    engine: Engine,
    /// Stands on the tip while there are blocks to catch up with.
    scout: Engine,
    /// The newest block, while it is not the one that was dealt with last.
    tip: Option<Header>,
    source: Arc<dyn StateSource>,
    /// Whether people know that missed blocks are judged by their receipts alone.
    told_receipts_only: bool,
    /// What people must know and what could not be recorded yet, oldest first.
    untold: Vec<Event>,
    /// What is compared of blocks that are not executed.
    audited: Vec<AccessListItem>,
    /// That, after the last block that it was compared for.
    boundary: Option<(BlockRef, PreState)>,
    judge: Box<dyn Judge>,
    responder: Option<Responder>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    watch: Arc<Watchlist>,
    pending: PendingSet,
    losses: Losses,
    company: Company,
    /// `None` where new contracts are not looked at.
    newborns: Option<Newborns>,
    /// `None` where queued operations are not looked at.
    queued: Option<Queued>,
    skew: SkewWatch,
    execute_within_blocks: u64,
    processed: Option<BlockRef>,
    /// Pending transactions' findings that are on the record, by transaction.
    noted: HashMap<B256, Vec<cofferdam_types::FindingId>>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("processed", &self.processed).finish_non_exhaustive()
    }
}

impl Guard {
    /// Puts the parts together. Nothing is read or sent yet.
    pub fn new(parts: Parts) -> Self {
        let engine = || {
            let mut engine = Engine::new(parts.rules, parts.source.clone(), parts.watch.clone());
            engine.set_needs(parts.judge.needs().clone());
            engine
        };
        let workshop = Workshop {
            rules: parts.rules,
            source: parts.source.clone(),
            watch: parts.watch.clone(),
            needs: parts.judge.needs().clone(),
            clock: parts.clock.clone(),
        };
        let queued = parts.queued.and_then(|options| Queued::start(options, workshop.clone()));
        let labels = parts.newborns.as_ref().map(|options| options.labels.clone()).unwrap_or_default();
        let company = Company::new(parts.watch.clone(), labels);
        let newborns = parts.newborns.and_then(|options| Newborns::start(options, workshop));
        Self {
            engine: engine(),
            scout: engine(),
            tip: None,
            told_receipts_only: false,
            untold: Vec::new(),
            audited: catch_up::keys(&parts.watch),
            boundary: None,
            source: parts.source,
            watch: parts.watch,
            judge: parts.judge,
            responder: parts.responder,
            journal: parts.journal,
            clock: parts.clock,
            pending: PendingSet::new(parts.mempool),
            losses: Losses::default(),
            company,
            newborns,
            queued,
            skew: SkewWatch::default(),
            execute_within_blocks: parts.execute_within_blocks,
            processed: None,
            noted: HashMap::new(),
        }
    }

    /// The Solidity assertions to run from now on, in blocks and in the mempool.
    pub fn set_assertions(&mut self, assertions: &Assertions) {
        self.engine.set_assertions(assertions.clone());
        self.scout.set_assertions(assertions.clone());
        if let Some(newborns) = &mut self.newborns {
            newborns.set_assertions(assertions.clone());
        }
        if let Some(queued) = &mut self.queued {
            queued.set_assertions(assertions.clone());
        }
    }

    /// Waits until a new contract or a queued operation has been tried: then [`Self::on_trials`] has something to do. For
    /// ever where neither is looked at.
    pub async fn tried(&mut self) {
        let Self { newborns, queued, .. } = self;
        let newborn = async {
            let there = match newborns {
                Some(newborns) => newborns.has_finished() || newborns.one().await,
                None => false,
            };
            if !there {
                std::future::pending::<()>().await;
            }
        };
        let operation = async {
            let there = match queued {
                Some(queued) => queued.has_finished() || queued.one().await,
                None => false,
            };
            if !there {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = newborn => {}
            () = operation => {}
        }
    }

    /// Judges, records and answers what trying new contracts and queued operations showed.
    ///
    /// # Errors
    /// [`GuardError`]: what was not dealt with is kept, and dealt with by the next call.
    pub async fn on_trials(&mut self) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = self.on_newborns().await?;
        happenings.extend(self.on_rehearsals()?);
        Ok(happenings)
    }

    /// Waits until everything that was handed in has been tried, and deals with all of it: for drills, where the outcome
    /// must not depend on how fast the machine is.
    ///
    /// # Errors
    /// [`GuardError`]: what was not dealt with is kept.
    pub async fn settle_trials(&mut self) -> Result<Vec<Happening>, GuardError> {
        while let Some(newborns) = self.newborns.as_mut().filter(|newborns| newborns.is_busy()) {
            if !newborns.one().await {
                break;
            }
        }
        while let Some(queued) = self.queued.as_mut().filter(|queued| queued.is_busy()) {
            if !queued.one().await {
                break;
            }
        }
        self.on_trials().await
    }

    /// Takes up what an earlier process left unfinished. To be called once, before the first update.
    ///
    /// # Errors
    /// [`GuardError`] when the record failed.
    pub async fn resume(&mut self) -> Result<Vec<Happening>, GuardError> {
        let Some(responder) = &mut self.responder else { return Ok(Vec::new()) };
        Ok(responder.resume().await?.into_iter().map(Happening::Plan).collect())
    }

    /// Stands on `head` before the first update, which may be a block away: what waits in the mempool is tried there.
    pub fn stand_on(&mut self, head: Header) {
        self.engine.reset(head);
    }

    /// The block that has been dealt with last; `None` before the first.
    pub const fn processed(&self) -> Option<BlockRef> {
        self.processed
    }

    /// The clock's microseconds, for who times what the guard does.
    pub fn micros(&self) -> u64 {
        self.clock.monotonic_micros()
    }

    /// Pending transactions that are kept.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Slots of chain state in memory.
    pub fn slots_in_memory(&self) -> usize {
        self.engine.slots_in_memory().saturating_add(self.scout.slots_in_memory())
    }

    /// Puts what the operator must know on the record, and with it on its way to people. What cannot be recorded now is
    /// recorded with the next thing that can.
    ///
    /// # Errors
    /// [`GuardError::Journal`].
    pub fn tell(&mut self, alerts: Vec<OperatorAlert>) -> Result<(), GuardError> {
        let room = MOST_UNTOLD.saturating_sub(self.untold.len());
        self.untold.extend(alerts.into_iter().take(room).map(|alert| Event::Operator { alert }));
        self.commit(Vec::new(), None)
    }

    /// Exchanges the limits: people wrote another file.
    ///
    /// # Errors
    /// [`SetupError`]; the old limits stay.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), SetupError> {
        self.responder.as_mut().map_or(Ok(()), |responder| responder.set_limits(Some(limits)))
    }

    fn commit(&mut self, mut events: Vec<Event>, checkpoint: Option<BlockRef>) -> Result<(), GuardError> {
        if events.is_empty() && self.untold.is_empty() && checkpoint.is_none() {
            return Ok(());
        }
        let start = self.clock.monotonic_micros();
        events.splice(..0, self.untold.iter().cloned());
        self.journal.commit(&Batch { at: self.clock.now(), events, checkpoint })?;
        self.untold.clear();
        observe("commit", self.since(start));
        Ok(())
    }

    /// Hands a stop to the responder. `None` where nobody responds.
    async fn answer(
        &mut self,
        attack: &Execution,
        earlier: &[Arc<Transaction>],
        verdict: &Verdict,
        start: u64,
    ) -> Result<Option<Happening>, GuardError> {
        let Some(responder) = &mut self.responder else { return Ok(None) };
        let stop = Stop { attack, earlier, findings: &verdict.findings };
        let engine = if self.tip.is_some() { &mut self.scout } else { &mut self.engine };
        let response = responder.on_stop(&stop, engine, self.judge.as_ref()).await?;
        let micros = self.since(start);
        observe("respond", micros);
        Ok(Some(Happening::Answered { attack: attack.hash(), response, micros }))
    }

    /// The state on which what comes next would be mined.
    const fn newest(&mut self) -> &mut Engine {
        if self.tip.is_some() { &mut self.scout } else { &mut self.engine }
    }

    fn since(&self, start: u64) -> u64 {
        self.clock.monotonic_micros().saturating_sub(start)
    }
}

/// Whether somebody must at least be able to read about it later.
fn is_recorded(verdict: &Verdict) -> bool {
    verdict.level().is_some()
}

fn is_stop(verdict: &Verdict) -> bool {
    verdict.level() == Some(Level::Stop)
}

/// One stage of the loop, for `cofferdam_stage_seconds`.
pub(crate) fn observe(stage: &'static str, micros: u64) {
    let seconds = std::time::Duration::from_micros(micros).as_secs_f64();
    metrics::histogram!("cofferdam_stage_seconds", "stage" => stage).record(seconds);
}
