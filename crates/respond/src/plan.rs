//! A plan, one type a step: draft ▶ simulated ▶ authorised ▶ signed ▶ sent ▶ confirmed.
//!
//! Each step consumes the one before it, and fields are private: only a [`Sent`] hands out bytes for the endpoints, a
//! [`Sent`] comes only from a signed plan that is durable in the record, a signed plan only from an authorised one, and
//! that only from a trial on the head. Draft to sent is written in one batch, so the record never shows a plan that was
//! authorised and then forgotten.

mod restore;
mod steps;

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use cofferdam_evm::Engine;
use cofferdam_types::{BlockRef, JournalError, Judge, PlanId, PlanStep};

use crate::book::Book;
use crate::fees::Price;
use crate::guardian::{Guardian, SignError, Unsigned};
use crate::lever::Lever;
use crate::limits::{Authority, Limits, Request};
use crate::refusal::Refusal;
use crate::trial::{Attack, Closable, Proof, Trial, rehearse};

pub use restore::RestoreError;

/// A containment was thought of.
#[derive(Clone, Debug)]
pub struct Draft {
    id: PlanId,
    lever: Arc<Lever>,
    against: B256,
}

/// It was tried on a fork of the head, together with the attack.
#[derive(Clone, Debug)]
pub struct Simulated {
    draft: Draft,
    trial: Trial,
}

/// The limits allow it.
#[derive(Clone, Debug)]
pub struct Authorised {
    simulated: Simulated,
    authority: Authority,
}

/// Signed, and not on the record yet: it cannot be sent.
#[derive(Clone, Debug)]
pub struct Signed {
    authorised: Authorised,
    offer: Offer,
    from: Address,
    gas_limit: u64,
}

/// On the record, with the bytes that may be handed to the endpoints.
#[derive(Clone, Debug)]
pub struct Sent {
    id: PlanId,
    lever: Arc<Lever>,
    against: B256,
    from: Address,
    nonce: u64,
    gas_limit: u64,
    /// Never empty, oldest first, all with the same nonce.
    offers: Vec<Offer>,
}

/// Mined, and read back: the target says that it is closed.
#[derive(Clone, Debug)]
pub struct Confirmed {
    sent: Sent,
    block: BlockRef,
}

/// It ended without anything having been sent.
#[derive(Clone, Debug)]
pub struct Refused {
    draft: Draft,
    trial: Option<Trial>,
    reason: Refusal,
}

/// It was sent and cannot reach its goal any more.
#[derive(Clone, Debug)]
pub struct Failed {
    id: PlanId,
}

/// Its effect was taken back on chain.
#[derive(Clone, Debug)]
pub struct Undone {
    id: PlanId,
}

/// One signed transaction of a plan.
#[derive(Clone, Debug)]
struct Offer {
    hash: B256,
    nonce: u64,
    price: Price,
    raw: Bytes,
}

/// The record could not be written, so the plan stays what it was.
#[derive(Debug)]
pub struct NotRecorded<P> {
    /// The plan as it was.
    pub plan: P,
    /// Why.
    pub error: JournalError,
}

impl Draft {
    pub(crate) const fn new(id: PlanId, lever: Arc<Lever>, against: B256) -> Self {
        Self { id, lever, against }
    }

