//! Many durations in little memory: counts in buckets that grow by a sixteenth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets between one power of two and the next.
const STEPS: u32 = 16;

/// How long things took. Percentiles are right to a sixteenth, and never too low.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Counts by bucket.
    buckets: BTreeMap<u32, u64>,
    /// The longest, in nanoseconds.
    longest: u64,
}

impl Times {
    /// Counts one duration.
    pub fn add(&mut self, nanos: u64) {
        let count = self.buckets.entry(bucket(nanos)).or_default();
        *count = count.saturating_add(1);
        self.longest = self.longest.max(nanos);
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            let sum = self.buckets.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.longest = self.longest.max(other.longest);
    }

    /// How many were counted.
    pub fn n(&self) -> u64 {
        self.buckets.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The longest, in nanoseconds.
    pub const fn longest(&self) -> u64 {
        self.longest
    }

    /// At least `per_mille` of a thousand took at most this, in nanoseconds.
    pub fn at(&self, per_mille: u64) -> u64 {
        let wanted = u128::from(self.n()).saturating_mul(u128::from(per_mille)).div_ceil(1_000).max(1);
        let mut seen = 0_u128;
        for (bucket, count) in &self.buckets {
            seen = seen.saturating_add(u128::from(*count));
            if seen >= wanted {
                return upper(*bucket).min(self.longest);
            }
        }
        0
    }
}

/// The bucket of a duration: its power of two, and the sixteenth between that and the next.
fn bucket(nanos: u64) -> u32 {
    let Some(power) = nanos.checked_ilog2() else { return 0 };
    let rest = nanos.wrapping_shr(power.saturating_sub(4)) & 15;
    let step = if power < 4 { 0 } else { u32::try_from(rest).unwrap_or(0) };
    power.saturating_mul(STEPS).saturating_add(step).saturating_add(1)
}

/// The longest duration of a bucket.
fn upper(bucket: u32) -> u64 {
    let Some(place) = bucket.checked_sub(1) else { return 0 };
    let (power, step) = (place / STEPS, u64::from(place % STEPS));
    let Some(low) = 1_u64.checked_shl(power) else { return u64::MAX };
    if power < 4 {
        return low.saturating_mul(2).saturating_sub(1);
    }
    let sixteenth = low.wrapping_shr(4);
    low.saturating_add(sixteenth.saturating_mul(step.saturating_add(1))).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers in tests")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_durations_within_a_sixteenth(nanos in any::<u64>()) {
            let upper = upper(bucket(nanos));
            prop_assert!(upper >= nanos);
            prop_assert!(nanos < 16 || u128::from(upper) <= u128::from(nanos) + u128::from(nanos) / 16 + 1);
        }

        #[test]
        fn merged_counts_are_those_of_all(first in prop::collection::vec(any::<u32>(), 0..50), second in prop::collection::vec(any::<u32>(), 0..50)) {
            let of = |values: &[u32]| {
                let mut times = Times::default();
                values.iter().for_each(|nanos| times.add(u64::from(*nanos)));
                times
            };
            let mut merged = of(&first);
            merged.merge(&of(&second));
            prop_assert_eq!(merged, of(&[first, second].concat()));
        }
    }

    #[test]
    fn percentiles_are_never_too_low() {
        let mut times = Times::default();
        (1..=1_000).for_each(|millis| times.add(millis * 1_000_000));
        for (per_mille, exact) in [(500, 500_000_000_u64), (990, 990_000_000), (1_000, 1_000_000_000)] {
            let at = times.at(per_mille);
            assert!(at >= exact && at <= exact + exact / 16 + 1, "{per_mille}: {at}");
        }
        assert_eq!((Times::default().at(500), times.n(), times.longest()), (0, 1_000, 1_000_000_000));
    }
}
