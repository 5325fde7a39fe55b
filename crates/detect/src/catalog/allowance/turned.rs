//! Holders of a token of the module who did nothing were emptied by a stranger's `transferFrom`, and he turned what he
//! took to money in the same transaction: an allowance that was never given, or one that was stolen.
//!
//! A collector that sweeps deposit addresses takes from holders who do nothing, too; it keeps what it takes.

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, CallKind, Evidence, Harm, Level, Severity};

use super::{TRANSFER_FROM, is_bystander, is_emptied, word_address};
use crate::{
    Seen,
    seen::{ROUNDING_UNITS, Said},
};

/// One holder may have asked for it beforehand; two who did nothing at all have not.
const LEAST_HOLDERS: usize = 2;
/// More holders than this are not looked at.
const MOST_HOLDERS: usize = 64;

/// What was taken of the first such token.
pub(super) fn turned(seen: &Seen<'_>) -> Option<Said> {
    let effects = seen.effects();
    let mut taken: Vec<(Address, Address, U256)> = Vec::new();
    for call in &effects.calls {
        let by_actor = call.selector == Some(TRANSFER_FROM)
            && call.kind == CallKind::Call
            && call.effective
            && seen.member(call.callee)
            && !seen.member(call.caller)
            && seen.actors().contains(&call.caller);
        if !by_actor || taken.len() >= MOST_HOLDERS {
            continue;
        }
        let Some((owner, recipient)) = word_address(effects, call, 4).zip(word_address(effects, call, 36)) else {
            continue;
        };
        let known = taken.iter().any(|(token, holder, _)| *token == call.callee && *holder == owner);
        if known || !seen.actors().contains(&recipient) || !is_bystander(seen, owner) {
            continue;
        }
        let moved = effects
            .movements
            .iter()
            .find(|moved| moved.from == owner && moved.to == recipient && moved.asset == Asset::Erc20(call.callee));
        if let Some(moved) = moved
            && moved.amount > U256::from(ROUNDING_UNITS)
            && is_emptied(seen, moved)
        {
            taken.push((call.callee, owner, moved.amount));
        }
    }
    let (token, first, _) =
        *taken.iter().find(|(token, ..)| taken.iter().filter(|(other, ..)| other == token).count() >= LEAST_HOLDERS)?;
    let asset = Asset::Erc20(token);
    let of_token = || taken.iter().filter(|(of, ..)| *of == token);
    let sum = of_token().fold(U256::ZERO, |sum, (.., amount)| sum.saturating_add(*amount));
    let kept = seen
        .actors()
        .iter()
        .fold(U256::ZERO, |kept, actor| kept.saturating_add(effects.claimed_net(*actor, asset).gain()));
    if kept.saturating_mul(U256::from(2)) > sum {
        return None;
    }
    let harm =
        of_token().map(|(_, account, amount)| Harm { asset, account: *account, amount: *amount, at_risk: false });
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{} holders of {asset} of module {} were emptied of {sum} and got nothing; whoever took it turned it to money",
            of_token().count(),
            seen.module.id
        ),
        harm: harm.collect(),
        evidence: vec![
            Evidence::new("holders who did nothing", of_token().count()),
            Evidence::new("first holder", first),
            Evidence::new("taken", format!("{sum} of {asset}")),
            Evidence::new("kept by who took it", kept),
            Evidence::new("sender", seen.execution.transaction.from),
        ],
    })
}
