//! `backtest`: what the judge would have said of what has happened, with rates and intervals, and why.
//!
//! Sends nothing and writes nothing but the run file that was asked for.

mod explain;
mod screen;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cofferdam_types::primitives::Address;
use cofferdam_types::{Clock, Watchlist};
use indicatif::{ProgressBar, ProgressStyle};

use super::simulate::{Outlet, account, outlet};
use crate::backtest::{Chain, Guarded, Options, Plan, Range, Report, RunFile, TrackError, Whose, run as play};
use crate::cases::together;
use crate::cli::{Answer, Failure, print_json};
use crate::config::{self, Ready};
use crate::telemetry::SystemClock;

/// How long what is under way may take after the answer is known.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Arguments of `backtest`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A configuration: its modules, settings, assertions and endpoints.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An address to protect; may be given several times. They count as one module.
    #[arg(long = "protect", value_name = "ADDRESS", value_parser = account, conflicts_with = "config")]
    protected: Vec<Address>,
    /// Folders with a `manifest.json`, or files of single cases. Without --config and --protect, what each case's manifest
    /// names is protected.
    #[arg(long, value_name = "DIR", num_args = 1.., required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    cases: Vec<PathBuf>,
    /// The first block, of a node.
    #[arg(long, value_name = "BLOCK", requires = "to")]
    from: Option<u64>,
    /// The last block.
    #[arg(long, value_name = "BLOCK", requires = "from")]
    to: Option<u64>,
    /// Blocks before each segment of a range that are recorded and not counted.
    #[arg(long, value_name = "BLOCKS", default_value_t = 300, conflicts_with = "cases")]
    warm_up: u64,
    /// Blocks of a segment: each has a judge of its own, which knows nothing from before its warm-up. 0 keeps the range
    /// under one judge, on one thread.
    #[arg(long, value_name = "BLOCKS", default_value_t = 3_000, conflicts_with = "cases")]
    segment: u64,
    /// In cases whose manifest names no addresses, this many of the most-called contracts are protected, each as a module
    /// of its own.
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with_all = ["config", "protected", "from"])]
    most_called: usize,
    /// Address of a node; else the configuration's, else what COFFERDAM_RPC_URL holds.
    #[arg(long, value_name = "URL", conflicts_with = "cases")]
    rpc: Option<String>,
    /// The hard fork of the node's chain. Absent: mainnet's own schedule on chain 1, else the newest known.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "cases"])]
    hardfork: Option<String>,
    /// Try every new contract too, as `watch` does; much slower.
    #[arg(long)]
    trials: bool,
    /// List notices too, instead of only counting them.
    #[arg(long)]
    notices: bool,
    /// Keep what is finished in this file; if it is there already, go on from it.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Threads. Absent: one for each core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Instead of counting: all that is known about one transaction, by its hash, with what the judge knew before it.
    #[arg(long, value_name = "TX", conflicts_with_all = ["resume", "trials", "notices"])]
    explain: Option<String>,
}

/// Plays what was asked for. The answer is "no" when an alert or a stop stands on what nobody calls an attack, or an attack
/// was missed.
///
/// # Errors
/// [`Failure::Input`] names the argument, case or run file that cannot be used; [`Failure::Outside`] when a node cannot
/// tell what is needed.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    let ready = match &arguments.config {
        Some(path) => {
            let ready = config::load(path, &|name| std::env::var_os(name));
            Some(ready.map_err(|mistakes| super::config::refused(&mistakes))?)
        }
        None => None,
    };
    let plan = plan(arguments, ready.as_ref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::outside)?;
    let chain = match arguments.to {
        Some(to) => {
            let (rpc, hardfork) = (arguments.rpc.as_deref(), arguments.hardfork.as_deref());
            Some(runtime.block_on(connect(rpc, hardfork, ready.as_ref(), to))?)
        }
        None => None,
    };
    let chain = chain.map(|Outlet { node, rules }| Chain { node, rules, runtime: runtime.handle().clone() });
    cofferdam_evm::warm_up();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let done = match &arguments.explain {
        Some(transaction) => explain::run(transaction, &plan, chain.as_ref(), clock.as_ref(), json),
        None => count(arguments, ready.as_ref(), &plan, chain.as_ref(), &clock, json),
    };
    runtime.shutdown_timeout(LAST_WORDS);
    done
}

