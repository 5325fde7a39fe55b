//! `learn`: what the modules do when nothing is wrong, from blocks that can no longer change, as a file that a person can
//! read; and which thresholds a budget of false alarms means on that history.

mod screen;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cofferdam_chain::NodeState;
use cofferdam_chain::case::Manifest;
use cofferdam_detect::Settings;
use cofferdam_detect::behaviour::{Afforded, Budget, Learner, Learnt, Sweep};
use cofferdam_evm::{Assertions, Engine};
use cofferdam_types::primitives::Address;
use cofferdam_types::{BlockNumber, ChainId, Execution, Watchlist};
use indicatif::{ProgressBar, ProgressStyle};

use super::simulate::{Outlet, account, outlet};
use crate::cases::{Runnable, together};
use crate::cli::{Answer, Failure};
use crate::config::{self, Ready};

/// How long what is under way may take after the answer is known.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Where the file goes when nothing else is said.
const OUT: &str = "learnt.toml";

/// Arguments of `learn`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A configuration: its modules, settings, assertions and endpoints.
    #[arg(long, value_name = "FILE", required_unless_present = "protected")]
    config: Option<PathBuf>,
    /// An address to learn of; may be given several times. They count as one module, `protocol`.
    #[arg(long = "protect", value_name = "ADDRESS", value_parser = account, conflicts_with = "config")]
    protected: Vec<Address>,
    /// Folder with a `manifest.json`: its blocks are learnt from, in the order of their numbers.
    #[arg(long, value_name = "DIR", required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    cases: Option<PathBuf>,
    /// The first block, of a node.
    #[arg(long, value_name = "BLOCK", requires = "to")]
    from: Option<u64>,
    /// The last block: one that can no longer leave the chain.
    #[arg(long, value_name = "BLOCK", requires = "from")]
    to: Option<u64>,
    /// Address of a node; else the configuration's, else what COFFERDAM_RPC_URL holds.
    #[arg(long, value_name = "URL", conflicts_with = "cases")]
    rpc: Option<String>,
    /// The hard fork of the node's chain. Absent: mainnet's own schedule on chain 1, else the newest known.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "cases"])]
    hardfork: Option<String>,
    /// Where the file goes. Absent: `learnt.toml`, or with --budget nowhere.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// False alarms that are bearable, such as `2/month`: says which thresholds would have kept to that.
    #[arg(long, value_name = "N/TIME")]
    budget: Option<Budget>,
}

/// What was learnt and what it means.
struct Outcome {
    learnt: Learnt,
    judged: u64,
    flagged: u64,
    /// Blocks that could not be executed as the chain did; nothing was learnt of their transactions that differ.
    differing: u64,
    afforded: Option<Afforded>,
    settings: Settings,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] for a configuration, range, folder or file that cannot be used, [`Failure::Outside`] when the node
/// cannot tell what is needed or the file cannot be written.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    let ready = match &arguments.config {
        Some(path) => {
            let ready = config::load(path, &|name| std::env::var_os(name));
            Some(ready.map_err(|mistakes| super::config::refused(&mistakes))?)
        }
        None => None,
    };
    let out = match (&arguments.out, arguments.budget) {
        (Some(path), _) => Some(path.clone()),
        (None, None) => Some(PathBuf::from(OUT)),
        (None, Some(_)) => None,
    };
    if let Some(out) = &out {
        may_be_replaced(out)?;
    }
    let outcome = match (&arguments.cases, arguments.from, arguments.to) {
        (Some(folder), _, _) => of_cases(folder, arguments, ready.as_ref())?,
        (None, Some(from), Some(to)) => of_node(from, to, arguments, ready.as_ref())?,
        (None, _, _) => return Err(Failure::input("give --cases DIR, or --from BLOCK and --to BLOCK")),
    };
    if let Some(out) = &out {
        write(out, &outcome.learnt.write())?;
    }
    screen::show(&outcome, out.as_deref(), arguments.budget, json)?;
    Ok(Answer::Yes)
}

/// What is learnt from, one transaction after the other.
struct School {
    learner: Learner,
    sweep: Option<Sweep>,
    settings: Settings,
    differing: u64,
}

impl School {
    /// `half` is the first block of the second half.
    fn new(
        watch: &Arc<Watchlist>,
        ready: Option<&Ready>,
        chain: ChainId,
        half: u64,
        budget: Option<Budget>,
    ) -> Result<Self, Failure> {
        let mut settings = ready.map(|ready| ready.settings.clone()).unwrap_or_default();
        // What was learnt before has no say in what is learnt now.
        settings.learnt = None;
        let learner = Learner::new(watch.clone(), &settings, chain).map_err(Failure::input)?;
        let sweep = match budget {
            Some(_) => Some(Sweep::new(watch.clone(), &settings, chain, half).map_err(Failure::input)?),
            None => None,
        };
        Ok(Self { learner, sweep, settings, differing: 0 })
    }

    fn take(&mut self, execution: &Execution) {
        self.learner.take(execution);
        if let Some(sweep) = &mut self.sweep {
            sweep.take(execution);
        }
    }

    fn finish(self, budget: Option<Budget>) -> Outcome {
        let (judged, flagged) = (self.learner.judged(), self.learner.flagged());
        let afforded = self.sweep.zip(budget).map(|(sweep, budget)| sweep.finish(budget));
        let (learnt, differing, settings) = (self.learner.finish(), self.differing, self.settings);
        Outcome { learnt, judged, flagged, differing, afforded, settings }
    }
}

fn guarded(arguments: &Arguments, ready: Option<&Ready>) -> (Arc<Watchlist>, Assertions) {
    match ready {
        Some(ready) => (ready.watch.clone(), ready.assertions.clone()),
        None => (Arc::new(Watchlist::new(together(arguments.protected.clone()))), Assertions::default()),
    }
}

