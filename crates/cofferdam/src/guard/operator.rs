//! What the operator must know about this process itself.

use cofferdam_types::{OperatorAlert, UnixMillis};

/// Seconds by which our clock and the newest block may differ before it is said. Blocks come every twelve seconds and
/// their times are set by their builders.
const TOLERATED_SECONDS: i64 = 60;

/// Says once that the clock and block time are apart, and is silent until they were together again.
#[derive(Debug, Default)]
pub(super) struct SkewWatch {
    told: bool,
}

impl SkewWatch {
    /// Compares `now` with the time of a block that has just been mined.
    pub(super) fn look(&mut self, now: UnixMillis, block_seconds: u64) -> Option<OperatorAlert> {
        let ours = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
        let seconds = ours.saturating_sub(i64::try_from(block_seconds).unwrap_or(i64::MAX));
        let apart = seconds.saturating_abs() > TOLERATED_SECONDS;
        let tell = apart && !self.told;
        self.told = apart;
        tell.then_some(OperatorAlert::ClockSkew { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_once_until_it_was_right_again() {
        let mut watch = SkewWatch::default();
        let at = |seconds: u64| UnixMillis(seconds * 1_000);
        assert_eq!(watch.look(at(1_000), 1_010), None);
        assert_eq!(watch.look(at(1_300), 1_000), Some(OperatorAlert::ClockSkew { seconds: 300 }));
        assert_eq!(watch.look(at(1_312), 1_012), None);
        assert_eq!(watch.look(at(1_024), 1_024), None);
        assert_eq!(watch.look(at(900), 1_036), Some(OperatorAlert::ClockSkew { seconds: -136 }));
    }
}
