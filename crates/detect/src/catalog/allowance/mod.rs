//! Allowances: a contract of the module spends what third parties allowed it to spend, and they get nothing; or it
//! allows a stranger to spend what is its own.
//!
//! What users entrusted to a module by approval is not in its balance, and still is taken through it. The module's own
//! users act themselves (they send the transaction, or their code calls); a victim does nothing at all. Relayers,
//! reward payers and limit orders look alike, so a sign of abuse is asked for as well.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use alloy_primitives::{Address, B256, FixedBytes, U256, b256};
use cofferdam_types::{
    Asset, Call, CallKind, Effects, EmittedLog, Evidence, Finding, Harm, Level, Movement, Selector, Severity,
};

mod credited;
mod seized;
mod traded;
mod turned;

use crate::{Detector, DetectorInfo, Habit, History, Seen, amounts::is_residue, seen::Said};

/// The detector's id.
pub const ID: &str = "allowance";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// `transferFrom(address,address,uint256)`
const TRANSFER_FROM: Selector = FixedBytes([0x23, 0xb8, 0x72, 0xdd]);

/// `Approval(address,address,uint256)`
const APPROVAL: B256 = b256!("8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925");

/// From here on an allowance is meant to be without bounds: no token has half of 2^256 of anything.
const WITHOUT_BOUNDS: U256 = U256::from_limbs([0, 0, 0, 1 << 62]);

/// Owners that are looked at in one transaction; more is an attempt to make us slow.
const MOST_OWNERS: usize = 128;

/// Frames above a call that are searched for who chose its arguments.
const MOST_FRAMES: usize = 32;

/// Selector, owner and recipient: what a caller would pass through to choose whom to rob.
const CHOICE: usize = 68;

/// Recognises allowances that serve a stranger.
pub struct Allowance;

impl Detector for Allowance {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(said) = spent(seen, history) {
            findings.push(seen.finding(&INFO, b"spent", said));
        }
        if let Some(said) = given(seen, history) {
            findings.push(seen.finding(&INFO, b"given", said));
        }
        if let Some(said) = seized::seized(seen, history) {
            findings.push(seen.finding(&INFO, b"seized", said));
        }
        if let Some(said) = turned::turned(seen) {
            findings.push(seen.finding(&INFO, b"turned", said));
        }
        if let Some(said) = credited::credited(seen) {
            findings.push(seen.finding(&INFO, b"credited", said));
        }
        if let Some(said) = traded::traded(seen) {
            findings.push(seen.finding(&INFO, b"traded", said));
        }
        findings
    }
}

/// The first movement by token, owner and recipient.
type FirstMoves<'a> = HashMap<(Address, Address, Address), &'a Movement>;

fn first_moves_of(effects: &Effects) -> FirstMoves<'_> {
    let mut first = HashMap::new();
    for moved in &effects.movements {
        if let Some(token) = moved.asset.token() {
            first.entry((token, moved.from, moved.to)).or_insert(moved);
        }
    }
    first
}

/// Somebody whose allowance was spent.
struct Victim<'a> {
    moved: &'a Movement,
    /// The caller of the module wrote owner and recipient into his own calldata, in one piece with the selector.
    chosen: bool,
    /// He wrote them as arguments of his own, and what was taken is the sender's now.
    named: bool,
    /// Next to nothing is left of the owner's balance.
    emptied: bool,
    /// It is an item, and the sender's now.
    item: bool,
}

