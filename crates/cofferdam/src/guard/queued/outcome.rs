//! What carrying out operations showed, judged and put on the record.

use std::sync::Arc;

use cofferdam_types::{Event, Execution, FindingId, Rehearsal, TrialEnd, Watchlist, Window};

use crate::guard::mempool::concerns;
use crate::guard::{Guard, GuardError, Happening, observe};

impl Guard {
    /// Takes in the operations that a mined transaction announces and ends.
    pub(in crate::guard) fn look_for_operations(&mut self, execution: &Execution) {
        if let Some(queued) = &mut self.queued {
            queued.learn(execution);
        }
    }

    /// What the last blocks withdrew, for the record.
    pub(in crate::guard) fn withdrawn_operations(&mut self) -> Vec<Event> {
        self.queued.as_mut().map(|queued| std::mem::take(&mut queued.withdrawals)).unwrap_or_default()
    }

    /// Hands in the operations that are to be tried on the newest head.
    pub(in crate::guard) fn rehearse_operations(&mut self) {
        let head = self.newest().head().clone();
        if let Some(queued) = &mut self.queued {
            queued.submit(&head, KEPT_BLOCKS);
        }
    }

    /// Judges and records what carrying out operations showed.
    pub(in crate::guard) fn on_rehearsals(&mut self) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = Vec::new();
        while let Ok(rehearsal) = self.queued.as_mut().map_or(Err(()), |queued| queued.from.try_recv().map_err(drop)) {
            if let Some(queued) = &mut self.queued {
                queued.take(rehearsal);
            }
        }
        while let Some(rehearsal) = self.queued.as_mut().and_then(|queued| queued.finished.pop_front()) {
            match self.deal_with_rehearsal(&rehearsal) {
                Ok(found) => happenings.extend(found),
                Err(error) => {
                    if let Some(queued) = &mut self.queued {
                        queued.finished.push_front(rehearsal);
                    }
                    return Err(error);
                }
            }
        }
        Ok(happenings)
    }

    fn deal_with_rehearsal(&mut self, rehearsal: &Rehearsal) -> Result<Option<Happening>, GuardError> {
        let start = self.clock.monotonic_micros();
        let reached = reaches_us(rehearsal, &self.watch);
        let end = rehearsal.effort.end;
        // What failed today shows nothing, and that it names us is a claim: it neither concerns us nor is let rest for long.
        let names_us = rehearsal.operation.calls.iter().any(|call| self.watch.contains(call.target));
        let may_work_later = names_us && rehearsal.executions.is_empty();
        let Some(queued) = &mut self.queued else { return Ok(None) };
        let Some(followed) = queued.still_waits(rehearsal) else { return Ok(None) };
        if reached || (end == TrialEnd::Done && !may_work_later) {
            followed.concerns_us = Some(reached);
        }
        followed.cut_short = match end {
            TrialEnd::State | TrialEnd::Time => {
                metrics::counter!("cofferdam_operations_cut_short_total").increment(1);
                followed.cut_short.saturating_add(1)
            }
            TrialEnd::Done | TrialEnd::Harm | TrialEnd::Calls | TrialEnd::Gas | TrialEnd::Harmless => 0,
        };
        metrics::counter!("cofferdam_operations_tried_total").increment(1);
        let verdict = self.judge.judge_queued(rehearsal);
        let fresh: Vec<_> = verdict.findings.iter().filter(|finding| !followed.told.contains(&finding.id)).collect();
        if fresh.is_empty() {
            return Ok(None);
        }
        let told: Vec<FindingId> = fresh.iter().map(|finding| finding.id).collect();
        let (company, operation) = (&self.company, &rehearsal.operation);
        let trail = |finding: &cofferdam_types::Finding| {
            let execution = rehearsal.executions.first()?;
            Some(company.trail_of_queued(execution, &verdict, finding, operation.proposer))
        };
        let found = |finding: &cofferdam_types::Finding| Event::Found {
            finding: finding.clone(),
            window: Window::Before,
            block: Some(rehearsal.operation.block),
            standing: verdict.standing.clone(),
            trail: trail(finding),
        };
        let events = fresh.into_iter().map(found).collect();
        self.commit(events, None)?;
        if let Some(followed) = self.queued.as_mut().and_then(|queued| queued.still_waits(rehearsal)) {
            followed.told.extend(told);
        }
        let micros = self.since(start).saturating_add(rehearsal.effort.micros);
        observe("queued operation judged", micros);
        let execution = rehearsal.executions.first().map(|execution| Arc::new(execution.clone()));
        Ok(execution.map(|execution| Happening::Found { execution, verdict, micros }))
    }
}

/// Blocks that may still leave the chain: as many as the engines hold.
const KEPT_BLOCKS: u64 = 256;

/// Whether a rehearsal reached anything protected, or a protected contract announced it. What an event names is no more than
/// a claim.
fn reaches_us(rehearsal: &Rehearsal, watch: &Watchlist) -> bool {
    watch.contains(rehearsal.operation.id.controller)
        || rehearsal.executions.iter().any(|execution| concerns(execution, watch))
}
