//! Units as types, so that a share is never taken for an amount. No conversions between units live here.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A block's height. The first block is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct BlockNumber(pub u64);

impl BlockNumber {
    /// The following height; the last representable height is its own successor.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for BlockNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An EIP-155 chain id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ChainId(pub u64);

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A share in basis points: 1 bps = 0.01 %. Always within `0..=10_000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Bps(u16);

impl Bps {
    /// One hundred percent.
    pub const WHOLE: Self = Self(10_000);

    /// `None` above one hundred percent, so a `Bps` in hand is always a valid share.
    pub const fn new(bps: u16) -> Option<Self> {
        if bps <= Self::WHOLE.0 { Some(Self(bps)) } else { None }
    }

    /// The share as a number of basis points, `0..=10_000`.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Bps {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = u16::deserialize(deserializer)?;
        Self::new(raw).ok_or_else(|| serde::de::Error::custom(format!("{raw} bps is more than the whole, 10000 bps")))
    }
}

/// Milliseconds since the Unix epoch. On a drill's virtual time, since that drill's epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Milliseconds from `earlier` to `self`, zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds, rounded down: the unit of block timestamps.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }
}

/// The first four bytes of calldata. Fewer than four bytes of calldata have no selector.
pub type Selector = alloy_primitives::FixedBytes<4>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_above_one_hundred_percent_cannot_be_built() {
        assert!(Bps::new(10_001).is_none());
        assert!(serde_json::from_str::<Bps>("10001").is_err());
        assert_eq!(serde_json::from_str::<Bps>("10000").unwrap(), Bps::WHOLE);
    }
}
