//! `bench --cases DIR --learnt`: what is said of newer blocks after older ones were learnt.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::line;
use crate::bench::learnt;
use crate::cli::{Answer, Failure, print_json, print_line};

/// Learns, judges, and prints. The answer is "no" when an ordinary transaction was stopped.
///
/// # Errors
/// [`Failure::Input`] when a case cannot be read.
pub(super) fn run(folder: &Path, json: bool) -> Result<Answer, Failure> {
    let style = ProgressStyle::with_template("{spinner} {pos} blocks, {elapsed}  {msg}");
    let bar = ProgressBar::new_spinner().with_style(style.map_err(Failure::outside)?);
    let measured = learnt::run(folder, &mut |name| {
        bar.set_message(name.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    let measured = measured.map_err(Failure::input)?;
    if json {
        print_json(&measured)?;
    } else {
        print_line(format_args!(
            "learnt      {} transactions of {} blocks; {} contracts occur before and after, each a module of its own",
            measured.learnt_transactions, measured.learnt_blocks, measured.modules
        ))?;
        print_line(format_args!(
            "judged      {} transactions of {} newer blocks",
            measured.judged_transactions, measured.judged_blocks
        ))?;
        for (name, levels) in [("novelty", measured.novelty), ("others", measured.others)] {
            print_line(format_args!(
                "{name:<11} {} stops, {} alerts, {} notices",
                levels.stops, levels.alerts, levels.notices
            ))?;
        }
        measured.stops.iter().chain(&measured.alerts).try_for_each(line)?;
    }
    Ok(if measured.stops.is_empty() { Answer::Yes } else { Answer::No })
}
