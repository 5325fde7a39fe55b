//! Names of incidents and dates for people. Deterministic: the same finding at the same time has the same name.

use alloy_primitives::B256;
use cofferdam_types::{IncidentId, UnixMillis};

/// Letters that are not mistaken for a digit or for each other on the phone.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz";
/// Digits that are not mistaken for a letter.
const DIGITS: &[u8] = b"23456789";

/// Names for an incident that opened at `at` because of `seed`, shortest first: `2026-11-23-k7`, `2026-11-23-k7m3`, ...
/// The first that is not taken is its name.
pub(crate) fn incident_names(at: UnixMillis, seed: B256) -> impl Iterator<Item = IncidentId> {
    let mut name = format!("{}-", date(at));
    seed.0.into_iter().zip(seed.0.into_iter().skip(1)).step_by(2).map(move |(first, second)| {
        name.push(pick(LETTERS, first));
        name.push(pick(DIGITS, second));
        IncidentId(name.clone())
    })
}

fn pick(alphabet: &[u8], byte: u8) -> char {
    let index = usize::from(byte).checked_rem(alphabet.len()).unwrap_or_default();
    char::from(alphabet.get(index).copied().unwrap_or(b'x'))
}

/// The UTC date, `2026-11-23`.
fn date(at: UnixMillis) -> String {
    let (year, month, day) = civil(at.seconds() / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// RFC 3339 in UTC with milliseconds, `2026-11-23T04:05:06.789Z`.
pub(crate) fn timestamp(at: UnixMillis) -> String {
    let seconds = at.seconds() % 86_400;
    let (hour, minute, second) = (seconds / 3_600, seconds % 3_600 / 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", date(at), at.0 % 1_000)
}

/// The same with whole seconds, `2026-11-23T04:05:06Z`.
pub(crate) fn timestamp_seconds(at: UnixMillis) -> String {
    let text = timestamp(at);
    format!("{}Z", text.split('.').next().unwrap_or(&text))
}

/// Year, month and day of the `days`-th day after 1970-01-01 in the Gregorian calendar.
///
/// Method: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`: years start in March, so
/// that the leap day is the last of its year.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "days is below 2^38 (64 bits of milliseconds), and every subtraction takes a part from its whole"
)]
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_leap_days_and_at_the_ends() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_406_706_789, "2026-11-23T04:05:06.789Z"),
        ] {
            assert_eq!(timestamp(UnixMillis(millis)), expected);
        }
        timestamp(UnixMillis(u64::MAX));
    }

    #[test]
    fn a_taken_name_grows_by_two_characters() {
        let names: Vec<_> = incident_names(UnixMillis(1_795_406_706_789), B256::repeat_byte(9)).collect();
        assert_eq!(names.first().unwrap().0, "2026-11-23-k3");
        assert_eq!(names.get(1).unwrap().0, "2026-11-23-k3k3");
        assert_eq!(names.len(), 16);
    }
}
