//! What is to be played: folders of cases or a range of blocks, cut into tracks.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use cofferdam_chain::case::{Case, Entry, Manifest};
use cofferdam_detect::{Detection, Settings, SettingsError};
use cofferdam_evm::Assertions;
use cofferdam_types::primitives::{Address, B256, keccak256};
use cofferdam_types::{BlockNumber, ChainId, Watchlist};

use super::track::{Step, Track};
use crate::cases::{most_called, one_each, together};

/// What is protected, and how it is judged.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// The modules.
    pub watch: Arc<Watchlist>,
    /// How they are judged.
    pub settings: Settings,
    /// What is asserted in Solidity.
    pub assertions: Assertions,
    /// The chain, where a configuration names one.
    pub chain: Option<ChainId>,
}

impl Guarded {
    /// Modules of which nothing is configured but addresses.
    pub fn plain(modules: Vec<cofferdam_types::Module>) -> Self {
        Self {
            watch: Arc::new(Watchlist::new(modules)),
            settings: Settings::default(),
            assertions: Assertions::default(),
            chain: None,
        }
    }

    /// The judge that `watch` runs.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn judge(&self) -> Result<Detection, SettingsError> {
        Detection::new(self.watch.clone(), &self.settings)
    }
}

/// Whose contracts are protected.
#[derive(Clone, Debug)]
pub enum Whose {
    /// These, in every case and block.
    Given(Arc<Guarded>),
    /// What each case's manifest names; in blocks that name nothing this many of the most-called contracts of all of them,
    /// each as a module of its own.
    Manifests(usize),
}

/// A range of blocks and how it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first block that is counted.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Blocks before each segment that are recorded and not counted.
    pub warm_up: u64,
    /// Blocks of a segment; 0 leaves the range whole.
    pub segment: u64,
}

/// What is wrong with what is to be played.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(pub String);

/// The tracks to be walked.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Independent of each other.
    pub tracks: Vec<Track>,
    /// Contracts that are protected somewhere.
    pub contracts: usize,
}

impl Plan {
    /// The cases of `folders`: each either holds a `manifest.json`, or is the file of a case of which nothing is known.
    /// Consecutive blocks of one manifest stand under one judge; all other cases are alone.
    ///
    /// # Errors
    /// [`PlanError`] names the folder, file or field at fault.
    pub fn cases(folders: &[PathBuf], whose: &Whose) -> Result<Self, PlanError> {
        let mut listed = Vec::new();
        for folder in folders {
            listed.push((folder, read(folder)?));
        }
        let blocks = match whose {
            Whose::Given(guarded) => guarded.clone(),
            Whose::Manifests(count) => Arc::new(Guarded::plain(one_each(ranked(&listed, *count)?))),
        };
        let guarded = |entry: &Entry| match whose {
            Whose::Manifests(_) if !entry.protected.is_empty() => {
                Arc::new(Guarded::plain(together(entry.protected.clone())))
            }
            Whose::Given(_) | Whose::Manifests(_) => blocks.clone(),
        };
        let mut plan = Self::default();
        for (folder, listed) in listed {
            let step = |entry: Entry| Step::Case { folder: folder_of(folder), entry: Box::new(entry) };
            let honest = listed.labelled.then_some(false);
            let mut before: Option<Entry> = None;
            for entry in listed.manifest.blocks {
                let follows = before.as_ref().is_some_and(|before| follows(before, &entry));
                let (guarded, known) = (guarded(&entry), entry.clone());
                match plan.tracks.last_mut().filter(|_| follows) {
                    Some(track) => track.steps.push(step(entry)),
                    None => {
                        let steps = vec![step(entry)];
                        plan.tracks.push(Track { guarded, steps, warm_up: 0, is_attack: honest });
                    }
                }
                before = Some(known);
            }
            for entry in listed.manifest.exploits {
                let (guarded, steps) = (guarded(&entry), vec![step(entry)]);
                plan.tracks.push(Track { guarded, steps, warm_up: 0, is_attack: Some(true) });
            }
        }
        plan.count_contracts();
        Ok(plan)
    }

    /// A range of blocks.
    ///
    /// # Errors
    /// [`PlanError`] when there is no such range.
    pub fn range(range: Range, guarded: Arc<Guarded>) -> Result<Self, PlanError> {
        let Range { from, to, warm_up, segment } = range;
        if from == 0 || from > to {
            return Err(PlanError(format!(
                "--from {from} --to {to}: expected 1 or more, and the first not after the last"
            )));
        }
        let length = if segment == 0 { u64::MAX } else { segment };
        let mut plan = Self::default();
        let mut first = from;
        loop {
            let last = first.saturating_add(length.saturating_sub(1)).min(to);
            // Block 0 has nothing before it to stand on.
            let begin = first.saturating_sub(warm_up).max(1);
            plan.tracks.push(Track {
                guarded: guarded.clone(),
                steps: (begin..=last).map(|number| Step::Block(BlockNumber(number))).collect(),
                warm_up: usize::try_from(first.saturating_sub(begin)).unwrap_or(usize::MAX),
                is_attack: None,
            });
            if last == to {
                break;
            }
            first = last.saturating_add(1);
        }
        plan.count_contracts();
        Ok(plan)
    }

    /// Blocks of all tracks, those included that are only recorded.
    pub fn steps(&self) -> usize {
        self.tracks.iter().map(|track| track.steps.len()).fold(0, usize::saturating_add)
    }

