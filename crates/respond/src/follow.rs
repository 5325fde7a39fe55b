//! Sees sent plans through, block by block: mined or not, read back, raised, reopened by a reorg, undone by people.
//!
//! A plan is confirmed by what the chain answers, never by what we sent. First everything is asked, then everything is
//! decided in one synchronous stretch, then what was recorded is handed out.

use alloy_primitives::{Address, B256};
use cofferdam_evm::Engine;
use cofferdam_types::{BlockRef, Header, Judge, ModuleId};

use crate::answer::{PlanAnswer, Progress, Reply, RespondError};
use crate::channel::{Mined, Reading};
use crate::plan::{Confirmed, NotRecorded, Sent};
use crate::reprice::Repriced;
use crate::responder::{Active, Responder};
use crate::trial::{Attack, findings_now, is_closed};

/// Heads in a row after which a nonce that nobody fills is believed.
const GAP_HEADS: u32 = 3;

/// No plan is raised twice within this time: blocks that are caught up on pass in no time and prove nothing.
const RAISE_MILLIS: u64 = 500;

/// What the endpoints said about one plan.
#[derive(Default)]
struct Observed {
    mined: Option<(B256, Mined)>,
    /// An endpoint failed, so "not mined" is not known.
    unknown: bool,
    readings: Vec<Reading>,
}

/// A plan that failed, and what it was against.
pub(crate) struct Retry {
    module: ModuleId,
    attack: Attack,
    findings: Vec<cofferdam_types::Finding>,
}

/// Where a plan stands after a block.
pub(crate) enum Fate {
    Waiting(Box<Active>),
    Confirmed(Confirmed),
    Failed(Option<Box<Retry>>),
}

impl Responder {
    /// Follows every plan at the engine's head: confirms, raises, fails, tries again, and looks after the levers.
    ///
    /// To be called once a block, after the engine has executed it and after [`Self::on_reorg`] where there was one.
    ///
    /// # Errors
    /// [`RespondError`] when the record failed. Nothing is lost: the next call takes up where this one broke off.
    pub async fn on_head(&mut self, engine: &mut Engine, judge: &dyn Judge) -> Result<Vec<Progress>, RespondError> {
        self.load()?;
        self.learn_purses(true).await;
        let mut observed = Vec::with_capacity(self.active.len());
        for index in 0..self.active.len() {
            observed.push(self.observe(index).await);
        }
        let mut progress = Vec::new();
        let mut broken = self.follow_all(observed, engine, judge, &mut progress);
        broken = broken.and(self.watch_closed(engine, &mut progress));
        match self.check_readiness(engine) {
            Ok(told) => progress.extend(told),
            Err(error) => broken = broken.and(Err(error)),
        }
        self.forget_old_refusals(engine.head().number);
        let mut sent = self.flush().await;
        for step in &mut progress {
            if let Progress::Tried(PlanAnswer { reply: Reply::Sent { plan, deliveries, .. }, .. }) = step {
                *deliveries = sent.remove(plan).unwrap_or_default();
            }
        }
        broken.map(|()| progress)
    }

    /// Takes back confirmations on blocks that left the chain: those plans are sent again, with the same bytes.
    ///
    /// # Errors
    /// [`RespondError`] when the record failed.
    pub async fn on_reorg(&mut self, dropped: &[BlockRef]) -> Result<Vec<Progress>, RespondError> {
        self.load()?;
        let mut progress = Vec::new();
        let broken = self.reopen_where(|plan| dropped.contains(&plan.block()), &mut progress);
        self.flush().await;
        broken.map(|()| progress)
    }

    /// Takes back confirmations that name another block at the height of `canonical`: a plan may be confirmed on a head
    /// that the follower of the chain had not come to yet, and that was replaced before it did.
    ///
    /// # Errors
    /// [`RespondError`] when the record failed.
    pub async fn on_canonical(&mut self, canonical: BlockRef) -> Result<Vec<Progress>, RespondError> {
        let mut progress = Vec::new();
        let gone = |plan: &Confirmed| plan.block().number == canonical.number && plan.block() != canonical;
        let broken = self.reopen_where(gone, &mut progress);
        self.flush().await;
        broken.map(|()| progress)
    }

