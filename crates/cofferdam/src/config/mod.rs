//! `cofferdam.toml`: what is guarded, by whom, and who is told. Every mistake in it is found at once.
//!
//! ```text
//! text ─▶ places (TOML, lines) ─▶ content (secrets, checksums)
//!                              └▶ schema (structure) ─▶ File ─▶ check (meaning, environment, keys) ─▶ Ready
//!                                    └▶ mended (stand-ins where mistakes are) ─┘     └▶ parts, limits
//! ```
//! Start at [`load`]. The schema is published by `cofferdam config schema`.
//!
//! **Invariant:** secrets are never in the file and never in a message; addresses of endpoints and receivers may hold a
//! key and are never in a message either. Limits on what the machine may do stand in a file of their own.

mod alerts_in;
mod assertions;
mod check;
mod content;
mod learnt;
mod limits;
mod mended;
mod parts;
mod places;
mod rehearsal;
mod schema;
mod severity;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, keccak256};
use cofferdam_detect::settings::{
    Allowed, AssetName, AuthoritySettings, FeedSettings, FlashLoanSettings, HistorySettings, InvariantSettings,
    LeverageSettings, LiquiditySettings, Maintenance, NewbornSettings, NoveltySettings, OutflowSettings, PriceSettings,
    QueuedSettings, ReentrySettings, RepeatSettings, SlowDrainSettings, SupplySettings, UnderpaidSettings,
    VelocitySettings, WorthSettings,
};
use cofferdam_respond::limits::envelope::Signers;
use cofferdam_respond::{GuardianSettings, LeverSettings};
use cofferdam_types::{ChainId, Level, ModuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use alerts_in::{AlertFields, AlertFormat, AlertSignature, AlertSource};
pub use assertions::AssertionEntry;
pub use check::Ready;
use content::withhold;
pub(crate) use rehearsal::Rehearsal;
pub use schema::schema;
pub use severity::{Lost, SeverityRule};

/// Looks up an environment variable.
pub type Environment<'e> = dyn Fn(&str) -> Option<OsString> + 'e;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "cofferdam.toml")]
pub struct File {
    /// The chain that is guarded.
    pub chain: Chain,
    /// Nodes of that chain, in the order of preference. All of them are compared, and all of them get what is sent.
    #[serde(rename = "endpoint")]
    #[schemars(length(min = 1))]
    pub endpoints: Vec<EndpointAddress>,
    /// Where the incident record is kept.
    pub record: Record,
    /// What is guarded.
    #[serde(rename = "module")]
    #[schemars(length(min = 1))]
    pub modules: Vec<ModuleEntry>,
    /// What can be closed, in order of preference within a module.
    #[serde(rename = "lever", default)]
    pub levers: Vec<LeverSettings>,
    /// Whose keys close it.
    #[serde(rename = "guardian", default)]
    pub guardians: Vec<GuardianSettings>,
    /// Path of the file with what may be done alone. Absent: shadow mode, everything is tried and nothing is sent.
    #[serde(default)]
    pub limits: Option<PathBuf>,
    /// Whose signatures the limits need. Absent: whoever may write the limits file decides alone.
    #[serde(default)]
    pub signers: Option<Signers>,
    /// CSV files with accounts that are known: exchanges, mixers, bridges, attackers. The first line names the columns:
    /// `address`, `category` (or `label`), and where there is one `name`.
    #[serde(default)]
    pub labels: Vec<PathBuf>,
    /// What detectors may say, and how long they remember.
    #[serde(default)]
    pub detectors: Detectors,
    /// Work on modules that is declared beforehand: what it covers exactly is a notice.
    #[serde(default)]
    pub maintenance: Vec<Maintenance>,
    /// Who is told.
    #[serde(rename = "webhook", default)]
    pub webhooks: Vec<Webhook>,
    /// How bad an incident is: the first rule that fits decides, and is shown with it. Absent: rules that suit most.
    #[serde(default)]
    pub severity: Vec<SeverityRule>,
    /// Other tools whose alerts are taken in.
    #[serde(default)]
    pub alerts_in: Vec<AlertSource>,
    /// Address and port where they are taken in, such as `127.0.0.1:9465`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub alerts_listen: Option<SocketAddr>,
    /// How the chain is followed.
    #[serde(default)]
    pub follow: Follow,
    /// Address and port for metrics and health, such as `127.0.0.1:9464`. Absent: none.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub metrics_listen: Option<SocketAddr>,
}

