//! `drill`: runs scenarios on the chain inside the process and writes a report.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use cofferdam_simnet::scenario::Scenario;
use cofferdam_types::Clock;

use crate::cli::{Answer, Failure, print_json, print_line};
use crate::drill::report::{DrillReport, Lane, Outcome, Run};
use crate::drill::screen::{Screen, summary};
use crate::drill::{html, runner};
use crate::telemetry::SystemClock;

/// Arguments of `drill`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The scenario; may be given several times. All of them when absent.
    #[arg(long = "scenario", value_parser = |name: &str| name.parse::<Scenario>().map_err(|error| error.to_string()))]
    scenarios: Vec<Scenario>,
    /// How the attack travels; may be given several times. All lanes when absent.
    #[arg(long = "lane")]
    lanes: Vec<LaneArgument>,
    /// The same seed gives the same blocks, verdicts, plans and losses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the report and the incident records; it is made if absent, and earlier drills in it are replaced.
    #[arg(long, default_value = "drill-report")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LaneArgument {
    Mempool,
    Split,
    Private,
}

impl From<LaneArgument> for Lane {
    fn from(argument: LaneArgument) -> Self {
        match argument {
            LaneArgument::Mempool => Self::Mempool,
            LaneArgument::Split => Self::Split,
            LaneArgument::Private => Self::Private,
        }
    }
}

/// Runs the drills. The answer is "no" when an attack that could be seen was not stopped or bounded, or when a record
/// does not verify.
///
/// # Errors
/// [`Failure`] when the folder cannot be written or a drill itself failed.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    let scenarios = if arguments.scenarios.is_empty() { Scenario::ALL.to_vec() } else { arguments.scenarios.clone() };
    let lanes: Vec<Lane> = arguments.lanes.iter().copied().map(Lane::from).collect();
    let lanes = if lanes.is_empty() { Lane::ALL.to_vec() } else { lanes };
    fs::create_dir_all(&arguments.out)
        .map_err(|error| Failure::input(format!("--out {}: {error}", arguments.out.display())))?;

    // The threads that answer JSON-RPC are the runtime's; the guard itself stays on this one.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Failure::outside)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let mut screen = Screen::new(anstream::stdout());
    let mut report =
        DrillReport { version: env!("CARGO_PKG_VERSION").to_owned(), seed: arguments.seed, runs: Vec::new() };
    for scenario in scenarios {
        for lane in lanes.iter().copied() {
            let record = fresh_record(&arguments.out, scenario, lane)?;
            if !json {
                screen.started(scenario.title(), lane, arguments.seed).map_err(Failure::printing)?;
            }
            let mut shown = Ok(());
            let mut show = |event: &crate::drill::report::TimelineEvent| {
                if !json && event.kind != crate::drill::report::EventKind::HonestOk {
                    shown = std::mem::replace(&mut shown, Ok(())).and(screen.event(event));
                }
            };
            let run = runner::run(scenario, lane, arguments.seed, &record, clock.clone(), &mut show);
            let run = runtime.block_on(run).map_err(Failure::outside)?;
            shown.map_err(Failure::printing)?;
            if !json {
                screen.finished(&run).map_err(Failure::printing)?;
            }
            report.runs.push(run);
        }
    }
    let page = arguments.out.join("report.html");
    fs::write(&page, html::page(&report).map_err(Failure::outside)?).map_err(Failure::outside)?;
    if json {
        print_json(&report.to_json().map_err(Failure::outside)?)?;
    } else {
        let out = arguments.out.display();
        print_line(format_args!("\n{}\n", summary(&report)))?;
        print_line(format_args!("report   {}", page.display()))?;
        print_line(format_args!("records  {out}/*.db   check one: cofferdam incident verify FILE"))?;
    }
    let good = report.runs.iter().all(held);
    Ok(if good { Answer::Yes } else { Answer::No })
}

/// Whether a run ended as the product promises: nothing lost where the attack could be seen, less than all of it where
/// it came in pieces, and a record that verifies.
fn held(run: &Run) -> bool {
    let outcome = run.outcome();
    let bounded = matches!(outcome, Outcome::Stopped | Outcome::Bounded);
    let promised = match run.lane {
        Lane::Private => true,
        Lane::Split => bounded,
        Lane::Mempool if in_pieces(run) => bounded,
        Lane::Mempool => outcome == Outcome::Stopped,
    };
    promised && run.record.verified
}

/// Whether the attack takes in more than one block when nobody acts: the first pieces of a drain look like ordinary use.
fn in_pieces(run: &Run) -> bool {
    run.curves.iter().any(|curve| {
        let rises =
            curve.points.windows(2).filter(|pair| matches!(pair, [before, after] if after.without > before.without));
        rises.count() > 1
    })
}

/// A path for the record of one run, with what an earlier drill left there removed.
fn fresh_record(folder: &Path, scenario: Scenario, lane: Lane) -> Result<PathBuf, Failure> {
    let path = folder.join(format!("{}-{}.db", scenario.id(), lane.word()));
    for suffix in ["", "-wal", "-shm", ".lock", ".reserve"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        match fs::remove_file(&name) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::input(format!("{}: {error}", PathBuf::from(name).display()))),
        }
    }
    Ok(path)
}
