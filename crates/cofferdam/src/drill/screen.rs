//! A drill on a terminal: one line per event while it runs, one table at the end, both for 100 columns.
//!
//! Lines go to the writer given, colours included: whether a terminal gets to see them is the writer's business
//! (`anstream`). Text from contracts is made printable here.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::amount::percent;
use super::report::{DrillReport, EventKind, Lane, Loss, Run, TimelineEvent};
use crate::printable::{shortened, without_long_hashes, wrapped};

/// Columns that everything fits into.
pub const WIDTH: u16 = 100;

/// Columns before the text of an event.
const INDENT: usize = 51;
/// Lines that the text of one event may take.
const LINES: usize = 3;

/// Writes the lines of running drills.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    sealed: bool,
}

impl<W: Write> Screen<W> {
    /// A screen on `out`.
    pub const fn new(out: W) -> Self {
        Self { out, sealed: false }
    }

    /// Announces a run: its name, the lane, and the columns.
    ///
    /// # Errors
    /// What the writer says.
    pub fn started(&mut self, title: &str, lane: Lane, seed: u64) -> io::Result<()> {
        self.sealed = false;
        let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
        writeln!(self.out)?;
        writeln!(self.out, "{bold}{}{bold:#}{dim}  {} lane, seed {seed}{dim:#}", shortened(title, 60), lane.word())?;
        writeln!(self.out, "{dim}{:>7}  {:>11}  {:>12}  what{dim:#}", "block", "chain time", "wall clock")
    }

    /// One event, one to three lines. Honest transactions are counted at the end and shown here only when one fails
    /// while nothing is sealed.
    ///
    /// # Errors
    /// What the writer says.
    pub fn event(&mut self, event: &TimelineEvent) -> io::Result<()> {
        self.sealed |= event.kind == EventKind::Mined;
        if event.kind == EventKind::HonestOk || (self.sealed && event.kind == EventKind::HonestFailed) {
            return Ok(());
        }
        let style = style_of(event.kind);
        let dim = Style::new().dimmed();
        let text = without_long_hashes(&event.text);
        let mut lines = wrapped(&text, usize::from(WIDTH).saturating_sub(INDENT));
        if lines.len() > LINES {
            lines.truncate(LINES);
            lines
                .iter_mut()
                .skip(LINES.saturating_sub(1))
                .for_each(|last| *last = shortened(&format!("{last} ..."), 49));
        }
        let mut lines = lines.into_iter();
        writeln!(
            self.out,
            "{:>7}  {dim}{:>11}  {:>12}{dim:#}  {style}{:<13}{style:#}  {}",
            event.block,
            seconds(event.virtual_ms),
            event.wall_micros.map(millis).unwrap_or_default(),
            event.kind.words(),
            lines.next().unwrap_or_default(),
        )?;
        for line in lines {
            writeln!(self.out, "{:INDENT$}{line}", "")?;
        }
        Ok(())
    }

    /// The end of a run: how it ended, and who was hurt.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finished(&mut self, run: &Run) -> io::Result<()> {
        let style = style_of_outcome(run);
        let (dim, (ok, failed, _), (_, hurt)) = (Style::new().dimmed(), run.honest_total(), run.honest_open());
        let mut word = run.outcome().word();
        for line in wrapped(&run.statement(), 88) {
            writeln!(self.out, "{style}{word:>7}{style:#}  {line}")?;
            word = "";
        }
        let aside = if hurt == 0 {
            "none of them to a module that stayed open".to_owned()
        } else {
            format!("{hurt} of them to modules that stayed open")
        };
        writeln!(self.out, "{dim}{:>7}  {ok} transactions went through, {failed} failed, {aside}{dim:#}", "honest")
    }
}

