//! Transactions that wait: a public lane that everybody sees and a private one that nobody does.
//!
//! Each lane keeps at most one transaction per sender and nonce. The lanes know nothing of each other: what is sent
//! privately never shows in an answer about the public lane, not even as "already known".

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};

use crate::SubmitError;
use crate::intake::SignedTx;

/// Which way a transaction came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The mempool: shown to subscribers and in pending views.
    Public,
    /// Straight to the block builder, ahead of the public lane: shown to nobody before it is mined.
    Private,
}

#[derive(Clone, Debug)]
struct Waiting {
    tx: Arc<SignedTx>,
    /// Order of arrival: decides between equal tips.
    arrival: u64,
}

#[derive(Debug, Default)]
struct Shelf {
    by_sender: BTreeMap<Address, BTreeMap<u64, Waiting>>,
    by_hash: HashMap<B256, (Address, u64)>,
}

/// Both lanes.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    public: Shelf,
    private: Shelf,
    arrivals: u64,
}

/// What the head says of a sender.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purse {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
}

/// Waiting transactions of one kind, by sender and nonce.
pub(crate) type Listing = BTreeMap<Address, BTreeMap<u64, Arc<SignedTx>>>;

impl Pool {
    /// Takes a transaction, in place of one that it replaces. Returns the replaced one's hash.
    pub(crate) fn insert(
        &mut self,
        lane: Lane,
        tx: Arc<SignedTx>,
        purse: Purse,
        limit: usize,
    ) -> Result<Option<B256>, SubmitError> {
        let arrival = self.arrivals;
        let replaced = self.shelf_mut(lane).insert(Waiting { tx, arrival }, purse, limit)?;
        self.arrivals = arrival.saturating_add(1);
        Ok(replaced)
    }

    /// Removes a transaction from whichever lane holds it.
    pub(crate) fn discard(&mut self, hash: B256) {
        self.public.discard(hash);
        self.private.discard(hash);
    }

    /// Removes everything whose nonce is spent. Returns it in a fixed order.
    pub(crate) fn prune(&mut self, nonce_of: &dyn Fn(Address) -> u64) -> Vec<Arc<SignedTx>> {
        let mut gone = self.private.prune(nonce_of);
        gone.extend(self.public.prune(nonce_of));
        gone
    }

    /// A waiting transaction of the public lane.
    pub(crate) fn public(&self, hash: B256) -> Option<&Arc<SignedTx>> {
        let (sender, nonce) = self.public.by_hash.get(&hash)?;
        Some(&self.public.by_sender.get(sender)?.get(nonce)?.tx)
    }

    /// The next nonce of `sender` after what waits without a gap in the public lane.
    pub(crate) fn next_nonce(&self, sender: Address, mined: u64) -> u64 {
        let mut next = mined;
        if let Some(waiting) = self.public.by_sender.get(&sender) {
            while waiting.contains_key(&next) {
                next = next.saturating_add(1);
            }
        }
        next
    }

    /// The public lane as it is shown: what could be mined now, and what waits behind a gap.
    pub(crate) fn listing(&self, nonce_of: &dyn Fn(Address) -> u64) -> (Listing, Listing) {
        let (mut pending, mut queued) = (Listing::new(), Listing::new());
        for (sender, waiting) in &self.public.by_sender {
            let next = self.next_nonce(*sender, nonce_of(*sender));
            for (nonce, entry) in waiting {
                let list = if *nonce < next { &mut pending } else { &mut queued };
                list.entry(*sender).or_default().insert(*nonce, Arc::clone(&entry.tx));
            }
        }
        (pending, queued)
    }

