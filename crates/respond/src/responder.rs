//! From a stop to signed bytes at the endpoints.
//!
//! Deciding is one synchronous stretch: trial, limits, signature, record. Only after that does anything wait for the
//! network, so two stops at the same moment cannot both decide, and what was decided is durable before it is sent.
//! After the start the hot path asks no endpoint: nonces, balances and the base fee are read once a block.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use cofferdam_evm::Engine;
use cofferdam_types::{
    BlockNumber, BlockRef, ChainId, Clock, Finding, FindingId, Journal, Judge, ModuleId, PlanId, UnixMillis, Window,
};

use crate::answer::{Reply, RespondError, Response, Stop, Timing};
use crate::book::Book;
use crate::channel::{Channel, Delivery, Purse};
use crate::fees::Rival;
use crate::guardian::Guardian;
use crate::lever::{Lever, LeverError, LeverSettings};
use crate::limits::envelope::{EnvelopeError, Signers};
use crate::limits::{Limits, LimitsError};
use crate::plan::{Confirmed, Sent};
use crate::refusal::Refusal;
use crate::trial::Attack;

/// What a responder works with.
#[derive(Debug)]
pub struct Setup {
    /// The chain that is signed for.
    pub chain_id: ChainId,
    /// All levers, in order of preference within a module.
    pub levers: Vec<LeverSettings>,
    /// What may be done alone; `None` is shadow mode.
    pub limits: Option<Limits>,
    /// Whose signatures the limits need; `None`: whoever writes the file decides alone.
    pub signers: Option<Signers>,
    /// The keys, by name.
    pub guardians: BTreeMap<String, Guardian>,
    /// Each lever is tried every so many blocks, at least 1.
    pub readiness_blocks: u64,
}

/// Levers, limits and guardians do not fit together.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// A lever's own settings.
    #[error(transparent)]
    Lever(#[from] LeverError),
    /// The name was given twice.
    #[error("lever `{lever}` is configured twice")]
    LeverTwice {
        /// The lever.
        lever: String,
    },
    /// Nobody holds the lever.
    #[error("lever `{lever}`: there is no guardian `{guardian}`")]
    NoGuardian {
        /// The lever.
        lever: String,
        /// The name that it gives.
        guardian: String,
    },
    /// The limits name something that does not exist.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The signatures under the limits do not suffice.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// Draws up plans, sends them and follows them to their end. See the module.
pub struct Responder {
    pub(crate) chain_id: u64,
    pub(crate) levers: Vec<Arc<Lever>>,
    pub(crate) limits: Option<Limits>,
    signers: Option<Signers>,
    /// Envelopes that were revoked while this process ran, and by whom.
    ended: HashMap<B256, Address>,
    pub(crate) guardians: BTreeMap<String, Guardian>,
    pub(crate) book: Book,
    pub(crate) channel: Arc<dyn Channel>,
    /// As of the last head at which an endpoint answered.
    pub(crate) purses: HashMap<Address, Purse>,
    /// Sent and neither confirmed nor failed, oldest first.
    pub(crate) active: Vec<Active>,
    /// Confirmed, watched for reorgs and for being undone.
    pub(crate) closed: Vec<Confirmed>,
    /// Plans whose bytes must go to the endpoints before the current call returns.
    pub(crate) outgoing: Vec<PlanId>,
    /// Ids that stand on the record already: another attempt gets another id.
    pub(crate) spent: HashSet<PlanId>,
    pub(crate) refusals: HashMap<(ModuleId, FindingId), Said>,
    pub(crate) readiness: BTreeMap<String, &'static str>,
    pub(crate) readiness_blocks: u64,
    pub(crate) readiness_at: Option<BlockNumber>,
    pub(crate) loaded: bool,
}

fn serial(limits: &Limits) -> Option<u64> {
    limits.envelope().map(|envelope| envelope.header().serial)
}

/// Whether limits are for these levers and signed by who must sign.
fn fit(limits: &mut Limits, levers: &[Arc<Lever>], signers: Option<&Signers>, chain_id: u64) -> Result<(), SetupError> {
    limits.check_subjects(levers.iter().map(Arc::as_ref))?;
    if let Some(signers) = signers {
        limits.bind(signers, chain_id)?;
    }
    Ok(())
}

/// A sent plan and what is needed to see it through.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub(crate) sent: Sent,
    /// `None` after a restart, until an endpoint tells it.
    pub(crate) attack: Option<Attack>,
    /// What must be overtaken: the most that the attacks that it is against offer.
    pub(crate) rival: Option<Rival>,
    /// Empty after a restart.
    pub(crate) findings: Vec<Finding>,
    /// The head of the latest offer; `None` after a restart.
    pub(crate) offered_at: Option<BlockRef>,
    /// When, by our clock.
    pub(crate) offered_when: Option<UnixMillis>,
    /// The head at which its nonce was first seen used by another.
    pub(crate) taken_at: Option<BlockNumber>,
    /// Heads in a row at which it waited behind a nonce that nobody fills.
    pub(crate) heads_behind_gap: u32,
    /// Whether the operator knows that endpoints disagree about it.
    pub(crate) told_disagreement: bool,
    /// Whether the operator knows that the caps hold it back.
    pub(crate) told_cap: bool,
    /// Whether people can read on the record that an attack may be mined before it.
    pub(crate) told_behind: bool,
}

