//! The thread in which operations are carried out on a fork, with an engine and a patience of its own. It judges nothing.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use cofferdam_evm::{Engine, RehearsalBudget, rehearse};
use cofferdam_types::Rehearsal;
use tokio::sync::mpsc;

use super::Job;
use crate::guard::newborn::{Patience, Workshop};
use crate::guard::observe;

/// The thread.
pub(super) fn work(jobs: &Receiver<Job>, done: &mpsc::Sender<Rehearsal>, budget: RehearsalBudget, workshop: &Workshop) {
    let Workshop { rules, source, watch, needs, clock } = workshop;
    let patience = Arc::new(Patience::new(source.clone(), clock.clone()));
    let mut engine = Engine::new(*rules, patience.clone(), watch.clone());
    engine.set_needs(needs.clone());
    while let Ok(job) = jobs.recv() {
        if engine.head().block_ref() != job.head.block_ref() {
            engine.reset(job.head);
        }
        if let Some(assertions) = job.assertions {
            engine.set_assertions(assertions);
        }
        patience.lasts_for(budget.micros.saturating_add(budget.micros / 4));
        let rehearsal = rehearse(&mut engine, &job.operation, &budget, clock.as_ref());
        observe("queued operation", rehearsal.effort.micros);
        if done.blocking_send(rehearsal).is_err() {
            return;
        }
    }
}
