//! What the structure of the file cannot say: names that do not exist, variables that are not set, keys that do not
//! open, limits that do not fit. Goes on after each mistake, so that all of them are told at once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use cofferdam_chain::{Endpoint, EndpointOptions};
use cofferdam_detect::Detection;
use cofferdam_detect::settings::{AssetName, HistorySettings, ModuleSettings, Settings};
use cofferdam_evm::{Assertions, Rules, spec_named};
use cofferdam_incident::joining::Criterion;
use cofferdam_incident::{Receiver, Secret, Shape};
use cofferdam_respond::{Guardian, GuardianSettings, Responder, Setup, open_all};
use cofferdam_types::{Asset, ManualClock, Module, UnixMillis, Watchlist};
use url::Url;

use crate::alerts_in::Source;
use crate::labels::Labels;

use super::rehearsal::Rehearsal;
use super::{
    Environment, File, Mistake, ModuleEntry, WebhookShape, alerts_in, assertions, learnt, limits, parts, severity,
};

/// A configuration that can be run.
#[derive(Debug)]
pub struct Ready {
    /// The file.
    pub file: File,
    /// Keccak of the file.
    pub hash: B256,
    /// Which hard forks hold.
    pub rules: Rules,
    /// Not connected yet.
    pub endpoints: Vec<Endpoint>,
    /// What is guarded.
    pub watch: Arc<Watchlist>,
    /// How it is judged.
    pub settings: Settings,
    /// What its teams assert in Solidity.
    pub assertions: Assertions,
    /// Levers, guardians and limits.
    pub responder: Setup,
    /// Who is told.
    pub receivers: Vec<Receiver>,
    /// Who is known.
    pub labels: Labels,
    /// How incidents are rated.
    pub criteria: Vec<Criterion>,
    /// Whose alerts are taken in.
    pub alerts_in: Vec<Source>,
}

impl Ready {
    /// The same levers and limits with guardians that cannot sign: for trying things out.
    pub(crate) fn setup_without_keys(&self) -> Setup {
        let responder = &self.responder;
        Setup {
            chain_id: responder.chain_id,
            levers: responder.levers.clone(),
            limits: responder.limits.clone(),
            signers: responder.signers.clone(),
            guardians: keyless(&responder.guardians),
            readiness_blocks: responder.readiness_blocks,
        }
    }
}

/// Makes `file` ready.
///
/// # Errors
/// Every mistake.
pub(super) fn ready(file: File, hash: B256, env: &Environment<'_>) -> Result<Ready, Vec<Mistake>> {
    let mut check = Check { mistakes: Vec::new(), env };
    let rules = check.rules(&file);
    let endpoints = check.endpoints(&file);
    let receivers = check.receivers(&file);
    check.names("module", file.modules.iter().map(|module| module.id.as_str()));
    let watch = Arc::new(Watchlist::new(file.modules.iter().map(module).collect()));
    let settings = check.settings(&file, &watch);
    let assertions = assertions::load(&file, rules).map_err(|mistakes| check.mistakes.extend(mistakes)).ok();
    let responder = check.responder(&file, rules);
    let labels = check.labels(&file);
    let criteria = severity::criteria(&file).unwrap_or_else(|mistakes| {
        check.mistakes.extend(mistakes);
        Vec::new()
    });
    let alerts_in = alerts_in::sources(&mut check, &file);
    if let (Some(responder), Some(assertions)) = (responder, assertions)
        && check.mistakes.is_empty()
    {
        return Ok(Ready {
            file,
            hash,
            rules,
            endpoints,
            watch,
            settings,
            assertions,
            responder,
            receivers,
            labels,
            criteria,
            alerts_in,
        });
    }
    Err(check.mistakes)
}

fn module(entry: &ModuleEntry) -> Module {
    let asset = |name: &AssetName| match name {
        AssetName::Native => Asset::Native,
        AssetName::Token(token) => Asset::Erc20(*token),
    };
    Module {
        id: entry.id.clone(),
        contracts: entry.contracts.clone(),
        assets: entry.assets.iter().map(asset).collect(),
    }
}

