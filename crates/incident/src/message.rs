//! Events in words, and the message that a receiver gets. Pure; the same event always makes the same bytes.
//!
//! Must never contain signed transaction bytes: a message may arrive before the transaction is broadcast.

use alloy_primitives::B256;
use cofferdam_types::{BlockRef, ChainId, Event, IncidentState, OperatorAlert, PlanStep, Window};
use serde_json::{Value, json};

use crate::canonical::{self, CanonicalError};
use crate::group::severity_word;
use crate::lifecycle::{step_word, word};
use crate::link::Record;
use crate::naming;

/// The JSON that is posted: `type` and `timestamp` as Standard Webhooks advises, all else under `data`.
///
/// # Errors
/// [`CanonicalError`] when the event has no canonical text.
pub(crate) fn body(record: &Record, chain: ChainId, hash: B256) -> Result<String, CanonicalError> {
    let mut event = serde_json::to_value(&record.event)?;
    if let Some(step) = event.get_mut("step").and_then(Value::as_object_mut) {
        step.remove("raw");
    }
    canonical::to_text(&json!({
        "type": kind(&record.event),
        "timestamp": naming::timestamp(record.at),
        "data": {
            "chain_id": chain.0,
            "event": event,
            "incident": record.incident,
            "record_hash": hash,
            "sequence": record.sequence,
            "text": sentence(&record.event),
        },
    }))
}

/// What the message is about, hierarchical, as receivers filter on it.
fn kind(event: &Event) -> String {
    match event {
        Event::Started { .. } => "guard.started".into(),
        Event::Found { finding, .. } => format!("finding.{}", finding.level),
        Event::Reported { report } => format!("foreign.{}", report.level),
        Event::Joined { .. } => "incident.joined".into(),
        Event::Gathered { .. } => "incident.parted".into(),
        Event::Rated { severity, .. } => format!("incident.rated.{}", severity_word(*severity)),
        Event::Withdrawn { .. } => "finding.withdrawn".into(),
        Event::Plan { step, .. } => format!("plan.{}", step_word(step)),
        Event::State { from: IncidentState::Closed, .. } => "incident.reopened".into(),
        Event::State { to, .. } => format!("incident.{}", word(*to)),
        Event::Loss { .. } => "loss.counted".into(),
        Event::Operator { .. } => "operator.alert".into(),
        _ => "other".into(),
    }
}

/// The event in one sentence for a person at 3 a.m.
pub(crate) fn sentence(event: &Event) -> String {
    match event {
        Event::Started { version, chain_id, .. } => format!("version {version} guards chain {chain_id}"),
        Event::Found { finding, window, block, .. } => {
            let place = place(*window, block.as_ref());
            format!(
                "{} on {}: {} ({place}, tx {})",
                finding.level, finding.module, finding.summary, finding.transaction
            )
        }
        Event::Reported { report } => format!(
            "{} says {} ({}): {} (foreign, proves nothing here)",
            report.source,
            report.kind,
            severity_word(report.severity),
            report.summary
        ),
        Event::Joined { incident, reason } => format!("{incident} is a part of this incident: {reason}"),
        Event::Gathered { from, findings, reason, .. } => match from {
            Some(from) => format!("{} finding(s) leave {from}: {reason}", findings.len()),
            None => format!("{} earlier finding(s) join: {reason}", findings.len()),
        },
        Event::Rated { severity, rule, reason } => {
            format!("severity {} by rule `{rule}`: {reason}", severity_word(*severity))
        }
        Event::Withdrawn { finding, block, reason } => {
            let place = place(if block.is_some() { Window::Mined } else { Window::Pending }, block.as_ref());
            format!("finding {finding} ({place}) is withdrawn: {reason}")
        }
        Event::Plan { plan, step } => format!("plan {plan}: {}", step_sentence(step)),
        Event::State { from, to, reason } => format!("{} → {}: {reason}", word(*from), word(*to)),
        Event::Loss { module, amounts } => {
            let amounts: Vec<_> = amounts.iter().map(|(asset, amount)| format!("{amount} of {asset}")).collect();
            format!("{module} lost so far: {}", if amounts.is_empty() { "nothing".into() } else { amounts.join(", ") })
        }
        Event::Operator { alert } => alert_sentence(alert),
        _ => "an event that this version does not know".into(),
    }
}

