//! Authority: who controls the module, and what code it runs, has changed.
//!
//! By those who held it already it is an alert (somebody should know), by those whom people named it is a notice. By a
//! stranger who thereby holds it himself it is a theft that has not been cashed yet: a stop, with what the module holds
//! at risk. Names of functions decide nothing; announced names (events) only tell which kind of change it is.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, U256, b256};
use cofferdam_types::{CallKind, Evidence, Execution, Finding, Harm, Level, Module, ModuleId, Severity, Watchlist};

mod changes;
mod events;

pub use changes::{Change, Kind};

pub(crate) use changes::changes;
use changes::{address_in, low_address};

use crate::{Detector, DetectorInfo, Habit, History, Seen, amounts::reaches, seen::Said, settings::ModuleSettings};

/// The detector's id.
pub const ID: &str = "authority-change";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Changes of authority or code in any one contract, protected or not, whoever made them: for telling people what a
/// transaction did.
pub fn changes_in(execution: &Execution, contract: Address) -> Vec<Change> {
    let Ok(id) = ModuleId::new("contract") else { return Vec::new() };
    let settings = ModuleSettings::defaults(id.clone());
    let module = Module { id, contracts: vec![contract], assets: Vec::new() };
    let watch = Watchlist::new(vec![module.clone()]);
    changes(&Seen::new(execution, &watch, 0, &module, &settings))
}

/// By what right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    /// The settings name the account.
    Named(Address),
    /// The account held the authority, or is part of the protocol, or has used it before.
    Held(Address, &'static str),
    /// Nothing shows a right, nor that the caller gains by it.
    Unknown(Option<Address>),
    /// Nothing shows a right, and an actor of the transaction gains by it.
    None(Address),
}

/// The accounts that called `contract` from outside; for an announced change only the one whose call led to it.
/// A contract that calls itself acts by its own authority and names itself.
pub(crate) fn callers(seen: &Seen<'_>, change: &Change) -> Vec<Address> {
    let calls = &seen.effects().calls;
    let mut at = change.call;
    while let Some((index, call)) = at.and_then(|index| Some((index, calls.get(index)?))) {
        if call.callee == change.contract && call.kind == CallKind::Call {
            return vec![call.caller];
        }
        // Frames are opened after their parents: a tree that says otherwise must not be walked for ever.
        at = call.parent.and_then(|parent| usize::try_from(parent).ok()).filter(|parent| *parent < index);
    }
    let into = calls.iter().filter(|call| {
        call.effective && call.callee == change.contract && matches!(call.kind, CallKind::Call | CallKind::CallCode)
    });
    let mut callers: Vec<Address> = into.map(|call| call.caller).collect();
    if callers.contains(&change.contract) {
        return vec![change.contract];
    }
    callers.dedup();
    callers
}

fn right_of(seen: &Seen<'_>, history: &History, change: &Change) -> Right {
    let sender = seen.execution.transaction.from;
    let callers = callers(seen, change);
    let named = &seen.settings.authority.holders;
    if let Some(holder) = callers.iter().chain([&sender]).find(|account| named.contains(account)) {
        return Right::Named(*holder);
    }
    let familiar = |account| history.is_familiar(seen.index, Habit::Authority(account), seen.now());
    let held = |account: Address| {
        if change.before == Some(account) {
            Some("held it before")
        } else if account == change.contract {
            Some("the contract itself, by its own procedure")
        } else if seen.protected(account) {
            Some("a protected contract")
        } else if familiar(account) {
            Some("has used this authority for long")
        } else if was_offered(seen, change, account) {
            Some("accepts what was offered to it earlier")
        } else {
            None
        }
    };
    let rights: Vec<Option<&str>> = callers.iter().map(|account| held(*account)).collect();
    if let (Some(first), Some(Some(right))) = (callers.first(), rights.first())
        && rights.iter().all(Option::is_some)
    {
        return Right::Held(*first, right);
    }
    if let Some(right) = held(sender) {
        return Right::Held(sender, right);
    }
    let stranger = callers.first().copied();
    match change.gained {
        Some(gained) if seen.is_actor(gained) || callers.contains(&gained) => Right::None(gained),
        Some(_) | None if change.kind == Kind::SilentCode => Right::None(stranger.unwrap_or(sender)),
        Some(_) | None => Right::Unknown(stranger),
    }
}