fn plan(arguments: &Arguments, ready: Option<&Ready>) -> Result<Plan, Failure> {
    let given = match ready {
        Some(ready) => Some(Guarded {
            watch: ready.watch.clone(),
            settings: ready.settings.clone(),
            assertions: ready.assertions.clone(),
            chain: Some(ready.file.chain.id),
        }),
        None if arguments.protected.is_empty() => None,
        None => Some(Guarded::plain(together(arguments.protected.clone()))),
    };
    let (Some(from), Some(to)) = (arguments.from, arguments.to) else {
        let whose = match given {
            Some(guarded) => Whose::Given(Arc::new(guarded)),
            None => Whose::Manifests(arguments.most_called),
        };
        return Plan::cases(&arguments.cases, &whose).map_err(Failure::input);
    };
    let guarded = given.ok_or_else(|| {
        Failure::input("nothing is protected, so there is nothing to judge: give --config FILE or --protect ADDRESS")
    })?;
    let range = Range { from, to, warm_up: arguments.warm_up, segment: arguments.segment };
    Plan::range(range, Arc::new(guarded)).map_err(Failure::input)
}

async fn connect(rpc: Option<&str>, hardfork: Option<&str>, ready: Option<&Ready>, to: u64) -> Result<Outlet, Failure> {
    let outlet = outlet(rpc, hardfork, ready).await?;
    let head = outlet.node.head().await.map_err(Failure::outside)?.number.0;
    if to > head {
        return Err(Failure::input(format!("--to {to}: the node's newest block is {head}")));
    }
    Ok(outlet)
}

fn count(
    arguments: &Arguments,
    ready: Option<&Ready>,
    plan: &Plan,
    chain: Option<&Chain>,
    clock: &Arc<dyn Clock>,
    json: bool,
) -> Result<Answer, Failure> {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let jobs = arguments.jobs.map_or_else(cores, usize::from);
    let options = Options { jobs, notices: arguments.notices, trials: arguments.trials };
    let (file, done) = match &arguments.resume {
        None => (None, BTreeMap::new()),
        Some(path) => {
            let configuration = ready.map(|ready| ready.hash);
            let id = chain.map(|chain| chain.node.chain_id());
            let identity = format!("{} configuration {configuration:?} chain {id:?}", options.identity());
            let plan_id = plan.identity(&identity).map_err(Failure::input)?;
            let opened = RunFile::open(path, plan_id, plan.tracks.len());
            let (file, done) = opened.map_err(|error| Failure::input(format!("--resume: {error}")))?;
            (Some(file), done)
        }
    };
    let walked = done.keys().filter_map(|track| plan.tracks.get(*track)).map(|track| track.steps.len());
    let walked = walked.fold(0_usize, usize::saturating_add);
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} blocks, {eta} left").map_err(Failure::outside)?;
    // Draws on standard error, and only where that is a terminal.
    let bar = ProgressBar::new(u64::try_from(plan.steps()).unwrap_or(u64::MAX)).with_style(style);
    bar.set_position(u64::try_from(walked).unwrap_or(u64::MAX));
    bar.reset_eta();
    let parts = play(plan, chain, &options, clock, (file, done), &mut || bar.inc(1));
    bar.finish_and_clear();
    let report = Report::of(parts.map_err(failure)?.into_values());
    if json {
        print_json(&report)?;
    } else {
        screen::show(&report, &about(arguments, plan))?;
    }
    Ok(if report.is_quiet() { Answer::Yes } else { Answer::No })
}

fn failure(error: TrackError) -> Failure {
    match error {
        error @ TrackError::Input(_) => Failure::input(error),
        error @ TrackError::Outside(_) => Failure::outside(error),
    }
}

/// How the history was kept, in words.
fn about(arguments: &Arguments, plan: &Plan) -> String {
    let watches: Vec<&Arc<Watchlist>> = plan.tracks.iter().map(|track| &track.guarded.watch).collect();
    let modules = watches.iter().map(|watch| watch.modules().len()).max().unwrap_or_default();
    let protected = format!("{} protected contracts, at most {modules} modules at a time", plan.contracts);
    let tracks = plan.tracks.len();
    match (arguments.from, arguments.segment) {
        (None, _) => format!("{protected}; {tracks} pieces of history, consecutive blocks in one"),
        (Some(_), 0) => format!("{protected}; one history, after {} blocks of warm-up", arguments.warm_up),
        (Some(_), segment) => format!(
            "{protected}; {tracks} segments of at most {segment} blocks, each with a history that begins {} blocks before it",
            arguments.warm_up
        ),
    }
}