    /// What tells this plan from every other one that would give other counts. Files of cases count by path, size and
    /// time of change; `options` is whatever else the counts depend on.
    ///
    /// # Errors
    /// [`PlanError`] names a case that cannot be found.
    pub fn identity(&self, options: &str) -> Result<B256, PlanError> {
        let mut text = format!("{} {options}\n", env!("CARGO_PKG_VERSION"));
        let mut known: HashSet<*const Guarded> = HashSet::new();
        for track in &self.tracks {
            let guarded = &track.guarded;
            if known.insert(Arc::as_ptr(guarded)) {
                text.push_str(&format!("{:?} {:?}\n", guarded.watch.modules(), guarded.settings));
            }
            text.push_str(&format!("{} {:?}", track.warm_up, track.is_attack));
            for step in &track.steps {
                match step {
                    Step::Block(number) => text.push_str(&format!(" {number}")),
                    Step::Case { folder, entry } => {
                        let path = folder.join(&entry.file);
                        let about = std::fs::metadata(&path);
                        let about = about.map_err(|error| PlanError(format!("`{}`: {error}", path.display())))?;
                        let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                        text.push_str(&format!(" {path:?} {} {changed:?} {:?}", about.len(), entry.attack_tx));
                    }
                }
            }
            text.push('\n');
        }
        Ok(keccak256(text))
    }

    fn count_contracts(&mut self) {
        let modules = self.tracks.iter().flat_map(|track| track.guarded.watch.modules());
        let contracts: HashSet<Address> = modules.flat_map(|module| module.contracts.iter().copied()).collect();
        self.contracts = contracts.len();
    }
}

/// A folder's manifest, or one that was made up for a single file.
struct Listed {
    manifest: Manifest,
    /// Whether somebody says which cases are attacks.
    labelled: bool,
}

fn read(folder: &Path) -> Result<Listed, PlanError> {
    if !folder.is_file() {
        let manifest = Manifest::read(folder).map_err(|error| PlanError(error.to_string()))?;
        return Ok(Listed { manifest: sorted(manifest), labelled: true });
    }
    let file = folder.file_name().map(PathBuf::from).unwrap_or_default();
    let mut manifest = Manifest::default();
    manifest.blocks.push(Entry { file, ..Entry::default() });
    Ok(Listed { manifest, labelled: false })
}

/// By chain and height, as far as the manifest tells; a block of which it does not comes after.
fn sorted(mut manifest: Manifest) -> Manifest {
    manifest.blocks.sort_by_key(|entry| (entry.chain_id, entry.number.is_none(), entry.number));
    manifest
}

fn folder_of(path: &Path) -> PathBuf {
    if path.is_file() { path.parent().unwrap_or(Path::new("")).to_owned() } else { path.to_owned() }
}

fn follows(before: &Entry, entry: &Entry) -> bool {
    let next = before.number.and_then(|number| number.checked_add(1));
    before.chain_id == entry.chain_id && next.is_some() && next == entry.number && before.protected == entry.protected
}

/// The most-called contracts of all blocks that do not say whose they are.
fn ranked(listed: &[(&PathBuf, Listed)], count: usize) -> Result<Vec<Address>, PlanError> {
    let mut called = Vec::new();
    for (folder, listed) in listed {
        for entry in listed.manifest.blocks.iter().filter(|entry| entry.protected.is_empty()) {
            let case: Case = entry.read(&folder_of(folder)).map_err(|error| PlanError(error.to_string()))?;
            called.extend(case.transactions.iter().filter(|one| one.selector().is_some()).filter_map(|one| one.to));
        }
    }
    Ok(most_called(called, count))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn range(from: u64, to: u64, warm_up: u64, segment: u64) -> Vec<(u64, u64, usize)> {
        let range = Range { from, to, warm_up, segment };
        let plan = Plan::range(range, Arc::new(Guarded::plain(Vec::new()))).unwrap();
        let number = |step: Option<&Step>| match step {
            Some(Step::Block(number)) => number.0,
            Some(Step::Case { .. }) | None => 0,
        };
        plan.tracks
            .iter()
            .map(|track| (number(track.steps.first()), number(track.steps.last()), track.warm_up))
            .collect()
    }

    #[test]
    fn every_block_of_a_range_is_counted_once_after_its_warm_up() {
        assert_eq!(range(100, 109, 3, 0), [(97, 109, 3)]);
        assert_eq!(range(100, 109, 3, 4), [(97, 103, 3), (101, 107, 3), (105, 109, 3)]);
        assert_eq!(range(2, 5, 3, 2), [(1, 3, 1), (1, 5, 3)], "nothing stands before block 1");
        assert_eq!(range(7, 7, 0, 1), [(7, 7, 0)]);
        let refused = |from, to| {
            let range = Range { from, to, warm_up: 0, segment: 0 };
            Plan::range(range, Arc::new(Guarded::plain(Vec::new()))).is_err()
        };
        assert!(refused(0, 5) && refused(6, 5));
    }

    #[test]
    fn blocks_follow_each_other_only_where_their_manifest_says_so() {
        let at = |number: Option<u64>, chain: Option<u64>| Entry { number, chain_id: chain, ..Entry::default() };
        assert!(follows(&at(Some(4), Some(1)), &at(Some(5), Some(1))));
        for (before, entry) in [
            (at(Some(4), Some(1)), at(Some(6), Some(1))),
            (at(Some(4), Some(1)), at(Some(5), Some(2))),
            (at(None, None), at(None, None)),
            (at(Some(u64::MAX), None), at(None, None)),
        ] {
            assert!(!follows(&before, &entry));
        }
    }
}
