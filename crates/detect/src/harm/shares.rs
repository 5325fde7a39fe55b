//! Shares looked through: a share of a pool or a vault is worth its part of what the pool or the vault held before.
//!
//! Both supply and holdings are read off the transaction's own storage writes: the slot that moved by exactly what events
//! say carries the old value beside the new one. Where no slot shows it, the share is of unknown worth.

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, Signed, StorageWrite};

use crate::{Seen, amounts::part_of, prices::Worth, seen::PLAIN_SLOTS};

/// Assets behind one share that are looked at.
const MOST_ASSETS: usize = 16;

/// What `amount` of the share token `asset` was worth in `unit`.
pub(super) fn worth(seen: &Seen<'_>, amount: U256, asset: Asset, unit: Asset) -> Option<Worth> {
    let Asset::Erc20(token) = asset else { return None };
    if !seen.is_made_or_destroyed(token) {
        return None;
    }
    let supply = supply_before(seen, token).filter(|supply| !supply.is_zero())?;
    let holdings = holdings_before(seen, token)?;
    let mut sum = Worth { least: U256::ZERO, most: U256::ZERO };
    let mut valued: usize = 0;
    for (held, amount_held) in &holdings {
        let part = part_of(*amount_held, amount, supply);
        if let Some(worth) = seen.prices().worth(part, *held, unit, &|_| true) {
            sum = sum.plus(worth)?;
            valued = valued.saturating_add(1);
        }
    }
    // A pool of two holds as much of the one as of the other, in worth.
    if holdings.len() == 2 && valued == 1 {
        sum = sum.plus(sum)?;
    } else if valued < holdings.len() {
        return None;
    }
    (!sum.most.is_zero()).then_some(sum)
}

/// The supply of any token before, where storage shows it.
fn supply_before(seen: &Seen<'_>, token: Address) -> Option<U256> {
    let effects = seen.effects();
    let (mut minted, mut burned) = (U256::ZERO, U256::ZERO);
    for moved in effects.movements.iter().filter(|moved| moved.asset == Asset::Erc20(token)) {
        match (moved.from.is_zero(), moved.to.is_zero()) {
            (true, false) => minted = minted.saturating_add(moved.amount),
            (false, true) => burned = burned.saturating_add(moved.amount),
            (true, true) | (false, false) => {}
        }
    }
    slot_moved_by(seen, token, Signed::between(burned, minted), &|write| write.slot < PLAIN_SLOTS)
}

/// What `token` itself held before of everything that went in or out of it. `None` when one of these cannot be told.
fn holdings_before(seen: &Seen<'_>, token: Address) -> Option<Vec<(Asset, U256)>> {
    let effects = seen.effects();
    let mut found: Vec<(Asset, U256)> = Vec::new();
    for moved in &effects.movements {
        let concerns = moved.from == token || moved.to == token;
        if !concerns || moved.asset == Asset::Erc20(token) || found.iter().any(|(known, _)| *known == moved.asset) {
            continue;
        }
        if found.len() >= MOST_ASSETS || matches!(moved.asset, Asset::Erc721(..) | Asset::Erc1155(..)) {
            return None;
        }
        found.push((moved.asset, balance_before(seen, token, moved.asset)?));
    }
    (!found.is_empty()).then_some(found)
}

/// What `account` held of `asset` before: as it was looked at, or as the token's storage shows it.
fn balance_before(seen: &Seen<'_>, account: Address, asset: Asset) -> Option<U256> {
    let effects = seen.effects();
    let checked = effects.checks.iter().find(|check| check.account == account && check.asset == asset);
    if let Some(before) = checked.and_then(|check| check.before) {
        return Some(before);
    }
    let Asset::Erc20(token) = asset else { return None };
    slot_moved_by(seen, token, effects.claimed_net(account, asset), &|write| write.slot >= PLAIN_SLOTS)
}

/// The value before of the one slot of `contract` that changed by exactly `net`.
fn slot_moved_by(
    seen: &Seen<'_>,
    contract: Address,
    net: Signed,
    preferred: &impl Fn(&StorageWrite) -> bool,
) -> Option<U256> {
    if net.magnitude.is_zero() {
        return None;
    }
    let exactly = |write: &&StorageWrite| {
        let expected = write.old.checked_add(net.gain()).and_then(|sum| sum.checked_sub(net.loss()));
        write.address == contract && expected == Some(write.new)
    };
    let candidates = || seen.effects().writes.iter().filter(exactly);
    let mut likely = candidates().filter(|write| preferred(write));
    match (likely.next(), likely.next()) {
        (Some(only), None) => Some(only.old),
        (Some(_), Some(_)) => None,
        // Libraries with storage of their own keep totals behind hashes, too: the larger number is the total.
        (None, _) => candidates().map(|write| write.old).max(),
    }
}
