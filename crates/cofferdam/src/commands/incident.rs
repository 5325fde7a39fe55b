//! `incident`: reads the record, writes bundles, and checks both offline.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use cofferdam_incident::{Store, Summary, Timeline, verify};
use cofferdam_types::IncidentId;
use cofferdam_types::primitives::B256;

use crate::cli::{Answer, Failure, print_json};
use crate::printable::shortened;
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
    /// Writes a bundle, JSON lines that `verify` can check anywhere, to standard output.
    Export {
        /// The record.
        database: PathBuf,
        /// Its name; all incidents when absent.
        incident: Option<String>,
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

/// Runs the command. `verify` answers "no" when the record does not hold.
///
/// # Errors
/// [`Failure::Input`] when there is no such record or incident.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::List { database } => {
            let incidents = open(database)?.incidents().map_err(Failure::outside)?;
            if json {
                print_json(&incidents)?;
            } else {
                incidents.iter().for_each(|incident| anstream::println!("{}", line(incident)));
            }
            Ok(Answer::Yes)
        }
        Command::Show { database, incident } => {
            let timeline = open(database)?.incident(&IncidentId(incident.clone())).map_err(Failure::outside)?;
            let timeline = timeline
                .ok_or_else(|| Failure::input(format!("there is no incident `{}`", shortened(incident, 60))))?;
            if json {
                print_json(&timeline)?;
            } else {
                print_timeline(&timeline);
            }
            Ok(Answer::Yes)
        }
        Command::Export { database, incident } => {
            let incident = incident.clone().map(IncidentId);
            let lines = open(database)?.export(incident.as_ref()).map_err(Failure::input)?;
            lines.iter().for_each(|line| anstream::println!("{line}"));
            Ok(Answer::Yes)
        }
        Command::Verify { path, noted } => match verify(path, *noted) {
            Ok(verified) if json => print_json(&verified).map(|()| Answer::Yes),
            Ok(verified) => {
                let (included, events) = (verified.included, verified.events);
                anstream::println!("the record holds: {included} of {events} events checked, head {}", verified.head);
                Ok(Answer::Yes)
            }
            Err(error) => {
                if json {
                    print_json(&serde_json::json!({ "holds": false, "reason": error.to_string() }))?;
                } else {
                    anstream::println!("the record does not hold: {error}");
                }
                Ok(Answer::No)
            }
        },
    }
}

fn open(database: &std::path::Path) -> Result<Store, Failure> {
    Store::open_read_only(database, Arc::new(SystemClock::start())).map_err(Failure::input)
}

fn line(incident: &Summary) -> String {
    let modules: Vec<&str> = incident.modules.iter().map(cofferdam_types::ModuleId::as_str).collect();
    let level = incident.level.map(|level| level.to_string()).unwrap_or_else(|| "-".to_owned());
    let state = format!("{:?}", incident.state).to_lowercase();
    let withdrawn = if incident.withdrawn { " (withdrawn)" } else { "" };
    let id = &incident.id;
    format!("{id:<16}  {level:<6}  {state:<10}{withdrawn}  {:<24}  {} findings", modules.join(","), incident.findings)
}

fn print_timeline(timeline: &Timeline) {
    anstream::println!("{}", line(&timeline.summary));
    for entry in &timeline.entries {
        anstream::println!("{:>6}  {:>15} ms  {}", entry.sequence, entry.at.0, shortened(&entry.text, 160));
    }
}
