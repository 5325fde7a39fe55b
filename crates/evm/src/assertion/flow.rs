//! How much of a token has gone out of an adopter, or into it, within a sliding window of block time.
//!
//! What is entered can be taken back to any earlier mark, exactly, as the state can: blocks that left the chain and
//! transactions that were only tried leave nothing here.

use std::collections::VecDeque;

use revm::primitives::{Address, U256};

use super::record::FlowTrigger;

/// Windows slide by this many seconds, as the published interface has it.
const BUCKET_SECONDS: u64 = 10;
/// The longest window; longer ones are cut to it.
const LONGEST_WINDOW_SECONDS: u64 = 30 * 86_400;
/// Entries kept for one watched token; the oldest go first.
const MOST_ENTRIES: usize = 200_000;

/// What the assertion is told of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FlowContext {
    pub(super) token: Address,
    /// In the watched direction, what came back deducted.
    pub(super) net: U256,
    /// In the watched direction alone.
    pub(super) gross: U256,
    /// The net amount as a share of `held`.
    pub(super) bps: U256,
    /// What the adopter held when the window began.
    pub(super) held: U256,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What one transaction moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) out: U256,
    pub(super) into: U256,
    /// What the adopter held before the transaction.
    pub(super) held: U256,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    moved: Moved,
    /// Sums since the book was opened, this entry included; they wrap, and differences of them are exact.
    sum_out: U256,
    sum_into: U256,
}

/// The flows of one token of one adopter.
#[derive(Clone, Debug, Default)]
struct Book {
    entries: VecDeque<Entry>,
}

/// All flows that are watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Flows {
    watched: Vec<(Address, Address)>,
    books: Vec<Book>,
    /// The books in which entries were made, in order.
    log: VecDeque<usize>,
    /// Entries that were dropped from the front of `log`.
    pruned: usize,
}

impl Flows {
    /// Watches `token` of `adopter`, and returns the number of its book.
    pub(super) fn watch(&mut self, adopter: Address, token: Address) -> usize {
        if let Some(known) = self.watched.iter().position(|watched| *watched == (adopter, token)) {
            return known;
        }
        self.watched.push((adopter, token));
        self.books.push(Book::default());
        self.books.len().saturating_sub(1)
    }

    /// Adopter and token of each book.
    pub(super) fn watched(&self) -> &[(Address, Address)] {
        &self.watched
    }

    /// Where to come back to.
    pub(super) fn mark(&self) -> usize {
        self.pruned.saturating_add(self.log.len())
    }

    /// Takes back everything since `mark`.
    pub(super) fn revert_to(&mut self, mark: usize) {
        let keep = mark.saturating_sub(self.pruned);
        while self.log.len() > keep {
            if let Some(book) = self.log.pop_back().and_then(|book| self.books.get_mut(book)) {
                book.entries.pop_back();
            }
        }
    }

    /// Drops what is later than block time `now`; what is left cannot be taken back any more.
    pub(super) fn forget_after(&mut self, now: u64) {
        self.pruned = self.mark();
        self.log.clear();
        for book in &mut self.books {
            book.entries.retain(|entry| entry.at <= now);
        }
    }

    /// Enters what a transaction moved at block time `at`.
    pub(super) fn enter(&mut self, book: usize, at: u64, moved: Moved) {
        let Some(flows) = self.books.get_mut(book) else { return };
        let (out, into) = flows.entries.back().map(|last| (last.sum_out, last.sum_into)).unwrap_or_default();
        let (sum_out, sum_into) = (out.wrapping_add(moved.out), into.wrapping_add(moved.into));
        flows.entries.push_back(Entry { at, moved, sum_out, sum_into });
        self.log.push_back(book);
    }

    /// Gives up going back before `mark`, and what no window reaches any more.
    pub(super) fn prune(&mut self, mark: usize, now: u64) {
        let gone = mark.saturating_sub(self.pruned).min(self.log.len());
        self.log.drain(..gone);
        self.pruned = self.pruned.saturating_add(gone);
        for (number, book) in self.books.iter_mut().enumerate() {
            let undoable = self.log.iter().filter(|entered| **entered == number).count();
            let old = |entry: &Entry| entry.at.saturating_add(LONGEST_WINDOW_SECONDS) < now;
            while book.entries.len() > undoable
                && (book.entries.len() > MOST_ENTRIES || book.entries.front().is_some_and(old))
            {
                book.entries.pop_front();
            }
        }
    }

    /// The window of `trigger` that ends at block time `now`; `held` is what the adopter holds where nothing has moved.
    /// `None` when it does not exceed the threshold.
    pub(super) fn exceeding(&self, book: usize, trigger: &FlowTrigger, now: u64, held: U256) -> Option<FlowContext> {
        let entries = &self.books.get(book)?.entries;
        let window = trigger.window_seconds.clamp(BUCKET_SECONDS, LONGEST_WINDOW_SECONDS);
        let bucket = |at: u64| at.checked_div(BUCKET_SECONDS).unwrap_or_default();
        let oldest = bucket(now).saturating_sub(bucket(window.saturating_sub(1)));
        let first = entries.partition_point(|entry| bucket(entry.at) < oldest);
        let (begin, last) = (entries.get(first)?, entries.back()?);
        let before_out = begin.sum_out.wrapping_sub(begin.moved.out);
        let before_into = begin.sum_into.wrapping_sub(begin.moved.into);
        let out = last.sum_out.wrapping_sub(before_out);
        let into = last.sum_into.wrapping_sub(before_into);
        let (gross, back) = if trigger.out { (out, into) } else { (into, out) };
        let net = gross.saturating_sub(back);
        let held = if begin.moved.held.is_zero() { held } else { begin.moved.held };
        // Of nothing there is no share: the first deposit into an empty vault is no excess.
        let bps = net.saturating_mul(U256::from(10_000)).checked_div(held)?;
        let exceeds = !net.is_zero() && bps > trigger.threshold_bps;
        let start = bucket(begin.at).saturating_mul(BUCKET_SECONDS);
        exceeds.then(|| FlowContext {
            token: trigger.token,
            net,
            gross,
            bps,
            held,
            start,
            end: start.saturating_add(window),
        })
    }
}
