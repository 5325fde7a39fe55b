//! A drill on a terminal: one line per event while it runs, one table at the end, both for 100 columns.
//!
//! Lines go to the writer given, colours included: whether a terminal gets to see them is the writer's business
//! (`anstream`). Text from contracts is made printable here.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::amount::percent;
use super::report::{DrillReport, EventKind, Lane, Run, TimelineEvent};
use crate::printable::shortened;

/// Columns that everything fits into.
pub const WIDTH: u16 = 100;

/// Writes the lines of running drills.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
}

impl<W: Write> Screen<W> {
    /// A screen on `out`.
    pub const fn new(out: W) -> Self {
        Self { out }
    }

    /// Announces a run: its name, the lane, and the columns.
    ///
    /// # Errors
    /// What the writer says.
    pub fn started(&mut self, title: &str, lane: Lane, seed: u64) -> io::Result<()> {
        let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
        writeln!(self.out)?;
        writeln!(self.out, "{bold}{}{bold:#}{dim}  {} lane, seed {seed}{dim:#}", shortened(title, 60), lane.word())?;
        writeln!(self.out, "{dim}{:>7}  {:>11}  {:>12}  what{dim:#}", "block", "chain time", "wall clock")
    }

    /// One event, one line.
    ///
    /// # Errors
    /// What the writer says.
    pub fn event(&mut self, event: &TimelineEvent) -> io::Result<()> {
        let style = style_of(event.kind);
        let dim = Style::new().dimmed();
        writeln!(
            self.out,
            "{:>7}  {dim}{:>11}  {:>12}{dim:#}  {style}{:<13}{style:#}  {}",
            event.block,
            seconds(event.virtual_ms),
            event.wall_micros.map(millis).unwrap_or_default(),
            event.kind.words(),
            shortened(&event.text, 49),
        )
    }

    /// The end of a run in a sentence.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finished(&mut self, run: &Run) -> io::Result<()> {
        let style = style_of_outcome(run);
        let statement = run.statement();
        let mut lines = wrapped(&statement, 88).into_iter();
        let first = lines.next().unwrap_or_default();
        writeln!(self.out, "{style}{:>7}{style:#}  {first}", run.outcome().word())?;
        for line in lines {
            writeln!(self.out, "{:>7}  {line}", "")?;
        }
        Ok(())
    }
}

/// The table of all runs, without colours; no line is longer than [`WIDTH`] characters and none ends in a newline.
pub fn summary(report: &DrillReport) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["scenario", "lane", "outcome", "lost / at stake", "kept", "seen-sent", "sealed", "honest ok"]);
    let mut last = None;
    for run in &report.runs {
        let scenario = if last == Some(&run.scenario) { String::new() } else { shortened(&run.scenario, 22) };
        last = Some(&run.scenario);
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row(vec![
            Cell::new(scenario),
            Cell::new(run.lane.word()),
            Cell::new(run.outcome().word()),
            right(stakes(run)),
            right(kept(run)),
            right(run.containment().seen_to_sent_micros.map(millis).unwrap_or_else(|| "-".to_owned())),
            right(sealed_after(run)),
            right(honest(run)),
        ]);
    }
    let totals = report.totals();
    let mut text = table.to_string();
    text.push_str(&format!(
        "\n{} stopped, {} bounded, {} lost; honest transactions: {} went through, {} failed.",
        totals.stopped, totals.bounded, totals.lost, totals.honest_ok, totals.honest_failed
    ));
    if let (Some(median), Some(slowest)) = (totals.seen_to_sent_median_micros, totals.seen_to_sent_slowest_micros) {
        text.push_str(&format!("\nSeen to sent, wall clock: median {}, slowest {}.", millis(median), millis(slowest)));
    }
    text
}

/// `1234` microseconds as `1.234 ms`.
pub fn millis(micros: u64) -> String {
    format!("{}.{:03} ms", super::amount::grouped(&(micros / 1_000).to_string()), micros % 1_000)
}

