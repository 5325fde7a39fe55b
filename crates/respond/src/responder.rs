//! From a stop to signed bytes at the endpoints.
//!
//! Deciding is one synchronous stretch: trial, limits, signature, record. Only after that does anything wait for the
//! network, so two stops at the same moment cannot both decide, and what was decided is durable before it is sent.
//! After the start the hot path asks no endpoint: nonces, balances and the base fee are read once a block.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256, keccak256};
use cofferdam_evm::Engine;
use cofferdam_types::{
    BlockNumber, BlockRef, ChainId, Clock, Execution, Finding, FindingId, Header, Journal, JournalError, Judge, Level,
    ModuleId, PlanId, Transaction, Window,
};

use crate::book::Book;
use crate::channel::{Channel, Delivery, Purse};
use crate::fees::{Price, offer};
use crate::guardian::{Guardian, SignError};
use crate::lever::{Lever, LeverError, LeverSettings};
use crate::limits::{Limits, LimitsError, Request};
use crate::plan::{Confirmed, Draft, Refused, RestoreError, Sent, Signed, Simulated};
use crate::refusal::Refusal;
use crate::trial::{Attack, Proof};

/// Blocks after which a refused stop is forgotten (a day of Ethereum): it would be written down again.
const REFUSALS_KEPT_BLOCKS: u64 = 7_200;

/// What a responder works with.
#[derive(Debug)]
pub struct Setup {
    /// The chain that is signed for.
    pub chain_id: ChainId,
    /// All levers, in order of preference within a module.
    pub levers: Vec<LeverSettings>,
    /// What may be done alone; `None` is shadow mode.
    pub limits: Option<Limits>,
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
}

/// A response broke off. What had been recorded was sent; the rest was not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// Without the record nothing is sent.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A key could not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The record of an older plan cannot be trusted; that plan was ended.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// A stop, as the judge gave it.
#[derive(Clone, Copy, Debug)]
pub struct Stop<'a> {
    /// The attack, pending or mined.
    pub attack: &'a Execution,
    /// Pending transactions of the same sender that must run before it, lowest nonce first; mostly empty.
    pub earlier: &'a [Arc<Transaction>],
    /// All findings about it, strongest first.
    pub findings: &'a [Finding],
}

/// What was done about a stop: one answer for each module in danger.
#[derive(Clone, Debug)]
pub struct Response {
    /// In the order of the findings.
    pub answers: Vec<PlanAnswer>,
}

/// What was done about one module.
#[derive(Clone, Debug)]
pub struct PlanAnswer {
    /// The module in danger.
    pub module: ModuleId,
    /// What was done.
    pub reply: Reply,
    /// When, since the stop was handed in.
    pub timing: Timing,
}

/// Microseconds since the stop was handed in; zero for stages that were not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// The trial was done.
    pub simulated_micros: u64,
    /// The plan was durable.
    pub recorded_micros: u64,
    /// All endpoints had answered.
    pub sent_micros: u64,
}

/// What was done about one module.
#[derive(Clone, Debug)]
pub enum Reply {
    /// No lever is configured for the module: only people can help.
    NoLever,
    /// A plan for this module is on its way already.
    Joined {
        /// That plan.
        plan: PlanId,
    },
    /// Nothing was sent.
    Refused {
        /// The plan.
        plan: PlanId,
        /// Its lever.
        lever: String,
        /// Why.
        reason: Refusal,
        /// False when the same was said of the same attack before and is on the record already.
        recorded: bool,
    },
    /// Signed, on the record and handed to the endpoints.
    Sent {
        /// The plan.
        plan: PlanId,
        /// Its lever.
        lever: String,
        /// Hash of the transaction.
        transaction: B256,
        /// The guardian's nonce.
        nonce: u64,
        /// The offer.
        price: Price,
        /// What the endpoints did with it.
        deliveries: Vec<Delivery>,
    },
}

/// Draws up plans, sends them and follows them to their end. See the module.
pub struct Responder {
    pub(crate) chain_id: u64,
    pub(crate) levers: Vec<Arc<Lever>>,
    pub(crate) limits: Option<Limits>,
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

/// A sent plan and what is needed to see it through.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub(crate) sent: Sent,
    /// `None` after a restart, until an endpoint tells it.
    pub(crate) attack: Option<Attack>,
    /// What must be overtaken; may become a dearer one than the attack that it began with.
    pub(crate) rival: Option<Arc<Transaction>>,
    /// Empty after a restart.
    pub(crate) findings: Vec<Finding>,
    /// The head of the latest offer; `None` after a restart.
    pub(crate) offered_at: Option<BlockRef>,
    /// The head at which its nonce was first seen used by another.
    pub(crate) taken_at: Option<BlockNumber>,
    /// Heads in a row at which it waited behind a nonce that nobody fills.
    pub(crate) heads_behind_gap: u32,
    /// Whether the operator knows that endpoints disagree about it.
    pub(crate) told_disagreement: bool,
    /// Whether the operator knows that the caps hold it back.
    pub(crate) told_cap: bool,
}

