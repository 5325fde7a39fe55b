//! The learnt file beside the modules of this process, and what was added since: what novelty is measured against.
//!
//! It must never learn from a block that can still leave the chain.

use std::collections::{BTreeSet, VecDeque};

use alloy_primitives::Address;
use cofferdam_types::{BlockRef, Watchlist};

use super::{
    book::{Learnt, ModuleLearnt},
    file::LearntError,
    novelty::{self, Novelty},
    online::Online,
    shape::{Shape, Step},
};
use crate::settings::NoveltySettings;

/// Transactions of blocks that may leave the chain, of all modules; further ones are not learnt.
const MOST_PENDING: usize = 65_536;

/// One transaction at one module, with what learning it needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Witnessed {
    /// The module, by its place in the watchlist.
    pub(crate) module: u32,
    pub(crate) shape: Shape,
    pub(crate) sender: Address,
    /// When the module saw the sender first.
    pub(crate) sender_since: Option<u64>,
    /// Block time, Unix seconds.
    pub(crate) at: u64,
}

/// What is familiar of one module.
pub(super) struct Familiar {
    pub(super) file: ModuleLearnt,
    pub(super) online: Online,
    /// All steps and all pairs of steps that follow one another, of the file.
    pub(super) steps: BTreeSet<Step>,
    pub(super) pairs: BTreeSet<(Step, Step)>,
    /// Everybody who called any function, as far as they are known.
    pub(super) callers: BTreeSet<Address>,
}

/// What is familiar, by module.
pub(crate) struct Behaviour {
    /// As the modules of the watchlist; `None` where the file says nothing.
    modules: Vec<Option<Familiar>>,
    /// Blocks that may leave the chain, oldest first, with what they teach.
    pending: VecDeque<(BlockRef, Vec<Witnessed>)>,
    in_pending: usize,
    about: String,
}

impl Behaviour {
    /// Holds `learnt` against the modules of `watch`.
    ///
    /// # Errors
    /// [`LearntError::Value`] when it is of modules that are not those of `watch`.
    pub(crate) fn new(learnt: &Learnt, watch: &Watchlist) -> Result<Self, LearntError> {
        let mut modules: Vec<Option<Familiar>> = watch.modules().iter().map(|_| None).collect();
        for (index, file) in learnt.modules.iter().enumerate() {
            let found = watch.modules().iter().zip(&mut modules).find(|(module, _)| module.id == file.module);
            let Some((module, place)) = found else {
                let field = format!("module[{index}].module");
                return Err(LearntError::value(field, &file.module, "a module of the configuration"));
            };
            let ours: BTreeSet<Address> = module.contracts.iter().copied().collect();
            let theirs: BTreeSet<Address> = file.contracts.iter().copied().collect();
            if let Some(other) = ours.symmetric_difference(&theirs).next() {
                let expected = format!("the contracts of `{}` as configured: learn again after a change", module.id);
                return Err(LearntError::value(format!("module[{index}].contracts"), other, expected));
            }
            *place = Some(Familiar::new(file.clone()));
        }
        let (first, last) = learnt.blocks();
        let edited = if learnt.is_as_written() { "" } else { ", edited by hand since" };
        let about = format!("learnt from blocks {first} to {last}{edited}");
        Ok(Self { modules, pending: VecDeque::new(), in_pending: 0, about })
    }

    /// Whether anything is familiar of `module`.
    pub(crate) fn knows(&self, module: u32) -> bool {
        self.familiar(module).is_some()
    }

    /// Where the file comes from, for a person.
    pub(crate) fn about(&self) -> &str {
        &self.about
    }

    /// What of `shape` is unlike anything before. `None` where too little is known to say; empty where nothing is.
    pub(crate) fn novelties(&self, witnessed: &Witnessed, rules: &NoveltySettings) -> Option<Vec<Novelty>> {
        let familiar = self.familiar(witnessed.module)?;
        let file = &familiar.file;
        let is_enough = file.transactions >= rules.least_transactions && file.span_seconds() >= rules.least_seconds;
        is_enough.then(|| novelty::of(familiar, witnessed, rules))
    }

    /// Whether everybody who called into the module is known to be in charge of it.
    pub(crate) fn are_in_charge(&self, witnessed: &Witnessed, holders: &[Address]) -> bool {
        let familiar = self.familiar(witnessed.module);
        familiar.is_some_and(|familiar| novelty::are_in_charge(familiar, witnessed, holders))
    }

    /// Whether somebody called in through a contract that never did before, as far as callers are known.
    pub(crate) fn is_through_stranger(&self, witnessed: &Witnessed) -> bool {
        let familiar = self.familiar(witnessed.module);
        familiar.is_some_and(|familiar| novelty::is_through_stranger(familiar, witnessed))
    }

    /// How many transactions of `module` the file was learnt from.
    pub(crate) fn transactions(&self, module: u32) -> u64 {
        self.familiar(module).map(|familiar| familiar.file.transactions).unwrap_or_default()
    }

    /// Makes `block` the one that what is witnessed next belongs to. What came `depth` blocks before it can no longer
    /// leave the chain: it is learnt, unless its sender is `suspect` by now.
    pub(crate) fn open_block(&mut self, block: BlockRef, depth: usize, suspect: impl Fn(Address) -> bool) {
        if self.pending.back().is_some_and(|(open, _)| *open == block) {
            return;
        }
        self.pending.push_back((block, Vec::new()));
        while self.pending.len() > depth.max(1) {
            let Some((_, settled)) = self.pending.pop_front() else { return };
            self.in_pending = self.in_pending.saturating_sub(settled.len());
            for witnessed in settled.into_iter().filter(|witnessed| !suspect(witnessed.sender)) {
                let place = usize::try_from(witnessed.module).ok().and_then(|index| self.modules.get_mut(index));
                if let Some(Familiar { file, online, .. }) = place.and_then(Option::as_mut) {
                    online.take(file, &witnessed);
                }
            }
        }
    }

    /// Notes what the open block teaches of a module that is known, for when it can no longer leave the chain.
    pub(crate) fn witness(&mut self, witnessed: Witnessed) {
        let is_known = self.knows(witnessed.module) && self.in_pending < MOST_PENDING;
        if let Some((_, open)) = self.pending.back_mut().filter(|_| is_known) {
            open.push(witnessed);
            self.in_pending = self.in_pending.saturating_add(1);
        }
    }

    /// Forgets what `block` would have taught: it left the chain.
    pub(crate) fn retract(&mut self, block: BlockRef) {
        if self.pending.back().is_some_and(|(open, _)| *open == block)
            && let Some((_, dropped)) = self.pending.pop_back()
        {
            self.in_pending = self.in_pending.saturating_sub(dropped.len());
        }
    }

    fn familiar(&self, module: u32) -> Option<&Familiar> {
        self.modules.get(usize::try_from(module).ok()?)?.as_ref()
    }
}

impl Familiar {
    pub(super) fn new(file: ModuleLearnt) -> Self {
        let steps = file.paths.keys().flat_map(|key| key.steps.iter().copied()).collect();
        let follows = |steps: &[Step]| match steps {
            [before, after] => Some((*before, *after)),
            _ => None,
        };
        let pairs = file.paths.keys().flat_map(|key| key.steps.windows(2).filter_map(follows)).collect();
        let callers = file.functions.values().flat_map(|seen| seen.callers.known.iter().copied()).collect();
        Self { file, online: Online::default(), steps, pairs, callers }
    }
}
