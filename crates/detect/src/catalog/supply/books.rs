//! The books of a token of the module: what its events say that balances did, beside what its storage says.
//!
//! Where the balances stand is found, not configured: the slot of an account is a hash of its address and of the place of
//! the mapping, and a place is believed when it explains the balance of somebody to the last unit. Balances that rose by more
//! than was minted and moved came from nothing. Fees, burns and reflections only ever make them rise by less; an account that
//! paid without an event is looked for among the other slots that fell.

use alloy_primitives::{Address, B256, U256, b256, keccak256, map::HashMap};
use cofferdam_types::{Asset, Evidence, Harm, Level, Severity, Signed, StorageWrite};

use crate::{
    Seen,
    seen::{PLAIN_SLOTS, Said},
};

/// Places of the mapping that are tried: variables before it in the contract, its ancestors' included.
const MOST_PLACES: u64 = 64;
/// ERC-7201 place of the balances of OpenZeppelin's upgradeable tokens, `openzeppelin.storage.ERC20`.
const NAMESPACED: B256 = b256!("52c63247e1f47db19d5ce0460030c497f067ca4cebf71ba98eeadabe20bace00");
/// Accounts and writes of one token that are looked at; more is an attempt to make us slow.
const MOST_ACCOUNTS: usize = 64;
const MOST_WRITES: usize = 4_096;
/// Accounts by which the place of the mapping is found.
const PROBES: usize = 4;
/// Less than this share of the balances that were looked at is interest or rounding.
const LEAST_SHARE: u64 = 100;

/// How the slot of an account is made.
#[derive(Clone, Copy)]
struct Layout {
    place: B256,
    /// Vyper hashes the place first, Solidity the account.
    place_first: bool,
}

impl Layout {
    fn slot(self, account: Address) -> U256 {
        let account = account.into_word();
        let (first, second) = if self.place_first { (self.place, account) } else { (account, self.place) };
        keccak256([first, second].concat()).into()
    }

    fn all() -> impl Iterator<Item = Self> {
        let places = (0..MOST_PLACES).map(|place| B256::from(U256::from(place)));
        let either = |place| [Self { place, place_first: false }, Self { place, place_first: true }];
        std::iter::once(NAMESPACED).chain(places).flat_map(either)
    }
}

/// `left` without `right`.
fn less(left: Signed, right: Signed) -> Signed {
    left.saturating_add(Signed { negative: !right.negative, ..right })
}

/// What storage and events say of one account.
struct Entry {
    account: Address,
    /// Before; `None` where the slot did not change.
    old: Option<U256>,
    observed: Signed,
    claimed: Signed,
}

/// A token whose balances rose by more than was minted.
pub(super) fn grown(seen: &Seen<'_>) -> Option<Said> {
    let mut tokens: Vec<Address> = Vec::new();
    for movement in &seen.effects().movements {
        if let Asset::Erc20(token) = movement.asset
            && seen.member(token)
            && !tokens.contains(&token)
        {
            tokens.push(token);
        }
    }
    tokens.into_iter().find_map(|token| grown_in(seen, token))
}

fn grown_in(seen: &Seen<'_>, token: Address) -> Option<Said> {
    let effects = seen.effects();
    let asset = Asset::Erc20(token);
    let mut writes: HashMap<U256, (U256, U256)> = HashMap::default();
    for write in effects.writes.iter().filter(|write| write.address == token && write.slot >= PLAIN_SLOTS) {
        if writes.len() == MOST_WRITES {
            return None;
        }
        writes.insert(write.slot, (write.old, write.new));
    }
    let mut accounts: Vec<Address> = Vec::new();
    let (mut minted, mut burned) = (U256::ZERO, U256::ZERO);
    for movement in effects.movements.iter().filter(|movement| movement.asset == asset) {
        for account in [movement.from, movement.to] {
            if !account.is_zero() && !accounts.contains(&account) {
                accounts.push(account);
            }
        }
        if movement.from.is_zero() {
            minted = minted.saturating_add(movement.amount);
        }
        if movement.to.is_zero() {
            burned = burned.saturating_add(movement.amount);
        }
        if accounts.len() > MOST_ACCOUNTS {
            return None;
        }
    }
    let made = Signed::between(burned, minted);
    // All entries together rose by no more than was made: then those of the accounts did not either, or another fell. Most
    // transactions end here, before anything is hashed.
    let risen =
        writes.values().fold(Signed::default(), |sum, (old, new)| sum.saturating_add(Signed::between(*old, *new)));
    if less(risen, made).gain().is_zero() {
        return None;
    }
    let entry = |layout: Layout, account: Address| {
        let change = writes.get(&layout.slot(account));
        let observed = change.map_or_else(Signed::default, |(old, new)| Signed::between(*old, *new));
        Entry { account, old: change.map(|(old, _)| *old), observed, claimed: effects.claimed_net(account, asset) }
    };
    let explains = |layout: &Layout| {
        let probed = accounts.iter().take(PROBES).map(|account| entry(*layout, *account));
        probed.into_iter().any(|entry| entry.old.is_some() && entry.observed == entry.claimed)
    };
    let layout = Layout::all().find(explains)?;
    let entries: Vec<Entry> = accounts.iter().map(|account| entry(layout, *account)).collect();
    let sum = |each: &dyn Fn(&Entry) -> Signed| {
        entries.iter().fold(Signed::default(), |sum, entry| sum.saturating_add(each(entry)))
    };
    let excess = less(sum(&|entry| entry.observed), made).gain();
    let held = entries.iter().filter_map(|entry| entry.old).fold(U256::ZERO, U256::saturating_add);
    if excess.is_zero() || excess.saturating_mul(U256::from(LEAST_SHARE)) < held {
        return None;
    }
    // Somebody may have paid without an event: then another slot fell.
    let known: Vec<U256> = entries.iter().map(|entry| layout.slot(entry.account)).collect();
    let counted = |write: &StorageWrite| {
        write.address == token
            && !known.contains(&write.slot)
            && write.new.checked_sub(write.old).is_some_and(|grown| grown == excess)
    };
    // The supply grew by as much: a mint, whatever its event looks like. Whether it was paid for is another question.
    if effects.writes.iter().any(counted) {
        return None;
    }
    let others = writes.iter().filter(|(slot, _)| !known.contains(slot));
    let fallen = others.fold(U256::ZERO, |sum, (_, (old, new))| sum.saturating_add(old.saturating_sub(*new)));
    if fallen >= excess {
        return None;
    }
    let gained = |entry: &Entry| entry.observed.gain().saturating_sub(entry.claimed.gain());
    let winner = entries.iter().max_by_key(|entry| gained(entry))?;
    Some(Said {
        level: Level::Alert,
        severity: Severity::Critical,
        summary: format!(
            "balances of token {token} of module {} grew by {excess} more than was minted",
            seen.module.id
        ),
        harm: vec![Harm { asset, account: token, amount: excess, at_risk: true }],
        evidence: vec![
            Evidence::new("token", token),
            Evidence::new("holder", winner.account),
            Evidence::new("balances rose by, events explain", format!("{excess} more")),
            Evidence::new(
                "minted less burnt",
                if made.negative { format!("-{}", made.magnitude) } else { made.magnitude.to_string() },
            ),
            Evidence::new("held before by all who took part", held),
            Evidence::new("sender", seen.execution.transaction.from),
        ],
    })
}
