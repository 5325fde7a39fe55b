//! `bench --zoo --held-out`: every attack and every honest flow that no detector was written with, and what was said.

use std::collections::BTreeMap;

use cofferdam_simnet::zoo::Mutator;
use cofferdam_types::Window;
use comfy_table::{CellAlignment, Table, presets};

use super::zoo::recall_table;
use crate::bench::zoo::{AttackRow, HonestRow, Told, ZooMeasured};
use crate::cli::{Failure, print_line};
use crate::printable::shortened;

/// Characters of a sentence that a table has room for.
const SENTENCE: usize = 100;

/// Prints both tables and their sums.
///
/// # Errors
/// [`Failure`] when nothing can be printed.
pub(super) fn show(measured: &ZooMeasured) -> Result<(), Failure> {
    print_line(attacks(&measured.attacks))?;
    print_line("")?;
    print_line(honest(&measured.look_alikes))?;
    print_line("")?;
    print_line(recall_table("family, unchanged", &measured.families))?;
    print_line("")?;
    print_line(recall_table("lane", &measured.mutators))?;
    print_line("")?;
    let counting = &measured.counting;
    print_line(format_args!(
        "harm        counted within a tenth of the truth in {} of {} attacks, more in {}, less in {}, not at all in {}",
        counting.right, counting.n, counting.more, counting.less, counting.nothing
    ))?;
    let said = |count: fn(&HonestRow) -> u64| measured.look_alikes.iter().map(count).fold(0, u64::saturating_add);
    print_line(format_args!(
        "honest      {} flows: {} stops, {} alerts, {} notices in {} transactions",
        measured.look_alikes.len(),
        said(|row| row.said.stops),
        said(|row| row.said.alerts),
        said(|row| row.said.notices),
        said(|row| row.said.transactions)
    ))?;
    let history = &measured.history;
    print_line(format_args!(
        "history     {} stops, {} alerts, {} notices in {} transactions before and beside all this",
        history.stops, history.alerts, history.notices, history.transactions
    ))?;
    by_detector(&history.why).iter().try_for_each(|line| print_line(format_args!("            {line}")))
}

fn attacks(rows: &[AttackRow]) -> Table {
    let mut table = table(&["attack", "lane", "said", "window", "at", "lost before", "lost", "counted", "by"]);
    for row in rows {
        let lane = if row.mutator == Mutator::Base { "public" } else { "private" };
        let (said, window, at, before, by) = match &row.told {
            Some(told) => (
                told.level.to_string(),
                window(told.window).to_owned(),
                format!("{} of {}", told.transaction, row.transactions),
                told.lost_before.to_string(),
                first(told),
            ),
            None => missed(row),
        };
        let lost = row.lost.saturating_add(row.at_risk).to_string();
        table.add_row([
            row.name.to_owned(),
            lane.to_owned(),
            said,
            window,
            at,
            before,
            lost,
            row.counted.to_string(),
            by,
        ]);
    }
    for column in table.column_iter_mut().skip(4).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What is shown of an attack of which neither an alert nor a stop was said in time.
fn missed(row: &AttackRow) -> (String, String, String, String, String) {
    let notice = row.notices.first().map(|notice| format!("notice only: {}", detector(notice)));
    let none = || "-".to_owned();
    ("missed".to_owned(), none(), none(), none(), notice.unwrap_or_else(|| "nothing was said".to_owned()))
}

const fn window(window: Window) -> &'static str {
    match window {
        Window::Before => "before",
        Window::Pending => "pending",
        Window::Mined => "mined",
    }
}

/// Detectors of the first alert or stop.
fn first(told: &Told) -> String {
    let mut detectors: Vec<&str> = told.why.iter().map(|why| detector(why)).collect();
    detectors.dedup();
    detectors.join(", ")
}

/// One line for each detector: how often it spoke, and the first that it said.
fn by_detector(sentences: &[String]) -> Vec<String> {
    let mut first: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for sentence in sentences {
        let (count, _) = first.entry(detector(sentence)).or_insert((0, sentence));
        *count = count.saturating_add(1);
    }
    first.values().map(|(count, sentence)| format!("{count}x {}", shortened(sentence, SENTENCE))).collect()
}

fn detector(sentence: &str) -> &str {
    sentence.split_once(':').map_or(sentence, |(detector, _)| detector)
}

fn honest(rows: &[HonestRow]) -> Table {
    let mut table = table(&["honest flow", "stops", "alerts", "notices", "transactions", "why"]);
    for row in rows {
        let said = &row.said;
        let why = by_detector(&said.why);
        let counts = [said.stops, said.alerts, said.notices, said.transactions].map(|count| count.to_string());
        let [stops, alerts, notices, transactions] = counts;
        table.add_row([row.name.to_owned(), stops, alerts, notices, transactions, why.join("\n")]);
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.to_vec());
    table
}