fn settings(entry: &ModuleEntry) -> ModuleSettings {
    ModuleSettings {
        module: entry.id.clone(),
        outflow: entry.outflow.clone(),
        reentry: entry.reentry.clone(),
        supply: entry.supply.clone(),
        prices: entry.prices.clone(),
        flash_loan: entry.flash_loan.clone(),
        underpaid: entry.underpaid.clone(),
        worth: entry.worth.clone(),
        slow_drain: entry.slow_drain.clone(),
        velocity: entry.velocity.clone(),
        repeat: entry.repeat.clone(),
        newborn: entry.newborn.clone(),
        novelty: entry.novelty.clone(),
        queued: entry.queued.clone(),
        liquidity: entry.liquidity.clone(),
        feeds: entry.feeds.clone(),
        leverage: entry.leverage.clone(),
        authority: entry.authority.clone(),
        invariants: entry.invariants.clone(),
        allow: entry.allow.clone(),
    }
}

pub(super) struct Check<'e> {
    mistakes: Vec<Mistake>,
    env: &'e Environment<'e>,
}

impl Check<'_> {
    pub(super) fn mistake(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    fn rules(&mut self, file: &File) -> Rules {
        let Some(name) = &file.chain.hardfork else { return Rules::for_chain(file.chain.id) };
        if let Some(spec) = spec_named(name) {
            return Rules::fixed(file.chain.id, spec);
        }
        self.mistake(Mistake::new("chain.hardfork", "no such hard fork; expected one like `prague`").seeing(name));
        Rules::for_chain(file.chain.id)
    }

    pub(super) fn names<'n>(&mut self, table: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = HashSet::new();
        for (index, name) in names.enumerate() {
            let key = if table == "module" { "id" } else { "name" };
            let field = format!("{table}[{index}].{key}");
            if name.trim().is_empty() {
                self.mistake(Mistake::new(field, "must not be empty"));
            } else if !seen.insert(name) {
                self.mistake(Mistake::new(field, "is given twice").seeing(name));
            }
        }
    }

    /// The lists of known accounts, one after the other.
    fn labels(&mut self, file: &File) -> Labels {
        let mut labels = Labels::default();
        for (index, path) in file.labels.iter().enumerate() {
            let read = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"));
            if let Err(reason) = read.and_then(|text| labels.add(&text).map_err(|error| error.to_string())) {
                self.mistake(Mistake::new(format!("labels[{index}]"), reason).seeing(path.display()));
            }
        }
        labels
    }

    /// The value of a variable; never said in a message.
    pub(super) fn variable(&mut self, field: String, name: &str) -> Option<String> {
        match (self.env)(name).map(|value| value.into_string()) {
            Some(Ok(value)) => Some(value),
            Some(Err(_)) => {
                self.mistake(Mistake::new(field, "this environment variable does not hold UTF-8 text").seeing(name));
                None
            }
            None => {
                self.mistake(Mistake::new(field, "this environment variable is not set").seeing(name));
                None
            }
        }
    }

    /// An address that stands in the file or in a variable.
    fn address(&mut self, table: &str, url: Option<&String>, url_env: Option<&String>) -> Option<(String, String)> {
        match (url, url_env) {
            (Some(url), None) => {
                let field = format!("{table}.url");
                if holds_key(url) {
                    let expected = "seems to hold a password or key: keep the address in an environment variable and \
                                    name that with `url_env`";
                    self.mistake(Mistake::new(field, expected));
                    return None;
                }
                Some((field, url.clone()))
            }
            (None, Some(name)) => {
                let field = format!("{table}.url_env");
                Some((field.clone(), self.variable(field, name)?))
            }
            (None, None) => {
                self.mistake(Mistake::new(table, "give `url` or `url_env`"));
                None
            }
            (Some(_), Some(_)) => {
                self.mistake(Mistake::new(table, "give `url` or `url_env`, not both"));
                None
            }
        }
    }

    fn endpoints(&mut self, file: &File) -> Vec<Endpoint> {
        self.names("endpoint", file.endpoints.iter().map(|endpoint| endpoint.name.as_str()));
        let timeout = Duration::from_millis(file.follow.request_timeout_ms);
        let options = EndpointOptions { timeout, ..EndpointOptions::default() };
        let mut endpoints = Vec::new();
        for (index, entry) in file.endpoints.iter().enumerate() {
            let table = format!("endpoint[{index}]");
            let address = self.address(&table, entry.url.as_ref(), entry.url_env.as_ref());
            let Some((field, address)) = address else { continue };
            match Endpoint::new(&entry.name, &address, options) {
                Ok(endpoint) => endpoints.push(endpoint),
                Err(error) => self.mistake(Mistake::new(field, error.to_string())),
            }
        }
        endpoints
    }

    fn receivers(&mut self, file: &File) -> Vec<Receiver> {
        self.names("webhook", file.webhooks.iter().map(|webhook| webhook.name.as_str()));
        let mut receivers = Vec::new();
        for (index, entry) in file.webhooks.iter().enumerate() {
            let table = format!("webhook[{index}]");
            let address = self.address(&table, entry.url.as_ref(), entry.url_env.as_ref());
            let url = address.and_then(|(field, address)| match Url::parse(&address) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => Some(url),
                Ok(_) | Err(_) => {
                    self.mistake(Mistake::new(field, "expected an http or https URL"));
                    None
                }
            });
            let field = format!("{table}.secret_env");
            let secret = self.variable(field.clone(), &entry.secret_env).and_then(|text| match Secret::parse(&text) {
                Ok(secret) => Some(secret),
                Err(error) => {
                    self.mistake(Mistake::new(field, error.to_string()).seeing(&entry.secret_env));
                    None
                }
            });
            if let (Some(url), Some(secret)) = (url, secret) {
                let shape = match entry.shape {
                    WebhookShape::Own => Shape::Own,
                    WebhookShape::Forta => Shape::Forta,
                };
                receivers.push(Receiver { name: entry.name.clone(), url, secret, shape });
            }
        }
        receivers
    }

    fn settings(&mut self, file: &File, watch: &Arc<Watchlist>) -> Settings {
        let history = HistorySettings {
            reorg_depth_blocks: file.follow.reorg_depth_blocks,
            familiar_after_seconds: file.detectors.familiar_after_seconds,
            suspect_seconds: file.detectors.suspect_seconds,
            ..HistorySettings::default()
        };
        let max_level = file.detectors.max_level.clone();
        let alone = Settings { max_level: max_level.clone(), ..Settings::default() };
        if let Err(error) = Detection::new(watch.clone(), &alone) {
            self.mistake(Mistake::new("detectors.max_level", error.to_string()));
        }
        for (index, entry) in file.modules.iter().enumerate() {
            self.module_settings(&format!("module[{index}]"), settings(entry), &history, watch);
        }
        for (index, declared) in file.maintenance.iter().enumerate() {
            let alone = Settings { maintenance: vec![declared.clone()], ..Settings::default() };
            if let Err(error) = Detection::new(watch.clone(), &alone) {
                self.mistake(Mistake::new(format!("maintenance[{index}]"), error.to_string()));
            }
        }
        let learnt = match &file.detectors.learnt {
            Some(path) => learnt::load(path, file.chain.id, watch).map_err(|mistake| self.mistake(mistake)).ok(),
            None => None,
        };
        let modules = file.modules.iter().map(settings).collect();
        Settings { modules, max_level, maintenance: file.maintenance.clone(), history, learnt }
    }

    /// The room tells its first mistake only, so it is asked about one entry at a time, and then about all together.
    fn module_settings(
        &mut self,
        table: &str,
        whole: ModuleSettings,
        history: &HistorySettings,
        watch: &Arc<Watchlist>,
    ) {
        let mut bare = whole.clone();
        (bare.outflow.limits, bare.invariants, bare.allow) = (Vec::new(), Vec::new(), Vec::new());
        let with = |change: &dyn Fn(&mut ModuleSettings)| {
            let mut one = bare.clone();
            change(&mut one);
            one
        };
        let mut parts = vec![(table.to_owned(), bare.clone())];
        for (index, limit) in whole.outflow.limits.iter().enumerate() {
            let one = with(&|it| it.outflow.limits.push(limit.clone()));
            parts.push((format!("{table}.outflow.limits[{index}]"), one));
        }
        for (index, invariant) in whole.invariants.iter().enumerate() {
            parts.push((format!("{table}.invariants[{index}]"), with(&|it| it.invariants.push(invariant.clone()))));
        }
        for (index, allowed) in whole.allow.iter().enumerate() {
            parts.push((format!("{table}.allow[{index}]"), with(&|it| it.allow.push(allowed.clone()))));
        }
        let before = self.mistakes.len();
        for (field, one) in parts {
            self.judged_by(field, one, history, watch);
        }
        if self.mistakes.len() == before {
            self.judged_by(table.to_owned(), whole, history, watch);
        }
    }

    fn judged_by(
        &mut self,
        field: String,
        settings: ModuleSettings,
        history: &HistorySettings,
        watch: &Arc<Watchlist>,
    ) {
        let alone = Settings { modules: vec![settings], history: history.clone(), ..Settings::default() };
        if let Err(error) = Detection::new(watch.clone(), &alone) {
            self.mistake(Mistake::new(field, error.to_string()));
        }
    }

    fn guardians(&mut self, file: &File) -> BTreeMap<String, Guardian> {
        self.names("guardian", file.guardians.iter().map(|guardian| guardian.name.as_str()));
        let mut guardians = BTreeMap::new();
        for (index, entry) in file.guardians.iter().enumerate() {
            match Guardian::open(entry, self.env) {
                Ok(guardian) => {
                    guardians.insert(entry.name.clone(), guardian);
                }
                Err(error) => self.mistake(parts::of_guardian(&format!("guardian[{index}]"), entry, &error)),
            }
        }
        guardians
    }

    /// People sign for the machine, never the machine for itself; and as many can sign as must.
    fn signers(&mut self, file: &File, guardians: &BTreeMap<String, Guardian>) {
        let Some(signers) = &file.signers else { return };
        for (index, account) in signers.accounts.iter().enumerate() {
            let field = format!("signers.accounts[{index}]");
            if guardians.values().any(|guardian| guardian.address() == *account) {
                let mistake = Mistake::new(&field, "is a guardian: the machine must not sign its own limits");
                self.mistake(mistake.seeing(account));
            }
            if signers.accounts.iter().take(index).any(|earlier| earlier == account) {
                self.mistake(Mistake::new(&field, "is given twice").seeing(account));
            }
        }
        if usize::try_from(signers.threshold).is_ok_and(|threshold| threshold > signers.accounts.len()) {
            let most = signers.accounts.len();
            let mistake =
                Mistake::new("signers.threshold", format!("more than there are signers, expected at most {most}"));
            self.mistake(mistake.seeing(signers.threshold));
        }
    }

    fn responder(&mut self, file: &File, rules: Rules) -> Option<Setup> {
        let before = self.mistakes.len();
        let guardians = self.guardians(file);
        self.names("lever", file.levers.iter().map(|lever| lever.name.as_str()));
        for (index, entry) in file.levers.iter().enumerate() {
            self.mistakes.extend(parts::of_lever(&format!("lever[{index}]"), entry));
            if !file.modules.iter().any(|module| module.id == entry.module) {
                let mistake = Mistake::new(format!("lever[{index}].module"), "there is no such module");
                self.mistake(mistake.seeing(&entry.module));
            }
            if !file.guardians.iter().any(|guardian| guardian.name == entry.guardian) {
                let mistake = Mistake::new(format!("lever[{index}].guardian"), "there is no such guardian");
                self.mistake(mistake.seeing(&entry.guardian));
            }
        }
        self.signers(file, &guardians);
        let limits = file
            .limits
            .as_ref()
            .and_then(|path| limits::load(path, file).map_err(|mistakes| self.mistakes.extend(mistakes)).ok());
        if self.mistakes.len() != before {
            return None;
        }
        let setup = |guardians, limits| Setup {
            chain_id: rules.chain(),
            levers: file.levers.clone(),
            limits,
            signers: file.signers.clone(),
            guardians,
            readiness_blocks: READINESS_BLOCKS,
        };
        let clock = Arc::new(ManualClock::new(UnixMillis(0)));
        let keyless = keyless(&guardians);
        let fits = Responder::new(setup(keyless, limits.clone()), Arc::new(Rehearsal), Arc::new(Rehearsal), clock);
        if let Err(error) = fits {
            self.mistake(Mistake::new("limits", error.to_string()));
            return None;
        }
        Some(setup(guardians, limits))
    }
}

/// Whether an address carries a login, or a part that is long and mixed enough to be a key of a hosted endpoint.
fn holds_key(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let key_like = |part: &str| {
        let has = |kind: fn(&u8) -> bool| part.as_bytes().iter().any(kind);
        part.len() >= 20 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    };
    let in_path = url.path_segments().is_some_and(|mut parts| parts.any(key_like));
    let in_query = url.query_pairs().any(|(_, value)| key_like(&value));
    url.password().is_some() || !url.username().is_empty() || in_path || in_query
}

/// Each lever is tried this often: often enough that a lost role is known within minutes, on chains of any speed.
const READINESS_BLOCKS: u64 = 5;

/// The same guardians with their addresses alone, for a responder that is thrown away.
fn keyless(guardians: &BTreeMap<String, Guardian>) -> BTreeMap<String, Guardian> {
    let settings: Vec<GuardianSettings> = guardians
        .iter()
        .map(|(name, guardian)| GuardianSettings {
            name: name.clone(),
            address: Some(guardian.address()),
            keystore: None,
            password_file: None,
            password_file_env: None,
            key_file_env: None,
        })
        .collect();
    open_all(&settings, &|_| None).unwrap_or_default()
}
