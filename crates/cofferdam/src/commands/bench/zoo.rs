//! `bench --zoo`: what the judge says of the attack zoo, as tables.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use super::held_out;
use crate::bench::export;
use crate::bench::zoo::{self, AttackRow, Part, Recall, ZooMeasured};
use crate::cli::{Answer, Failure, print_json, print_line};
use crate::printable::shortened;

/// Recall of unchanged attacks that is asked for, in percent.
const BASE_PERCENT: f64 = 95.0;
/// Recall of changed ones.
const MUTATED_PERCENT: f64 = 90.0;
/// Alerts on look-alikes that are allowed.
const ALERTS: u64 = 1;

/// Plays a part of the zoo, with `learnt` to a judge that has learnt each history. The answer is "no" when less was told than is asked for, or honest flows were disturbed.
///
/// # Errors
/// [`Failure::Input`] when no entry has `only` in its name, or an entry is at fault.
pub(super) fn run(part: Part, learnt: bool, only: &str, json: bool) -> Result<Answer, Failure> {
    let style = ProgressStyle::with_template("{spinner} {pos} entries, {elapsed}  {msg}");
    let bar = ProgressBar::new_spinner().with_style(style.map_err(Failure::outside)?);
    let measured = zoo::run(part, learnt, only, &mut |name| {
        bar.set_message(name.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    let measured = measured.map_err(Failure::input)?;
    if measured.attacks.is_empty() && measured.look_alikes.is_empty() {
        return Err(Failure::input(format!("--only {only}: no entry of the zoo has this in its name")));
    }
    if json {
        print_json(&measured)?;
    } else {
        match part {
            Part::Known => show(&measured)?,
            Part::HeldOut => held_out::show(&measured)?,
        }
    }
    let stops = measured.look_alikes.iter().map(|row| row.said.stops).fold(0, u64::saturating_add);
    let alerts = measured.look_alikes.iter().map(|row| row.said.alerts).fold(0, u64::saturating_add);
    let told = measured.base.percent() >= BASE_PERCENT && measured.mutated.percent() >= MUTATED_PERCENT;
    Ok(if told && stops == 0 && alerts <= ALERTS { Answer::Yes } else { Answer::No })
}

/// Writes the entries whose name contains `only` as cases into `folder`.
///
/// # Errors
/// [`Failure::Input`] when no entry has `only` in its name, or the folder cannot be written.
pub(super) fn write(part: Part, only: &str, folder: &Path, json: bool) -> Result<Answer, Failure> {
    let entries = part.entries().filter(|entry| entry.name.contains(only));
    let written = export::write(entries, folder).map_err(Failure::input)?;
    if written == 0 {
        return Err(Failure::input(format!("--only {only}: no entry of the zoo has this in its name")));
    }
    if json {
        print_json(&serde_json::json!({ "folder": folder, "written": written }))?;
    } else {
        let folder = folder.display();
        print_line(format_args!("{written} cases in {folder}; run them with `cofferdam bench --cases {folder}`"))?;
    }
    Ok(Answer::Yes)
}

fn show(measured: &ZooMeasured) -> Result<(), Failure> {
    let groups = [("family, unchanged", &measured.families), ("change", &measured.mutators)];
    for (heading, recalls) in groups {
        print_line(recall_table(heading, recalls))?;
        print_line("")?;
    }
    print_line(recall_table("all", &[measured.base.clone(), measured.mutated.clone()]))?;
    print_line("")?;
    let counting = &measured.counting;
    print_line(format_args!(
        "harm        counted within a tenth of the truth in {} of {} attacks, more in {}, less in {}, not at all in {}",
        counting.right, counting.n, counting.more, counting.less, counting.nothing
    ))?;
    let joining = &measured.joining;
    print_line(format_args!("joined      one incident in {} of {} attacks that were told", joining.one, joining.n))?;
    for (name, mutator, incidents) in &joining.more {
        print_line(format_args!("            {name:<28} {mutator:<18} {incidents} incidents"))?;
    }
    let misses = measured.attacks.iter().filter(|row| row.told.is_none());
    for row in misses {
        print_line(miss(row))?;
    }
    for row in &measured.look_alikes {
        let said = &row.said;
        print_line(format_args!(
            "honest      {:<26} {} stops, {} alerts, {} notices in {} transactions",
            row.name, said.stops, said.alerts, said.notices, said.transactions
        ))?;
        for why in &said.why {
            print_line(format_args!("            {}", shortened(why, 140)))?;
        }
    }
    let history = &measured.history;
    print_line(format_args!(
        "history     {} stops, {} alerts, {} notices in {} transactions before and beside all this",
        history.stops, history.alerts, history.notices, history.transactions
    ))?;
    for why in &history.why {
        print_line(format_args!("            {}", shortened(why, 140)))?;
    }
    Ok(())
}

pub(super) fn recall_table(heading: &str, recalls: &[Recall]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([heading, "n", "flagged", "95 %", "stops", "before any loss", "when tried"]);
    for recall in recalls {
        let (low, high) = recall.interval();
        table.add_row([
            recall.name.clone(),
            recall.n.to_string(),
            format!("{} ({:.0} %)", recall.flagged, recall.percent()),
            format!("{low:.0} to {high:.0} %"),
            recall.stopped.to_string(),
            recall.before_loss.to_string(),
            recall.tried.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn miss(row: &AttackRow) -> String {
    let notices = if row.notices.is_empty() { "nothing was said".to_owned() } else { row.notices.join("; ") };
    format!("missed      {:<28} {:<18} lost {}: {}", row.name, row.mutator, row.lost, shortened(&notices, 120))
}
