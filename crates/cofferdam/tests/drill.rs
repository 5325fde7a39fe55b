//! The drills as their users see them: what is promised per lane, who is not hurt, and that a seed tells everything.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use cofferdam::drill::report::{EventKind, Lane, Outcome, Run, TimelineEvent, Window};
use cofferdam::drill::runner;
use cofferdam::telemetry::SystemClock;
use cofferdam_simnet::scenario::Scenario;

fn drill(scenario: Scenario, lane: Lane, seed: u64) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let record = folder.path().join("record.db");
    let clock = Arc::new(SystemClock::start());
    runtime.block_on(runner::run(scenario, lane, seed, &record, clock, &mut |_| {})).unwrap()
}

fn bounded(run: &Run) -> bool {
    matches!(run.outcome(), Outcome::Stopped | Outcome::Bounded)
}

#[test]
fn an_attack_in_the_mempool_takes_nothing() {
    for scenario in Scenario::ALL {
        let run = drill(scenario, Lane::Mempool, 7);
        // The slow drain is many small transactions: its first ones look like ordinary use.
        let promised = if scenario == Scenario::SlowDrain { bounded(&run) } else { run.outcome() == Outcome::Stopped };
        assert!(promised, "{scenario}: {}", run.statement());
        assert!(run.first(EventKind::Mined).is_some(), "{scenario}: nothing was sealed");
        assert!(run.record.verified, "{scenario}: the record does not hold");
    }
}

#[test]
fn an_attack_in_pieces_does_not_take_everything() {
    for scenario in Scenario::ALL {
        let run = drill(scenario, Lane::Split, 7);
        assert!(bounded(&run), "{scenario}: {}", run.statement());
    }
}

#[test]
fn a_contract_that_waits_is_found_before_it_is_used_in_every_lane() {
    for lane in Lane::ALL {
        let run = drill(Scenario::WaitingContract, lane, 7);
        assert_eq!(run.outcome(), Outcome::Stopped, "{lane:?}: {}", run.statement());
        let verdict = run.verdict.as_ref().unwrap();
        assert_eq!(verdict.detector, "hostile-contract");
        let first = |kind: EventKind| run.timeline.iter().position(|event| event.kind == kind);
        assert!(first(EventKind::Mined) < first(EventKind::AttackFailed), "sealed before the button is pressed");
        assert_eq!(verdict.window, Window::Before);
        let made = |event: &&TimelineEvent| event.kind == EventKind::AttackMined;
        assert_eq!(run.timeline.iter().filter(made).count(), 1, "only the contract itself");
    }
}

#[test]
fn a_private_attack_is_told_as_what_it_is() {
    for scenario in Scenario::ALL.into_iter().filter(|scenario| *scenario != Scenario::WaitingContract) {
        let run = drill(scenario, Lane::Private, 7);
        let lost = !run.losses.iter().all(|loss| loss.with.is_zero());
        assert!(lost, "{scenario}: nobody can stop what nobody sees: {}", run.statement());
        assert!(run.statement().contains("lost"), "{scenario}: {}", run.statement());
    }
}

#[test]
fn sealing_one_module_leaves_the_others_working() {
    for scenario in Scenario::ALL {
        for lane in [Lane::Mempool, Lane::Split] {
            let run = drill(scenario, lane, 7);
            for honest in &run.honest {
                let sealed = run.modules.iter().any(|state| state.module == honest.module && state.sealed);
                let hurt = honest.failed > honest.failed_without;
                assert!(sealed || !hurt, "{scenario}/{lane:?}: {honest:?}");
            }
        }
    }
}

#[test]
fn a_seed_tells_everything_but_the_clock() {
    let [first, second] = [0, 1].map(|_| drill(Scenario::StolenAdminKey, Lane::Split, 11).without_wall_clock());
    assert_eq!(first, second);
}
