//! What happened before: sums of a sliding window, and what has been seen often enough to be normal.
//!
//! It must never forget inexactly: a block that leaves the canonical chain takes back everything that it brought.
//! Memory is bounded by the length of the window, the reorg depth and the number of habits per module.

use std::collections::VecDeque;

use alloy_primitives::{
    Address, B256, U256,
    map::{Entry, HashMap},
};
use cofferdam_types::{Asset, BlockRef, Header, Selector, Signed};

use crate::{
    depends::{Depends, Noted},
    recent::{Recent, Tally},
    settings::HistorySettings,
};

/// Something that a module's transactions do, and that is normal once it is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Habit {
    /// This account sends transactions to the module.
    Sender(Address),
    /// This account has changed authority or code of the module.
    Authority(Address),
    /// The first function is re-entered through the second.
    Reentry(Option<Selector>, Option<Selector>),
    /// Callers write themselves into this slot.
    ActorSlot(Address, U256),
    /// The module runs the code of this account by delegate calls.
    Runs(Address),
    /// This operation was announced, by its id, to be executed later.
    Scheduled(B256),
    /// The module let this account spend its tokens; the zero address stands for anybody.
    Spender(Address),
    /// This account's transactions pay others out of the module, for nothing in return.
    Payer(Address),
    /// The module holds this asset and deals in it.
    Holds(Asset),
    /// Anything at all was seen of the module.
    Observed,
}

/// Something by which whoever attacked once is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspect {
    /// An account that acted.
    Account(Address),
    /// Keccak of code that it ran.
    Code(B256),
    /// The same without constants and metadata.
    Shape(B256),
    /// The calls that it made into a module, in their order.
    Pattern(B256),
}

/// Who got something: an account, or all accounts that use one shape of contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Receiver {
    /// An account.
    Account(Address),
    /// Keccak of the code of contracts that senders made for themselves, and the function that they call in it.
    Shape(B256, Option<Selector>),
}

/// Something that left a module for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The module that it left.
    pub module: u32,
    /// What.
    pub asset: Asset,
    /// The account that it left.
    pub from: Address,
    /// How much.
    pub amount: U256,
    /// In basis points of what was held.
    pub bps: u64,
    /// Whether a finding counted it as lost when it left.
    pub counted: bool,
    /// Whether a finding counted all earlier ones that were not counted.
    pub claims: bool,
}

/// A contract that a sender made himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Made {
    code: B256,
    shape: Option<B256>,
    by: Address,
}

/// What went between a module and an outsider in one transaction, in basis points of holdings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dealing {
    /// Out, for nothing.
    paid_bps: u64,
    /// In.
    back_bps: u64,
}

/// Whose payments, or payments of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Payments {
    /// Out of a module, to others, by transactions of this account.
    By(u32, Address),
    /// Out of a module, in this asset, to those who asked for them.
    Of(u32, Asset),
}

/// Something that a module paid and got nothing for, or wrote off somebody's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    /// To whom.
    pub(crate) receiver: Address,
    /// How much.
    pub(crate) amount: U256,
    /// In basis points of what was held.
    pub(crate) bps: u64,
}

/// What moved within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSum {
    /// Inflows less outflows.
    pub net: Signed,
    /// What left for nothing.
    pub one_sided: U256,
}

/// What was recorded of blocks, per module (by its index in the watchlist).
#[derive(Clone, Debug)]
pub struct History {
    settings: HistorySettings,
    /// Seconds that sums are kept beyond the oldest block that can be retracted.
    longest_window_seconds: u64,
    series: HashMap<(u32, Asset), Series>,
    habits: HashMap<(u32, Habit), u64>,
    habits_of: HashMap<u32, u32>,
    runs: HashMap<Address, Vec<u32>>,
    authority_changes: HashMap<u32, Vec<u64>>,
    /// Who took part in something that was flagged.
    suspects: Recent<Suspect, ()>,
    /// What each account got for nothing, over all modules.
    receipts: Recent<Receiver, Receipt>,
    /// What accounts that were never seen before got for nothing, per module.
    newcomers: Recent<u32, Receipt>,
    /// Code of contracts that senders made themselves.
    shapes: Recent<Address, Made>,
    /// What went between each module and outsiders whom it paid for nothing.
    dealings: Recent<(u32, Address), Dealing>,
    /// What modules paid, by whose word and of what.
    payments: Recent<Payments, Payment>,
    /// What modules read outside of themselves.
    depends: Depends,
    /// Blocks that can be retracted, oldest first.
    blocks: VecDeque<Journal>,
    /// Time and series of blocks that cannot, as long as a window may reach them.
    settled: VecDeque<(u64, Vec<(u32, Asset)>)>,
}

