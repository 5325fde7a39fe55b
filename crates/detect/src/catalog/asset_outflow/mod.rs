//! Assets of a module leaving it: in one transaction and in a sliding window, against shares and written limits.
//!
//! Net over all contracts of the module, by balances where they were looked at. What comes back decides: a swap, a
//! redeemed share, a recorded debt are the module's business; the same share leaving for nothing is harm. Harm alone is
//! an alert. It becomes a stop when a limit that people wrote is exceeded, or when the transaction is built as honest
//! ones are not. No names; prices only excuse, where what left was sold for its worth.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Asset, Basis, Evidence, Finding, Level, Severity, Signed, StorageWrite};

mod limits;
mod ordinary;
mod repeated;

use crate::{
    Bargain, Detector, DetectorInfo, Exchange, Flow, Habit, History, Seen,
    amounts::{reaches, share_bps},
    seen::{PLAIN_SLOTS, Said, percent},
};

/// The detector's id.
pub const ID: &str = "asset-outflow";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises harmful outflows.
pub struct AssetOutflow;

impl Detector for AssetOutflow {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let mut findings = Vec::new();
        for flow in seen.losses() {
            let said = limits::exceeded(seen, history, flow)
                .or_else(|| left_at_once(seen, history, flow))
                .or_else(|| left_over_time(seen, history, flow))
                .or_else(|| items_left(seen, history, flow))
                .or_else(|| repeated::repeated(seen, history, flow))
                .or_else(|| cannot_be_known(seen, flow));
            if let Some(said) = said {
                findings.push(seen.finding(&INFO, &subject(flow.asset), said));
            }
        }
        findings
    }
}

fn subject(asset: Asset) -> Vec<u8> {
    match asset {
        Asset::Native => b"native".to_vec(),
        Asset::Erc20(token) => token.to_vec(),
        Asset::Erc721(token, id) | Asset::Erc1155(token, id) => [token.as_slice(), &id.to_be_bytes::<32>()].concat(),
    }
}

/// A large share in this transaction. Fungible assets only: what share of a collection an item is, nobody can say.
fn left_at_once(seen: &Seen<'_>, history: &History, flow: &Flow) -> Option<Said> {
    let rules = &seen.settings.outflow;
    if matches!(flow.asset, Asset::Erc721(..) | Asset::Erc1155(..)) {
        return None;
    }
    let (lost, held) = (Seen::lost_of_holdings(flow), flow.held?);
    let lowest = rules.one_sided_alert_bps.min(rules.exchanged_alert_bps).min(rules.one_sided_stop_bps);
    if !reaches(lost, held, lowest) {
        return None;
    }
    let exchange = seen.exchange(flow);
    let alert_from = match exchange {
        // Whoever burns his shares for their worth takes what is his, however much it is.
        Exchange::Redeemed => return None,
        Exchange::Nothing | Exchange::Little => rules.one_sided_alert_bps,
        // Nobody who has just come into being is owed anything that the books may redeem.
        Exchange::Booked if seen.is_newborn_involved() && !gains(seen) => rules.one_sided_alert_bps,
        Exchange::Strange | Exchange::Booked | Exchange::Assets => rules.exchanged_alert_bps,
    };
    // Sold at what it was worth before, and nobody came out ahead: how treasuries and traders sell what they hold.
    let sold = || seen.is_own_sale(flow) || (seen.bargain(flow) == Bargain::Fair && seen.taker(flow, lost).is_none());
    let anomaly = (exchange.is_one_sided() && reaches(lost, held, rules.one_sided_stop_bps))
        .then(|| anomaly(seen, history, flow).filter(|_| seen.deals_in(flow.asset)))
        .flatten();
    let level = match anomaly {
        Some(_) if !sold() => Level::Stop,
        None if reaches(lost, held, alert_from) && !sold() => {
            if seen.is_own_claim(flow)
                || exchange.is_one_sided() && ordinary::is_ordinary(seen, history, flow)
                || exchange.is_one_sided() && ordinary::is_as_others(seen, history, flow)
            {
                Level::Notice
            } else {
                Level::Alert
            }
        }
        Some(_) | None => return None,
    };
    let share = share_bps(lost, held).map_or_else(|| "everything".to_owned(), percent);
    let mut evidence = evidence(seen, flow, exchange);
    if let Some(anomaly) = &anomaly {
        evidence.push(Evidence::new("unlike an honest transaction", anomaly));
    }
    let why = anomaly.map(|anomaly| format!("; {anomaly}")).unwrap_or_default();
    Some(Said {
        level,
        severity: if level == Level::Stop { Severity::Critical } else { Severity::High },
        summary: format!(
            "{lost} of {} ({share} of what was held) left module {} {}{why}",
            flow.asset,
            seen.module.id,
            exchange.words()
        ),
        harm: seen.harm_in(flow.asset),
        evidence,
    })
}

