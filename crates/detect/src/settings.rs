//! What people configure: limits, invariants, who may change authority, and exceptions with an owner and an end.
//!
//! Every field has a default that is useful with nothing but addresses given. Unknown keys are errors. Units stand in
//! the names; raw amounts are decimal strings in the asset's smallest unit.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;
use cofferdam_types::{Bps, Level, ModuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::behaviour::{Learnt, LearntError};

mod ahead;
mod maintenance;
mod units;

pub use ahead::{FeedSettings, LeverageSettings, LiquiditySettings, QueuedSettings};
pub use maintenance::{DeclaredCall, Maintenance, Moment};
pub use units::{Amount, AssetName, Until};

/// All of what `detect` can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Modules that deviate from the defaults; every module of the watchlist is judged, listed here or not.
    pub modules: Vec<ModuleSettings>,
    /// The most that a detector may say, by its id. Absent: what its maturity allows.
    pub max_level: BTreeMap<String, Level>,
    /// Work on modules that was declared beforehand.
    pub maintenance: Vec<Maintenance>,
    /// What is remembered, and for how long.
    pub history: HistorySettings,
    /// What was learnt of the modules beforehand. Read from a file of its own, never from here.
    #[serde(skip)]
    pub learnt: Option<Arc<Learnt>>,
}

/// Settings of one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleSettings {
    /// The module.
    pub module: ModuleId,
    /// Thresholds and limits on what leaves it.
    #[serde(default)]
    pub outflow: OutflowSettings,
    /// When a re-entry counts.
    #[serde(default)]
    pub reentry: ReentrySettings,
    /// When what the module issues is too much.
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
    /// When something is new, where a learnt file is loaded.
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
    /// What must hold across every transaction that touches the module.
    #[serde(default)]
    pub invariants: Vec<InvariantSettings>,
    /// Exceptions.
    #[serde(default)]
    pub allow: Vec<Allowed>,
}

impl ModuleSettings {
    /// The defaults, for `module`.
    pub fn defaults(module: ModuleId) -> Self {
        Self {
            module,
            outflow: OutflowSettings::default(),
            reentry: ReentrySettings::default(),
            supply: SupplySettings::default(),
            prices: PriceSettings::default(),
            flash_loan: FlashLoanSettings::default(),
            underpaid: UnderpaidSettings::default(),
            worth: WorthSettings::default(),
            slow_drain: SlowDrainSettings::default(),
            velocity: VelocitySettings::default(),
            repeat: RepeatSettings::default(),
            newborn: NewbornSettings::default(),
            novelty: NoveltySettings::default(),
            queued: QueuedSettings::default(),
            liquidity: LiquiditySettings::default(),
            feeds: FeedSettings::default(),
            leverage: LeverageSettings::default(),
            authority: AuthoritySettings::default(),
            invariants: Vec::new(),
            allow: Vec::new(),
        }
    }
}

/// How much may leave a module. Shares are of what the module's accounts held of that asset before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutflowSettings {
    /// An alert when this share leaves in one transaction and nothing comes back for it.
    pub one_sided_alert_bps: Bps,
    /// An alert when this share leaves in one transaction, whatever comes back for it.
    pub exchanged_alert_bps: Bps,
    /// A stop when this share leaves for nothing in a transaction that is also anomalous in its structure.
    pub one_sided_stop_bps: Bps,
    /// Length of the default sliding window, in seconds of block time.
    pub window_seconds: u64,
    /// An alert when this share left for nothing within the window, over all transactions.
    pub window_one_sided_alert_bps: Bps,
    /// An alert when this share left, inflows deducted, within the window, over all transactions.
    pub window_net_alert_bps: Bps,
    /// Losses of the native coin below this are never spoken of, in wei.
    pub floor_native_wei: Amount,
    /// Limits that people wrote. Exceeding one is a broken invariant: a stop.
    pub limits: Vec<OutflowLimit>,
}

