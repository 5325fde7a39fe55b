//! A drill as one page that needs nothing else: no script, no request, light and dark, on paper and on a phone.
//!
//! Everything shown is prepared here as text; the template only places it. Text from contracts is made printable
//! first and escaped by the template; only the two pictures are inserted as they are, because [`super::charts`] made
//! them.

use askama::Template;

use super::charts::{self, ChartError, Size};
use super::report::{DrillReport, EventKind, IncidentSummary, Lane, LossPoint, Outcome, Run};
use super::screen::{kept, millis, sealed_after, seconds, stakes};
use crate::printable::{printable, without_long_hashes};

/// The page could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// A picture.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The template.
    #[error("the report page cannot be written: {0}")]
    Template(#[from] askama::Error),
}

/// The whole page.
///
/// # Errors
/// [`PageError`]: none that depends on what contracts say.
pub fn page(report: &DrillReport) -> Result<String, PageError> {
    let totals = report.totals();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for run in &report.runs {
        let name = clean(&run.scenario);
        if scenarios.last().is_none_or(|last| last.name != name) {
            let anchor = format!("s{}", scenarios.len().saturating_add(1));
            scenarios.push(Scenario {
                name,
                anchor,
                title: clean(&run.title),
                story: Words::of(&run.story),
                runs: vec![],
            });
        }
        if let Some(scenario) = scenarios.last_mut() {
            let open = scenario.runs.is_empty();
            scenario.runs.push(RunView::new(run, open)?);
        }
    }
    let page = Page {
        version: clean(&report.version),
        seed: report.seed,
        headline: headline(report),
        tiles: vec![
            Tile::new(format!("{} of {}", totals.stopped, report.runs.len()), "runs without any loss"),
            Tile::new(median_kept(report), "of what was at stake kept, median of runs"),
            Tile::new(
                totals.seen_to_sent_median_micros.map(millis).unwrap_or_else(|| "-".to_owned()),
                "from attack seen to containment sent, median, wall clock",
            ),
            Tile::new(
                format!("{} of {}", totals.open_ok, totals.open_ok.saturating_add(totals.open_hurt)),
                "honest transactions to modules that stayed open went through",
            ),
        ],
        scenarios,
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "drill.html")]
struct Page {
    version: String,
    seed: u64,
    headline: String,
    tiles: Vec<Tile>,
    scenarios: Vec<Scenario>,
}

/// Text with parts in backticks set as code.
#[derive(Template)]
#[template(
    ext = "html",
    source = "{% for (code, text) in parts %}{% if code %}<code>{{ text }}</code>{% else %}{{ text }}{% endif %}{% endfor %}"
)]
struct Words {
    parts: Vec<(bool, String)>,
}

impl Words {
    fn of(text: &str) -> Self {
        let text = clean(text);
        // An odd number of backticks marks nothing.
        if text.matches('`').count() % 2 == 1 {
            return Self { parts: vec![(false, text)] };
        }
        Self {
            parts: text
                .split('`')
                .zip([false, true].into_iter().cycle())
                .map(|(part, code)| (code, part.to_owned()))
                .collect(),
        }
    }
}

struct Tile {
    value: String,
    words: &'static str,
}

impl Tile {
    const fn new(value: String, words: &'static str) -> Self {
        Self { value, words }
    }
}

struct Scenario {
    name: String,
    anchor: String,
    title: String,
    story: Words,
    runs: Vec<RunView>,
}

impl Scenario {
    /// The run of a lane, for the table of outcomes.
    fn cell(&self, lane: &str) -> Option<&RunView> {
        self.runs.iter().find(|run| run.lane == lane)
    }
}

/// One incident of a run: what was joined to it.
struct IncidentView {
    name: String,
    severity: Words,
    stages: Vec<(String, String)>,
    party: u64,
}

impl IncidentView {
    fn of(incident: &IncidentSummary) -> Self {
        let stage = |(stage, findings, detectors): &(String, u64, Vec<String>)| {
            (clean(stage), clean(&format!("{findings} by {}", detectors.join(", "))))
        };
        Self {
            name: clean(&incident.name),
            severity: Words::of(&incident.severity),
            stages: incident.stages.iter().map(stage).collect(),
            party: incident.party,
        }
    }
}

