//! How many incidents the findings of one recording make: what the record would, without a record.

use std::sync::Arc;

use cofferdam_incident::joining::{Sighting, Windows, partition};
use cofferdam_types::{Event, Execution, Level, Newborn, Rehearsal, Trail, UnixMillis, Verdict, Watchlist};

use crate::company::Company;
use crate::labels::Labels;

/// Findings with what ties them, as the guard would record them.
pub(super) struct Joined {
    company: Company,
    seen: Vec<(Sighting, Whose)>,
}

/// Whose transaction a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The one that is played: the attack, or the honest flow that looks like one.
    Subject,
    /// Everybody else's.
    Others,
}

impl Joined {
    /// Nothing is known yet.
    pub(super) fn new(watch: Arc<Watchlist>) -> Self {
        Self { company: Company::new(watch, Arc::new(Labels::default())), seen: Vec::new() }
    }

    /// What was said of a transaction, waiting or in a block.
    pub(super) fn found(&mut self, execution: &Execution, verdict: &Verdict, whose: Whose) {
        for event in self.company.found(execution, verdict) {
            self.see(&event, whose);
        }
    }

    /// A transaction is in a block: who acts with whom is learnt from it, and where money goes.
    pub(super) fn learn(&mut self, execution: &Execution, verdict: &Verdict, whose: Whose) {
        self.company.learn(execution, verdict);
        let money = if verdict.findings.is_empty() {
            self.company.laundering(execution)
        } else {
            self.company.funding(execution, verdict)
        };
        money.iter().for_each(|event| self.see(event, whose));
    }

    /// What was said of a contract that nobody has called yet.
    pub(super) fn newborn(&mut self, newborn: &Newborn, verdict: &Verdict, whose: Whose) {
        for finding in &verdict.findings {
            let trail = self.company.trail_of_newborn(newborn, verdict, finding);
            self.keep(Sighting::of_finding(finding, Some(&trail), UnixMillis(0)), finding.level, whose);
        }
    }

    /// What was said of an operation that waits.
    pub(super) fn queued(&mut self, rehearsal: &Rehearsal, verdict: &Verdict, whose: Whose) {
        let Some(execution) = rehearsal.executions.first() else { return };
        for finding in &verdict.findings {
            let proposer = rehearsal.operation.proposer;
            let trail: Trail = self.company.trail_of_queued(execution, verdict, finding, proposer);
            self.keep(Sighting::of_finding(finding, Some(&trail), UnixMillis(0)), finding.level, whose);
        }
    }

    fn see(&mut self, event: &Event, whose: Whose) {
        if let Event::Found { finding, trail, .. } = event {
            self.keep(Sighting::of_finding(finding, trail.as_ref(), UnixMillis(0)), finding.level, whose);
        }
    }

    fn keep(&mut self, sighting: Sighting, level: Level, whose: Whose) {
        // A notice of somebody else's ties nothing of the subject's to anything, and opens nothing.
        let whose = if level >= Level::Alert { whose } else { Whose::Others };
        self.seen.push((sighting, whose));
    }

    /// How many incidents the alerts and stops about the subject are.
    pub(super) fn incidents(&self) -> u64 {
        let sightings: Vec<Sighting> = self.seen.iter().map(|(sighting, _)| sighting.clone()).collect();
        let parts = partition(&sightings, &Windows::default());
        let is_subject = |index: &usize| self.seen.get(*index).is_some_and(|(_, whose)| *whose == Whose::Subject);
        let incidents = parts.iter().filter(|part| part.iter().any(is_subject)).count();
        u64::try_from(incidents).unwrap_or(u64::MAX)
    }
}
