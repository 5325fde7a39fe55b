//! How often to look where nobody announces anything.
//!
//! A node that answers at once is near, and a look costs it next to nothing: it is asked often. One that is far, busy
//! or has much to show is asked no more often than the option says. Nothing here waits.

use std::time::Duration;

/// Pauses are this many times as long as looks.
const PART: u32 = 40;
/// The shortest pause, however fast the answer.
const SHORTEST: Duration = Duration::from_millis(40);

/// The pause after a look that took `took`, at most `longest`.
pub(crate) fn pause_after(took: Duration, longest: Duration) -> Duration {
    took.saturating_mul(PART).max(SHORTEST).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_node_is_asked_often_and_none_more_rarely_than_the_option_says() {
        let pause = |took| pause_after(Duration::from_micros(took), Duration::from_millis(200)).as_millis();
        assert_eq!([pause(0), pause(900), pause(2_000), pause(30_000)], [40, 40, 80, 200]);
        assert_eq!(pause_after(Duration::ZERO, Duration::from_millis(5)), Duration::from_millis(5));
    }
}
