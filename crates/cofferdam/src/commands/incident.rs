//! `incident`: reads the record, writes bundles, checks both offline, and takes a person's word that it is over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use cofferdam_incident::{ChangeError, Store, Summary, Timeline, Verified, forta_findings, verify};
use cofferdam_types::primitives::B256;
use cofferdam_types::{IncidentId, IncidentState, ModuleId};
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::cli::{Answer, Failure, print_json, print_line};
use crate::printable::{printable, shortened, utc, without_long_hashes, wrapped};
use crate::telemetry::SystemClock;

/// Arguments of `incident`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All incidents, newest first.
    List {
        /// The record.
        database: PathBuf,
    },
    /// One incident with all that happened.
    Show {
        /// The record.
        database: PathBuf,
        /// Its name, as `list` shows it.
        incident: String,
    },
    /// Closes an incident: a person says that nothing is left to do. Also while `watch` runs, which tells it to people.
    Close {
        /// The record.
        database: PathBuf,
        /// Its name, as `list` shows it.
        incident: String,
        /// Why, and who says so: it stands on the record for ever.
        #[arg(long)]
        reason: String,
    },
    /// Writes JSON lines to standard output: a bundle that `verify` can check anywhere, or findings for other tools.
    Export {
        /// The record.
        database: PathBuf,
        /// Its name; all incidents when absent.
        incident: Option<String>,
        /// What is written: a bundle that `verify` checks, or findings in Forta's shape, one a line.
        #[arg(long, value_enum, default_value_t)]
        format: ExportFormat,
    },
    /// Checks a record or a bundle without any network: finds any changed, missing or moved byte.
    Verify {
        /// A record or a bundle.
        path: PathBuf,
        /// Hash of an event that was noted elsewhere (every message carries one): it must be in the record.
        #[arg(long)]
        noted: Option<B256>,
    },
}

/// What `export` writes.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum ExportFormat {
    /// The events with their chain of hashes.
    #[default]
    Bundle,
    /// Standing findings in Forta's shape.
    Forta,
}

/// A record that holds, as JSON: the same first word as one that does not.
#[derive(Serialize)]
struct Holds {
    holds: bool,
    #[serde(flatten)]
    verified: Verified,
}

/// Columns of the text of an event.
const TEXT: usize = 72;

/// Accounts, and joined findings, that are listed; all of them stand in the JSON.
const MOST_SHOWN: usize = 12;

/// Runs the command. `verify` answers "no" when the record does not hold, `close` when the incident is closed already.
///
/// # Errors
/// [`Failure::Input`] when there is no such record or incident.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::List { database } => {
            let incidents = open(database)?.incidents().map_err(Failure::outside)?;
            if json {
                print_json(&incidents)?
            } else {
                print_list(&incidents)?
            }
            Ok(Answer::Yes)
        }
        Command::Show { database, incident } => {
            let timeline = open(database)?.incident(&IncidentId(incident.clone())).map_err(Failure::outside)?;
            let timeline = timeline.ok_or_else(|| unknown(incident))?;
            if json {
                print_json(&timeline)?
            } else {
                print_timeline(&timeline)?
            }
            Ok(Answer::Yes)
        }
        Command::Close { database, incident, reason } => close(database, incident, reason, json),
        Command::Export { database, incident, format: ExportFormat::Forta } => {
            export_forta(database, incident.as_deref())
        }
        Command::Export { database, incident, format: ExportFormat::Bundle } => {
            let (store, incident) = (open(database)?, incident.clone().map(IncidentId));
            if let Some(incident) = &incident
                && store.incident(incident).map_err(Failure::outside)?.is_none()
            {
                return Err(unknown(&incident.0));
            }
            let lines = store.export(incident.as_ref()).map_err(Failure::outside)?;
            lines.iter().try_for_each(print_line)?;
            Ok(Answer::Yes)
        }
        Command::Verify { path, noted } => match verify(path, *noted) {
            Ok(verified) if json => print_json(&Holds { holds: true, verified }).map(|()| Answer::Yes),
            Ok(verified) => {
                let (included, events) = (verified.included, verified.events);
                let head = verified.head;
                print_line(format_args!("the record holds: {included} of {events} events checked, head {head}"))?;
                Ok(Answer::Yes)
            }
            Err(error) if error.is_unread() => Err(Failure::input(error)),
            Err(error) if json => {
                print_json(&serde_json::json!({ "holds": false, "reason": error.to_string() }))?;
                Ok(Answer::No)
            }
            Err(error) => {
                print_line(format_args!("the record does not hold: {}", printable(&error.to_string())))?;
                Ok(Answer::No)
            }
        },
    }
}

