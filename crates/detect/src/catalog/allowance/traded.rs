//! A contract of the module traded with what owners allowed it to spend, they did nothing, and what they got is worth far
//! less than what left them, at prices before: an order that was filled again, or at a price of long ago. The sender has
//! the difference.
//!
//! What is not priced by a pool of the same transaction accuses nobody.

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, CallKind, Evidence, Harm, Level, Severity, Signed};

use super::{MOST_OWNERS, TRANSFER_FROM, word_address};
use crate::{
    Seen,
    amounts::share_bps,
    flows::Table,
    seen::{ROUNDING_UNITS, Said, percent},
};

/// Below this share of the worth of what left, nobody sells.
const WORTH_BPS: u64 = 7_000;
/// More movements than this are not read for each owner.
const MOST_MOVEMENTS: usize = 4_096;

/// The first owner who got too little.
pub(super) fn traded(seen: &Seen<'_>) -> Option<Said> {
    let effects = seen.effects();
    if effects.movements.len() > MOST_MOVEMENTS {
        return None;
    }
    let mut looked: Vec<Address> = Vec::new();
    for call in &effects.calls {
        let spends = call.selector == Some(TRANSFER_FROM)
            && call.kind == CallKind::Call
            && call.effective
            && seen.member(call.caller);
        let Some(owner) = word_address(effects, call, 4).filter(|_| spends) else { continue };
        if looked.contains(&owner) || looked.len() >= MOST_OWNERS {
            continue;
        }
        looked.push(owner);
        if !takes_part(seen, owner)
            && let Some(said) = underpaid(seen, owner, Asset::Erc20(call.callee))
        {
            return Some(said);
        }
    }
    None
}

/// Whether `owner` acts in this transaction, or is protected himself.
fn takes_part(seen: &Seen<'_>, owner: Address) -> bool {
    owner == seen.execution.transaction.from
        || seen.protected(owner)
        || seen.prices().is_pool(owner)
        || seen.effects().calls.iter().any(|call| call.caller == owner)
        || seen.execution.transaction.authorizations.iter().any(|signed| signed.authority == Some(owner))
}

/// What `owner` gave of `asset`, if all that he got is known to be worth too little for it.
fn underpaid(seen: &Seen<'_>, owner: Address, asset: Asset) -> Option<Said> {
    let mut nets: Table<Asset, Signed> = Table::default();
    for moved in &seen.effects().movements {
        for (account, negative) in [(moved.from, true), (moved.to, false)] {
            if account == owner && !moved.amount.is_zero() {
                let net = nets.at(moved.asset);
                *net = net.saturating_add(Signed { negative, magnitude: moved.amount });
            }
        }
    }
    let lost = nets.rows.iter().find(|(of, _)| *of == asset)?.1.loss();
    let gains = || nets.rows.iter().filter(|(_, net)| !net.gain().is_zero());
    // Who got nothing at all is another rule's.
    if lost <= U256::from(ROUNDING_UNITS) || gains().next().is_none() {
        return None;
    }
    let gained = gains().try_fold(U256::ZERO, |sum, (of, net)| {
        sum.checked_add(seen.prices().worth(net.gain(), *of, asset, &|_| true)?.most)
    })?;
    let share = share_bps(gained, lost)?;
    if share >= WORTH_BPS {
        return None;
    }
    let missing = lost.saturating_sub(gained);
    // What he sold moved the price against him: half of it is enough.
    let taker = seen.taker_of(asset, missing.wrapping_div(U256::from(2)))?;
    if taker.account != seen.execution.transaction.from {
        return None;
    }
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "module {} gave {lost} of {asset} of {owner}, who did nothing, for {} of its worth",
            seen.module.id,
            percent(share)
        ),
        harm: vec![Harm { asset, account: owner, amount: missing, at_risk: false }],
        evidence: vec![
            Evidence::new("owner", owner),
            Evidence::new("left him", format!("{lost} of {asset}")),
            Evidence::new("worth of what he got, at prices before", gained),
            Evidence::new("who gained", taker.account),
            Evidence::new("sender", seen.execution.transaction.from),
        ],
    })
}
