//! The explanation as text. What is long is cut and counted; everything is in `--json`.

use cofferdam_types::{CallKind, CallStatus, HarmAccount};

use super::contain::Containment;
use super::explain::{Balance, Changed, Explained, Frame, Opinion};
use crate::cli::{Failure, print_line};
use crate::printable::{counted, printable, shortened, wrapped};

/// Lines of each part that are shown.
const MOST_LINES: usize = 100;
/// Columns of running text.
const TEXT: usize = 92;

/// Prints the explanation.
///
/// # Errors
/// As [`print_line`].
pub(super) fn show(explained: &Explained) -> Result<(), Failure> {
    subject(explained)?;
    part("calls", &explained.calls, frame)?;
    part("gains and losses", &explained.accounts, balance)?;
    part("changes", &explained.changes, changed)?;
    verdict(explained)?;
    part("harm", &explained.verdict.harm, harm)?;
    containments(&explained.containment)?;
    print_line("notes")?;
    explained.notes.iter().try_for_each(|note| running("  ", note))
}

fn subject(explained: &Explained) -> Result<(), Failure> {
    let (transaction, stands_on, outcome) = (&explained.transaction, &explained.stands_on, &explained.outcome);
    print_line(format_args!("transaction  {}", transaction.hash))?;
    print_line(format_args!("from         {}, nonce {}", transaction.from, transaction.nonce))?;
    match &transaction.to {
        Some(to) => print_line(format_args!("to           {to}{}", labelled(transaction.to_label.as_deref())))?,
        None => print_line("to           nobody: it creates a contract")?,
    }
    let call = if transaction.call.is_empty() { "a plain payment" } else { &transaction.call };
    print_line(format_args!("call         {}, with {}", shortened(call, 300), transaction.value))?;
    let why = outcome.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", shortened(reason, 200)));
    print_line(format_args!("outcome      {}{why}; {} gas", outcome.ended, outcome.gas_used))?;
    let mut lines = wrapped(&stands_on.words, TEXT).into_iter();
    print_line(format_args!("stands on    {}", lines.next().unwrap_or_default()))?;
    lines.try_for_each(|line| print_line(format_args!("             {line}")))?;
    if stands_on.left_out > 0 {
        let count = stands_on.left_out;
        print_line(format_args!(
            "left out     {count} assets, balances, changes or owners not looked at, for their number"
        ))?;
    }
    if stands_on.missing.is_empty() {
        return print_line("missing      nothing");
    }
    print_line(format_args!("missing      {} of state, read as zero:", counted(stands_on.missing.len(), "piece")))?;
    limited(&stands_on.missing, 10, |piece| print_line(format_args!("             {piece}")))
}

fn labelled(label: Option<&str>) -> String {
    label.map_or_else(String::new, |label| format!(" ({label})"))
}

fn part<T>(title: &str, items: &[T], show: impl FnMut(&T) -> Result<(), Failure>) -> Result<(), Failure> {
    if items.is_empty() {
        return print_line(format_args!("{title}\n  none"));
    }
    print_line(title)?;
    limited(items, MOST_LINES, show)
}

fn limited<T>(items: &[T], most: usize, show: impl FnMut(&T) -> Result<(), Failure>) -> Result<(), Failure> {
    items.iter().take(most).try_for_each(show)?;
    match items.len().checked_sub(most) {
        Some(0) | None => Ok(()),
        Some(more) => print_line(format_args!("  and {more} more, see --json")),
    }
}

fn frame(frame: &Frame) -> Result<(), Failure> {
    let indent = usize::from(frame.depth).min(30).saturating_mul(2);
    let kind = match frame.kind {
        CallKind::Call => "call",
        CallKind::StaticCall => "read",
        CallKind::DelegateCall => "delegate",
        CallKind::CallCode => "callcode",
        CallKind::Create | CallKind::Create2 => "create",
        CallKind::SelfDestruct => "destroy",
    };
    let code = frame.code.map_or_else(String::new, |code| format!(" code of {code}"));
    let value = frame.value.as_ref().map_or_else(String::new, |value| format!("  {value}"));
    let ended = match (frame.ended, frame.kept) {
        (CallStatus::Succeeded, true) => "",
        (CallStatus::Succeeded, false) => "  (undone)",
        (CallStatus::Reverted, _) => "  REVERTED",
        (CallStatus::Halted, _) => "  HALTED",
    };
    let call = if frame.call.is_empty() { String::new() } else { format!("  {}", shortened(&frame.call, 200)) };
    let label = labelled(frame.label.as_deref());
    print_line(format_args!("  {:indent$}{kind} {}{label}{code}{call}{value}{ended}", "", frame.callee))
}

