//! Whether each lever would work if it were needed now, and telling so before the incident.
//!
//! A change is told once, in both directions; nothing is told again at each block.

use cofferdam_evm::{CallRequest, Engine};
use cofferdam_types::{Header, OperatorAlert};

use alloy_primitives::{Address, U256};

use crate::answer::Progress;
use crate::answer::RespondError;
use crate::fees::Caps;
use crate::lever::Lever;
use crate::limits::envelope::is_yes;
use crate::refusal::Refusal;
use crate::responder::Responder;
use crate::trial::{Closable, closable};

/// Actions that a guardian must be able to pay for at the caps.
const ACTIONS: u64 = 3;
const GWEI: u128 = 1_000_000_000;
/// Gas for a contract's answer whether it signed: a Safe of dozens of owners needs a tenth of it.
const ASK_GAS: u64 = 5_000_000;

/// Why a lever is not ready: a word that stays the same while numbers change, and the sentence for a person.
struct Unready {
    kind: &'static str,
    reason: String,
}

impl Responder {
    /// Tries every lever on the head when it is time to.
    pub(crate) fn check_readiness(&mut self, engine: &mut Engine) -> Result<Vec<Progress>, RespondError> {
        let head = engine.head().clone();
        let due = self.readiness_at.is_none_or(|last| head.number.0.abs_diff(last.0) >= self.readiness_blocks);
        if !due {
            return Ok(Vec::new());
        }
        let asked = self.ask_signers(engine);
        let mut told = Vec::new();
        for lever in self.levers.clone() {
            let Some(state) = self.readiness_of(&lever, engine, &head) else { continue };
            told.extend(self.note_readiness(lever.name(), state)?);
        }
        // Whoever could not be asked is asked again at the next head, or when it matters.
        self.readiness_at = asked.then_some(head.number);
        Ok(told)
    }

    /// Asks the contracts among the signers on the head whether they signed: their owners may have changed since. Executed
    /// here, so that no endpoint's word is taken for theirs. False when one could not be asked now: what it said last holds.
    pub(crate) fn ask_signers(&mut self, engine: &mut Engine) -> bool {
        let Some(limits) = &mut self.limits else { return true };
        let mut confirmed = Vec::new();
        let mut all_answered = true;
        for (signer, data) in limits.to_ask() {
            let request = CallRequest { from: Address::ZERO, to: Some(signer), value: U256::ZERO, data, gas: ASK_GAS };
            let says_yes = match engine.fork().call(&request) {
                Ok(answer) => is_yes(&answer.result),
                Err(_) => {
                    all_answered = false;
                    limits.is_confirmed(signer)
                }
            };
            if says_yes {
                confirmed.push(signer);
            }
        }
        limits.set_confirmed(confirmed);
        all_answered
    }

    /// Outer `None`: nothing can be said now, because state was missing or we closed it ourselves.
    fn readiness_of(&self, lever: &Lever, engine: &mut Engine, head: &Header) -> Option<Option<Unready>> {
        let unready = |kind, reason| Some(Some(Unready { kind, reason }));
        let guardian = self.guardians.get(lever.guardian())?;
        let closable = match closable(engine, lever, guardian.address()) {
            Ok(closable) => closable,
            Err(Refusal::AlreadyClosed) => {
                let ours = self.closed.iter().any(|plan| plan.lever().target() == lever.target());
                let on_its_way = self.active.iter().any(|active| active.sent.lever().target() == lever.target());
                if ours || on_its_way {
                    return None;
                }
                return unready("closed", "the target is already closed, and not by a plan on the record".to_owned());
            }
            Err(Refusal::Untried { .. }) => return None,
            Err(reason) => return unready(kind_of(&reason), reason.to_string()),
        };
        let caps = match &self.limits {
            Some(limits) => match limits.caps(lever, self.book.now(), head.timestamp) {
                Ok(caps) => caps,
                Err(reason @ (Refusal::Expired { .. } | Refusal::NotApproved { .. } | Refusal::AnotherCall)) => {
                    return unready(kind_of(&reason), reason.to_string());
                }
                // Switched off or never listed: somebody decided that, it has not decayed.
                Err(_) => usual_caps(head),
            },
            None => usual_caps(head),
        };
        if self.limits.is_some() && !guardian.has_key() {
            return unready("key", Refusal::NoKey { guardian: guardian.name().to_owned() }.to_string());
        }
        match self.missing_funds(guardian.address(), &caps, &closable)? {
            Some(reason) => unready("funds", reason),
            None => Some(None),
        }
    }