/// A refusal that is on the record.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) plan: PlanId,
    pub(crate) lever: String,
    pub(crate) reason: Refusal,
    pub(crate) window: Window,
    pub(crate) at: BlockNumber,
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("levers", &self.levers).field("active", &self.active).finish_non_exhaustive()
    }
}

impl Responder {
    /// Checks that levers, limits and guardians fit together. Reads and sends nothing yet.
    ///
    /// # Errors
    /// [`SetupError`] names what does not fit.
    pub fn new(
        setup: Setup,
        journal: Arc<dyn Journal>,
        channel: Arc<dyn Channel>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let mut levers: Vec<Arc<Lever>> = Vec::with_capacity(setup.levers.len());
        for settings in &setup.levers {
            let lever = Lever::new(settings)?;
            if levers.iter().any(|other| other.name() == lever.name()) {
                return Err(SetupError::LeverTwice { lever: lever.name().to_owned() });
            }
            if !setup.guardians.contains_key(lever.guardian()) {
                let guardian = lever.guardian().to_owned();
                return Err(SetupError::NoGuardian { lever: lever.name().to_owned(), guardian });
            }
            levers.push(Arc::new(lever));
        }
        let mut limits = setup.limits;
        if let Some(limits) = &mut limits {
            fit(limits, &levers, setup.signers.as_ref(), setup.chain_id.0)?;
        }
        Ok(Self {
            chain_id: setup.chain_id.0,
            levers,
            ended: limits.iter().filter_map(|limits| Some((limits.hash(), limits.revoked_by()?))).collect(),
            limits,
            signers: setup.signers,
            guardians: setup.guardians,
            book: Book::new(journal, clock),
            channel,
            purses: HashMap::new(),
            active: Vec::new(),
            closed: Vec::new(),
            outgoing: Vec::new(),
            spent: HashSet::new(),
            refusals: HashMap::new(),
            readiness: BTreeMap::new(),
            readiness_blocks: setup.readiness_blocks.max(1),
            readiness_at: None,
            loaded: false,
        })
    }

    /// Exchanges the limits: people wrote a new file, or took it away. Contracts among the signers are asked at the next
    /// head.
    ///
    /// # Errors
    /// [`SetupError`]; the old limits stay. An envelope that was revoked is not taken again, whatever its file says now.
    pub fn set_limits(&mut self, limits: Option<Limits>) -> Result<(), SetupError> {
        let mut limits = limits;
        if let Some(new) = &mut limits {
            if let Some((seen, holds)) = serial(new).zip(self.limits.as_ref().and_then(serial))
                && seen < holds
            {
                return Err(EnvelopeError::Older { seen, holds }.into());
            }
            if let Some(signer) = self.ended.get(&new.hash()) {
                return Err(EnvelopeError::Revoked { signer: *signer }.into());
            }
            fit(new, &self.levers, self.signers.as_ref(), self.chain_id)?;
            if let Some(signer) = new.revoked_by() {
                self.ended.insert(new.hash(), signer);
            }
        }
        self.limits = limits;
        self.readiness_at = None;
        Ok(())
    }

