//! Supply out of nothing: a token that the module issues is minted without payment, or moves what nobody had.
//!
//! Minting is a promise; who gets one must bring what it is worth: by prices where pools tell them, else by comparing the
//! share of the supply with the share of the holdings. A first mint has nothing to be compared with and is never judged.

use std::sync::LazyLock;

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, Evidence, Finding, Harm, Level, Severity};

mod books;
mod conservation;
mod counted;

use crate::{
    Detector, DetectorInfo, Flow, History, Seen,
    amounts::{comparable, reaches, share_bps},
    seen::{ROUNDING_UNITS, Said, percent},
};

/// The detector's id.
pub const ID: &str = "supply";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// A mint is paid when what came in is at least a quarter of the share that it makes of the supply.
const PAID_WITHIN: u64 = 4;

/// Shares that are none, whatever the vault: a deposit is worth more of their smallest units.
const DUST_SHARES: u64 = 10;

/// Recognises supply out of nothing.
pub struct Supply;

impl Detector for Supply {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, _: &History) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(said) = conservation::from_nothing(seen) {
            findings.push(seen.finding(&INFO, b"conservation", said));
        } else if let Some(said) = books::grown(seen) {
            findings.push(seen.finding(&INFO, b"books", said));
        }
        for flow in seen.flows.iter().filter(|flow| flow.issued && flow.minted > flow.burned) {
            if let (Asset::Erc20(token), Some(said)) = (flow.asset, minted(seen, flow)) {
                findings.push(seen.finding(&INFO, token.as_slice(), said));
            }
        }
        if let Some(said) = kept(seen) {
            findings.push(seen.finding(&INFO, b"kept", said));
        }
        if let Some(said) = counted::counted(seen) {
            findings.push(seen.finding(&INFO, b"counted", said));
        }
        findings
    }
}

/// A deposit was taken, and the shares that were minted for it are none or a few of their smallest units: somebody made
/// the shares so dear beforehand that rounding swallows it.
fn kept(seen: &Seen<'_>) -> Option<Said> {
    let effects = seen.effects();
    let minted_at_all = |token: Address| {
        effects.movements.iter().any(|moved| moved.asset == Asset::Erc20(token) && moved.from.is_zero())
    };
    let share = seen.flows.iter().find(|flow| {
        flow.issued
            && flow.burned.is_zero()
            && flow.minted <= U256::from(DUST_SHARES)
            && flow.asset.token().is_some_and(minted_at_all)
    })?;
    let sender = seen.execution.transaction.from;
    let robbed = |gain: &&Flow| {
        let (came, Some(held)) = (gain.net.gain(), gain.held) else { return false };
        let material = came > U256::from(ROUNDING_UNITS) && reaches(came, held, seen.settings.supply.sold_alert_bps);
        let gave = seen.losses().any(|loss| loss.asset != share.asset);
        !gain.issued && !held.is_zero() && material && !gave
    };
    let gain = seen.flows.iter().find(robbed)?;
    let amount = gain.net.gain();
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "module {} took {amount} of {} and gave {} shares for it",
            seen.module.id, gain.asset, share.minted
        ),
        harm: vec![Harm { asset: gain.asset, account: sender, amount, at_risk: false }],
        evidence: vec![
            Evidence::new("deposited", format!("{amount} of {}", gain.asset)),
            Evidence::new("held before", gain.held.unwrap_or_default()),
            Evidence::new("shares minted", share.minted),
            Evidence::new("share token", share.asset),
            Evidence::new("sender", sender),
        ],
    })
}

/// A mint to outsiders for which too little came in. What share of the supply it is, storage tells; where it does not,
/// a mint beyond any real supply is still one.
fn minted(seen: &Seen<'_>, flow: &Flow) -> Option<Said> {
    let grown = flow.minted.saturating_sub(flow.burned);
    let minted = grown.min(flow.net.loss());
    let rules = &seen.settings.supply;
    let beyond = minted >= conservation::BEYOND_ANY_SUPPLY;
    let supply = seen.supply_before(flow).filter(|supply| !supply.is_zero());
    let large = supply.is_some_and(|supply| reaches(minted, supply, rules.mint_alert_bps));
    let noticeable = supply.is_some_and(|supply| reaches(minted, supply, rules.sold_alert_bps));
    if !beyond && !large && !noticeable {
        return None;
    }
    let paid = is_paid(seen, flow, minted, supply);
    let sold = || seen.exchange(flow).is_one_sided() && is_sold(seen, flow, minted);
    if paid || !(beyond || large || sold()) {
        return None;
    }
    let share =
        supply.and_then(|supply| share_bps(minted, supply)).map_or_else(|| "beyond any supply".to_owned(), percent);
    let mut evidence = vec![
        Evidence::new("token", flow.asset),
        Evidence::new("minted", minted),
        Evidence::new("supply before", supply.map_or_else(|| "unknown".to_owned(), |supply| supply.to_string())),
        Evidence::new("came in", seen.exchange(flow).words()),
        Evidence::new("sender", seen.execution.transaction.from),
    ];
    if sold() {
        evidence.push(Evidence::new("sold", "whoever got it had sold it by the end of the transaction"));
    }
    Some(Said {
        level: if beyond { Level::Stop } else { Level::Alert },
        severity: Severity::High,
        summary: format!(
            "{minted} of {} of module {} ({share} of the supply) were minted for nothing or far too little",
            flow.asset, seen.module.id
        ),
        harm: vec![Harm { asset: flow.asset, account: flow.asset.token()?, amount: minted, at_risk: true }],
        evidence,
    })
}

/// Whether what came in is comparable with what was made: by prices before, where pools tell them, else by its share of
/// the holdings beside the share of the supply.
fn is_paid(seen: &Seen<'_>, flow: &Flow, minted: U256, supply: Option<U256>) -> bool {
    let gains = || seen.flows.iter().filter(|gain| gain.asset != flow.asset && !gain.net.gain().is_zero());
    let worth = |gain: &Flow| seen.prices().worth(gain.net.gain(), gain.asset, flow.asset, &|_| true);
    let came = gains().try_fold(U256::ZERO, |sum, gain| sum.checked_add(worth(gain)?.most));
    if let Some(came) = came {
        return came.saturating_mul(U256::from(PAID_WITHIN)) >= minted;
    }
    gains().any(|gain| match (gain.held, supply) {
        (Some(held), Some(supply)) if !held.is_zero() => comparable(gain.net.gain(), held, minted, supply, PAID_WITHIN),
        // Nothing to compare with: whoever pays at all is believed.
        (Some(_) | None, _) => !seen.exchange(flow).is_one_sided(),
    })
}

/// Whether those who were paid with the new token have at most half of it left.
fn is_sold(seen: &Seen<'_>, flow: &Flow, minted: U256) -> bool {
    let effects = seen.effects();
    let receivers = effects.movements.iter().filter(|moved| moved.asset == flow.asset && moved.from.is_zero());
    let mut kept = U256::ZERO;
    let mut counted = Vec::new();
    for moved in receivers {
        if !counted.contains(&moved.to) {
            counted.push(moved.to);
            kept = kept.saturating_add(effects.claimed_net(moved.to, flow.asset).gain());
        }
        // More receivers than anybody sells for is an airdrop.
        if counted.len() > 8 {
            return false;
        }
    }
    // What went on to an account of the sender is not sold.
    for actor in seen.actors() {
        if !counted.contains(actor) {
            kept = kept.saturating_add(effects.claimed_net(*actor, flow.asset).gain());
        }
    }
    kept.saturating_mul(U256::from(2)) <= minted
}

#[cfg(test)]
mod tests;
