//! The decision about one module: trial, limits, price, nonce, signature, record. It waits for nothing.

use std::sync::Arc;

use alloy_primitives::{Address, U256, keccak256};
use cofferdam_evm::Engine;
use cofferdam_types::{BlockNumber, Finding, FindingId, Header, Judge, Level, ModuleId, PlanId, Window};

use crate::answer::{PlanAnswer, Reply, RespondError, Timing};
use crate::channel::Purse;
use crate::fees::{Rival, offer};
use crate::lever::Lever;
use crate::limits::Request;
use crate::plan::{Draft, Refused, Sent, Signed, Simulated};
use crate::refusal::Refusal;
use crate::responder::{Active, Responder, Said};
use crate::trial::{Attack, Proof};

/// Blocks after which a refused stop is forgotten (a day of Ethereum): it would be written down again.
const REFUSALS_KEPT_BLOCKS: u64 = 7_200;

impl Responder {
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
                self.adopt(sent, attack, findings, engine.head())
            }
            Err(refused) => self.refuse(&refused, cause, attack.window, engine.head().number)?,
        };
        Ok(PlanAnswer { module: module.clone(), reply, timing })
    }

    /// Modules that a finding of sufficient level names, in the order of the findings.
    pub(crate) fn modules_in_danger(&self, findings: &[Finding]) -> Vec<ModuleId> {
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
        let rival = Rival::of(&attack.transaction);
        let price = match offer(head.base_fee, Some(&rival), &caps, gas_limit, funds) {
            Ok(price) => price,
            Err(reason) => return Ok(Err(authorised.refuse(Refusal::Fee(reason)))),
        };
        let nonce = self.next_nonce(guardian.address(), purse);
        let authorised = match price.behind(&rival, head.base_fee) {
            Some(behind) => authorised.remark(&behind.to_string()),
            None => authorised,
        };
        Ok(authorised.sign(guardian, self.chain_id, nonce, price))
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

    fn adopt(&mut self, sent: Sent, attack: &Attack, findings: &[Finding], head: &Header) -> Reply {
        let reply = Reply::Sent {
            plan: sent.id(),
            lever: sent.lever().name().to_owned(),
            transaction: sent.transaction(),
            nonce: sent.nonce(),
            price: sent.price(),
            deliveries: Vec::new(),
        };
        let rival = Rival::of(&attack.transaction);
        // The remark stands in the authority on the record.
        let told_behind = sent.price().behind(&rival, head.base_fee).is_some();
        self.spent.insert(sent.id());
        self.outgoing.push(sent.id());
        self.active.push(Active {
            sent,
            attack: Some(attack.clone()),
            rival: Some(rival),
            findings: findings.to_vec(),
            offered_at: Some(head.block_ref()),
            offered_when: Some(self.book.now()),
            taken_at: None,
            heads_behind_gap: 0,
            told_disagreement: false,
            told_cap: false,
            told_behind,
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
}

/// The most that the latest offer of a plan can cost.
fn most_cost(sent: &Sent) -> U256 {
    U256::from(sent.price().max_fee()).saturating_mul(U256::from(sent.gas_limit()))
}
