//! Log lines on standard error; `RUST_LOG` chooses among them.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Begins to log, for the rest of the process. Does nothing where something logs already.
    pub fn start(self) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        // Where `NO_COLOR` is set or nobody looks, the choice is never.
        let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
        // An error means that a test or an embedding program has set its own up: that one stays.
        let _kept = match self {
            Self::Text => builder.with_target(false).try_init(),
            Self::Json => builder.json().flatten_event(true).try_init(),
        };
    }
}
