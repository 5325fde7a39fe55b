//! Conservation: a token of the module cannot move what its holder never had.
//!
//! Overflows, underflows and transfers to oneself that count twice all leave the same mark: the token's events and its
//! storage no longer add up. Exact comparisons of whole words only, so that packed or scaled balances are never
//! mistaken for broken ones; those are not seen here.

use std::collections::HashSet;

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, Effects, Evidence, Harm, Level, Movement, Severity};

use crate::{
    Seen,
    flows::Table,
    seen::{ROUNDING_UNITS, Said},
};

/// More smallest units than any token that is worth something has: 2^160, about 10^48.
pub(super) const BEYOND_ANY_SUPPLY: U256 = U256::from_limbs([0, 0, 1 << 32, 0]);

/// Half the range: a balance up here has wrapped below zero.
const WRAPPED: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

/// Different transfers to oneself that are looked at in one transaction; more is an attempt to make us slow.
const MOST_TO_SELF: usize = 16;

/// One broken movement.
struct Broken {
    token: Address,
    holder: Address,
    amount: U256,
    how: &'static str,
}

/// The first movement of a token of the module that breaks conservation.
pub(super) fn from_nothing(seen: &Seen<'_>) -> Option<Said> {
    let broken = broken(seen)?;
    Some(Said {
        level: Level::Stop,
        severity: Severity::Critical,
        summary: format!(
            "{} of token {} of module {} came from nothing: {}",
            broken.amount, broken.token, seen.module.id, broken.how
        ),
        harm: vec![Harm {
            asset: Asset::Erc20(broken.token),
            account: broken.token,
            amount: broken.amount,
            at_risk: true,
        }],
        evidence: vec![
            Evidence::new("token", broken.token),
            Evidence::new("holder", broken.holder),
            Evidence::new("amount", broken.amount),
            Evidence::new("how", broken.how),
            Evidence::new("sender", seen.execution.transaction.from),
        ],
    })
}

fn broken(seen: &Seen<'_>) -> Option<Broken> {
    let effects = seen.effects();
    let issued = |movement: &&Movement| match movement.asset {
        Asset::Erc20(token) => seen.member(token),
        Asset::Native | Asset::Erc721(..) | Asset::Erc1155(..) => false,
    };
    // Three cheap questions that honest transactions answer with no.
    let huge = |movement: &&Movement| movement.amount >= BEYOND_ANY_SUPPLY;
    let to_itself = |movement: &&Movement| movement.from == movement.to && !movement.amount.is_zero();
    let wraps =
        effects.writes.iter().any(|write| write.new >= WRAPPED && write.old < WRAPPED && seen.member(write.address));
    let suspicious = effects.movements.iter().any(|movement| huge(&movement) || to_itself(&movement)) || wraps;
    if !suspicious {
        return None;
    }
    let mut holders: Table<(Address, Address), (U256, U256)> = Table::default();
    let mut to_self: Vec<(Address, Address, U256)> = Vec::new();
    for movement in effects.movements.iter().filter(issued) {
        let token = movement.asset.token().unwrap_or_default();
        if movement.from == movement.to {
            let own = (token, movement.from, movement.amount);
            let material = movement.amount >= U256::from(ROUNDING_UNITS);
            if material && to_self.len() < MOST_TO_SELF && !to_self.contains(&own) {
                to_self.push(own);
            }
            continue;
        }
        let (out, _) = holders.at((token, movement.from));
        match out.checked_add(movement.amount) {
            Some(sum) => *out = sum,
            // Nobody can have held more than a word can count.
            None if !movement.from.is_zero() => {
                let how = "more left one holder than 256 bits can count";
                return Some(Broken { token, holder: movement.from, amount: movement.amount, how });
            }
            None => *out = U256::MAX,
        }
        let (_, back) = holders.at((token, movement.to));
        *back = back.saturating_add(movement.amount);
    }
    // By how much a slot fell, modulo the range; with it the writes that ended beyond half of it.
    let fell: HashSet<U256> = effects
        .writes
        .iter()
        .filter(|write| write.old >= write.new)
        .map(|write| write.old.wrapping_sub(write.new))
        .collect();
    let below_zero = effects.writes.iter().filter(|write| write.new >= WRAPPED && write.old < write.new);
    let below_zero: HashSet<(Address, U256)> =
        below_zero.map(|write| (write.address, write.old.wrapping_sub(write.new))).collect();
    let twice = to_self.into_iter().find_map(|own| counted_twice(effects, &holders, own));
    twice.or_else(|| {
        holders.rows.iter().find_map(|((token, holder), (out, back))| {
            let lost = out.checked_sub(*back).filter(|lost| !lost.is_zero() && !holder.is_zero())?;
            if below_zero.contains(&(*token, lost)) {
                let how = "the holder's balance fell below zero and wrapped";
                return Some(Broken { token: *token, holder: *holder, amount: lost, how });
            }
            if lost >= BEYOND_ANY_SUPPLY && !fell.contains(&lost) {
                let how = "more than any supply left a holder and no balance fell by it";
                return Some(Broken { token: *token, holder: *holder, amount: lost, how });
            }
            None
        })
    })
}

/// A transfer to oneself that raised a balance by exactly its amount, which the holder's other transfers do not
/// explain, nor somebody else's who was paid the same amount.
fn counted_twice(
    effects: &Effects,
    holders: &Table<(Address, Address), (U256, U256)>,
    (token, holder, amount): (Address, Address, U256),
) -> Option<Broken> {
    let raised = effects.writes.iter().any(|write| {
        write.address == token
            && write.slot >= U256::from_limbs([0, 1, 0, 0])
            && write.old.checked_add(amount) == Some(write.new)
    });
    let explained = holders.rows.iter().any(|((of, who), (out, back))| {
        *of == token && if *who == holder { out != back } else { back.checked_sub(*out) == Some(amount) }
    });
    let how = "a transfer to oneself raised the balance";
    (raised && !explained).then_some(Broken { token, holder, amount, how })
}
