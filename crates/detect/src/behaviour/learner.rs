//! Learns from transactions in the order of the chain: judges each as if it came now, and takes up those that nothing
//! is said against, once as many blocks have passed as could leave the chain.

use std::{collections::VecDeque, sync::Arc};

use cofferdam_types::{BlockNumber, ChainId, Execution, Judge as _, Level, Needs, Verdict, Watchlist};

use super::{
    book::{Draft, Learnt},
    memory::Witnessed,
};
use crate::{Detection, Settings, SettingsError, Suspect};

/// Learns. See the module.
pub struct Learner {
    detection: Detection,
    watch: Arc<Watchlist>,
    chain: ChainId,
    depth: u64,
    drafts: Vec<Draft>,
    /// What waits until it cannot be taken back, oldest first.
    pending: VecDeque<(BlockNumber, Witnessed)>,
    blocks: Option<(BlockNumber, BlockNumber)>,
    flagged: u64,
    judged: u64,
}

impl Learner {
    /// Learns what the modules of `watch` do, judged by `settings`.
    ///
    /// # Errors
    /// [`SettingsError`] names the first entry of `settings` that cannot be meant.
    pub fn new(watch: Arc<Watchlist>, settings: &Settings, chain: ChainId) -> Result<Self, SettingsError> {
        let detection = Detection::new(watch.clone(), settings)?;
        let drafts = watch.modules().iter().map(|_| Draft::default()).collect();
        let depth = u64::from(settings.history.reorg_depth_blocks);
        let (pending, blocks) = (VecDeque::new(), None);
        Ok(Self { detection, watch, chain, depth, drafts, pending, blocks, flagged: 0, judged: 0 })
    }

    /// The views that must be among the facts of every execution that touches their module.
    pub fn needs(&self) -> &Needs {
        self.detection.needs()
    }

    /// Transactions that an alert or a stop was said of; nothing was learnt from them.
    pub const fn flagged(&self) -> u64 {
        self.flagged
    }

    /// Transactions that touched a module.
    pub const fn judged(&self) -> u64 {
        self.judged
    }

    /// Takes the next transaction of the chain, and says what is thought of it.
    pub fn take(&mut self, execution: &Execution) -> Verdict {
        let number = execution.block.number;
        let (first, last) = self.blocks.unwrap_or((number, number));
        self.blocks = Some((first.min(number), last.max(number)));
        let witnessed = self.detection.witnessed(execution);
        let verdict = self.detection.judge(execution);
        self.detection.record(execution);
        let touched = self.detection.is_touched(execution);
        self.judged = self.judged.saturating_add(u64::from(touched));
        if verdict.level() > Some(Level::Notice) {
            self.flagged = self.flagged.saturating_add(1);
        } else {
            self.pending.extend(witnessed.into_iter().map(|witnessed| (number, witnessed)));
        }
        while let Some((then, _)) = self.pending.front()
            && then.0.saturating_add(self.depth) <= number.0
        {
            self.settle();
        }
        verdict
    }

    /// What was learnt. Everything that was taken counts as confirmed.
    pub fn finish(mut self) -> Learnt {
        while !self.pending.is_empty() {
            self.settle();
        }
        let (first_block, last_block) = self.blocks.unwrap_or_default();
        let drafts = self.drafts.into_iter().zip(self.watch.modules());
        let modules = drafts.map(|(draft, module)| draft.finish(module.id.clone(), module.contracts.clone()));
        Learnt { chain: self.chain, first_block, last_block, modules: modules.collect(), is_as_written: true }
    }

    /// Learns the oldest of what waits, unless its sender took part in something that was flagged soon after.
    fn settle(&mut self) {
        let Some((_, witnessed)) = self.pending.pop_front() else { return };
        if self.detection.history().is_suspect(Suspect::Account(witnessed.sender), witnessed.at) {
            return;
        }
        let place = usize::try_from(witnessed.module).ok().and_then(|index| self.drafts.get_mut(index));
        if let Some(draft) = place {
            draft.merge(&Draft::once(&witnessed.shape, witnessed.sender, witnessed.at));
        }
    }
}