impl Default for OutflowSettings {
    fn default() -> Self {
        Self {
            one_sided_alert_bps: share(1_000),
            exchanged_alert_bps: share(4_000),
            one_sided_stop_bps: share(2_000),
            window_seconds: 3_600,
            window_one_sided_alert_bps: share(2_000),
            window_net_alert_bps: share(5_000),
            floor_native_wei: Amount(alloy_primitives::U256::from(100_000_000_000_000_000_u64)),
            limits: Vec::new(),
        }
    }
}

/// The most that may leave. At least one of the four limits must be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutflowLimit {
    /// Which asset; absent: each asset that has no limit of its own.
    #[serde(default)]
    pub asset: Option<AssetName>,
    /// Share of the holdings, per transaction.
    #[serde(default)]
    pub per_transaction_bps: Option<Bps>,
    /// Smallest units, per transaction.
    #[serde(default)]
    pub per_transaction_amount: Option<Amount>,
    /// Length of the sliding window, in seconds of block time; absent: the default window.
    #[serde(default)]
    pub window_seconds: Option<u64>,
    /// Share of what was held at the beginning of the window, net of what came in.
    #[serde(default)]
    pub window_bps: Option<Bps>,
    /// Smallest units, net of what came in.
    #[serde(default)]
    pub window_amount: Option<Amount>,
}

/// When a re-entry counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReentrySettings {
    /// A stop when a transaction re-enters the module and this share of an asset leaves it for nothing.
    pub one_sided_stop_bps: Bps,
}

impl Default for ReentrySettings {
    fn default() -> Self {
        Self { one_sided_stop_bps: share(100) }
    }
}

/// When a token that the module issues grows too fast. Shares are of its supply before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SupplySettings {
    /// An alert when this share is minted for nothing, or for much less than it was worth.
    pub mint_alert_bps: Bps,
    /// An alert when this share is minted for nothing and sold in the same transaction.
    pub sold_alert_bps: Bps,
}

impl Default for SupplySettings {
    fn default() -> Self {
        Self { mint_alert_bps: share(1_000), sold_alert_bps: share(100) }
    }
}

/// When a price that was moved inside the transaction counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSettings {
    /// How far a pool must have been pushed, as a share of its lower price.
    pub excursion_bps: Bps,
    /// The least share of an asset that must leave without fair return.
    pub alert_bps: Bps,
    /// How much less than what left, at prices before, is still a fair return.
    pub fair_within_bps: Bps,
}

impl Default for PriceSettings {
    fn default() -> Self {
        Self { excursion_bps: share(1_000), alert_bps: share(100), fair_within_bps: share(1_500) }
    }
}

/// When money that was borrowed for the length of the transaction counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlashLoanSettings {
    /// An alert when a transaction with borrowed money takes this share of an asset and gives nothing of like worth.
    pub alert_bps: Bps,
}

impl Default for FlashLoanSettings {
    fn default() -> Self {
        Self { alert_bps: share(100) }
    }
}

/// Decimals that an asset may have.
const MOST_DECIMALS: u8 = 36;

/// In what harm is counted, and which assets people know to be worth as much: a wrapped coin, stablecoins of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorthSettings {
    /// The asset in which worth is told.
    pub numeraire: AssetName,
    /// Its decimals.
    pub numeraire_decimals: u8,
    /// Assets of which one whole unit is worth one of it, always.
    pub same: Vec<SameWorth>,
}

/// An asset that is worth as much as the numeraire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SameWorth {
    /// The asset.
    pub asset: AssetName,
    /// Its decimals.
    pub decimals: u8,
}

/// When assets leave for much less than they are worth, or for collateral that left again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnderpaidSettings {
    /// The least share of an asset that must leave.
    pub alert_bps: Bps,
    /// An alert when what came in is worth less than this share of what left, at prices before.
    pub worth_bps: Bps,
}

impl Default for WorthSettings {
    fn default() -> Self {
        Self { numeraire: AssetName::Native, numeraire_decimals: 18, same: Vec::new() }
    }
}

impl Default for UnderpaidSettings {
    fn default() -> Self {
        Self { alert_bps: share(500), worth_bps: share(5_000) }
    }
}

