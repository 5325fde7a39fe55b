//! What a containment offers per gas: above the transaction that it must overtake, below what people allowed.
//!
//! Producers order by the effective tip or by the maximum fee (anvil, and local ordering here and there), so an offer is
//! above the rival in both. Pure arithmetic. All amounts are wei per gas unless the name says otherwise; every bid is
//! rounded up, every cap down.

use std::fmt;

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

/// What must be overtaken: a transaction, or the most that several of them offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    max_fee: u128,
    /// The most that may go to the producer; the gas price of a transaction that has nothing else.
    tip: u128,
}

impl Rival {
    /// What `transaction` offers.
    pub fn of(transaction: &Transaction) -> Self {
        let max_fee = transaction.max_fee_per_gas;
        Self { max_fee, tip: transaction.max_priority_fee_per_gas.unwrap_or(max_fee) }
    }

    /// One that offers at least what both do.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { max_fee: self.max_fee.max(other.max_fee), tip: self.tip.max(other.tip) }
    }

    /// What goes to the producer at `base_fee`; the gas price where there is no base fee.
    fn priority(&self, base_fee: Option<u64>) -> u128 {
        match base_fee {
            Some(base_fee) => self.tip.min(self.max_fee.saturating_sub(base_fee.into())),
            None => self.max_fee,
        }
    }

    /// The same at the lowest base fee that the next block can have, an eighth less, where it is highest.
    fn highest_priority(&self, base_fee: Option<u64>) -> u128 {
        self.priority(base_fee.map(|base_fee| base_fee.saturating_sub(base_fee.div_ceil(8))))
    }
}

/// Why a rival may still be mined before an offer, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    ours: Price,
    rival: Rival,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the attack offers up to {} wei per gas and a tip of up to {}, the most that limits and purse allow is {} \
             with a tip of {}: it, or one like it, may be mined first",
            self.rival.max_fee,
            self.rival.tip,
            self.ours.max_fee,
            self.ours.priority(),
        )
    }
}

