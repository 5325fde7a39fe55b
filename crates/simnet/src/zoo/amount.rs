//! Amounts of assets with 18 decimals; in the zoo every asset is worth the same.

use alloy_primitives::U256;

/// `amount` whole tokens or ether, in the smallest unit.
pub(super) fn whole(amount: u64) -> U256 {
    milli(amount.saturating_mul(1_000))
}

/// `amount` thousandths of a token or ether, in the smallest unit.
pub(super) fn milli(amount: u64) -> U256 {
    U256::from(amount).saturating_mul(U256::from(1_000_000_000_000_000_u64))
}

/// One of `pieces` equal parts, rounded down; at least one unit.
pub(super) fn part(amount: U256, pieces: u64) -> U256 {
    amount.checked_div(U256::from(pieces)).unwrap_or(amount).max(U256::ONE)
}
