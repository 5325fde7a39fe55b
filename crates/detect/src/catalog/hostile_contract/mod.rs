//! A new contract that harms a module when it is tried on a fork, or that is made as if it would.
//!
//! What it did is judged by the same judge as any other transaction; here that verdict becomes one about the contract.
//! What it merely says of itself (names, callbacks, who made it) is never more than an alert: honest searchers look like
//! that, too.

use std::sync::LazyLock;

use cofferdam_types::{Attempt, Evidence, Finding, FindingId, Harm, LabelCategory, Level, Maturity, Newborn, Severity};

use crate::{
    DetectorInfo, Flow, Habit, History, Seen,
    amounts::reaches,
    seen::{Said, percent},
};

/// The detector's id.
pub const ID: &str = "hostile-contract";

/// Bytes of calldata shown; all of it stands in the tried transaction.
const CALLDATA_SHOWN: usize = 132;

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// What the folder says of the detector.
pub(crate) fn info() -> &'static DetectorInfo {
    &INFO
}

/// What one call of `newborn` means for the module of `seen`; `findings` are what the judge said of that call.
pub(crate) fn by_trial(
    seen: &Seen<'_>,
    history: &History,
    newborn: &Newborn,
    attempt: &Attempt,
    findings: &[Finding],
) -> Option<Finding> {
    let about = |finding: &&Finding| finding.module == seen.module.id && finding.level >= Level::Alert;
    let judged = findings.iter().filter(about).max_by_key(|finding| (finding.level, !finding.harm.is_empty()))?;
    let harm: Vec<Harm> = if judged.harm.is_empty() { seen.harm() } else { judged.harm.clone() };
    if harm.is_empty() && judged.level < Level::Stop {
        return None;
    }
    let level = match standing_of(seen, history, newborn) {
        Maker::Holder => Level::Notice,
        Maker::Familiar => Level::Alert,
        Maker::Stranger if judged.level == Level::Stop || takes_much(seen, judged) => Level::Stop,
        Maker::Stranger => Level::Alert,
    };
    let entry = attempt.entry().map_or_else(|| "is paid".to_owned(), |entry| format!("is called with {entry}"));
    let loss = harm.first().map_or_else(
        || format!("harms module {}", seen.module.id),
        |harm| {
            let share = seen.flows.iter().find(|flow| flow.asset == harm.asset).and_then(|flow| seen.share_bps(flow));
            let share = share.map(|bps| format!(" ({})", percent(bps))).unwrap_or_default();
            let verb = if harm.at_risk { "puts at risk" } else { "takes" };
            format!("{verb} {} of {}{share} of module {}", harm.amount, harm.asset, seen.module.id)
        },
    );
    let mut evidence = about_newborn(newborn);
    let input = attempt.calldata();
    let shown = input.get(..CALLDATA_SHOWN).unwrap_or(input);
    let cut = if shown.len() < input.len() { "..." } else { "" };
    evidence.extend([
        Evidence::new("called by", attempt.execution.transaction.from),
        Evidence::new("calldata", format!("0x{}{cut}", alloy_primitives::hex::encode(shown))),
        Evidence::new("sent along", format!("{} wei", attempt.value())),
        Evidence::new("calls before it", attempt.earlier.len()),
        Evidence::new("what the judge says of that call", format!("{}: {}", judged.level, judged.summary)),
    ]);
    evidence.extend(about_effort(newborn));
    let said = Said {
        level,
        severity: if level == Level::Stop { Severity::Critical } else { Severity::High },
        summary: format!(
            "new contract {} {loss} when it {entry}: tried on a fork, nobody has done it yet",
            newborn.address
        ),
        harm,
        evidence,
    };
    Some(named(seen.finding(&INFO, b"", said), newborn, b"trial"))
}

