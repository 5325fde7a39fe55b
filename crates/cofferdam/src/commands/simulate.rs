//! `simulate`: what a transaction would do, what is thought of it, and what would be done about it, for a person.
//!
//! ```text
//! argument ─▶ target ─▶ ground (executes it where it belongs) ─▶ contain (tries the levers) ─▶ explain ─▶ screen, JSON
//! ```
//! Sends and signs nothing, and writes nothing to the record.

mod contain;
mod explain;
mod ground;
mod names;
mod screen;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cofferdam_detect::Settings;
use cofferdam_evm::Assertions;
use cofferdam_types::primitives::Address;
use cofferdam_types::{AssertionOutcome, AssertionResult, Level, Watchlist};

use super::record::{RPC_VARIABLE, hard_fork};
use crate::cases::together;
use crate::cli::{Answer, Failure, print_json};
use crate::config::{self, Ready};
use contain::contain;
use explain::{Explained, explained};
pub(super) use ground::{Ground, Outlet};
use ground::{Protected, of_case};
use target::Target;

/// How long what is under way may take after the answer is known.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A transaction's hash (mined or pending), a signed transaction (0x and hexadecimal digits, or a file that holds
    /// them), or a case file. Several signed transactions, as arguments, in the lines of a file or in what `eth_sendBundle`
    /// takes, are a bundle: they run in this order.
    #[arg(value_name = "TX | RAW | CASE", required = true)]
    targets: Vec<String>,
    /// A configuration: its endpoints, modules, invariants and levers.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of a node; else the configuration's, else what COFFERDAM_RPC_URL holds.
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
    /// An address to protect; may be given several times. They count as one module.
    #[arg(long = "protect", value_name = "ADDRESS", value_parser = account, conflicts_with = "config")]
    protected: Vec<Address>,
    /// The hard fork of the node's chain. Absent: mainnet's own schedule on chain 1, else the newest known.
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    hardfork: Option<String>,
    /// Which transaction of a case, from 0; the last one when absent. Those before it are executed first.
    #[arg(long, value_name = "N")]
    index: Option<usize>,
}

/// An address as people write it; one whose capital letters are not its checksum was mistyped.
pub(super) fn account(text: &str) -> Result<Address, String> {
    let address: Address = text.parse().map_err(|_| "expected an address: 0x and 40 hexadecimal digits".to_owned())?;
    let mixed = text.bytes().skip(2).any(|byte| byte.is_ascii_uppercase())
        && text.bytes().skip(2).any(|byte| byte.is_ascii_lowercase());
    if mixed && Address::parse_checksummed(text, None).is_err() {
        return Err(format!("the capital letters are not the checksum (EIP-55) of this address, which is {address}"));
    }
    Ok(address)
}

/// Executes the transaction and explains it. The answer is "no" when a finding stands.
///
/// # Errors
/// [`Failure::Input`] names the argument that cannot be used; [`Failure::Outside`] when a node cannot tell what is
/// needed.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    let target = Target::read_all(&arguments.targets)?;
    let ready = match &arguments.config {
        Some(path) => {
            let ready = config::load(path, &|name| std::env::var_os(name));
            Some(ready.map_err(|mistakes| super::config::refused(&mistakes))?)
        }
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::outside)?;
    let done = runtime.block_on(simulate(arguments, target, ready.as_ref()));
    runtime.shutdown_timeout(LAST_WORDS);
    show(&done?, json)
}

/// Explains what stands on `ground`, without trying any lever.
///
/// # Errors
/// As [`print_json`].
pub(super) fn show_ground(mut ground: Ground, json: bool) -> Result<Answer, Failure> {
    ground.notes.extend(ground.execution.assertions.iter().map(said));
    show(&explained(&mut ground, Vec::new()), json)
}

fn show(explained: &Explained, json: bool) -> Result<Answer, Failure> {
    if json {
        print_json(explained)?;
    } else {
        screen::show(explained)?;
    }
    Ok(if explained.verdict.findings.is_empty() { Answer::Yes } else { Answer::No })
}

