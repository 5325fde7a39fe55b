//! Chance that follows from the seed, and amounts with 18 decimals.

use alloy_primitives::U256;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One whole token or ether, in its smallest unit.
const WHOLE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// A thousandth of it.
const MILLI: U256 = U256::from_limbs([1_000_000_000_000_000, 0, 0, 0]);

/// `amount` whole tokens, in the smallest unit. 2^64 whole tokens fit in 256 bits, so nothing saturates.
pub(super) const fn whole(amount: u64) -> U256 {
    U256::from_limbs([amount, 0, 0, 0]).saturating_mul(WHOLE)
}

/// A source of choices; two with the same seed and purpose choose alike.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// `purpose` keeps the choices of one user apart from those of another: more of the first change nothing for the second.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let preimage = [seed.to_be_bytes().as_slice(), purpose.as_bytes()].concat();
        Self(ChaCha8Rng::from_seed(alloy_primitives::keccak256(preimage).0))
    }

    /// A number in `low..=high`; `low` when the range is empty. The slight bias of a remainder does no harm in a drill.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.0.next_u64().checked_rem(width).unwrap_or_default())
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.between(0, 99) < percent
    }

    /// An amount between `low` and `high` thousandths of a whole token, in the smallest unit.
    pub(super) fn milli(&mut self, low: u64, high: u64) -> U256 {
        U256::from(self.between(low, high)).saturating_mul(MILLI)
    }

    /// One of `items`.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let last = u64::try_from(items.len()).unwrap_or(u64::MAX).saturating_sub(1);
        let index = usize::try_from(self.between(0, last)).unwrap_or_default();
        items.get(index).expect("callers pass at least one item")
    }

    /// The place of one of `items`, for changing it.
    pub(super) fn pick_mut<'a, T>(&mut self, items: &'a mut [T]) -> &'a mut T {
        let last = u64::try_from(items.len()).unwrap_or(u64::MAX).saturating_sub(1);
        let index = usize::try_from(self.between(0, last)).unwrap_or_default();
        items.get_mut(index).expect("callers pass at least one item")
    }

    /// Wei per gas for the block's fee recipient, between 1 and 3 gwei: what honest users pay.
    pub(super) fn tip(&mut self) -> u128 {
        u128::from(self.between(1_000_000_000, 3_000_000_000))
    }
}
