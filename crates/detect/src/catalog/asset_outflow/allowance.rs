//! Allowances: a contract of the module spends what third parties allowed it to spend, and they get nothing.
//!
//! What users entrusted to a module by approval is not in its balance, and still is taken through it. The module's own
//! users act themselves (they send the transaction, or their code calls); a victim does nothing at all.

use alloy_primitives::{Address, FixedBytes};
use cofferdam_types::{Call, CallKind, Effects, Evidence, Harm, Level, Movement, Selector, Severity};

use crate::{Seen, seen::Said};

/// `transferFrom(address,address,uint256)`
const TRANSFER_FROM: Selector = FixedBytes([0x23, 0xb8, 0x72, 0xdd]);

/// Movements out of accounts that did nothing, spent by the module, with nothing given to them.
pub(super) fn drained(seen: &Seen<'_>) -> Option<Said> {
    let effects = seen.effects();
    let spends = |call: &&Call| {
        call.selector == Some(TRANSFER_FROM)
            && call.kind == CallKind::Call
            && call.effective
            && seen.member(call.caller)
    };
    let mut victims: Vec<&Movement> = Vec::new();
    for call in effects.calls.iter().filter(spends) {
        let Some(owner) = word_address(effects, call, 4) else { continue };
        let Some(recipient) = word_address(effects, call, 36) else { continue };
        let moved = effects.movements.iter().find(|movement| {
            movement.from == owner && movement.to == recipient && movement.asset.token() == Some(call.callee)
        });
        if let Some(moved) = moved
            && !moved.amount.is_zero()
            && !victims.iter().any(|known| known.from == moved.from && known.asset == moved.asset)
            && is_robbed(seen, moved)
        {
            victims.push(moved);
        }
    }
    let first = victims.first()?;
    let harm = victims.iter().map(|movement| Harm {
        asset: movement.asset,
        account: movement.from,
        amount: movement.amount,
        at_risk: false,
    });
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "module {} spent the allowance of {} ({} of {}) to {}, and the owner got nothing",
            seen.module.id, first.from, first.amount, first.asset, first.to
        ),
        harm: harm.collect(),
        evidence: vec![
            Evidence::new("owners who did nothing", victims.len()),
            Evidence::new("first owner", first.from),
            Evidence::new("recipient", first.to),
            Evidence::new("amount", format!("{} of {}", first.amount, first.asset)),
            Evidence::new("sender", seen.execution.transaction.from),
        ],
    })
}

/// Whether the owner took no part, received nothing, and the module kept nothing of it for him.
fn is_robbed(seen: &Seen<'_>, moved: &Movement) -> bool {
    let effects = seen.effects();
    let owner = moved.from;
    let acts = owner == seen.execution.transaction.from
        || seen.protected(owner)
        || effects.calls.iter().any(|call| call.caller == owner)
        || seen.execution.transaction.authorizations.iter().any(|signed| signed.authority == Some(owner));
    !acts && !seen.protected(moved.to) && !effects.movements.iter().any(|movement| movement.to == owner)
}

fn word_address(effects: &Effects, call: &Call, at: usize) -> Option<Address> {
    let word = effects.input(call).get(at..at.checked_add(32)?)?;
    Some(Address::from_slice(word.get(12..)?))
}
