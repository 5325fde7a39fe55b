//! Thresholds for what is seen before anything leaves: operations that wait for their time.

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
