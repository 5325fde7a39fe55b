//! What assets were worth *before* the transaction, read off the pools that it used.
//!
//! A pool's state before stands in the transaction's own storage writes: the write whose new value is what the pool's
//! last event says carries the old one beside it. So nothing that the transaction does can move these prices, and they
//! cost no call. What no pool tells is unknown, never zero. Pools disagree and anybody can make one: every answer is a
//! range over all of them, and a rule must hold at the end that speaks against it.
//!
//! Sources: two slots that hold reserves and keep their product; Uniswap v2 `Sync(uint112,uint112)` and v3 `Swap(address,address,int256,int256,uint160,uint128,int24)` with
//! its PancakeSwap variant, and whatever shares their events and packing.

use std::collections::HashSet;

use alloy_primitives::{Address, B256, Log, U256, U512, b256};
use cofferdam_types::{Asset, Effects, Signed, StorageWrite};

use crate::settings::WorthSettings;

/// `Sync(uint112,uint112)`: reserves after.
const SYNC: B256 = b256!("1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");
/// `Swap(address,address,int256,int256,uint160,uint128,int24)`: square root of the price after, in word 2.
const SWAP_V3: B256 = b256!("c42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67");
/// The same with two protocol fees appended.
const SWAP_V3_FEES: B256 = b256!("19b47279256b2a23a1665c810c8d55a1758940ee09377d4f8d26497a3577dc83");

/// Pools that are read in one transaction; more is an attempt to make us slow.
const MOST_POOLS: usize = 32;

/// Amounts beyond this are forged, and would overflow the products below.
const MOST: U256 = U256::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0]);

/// Pools between an asset and the one that it is valued in.
const MOST_HOPS: usize = 3;

/// What a pool says of the price of its first token in its second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rate {
    /// Reserves of both.
    Reserves(U256, U256),
    /// Square root of the price, times 2^96.
    Root(U256),
    /// One for one: a wrapped coin.
    Same,
    /// So many of the first for so many of the second, because people say so.
    Said(U256, U256),
}

impl Rate {
    /// `amount` of the first token in the second, rounded down. `None` where it cannot be counted.
    fn forward(self, amount: U256) -> Option<U256> {
        match self {
            Self::Reserves(first, second) | Self::Said(first, second) => ratio(amount, second, first),
            Self::Root(root) => {
                let root = U512::from(root);
                let product = U512::from(amount).checked_mul(root)?.checked_mul(root)?;
                narrow(product.wrapping_shr(192))
            }
            Self::Same => Some(amount),
        }
    }

    /// `amount` of the second token in the first, rounded down.
    fn backward(self, amount: U256) -> Option<U256> {
        match self {
            Self::Reserves(first, second) | Self::Said(first, second) => ratio(amount, first, second),
            Self::Root(root) => {
                let root = U512::from(root);
                narrow(U512::from(amount).wrapping_shl(192).checked_div(root)?.checked_div(root)?)
            }
            Self::Same => Some(amount),
        }
    }

    /// How far the price lies from `other`, as a share of the lower of the two, in basis points. `None` between
    /// different kinds.
    fn distance_bps(self, other: Self) -> Option<u64> {
        let (high, low) = match (self, other) {
            (Self::Reserves(a0, a1), Self::Reserves(b0, b1)) => {
                let (left, right): (U512, U512) = (a1.widening_mul(b0), b1.widening_mul(a0));
                (left.max(right), left.min(right))
            }
            (Self::Root(left), Self::Root(right)) => {
                let square = |root: U256| -> U512 { root.widening_mul(root) };
                (square(left.max(right)), square(left.min(right)))
            }
            (Self::Reserves(..) | Self::Root(_) | Self::Same | Self::Said(..), _) => return None,
        };
        Some(high.saturating_sub(low).saturating_mul(U512::from(10_000)).checked_div(low)?.saturating_to())
    }
}

fn ratio(amount: U256, by: U256, of: U256) -> Option<U256> {
    let product: U512 = amount.widening_mul(by);
    narrow(product.checked_div(U512::from(of))?)
}