/// A refusal that is on the record.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    plan: PlanId,
    lever: String,
    reason: Refusal,
    window: Window,
    at: BlockNumber,
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
        if let Some(limits) = &setup.limits {
            limits.check_subjects(levers.iter().map(Arc::as_ref))?;
        }
        Ok(Self {
            chain_id: setup.chain_id.0,
            levers,
            limits: setup.limits,
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

    /// Exchanges the limits: people wrote a new file, or took it away.
    ///
    /// # Errors
    /// [`SetupError::Limits`]; the old limits stay.
    pub fn set_limits(&mut self, limits: Option<Limits>) -> Result<(), SetupError> {
        if let Some(new) = &limits {
            new.check_subjects(self.levers.iter().map(Arc::as_ref))?;
        }
        self.limits = limits;
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

    /// Decides about one module: everything up to, and without, the network.
    pub(crate) fn decide(
        &mut self,
        module: &ModuleId,
        attack: &Attack,
        findings: &[Finding],
        engine: &mut Engine,
        judge: &dyn Judge,
        start: u64,
    ) -> Result<PlanAnswer, RespondError> {
        let mut timing = Timing::default();
        let levers: Vec<Arc<Lever>> = self.levers.iter().filter(|lever| lever.module() == module).cloned().collect();
        let cause = findings.iter().filter(|finding| finding.module == *module).max_by_key(|finding| finding.level);
        let (Some(cause), false) = (cause.map(|finding| finding.id), levers.is_empty()) else {
            return Ok(PlanAnswer { module: module.clone(), reply: Reply::NoLever, timing });
        };
        if let Some(index) = self.joinable(&levers) {
            let plan = self.join(index, attack, engine)?;
            return Ok(PlanAnswer { module: module.clone(), reply: Reply::Joined { plan }, timing });
        }
        let simulated = self.choose(&levers, cause, attack, engine, judge);
        timing.simulated_micros = self.book.micros().saturating_sub(start);
        let signed = match simulated {
            Ok(simulated) => self.authorise_and_sign(simulated, attack, findings, engine.head())?,
            Err(refused) => Err(refused),
        };
        let reply = match signed {
            Ok(signed) => {
                let sent = signed.record(&self.book)?;
                timing.recorded_micros = self.book.micros().saturating_sub(start);
                self.adopt(sent, attack, findings, engine.head().block_ref())
            }
            Err(refused) => self.refuse(&refused, cause, attack.window, engine.head().number)?,
        };
        Ok(PlanAnswer { module: module.clone(), reply, timing })
    }

    /// Modules that a finding of sufficient level names, in the order of the findings.
    fn modules_in_danger(&self, findings: &[Finding]) -> Vec<ModuleId> {
        let mut modules = Vec::new();
        for finding in findings {
            let called = || {
                let limits = self.limits.as_ref();
                limits.is_some_and(|limits| self.levers.iter().any(|lever| limits.is_called_by(lever, finding)))
            };
            if (finding.level == Level::Stop || called()) && !modules.contains(&finding.module) {
                modules.push(finding.module.clone());
            }
        }
        modules
    }

    /// The plan on its way that seals the same module, or closes the same contract for another module.
    fn joinable(&self, levers: &[Arc<Lever>]) -> Option<usize> {
        self.active.iter().position(|active| {
            let under_way = active.sent.lever();
            levers.iter().any(|lever| lever.module() == under_way.module() || lever.target() == under_way.target())
        })
    }

    /// Tries each lever alone, in order: the first that stops the attack, else the first that works at all.
    fn choose(
        &self,
        levers: &[Arc<Lever>],
        cause: FindingId,
        attack: &Attack,
        engine: &mut Engine,
        judge: &dyn Judge,
    ) -> Result<Simulated, Box<Refused>> {
        let mut unproven = None;
        let mut useless = None;
        let mut refused = None;
        for lever in levers {
            let draft = Draft::new(self.fresh_id(lever, cause), lever.clone(), attack.transaction.hash);
            let Some(guardian) = self.guardians.get(lever.guardian()) else {
                let guardian = lever.guardian().to_owned();
                refused = refused.or_else(|| Some(draft.refuse(Refusal::NoKey { guardian })));
                continue;
            };
            match draft.simulate(engine, judge, guardian.address(), attack) {
                Ok(simulated) => match simulated.proof() {
                    Proof::Stops => return Ok(simulated),
                    Proof::NothingToStop => unproven = unproven.or(Some(simulated)),
                    Proof::DoesNotStop | Proof::NoHarmPending => useless = useless.or(Some(simulated)),
                },
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        let best = unproven.or(useless).ok_or(refused);
        best.map_err(|refused| refused.expect("each lever was tried or refused, and there is at least one"))
    }

    /// The first id of this cause and lever that is not on the record: attempt after attempt, the same on every node.
    fn fresh_id(&self, lever: &Lever, cause: FindingId) -> PlanId {
        let mut attempt = cause;
        loop {
            let id = PlanId::new(lever.module(), lever.name(), attempt);
            if !self.spent.contains(&id) {
                return id;
            }
            attempt = FindingId(keccak256(attempt.0));
        }
    }

    /// Limits, price, nonce, signature. Inner error: it must not be sent; outer: it could not be decided.
    fn authorise_and_sign(
        &self,
        simulated: Simulated,
        attack: &Attack,
        findings: &[Finding],
        head: &Header,
    ) -> Result<Result<Signed, Box<Refused>>, RespondError> {
        let sent = match &self.limits {
            Some(limits) => {
                let lever = simulated.lever();
                self.book.sent_within(lever.name(), limits.look_back_seconds(lever))?
            }
            None => Vec::new(),
        };
        let lever = Arc::clone(simulated.lever());
        let request = Request {
            lever: &lever,
            findings,
            proof: simulated.proof(),
            now: self.book.now(),
            head_timestamp: head.timestamp,
            sent: &sent,
        };
        let authorised = match simulated.authorise(self.limits.as_ref(), &request) {
            Ok(authorised) => authorised,
            Err(refused) => return Ok(Err(refused)),
        };
        let name = lever.guardian().to_owned();
        let Some(guardian) = self.guardians.get(&name).filter(|guardian| guardian.has_key()) else {
            return Ok(Err(authorised.refuse(Refusal::NoKey { guardian: name })));
        };
        let Some(purse) = self.purses.get(&guardian.address()) else {
            return Ok(Err(authorised.refuse(Refusal::LaneUnknown { guardian: name })));
        };
        let (caps, gas_limit) = (authorised.authority().caps, authorised.gas_limit());
        let funds = self.free_funds(guardian.address(), purse);
        let price = match offer(head.base_fee, Some(&attack.transaction), &caps, gas_limit, funds) {
            Ok(price) => price,
            Err(reason) => return Ok(Err(authorised.refuse(Refusal::Fee(reason)))),
        };
        let nonce = self.next_nonce(guardian.address(), purse);
        Ok(Ok(authorised.sign(guardian, self.chain_id, nonce, price)?))
    }

    /// After everything that the chain, the mempools and our own plans on their way use already.
    fn next_nonce(&self, guardian: Address, purse: &Purse) -> u64 {
        let ours = self.active.iter().filter(|active| active.sent.from() == guardian);
        let after_ours = ours.map(|active| active.sent.nonce().saturating_add(1)).max().unwrap_or(0);
        purse.latest_nonce.max(purse.pending_nonce).max(after_ours)
    }

    /// Balance less what plans on their way may cost at most.
    pub(crate) fn free_funds(&self, guardian: Address, purse: &Purse) -> U256 {
        let ours = self.active.iter().filter(|active| active.sent.from() == guardian);
        let bound = ours.fold(U256::ZERO, |sum, active| sum.saturating_add(most_cost(&active.sent)));
        purse.balance.saturating_sub(bound)
    }

    fn adopt(&mut self, sent: Sent, attack: &Attack, findings: &[Finding], head: BlockRef) -> Reply {
        let reply = Reply::Sent {
            plan: sent.id(),
            lever: sent.lever().name().to_owned(),
            transaction: sent.transaction(),
            nonce: sent.nonce(),
            price: sent.price(),
            deliveries: Vec::new(),
        };
        self.spent.insert(sent.id());
        self.outgoing.push(sent.id());
        self.active.push(Active {
            sent,
            attack: Some(attack.clone()),
            rival: Some(attack.transaction.clone()),
            findings: findings.to_vec(),
            offered_at: Some(head),
            taken_at: None,
            heads_behind_gap: 0,
            told_disagreement: false,
            told_cap: false,
        });
        reply
    }

    /// Writes a refusal down, unless the same was said of the same attack before.
    fn refuse(
        &mut self,
        refused: &Refused,
        cause: FindingId,
        window: Window,
        at: BlockNumber,
    ) -> Result<Reply, RespondError> {
        let reason = refused.reason().clone();
        let key = (refused.lever().module().clone(), cause);
        let said = self.refusals.get_mut(&key);
        if let Some(said) = said.filter(|said| said.window == window && said.reason.same_kind(&reason)) {
            let (plan, lever) = (said.plan, said.lever.clone());
            return Ok(Reply::Refused { plan, lever, reason, recorded: false });
        }
        refused.record(&self.book)?;
        let (plan, lever) = (refused.id(), refused.lever().name().to_owned());
        self.spent.insert(plan);
        self.refusals.insert(key, Said { plan, lever: lever.clone(), reason: reason.clone(), window, at });
        self.note_refusal(&lever, &reason)?;
        Ok(Reply::Refused { plan, lever, reason, recorded: true })
    }

    pub(crate) fn forget_old_refusals(&mut self, head: BlockNumber) {
        self.refusals.retain(|_, said| head.0.saturating_sub(said.at.0) < REFUSALS_KEPT_BLOCKS);
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

/// The most that the latest offer of a plan can cost.
fn most_cost(sent: &Sent) -> U256 {
    U256::from(sent.price().max_fee()).saturating_mul(U256::from(sent.gas_limit()))
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
