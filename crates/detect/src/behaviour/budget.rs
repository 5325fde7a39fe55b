//! How often false alarms may come, and which thresholds mean that on a protocol's own history.
//!
//! The history is judged once for each step of a scale, all thresholds of alerts at the same multiple of what is
//! configured, by the very detectors that would run. Nothing is fitted: the answer is a row of a table of counts. Every
//! alert of the history counts as a false one.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use alloy_primitives::U256;
use cofferdam_types::{Bps, ChainId, Execution, Judge as _, Level, Watchlist};

use super::{learner::Learner, memory::Behaviour};
use crate::{
    Detection, Settings, SettingsError,
    settings::{ModuleSettings, NoveltySettings},
};

/// Multiples of the configured thresholds, in percent, the most sensitive first.
const SCALE: [u32; 9] = [25, 50, 75, 100, 150, 200, 300, 500, 1_000];
/// Multiples of the largest amount seen that are looked at.
const TIMES: [u64; 8] = [2, 3, 5, 10, 20, 40, 100, 1_000];
const DAY_SECONDS: f64 = 86_400.0;

/// So many in such a time: `2/month`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// How many.
    pub alarms: u32,
    /// In how many days.
    pub days: f64,
}

/// Not a budget.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("`{seen}` is no budget: expected a number below 100,000, a slash, and `day`, `week`, `month` or `year`")]
pub struct BudgetError {
    seen: String,
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || BudgetError { seen: text.chars().filter(|character| !character.is_control()).take(40).collect() };
        let (alarms, unit) = text.split_once('/').ok_or_else(wrong)?;
        let alarms = alarms.trim().parse().ok().filter(|alarms| *alarms < 100_000).ok_or_else(wrong)?;
        let days = match unit.trim() {
            "day" => 1.0,
            "week" => 7.0,
            "month" => 30.0,
            "year" => 365.0,
            _ => return Err(wrong()),
        };
        Ok(Self { alarms, days })
    }
}

/// A number of events as a rate, with what it may truly be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Seen.
    pub count: u64,
    /// In so many days of block time.
    pub days: f64,
    /// Per period of the budget.
    pub rate: f64,
    /// Ends of the 95 % interval (Garwood: exact for counts of independent events), per period of the budget; the upper
    /// one is infinite where no time has passed.
    pub interval: (f64, f64),
}

impl Rate {
    fn of(count: u64, seconds: u64, budget: Budget) -> Self {
        #[expect(clippy::as_conversions, reason = "seconds of a history, far below 2^53")]
        let days = seconds as f64 / DAY_SECONDS;
        let periods = days / budget.days;
        #[expect(clippy::as_conversions, reason = "counts far below 2^53")]
        let seen = count as f64;
        let (low, high) = poisson_interval(count);
        if periods <= 0.0 {
            return Self { count, days, rate: 0.0, interval: (0.0, f64::INFINITY) };
        }
        Self { count, days, rate: seen / periods, interval: (low / periods, high / periods) }
    }
}

/// The exact 95 % interval of the mean of a Poisson distribution of which `count` was drawn.
fn poisson_interval(count: u64) -> (f64, f64) {
    #[expect(clippy::as_conversions, reason = "counts far below 2^53")]
    let most = (count as f64).mul_add(2.0, 20.0);
    let solve = |target: f64, of: &dyn Fn(f64) -> f64| {
        let (mut low, mut high) = (0.0_f64, most);
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if of(middle) > target {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    };
    // P(X <= n) falls as the mean grows.
    let upper = solve(0.025, &|mean| at_most(count, mean));
    let lower = count.checked_sub(1).map_or(0.0, |below| solve(0.975, &|mean| at_most(below, mean)));
    (lower, upper)
}

/// The probability of at most `count` where `mean` are expected.
fn at_most(count: u64, mean: f64) -> f64 {
    // In logarithms, so that large means do not underflow.
    let (mut term, mut sum) = (-mean, 0.0_f64);
    let mut number = 0_u64;
    loop {
        sum += term.exp();
        if number >= count {
            return sum.min(1.0);
        }
        number = number.saturating_add(1);
        #[expect(clippy::as_conversions, reason = "counts far below 2^53")]
        let divisor = number as f64;
        term += mean.max(f64::MIN_POSITIVE).ln() - divisor.ln();
    }
}

/// One step of the scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Thresholds at this multiple of what is configured, in percent.
    pub percent: u32,
    /// Transactions with an alert or a stop.
    pub alarms: Rate,
    /// The same by detector: a transaction counts for each that spoke.
    pub detectors: BTreeMap<String, u64>,
}

