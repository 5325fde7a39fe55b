//! One transaction of what is played, explained as `simulate` explains it, with what the judge had seen before it.

use std::sync::Arc;

use cofferdam_types::primitives::B256;
use cofferdam_types::{Clock, Judge as _};

use super::failure;
use crate::backtest::{Chain, Done, Plan, Step, Track, Walker};
use crate::cli::{Answer, Failure};
use crate::commands::simulate::{Ground, show_ground};
use crate::printable::{counted, shortened};

/// Explains the transaction of this hash.
///
/// # Errors
/// [`Failure::Input`] when it is none of what is played, [`Failure::Outside`] when the node cannot tell.
pub(super) fn run(
    transaction: &str,
    plan: &Plan,
    chain: Option<&Chain>,
    clock: &dyn Clock,
    json: bool,
) -> Result<Answer, Failure> {
    let hash: B256 = transaction.parse().map_err(|_| {
        let shown = shortened(transaction, 70);
        Failure::input(format!("--explain {shown}: expected a transaction's hash, 0x and 64 hexadecimal digits"))
    })?;
    let missing = || Failure::input(format!("--explain {hash}: is no transaction of what is played"));
    let (track, at) = place(hash, plan, chain)?.ok_or_else(missing)?;
    let mut walker = Walker::new(track, chain).map_err(failure)?;
    for walked in 0..=at {
        let Some(done) = walker.next(clock).map_err(failure)? else { return Err(missing()) };
        if walked == at {
            return show_ground(stand(walker, done, hash, walked).ok_or_else(missing)?, json);
        }
        let (_, judge) = walker.parts();
        done.advanced.executions.iter().for_each(|execution| judge.record(execution));
    }
    Err(missing())
}

/// The track that counts the transaction, and which of its blocks holds it.
fn place<'p>(hash: B256, plan: &'p Plan, chain: Option<&Chain>) -> Result<Option<(&'p Track, usize)>, Failure> {
    let number = match chain {
        Some(chain) => {
            let known = chain.runtime.block_on(chain.node.transaction(hash)).map_err(Failure::outside)?;
            let Some((_, Some(block))) = known else { return Ok(None) };
            let header = chain.runtime.block_on(chain.node.header_by_hash(block)).map_err(Failure::outside)?;
            header.map(|header| header.number)
        }
        None => None,
    };
    for track in &plan.tracks {
        for (at, step) in track.steps.iter().enumerate().skip(track.warm_up) {
            let holds = match step {
                Step::Block(block) => Some(*block) == number,
                Step::Case { folder, entry } => {
                    let case = entry.read(folder).map_err(Failure::input)?;
                    case.transactions.iter().any(|transaction| transaction.hash == hash)
                }
            };
            if holds {
                return Ok(Some((track, at)));
            }
        }
    }
    Ok(None)
}

/// What `simulate` explains, made of where the walker stands.
fn stand(walker: Walker<'_>, done: Done, hash: B256, walked: usize) -> Option<Ground> {
    let index = done.block.transactions.iter().position(|transaction| transaction.hash == hash)?;
    let (mut engine, mut judge) = walker.into_parts();
    let mut notes = Vec::new();
    for (at, difference) in &done.advanced.diverged {
        if usize::try_from(*at).is_ok_and(|at| at == index) {
            notes.push(format!("executed here it differs from the chain, so its receipt is shown: {difference}"));
        }
    }
    let mut executions = done.advanced.executions.into_iter();
    executions.by_ref().take(index).for_each(|earlier| judge.record(&earlier));
    let execution = executions.next()?;
    let verdict = judge.judge(&execution);
    // A block that differed from the chain was not kept: then the engine stands elsewhere and begins anew.
    if engine.rollback(done.parent.block_ref()).is_err() {
        engine.reset(done.parent.clone());
    }
    let earlier = done.block.transactions.iter().take(index).cloned().map(Arc::new).collect();
    let watch = engine.watch().clone();
    let history = format!("its history is {} and what came before it in its block", counted(walked, "block"));
    notes.push("levers are tried by `cofferdam simulate --config FILE`".to_owned());
    Some(Ground { engine, judge, watch, execution, verdict, earlier, chain: done.chain, history, notes })
}
