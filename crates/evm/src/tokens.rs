//! Reads token events as what they are: claims by the contract that emitted them.
//!
//! ERC-20 and ERC-721 share one event signature and differ in how many arguments are indexed. Anything that does not
//! have exactly the standard's shape is not a movement; it must never be guessed into one.

use std::cell::OnceCell;

use alloy_primitives::map::HashSet;
use alloy_primitives::{Address, B256, Log, U256, b256};
use cofferdam_types::{Asset, Movement, MovementProof};

/// `Transfer(address,address,uint256)`: ERC-20, ERC-721.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
/// `TransferSingle(address,address,address,uint256,uint256)`: ERC-1155.
const TRANSFER_SINGLE: B256 = b256!("c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62");
/// `TransferBatch(address,address,address,uint256[],uint256[])`: ERC-1155.
const TRANSFER_BATCH: B256 = b256!("4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb");
/// `Deposit(address,uint256)`: a wrapped native coin that mints without a `Transfer` event.
const WRAPPED: B256 = b256!("e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c");
/// `Withdrawal(address,uint256)`: its counterpart.
const UNWRAPPED: B256 = b256!("7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65");

/// Entries of one ERC-1155 batch that are read; a longer one is cut, its balances are then checked, not believed.
const BATCH_READ: usize = 256;

/// The native movements of an execution, by what a wrapped coin is asked for. Looked through once, when the first event of
/// such a coin is met: thousands of events times thousands of payments would be a way to stall the loop.
struct Native<'n> {
    movements: &'n [Movement],
    paid: OnceCell<HashSet<(Address, U256)>>,
    given: OnceCell<HashSet<(Address, U256)>>,
}

impl<'n> Native<'n> {
    const fn new(movements: &'n [Movement]) -> Self {
        Self { movements, paid: OnceCell::new(), given: OnceCell::new() }
    }

    /// Whether exactly `amount` was paid to `account` by anybody.
    fn paid(&self, account: Address, amount: U256) -> bool {
        let paid = || self.movements.iter().map(|moved| (moved.to, moved.amount)).collect();
        self.paid.get_or_init(paid).contains(&(account, amount))
    }

    /// Whether `account` paid exactly `amount` to anybody.
    fn given(&self, account: Address, amount: U256) -> bool {
        let given = || self.movements.iter().map(|moved| (moved.from, moved.amount)).collect();
        self.given.get_or_init(given).contains(&(account, amount))
    }
}

/// The movements that `logs` claim, in their order. `native` are the native movements of the same execution.
pub(crate) fn claims<'l>(logs: impl Iterator<Item = &'l Log>, native: &[Movement]) -> Vec<Movement> {
    let mut claimed = Vec::new();
    let mut wraps = Vec::new();
    let native = Native::new(native);
    for log in logs {
        let before = claimed.len();
        claim(log, &native, &mut claimed);
        if claimed.len() > before
            && matches!(log.topics().first(), Some(first) if *first == WRAPPED || *first == UNWRAPPED)
        {
            wraps.push(before);
        }
    }
    if !wraps.is_empty() {
        drop_doubles(&mut claimed, &wraps);
    }
    claimed
}

/// Some wrapped coins emit both events. Where a token tells of what it makes by `Transfer`, the other event, which stands
/// at the places `wraps`, says the same thing again.
fn drop_doubles(claimed: &mut Vec<Movement>, wraps: &[usize]) {
    let mut wraps = wraps.iter().copied().peekable();
    let mut place = 0_usize;
    let is_wrap: Vec<bool> = claimed
        .iter()
        .map(|_| {
            let is_wrap = wraps.next_if_eq(&place).is_some();
            place = place.saturating_add(1);
            is_wrap
        })
        .collect();
    let tells: HashSet<(Asset, bool)> = claimed
        .iter()
        .zip(&is_wrap)
        .filter(|(moved, is_wrap)| !**is_wrap && moved.from.is_zero() != moved.to.is_zero())
        .map(|(moved, _)| (moved.asset, moved.from.is_zero()))
        .collect();
    let mut is_wrap = is_wrap.into_iter();
    claimed
        .retain(|moved| !is_wrap.next().unwrap_or_default() || !tells.contains(&(moved.asset, moved.from.is_zero())));
}

/// Appends the movements that `log` claims.
fn claim(log: &Log, native: &Native<'_>, out: &mut Vec<Movement>) {
    let topics = log.topics();
    let Some(first) = topics.first() else { return };
    if *first == TRANSFER {
        transfer(log, topics, out);
    } else if *first == TRANSFER_SINGLE {
        single(log, topics, out);
    } else if *first == TRANSFER_BATCH {
        batch(log, topics, out);
    } else if *first == WRAPPED || *first == UNWRAPPED {
        wrapping(log, topics, native, out);
    }
}

fn transfer(log: &Log, topics: &[B256], out: &mut Vec<Movement>) {
    let data = log.data.data.as_ref();
    match (topics, data.len()) {
        ([_, from, to], 32) => {
            let asset = Asset::Erc20(log.address);
            push(out, asset, account(from), account(to), U256::from_be_slice(data));
        }
        ([_, from, to, id], 0) => {
            let asset = Asset::Erc721(log.address, U256::from_be_bytes(id.0));
            push(out, asset, account(from), account(to), U256::ONE);
        }
        _ => {}
    }
}

