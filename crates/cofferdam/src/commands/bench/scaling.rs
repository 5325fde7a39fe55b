//! `bench --hostile` and `bench --cases DIR --rules`: how the cost grows, as tables.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::{hostile, rules};
use crate::cli::{Answer, Failure, print_json, print_line};
use crate::telemetry::SystemClock;

/// Judges transactions that are built to make judging slow. The answer is "no" when one grows faster than its size.
///
/// # Errors
/// [`Failure::Input`] when the judge cannot be made.
pub(super) fn hostile(json: bool) -> Result<Answer, Failure> {
    let (bar, clock) = (spinner()?, SystemClock::start());
    let rows = hostile::run(&clock, &mut |name| bar.set_message(name.to_owned()));
    bar.finish_and_clear();
    let rows = rows.map_err(Failure::input)?;
    if json {
        print_json(&rows)?;
    } else {
        for row in &rows {
            let micros: Vec<String> = row.micros.iter().map(|(size, micros)| format!("{size}: {micros} us")).collect();
            print_line(format_args!("x{:<4.1}  {:<58} {}", row.growth, row.shape, micros.join(", ")))?;
        }
        print_line("x is the largest growth from one size to its double; 2 is linear")?;
    }
    Ok(if rows.iter().all(hostile::Row::is_linear) { Answer::Yes } else { Answer::No })
}

/// Runs the blocks of `folder` with more and more rules that do not match.
///
/// # Errors
/// [`Failure::Input`] when a case cannot be read.
pub(super) fn rules(folder: &Path, runs: u32, json: bool) -> Result<Answer, Failure> {
    let (bar, clock) = (spinner()?, SystemClock::start());
    let rows = rules::run(folder, runs, &clock, &mut |name| bar.set_message(name.to_owned()));
    bar.finish_and_clear();
    let rows = rows.map_err(Failure::input)?;
    if json {
        print_json(&rows)?;
        return Ok(Answer::Yes);
    }
    for row in &rows {
        let memory = row.resident_kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{} MiB", kib / 1_024));
        print_line(format_args!(
            "rules       {:>6} that do not match: {:.0} ns a transaction, {} transactions, {memory} resident",
            row.rules, row.nanos_per_transaction, row.transactions
        ))?;
    }
    Ok(Answer::Yes)
}

fn spinner() -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{spinner} {elapsed}  {msg}").map_err(Failure::outside)?;
    Ok(ProgressBar::new_spinner().with_style(style))
}
