//! An envelope in words, for whoever signs it. Says everything that is signed, and nothing that is not.

use std::fmt::Write as _;

use cofferdam_respond::limits::envelope::Envelope;
use cofferdam_respond::limits::{Allowance, Limits, Wei};
use cofferdam_types::{Maturity, UnixMillis};

use crate::printable::utc;

/// The terms, their hash and who signed.
pub(super) fn in_words(limits: &Limits, envelope: &Envelope) -> String {
    let header = envelope.header();
    let mut text =
        format!("Envelope {} of {}, for chain {}.\n", header.serial, quoted(&header.protocol), header.chain_id);
    if header.valid_from_unix_seconds > 0 {
        let _ = writeln!(text, "It holds from {} on.", date(header.valid_from_unix_seconds));
    }
    if limits.allowances().is_empty() {
        text.push_str("It allows nothing.\n");
    }
    for allowance in limits.allowances() {
        text.push_str(&allowed(allowance));
    }
    text.push_str("\nThe machine may do nothing else alone. One signature of any signer ends this at once.\n");
    let _ = writeln!(text, "\nHash that is signed: {}", envelope.hash());
    for signed in envelope.signatures() {
        let kind = if signed.contract { " (a contract, asked by `watch`)" } else { "" };
        let _ = writeln!(text, "Signed by {}{kind}", signed.signer);
    }
    text
}

fn allowed(allowance: &Allowance) -> String {
    let name = allowance.lever.as_deref().unwrap_or("?");
    let mut text = format!("\nWith the lever `{name}` the machine may, alone:\n");
    if let (Some(target), Some(selector)) = (allowance.target, allowance.selector) {
        let _ = writeln!(text, "  call {selector}{} of {target}, and nothing else of it", known(selector.0));
    }
    let maturity = match allowance.min_maturity {
        Maturity::Sandbox => "even one in the sandbox",
        Maturity::Incubating => "at least incubating",
        Maturity::Stable => "stable",
    };
    let kind =
        if allowance.only_broken_invariants { "a broken invariant or assertion of your own" } else { "a finding" };
    let _ = writeln!(text, "  when {kind} is at least `{}`, of a detector that is {maturity}", allowance.min_level);
    for loss in &allowance.min_loss {
        let asset = loss.token.map_or_else(|| "wei".to_owned(), |token| format!("units of {token}"));
        let _ = writeln!(text, "    and counts a loss of at least {} {asset}", loss.amount.0);
    }
    if allowance.min_loss.len() > 1 {
        text.push_str("    (one of these losses is enough)\n");
    }
    if allowance.act_when_unproven {
        text.push_str("  also after harm in a block that cannot be repeated, without proof that it helps\n");
    }
    let times = if allowance.max_actions == 1 { "once" } else { &format!("{} times", allowance.max_actions) };
    let _ = write!(text, "  at most {times} within {}", span(allowance.window_seconds));
    if allowance.cool_down_seconds > 0 {
        let _ = write!(text, ", {} apart", span(allowance.cool_down_seconds));
    }
    text.push('\n');
    if let Some(seconds) = allowance.max_duration_seconds {
        let _ = writeln!(
            text,
            "  people should confirm or reopen within {}: a pause does not end by itself",
            span(seconds)
        );
    }
    let _ = writeln!(text, "  until {}", date(allowance.expires_unix_seconds));
    let (fee, total) = (allowance.max_fee_per_gas_wei, allowance.max_total_cost_wei);
    let _ = writeln!(text, "  paying at most {} per gas, and {} for one transaction", gwei(fee), ether(total));
    let (floor, bump) = (allowance.priority_floor_wei, allowance.priority_bump_wei);
    let _ = writeln!(text, "  with a tip of at least {}, and {} above the attacker's", gwei(floor), gwei(bump));
    text
}

/// The name of a function that many contracts share; a selector is no proof of a name.
const fn known(selector: [u8; 4]) -> &'static str {
    match selector {
        [0x84, 0x56, 0xcb, 0x59] => " (commonly `pause()`)",
        _ => "",
    }
}

fn date(seconds: u64) -> String {
    format!("{} ({seconds})", utc(UnixMillis(seconds.saturating_mul(1_000))))
}

fn span(seconds: u64) -> String {
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "min")] {
        if let Some(whole) = seconds.checked_div(unit).filter(|whole| *whole > 0 && seconds.is_multiple_of(unit)) {
            return format!("{whole} {name}");
        }
    }
    format!("{seconds} s")
}

fn gwei(amount: Wei) -> String {
    scaled(amount.0, 9, "gwei")
}

fn ether(amount: Wei) -> String {
    scaled(amount.0, 18, "of the native coin")
}

/// Exact: no digit is dropped.
fn scaled(amount: u128, decimals: usize, unit: &str) -> String {
    let digits = format!("{amount:0>width$}", width = decimals.saturating_add(1));
    let (whole, part) = digits.split_at(digits.len().saturating_sub(decimals));
    let part = part.trim_end_matches('0');
    if part.is_empty() { format!("{whole} {unit}") } else { format!("{whole}.{part} {unit}") }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn amounts_are_said_exactly() {
        assert_eq!(gwei(Wei(1_000_000_000)), "1 gwei");
        assert_eq!(gwei(Wei(1)), "0.000000001 gwei");
        assert_eq!(ether(Wei(200_000_000_000_000_001)), "0.200000000000000001 of the native coin");
        assert_eq!((span(86_400), span(90), span(7_200)), ("1 d".to_owned(), "90 s".to_owned(), "2 h".to_owned()));
    }

    #[test]
    fn every_signed_value_is_said() {
        let text = r#"
            enabled = true
            [envelope]
            protocol = "drill"
            chain_id = 31337
            serial = 3
            valid_from_unix_seconds = 1700000000
            [[allow]]
            lever = "vault-pause"
            target = "0x00000000000000000000000000000000000000aa"
            selector = "0x8456cb59"
            only_broken_invariants = true
            min_loss = [{ amount = 17 }, { token = "0x00000000000000000000000000000000000000bb", amount = 18 }]
            max_actions = 4
            window_seconds = 86401
            cool_down_seconds = 19
            max_duration_seconds = 23
            expires_unix_seconds = 4000000000
            max_fee_per_gas_wei = 31000000000
            max_total_cost_wei = 370000000000000000
            priority_floor_wei = 41
            priority_bump_wei = 43
        "#;
        let limits = Limits::parse(text.as_bytes()).unwrap();
        let said = in_words(&limits, limits.envelope().unwrap());
        for part in [
            "Envelope 3",
            "\"drill\"",
            "chain 31337",
            "1700000000",
            "vault-pause",
            "0000AA",
            "0x8456cb59",
            "`stop`",
            "stable",
            "broken invariant",
            "17 wei",
            "18 units of",
            "4 times",
            "86401 s",
            "19 s",
            "23 s",
            "4000000000",
            "31 gwei",
            "0.37",
            "0.000000041 gwei",
            "0.000000043 gwei",
            "cannot be repeated",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
