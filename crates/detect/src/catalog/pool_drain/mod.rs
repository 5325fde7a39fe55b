//! Liquidity that is gone without anybody having redeemed it: a pool of two reserves whose product fell while its own shares
//! stayed, and that paid out in the same transaction.
//!
//! Trades never lower the product. Burning or moving the pool's balance, a fee taken out of it, `skim` and `sync` on a
//! token that counts wrongly all do, whatever the flaw behind it is called. The pool may be the module's, or it trades a
//! token of the module: then the token is at fault and the pool's depositors are robbed. Rebasing and automatic burns
//! lower it as well; what they do not do is pay somebody out of the other side.

use std::sync::LazyLock;

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, Evidence, Finding, Harm, Level, Movement, Severity};

use crate::{
    Detector, DetectorInfo, History, Pool, Seen,
    amounts::share_bps,
    bargain::DEAD,
    prices::tells_reserves,
    seen::{PLAIN_SLOTS, Said, percent},
};

/// The detector's id.
pub const ID: &str = "pool-drain";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// The share of the liquidity (the square root of the product of the reserves) that must be gone, in basis points.
/// Automatic burns take a hundredth at most.
const LIQUIDITY_BPS: u64 = 1_000;

/// The least share of one reserve that somebody must have got, in basis points.
const PAID_OUT_BPS: u64 = 500;

/// Recognises pools that were emptied behind their own back.
pub struct PoolDrain;

impl Detector for PoolDrain {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, _: &History) -> Vec<Finding> {
        if !tells_reserves(seen.effects()) {
            return Vec::new();
        }
        let concerns = |pool: &&Pool| {
            let (first, second) = pool.tokens();
            let issued = |asset: Asset| asset.token().is_some_and(|token| seen.member(token));
            seen.member(pool.address) || issued(first) || issued(second)
        };
        let drained = seen.prices().pools().filter(concerns).filter_map(|pool| drained(seen, pool));
        drained.take(MOST_FINDINGS).map(|(pool, said)| seen.finding(&INFO, pool.as_slice(), said)).collect()
    }
}

/// Pools told of one transaction.
const MOST_FINDINGS: usize = 4;

fn drained(seen: &Seen<'_>, pool: &Pool) -> Option<(Address, Said)> {
    let left = pool.liquidity_left_bps()?;
    let gone = 10_000_u64.saturating_sub(left);
    // What was redeemed excuses as much of it, and a little more for rounding and fees.
    let excused = redeemed_bps(seen, pool.address)?.saturating_add(LIQUIDITY_BPS);
    if gone < excused {
        return None;
    }
    let (asset, held, lost, taker) = paid_out(seen, pool)?;
    let share = share_bps(lost, held).map_or_else(|| "all".to_owned(), percent);
    let of_module = seen.member(pool.address);
    let whose = if of_module { "of module" } else { "that trades a token of module" };
    let harm = vec![Harm { asset, account: pool.address, amount: lost, at_risk: false }];
    let evidence = vec![
        Evidence::new("pool", pool.address),
        Evidence::new("liquidity left", percent(left)),
        Evidence::new("shares of the pool burnt", percent(excused.saturating_sub(LIQUIDITY_BPS))),
        Evidence::new("paid out", format!("{lost} of {asset} ({share} of what it held)")),
        Evidence::new("who has it", taker),
        Evidence::new("sender", seen.execution.transaction.from),
    ];
    let said = Said {
        level: Level::Alert,
        severity: Severity::Critical,
        summary: format!(
            "pool {} {whose} {} lost {} of its liquidity and paid {lost} of {asset} ({share}): its balances were \
             changed behind its back",
            pool.address,
            seen.module.id,
            percent(gone)
        ),
        harm,
        evidence,
    };
    Some((pool.address, said))
}

/// What share of the pool's own shares was burnt, in basis points. `None` where some were and the supply is not known.
fn redeemed_bps(seen: &Seen<'_>, pool: Address) -> Option<u64> {
    let shares = Asset::Erc20(pool);
    let effects = seen.effects();
    let of_pool = || effects.movements.iter().filter(|moved| moved.asset == shares);
    let sum = |moved: &dyn Fn(&Movement) -> bool| {
        of_pool().filter(|each| moved(each)).fold(U256::ZERO, |sum, each| sum.saturating_add(each.amount))
    };
    let burnt = sum(&|moved| moved.to.is_zero());
    if burnt.is_zero() {
        return Some(0);
    }
    // Fees may be paid in new shares in the same transaction.
    let minted = sum(&|moved| moved.from.is_zero());
    let supply = effects.writes.iter().find(|write| {
        write.address == pool
            && write.slot < PLAIN_SLOTS
            && write.old.saturating_add(minted) == write.new.saturating_add(burnt)
    })?;
    share_bps(burnt, supply.old)
}

/// The side that fell most and that an outsider has now: asset, held before, lost, and who has most of it.
fn paid_out(seen: &Seen<'_>, pool: &Pool) -> Option<(Asset, U256, U256, Address)> {
    let (first, second) = pool.tokens();
    let sides = [first, second].into_iter().filter_map(|asset| {
        let (before, after) = pool.reserve(asset)?;
        let lost = before.checked_sub(after)?;
        let taker = taker(seen, pool.address, asset, lost)?;
        (share_bps(lost, before)? >= PAID_OUT_BPS).then_some((asset, before, lost, taker))
    });
    // A token that the module issues is what the flaw is in; what was paid for it is the loss.
    sides.max_by_key(|(asset, before, lost, _)| {
        (!asset.token().is_some_and(|token| seen.member(token)), share_bps(*lost, *before))
    })
}

/// The one outside, neither pool nor grave, who ended with at least a tenth of `lost` more of `asset`.
fn taker(seen: &Seen<'_>, pool: Address, asset: Asset, lost: U256) -> Option<Address> {
    let effects = seen.effects();
    let mut best: Option<(Address, U256)> = None;
    let mut looked: Vec<Address> = Vec::new();
    for moved in effects.movements.iter().filter(|moved| moved.asset == asset) {
        let to = moved.to;
        if to.is_zero() || to == DEAD || to == pool || looked.contains(&to) || looked.len() >= 64 {
            continue;
        }
        looked.push(to);
        let is_pool = seen.prices().is_pool(to) && !seen.is_actor(to);
        if seen.protected(to) || is_pool || asset.token() == Some(to) {
            continue;
        }
        // A wrapped coin is unwrapped at once by whoever has no use for it.
        let coins = effects
            .movements
            .iter()
            .filter(|paid| paid.asset == Asset::Native && paid.to == to && asset.token() == Some(paid.from));
        let unwrapped = coins.fold(U256::ZERO, |sum, paid| sum.saturating_add(paid.amount));
        let gain = effects.claimed_net(to, asset).gain().saturating_add(unwrapped);
        if best.is_none_or(|(_, most)| gain > most) {
            best = Some((to, gain));
        }
    }
    let (account, gain) = best?;
    (gain.saturating_mul(U256::from(10)) >= lost && !gain.is_zero()).then_some(account)
}

#[cfg(test)]
mod tests;
