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
