//! One log line for each thing that the guard saw or did.

use cofferdam_respond::{PlanAnswer, Progress, Reply};

use cofferdam_types::Window;

use crate::guard::Happening;
use crate::printable::printable;

/// Logs `happening`.
pub(super) fn say(happening: &Happening) {
    match happening {
        Happening::Found { execution, verdict, micros } => {
            for finding in &verdict.findings {
                tracing::info!(
                    level = %finding.level,
                    module = %finding.module,
                    detector = %finding.detector,
                    transaction = %execution.hash(),
                    window = window(execution.window),
                    complete = verdict.standing.missing.is_empty(),
                    micros,
                    "found: {}",
                    printable(&finding.summary)
                );
            }
        }
        Happening::Answered { attack, response, micros } => {
            for answer in &response.answers {
                tracing::info!(%attack, module = %answer.module, micros, "answered: {}", reply(answer));
            }
        }
        Happening::Plan(step) => plan(step),
        Happening::Processed { block, micros } => {
            tracing::debug!(block = block.number.0, hash = %block.hash, micros, "processed");
        }
    }
}

const fn window(window: Window) -> &'static str {
    match window {
        Window::Before => "before",
        Window::Pending => "pending",
        Window::Mined => "mined",
    }
}

fn reply(answer: &PlanAnswer) -> String {
    match &answer.reply {
        Reply::NoLever => "no lever is configured, people must help".to_owned(),
        Reply::Joined { plan } => format!("plan {plan} is on its way already"),
        Reply::Refused { lever, reason, .. } => format!("{lever} refused: {}", printable(&reason.to_string())),
        Reply::Sent { lever, transaction, nonce, price, deliveries, .. } => {
            let taken = deliveries.iter().filter(|delivery| delivery.taken.is_ok()).count();
            format!(
                "{lever} sent: transaction {transaction}, nonce {nonce}, tip {} wei per gas, taken by {taken} of {} endpoints",
                price.priority(),
                deliveries.len()
            )
        }
    }
}

fn plan(step: &Progress) {
    match step {
        Progress::Repriced { plan, transaction, price } => {
            tracing::info!(%plan, %transaction, tip = price.priority(), "plan: a dearer offer is out");
        }
        Progress::AtCap { plan } => {
            tracing::warn!(%plan, "plan: not mined yet, and the limits allow no dearer offer");
        }
        Progress::Resent { plan } => tracing::info!(%plan, "plan: handed out again"),
        Progress::Confirmed { plan, module, transaction, block, read_back } => {
            let block = block.number.0;
            tracing::info!(%plan, %module, %transaction, block, "plan: confirmed, {}", printable(read_back));
        }
        Progress::Failed { plan, reason } => tracing::warn!(%plan, "plan: failed, {}", printable(reason)),
        Progress::Undone { plan } => tracing::info!(%plan, "plan: undone by people"),
        Progress::Tried(answer) => {
            tracing::info!(module = %answer.module, "plan: another attempt, {}", reply(answer));
        }
        Progress::NotReady { lever, reason } => {
            tracing::warn!(%lever, "lever is not ready: {}", printable(reason));
        }
        Progress::Ready { lever } => tracing::info!(%lever, "lever is ready again"),
    }
}