/// Whether anything came in to stay.
fn gains(seen: &Seen<'_>) -> bool {
    seen.flows.iter().any(|flow| seen.is_material(flow, flow.net.gain()))
}

/// Items of a collection that left for nothing at all, while no entry of the module's books changed: nobody had put them
/// there, or nobody asked who.
fn items_left(seen: &Seen<'_>, history: &History, flow: &Flow) -> Option<Said> {
    if !matches!(flow.asset, Asset::Erc721(..) | Asset::Erc1155(..)) || !seen.deals_in(flow.asset) {
        return None;
    }
    let (lost, exchange) = (Seen::lost_of_holdings(flow), seen.exchange(flow));
    let kept_books = || {
        let of_books = |write: &StorageWrite| {
            write.slot >= PLAIN_SLOTS && seen.member(write.address) && Some(write.address) != flow.asset.token()
        };
        seen.effects().writes.iter().any(of_books)
    };
    let known = || history.is_familiar(seen.index, Habit::Sender(seen.execution.transaction.from), seen.now());
    let limited = limits::limit_for(&seen.settings.outflow.limits, flow.asset).is_some();
    if lost.is_zero() || limited || exchange != Exchange::Nothing || kept_books() || known() {
        return None;
    }
    let token = flow.asset.token().unwrap_or_default();
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{lost} items of {token} left module {} for nothing, and no entry of its books",
            seen.module.id
        ),
        harm: seen.harm_in(flow.asset),
        evidence: evidence(seen, flow, exchange),
    })
}

/// What about this transaction honest ones do not show, if anything. Structure only, strongest first.
fn anomaly(seen: &Seen<'_>, history: &History, flow: &Flow) -> Option<String> {
    // A token that sells its own stock calls a pool that calls it back: nobody's deposit leaves.
    if !flow.issued
        && let Some(reentry) = seen.reentries().first()
        && !history.is_familiar(seen.index, reentry.habit(), seen.now())
    {
        return Some("the module was re-entered in mid-call".to_owned());
    }
    if let Some(change) = seen.changes().iter().find(|change| change.kind.gives_power()) {
        return Some(format!("in the same transaction: {}", change.what));
    }
    if let Some(at) = history.last_authority_change(seen.index)
        && seen.now() <= at.saturating_add(seen.settings.authority.recent_seconds)
    {
        return Some(format!(
            "authority or code of the module changed {} seconds before",
            seen.now().saturating_sub(at)
        ));
    }
    // What follows is also done by arbitrageurs and liquidators: not a stop for those who have long been around.
    let sender = seen.execution.transaction.from;
    if history.is_familiar(seen.index, Habit::Sender(sender), seen.now()) {
        return None;
    }
    if seen.is_newborn_involved() {
        return Some("the counterparty came into being in the same transaction".to_owned());
    }
    let (lender, asset, amount) = seen.round_trip()?;
    Some(format!("{amount} of {asset} came from {lender} and went back there in the same transaction"))
}

/// The most that the module held within the window, as far as sums tell: what is there now, or what was there before
/// more left than came. A module that was filled within the window is not one that held nothing.
fn held_at_most(held: U256, net: Signed) -> U256 {
    held.saturating_add(net.loss())
}

