//! Walks the catalogue: every folder is listed, has its page, its `detector.toml` and cases that hit and stay quiet.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::infos;
use crate::{
    settings::{
        AuthoritySettings, FeedSettings, FlashLoanSettings, LeverageSettings, LiquiditySettings, NewbornSettings,
        NoveltySettings, OutflowSettings, PriceSettings, QueuedSettings, ReentrySettings, RepeatSettings,
        SlowDrainSettings, SupplySettings, UnderpaidSettings, VelocitySettings,
    },
    testbed::Case,
};

fn folders() -> Vec<PathBuf> {
    sorted(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog"), Path::is_dir)
}

fn sorted(folder: &Path, keep: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| keep(path)).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_folder_is_listed_and_every_detector_has_its_folder() {
    let found: BTreeSet<String> = folders().iter().map(|folder| name(folder).replace('_', "-")).collect();
    let listed: BTreeSet<String> = infos().iter().map(|info| info.id.clone()).collect();
    assert_eq!(found, listed, "folders of src/catalog beside the detectors of catalog::infos()");
    assert_eq!(infos().len(), listed.len(), "two detectors share an id");
}

#[test]
fn every_detector_has_its_page() {
    for folder in folders() {
        let page = folder.join("README.md");
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        for heading in ["## Sees", "## Misses", "## How to tune", "## How it was tuned", "## How it was tested"] {
            assert!(text.lines().any(|line| line == heading), "{} lacks `{heading}`", page.display());
        }
        let info = infos().into_iter().find(|info| info.id == name(&folder).replace('_', "-")).unwrap();
        for key in info.defaults.keys() {
            assert!(text.contains(&format!("`{key}`")), "{} does not name `{key}`", page.display());
        }
    }
}

#[test]
fn defaults_on_the_page_are_those_of_the_code() {
    let of = |id: &str| infos().into_iter().find(|info| info.id == id).unwrap().defaults.clone();
    assert_eq!(of("asset-outflow"), toml::Table::try_from(OutflowSettings::default()).unwrap());
    assert_eq!(of("re-entry"), toml::Table::try_from(ReentrySettings::default()).unwrap());
    assert_eq!(of("authority-change"), toml::Table::try_from(AuthoritySettings::default()).unwrap());
    assert_eq!(of("price-manipulation"), toml::Table::try_from(PriceSettings::default()).unwrap());
    assert_eq!(of("flash-loan"), toml::Table::try_from(FlashLoanSettings::default()).unwrap());
    assert_eq!(of("supply"), toml::Table::try_from(SupplySettings::default()).unwrap());
    assert_eq!(of("underpaid"), toml::Table::try_from(UnderpaidSettings::default()).unwrap());
    assert_eq!(of("slow-drain"), toml::Table::try_from(SlowDrainSettings::default()).unwrap());
    assert_eq!(of("velocity"), toml::Table::try_from(VelocitySettings::default()).unwrap());
    assert_eq!(of("repeat"), toml::Table::try_from(RepeatSettings::default()).unwrap());
    for id in ["allowance", "votes", "read-only-re-entry", "pool-drain"] {
        assert!(of(id).is_empty(), "{id}");
    }
    assert_eq!(of("hostile-contract"), toml::Table::try_from(NewbornSettings::default()).unwrap());
    assert_eq!(of("liquidity"), toml::Table::try_from(LiquiditySettings::default()).unwrap());
    assert_eq!(of("price-feed"), toml::Table::try_from(FeedSettings::default()).unwrap());
    assert_eq!(of("leverage"), toml::Table::try_from(LeverageSettings::default()).unwrap());
    assert_eq!(of("queued-operation"), toml::Table::try_from(QueuedSettings::default()).unwrap());
    assert_eq!(of("novelty"), toml::Table::try_from(NoveltySettings::default()).unwrap());
    assert!(of("invariant").is_empty());
}

/// `cases/NAME.json` is a [`Case`]; `cases/NAME.expected.json` is what is found in it. `quiet-*` find nothing, all
/// others hit. `UPDATE_EXPECT=1` rewrites the expected files, and cannot turn the one into the other.
#[test]
fn every_case_is_judged_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    for folder in folders() {
        let id = name(&folder).replace('_', "-");
        let (mut hits, mut quiet) = (0_u32, 0_u32);
        let is_case = |path: &Path| !name(path).ends_with(".expected.json");
        for path in sorted(&folder.join("cases"), is_case) {
            let shown = path.display();
            let text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap_or_else(|error| {
                panic!("{shown}: {error}");
            });
            let case = Case::read(text);
            assert!(!case.about.is_empty(), "{shown}: `about` is empty");
            let found = case.findings();
            if name(&path).starts_with("quiet-") {
                assert_eq!(case.told(), "[]\n", "{shown} is a quiet case");
                quiet = quiet.saturating_add(1);
            } else {
                assert!(found.iter().flatten().any(|finding| finding.detector == id), "{shown}: no hit");
                hits = hits.saturating_add(1);
            }
            let expected = path.with_extension("expected.json");
            if update {
                fs::write(&expected, case.told()).unwrap();
            }
            let read = fs::read_to_string(&expected).unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
            assert_eq!(case.told(), read, "{shown}: UPDATE_EXPECT=1 rewrites what is expected");
        }
        assert!(hits > 0 && quiet > 0, "{id} needs a hit and a quiet case: {hits} and {quiet} found");
        for expected in sorted(&folder.join("cases"), |path| name(path).ends_with(".expected.json")) {
            let case = name(&expected).replace(".expected.json", ".json");
            assert!(expected.with_file_name(&case).exists(), "{} belongs to no case", expected.display());
        }
    }
}