    /// The transactions in the order in which a block takes them: the private lane first, then by tip, then by arrival;
    /// one sender's always by nonce.
    pub(crate) fn queue(&self, lanes: &'static [Lane], base_fee: u64, nonce_of: &dyn Fn(Address) -> u64) -> Queue<'_> {
        let mut queue = Queue { pool: self, lanes, base_fee, heap: BinaryHeap::new() };
        for lane in lanes {
            for sender in self.shelf(*lane).by_sender.keys() {
                queue.offer(*lane, *sender, nonce_of(*sender));
            }
        }
        queue
    }

    const fn shelf(&self, lane: Lane) -> &Shelf {
        match lane {
            Lane::Public => &self.public,
            Lane::Private => &self.private,
        }
    }

    const fn shelf_mut(&mut self, lane: Lane) -> &mut Shelf {
        match lane {
            Lane::Public => &mut self.public,
            Lane::Private => &mut self.private,
        }
    }
}

impl Shelf {
    fn insert(&mut self, new: Waiting, purse: Purse, limit: usize) -> Result<Option<B256>, SubmitError> {
        let (sender, nonce, hash) = (new.tx.sender(), new.tx.plain.nonce, new.tx.hash());
        if self.by_hash.contains_key(&hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        if nonce < purse.nonce {
            return Err(SubmitError::NonceTooLow { next: purse.nonce, seen: nonce });
        }
        let waiting = self.by_sender.get(&sender);
        let old = waiting.and_then(|waiting| waiting.get(&nonce));
        let others = waiting.into_iter().flatten().filter(|(at, _)| **at != nonce);
        let queued = others.fold(U256::ZERO, |sum, (_, other)| sum.saturating_add(other.tx.cost()));
        let cost = new.tx.cost();
        if cost.saturating_add(queued) > purse.balance {
            return Err(SubmitError::InsufficientFunds { balance: purse.balance, cost, queued });
        }
        let replaced = match old {
            Some(old) if !outbids(&new.tx, &old.tx) => return Err(SubmitError::Underpriced),
            Some(old) => Some(old.tx.hash()),
            None if self.by_hash.len() >= limit => return Err(SubmitError::PoolFull { limit }),
            None => None,
        };
        if let Some(old) = replaced {
            self.by_hash.remove(&old);
        }
        self.by_hash.insert(hash, (sender, nonce));
        self.by_sender.entry(sender).or_default().insert(nonce, new);
        Ok(replaced)
    }

    fn remove(&mut self, sender: Address, nonce: u64) -> Option<Arc<SignedTx>> {
        let waiting = self.by_sender.get_mut(&sender)?;
        let removed = waiting.remove(&nonce)?;
        if waiting.is_empty() {
            self.by_sender.remove(&sender);
        }
        self.by_hash.remove(&removed.tx.hash());
        Some(removed.tx)
    }

    fn discard(&mut self, hash: B256) {
        if let Some((sender, nonce)) = self.by_hash.get(&hash).copied() {
            self.remove(sender, nonce);
        }
    }

    fn prune(&mut self, nonce_of: &dyn Fn(Address) -> u64) -> Vec<Arc<SignedTx>> {
        let mut spent = Vec::new();
        for (sender, waiting) in &self.by_sender {
            spent.extend(waiting.range(..nonce_of(*sender)).map(|(nonce, _)| (*sender, *nonce)));
        }
        spent.into_iter().filter_map(|(sender, nonce)| self.remove(sender, nonce)).collect()
    }
}

/// geth's rule: both fees at least 10 % higher; for blobs all three at least doubled.
fn outbids(new: &SignedTx, old: &SignedTx) -> bool {
    let percent = if old.plain.kind == 3 { 200 } else { 110 };
    let beats = |new: u128, old: u128| {
        new > old
            && U256::from(new).saturating_mul(U256::from(100)) >= U256::from(old).saturating_mul(U256::from(percent))
    };
    let tip = |tx: &SignedTx| tx.plain.max_priority_fee_per_gas.unwrap_or(tx.plain.max_fee_per_gas);
    let blob = |tx: &SignedTx| tx.plain.max_fee_per_blob_gas.unwrap_or_default();
    beats(new.plain.max_fee_per_gas, old.plain.max_fee_per_gas)
        && beats(tip(new), tip(old))
        && (old.plain.kind != 3 || beats(blob(new), blob(old)))
}

/// Place of one transaction in the queue; the greatest goes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    private: bool,
    tip: u128,
    arrival: Reverse<u64>,
    sender: Address,
    nonce: u64,
}

/// Hands out transactions for one block.
#[derive(Debug)]
pub(crate) struct Queue<'a> {
    pool: &'a Pool,
    lanes: &'static [Lane],
    base_fee: u64,
    heap: BinaryHeap<Rank>,
}

