//! An operation that waits for its time in a timelock or governor, and does harm when it is carried out.
//!
//! What it did on a fork, at its due time, is judged by the same judge as any transaction. Power that changes hands is
//! judged here: that it was announced excuses an upgrade and a new contract as owner, and never an account of the
//! proposer's own. The finding is about the announcement, which is all that is on the chain.

use std::fmt::Write as _;
use std::sync::LazyLock;

use alloy_primitives::{Address, B256, U256, b256};
use cofferdam_types::{Evidence, Finding, FindingId, Harm, Level, Party, QueuedOperation, Rehearsal, Severity};

use crate::{
    DetectorInfo, Habit, History, Seen,
    amounts::reaches,
    catalog::authority_change::{self, Change, Kind},
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "queued-operation";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// `MinDelayChange(uint256,uint256)`: a timelock's delay, before and after.
const DELAY_CHANGED: B256 = b256!("11c24f4ead16507c69ac467fbd5e4eed5fb5c699626d2cc6d66421df253886d5");
/// Calls of an operation that are shown.
const CALLS_SHOWN: usize = 8;
/// Seconds of an hour.
const HOUR_SECONDS: u64 = 3_600;

/// What the folder says of the detector.
pub(crate) fn info() -> &'static DetectorInfo {
    &INFO
}

/// What one execution of `rehearsal` means for the module of `seen`; `findings` are what the judge said of it.
pub(crate) fn by_rehearsal(
    seen: &Seen<'_>,
    history: &History,
    rehearsal: &Rehearsal,
    findings: &[Finding],
) -> Option<Finding> {
    let powers: Vec<Power> = seen.changes().iter().map(|change| power(seen, history, rehearsal, change)).collect();
    let taken = findings
        .iter()
        .filter(|finding| finding.module == seen.module.id && finding.level >= Level::Alert)
        // Power is weighed here, by what was announced.
        .filter(|finding| finding.detector != authority_change::ID || finding.level == Level::Stop)
        .filter(|finding| finding.level == Level::Stop || !finding.harm.is_empty())
        .max_by_key(|finding| (finding.level, !finding.harm.is_empty()));
    let grave = powers.iter().find(|power| power.is_grave);
    let (level, does, harm) = match (taken, grave) {
        (Some(judged), _) => {
            let harm = if judged.harm.is_empty() { seen.harm() } else { judged.harm.clone() };
            (Level::Alert, takes(seen, &harm), harm)
        }
        (None, Some(power)) => (Level::Alert, power.text.clone(), seen.at_risk()),
        (None, None) => (Level::Notice, powers.first()?.text.clone(), Vec::new()),
    };
    // Nothing has left yet.
    let harm = harm.into_iter().map(|harm| Harm { at_risk: true, ..harm }).collect();
    let operation = &rehearsal.operation;
    let mut evidence = about(rehearsal);
    if let Some(judged) = taken {
        let text = format!("{}: {}", judged.detector, judged.summary);
        evidence.push(Evidence::new("what the judge says of it", text));
    }
    evidence.extend(powers.into_iter().map(|power| Evidence::new("power that changes hands", power.text)));
    let said = Said {
        level,
        severity: if level == Level::Alert { Severity::High } else { Severity::Low },
        summary: format!(
            "{} {} {does} of module {} when it is carried out, {} after it was announced: done on a fork",
            operation.kind.words(),
            operation.id.controller,
            seen.module.id,
            waits(operation),
        ),
        harm,
        evidence,
    };
    Some(named(seen.finding(&INFO, b"", said), operation))
}

/// The finding under the operation's name: tried again on another head it is the same, unless it became worse.
fn named(finding: Finding, operation: &QueuedOperation) -> Finding {
    let transaction = operation.transaction;
    let harms = u8::from(finding.level > Level::Notice);
    let subject = [operation.id.controller.as_slice(), operation.id.id.as_slice(), &[harms]].concat();
    Finding { id: FindingId::new(ID, &finding.module, transaction, &subject), transaction, ..finding }
}

/// Power over the module that changes hands.
struct Power {
    text: String,
    /// Whether that it was announced does not excuse it.
    is_grave: bool,
}

