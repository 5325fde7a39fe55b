//! Makes strings from outside harmless to look at: on a terminal, in a log, in a page.
//!
//! A token's name, a revert reason or a label can hold escape sequences that repaint a terminal, or marks that turn
//! the direction of text so that an address reads backwards. They are shown as what they are, never obeyed. This does
//! not escape HTML: the templates do that.

use std::borrow::Cow;
use std::fmt::Write as _;

use cofferdam_types::UnixMillis;

/// `text` with control characters, direction marks and invisible characters written as `<U+202E>`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_treacherous) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if is_treacherous(character) {
            // Writing to a `String` cannot fail.
            let _ = write!(clean, "<U+{:04X}>", u32::from(character));
        } else {
            clean.push(character);
        }
    }
    Cow::Owned(clean)
}

/// Like [`printable`], cut to `limit` characters with `...` in place of the rest.
pub fn shortened(text: &str, limit: usize) -> String {
    let clean = printable(text);
    if clean.chars().count() <= limit {
        return clean.into_owned();
    }
    let mut short: String = clean.chars().take(limit.saturating_sub(3)).collect();
    short.push_str("...");
    short
}

/// First and last digits of a long hexadecimal name, `0x1234..abcd`: enough to tell two apart on a screen.
pub fn abbreviated(hex: &str) -> String {
    match (hex.get(..6), hex.len().checked_sub(4).and_then(|tail| hex.get(tail..))) {
        (Some(head), Some(tail)) if hex.len() > 14 => format!("{head}..{tail}"),
        _ => hex.to_owned(),
    }
}

/// `text` with every hash in it [`abbreviated`]: 0x and 64 digits or more. Addresses stay whole.
pub fn without_long_hashes(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (hash, rest) = part.split_at(digits);
        let hash = format!("0x{hash}");
        short.push_str(&if digits >= 64 { abbreviated(&hash) } else { hash });
        short.push_str(rest);
    }
    short
}

/// A number of things: `1 module`, `2 modules`.
pub fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// `text` made printable and broken at spaces into lines of at most `width` characters; a longer word stands alone.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace().map(printable) {
        let fits = |line: &String| line.chars().count().saturating_add(word.chars().count()).saturating_add(1) <= width;
        match lines.last_mut() {
            Some(line) if fits(line) => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word.into_owned()),
        }
    }
    lines
}

/// A time of day, UTC, to the second: `2026-11-23 11:55:01`.
#[expect(clippy::arithmetic_side_effects, reason = "four-digit years keep every term far inside 64 bits")]
pub fn utc(at: UnixMillis) -> String {
    let seconds = at.seconds();
    // The last second of the year 9999.
    if seconds > 253_402_300_799 {
        return format!("{} ms", at.0);
    }
    // Howard Hinnant's days-to-civil, in eras of 400 years that begin on 1 March.
    let day = seconds / 86_400 + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}")
}

fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Direction marks, overrides and isolates.
            '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            // Line and paragraph separators, byte order mark, interlinear marks, tags.
            | '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_direction_overrides_are_shown_and_not_obeyed() {
        assert_eq!(printable("red \u{1b}[31m"), "red <U+001B>[31m");
        assert_eq!(printable("evil\u{202e}txt"), "evil<U+202E>txt");
        assert_eq!(printable("plain ü 漢"), "plain ü 漢");
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_not_inside_one() {
        assert_eq!(shortened("üüüüüüüü", 6), "üüü...");
        assert_eq!(shortened("short", 6), "short");
    }

    #[test]
    fn only_long_names_are_abbreviated() {
        assert_eq!(abbreviated("0x1234567890abcdef"), "0x1234..cdef");
        assert_eq!(abbreviated("0x1234"), "0x1234");
        assert_eq!(abbreviated("üüüüüüüüüü"), "üüü..üü");
        let (hash, address) = ("ab".repeat(32), "cd".repeat(20));
        let text = format!("0x{hash} by 0x{address}, 0x, 0xü");
        assert_eq!(without_long_hashes(&text), format!("0xabab..abab by 0x{address}, 0x, 0xü"));
    }

    #[test]
    fn times_of_day_hold_over_leap_days_and_the_ends_of_the_range() {
        let shown = |seconds: u64| utc(UnixMillis(seconds.saturating_mul(1_000)));
        assert_eq!(shown(0), "1970-01-01 00:00:00");
        assert_eq!(shown(951_827_696), "2000-02-29 12:34:56");
        assert_eq!(shown(1_709_251_199), "2024-02-29 23:59:59");
        assert_eq!(shown(253_402_300_799), "9999-12-31 23:59:59");
        assert_eq!(utc(UnixMillis(u64::MAX)), "18446744073709551615 ms");
    }

    #[test]
    fn one_thing_is_not_things() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "block")), ["0 blocks", "1 block", "2 blocks"]);
    }

    #[test]
    fn wrapping_keeps_long_words_whole() {
        assert_eq!(wrapped("a bb\nccc incomprehensible d", 6), ["a bb", "ccc", "incomprehensible", "d"]);
    }
}