fn narrow(wide: U512) -> Option<U256> {
    (wide <= U512::from(MOST)).then(|| wide.saturating_to())
}

/// A pool that the transaction used.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its address.
    pub address: Address,
    /// Its tokens, ascending.
    tokens: (Asset, Asset),
    before: Rate,
    after: Rate,
    /// The farthest that its price was from `before` at any moment, in basis points of the lower price.
    pub excursion_bps: u64,
}

/// Whether any pool tells its reserves: cheap to ask before anything is read.
pub(crate) fn tells_reserves(effects: &Effects) -> bool {
    effects.logs.iter().any(|emitted| emitted.log.topics().first() == Some(&SYNC))
}

/// Prices before one transaction.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    pools: Vec<Pool>,
}

/// The least and the most that something was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// At the price that makes it least.
    pub least: U256,
    /// At the price that makes it most.
    pub most: U256,
}

impl Worth {
    /// The sum; `None` beyond any real amount.
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self { least: self.least.checked_add(other.least)?, most: self.most.checked_add(other.most)? })
    }
}

impl Prices {
    /// Reads all pools that `effects` tell of.
    pub fn of(effects: &Effects) -> Self {
        let mut seen: Vec<(Address, Vec<Rate>)> = Vec::new();
        for emitted in &effects.logs {
            let Some(rate) = told(&emitted.log) else { continue };
            let pool = emitted.log.address;
            if let Some((_, rates)) = seen.iter_mut().find(|(known, _)| *known == pool) {
                rates.push(rate);
            } else if seen.len() < MOST_POOLS {
                seen.push((pool, vec![rate]));
            }
        }
        let mut pools: Vec<Pool> =
            seen.into_iter().filter_map(|(address, rates)| pool(effects, address, &rates)).collect();
        pools.extend(unspoken(effects, &pools));
        pools.extend(wrapped(effects));
        Self { pools }
    }

    /// Adds what people say: one whole unit of each of `same` is worth one of the numeraire.
    pub(crate) fn with_same(mut self, worth: &WorthSettings) -> Self {
        let whole = |decimals: u8| U256::from(10).checked_pow(U256::from(decimals));
        for same in &worth.same {
            let (Some(first), Some(second)) = (whole(same.decimals), whole(worth.numeraire_decimals)) else { continue };
            let rate = Rate::Said(first, second);
            let tokens = (same.asset.asset(), worth.numeraire.asset());
            self.pools.push(Pool { address: Address::ZERO, tokens, before: rate, after: rate, excursion_bps: 0 });
        }
        self
    }

    /// Pools that tell a price of two assets of their own.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.iter().filter(|pool| pool.trades())
    }

    /// Whether `address` is a pool that the transaction used.
    pub fn is_pool(&self, address: Address) -> bool {
        self.pools.iter().any(|pool| pool.address == address && pool.trades())
    }

    /// The pool that was pushed farthest from where it stood, and back or not.
    pub fn farthest(&self) -> Option<&Pool> {
        self.pools.iter().filter(|pool| pool.trades()).max_by_key(|pool| pool.excursion_bps)
    }

    /// What `amount` of `asset` was worth in `unit`, over all shortest ways through the pools that `trusted` accepts.
    pub fn worth(&self, amount: U256, asset: Asset, unit: Asset, trusted: &impl Fn(Address) -> bool) -> Option<Worth> {
        if amount > MOST {
            return None;
        }
        let mut reached = vec![(asset, Worth { least: amount, most: amount })];
        for _ in 0..=MOST_HOPS {
            if let Some((_, worth)) = reached.iter().find(|(known, _)| *known == unit) {
                return Some(*worth);
            }
            let mut layer: Vec<(Asset, Worth)> = Vec::new();
            for (from, worth) in &reached {
                for pool in self.pools.iter().filter(|pool| trusted(pool.address)) {
                    let Some((to, worth)) = pool.exchange(*from, *worth) else { continue };
                    if reached.iter().any(|(known, _)| *known == to) {
                        continue;
                    }
                    match layer.iter_mut().find(|(known, _)| *known == to) {
                        Some((_, known)) => {
                            known.least = known.least.min(worth.least);
                            known.most = known.most.max(worth.most);
                        }
                        None => layer.push((to, worth)),
                    }
                }
            }
            if layer.is_empty() {
                return None;
            }
            reached.append(&mut layer);
        }
        None
    }
}

