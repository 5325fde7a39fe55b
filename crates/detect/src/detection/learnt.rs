//! What one execution teaches about one module: sums, habits, who got something for nothing.
//!
//! It must never teach a habit by something that was flagged: an attack could be rehearsed otherwise.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, b256};
use cofferdam_types::{Asset, CallKind, Execution, Movement, Signed};

use crate::{
    Exchange, Flow, Habit, History, Receipt, Receiver, Seen,
    amounts::share_bps,
    catalog::{allowance, authority_change, re_entry::Reentry},
    history::{Payment, Payments},
    seen::PLAIN_SLOTS,
};

use super::Judged;

/// `CallScheduled(bytes32,uint256,address,uint256,bytes,bytes32,uint256)`: OpenZeppelin's timelock.
const SCHEDULED: B256 = b256!("4cf4410cc57040e44862ef0f45f3dd5a5e02db8eb8add648d4b0e236f1d07dca");
/// `QueueTransaction(bytes32,address,uint256,string,bytes,uint256)`: Compound's.
const QUEUED: B256 = b256!("76e2796dc3a81d57b0e8504b647febcbeeb5f4af818e164f11eef8131a6a763f");

/// Receivers that are noted for one transaction and module.
const MOST_RECEIVERS: usize = 64;

/// What one execution teaches about one module.
pub(super) struct Learnt {
    flows: Vec<(Asset, Signed, U256)>,
    habits: Vec<Habit>,
    authority_changed: bool,
    receipts: Vec<(Receiver, Receipt)>,
    /// What the sender, never seen before, got for nothing.
    newcomers: Vec<Receipt>,
    /// Whom the module paid for nothing, and who of these gave something, in basis points of holdings.
    dealings: Vec<(Address, u64, u64)>,
    /// What left for nothing or off somebody's entry: by the sender's word to others, or to himself.
    payments: Vec<(Payments, Payment)>,
}

impl Learnt {
    pub(super) fn of(seen: &Seen<'_>, history: &History) -> Self {
        let mut flows = Vec::new();
        for flow in &seen.flows {
            let lost = Seen::lost_of_holdings(flow);
            // Claims on the module are not its holdings: the window sums what is held.
            let minted = Signed::between(flow.burned, flow.minted);
            let net = flow.net.saturating_add(minted);
            if net == Signed::default() {
                continue;
            }
            // Where no balance is known no share is either; forged tokens by the thousand end here.
            let exchange = (flow.held.is_some() && !lost.is_zero()).then(|| seen.exchange(flow));
            // Whoever takes what is his, by his shares or by the books, is no part of a drain.
            if exchange == Some(Exchange::Redeemed) || exchange.is_some() && seen.is_own_claim(flow) {
                continue;
            }
            let one_sided = exchange.is_some_and(Exchange::is_one_sided);
            flows.push((flow.asset, net, if one_sided { lost } else { U256::ZERO }));
        }
        let got = received(seen);
        let newcomers = if is_newcomer(seen, history) { own(seen, &got) } else { Vec::new() };
        let shape = shape(seen, history);
        let dealings = dealings(seen, history, &got);
        let pays = got.iter().any(|(account, _)| !seen.is_actor(*account));
        let mut habits = habits(seen);
        if pays {
            habits.push(Habit::Payer(seen.execution.transaction.from));
        }
        let mut receipts: Vec<(Receiver, Receipt)> = Vec::new();
        for (account, receipt) in got {
            receipts.push((Receiver::Account(account), receipt));
            receipts.extend(shape.map(|shape| (shape, receipt)));
        }
        let authority_changed = seen.changes().iter().any(|change| change.kind.gives_power());
        let payments = payments(seen);
        Self { flows, habits, authority_changed, receipts, newcomers, dealings, payments }
    }

