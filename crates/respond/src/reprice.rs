//! Keeps a sent plan competitive: the same nonce, a dearer offer, never above the caps.

use alloy_primitives::Address;
use cofferdam_evm::Engine;
use cofferdam_types::{OperatorAlert, PlanId, Window};

use crate::answer::RespondError;
use crate::fees::{Rival, offer, raise};
use crate::guardian::Guardian;
use crate::plan::RaiseError;
use crate::refusal::Refusal;
use crate::responder::{Active, Responder};
use crate::trial::{Attack, closable};

/// What became of an attempt to make a dearer offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repriced {
    /// A new offer is on the record.
    Raised,
    /// The caps or the purse do not allow more; the last offer stands and is handed out again.
    AtCap,
    /// No dearer offer is wanted or possible; the last one is handed out again.
    Kept,
    /// The limits allow nothing any more, or the call would fail now: what is out is followed, nothing more goes out.
    Silenced,
}

impl Responder {
    /// A second stop for something that is being closed already: the plan stays the one, with its nonce, and is raised
    /// at once where the new attack offers more than it does.
    pub(crate) fn join(&mut self, index: usize, attack: &Attack, engine: &mut Engine) -> Result<PlanId, RespondError> {
        let mut active = self.active.remove(index);
        let joined = self.outbid(&mut active, attack, engine);
        let plan = active.sent.id();
        self.active.insert(index, active);
        if joined? == Repriced::Raised {
            self.outgoing.push(plan);
        }
        Ok(plan)
    }

    fn outbid(&mut self, active: &mut Active, attack: &Attack, engine: &mut Engine) -> Result<Repriced, RespondError> {
        if attack.window == Window::Mined {
            return Ok(Repriced::Kept);
        }
        let new = Rival::of(&attack.transaction);
        let rival = active.rival.map_or(new, |known| known.and(new));
        let dearer = active.rival != Some(rival);
        active.rival = Some(rival);
        if dearer && active.sent.price().behind(&rival, engine.head().base_fee).is_some() {
            return self.reprice(active, engine);
        }
        Ok(Repriced::Kept)
    }

    /// Makes a dearer offer for a plan that is not among `self.active` at the moment.
    pub(crate) fn reprice(&mut self, active: &mut Active, engine: &mut Engine) -> Result<Repriced, RespondError> {
        let head = engine.head().clone();
        let lever = active.sent.lever().clone();
        let allowed = self.limits.as_ref().ok_or(Refusal::Shadow);
        let Ok(caps) = allowed.and_then(|limits| limits.caps(&lever, self.book.now(), head.timestamp)) else {
            return Ok(Repriced::Silenced);
        };
        let from = active.sent.from();
        let tried = match closable(engine, &lever, from) {
            Ok(tried) => tried,
            // Closed by somebody else meanwhile: not worth more, but its nonce must not become a gap.
            Err(Refusal::AlreadyClosed) => return Ok(Repriced::Kept),
            Err(reason) => {
                self.note_refusal(lever.name(), &reason)?;
                return Ok(Repriced::Silenced);
            }
        };
        let (Some(guardian), Some(purse)) = (self.guardian_at(from), self.purses.get(&from)) else {
            return Ok(Repriced::Kept);
        };
        let gas_limit = active.sent.gas_limit_after(&tried);
        let funds = self.free_funds(from, purse);
        let Ok(wanted) = offer(head.base_fee, active.rival.as_ref(), &caps, gas_limit, funds) else {
            return self.wait_at_cap(active, head.base_fee);
        };
        let Some(price) = raise(&active.sent.price(), &wanted, &caps, gas_limit, funds) else {
            return self.wait_at_cap(active, head.base_fee);
        };
        match active.sent.raise(guardian, self.chain_id, price, &tried, &self.book) {
            Ok(()) => {
                active.offered_at = Some(head.block_ref());
                active.offered_when = Some(self.book.now());
                self.tell_behind(active, head.base_fee)?;
                Ok(Repriced::Raised)
            }
            Err(RaiseError::Sign(error)) => {
                self.note_refusal(lever.name(), &error.into())?;
                Ok(Repriced::Kept)
            }
            Err(RaiseError::Journal(error)) => Err(error.into()),
        }
    }

    /// Tells the operator once that an offer is out which the attack may be mined before.
    fn tell_behind(&self, active: &mut Active, base_fee: Option<u64>) -> Result<(), RespondError> {
        let behind = active.rival.and_then(|rival| active.sent.price().behind(&rival, base_fee));
        if let Some(behind) = behind.filter(|_| !active.told_behind) {
            active.told_behind = true;
            self.alert_lever(active.sent.lever().name(), format!("plan {}: {behind}", active.sent.id()))?;
        }
        Ok(())
    }

    /// Tells the operator once that the caps hold a plan back.
    fn wait_at_cap(&self, active: &mut Active, base_fee: Option<u64>) -> Result<Repriced, RespondError> {
        self.tell_behind(active, base_fee)?;
        if !active.told_cap {
            let (lever, price) = (active.sent.lever().name(), active.sent.price());
            let reason = format!(
                "plan {} is not mined yet at {} wei per gas, and the limits allow no dearer offer",
                active.sent.id(),
                price.max_fee(),
            );
            self.alert_lever(lever, reason)?;
            active.told_cap = true;
        }
        Ok(Repriced::AtCap)
    }

    fn guardian_at(&self, address: Address) -> Option<&Guardian> {
        self.guardians.values().find(|guardian| guardian.address() == address && guardian.has_key())
    }

    /// Tells the operator that a plan did not reach its goal.
    pub(crate) fn alert_lever(&self, lever: &str, reason: String) -> Result<(), RespondError> {
        self.book.alert(OperatorAlert::LeverNotReady { lever: lever.to_owned(), reason })?;
        Ok(())
    }
}