/// When one account gets a little for nothing, again and again, from one module or from several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlowDrainSettings {
    /// An alert when the shares that one account got within a day, over all modules, add up to this.
    pub alert_bps: Bps,
    /// How many times it must have got something, this time included.
    pub times: u64,
}

impl Default for SlowDrainSettings {
    fn default() -> Self {
        Self { alert_bps: share(1_000), times: 4 }
    }
}

/// When accounts that were never seen before get something for nothing much faster than they used to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VelocitySettings {
    /// How many newcomers within an hour.
    pub newcomers: u64,
    /// How many times more than in an average hour of the week before.
    pub times_average: u64,
    /// The least share of the holdings that they must have got within the hour.
    pub alert_bps: Bps,
}

impl Default for VelocitySettings {
    fn default() -> Self {
        Self { newcomers: 20, times_average: 10, alert_bps: share(200) }
    }
}

/// When somebody comes back who was flagged shortly before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RepeatSettings {
    /// A finding when this share of an asset leaves for nothing comparable.
    pub least_bps: Bps,
}

impl Default for RepeatSettings {
    fn default() -> Self {
        Self { least_bps: share(10) }
    }
}

/// When a new contract counts, by what it did when it was tried and by who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewbornSettings {
    /// A stop when this share of an asset left for nothing in a call of a stranger's new contract that was tried.
    pub stop_bps: Bps,
    /// Whoever made fewer transactions than this is young: with a lender's callback and a protected name, an alert.
    pub young_transactions: u64,
}

impl Default for NewbornSettings {
    fn default() -> Self {
        Self { stop_bps: share(2_000), young_transactions: 10 }
    }
}

/// When something is new, and when enough is known of the module to say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoveltySettings {
    /// An amount is new when it is more than this many times the largest that was learnt on the same path.
    #[schemars(range(min = 1))]
    pub value_times: u64,
    /// Transactions that the module must have been learnt from.
    pub least_transactions: u64,
    /// Seconds of block time over which these must lie.
    pub least_seconds: u64,
}

impl Default for NoveltySettings {
    fn default() -> Self {
        Self { value_times: 20, least_transactions: 100, least_seconds: 604_800 }
    }
}

/// Who may change owners, roles and code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthoritySettings {
    /// Accounts that hold authority over the module: a timelock, a Safe, an owner. What they do is a notice.
    #[schemars(with = "Vec<String>")]
    pub holders: Vec<Address>,
    /// How long after a change of authority or code a large outflow counts as its consequence, in seconds.
    pub recent_seconds: u64,
}

impl Default for AuthoritySettings {
    fn default() -> Self {
        Self { holders: Vec::new(), recent_seconds: 3_600 }
    }
}

/// A view call and what its answer must do across a transaction, or a condition over several views (`holds`). At least
/// one rule must be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvariantSettings {
    /// Its name, for people.
    pub name: String,
    /// The contract asked; with `holds`, the one that calls without a name before them go to.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub target: Option<Address>,
    /// Signature with outputs: `sharePrice()(uint256)`.
    #[serde(default)]
    pub view: Option<String>,
    /// A condition: `vault.totalAssets() >= vault.totalSupply() * 99 / 100`. Exact integers; `before(…)` asks on the state
    /// before the transaction.
    #[serde(default)]
    pub holds: Option<String>,
    /// The names in `holds`, with their addresses.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub contracts: BTreeMap<String, Address>,
    /// Signatures of the views in `holds` that are not plain: `latestAnswer()(int256)`. Without one, arguments are
    /// addresses or `uint256`, and the answer is a `uint256`.
    #[serde(default)]
    pub signatures: Vec<String>,
    /// One value per parameter, as text.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Which of the outputs, from 0; it must be an integer.
    #[serde(default)]
    pub output: usize,
    /// The most that it may fall, as a share of the value before.
    #[serde(default)]
    pub max_fall_bps: Option<Bps>,
    /// The most that it may rise, as a share of the value before (at most by the whole; use `max` for more).
    #[serde(default)]
    pub max_rise_bps: Option<Bps>,
    /// The least that it may be afterwards, as a decimal string, with a sign where the output has one.
    #[serde(default)]
    pub min: Option<String>,
    /// The most that it may be afterwards, as a decimal string, with a sign where the output has one.
    #[serde(default)]
    pub max: Option<String>,
    /// It must not change at all.
    #[serde(default)]
    pub unchanged: bool,
    /// What a breach is worth. Absent: a stop where harm is counted, else an alert.
    #[serde(default)]
    pub level: Option<Level>,
}