/// What one block brought: enough to take it back.
#[derive(Clone, Debug)]
struct Journal {
    block: BlockRef,
    timestamp: u64,
    series: Vec<(u32, Asset)>,
    habits: Vec<(u32, Habit)>,
    authority_changes: Vec<u32>,
    suspects: Vec<Suspect>,
    receipts: Vec<Receiver>,
    newcomers: Vec<u32>,
    shapes: Vec<Address>,
    dealings: Vec<(u32, Address)>,
    payments: Vec<Payments>,
    depends: Noted,
}

/// Running totals of one asset of one module. A window is the difference of two points, so it costs a binary search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Series {
    /// Totals before the oldest point.
    base: Totals,
    points: VecDeque<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    number: u64,
    timestamp: u64,
    after: Totals,
}

/// Totals since the beginning, wrapping: single amounts are capped below 2^192, so that the difference over any
/// window of fewer than 2^64 entries is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    gain: U256,
    loss: U256,
    one_sided: U256,
}

impl Totals {
    fn plus(self, net: Signed, one_sided: U256) -> Self {
        Self {
            gain: self.gain.wrapping_add(capped(net.gain())),
            loss: self.loss.wrapping_add(capped(net.loss())),
            one_sided: self.one_sided.wrapping_add(capped(one_sided)),
        }
    }
}

/// Seconds of a day, a week and a month.
const DAY_SECONDS: u64 = 86_400;
const WEEK_SECONDS: u64 = 604_800;
const MONTH_SECONDS: u64 = 2_592_000;

/// No real balance reaches 2^192; a forged event may claim more.
const MOST: U256 = U256::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0]);

fn capped(amount: U256) -> U256 {
    amount.min(MOST)
}

impl Series {
    fn tip(&self) -> Totals {
        self.points.back().map_or(self.base, |point| point.after)
    }

    /// Totals up to and without `since` (Unix seconds).
    fn before(&self, since: u64) -> Totals {
        let later = self.points.partition_point(|point| point.timestamp < since);
        later.checked_sub(1).and_then(|index| self.points.get(index)).map_or(self.base, |point| point.after)
    }
}

impl History {
    /// Nothing seen yet. Sums are kept for `longest_window_seconds`.
    pub fn new(settings: HistorySettings, longest_window_seconds: u64) -> Self {
        let suspects = Recent::new(settings.suspect_seconds);
        Self {
            settings,
            longest_window_seconds,
            series: HashMap::default(),
            habits: HashMap::default(),
            habits_of: HashMap::default(),
            runs: HashMap::default(),
            authority_changes: HashMap::default(),
            suspects,
            receipts: Recent::new(WEEK_SECONDS),
            newcomers: Recent::new(WEEK_SECONDS),
            shapes: Recent::new(WEEK_SECONDS),
            dealings: Recent::new(MONTH_SECONDS),
            payments: Recent::new(MONTH_SECONDS),
            depends: Depends::new(),
            blocks: VecDeque::new(),
            settled: VecDeque::new(),
        }
    }

    /// What moved in and out of `module` from `since` (Unix seconds) on.
    pub fn window(&self, module: u32, asset: Asset, since: u64) -> WindowSum {
        let Some(series) = self.series.get(&(module, asset)) else { return WindowSum::default() };
        let (before, tip) = (series.before(since), series.tip());
        let gain = tip.gain.wrapping_sub(before.gain);
        let loss = tip.loss.wrapping_sub(before.loss);
        WindowSum { net: Signed::between(loss, gain), one_sided: tip.one_sided.wrapping_sub(before.one_sided) }
    }

    /// Whether `habit` was seen at all before.
    pub fn has_seen(&self, module: u32, habit: Habit) -> bool {
        self.habits.contains_key(&(module, habit))
    }

    /// Blocks that can be retracted.
    pub fn depth(&self) -> usize {
        usize::try_from(self.settings.reorg_depth_blocks.max(1)).unwrap_or(usize::MAX)
    }

    /// When `habit` was first seen, in Unix seconds of block time.
    pub fn seen_since(&self, module: u32, habit: Habit) -> Option<u64> {
        self.habits.get(&(module, habit)).copied()
    }

