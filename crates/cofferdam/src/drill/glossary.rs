//! Findings speak of raw amounts of addresses, because a token's name and decimals are its own claims. In a drill the
//! tokens are ours: here their amounts are put into words.
//!
//! Only text for people passes through here. What is on the record stays as it was written.

use alloy_primitives::U256;
use cofferdam_types::Asset;

use super::amount::AssetLabel;

/// Labels of assets, found by the words that findings use for them.
#[derive(Clone, Debug, Default)]
pub struct Glossary {
    entries: Vec<(String, AssetLabel)>,
}

impl Glossary {
    /// A glossary of `assets`.
    pub fn new(assets: impl IntoIterator<Item = (Asset, AssetLabel)>) -> Self {
        Self { entries: assets.into_iter().map(|(asset, label)| (format!(" of {asset}"), label)).collect() }
    }

    /// `text` with every amount of a known asset in whole units: `9500000000000000000 of native coin` is `9.5 ETH`.
    pub fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (words, label) in &self.entries {
            text = in_units(&text, words, label);
        }
        text
    }

    /// `value` in whole units where it is nothing but a number of smallest units of `asset`, a name as
    /// [`Asset`] displays it.
    pub fn bare(&self, value: &str, asset: &str) -> String {
        let magnitude = value.strip_prefix('-').unwrap_or(value);
        let digits = !magnitude.is_empty() && magnitude.bytes().all(|byte| byte.is_ascii_digit());
        if digits { self.shown(&format!("{value} of {asset}")) } else { self.shown(value) }
    }
}

fn in_units(text: &str, words: &str, label: &AssetLabel) -> String {
    let mut parts = text.split(words);
    let mut done = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = done.len().saturating_sub(done.bytes().rev().take_while(u8::is_ascii_digit).count());
        match done.get(number..).and_then(|digits| U256::from_str_radix(digits, 10).ok()) {
            Some(amount) if number < done.len() => {
                done.truncate(number);
                done.push_str(&label.amount(amount));
            }
            Some(_) | None => done.push_str(words),
        }
        done.push_str(part);
    }
    done
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    fn glossary() -> Glossary {
        let token = Asset::Erc20(Address::repeat_byte(7));
        Glossary::new([(Asset::Native, AssetLabel::new("ETH", 18)), (token, AssetLabel::new("dUSD", 6))])
    }

    #[test]
    fn amounts_of_known_assets_are_put_into_words() {
        let token = Address::repeat_byte(7);
        let text = format!("1500000000000000000 of native coin, and 2500000 of token {token} left");
        assert_eq!(glossary().shown(&text), "1.5 ETH, and 2.5 dUSD left");
        assert_eq!(glossary().bare("-1500000000000000000", "native coin"), "-1.5 ETH");
    }

    #[test]
    fn what_is_no_known_amount_stays_as_it_is() {
        for text in ["none of native coin", " of native coin", "7 of token 0x01", "x of native coins", ""] {
            assert_eq!(glossary().shown(text), text);
        }
        assert_eq!(glossary().bare("4 re-entries", "native coin"), "4 re-entries");
        let too_long = format!("{}0 of native coin", U256::MAX);
        assert_eq!(glossary().shown(&too_long), too_long);
    }
}
