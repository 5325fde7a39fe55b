//! `simulate`: what a transaction of a case would do and what is thought of it, for a person.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cofferdam_chain::case::Case;
use cofferdam_types::primitives::Address;
use cofferdam_types::{Call, CallStatus, Execution, Judge, Verdict, Watchlist};

use crate::cases::{Runnable, judge, together};
use crate::cli::{Answer, Failure, print_json};
use crate::printable::shortened;

/// Frames shown; the rest is counted.
const FRAMES_SHOWN: usize = 200;

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A case file (`cofferdam-case/1`).
    case: PathBuf,
    /// An address to protect; may be given several times. They count as one module.
    #[arg(long = "protect", required = true)]
    protected: Vec<Address>,
    /// The transaction, from 0; the last one when absent. Those before it are executed first.
    #[arg(long)]
    index: Option<usize>,
}

/// Executes the transaction. The answer is "no" when a finding stands.
///
/// # Errors
/// [`Failure::Input`] when the case cannot be read or has no such transaction.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    let case = Runnable::new(Case::read(&arguments.case).map_err(Failure::input)?).map_err(Failure::input)?;
    let watch = Arc::new(Watchlist::new(together(arguments.protected.clone())));
    let mut engine = case.engine(watch.clone());
    let mut judge = judge(&watch).map_err(Failure::input)?;
    engine.set_needs(judge.needs().clone());
    let advanced = engine.advance(&case.block).map_err(Failure::outside)?;
    let count = advanced.executions.len();
    let index = arguments.index.unwrap_or_else(|| count.saturating_sub(1));
    if index >= count {
        return Err(Failure::input(format!("--index {index}: the case has {count} transactions, counted from 0")));
    }
    let mut found = false;
    for (at, execution) in advanced.executions.iter().enumerate().take(index.saturating_add(1)) {
        let verdict = judge.judge(execution);
        judge.record(execution);
        if at == index {
            found = verdict.level().is_some();
            if json {
                print_json(&serde_json::json!({ "effects": execution.effects, "verdict": verdict }))?;
            } else {
                show(execution, &verdict);
            }
        }
    }
    Ok(if found { Answer::No } else { Answer::Yes })
}

fn show(execution: &Execution, verdict: &Verdict) {
    let effects = &execution.effects;
    anstream::println!("transaction {}", execution.hash());
    anstream::println!("outcome     {}, {} gas", shortened(&format!("{:?}", effects.outcome), 80), effects.gas_used);
    anstream::println!(
        "stands on   block {}, {} pieces of state missing",
        verdict.standing.head.number,
        verdict.standing.missing.len()
    );
    anstream::println!("calls");
    effects.calls.iter().take(FRAMES_SHOWN).for_each(frame);
    if effects.calls.len() > FRAMES_SHOWN {
        anstream::println!("  and {} more", effects.calls.len().saturating_sub(FRAMES_SHOWN));
    }
    anstream::println!("movements");
    for moved in &effects.movements {
        anstream::println!("  {} -> {}  {} of {}", moved.from, moved.to, moved.amount, moved.asset);
    }
    match verdict.level() {
        None => anstream::println!("verdict     nothing was seen"),
        Some(level) => anstream::println!("verdict     {level}"),
    }
    for finding in &verdict.findings {
        anstream::println!("  {} {}: {}", finding.level, finding.detector, shortened(&finding.summary, 200));
        for evidence in &finding.evidence {
            anstream::println!("      {}: {}", evidence.what, shortened(&evidence.value, 160));
        }
    }
}

fn frame(call: &Call) {
    let indent = usize::from(call.depth).min(30).saturating_mul(2);
    let selector = call.selector.map(|selector| selector.to_string()).unwrap_or_default();
    let ended = if call.status == CallStatus::Succeeded { "" } else { "  failed" };
    let value = if call.value.is_zero() { String::new() } else { format!("  {} wei", call.value) };
    anstream::println!("  {:indent$}{:?} {} {selector}{value}{ended}", "", call.kind, call.code_address);
}