    /// Whether `habit` was first seen so long before `now` (Unix seconds) that it is no novelty.
    pub fn is_familiar(&self, module: u32, habit: Habit, now: u64) -> bool {
        self.habits
            .get(&(module, habit))
            .is_some_and(|first| first.saturating_add(self.settings.familiar_after_seconds) <= now)
    }

    /// Modules that were seen to run the code of `address`; mostly none.
    pub fn runners_of(&self, address: Address) -> &[u32] {
        self.runs.get(&address).map(Vec::as_slice).unwrap_or_default()
    }

    /// When authority or code of `module` was last changed, in Unix seconds.
    pub fn last_authority_change(&self, module: u32) -> Option<u64> {
        self.authority_changes.get(&module)?.last().copied()
    }

    /// Whether `suspect` took part in something flagged within the time that suspicion lasts before `now` (Unix seconds).
    pub fn is_suspect(&self, suspect: Suspect, now: u64) -> bool {
        let since = now.saturating_sub(self.settings.suspect_seconds);
        self.suspects.within(suspect, since, u64::MAX).next().is_some()
    }

    /// Whether anybody is under suspicion at all.
    pub fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// What `receiver` got for nothing from all modules within a day before `now`, in basis points of holdings.
    pub fn receipts_of(&self, receiver: Receiver, now: u64) -> Tally {
        self.receipts.tally(receiver, now.saturating_sub(DAY_SECONDS), u64::MAX, |receipt| receipt.bps)
    }

    /// What it got within a week before `now` and no finding has counted as lost yet.
    pub fn uncounted_of(&self, receiver: Receiver, now: u64) -> Vec<Receipt> {
        uncounted(self.receipts.within(receiver, now.saturating_sub(WEEK_SECONDS), u64::MAX))
    }

    /// What newcomers got for nothing from `module` within `seconds` before `now`, and in what is left of the week before.
    pub fn newcomers_of(&self, module: u32, now: u64, seconds: u64) -> (Tally, Tally) {
        let (since, week) = (now.saturating_sub(seconds), now.saturating_sub(WEEK_SECONDS));
        let bps = |receipt: &Receipt| receipt.bps;
        (self.newcomers.tally(module, since, u64::MAX, bps), self.newcomers.tally(module, week, since, bps))
    }

    /// For how many seconds before the last `seconds` newcomers of `module` have been seen, within the week.
    pub fn newcomers_watched(&self, module: u32, now: u64, seconds: u64) -> u64 {
        let oldest = self.newcomers.oldest(module, now.saturating_sub(WEEK_SECONDS));
        oldest.map_or(0, |oldest| now.saturating_sub(seconds).saturating_sub(oldest))
    }

    /// Whether a finding counted what newcomers got within `seconds` before `now`.
    pub fn has_counted_newcomers(&self, module: u32, now: u64, seconds: u64) -> bool {
        self.newcomers.within(module, now.saturating_sub(seconds), u64::MAX).any(|receipt| receipt.counted)
    }

    /// What newcomers got within `seconds` before `now` and no finding has counted as lost yet.
    pub fn uncounted_newcomers_of(&self, module: u32, now: u64, seconds: u64) -> Vec<Receipt> {
        uncounted(self.newcomers.within(module, now.saturating_sub(seconds), u64::MAX))
    }

    /// The code of `contract`, if a sender made it himself within a week before `now`.
    pub fn shape_of(&self, contract: Address, now: u64) -> Option<B256> {
        let made = self.shapes.within(contract, now.saturating_sub(WEEK_SECONDS), u64::MAX);
        made.map(|made| made.code).next_back()
    }

    /// By what `contract` is known again, if a sender made it himself within a week before `now`: its code, its shape, and
    /// who that was.
    pub(crate) fn made(&self, contract: Address, now: u64) -> Option<(B256, Option<B256>, Address)> {
        let made = self.shapes.within(contract, now.saturating_sub(WEEK_SECONDS), u64::MAX).next_back()?;
        Some((made.code, made.shape, made.by))
    }

    /// Whether `habit` was first seen at least a week before `now`.
    pub fn is_settled(&self, module: u32, habit: Habit, now: u64) -> bool {
        self.habits.get(&(module, habit)).is_some_and(|first| first.saturating_add(WEEK_SECONDS) <= now)
    }

