//! `config`: checks a configuration, all mistakes at once, and prints its schema. Sends nothing anywhere.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::{Answer, Failure, print_json, print_line};
use crate::config::{self, Mistake};
use crate::printable::{counted, printable};

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a configuration, with its environment variables, keys and limits, and names every mistake.
    Check {
        /// The configuration.
        #[arg(default_value = "cofferdam.toml")]
        file: PathBuf,
    },
    /// Prints the JSON Schema of the configuration.
    Schema,
}

#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    mistakes: &'a [Mistake],
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] when the configuration has mistakes.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Schema => print_json(&config::schema())?,
        Command::Check { file } => {
            let checked = config::load(file, &|name| std::env::var_os(name));
            let mistakes = checked.as_ref().err().map(Vec::as_slice).unwrap_or_default();
            if json {
                print_json(&Checked { ok: mistakes.is_empty(), mistakes })?;
            }
            match &checked {
                Ok(ready) if !json => {
                    let revoked = || ready.responder.signers.as_ref().zip(ready.responder.limits.as_ref());
                    let revoked = revoked().and_then(|(signers, limits)| limits.envelope()?.revoked_by(signers));
                    let mode = match (&ready.responder.limits, revoked) {
                        (_, Some(_)) => "its limits are revoked, so nothing is sent",
                        (Some(_), None) => "acts within its limits",
                        (None, None) => "shadow mode",
                    };
                    print_line(format_args!(
                        "{}: ok: chain {}, {}, {}, {}, {mode}",
                        file.display(),
                        ready.file.chain.id,
                        counted(ready.endpoints.len(), "endpoint"),
                        counted(ready.file.modules.len(), "module"),
                        counted(ready.file.levers.len(), "lever")
                    ))?;
                }
                Ok(_) => {}
                Err(mistakes) => return Err(refused(mistakes)),
            }
        }
    }
    Ok(Answer::Yes)
}

/// All mistakes as one failure.
pub(super) fn refused(mistakes: &[Mistake]) -> Failure {
    let lines: Vec<String> = mistakes.iter().map(|mistake| format!("  {}", printable(&mistake.to_string()))).collect();
    Failure::input(format!("the configuration has {}:\n{}", counted(lines.len(), "mistake"), lines.join("\n")))
}
