//! Whether what a transaction does to a module was declared beforehand, exactly.
//!
//! Declared are calls, not effects: a transaction is covered as long as nothing that it does happens outside of the
//! declared calls. One thing more, and nothing of it is covered.

use alloy_primitives::{Address, keccak256};
use cofferdam_types::{Call, CallKind};

use crate::{
    Seen,
    settings::{DeclaredCall, Maintenance},
};

/// Calldata of a call is kept up to here; what is longer cannot be compared.
const CALLDATA_KEPT: usize = 4_096;

/// The declaration that covers the whole of what `seen` shows.
pub(super) fn covering<'m>(declared: &'m [Maintenance], seen: &Seen<'_>) -> Option<&'m Maintenance> {
    declared.iter().find(|declared| covers(declared, seen))
}

fn covers(declared: &Maintenance, seen: &Seen<'_>) -> bool {
    let transaction = &seen.execution.transaction;
    declared.modules.contains(&seen.module.id)
        && (declared.from.unix_seconds()..declared.until.unix_seconds()).contains(&seen.now())
        && declared.sender.is_none_or(|sender| sender == transaction.from)
        && declared.transaction.is_none_or(|hash| hash == transaction.hash)
        && (declared.calls.is_empty() || stays_within(&declared.calls, seen))
}

/// Whether every call from outside into the module is declared, and nothing else of any effect happens beside the
/// declared calls.
fn stays_within(declared: &[DeclaredCall], seen: &Seen<'_>) -> bool {
    let effects = seen.effects();
    let calls = &effects.calls;
    if calls.is_empty() {
        return false;
    }
    let place = |index: Option<u32>| index.and_then(|index| usize::try_from(index).ok());
    let mut covered = vec![false; calls.len()];
    let mut leads = vec![false; calls.len()];
    for (index, call) in calls.iter().enumerate() {
        let parent = place(call.parent);
        let above = parent.and_then(|parent| covered.get(parent)).copied().unwrap_or_default();
        let is_declared = call.effective && declared.iter().any(|declared| is_call(declared, call, seen));
        let enters = call.effective && seen.member(call.callee) && !seen.member(call.caller);
        if enters && call.kind != CallKind::StaticCall && !is_declared {
            return false;
        }
        if let Some(flag) = covered.get_mut(index) {
            *flag = above || is_declared;
        }
        let mut up = parent.filter(|_| is_declared);
        while let Some(above) = up
            && let Some(flag) = leads.get_mut(above).filter(|flag| !**flag)
        {
            *flag = true;
            up = calls.get(above).and_then(|call| place(call.parent));
        }
    }
    let is_beside = |index: usize| covered.get(index) != Some(&true);
    for (index, call) in calls.iter().enumerate().filter(|(index, call)| is_beside(*index) && call.effective) {
        // What leads to a declared call, as a Safe does, and what only reads.
        let is_harmless = leads.get(index) == Some(&true) || call.kind == CallKind::StaticCall || reads(calls, index);
        if !is_harmless {
            return false;
        }
    }
    // Whatever happens to the module happens in a declared call: its name in an event from beside is something else.
    !effects.logs.iter().any(|emitted| {
        let names = |topic: &alloy_primitives::B256| seen.member(Address::from_word(*topic));
        place(emitted.call).is_none_or(is_beside) && emitted.log.topics().iter().skip(1).any(names)
    })
}

/// Whether the call stands below a static call.
fn reads(calls: &[Call], index: usize) -> bool {
    let mut at = Some(index);
    while let Some(call) = at.and_then(|at| calls.get(at)) {
        if call.kind == CallKind::StaticCall {
            return true;
        }
        at = call.parent.and_then(|parent| usize::try_from(parent).ok());
    }
    false
}