/// `1234` milliseconds as `1.234 s`.
pub fn seconds(millis: u64) -> String {
    format!("{}.{:03} s", super::amount::grouped(&(millis / 1_000).to_string()), millis % 1_000)
}

/// What was lost of what was at stake, in the headline asset.
pub(super) fn stakes(run: &Run) -> String {
    run.losses.first().map_or_else(
        || "-".to_owned(),
        |loss| format!("{} / {}", loss.asset.number(loss.with), loss.asset.amount(loss.without)),
    )
}

/// The share kept of the headline asset.
pub(super) fn kept(run: &Run) -> String {
    run.losses.first().and_then(super::report::Loss::kept_share).map_or_else(|| "-".to_owned(), percent)
}

/// Blocks from seen to sealed, in words.
pub(super) fn sealed_after(run: &Run) -> String {
    match run.containment().seen_to_mined_blocks {
        Some(1) => "1 block".to_owned(),
        Some(blocks) => format!("{blocks} blocks"),
        None => "no".to_owned(),
    }
}

fn honest(run: &Run) -> String {
    let (ok, failed, _) = run.honest_total();
    format!("{ok}/{}", ok.saturating_add(failed))
}

fn style_of(kind: EventKind) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match kind {
        EventKind::AttackSeen | EventKind::Verdict => colour(AnsiColor::Yellow).bold(),
        EventKind::Planned | EventKind::Sent => colour(AnsiColor::Cyan),
        EventKind::Mined | EventKind::AttackFailed => colour(AnsiColor::Green).bold(),
        EventKind::AttackMined | EventKind::Loss => colour(AnsiColor::Red).bold(),
        EventKind::HonestFailed => colour(AnsiColor::Red),
        EventKind::HonestOk | EventKind::Note => Style::new().dimmed(),
    }
}

fn style_of_outcome(run: &Run) -> Style {
    use super::report::Outcome;
    let colour = match run.outcome() {
        Outcome::Stopped => AnsiColor::Green,
        Outcome::Bounded | Outcome::Idle => AnsiColor::Yellow,
        Outcome::Lost => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

/// `text` broken at spaces into lines of at most `width` characters; a longer word stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in crate::printable::printable(text).split_whitespace() {
        let fits = |line: &String| line.chars().count().saturating_add(word.chars().count()).saturating_add(1) <= width;
        match lines.last_mut() {
            Some(line) if fits(line) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::fixture;

    fn live(run: &Run) -> String {
        let mut screen = Screen::new(Vec::new());
        screen.started(&run.title, run.lane, 7).unwrap();
        for event in &run.timeline {
            screen.event(event).unwrap();
        }
        screen.finished(run).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(screen.out).unwrap()).to_string()
    }

    #[test]
    fn live_lines_keep_their_columns_and_fit_the_width() {
        for run in fixture::report().runs {
            for line in live(&run).lines() {
                assert!(line.chars().count() <= usize::from(WIDTH), "{line}");
            }
        }
    }

    #[test]
    fn the_table_fits_one_hundred_columns_and_names_every_run() {
        let text = summary(&fixture::report());
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{text}");
        assert_eq!(text.matches("mempool").count(), 5, "{text}");
        assert!(text.contains("5 stopped, 5 bounded, 5 lost"), "{text}");
    }

    #[test]
    fn an_escape_sequence_in_a_label_does_not_reach_the_terminal() {
        let mut run = fixture::report().runs.remove(0);
        run.timeline[0].text = "\u{1b}]0;owned\u{7}".to_owned();
        run.losses[0].asset.symbol = "\u{1b}[2J".to_owned();
        let mut screen = Screen::new(Vec::new());
        screen.event(&run.timeline[0]).unwrap();
        screen.finished(&run).unwrap();
        let text = String::from_utf8(screen.out).unwrap();
        assert!(!text.contains("\u{1b}]0") && !text.contains("\u{1b}[2J"), "{text:?}");
        assert!(!summary(&DrillReport { version: String::new(), seed: 0, runs: vec![run] }).contains('\u{1b}'));
    }
}
