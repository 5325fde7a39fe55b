//! One function that paid the sender again and again in one transaction, for nothing, and left hardly a trace in the books:
//! whoever may be paid once is written down as paid. Each step may be so small that no share says anything.

use alloy_primitives::Address;
use cofferdam_types::{Asset, CallKind, Evidence, Level, Selector, Severity};

use super::evidence;
use crate::{
    Flow, Habit, History, Seen,
    amounts::share_bps,
    flows::Table,
    seen::{PLAIN_SLOTS, Said, percent},
};

/// Calls of one function by the sender from which on they are a repetition.
const LEAST_CALLS: u64 = 8;
/// What must have left by all of them, in basis points of what was held.
const LEAST_BPS: u64 = 25;

/// What left by the repetition.
pub(super) fn repeated(seen: &Seen<'_>, history: &History, flow: &Flow) -> Option<Said> {
    let (lost, held) = (Seen::lost_of_holdings(flow), flow.held?);
    let sender = seen.execution.transaction.from;
    if matches!(flow.asset, Asset::Erc721(..) | Asset::Erc1155(..))
        || share_bps(lost, held).is_some_and(|share| share < LEAST_BPS)
    {
        return None;
    }
    let exchange = seen.exchange(flow);
    let known = || history.is_familiar(seen.index, Habit::Sender(sender), seen.now());
    if !exchange.is_one_sided() || !seen.deals_in(flow.asset) || known() {
        return None;
    }
    let mut counts: Table<(Address, Option<Selector>), u64> = Table::default();
    for call in &seen.effects().calls {
        let by_sender = call.kind == CallKind::Call && call.effective && seen.is_actor(call.caller);
        if by_sender && seen.member(call.callee) {
            let count = counts.at((call.callee, call.selector));
            *count = count.saturating_add(1);
        }
    }
    let ((contract, function), count) = counts.rows.into_iter().max_by_key(|(_, count)| *count)?;
    let entries = seen.effects().writes.iter().filter(|write| {
        write.slot >= PLAIN_SLOTS && seen.member(write.address) && Some(write.address) != flow.asset.token()
    });
    let entries = u64::try_from(entries.count()).unwrap_or(u64::MAX);
    let taker = seen.effects().movements.iter().any(|moved| moved.asset == flow.asset && seen.is_actor(moved.to));
    if count < LEAST_CALLS || entries.saturating_mul(2) >= count || !taker {
        return None;
    }
    let share = share_bps(lost, held).map_or_else(|| "everything".to_owned(), percent);
    let mut evidence = evidence(seen, flow, exchange);
    evidence.push(Evidence::new("called", format!("{count} times {} of {contract}", function.unwrap_or_default())));
    evidence.push(Evidence::new("entries of the books that changed", entries));
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{lost} of {} ({share}) left module {} {} by {count} calls of one function, which changed {entries} entries of \
             its books",
            flow.asset,
            seen.module.id,
            exchange.words()
        ),
        harm: seen.harm_in(flow.asset),
        evidence,
    })
}
