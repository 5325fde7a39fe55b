//! Learnt behaviour among the other detectors: what a transaction shows of it, when it speaks, and what it takes up.

use cofferdam_types::{Basis, Execution, Finding, Window};

use super::Detection;
use crate::{
    Habit, Seen, Suspect,
    behaviour::{Shape, Witnessed},
    catalog::novelty,
};

impl Detection {
    /// What `execution` would teach of each module that it touched. Nothing where it failed, where it was not executed
    /// exactly and on complete state, and where it was declared as maintenance.
    pub(crate) fn witnessed(&self, execution: &Execution) -> Vec<Witnessed> {
        let standing = &execution.standing;
        if standing.basis != Basis::Executed || !standing.missing.is_empty() || execution.window != Window::Mined {
            return Vec::new();
        }
        let touched = self.touched(execution);
        let seen = touched.iter().filter_map(|index| self.seen(execution, index));
        seen.filter(|seen| self.declared(seen).is_none()).filter_map(|seen| self.witness(&seen)).collect()
    }

    /// Whether `execution` touched any module.
    pub(crate) fn is_touched(&self, execution: &Execution) -> bool {
        self.touched(execution).iter().next().is_some()
    }

    /// What is new about what `seen` shows; `told` is what was found about it.
    pub(super) fn novelty(&self, seen: &Seen<'_>, told: &[Finding]) -> Option<Finding> {
        let behaviour = self.behaviour.as_ref().filter(|behaviour| behaviour.knows(seen.index))?;
        if self.declared(seen).is_some() {
            return None;
        }
        novelty::inspect(seen, behaviour, &self.witness(seen)?, told)
    }

    /// Takes up what `execution`, which was recorded, teaches, unless it was `flagged`.
    pub(super) fn learn(&mut self, execution: &Execution, flagged: bool) {
        let Some(mut behaviour) = self.behaviour.take() else { return };
        let now = execution.block.timestamp;
        let suspect = |sender| self.history.is_suspect(Suspect::Account(sender), now);
        behaviour.open_block(execution.block.block_ref(), self.history.depth(), suspect);
        if !flagged {
            for witnessed in self.witnessed(execution) {
                behaviour.witness(witnessed);
            }
        }
        self.behaviour = Some(behaviour);
    }

    fn witness(&self, seen: &Seen<'_>) -> Option<Witnessed> {
        let sender = seen.execution.transaction.from;
        Some(Witnessed {
            module: seen.index,
            shape: Shape::of(seen)?,
            sender,
            sender_since: self.history.seen_since(seen.index, Habit::Sender(sender)),
            at: seen.now(),
        })
    }
}
