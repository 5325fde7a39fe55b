//! Exact arithmetic that the interface offers, over more than 256 bits in between.
//!
//! Nothing here wraps: what does not fit is refused.

use alloy_primitives::U512;
use revm::primitives::U256;
use revm::primitives::ruint::Uint;

use super::abi::Ph;
use super::dispatch::{Answer, value};

/// Wide enough for a product of three amounts.
pub(super) type Wide = Uint<1024, 16>;

/// One hundred percent.
const WHOLE_BPS: u64 = 10_000;

/// Answers a question of arithmetic; `None` for every other.
pub(super) fn answer(call: &Ph::PhCalls) -> Option<Answer> {
    use Ph::PhCalls as Call;
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other questions are not arithmetic")]
    match call {
        Call::mulDivDown(call) => Some(number(mul_div(call.x, call.y, call.denominator, false))),
        Call::mulDivUp(call) => Some(number(mul_div(call.x, call.y, call.denominator, true))),
        Call::normalizeDecimals(call) => Some(number(rescale(call.amount, call.fromDecimals, call.toDecimals))),
        Call::ratioGe(call) => {
            let ratio = is_at_least((call.num1, call.den1), (call.num2, call.den2), call.toleranceBps);
            Some(value(&ratio))
        }
        _ => None,
    }
}

fn number(result: Result<U256, &str>) -> Answer {
    result.map_or_else(|reason| Answer::Refuse(reason.to_owned()), |number| value(&number))
}

/// `x * y / denominator`, rounded down or up.
fn mul_div(x: U256, y: U256, denominator: U256, up: bool) -> Result<U256, &'static str> {
    let product: U512 = x.widening_mul(y);
    let by = U512::from(denominator);
    let (quotient, rest) = match (product.checked_div(by), product.checked_rem(by)) {
        (Some(quotient), Some(rest)) => (quotient, rest),
        _ => return Err("division by zero"),
    };
    let rounded = if up && !rest.is_zero() { quotient.saturating_add(U512::from(1)) } else { quotient };
    narrow(rounded)
}

fn narrow(wide: U512) -> Result<U256, &'static str> {
    if wide.bit_len() > 256 {
        return Err("the result does not fit 256 bits");
    }
    Ok(wide.wrapping_to())
}

/// From one number of decimals to another, rounded down.
fn rescale(amount: U256, from: u8, to: u8) -> Result<U256, &'static str> {
    let factor = U256::from(10).checked_pow(U256::from(from.abs_diff(to)));
    match (factor, to >= from) {
        (_, true) if amount.is_zero() => Ok(amount),
        (Some(factor), true) => amount.checked_mul(factor).ok_or("the result does not fit 256 bits"),
        (None, true) => Err("the result does not fit 256 bits"),
        (Some(factor), false) => Ok(amount.checked_div(factor).unwrap_or_default()),
        // Past 77 decimals nothing of 256 bits is left.
        (None, false) => Ok(U256::ZERO),
    }
}

/// `left >= right * (1 - tolerance)`, where both are numerator and denominator, by multiplication alone.
fn is_at_least(left: (U256, U256), right: (U256, U256), tolerance_bps: U256) -> bool {
    let kept = U256::from(WHOLE_BPS).saturating_sub(tolerance_bps);
    product(left.0, right.1, U256::from(WHOLE_BPS)) >= product(right.0, left.1, kept)
}

/// Whether two ratios differ by at most a share of the first one. A ratio to zero is no price and differs from nothing.
pub(super) fn is_near(base: (U256, U256), other: (U256, U256), tolerance_bps: U256) -> bool {
    if base.1.is_zero() || other.1.is_zero() {
        return true;
    }
    let (was, is) = (product(base.0, other.1, U256::from(WHOLE_BPS)), product(other.0, base.1, U256::from(WHOLE_BPS)));
    was.abs_diff(is) <= product(base.0, other.1, tolerance_bps)
}

fn product(first: U256, second: U256, third: U256) -> Wide {
    // Three factors of 256 bits fit into 768.
    Wide::from(first).wrapping_mul(Wide::from(second)).wrapping_mul(Wide::from(third))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers in tests")]

    use proptest::prelude::*;

    use super::*;

    fn number(small: u64) -> U256 {
        U256::from(small)
    }

    #[test]
    fn products_of_512_bits_are_divided_exactly() {
        assert_eq!(mul_div(U256::MAX, U256::MAX, U256::MAX, false), Ok(U256::MAX));
        assert_eq!(mul_div(number(7), number(3), number(2), false), Ok(number(10)));
        assert_eq!(mul_div(number(7), number(3), number(2), true), Ok(number(11)));
        assert_eq!(mul_div(number(8), number(3), number(2), true), Ok(number(12)));
        assert!(mul_div(U256::MAX, number(2), number(1), false).is_err());
        assert!(mul_div(number(1), number(1), U256::ZERO, true).is_err());
    }

    #[test]
    fn decimals_are_cut_and_never_wrap() {
        assert_eq!(rescale(number(1_999_999), 6, 0), Ok(number(1)));
        assert_eq!(rescale(number(5), 6, 18), Ok(number(5_000_000_000_000)));
        assert!(rescale(U256::MAX, 0, 1).is_err() && rescale(number(1), 0, 255).is_err());
        assert_eq!(rescale(U256::MAX, 255, 0), Ok(U256::ZERO));
        assert_eq!(rescale(U256::ZERO, 0, 255), Ok(U256::ZERO));
    }

    #[test]
    fn a_price_may_move_by_its_tolerance_in_both_directions_and_no_further() {
        let near =
            |assets: u64, bps: u64| is_near((number(10_000), number(100)), (number(assets), number(100)), number(bps));
        assert!(near(9_900, 100) && near(10_100, 100) && near(10_000, 0));
        assert!(!near(9_899, 100) && !near(10_101, 100) && !near(10_001, 0));
        assert!(is_near((U256::MAX, U256::MAX), (U256::MAX, U256::MAX), U256::ZERO));
        assert!(is_near((number(5), number(5)), (number(9), U256::ZERO), U256::ZERO), "nobody holds a share");
    }

    proptest! {
        #[test]
        fn ratios_are_compared_as_fractions(a in 1..1_000_u64, b in 1..1_000_u64, c in 1..1_000_u64, d in 1..1_000_u64, bps in 0..10_000_u64) {
            let exact = u128::from(a) * u128::from(d) * 10_000 >= u128::from(c) * u128::from(b) * u128::from(10_000 - bps);
            prop_assert_eq!(is_at_least((number(a), number(b)), (number(c), number(d)), number(bps)), exact);
        }
    }
}
