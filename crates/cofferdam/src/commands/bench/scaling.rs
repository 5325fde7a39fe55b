//! `bench --hostile`, `bench --assertions` and `bench --cases DIR --rules`: what judging costs and how that grows, as tables.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::{asserted, hostile, memory, rules};
use crate::cli::{Answer, Failure, print_json, print_line};
use crate::telemetry::SystemClock;

/// Judges transactions that are built to make judging slow. The answer is "no" when one grows faster than its size, or when
/// all of it takes too long.
///
/// # Errors
/// [`Failure::Input`] when the judge cannot be made.
pub(super) fn hostile(json: bool) -> Result<Answer, Failure> {
    let (bar, clock) = (spinner()?, SystemClock::start());
    let report = hostile::run(&clock, &mut |name| bar.set_message(name.to_owned()));
    bar.finish_and_clear();
    let report = report.map_err(Failure::input)?;
    if json {
        print_json(&report)?;
    } else {
        for row in &report.rows {
            let micros: Vec<String> = row.micros.iter().map(|(size, micros)| format!("{size}: {micros} us")).collect();
            print_line(format_args!("x{:<4.1}  {:<62} {}", row.growth, row.shape, micros.join(", ")))?;
        }
        for shape in &report.not_run {
            print_line(format_args!("not run  {shape}: the time was up"))?;
        }
        print_line("x is the largest growth from one size to its double; 2 is linear; sizes of code are its gas")?;
        print_line(format_args!("{} s in all, of at most {} s", report.seconds, report.most_seconds))?;
    }
    Ok(if report.is_good() { Answer::Yes } else { Answer::No })
}

/// Runs the blocks of `folder` with more and more rules that do not match, and looks at memory over many blocks.
///
/// # Errors
/// [`Failure::Input`] when a case cannot be read.
pub(super) fn rules(folder: &Path, runs: u32, json: bool) -> Result<Answer, Failure> {
    let (bar, clock) = (spinner()?, SystemClock::start());
    let rows = rules::run(folder, runs, &clock, &mut |name| bar.set_message(name.to_owned()));
    let memory = memory::run(folder, &clock, &mut |name| bar.set_message(name.to_owned()));
    bar.finish_and_clear();
    let (rows, memory) = (rows.map_err(Failure::input)?, memory.map_err(Failure::input)?);
    if json {
        print_json(&serde_json::json!({ "rules": rows, "memory": memory }))?;
        return Ok(Answer::Yes);
    }
    for row in &rows {
        let resident = mebibytes(row.resident_kib);
        print_line(format_args!(
            "rules       {:>6} that do not match: {:.0} ns a transaction, {} transactions, {resident} resident",
            row.rules, row.nanos_per_transaction, row.transactions
        ))?;
    }
    for memory in memory {
        let senders = match memory.senders {
            memory::Senders::Same => "the same senders",
            memory::Senders::New => "every sender new",
        };
        print_line(format_args!(
            "memory      {} protected contracts and {} rules that do not match; {} transactions, {senders}: {:.0} ns each",
            memory.protected, memory.rules, memory.transactions, memory.nanos_per_transaction
        ))?;
        for (blocks, resident) in memory.resident_kib {
            print_line(format_args!("            after {blocks:>6} blocks: {} resident", mebibytes(resident)))?;
        }
    }
    Ok(Answer::Yes)
}

fn mebibytes(kib: Option<u64>) -> String {
    kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{} MiB", kib / 1_024))
}

/// Times decisions with twenty Solidity assertions. The answer is "no" when they take longer than is asked.
///
/// # Errors
/// [`Failure::Outside`] when an entry of the zoo is at fault.
pub(super) fn assertions(runs: u32, json: bool) -> Result<Answer, Failure> {
    let (bar, clock) = (spinner()?, SystemClock::start());
    let measured = asserted::run(runs, &clock, &mut |name| bar.set_message(name.to_owned()));
    bar.finish_and_clear();
    let measured = measured.map_err(Failure::outside)?;
    if json {
        print_json(&measured)?;
    } else {
        let decision = &measured.decision_ms;
        print_line(format_args!(
            "decision    p50 {:.3} ms, p99 {:.3} ms, slowest {:.3} ms; {} measurements, warm, {} assertions",
            decision.p50, decision.p99, decision.max, decision.n, measured.assertions
        ))?;
        print_line(format_args!(
            "            {} transactions of {} entries touch the adopter: {} runs of functions, {} broken, {} undecided; {} others",
            measured.transactions, measured.entries, measured.ran, measured.broken, measured.undecided, measured.others
        ))?;
    }
    Ok(if measured.is_good() { Answer::Yes } else { Answer::No })
}

fn spinner() -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{spinner} {elapsed}  {msg}").map_err(Failure::outside)?;
    Ok(ProgressBar::new_spinner().with_style(style))
}
