//! The command line: words, exit codes, and where output goes.
//!
//! Results go to standard output, everything else to standard error. Exit code 0: done; 1: the answer is "no" or a
//! finding stands; 2: bad input; 3: the outside failed.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{backtest, bench, config, drill, envelope, incident, learn, record, sign, simulate, watch};

/// What scripts may rely on; said by `--help`.
const EXIT_CODES: &str = "Results go to standard output, everything else to standard error.\n\
    Exit code 0: done; 1: the answer is no, or a finding stands; 2: bad input; 3: the outside failed.";

/// Incident handling for DeFi protocols: see the exploit before it is final, seal the module, keep the record.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Attack a small protocol on a chain inside this process, and watch what is done about it.
    Drill(drill::Arguments),
    /// Guard the contracts of a configuration against a node, until told to end.
    Watch(watch::Arguments),
    /// Check a configuration, or print its schema.
    Config(config::Arguments),
    /// Run cases on disk: exactness, speed beside plain revm, and what was flagged.
    Bench(bench::Arguments),
    /// Play cases or a range of blocks to the judge that `watch` runs: rates with intervals, and why.
    Backtest(backtest::Arguments),
    /// List the detectors with what was measured of each, show one's page, or measure anew.
    Detectors(crate::commands::detectors::Arguments),
    /// Write blocks of a node as cases, with all the state that they read.
    Record(record::Arguments),
    /// Learn from settled blocks what the modules do when nothing is wrong, and what a budget of false alarms means.
    Learn(learn::Arguments),
    /// What a transaction would do, what is thought of it and what would be done about it.
    Simulate(simulate::Arguments),
    /// Draft, read, sign, check and revoke the limits inside which the machine may act alone.
    Envelope(envelope::Arguments),
    /// Show typed data for what it is, such as a Safe's transaction, and sign it: offline.
    Sign(sign::Arguments),
    /// Read the incident record, and check it.
    Incident(incident::Arguments),
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, or yes.
    Yes,
    /// The answer is "no", or a finding stands.
    No,
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// What the user gave cannot be used: exit code 2.
    Input(eyre::Report),
    /// Something outside failed: exit code 3.
    Outside(eyre::Report),
    /// Whoever read standard output has seen enough, as `head` does: no failure, exit code 0.
    ReaderGone,
}

impl Failure {
    /// Bad input.
    pub fn input(error: impl std::fmt::Display) -> Self {
        Self::Input(eyre::eyre!("{error}"))
    }

    /// Standard output could not be written: nobody reads on, or the outside failed.
    pub fn printing(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::outside(error) }
    }

    /// The outside failed.
    pub fn outside(error: impl std::fmt::Display) -> Self {
        Self::Outside(eyre::eyre!("{error}"))
    }
}

/// Parses the process's arguments, runs the command, and says how it ended.
pub fn main() -> ExitCode {
    // clap ends the process by itself with code 2 for what it cannot parse, and 0 for help.
    let cli = Cli::parse();
    let json = cli.json;
    let done = match cli.command {
        Command::Drill(arguments) => drill::run(&arguments, json),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Config(arguments) => config::run(&arguments, json),
        Command::Bench(arguments) => bench::run(&arguments, json),
        Command::Backtest(arguments) => backtest::run(&arguments, json),
        Command::Detectors(arguments) => crate::commands::detectors::run(&arguments, json),
        Command::Record(arguments) => record::run(&arguments, json),
        Command::Learn(arguments) => learn::run(&arguments, json),
        Command::Simulate(arguments) => simulate::run(&arguments, json),
        Command::Envelope(arguments) => envelope::run(&arguments, json),
        Command::Sign(arguments) => sign::run(&arguments, json),
        Command::Incident(arguments) => incident::run(&arguments, json),
    };
    match done {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Input(error)) => {
            anstream::eprintln!("error: {error}");
            ExitCode::from(2)
        }
        Err(Failure::Outside(error)) => {
            anstream::eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

/// Prints a JSON document on standard output.
///
/// # Errors
/// As [`print_line`].
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print_line(serde_json::to_string_pretty(value).map_err(Failure::outside)?)
}

/// Prints a line of the result on standard output.
///
/// # Errors
/// [`Failure::Outside`] when it cannot be written, [`Failure::ReaderGone`] when nobody reads on.
pub fn print_line(line: impl std::fmt::Display) -> Result<(), Failure> {
    writeln!(anstream::stdout(), "{line}").map_err(Failure::printing)
}