    /// Outer `None`: the balance has never been read.
    fn missing_funds(&self, guardian: Address, caps: &Caps, closable: &Closable) -> Option<Option<String>> {
        let balance = self.purses.get(&guardian)?.balance;
        let by_fee = U256::from(caps.max_fee).saturating_mul(U256::from(closable.gas_limit()));
        let one = by_fee.min(U256::from(caps.max_total_wei));
        let needed = one.saturating_mul(U256::from(ACTIONS));
        Some((balance < needed).then(|| {
            format!("guardian {guardian} has {balance} wei, {ACTIONS} actions at the fee cap cost up to {needed} wei")
        }))
    }

    /// A refusal that says something about the lever itself is told like a failed readiness check.
    pub(crate) fn note_refusal(&mut self, lever: &str, reason: &Refusal) -> Result<(), RespondError> {
        let kind = kind_of(reason);
        if kind.is_empty() {
            return Ok(());
        }
        self.note_readiness(lever, Some(Unready { kind, reason: reason.to_string() })).map(drop)
    }

    /// Tells a change, once.
    fn note_readiness(&mut self, lever: &str, state: Option<Unready>) -> Result<Option<Progress>, RespondError> {
        let known = self.readiness.get(lever).copied();
        let lever = lever.to_owned();
        match state {
            Some(Unready { kind, reason }) if known != Some(kind) => {
                self.book.alert(OperatorAlert::LeverNotReady { lever: lever.clone(), reason: reason.clone() })?;
                self.readiness.insert(lever.clone(), kind);
                Ok(Some(Progress::NotReady { lever, reason }))
            }
            None if known.is_some() => {
                self.book.alert(OperatorAlert::LeverReady { lever: lever.clone() })?;
                self.readiness.remove(&lever);
                Ok(Some(Progress::Ready { lever }))
            }
            Some(_) | None => Ok(None),
        }
    }
}

/// The kind of decay that a refusal shows; empty where it says nothing about the lever.
const fn kind_of(reason: &Refusal) -> &'static str {
    match reason {
        Refusal::CloseFails { .. } => "call",
        Refusal::NoEffect { .. } => "effect",
        Refusal::NoKey { .. } | Refusal::CannotSign(_) => "key",
        Refusal::Fee(crate::fees::FeeRefusal::NoFunds { .. }) => "funds",
        Refusal::Expired { .. } | Refusal::NotYet { .. } => "expired",
        Refusal::NotApproved { .. } => "signatures",
        Refusal::AnotherCall => "limits",
        Refusal::LaneUnknown { .. } => "endpoints",
        Refusal::Fee(crate::fees::FeeRefusal::AboveCap { .. })
        | Refusal::Shadow
        | Refusal::SwitchedOff
        | Refusal::Revoked { .. }
        | Refusal::NotListed
        | Refusal::TooWeak { .. }
        | Refusal::Immature { .. }
        | Refusal::NoBrokenInvariant
        | Refusal::TooLittleLost
        | Refusal::TooMany { .. }
        | Refusal::CoolingDown { .. }
        | Refusal::AlreadyClosed
        | Refusal::DoesNotStop
        | Refusal::Unproven
        | Refusal::NoHarmPending
        | Refusal::Untried { .. } => "",
    }
}

/// What an action costs where no limits say it: twice the base fee and a tip of one gwei.
fn usual_caps(head: &Header) -> Caps {
    let base_fee = u128::from(head.base_fee.unwrap_or_default());
    Caps { max_fee: base_fee.saturating_mul(2).saturating_add(GWEI), max_total_wei: u128::MAX, floor: GWEI, bump: GWEI }
}