/// The sum over the window, where this transaction is the one that crosses the threshold.
fn left_over_time(seen: &Seen<'_>, history: &History, flow: &Flow) -> Option<Said> {
    let rules = &seen.settings.outflow;
    if matches!(flow.asset, Asset::Erc721(..) | Asset::Erc1155(..)) || seen.is_own_sale(flow) {
        return None;
    }
    let (lost, held) = (Seen::lost_of_holdings(flow), flow.held?);
    let window = history.window(seen.index, flow.asset, seen.now().saturating_sub(rules.window_seconds));
    let held_then = held_at_most(held, window.net);
    let net_after = window.net.saturating_add(Signed::between(lost, U256::ZERO)).loss();
    let exchange = seen.exchange(flow);
    if exchange == Exchange::Redeemed || seen.is_own_claim(flow) {
        return None;
    }
    let one_sided_after = window.one_sided.saturating_add(lost);
    // Only the transaction that crosses a threshold is told, not every one after it.
    let crosses = |before, after, share| !reaches(before, held_then, share) && reaches(after, held_then, share);
    let (total, words) =
        if exchange.is_one_sided() && crosses(window.one_sided, one_sided_after, rules.window_one_sided_alert_bps) {
            (one_sided_after, "for nothing in return")
        } else if crosses(window.net.loss(), net_after, rules.window_net_alert_bps) {
            (net_after, "more than came in")
        } else {
            return None;
        };
    let share = share_bps(total, held_then).map_or_else(|| "everything".to_owned(), percent);
    let mut evidence = evidence(seen, flow, exchange);
    evidence.push(Evidence::new("left within the window", format!("{total} ({share} of {held_then})")));
    evidence.push(Evidence::new("window", format!("{} seconds", rules.window_seconds)));
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{total} of {} ({share}) left module {} {words} within {} seconds",
            flow.asset, seen.module.id, rules.window_seconds
        ),
        harm: seen.harm_in(flow.asset),
        evidence,
    })
}

/// A token that people named claims that something left, and does not answer for the balance. What is true of it nobody
/// can say here; a person must look. Tokens that nobody named may say and hide what they like.
fn cannot_be_known(seen: &Seen<'_>, flow: &Flow) -> Option<Said> {
    let named = seen.module.assets.iter().any(|known| known.token().is_some() && known.token() == flow.asset.token());
    if !flow.unchecked || !named {
        return None;
    }
    let claimed = Seen::lost_of_holdings(flow);
    Some(Said {
        level: Level::Alert,
        severity: Severity::Medium,
        summary: format!(
            "{} claims that {claimed} left module {} and does not answer for its balances: what is true cannot be known",
            flow.asset, seen.module.id
        ),
        harm: vec![cofferdam_types::Harm { at_risk: true, ..seen.harm_of(flow, claimed) }],
        evidence: evidence(seen, flow, seen.exchange(flow)),
    })
}

/// What every finding about a flow shows.
fn evidence(seen: &Seen<'_>, flow: &Flow, exchange: Exchange) -> Vec<Evidence> {
    let mut evidence = vec![
        Evidence::new("asset", flow.asset),
        Evidence::new("net change", flow.net),
        Evidence::new("held before", flow.held.map_or_else(|| "unknown".to_owned(), |held| held.to_string())),
        Evidence::new("left", exchange.words()),
        Evidence::new("sender", seen.execution.transaction.from),
    ];
    for gain in seen.flows.iter().filter(|gain| !gain.net.gain().is_zero()).take(4) {
        evidence.push(Evidence::new("came in", format!("{} of {}", gain.net.gain(), gain.asset)));
    }
    if !seen.deals_in(flow.asset) {
        evidence.push(Evidence::new("doubt", "the module is not known to deal in this token: its claims stop nothing"));
    }
    if flow.unchecked {
        evidence.push(Evidence::new("doubt", "the token did not answer for its balances: these are its own claims"));
    }
    if seen.execution.standing.basis != Basis::Executed {
        evidence.push(Evidence::new("doubt", "not executed here, or differently: taken from the receipt or diverged"));
    }
    evidence
}

#[cfg(test)]
mod tests;
