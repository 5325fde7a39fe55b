//! Weak signs of one party, taken together: several that each happen to honest people seldom do not all happen to one.
//!
//! The rules are those of the one published combiner (its AD-1 to AD-4 and its early rule), on exact integers: the
//! product over the stages of the smallest score in each stage. Scores of one stage are not multiplied, because
//! detectors of one stage look at the same thing.

use std::collections::BTreeSet;
use std::fmt;

use alloy_primitives::U256;
use cofferdam_types::{Score, Severity, Stage};

/// Different detectors that must have spoken before scores are multiplied.
const LEAST_DETECTORS: usize = 3;
/// A product below one in this many is an attack.
const RARE: u64 = 10_000_000;
/// A product below one in this many may be one.
const UNLIKELY: u64 = 10_000;

/// One finding as far as combining looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign<'f> {
    /// Who spoke; everything that one other tool says counts as one.
    pub detector: &'f str,
    /// How far the attack would be.
    pub stage: Stage,
    /// How seldom honest transactions cause it.
    pub score: Score,
    /// Whether a detector that may act on its own said alert or stop.
    pub precise: bool,
}

/// Which rule fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CombinationRule {
    /// Something in every stage, by at least three detectors.
    AllStages,
    /// A precise sign with one of another stage, or two precise detectors.
    Precise,
    /// At least three detectors, and the product below 10^-7.
    Rare,
    /// Nothing but funding and preparation so far, with a precise sign of preparation.
    Preparing,
    /// At least three detectors, and the product below 10^-4.
    Unlikely,
}

impl CombinationRule {
    /// Its name, as the published combiner has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AllStages => "AD-1",
            Self::Precise => "AD-2",
            Self::Rare => "AD-3",
            Self::Unlikely => "AD-4",
            Self::Preparing => "AD-PREPARATION",
        }
    }

    /// How bad an attack is taken to be that only this rule shows.
    pub const fn severity(self) -> Severity {
        match self {
            Self::AllStages | Self::Precise | Self::Rare => Severity::Critical,
            Self::Preparing => Severity::High,
            Self::Unlikely => Severity::Low,
        }
    }
}

/// A product of scores, exact: a whole number of parts of 10^(12 × stages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    parts: U256,
    stages: u32,
}

impl Product {
    /// Of the smallest score of each stage; at most four stages, so at most 160 bits.
    fn of(signs: &[Sign<'_>]) -> Self {
        let mut product = Self { parts: U256::from(1), stages: 0 };
        for stage in Stage::ALL {
            let scores = signs.iter().filter(|sign| sign.stage == stage).map(|sign| sign.score);
            if let Some(least) = scores.min() {
                product.parts = product.parts.saturating_mul(U256::from(least.parts()));
                product.stages = product.stages.saturating_add(1);
            }
        }
        product
    }

    /// Whether it is below one in `many`, exactly.
    fn is_below(&self, many: u64) -> bool {
        let whole = U256::from(Score::PARTS).saturating_pow(U256::from(self.stages));
        self.parts.saturating_mul(U256::from(many)) < whole
    }
}

/// In scientific notation without rounding: `5e-8`.
impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.parts.to_string();
        let significant = digits.trim_end_matches('0');
        let (first, rest) = significant.split_at_checked(1).unwrap_or(("0", ""));
        // 12 digits a stage, less those before the first significant one.
        let below = u64::from(self.stages).saturating_mul(12);
        let above = u64::try_from(digits.len()).unwrap_or(u64::MAX).saturating_sub(1);
        let exponent = below.saturating_sub(above);
        let point = if rest.is_empty() { "" } else { "." };
        if exponent == 0 { write!(f, "{first}{point}{rest}") } else { write!(f, "{first}{point}{rest}e-{exponent}") }
    }
}

/// What several signs add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combination {
    /// The first rule that fitted, the one that says most first.
    pub rule: CombinationRule,
    /// The product of scores, whatever the rule.
    pub product: Product,
    /// Stages in which something was seen, as attacks go.
    pub stages: Vec<Stage>,
    /// How many different detectors spoke.
    pub detectors: usize,
}

impl Combination {
    /// In one sentence.
    pub fn words(&self) -> String {
        let stages: Vec<&str> = self.stages.iter().map(|stage| stage.word()).collect();
        format!(
            "{} detectors over {}, together {} of honest traffic ({})",
            self.detectors,
            stages.join(", "),
            self.product,
            self.rule.word()
        )
    }
}

