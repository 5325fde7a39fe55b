//! The module took in what an owner had allowed it to take, at a stranger's word, and wrote it down to the stranger.
//!
//! Who is credited is read off the module's own books: the entry of an account in a mapping is a hash of its address. An owner
//! who is written down himself, or whose tokens went in at his own word, is a customer.

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, CallKind, Evidence, Harm, Level, Severity};

use super::{TRANSFER_FROM, is_bystander, word_address};
use crate::{
    Seen,
    entries::Entries,
    seen::{PLAIN_SLOTS, ROUNDING_UNITS, Said},
};

/// Accounts of the sender whose entries are looked for.
const MOST_ACTORS: usize = 4;

/// The first deposit of somebody's money to somebody else's account.
pub(super) fn credited(seen: &Seen<'_>) -> Option<Said> {
    let effects = seen.effects();
    let (owner, recipient, asset, amount) = effects.calls.iter().find_map(|call| {
        let spends = call.selector == Some(TRANSFER_FROM)
            && call.kind == CallKind::Call
            && call.effective
            && seen.member(call.caller);
        let (owner, recipient) =
            word_address(effects, call, 4).zip(word_address(effects, call, 36)).filter(|_| spends)?;
        if !seen.member(recipient) || !is_bystander(seen, owner) {
            return None;
        }
        let asset = Asset::Erc20(call.callee);
        let moved = effects
            .movements
            .iter()
            .find(|moved| moved.from == owner && moved.to == recipient && moved.asset == asset)?;
        (moved.amount > U256::from(ROUNDING_UNITS)).then_some((owner, recipient, asset, moved.amount))
    })?;
    if written_down(seen, owner, amount) {
        return None;
    }
    let credited = seen.actors().iter().take(MOST_ACTORS).find(|actor| written_down(seen, **actor, amount))?;
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "module {} took {amount} of {asset} from {owner}, who did nothing, and wrote it down to {credited}",
            seen.module.id
        ),
        harm: vec![Harm { asset, account: owner, amount, at_risk: false }],
        evidence: vec![
            Evidence::new("owner", owner),
            Evidence::new("taken in by", recipient),
            Evidence::new("amount", format!("{amount} of {asset}")),
            Evidence::new("written down to", credited),
            Evidence::new("sender", seen.execution.transaction.from),
        ],
    })
}

/// Whether an entry of `account` in the module's books, one or two mappings deep, rose by `amount`.
fn written_down(seen: &Seen<'_>, account: Address, amount: U256) -> bool {
    let risen: Vec<U256> = seen
        .effects()
        .writes
        .iter()
        .filter(|write| {
            seen.member(write.address) && write.slot >= PLAIN_SLOTS && write.new.checked_sub(write.old) == Some(amount)
        })
        .map(|write| write.slot)
        .collect();
    if risen.is_empty() {
        return false;
    }
    let tokens: Vec<Address> = seen.flows.iter().filter_map(|flow| flow.asset.token()).collect();
    let entries = Entries::of(account, &tokens);
    risen.into_iter().any(|slot| entries.hold(slot))
}
