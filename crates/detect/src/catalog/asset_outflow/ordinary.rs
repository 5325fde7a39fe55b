//! Large payments that are this module's ordinary business, by its own weeks: told to nobody at once, and never by what
//! anything is called. Without a history nothing is ordinary.

use alloy_primitives::{Address, U256};
use cofferdam_types::StorageWrite;

use crate::{
    Flow, Habit, History, Seen,
    amounts::{reaches, share_bps},
    entries::Entries,
    flows::Table,
    seen::PLAIN_SLOTS,
};

/// From so many receivers on a payment is a distribution.
const MANY: usize = 20;

/// So many others were paid as much before.
const SEVERAL: usize = 8;

/// Whether `flow` left by somebody who has paid others out of the module for more than a week, and went only to accounts
/// that give back what they get, or in small parts to many, or is less than what would be told over the window.
pub(super) fn is_ordinary(seen: &Seen<'_>, history: &History, flow: &Flow) -> bool {
    let sender = seen.execution.transaction.from;
    if !history.is_settled(seen.index, Habit::Payer(sender), seen.now()) {
        return false;
    }
    let receivers = receivers(seen, flow);
    let (lost, held) = (Seen::lost_of_holdings(flow), flow.held.unwrap_or_default());
    let to_himself = receivers.iter().any(|(account, _)| seen.is_actor(*account));
    if receivers.is_empty() || to_himself {
        return false;
    }
    let usual = receivers.iter().all(|(account, amount)| {
        let bps = share_bps(*amount, held).unwrap_or(u64::MAX);
        history.gives_back(seen.index, *account, bps, seen.now())
            || is_owed_back(seen, flow) && history.is_used_to(seen.index, *account, seen.now())
    });
    // Nobody got more than a tenth of it.
    let largest = receivers.iter().map(|(_, amount)| *amount).max().unwrap_or_default();
    let distributed = receivers.len() >= MANY && largest.saturating_mul(U256::from(10)) <= lost;
    let small = !reaches(lost, held, seen.settings.outflow.window_one_sided_alert_bps);
    usual || distributed || small
}

/// Whether the sender asked for it himself and got no more than twice what several others got before, each by asking: how
/// parts of one sum are claimed, where the last ones are large parts of what is left.
pub(super) fn is_as_others(seen: &Seen<'_>, history: &History, flow: &Flow) -> bool {
    let transaction = &seen.execution.transaction;
    let receivers = receivers(seen, flow);
    let [(receiver, amount)] = receivers.as_slice() else { return false };
    let by_hand = transaction.to.is_some_and(|to| seen.member(to));
    // Whoever was paid is written down, and nowhere but there.
    let mut written = seen.effects().writes.iter().filter(|write| {
        write.slot >= PLAIN_SLOTS && seen.member(write.address) && Some(write.address) != flow.asset.token()
    });
    let own = Entries::of(transaction.from, &[]);
    *receiver == transaction.from
        && by_hand
        && written.next().is_some_and(|write| own.hold(write.slot) && write.old.is_zero())
        && written.next().is_none()
        && history.likewise_paid((seen.index, flow.asset), *receiver, *amount, seen.now(), SEVERAL) >= SEVERAL
}

/// Whether a total of the module's books rose by exactly what left: what is invested or lent out is owed to it.
fn is_owed_back(seen: &Seen<'_>, flow: &Flow) -> bool {
    let rose = |write: &StorageWrite| write.new.checked_sub(write.old) == Some(flow.net.loss());
    let total = |write: &&StorageWrite| write.slot < PLAIN_SLOTS && seen.member(write.address);
    seen.effects().writes.iter().filter(total).any(rose)
}

/// Who outside got how much of the asset.
fn receivers(seen: &Seen<'_>, flow: &Flow) -> Vec<(Address, U256)> {
    let mut receivers: Table<Address, U256> = Table::default();
    for moved in seen.effects().movements.iter().filter(|moved| moved.asset == flow.asset) {
        if !seen.member(moved.from) || seen.member(moved.to) {
            continue;
        }
        let amount = receivers.at(moved.to);
        *amount = amount.saturating_add(moved.amount);
    }
    receivers.rows
}