/// One multiple of the largest amount seen.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueChoice {
    /// The multiple.
    pub times: u64,
    /// Transactions of the second half that go beyond it on a path that the first half taught.
    pub novel: Rate,
}

/// What a budget means on a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Afforded {
    /// Every step of the scale, the most sensitive first.
    pub scale: Vec<Choice>,
    /// Which of these is the most sensitive within the budget; `None` when none is.
    pub chosen: Option<usize>,
    /// Every multiple of amounts, the most sensitive first; empty without a second half.
    pub values: Vec<ValueChoice>,
    /// Which of these is the most sensitive within the budget.
    pub chosen_value: Option<usize>,
    /// Transactions that touched a module, all of the history.
    pub transactions: u64,
    /// Of the second half, those whose path the first half had not shown.
    pub new_paths: Rate,
}

/// Judges a history at every step of the scale.
pub struct Sweep {
    judges: Vec<(u32, Detection, u64, BTreeMap<String, u64>)>,
    watch: Arc<Watchlist>,
    /// The first block of the second half, which is held against what the first has taught.
    half: u64,
    first_half: Option<Learner>,
    taught: Option<Behaviour>,
    /// The largest multiple of each transaction of the second half on a known path.
    multiples: Vec<U256>,
    new_paths: u64,
    transactions: u64,
    began: Option<u64>,
    halved: Option<u64>,
    ended: u64,
}

impl Sweep {
    /// For the modules of `watch`; `half` is the first block of the second half of the history.
    ///
    /// # Errors
    /// [`SettingsError`] names the first entry of `settings` that cannot be meant.
    pub fn new(watch: Arc<Watchlist>, settings: &Settings, chain: ChainId, half: u64) -> Result<Self, SettingsError> {
        let mut judges = Vec::new();
        for percent in SCALE {
            let mut scaled = settings.clone();
            for module in watch.modules() {
                if !scaled.modules.iter().any(|entry| entry.module == module.id) {
                    scaled.modules.push(ModuleSettings::defaults(module.id.clone()));
                }
            }
            scaled.modules.iter_mut().for_each(|module| scale(module, percent));
            judges.push((percent, Detection::new(watch.clone(), &scaled)?, 0, BTreeMap::new()));
        }
        let first_half = Some(Learner::new(watch.clone(), settings, chain)?);
        Ok(Self {
            judges,
            watch,
            half,
            first_half,
            taught: None,
            multiples: Vec::new(),
            new_paths: 0,
            transactions: 0,
            began: None,
            halved: None,
            ended: 0,
        })
    }

    /// Takes the next transaction of the chain.
    pub fn take(&mut self, execution: &Execution) {
        let at = execution.block.timestamp;
        self.began = Some(self.began.map_or(at, |began| began.min(at)));
        self.ended = self.ended.max(at);
        if execution.block.number.0 >= self.half {
            self.halved = self.halved.or(Some(at));
            if let Some(learner) = self.first_half.take() {
                // The same watchlist: it cannot be refused.
                self.taught = Behaviour::new(&learner.finish(), &self.watch).ok();
            }
            self.compare(execution);
        } else if let Some(learner) = &mut self.first_half {
            learner.take(execution);
        }
        let mut is_touched = false;
        for (_, judge, alarms, detectors) in &mut self.judges {
            let verdict = judge.judge(execution);
            judge.record(execution);
            is_touched |= judge.is_touched(execution);
            let mut spoke: Vec<&str> = Vec::new();
            for finding in verdict.findings.iter().filter(|finding| finding.level > Level::Notice) {
                if !spoke.contains(&finding.detector.as_ref()) {
                    spoke.push(&finding.detector);
                    let count = detectors.entry(finding.detector.to_string()).or_default();
                    *count = count.saturating_add(1);
                }
            }
            *alarms = alarms.saturating_add(u64::from(!spoke.is_empty()));
        }
        self.transactions = self.transactions.saturating_add(u64::from(is_touched));
    }

