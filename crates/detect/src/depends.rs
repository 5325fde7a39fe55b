//! What modules depend on outside of themselves: prices that they read, the contracts behind those, and pools that are left
//! by their providers.
//!
//! A price is the answer of a view that asks for one, read under a frame of the module; everything that is asked on the way
//! stands behind it. Facts only: whether an answer is late or far off is decided in the catalogue. Memory is bounded by
//! time and number, and what a block brought is taken back with it.

use std::sync::LazyLock;

use alloy_primitives::{
    Address, B256, Log, U256, b256, keccak256,
    map::{Entry, HashMap, HashSet},
};
use cofferdam_types::{Asset, Call, CallKind, CallStatus, Effects, Selector, StorageWrite};

use crate::{
    Bargain, Exchange, Flow, Seen, Taker,
    amounts::{reaches, share_bps},
    recent::Recent,
};

/// Views that answer a price, by the names that are common. The first word of the answer is the price, except where
/// [`ROUND`] says otherwise.
const PRICES: &[&str] = &[
    "latestAnswer()",
    "latestRoundData()",
    "latestPrice()",
    "lastPrice()",
    "getLatestPrice()",
    "price()",
    "price(address)",
    "prices(address)",
    "getPrice()",
    "getPrice(address)",
    "getPrices(address)",
    "getAssetPrice(address)",
    "assetPrices(address)",
    "getUnderlyingPrice(address)",
    "getSpotPrice(address,address)",
    "spotPrice()",
    "oraclePrice()",
    "getRate()",
    "rate()",
    "read()",
    "peek()",
    "consult(address,uint256)",
    "get_virtual_price()",
    "pricePerShare()",
    "getReserves()",
    "slot0()",
];

/// `latestRoundData()`: answer in word 1, time in word 3.
const ROUND: Selector = Selector::new([0xfe, 0xaf, 0x96, 0x8c]);
/// `balanceOf(address)`.
const BALANCE_OF: Selector = Selector::new([0x70, 0xa0, 0x82, 0x31]);
/// `Sync(uint112,uint112)`: reserves after.
const SYNC: B256 = b256!("1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");

/// Prices of one transaction that are looked at.
const MOST_QUOTES: usize = 32;
/// Contracts behind one price.
const MOST_BEHIND: usize = 16;
/// Contracts that are remembered as read by somebody.
const MOST_READ: usize = 4_096;
/// Answers and writes are noted at most every quarter of an hour.
const NOTE_EVERY_SECONDS: u64 = 900;
/// Seconds of a week.
const WEEK_SECONDS: u64 = 604_800;

static SELECTORS: LazyLock<HashSet<Selector>> = LazyLock::new(|| {
    let selector =
        |signature: &&str| Selector::from_slice(keccak256(signature.as_bytes()).get(..4).unwrap_or_default());
    PRICES.iter().map(selector).collect()
});

/// An answer that the module was given when it asked for a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quote {
    /// Who was asked.
    pub(crate) feed: Address,
    /// Keccak of what was asked.
    pub(crate) question: B256,
    /// The price, in whatever unit.
    pub(crate) answer: U256,
    /// When the feed says that it was told, in Unix seconds.
    pub(crate) updated: Option<u64>,
    /// Who was asked on the way to it, the feed first.
    pub(crate) behind: Vec<Address>,
}

/// The price that one module was told by one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FeedKey {
    module: u32,
    feed: Address,
    question: B256,
}

impl Quote {
    pub(crate) const fn key(&self, module: u32) -> FeedKey {
        FeedKey { module, feed: self.feed, question: self.question }
    }
}

/// A price that was told earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// When it was read, in Unix seconds.
    pub(crate) at: u64,
    /// The price.
    pub(crate) answer: U256,
    updated: Option<u64>,
}