struct RunView {
    lane: &'static str,
    lane_words: &'static str,
    outcome: &'static str,
    statement: String,
    stakes: String,
    kept: String,
    sealed: String,
    open: bool,
    steps: Vec<Step>,
    timeline: Option<Picture>,
    losses: Vec<Picture>,
    modules: Vec<ModuleRow>,
    verdict: Option<VerdictView>,
    plan: Vec<(&'static str, Words)>,
    incidents: Vec<IncidentView>,
    record_head: String,
    record_verified: bool,
    record: Vec<RecordRow>,
}

/// One station between seen and mined.
struct Step {
    name: &'static str,
    after: String,
    detail: String,
    reached: bool,
}

struct Picture {
    caption: String,
    wide: String,
    narrow: String,
}

struct ModuleRow {
    module: String,
    state: &'static str,
    loss: String,
    ok: u64,
    failed: u64,
    failed_without: u64,
}

struct VerdictView {
    level: String,
    window: &'static str,
    detector: String,
    summary: Words,
    head: u64,
    complete: bool,
    evidence: Vec<(String, String)>,
}

struct RecordRow {
    seq: u64,
    at: String,
    kind: String,
    text: Words,
    hash: String,
}

impl RunView {
    fn new(run: &Run, open: bool) -> Result<Self, PageError> {
        let sealed = run.first(EventKind::Mined).map(|event| event.block);
        let mut losses = Vec::new();
        // A module that lost nothing either way has a row in the table; an empty picture would say no more.
        let at_stake = |point: &LossPoint| !point.without.is_zero() || !point.with.is_zero();
        for curve in run.curves.iter().filter(|curve| curve.points.iter().any(at_stake)) {
            losses.push(Picture {
                caption: format!("Lost by {}, block by block", curve.module),
                wide: charts::losses(curve, sealed, Size::Wide)?,
                narrow: charts::losses(curve, sealed, Size::Narrow)?,
            });
        }
        let timeline = if run.timeline.is_empty() {
            None
        } else {
            Some(Picture {
                caption: charts::window(run, Size::Wide)
                    .map(|(first, last)| format!("Who did what, blocks {first} to {last}"))
                    .unwrap_or_default(),
                wide: charts::timeline(run, Size::Wide)?,
                narrow: charts::timeline(run, Size::Narrow)?,
            })
        };
        Ok(Self {
            lane: run.lane.word(),
            lane_words: lane_words(run.lane),
            outcome: run.outcome().word(),
            statement: clean(&run.statement()),
            stakes: stakes(run, false),
            kept: kept(run),
            sealed: if sealed.is_some() {
                format!("sealed after {}", sealed_after(run))
            } else {
                "not sealed".to_owned()
            },
            open,
            steps: steps(run),
            timeline,
            losses,
            modules: modules(run),
            verdict: run.verdict.as_ref().map(|verdict| VerdictView {
                level: verdict.level.to_string(),
                window: verdict.window.word(),
                detector: clean(&verdict.detector),
                summary: Words::of(&verdict.summary),
                head: verdict.head,
                complete: verdict.complete,
                evidence: verdict.evidence.iter().map(|(what, value)| (clean(what), clean(value))).collect(),
            }),
            plan: plan_rows(run).into_iter().map(|(what, value)| (what, Words::of(&value))).collect(),
            incidents: run.record.incidents.iter().map(IncidentView::of).collect(),
            record_head: run.record.head.to_string(),
            record_verified: run.record.verified,
            record: run
                .record
                .lines
                .iter()
                .map(|line| RecordRow {
                    seq: line.seq,
                    at: seconds(line.virtual_ms),
                    kind: clean(&line.kind),
                    text: Words::of(&without_long_hashes(&line.text)),
                    hash: crate::printable::abbreviated(&line.hash.to_string()),
                })
                .collect(),
        })
    }
}

fn steps(run: &Run) -> Vec<Step> {
    let times = run.containment();
    let wall = |micros: Option<u64>| micros.map(|micros| format!("+{}", millis(micros))).unwrap_or_default();
    let mined = match (times.seen_to_mined_blocks, times.seen_to_mined_virtual_ms) {
        (Some(_), Some(virtual_ms)) => format!("{}, {} of chain time", sealed_after(run), seconds(virtual_ms)),
        _ => String::new(),
    };
    [
        (EventKind::AttackSeen, "attack seen", String::new()),
        (EventKind::Verdict, "verdict", wall(times.seen_to_verdict_micros)),
        (EventKind::Planned, "plan", wall(times.verdict_to_plan_micros)),
        (EventKind::Sent, "sent", wall(times.plan_to_sent_micros)),
        (EventKind::Mined, "mined", mined),
    ]
    .into_iter()
    .map(|(kind, name, after)| {
        let event = run.first(kind);
        let block = event.map(|event| match kind {
            EventKind::Mined => format!("block {}", event.block),
            EventKind::AttackSeen
            | EventKind::Verdict
            | EventKind::Planned
            | EventKind::Sent
            | EventKind::AttackMined
            | EventKind::AttackFailed
            | EventKind::Loss
            | EventKind::HonestOk
            | EventKind::HonestFailed
            | EventKind::Note => format!("on head {}", event.block),
        });
        Step { name, after, detail: block.unwrap_or_else(|| "did not happen".to_owned()), reached: event.is_some() }
    })
    .collect()
}

fn modules(run: &Run) -> Vec<ModuleRow> {
    run.modules
        .iter()
        .map(|state| {
            let honest = run.honest.iter().find(|honest| honest.module == state.module);
            let losses: Vec<String> = run
                .losses
                .iter()
                .filter(|loss| loss.module == state.module)
                .map(|loss| format!("{} / {}", loss.asset.number(loss.with), loss.asset.amount(loss.without)))
                .collect();
            ModuleRow {
                module: state.module.to_string(),
                state: match (state.sealed, state.attacked) {
                    (true, true) => "attacked, sealed",
                    (true, false) => "sealed without being attacked",
                    (false, true) => "attacked, open",
                    (false, false) => "open",
                },
                loss: if losses.is_empty() { "-".to_owned() } else { losses.join(", ") },
                ok: honest.map_or(0, |honest| honest.ok),
                failed: honest.map_or(0, |honest| honest.failed),
                failed_without: honest.map_or(0, |honest| honest.failed_without),
            }
        })
        .collect()
}

/// Not made printable yet.
fn plan_rows(run: &Run) -> Vec<(&'static str, String)> {
    let Some(plan) = &run.plan else { return Vec::new() };
    let gwei = super::amount::AssetLabel::new("gwei", 9);
    let mut rows = vec![
        ("lever", format!("{} of module {}", plan.lever, plan.module)),
        ("call", format!("{} on {}", plan.call, plan.target)),
        ("step reached", plan.step.clone()),
        ("trial on a fork", plan.trial.clone()),
        ("allowed by", plan.authority.clone()),
    ];
    if let Some(guardian) = plan.guardian {
        rows.push(("signed by", guardian.to_string()));
    }
    if let (Some(max), Some(tip)) = (plan.max_fee_per_gas, plan.max_priority_fee_per_gas) {
        rows.push(("price per gas", format!("at most {}, tip {}", gwei.amount(max), gwei.amount(tip))));
    }
    if let Some(transaction) = plan.transaction {
        let place = plan.mined_in.map(|block| format!(" in block {block}")).unwrap_or_default();
        rows.push(("transaction", format!("{transaction}{place}")));
    }
    if let Some(read_back) = &plan.read_back {
        rows.push(("read back", read_back.clone()));
    }
    rows
}

fn headline(report: &DrillReport) -> String {
    let totals = report.totals();
    let mut parts = Vec::new();
    for (count, word) in [
        (totals.stopped, Outcome::Stopped),
        (totals.bounded, Outcome::Bounded),
        (totals.lost, Outcome::Lost),
        (totals.idle, Outcome::Idle),
    ] {
        if count > 0 {
            parts.push(format!("{count} {}", word.word()));
        }
    }
    let noun = if report.runs.len() == 1 { "attack" } else { "attacks" };
    format!(
        "{} {noun}: {}.",
        report.runs.len(),
        if parts.is_empty() { "none ran".to_owned() } else { parts.join(", ") }
    )
}

fn median_kept(report: &DrillReport) -> String {
    let shares = report.runs.iter().filter_map(|run| run.losses.first().and_then(super::report::Loss::kept_share));
    let mut shares: Vec<_> = shares.collect();
    shares.sort_unstable();
    shares.get(shares.len() / 2).copied().map_or_else(|| "-".to_owned(), super::amount::percent)
}

const fn lane_words(lane: Lane) -> &'static str {
    match lane {
        Lane::Mempool => "one transaction in the public mempool",
        Lane::Split => "several transactions over several blocks",
        Lane::Private => "one private transaction, never in the mempool",
    }
}