    /// Takes it into the history. What was `flagged` is counted and never becomes a habit.
    pub(super) fn keep(self, module: u32, judged: &Judged, history: &mut History) {
        for (asset, net, one_sided) in self.flows {
            history.add_flow(module, asset, net, one_sided);
        }
        for habit in self.habits.into_iter().filter(|_| !judged.flagged) {
            history.add_habit(module, habit);
        }
        let noted = |receipt: Receipt| Receipt { counted: judged.counted, claims: judged.claims, ..receipt };
        for (receiver, receipt) in self.receipts {
            history.add_receipt(receiver, noted(receipt));
        }
        for receipt in self.newcomers {
            history.add_newcomer(noted(receipt));
        }
        for (account, paid, back) in self.dealings.into_iter().filter(|_| !judged.flagged) {
            history.add_dealing(module, account, paid, back);
        }
        for (key, payment) in self.payments {
            // What somebody pays others is counted whatever was said of it; what is usual never comes of what was flagged.
            if matches!(key, Payments::By(..)) || !judged.flagged {
                history.add_payment(key, payment);
            }
        }
        if self.authority_changed {
            history.add_authority_change(module);
        }
    }
}

/// Whether the sender was never seen at the module, and no entry of its books that already held something was changed:
/// nothing was known of him before.
pub(crate) fn is_newcomer(seen: &Seen<'_>, history: &History) -> bool {
    let is_token = |address: Address| seen.flows.iter().any(|flow| flow.asset.token() == Some(address));
    let known = seen.effects().writes.iter().any(|write| {
        write.slot >= PLAIN_SLOTS && !write.old.is_zero() && seen.member(write.address) && !is_token(write.address)
    });
    !known && !history.has_seen(seen.index, Habit::Sender(seen.execution.transaction.from))
}

/// The receipts of accounts that act for the sender, as one for each asset: the largest share first.
pub(crate) fn own(seen: &Seen<'_>, received: &[(Address, Receipt)]) -> Vec<Receipt> {
    let mut own: Vec<Receipt> =
        received.iter().filter(|(account, _)| seen.is_actor(*account)).map(|(_, receipt)| *receipt).collect();
    own.sort_by_key(|receipt| std::cmp::Reverse(receipt.bps));
    // One newcomer is one note, however many assets he got.
    own.truncate(1);
    own
}

/// The shape of the contract by which the sender acts, if he made it himself lately: many accounts with contracts of one
/// shape are one.
pub(crate) fn shape(seen: &Seen<'_>, history: &History) -> Option<Receiver> {
    let transaction = &seen.execution.transaction;
    let entry = transaction.to.filter(|to| !seen.protected(*to))?;
    let code = history.shape_of(entry, seen.now())?;
    let selector = seen.effects().calls.first().and_then(|call| call.selector);
    Some(Receiver::Shape(code, selector))
}

/// Remembers what contracts the sender made with his own hand, called for or not: their code is how he is known again.
pub(super) fn shapes(execution: &Execution, history: &mut History) {
    let sender = execution.transaction.from;
    for change in execution.effects.code_changes.iter().filter(|change| change.creator == Some(sender)) {
        if change.new != KECCAK256_EMPTY {
            history.add_shape(change.address, change.new, change.shape, sender);
        }
    }
}

/// Whom the module paid for nothing, and what those whom it paid before gave: in basis points of holdings.
fn dealings(seen: &Seen<'_>, history: &History, got: &[(Address, Receipt)]) -> Vec<(Address, u64, u64)> {
    let mut dealings: Vec<(Address, u64, u64)> =
        got.iter().map(|(account, receipt)| (*account, receipt.bps, 0)).collect();
    for moved in seen.effects().movements.iter().filter(|moved| seen.member(moved.to) && !seen.protected(moved.from)) {
        if dealings.len() >= MOST_RECEIVERS || !history.was_paid(seen.index, moved.from, seen.now()) {
            continue;
        }
        let held = seen.flows.iter().find(|flow| flow.asset == moved.asset).and_then(|flow| flow.held);
        let bps = held.and_then(|held| share_bps(moved.amount, held)).unwrap_or_default();
        if bps > 0 {
            dealings.push((moved.from, 0, bps));
        }
    }
    dealings
}