impl Queue<'_> {
    /// The best one left. Its sender's next one comes only after [`Self::follow`].
    pub(crate) fn next(&mut self) -> Option<(Lane, Arc<SignedTx>)> {
        loop {
            let rank = self.heap.pop()?;
            let lane = if rank.private { Lane::Private } else { Lane::Public };
            let waiting = self.pool.shelf(lane).by_sender.get(&rank.sender).and_then(|list| list.get(&rank.nonce));
            if let Some(waiting) = waiting {
                return Some((lane, Arc::clone(&waiting.tx)));
            }
        }
    }

    /// The transaction of `sender` with `nonce` is in the block: those with the next nonce may follow.
    pub(crate) fn follow(&mut self, sender: Address, nonce: u64) {
        for lane in self.lanes {
            self.offer(*lane, sender, nonce.saturating_add(1));
        }
    }

    fn offer(&mut self, lane: Lane, sender: Address, nonce: u64) {
        let waiting = self.pool.shelf(lane).by_sender.get(&sender).and_then(|list| list.get(&nonce));
        let Some(waiting) = waiting else { return };
        if waiting.tx.plain.max_fee_per_gas < u128::from(self.base_fee) {
            return;
        }
        self.heap.push(Rank {
            private: lane == Lane::Private,
            tip: waiting.tx.plain.effective_tip(self.base_fee),
            arrival: Reverse(waiting.arrival),
            sender,
            nonce,
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_used, reason = "tests")]

    use alloy_consensus::transaction::Recovered;
    use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
    use alloy_primitives::Signature;
    use cofferdam_types::Transaction;
    use proptest::prelude::*;

    use super::*;

    /// Not signed by anybody: the pool looks at neither signature nor chain.
    fn tx(sender: u8, nonce: u64, cap: u128, tip: u128) -> Arc<SignedTx> {
        let bare = TxEip1559 {
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: cap,
            max_priority_fee_per_gas: tip,
            input: vec![sender].into(),
            ..TxEip1559::default()
        };
        let envelope = TxEnvelope::from(bare.into_signed(Signature::test_signature()));
        let from = Address::with_last_byte(sender);
        let plain = Transaction {
            hash: *envelope.hash(),
            kind: 2,
            from,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: cap,
            max_priority_fee_per_gas: Some(tip),
            ..Transaction::default()
        };
        Arc::new(SignedTx { envelope: Recovered::new_unchecked(envelope, from), plain: Arc::new(plain) })
    }

    const RICH: Purse = Purse { nonce: 0, balance: U256::MAX };

    fn order(pool: &Pool, base_fee: u64) -> Vec<(Lane, u8, u64)> {
        let mut queue = pool.queue(&[Lane::Private, Lane::Public], base_fee, &|_| 0);
        let mut seen = Vec::new();
        while let Some((lane, tx)) = queue.next() {
            seen.push((lane, tx.sender().0.0[19], tx.plain.nonce));
            queue.follow(tx.sender(), tx.plain.nonce);
        }
        seen
    }

    #[test]
    fn higher_tips_go_first_and_nonces_in_order() {
        let mut pool = Pool::default();
        for (sender, nonce, tip) in [(1, 0, 5), (1, 1, 50), (2, 0, 10), (3, 0, 10)] {
            pool.insert(Lane::Public, tx(sender, nonce, 100, tip), RICH, 10).unwrap();
        }
        let expected = [(2, 0), (3, 0), (1, 0), (1, 1)].map(|(sender, nonce)| (Lane::Public, sender, nonce));
        assert_eq!(order(&pool, 1), expected);
    }

    #[test]
    fn the_private_lane_goes_first_whatever_it_pays() {
        let mut pool = Pool::default();
        pool.insert(Lane::Public, tx(1, 0, 100, 90), RICH, 10).unwrap();
        pool.insert(Lane::Private, tx(2, 0, 100, 1), RICH, 10).unwrap();
        assert_eq!(order(&pool, 1), [(Lane::Private, 2, 0), (Lane::Public, 1, 0)]);
    }

    #[test]
    fn a_fee_cap_below_the_base_fee_waits_with_all_that_follows() {
        let mut pool = Pool::default();
        pool.insert(Lane::Public, tx(1, 0, 9, 1), RICH, 10).unwrap();
        pool.insert(Lane::Public, tx(1, 1, 100, 1), RICH, 10).unwrap();
        assert_eq!(order(&pool, 10), []);
        assert_eq!(order(&pool, 9).len(), 2);
    }

    #[test]
    fn a_replacement_must_raise_both_fees_by_a_tenth() {
        let mut pool = Pool::default();
        let first = tx(1, 0, 100, 10);
        pool.insert(Lane::Public, Arc::clone(&first), RICH, 10).unwrap();
        for (cap, tip) in [(100, 10), (110, 10), (100, 11), (109, 11), (110, 10)] {
            let answer = pool.insert(Lane::Public, tx(1, 0, cap, tip), RICH, 10);
            assert!(matches!(answer, Err(SubmitError::Underpriced | SubmitError::AlreadyKnown)), "{cap} {tip}");
        }
        assert_eq!(pool.insert(Lane::Public, tx(1, 0, 110, 11), RICH, 10), Ok(Some(first.hash())));
        assert!(pool.public(first.hash()).is_none());
    }

    #[test]
    fn a_sender_cannot_queue_more_than_it_can_pay() {
        let mut pool = Pool::default();
        let purse = Purse { nonce: 0, balance: U256::from(21_000 * 150) };
        pool.insert(Lane::Public, tx(1, 0, 100, 1), purse, 10).unwrap();
        let refused = pool.insert(Lane::Public, tx(1, 1, 100, 1), purse, 10);
        assert!(matches!(refused, Err(SubmitError::InsufficientFunds { .. })));
        // A replacement does not count what it replaces.
        pool.insert(Lane::Public, tx(1, 0, 140, 2), purse, 10).unwrap();
    }

    #[test]
    fn a_full_lane_refuses_the_new_but_not_a_replacement() {
        let mut pool = Pool::default();
        pool.insert(Lane::Public, tx(1, 0, 100, 1), RICH, 1).unwrap();
        assert_eq!(pool.insert(Lane::Public, tx(2, 0, 100, 1), RICH, 1), Err(SubmitError::PoolFull { limit: 1 }));
        pool.insert(Lane::Public, tx(1, 0, 200, 2), RICH, 1).unwrap();
        pool.insert(Lane::Private, tx(2, 0, 100, 1), RICH, 1).unwrap();
    }

    /// The pool as a plain list, with every rule written out.
    #[derive(Clone, Debug)]
    struct Model {
        private: bool,
        sender: u8,
        nonce: u64,
        cap: u128,
        tip: u128,
        arrival: u64,
    }

    /// What a block takes from the list: the best of those that could come next, again and again.
    fn expected_order(list: &[Model], nonces: &[u64; 4], base_fee: u64) -> Vec<(bool, u8, u64)> {
        let mut next = *nonces;
        let mut left = list.to_vec();
        let mut taken = Vec::new();
        loop {
            let ready = left.iter().filter(|entry| entry.nonce == next[usize::from(entry.sender)]);
            let ready = ready.filter(|entry| entry.cap >= u128::from(base_fee));
            let tip = |entry: &Model| entry.tip.min(entry.cap - u128::from(base_fee));
            let best = ready.max_by_key(|entry| (entry.private, tip(entry), Reverse(entry.arrival))).cloned();
            let Some(best) = best else { return taken };
            taken.push((best.private, best.sender, best.nonce));
            next[usize::from(best.sender)] += 1;
            left.retain(|entry| entry.arrival != best.arrival);
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert { private: bool, sender: u8, nonce: u64, cap: u128, tip: u128 },
        Mine { base_fee: u64, count: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        let insert = (any::<bool>(), 0..4_u8, 0..6_u64, 1..200_u128, 1..100_u128);
        let insert = insert.prop_map(|(private, sender, nonce, cap, tip)| Step::Insert {
            private,
            sender,
            nonce,
            cap,
            tip: tip.min(cap),
        });
        let mine = (0..100_u64, 0..5_usize).prop_map(|(base_fee, count)| Step::Mine { base_fee, count });
        prop_oneof![6 => insert, 1 => mine]
    }

    proptest! {
        #[test]
        fn the_pool_does_what_a_plain_list_with_the_rules_written_out_does(
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let mut pool = Pool::default();
            let mut model: Vec<Model> = Vec::new();
            let mut nonces = [0_u64; 4];
            let mut arrivals = 0;
            for step in steps {
                match step {
                    Step::Insert { private, sender, nonce, cap, tip } => {
                        let lane = if private { Lane::Private } else { Lane::Public };
                        let purse = Purse { nonce: nonces[usize::from(sender)], balance: U256::MAX };
                        let answer = pool.insert(lane, tx(sender, nonce, cap, tip), purse, 1_000);
                        let same = |entry: &Model| entry.private == private && entry.sender == sender && entry.nonce == nonce;
                        let old = model.iter().find(|entry| same(entry)).cloned();
                        let expected = match &old {
                            Some(old) if old.cap == cap && old.tip == tip => Err(SubmitError::AlreadyKnown),
                            _ if nonce < purse.nonce => Err(SubmitError::NonceTooLow { next: purse.nonce, seen: nonce }),
                            Some(old) if cap <= old.cap || cap * 10 < old.cap * 11 || tip <= old.tip || tip * 10 < old.tip * 11 => {
                                Err(SubmitError::Underpriced)
                            }
                            _ => Ok(old.is_some()),
                        };
                        prop_assert_eq!(answer.map(|replaced| replaced.is_some()), expected.clone());
                        if expected.is_ok() {
                            model.retain(|entry| !same(entry));
                            model.push(Model { private, sender, nonce, cap, tip, arrival: arrivals });
                            arrivals += 1;
                        }
                    }
                    Step::Mine { base_fee, count } => {
                        let nonce_of = |address: Address| nonces[usize::from(address.0.0[19])];
                        let expected = expected_order(&model, &nonces, base_fee);
                        let mut taken = Vec::new();
                        let mut queue = pool.queue(&[Lane::Private, Lane::Public], base_fee, &nonce_of);
                        let mut spent = nonces;
                        while let Some((lane, tx)) = queue.next() {
                            let sender = tx.sender().0.0[19];
                            // As the builder does: the other lane may have spent the nonce.
                            if tx.plain.nonce != spent[usize::from(sender)] {
                                continue;
                            }
                            taken.push((lane == Lane::Private, sender, tx.plain.nonce));
                            spent[usize::from(sender)] += 1;
                            queue.follow(tx.sender(), tx.plain.nonce);
                        }
                        prop_assert_eq!(&taken, &expected);
                        for (_, sender, nonce) in taken.into_iter().take(count) {
                            nonces[usize::from(sender)] = nonce + 1;
                        }
                        let gone = pool.prune(&|address: Address| nonces[usize::from(address.0.0[19])]);
                        let before = model.len();
                        model.retain(|entry| entry.nonce >= nonces[usize::from(entry.sender)]);
                        prop_assert_eq!(gone.len(), before - model.len());
                    }
                }
                let nonce_of = |address: Address| nonces[usize::from(address.0.0[19])];
                let (pending, queued) = pool.listing(&nonce_of);
                let shown = pending.values().chain(queued.values()).flat_map(|list| list.values());
                let public = model.iter().filter(|entry| !entry.private).count();
                prop_assert_eq!(shown.count(), public, "the public view shows the public lane and nothing else");
            }
        }
    }
}
