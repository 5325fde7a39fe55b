//! A sender whom the module knows, and who pays others out of it, turns to accounts that it never dealt with: many times as
//! much within days as in the weeks before. A stolen key does what its owner may do, only to other people and faster.

use alloy_primitives::Address;
use cofferdam_types::{Asset, Evidence, Level, Severity};

use crate::{
    Habit, History, Seen, Tally,
    amounts::share_bps,
    detection::is_paid_out,
    entries::Entries,
    seen::{PLAIN_SLOTS, Said, percent},
};

/// How far back payments are one run: three days.
const WINDOW_SECONDS: u64 = 259_200;
/// How long before the run payments are the measure: what is left of a month.
const MONTH_SECONDS: u64 = 2_592_000;
/// Payments that make a run.
const LEAST_PAYMENTS: u64 = 4;
/// What they add up to without the largest, in basis points of what was held at each.
const LEAST_BPS: u64 = 1_000;
/// Receivers of one payment beyond which it is a distribution.
const MOST_RECEIVERS: usize = 8;

/// What the sender paid, if this payment makes it a run.
pub(super) fn turned(seen: &Seen<'_>, history: &History) -> Option<Said> {
    let sender = seen.execution.transaction.from;
    let (bps, receiver, asset) = paid_to_strangers(seen, history)?;
    // Without weeks to compare with nobody can say what is much.
    let first = history.seen_since(seen.index, Habit::Sender(sender))?;
    let watched = seen.now().saturating_sub(first).min(MONTH_SECONDS).saturating_sub(WINDOW_SECONDS);
    if watched < WINDOW_SECONDS.saturating_mul(2) {
        return None;
    }
    let (before, largest, earlier) = history.paid_by(seen.index, sender, seen.now(), WINDOW_SECONDS);
    let after = Tally { count: before.count.saturating_add(1), sum: before.sum.saturating_add(bps) };
    let times = seen.settings.velocity.times_average;
    let usual = earlier.sum.saturating_mul(WINDOW_SECONDS).saturating_mul(times);
    // A single large payment is what `asset-outflow` judges.
    let is_run = |tally: Tally, largest: u64| {
        tally.count >= LEAST_PAYMENTS
            && tally.sum.saturating_sub(largest) >= LEAST_BPS
            && tally.sum.saturating_mul(watched) >= usual
    };
    if !is_run(after, largest.max(bps)) || is_run(before, largest) {
        return None;
    }
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{sender} paid others {} of what module {} holds within three days, {} in all the weeks before; this time \
             {receiver}, whom it never dealt with",
            percent(after.sum),
            seen.module.id,
            percent(earlier.sum)
        ),
        harm: seen.harm_in(asset),
        evidence: vec![
            Evidence::new("payments within three days", after.count),
            Evidence::new("what they add up to", percent(after.sum)),
            Evidence::new("what those before added up to", percent(earlier.sum)),
            Evidence::new("seconds that these took", watched),
            Evidence::new("receiver", receiver),
            Evidence::new("sender", sender),
        ],
    })
}

/// The largest share that left to an account that neither acts here nor ever asked the module for anything, is not used to
/// being paid by it and stands in none of its books.
fn paid_to_strangers(seen: &Seen<'_>, history: &History) -> Option<(u64, Address, Asset)> {
    let (now, index) = (seen.now(), seen.index);
    let is_stranger = |account: Address| {
        !account.is_zero()
            && !seen.is_actor(account)
            && !seen.protected(account)
            && !history.has_seen(index, Habit::Sender(account))
            && !history.is_used_to(index, account, now)
    };
    let mut largest: Option<(u64, Address, Asset)> = None;
    for flow in seen.losses().filter(|flow| seen.deals_in(flow.asset)) {
        let Some(bps) = flow.held.and_then(|held| share_bps(Seen::lost_of_holdings(flow), held)) else { continue };
        if bps <= largest.map_or(0, |(most, ..)| most) || !is_paid_out(seen, flow) {
            continue;
        }
        let moved = |moved: &&cofferdam_types::Movement| {
            moved.asset == flow.asset && seen.member(moved.from) && !seen.member(moved.to)
        };
        let mut receivers = seen.effects().movements.iter().filter(moved).map(|moved| moved.to).peekable();
        let first = receivers.peek().copied();
        let token = flow.asset.token();
        let strange =
            |(place, account)| place < MOST_RECEIVERS && is_stranger(account) && !is_in_books(seen, account, token);
        if receivers.enumerate().all(strange) {
            largest = first.map(|receiver| (bps, receiver, flow.asset)).or(largest);
        }
    }
    largest
}

/// Whether an entry of `account` in the module's books, there from before, changed: what is paid is his.
fn is_in_books(seen: &Seen<'_>, account: Address, token: Option<Address>) -> bool {
    let tokens: Vec<Address> = token.into_iter().collect();
    let entries = Entries::of(account, &tokens);
    let mut changed = seen.effects().writes.iter().filter(|write| {
        write.slot >= PLAIN_SLOTS && !write.old.is_zero() && seen.member(write.address) && Some(write.address) != token
    });
    changed.any(|write| entries.hold(write.slot))
}