/// What `newborn` says of itself, where nothing was found by trying it. `seen` is its creation.
pub(crate) fn by_signs(seen: &Seen<'_>, history: &History, newborn: &Newborn) -> Option<Finding> {
    let signs = &newborn.signs;
    let named_here: Vec<String> = signs
        .names
        .iter()
        .filter(|(address, _)| seen.member(*address))
        .map(|(address, place)| format!("{address} in its {}", place.words()))
        .collect();
    let functions = signs.calls.iter().filter(|(contract, _)| seen.member(*contract)).count();
    // One function that is called alike may be chance, of a module that is not even named.
    if !signs.can_call || seen.protected(newborn.address) || (named_here.is_empty() && functions < 2) {
        return None;
    }
    let maker = standing_of(seen, history, newborn);
    let young = newborn.creator.nonce < seen.settings.newborn.young_transactions;
    let hostile = |label: Option<&cofferdam_types::Label>| {
        label.is_some_and(|label| matches!(label.category, LabelCategory::Hostile | LabelCategory::Mixer))
    };
    let funded = newborn.creator.funded_by.as_ref().map(|(_, label)| label);
    let tainted = hostile(newborn.creator.label.as_ref()) || hostile(funded);
    let armed = !signs.callbacks.is_empty();
    let level = match maker {
        Maker::Stranger if !named_here.is_empty() && (tainted || (armed && young)) => Level::Alert,
        Maker::Stranger | Maker::Familiar | Maker::Holder => Level::Notice,
    };
    let mut why: Vec<&str> = Vec::new();
    if armed {
        why.push("answers to flash lenders");
    }
    if young {
        why.push("was made by a young account");
    }
    if tainted {
        why.push("stems from a mixer or a known attacker");
    }
    let also = if why.is_empty() { String::new() } else { format!(", {}", why.join(", ")) };
    let what = if named_here.is_empty() { "can call functions of" } else { "names" };
    let mut evidence = about_newborn(newborn);
    evidence.extend(named_here.into_iter().map(|named| Evidence::new("names", named)));
    evidence.push(Evidence::new("functions of the module that it can call", functions));
    evidence.extend(about_effort(newborn));
    let said = Said {
        level,
        severity: if level == Level::Alert { Severity::Medium } else { Severity::Info },
        summary: format!(
            "new contract {} {what} module {}{also}; trying it showed no harm",
            newborn.address, seen.module.id
        ),
        harm: Vec::new(),
        evidence,
    };
    Some(named(seen.finding(&INFO, b"", said), newborn, b"signs"))
}

/// Who made the contract, as the module knows him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    /// Holds authority over the module: its own people.
    Holder,
    /// Has long dealt with the module.
    Familiar,
    /// Anybody else.
    Stranger,
}

fn standing_of(seen: &Seen<'_>, history: &History, newborn: &Newborn) -> Maker {
    let creator = &newborn.creator;
    let holders = &seen.settings.authority.holders;
    if holders.contains(&creator.account) || creator.through.is_some_and(|through| holders.contains(&through)) {
        Maker::Holder
    } else if history.is_familiar(seen.index, Habit::Sender(creator.account), seen.now()) {
        Maker::Familiar
    } else {
        Maker::Stranger
    }
}

/// Whether a detector that may trigger a containment counted a large loss for nothing. That the counterparty has just
/// come into being by a stranger's hand is the anomaly, which the judge cannot see in the call alone.
fn takes_much(seen: &Seen<'_>, judged: &Finding) -> bool {
    let share = seen.settings.newborn.stop_bps;
    let large = |flow: &&Flow| {
        flow.held.is_some_and(|held| reaches(Seen::lost_of_holdings(flow), held, share))
            && seen.deals_in(flow.asset)
            && seen.exchange(flow).is_one_sided()
    };
    judged.maturity == Maturity::Stable
        && judged.harm.iter().any(|harm| !harm.at_risk)
        && seen.losses().any(|flow| large(&flow))
}

/// The finding under its own name: of the contract, not of the call, which is one of many that would do.
fn named(finding: Finding, newborn: &Newborn, subject: &[u8]) -> Finding {
    let transaction = newborn.creation.hash();
    let subject = [newborn.address.as_slice(), subject].concat();
    Finding { id: FindingId::new(ID, &finding.module, transaction, &subject), transaction, ..finding }
}

fn about_newborn(newborn: &Newborn) -> Vec<Evidence> {
    let creator = &newborn.creator;
    let mut evidence = vec![
        Evidence::new("contract", newborn.address),
        Evidence::new("made by", format!("{}, {} transactions before", creator.account, creator.nonce)),
    ];
    evidence.extend(creator.through.map(|through| Evidence::new("made through", through)));
    let label = |label: &cofferdam_types::Label| format!("{} ({})", label.name, label.category.word());
    evidence.extend(creator.label.as_ref().map(|it| Evidence::new("its maker is listed as", label(it))));
    let funded = creator.funded_by.as_ref();
    evidence
        .extend(funded.map(|(from, it)| Evidence::new("its maker was funded by", format!("{from}, {}", label(it)))));
    if !newborn.signs.callbacks.is_empty() {
        evidence.push(Evidence::new("answers to", newborn.signs.callbacks.join(", ")));
    }
    evidence
}

fn about_effort(newborn: &Newborn) -> Vec<Evidence> {
    let effort = &newborn.effort;
    let text = format!(
        "{} of {} entry points in {} calls, {} gas; it ended because {}",
        effort.tried,
        effort.entries,
        effort.calls,
        effort.gas,
        effort.end.words()
    );
    let mut evidence = vec![Evidence::new("tried", text)];
    if !effort.skipped.is_empty() {
        evidence.push(Evidence::new("not looked at", effort.skipped.join("; ")));
    }
    evidence
}

#[cfg(test)]
pub(crate) mod draft;
#[cfg(test)]
mod tests;