/// An exception: findings that it covers become notices. It has an owner and an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// The detector's id.
    pub detector: String,
    /// Covers transactions of this sender.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub sender: Option<Address>,
    /// Covers outflows that go to this account and nobody else (`asset-outflow` only).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub recipient: Option<Address>,
    /// The person who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day on which it holds, UTC, by block time.
    pub until: Until,
}

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistorySettings {
    /// Blocks that can still be retracted.
    pub reorg_depth_blocks: u32,
    /// How long ago something must have been seen first to be familiar, in seconds of block time.
    pub familiar_after_seconds: u64,
    /// Habits remembered per module; later ones are not learnt.
    pub habits_per_module: u32,
    /// How long whoever took part in something flagged is under suspicion, in seconds of block time.
    pub suspect_seconds: u64,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self {
            reorg_depth_blocks: 256,
            familiar_after_seconds: 86_400,
            habits_per_module: 20_000,
            suspect_seconds: 86_400,
        }
    }
}

/// The settings cannot mean what they say.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// No such module.
    #[error("settings for module `{0}`, which is not among the protected modules")]
    UnknownModule(ModuleId),
    /// Two entries.
    #[error("settings for module `{0}` are given twice")]
    DuplicateModule(ModuleId),
    /// Not in the catalogue.
    #[error("no detector is called `{0}`")]
    UnknownDetector(String),
    /// Declared maintenance that cannot be meant.
    #[error("declared maintenance: {reason}")]
    Maintenance {
        /// In words.
        reason: String,
    },
    /// A learnt file that is not of these modules.
    #[error(transparent)]
    Learnt(#[from] LearntError),
    /// An entry that restricts nothing.
    #[error("module `{module}`: {what} says nothing: {expected}")]
    Empty {
        /// The module.
        module: ModuleId,
        /// Which entry.
        what: String,
        /// What it needs.
        expected: &'static str,
    },
    /// A value outside its meaning.
    #[error("module `{module}`: {what}: {reason}")]
    Invalid {
        /// The module.
        module: ModuleId,
        /// Which entry.
        what: String,
        /// In words.
        reason: String,
    },
}

impl ModuleSettings {
    /// Checks what the types cannot say. Invariants are checked where they are compiled.
    ///
    /// # Errors
    /// The first entry that cannot be meant.
    pub(crate) fn check(&self, known_detector: impl Fn(&str) -> bool) -> Result<(), SettingsError> {
        let invalid = |what: String, reason: &str| SettingsError::Invalid {
            module: self.module.clone(),
            what,
            reason: reason.to_owned(),
        };
        if self.outflow.window_seconds == 0 {
            return Err(invalid("`outflow.window_seconds`".to_owned(), "0 is no window"));
        }
        let decimals = self.worth.same.iter().map(|same| same.decimals).chain([self.worth.numeraire_decimals]);
        if decimals.into_iter().any(|decimals| decimals > MOST_DECIMALS) {
            return Err(invalid("`worth`".to_owned(), "no asset has more than 36 decimals"));
        }
        if self.novelty.value_times == 0 {
            return Err(invalid("`novelty.value_times`".to_owned(), "0 would make everything new"));
        }
        for (index, limit) in self.outflow.limits.iter().enumerate() {
            let what = format!("`outflow.limits[{index}]`");
            let per_transaction = limit.per_transaction_bps.is_some() || limit.per_transaction_amount.is_some();
            let per_window = limit.window_bps.is_some() || limit.window_amount.is_some();
            if !per_transaction && !per_window {
                let expected = "give `per_transaction_bps`, `per_transaction_amount`, `window_bps` or `window_amount`";
                return Err(SettingsError::Empty { module: self.module.clone(), what, expected });
            }
            if limit.window_seconds == Some(0) {
                return Err(invalid(what, "0 seconds are no window"));
            }
            if limit.window_seconds.is_some() && !per_window {
                return Err(invalid(what, "`window_seconds` without a limit for the window"));
            }
            if self.outflow.limits.iter().take(index).any(|earlier| earlier.asset == limit.asset) {
                return Err(invalid(what, "an earlier limit is for the same asset"));
            }
        }
        for (index, allowed) in self.allow.iter().enumerate() {
            let what = format!("`allow[{index}]`");
            if !known_detector(&allowed.detector) {
                return Err(SettingsError::UnknownDetector(allowed.detector.clone()));
            }
            if allowed.sender.is_none() && allowed.recipient.is_none() {
                let expected = "give `sender` or `recipient`";
                return Err(SettingsError::Empty { module: self.module.clone(), what, expected });
            }
            if allowed.recipient.is_some() && allowed.detector != crate::catalog::asset_outflow::ID {
                return Err(invalid(what, "`recipient` is for detector `asset-outflow` only"));
            }
            if allowed.owner.trim().is_empty() || allowed.reason.trim().is_empty() {
                return Err(invalid(what, "an exception needs an owner and a reason"));
            }
        }
        Ok(())
    }

