//! Plans as an earlier process left them on the record.
//!
//! The record is believed as far as it proves itself: bytes that are not a transaction of the plan, signed by its
//! guardian for this chain, must not be sent again.

use std::sync::Arc;

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::B256;
use cofferdam_types::{PlanId, PlanRecord, PlanStep};

use super::{Confirmed, Offer, Sent};
use crate::fees::Price;
use crate::lever::Lever;

/// The record holds bytes that are not the plan's.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("the signed bytes on the record of plan {plan} {what}")]
pub struct RestoreError {
    plan: PlanId,
    what: &'static str,
}

impl Sent {
    /// A plan that was sent before a restart, exactly as the record has it. `None` when it was never sent.
    ///
    /// # Errors
    /// [`RestoreError`] when the recorded bytes are not a transaction of this plan: they must not be sent again.
    pub(crate) fn restore(
        record: &PlanRecord,
        levers: &[Arc<Lever>],
        chain_id: u64,
    ) -> Result<Option<Self>, RestoreError> {
        let wrong = |what| RestoreError { plan: record.id, what };
        let mut against = B256::ZERO;
        let mut restored: Option<Self> = None;
        for (_, step) in &record.steps {
            if let PlanStep::Draft { against: transaction, .. } = step {
                against = *transaction;
            }
            let PlanStep::Sent { transaction, from, nonce, max_fee_per_gas, max_priority_fee_per_gas, raw } = step
            else {
                continue;
            };
            let envelope = TxEnvelope::decode_2718_exact(raw).map_err(|_| wrong("do not decode"))?;
            let is_ours = envelope.chain_id() == Some(chain_id)
                && envelope.to() == Some(record.action.target)
                && *envelope.input() == record.action.calldata
                && envelope.nonce() == *nonce
                && envelope.tx_hash() == transaction
                && envelope.recover_signer().is_ok_and(|signer| signer == *from);
            if !is_ours {
                return Err(wrong("are another transaction"));
            }
            let price = Price::recorded(*max_fee_per_gas, *max_priority_fee_per_gas, envelope.is_legacy());
            let offer = Offer { hash: *transaction, nonce: *nonce, price, raw: raw.clone() };
            match &mut restored {
                Some(sent) if sent.nonce == *nonce && sent.from == *from => {
                    sent.gas_limit = envelope.gas_limit();
                    // A reorg repeats the last offer on the record.
                    if sent.transaction() != offer.hash {
                        sent.offers.push(offer);
                    }
                }
                Some(_) => return Err(wrong("have two nonces")),
                None => {
                    restored = Some(Self {
                        id: record.id,
                        lever: lever_of(record, levers),
                        against,
                        from: *from,
                        nonce: *nonce,
                        gas_limit: envelope.gas_limit(),
                        offers: vec![offer],
                    });
                }
            }
        }
        Ok(restored)
    }
}

impl Confirmed {
    /// A plan whose last step on the record is the confirmation.
    ///
    /// # Errors
    /// [`RestoreError`] as for [`Sent::restore`].
    pub(crate) fn restore(
        record: &PlanRecord,
        levers: &[Arc<Lever>],
        chain_id: u64,
    ) -> Result<Option<Self>, RestoreError> {
        let Some((_, PlanStep::Confirmed { block, .. })) = record.steps.last() else { return Ok(None) };
        Ok(Sent::restore(record, levers, chain_id)?.map(|sent| Self { sent, block: *block }))
    }
}

fn lever_of(record: &PlanRecord, levers: &[Arc<Lever>]) -> Arc<Lever> {
    let same = |lever: &&Arc<Lever>| lever.close() == record.action;
    levers.iter().find(same).cloned().unwrap_or_else(|| Arc::new(Lever::from_record(&record.action)))
}
