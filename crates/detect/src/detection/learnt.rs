//! What one execution teaches about one module: sums, habits, who got something for nothing.
//!
//! It must never teach a habit by something that was flagged: an attack could be rehearsed otherwise.

use alloy_primitives::{Address, B256, U256, b256};
use cofferdam_types::{Asset, CallKind, Signed};

use crate::{
    Exchange, Flow, Habit, History, Seen,
    amounts::share_bps,
    catalog::{authority_change, re_entry::Reentry},
    seen::PLAIN_SLOTS,
};

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
    receipts: Vec<(Address, u64)>,
    /// What the sender, never seen before, got for nothing.
    newcomer: Option<u64>,
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
            if exchange == Some(Exchange::Redeemed) {
                continue;
            }
            let one_sided = exchange.is_some_and(Exchange::is_one_sided);
            flows.push((flow.asset, net, if one_sided { lost } else { U256::ZERO }));
        }
        let receipts = received(seen);
        let newcomer = is_newcomer(seen, history)
            .then(|| receipts.iter().filter(|(account, _)| seen.actors().contains(account)).map(|(_, bps)| *bps).max());
        let authority_changed = seen.changes().iter().any(|change| change.kind.gives_power());
        Self { flows, habits: habits(seen), authority_changed, receipts, newcomer: newcomer.flatten() }
    }

    /// Takes it into the history. What was `flagged` is counted and never becomes a habit.
    pub(super) fn keep(self, module: u32, flagged: bool, history: &mut History) {
        for (asset, net, one_sided) in self.flows {
            history.add_flow(module, asset, net, one_sided);
        }
        for habit in self.habits.into_iter().filter(|_| !flagged) {
            history.add_habit(module, habit);
        }
        for (account, bps) in self.receipts {
            history.add_receipt(account, bps);
        }
        if let Some(bps) = self.newcomer {
            history.add_newcomer(module, bps);
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

/// Who got something of the module for nothing, in basis points of what it held, at least one.
pub(crate) fn received(seen: &Seen<'_>) -> Vec<(Address, u64)> {
    let mut receipts: Vec<(Address, u64)> = Vec::new();
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
            let bps = flow.held.and_then(|held| share_bps(moved.amount, held)).unwrap_or_default();
            if let Some((_, known)) = receipts.iter_mut().find(|(account, _)| *account == moved.to) {
                *known = known.saturating_add(bps);
            } else if receipts.len() < MOST_RECEIVERS {
                receipts.push((moved.to, bps));
            }
        }
    }
    receipts.retain(|(_, bps)| *bps > 0);
    receipts
}

fn habits(seen: &Seen<'_>) -> Vec<Habit> {
    let mut habits = vec![Habit::Sender(seen.execution.transaction.from)];
    habits.extend(seen.reentries().iter().map(Reentry::habit));
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