    /// Tries it on a fork of the engine's head, called by `guardian`, together with the attack.
    pub(crate) fn simulate(
        self,
        engine: &mut Engine,
        judge: &dyn Judge,
        guardian: Address,
        attack: &Attack,
    ) -> Result<Simulated, Box<Refused>> {
        match rehearse(engine, judge, &self.lever, guardian, attack) {
            Ok(trial) => Ok(Simulated { draft: self, trial }),
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    pub(crate) fn refuse(self, reason: Refusal) -> Box<Refused> {
        Box::new(Refused { draft: self, trial: None, reason })
    }
}

impl Simulated {
    pub(crate) const fn proof(&self) -> Proof {
        self.trial.proof
    }

    pub(crate) const fn lever(&self) -> &Arc<Lever> {
        &self.draft.lever
    }

    /// Asks the limits. No limits is shadow mode.
    pub(crate) fn authorise(self, limits: Option<&Limits>, request: &Request<'_>) -> Result<Authorised, Box<Refused>> {
        let asked = limits.ok_or(Refusal::Shadow).and_then(|limits| limits.allow(request));
        match asked {
            Ok(authority) => Ok(Authorised { simulated: self, authority }),
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    pub(crate) fn refuse(self, reason: Refusal) -> Box<Refused> {
        Box::new(Refused { draft: self.draft, trial: Some(self.trial), reason })
    }
}

impl Authorised {
    pub(crate) const fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) const fn gas_limit(&self) -> u64 {
        self.simulated.trial.closable.gas_limit()
    }

    pub(crate) fn refuse(self, reason: Refusal) -> Box<Refused> {
        self.simulated.refuse(reason)
    }

    /// The same, with something that people must read beside the authority.
    pub(crate) fn remark(mut self, remark: &str) -> Self {
        self.authority.reason.push_str("; ");
        self.authority.reason.push_str(remark);
        self
    }

    /// Signs it with the lever's guardian. A key that fails must not keep the guard from what comes after.
    pub(crate) fn sign(
        self,
        guardian: &Guardian,
        chain_id: u64,
        nonce: u64,
        price: Price,
    ) -> Result<Signed, Box<Refused>> {
        let gas_limit = self.gas_limit();
        match sign_offer(&self.simulated.draft.lever, guardian, chain_id, nonce, gas_limit, price) {
            Ok(offer) => Ok(Signed { authorised: self, offer, from: guardian.address(), gas_limit }),
            Err(error) => Err(self.refuse(error.into())),
        }
    }
}

impl Signed {
    /// Writes draft, trial, authority and the signed bytes in one batch. Only what this returns can be sent.
    pub(crate) fn record(self, book: &Book) -> Result<Sent, JournalError> {
        let Self { authorised, offer, from, gas_limit } = self;
        let Authorised { simulated, authority } = authorised;
        let Simulated { draft, trial } = simulated;
        let steps = [
            draft.step(),
            trial.step(),
            PlanStep::Authorised { by: authority.by, reason: authority.reason },
            offer.step(from),
        ];
        book.write(draft.id, &steps)?;
        let Draft { id, lever, against } = draft;
        Ok(Sent { id, lever, against, from, nonce: offer.nonce, gas_limit, offers: vec![offer] })
    }
}

impl Refused {
    pub(crate) const fn reason(&self) -> &Refusal {
        &self.reason
    }

    pub(crate) const fn id(&self) -> PlanId {
        self.draft.id
    }

    pub(crate) fn lever(&self) -> &Lever {
        &self.draft.lever
    }

    /// Writes the whole short life of the plan in one batch.
    pub(crate) fn record(&self, book: &Book) -> Result<(), JournalError> {
        let mut steps = vec![self.draft.step()];
        steps.extend(self.trial.as_ref().map(Trial::step));
        steps.push(PlanStep::Refused { reason: self.reason.to_string() });
        book.write(self.draft.id, &steps)
    }
}

impl Sent {
    /// The plan.
    pub const fn id(&self) -> PlanId {
        self.id
    }

    /// What it pulls.
    pub fn lever(&self) -> &Arc<Lever> {
        &self.lever
    }

    /// The transaction that it must stop.
    pub const fn against(&self) -> B256 {
        self.against
    }

    /// The guardian's account.
    pub const fn from(&self) -> Address {
        self.from
    }

    /// The nonce of all its transactions.
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Gas limit of the latest offer.
    pub const fn gas_limit(&self) -> u64 {
        self.gas_limit
    }

    /// Gas limit of the next offer: never less than before, and more when the call has become dearer.
    pub(crate) fn gas_limit_after(&self, tried: &Closable) -> u64 {
        self.gas_limit.max(tried.gas_limit())
    }

    /// The bytes to hand to the endpoints: the latest, dearest offer.
    pub fn raw(&self) -> &Bytes {
        &self.last().raw
    }

    /// Hash of the latest offer.
    pub fn transaction(&self) -> B256 {
        self.last().hash
    }

    /// The latest price.
    pub fn price(&self) -> Price {
        self.last().price
    }

    /// Hashes of all offers, newest first: any of them may be the one that is mined.
    pub fn transactions(&self) -> impl Iterator<Item = B256> + '_ {
        self.offers.iter().rev().map(|offer| offer.hash)
    }

    fn last(&self) -> &Offer {
        self.offers.last().expect("a sent plan has at least the offer it was made with")
    }

    /// Signs a dearer offer with the same nonce and writes it; only then does [`Self::raw`] hand it out. The trial on
    /// the current head is shown, not promised.
    pub(crate) fn raise(
        &mut self,
        guardian: &Guardian,
        chain_id: u64,
        price: Price,
        tried: &Closable,
        book: &Book,
    ) -> Result<(), RaiseError> {
        let gas_limit = self.gas_limit_after(tried);
        let offer = sign_offer(&self.lever, guardian, chain_id, self.nonce, gas_limit, price)?;
        book.write(self.id, &[offer.step(self.from)])?;
        self.gas_limit = gas_limit;
        self.offers.push(offer);
        Ok(())
    }

    /// Read back: it is closed.
    pub(crate) fn confirm(
        self,
        book: &Book,
        transaction: B256,
        block: BlockRef,
        read_back: String,
    ) -> Result<Confirmed, Box<NotRecorded<Self>>> {
        match book.write(self.id, &[PlanStep::Confirmed { transaction, block, read_back }]) {
            Ok(()) => Ok(Confirmed { sent: self, block }),
            Err(error) => Err(Box::new(NotRecorded { plan: self, error })),
        }
    }

    /// It cannot reach its goal any more.
    pub(crate) fn fail(self, book: &Book, reason: String) -> Result<Failed, Box<NotRecorded<Self>>> {
        match book.write(self.id, &[PlanStep::Failed { reason }]) {
            Ok(()) => Ok(Failed { id: self.id }),
            Err(error) => Err(Box::new(NotRecorded { plan: self, error })),
        }
    }
}

impl Confirmed {
    /// The plan.
    pub const fn id(&self) -> PlanId {
        self.sent.id
    }

    /// What it pulled.
    pub fn lever(&self) -> &Arc<Lever> {
        &self.sent.lever
    }

    /// Where it was mined.
    pub const fn block(&self) -> BlockRef {
        self.block
    }

    /// Hashes of all its offers, newest first.
    pub(crate) fn transactions(&self) -> impl Iterator<Item = B256> + '_ {
        self.sent.transactions()
    }

    /// The same plan, sent again: the block that carried it is no longer canonical.
    pub(crate) fn reopen(self, book: &Book) -> Result<Sent, Box<NotRecorded<Self>>> {
        match book.write(self.sent.id, &[self.sent.last().step(self.sent.from)]) {
            Ok(()) => Ok(self.sent),
            Err(error) => Err(Box::new(NotRecorded { plan: self, error })),
        }
    }

    /// Its effect was taken back on chain.
    pub(crate) fn undone(self, book: &Book, reason: String) -> Result<Undone, Box<NotRecorded<Self>>> {
        match book.write(self.sent.id, &[PlanStep::Undone { reason }]) {
            Ok(()) => Ok(Undone { id: self.sent.id }),
            Err(error) => Err(Box::new(NotRecorded { plan: self, error })),
        }
    }
}

impl Failed {
    pub(crate) const fn id(&self) -> PlanId {
        self.id
    }
}

impl Undone {
    pub(crate) const fn id(&self) -> PlanId {
        self.id
    }
}

/// A dearer offer was not made; the last one stands.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RaiseError {
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn sign_offer(
    lever: &Lever,
    guardian: &Guardian,
    chain_id: u64,
    nonce: u64,
    gas_limit: u64,
    price: Price,
) -> Result<Offer, SignError> {
    let (to, input) = (lever.target(), lever.close_call().clone());
    let (hash, raw) = guardian.sign(Unsigned { chain_id, nonce, gas_limit, price, to, input })?;
    Ok(Offer { hash, nonce, price, raw })
}
