//! What a containment offers per gas: above the transaction that it must overtake, below what people allowed.
//!
//! Pure arithmetic. All amounts are wei per gas unless the name says otherwise; every bid is rounded up, every cap down.

use alloy_primitives::U256;
use cofferdam_types::Transaction;

/// An offer. `tip` is `None` on chains without a base fee, where `max_fee` is the gas price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    max_fee: u128,
    tip: Option<u128>,
}

impl Price {
    /// As recorded: on a chain without base fee both numbers are the gas price.
    pub(crate) const fn recorded(max_fee: u128, tip: u128, legacy: bool) -> Self {
        Self { max_fee, tip: if legacy { None } else { Some(tip) } }
    }

    /// The most that is paid per gas, base fee included.
    pub const fn max_fee(&self) -> u128 {
        self.max_fee
    }

    /// The most that goes to the block's producer; `None` on chains without a base fee.
    pub const fn tip(&self) -> Option<u128> {
        self.tip
    }

    /// What competes for a place in the block: the tip, or the gas price where there is no base fee.
    pub fn priority(&self) -> u128 {
        self.tip.unwrap_or(self.max_fee)
    }
}

/// Inside which an offer must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Wei per gas, base fee included.
    pub max_fee: u128,
    /// Wei for the whole transaction.
    pub max_total_wei: u128,
    /// The tip that is offered even when nothing must be overtaken.
    pub floor: u128,
    /// Added on top of the overtaken transaction's tip.
    pub bump: u128,
}

/// No offer is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeeRefusal {
    /// The chain is too expensive for the limits.
    #[error("the chain asks {base_fee} wei per gas, the limits allow {ceiling}")]
    AboveCap {
        /// The base fee.
        base_fee: u128,
        /// What the caps leave per gas.
        ceiling: u128,
    },
    /// The guardian cannot pay.
    #[error("the guardian has {balance} wei, {gas_limit} gas at {base_fee} wei needs more")]
    NoFunds {
        /// The guardian's balance, wei.
        balance: U256,
        /// Gas.
        gas_limit: u64,
        /// The base fee.
        base_fee: u128,
    },
}

/// What may be offered per gas at most, by the caps alone.
fn ceiling(caps: &Caps, gas_limit: u64) -> u128 {
    let by_total = caps.max_total_wei.checked_div(u128::from(gas_limit)).unwrap_or(caps.max_fee);
    caps.max_fee.min(by_total)
}

/// What the guardian's purse affords per gas.
fn affordable(funds: U256, gas_limit: u64) -> u128 {
    funds.checked_div(U256::from(gas_limit)).map_or(u128::MAX, |per_gas| per_gas.saturating_to())
}

/// The offer for a containment of `gas_limit` gas, to be mined before `overtake` where there is one.
///
/// The overtaken transaction's tip is taken at the lowest base fee that the next block can have (an eighth less), where
/// it is highest. Where the caps do not allow to outbid it the offer is the highest that they allow: a containment that
/// comes second still stops what follows.
///
/// # Errors
/// [`FeeRefusal`] when not even the base fee fits into the caps or the purse.
pub fn offer(
    base_fee: Option<u64>,
    overtake: Option<&Transaction>,
    caps: &Caps,
    gas_limit: u64,
    funds: U256,
) -> Result<Price, FeeRefusal> {
    let base = u128::from(base_fee.unwrap_or_default());
    let by_caps = ceiling(caps, gas_limit);
    let by_purse = affordable(funds, gas_limit);
    let lowest = base.max(1);
    if by_caps < lowest {
        return Err(FeeRefusal::AboveCap { base_fee: base, ceiling: by_caps });
    }
    if by_purse < lowest {
        return Err(FeeRefusal::NoFunds { balance: funds, gas_limit, base_fee: base });
    }
    let highest = by_caps.min(by_purse);
    let rival = overtake.map_or(0, |rival| rival_priority(rival, base_fee));
    let wanted = caps.floor.max(if rival == 0 { 0 } else { eighth_more(rival).saturating_add(caps.bump) });
    Ok(match base_fee {
        Some(_) => {
            // Twice the base fee: stays valid through five full blocks in a row.
            let max_fee = base.saturating_mul(2).saturating_add(wanted).min(highest);
            Price { max_fee, tip: Some(wanted.min(max_fee)) }
        }
        None => Price { max_fee: wanted.max(1).min(highest), tip: None },
    })
}

fn rival_priority(rival: &Transaction, base_fee: Option<u64>) -> u128 {
    match base_fee {
        Some(base) => rival.effective_tip(base.saturating_sub(base.div_ceil(8))),
        None => rival.max_fee_per_gas,
    }
}