fn export_forta(database: &Path, incident: Option<&str>) -> Result<Answer, Failure> {
    let store = open(database)?;
    let chain = store.chain().map_err(Failure::outside)?;
    let ids = match incident {
        Some(incident) => vec![IncidentId(incident.to_owned())],
        None => store.incidents().map_err(Failure::outside)?.into_iter().rev().map(|summary| summary.id).collect(),
    };
    for id in ids {
        let timeline = store.incident(&id).map_err(Failure::outside)?.ok_or_else(|| unknown(&id.0))?;
        for finding in forta_findings(&timeline, chain) {
            print_line(serde_json::to_string(&finding).map_err(Failure::outside)?)?;
        }
    }
    Ok(Answer::Yes)
}

fn close(database: &Path, incident: &str, reason: &str, json: bool) -> Result<Answer, Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::input("--reason must not be empty"));
    }
    let store = Store::open_beside(database, Arc::new(SystemClock::start())).map_err(Failure::input)?;
    let id = IncidentId(incident.to_owned());
    let answer = match store.change_state(&id, IncidentState::Closed, reason) {
        Ok(()) => Answer::Yes,
        Err(ChangeError::Illegal(_)) => Answer::No,
        Err(ChangeError::NoIncident(_)) => {
            return Err(Failure::input(format!("there is no incident `{}`", shortened(incident, 60))));
        }
        Err(error) => return Err(Failure::outside(error)),
    };
    let closed = matches!(answer, Answer::Yes);
    if json {
        print_json(&serde_json::json!({ "incident": incident, "closed_now": closed }))?;
    } else {
        let word = if closed { "is closed" } else { "was closed already" };
        print_line(format_args!("{} {word}", printable(incident)))?;
    }
    Ok(answer)
}

fn unknown(incident: &str) -> Failure {
    Failure::input(format!("there is no incident `{}`", shortened(incident, 60)))
}

fn open(database: &Path) -> Result<Store, Failure> {
    Store::open_read_only(database, Arc::new(SystemClock::start())).map_err(Failure::input)
}

fn print_list(incidents: &[Summary]) -> Result<(), Failure> {
    if incidents.is_empty() {
        return print_line("no incidents");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "incident",
        "state",
        "severity",
        "level",
        "opened (UTC)",
        "modules",
        "stages",
        "findings",
        "done",
    ]);
    for incident in incidents {
        table.add_row([
            incident.id.to_string(),
            state(incident),
            incident.severity.map_or_else(|| "-".to_owned(), |severity| severity.to_string()),
            incident.level.map_or_else(|| "-".to_owned(), |level| level.to_string()),
            utc(incident.opened_at),
            shortened(&modules(incident), 40),
            stages(incident),
            format!("{} of {} stand", incident.standing, incident.findings),
            shortened(&actions(incident), 40),
        ]);
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.lines().try_for_each(|line| print_line(line.trim_end()))
}