/// What `signs` of one party add up to; `None` when that is nothing. Their order does not matter.
pub fn combine(signs: &[Sign<'_>]) -> Option<Combination> {
    let detectors: BTreeSet<&str> = signs.iter().map(|sign| sign.detector).collect();
    let stages: BTreeSet<Stage> = signs.iter().map(|sign| sign.stage).collect();
    let product = Product::of(signs);
    let enough = detectors.len() >= LEAST_DETECTORS;
    let precise: BTreeSet<&str> = signs.iter().filter(|sign| sign.precise).map(|sign| sign.detector).collect();
    let early = stages.iter().all(|stage| *stage <= Stage::Preparation);
    let prepared = signs.iter().any(|sign| sign.precise && sign.stage == Stage::Preparation);
    let rule = if enough && stages.len() == Stage::ALL.len() {
        CombinationRule::AllStages
    } else if !early && !precise.is_empty() && stages.len() > 1 || precise.len() > 1 {
        CombinationRule::Precise
    } else if enough && product.is_below(RARE) {
        CombinationRule::Rare
    } else if early && prepared {
        CombinationRule::Preparing
    } else if enough && product.is_below(UNLIKELY) {
        CombinationRule::Unlikely
    } else {
        return None;
    };
    Some(Combination { rule, product, stages: stages.into_iter().collect(), detectors: detectors.len() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Parts of 10^12 for one in ten thousand, and so on.
    const E4: u64 = 100_000_000;
    const E2: u64 = 10_000_000_000;

    fn sign(detector: &'static str, stage: Stage, parts: u64) -> Sign<'static> {
        Sign { detector, stage, score: Score::new(parts).unwrap(), precise: false }
    }

    #[test]
    fn the_published_example_fires_exactly_as_published() {
        // min(1e-4, 1e-2) * 5e-4 = 5e-8
        let signs = [
            sign("a", Stage::Preparation, E4),
            sign("b", Stage::Preparation, E2),
            sign("c", Stage::Exploitation, 5 * E4),
        ];
        let combined = combine(&signs).unwrap();
        assert_eq!((combined.rule, combined.product.to_string().as_str()), (CombinationRule::Rare, "5e-8"));
        assert_eq!(combined.rule.severity(), Severity::Critical);
    }

    #[test]
    fn the_bound_itself_is_not_below_the_bound() {
        let signs = |last| {
            [sign("a", Stage::Preparation, E4), sign("b", Stage::Preparation, E4), sign("c", Stage::Exploitation, last)]
        };
        // 1e-4 * 1e-3 = 1e-7 exactly.
        assert_eq!(combine(&signs(1_000_000_000)).unwrap().rule, CombinationRule::Unlikely);
        assert_eq!(combine(&signs(999_999_999)).unwrap().rule, CombinationRule::Rare);
    }

    #[test]
    fn one_detector_alone_and_two_in_one_stage_add_up_to_nothing() {
        assert_eq!(combine(&[sign("a", Stage::Exploitation, 1)]), None);
        let two = [sign("a", Stage::Exploitation, 1), sign("b", Stage::Exploitation, 1)];
        assert_eq!(combine(&two), None, "three detectors are asked for");
        assert_eq!(combine(&[]), None);
    }

    #[test]
    fn every_stage_or_a_precise_sign_with_another_stage_is_enough() {
        let whole = Score::PARTS;
        let every = [
            sign("a", Stage::Funding, whole),
            sign("b", Stage::Preparation, whole),
            sign("c", Stage::Exploitation, whole),
            sign("c", Stage::Laundering, whole),
        ];
        assert_eq!(combine(&every).unwrap().rule, CombinationRule::AllStages);
        assert_eq!(combine(&every).unwrap().product.to_string(), "1");
        let precise = Sign { precise: true, ..sign("d", Stage::Exploitation, whole) };
        assert_eq!(combine(&[precise]), None);
        assert_eq!(combine(&[precise, sign("a", Stage::Funding, whole)]).unwrap().rule, CombinationRule::Precise);
        let other = Sign { detector: "e", ..precise };
        assert_eq!(combine(&[precise, other]).unwrap().rule, CombinationRule::Precise);
        let early = [Sign { stage: Stage::Preparation, ..precise }, sign("a", Stage::Funding, whole)];
        assert_eq!(combine(&early).unwrap().rule, CombinationRule::Preparing);
    }

    #[test]
    fn a_product_of_four_smallest_scores_is_exact() {
        let stages = [Stage::Funding, Stage::Preparation, Stage::Exploitation];
        let signs: Vec<Sign<'_>> =
            ["a", "b", "c"].into_iter().zip(stages).map(|(id, stage)| sign(id, stage, 1)).collect();
        assert_eq!(combine(&signs).unwrap().product.to_string(), "1e-36");
        let odd =
            [sign("a", Stage::Funding, 125 * E4), sign("b", Stage::Funding, 130 * E4), sign("c", Stage::Funding, 1)];
        assert_eq!(Product::of(&odd[..2]).to_string(), "1.25e-2");
    }
}