    /// What `budget` means.
    pub fn finish(self, budget: Budget) -> Afforded {
        let seconds = self.began.map_or(0, |began| self.ended.saturating_sub(began));
        let second_half = self.halved.map_or(0, |halved| self.ended.saturating_sub(halved));
        let scale: Vec<Choice> = self
            .judges
            .into_iter()
            .map(|(percent, _, alarms, detectors)| Choice {
                percent,
                alarms: Rate::of(alarms, seconds, budget),
                detectors,
            })
            .collect();
        let values: Vec<ValueChoice> = match self.taught {
            None => Vec::new(),
            Some(_) => TIMES
                .into_iter()
                .map(|times| {
                    let beyond = self.multiples.iter().filter(|multiple| **multiple >= U256::from(times)).count();
                    let beyond = u64::try_from(beyond).unwrap_or(u64::MAX);
                    ValueChoice { times, novel: Rate::of(beyond, second_half, budget) }
                })
                .collect(),
        };
        let affords = |rate: &Rate| rate.rate <= f64::from(budget.alarms);
        Afforded {
            chosen: scale.iter().position(|choice| affords(&choice.alarms)),
            scale,
            chosen_value: values.iter().position(|choice| affords(&choice.novel)),
            values,
            transactions: self.transactions,
            new_paths: Rate::of(self.new_paths, second_half, budget),
        }
    }

    /// How far a transaction of the second half is from what the first has taught.
    fn compare(&mut self, execution: &Execution) {
        let (Some(taught), Some((_, judge, ..))) = (&self.taught, self.judges.first()) else { return };
        let rules = NoveltySettings { value_times: 1, least_transactions: 1, least_seconds: 0 };
        let (mut multiple, mut is_new) = (None, false);
        for witnessed in judge.witnessed(execution) {
            for novelty in taught.novelties(&witnessed, &rules).unwrap_or_default() {
                match novelty.times() {
                    Some(times) => multiple = multiple.max(Some(times)),
                    None => is_new |= novelty.is_strong(),
                }
            }
        }
        if is_new {
            self.new_paths = self.new_paths.saturating_add(1);
        } else {
            self.multiples.extend(multiple);
        }
    }
}

/// Thresholds of alerts at `percent` of what they are, at least one basis point and at most the whole.
fn scale(module: &mut ModuleSettings, percent: u32) {
    for (_, threshold) in alert_thresholds(module) {
        let scaled = u32::from(threshold.get()).saturating_mul(percent).wrapping_div(100).clamp(1, 10_000);
        *threshold = u16::try_from(scaled).ok().and_then(Bps::new).unwrap_or(Bps::WHOLE);
    }
}

