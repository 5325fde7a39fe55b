//! The report as text.

use comfy_table::{CellAlignment, Table, presets};

use crate::backtest::{Attacks, Found, Rate, Report};
use crate::bench::Levels;
use crate::cli::{Failure, print_line};
use crate::printable::shortened;

/// Columns of a reason.
const REASON: usize = 200;

/// Prints the report; `about` says how the history was kept.
///
/// # Errors
/// As [`print_line`].
pub(super) fn show(report: &Report, about: &str) -> Result<(), Failure> {
    let ordinary = &report.ordinary;
    print_line(format_args!("played        {about}"))?;
    print_line(format_args!(
        "ordinary      {} blocks, {} transactions, {} contract calls, {} of them touch a protected module",
        ordinary.blocks, ordinary.transactions, ordinary.contract_calls, ordinary.touching
    ))?;
    if report.honest.transactions > 0 {
        print_line(format_args!(
            "              {} of the transactions are labelled honest: {}",
            report.honest.transactions,
            levels(report.honest.said)
        ))?;
    }
    if ordinary.tried > 0 {
        print_line(format_args!("              {} new contracts were tried", ordinary.tried))?;
    }
    if ordinary.incomplete > 0 || ordinary.diverged > 0 {
        print_line(format_args!(
            "              {} were judged with state missing, {} ran differently than on the chain",
            ordinary.incomplete, ordinary.diverged
        ))?;
    }
    let time = &report.transaction_ms;
    print_line(format_args!(
        "time          p50 {:.3} ms, p99 {:.3} ms, slowest {:.1} ms a transaction, reading state included; {} of them",
        time.p50, time.p99, time.max, time.n
    ))?;
    print_line("")?;
    if ordinary.transactions > 0 {
        print_line(rates(report))?;
        print_line("")?;
    }
    for found in report.found.iter().filter(|found| found.honest != Some(false)) {
        print_line(told(found))?;
    }
    report.attacks.as_ref().map_or(Ok(()), |told| attacks(told, report))
}

fn levels(said: Levels) -> String {
    format!("{} stops, {} alerts, {} notices", said.stops, said.alerts, said.notices)
}

/// Ordinary transactions, by detector.
fn rates(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "of ordinary transactions",
        "stops",
        "alerts",
        "notices",
        "alerts and stops per million contract calls, 95 %",
    ]);
    let cell = |rate: &Rate| rate.n.to_string();
    let whole = [("all detectors", &report.rates)];
    for (name, rates) in whole.into_iter().chain(report.detectors.iter().map(|(id, rates)| (id.as_str(), rates))) {
        let per_million = [&rates.alerts, &rates.stops].map(|rate| {
            format!("{:.0} ({:.0} to {:.0})", rate.per_million_contract_calls, rate.interval.0, rate.interval.1)
        });
        table.add_row([
            name.to_owned(),
            cell(&rates.stops),
            cell(&rates.alerts),
            cell(&rates.notices),
            per_million.join(", "),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn told(found: &Found) -> String {
    let incomplete = if found.incomplete { " (state incomplete)" } else { "" };
    let why = shortened(&crate::backtest::why(found), REASON);
    let window = if found.window == cofferdam_types::Window::Before { " makes a contract" } else { "" };
    format!("{:<8}  {} tx {} {}{window}{incomplete}: {why}", found.level, found.name, found.index, found.transaction)
}

fn attacks(attacks: &Attacks, report: &Report) -> Result<(), Failure> {
    let (low, high) = attacks.interval;
    print_line(format_args!(
        "attacks       {} of {} told at or before the attack ({:.0} to {:.0} %), {} of them stops",
        attacks.told,
        attacks.n,
        low * 100.0,
        high * 100.0,
        attacks.stopped
    ))?;
    for (detector, said) in &attacks.detectors {
        let told = said.alerts.saturating_add(said.stops);
        print_line(format_args!("              {detector}: told {told}, {} of them stops", said.stops))?;
    }
    for line in &attacks.each {
        let level = line.attack.told.map_or_else(|| "MISSED".to_owned(), |level| level.to_string());
        print_line(format_args!("  {level:<8}  {}: {}", line.attack.name, shortened(&line.why, REASON)))?;
    }
    let hashes = report.found.iter().filter(|found| found.honest == Some(false)).take(1);
    for found in hashes {
        print_line(format_args!("              the evidence: --explain {}", found.transaction))?;
    }
    Ok(())
}
