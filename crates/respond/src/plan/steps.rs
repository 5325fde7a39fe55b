//! The steps of a plan as the record has them. What is written here is what a restart goes on from.

use alloy_primitives::Address;
use cofferdam_types::PlanStep;

use super::{Draft, Offer};
use crate::trial::{Proof, Trial};

impl Draft {
    pub(super) fn step(&self) -> PlanStep {
        PlanStep::Draft { action: self.lever.close(), against: self.against }
    }
}

impl Trial {
    pub(super) fn step(&self) -> PlanStep {
        PlanStep::Simulated {
            head: self.closable.head(),
            stops_attack: self.proof == Proof::Stops,
            gas_used: self.closable.gas_used(),
            note: self.note.clone(),
        }
    }
}

impl Offer {
    pub(super) fn step(&self, from: Address) -> PlanStep {
        PlanStep::Sent {
            transaction: self.hash,
            from,
            nonce: self.nonce,
            max_fee_per_gas: self.price.max_fee(),
            max_priority_fee_per_gas: self.price.priority(),
            raw: self.raw.clone(),
        }
    }
}
