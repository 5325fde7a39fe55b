//! The module holds nothing itself, and still something of its own was taken through it: what a third party kept under
//! its name was paid out to it, and it let the sender have that for far too little.
//!
//! Its own balances end as they began, so no share of them says anything. A contract that only passes on what its users
//! bring keeps nothing under its name elsewhere; one that keeps books of whose that is has written in them.

use alloy_primitives::U256;
use cofferdam_types::{Asset, Evidence, Harm, Level, Severity};

use crate::{
    Habit, History, Seen,
    amounts::share_bps,
    entries::Entries,
    flows::Table,
    seen::{PLAIN_SLOTS, ROUNDING_UNITS, Said, percent},
};

/// From this share of what the sender brought on he took too much.
const TAKEN_BPS: u64 = 13_000;
/// Contracts of the module whose entries elsewhere are looked for.
const MOST_CONTRACTS: usize = 4;
/// More movements or writes than this are not looked at.
const MOST_EFFECTS: usize = 4_096;

/// What was taken through the module, where it lost nothing itself.
pub(super) fn passed(seen: &Seen<'_>, history: &History) -> Option<Said> {
    let effects = seen.effects();
    let (sender, now) = (seen.execution.transaction.from, seen.now());
    let too_much = effects.movements.len().max(effects.writes.len()) > MOST_EFFECTS;
    if too_much
        || seen.losses().next().is_some()
        || seen.flows.iter().any(|flow| flow.issued)
        || history.is_familiar(seen.index, Habit::Sender(sender), now)
    {
        return None;
    }
    let mut through: Table<Asset, (U256, U256)> = Table::default();
    for moved in effects.movements.iter().filter(|moved| matches!(moved.asset, Asset::Native | Asset::Erc20(_))) {
        if seen.member(moved.from) && seen.is_actor(moved.to) {
            let (taken, _) = through.at(moved.asset);
            *taken = taken.saturating_add(moved.amount);
        } else if seen.is_actor(moved.from) && seen.member(moved.to) {
            let (_, given) = through.at(moved.asset);
            *given = given.saturating_add(moved.amount);
        }
    }
    let most = through.rows.iter().filter(|(_, (taken, given))| taken > given).max_by_key(|(_, (taken, _))| *taken)?;
    let (asset, taken) = (most.0, most.1.0.saturating_sub(most.1.1));
    if taken <= U256::from(ROUNDING_UNITS) || !seen.deals_in(asset) {
        return None;
    }
    let mut given = U256::ZERO;
    for (of, (out, back)) in &through.rows {
        let paid = back.saturating_sub(*out);
        if !paid.is_zero() {
            given = given.checked_add(seen.prices().worth(paid, *of, asset, &|_| true)?.most)?;
        }
    }
    let too_little = given.is_zero() || share_bps(taken, given).is_none_or(|share| share >= TAKEN_BPS);
    if !too_little || !is_kept_elsewhere(seen) {
        return None;
    }
    let amount = taken.saturating_sub(given);
    let account = effects.movements.iter().find(|moved| moved.asset == asset && seen.member(moved.from))?.from;
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{taken} of {asset} that others kept for module {} went through it to {sender} for {} of its worth",
            seen.module.id,
            share_bps(given, taken).map_or_else(|| "nothing".to_owned(), percent)
        ),
        harm: vec![Harm { asset, account, amount, at_risk: false }],
        evidence: vec![
            Evidence::new("taken through the module", format!("{taken} of {asset}")),
            Evidence::new("worth of what was brought, at prices before", given),
            Evidence::new("sender", sender),
        ],
    })
}

/// Whether an entry of the module in somebody else's books fell, and no entry of its own changed. Balances of what moved
/// are no such entries: they say what passed through.
fn is_kept_elsewhere(seen: &Seen<'_>) -> bool {
    let effects = seen.effects();
    let writes = || effects.writes.iter().filter(|write| write.slot >= PLAIN_SLOTS);
    if writes().any(|write| seen.member(write.address)) {
        return false;
    }
    let tokens: Vec<_> = effects.movements.iter().filter_map(|moved| moved.asset.token()).collect();
    let fallen: Vec<U256> = writes()
        .filter(|write| write.new < write.old && !tokens.contains(&write.address))
        .map(|write| write.slot)
        .collect();
    if fallen.is_empty() {
        return false;
    }
    let mut beside = Vec::new();
    for token in tokens {
        if !beside.contains(&token) {
            beside.push(token);
        }
    }
    seen.module.contracts.iter().take(MOST_CONTRACTS).any(|contract| {
        let entries = Entries::of(*contract, &beside);
        fallen.iter().any(|slot| entries.hold(*slot))
    })
}