    /// The longest window that a sum may be asked over, in seconds.
    pub(crate) fn longest_window_seconds(&self) -> u64 {
        let limits = self.outflow.limits.iter().filter_map(|limit| limit.window_seconds);
        limits.fold(self.outflow.window_seconds, u64::max)
    }
}

fn share(bps: u16) -> Bps {
    Bps::new(bps).expect("a default share is within the whole")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_at_every_depth() {
        for wrong in [
            "surprise = 1",
            "[[modules]]\nmodule = 'a'\nsurprise = 1",
            "[[modules]]\nmodule = 'a'\noutflow = { surprise = 1 }",
            "[[modules]]\nmodule = 'a'\noutflow.limits = [{ surprise = 1 }]",
        ] {
            assert!(toml::from_str::<Settings>(wrong).unwrap_err().to_string().contains("surprise"), "{wrong}");
        }
    }

    #[test]
    fn defaults_survive_a_round_trip() {
        let mut settings = Settings::default();
        settings.modules.push(ModuleSettings::defaults(ModuleId::new("vault").unwrap()));
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[test]
    fn what_restricts_nothing_is_refused() {
        let check = |text: &str| toml::from_str::<ModuleSettings>(text).unwrap().check(|id| id != "made-up");
        let head = "module = 'vault'\n";
        assert!(check(head).is_ok());
        assert!(matches!(check(&format!("{head}outflow.limits = [{{}}]")), Err(SettingsError::Empty { .. })));
        let twice = "outflow.limits = [{ per_transaction_bps = 1 }, { window_bps = 1 }]";
        assert!(matches!(check(&format!("{head}{twice}")), Err(SettingsError::Invalid { .. })));
        let allow = |rest: &str| {
            check(&format!("{head}[[allow]]\nowner = 'ann'\nreason = 'migration'\nuntil = '2030-01-01'\n{rest}"))
        };
        let zero = "0x0000000000000000000000000000000000000001";
        assert!(allow(&format!("detector = 're-entry'\nsender = '{zero}'")).is_ok());
        assert!(matches!(allow("detector = 're-entry'"), Err(SettingsError::Empty { .. })));
        assert!(matches!(
            allow(&format!("detector = 'made-up'\nsender = '{zero}'")),
            Err(SettingsError::UnknownDetector(_))
        ));
        assert!(matches!(
            allow(&format!("detector = 're-entry'\nrecipient = '{zero}'")),
            Err(SettingsError::Invalid { .. })
        ));
    }

    #[test]
    fn the_schema_names_every_unit() {
        let schema = serde_json::to_string(&schemars::schema_for!(Settings)).unwrap();
        for key in ["one_sided_alert_bps", "window_seconds", "floor_native_wei", "reorg_depth_blocks"] {
            assert!(schema.contains(key), "{key}");
        }
    }
}