/// A dearer offer for the same nonce, at least 12.5 % above `old` in both numbers so that nodes accept it in its place,
/// and at least `wanted`. `None` when the caps or the purse do not allow that: the old offer then stands.
pub fn raise(old: &Price, wanted: &Price, caps: &Caps, gas_limit: u64, funds: U256) -> Option<Price> {
    let highest = ceiling(caps, gas_limit).min(affordable(funds, gas_limit));
    let max_fee = eighth_more(old.max_fee).max(wanted.max_fee);
    let tip = old.tip.map(|tip| eighth_more(tip).max(wanted.tip.unwrap_or_default()).min(max_fee));
    // When only what is wanted is too dear, the least raise that nodes accept may still fit.
    let max_fee = if max_fee > highest { eighth_more(old.max_fee) } else { max_fee };
    if max_fee > highest {
        return None;
    }
    Some(Price { max_fee, tip: tip.map(|tip| tip.min(max_fee)) })
}

/// `amount` and an eighth of it, rounded up, and always more than `amount`.
fn eighth_more(amount: u128) -> u128 {
    amount.saturating_add(amount.div_ceil(8).max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    const GWEI: u128 = 1_000_000_000;
    const CAPS: Caps = Caps { max_fee: 500 * GWEI, max_total_wei: 100_000_000 * GWEI, floor: GWEI, bump: GWEI };
    const RICH: U256 = U256::MAX;

    fn rival(max_fee: u128, tip: u128) -> Transaction {
        Transaction { max_fee_per_gas: max_fee, max_priority_fee_per_gas: Some(tip), ..Transaction::default() }
    }

    #[test]
    fn the_attacker_is_outbid_whatever_the_next_base_fee_is() {
        let base = 10_000_000_000_u64;
        let attack = rival(40 * GWEI, 35 * GWEI);
        let price = offer(Some(base), Some(&attack), &CAPS, 60_000, RICH).unwrap();
        for next in [base - base / 8, base, base + base / 8] {
            let ours = price.tip().unwrap().min(price.max_fee() - u128::from(next));
            assert!(ours > attack.effective_tip(next), "{ours} at {next}");
        }
    }

    #[test]
    fn the_caps_hold_even_where_they_do_not_allow_to_outbid() {
        let attack = rival(10_000 * GWEI, 10_000 * GWEI);
        let price = offer(Some(1_000_000_000), Some(&attack), &CAPS, 60_000, RICH).unwrap();
        assert_eq!(price.max_fee(), CAPS.max_fee);
    }

    #[test]
    fn a_base_fee_above_the_cap_is_refused_with_both_numbers() {
        let refusal = offer(Some(600_000_000_000), None, &CAPS, 60_000, RICH).unwrap_err();
        assert_eq!(refusal, FeeRefusal::AboveCap { base_fee: 600 * GWEI, ceiling: 500 * GWEI });
    }

    #[test]
    fn an_empty_purse_is_refused() {
        let refusal = offer(Some(1_000_000_000), None, &CAPS, 60_000, U256::from(5)).unwrap_err();
        assert!(matches!(refusal, FeeRefusal::NoFunds { .. }));
    }

    #[test]
    fn without_a_base_fee_the_gas_price_competes() {
        let attack = Transaction { max_fee_per_gas: 8 * GWEI, ..Transaction::default() };
        let price = offer(None, Some(&attack), &CAPS, 60_000, RICH).unwrap();
        assert_eq!(price, Price { max_fee: 10 * GWEI, tip: None });
    }

    proptest! {
        #[test]
        fn an_offer_and_its_raises_never_exceed_caps_or_purse(
            base in proptest::option::of(0_u64..2_000_000_000_000), attack_fee in any::<u64>(), attack_tip in any::<u64>(),
            max_fee in any::<u64>(), total in any::<u64>(), floor in 0_u64..5_000_000_000, bump in 0_u64..5_000_000_000,
            gas in 21_000_u64..1_000_000, funds in any::<u64>(),
        ) {
            let caps = Caps {
                max_fee: max_fee.into(), max_total_wei: total.into(), floor: floor.into(), bump: bump.into(),
            };
            let attack = rival(attack_fee.into(), attack_tip.into());
            let funds = U256::from(funds);
            let Ok(mut price) = offer(base, Some(&attack), &caps, gas, funds) else { return Ok(()) };
            let wanted = price;
            for _ in 0..40 {
                prop_assert!(price.max_fee() <= caps.max_fee);
                let cost = U256::from(price.max_fee()) * U256::from(gas);
                prop_assert!(cost <= U256::from(caps.max_total_wei) && cost <= funds);
                prop_assert!(price.priority() <= price.max_fee());
                let Some(next) = raise(&price, &wanted, &caps, gas, funds) else { return Ok(()) };
                prop_assert!(next.max_fee() * 8 >= price.max_fee() * 9);
                if let (Some(old), Some(new)) = (price.tip(), next.tip()) {
                    prop_assert!(new * 8 >= old * 9);
                }
                price = next;
            }
        }
    }
}
