//! Shares of amounts, exact over all 256 bits: products are taken in 512, so nothing overflows and nothing is rounded
//! before it is compared.

use alloy_primitives::{U256, U512};
use cofferdam_types::Bps;

/// Basis points in the whole.
const WHOLE: u64 = 10_000;

/// Whether `part` is at least `share` of `whole`. Nothing is never a share of anything; something is always at least
/// any share of nothing.
pub(crate) fn reaches(part: U256, whole: U256, share: Bps) -> bool {
    !part.is_zero() && scaled(part, WHOLE) >= scaled(whole, u64::from(share.get()))
}

/// Whether `part` is more than `share` of `whole`.
pub(crate) fn exceeds(part: U256, whole: U256, share: Bps) -> bool {
    scaled(part, WHOLE) > scaled(whole, u64::from(share.get()))
}

/// Whether `part / whole` is at least one `divisor`th of `other / base`: compares two shares without dividing.
/// False when `whole` or `base` is nothing.
pub(crate) fn comparable(part: U256, whole: U256, other: U256, base: U256, divisor: u64) -> bool {
    if whole.is_zero() || base.is_zero() {
        return false;
    }
    // part * base * divisor >= other * whole; saturating only when both sides are beyond any real amount.
    let left: U512 = part.widening_mul(base);
    let right: U512 = other.widening_mul(whole);
    left.saturating_mul(U512::from(divisor)) >= right
}

/// `part` as a number of basis points of `whole`, rounded down, for people to read. `None` of nothing.
pub(crate) fn share_bps(part: U256, whole: U256) -> Option<u64> {
    let bps = scaled(part, WHOLE).checked_div(U512::from(whole))?;
    Some(bps.saturating_to())
}

/// `whole * part / of`, rounded down; saturating. Nothing of nothing.
pub(crate) fn part_of(whole: U256, part: U256, of: U256) -> U256 {
    let product: U512 = whole.widening_mul(part);
    product.checked_div(U512::from(of)).map(|quotient| quotient.saturating_to()).unwrap_or_default()
}

/// Whether `part` is at most one thousandth of `whole`: what rounding and fees leave behind.
pub(crate) fn is_residue(part: U256, whole: U256) -> bool {
    scaled(part, 1_000) <= U512::from(whole)
}

fn scaled(amount: U256, by: u64) -> U512 {
    amount.widening_mul(U256::from(by))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bps(value: u16) -> Bps {
        Bps::new(value).unwrap()
    }

    #[test]
    fn a_share_is_compared_without_rounding() {
        let whole = U256::from(10_001);
        assert!(!reaches(U256::from(1), whole, bps(1)));
        assert!(reaches(U256::from(2), whole, bps(1)));
        assert!(exceeds(U256::from(2), whole, bps(1)));
        assert!(!reaches(U256::ZERO, U256::ZERO, bps(0)));
        assert!(reaches(U256::from(1), U256::ZERO, bps(10_000)));
        assert_eq!(share_bps(U256::from(1), U256::ZERO), None);
    }

    #[test]
    fn the_largest_amounts_do_not_overflow() {
        assert!(reaches(U256::MAX, U256::MAX, bps(10_000)));
        assert!(!exceeds(U256::MAX, U256::MAX, bps(10_000)));
        assert_eq!(share_bps(U256::MAX, U256::MAX), Some(10_000));
        assert_eq!(share_bps(U256::MAX, U256::from(1)), Some(u64::MAX));
        assert!(comparable(U256::MAX, U256::MAX, U256::MAX, U256::MAX, 4));
    }

    proptest! {
        #[test]
        fn reaching_agrees_with_wide_arithmetic(part in any::<u64>(), whole in any::<u64>(), share in 0..=10_000_u16) {
            let left = u128::from(part).checked_mul(10_000).unwrap();
            let right = u128::from(whole).checked_mul(u128::from(share)).unwrap();
            prop_assert_eq!(reaches(U256::from(part), U256::from(whole), bps(share)), part > 0 && left >= right);
            prop_assert_eq!(exceeds(U256::from(part), U256::from(whole), bps(share)), left > right);
        }

        #[test]
        fn a_larger_part_never_reaches_less(part in any::<u128>(), more in any::<u128>(), whole in any::<u128>(), share in 0..=10_000_u16) {
            let (small, large) = (U256::from(part), U256::from(part).saturating_add(U256::from(more)));
            prop_assert!(!reaches(small, U256::from(whole), bps(share)) || reaches(large, U256::from(whole), bps(share)));
        }
    }
}
