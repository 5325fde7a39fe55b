//! Limits that people wrote. Exceeding one is a broken invariant: no further anomaly is needed for a stop.

use alloy_primitives::U256;
use cofferdam_types::{Asset, Evidence, Level, Severity};

use super::{evidence, held_at_most};
use crate::{
    Flow, History, Seen,
    amounts::exceeds,
    seen::Said,
    settings::{Amount, OutflowLimit},
};

/// The first limit that `flow` exceeds.
pub(super) fn exceeded(seen: &Seen<'_>, history: &History, flow: &Flow) -> Option<Said> {
    let limit = limit_for(&seen.settings.outflow.limits, flow.asset)?;
    // A limit for every asset is not for what strangers' tokens claim.
    if limit.asset.is_none() && !seen.deals_in(flow.asset) {
        return None;
    }
    // NFTs have no known holdings, so shares of them never apply; amounts count items.
    let lost = Seen::lost_of_holdings(flow).max(if flow.held.is_none() { flow.net.loss() } else { U256::ZERO });
    let over_share = |part: U256, whole: Option<U256>, share: Option<cofferdam_types::Bps>| {
        whole.zip(share).is_some_and(|(whole, share)| exceeds(part, whole, share))
    };
    let over_amount = |part: U256, amount: Option<Amount>| amount.is_some_and(|amount| part > amount.0);
    let broken = if over_share(lost, flow.held, limit.per_transaction_bps) {
        let share = limit.per_transaction_bps.unwrap_or(cofferdam_types::Bps::WHOLE);
        format!("at most {} bps per transaction", share.get())
    } else if over_amount(lost, limit.per_transaction_amount) {
        format!("at most {} per transaction", limit.per_transaction_amount.map(|amount| amount.0).unwrap_or_default())
    } else {
        let seconds = limit.window_seconds.unwrap_or(seen.settings.outflow.window_seconds);
        let window = history.window(seen.index, flow.asset, seen.now().saturating_sub(seconds));
        let loss = cofferdam_types::Signed { negative: !lost.is_zero(), magnitude: lost };
        let total = window.net.saturating_add(loss).loss();
        let held_then = flow.held.map(|held| held_at_most(held, window.net));
        if over_share(total, held_then, limit.window_bps) {
            let share = limit.window_bps.unwrap_or(cofferdam_types::Bps::WHOLE);
            format!("at most {} bps within {seconds} seconds; now {total}", share.get())
        } else if over_amount(total, limit.window_amount) {
            let most = limit.window_amount.map(|amount| amount.0).unwrap_or_default();
            format!("at most {most} within {seconds} seconds; now {total}")
        } else {
            return None;
        }
    };
    let exchange = seen.exchange(flow);
    let mut evidence = evidence(seen, flow, exchange);
    evidence.push(Evidence::new("limit", &broken));
    Some(Said {
        level: Level::Stop,
        severity: Severity::Critical,
        summary: format!(
            "{lost} of {} left module {} {}, past its limit: {broken}",
            flow.asset,
            seen.module.id,
            exchange.words()
        ),
        harm: vec![seen.harm_of(flow, lost)],
        evidence,
    })
}

/// The limit written for `asset`, else the one for every asset.
pub(super) fn limit_for(limits: &[OutflowLimit], asset: Asset) -> Option<&OutflowLimit> {
    let named = limits.iter().find(|limit| limit.asset.is_some_and(|name| name.names(asset)));
    named.or_else(|| limits.iter().find(|limit| limit.asset.is_none()))
}
