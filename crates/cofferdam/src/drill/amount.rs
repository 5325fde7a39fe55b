//! Amounts for people: exact integers in, short decimal text out. Nothing here may be fed back into a calculation.

use alloy_primitives::U256;
use cofferdam_types::Bps;
use serde::{Deserialize, Serialize};

/// How an asset is written for a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AssetLabel {
    /// The token's own name for itself: a claim, shown and never trusted.
    pub symbol: String,
    /// Decimal places of the smallest unit; more than 77 are taken as 77, where 256 bits end.
    pub decimals: u8,
}

impl AssetLabel {
    /// A label.
    pub fn new(symbol: impl Into<String>, decimals: u8) -> Self {
        Self { symbol: symbol.into(), decimals }
    }

    /// `raw` in whole units with thousands separators and at most four decimals (two from
    /// a thousand upwards), rounded *down*, without the symbol.
    /// What is smaller than that but not nothing reads `<0.0001`.
    pub fn number(&self, raw: U256) -> String {
        let digits = raw.to_string();
        let decimals = usize::from(self.decimals.min(77));
        let padded = format!("{digits:0>width$}", width = decimals.saturating_add(1));
        let point = padded.len().saturating_sub(decimals);
        let (whole, fraction) = padded.split_at(point);
        let places = if whole.len() > 3 { 2 } else { 4 };
        let shown = fraction.get(..fraction.len().min(places)).unwrap_or_default().trim_end_matches('0');
        if !raw.is_zero() && whole == "0" && shown.is_empty() {
            return "<0.0001".to_owned();
        }
        let whole = grouped(whole);
        if shown.is_empty() { whole } else { format!("{whole}.{shown}") }
    }

    /// [`Self::number`] and the symbol.
    pub fn amount(&self, raw: U256) -> String {
        format!("{} {}", self.number(raw), crate::printable::shortened(&self.symbol, 24))
    }

    /// `raw` in whole units as a floating-point number: for drawing only.
    pub fn drawn(&self, raw: U256) -> f64 {
        f64::from(raw) / 10_f64.powi(i32::from(self.decimals.min(77)))
    }
}

/// The share of `whole` that is `part`, rounded down; `None` when there is no whole. Never above one hundred percent.
pub fn share(part: U256, whole: U256) -> Option<Bps> {
    if part >= whole {
        return if whole.is_zero() { None } else { Some(Bps::WHOLE) };
    }
    // `part < whole`, so shifting both keeps the quotient within rounding and the product inside 256 bits.
    let shift = 14_usize.saturating_sub(whole.leading_zeros());
    let (part, whole) = (part.wrapping_shr(shift), whole.wrapping_shr(shift));
    let scaled = part.checked_mul(U256::from(10_000_u64))?.checked_div(whole)?;
    Bps::new(u16::try_from(scaled).ok()?)
}

/// `9012` bps as `90.12 %`, without needless zeros.
pub fn percent(share: Bps) -> String {
    let (whole, rest) = (share.get() / 100, share.get() % 100);
    let text = format!("{whole}.{rest:02}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Digits in groups of three, separated by commas.
pub fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len().saturating_add(digits.len() / 3));
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_down_and_never_to_nothing() {
        let ether = AssetLabel::new("ETH", 18);
        let shown = |raw: u128| ether.number(U256::from(raw));
        assert_eq!(shown(1_234_567_899_990_000_000_000), "1,234.56");
        assert_eq!(shown(1_000_000_000_000_000_000), "1");
        assert_eq!(shown(34_567_899_990_000_000_000), "34.5678");
        assert_eq!(shown(1), "<0.0001");
        assert_eq!(shown(0), "0");
        assert_eq!(AssetLabel::new("X", 0).number(U256::from(1_000)), "1,000");
        assert_eq!(AssetLabel::new("X", 255).number(U256::MAX), "1.1579");
    }

    #[test]
    fn shares_hold_at_the_ends_of_the_range() {
        assert_eq!(share(U256::ZERO, U256::ZERO), None);
        assert_eq!(share(U256::from(1), U256::from(3)).unwrap().get(), 3_333);
        assert_eq!(share(U256::MAX, U256::MAX).unwrap(), Bps::WHOLE);
        assert_eq!(share(U256::MAX >> 1, U256::MAX).unwrap().get(), 4_999);
    }

    #[test]
    fn percentages_drop_needless_zeros() {
        assert_eq!(percent(Bps::new(9_012).unwrap()), "90.12 %");
        assert_eq!(percent(Bps::new(9_010).unwrap()), "90.1 %");
        assert_eq!(percent(Bps::WHOLE), "100 %");
        assert_eq!(percent(Bps::new(5).unwrap()), "0.05 %");
    }
}