/// A part of a pool that its providers took out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// When, in Unix seconds.
    pub(crate) at: u64,
    /// The pool.
    pub(crate) pool: Address,
    /// In basis points of what the pool held.
    pub(crate) bps: u64,
    /// Who signed.
    pub(crate) by: Address,
}

/// What modules depend on, as far as it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Depends {
    readers: HashMap<Address, Vec<u32>>,
    readings: Recent<FeedKey, Reading>,
    /// When storage of what is read was written.
    written: Recent<Address, u64>,
    departures: Recent<Address, Departure>,
}

/// What one block brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    readers: Vec<(Address, u32)>,
    readings: Vec<FeedKey>,
    written: Vec<Address>,
    departures: Vec<Address>,
}

impl Depends {
    pub(crate) fn new() -> Self {
        Self {
            readers: HashMap::default(),
            readings: Recent::new(WEEK_SECONDS),
            written: Recent::new(WEEK_SECONDS),
            departures: Recent::new(WEEK_SECONDS),
        }
    }

    /// Modules that were seen to read `contract`, directly or through others; mostly none.
    pub(crate) fn readers_of(&self, contract: Address) -> &[u32] {
        self.readers.get(&contract).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether any module was seen to read anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// What the feed said when the module asked last.
    pub(crate) fn last(&self, key: FeedKey, now: u64) -> Option<Reading> {
        self.readings.within(key, now.saturating_sub(WEEK_SECONDS), u64::MAX).next_back().copied()
    }

    /// When `pool` was last left by at least `share` of it within `seconds` before `now`.
    pub(crate) fn left(&self, pool: Address, now: u64, seconds: u64, share: u64) -> Option<Departure> {
        let within = self.departures.within(pool, now.saturating_sub(seconds), u64::MAX);
        within.rev().find(|departure| departure.bps >= share).copied()
    }

    /// How old what `quote` says is, and the longest that it was ever seen to get, both in seconds. `None` before it was
    /// seen to be told three times.
    pub(crate) fn age(&self, quote: &Quote, module: u32, now: u64) -> Option<(u64, u64)> {
        let week = now.saturating_sub(WEEK_SECONDS);
        let told: Vec<u64> = match quote.updated {
            Some(updated) => {
                let readings = self.readings.within(quote.key(module), week, u64::MAX);
                let mut told: Vec<u64> = readings.filter_map(|reading| reading.updated).chain([updated]).collect();
                told.dedup();
                told
            }
            None => {
                let of = |contract: &Address| self.written.within(*contract, week, u64::MAX).copied().collect();
                let mut all: Vec<Vec<u64>> = quote.behind.iter().map(of).collect();
                all.sort_by_key(|times| times.last().copied());
                all.pop()?
            }
        };
        let last = told.last().copied().filter(|_| told.len() >= 3)?;
        let gaps = told.iter().zip(told.iter().skip(1)).map(|(earlier, later)| later.saturating_sub(*earlier));
        Some((now.saturating_sub(last), gaps.max()?))
    }

    /// Takes in what a transaction shows of `module`.
    pub(crate) fn note_quotes(&mut self, module: u32, quotes: &[Quote], now: u64, open: &mut Noted) {
        for quote in quotes {
            for contract in &quote.behind {
                let full = self.readers.len() >= MOST_READ;
                match self.readers.entry(*contract) {
                    Entry::Occupied(mut readers) if !readers.get().contains(&module) => readers.get_mut().push(module),
                    Entry::Vacant(vacant) if !full => {
                        vacant.insert(vec![module]);
                    }
                    Entry::Occupied(_) | Entry::Vacant(_) => continue,
                }
                open.readers.push((*contract, module));
            }
            let key = quote.key(module);
            let known = self.last(key, now);
            let is_new = known
                .is_none_or(|last| last.updated != quote.updated || last.at.saturating_add(NOTE_EVERY_SECONDS) <= now);
            let reading = Reading { at: now, answer: quote.answer, updated: quote.updated };
            if is_new && self.readings.note(key, now, reading) {
                open.readings.push(key);
            }
        }
    }

    /// Takes in what a transaction does to contracts that somebody reads.
    pub(crate) fn note_effects(&mut self, effects: &Effects, by: Address, now: u64, open: &mut Noted) {
        if self.is_empty() {
            return;
        }
        let mut last = Address::ZERO;
        for write in &effects.writes {
            if write.address == last {
                continue;
            }
            last = write.address;
            if !self.readers.contains_key(&last) {
                continue;
            }
            let noted = self.written.within(last, now.saturating_sub(NOTE_EVERY_SECONDS), u64::MAX).next_back();
            if noted.is_none() && self.written.note(last, now, now) {
                open.written.push(last);
            }
        }
        for departure in self.departures_in(effects, by, now) {
            if self.departures.note(departure.pool, now, departure) {
                open.departures.push(departure.pool);
            }
        }
    }

    /// Parts of pools that somebody reads, taken out by this transaction.
    pub(crate) fn departures_in(&self, effects: &Effects, by: Address, now: u64) -> Vec<Departure> {
        let mut pools: Vec<Address> = Vec::new();
        for movement in &effects.movements {
            let is_read = !self.is_empty() && self.readers.contains_key(&movement.from);
            if is_read && !pools.contains(&movement.from) && pools.len() < MOST_QUOTES {
                pools.push(movement.from);
            }
        }
        let departure = |pool: Address| Some(Departure { at: now, pool, bps: left(effects, pool)?, by });
        pools.into_iter().filter_map(departure).collect()
    }

    /// Takes back what a block brought.
    pub(crate) fn take_back(&mut self, noted: Noted) {
        for (contract, module) in noted.readers {
            if let Entry::Occupied(mut readers) = self.readers.entry(contract) {
                readers.get_mut().retain(|reader| *reader != module);
                if readers.get().is_empty() {
                    readers.remove();
                }
            }
        }
        noted.readings.into_iter().for_each(|key| self.readings.take_back(key));
        noted.written.into_iter().for_each(|contract| self.written.take_back(contract));
        noted.departures.into_iter().for_each(|pool| self.departures.take_back(pool));
    }

    /// What a block brought can no longer be taken back.
    pub(crate) fn settle(&mut self, time: u64, noted: Noted) {
        self.readings.settle(time, noted.readings);
        self.written.settle(time, noted.written);
        self.departures.settle(time, noted.departures);
    }
}

/// Whether a call asks for a price and was answered.
fn asks(call: &Call) -> bool {
    call.kind == CallKind::StaticCall
        && call.status == CallStatus::Succeeded
        && call.selector.is_some_and(|selector| SELECTORS.contains(&selector))
}

/// Whether anybody asks for a price in this transaction: most do not.
pub(crate) fn is_asked(effects: &Effects) -> bool {
    effects.calls.iter().any(asks)
}

/// What the module was told when it asked for prices, in the order of the calls.
pub(crate) fn quotes(seen: &Seen<'_>) -> Vec<Quote> {
    let effects = seen.effects();
    let mut quotes: Vec<Quote> = Vec::new();
    for (index, call) in effects.calls.iter().enumerate() {
        if quotes.len() >= MOST_QUOTES || !asks(call) || !is_asked_by_module(seen, call) {
            continue;
        }
        let question = keccak256(effects.input(call));
        if quotes.iter().any(|known| known.feed == call.callee && known.question == question) {
            continue;
        }
        let Some((answer, updated)) = answer(effects.output(call), call.selector == Some(ROUND)) else { continue };
        quotes.push(Quote { feed: call.callee, question, answer, updated, behind: behind(effects, index, call) });
    }
    quotes
}

/// Whether a frame of the module opened `call`, itself or through contracts that it asks.
fn is_asked_by_module(seen: &Seen<'_>, call: &Call) -> bool {
    let mut at = call.parent;
    let mut below = u32::MAX;
    while let Some(index) = at.filter(|index| *index < below) {
        let Some(frame) = usize::try_from(index).ok().and_then(|index| seen.effects().calls.get(index)) else {
            return false;
        };
        if seen.member(frame.callee) || seen.member(frame.code_address) {
            return true;
        }
        (below, at) = (index, frame.parent);
    }
    false
}

/// The price, and when the feed says that it was told. A signed answer below zero is none.
fn answer(output: &[u8], is_round: bool) -> Option<(U256, Option<u64>)> {
    let word = |index: usize| {
        let start = index.checked_mul(32)?;
        output.get(start..start.checked_add(32)?).map(U256::from_be_slice)
    };
    let (price, updated) = if is_round { (word(1)?, Some(word(3)?.saturating_to())) } else { (word(0)?, None) };
    (!price.bit(255)).then_some((price, updated))
}

/// The feed and all that it asks before it answers, with pools whose balances are asked for.
fn behind(effects: &Effects, index: usize, feed: &Call) -> Vec<Address> {
    let mut behind = vec![feed.callee];
    let deeper = effects.calls.iter().skip(index.saturating_add(1)).take_while(|call| call.depth > feed.depth);
    for call in deeper {
        let held = (call.selector == Some(BALANCE_OF)).then(|| effects.input(call).get(16..36)).flatten();
        // Whose balance a token is asked for matters, not the token.
        let contract = held.map_or(call.callee, Address::from_slice);
        for contract in [contract, call.code_address].into_iter().take(if held.is_some() { 1 } else { 2 }) {
            if behind.len() < MOST_BEHIND && !behind.contains(&contract) {
                behind.push(contract);
            }
        }
    }
    behind
}

/// How much of a pool its providers took out, in basis points: two of its assets left, none came, and both by about as
/// much of what it held. `None` where what it held is not known.
fn left(effects: &Effects, pool: Address) -> Option<u64> {
    let mut assets: Vec<Asset> = Vec::new();
    for movement in &effects.movements {
        let is_pools = movement.from == pool || movement.to == pool;
        if is_pools && movement.asset.token() != Some(pool) && !assets.contains(&movement.asset) {
            assets.push(movement.asset);
            if assets.len() > 8 {
                return None;
            }
        }
    }
    if assets.len() < 2 {
        return None;
    }
    let mut least: Option<u64> = None;
    for asset in assets {
        let net = effects.claimed_net(pool, asset);
        if net.loss().is_zero() {
            return None;
        }
        let share = share_bps(net.loss(), held_before(effects, pool, asset, net.loss())?)?;
        least = Some(least.map_or(share, |least: u64| least.min(share)));
    }
    least
}

/// What `pool` held of `asset` before `gone` left it: by its balance, by a number in its storage that fell by exactly as
/// much, or by what its last event says is left.
fn held_before(effects: &Effects, pool: Address, asset: Asset, gone: U256) -> Option<U256> {
    let check = effects.checks.iter().find(|check| check.account == pool && check.asset == asset);
    if let Some(before) = check.and_then(|check| check.before) {
        return Some(before);
    }
    let fell = |write: &&StorageWrite| write.address == pool && write.new.checked_add(gone) == Some(write.old);
    if let Some(write) = effects.writes.iter().find(fell) {
        return Some(write.old);
    }
    let says = |log: &&Log| log.address == pool && log.topics().first() == Some(&SYNC) && log.data.data.len() == 64;
    let last = effects.logs.iter().map(|emitted| &emitted.log).rev().find(says)?;
    let word = |start: usize| last.data.data.get(start..start.saturating_add(32)).map(U256::from_be_slice);
    // Which of the two it is cannot be told from the event: the larger makes the share smaller.
    word(0)?.max(word(32)?).checked_add(gone)
}

/// What the module gave away in this transaction, of which at least `share` of what it held, to somebody who gained by it:
/// worth more than what came at prices before, or against nothing that is known to be worth as much.
pub(crate) fn given<'s>(seen: &'s Seen<'_>, share: cofferdam_types::Bps) -> Option<Given<'s>> {
    let large = |flow: &&Flow| {
        matches!(flow.asset, Asset::Native | Asset::Erc20(_))
            && flow.held.is_some_and(|held| reaches(Seen::lost_of_holdings(flow), held, share))
            && !seen.is_own_sale(flow)
    };
    seen.losses().filter(large).find_map(|flow| {
        let bargain = seen.bargain(flow);
        let lost = Seen::lost_of_holdings(flow);
        let missing = match bargain {
            Bargain::Fair => return None,
            Bargain::Under { lost, gained } => lost.saturating_sub(gained),
            Bargain::Unknown if seen.exchange(flow) == Exchange::Redeemed => return None,
            Bargain::Unknown => lost,
        };
        Some(Given { flow, bargain, lost, taker: seen.taker(flow, missing)? })
    })
}

/// See [`given`].
pub(crate) struct Given<'s> {
    pub(crate) flow: &'s Flow,
    pub(crate) bargain: Bargain,
    pub(crate) lost: U256,
    pub(crate) taker: Taker,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers in tests")]

