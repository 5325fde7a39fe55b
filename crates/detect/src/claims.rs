//! Whose own money left: payments of what the module's books owed the receiver before the transaction began.
//!
//! The entry of the receiver himself must have fallen by exactly what he got, once, with nothing else odd about the
//! transaction. It must never excuse what the books only came to say in the same transaction.

use alloy_primitives::{Address, U256};

use crate::{Exchange, Flow, Seen, entries::Entries, seen::PLAIN_SLOTS};

impl Seen<'_> {
    /// Whether what left by `loss` went to the sender himself, whose entry in the module's books, there from before, fell by
    /// exactly as much.
    pub(crate) fn is_own_claim(&self, loss: &Flow) -> bool {
        let amount = Self::lost_of_holdings(loss);
        if loss.issued || amount.is_zero() || self.exchange(loss) != Exchange::Booked {
            return false;
        }
        // Whoever is not yet there, comes in again or brings money that he gives back is not simply being paid.
        let is_plain = !self.is_newborn_involved()
            && self.reentries().is_empty()
            && self.changes().is_empty()
            && self.round_trip().is_none();
        let sender = self.execution.transaction.from;
        let mut paid = U256::ZERO;
        for moved in self.effects().movements.iter().filter(|moved| moved.asset == loss.asset) {
            match (self.member(moved.from), self.member(moved.to)) {
                (true, false) if moved.to == sender => paid = paid.saturating_add(moved.amount),
                (true, true) | (false, false) => {}
                (true, false) | (false, true) => return false,
            }
        }
        if !is_plain || paid != amount {
            return false;
        }
        let tokens: Vec<Address> = loss.asset.token().into_iter().collect();
        let entries = Entries::of(sender, &tokens);
        let fallen = |write: &&cofferdam_types::StorageWrite| {
            write.slot >= PLAIN_SLOTS && self.member(write.address) && write.old.checked_sub(write.new) == Some(amount)
        };
        self.effects().writes.iter().filter(fallen).any(|write| entries.hold(write.slot))
    }
}