    /// Reopens the confirmed plans that `gone` names.
    pub(crate) fn reopen_where(
        &mut self,
        gone: impl Fn(&Confirmed) -> bool,
        progress: &mut Vec<Progress>,
    ) -> Result<(), RespondError> {
        let mut broken = Ok(());
        for plan in std::mem::take(&mut self.closed) {
            if !gone(&plan) {
                self.closed.push(plan);
                continue;
            }
            match plan.reopen(&self.book) {
                Ok(sent) => {
                    progress.push(Progress::Resent { plan: sent.id() });
                    self.outgoing.push(sent.id());
                    self.active.push(Active::restored(sent));
                }
                Err(failed) => {
                    let NotRecorded { plan, error } = *failed;
                    self.closed.push(plan);
                    broken = broken.and(Err(error.into()));
                }
            }
        }
        broken
    }

    /// Asks the endpoints about one plan. Receipts are asked for only once its nonce is used.
    async fn observe(&mut self, index: usize) -> Observed {
        let mut observed = Observed::default();
        let Some(active) = self.active.get(index) else { return observed };
        let sent = &active.sent;
        let unused = self.purses.get(&sent.from()).is_some_and(|purse| purse.latest_nonce <= sent.nonce());
        if unused {
            return observed;
        }
        for transaction in sent.transactions() {
            match self.channel.mined(transaction).await {
                Ok(Some(mined)) => {
                    observed.mined = Some((transaction, mined));
                    break;
                }
                Ok(None) => {}
                Err(_) => observed.unknown = true,
            }
        }
        let (lever, against, unknown_attack) = (sent.lever().clone(), sent.against(), active.attack.is_none());
        if let Some((_, mined)) = observed.mined.filter(|(_, mined)| mined.success) {
            observed.readings = self.channel.read(lever.target(), lever.is_closed_call(), mined.block).await;
        }
        if unknown_attack {
            let known = self.channel.transaction(against).await.ok().flatten();
            let attack = known.map(Attack::mined);
            if let Some(active) = self.active.get_mut(index) {
                active.attack = attack;
            }
        }
        observed
    }

    fn follow_all(
        &mut self,
        observed: Vec<Observed>,
        engine: &mut Engine,
        judge: &dyn Judge,
        progress: &mut Vec<Progress>,
    ) -> Result<(), RespondError> {
        let lane: Vec<(Address, u64)> =
            self.active.iter().map(|active| (active.sent.from(), active.sent.nonce())).collect();
        let mut broken = Ok(());
        let mut retries = Vec::new();
        for (active, seen) in std::mem::take(&mut self.active).into_iter().zip(observed) {
            let followed = match seen.mined {
                Some((transaction, mined)) => {
                    self.settle(active, transaction, mined, &seen.readings, engine, judge, progress)
                }
                None if seen.unknown => Ok(Fate::Waiting(Box::new(active))),
                None => self.wait_on(active, &lane, engine, progress),
            };
            match followed {
                Ok(Fate::Waiting(active)) => self.active.push(*active),
                Ok(Fate::Confirmed(plan)) => self.closed.push(plan),
                Ok(Fate::Failed(retry)) => retries.extend(retry),
                Err((active, error)) => {
                    self.active.push(*active);
                    broken = broken.and(Err(error));
                }
            }
        }
        for retry in retries {
            let again =
                self.try_again(*retry, engine, judge).map(|answer| progress.extend(answer.map(Progress::Tried)));
            broken = broken.and(again);
        }
        broken
    }

    /// A plan whose transaction is in no block: its nonce is free, used by another, or behind a gap.
    fn wait_on(
        &mut self,
        mut active: Active,
        lane: &[(Address, u64)],
        engine: &mut Engine,
        progress: &mut Vec<Progress>,
    ) -> Result<Fate, (Box<Active>, RespondError)> {
        let head = engine.head().clone();
        let (from, nonce) = (active.sent.from(), active.sent.nonce());
        if let Some(purse) = self.purses.get(&from).copied() {
            if purse.latest_nonce > nonce {
                // One endpoint may know the nonce before another knows the receipt: believed at the second head.
                return match active.taken_at {
                    Some(first) if first != head.number => {
                        let reason =
                            format!("nonce {nonce} of {from} was used by a transaction that is not this plan's");
                        self.give_up(active, reason, progress)
                    }
                    Some(_) | None => {
                        active.taken_at = Some(head.number);
                        Ok(Fate::Waiting(Box::new(active)))
                    }
                };
            }
            active.taken_at = None;
            let next = purse.latest_nonce;
            let filled = next == nonce || purse.pending_nonce > next || lane.contains(&(from, next));
            active.heads_behind_gap = if filled { 0 } else { active.heads_behind_gap.saturating_add(1) };
            if active.heads_behind_gap >= GAP_HEADS {
                let reason = format!("nonce {nonce} of {from} waits behind nonce {next}, which nobody fills");
                return self.give_up(active, reason, progress);
            }
        }
        self.offer_again(active, &head, engine, progress)
    }

