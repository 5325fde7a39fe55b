//! Runs over the zoo's own cases: whatever the number of threads and wherever a run is killed, the result is the same.
#![allow(clippy::unwrap_used, reason = "a wrong case must panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use cofferdam_simnet::zoo::ENTRIES;
use cofferdam_types::{Clock, Level, ManualClock, UnixMillis};

use super::*;
use crate::bench::export;

/// Two attacks and two honest flows.
fn cases(folder: &Path) -> Plan {
    let chosen = ["reserve-claimed", "wallet-destroyed-library", "honest-arbitrage", "honest-zap"];
    export::write(ENTRIES.iter().filter(|entry| chosen.contains(&entry.name)), folder).unwrap();
    Plan::cases(&[folder.to_owned()], &Whose::Manifests(50)).unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(UnixMillis(0)))
}

const ALL: Options = Options { jobs: 1, notices: true, trials: true };

fn played(plan: &Plan, options: &Options) -> BTreeMap<usize, Part> {
    run(plan, None, options, &clock(), (None, BTreeMap::new()), &mut || {}).unwrap()
}

#[test]
fn attacks_and_honest_flows_are_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let plan = cases(folder.path());
    let report = Report::of(played(&plan, &ALL).into_values());
    let attacks = report.attacks.as_ref().unwrap();
    assert_eq!((attacks.n, attacks.each.len()), (2, 2));
    assert!(attacks.told >= 1, "{attacks:?}");
    assert!(report.found.iter().any(|found| found.honest == Some(false) && found.level > Level::Notice));
    assert_eq!(report.ordinary.blocks, 2);
    assert_eq!(report.ordinary.said.stops, 0);
    assert!(report.ordinary.contract_calls > 0 && report.ordinary.touching <= report.ordinary.contract_calls);
    assert_eq!(report.ordinary, report.honest, "every case of a manifest is labelled");
    assert_eq!(report.rates.stops.n, 0);
    assert!(report.rates.stops.interval.1 > 0.0, "none of a few calls is not none of all");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plan = cases(folder.path());
    assert_eq!(played(&plan, &ALL), played(&plan, &Options { jobs: 4, ..ALL }));
}

#[test]
fn a_run_that_was_killed_anywhere_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let plan = cases(folder.path());
    let options = Options { trials: false, ..ALL };
    let identity = plan.identity(&options.identity()).unwrap();
    let path = folder.path().join("run");
    let ended = || {
        let (file, done) = RunFile::open(&path, identity, plan.tracks.len()).unwrap();
        let known = done.len();
        (known, run(&plan, None, &options, &clock(), (Some(file), done), &mut || {}).unwrap())
    };
    let (_, whole) = ended();
    let text = std::fs::read(&path).unwrap();
    let mut kept = BTreeSet::new();
    // What a killed run leaves is a beginning of the file: whole lines, and perhaps a part of one.
    for length in (0..=text.len()).step_by(text.len().div_ceil(40)) {
        std::fs::write(&path, &text[..length]).unwrap();
        let (known, again) = ended();
        assert_eq!(again, whole, "killed after {length} bytes");
        assert_eq!(std::fs::read(&path).unwrap().len(), text.len(), "and the file holds all of it");
        kept.insert(known);
    }
    assert!(kept.len() > 1, "some of the runs had something to go on from: {kept:?}");
}

#[test]
fn a_run_file_is_of_its_plan_and_options_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plan = cases(folder.path());
    let identity = |plan: &Plan, options: Options| plan.identity(&options.identity()).unwrap();
    let known = identity(&plan, ALL);
    assert_eq!(known, identity(&plan, Options { jobs: 9, ..ALL }), "threads change nothing");
    assert_ne!(known, identity(&plan, Options { notices: false, ..ALL }));
    assert_ne!(known, identity(&plan, Options { trials: false, ..ALL }));
    let fewer = Plan { tracks: plan.tracks.iter().skip(1).cloned().collect(), contracts: plan.contracts };
    assert_ne!(known, identity(&fewer, ALL));
    let other = Plan::cases(&[folder.path().to_owned()], &Whose::Given(Arc::new(Guarded::plain(Vec::new())))).unwrap();
    assert_ne!(known, identity(&other, ALL));
}

#[test]
fn a_case_that_cannot_be_read_ends_the_run_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let plan = cases(folder.path());
    std::fs::write(folder.path().join("honest-zap.json.zst"), b"{}").unwrap();
    let failed = run(&plan, None, &ALL, &clock(), (None, BTreeMap::new()), &mut || {});
    let Err(TrackError::Input(said)) = failed else { panic!("{failed:?}") };
    assert!(said.contains("honest-zap.json.zst"), "{said}");
}