/// Who got something of the module for nothing, at least a basis point of what it held.
pub(crate) fn received(seen: &Seen<'_>) -> Vec<(Address, Receipt)> {
    let mut receipts: Vec<(Address, Receipt)> = Vec::new();
    let unpaid = |flow: &&Flow| {
        let lost = Seen::lost_of_holdings(flow);
        !lost.is_zero()
            && flow.held.and_then(|held| share_bps(lost, held)).is_some_and(|bps| bps > 0)
            && seen.deals_in(flow.asset)
            && seen.exchange(flow).is_one_sided()
            && !seen.is_own_sale(flow)
    };
    for flow in seen.losses().filter(unpaid) {
        for moved in seen.effects().movements.iter().filter(|moved| moved.asset == flow.asset) {
            if !seen.member(moved.from) || seen.protected(moved.to) || moved.to.is_zero() {
                continue;
            }
            let known = receipts.iter_mut().find(|(account, known)| *account == moved.to && known.asset == moved.asset);
            if let Some((_, known)) = known {
                known.amount = known.amount.saturating_add(moved.amount);
            } else if receipts.len() < MOST_RECEIVERS {
                let receipt = Receipt {
                    module: seen.index,
                    asset: moved.asset,
                    from: moved.from,
                    amount: moved.amount,
                    bps: 0,
                    counted: false,
                    claims: false,
                };
                receipts.push((moved.to, receipt));
            }
        }
        for (_, receipt) in receipts.iter_mut().filter(|(_, receipt)| receipt.asset == flow.asset) {
            receipt.bps = flow.held.and_then(|held| share_bps(receipt.amount, held)).unwrap_or_default();
        }
    }
    receipts.retain(|(_, receipt)| receipt.bps > 0);
    receipts
}

/// What the sender paid others, in all, and what he was paid himself, by calling the module with his own hand.
fn payments(seen: &Seen<'_>) -> Vec<(Payments, Payment)> {
    let sender = seen.execution.transaction.from;
    let by_hand = seen.execution.transaction.to.is_some_and(|to| seen.member(to));
    let mut payments = Vec::new();
    for flow in seen.losses() {
        let lost = Seen::lost_of_holdings(flow);
        let (Some(bps), true) = (flow.held.and_then(|held| share_bps(lost, held)), seen.deals_in(flow.asset)) else {
            continue;
        };
        if payments.len() >= MOST_RECEIVERS || bps == 0 || !is_paid_out(seen, flow) {
            continue;
        }
        let paid = |moved: &&Movement| moved.asset == flow.asset && seen.member(moved.from) && !seen.member(moved.to);
        let mut receivers = seen.effects().movements.iter().filter(paid).map(|moved| moved.to);
        let Some(receiver) = receivers.next() else { continue };
        let payment = Payment { receiver, amount: lost, bps };
        if receiver == sender && by_hand && receivers.next().is_none() {
            payments.push((Payments::Of(seen.index, flow.asset), payment));
        } else if !seen.is_actor(receiver) {
            payments.push((Payments::By(seen.index, sender), payment));
        }
    }
    payments
}

/// Whether nothing came for what left, or an entry of the books was written off for it.
pub(crate) fn is_paid_out(seen: &Seen<'_>, flow: &Flow) -> bool {
    matches!(seen.exchange(flow), Exchange::Nothing | Exchange::Strange | Exchange::Booked) && !seen.is_own_sale(flow)
}

fn habits(seen: &Seen<'_>) -> Vec<Habit> {
    let mut habits = vec![Habit::Observed, Habit::Sender(seen.execution.transaction.from)];
    for (_, _, spender, _) in allowance::approvals(seen) {
        habits.extend([Habit::Spender(spender), Habit::Spender(Address::ZERO)]);
    }
    habits.extend(seen.reentries().iter().map(Reentry::habit));
    let held =
        seen.flows.iter().filter(|flow| flow.held.is_some_and(|held| !held.is_zero()) && seen.deals_in(flow.asset));
    habits.extend(held.map(|flow| Habit::Holds(flow.asset)).take(MOST_RECEIVERS));
    for change in seen.changes() {
        if change.kind == authority_change::Kind::Variable {
            habits.push(Habit::ActorSlot(change.contract, change.slot.unwrap_or_default()));
        } else {
            habits.extend(authority_change::callers(seen, change).into_iter().map(Habit::Authority));
        }
    }
    for call in &seen.effects().calls {
        let runs = call.kind == CallKind::DelegateCall && call.effective && seen.member(call.callee);
        if runs && !seen.member(call.code_address) {
            habits.push(Habit::Runs(call.code_address));
        }
    }
    for emitted in seen.effects().logs.iter().filter(|emitted| seen.member(emitted.log.address)) {
        if let [SCHEDULED | QUEUED, id, ..] = emitted.log.topics() {
            habits.push(Habit::Scheduled(*id));
        }
    }
    habits
}