/// Movements out of accounts that did nothing, spent by the module, with nothing given to them.
fn spent(seen: &Seen<'_>, history: &History) -> Option<Said> {
    let effects = seen.effects();
    let spends = |(_, call): &(usize, &Call)| {
        call.selector == Some(TRANSFER_FROM)
            && call.kind == CallKind::Call
            && call.effective
            && seen.member(call.caller)
    };
    let mut victims: Vec<Victim<'_>> = Vec::new();
    let mut looked: HashSet<(Address, Address)> = HashSet::new();
    let mut first_moves: Option<FirstMoves<'_>> = None;
    for (index, call) in effects.calls.iter().enumerate().filter(spends) {
        let Some(owner) = word_address(effects, call, 4) else { continue };
        let Some(recipient) = word_address(effects, call, 36) else { continue };
        let moves = first_moves.get_or_insert_with(|| first_moves_of(effects));
        let moved = moves.get(&(call.callee, owner, recipient)).copied();
        if let Some(moved) = moved
            && !moved.amount.is_zero()
            && looked.len() < MOST_OWNERS
            && looked.insert((owner, call.callee))
            && is_robbed(seen, moved)
        {
            victims.push(Victim {
                moved,
                named: seen.is_actor(recipient) && is_named(seen, index, owner),
                chosen: is_passed_through(seen, index, call),
                emptied: is_emptied(seen, moved),
                item: matches!(moved.asset, Asset::Erc721(..) | Asset::Erc1155(..)) && seen.is_actor(recipient),
            });
        }
    }
    seen.leave_out(usize::from(looked.len() >= MOST_OWNERS));
    let first = victims.first()?.moved;
    let chosen = victims.iter().any(|victim| victim.chosen);
    let emptied = victims.iter().filter(|victim| victim.emptied).count();
    // One who is named may have asked for it; several who did nothing have not.
    let named = victims.iter().filter(|victim| victim.named).count();
    // Items are sold one by one: two whose owners get nothing were not sold.
    let items = victims.iter().filter(|victim| victim.item).count();
    let known = || history.is_familiar(seen.index, Habit::Sender(seen.execution.transaction.from), seen.now());
    let unpaid = items > 1 && !known();
    let level = if chosen || emptied > 0 || named > 1 || unpaid { Level::Alert } else { Level::Notice };
    let harm = victims.iter().map(|victim| Harm {
        asset: victim.moved.asset,
        account: victim.moved.from,
        amount: effects.claimed_net(victim.moved.from, victim.moved.asset).loss(),
        at_risk: false,
    });
    let mut evidence = vec![
        Evidence::new("owners who did nothing", victims.len()),
        Evidence::new("of these left with next to nothing", emptied),
        Evidence::new("first owner", first.from),
        Evidence::new("recipient", first.to),
        Evidence::new("amount", format!("{} of {}", first.amount, first.asset)),
        Evidence::new("sender", seen.execution.transaction.from),
    ];
    if items > 0 {
        evidence.push(Evidence::new("owners whose items the sender has", items));
    }
    if chosen {
        evidence.push(Evidence::new("arbitrary call", "the caller of the module wrote owner and recipient himself"));
    }
    Some(Said {
        level,
        severity: if level == Level::Alert { Severity::High } else { Severity::Low },
        summary: format!(
            "module {} spent the allowance of {} ({} of {}) to {}, and the owner got nothing",
            seen.module.id, first.from, first.amount, first.asset, first.to
        ),
        harm: harm.collect(),
        evidence,
    })
}

/// Whether the owner took no part, received nothing, and the module kept nothing of it for him.
fn is_robbed(seen: &Seen<'_>, moved: &Movement) -> bool {
    is_bystander(seen, moved.from) && !seen.protected(moved.to)
}

/// Whether `owner` took no part and received nothing.
fn is_bystander(seen: &Seen<'_>, owner: Address) -> bool {
    let effects = seen.effects();
    let acts = owner == seen.execution.transaction.from
        || seen.protected(owner)
        || effects.calls.iter().any(|call| call.caller == owner)
        || seen.execution.transaction.authorizations.iter().any(|signed| signed.authority == Some(owner));
    !acts && !effects.movements.iter().any(|movement| movement.to == owner)
}

/// Whether the call's choice of owner and recipient stands, byte for byte, in what an outsider passed to the module.
fn is_passed_through(seen: &Seen<'_>, index: usize, call: &Call) -> bool {
    let effects = seen.effects();
    let Some(choice) = effects.input(call).get(..CHOICE) else { return false };
    frames_above(seen, index).any(|frame| effects.input(frame).windows(CHOICE).any(|window| window == choice))
}

/// The module's own frames above the one at `index`, innermost first, up to where an outsider called.
fn frames_above<'a>(seen: &'a Seen<'_>, index: usize) -> impl Iterator<Item = &'a Call> {
    let calls = &seen.effects().calls;
    let mut at = index;
    std::iter::from_fn(move || {
        let parent = usize::try_from(calls.get(at)?.parent?).ok().filter(|parent| *parent < at)?;
        at = parent;
        calls.get(parent).filter(|frame| seen.member(frame.callee))
    })
    .take(MOST_FRAMES)
}

/// Whether `owner` stands as a word in what an outsider passed to the module.
fn is_named(seen: &Seen<'_>, index: usize, owner: Address) -> bool {
    frames_above(seen, index).any(|frame| {
        let input = seen.effects().input(frame);
        input.get(4..).is_some_and(|words| words.chunks_exact(32).any(|word| word == owner.into_word().as_slice()))
    })
}