/// Whether an earlier transaction wrote `account` into the contract as the one who may take over: the entry is
/// cleared now.
fn was_offered(seen: &Seen<'_>, change: &Change, account: Address) -> bool {
    seen.effects().writes.iter().any(|write| {
        write.address == change.contract
            && write.old >= U256::from_limbs([0, 1, 0, 0])
            && low_address(write.old) == account
            && low_address(write.new) != account
    })
}

/// Recognises changes of authority and code.
pub struct AuthorityChange;

impl Detector for AuthorityChange {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, history: &History) -> Vec<Finding> {
        let mut findings = Vec::new();
        for change in seen.changes() {
            if let Some(said) = judge(seen, history, change) {
                findings.push(seen.finding(&INFO, &subject(change), said));
            }
        }
        findings.extend(code_gone(seen, history));
        findings.extend(foreign_code(seen, history));
        findings
    }
}

/// What tells two changes of one transaction apart: never the call tree, which a node may lack.
fn subject(change: &Change) -> Vec<u8> {
    let mut subject = change.contract.to_vec();
    subject.extend_from_slice(change.what.as_bytes());
    subject.extend_from_slice(change.gained.unwrap_or_default().as_slice());
    subject.extend_from_slice(&change.slot.unwrap_or_default().to_be_bytes::<32>());
    subject
}

fn judge(seen: &Seen<'_>, history: &History, change: &Change) -> Option<Said> {
    if change.kind == Kind::Variable && !is_like_ownership(seen, history, change) {
        return None;
    }
    let right = right_of(seen, history, change);
    let (mut harm, looted) = (seen.harm(), is_looted(seen));
    if !looted {
        harm.clear();
    }
    let doubtful = change.slot.is_some_and(|slot| seen.is_slot_in_doubt(change.contract, slot));
    let at_risk = seen.at_risk();
    let level = match (right, change.kind) {
        (Right::Named(_), _) => Level::Notice,
        (Right::Held(..), Kind::Less) => Level::Notice,
        (Right::Held(..), Kind::Variable) => return None,
        // Destruction pays out what is left, so the loss is no second sign.
        (Right::Held(holder, _), Kind::Destroyed) if is_spent_shell(seen, history, change, holder) => Level::Notice,
        (Right::Held(..), Kind::Destroyed) => Level::Alert,
        (Right::Held(..) | Right::Unknown(_) | Right::None(_), _) if looted && !doubtful => Level::Stop,
        // Said beforehand, for as long as makes it no novelty, and done by the protocol's own procedure.
        (Right::Held(..), _) if was_scheduled(seen, history) => Level::Notice,
        // One more, or one for another, by its own procedure; a lower threshold is said by an event of its own.
        (Right::Held(holder, _), Kind::Signers)
            if holder == change.contract && (change.what == "signer added" || is_replaced(seen, change)) =>
        {
            Level::Notice
        }
        (Right::Held(..), Kind::Owner) if is_handed_to_contract(seen, history, change) => Level::Notice,
        (_, Kind::Destroyed) if !at_risk.is_empty() => Level::Stop,
        (Right::None(_), Kind::Owner | Kind::SilentCode) if !at_risk.is_empty() && !doubtful => Level::Stop,
        (Right::None(_), Kind::Variable)
            if !at_risk.is_empty()
                && !doubtful
                && change.before.is_some_and(|before| !before.is_zero())
                && rewrites_setup(seen, change) =>
        {
            Level::Stop
        }
        (Right::Unknown(_), Kind::Less) => Level::Notice,
        (Right::Held(..) | Right::Unknown(_) | Right::None(_), _) => Level::Alert,
    };
    if matches!(right, Right::None(_)) || change.kind == Kind::Destroyed {
        harm.extend(at_risk);
    }
    Some(said(seen, change, right, level, harm, doubtful))
}