fn power(seen: &Seen<'_>, history: &History, rehearsal: &Rehearsal, change: &Change) -> Power {
    let operation = &rehearsal.operation;
    let party = |account: Address| rehearsal.parties.iter().find(|party| party.address == account);
    let has_code = |account: Address| party(account).is_none_or(|party: &Party| party.has_code);
    let known = |account: Address| {
        seen.settings.authority.holders.contains(&account)
            || seen.protected(account)
            || account.is_zero()
            || history.is_familiar(seen.index, Habit::Authority(account), operation.announced)
    };
    let is_young = |account: Address| {
        let few = |party: &Party| !party.has_code && party.nonce < seen.settings.queued.young_transactions;
        party(account).is_some_and(few) && !history.has_seen(seen.index, Habit::Sender(account))
    };
    let grave = match (change.kind, change.gained) {
        (Kind::Less, _) => None,
        (Kind::Destroyed, _) => Some("its code is gone then"),
        (Kind::Replaced, _) => Some("an account delegated to other code"),
        (Kind::Signers, None) => is_cut_short(seen, change).then_some("its delay becomes a fraction of what it was"),
        (_, Some(account)) if known(account) => None,
        (Kind::Code | Kind::SilentCode, Some(code)) => (!has_code(code)).then_some("there is no code"),
        (_, Some(account)) if account == operation.proposer || account == operation.caller => {
            Some("the one who announced it")
        }
        (Kind::Owner | Kind::Variable, Some(owner)) => (!has_code(owner)).then_some("an account of one key"),
        (Kind::Role | Kind::Signers, Some(account)) => is_young(account).then_some("a fresh account"),
        (_, None) => None,
    };
    let to = change.gained.map(|account| format!(" to {account}")).unwrap_or_default();
    let mut text = format!("makes \"{}\"{to}", change.what);
    if let Some(why) = grave {
        // Writing to a string cannot fail.
        let _ = write!(text, " ({why})");
    }
    let _ = write!(text, " in {}", change.contract);
    Power { text, is_grave: grave.is_some() }
}

/// Whether the timelock's own delay falls by more than is excused.
fn is_cut_short(seen: &Seen<'_>, change: &Change) -> bool {
    let mut told = seen.effects().logs.iter().map(|emitted| &emitted.log);
    told.any(|log| {
        let words = || Some((log.data.data.get(..32)?, log.data.data.get(32..64)?));
        log.address == change.contract
            && log.topics().first() == Some(&DELAY_CHANGED)
            && words().is_some_and(|(before, after)| {
                let (before, after) = (U256::from_be_slice(before), U256::from_be_slice(after));
                after < before && reaches(before.saturating_sub(after), before, seen.settings.queued.shorter_by_bps)
            })
    })
}

fn takes(seen: &Seen<'_>, harm: &[Harm]) -> String {
    harm.first().map_or_else(
        || "does harm".to_owned(),
        |harm| {
            let share = seen.flows.iter().find(|flow| flow.asset == harm.asset).and_then(|flow| seen.share_bps(flow));
            let share = share.map(|bps| format!(" ({})", percent(bps))).unwrap_or_default();
            format!("takes {} of {}{share}", harm.amount, harm.asset)
        },
    )
}

/// How long it waits.
fn waits(operation: &QueuedOperation) -> String {
    let seconds = operation.due.saturating_sub(operation.announced);
    if seconds < HOUR_SECONDS { format!("{seconds} s") } else { format!("{} h", seconds / HOUR_SECONDS) }
}

fn about(rehearsal: &Rehearsal) -> Vec<Evidence> {
    let operation = &rehearsal.operation;
    let mut evidence = vec![
        Evidence::new("operation", operation.id.id),
        Evidence::new("waits in", operation.id.controller),
        Evidence::new("can be carried out from, in Unix seconds", operation.due),
        Evidence::new("announced by", operation.proposer),
    ];
    if operation.caller != operation.proposer {
        evidence.push(Evidence::new("through", operation.caller));
    }
    for call in operation.calls.iter().take(CALLS_SHOWN) {
        let selector = call.data.get(..4).map(alloy_primitives::hex::encode_prefixed);
        let function = selector.unwrap_or_else(|| "no function".to_owned());
        evidence.push(Evidence::new("calls", format!("{function} of {} with {} wei", call.target, call.value)));
    }
    if operation.calls.len() > CALLS_SHOWN {
        evidence.push(Evidence::new("calls in all", operation.calls.len()));
    }
    let how = if rehearsal.through_controller {
        "through the controller, as anybody who may would"
    } else {
        "call by call in the controller's name: nobody known may carry it out yet"
    };
    evidence.push(Evidence::new("carried out on a fork", how));
    evidence.push(Evidence::new("on the state of block", rehearsal.head.number));
    if !rehearsal.effort.skipped.is_empty() {
        evidence.push(Evidence::new("not done", rehearsal.effort.skipped.join("; ")));
    }
    evidence
}

#[cfg(test)]
pub(crate) mod draft;
#[cfg(test)]
mod tests;
