//! `bench`: exactness, speed and recall over cases on disk, and recall over the attack zoo.

mod held_out;
mod learnt;
mod scaling;
mod zoo;

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::zoo::Part;
use crate::bench::{self, Flagged, Honest, Measured};
use crate::cli::{Answer, Failure, print_json, print_line};
use crate::printable::shortened;
use crate::telemetry::SystemClock;

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder with a `manifest.json` and the cases that it lists.
    #[arg(long, required_unless_present_any = ["zoo", "hostile", "assertions"])]
    cases: Option<PathBuf>,
    /// Judge transactions that are built to make judging slow instead, each at several sizes.
    #[arg(long, conflicts_with_all = ["cases", "zoo"])]
    hostile: bool,
    /// Time decisions on the vaults of the zoo with twenty Solidity assertions beside all detectors.
    #[arg(long, conflicts_with_all = ["cases", "zoo", "hostile"])]
    assertions: bool,
    /// Run the blocks with ten to ten thousand registered rules that do not match: time and memory.
    #[arg(long, requires = "cases")]
    rules: bool,
    /// Play the attack zoo instead: recall by family and by change, and what is said of honest flows.
    #[arg(long, conflicts_with = "cases")]
    zoo: bool,
    /// Play the part of the zoo that no detector was written with: each attack and what was said of it, apart from the zoo.
    #[arg(long, requires = "zoo")]
    held_out: bool,
    /// Learn first: of the zoo each history before anything happens, of cases the older blocks, to judge the newer ones.
    #[arg(long)]
    learnt: bool,
    /// Only entries of the zoo with this in their name.
    #[arg(long, requires = "zoo", default_value = "")]
    only: String,
    /// Write the chosen entries of the zoo as cases into this folder, and play nothing.
    #[arg(long, requires = "zoo", value_name = "DIR")]
    write: Option<PathBuf>,
    /// Runs per block of which the best counts.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
}

/// Runs the cases, or the zoo. The answer is "no" when a block is not exact or an attack was missed.
///
/// # Errors
/// [`Failure::Input`] when a case cannot be read.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    if arguments.hostile {
        return scaling::hostile(json);
    }
    if arguments.assertions {
        return scaling::assertions(arguments.runs, json);
    }
    let Some(folder) = &arguments.cases else {
        let part = if arguments.held_out { Part::HeldOut } else { Part::Known };
        return match &arguments.write {
            Some(folder) => zoo::write(part, &arguments.only, folder, json),
            None => zoo::run(part, arguments.learnt, &arguments.only, json),
        };
    };
    if arguments.rules {
        return scaling::rules(folder, arguments.runs, json);
    }
    if arguments.learnt {
        return learnt::run(folder, json);
    }
    let style = ProgressStyle::with_template("{spinner} {pos} cases, {elapsed}  {msg}");
    let bar = ProgressBar::new_spinner().with_style(style.map_err(Failure::outside)?);
    let clock = SystemClock::start();
    let measured = bench::run(folder, arguments.runs, &clock, &mut |name| {
        bar.set_message(name.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    let measured = measured.map_err(Failure::input)?;
    if json {
        print_json(&measured)?;
    } else {
        show(&measured)?;
    }
    let good = measured.exactness.differing.is_empty() && measured.exploits.missed.is_empty();
    Ok(if good { Answer::Yes } else { Answer::No })
}

fn show(measured: &Measured) -> Result<(), Failure> {
    let exact = &measured.exactness;
    print_line(format_args!("exactness   {} of {} blocks equal in gas", exact.matched, exact.blocks))?;
    exact.differing.iter().try_for_each(|line| print_line(format_args!("            {line}")))?;
    for speed in [&measured.throughput, &measured.throughput_registered] {
        print_line(format_args!(
            "throughput  {:.0} tx/s, plain revm {:.0} tx/s, ratio {:.3}; {} transactions, {} contracts registered, best of {}",
            speed.tx_per_s, speed.bare_tx_per_s, speed.ratio, speed.transactions, speed.registered, measured.runs
        ))?;
    }
    let decision = &measured.latency_ms.decision;
    print_line(format_args!(
        "decision    p50 {:.3} ms, p99 {:.3} ms, slowest {:.3} ms; {} transactions, warm",
        decision.p50, decision.p99, decision.max, decision.n
    ))?;
    let registered = &measured.registered;
    let contracts = registered.contracts;
    honest(&measured.honest, &format!("{contracts} contracts together, each a module"))?;
    honest(&registered.in_turn, &format!("{contracts} contracts in turn, {} runs of a block", registered.runs))?;
    honest(&registered.as_one, &format!("{contracts} contracts as one module"))?;
    let everywhere = &measured.everywhere;
    print_line(format_args!(
        "everywhere  {} transactions, each of {} contracts a module of its own: {} with a stop",
        everywhere.transactions,
        everywhere.modules,
        everywhere.stops.len()
    ))?;
    for (detector, levels) in &everywhere.findings {
        print_line(format_args!(
            "            {detector}: {} stops, {} alerts, {} notices",
            levels.stops, levels.alerts, levels.notices
        ))?;
    }
    everywhere.stops.iter().try_for_each(line)?;
    let new = &measured.new_contracts;
    print_line(format_args!(
        "before      {} new contracts, {} of them call nobody: {} stops, {} alerts, {} notices; {} calls, {} trials cut short",
        new.n, new.harmless, new.stops, new.alerts, new.notices, new.calls, new.cut
    ))?;
    let trial = &new.trial_ms;
    print_line(format_args!(
        "            trial p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms",
        trial.p50, trial.p99, trial.max
    ))?;
    print_line(format_args!("            {} of {} contracts of attackers found", new.attackers_found, new.attackers))?;
    for found in new.found.iter().chain(&new.attacks) {
        print_line(format_args!("  {}", shortened(found, 200)))?;
    }
    let exploits = &measured.exploits;
    print_line(format_args!(
        "exploits    {} of {} flagged, {} of them stops",
        exploits.flagged, exploits.n, exploits.stopped
    ))?;
    exploits.found.iter().try_for_each(line)?;
    for missed in &exploits.missed {
        print_line(format_args!("  missed    {}: {}", missed.name, shortened(&missed.why, 140)))?;
    }
    Ok(())
}

fn honest(honest: &Honest, how: &str) -> Result<(), Failure> {
    print_line(format_args!(
        "honest      {how}: {} stops, {} alerts, {} notices; {} contract calls, {:.0} alerts or stops per million",
        honest.stops,
        honest.alerts,
        honest.notices,
        honest.contract_calls,
        honest.alerts_per_million()
    ))?;
    honest.found.iter().try_for_each(line)
}

fn line(found: &Flagged) -> Result<(), Failure> {
    let incomplete = if found.incomplete { " (state incomplete)" } else { "" };
    let why = shortened(&found.why.join("; "), 140);
    print_line(format_args!("  {:<8}  {} tx {}{incomplete}: {why}", found.level, found.name, found.index))
}
