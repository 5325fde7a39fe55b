//! Waiting for a condition with a deadline. Never for a length of time.

use std::time::Duration;

use tokio::time::Instant;

/// How long most conditions may take before the test fails: generous, because two cores may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at that cannot announce itself.
const POLL: Duration = Duration::from_millis(20);

/// Looks at `probe` until it gives a value.
///
/// # Panics
/// When `deadline` has passed; the message names `what` was waited for.
pub async fn until<T, F>(what: &str, deadline: Duration, mut probe: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// How long the long outages of the tests last: `COFFERDAM_OUTAGE_SECONDS`, 30 by `scripts/kills`, else 5. From the third
/// second on, when people are told, nothing new happens in one.
///
/// # Panics
/// When the variable is not a whole number.
pub fn outage() -> Duration {
    let asked = std::env::var("COFFERDAM_OUTAGE_SECONDS").unwrap_or_else(|_| "5".to_owned());
    Duration::from_secs(asked.parse().expect("`COFFERDAM_OUTAGE_SECONDS` is a number"))
}