/// Whether a signer goes and another one comes in the same transaction.
fn is_replaced(seen: &Seen<'_>, change: &Change) -> bool {
    let of_contract = |what: &str| {
        let same = |other: &&Change| other.contract == change.contract && other.what == what;
        seen.changes().iter().filter(same).count()
    };
    change.what == "signer removed"
        && of_contract("signer added") >= of_contract("signer removed")
        && of_contract("threshold changed") == 0
}

/// Whether a contract that held nothing, and that nothing runs, was destroyed by another protected contract: how its maker
/// clears away what served for a moment.
fn is_spent_shell(seen: &Seen<'_>, history: &History, change: &Change, holder: Address) -> bool {
    holder != change.contract
        && seen.protected(holder)
        && seen.losses().next().is_none()
        && seen.at_risk().is_empty()
        && history.runners_of(change.contract).is_empty()
}

/// Whether the account that held the power long gives it to a contract that was there before: a timelock, a council. No
/// person has it then; a fresh account is another matter.
fn is_handed_to_contract(seen: &Seen<'_>, history: &History, change: &Change) -> bool {
    let (Some(before), Some(gained)) = (change.before, change.gained) else { return false };
    seen.effects().contracts.contains(&gained)
        && seen.execution.transaction.from == before
        && history.is_familiar(seen.index, Habit::Sender(before), seen.now())
}

/// `CallExecuted(bytes32,uint256,address,uint256,bytes)`: OpenZeppelin's timelock.
const EXECUTED: B256 = b256!("c2617efa69bab66782fa219543714338489c4e9e178271560a91b82c3f612b58");
/// `ExecuteTransaction(bytes32,address,uint256,string,bytes,uint256)`: Compound's.
const EXECUTED_TRANSACTION: B256 = b256!("a560e3198060a2f10670c1ec5b403077ea6ae93ca8de1c32b451dc1a943cd6e7");

/// Whether a timelock of the module executes what it announced long enough ago to be no novelty.
fn was_scheduled(seen: &Seen<'_>, history: &History) -> bool {
    seen.effects().logs.iter().filter(|emitted| seen.member(emitted.log.address)).any(|emitted| {
        matches!(emitted.log.topics(), [EXECUTED | EXECUTED_TRANSACTION, id, ..]
            if history.is_familiar(seen.index, Habit::Scheduled(*id), seen.now()))
    })
}

/// Whether a plain variable that names an actor may well be ownership: nothing was paid for it, it does not change
/// hands all the time, and there is something to be stolen or somebody was replaced.
fn is_like_ownership(seen: &Seen<'_>, history: &History, change: &Change) -> bool {
    let habit = Habit::ActorSlot(change.contract, change.slot.unwrap_or_default());
    let paid = seen.flows.iter().any(|flow| !flow.net.gain().is_zero());
    let replaced = change.before.is_some_and(|before| !before.is_zero());
    !paid && !history.is_familiar(seen.index, habit, seen.now()) && (replaced || !seen.at_risk().is_empty())
}

/// Whether other plain variables of the contract were written along with this one, as a set-up does.
fn rewrites_setup(seen: &Seen<'_>, change: &Change) -> bool {
    seen.effects().writes.iter().any(|write| {
        write.address == change.contract
            && Some(write.slot) != change.slot
            && write.slot < U256::from_limbs([0, 1, 0, 0])
    })
}

/// Whether the same transaction also took a large share of something for nothing.
fn is_looted(seen: &Seen<'_>) -> bool {
    seen.losses().any(|flow| {
        let share = seen.settings.outflow.one_sided_stop_bps;
        seen.deals_in(flow.asset)
            && flow.held.is_some_and(|held| reaches(Seen::lost_of_holdings(flow), held, share))
            && seen.exchange(flow).is_one_sided()
    })
}

