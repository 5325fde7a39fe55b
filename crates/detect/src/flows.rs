//! What crossed a module's border, per asset: one pass over movements and balance checks.
//!
//! Moves between contracts of the module cancel out. For a token that the module itself issues, minting is paying with
//! it and burning is being paid: its holders' claims are what the module owes.

use std::hash::Hash;

use alloy_primitives::{Address, U256, map::HashMap};
use cofferdam_types::{Asset, Effects, Signed};

/// What happened to one asset at the border of one module. NFTs are counted per collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The asset; for ERC-721 the collection, as item 0.
    pub asset: Asset,
    /// What the module gained or lost: checked balances where there are any, events elsewhere.
    pub net: Signed,
    /// What the accounts concerned held before. `None` when no balance is known, and for NFTs.
    pub held: Option<U256>,
    /// All that came in by events, moves inside the module included.
    pub gross_in: U256,
    /// Newly made, when the module issues the asset.
    pub minted: U256,
    /// Taken out of the world, when the module issues the asset.
    pub burned: U256,
    /// Whether the token contract belongs to the module.
    pub issued: bool,
    /// A balance check failed: these figures are the token's own claims.
    pub unchecked: bool,
}

/// One account and one asset.
#[derive(Clone, Copy, Default)]
struct Entry {
    claimed_in: U256,
    claimed_out: U256,
    check: Option<(Option<U256>, Option<U256>)>,
}

/// Sums over accounts.
#[derive(Clone, Copy, Default)]
struct Sum {
    net: Signed,
    held: Option<U256>,
    gross_in: U256,
    minted: U256,
    burned: U256,
    unchecked: bool,
}

/// Assets of one module that are looked at in one transaction; more is an attempt to make us slow, or a great airdrop.
pub(crate) const MOST_FLOWS: usize = 64;

/// The flows of the module whose accounts `member` recognises, in the order in which their assets first appear. Of more
/// than [`MOST_FLOWS`] those of known balance come first, then the native coin, then what the module issues.
pub(crate) fn flows_of(effects: &Effects, member: &impl Fn(Address) -> bool) -> Vec<Flow> {
    bounded_flows(effects, member).0
}

/// The same, and how many were left out.
pub(crate) fn bounded_flows(effects: &Effects, member: &impl Fn(Address) -> bool) -> (Vec<Flow>, usize) {
    let mut flows = all_flows(effects, member);
    let left_out = flows.len().saturating_sub(MOST_FLOWS);
    if left_out > 0 {
        flows.sort_by_key(|flow| (flow.held.is_none(), flow.asset != Asset::Native, !flow.issued));
        flows.truncate(MOST_FLOWS);
    }
    (flows, left_out)
}

/// All of them.
fn all_flows(effects: &Effects, member: &impl Fn(Address) -> bool) -> Vec<Flow> {
    let mut entries: Table<(Address, Asset), Entry> = Table::default();
    let mut sums: Table<Asset, Sum> = Table::default();
    for movement in &effects.movements {
        let asset = counted(movement.asset);
        let (from, to) = (member(movement.from), member(movement.to));
        if from {
            let entry = entries.at((movement.from, asset));
            entry.claimed_out = entry.claimed_out.saturating_add(movement.amount);
        }
        if to {
            let entry = entries.at((movement.to, asset));
            entry.claimed_in = entry.claimed_in.saturating_add(movement.amount);
        }
        let made_or_destroyed = movement.from.is_zero() != movement.to.is_zero();
        if made_or_destroyed && asset.token().is_some_and(member) {
            let sum = sums.at(asset);
            if movement.from.is_zero() {
                sum.minted = sum.minted.saturating_add(movement.amount);
            } else {
                sum.burned = sum.burned.saturating_add(movement.amount);
            }
        }
    }
    for check in &effects.checks {
        if !matches!(check.asset, Asset::Erc721(..)) && member(check.account) {
            entries.at((check.account, check.asset)).check = Some((check.before, check.after));
        }
    }
    for ((_, asset), entry) in &entries.rows {
        let sum = sums.at(*asset);
        let claimed = Signed::between(entry.claimed_out, entry.claimed_in);
        let (net, held) = match entry.check {
            Some((Some(before), Some(after))) => (Signed::between(before, after), Some(before)),
            Some((before, _)) => {
                sum.unchecked = true;
                (claimed, before)
            }
            None => (claimed, None),
        };
        sum.net = sum.net.saturating_add(net);
        sum.gross_in = sum.gross_in.saturating_add(entry.claimed_in);
        if let Some(held) = held {
            sum.held = Some(sum.held.unwrap_or_default().saturating_add(held));
        }
    }
    sums.rows
        .into_iter()
        .map(|(asset, sum)| Flow {
            asset,
            net: sum.net.saturating_add(Signed::between(sum.minted, sum.burned)),
            held: if matches!(asset, Asset::Erc721(..)) { None } else { sum.held },
            gross_in: sum.gross_in,
            minted: sum.minted,
            burned: sum.burned,
            issued: asset.token().is_some_and(member),
            unchecked: sum.unchecked,
        })
        .collect()
}