/// What detectors may say, and how long they remember.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Detectors {
    /// The most that a detector may say, by its id. Absent: what its maturity allows.
    pub max_level: BTreeMap<String, Level>,
    /// File of `cofferdam learn`: what the modules do when nothing is wrong. Absent: nothing is new.
    pub learnt: Option<PathBuf>,
    /// How long ago something must have been seen first to be familiar, in seconds of block time.
    pub familiar_after_seconds: u64,
    /// How long whoever took part in something flagged is under suspicion, in seconds of block time.
    pub suspect_seconds: u64,
}

impl Default for Detectors {
    fn default() -> Self {
        let HistorySettings { familiar_after_seconds, suspect_seconds, .. } = HistorySettings::default();
        Self { max_level: BTreeMap::new(), learnt: None, familiar_after_seconds, suspect_seconds }
    }
}

/// The chain that is guarded.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Its EIP-155 id; an endpoint on another chain is refused.
    pub id: ChainId,
    /// The hard fork that it runs, such as `prague`. Absent: mainnet's own schedule on chain 1, else the newest known.
    #[serde(default)]
    pub hardfork: Option<String>,
}

/// A node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointAddress {
    /// Its name, for messages and metrics.
    pub name: String,
    /// `ws`, `wss`, `http` or `https` URL, or the path of a socket. Exactly one of `url` and `url_env`.
    #[serde(default)]
    pub url: Option<String>,
    /// The environment variable that holds it: addresses often contain a key.
    #[serde(default)]
    pub url_env: Option<String>,
}

/// Where the incident record is kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The SQLite file; relative paths begin at the folder of the configuration.
    pub database: PathBuf,
    /// Space set aside for when the disk is full, in MiB; 0 for none.
    #[serde(default = "reserve_mib")]
    pub reserve_mib: u32,
}

fn reserve_mib() -> u32 {
    cofferdam_incident::Options::default().reserve_mib
}

/// A part of the protocol that can be sealed by itself. With nothing but its addresses it is judged by the defaults.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleEntry {
    /// Its name, `[a-z0-9][a-z0-9-]{0,62}`.
    pub id: ModuleId,
    /// Its contracts.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub contracts: Vec<Address>,
    /// Assets whose balances are always looked at: `native`, or the address of a token.
    #[serde(default)]
    pub assets: Vec<AssetName>,
    /// Thresholds and limits on what leaves it.
    #[serde(default)]
    pub outflow: OutflowSettings,
    /// When a re-entry counts.
    #[serde(default)]
    pub reentry: ReentrySettings,
    /// When what it issues is too much.
    #[serde(default)]
    pub supply: SupplySettings,
    /// When a moved price counts.
    #[serde(default)]
    pub prices: PriceSettings,
    /// When borrowed money counts.
    #[serde(default)]
    pub flash_loan: FlashLoanSettings,
    /// When too little is paid.
    #[serde(default)]
    pub underpaid: UnderpaidSettings,
    /// In what harm is counted, and what people know of prices.
    #[serde(default)]
    pub worth: WorthSettings,
    /// When a little leaves again and again.
    #[serde(default)]
    pub slow_drain: SlowDrainSettings,
    /// When too many come at once.
    #[serde(default)]
    pub velocity: VelocitySettings,
    /// When somebody flagged before comes back.
    #[serde(default)]
    pub repeat: RepeatSettings,
    /// When a new contract counts.
    #[serde(default)]
    pub newborn: NewbornSettings,
    /// When something is new, where a learnt file is named.
    #[serde(default)]
    pub novelty: NoveltySettings,
    /// When an operation counts that waits for its time.
    #[serde(default)]
    pub queued: QueuedSettings,
    /// When a pool counts as left whose price it reads.
    #[serde(default)]
    pub liquidity: LiquiditySettings,
    /// When a price that it reads counts as late or far off.
    #[serde(default)]
    pub feeds: FeedSettings,
    /// When a position counts that owes more than it holds.
    #[serde(default)]
    pub leverage: LeverageSettings,
    /// Who may change owners, roles and code.
    #[serde(default)]
    pub authority: AuthoritySettings,
    /// What must hold across every transaction that touches it.
    #[serde(default)]
    pub invariants: Vec<InvariantSettings>,
    /// Solidity assertions that are run for every transaction that touches it.
    #[serde(default)]
    pub assertions: Vec<AssertionEntry>,
    /// Exceptions, each with an owner and an end.
    #[serde(default)]
    pub allow: Vec<Allowed>,
}