    /// Whether `module` paid `account` several times over more than a week.
    pub fn is_used_to(&self, module: u32, account: Address, now: u64) -> bool {
        let (key, since) = ((module, account), now.saturating_sub(MONTH_SECONDS));
        let times = self.dealings.within(key, since, u64::MAX).filter(|dealing| dealing.paid_bps > 0).count();
        let old = self.dealings.oldest(key, since).is_some_and(|first| first.saturating_add(WEEK_SECONDS) <= now);
        old && times >= 3
    }

    /// Whether it did, half of all that came back, and one payment was at least a quarter of `bps` of holdings.
    pub fn gives_back(&self, module: u32, account: Address, bps: u64, now: u64) -> bool {
        let dealings = || self.dealings.within((module, account), now.saturating_sub(MONTH_SECONDS), u64::MAX);
        let sum = |part: fn(&Dealing) -> u64| dealings().map(part).fold(0_u64, u64::saturating_add);
        let most = dealings().map(|dealing| dealing.paid_bps).max().unwrap_or_default();
        let (paid, back) = (sum(|dealing| dealing.paid_bps), sum(|dealing| dealing.back_bps));
        self.is_used_to(module, account, now) && back.saturating_mul(2) >= paid && most.saturating_mul(4) >= bps
    }

    /// Whether `account` was paid by `module` for nothing within a month before `now`.
    pub fn was_paid(&self, module: u32, account: Address, now: u64) -> bool {
        self.dealings.within((module, account), now.saturating_sub(MONTH_SECONDS), u64::MAX).next().is_some()
    }

    /// What `module` paid to others by transactions of `payer` within `seconds` before `now`, and in what is left of the
    /// month before; between them the largest of the former.
    pub(crate) fn paid_by(&self, module: u32, payer: Address, now: u64, seconds: u64) -> (Tally, u64, Tally) {
        let (key, since) = (Payments::By(module, payer), now.saturating_sub(seconds));
        let bps = |payment: &Payment| payment.bps;
        let lately = self.payments.tally(key, since, u64::MAX, bps);
        let largest = self.payments.within(key, since, u64::MAX).map(bps).max().unwrap_or_default();
        (lately, largest, self.payments.tally(key, now.saturating_sub(MONTH_SECONDS), since, bps))
    }

    /// To how many others than `receiver` `module` paid half of `amount` of `asset` or more within a month before `now`,
    /// when they asked for it; counted up to `most`.
    pub(crate) fn likewise_paid(
        &self,
        (module, asset): (u32, Asset),
        receiver: Address,
        amount: U256,
        now: u64,
        most: usize,
    ) -> usize {
        let mut others: Vec<Address> = Vec::new();
        for payment in self.payments.within(Payments::Of(module, asset), now.saturating_sub(MONTH_SECONDS), u64::MAX) {
            let as_much = payment.amount.saturating_mul(U256::from(2)) >= amount;
            if others.len() < most && as_much && payment.receiver != receiver && !others.contains(&payment.receiver) {
                others.push(payment.receiver);
            }
        }
        others.len()
    }

    /// What modules read outside of themselves.
    pub(crate) const fn depends(&self) -> &Depends {
        &self.depends
    }

    /// Takes in, in the open block, what `note` finds of it: it is given the time, and where to write down what is new.
    pub(crate) fn note_depends(&mut self, note: impl FnOnce(&mut Depends, u64, &mut Noted)) {
        let Some(open) = self.blocks.back_mut() else { return };
        note(&mut self.depends, open.timestamp, &mut open.depends);
    }

    /// Makes `header` the block that the following records belong to. Calling it again for the same block is free.
    pub fn open_block(&mut self, header: &Header) {
        let block = header.block_ref();
        if self.blocks.back().is_some_and(|open| open.block == block) {
            return;
        }
        self.blocks.push_back(Journal {
            block,
            timestamp: header.timestamp,
            series: Vec::new(),
            habits: Vec::new(),
            authority_changes: Vec::new(),
            suspects: Vec::new(),
            receipts: Vec::new(),
            newcomers: Vec::new(),
            shapes: Vec::new(),
            dealings: Vec::new(),
            payments: Vec::new(),
            depends: Noted::default(),
        });
        while self.blocks.len() > self.depth() {
            self.settle();
        }
    }