    /// All levers, in the order of the configuration.
    pub fn levers(&self) -> impl Iterator<Item = &Lever> {
        self.levers.iter().map(Arc::as_ref)
    }

    /// Plans that were sent and are not read back yet, oldest first.
    pub fn in_flight(&self) -> impl Iterator<Item = &Sent> {
        self.active.iter().map(|active| &active.sent)
    }

    /// Answers a stop: tries the levers of each module in danger, and sends what the limits allow.
    ///
    /// # Errors
    /// [`RespondError`] when the record or a key failed. Plans of other modules that were recorded have been sent.
    pub async fn on_stop(
        &mut self,
        stop: &Stop<'_>,
        engine: &mut Engine,
        judge: &dyn Judge,
    ) -> Result<Response, RespondError> {
        let start = self.book.micros();
        self.load()?;
        self.learn_purses(false).await;
        if self.readiness_at.is_none() {
            // New limits, or a process that has not seen a head yet: the contracts among the signers were never asked.
            self.ask_signers(engine);
        }
        let attack = Attack {
            transaction: stop.attack.transaction.clone(),
            window: stop.attack.window,
            earlier: stop.earlier.to_vec(),
        };
        let mut answers = Vec::new();
        let mut broken = Ok(());
        for module in self.modules_in_danger(stop.findings) {
            match self.decide(&module, &attack, stop.findings, engine, judge, start) {
                Ok(answer) => answers.push(answer),
                Err(error) => broken = broken.and(Err(error)),
            }
        }
        let mut sent = self.flush().await;
        let done = self.book.micros().saturating_sub(start);
        for answer in &mut answers {
            if let Reply::Sent { plan, deliveries, .. } = &mut answer.reply {
                *deliveries = sent.remove(plan).unwrap_or_default();
                answer.timing.sent_micros = done;
            }
            observe(&answer.timing);
        }
        broken.map(|()| Response { answers })
    }

    /// Asks for nonce and balance of every guardian: of all at each block, of unknown ones before a decision. An
    /// endpoint that does not answer leaves the last answer standing.
    pub(crate) async fn learn_purses(&mut self, again: bool) {
        let held = self.guardians.values().map(Guardian::address);
        let mut accounts: Vec<Address> = held.chain(self.active.iter().map(|active| active.sent.from())).collect();
        accounts.sort_unstable();
        accounts.dedup();
        for account in accounts {
            if !again && self.purses.contains_key(&account) {
                continue;
            }
            match self.channel.purse(account).await {
                Ok(purse) => drop(self.purses.insert(account, purse)),
                Err(error) => tracing::warn!(%account, %error, "nonce and balance not read"),
            }
        }
    }

    /// Hands out what was recorded, in the order in which it was decided.
    pub(crate) async fn flush(&mut self) -> HashMap<PlanId, Vec<Delivery>> {
        let mut deliveries = HashMap::new();
        for plan in std::mem::take(&mut self.outgoing) {
            let Some(active) = self.active.iter().find(|active| active.sent.id() == plan) else { continue };
            let answers = self.channel.broadcast(active.sent.raw()).await;
            for answer in &answers {
                if let Err(reason) = &answer.taken {
                    tracing::warn!(%plan, endpoint = answer.endpoint, reason, "endpoint did not take the containment");
                }
            }
            deliveries.insert(plan, answers);
        }
        deliveries
    }
}

fn observe(timing: &Timing) {
    let stages =
        [("simulated", timing.simulated_micros), ("recorded", timing.recorded_micros), ("sent", timing.sent_micros)];
    for (stage, micros) in stages.into_iter().filter(|(_, micros)| *micros > 0) {
        // Precise to the microsecond for a century of them.
        let seconds = std::time::Duration::from_micros(micros).as_secs_f64();
        metrics::histogram!("cofferdam_respond_seconds", "stage" => stage).record(seconds);
    }
}