fn print_timeline(timeline: &Timeline) -> Result<(), Failure> {
    let incident = &timeline.summary;
    let closed = incident.closed_at.map_or_else(String::new, |at| format!(", closed {}", utc(at)));
    let level = incident.level.map_or_else(|| "no finding".to_owned(), |level| level.to_string());
    print_line(format_args!("incident  {}, {}, {level}", incident.id, state(incident)))?;
    print_line(format_args!("opened    {} UTC{closed}", utc(incident.opened_at)))?;
    print_line(format_args!("modules   {}", modules(incident)))?;
    if let Some((severity, rule)) = incident.severity.zip(incident.rule.as_ref()) {
        let because = timeline.rated_because.as_deref().unwrap_or_default();
        print_line(format_args!("severity  {severity}, by rule `{}`: {}", printable(rule), printable(because)))?;
    }
    if let Some(whole) = &incident.part_of {
        print_line(format_args!("part of   {whole}"))?;
    }
    if !incident.parts.is_empty() {
        let parts: Vec<&str> = incident.parts.iter().map(|part| part.0.as_str()).collect();
        print_line(format_args!("parts     {}", parts.join(", ")))?;
    }
    print_line(format_args!("findings  {}, {} of them stand", incident.findings, incident.standing))?;
    for line in &incident.stages {
        let spoke = printable(&line.detectors.join(", ")).into_owned();
        let (from, to) = (utc(line.from), utc(line.to));
        let span = if from == to { from } else { format!("{from} to {to}") };
        print_line(format_args!("          {:<13} {} by {spoke}, {span}", line.stage.word(), line.findings))?;
    }
    for actor in timeline.party.iter().take(MOST_SHOWN) {
        print_line(format_args!("party     {} {}", actor.account, actor.role.word()))?;
    }
    if timeline.party.len() > MOST_SHOWN {
        print_line(format_args!("          and {} more", timeline.party.len().saturating_sub(MOST_SHOWN)))?;
    }
    for finding in timeline.joined.iter().rev().take(MOST_SHOWN).rev() {
        let module = if finding.module.is_empty() { "no module" } else { finding.module.as_str() };
        let foreign = if finding.detector.starts_with("foreign:") { " (foreign: informs, proves nothing)" } else { "" };
        print_line(format_args!(
            "joined    {} {} by {} on {module}{foreign}",
            utc(finding.at),
            finding.level,
            printable(&finding.detector)
        ))?;
    }
    for loss in &incident.losses {
        print_line(format_args!("lost      {} of {}, by {}", loss.amount, loss.asset, loss.module))?;
    }
    print_line(format_args!("done      {}", actions(incident)))?;
    print_line("")?;
    for entry in &timeline.entries {
        let mut lines = wrapped(&without_long_hashes(&entry.text), TEXT).into_iter();
        let first = lines.next().unwrap_or_default();
        print_line(format_args!("{:>6}  {}  {first}", entry.sequence, utc(entry.at)))?;
        lines.try_for_each(|line| print_line(format_args!("{:29}{line}", "")))?;
    }
    Ok(())
}

fn state(incident: &Summary) -> String {
    let word = match incident.state {
        IncidentState::Open => "open",
        IncidentState::Triaged => "triaged",
        IncidentState::Contained => "contained",
        IncidentState::Recovering => "recovering",
        IncidentState::Closed => "closed",
    };
    if incident.withdrawn { format!("{word} (withdrawn)") } else { word.to_owned() }
}

fn modules(incident: &Summary) -> String {
    let names: Vec<&str> = incident.modules.iter().map(ModuleId::as_str).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

fn stages(incident: &Summary) -> String {
    let stages: Vec<&str> = incident.stages.iter().map(|line| line.stage.word()).collect();
    if stages.is_empty() { "-".to_owned() } else { stages.join(", ") }
}

fn actions(incident: &Summary) -> String {
    let actions: Vec<String> = incident
        .actions
        .iter()
        .map(|action| printable(&format!("{} {}", action.lever, action.step)).into_owned())
        .collect();
    if actions.is_empty() { "nothing".to_owned() } else { actions.join(", ") }
}