    /// Adds what moved to the open block; nothing happens without one.
    pub fn add_flow(&mut self, module: u32, asset: Asset, net: Signed, one_sided: U256) {
        let Some(open) = self.blocks.back_mut() else { return };
        let (number, timestamp) = (open.block.number.0, open.timestamp);
        let series = self.series.entry((module, asset)).or_default();
        let after = series.tip().plus(net, one_sided);
        match series.points.back_mut() {
            Some(point) if point.number == number => point.after = after,
            Some(_) | None => {
                series.points.push_back(Point { number, timestamp, after });
                open.series.push((module, asset));
            }
        }
    }

    /// Learns a habit in the open block, unless it is known or the module's share of memory is used up.
    pub fn add_habit(&mut self, module: u32, habit: Habit) {
        let Some(open) = self.blocks.back_mut() else { return };
        let Entry::Vacant(vacant) = self.habits.entry((module, habit)) else { return };
        let known = self.habits_of.entry(module).or_default();
        if *known >= self.settings.habits_per_module {
            return;
        }
        *known = known.saturating_add(1);
        vacant.insert(open.timestamp);
        open.habits.push((module, habit));
        if let Habit::Runs(code) = habit {
            self.runs.entry(code).or_default().push(module);
        }
    }

    /// Notes in the open block that authority or code of `module` changed.
    pub fn add_authority_change(&mut self, module: u32) {
        let Some(open) = self.blocks.back_mut() else { return };
        if open.authority_changes.contains(&module) {
            return;
        }
        open.authority_changes.push(module);
        self.authority_changes.entry(module).or_default().push(open.timestamp);
    }

    /// Notes in the open block that `suspect` took part in something flagged; nothing happens beyond the most that are
    /// remembered.
    pub fn add_suspect(&mut self, suspect: Suspect) {
        let Some(open) = self.blocks.back_mut() else { return };
        if !open.suspects.contains(&suspect) && self.suspects.note(suspect, open.timestamp, ()) {
            open.suspects.push(suspect);
        }
    }

    /// Notes in the open block that `receiver` got something for nothing.
    pub fn add_receipt(&mut self, receiver: Receiver, receipt: Receipt) {
        let Some(open) = self.blocks.back_mut() else { return };
        if self.receipts.note(receiver, open.timestamp, receipt) {
            open.receipts.push(receiver);
        }
    }

    /// Notes in the open block that somebody never seen before got something for nothing.
    pub fn add_newcomer(&mut self, receipt: Receipt) {
        let Some(open) = self.blocks.back_mut() else { return };
        if self.newcomers.note(receipt.module, open.timestamp, receipt) {
            open.newcomers.push(receipt.module);
        }
    }

    /// Notes in the open block that the sender `by` himself made `contract` with this code.
    pub fn add_shape(&mut self, contract: Address, code: B256, shape: Option<B256>, by: Address) {
        let Some(open) = self.blocks.back_mut() else { return };
        if self.shapes.note(contract, open.timestamp, Made { code, shape, by }) {
            open.shapes.push(contract);
        }
    }

    /// Notes in the open block what went between `module` and `account`, in basis points of holdings.
    pub fn add_dealing(&mut self, module: u32, account: Address, paid_bps: u64, back_bps: u64) {
        let Some(open) = self.blocks.back_mut() else { return };
        if self.dealings.note((module, account), open.timestamp, Dealing { paid_bps, back_bps }) {
            open.dealings.push((module, account));
        }
    }

    /// Notes in the open block that a module paid something.
    pub(crate) fn add_payment(&mut self, key: Payments, payment: Payment) {
        let Some(open) = self.blocks.back_mut() else { return };
        if self.payments.note(key, open.timestamp, payment) {
            open.payments.push(key);
        }
    }

