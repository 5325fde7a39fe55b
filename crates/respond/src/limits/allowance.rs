//! What may be done alone with one lever, or with the levers of one module: proof asked for, how often, at what price.

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, Finding, Level, Maturity, ModuleId, PlanRecord, PlanStep, Selector, UnixMillis};
use schemars::JsonSchema;
use serde::Deserialize;

use super::wei::Wei;
use super::{LimitsError, Request};
use crate::fees::Caps;
use crate::lever::Lever;
use crate::refusal::Refusal;

/// What may be done alone with one lever, or with the levers of one module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// The lever; exactly one of `lever` and `module`. A lever's own entry beats its module's.
    pub lever: Option<String>,
    /// The module, for all its levers.
    pub module: Option<ModuleId>,
    /// The contract that may be called. Absent: whichever the configuration gives the lever. Signers want it here.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub target: Option<Address>,
    /// The first four bytes of the call that may be made, such as `0x8456cb59`. Absent: as the configuration says.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub selector: Option<Selector>,
    /// The least level that a finding must have: `stop` or `alert`.
    #[serde(default = "stop")]
    pub min_level: Level,
    /// The least maturity that the detector must have.
    #[serde(default = "stable")]
    pub min_maturity: Maturity,
    /// Whether only a broken invariant or assertion of the team's own counts as proof, and nothing that was learnt or
    /// inferred.
    #[serde(default)]
    pub only_broken_invariants: bool,
    /// Losses, simulated or done, of which one must be reached. None: any.
    #[serde(default)]
    pub min_loss: Vec<MinLoss>,
    /// Plans that may be sent within `window_seconds`, failed ones included.
    pub max_actions: u32,
    /// Length of the sliding window.
    pub window_seconds: u64,
    /// Seconds after one plan was sent before another may be; failed plans do not start it.
    #[serde(default)]
    pub cool_down_seconds: u64,
    /// How long the module should stay closed. A pause does not lapse by itself: people are told, nothing is done.
    pub max_duration_seconds: Option<u64>,
    /// Unix seconds from which on this entry is void.
    pub expires_unix_seconds: u64,
    /// The most that is paid per gas, base fee included.
    pub max_fee_per_gas_wei: Wei,
    /// The most that one transaction may cost.
    pub max_total_cost_wei: Wei,
    /// The tip that is offered even when nothing must be overtaken.
    #[serde(default = "one_gwei")]
    pub priority_floor_wei: Wei,
    /// Added on top of the attacker's tip.
    #[serde(default = "one_gwei")]
    pub priority_bump_wei: Wei,
    /// Whether to close after harm that is already in a block when trying the attack again on the head shows nothing:
    /// most drains cannot be repeated as they were, and pausing is the least power there is. Never applies to pending
    /// transactions, nor where the trial shows that the attack still works.
    #[serde(default = "yes")]
    pub act_when_unproven: bool,
}

/// A loss that must be reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MinLoss {
    /// The token; absent: the native coin.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub token: Option<Address>,
    /// At least this much, in its smallest unit.
    pub amount: Wei,
}

impl MinLoss {
    fn is_reached_by(&self, finding: &Finding) -> bool {
        let asset = self.token.map_or(Asset::Native, Asset::Erc20);
        // What can be taken and has not left is no loss: anybody can mint a number.
        let of_asset = finding.harm.iter().filter(|harm| harm.asset == asset && !harm.at_risk);
        let sum = of_asset.fold(U256::ZERO, |sum, harm| sum.saturating_add(harm.amount));
        sum >= U256::from(self.amount.0)
    }
}

const fn stop() -> Level {
    Level::Stop
}

const fn stable() -> Maturity {
    Maturity::Stable
}

const fn one_gwei() -> Wei {
    Wei(1_000_000_000)
}

const fn yes() -> bool {
    true
}