fn place(window: Window, block: Option<&BlockRef>) -> String {
    match (window, block) {
        (Window::Mined, Some(block)) => format!("in block {}", block.number),
        (Window::Mined, None) => "mined".into(),
        (Window::Pending, _) => "pending".into(),
        (Window::Before, Some(block)) => format!("tried beforehand, created in block {}", block.number),
        (Window::Before, None) => "tried beforehand, its creation is pending".into(),
    }
}

fn step_sentence(step: &PlanStep) -> String {
    match step {
        PlanStep::Draft { action, against } => {
            format!("drafted: {} would seal {} at {} against tx {against}", action.lever, action.module, action.target)
        }
        PlanStep::Simulated { head, stops_attack, note, .. } => {
            let verdict = if *stops_attack { "stops the attack" } else { "does not stop the attack" };
            format!("simulated on block {}: {verdict}; {note}", head.number)
        }
        PlanStep::Authorised { reason, .. } => format!("authorised: {reason}"),
        PlanStep::Refused { reason } => format!("refused: {reason}"),
        PlanStep::Sent { transaction, from, nonce, .. } => format!("sent: tx {transaction} by {from}, nonce {nonce}"),
        PlanStep::Confirmed { transaction, block, read_back } => {
            format!("confirmed in block {} (tx {transaction}): {read_back}", block.number)
        }
        PlanStep::Undone { reason } => format!("undone: {reason}"),
        PlanStep::Failed { reason } => format!("failed: {reason}"),
    }
}

fn alert_sentence(alert: &OperatorAlert) -> String {
    match alert {
        OperatorAlert::HeadsDisagree { detail } => format!("endpoints disagree on the head: {detail}"),
        OperatorAlert::ReorgTooDeep { from, kept } => {
            format!("a reorg from block {from} is deeper than the {kept} blocks kept: older findings are unproven")
        }
        OperatorAlert::Endpoint { name, detail } => format!("endpoint {name}: {detail}"),
        OperatorAlert::Diverged { block, detail } => {
            format!("our execution of block {} differs from its receipts: {detail}", block.number)
        }
        OperatorAlert::ReceiptsOnly { from, reason } => format!(
            "missed blocks from {from} on are judged by their receipts alone, as long as no endpoint has their state: \
             what leaves no event there is not seen ({reason})"
        ),
        OperatorAlert::ClockSkew { seconds } => format!("our clock is {seconds} s away from block time"),
        OperatorAlert::Stuck { doing, detail } => format!("the guard does not get on with {doing}: {detail}"),
        OperatorAlert::GoesOn { doing } => format!("the guard gets on again with {doing}"),
        OperatorAlert::LimitsChanged { by } => format!("the limits file was changed: what holds now is named {by}"),
        OperatorAlert::LimitsUnusable { reason } => {
            format!("the limits file was changed and cannot be used, the old limits hold: {reason}")
        }
        OperatorAlert::LeverNotReady { lever, reason } => format!("lever {lever} would not work now: {reason}"),
        OperatorAlert::LeverReady { lever } => format!("lever {lever} would work again"),
        OperatorAlert::StorageFull { detail } => detail.clone(),
        OperatorAlert::Undelivered { receiver, detail } => format!("messages to {receiver} do not arrive: {detail}"),
        _ => "something that this version does not know".into(),
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_types::BlockNumber;

    use super::*;

    #[test]
    fn every_alert_is_told_in_its_own_words() {
        let text = || "because".to_owned();
        let alerts = [
            OperatorAlert::HeadsDisagree { detail: text() },
            OperatorAlert::ReorgTooDeep { from: BlockNumber(1), kept: 2 },
            OperatorAlert::Endpoint { name: text(), detail: text() },
            OperatorAlert::Diverged { block: BlockRef::default(), detail: text() },
            OperatorAlert::ReceiptsOnly { from: BlockNumber(1), reason: text() },
            OperatorAlert::ClockSkew { seconds: 300 },
            OperatorAlert::Stuck { doing: text(), detail: text() },
            OperatorAlert::GoesOn { doing: text() },
            OperatorAlert::LimitsChanged { by: B256::ZERO },
            OperatorAlert::LimitsUnusable { reason: text() },
            OperatorAlert::LeverNotReady { lever: text(), reason: text() },
            OperatorAlert::LeverReady { lever: text() },
            OperatorAlert::StorageFull { detail: text() },
            OperatorAlert::Undelivered { receiver: text(), detail: text() },
        ];
        let mut told: Vec<String> = alerts.iter().map(alert_sentence).collect();
        assert!(told.iter().all(|sentence| !sentence.contains("does not know")), "{told:?}");
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), alerts.len(), "no two sound alike");
    }
}
