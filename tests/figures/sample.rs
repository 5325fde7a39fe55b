//! Durations and their percentiles, by nearest rank.

use std::time::Duration;

use serde_json::{Value, json};

/// Durations of the same thing, measured again and again.
#[derive(Debug, Default)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    /// One more.
    pub(crate) fn add(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// `n`, `p50`, `p90`, `p99` and `max`, in milliseconds.
    pub(crate) fn milliseconds(&self) -> Value {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(index).copied().map(in_milliseconds)
        };
        json!({ "n": sorted.len(), "p50": rank(50), "p90": rank(90), "p99": rank(99), "max": rank(100) })
    }

    /// The same as one row of the table.
    pub(crate) fn row(&self, what: &str) {
        let shown = self.milliseconds();
        let column = |name: &str| shown[name].as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        eprintln!(
            "{what:<58} N {:>4}   p50 {:>7}   p90 {:>7}   p99 {:>7}   max {:>7} ms",
            self.0.len(),
            column("p50"),
            column("p90"),
            column("p99"),
            column("max")
        );
    }
}

/// Milliseconds, to the microsecond.
pub(crate) fn in_milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
