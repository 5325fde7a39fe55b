//! `detectors`: what recognises trouble, how far each is trusted, and what was measured of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use cofferdam_detect::DetectorInfo;
use cofferdam_detect::catalog::{Figure, Figures, Said, figures, infos, page};
use cofferdam_types::{Clock, Level, Maturity};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::bench::figures::measure;
use crate::cli::{Answer, Failure, print_json, print_line};
use crate::interval::{per_million, wilson};
use crate::printable::shortened;
use crate::telemetry::SystemClock;

/// What is written down as having measured; where the cases lie is nobody's business.
const COMMAND: &str = "cofferdam detectors measure --cases DIR";

/// Arguments of `detectors`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists all detectors, as without a word.
    List,
    /// Prints the page of one detector: what it sees and misses, how to tune it, how it was tested.
    Show {
        /// The detector's id.
        id: String,
    },
    /// Measures all detectors on cases and on the attack zoo.
    Measure {
        /// Folders with a `manifest.json`.
        #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
        cases: Vec<PathBuf>,
        /// The folder of the crate `detect`, where the figures and the pages are written.
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
}

/// One detector, for JSON.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: &'a str,
    title: &'a str,
    maturity: Maturity,
    /// The strongest that it may say.
    most: Level,
    attack_classes: &'a [String],
    figures: Option<&'a Figure>,
    wrong: Option<Wrong>,
}

/// Alerts and stops of honest transactions.
#[derive(Clone, Copy, Debug, Serialize)]
struct Wrong {
    stops: u64,
    alerts: u64,
    contract_calls: u64,
    per_million_contract_calls: f64,
    /// Lower and upper end of the 95 % interval (Wilson) of that.
    interval: (f64, f64),
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] when there is no such detector, a case cannot be used, or the folder cannot be written.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    match &arguments.command {
        None | Some(Command::List) => list(figures(), json)?,
        Some(Command::Show { id }) => show(id, json)?,
        Some(Command::Measure { cases, write }) => {
            let measured = measured(cases)?;
            if let Some(folder) = write {
                keep(&measured, folder)?;
            }
            list(&measured, json)?;
        }
    }
    Ok(Answer::Yes)
}

fn show(id: &str, json: bool) -> Result<(), Failure> {
    let info = infos().into_iter().find(|info| info.id == id);
    let (Some(info), Some(page)) = (info, page(id)) else {
        let known: Vec<&str> = infos().into_iter().map(|info| info.id.as_str()).collect();
        let (id, known) = (shortened(id, 40), known.join(", "));
        return Err(Failure::input(format!("there is no detector `{id}`; there are {known}")));
    };
    if json {
        return print_json(&serde_json::json!({ "detector": listed(info, figures()), "page": page }));
    }
    print_line(page.trim_end())
}

/// The strongest word that a maturity allows.
const fn most(maturity: Maturity) -> Level {
    match maturity {
        Maturity::Sandbox => Level::Notice,
        Maturity::Incubating => Level::Alert,
        Maturity::Stable => Level::Stop,
    }
}

fn listed<'a>(info: &'a DetectorInfo, figures: &'a Figures) -> Listed<'a> {
    let figure = figures.detectors.get(&info.id);
    let calls = figures.measured.real_contract_calls;
    let wrong = figure.map(|Figure { real, .. }| {
        let (low, high) = wilson(real.told(), calls);
        Wrong {
            stops: real.stops,
            alerts: real.alerts,
            contract_calls: calls,
            per_million_contract_calls: per_million(real.told(), calls),
            interval: (low * 1e6, high * 1e6),
        }
    });
    let (id, title, attack_classes) = (info.id.as_str(), info.title.as_str(), info.attack_classes.as_slice());
    Listed { id, title, maturity: info.maturity, most: most(info.maturity), attack_classes, figures: figure, wrong }
}

fn list(figures: &Figures, json: bool) -> Result<(), Failure> {
    let all: Vec<Listed<'_>> = infos().into_iter().map(|info| listed(info, figures)).collect();
    if json {
        return print_json(&serde_json::json!({
            "command": figures.command, "measured": figures.measured, "detectors": all,
        }));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "detector",
        "maturity",
        "at most",
        "real attacks",
        "zoo",
        "zoo, changed",
        "held out",
        "wrong stops",
        "wrong alerts",
        "both per million contract calls, 95 %",
    ]);
    for one in &all {
        let figure = one.figures.copied().unwrap_or_default();
        let told = |said: Said| format!("{} ({} stops)", said.told(), said.stops);
        let wrong = one.wrong.map_or_else(Default::default, |wrong| {
            let (low, high) = wrong.interval;
            [
                wrong.stops.to_string(),
                wrong.alerts.to_string(),
                format!("{:.0} ({low:.0} to {high:.0})", wrong.per_million_contract_calls),
            ]
        });
        let maturity = format!("{:?}", one.maturity).to_lowercase();
        let mut row = vec![one.id.to_owned(), maturity, one.most.to_string()];
        row.extend([told(figure.exploits), told(figure.zoo), told(figure.zoo_changed), told(figure.held_out)]);
        row.extend(wrong);
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print_line(table)?;
    print_line("")?;
    let measured = &figures.measured;
    print_line(format_args!(
        "told by each alone, of {} real attacks, {} of the zoo, {} changed and {} held out; wrong in {} real contract calls",
        measured.exploits, measured.zoo, measured.zoo_changed, measured.held_out, measured.real_contract_calls
    ))?;
    print_line(format_args!("measured by `{}`; `cofferdam detectors show ID` prints a page", figures.command))?;
    print_line("")?;
    for one in &all {
        print_line(format_args!("{:<20} {}", one.id, one.title))?;
        print_line(format_args!("{:<20} for: {}", "", one.attack_classes.join(", ")))?;
    }
    Ok(())
}

fn measured(cases: &[PathBuf]) -> Result<Figures, Failure> {
    let style = ProgressStyle::with_template("{spinner} {pos} blocks and entries, {elapsed}  {msg}");
    let bar = ProgressBar::new_spinner().with_style(style.map_err(Failure::outside)?);
    cofferdam_evm::warm_up();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let measured = measure(cases, COMMAND, jobs, &clock, &mut |name| {
        bar.set_message(name.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    measured.map_err(Failure::input)
}

/// Writes the figures, and each detector's into its page.
fn keep(figures: &Figures, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, what: &dyn std::fmt::Display| Failure::input(format!("`{}`: {what}", path.display()));
    let text = toml::to_string(figures).map_err(Failure::outside)?;
    let path = folder.join("figures.toml");
    fs::write(&path, text).map_err(|error| failed(&path, &error))?;
    for id in figures.detectors.keys() {
        let path = folder.join("src/catalog").join(id.replace('-', "_")).join("README.md");
        let page = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        let page = figures.put_into(id, &page).ok_or_else(|| failed(&path, &"the marks of the figures do not pair"))?;
        fs::write(&path, page).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}