async fn simulate(arguments: &Arguments, target: Target, ready: Option<&Ready>) -> Result<Explained, Failure> {
    let protected = match ready {
        Some(ready) => Protected {
            watch: ready.watch.clone(),
            settings: ready.settings.clone(),
            assertions: ready.assertions.clone(),
        },
        None => {
            let modules =
                if arguments.protected.is_empty() { Vec::new() } else { together(arguments.protected.clone()) };
            Protected {
                watch: Arc::new(Watchlist::new(modules)),
                settings: Settings::default(),
                assertions: Assertions::default(),
            }
        }
    };
    let mut ground = stand(arguments, target, ready, protected).await?;
    ground.notes.extend(ground.execution.assertions.iter().map(said));
    let containment = match ready {
        Some(ready) => contain(&mut ground, ready).await?,
        None => {
            if ground.verdict.level() == Some(Level::Stop) {
                ground.notes.push("what would be done about it is shown with --config FILE, which names levers".into());
            }
            Vec::new()
        }
    };
    Ok(explained(&mut ground, containment))
}

/// What one Solidity assertion said, also where that was nothing.
fn said(outcome: &AssertionOutcome) -> String {
    let call = outcome.call.map(|call| format!(" for call {call}")).unwrap_or_default();
    let result = match &outcome.result {
        AssertionResult::Held { over_limit: None } => format!("held, with {} gas", outcome.gas),
        AssertionResult::Held { over_limit: Some(limit) } => {
            format!("held, with {} gas and not with {limit}", outcome.gas)
        }
        AssertionResult::Broken { reason } => format!("broken: {reason}"),
        AssertionResult::Inconclusive(why) => format!("inconclusive: {why}"),
        AssertionResult::NotFired { why } => format!("not run: {why}"),
    };
    format!("assertion `{}.{}`{call}: {result}", outcome.contract, outcome.function)
}

async fn stand(
    arguments: &Arguments,
    target: Target,
    ready: Option<&Ready>,
    protected: Protected,
) -> Result<Ground, Failure> {
    if arguments.index.is_some() && !matches!(target, Target::Case(_)) {
        return Err(Failure::input("--index: only a case holds several transactions"));
    }
    match target {
        Target::Case(case) => {
            for (given, name) in [(arguments.rpc.is_some(), "--rpc"), (arguments.hardfork.is_some(), "--hardfork")] {
                if given {
                    return Err(Failure::input(format!("{name}: a case brings its own state and its own hard fork")));
                }
            }
            let path = arguments.targets.first().map(String::as_str).unwrap_or_default();
            of_case(Path::new(path), *case, arguments.index, protected)
        }
        Target::Hash(hash) => at(arguments, ready).await?.known(hash, protected).await,
        Target::Raw(transaction) => at(arguments, ready).await?.pending(*transaction, protected).await,
        Target::Bundle(transactions) => at(arguments, ready).await?.bundle(transactions, protected).await,
    }
}

async fn at(arguments: &Arguments, ready: Option<&Ready>) -> Result<Outlet, Failure> {
    outlet(arguments.rpc.as_deref(), arguments.hardfork.as_deref(), ready).await
}

/// The node that is named, else the configuration's, else the one in the environment.
///
/// # Errors
/// [`Failure::Input`] when none is named or the name of a hard fork is none, [`Failure::Outside`] when nobody answers.
pub(super) async fn outlet(
    rpc: Option<&str>,
    hardfork: Option<&str>,
    ready: Option<&Ready>,
) -> Result<Outlet, Failure> {
    let chain = ready.map(|ready| ready.file.chain.id);
    let spec = hard_fork(hardfork)?;
    match (rpc, ready) {
        (Some(address), Some(ready)) => {
            let mut outlet = Outlet::at(address, chain, None).await?;
            outlet.rules = ready.rules;
            Ok(outlet)
        }
        (Some(address), None) => Outlet::at(address, chain, spec).await,
        (None, Some(ready)) => Outlet::over(ready.endpoints.clone(), chain, |_| ready.rules).await,
        (None, None) => match std::env::var(RPC_VARIABLE) {
            Ok(address) => Outlet::at(&address, chain, spec).await,
            Err(_) => {
                Err(Failure::input(format!("a node is needed: give --rpc URL or --config FILE, or set {RPC_VARIABLE}")))
            }
        },
    }
}
