//! What was measured of each detector: how many attacks it told by itself, and how often it spoke of honest transactions.
//!
//! The file is written by a command and never by hand; it names the command and the counts and no date, so that the same
//! cases and the same code give the same bytes. Tests hold it and the detectors' pages against each other.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use serde::{Deserialize, Serialize};

/// Where the figures begin on a page, and where they end.
const MARKS: (&str, &str) = ("<!-- figures: written by a command -->", "<!-- end of the figures -->");

static FIGURES: LazyLock<Figures> = LazyLock::new(|| {
    toml::from_str(include_str!("../../figures.toml")).expect("figures.toml is read by the test of the figures")
});

/// The figures of all detectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// The command that wrote them.
    pub command: String,
    /// How much was measured.
    pub measured: Measured,
    /// By detector.
    pub detectors: BTreeMap<String, Figure>,
}

/// How much was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Real attacks.
    pub exploits: u64,
    /// Attacks of the zoo, unchanged.
    pub zoo: u64,
    /// Attacks of the zoo, changed.
    pub zoo_changed: u64,
    /// Attacks that no detector was written with, unchanged.
    pub held_out: u64,
    /// Transactions of real blocks, with their most-called contracts protected.
    pub real_transactions: u64,
    /// Of these, contract calls.
    pub real_contract_calls: u64,
    /// Honest transactions of the zoo.
    pub zoo_honest_transactions: u64,
}

/// The figures of one detector. What it says of honest transactions counts transactions, by its strongest word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Real attacks.
    pub exploits: Said,
    /// Attacks of the zoo, unchanged.
    pub zoo: Said,
    /// Attacks of the zoo, changed.
    pub zoo_changed: Said,
    /// Attacks that no detector was written with, unchanged.
    pub held_out: Said,
    /// Real honest transactions.
    pub real: Said,
    /// Honest transactions of the zoo.
    pub zoo_honest: Said,
}

/// How often something was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Stops.
    pub stops: u64,
    /// Alerts, without the stops.
    pub alerts: u64,
    /// Notices, without alerts and stops.
    pub notices: u64,
}

impl Said {
    /// Alerts and stops.
    pub const fn told(self) -> u64 {
        self.stops.saturating_add(self.alerts)
    }
}

/// The figures that stand in the repository.
pub fn figures() -> &'static Figures {
    &FIGURES
}

impl Figures {
    /// The figures of one detector as they stand on its page, marks included; `None` when there are none.
    pub fn block(&self, id: &str) -> Option<String> {
        let figure = self.detectors.get(id)?;
        let rows = [
            ("real attacks (told at the latest with the attack)", self.measured.exploits, figure.exploits),
            ("attacks of the zoo, unchanged", self.measured.zoo, figure.zoo),
            ("attacks of the zoo, changed", self.measured.zoo_changed, figure.zoo_changed),
            ("attacks held out, unchanged", self.measured.held_out, figure.held_out),
            ("honest: transactions of real blocks", self.measured.real_transactions, figure.real),
            ("honest: transactions of the zoo", self.measured.zoo_honest_transactions, figure.zoo_honest),
        ];
        let mut text = format!("{}\nThis detector alone, by `{}`:\n\n", MARKS.0, self.command);
        text.push_str("| measured on | n | stops | alerts | notices |\n| --- | --- | --- | --- | --- |\n");
        for (what, n, Said { stops, alerts, notices }) in rows {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "| {what} | {n} | {stops} | {alerts} | {notices} |");
        }
        text.push_str(MARKS.1);
        Some(text)
    }

    /// `page` with this detector's figures in place of the ones that stand there, or at its end. `None` when there are no
    /// figures, or the page's marks do not pair.
    pub fn put_into(&self, id: &str, page: &str) -> Option<String> {
        let block = self.block(id)?;
        let Some((before, rest)) = page.split_once(MARKS.0) else {
            return Some(format!("{}\n\n{block}\n", page.trim_end()));
        };
        let (_, after) = rest.split_once(MARKS.1)?;
        Some(format!("{before}{block}{after}"))
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_types::Maturity;

    use super::*;
    use crate::catalog::{infos, page};

    /// What to do about a failure of these tests.
    const REMEDY: &str =
        "`cofferdam detectors measure --cases DIR --write crates/detect` writes figures and pages anew";

    #[test]
    fn every_detector_has_figures_and_nothing_else_has() {
        let known: Vec<&str> = figures().detectors.keys().map(String::as_str).collect();
        let mut expected: Vec<&str> = infos().into_iter().map(|info| info.id.as_str()).collect();
        expected.sort_unstable();
        assert_eq!(known, expected, "{REMEDY}");
    }

    #[test]
    fn every_page_shows_the_figures_that_were_measured() {
        for info in infos() {
            let page = page(&info.id).unwrap_or_else(|| panic!("`{}` is not listed in pages.rs", info.id));
            let expected = figures().put_into(&info.id, page);
            assert_eq!(expected.as_deref(), Some(page), "the page of `{}`: {REMEDY}", info.id);
            assert!(page.contains(MARKS.0), "the page of `{}` shows no figures: {REMEDY}", info.id);
        }
    }

    #[test]
    fn what_may_stop_was_measured_and_stopped_nothing_honest() {
        let measured = &figures().measured;
        assert!(measured.real_contract_calls >= 1_000 && measured.zoo >= 30 && measured.exploits > 0, "{measured:?}");
        for info in infos().into_iter().filter(|info| info.maturity == Maturity::Stable) {
            let figure = figures().detectors.get(&info.id).copied().unwrap_or_default();
            let wrong = figure.real.stops.saturating_add(figure.zoo_honest.stops);
            assert_eq!(wrong, 0, "`{}` is stable and stopped honest transactions: it is not ready", info.id);
        }
    }

    #[test]
    fn a_page_takes_its_figures_once_and_again() {
        let mut figures = Figures { command: "measure".to_owned(), ..Figures::default() };
        figures.detectors.insert("votes".to_owned(), Figure::default());
        let once = figures.put_into("votes", "# page\n\ntext\n").unwrap();
        assert!(once.starts_with("# page\n\ntext\n\n<!-- figures") && once.ends_with("-->\n"), "{once}");
        assert_eq!(figures.put_into("votes", &once).as_ref(), Some(&once));
        figures.measured.exploits = 8;
        let again = figures.put_into("votes", &format!("{once}more\n")).unwrap();
        assert!(again.contains("attack) | 8 | 0 |") && again.ends_with("-->\nmore\n"), "{again}");
        assert_eq!(figures.put_into("none", &once), None);
        assert_eq!(figures.put_into("votes", MARKS.0), None, "a mark that nothing ends");
    }
}