fn of_cases(folder: &Path, arguments: &Arguments, ready: Option<&Ready>) -> Result<Outcome, Failure> {
    let manifest = Manifest::read(folder).map_err(Failure::input)?;
    let named = |reason: String| Failure::input(format!("--cases {}: {reason}", folder.display()));
    let mut entries: Vec<_> = manifest.blocks.iter().collect();
    entries.sort_by_key(|entry| entry.number);
    let first = entries.first().ok_or_else(|| named("its manifest lists no blocks".to_owned()))?;
    let chain = ChainId(first.read(folder).map_err(Failure::input)?.chain_id);
    if let Some(ready) = ready
        && ready.file.chain.id != chain
    {
        let expected = ready.file.chain.id;
        return Err(named(format!("its blocks are of chain {chain}, expected {expected} as configured")));
    }
    let middle = entries.len().wrapping_div(2);
    let half = entries.get(middle).and_then(|entry| entry.number).unwrap_or(u64::MAX);
    let (watch, assertions) = guarded(arguments, ready);
    let mut school = School::new(&watch, ready, chain, half, arguments.budget)?;
    let bar = bar(entries.len())?;
    for entry in entries {
        let case = Runnable::new(entry.read(folder).map_err(Failure::input)?).map_err(named)?;
        if ChainId(case.case.chain_id) != chain {
            return Err(named(format!(
                "block {} is of chain {}, the first of {chain}",
                case.case.name, case.case.chain_id
            )));
        }
        let mut engine = case.engine(watch.clone());
        engine.set_needs(school.learner.needs().clone());
        engine.set_assertions(assertions.clone());
        let advanced = engine.advance(&case.block).map_err(Failure::outside)?;
        school.differing = school.differing.saturating_add(u64::from(!advanced.diverged.is_empty()));
        advanced.executions.iter().for_each(|execution| school.take(execution));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(school.finish(arguments.budget))
}

fn of_node(from: u64, to: u64, arguments: &Arguments, ready: Option<&Ready>) -> Result<Outcome, Failure> {
    if from == 0 || from > to {
        return Err(Failure::input(format!(
            "--from {from} --to {to}: expected 1 or more, and the first not after the last"
        )));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::outside)?;
    let done = runtime.block_on(async {
        let outlet = outlet(arguments.rpc.as_deref(), arguments.hardfork.as_deref(), ready).await?;
        let head = outlet.node.head().await.map_err(Failure::outside)?.number.0;
        let depth = u64::from(ready.map(|ready| ready.settings.clone()).unwrap_or_default().history.reorg_depth_blocks);
        let settled = head.saturating_sub(depth);
        if to > settled {
            return Err(Failure::input(format!(
                "--to {to}: the node's newest block is {head}, and what is newer than {settled} can still leave the chain"
            )));
        }
        walk(&outlet, from, to, arguments, ready).await
    });
    runtime.shutdown_timeout(LAST_WORDS);
    done
}

async fn walk(
    outlet: &Outlet,
    from: u64,
    to: u64,
    arguments: &Arguments,
    ready: Option<&Ready>,
) -> Result<Outcome, Failure> {
    let (watch, assertions) = guarded(arguments, ready);
    let half = from.midpoint(to).saturating_add(1);
    let mut school = School::new(&watch, ready, outlet.node.chain_id(), half, arguments.budget)?;
    let source = Arc::new(NodeState::new(outlet.node.clone(), tokio::runtime::Handle::current()));
    let mut engine = Engine::new(outlet.rules, source, watch);
    engine.set_needs(school.learner.needs().clone());
    engine.set_assertions(assertions);
    let parent = outlet.node.header(BlockNumber(from.saturating_sub(1))).await.map_err(Failure::outside)?;
    engine.reset(
        parent.ok_or_else(|| Failure::outside(format!("the node does not have block {}", from.saturating_sub(1))))?,
    );
    let bar = bar(usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX).saturating_add(1))?;
    for number in from..=to {
        let block = outlet.node.block(BlockNumber(number)).await.map_err(Failure::outside)?;
        let block = block.ok_or_else(|| Failure::outside(format!("the node does not have block {number}")))?;
        let advanced = tokio::task::block_in_place(|| engine.advance(&block)).map_err(Failure::outside)?;
        school.differing = school.differing.saturating_add(u64::from(!advanced.diverged.is_empty()));
        advanced.executions.iter().for_each(|execution| school.take(execution));
        if engine.head().block_ref() != block.header.block_ref() {
            // A block that differed from the chain was not kept: what follows is asked for anew.
            engine.reset(block.header.clone());
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(school.finish(arguments.budget))
}

/// Draws on standard error, and only where that is a terminal.
fn bar(blocks: usize) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} blocks, {eta} left").map_err(Failure::outside)?;
    Ok(ProgressBar::new(u64::try_from(blocks).unwrap_or(u64::MAX)).with_style(style))
}

/// A learnt file may be replaced as long as nobody has edited it; anything else stays.
fn may_be_replaced(path: &Path) -> Result<(), Failure> {
    let refused = |why: &str| Failure::input(format!("--out {}: {why}: name another file, or move it", path.display()));
    match std::fs::read(path) {
        Ok(bytes) => match Learnt::parse(&bytes) {
            Ok(learnt) if learnt.is_as_written() => Ok(()),
            Ok(_) => Err(refused("somebody has edited it")),
            Err(_) => Err(refused("is no learnt file")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(&format!("cannot be read: {error}"))),
    }
}

/// Whole or not at all: a reader never finds half of it.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::outside(format!("--out {}: {error}", path.display()));
    let beside = path.with_extension("toml.new");
    std::fs::write(&beside, text).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}