fn said(seen: &Seen<'_>, change: &Change, right: Right, level: Level, harm: Vec<Harm>, doubtful: bool) -> Said {
    let who = |account: Option<Address>| account.map_or_else(|| "unknown".to_owned(), |account| account.to_string());
    let by = match right {
        Right::Named(account) => format!("{account}, named in the settings as a holder of authority"),
        Right::Held(account, why) => format!("{account}: {why}"),
        Right::Unknown(account) => format!("{}, not known to hold authority", who(account)),
        Right::None(account) => format!("{account}, who held no authority and gains it"),
    };
    let mut evidence = vec![
        Evidence::new("change", change.what),
        Evidence::new("contract", change.contract),
        Evidence::new("by", &by),
        Evidence::new("sender", seen.execution.transaction.from),
    ];
    if change.before.is_some() || change.gained.is_some() {
        evidence.push(Evidence::new("before", who(change.before)));
        evidence.push(Evidence::new("now", who(change.gained)));
    }
    if let Some(slot) = change.slot {
        evidence.push(Evidence::new("storage slot", format!("{slot:#x}")));
    }
    if doubtful {
        evidence.push(Evidence::new("doubt", "the slot's value before was missing and read as zero: no stop on it"));
    }
    let severity = match level {
        Level::Stop => Severity::Critical,
        Level::Alert => Severity::High,
        Level::Notice => Severity::Low,
    };
    let summary = format!("{} in {} of module {} by {by}", change.what, change.contract, seen.module.id);
    Said { level, severity, summary, harm, evidence }
}

/// A contract of the module ran, on its own state, code that the sender brought along: whoever can make it do that owns it.
fn foreign_code(seen: &Seen<'_>, history: &History) -> Option<Finding> {
    let effects = seen.effects();
    let sender = seen.execution.transaction.from;
    let brought = effects.calls.iter().find(|call| {
        matches!(call.kind, CallKind::DelegateCall | CallKind::CallCode)
            && call.effective
            && seen.member(call.callee)
            && call.code_address != call.callee
            && seen.actors().contains(&call.code_address)
    })?;
    if changes::is_new(seen, brought.callee) || history.is_familiar(seen.index, Habit::Sender(sender), seen.now()) {
        return None;
    }
    let mut harm = seen.harm();
    harm.extend(seen.at_risk());
    let said = Said {
        level: Level::Alert,
        severity: Severity::Critical,
        summary: format!(
            "{} of module {} ran code that the sender brought along ({})",
            brought.callee, seen.module.id, brought.code_address
        ),
        harm,
        evidence: vec![
            Evidence::new("contract", brought.callee),
            Evidence::new("code", brought.code_address),
            Evidence::new("sender", sender),
        ],
    };
    Some(seen.finding(&INFO, &[brought.callee.as_slice(), b"code"].concat(), said))
}

/// The code that a contract of the module was seen to run by delegate calls is gone: everything behind it is frozen.
fn code_gone(seen: &Seen<'_>, history: &History) -> Vec<Finding> {
    let gone = seen.effects().code_changes.iter().filter(|change| {
        change.new == alloy_primitives::KECCAK256_EMPTY
            && !seen.member(change.address)
            && history.runners_of(change.address).contains(&seen.index)
    });
    gone.map(|change| {
        let said = Said {
            level: Level::Alert,
            severity: Severity::Critical,
            summary: format!("code {} that module {} runs was destroyed", change.address, seen.module.id),
            harm: seen.at_risk(),
            evidence: vec![
                Evidence::new("code", change.address),
                Evidence::new("code hash before", change.old),
                Evidence::new("sender", seen.execution.transaction.from),
            ],
        };
        seen.finding(&INFO, change.address.as_slice(), said)
    })
    .collect()
}

#[cfg(test)]
mod tests;