/// The table of all runs, without colours; no line is longer than [`WIDTH`] characters and none ends in a newline.
pub fn summary(report: &DrillReport) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    let heads = ["scenario", "lane", "window", "outcome", "lost / at stake", "kept", "sent", "blocks", "honest"];
    table.set_header(heads.iter().enumerate().map(|(index, head)| aligned(index, (*head).to_owned())));
    let mut last = None;
    for run in &report.runs {
        let scenario = if last == Some(&run.scenario) { String::new() } else { shortened(&run.scenario, 24) };
        last = Some(&run.scenario);
        let times = run.containment();
        let row = [
            scenario,
            run.lane.word().to_owned(),
            run.verdict.as_ref().map_or("-", |verdict| verdict.window.word()).to_owned(),
            run.outcome().word().to_owned(),
            stakes(run, true),
            run.losses
                .first()
                .and_then(Loss::kept_share)
                .map_or_else(|| "-".to_owned(), |share| format!("{} %", share.get() / 100)),
            times.seen_to_sent_micros.map_or_else(|| "-".to_owned(), tenths),
            times.seen_to_mined_blocks.map_or_else(|| "-".to_owned(), |blocks| blocks.to_string()),
            honest(run),
        ];
        table.add_row(row.into_iter().enumerate().map(|(index, text)| aligned(index, text)));
    }
    let last_column = heads.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last_column { 0 } else { 1 }));
    }
    let rule = "\u{2500}".repeat(usize::from(WIDTH));
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.insert(1.min(lines.len()), rule.clone());
    lines.push(rule);
    let totals = report.totals();
    lines.push(format!(
        "{} stopped, {} bounded, {} lost. Honest: {} of {} to modules that stayed open went through.",
        totals.stopped,
        totals.bounded,
        totals.lost,
        totals.open_ok,
        totals.open_ok.saturating_add(totals.open_hurt)
    ));
    if let (Some(median), Some(slowest)) = (totals.seen_to_sent_median_micros, totals.seen_to_sent_slowest_micros) {
        lines.push(format!("Seen to sent (sent), wall clock: median {}, slowest {}.", millis(median), millis(slowest)));
    }
    lines.push("window: when it was found out, before it was sent, while it waited, or between its parts.".to_owned());
    lines.push(
        "blocks: from seen to sealed. honest: went through, of all sent, those to sealed modules included.".to_owned(),
    );
    lines.join("\n")
}

/// The first four columns are words, the others figures.
fn aligned(index: usize, text: String) -> Cell {
    let alignment = if index < 4 { CellAlignment::Left } else { CellAlignment::Right };
    Cell::new(text).set_alignment(alignment)
}

/// `1234` microseconds as `1.234 ms`.
pub fn millis(micros: u64) -> String {
    format!("{}.{:03} ms", super::amount::grouped(&(micros / 1_000).to_string()), micros % 1_000)
}

/// `1264` microseconds as `1.2 ms`, rounded down.
fn tenths(micros: u64) -> String {
    format!("{}.{} ms", super::amount::grouped(&(micros / 1_000).to_string()), micros / 100 % 10)
}

/// `1234` milliseconds as `1.234 s`.
pub fn seconds(millis: u64) -> String {
    format!("{}.{:03} s", super::amount::grouped(&(millis / 1_000).to_string()), millis % 1_000)
}

/// What was lost of what was at stake, in the headline asset; `brief` leaves out decimals beside large numbers.
pub(super) fn stakes(run: &Run, brief: bool) -> String {
    let Some(loss) = run.losses.first() else { return "-".to_owned() };
    let whole = |number: String| match number.split_once('.') {
        Some((whole, _)) if brief && whole.len() > 3 => whole.to_owned(),
        Some(_) | None => number,
    };
    let symbol = shortened(&loss.asset.symbol, 24);
    format!("{} / {} {symbol}", whole(loss.asset.number(loss.with)), whole(loss.asset.number(loss.without)))
}

/// The share kept of the headline asset.
pub(super) fn kept(run: &Run) -> String {
    run.losses.first().and_then(Loss::kept_share).map_or_else(|| "-".to_owned(), percent)
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
        assert!(text.contains("5 stopped, 5 bounded, 5 lost."), "{text}");
    }

    #[test]
    fn honest_failures_are_told_one_by_one_only_while_nothing_is_sealed() {
        let run = fixture::report().runs.remove(0);
        let lines = live(&run);
        assert!(
            !lines.contains("honest failed") && lines.contains("33 transactions went through, 3 failed"),
            "{lines}"
        );
        let mut unsealed = run;
        unsealed.timeline.retain(|event| event.kind != EventKind::Mined);
        assert!(live(&unsealed).contains("honest failed"));
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
