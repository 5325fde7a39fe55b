//! How long a decision takes with Solidity assertions: `cargo run --release -p cofferdam-evm --example assertions`
//!
//! One transaction of seven calls on a warm state, with no assertion, with 24 functions of two contracts, and with those
//! of twenty contracts, every one of which fires.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a measurement of small numbers")]

#[allow(dead_code, unreachable_pub, reason = "shared with the tests")]
#[path = "../tests/assertion/bed.rs"]
mod bed;

use std::sync::Arc;
use std::time::Instant;

use bed::Bed;

/// Decisions that are timed.
const ROUNDS: usize = 300;

fn main() {
    let mut bed = Bed::new("AssertedToken");
    let transaction = Arc::new(bed.run());
    for pairs in [0, 1, 10] {
        let sources = (0..pairs).flat_map(|_| {
            let legacy = bed.source("LegacyAssertion", &[bed.vault, bed.driver]);
            [legacy, bed.source("ReshiramAssertion", &[bed.vault, bed.token, bed.driver])]
        });
        let mut engine = bed.engine(sources.collect());
        let fired = engine.pending(transaction.clone()).unwrap().assertions;
        let runs = fired.iter().filter(|outcome| outcome.gas > 0).count();
        let mut micros: Vec<u128> = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                std::hint::black_box(engine.pending(transaction.clone()).unwrap());
                began.elapsed().as_micros()
            })
            .collect();
        micros.sort_unstable();
        let at = |per_mille: usize| micros[(ROUNDS * per_mille / 1_000).min(ROUNDS - 1)];
        println!("{} contracts, {runs} runs: p50 {} µs, p99 {} µs, max {} µs", pairs * 2, at(500), at(990), at(999));
    }
}