    use super::*;

    const FEED: Address = Address::with_last_byte(9);

    fn quote(answer: u64, updated: Option<u64>) -> Quote {
        let answer = U256::from(answer);
        Quote { feed: FEED, question: B256::ZERO, answer, updated, behind: vec![FEED] }
    }

    #[test]
    fn selectors_are_those_of_the_signatures() {
        let hash = keccak256("latestRoundData()");
        assert_eq!(ROUND, Selector::from_slice(&hash[..4]));
        assert!(SELECTORS.contains(&ROUND) && !SELECTORS.contains(&BALANCE_OF));
        assert_eq!(SELECTORS.len(), PRICES.len());
        assert_eq!(BALANCE_OF, Selector::from_slice(&keccak256("balanceOf(address)")[..4]));
    }

    #[test]
    fn what_a_block_noted_is_taken_back_exactly() {
        let mut depends = Depends::new();
        let mut first = Noted::default();
        depends.note_quotes(0, &[quote(5, None)], 1_000, &mut first);
        let mut second = Noted::default();
        depends.note_quotes(0, &[quote(7, None)], 9_000, &mut second);
        depends.note_quotes(1, &[quote(7, None)], 9_000, &mut second);
        assert_eq!(depends.readers_of(FEED), [0, 1]);
        depends.take_back(second);
        assert_eq!(depends.readers_of(FEED), [0]);
        assert_eq!(depends.last(quote(0, None).key(0), 9_000).unwrap().answer, U256::from(5));
        depends.take_back(first);
        assert!(depends.is_empty() && depends.last(quote(0, None).key(0), 9_000).is_none());
    }

    #[test]
    fn the_usual_age_is_the_longest_pause_between_three_times_or_more() {
        let mut depends = Depends::new();
        let mut open = Noted::default();
        for updated in [1_000, 4_000, 8_000] {
            let twice = updated < 8_000;
            assert_eq!(depends.age(&quote(1, Some(updated)), 0, updated).is_none(), twice);
            depends.note_quotes(0, &[quote(1, Some(updated))], updated, &mut open);
        }
        assert_eq!(depends.age(&quote(1, Some(8_000)), 0, 20_000), Some((12_000, 4_000)));
    }

    #[test]
    fn memory_is_bounded_when_ever_new_contracts_are_read() {
        let mut depends = Depends::new();
        let mut open = Noted::default();
        for number in 0..10_000_u64 {
            let feed = Address::from_word(B256::from(U256::from(number + 1)));
            let quote = Quote { feed, behind: vec![feed], ..quote(1, None) };
            depends.note_quotes(0, &[quote], number, &mut open);
        }
        assert_eq!(depends.readers.len(), MOST_READ);
    }
}