impl Pool {
    /// What is left of the square root of the product of its reserves, in basis points: of the liquidity that its shares stand
    /// for. A trade leaves the product as it was or raises it; only burnt shares, or a balance that was changed behind the
    /// pool's back, let it fall. `None` where it did not fall, and of pools that tell a price and no reserves.
    pub fn liquidity_left_bps(&self) -> Option<u64> {
        let (Rate::Reserves(first, second), Rate::Reserves(then_first, then_second)) = (self.before, self.after) else {
            return None;
        };
        // Reserves have at most 112 bits, so the products fit.
        let (before, after) = (first.checked_mul(second)?, then_first.checked_mul(then_second)?);
        if after >= before {
            return None;
        }
        let scaled: U512 = after.widening_mul(U256::from(100_000_000_u64));
        let ratio: U256 = scaled.checked_div(U512::from(before))?.saturating_to();
        Some(ratio.root(2).saturating_to())
    }

    /// Whether it is a pool at all, and not a wrapped coin or a word of people.
    const fn trades(&self) -> bool {
        !matches!(self.before, Rate::Same | Rate::Said(..))
    }

    /// Its two tokens.
    pub const fn tokens(&self) -> (Asset, Asset) {
        self.tokens
    }

    /// What it held before and at the end of one of its tokens. `None` of pools that tell a price and no reserves.
    pub fn reserve(&self, asset: Asset) -> Option<(U256, U256)> {
        let (Rate::Reserves(first, second), Rate::Reserves(then_first, then_second)) = (self.before, self.after) else {
            return None;
        };
        if asset == self.tokens.0 {
            Some((first, then_first))
        } else if asset == self.tokens.1 {
            Some((second, then_second))
        } else {
            None
        }
    }

    fn exchange(&self, from: Asset, worth: Worth) -> Option<(Asset, Worth)> {
        let (first, second) = self.tokens;
        if from == first {
            let worth = Worth { least: self.before.forward(worth.least)?, most: self.before.forward(worth.most)? };
            Some((second, worth))
        } else if from == second {
            let worth = Worth { least: self.before.backward(worth.least)?, most: self.before.backward(worth.most)? };
            Some((first, worth))
        } else {
            None
        }
    }
}

/// What a log says of its emitter's price.
fn told(log: &Log) -> Option<Rate> {
    let topic = *log.topics().first()?;
    let data = log.data.data.as_ref();
    let word = |index: usize| {
        let start = index.checked_mul(32)?;
        data.get(start..start.checked_add(32)?).map(U256::from_be_slice)
    };
    let rate = if topic == SYNC && data.len() == 64 {
        Rate::Reserves(word(0)?, word(1)?)
    } else if topic == SWAP_V3 || topic == SWAP_V3_FEES {
        Rate::Root(word(2)?)
    } else {
        return None;
    };
    usable(rate).then_some(rate)
}

/// Whether a price can be read off it: nothing empty, nothing wider than its packing.
fn usable(rate: Rate) -> bool {
    match rate {
        Rate::Reserves(first, second) => {
            !first.is_zero() && !second.is_zero() && first.bit_len() <= 112 && second.bit_len() <= 112
        }
        Rate::Root(root) => !root.is_zero() && root.bit_len() <= 160,
        Rate::Same | Rate::Said(..) => true,
    }
}