/// The key under which amounts of `asset` are added up.
const fn counted(asset: Asset) -> Asset {
    match asset {
        Asset::Erc721(token, _) => Asset::Erc721(token, U256::ZERO),
        Asset::Native | Asset::Erc20(_) | Asset::Erc1155(..) => asset,
    }
}

/// A small map in order of insertion: a scan while it is small, hashed once a hostile transaction makes it large.
pub(crate) struct Table<K, V> {
    /// Key and value.
    pub(crate) rows: Vec<(K, V)>,
    index: HashMap<K, usize>,
}

/// From here on, hashing is cheaper than scanning.
const SCAN_AT_MOST: usize = 16;

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: Vec::new(), index: HashMap::default() }
    }
}

impl<K: Copy + Eq + Hash, V: Default> Table<K, V> {
    /// The value at `key`, the default one if it is new.
    pub(crate) fn at(&mut self, key: K) -> &mut V {
        let found = if self.index.is_empty() {
            self.rows.iter().position(|(seen, _)| *seen == key)
        } else {
            self.index.get(&key).copied()
        };
        let place = found.unwrap_or(self.rows.len());
        if found.is_none() {
            self.rows.push((key, V::default()));
            if !self.index.is_empty() {
                self.index.insert(key, place);
            } else if self.rows.len() > SCAN_AT_MOST {
                self.index = self.rows.iter().enumerate().map(|(place, (seen, _))| (*seen, place)).collect();
            }
        }
        let (_, value) = self.rows.get_mut(place).expect("the place was found or has just been filled");
        value
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use cofferdam_types::{BalanceCheck, Movement, MovementProof, Outcome};
    use proptest::prelude::*;

    use super::*;

    const fn account(last: u8) -> Address {
        Address::with_last_byte(last)
    }

    fn moved(asset: Asset, from: u8, to: u8, amount: u64) -> Movement {
        let amount = U256::from(amount);
        Movement { asset, from: account(from), to: account(to), amount, proof: MovementProof::Claimed }
    }

    fn effects(movements: Vec<Movement>, checks: Vec<BalanceCheck>) -> Effects {
        Effects { movements, checks, ..Effects::nothing(Outcome::Success(Bytes::new())) }
    }

    /// Accounts 1 to 4 are the module.
    fn member(address: Address) -> bool {
        (account(1)..=account(4)).contains(&address)
    }

    const TOKEN: Asset = Asset::Erc20(Address::with_last_byte(50));
    const SHARES: Asset = Asset::Erc20(Address::with_last_byte(1));

    #[test]
    fn moves_inside_the_module_are_no_flow() {
        let flows = flows_of(&effects(vec![moved(TOKEN, 1, 2, 9), moved(TOKEN, 2, 3, 4)], vec![]), &member);
        assert_eq!(flows.len(), 1);
        assert_eq!(flows[0].net, Signed::default());
    }

    #[test]
    fn balances_beat_events_and_a_failed_check_is_said() {
        let check = |after| BalanceCheck { account: account(1), asset: TOKEN, before: Some(U256::from(100)), after };
        let flows = flows_of(&effects(vec![moved(TOKEN, 1, 9, 1)], vec![check(Some(U256::ZERO))]), &member);
        assert_eq!((flows[0].net.loss(), flows[0].unchecked), (U256::from(100), false));
        let flows = flows_of(&effects(vec![moved(TOKEN, 1, 9, 1)], vec![check(None)]), &member);
        assert_eq!((flows[0].net.loss(), flows[0].unchecked), (U256::from(1), true));
        assert_eq!(flows[0].held, Some(U256::from(100)));
    }

    #[test]
    fn a_balance_that_fell_without_an_event_is_a_loss() {
        let check =
            BalanceCheck { account: account(1), asset: TOKEN, before: Some(U256::from(7)), after: Some(U256::from(2)) };
        assert_eq!(flows_of(&effects(vec![], vec![check]), &member)[0].net.loss(), U256::from(5));
    }

    #[test]
    fn burnt_shares_are_payment_and_minted_ones_are_paid_out() {
        let burn = flows_of(&effects(vec![moved(SHARES, 9, 0, 5)], vec![]), &member);
        assert_eq!((burn[0].net.gain(), burn[0].issued), (U256::from(5), true));
        let mint = flows_of(&effects(vec![moved(SHARES, 0, 9, 5)], vec![]), &member);
        assert_eq!(mint[0].net.loss(), U256::from(5));
        let kept = flows_of(&effects(vec![moved(SHARES, 0, 2, 5)], vec![]), &member);
        assert_eq!(kept[0].net, Signed::default());
    }

    #[test]
    fn newly_minted_shares_sold_to_the_module_pay_for_nothing() {
        let movements = vec![moved(SHARES, 0, 9, 5), moved(SHARES, 9, 2, 5), moved(TOKEN, 2, 9, 70)];
        let flows = flows_of(&effects(movements, vec![]), &member);
        assert_eq!(flows[0].net, Signed::default());
        assert_eq!(flows[1].net.loss(), U256::from(70));
    }

    #[test]
    fn thousands_of_forged_assets_stay_cheap_and_apart() {
        let token = |n: u64| Asset::Erc1155(account(60), U256::from(n));
        let movements: Vec<_> = (0..20_000).map(|n| moved(token(n), 1, 9, 1)).collect();
        let flows = all_flows(&effects(movements.clone(), vec![]), &member);
        assert_eq!(flows.len(), 20_000);
        assert!(flows.iter().all(|flow| flow.net.loss() == U256::from(1)));
        let known =
            BalanceCheck { account: account(1), asset: TOKEN, before: Some(U256::from(9)), after: Some(U256::ZERO) };
        let flows = flows_of(&effects(movements, vec![known]), &member);
        assert_eq!(flows.len(), MOST_FLOWS, "no more are looked at");
        assert_eq!(flows[0].asset, TOKEN, "and what is really held is never crowded out");
    }

    proptest! {
        #[test]
        fn the_module_and_the_rest_of_the_world_sum_to_nothing(
            moves in prop::collection::vec((1..9_u8, 1..9_u8, any::<u32>()), 0..60),
        ) {
            let movements: Vec<_> = moves.iter().map(|(from, to, amount)| moved(TOKEN, *from, *to, u64::from(*amount))).collect();
            let effects = effects(movements, vec![]);
            let net = |flows: Vec<Flow>| flows.first().map(|flow| flow.net).unwrap_or_default();
            let inside = net(flows_of(&effects, &member));
            let outside = net(flows_of(&effects, &|address: Address| !member(address)));
            prop_assert_eq!(inside.saturating_add(outside), Signed::default());
        }
    }
}