fn is_call(declared: &DeclaredCall, call: &Call, seen: &Seen<'_>) -> bool {
    matches!(call.kind, CallKind::Call)
        && call.callee == declared.target
        && call.selector == Some(declared.selector)
        && declared.calldata_hash.is_none_or(|hash| {
            let transaction = &seen.execution.transaction;
            let input = if call.depth == 0 { transaction.input.as_ref() } else { seen.effects().input(call) };
            (call.depth == 0 || input.len() < CALLDATA_KEPT) && keccak256(input) == hash
        })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use cofferdam_types::{Finding, Level};
    use serde_json::{Value, json};

    use crate::testbed::{Case, account};

    /// The first block's time is 2023-11-14T22:13:32Z.
    fn declared(change: Value) -> Value {
        let mut declared = json!({
            "modules": ["vault"],
            "sender": "@ann",
            "calls": [{ "target": "@vault", "selector": selector("migrate(address)") }],
            "from": "2023-11-14T22:00Z",
            "until": "2023-11-14T23:00Z",
            "owner": "Ann",
            "reason": "the new vault",
        });
        for (key, value) in change.as_object().into_iter().flatten() {
            declared[key] = value.clone();
        }
        declared
    }

    fn selector(function: &str) -> String {
        let hash = alloy_primitives::keccak256(function);
        alloy_primitives::hex::encode_prefixed(hash.get(..4).unwrap_or_default())
    }

    fn moving(to: &str) -> Value {
        json!({ "to": "@vault", "function": "migrate(address)", "arguments": [to], "calls": [
            { "to": "@coin", "function": "transfer(address,uint256)", "logs": [
                { "event": "Transfer(address,address,uint256)", "topics": ["@vault", to], "data": ["900000"] }] },
        ] })
    }

    fn level(declared: Value, from: &str, call: Value) -> Option<Level> {
        let findings: Vec<Finding> = Case::read(json!({
            "modules": [{ "id": "vault", "contracts": ["@vault"], "assets": ["@coin"] }],
            "settings": { "maintenance": [declared] },
            "transactions": [{
                "from": from,
                "call": call,
                "moves": [["@coin", "@vault", "@new", "900000"]],
                "checks": [["@vault", "@coin", "1000000", "100000"]],
            }],
        }))
        .findings()
        .remove(0);
        findings.iter().map(|finding| finding.level).max()
    }

    #[test]
    fn what_was_declared_is_a_notice_that_says_so() {
        assert_eq!(level(declared(json!({})), "@ann", moving("@new")), Some(Level::Notice));
        assert_eq!(level(declared(json!({})), "@mallory", moving("@new")), Some(Level::Alert));
        let late = declared(json!({ "from": "2023-11-15T22:00Z", "until": "2023-11-15T23:00Z" }));
        assert_eq!(level(late, "@ann", moving("@new")), Some(Level::Alert));
        let other = declared(json!({ "calls": [{ "target": "@vault", "selector": selector("pause()") }] }));
        assert_eq!(level(other, "@ann", moving("@new")), Some(Level::Alert));
        let by_hash = declared(json!({ "calls": [], "sender": null, "transaction": B256::with_last_byte(1) }));
        assert_eq!(level(by_hash, "@ann", moving("@new")), Some(Level::Notice));
        let other_hash = declared(json!({ "calls": [], "transaction": B256::with_last_byte(2) }));
        assert_eq!(level(other_hash, "@ann", moving("@new")), Some(Level::Alert));
    }

    #[test]
    fn through_a_safe_it_is_the_same_call() {
        let through = json!({ "to": "@safe", "function": "execTransaction()", "calls": [moving("@new")],
            "logs": [{ "event": "ExecutionSuccess()" }] });
        assert_eq!(level(declared(json!({})), "@ann", through), Some(Level::Notice));
    }

    #[test]
    fn one_thing_more_and_nothing_is_covered() {
        let more =
            |extra: Value| json!({ "to": "@safe", "function": "execTransaction()", "calls": [moving("@new"), extra] });
        let poke = json!({ "to": "@vault", "function": "setOwner(address)", "logs": [{ "event": "Owner()" }] });
        assert_eq!(level(declared(json!({})), "@ann", more(poke)), Some(Level::Alert));
        let beside = json!({ "to": "@coin", "function": "transferFrom(address,address,uint256)", "logs": [
            { "event": "Transfer(address,address,uint256)", "topics": ["@vault", "@ann"], "data": ["9"] }] });
        assert_eq!(level(declared(json!({})), "@ann", more(beside)), Some(Level::Alert));
        let view = json!({ "kind": "StaticCall", "to": "@vault", "function": "totalAssets()" });
        assert_eq!(level(declared(json!({})), "@ann", more(view)), Some(Level::Notice), "what only reads is nothing");
        let mut re_entered = moving("@new");
        re_entered["calls"][0]["calls"] = json!([{ "to": "@vault", "function": "withdraw()" }]);
        assert_eq!(level(declared(json!({})), "@ann", re_entered), Some(Level::Alert), "re-entered from within");
    }

    #[test]
    fn arguments_are_compared_where_their_hash_was_declared() {
        let calldata = |to: &str| {
            let mut input = alloy_primitives::keccak256("migrate(address)").get(..4).unwrap_or_default().to_vec();
            input.extend_from_slice(account(to).into_word().as_slice());
            alloy_primitives::keccak256(input)
        };
        let exactly = |to: &str| {
            declared(json!({ "calls": [{ "target": "@vault", "selector": selector("migrate(address)"),
                "calldata_hash": calldata(to) }] }))
        };
        let through = |to: &str| json!({ "to": "@safe", "function": "execTransaction()", "calls": [moving(to)] });
        assert_eq!(level(exactly("new"), "@ann", through("@new")), Some(Level::Notice));
        assert_eq!(level(exactly("new"), "@ann", through("@elsewhere")), Some(Level::Alert));
    }
}