/// Every threshold at which an alert is said, by its key.
fn alert_thresholds(module: &mut ModuleSettings) -> [(&'static str, &mut Bps); 11] {
    [
        ("outflow.one_sided_alert_bps", &mut module.outflow.one_sided_alert_bps),
        ("outflow.exchanged_alert_bps", &mut module.outflow.exchanged_alert_bps),
        ("outflow.window_one_sided_alert_bps", &mut module.outflow.window_one_sided_alert_bps),
        ("outflow.window_net_alert_bps", &mut module.outflow.window_net_alert_bps),
        ("supply.mint_alert_bps", &mut module.supply.mint_alert_bps),
        ("supply.sold_alert_bps", &mut module.supply.sold_alert_bps),
        ("prices.alert_bps", &mut module.prices.alert_bps),
        ("flash_loan.alert_bps", &mut module.flash_loan.alert_bps),
        ("underpaid.alert_bps", &mut module.underpaid.alert_bps),
        ("slow_drain.alert_bps", &mut module.slow_drain.alert_bps),
        ("velocity.alert_bps", &mut module.velocity.alert_bps),
    ]
}

/// The thresholds of `module` at `percent` of what is configured, as lines of TOML for its table.
pub fn thresholds_at(module: &ModuleSettings, percent: u32) -> Vec<String> {
    let mut scaled = module.clone();
    scale(&mut scaled, percent);
    alert_thresholds(&mut scaled).into_iter().map(|(key, bps)| format!("{key} = {}", bps.get())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "small numbers; a wrong case must panic")]

    use serde_json::{Value, json};

    use super::*;
    use crate::testbed::Case;

    #[test]
    fn a_budget_is_a_number_and_a_time() {
        assert_eq!("2/month".parse(), Ok(Budget { alarms: 2, days: 30.0 }));
        assert_eq!("0 / year".parse(), Ok(Budget { alarms: 0, days: 365.0 }));
        for wrong in ["", "2", "2/fortnight", "-1/day", "two/day", "100000/day", "1e9/day"] {
            assert!(wrong.parse::<Budget>().unwrap_err().to_string().contains("is no budget"), "{wrong}");
        }
    }

    #[test]
    fn intervals_are_the_published_ones() {
        // Garwood 1936.
        for (count, low, high) in [(0, 0.0, 3.689), (1, 0.025, 5.572), (5, 1.623, 11.668), (100, 81.36, 121.63)] {
            let (lower, upper) = poisson_interval(count);
            assert!((lower - low).abs() < 0.01 && (upper - high).abs() < 0.01, "{count}: {lower} {upper}");
        }
    }

    fn history(shares: &[u64]) -> Case {
        let leave = |share: &u64| -> Value {
            json!({
                "from": "@keeper", "after_seconds": 86_400,
                "call": { "to": "@vault", "function": "pay()", "logs": [{ "event": "Paid()" }] },
                "moves": [["@coin", "@vault", "@payee", (share * 100).to_string()]],
                "checks": [["@vault", "@coin", "1000000", (1_000_000 - share * 100).to_string()]],
            })
        };
        let transactions: Vec<Value> = shares.iter().map(leave).collect();
        let modules = json!([{ "id": "vault", "contracts": ["@vault"], "assets": ["@coin"] }]);
        Case::read(json!({ "modules": modules, "transactions": transactions }))
    }

    fn swept(shares: &[u64], budget: &str) -> Afforded {
        let case = history(shares);
        let half = u64::try_from(shares.len()).unwrap() / 2;
        let mut sweep = Sweep::new(case.watch(), &Settings::default(), ChainId(1), half).unwrap();
        case.executions().iter().for_each(|execution| sweep.take(execution));
        sweep.finish(budget.parse().unwrap())
    }

    #[test]
    fn the_most_sensitive_threshold_within_the_budget_is_chosen() {
        // Basis points that leave by one who always pays, one a day: three above 10 %, of these one above 20 %.
        let mut shares = vec![100; 60];
        (shares[10], shares[20], shares[30]) = (1_100, 1_200, 2_500);
        let afforded = swept(&shares, "1/month");
        let chosen = &afforded.scale[afforded.chosen.unwrap()];
        assert_eq!((chosen.percent, chosen.alarms.count), (75, 1), "{afforded:?}");
        assert!(chosen.alarms.interval.1 > 1.0, "one in two months may truly be more than one a month");
        let strict = swept(&shares, "0/year");
        assert_eq!(strict.scale[strict.chosen.unwrap()].percent, 150);
    }

    #[test]
    fn amounts_of_the_second_half_are_held_against_the_first() {
        let mut shares = vec![10; 60];
        shares[45] = 80;
        let afforded = swept(&shares, "0/month");
        let counts: Vec<(u64, u64)> =
            afforded.values.iter().map(|choice| (choice.times, choice.novel.count)).take(4).collect();
        assert_eq!(counts, [(2, 1), (3, 1), (5, 1), (10, 0)]);
        assert_eq!(afforded.values[afforded.chosen_value.unwrap()].times, 10);
        assert_eq!(afforded.new_paths.count, 0);
    }

    #[test]
    fn thresholds_are_printed_as_they_are_pasted() {
        let module = ModuleSettings::defaults(cofferdam_types::ModuleId::new("vault").unwrap());
        let lines = thresholds_at(&module, 150);
        assert!(lines.contains(&"outflow.one_sided_alert_bps = 1500".to_owned()), "{lines:?}");
        assert!(thresholds_at(&module, 1_000).contains(&"outflow.one_sided_alert_bps = 10000".to_owned()));
    }
}
