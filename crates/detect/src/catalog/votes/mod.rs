//! Votes that were borrowed: tokens that carry votes in the module come from somebody and go back to him in the same
//! transaction, and in between they voted.
//!
//! Holding a token for one transaction is no interest in a protocol. That votes moved is read off the standard's own
//! event (ERC-5805 `DelegateVotesChanged`), or off a module that takes the borrowed token in, changes its books, and
//! gives it back.

use std::{collections::HashSet, sync::LazyLock};

use alloy_primitives::{Address, B256, U256, b256};
use cofferdam_types::{Asset, Evidence, Finding, Level, Severity};

use crate::{
    Detector, DetectorInfo, History, Seen,
    seen::{ROUNDING_UNITS, Said},
};

/// The detector's id.
pub const ID: &str = "votes";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// `DelegateVotesChanged(address,uint256,uint256)`
const VOTES_CHANGED: B256 = b256!("dec2bacdd2f05b59de34da9b523dff8be42e5e38e818c82fdb0bae774387a724");

/// Events by which governors tell that somebody voted: `VoteCast(address,uint256,uint8,uint256,string)`,
/// `VoteCastWithParams(address,uint256,uint8,uint256,string,bytes)`, `VoteCast(address,uint256,bool,uint256)`.
const VOTED: [B256; 3] = [
    b256!("b8e138887d0aa13bab447e82de9d5c1777041ecd21ca36ba824ff1e6c07ddda4"),
    b256!("e2babfbac5889a709b63bb7f598b324e08bc5a4fb9ec647fb3cbc9ec07eb8712"),
    b256!("877856338e13f63d0c36822ff0ef736b80934cd90574a3a5bc9262c39d217c46"),
];

/// Contracts that a governor asks in one transaction and that are looked at as tokens.
const MOST_ASKED: usize = 16;

/// Recognises borrowed votes.
pub struct Votes;

impl Detector for Votes {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, _: &History) -> Vec<Finding> {
        let Some((token, how)) = voted(seen) else { return Vec::new() };
        let Some((lender, amount)) = borrowed(seen, token) else { return Vec::new() };
        let said = Said {
            level: Level::Stop,
            severity: Severity::Critical,
            summary: format!(
                "{amount} votes of token {token} were borrowed from {lender} and returned in one transaction, and {how}, \
                 in module {}",
                seen.module.id
            ),
            harm: seen.at_risk(),
            evidence: vec![
                Evidence::new("token", token),
                Evidence::new("lender", lender),
                Evidence::new("borrowed and returned", amount),
                Evidence::new("meanwhile", how),
                Evidence::new("sender", seen.execution.transaction.from),
            ],
        };
        vec![seen.finding(&INFO, token.as_slice(), said)]
    }
}

/// The token whose votes counted in the module, and how that shows.
fn voted(seen: &Seen<'_>) -> Option<(Address, &'static str)> {
    let logs = &seen.effects().logs;
    let topic = |log: &cofferdam_types::EmittedLog| log.log.topics().first().copied();
    let cast =
        logs.iter().any(|log| topic(log).is_some_and(|topic| VOTED.contains(&topic)) && seen.member(log.log.address));
    if cast {
        // Which token counts the governor knows; any that moved votes, or that the module asked, is looked at.
        let moved = logs.iter().find(|log| topic(log) == Some(VOTES_CHANGED)).map(|log| log.log.address);
        let asked = || {
            let mut asked = HashSet::new();
            seen.effects().calls.iter().filter(|call| seen.member(call.caller)).find_map(|call| {
                let is_new = asked.len() < MOST_ASKED && asked.insert(call.callee);
                (is_new && borrowed(seen, call.callee).is_some()).then_some(call.callee)
            })
        };
        return moved.or_else(asked).map(|token| (token, "a vote was cast"));
    }
    let changed = logs.iter().find(|log| topic(log) == Some(VOTES_CHANGED) && seen.member(log.log.address))?;
    // Votes that only came and went changed nothing; a call into the module's other contracts may have used them.
    let used = seen.effects().calls.iter().any(|call| {
        call.effective && seen.member(call.callee) && call.callee != changed.log.address && !seen.member(call.caller)
    });
    used.then_some((changed.log.address, "its votes were moved while another contract of the module was used"))
}

/// Who paid out `token` first and had all of it back before the end.
fn borrowed(seen: &Seen<'_>, token: Address) -> Option<(Address, U256)> {
    let mut lenders: Vec<(Address, U256, U256)> = Vec::new();
    for moved in seen.effects().movements.iter().filter(|moved| moved.asset == Asset::Erc20(token)) {
        let outsider = |account: Address| !account.is_zero() && !seen.is_actor(account);
        if outsider(moved.from) {
            if let Some((_, out, _)) = lenders.iter_mut().find(|(lender, _, _)| *lender == moved.from) {
                *out = out.saturating_add(moved.amount);
            } else if lenders.len() < 64 {
                lenders.push((moved.from, moved.amount, U256::ZERO));
            }
        }
        if let Some((_, _, back)) = lenders.iter_mut().find(|(lender, _, _)| *lender == moved.to) {
            *back = back.saturating_add(moved.amount);
        }
    }
    let mut whole = lenders.into_iter().filter(|(_, out, back)| *out > U256::from(ROUNDING_UNITS) && back >= out);
    whole.next().map(|(lender, out, _)| (lender, out))
}

#[cfg(test)]
mod tests;