/// The pool whose prices over time are `rates`, if its two tokens and its state before can be told.
fn pool(effects: &Effects, address: Address, rates: &[Rate]) -> Option<Pool> {
    let last = *rates.last()?;
    let mut tokens: Vec<Asset> = Vec::new();
    for movement in &effects.movements {
        let is_token = matches!(movement.asset, Asset::Erc20(token) if token != address);
        if is_token && (movement.from == address || movement.to == address) && !tokens.contains(&movement.asset) {
            if tokens.len() >= 2 {
                return None;
            }
            tokens.push(movement.asset);
        }
    }
    tokens.sort_unstable();
    let [first, second] = tokens.try_into().ok()?;
    // Where no slot holds what the event says, nothing changed in the end: the last state is the first.
    let before = effects.writes.iter().filter(|write| write.address == address).find_map(|write| {
        let (new, old) = (unpack(write.new, last)?, unpack(write.old, last)?);
        (new == last).then_some(old)
    });
    let before = before.unwrap_or(last);
    if !usable(before) {
        return None;
    }
    let excursion = rates.iter().filter_map(|rate| rate.distance_bps(before)).max();
    Some(Pool { address, tokens: (first, second), before, after: last, excursion_bps: excursion.unwrap_or_default() })
}

/// A slot read as a pool of the kind of `like` packs its price.
fn unpack(word: U256, like: Rate) -> Option<Rate> {
    let low = |word: U256, bits: usize| word & U256::ONE.wrapping_shl(bits).wrapping_sub(U256::ONE);
    match like {
        Rate::Reserves(..) => Some(Rate::Reserves(low(word, 112), low(word.wrapping_shr(112), 112))),
        Rate::Root(_) => Some(Rate::Root(low(word, 160))),
        Rate::Same | Rate::Said(..) => None,
    }
}

/// Pools that tell no price in an event: their storage holds two numbers that moved by exactly what came in and went out,
/// and whose product grew by no more than fees.
fn unspoken(effects: &Effects, known: &[Pool]) -> Vec<Pool> {
    let mut accounts: Vec<(Address, Vec<Asset>)> = Vec::new();
    for movement in effects.movements.iter().filter(|movement| matches!(movement.asset, Asset::Erc20(_))) {
        for account in [movement.from, movement.to] {
            if account.is_zero() || known.iter().any(|pool| pool.address == account) {
                continue;
            }
            if let Some((_, assets)) = accounts.iter_mut().find(|(seen, _)| *seen == account) {
                // Three are as many as a hundred: no pool of two.
                if assets.len() < 3 && !assets.contains(&movement.asset) {
                    assets.push(movement.asset);
                }
            } else if accounts.len() < MOST_POOLS {
                accounts.push((account, vec![movement.asset]));
            }
        }
    }
    let pools = accounts.into_iter().filter_map(|(address, mut assets)| {
        assets.sort_unstable();
        let tokens: [Asset; 2] = assets.try_into().ok()?;
        let before = reserves(effects, address, tokens)?;
        Some(Pool { address, tokens: (tokens[0], tokens[1]), before, after: before, excursion_bps: 0 })
    });
    pools.collect()
}

/// The two reserves that `pool` held before, in the order of `tokens`.
fn reserves(effects: &Effects, pool: Address, tokens: [Asset; 2]) -> Option<Rate> {
    let [first, second] = tokens.map(|token| effects.claimed_net(pool, token));
    if first.negative == second.negative || first.magnitude.is_zero() || second.magnitude.is_zero() {
        return None;
    }
    let moved = |net: Signed| {
        let (low, high) = (net.loss(), net.gain());
        let exactly = |write: &&StorageWrite| {
            write.address == pool
                && write.old.bit_len() <= 112
                && write.old.checked_add(high).and_then(|sum| sum.checked_sub(low)) == Some(write.new)
        };
        let mut found = effects.writes.iter().filter(exactly);
        found.next().filter(|_| found.next().is_none())
    };
    let (first, second) = (moved(first)?, moved(second)?);
    let (before, after): (U512, U512) = (first.old.widening_mul(second.old), first.new.widening_mul(second.new));
    let most = before.checked_add(before.checked_div(U512::from(4))?)?;
    let rate = Rate::Reserves(first.old, second.old);
    (usable(rate) && after >= before && after <= most).then_some(rate)
}