/// A receiver of signed messages.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its name, for messages and metrics.
    pub name: String,
    /// `http` or `https` URL. Exactly one of `url` and `url_env`.
    #[serde(default)]
    pub url: Option<String>,
    /// The environment variable that holds it.
    #[serde(default)]
    pub url_env: Option<String>,
    /// The environment variable that holds the secret, `whsec_` and base64.
    pub secret_env: String,
    /// What it reads: `own`, every event that people are told of, or `forta`, findings only in Forta's shape.
    #[serde(default)]
    pub shape: WebhookShape,
}

/// What a receiver reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookShape {
    /// Every event that people are told of.
    #[default]
    Own,
    /// Findings only, in Forta's shape.
    Forta,
}

/// How the chain is followed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Follow {
    /// Reorgs up to this depth are followed; deeper ones are put to the operator.
    #[schemars(range(min = 1))]
    pub reorg_depth_blocks: u32,
    /// Blocks further than this behind the head are judged by their receipts, and executed when those show something, or
    /// when the state of a guarded contract shows what they do not.
    pub execute_within_blocks: u64,
    /// How long a node may take to answer.
    #[schemars(range(min = 1))]
    pub request_timeout_ms: u64,
    /// The operator is told when endpoints are further apart than this.
    pub max_lag_blocks: u64,
}

impl Default for Follow {
    fn default() -> Self {
        Self { reorg_depth_blocks: 64, execute_within_blocks: 16, request_timeout_ms: 5_000, max_lag_blocks: 3 }
    }
}

/// One thing that is wrong. Whatever it says, it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The file, where it is another one that the configuration names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where: `module[0].contracts[1]`; empty for the file as a whole.
    pub field: String,
    /// The line on which the field, or what should contain it, stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What stands there; absent where nothing does, or where it may be secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What would be right, or what is wrong.
    pub expected: String,
}

impl Mistake {
    pub(crate) fn new(field: impl Into<String>, expected: impl Into<String>) -> Self {
        let (field, expected) = (withhold(&field.into()), withhold(&expected.into()));
        Self { file: None, field, line: None, seen: None, expected }
    }

    pub(crate) fn seeing(self, seen: impl std::fmt::Display) -> Self {
        Self { seen: Some(crate::printable::shortened(&withhold(&seen.to_string()), 80)), ..self }
    }
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        match &self.seen {
            Some(seen) => write!(f, "`{seen}`: {}", self.expected),
            None => f.write_str(&self.expected),
        }
    }
}

/// Reads the file, and makes everything ready that needs no network: keys, limits, receivers, thresholds.
///
/// # Errors
/// Every mistake that was found, in the order of the file; never empty.
pub fn load(path: &Path, env: &Environment<'_>) -> Result<Ready, Vec<Mistake>> {
    let whole = |reason: String| vec![Mistake::new(path.display().to_string(), reason)];
    let bytes = std::fs::read(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| whole("is not UTF-8 text".to_owned()))?;
    take(text, path.parent().unwrap_or(Path::new("")), env)
}

