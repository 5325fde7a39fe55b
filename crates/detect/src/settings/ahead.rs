//! Thresholds for what stands around a module: operations that wait for their time, pools and feeds that it reads, and
//! positions that it lets people open.

use cofferdam_types::Bps;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::share;

/// When an operation counts that waits in a timelock or governor, beside what it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueuedSettings {
    /// An alert when a timelock's delay becomes shorter by this share of what it was.
    pub shorter_by_bps: Bps,
    /// Whoever made fewer transactions than this and was never seen is fresh: a role for such an account is an alert.
    pub young_transactions: u64,
}

impl Default for QueuedSettings {
    fn default() -> Self {
        Self { shorter_by_bps: share(9_000), young_transactions: 10 }
    }
}

/// When a pool counts as left whose price the module reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LiquiditySettings {
    /// The least share of a pool that its providers must take out in one transaction.
    pub leave_bps: Bps,
    /// How long after that a loan counts as its consequence, in seconds.
    pub window_seconds: u64,
    /// An alert when this share of an asset then leaves the module by the pool's price.
    pub alert_bps: Bps,
}

impl Default for LiquiditySettings {
    fn default() -> Self {
        Self { leave_bps: share(5_000), window_seconds: 86_400, alert_bps: share(500) }
    }
}

/// When a price that the module reads counts as late or far off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedSettings {
    /// How far an answer must lie from the last one, in basis points of the lower.
    pub jump_bps: u64,
    /// How old that last one may be, in seconds.
    pub recent_seconds: u64,
    /// How old an answer must be, in percent of the longest that it was ever seen to get.
    pub late_percent: u64,
    /// An alert when this share of an asset leaves the module by such an answer.
    pub alert_bps: Bps,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self { jump_bps: 3_000, recent_seconds: 172_800, late_percent: 150, alert_bps: share(500) }
    }
}

/// When a position counts that owes more than it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeverageSettings {
    /// How much more than its collateral's worth it must owe, as a share of that worth.
    pub over_bps: Bps,
    /// The least share of an asset that must leave the module for it.
    pub alert_bps: Bps,
}

impl Default for LeverageSettings {
    fn default() -> Self {
        Self { over_bps: share(2_000), alert_bps: share(100) }
    }
}