    /// Takes back everything that `block` brought. Blocks go newest first; one that was never recorded, or is too old
    /// to be taken back, changes nothing.
    pub fn retract(&mut self, block: BlockRef) {
        if self.blocks.back().is_none_or(|open| open.block != block) {
            return;
        }
        let Some(journal) = self.blocks.pop_back() else { return };
        for key in journal.series {
            if let Entry::Occupied(mut series) = self.series.entry(key) {
                series.get_mut().points.pop_back();
                if series.get().points.is_empty() {
                    series.remove();
                }
            }
        }
        for (module, habit) in journal.habits {
            self.habits.remove(&(module, habit));
            decrement(&mut self.habits_of, module);
            if let Habit::Runs(code) = habit
                && let Entry::Occupied(mut runners) = self.runs.entry(code)
            {
                runners.get_mut().retain(|runner| *runner != module);
                if runners.get().is_empty() {
                    runners.remove();
                }
            }
        }
        for module in journal.authority_changes {
            if let Entry::Occupied(mut changes) = self.authority_changes.entry(module) {
                changes.get_mut().pop();
                if changes.get().is_empty() {
                    changes.remove();
                }
            }
        }
        journal.suspects.into_iter().for_each(|suspect| self.suspects.take_back(suspect));
        journal.receipts.into_iter().for_each(|account| self.receipts.take_back(account));
        journal.newcomers.into_iter().for_each(|module| self.newcomers.take_back(module));
        journal.shapes.into_iter().for_each(|contract| self.shapes.take_back(contract));
        journal.dealings.into_iter().for_each(|key| self.dealings.take_back(key));
        journal.payments.into_iter().for_each(|key| self.payments.take_back(key));
        self.depends.take_back(journal.depends);
    }

    /// Lets go of the oldest block: it can no longer be retracted, so what no later window reaches is dropped.
    fn settle(&mut self) {
        let Some(oldest) = self.blocks.pop_front() else { return };
        let horizon = oldest.timestamp.saturating_sub(self.longest_window_seconds);
        self.settled.push_back((oldest.timestamp, oldest.series));
        while let Some((timestamp, _)) = self.settled.front()
            && *timestamp < horizon
        {
            for key in self.settled.pop_front().map(|(_, keys)| keys).unwrap_or_default() {
                self.trim(key, horizon);
            }
        }
        for module in oldest.authority_changes {
            // The latest settled change is all that can ever be asked for again.
            if let Some(changes) = self.authority_changes.get_mut(&module) {
                changes.retain(|at| *at >= oldest.timestamp);
            }
        }
        self.suspects.settle(oldest.timestamp, oldest.suspects);
        self.receipts.settle(oldest.timestamp, oldest.receipts);
        self.newcomers.settle(oldest.timestamp, oldest.newcomers);
        self.shapes.settle(oldest.timestamp, oldest.shapes);
        self.dealings.settle(oldest.timestamp, oldest.dealings);
        self.payments.settle(oldest.timestamp, oldest.payments);
        self.depends.settle(oldest.timestamp, oldest.depends);
    }

    /// Drops the points of one series that lie before `horizon`.
    fn trim(&mut self, key: (u32, Asset), horizon: u64) {
        let Entry::Occupied(mut entry) = self.series.entry(key) else { return };
        let series = entry.get_mut();
        while let Some(point) = series.points.front().copied()
            && point.timestamp < horizon
        {
            series.base = point.after;
            series.points.pop_front();
        }
        if series.points.is_empty() {
            entry.remove();
        }
    }
}

/// What was not counted when it left, since the last finding that made up for such.
fn uncounted<'r>(receipts: impl DoubleEndedIterator<Item = &'r Receipt>) -> Vec<Receipt> {
    receipts.rev().take_while(|receipt| !receipt.claims).filter(|receipt| !receipt.counted).copied().collect()
}