impl Price {
    /// Whether a producer may put `rival` first, by the order of its effective tip or of its maximum fee.
    pub fn behind(&self, rival: &Rival, base_fee: Option<u64>) -> Option<Behind> {
        let by_tip = self.priority() <= rival.priority(base_fee);
        let by_fee = self.max_fee <= rival.max_fee;
        (by_tip || by_fee).then_some(Behind { ours: *self, rival: *rival })
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

/// The offer for a containment of `gas_limit` gas, to be mined before `overtake` where there is one, however the
/// producer orders its block.
///
/// Where the caps do not allow to outbid it the offer is the highest that they allow: a containment that comes second
/// still stops what follows. [`Price::behind`] tells. An offer that the rival drives to the caps can never be raised, so
/// it gives the producer all that the caps allow.
///
/// # Errors
/// [`FeeRefusal`] when not even the base fee fits into the caps or the purse.
pub fn offer(
    base_fee: Option<u64>,
    overtake: Option<&Rival>,
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
    let above = |rival: u128| eighth_more(rival).saturating_add(caps.bump);
    let tip = overtake.map_or(0, |rival| above(rival.highest_priority(base_fee))).max(caps.floor);
    if base_fee.is_none() {
        return Ok(Price { max_fee: tip.max(1).min(highest), tip: None });
    }
    // Twice the base fee: stays valid through five full blocks in a row.
    let lasting = base.saturating_mul(2).saturating_add(tip);
    let above_rival = overtake.map_or(0, |rival| above(rival.max_fee));
    let max_fee = lasting.max(above_rival).min(highest);
    let driven = above_rival > lasting && eighth_more(max_fee) > highest;
    let tip = if driven { tip.max(max_fee.saturating_sub(base)) } else { tip };
    Ok(Price { max_fee, tip: Some(tip.min(max_fee)) })
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

    fn legacy(gas_price: u128) -> Transaction {
        Transaction { max_fee_per_gas: gas_price, ..Transaction::default() }
    }

    #[test]
    fn the_attacker_is_outbid_whatever_the_next_base_fee_is() {
        let base = 10_000_000_000_u64;
        let attack = rival(40 * GWEI, 35 * GWEI);
        let offered = Rival::of(&attack);
        let price = offer(Some(base), Some(&offered), &CAPS, 60_000, RICH).unwrap();
        for next in [base - base / 8, base, base + base / 8] {
            let ours = price.tip().unwrap().min(price.max_fee() - u128::from(next));
            assert!(ours > attack.effective_tip(next), "{ours} at {next}");
        }
    }

    #[test]
    fn the_caps_hold_even_where_they_do_not_allow_to_outbid() {
        let attack = Rival::of(&rival(10_000 * GWEI, 10_000 * GWEI));
        let price = offer(Some(1_000_000_000), Some(&attack), &CAPS, 60_000, RICH).unwrap();
        assert_eq!(price.max_fee(), CAPS.max_fee);
        let said = price.behind(&attack, Some(1_000_000_000)).unwrap().to_string();
        assert!(said.contains("10000000000000") && said.contains("500000000000") && said.contains("first"), "{said}");
    }

    #[test]
    fn a_maximum_fee_far_above_the_tip_is_outbid_too() {
        let base = 10_000_000_000;
        for attack in [rival(200 * GWEI, 2 * GWEI), Transaction { kind: 0, ..legacy(200 * GWEI) }] {
            let attack = Rival::of(&attack);
            let price = offer(Some(base), Some(&attack), &CAPS, 60_000, RICH).unwrap();
            assert!(price.max_fee() >= 226 * GWEI, "{price:?}");
            assert!(price.tip().unwrap() > attack.priority(Some(base)), "{price:?}");
            assert_eq!(price.behind(&attack, Some(base)), None);
        }
        let modest = offer(Some(base), Some(&Rival::of(&rival(200 * GWEI, 2 * GWEI))), &CAPS, 60_000, RICH).unwrap();
        assert!(modest.tip().unwrap() < 4 * GWEI, "what only orders must not be paid: {modest:?}");
    }

    #[test]
    fn an_offer_that_the_rival_drives_to_the_cap_gives_the_producer_all_of_it() {
        let attack = Rival::of(&rival(480 * GWEI, 2 * GWEI));
        let price = offer(Some(10_000_000_000), Some(&attack), &CAPS, 60_000, RICH).unwrap();
        assert_eq!(price, Price { max_fee: 500 * GWEI, tip: Some(490 * GWEI) });
        assert_eq!(raise(&price, &price, &CAPS, 60_000, RICH), None);
        let nobody = offer(Some(300_000_000_000), None, &CAPS, 60_000, RICH).unwrap();
        assert_eq!(nobody, Price { max_fee: 500 * GWEI, tip: Some(GWEI) });
    }

    #[test]
    fn several_rivals_are_outbid_by_what_each_is_best_at() {
        let both = Rival::of(&rival(50 * GWEI, 40 * GWEI)).and(Rival::of(&rival(300 * GWEI, GWEI)));
        let price = offer(Some(10_000_000_000), Some(&both), &CAPS, 60_000, RICH).unwrap();
        assert!(price.max_fee() > 300 * GWEI && price.tip().unwrap() > 40 * GWEI, "{price:?}");
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
        let attack = legacy(8 * GWEI);
        let price = offer(None, Some(&Rival::of(&attack)), &CAPS, 60_000, RICH).unwrap();
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
            let attack = Rival::of(&rival(attack_fee.into(), attack_tip.into()));
            let funds = U256::from(funds);
            let Ok(mut price) = offer(base, Some(&attack), &caps, gas, funds) else { return Ok(()) };
            let highest = ceiling(&caps, gas).min(affordable(funds, gas));
            prop_assert!(price.behind(&attack, base).is_none() || price.max_fee() == highest, "outbid, or at the cap");
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