    fn offer_again(
        &mut self,
        mut active: Active,
        head: &Header,
        engine: &mut Engine,
        progress: &mut Vec<Progress>,
    ) -> Result<Fate, (Box<Active>, RespondError)> {
        let now = self.book.now();
        let just_now = active.offered_when.is_some_and(|when| now.0.abs_diff(when.0) < RAISE_MILLIS);
        if active.offered_at == Some(head.block_ref()) || just_now {
            return Ok(Fate::Waiting(Box::new(active)));
        }
        let plan = active.sent.id();
        let repriced = match self.reprice(&mut active, engine) {
            Ok(repriced) => repriced,
            Err(error) => return Err((Box::new(active), error)),
        };
        match repriced {
            Repriced::Raised => {
                let (transaction, price) = (active.sent.transaction(), active.sent.price());
                progress.push(Progress::Repriced { plan, transaction, price });
            }
            Repriced::AtCap => progress.push(Progress::AtCap { plan }),
            Repriced::Kept => {}
            Repriced::Silenced => return Ok(Fate::Waiting(Box::new(active))),
        }
        self.outgoing.push(plan);
        Ok(Fate::Waiting(Box::new(active)))
    }

    /// Ends a plan without success, tells the operator, and keeps what another attempt needs.
    pub(crate) fn give_up(
        &mut self,
        active: Active,
        reason: String,
        progress: &mut Vec<Progress>,
    ) -> Result<Fate, (Box<Active>, RespondError)> {
        let Active { sent, attack, findings, .. } = active.clone();
        let (plan, module, lever) = (sent.id(), sent.lever().module().clone(), sent.lever().name().to_owned());
        let failed = match sent.fail(&self.book, reason.clone()) {
            Ok(failed) => failed,
            Err(failed) => return Err((Box::new(active), failed.error.into())),
        };
        // The plan has ended on the record; an alert that cannot be written must not bring it back.
        if let Err(error) = self.alert_lever(&lever, format!("plan {}: {reason}", failed.id())) {
            tracing::error!(%plan, %error, "the failure of a plan could not be told");
        }
        progress.push(Progress::Failed { plan, reason });
        Ok(Fate::Failed(attack.map(|attack| Box::new(Retry { module, attack, findings }))))
    }

    /// Another attempt, under a new id, by all the rules: the trial refuses it when the target is closed by now.
    fn try_again(
        &mut self,
        retry: Retry,
        engine: &mut Engine,
        judge: &dyn Judge,
    ) -> Result<Option<PlanAnswer>, RespondError> {
        let Retry { module, attack, mut findings } = retry;
        if findings.is_empty() {
            // After a restart they are not in memory: the judge is asked again.
            findings = findings_now(engine, judge, &attack).unwrap_or_default();
        }
        if findings.is_empty() {
            return Ok(None);
        }
        let start = self.book.micros();
        self.decide(&module, &attack, &findings, engine, judge, start).map(Some)
    }

    /// Notices that people opened what a plan had closed.
    fn watch_closed(&mut self, engine: &mut Engine, progress: &mut Vec<Progress>) -> Result<(), RespondError> {
        let head = engine.head().number;
        let mut broken = Ok(());
        for plan in std::mem::take(&mut self.closed) {
            let reopened = head >= plan.block().number && matches!(is_closed(engine, plan.lever()), Ok(Some(false)));
            if !reopened {
                self.closed.push(plan);
                continue;
            }
            match plan.undone(&self.book, format!("the target says open in block {head}")) {
                Ok(undone) => progress.push(Progress::Undone { plan: undone.id() }),
                Err(failed) => {
                    let NotRecorded { plan, error } = *failed;
                    self.closed.push(plan);
                    broken = broken.and(Err(error.into()));
                }
            }
        }
        broken
    }
}

impl Active {
    /// A plan of which only the record is known.
    pub(crate) const fn restored(sent: Sent) -> Self {
        Self {
            sent,
            attack: None,
            rival: None,
            findings: Vec::new(),
            offered_at: None,
            offered_when: None,
            taken_at: None,
            heads_behind_gap: 0,
            told_disagreement: false,
            told_cap: false,
            told_behind: false,
        }
    }
}