/// Wrapped coins: a token that was minted for, or burnt against, the same amount of the native coin.
fn wrapped(effects: &Effects) -> Vec<Pool> {
    let mut found: Vec<Pool> = Vec::new();
    let native: HashSet<(Address, Address, U256)> = effects
        .movements
        .iter()
        .take_while(|paid| paid.asset == Asset::Native)
        .flat_map(|paid| [(paid.from, Address::ZERO, paid.amount), (Address::ZERO, paid.to, paid.amount)])
        .collect();
    for movement in &effects.movements {
        let Asset::Erc20(token) = movement.asset else { continue };
        let (minted, burnt) = (movement.from.is_zero(), movement.to.is_zero());
        if minted == burnt || movement.amount.is_zero() || found.iter().any(|known| known.address == token) {
            continue;
        }
        let paid = minted && native.contains(&(Address::ZERO, token, movement.amount))
            || burnt && native.contains(&(token, Address::ZERO, movement.amount));
        if paid {
            let tokens = (Asset::Native, movement.asset);
            found.push(Pool { address: token, tokens, before: Rate::Same, after: Rate::Same, excursion_bps: 0 });
            if found.len() >= MOST_POOLS {
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers in tests")]

    use alloy_primitives::Bytes;
    use cofferdam_types::{EmittedLog, Movement, MovementProof, Outcome};
    use proptest::prelude::*;

    use super::*;

    const POOL: Address = Address::with_last_byte(0x50);
    const A: Address = Address::with_last_byte(0xa);
    const B: Address = Address::with_last_byte(0xb);

    fn moved(token: Address, from: Address, to: Address, amount: u64) -> Movement {
        Movement { asset: Asset::Erc20(token), from, to, amount: U256::from(amount), proof: MovementProof::Claimed }
    }

    fn log(address: Address, topic: B256, words: &[U256]) -> EmittedLog {
        let data: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
        EmittedLog { call: None, log: Log::new_unchecked(address, vec![topic], Bytes::from(data)) }
    }

    fn packed(first: u64, second: u64, time: u64) -> U256 {
        U256::from(first) | U256::from(second) << 112 | U256::from(time) << 224
    }

    /// A pool at (1000, 2000) that was swapped against until it stood at (2000, 1000).
    fn swapped() -> Effects {
        let mut effects = Effects::nothing(Outcome::Success(Bytes::new()));
        effects.movements = vec![moved(A, B, POOL, 1_000), moved(B, POOL, A, 1_000)];
        effects.logs = vec![log(POOL, SYNC, &[U256::from(2_000), U256::from(1_000)])];
        effects.writes = vec![StorageWrite {
            address: POOL,
            slot: U256::from(8),
            old: packed(1_000, 2_000, 5),
            new: packed(2_000, 1_000, 9),
        }];
        effects
    }

    fn worth(effects: &Effects, amount: u64, from: Address, to: Address) -> Option<(u64, u64)> {
        let prices = Prices::of(effects);
        let worth = prices.worth(U256::from(amount), Asset::Erc20(from), Asset::Erc20(to), &|_| true)?;
        Some((worth.least.saturating_to(), worth.most.saturating_to()))
    }

    #[test]
    fn a_price_is_the_one_before_the_transaction() {
        assert_eq!(worth(&swapped(), 10, A, B), Some((20, 20)));
        assert_eq!(worth(&swapped(), 10, B, A), Some((5, 5)));
        assert_eq!(Prices::of(&swapped()).farthest().unwrap().excursion_bps, 30_000);
    }

    #[test]
    fn a_pool_pushed_and_pulled_back_shows_how_far_it_went() {
        let mut effects = swapped();
        effects.logs.push(log(POOL, SYNC, &[U256::from(1_000), U256::from(2_000)]));
        effects.writes.clear();
        let prices = Prices::of(&effects);
        assert_eq!(worth(&effects, 10, A, B), Some((20, 20)));
        assert_eq!(prices.farthest().unwrap().excursion_bps, 30_000);
    }

    #[test]
    fn a_square_root_is_a_price_both_ways() {
        let root = |price_root: u64| U256::from(price_root) << 96;
        let mut effects = swapped();
        effects.logs = vec![log(POOL, SWAP_V3, &[U256::ZERO, U256::ZERO, root(9), U256::ZERO, U256::ZERO])];
        effects.writes[0].old = root(3) | U256::ONE << 200;
        effects.writes[0].new = root(9) | U256::ONE << 220;
        assert_eq!(worth(&effects, 7, A, B), Some((63, 63)));
        assert_eq!(worth(&effects, 63, B, A), Some((7, 7)));
    }

    #[test]
    fn pools_that_disagree_give_a_range_and_an_unknown_asset_nothing() {
        let mut effects = swapped();
        let other = Address::with_last_byte(0x51);
        effects.movements.extend([moved(A, B, other, 1), moved(B, other, A, 1)]);
        effects.logs.push(log(other, SYNC, &[U256::from(10), U256::from(50)]));
        assert_eq!(worth(&effects, 10, A, B), Some((20, 50)));
        assert_eq!(worth(&effects, 10, A, Address::with_last_byte(0xc)), None);
        let prices = Prices::of(&effects);
        let trusted = prices.worth(U256::from(10), Asset::Erc20(A), Asset::Erc20(B), &|pool| pool != other);
        assert_eq!(trusted.unwrap().most, U256::from(20));
    }

    #[test]
    fn a_pool_that_says_nothing_is_known_by_its_product() {
        let mut effects = swapped();
        effects.logs.clear();
        let slot = |slot: u64, old: u64, new: u64| StorageWrite {
            address: POOL,
            slot: U256::from(slot),
            old: U256::from(old),
            new: U256::from(new),
        };
        effects.writes = vec![slot(1, 1_000, 2_000), slot(2, 2_000, 1_000)];
        assert_eq!(worth(&effects, 10, A, B), Some((20, 20)));
        effects.writes[1] = slot(2, 5_000, 4_000);
        assert_eq!(worth(&effects, 10, A, B), None, "a product that grows by more than fees is no pool's");
        effects.writes = vec![slot(1, 1_000, 2_000), slot(2, 2_000, 1_000), slot(3, 7_000, 6_000)];
        assert_eq!(worth(&effects, 10, A, B), None, "which slot it is cannot be told");
    }

    #[test]
    fn a_wrapped_coin_is_the_coin() {
        let mut effects = swapped();
        let native = Movement { asset: Asset::Native, ..moved(A, POOL, B, 4) };
        effects.movements.insert(0, Movement { to: B, ..native });
        effects.movements.push(moved(B, Address::ZERO, A, 4));
        let prices = Prices::of(&effects);
        let worth = prices.worth(U256::from(3), Asset::Erc20(A), Asset::Native, &|_| true);
        assert_eq!(worth.unwrap().least, U256::from(6));
    }

    proptest! {
        #[test]
        fn hostile_events_and_slots_are_bounded_and_never_panic(
            words in prop::collection::vec(any::<[u8; 32]>(), 0..6),
            old in any::<[u8; 32]>(), new in any::<[u8; 32]>(), amount in any::<[u8; 32]>(),
            topic in prop::sample::select(vec![SYNC, SWAP_V3, SWAP_V3_FEES]),
        ) {
            let words: Vec<U256> = words.into_iter().map(U256::from_be_bytes).collect();
            let mut effects = swapped();
            effects.logs = vec![log(POOL, topic, &words)];
            effects.writes[0].old = U256::from_be_bytes(old);
            effects.writes[0].new = U256::from_be_bytes(new);
            let prices = Prices::of(&effects);
            for (from, to) in [(A, B), (B, A)] {
                let amount = U256::from_be_bytes(amount);
                let worth = prices.worth(amount, Asset::Erc20(from), Asset::Erc20(to), &|_| true);
                prop_assert!(worth.is_none_or(|worth| worth.least <= worth.most));
            }
        }

        #[test]
        fn a_round_trip_through_a_price_never_gains(first in 1_u64.., second in 1_u64.., amount in any::<u64>()) {
            let rate = Rate::Reserves(U256::from(first), U256::from(second));
            let there = rate.forward(U256::from(amount)).unwrap();
            prop_assert!(rate.backward(there).unwrap() <= U256::from(amount));
        }
    }
}
