//! Value taken with money that was borrowed for the length of the transaction.
//!
//! Borrowing is no crime: arbitrage, liquidations and refinancing live on it. It lowers the loss that is worth an alert,
//! because whoever borrows risks nothing of his own; the loss itself must still be without return.

use std::sync::LazyLock;

use alloy_primitives::U256;
use cofferdam_types::{Asset, Evidence, Finding, Level, Movement, Severity, Signed};

use crate::{
    Bargain, Detector, DetectorInfo, Exchange, Flow, Habit, History, Seen, Taker,
    amounts::reaches,
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "flash-loan";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises losses that were paid for by nobody's own money.
pub struct FlashLoan;

impl Detector for FlashLoan {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let share = seen.settings.flash_loan.alert_bps;
        let large = |flow: &&Flow| {
            matches!(flow.asset, Asset::Native | Asset::Erc20(_))
                && flow.held.is_some_and(|held| reaches(Seen::lost_of_holdings(flow), held, share))
        };
        let mut losses = seen.losses().filter(large).peekable();
        if losses.peek().is_none()
            || history.is_familiar(seen.index, Habit::Sender(seen.execution.transaction.from), seen.now())
        {
            return Vec::new();
        }
        let Some((lender, asset, amount)) = seen.round_trip() else { return Vec::new() };
        let Some((flow, exchange, taker)) = losses.find_map(|flow| taken(seen, flow)) else { return Vec::new() };
        let lost = Seen::lost_of_holdings(flow);
        let part = seen.share_bps(flow).map_or_else(|| "all".to_owned(), percent);
        let said = Said {
            level: Level::Alert,
            severity: Severity::High,
            summary: format!(
                "with {amount} of {asset} borrowed from {lender}, {lost} of {} ({part}) were taken from module {} {}",
                flow.asset,
                seen.module.id,
                exchange.words()
            ),
            harm: seen.harm_in(flow.asset),
            evidence: vec![
                Evidence::new("lender", lender),
                Evidence::new("borrowed and returned", format!("{amount} of {asset}")),
                Evidence::new("asset lost", flow.asset),
                Evidence::new("lost", format!("{lost} ({part} of what was held)")),
                Evidence::new("left", exchange.words()),
                Evidence::new("who gained", taker.account),
                Evidence::new("gained, in the asset that left", taker.gained),
            ],
        };
        vec![seen.finding(&INFO, b"", said)]
    }
}

/// The least share of an asset whose payment is doubted, in basis points.
const DOUBTED_BPS: u64 = 2_000;

/// Whether a large share left for something that no pool prices, which whoever borrowed may have made dear: collateral in a
/// token of his own, a share that he has just inflated. A pool that trades is asked elsewhere.
fn is_doubtful(seen: &Seen<'_>, flow: &Flow, exchange: Exchange) -> bool {
    let trades = |moved: &Movement| seen.member(moved.from) && seen.prices().is_pool(moved.from);
    exchange == Exchange::Assets
        && seen.share_bps(flow).is_some_and(|share| share >= DOUBTED_BPS)
        && seen.bargain(flow) == Bargain::Unknown
        && !seen.effects().movements.iter().any(|moved| moved.asset == flow.asset && trades(moved))
}

/// The sender, if he and what acts for him ended with at least half of it.
fn sender_gained(seen: &Seen<'_>, flow: &Flow) -> Option<Taker> {
    let nets = seen.actors().iter().map(|actor| seen.effects().claimed_net(*actor, flow.asset));
    let gained = nets.fold(Signed::default(), Signed::saturating_add).gain();
    let half = gained.saturating_mul(U256::from(2)) >= Seen::lost_of_holdings(flow);
    half.then_some(Taker { account: seen.execution.transaction.from, gained })
}

/// The flow, if it left for next to nothing and somebody has it now.
fn taken<'a>(seen: &Seen<'_>, flow: &'a Flow) -> Option<(&'a Flow, Exchange, Taker)> {
    let exchange = seen.exchange(flow);
    if is_doubtful(seen, flow, exchange) {
        return Some((flow, exchange, sender_gained(seen, flow)?));
    }
    let unpaid = matches!(exchange, Exchange::Nothing | Exchange::Strange | Exchange::Little);
    if !unpaid || seen.is_own_sale(flow) || seen.bargain(flow) == Bargain::Fair {
        return None;
    }
    Some((flow, exchange, seen.taker(flow, Seen::lost_of_holdings(flow))?))
}

#[cfg(test)]
mod tests;