impl Allowance {
    /// Kind and name of what it is for.
    pub(crate) fn subject(&self) -> Option<(&'static str, &str)> {
        match (&self.lever, &self.module) {
            (Some(lever), None) => Some(("lever", lever)),
            (None, Some(module)) => Some(("module", module.as_str())),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// Every value that allows nothing, or too much.
    pub(super) fn check(&self, subject: &str) -> Vec<LimitsError> {
        let mut found = Vec::new();
        let mut wrong = |field, seen: String, expected| {
            found.push(LimitsError::Value { subject: subject.to_owned(), field, seen, expected });
        };
        if self.min_level == Level::Notice {
            wrong("min_level", self.min_level.to_string(), "`alert` or `stop`");
        }
        if self.max_duration_seconds == Some(0) {
            wrong("max_duration_seconds", "0".to_owned(), "at least 1");
        }
        if self.min_loss.iter().any(|loss| loss.token == Some(Address::ZERO)) {
            wrong("min_loss", Address::ZERO.to_string(), "a token, or no `token` for the native coin");
        }
        if self.window_seconds == 0 {
            wrong("window_seconds", "0".to_owned(), "at least 1");
        }
        let amounts =
            [("max_fee_per_gas_wei", self.max_fee_per_gas_wei), ("max_total_cost_wei", self.max_total_cost_wei)];
        for (field, amount) in amounts {
            if amount.0 == 0 {
                wrong(field, "0".to_owned(), "at least 1");
            }
        }
        if self.priority_floor_wei.0 > self.max_fee_per_gas_wei.0 {
            wrong("priority_floor_wei", self.priority_floor_wei.0.to_string(), "at most `max_fee_per_gas_wei`");
        }
        found
    }

    /// What an entry of an envelope must say besides: signers are to see the very call.
    pub(super) fn check_signed(&self, subject: &str) -> Vec<LimitsError> {
        let given = [
            ("lever", self.lever.is_some()),
            ("target", self.target.is_some_and(|target| !target.is_zero())),
            ("selector", self.selector.is_some()),
        ];
        let missing = given.into_iter().filter(|(_, is_given)| !is_given);
        let error = |(field, _)| LimitsError::Value {
            subject: subject.to_owned(),
            field,
            seen: "not given".to_owned(),
            expected: "its value: whoever signs must see what may be called",
        };
        missing.map(error).collect()
    }

    pub(super) const fn caps(&self) -> Caps {
        Caps {
            max_fee: self.max_fee_per_gas_wei.0,
            max_total_wei: self.max_total_cost_wei.0,
            floor: self.priority_floor_wei.0,
            bump: self.priority_bump_wei.0,
        }
    }

    pub(super) fn strong_enough<'a>(&self, request: &Request<'a>) -> Result<&'a Finding, Refusal> {
        let about = || request.findings.iter().filter(|finding| finding.module == *request.lever.module());
        let level = about().map(|finding| finding.level).max();
        if level.is_none_or(|level| level < self.min_level) {
            let seen = level.map_or_else(|| "nothing".to_owned(), |level| level.to_string());
            return Err(Refusal::TooWeak { seen, needed: self.min_level });
        }
        let strong = || about().filter(|finding| finding.level >= self.min_level);
        let needed = maturity_name(self.min_maturity);
        let mature = || strong().filter(|finding| finding.maturity >= self.min_maturity);
        mature().next().ok_or(Refusal::Immature { needed })?;
        let proven = || mature().filter(|finding| !self.only_broken_invariants || is_broken_invariant(finding));
        proven().next().ok_or(Refusal::NoBrokenInvariant)?;
        let enough = |finding: &&Finding| {
            self.min_loss.is_empty() || self.min_loss.iter().any(|loss| loss.is_reached_by(finding))
        };
        proven().find(enough).ok_or(Refusal::TooLittleLost)
    }

    /// Whether the call of `lever` is the one that people allowed.
    pub(super) fn names_call_of(&self, lever: &Lever) -> bool {
        let selector = lever.close_call().first_chunk::<4>().map(Selector::from);
        self.target.is_none_or(|target| target == lever.target())
            && self.selector.is_none_or(|allowed| Some(allowed) == selector)
    }

    /// How many actions the window holds already.
    pub(super) fn count(&self, request: &Request<'_>) -> Result<u32, Refusal> {
        let now = request.now;
        // A time in the future (our clock went back) counts as just now: limits err on the side of doing less.
        let recent = |at: UnixMillis, seconds: u64| now.since(at) < seconds.saturating_mul(1_000);
        let mut done = 0_u32;
        for record in request.sent {
            let first_sent = sent_times(record).min();
            if first_sent.is_some_and(|at| recent(at, self.window_seconds)) {
                done = done.saturating_add(1);
            }
            let failed = matches!(record.steps.last(), Some((_, PlanStep::Failed { .. })));
            let last_sent = sent_times(record).max();
            if let Some(at) = last_sent.filter(|at| !failed && recent(*at, self.cool_down_seconds)) {
                let passed = now.since(at) / 1_000;
                return Err(Refusal::CoolingDown { left_seconds: self.cool_down_seconds.saturating_sub(passed) });
            }
        }
        if done >= self.max_actions {
            return Err(Refusal::TooMany { done, allowed: self.max_actions, window_seconds: self.window_seconds });
        }
        Ok(done)
    }
}

fn sent_times(record: &PlanRecord) -> impl Iterator<Item = UnixMillis> + '_ {
    record.steps.iter().filter(|(_, step)| matches!(step, PlanStep::Sent { .. })).map(|(at, _)| *at)
}

pub(crate) const fn maturity_name(maturity: Maturity) -> &'static str {
    match maturity {
        Maturity::Sandbox => "sandbox",
        Maturity::Incubating => "incubating",
        Maturity::Stable => "stable",
    }
}

/// Whether a finding says that something which the team wrote down does not hold.
fn is_broken_invariant(finding: &Finding) -> bool {
    matches!(finding.detector.as_ref(), "invariant" | "assertion")
}
