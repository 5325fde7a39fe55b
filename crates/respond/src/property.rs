//! Whatever happens in whatever order, with the process killed at any effect: one plan is one action, nothing leaves
//! without authority (asserted by the test bed at each broadcast), and every plan comes to an end.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::collections::HashMap;

use cofferdam_types::{PlanStep, Window};
use proptest::prelude::*;

use crate::testbed::{Bed, GWEI, LIMITS, VAULT, guardian, input, is_final};

#[derive(Clone, Copy, Debug)]
enum Act {
    Pending { tip: u8 },
    Mined { all: bool },
    Mine,
    MineEmpty,
    Reorg,
    Foreign,
    People,
    Forget,
    Restart,
    Fuse { effects: u8, after: bool },
    BaseFee { gwei: u8 },
    Wait { minutes: u8 },
    Deaf { deaf: bool },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u8..120).prop_map(|tip| Act::Pending { tip }),
        2 => any::<bool>().prop_map(|all| Act::Mined { all }),
        4 => Just(Act::Mine),
        4 => Just(Act::MineEmpty),
        2 => Just(Act::Reorg),
        1 => Just(Act::Foreign),
        1 => Just(Act::People),
        1 => Just(Act::Forget),
        1 => Just(Act::Restart),
        3 => (0_u8..6, any::<bool>()).prop_map(|(effects, after)| Act::Fuse { effects, after }),
        1 => (0_u8..120).prop_map(|gwei| Act::BaseFee { gwei }),
        1 => (0_u8..200).prop_map(|minutes| Act::Wait { minutes }),
        1 => any::<bool>().prop_map(|deaf| Act::Deaf { deaf }),
    ]
}

const MAX_ACTIONS: usize = 3;

fn perform(bed: &mut Bed, act: Act) {
    match act {
        Act::Pending { tip } => {
            let attack = bed.world.attack(input("drain()"), tip.into());
            drop(bed.stop(&attack, Window::Pending));
        }
        Act::Mined { all } => {
            let attack = bed.world.attack(input(if all { "empty()" } else { "drain()" }), 2);
            drop(bed.stop_mined(&attack));
            drop(bed.on_head());
        }
        Act::Mine | Act::MineEmpty => {
            bed.clock.advance(12_000);
            bed.world.mine(&[], matches!(act, Act::Mine));
            drop(bed.on_head());
        }
        Act::Reorg => {
            if let Some(dropped) = bed.world.drop_block() {
                bed.sync();
                drop(bed.on_reorg(dropped));
                bed.world.mine(&[], false);
                drop(bed.on_head());
            }
        }
        Act::Foreign => {
            bed.world.foreign(guardian().address(), input("paused()"), VAULT);
            drop(bed.on_head());
        }
        Act::People => {
            bed.world.foreign(guardian().address(), input("unpause()"), VAULT);
            drop(bed.on_head());
        }
        Act::Forget => bed.world.forget_pool(),
        Act::Restart => revive(bed),
        Act::Fuse { effects, after } => bed.memory.fuse.light(effects.into(), after),
        Act::BaseFee { gwei } => {
            bed.world.set_base_fee(Some(u64::from(gwei) * 1_000_000_000));
            bed.sync();
        }
        Act::Wait { minutes } => bed.clock.advance(u64::from(minutes) * 60_000),
        Act::Deaf { deaf } => bed.world.set_deaf(deaf),
    }
    if bed.memory.fuse.is_dead() {
        revive(bed);
    }
}

fn revive(bed: &mut Bed) {
    bed.restart();
    bed.resume().unwrap();
}

/// What must hold at every moment.
fn check(bed: &Bed) {
    let mut lanes = HashMap::new();
    let window = 86_400_000;
    let now = bed.memory.events.lock().unwrap().last().map(|(at, _)| *at).unwrap_or_default();
    let mut in_window = 0;
    for plan in bed.memory.plans() {
        let steps: Vec<&PlanStep> = plan.steps.iter().map(|(_, step)| step).collect();
        let mut offers: Vec<(u64, u128, u128)> = Vec::new();
        let mut ended: Option<&PlanStep> = None;
        for step in &steps {
            match ended {
                Some(PlanStep::Confirmed { .. }) => {
                    assert!(
                        matches!(step, PlanStep::Sent { .. } | PlanStep::Undone { .. }),
                        "{step:?} after confirmed"
                    );
                }
                Some(last) => panic!("{step:?} after {last:?}"),
                None => {}
            }
            ended = is_final(step).then_some(step);
            if let PlanStep::Sent { nonce, max_fee_per_gas, max_priority_fee_per_gas, .. } = step {
                assert!(*max_fee_per_gas <= 500 * GWEI);
                let offer = (*nonce, *max_fee_per_gas, *max_priority_fee_per_gas);
                if let Some(last) = offers.last().filter(|last| **last != offer) {
                    assert_eq!(last.0, *nonce, "a raised offer keeps its nonce");
                    assert!(offer.1 * 8 >= last.1 * 9 && offer.2 * 8 >= last.2 * 9, "{last:?} then {offer:?}");
                }
                offers.push(offer);
            }
        }
        let Some((nonce, ..)) = offers.first() else { continue };
        let last = *steps.last().unwrap();
        if !is_final(last) {
            assert!(lanes.insert(*nonce, plan.id).is_none(), "two plans on their way with nonce {nonce}");
        }
        let first_sent = plan.steps.iter().find(|(_, step)| matches!(step, PlanStep::Sent { .. })).unwrap().0;
        in_window += usize::from(now.since(first_sent) < window);
    }
    assert!(in_window <= MAX_ACTIONS, "{in_window} actions in the window");
    assert!(lanes.len() <= 1, "one module is sealed by one plan at a time");
}

proptest! {
    #[test]
    fn one_plan_is_one_action_and_every_plan_ends(acts in proptest::collection::vec(act(), 1..40)) {
        let mut bed = Bed::new(Some(LIMITS));
        bed.resume().unwrap();
        bed.on_head().unwrap();
        for act in acts {
            perform(&mut bed, act);
            check(&bed);
        }
        // Quiet weather: whatever was on its way arrives or is given up.
        bed.memory.fuse.reset();
        bed.world.set_deaf(false);
        revive(&mut bed);
        for _ in 0..16 {
            bed.clock.advance(12_000);
            bed.world.mine(&[], true);
            bed.on_head().unwrap();
            check(&bed);
        }
        let open: Vec<_> = bed.memory.plans().into_iter().filter(|plan| !is_final(&plan.steps.last().unwrap().1)).collect();
        prop_assert!(open.is_empty(), "never ended: {open:#?}");
    }
}