/// The chain and the signers that a file names, without looking at keys, limits or the environment.
///
/// # Errors
/// As [`load`].
pub fn signers(path: &Path) -> Result<(ChainId, Option<Signers>), Vec<Mistake>> {
    let whole = |reason: String| vec![Mistake::new(path.display().to_string(), reason)];
    let text = std::fs::read_to_string(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
    let (value, places) = places::read(&text)?;
    let file = structured(&value).map_err(|mut mistakes| {
        places.locate(&mut mistakes);
        mistakes
    })?;
    Ok((file.chain.id, file.signers))
}

/// What is wrong in the text of a configuration; empty when nothing is. Relative paths begin at the working directory.
pub fn mistakes_in(text: &str, env: &Environment<'_>) -> Vec<Mistake> {
    take(text, Path::new(""), env).err().unwrap_or_default()
}

/// Takes the text of a configuration that stands in `folder`.
///
/// # Errors
/// As [`load`].
fn take(text: &str, folder: &Path, env: &Environment<'_>) -> Result<Ready, Vec<Mistake>> {
    let (value, places) = places::read(text)?;
    let found = content::mistakes(&value);
    let mut mistakes = match structured(&value) {
        // The rooms may quote what they are given: they are not asked about a file with secrets in it.
        Ok(file) if found.secrets.is_empty() => match check::ready(file.standing_in(folder), keccak256(text), env) {
            Ok(ready) if found.checksums.is_empty() => return Ok(ready),
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes,
        },
        Ok(_) => Vec::new(),
        Err(mut mistakes) => {
            if found.secrets.is_empty() {
                mistakes.extend(beside(&value, folder, env));
            }
            mistakes
        }
    };
    mistakes.retain(|mistake| found.secrets.iter().all(|secret| secret.field != mistake.field));
    mistakes.extend(found.secrets.into_iter().chain(found.checksums));
    places.locate(&mut mistakes);
    mistakes.dedup();
    Err(mistakes)
}

impl File {
    /// The same, with relative paths taken from the folder of the file, and not from wherever the program is started.
    fn standing_in(mut self, folder: &Path) -> Self {
        let guardians = self.guardians.iter_mut();
        let paths = guardians.flat_map(|guardian| [&mut guardian.keystore, &mut guardian.password_file]);
        for path in paths.chain([&mut self.limits]).flatten().chain(&mut self.labels) {
            *path = folder.join(&*path);
        }
        for assertion in self.modules.iter_mut().flat_map(|module| &mut module.assertions) {
            assertion.artifact = folder.join(&assertion.artifact);
        }
        if let Some(path) = &mut self.detectors.learnt {
            *path = folder.join(&*path);
        }
        self.record.database = folder.join(&self.record.database);
        self
    }
}

/// What is wrong in a file beside the structural mistakes that it has.
fn beside(value: &serde_json::Value, folder: &Path, env: &Environment<'_>) -> Vec<Mistake> {
    let Some((file, places)) = mended::mended(value) else { return Vec::new() };
    let mut mistakes = check::ready(file.standing_in(folder), B256::ZERO, env).err().unwrap_or_default();
    mistakes.retain(|mistake| !mended::is_ours(mistake, &places));
    mistakes
}

/// The file, where its structure is right.
fn structured(value: &serde_json::Value) -> Result<File, Vec<Mistake>> {
    let mistakes = schema::structural(value);
    if mistakes.is_empty() { schema::typed(value) } else { Err(mistakes) }
}

/// The path of `key` inside `path`.
fn inside(path: &str, key: &str) -> String {
    // Withheld first: what is shortened is not known as a secret any more.
    let key = crate::printable::shortened(&withhold(key), 60);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests;
