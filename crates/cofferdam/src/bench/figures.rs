//! Measures every detector by itself, on cases from disk and on the zoo, for the figures that stand on its page.
//!
//! A detector is not made to hear what others say: it is counted for what it said among all of them, since what is told
//! by one would be told by another as well. Whoever takes a detector away loses less than its row.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cofferdam_detect::catalog::{Figure, Figures, Said, infos};
use cofferdam_simnet::zoo::Mutator;
use cofferdam_types::{Clock, Level};

use super::{Levels, zoo};
use crate::backtest::{Options, Plan, Report, Whose, run};

/// How many of the most-called contracts of ordinary blocks are protected.
const MOST_CALLED: usize = 50;

/// Measures all detectors on the cases of `folders` and on the zoo; `command` is what is written down as having done so.
/// `progress` is told each finished block and entry.
///
/// # Errors
/// A sentence that names the case or entry at fault.
pub fn measure(
    folders: &[PathBuf],
    command: &str,
    jobs: usize,
    clock: &Arc<dyn Clock>,
    progress: &mut dyn FnMut(&str),
) -> Result<Figures, String> {
    let plan = Plan::cases(folders, &Whose::Manifests(MOST_CALLED)).map_err(|error| error.to_string())?;
    let options = Options { jobs, notices: false, trials: true };
    let parts = run(&plan, None, &options, clock, (None, BTreeMap::new()), &mut || progress("cases"));
    let report = Report::of(parts.map_err(|error| error.to_string())?.into_values());
    let zoo = zoo::run(zoo::Part::Known, false, "", progress)?;
    let held_out = zoo::run(zoo::Part::HeldOut, false, "", progress)?;
    let mut figures = Figures { command: command.to_owned(), ..Figures::default() };
    for info in infos() {
        figures.detectors.insert(info.id.clone(), Figure::default());
    }
    let measured = &mut figures.measured;
    measured.real_transactions = report.ordinary.transactions;
    measured.real_contract_calls = report.ordinary.contract_calls;
    for (detector, levels) in &report.ordinary.detectors {
        figures.detectors.entry(detector.clone()).or_default().real = said(*levels);
    }
    if let Some(attacks) = &report.attacks {
        measured.exploits = attacks.n;
        for (detector, levels) in &attacks.detectors {
            figures.detectors.entry(detector.clone()).or_default().exploits = said(*levels);
        }
    }
    for row in &zoo.attacks {
        let of = if row.mutator == Mutator::Base { &mut measured.zoo } else { &mut measured.zoo_changed };
        *of = of.saturating_add(1);
        for (detector, level) in &row.detectors {
            let figure = figures.detectors.entry(detector.clone()).or_default();
            count(if row.mutator == Mutator::Base { &mut figure.zoo } else { &mut figure.zoo_changed }, *level);
        }
    }
    for row in held_out.attacks.iter().filter(|row| row.mutator == Mutator::Base) {
        measured.held_out = measured.held_out.saturating_add(1);
        for (detector, level) in &row.detectors {
            count(&mut figures.detectors.entry(detector.clone()).or_default().held_out, *level);
        }
    }
    let look_alikes = zoo.look_alikes.iter().chain(&held_out.look_alikes);
    for honest in look_alikes.map(|row| &row.said).chain([&zoo.history, &held_out.history]) {
        measured.zoo_honest_transactions = measured.zoo_honest_transactions.saturating_add(honest.transactions);
        for (detector, levels) in &honest.detectors {
            let sum = &mut figures.detectors.entry(detector.clone()).or_default().zoo_honest;
            let more = said(*levels);
            sum.stops = sum.stops.saturating_add(more.stops);
            sum.alerts = sum.alerts.saturating_add(more.alerts);
            sum.notices = sum.notices.saturating_add(more.notices);
        }
    }
    Ok(figures)
}

const fn said(levels: Levels) -> Said {
    Said { stops: levels.stops, alerts: levels.alerts, notices: levels.notices }
}

const fn count(said: &mut Said, level: Level) {
    let count = match level {
        Level::Stop => &mut said.stops,
        Level::Alert => &mut said.alerts,
        Level::Notice => &mut said.notices,
    };
    *count = count.saturating_add(1);
}
