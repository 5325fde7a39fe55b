//! A token of the module took something from a holder who did nothing, at a stranger's word and by another way than an
//! allowance: `burn(address,uint256)` that asks nobody, a forced transfer, a mistaken sender.

use alloy_primitives::{Address, B256, FixedBytes, U256, address, b256};
use cofferdam_types::{Asset, Call, CallKind, Evidence, Harm, Level, Selector, Severity};

use super::is_bystander;
use crate::{
    Habit, History, Seen,
    amounts::share_bps,
    seen::{PLAIN_SLOTS, ROUNDING_UNITS, Said, percent},
};

/// `Transfer(address,address,uint256)`
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Functions by which tokens are moved in the ordinary way: `transfer`, `transferFrom`, and the safe ones of ERC-721. What
/// they take from third parties is an allowance, or a fee.
const ORDINARY: [Selector; 4] = [
    FixedBytes([0xa9, 0x05, 0x9c, 0xbb]),
    FixedBytes([0x23, 0xb8, 0x72, 0xdd]),
    FixedBytes([0x42, 0x84, 0x2e, 0x0e]),
    FixedBytes([0xb8, 0x8d, 0x4f, 0xde]),
];

/// Where signatures are checked: the holder may have signed.
const RECOVER: Address = address!("0000000000000000000000000000000000000001");

/// Logs that are looked at; more is an attempt to make us slow.
const MOST_LOGS: usize = 2_048;

/// The least share of the holder's balance, in basis points.
const LEAST_BPS: u64 = 1_000;

/// What was taken from the first such holder.
pub(super) fn seized(seen: &Seen<'_>, history: &History) -> Option<Said> {
    let effects = seen.effects();
    let sender = seen.execution.transaction.from;
    let found = effects.logs.iter().take(MOST_LOGS).find_map(|emitted| {
        let [topic, owner, to] = emitted.log.topics() else { return None };
        let (owner, to, token) = (Address::from_word(*owner), Address::from_word(*to), emitted.log.address);
        if *topic != TRANSFER || owner.is_zero() || owner == to || !seen.member(token) {
            return None;
        }
        let entry = entry(&effects.calls, usize::try_from(emitted.call?).ok()?, token)?;
        let by_stranger =
            seen.is_actor(entry.caller) && !entry.selector.is_none_or(|selector| ORDINARY.contains(&selector));
        if !by_stranger || entry.caller == owner || !is_bystander(seen, owner) {
            return None;
        }
        let amount = effects.claimed_net(owner, Asset::Erc20(token)).loss();
        let share = share_taken(seen, token, amount).filter(|share| *share >= LEAST_BPS)?;
        Some((token, owner, to, amount, share, entry))
    });
    let (token, owner, to, amount, share, entry) = found?;
    let signed = effects.calls.iter().any(|call| call.callee == RECOVER);
    if signed || history.is_familiar(seen.index, Habit::Sender(sender), seen.now()) {
        return None;
    }
    let asset = Asset::Erc20(token);
    let function = entry.selector.unwrap_or_default();
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{asset} of module {} took {amount} ({}) from {owner}, who did nothing, at the word of {}",
            seen.module.id,
            percent(share),
            entry.caller
        ),
        harm: vec![Harm { asset, account: owner, amount, at_risk: false }],
        evidence: vec![
            Evidence::new("holder", owner),
            Evidence::new("taken", format!("{amount} ({} of what he had)", percent(share))),
            Evidence::new("went to", to),
            Evidence::new("function", function),
            Evidence::new("called by", entry.caller),
            Evidence::new("sender", sender),
        ],
    })
}

/// The frame by which an outsider came into `token` above the frame at `index`.
fn entry(calls: &[Call], index: usize, token: Address) -> Option<&Call> {
    let mut at = Some(index);
    while let Some((index, call)) = at.and_then(|index| Some((index, calls.get(index)?))) {
        if call.callee == token && call.kind == CallKind::Call && call.caller != token {
            return Some(call);
        }
        at = call.parent.and_then(|parent| usize::try_from(parent).ok()).filter(|parent| *parent < index);
    }
    None
}

/// What share of a balance `amount` was, as the token's storage shows it, in basis points: of the largest entry that fell
/// by exactly that.
fn share_taken(seen: &Seen<'_>, token: Address, amount: U256) -> Option<u64> {
    let fell = seen.effects().writes.iter().filter(|write| {
        write.address == token
            && write.slot >= PLAIN_SLOTS
            && amount > U256::from(ROUNDING_UNITS)
            && write.old.checked_sub(write.new) == Some(amount)
    });
    share_bps(amount, fell.map(|write| write.old).max()?)
}
