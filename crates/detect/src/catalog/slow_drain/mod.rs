//! A drain in many small parts: what one account got for nothing within a day, added up over transactions, blocks and
//! modules.
//!
//! Each part is too small to be told, and the sum over a module may be small as well where several modules bleed at the
//! same pace. Shares of different holdings are added: it is not an amount, but how much of what there was went one way.

use std::sync::LazyLock;

use alloy_primitives::Address;
use cofferdam_types::{Evidence, Finding, Harm, Level, Severity};

use crate::{
    Detector, DetectorInfo, Habit, History, Receipt, Receiver, Seen,
    detection::{received, shape},
    seen::{PLAIN_SLOTS, Said, percent},
};

/// The detector's id.
pub const ID: &str = "slow-drain";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Recognises drains in small parts.
pub struct SlowDrain;

impl Detector for SlowDrain {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        if seen.losses().next().is_none() {
            return Vec::new();
        }
        let rules = &seen.settings.slow_drain;
        let times = rules.times;
        let whole = u64::from(rules.alert_bps.get());
        let most = if is_traceless(seen, history) { whole.checked_div(TRACELESS_PART).unwrap_or(whole) } else { whole };
        let mut findings = Vec::new();
        for (receiver, account, bps) in receivers(seen, history) {
            let before = history.receipts_of(receiver, seen.now());
            let (count, sum) = (before.count.saturating_add(1), before.sum.saturating_add(bps));
            // Only the transaction that crosses the line is told, not every one after it.
            let crossed = sum >= most && count >= times;
            let was_over = before.sum >= most && before.count >= times;
            if !crossed || was_over {
                continue;
            }
            let said = Said {
                level: Level::Alert,
                severity: Severity::High,
                summary: format!(
                    "{} got something for nothing {count} times within a day, {} of holdings in all; this time from \
                     module {}",
                    words(receiver),
                    percent(sum),
                    seen.module.id
                ),
                harm: with_earlier(seen.harm(), history.uncounted_of(receiver, seen.now())),
                evidence: vec![
                    Evidence::new("receiver", account),
                    Evidence::new("times within a day", count),
                    Evidence::new("shares of holdings, added up", percent(sum)),
                    Evidence::new("this time", percent(bps)),
                    Evidence::new("sender", seen.execution.transaction.from),
                ],
            };
            findings.push(seen.finding(&INFO, account.as_slice(), said));
            // One who is known by his account and by his contract is told once.
            break;
        }
        findings
    }
}

/// Payments that leave no trace are told at this part of the sum.
const TRACELESS_PART: u64 = 4;

/// Whether no entry of the module's books changed, and nobody knows the sender: nothing keeps him from being paid again.
fn is_traceless(seen: &Seen<'_>, history: &History) -> bool {
    let issued = |address| seen.flows.iter().any(|flow| flow.asset.token() == Some(address));
    let traces = seen
        .effects()
        .writes
        .iter()
        .any(|write| write.slot >= PLAIN_SLOTS && seen.member(write.address) && !issued(write.address));
    !traces && !history.is_familiar(seen.index, Habit::Sender(seen.execution.transaction.from), seen.now())
}

/// Who got something for nothing: each account, and all accounts that use contracts of the sender's shape. With the account
/// of this time and what it got, in basis points of holdings.
fn receivers(seen: &Seen<'_>, history: &History) -> Vec<(Receiver, Address, u64)> {
    let mut receivers: Vec<(Receiver, Address, u64)> = Vec::new();
    let received = received(seen);
    for (account, receipt) in &received {
        match receivers.iter_mut().find(|(_, known, _)| known == account) {
            Some((_, _, bps)) => *bps = bps.saturating_add(receipt.bps),
            None => receivers.push((Receiver::Account(*account), *account, receipt.bps)),
        }
    }
    if let (Some(shape), Some((account, _))) = (shape(seen, history), received.first()) {
        let bps = received.iter().fold(0_u64, |sum, (_, receipt)| sum.saturating_add(receipt.bps));
        receivers.push((shape, *account, bps));
    }
    receivers
}

fn words(receiver: Receiver) -> String {
    match receiver {
        Receiver::Account(account) => account.to_string(),
        Receiver::Shape(code, _) => format!("accounts with contracts of one code ({code})"),
    }
}

/// `harm` of this transaction together with what left `earlier` and no finding spoke of.
pub(crate) fn with_earlier(mut harm: Vec<Harm>, earlier: Vec<Receipt>) -> Vec<Harm> {
    for receipt in earlier {
        let (asset, account) = (receipt.asset, receipt.from);
        match harm.iter_mut().find(|known| known.asset == asset && known.account == account && !known.at_risk) {
            Some(known) => known.amount = known.amount.saturating_add(receipt.amount),
            None => harm.push(Harm { asset, account, amount: receipt.amount, at_risk: false }),
        }
    }
    harm
}

#[cfg(test)]
mod tests;