fn balance(balance: &Balance) -> Result<(), Failure> {
    print_line(format_args!("  {}{}", balance.account, labelled(balance.label.as_deref())))?;
    limited(&balance.assets, 20, |change| {
        let claim = if change.looked_at { "" } else { "  (the token says so)" };
        print_line(format_args!("      {}{claim}", change.amount))
    })
}

fn changed(changed: &Changed) -> Result<(), Failure> {
    print_line(format_args!("  {}{}", changed.account, labelled(changed.label.as_deref())))?;
    limited(&changed.words, 20, |words| print_line(format_args!("      {words}")))
}

fn verdict(explained: &Explained) -> Result<(), Failure> {
    match explained.verdict.level() {
        None => print_line("verdict      nothing")?,
        Some(level) => print_line(format_args!("verdict      {level}"))?,
    }
    for Opinion { detector, words, level, .. } in &explained.detectors {
        let level = level.map_or_else(|| "-".to_owned(), |level| level.to_string());
        if level == "-" {
            print_line(format_args!("  {detector:<19} {level:<7} {}", printable(words)))?;
        }
        for finding in explained.verdict.findings.iter().filter(|finding| finding.detector == *detector) {
            let mut lines = wrapped(&finding.summary, TEXT.saturating_sub(30)).into_iter();
            let first = lines.next().unwrap_or_default();
            print_line(format_args!("  {detector:<19} {:<7} {first}", finding.level))?;
            lines.try_for_each(|line| print_line(format_args!("{:30}{line}", "")))?;
            for evidence in &finding.evidence {
                let value = shortened(&evidence.value, 160);
                print_line(format_args!("{:30}{}: {value}", "", evidence.what))?;
            }
        }
    }
    Ok(())
}

/// What left a module, what was made good and who has it now; in smallest units, as it stands on the record.
fn harm(account: &HarmAccount) -> Result<(), Failure> {
    for line in &account.lines {
        let unknown = || format!("at most {}: what came in for it cannot be valued", line.left);
        let lost = line.lost().map_or_else(unknown, |lost| lost.to_string());
        let worth = line.worth.map_or_else(String::new, |worth| format!(", worth {worth} of {}", account.numeraire));
        print_line(format_args!("  {}: {} of {} left {}", account.module, line.left, line.asset, line.account))?;
        print_line(format_args!("      lost: {lost}{worth}"))?;
    }
    for (asset, claims) in &account.claims {
        print_line(format_args!("      claims made: {claims} of {asset}"))?;
    }
    limited(&account.gainers, 8, |gainer| {
        let worth = gainer.worth.map_or_else(|| "of unknown worth".to_owned(), |worth| format!("worth {worth}"));
        print_line(format_args!("      {} gained {} of {}, {worth}", gainer.account, gainer.amount, gainer.asset))
    })
}

fn containments(containments: &[Containment]) -> Result<(), Failure> {
    if containments.is_empty() {
        return Ok(());
    }
    print_line("containment")?;
    for one in containments {
        match (&one.lever, &one.call) {
            (Some(lever), Some(call)) => {
                let from = call.from.as_ref().map_or_else(String::new, |from| format!(", {from}"));
                print_line(format_args!("  {}: lever {lever}", one.module))?;
                print_line(format_args!("      calls {} ({}) on {}", call.function, call.calldata, call.target))?;
                print_line(format_args!("      by guardian {}{from}", printable(&call.guardian)))?;
            }
            (Some(lever), None) => print_line(format_args!("  {}: lever {lever}", one.module))?,
            (None, _) => print_line(format_args!("  {}", one.module))?,
        }
        if let Some(tried) = &one.tried {
            running("      tried: ", tried)?;
        }
        match one.stops {
            Some(true) => print_line("      it stops the attack")?,
            Some(false) => print_line("      it does not stop the attack")?,
            None => {}
        }
        let sent = if one.would_be_sent { "it would be sent" } else { "nothing would be sent" };
        running("      ", &format!("{sent}: {}", one.reason))?;
    }
    Ok(())
}

fn running(indent: &str, text: &str) -> Result<(), Failure> {
    let mut indent = indent.to_owned();
    for line in wrapped(text, TEXT) {
        print_line(format_args!("{indent}{line}"))?;
        indent = " ".repeat(indent.chars().count());
    }
    Ok(())
}
