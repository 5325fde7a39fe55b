//! Who loses together: contracts of a module between which something went, or that called one another, stand in for each
//! other; others do not. What a pool earned by a trade does not make good what was borrowed from the market beside it,
//! although both are protected.
//!
//! Reading is no link: a market that asks a pool for a price shares nothing with it.

use alloy_primitives::{Address, FixedBytes};
use cofferdam_types::{CallKind, Selector};

use crate::{Flow, Seen, flows::flows_of};

/// Contracts of a module that are told apart in one transaction; the rest counts as one.
const MOST_PARTIES: usize = 32;

/// `transfer`, `transferFrom` and `approve` of ERC-20.
const TOKEN_FUNCTIONS: [Selector; 3] =
    [FixedBytes([0xa9, 0x05, 0x9c, 0xbb]), FixedBytes([0x23, 0xb8, 0x72, 0xdd]), FixedBytes([0x09, 0x5e, 0xa7, 0xb3])];

/// Contracts that stand in for each other, and what crossed their common border.
pub(super) struct Party {
    contracts: Vec<Address>,
    /// What they gained and lost.
    pub(super) flows: Vec<Flow>,
}

impl Party {
    /// Whether `account` is one of them.
    pub(super) fn holds(&self, account: Address) -> bool {
        self.contracts.contains(&account)
    }
}

/// Contracts of the module that hold, issue or move something in this transaction.
fn involved(seen: &Seen<'_>) -> Vec<Address> {
    let effects = seen.effects();
    let mut found: Vec<Address> = Vec::new();
    let mut add = |account: Address| {
        if seen.member(account) && !found.contains(&account) && found.len() < MOST_PARTIES {
            found.push(account);
        }
    };
    for moved in &effects.movements {
        add(moved.from);
        add(moved.to);
        moved.asset.token().into_iter().for_each(&mut add);
    }
    effects.checks.iter().for_each(|check| add(check.account));
    found
}

/// Whether more than one contract of the module is concerned, so that one may have lost although all together did not.
pub(super) fn are_several(seen: &Seen<'_>) -> bool {
    if seen.module.contracts.len() < 2 {
        return false;
    }
    let mut first = None;
    let members = seen.effects().movements.iter().flat_map(|moved| [moved.from, moved.to]);
    members.filter(|account| seen.member(*account)).any(|account| *first.get_or_insert(account) != account)
}

/// The parties of the module, each with its flows. One party: the module itself.
pub(super) fn of(seen: &Seen<'_>) -> Vec<Party> {
    let involved = involved(seen);
    let mut groups: Vec<Vec<Address>> = involved.iter().map(|account| vec![*account]).collect();
    if groups.len() > 1 && groups.len() < MOST_PARTIES {
        let effects = seen.effects();
        for moved in &effects.movements {
            // A token is linked to whoever holds it by what it is, not by every transfer.
            join(&mut groups, moved.from, moved.to);
        }
        for call in effects.calls.iter().filter(|call| call.effective && call.kind != CallKind::StaticCall) {
            // To move a token is no link to it either, unless it is made or destroyed.
            let as_token = call.selector.is_some_and(|selector| TOKEN_FUNCTIONS.contains(&selector));
            if !as_token && call.caller != call.callee && seen.member(call.callee) && seen.member(call.caller) {
                join(&mut groups, call.caller, call.callee);
            }
        }
    }
    if groups.len() < 2 || groups.len() >= MOST_PARTIES {
        return vec![Party { contracts: involved, flows: seen.flows.clone() }];
    }
    groups
        .into_iter()
        .map(|contracts| {
            let flows = flows_of(seen.effects(), &|account| contracts.contains(&account));
            Party { contracts, flows }
        })
        .collect()
}

fn join(groups: &mut Vec<Vec<Address>>, one: Address, other: Address) {
    let place = |account: Address, groups: &[Vec<Address>]| groups.iter().position(|group| group.contains(&account));
    let (Some(one), Some(other)) = (place(one, groups), place(other, groups)) else { return };
    if one == other {
        return;
    }
    let (keep, gone) = (one.min(other), one.max(other));
    let moved = groups.swap_remove(gone);
    if let Some(group) = groups.get_mut(keep) {
        group.extend(moved);
    }
}