fn single(log: &Log, topics: &[B256], out: &mut Vec<Movement>) {
    let data = log.data.data.as_ref();
    if let ([_, _, from, to], 64) = (topics, data.len()) {
        let (Some(id), Some(amount)) = (word(data, 0), word(data, 1)) else { return };
        push(out, Asset::Erc1155(log.address, id), account(from), account(to), amount);
    }
}

fn batch(log: &Log, topics: &[B256], out: &mut Vec<Movement>) {
    let data = log.data.data.as_ref();
    let [_, _, from, to] = topics else { return };
    let (Some(ids), Some(amounts)) = (array(data, 0), array(data, 1)) else { return };
    for (id, amount) in ids.iter().zip(&amounts) {
        push(out, Asset::Erc1155(log.address, *id), account(from), account(to), *amount);
    }
}

/// Many contracts emit these two events for other things. It is a wrapped coin only if the same execution moved the
/// same amount of the native coin into (or out of) the emitter.
fn wrapping(log: &Log, topics: &[B256], native: &Native<'_>, out: &mut Vec<Movement>) {
    let data = log.data.data.as_ref();
    let ([kind, holder], 32) = (topics, data.len()) else { return };
    let amount = U256::from_be_slice(data);
    let (asset, holder) = (Asset::Erc20(log.address), account(holder));
    if *kind == WRAPPED && native.paid(log.address, amount) {
        push(out, asset, Address::ZERO, holder, amount);
    }
    if *kind == UNWRAPPED && native.given(log.address, amount) {
        push(out, asset, holder, Address::ZERO, amount);
    }
}

fn push(out: &mut Vec<Movement>, asset: Asset, from: Address, to: Address, amount: U256) {
    out.push(Movement { asset, from, to, amount, proof: MovementProof::Claimed });
}

fn account(topic: &B256) -> Address {
    Address::from_word(*topic)
}

fn word(data: &[u8], index: usize) -> Option<U256> {
    let start = index.checked_mul(32)?;
    data.get(start..start.checked_add(32)?).map(U256::from_be_slice)
}

/// The `uint256[]` whose offset stands in head word `index`; at most [`BATCH_READ`] entries. `None` when malformed.
fn array(data: &[u8], index: usize) -> Option<Vec<U256>> {
    let offset = usize::try_from(word(data, index)?).ok()?;
    let tail = data.get(offset..)?;
    let length = usize::try_from(word(tail, 0)?).ok()?;
    if length > tail.len() / 32 {
        return None;
    }
    (1..=length.min(BATCH_READ)).map(|entry| word(tail, entry)).collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn read(topics: Vec<B256>, data: Vec<u8>) -> Vec<Movement> {
        claims([log(topics, data)].iter(), &[])
    }

    fn log(topics: Vec<B256>, data: Vec<u8>) -> Log {
        Log::new_unchecked(Address::with_last_byte(9), topics, Bytes::from(data))
    }

    #[test]
    fn a_wrapped_coin_that_tells_twice_is_counted_once() {
        let (token, holder) = (Address::with_last_byte(9), Address::with_last_byte(1));
        let amount = || U256::from(7).to_be_bytes_vec();
        let native = |from, to| Movement {
            asset: Asset::Native,
            from,
            to,
            amount: U256::from(7),
            proof: MovementProof::Claimed,
        };
        let deposit = || log(vec![WRAPPED, holder.into_word()], amount());
        let withdrawal = || log(vec![UNWRAPPED, holder.into_word()], amount());
        let minted = || log(vec![TRANSFER, B256::ZERO, holder.into_word()], amount());
        let paid = [native(holder, token), native(token, holder)];
        let count = |logs: &[Log]| claims(logs.iter(), &paid).len();
        assert_eq!(count(&[deposit(), deposit()]), 2, "two deposits of the same amount");
        assert_eq!(count(&[minted(), deposit()]), 1);
        assert_eq!(count(&[deposit(), minted()]), 1);
        assert_eq!(count(&[minted(), deposit(), withdrawal()]), 2, "it tells of what it makes, not of what it burns");
    }

    #[test]
    fn the_two_standards_with_one_signature_are_told_apart() {
        let party = |byte: u8| B256::with_last_byte(byte);
        let fungible = read(vec![TRANSFER, party(1), party(2)], U256::from(7).to_be_bytes_vec());
        assert_eq!(fungible[0].asset, Asset::Erc20(Address::with_last_byte(9)));
        assert_eq!(fungible[0].amount, U256::from(7));
        let item = read(vec![TRANSFER, party(1), party(2), party(5)], Vec::new());
        assert_eq!(item[0].asset, Asset::Erc721(Address::with_last_byte(9), U256::from(5)));
    }

    #[test]
    fn a_deposit_event_without_the_coin_is_not_a_wrap() {
        assert!(read(vec![WRAPPED, B256::with_last_byte(1)], U256::from(7).to_be_bytes_vec()).is_empty());
    }

    #[test]
    fn a_log_without_topics_claims_nothing() {
        assert!(read(Vec::new(), vec![0; 32]).is_empty());
    }

    proptest! {
        #[test]
        fn no_log_makes_it_panic(
            kind in prop::sample::select(vec![TRANSFER, TRANSFER_SINGLE, TRANSFER_BATCH, WRAPPED, UNWRAPPED]),
            more in 0_usize..4,
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let topics = std::iter::once(kind).chain(std::iter::repeat_n(B256::ZERO, more)).collect();
            let claimed = read(topics, data);
            prop_assert!(claimed.len() <= BATCH_READ);
        }
    }
}