/// Whether the owner's balance, as the token's storage shows it, fell to next to nothing by this movement.
fn is_emptied(seen: &Seen<'_>, moved: &Movement) -> bool {
    let fell = seen.effects().writes.iter().filter(|write| {
        Some(write.address) == moved.asset.token() && write.old.checked_sub(write.new) == Some(moved.amount)
    });
    // An allowance that is used up falls by the same amount; a balance is the larger entry.
    let balance = fell.max_by_key(|write| write.old);
    balance.is_some_and(|write| write.new.is_zero() || is_residue(write.new, write.old))
}

/// Allowances that contracts of the module gave: token, owner, spender and amount.
pub(crate) fn approvals<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (Address, Address, Address, U256)> + 'a {
    seen.effects().logs.iter().filter_map(|emitted: &EmittedLog| {
        let log = &emitted.log;
        let [topic, owner, spender] = log.topics() else { return None };
        let (owner, spender) = (Address::from_word(*owner), Address::from_word(*spender));
        if *topic != APPROVAL || !seen.member(owner) {
            return None;
        }
        let amount = U256::try_from_be_slice(log.data.data.as_ref())?;
        (!amount.is_zero()).then_some((log.address, owner, spender, amount))
    })
}

/// Whether an allowance without bounds goes to somebody whom the module never allowed anything, who is not used in the
/// same transaction: it is there for later. Where the sender is known, only if the module never allowed anybody anything.
fn is_for_later(seen: &Seen<'_>, history: &History, spender: Address, amount: U256, known_sender: bool) -> bool {
    let seen_before = |habit| history.has_seen(seen.index, habit);
    let used = || seen.effects().calls.iter().any(|call| call.callee == spender || call.code_address == spender);
    amount >= WITHOUT_BOUNDS
        && !seen.protected(spender)
        && !seen_before(Habit::Spender(spender))
        && !seen_before(Habit::Sender(spender))
        // Where nothing was ever seen, everything is new.
        && history.is_familiar(seen.index, Habit::Observed, seen.now())
        && (!known_sender || !seen_before(Habit::Spender(Address::ZERO)))
        && !used()
}

/// The module allowed an account of the sender, or somebody unknown without bounds, to spend a token of which it holds
/// something.
fn given(seen: &Seen<'_>, history: &History) -> Option<Said> {
    let sender = seen.execution.transaction.from;
    let known = history.is_familiar(seen.index, Habit::Sender(sender), seen.now());
    let effects = seen.effects();
    let (token, owner, spender, amount) = approvals(seen).find(|(_, _, spender, amount)| {
        !known && seen.is_actor(*spender) || is_for_later(seen, history, *spender, *amount, known)
    })?;
    let asset = Asset::Erc20(token);
    // To allow moves nothing, so nobody looked at the balance unless people named the token: what was held before tells.
    let checked = effects.checks.iter().find(|check| check.account == owner && check.asset == asset);
    let held = checked.and_then(|check| check.after.or(check.before));
    let holds = held.map_or_else(|| history.has_seen(seen.index, Habit::Holds(asset)), |held| !held.is_zero());
    if !holds || !seen.deals_in(asset) {
        return None;
    }
    let at_risk = held.map(|held| held.min(amount));
    let harm = at_risk.map(|amount| Harm { asset, account: owner, amount, at_risk: true });
    let who = if seen.is_actor(spender) { "an account of the sender" } else { "whom it never dealt with" };
    Some(Said {
        level: Level::Alert,
        severity: Severity::Critical,
        summary: format!("module {} allowed {spender}, {who}, to spend {amount} of {asset}", seen.module.id),
        harm: harm.into_iter().collect(),
        evidence: vec![
            Evidence::new("token", token),
            Evidence::new("owner", owner),
            Evidence::new("spender", spender),
            Evidence::new("allowed", amount),
            Evidence::new("held", held.map_or_else(|| "unknown".to_owned(), |held| held.to_string())),
            Evidence::new("sender", sender),
        ],
    })
}

fn word_address(effects: &Effects, call: &Call, at: usize) -> Option<Address> {
    let word = effects.input(call).get(at..at.checked_add(32)?)?;
    Some(Address::from_slice(word.get(12..)?))
}

#[cfg(test)]
mod tests;
