//! How much an endpoint is trusted right now. Pure bookkeeping: time comes in as an argument.
//!
//! An endpoint is never given up: when nothing better is left, a demoted one is asked all the same.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Blame;

/// An endpoint with this many strikes is demoted.
const TOO_MANY: u32 = 3;
const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// What the owner should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    Demoted,
    Returned,
}

/// The record of one endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    strikes: u32,
    rest: Option<Rest>,
    /// Set by the comparison of heads, with the reason; ordinary successes do not clear it.
    astray: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    round: u32,
}

impl Health {
    pub(crate) fn failed(&mut self, blame: Blame, now: Instant) -> Change {
        let weight = match blame {
            Blame::None => return Change::Nothing,
            Blame::Soft => 1,
            Blame::Hard => TOO_MANY,
        };
        self.strikes = self.strikes.saturating_add(weight);
        if self.strikes < TOO_MANY {
            return Change::Nothing;
        }
        let round = self.rest.map_or(0, |rest| rest.round.saturating_add(1));
        let length = FIRST_REST.saturating_mul(2_u32.saturating_pow(round.min(16))).min(LONGEST_REST);
        let until = now.checked_add(length).unwrap_or(now);
        let first = self.rest.replace(Rest { until, round }).is_none();
        if first { Change::Demoted } else { Change::Nothing }
    }

    pub(crate) fn succeeded(&mut self) -> Change {
        self.strikes = self.strikes.saturating_sub(1);
        if self.rest.take().is_some() {
            self.strikes = 0;
            return Change::Returned;
        }
        Change::Nothing
    }

    /// Records what the comparison of heads found; `None` means that it agrees with the others.
    pub(crate) fn compared(&mut self, astray: Option<String>) -> Change {
        let before = self.astray.is_some();
        let now = astray.is_some();
        self.astray = astray;
        match (before, now) {
            (false, true) => Change::Demoted,
            (true, false) => Change::Returned,
            (true, true) | (false, false) => Change::Nothing,
        }
    }

    /// 0 is asked first. A rest that is over counts as health again: the next question is the trial.
    pub(crate) fn rank(&self, now: Instant) -> u8 {
        let resting = self.rest.is_some_and(|rest| rest.until > now);
        u8::from(resting).saturating_add(u8::from(self.astray.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hard_failure_demotes_at_once_and_a_success_brings_it_back() {
        let mut health = Health::default();
        assert_eq!(health.failed(Blame::Hard, Instant::now()), Change::Demoted);
        assert_eq!(health.rank(Instant::now()), 1);
        assert_eq!(health.failed(Blame::Hard, Instant::now()), Change::Nothing);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(health.rank(Instant::now()), 0);
        assert_eq!(health.succeeded(), Change::Returned);
        assert_eq!(health.succeeded(), Change::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn single_soft_failures_between_successes_do_not_demote() {
        let mut health = Health::default();
        for _ in 0..10 {
            assert_eq!(health.failed(Blame::Soft, Instant::now()), Change::Nothing);
            assert_eq!(health.succeeded(), Change::Nothing);
        }
        for _ in 0..2 {
            assert_eq!(health.failed(Blame::Soft, Instant::now()), Change::Nothing);
        }
        assert_eq!(health.failed(Blame::Soft, Instant::now()), Change::Demoted);
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_lags_is_not_rehabilitated_by_answering() {
        let mut health = Health::default();
        assert_eq!(health.compared(Some("lags".to_owned())), Change::Demoted);
        assert_eq!(health.succeeded(), Change::Nothing);
        assert_eq!(health.rank(Instant::now()), 1);
        assert_eq!(health.compared(None), Change::Returned);
    }
}