/// One less, and no entry for none.
fn decrement(counts: &mut HashMap<u32, u32>, module: u32) {
    if let Entry::Occupied(mut count) = counts.entry(module) {
        *count.get_mut() = count.get().saturating_sub(1);
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "small numbers in tests")]

    use alloy_primitives::B256;
    use cofferdam_types::BlockNumber;
    use proptest::prelude::*;

    use super::*;

    /// What a block brings, small enough that blocks collide on the same keys.
    #[derive(Clone, Debug)]
    enum Step {
        Flow(u32, bool, u8, bool, u64, u64),
        Habit(u32, u8),
        Runs(u32, u8),
        Authority(u32),
        Suspect(u8),
        Receipt(u8, u8),
        Newcomer(u32, u8),
        Payment(u32, u8),
    }

    fn asset(native: bool, token: u8) -> Asset {
        if native { Asset::Native } else { Asset::Erc20(Address::with_last_byte(token)) }
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..3_u32, any::<bool>(), 0..3_u8, any::<bool>(), any::<u64>(), any::<u64>()).prop_map(
                |(module, native, token, negative, net, part)| Step::Flow(module, native, token, negative, net, part)
            ),
            (0..3_u32, 0..6_u8).prop_map(|(module, who)| Step::Habit(module, who)),
            (0..3_u32, 0..3_u8).prop_map(|(module, code)| Step::Runs(module, code)),
            (0..3_u32).prop_map(Step::Authority),
            (0..3_u8).prop_map(Step::Suspect),
            (0..3_u8, any::<u8>()).prop_map(|(who, bps)| Step::Receipt(who, bps)),
            (0..3_u32, any::<u8>()).prop_map(|(module, bps)| Step::Newcomer(module, bps)),
            (0..3_u32, any::<u8>()).prop_map(|(module, bps)| Step::Payment(module, bps)),
        ];
        prop::collection::vec(step, 0..6)
    }

    fn receiver(who: u8) -> Receiver {
        Receiver::Account(Address::with_last_byte(who))
    }

    fn receipt(module: u32, bps: u8) -> Receipt {
        let (asset, amount) = (Asset::Native, U256::from(bps));
        let (counted, claims) = (bps.is_multiple_of(3), bps.is_multiple_of(7));
        Receipt { module, asset, from: Address::ZERO, amount, bps: u64::from(bps), counted, claims }
    }

    fn header(number: u64, salt: u8) -> Header {
        Header {
            number: BlockNumber(number),
            hash: B256::with_last_byte(salt),
            timestamp: 1_000 + number * 12,
            ..Header::default()
        }
    }

    fn record(history: &mut History, header: &Header, steps: &[Step]) {
        history.open_block(header);
        for step in steps {
            match step {
                Step::Flow(module, native, token, negative, net, part) => {
                    let net = Signed { negative: *negative && *net > 0, magnitude: U256::from(*net) };
                    history.add_flow(*module, asset(*native, *token), net, U256::from(*part));
                }
                Step::Habit(module, who) => {
                    history.add_habit(*module, Habit::Sender(Address::with_last_byte(*who)));
                }
                Step::Runs(module, code) => history.add_habit(*module, Habit::Runs(Address::with_last_byte(*code))),
                Step::Authority(module) => history.add_authority_change(*module),
                Step::Receipt(who, bps) => history.add_receipt(receiver(*who), receipt(0, *bps)),
                Step::Newcomer(module, bps) => history.add_newcomer(receipt(*module, *bps)),
                Step::Payment(module, bps) => {
                    let receiver = Address::with_last_byte(*bps);
                    let payment = Payment { receiver, amount: U256::from(*bps), bps: u64::from(*bps) };
                    history.add_payment(Payments::By(*module, Address::ZERO), payment);
                    history.add_payment(Payments::Of(*module, Asset::Native), payment);
                }
                Step::Suspect(who) => history.add_suspect(Suspect::Account(Address::with_last_byte(*who))),
            }
        }
    }

    /// Everything that can be asked, at time `now`.
    fn answers(history: &History, now: u64, window: u64) -> Vec<String> {
        let mut answers = Vec::new();
        for module in 0..3 {
            for (native, token) in [(true, 0), (false, 0), (false, 1), (false, 2)] {
                for since in [now.saturating_sub(window), now.saturating_sub(window / 2), now] {
                    answers.push(format!("{:?}", history.window(module, asset(native, token), since)));
                }
            }
            for who in 0..6 {
                let habit = Habit::Sender(Address::with_last_byte(who));
                answers.push(format!(
                    "{} {}",
                    history.has_seen(module, habit),
                    history.is_familiar(module, habit, now)
                ));
            }
            answers.push(format!("{:?}", history.last_authority_change(module)));
            answers.push(format!("{:?}", history.paid_by(module, Address::ZERO, now, 30)));
            let of = (module, Asset::Native);
            answers.push(history.likewise_paid(of, Address::ZERO, U256::from(50), now, 9).to_string());
        }
        for who in 0..3 {
            let account = Address::with_last_byte(who);
            answers.push(history.is_suspect(Suspect::Account(account), now).to_string());
            answers.push(format!("{:?}", history.receipts_of(receiver(who), now)));
            answers.push(format!("{:?}", history.uncounted_of(receiver(who), now)));
            answers.push(format!("{:?}", history.newcomers_of(u32::from(who), now, 30)));
        }
        for code in 0..3 {
            let mut runners = history.runners_of(Address::with_last_byte(code)).to_vec();
            runners.sort_unstable();
            answers.push(format!("{runners:?}"));
        }
        answers
    }

    fn settings(depth: u32) -> HistorySettings {
        HistorySettings {
            reorg_depth_blocks: depth,
            familiar_after_seconds: 30,
            habits_per_module: 4,
            suspect_seconds: 40,
        }
    }

    proptest! {
        #[test]
        fn what_is_retracted_was_never_recorded(
            kept in prop::collection::vec(steps(), 1..8),
            dropped in prop::collection::vec(steps(), 0..8),
            adopted in prop::collection::vec(steps(), 0..4),
        ) {
            let mut never = History::new(settings(64), 60);
            let mut once = History::new(settings(64), 60);
            let mut number = 0;
            for block in &kept {
                number += 1;
                record(&mut never, &header(number, 1), block);
                record(&mut once, &header(number, 1), block);
            }
            for (offset, block) in (1..).zip(&dropped) {
                record(&mut once, &header(number + offset, 2), block);
            }
            for offset in (1..=dropped.len() as u64).rev() {
                once.retract(header(number + offset, 2).block_ref());
            }
            prop_assert_eq!(answers(&once, 1_000 + number * 12, 60), answers(&never, 1_000 + number * 12, 60));
            for block in &adopted {
                number += 1;
                record(&mut never, &header(number, 3), block);
                record(&mut once, &header(number, 3), block);
            }
            prop_assert_eq!(answers(&once, 1_000 + number * 12, 60), answers(&never, 1_000 + number * 12, 60));
        }

        #[test]
        fn letting_go_of_old_blocks_changes_no_answer(
            blocks in prop::collection::vec(steps(), 1..40), depth in 1..6_u32, back in 0..6_u64,
        ) {
            let mut all = History::new(settings(1_000), 60);
            let mut some = History::new(settings(depth), 60);
            for (number, block) in (1..).zip(&blocks) {
                record(&mut all, &header(number, 1), block);
                record(&mut some, &header(number, 1), block);
            }
            let mut number = blocks.len() as u64;
            // One block fewer than the depth can always be taken back.
            for _ in 0..back.min(u64::from(depth) - 1).min(number - 1) {
                all.retract(header(number, 1).block_ref());
                some.retract(header(number, 1).block_ref());
                number -= 1;
            }
            prop_assert_eq!(answers(&some, 1_000 + number * 12, 60), answers(&all, 1_000 + number * 12, 60));
        }

        #[test]
        fn a_window_is_the_exact_sum_of_what_it_covers(
            flows in prop::collection::vec((any::<bool>(), any::<u64>()), 1..30), since in 0..400_u64,
        ) {
            let mut history = History::new(settings(64), 10_000);
            let mut expected = Signed::default();
            for (number, (negative, amount)) in (1..).zip(&flows) {
                let net = Signed { negative: *negative && *amount > 0, magnitude: U256::from(*amount) };
                history.open_block(&header(number, 1));
                history.add_flow(0, Asset::Native, net, net.loss());
                if header(number, 1).timestamp >= 1_000 + since {
                    expected = expected.saturating_add(net);
                }
            }
            prop_assert_eq!(history.window(0, Asset::Native, 1_000 + since).net, expected);
        }
    }

    #[test]
    fn forged_amounts_saturate_and_do_not_wrap() {
        let mut history = History::new(settings(4), 100);
        history.open_block(&header(1, 1));
        for _ in 0..3 {
            history.add_flow(0, Asset::Native, Signed { negative: true, magnitude: U256::MAX }, U256::MAX);
        }
        let sum = history.window(0, Asset::Native, 0);
        assert!(sum.net.negative && sum.net.magnitude > MOST && sum.one_sided == sum.net.magnitude);
    }

    #[test]
    fn memory_is_flat_when_strangers_send_ever_new_tokens() {
        let mut history = History::new(settings(4), 120);
        for number in 1..2_000_u64 {
            history.open_block(&header(number, 1));
            let token = Asset::Erc20(Address::from_word(B256::from(U256::from(number))));
            history.add_flow(0, token, Signed { negative: false, magnitude: U256::from(1) }, U256::ZERO);
            history.add_habit(0, Habit::Sender(Address::from_word(B256::from(U256::from(number)))));
            history.add_authority_change(0);
            history.add_suspect(Suspect::Account(Address::from_word(B256::from(U256::from(number)))));
        }
        assert!(history.suspects.len() < 20);
        assert!(history.series.len() < 20 && history.settled.len() < 20 && history.blocks.len() == 4);
        assert_eq!(history.habits.len(), 4);
        assert!(history.authority_changes[&0].len() < 8);
    }
}