fn clean(text: &str) -> String {
    printable(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::fixture;

    #[test]
    fn the_page_asks_nobody_for_anything_and_runs_no_script() {
        let page = page(&fixture::report()).unwrap();
        for forbidden in ["<script", "http://", "https://", "@import", "url(", "<link", "onload"] {
            let found = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(forbidden), "the page contains {forbidden}");
        }
    }

    #[test]
    fn every_run_its_evidence_its_plan_and_its_record_are_on_the_page() {
        let report = fixture::report();
        let page = page(&report).unwrap();
        for run in &report.runs {
            assert!(page.contains(&run.title));
            assert!(page.contains(&run.record.head.to_string()));
        }
        assert!(page.contains("15 attacks: 5 stopped, 5 bounded, 5 lost."));
        assert!(page.contains("EnforcedPause()") && page.contains("only what is installed on chain beforehand helps"));
    }

    #[test]
    fn hostile_text_is_shown_and_never_becomes_part_of_the_page() {
        let mut report = fixture::report();
        let evil = "<script>alert(1)</script>\u{202e}\"'><img src=x>";
        for run in &mut report.runs {
            run.title = evil.to_owned();
            run.scenario = evil.to_owned();
            run.story = evil.to_owned();
            for event in &mut run.timeline {
                event.text = evil.to_owned();
            }
            for asset in run.losses.iter_mut().map(|loss| &mut loss.asset) {
                asset.symbol = evil.to_owned();
            }
            for asset in run.curves.iter_mut().map(|curve| &mut curve.asset) {
                asset.symbol = evil.to_owned();
            }
            let verdict = run.verdict.as_mut().unwrap();
            verdict.summary = evil.to_owned();
            verdict.detector = evil.to_owned();
            verdict.evidence = vec![(evil.to_owned(), evil.to_owned())];
            let plan = run.plan.as_mut().unwrap();
            (plan.lever, plan.call, plan.trial) = (evil.to_owned(), evil.to_owned(), evil.to_owned());
            run.record.lines[0].text = evil.to_owned();
            run.record.incidents = vec![IncidentSummary {
                name: evil.to_owned(),
                severity: evil.to_owned(),
                stages: vec![(evil.to_owned(), 1, vec![evil.to_owned()])],
                party: 2,
            }];
        }
        let page = page(&report).unwrap();
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'));
        assert!(page.contains("&#60;script&#62;") && page.contains("&#60;U+202E&#62;"));
    }

    #[test]
    fn backticks_become_code_only_in_pairs() {
        assert_eq!(Words::of("a `b` c").to_string(), "a <code>b</code> c");
        assert_eq!(Words::of("a `<b>` c `").to_string(), "a `&#60;b&#62;` c `");
    }

    #[test]
    fn an_empty_drill_still_makes_a_page() {
        let report = DrillReport { version: "0.1.0".to_owned(), seed: 1, runs: Vec::new() };
        assert!(page(&report).unwrap().contains("0 attacks: none ran."));
    }
}
