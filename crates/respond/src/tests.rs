//! What the responder does, against a chain in memory and real bytecode.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::sync::Arc;

use alloy_primitives::{Address, U256};
use cofferdam_types::{AccountState, Level, Maturity, OperatorAlert, PlanStep, UnixMillis, Window};

use crate::answer::Progress;
use crate::answer::{Reply, Response};
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::responder::SetupError;
use crate::testbed::{Bed, GWEI, LIMITS, THIEF, VAULT, VAULT_B, guardian, input, is_final, lever, module, module_b};

fn only(response: Response) -> Reply {
    let mut answers = response.answers;
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0).reply
}

fn refusal(reply: &Reply) -> &Refusal {
    if let Reply::Refused { reason, .. } = reply { reason } else { panic!("expected a refusal, got {reply:?}") }
}

fn words(steps: &[PlanStep]) -> Vec<&'static str> {
    let word = |step: &PlanStep| match step {
        PlanStep::Draft { .. } => "draft",
        PlanStep::Simulated { .. } => "simulated",
        PlanStep::Authorised { .. } => "authorised",
        PlanStep::Refused { .. } => "refused",
        PlanStep::Sent { .. } => "sent",
        PlanStep::Confirmed { .. } => "confirmed",
        PlanStep::Undone { .. } => "undone",
        PlanStep::Failed { .. } => "failed",
    };
    steps.iter().map(word).collect()
}

fn not_ready(bed: &Bed) -> Vec<String> {
    let alerts = bed.memory.alerts().into_iter();
    alerts
        .filter_map(|alert| if let OperatorAlert::LeverNotReady { reason, .. } = alert { Some(reason) } else { None })
        .collect()
}

#[test]
fn a_pending_attack_is_outbid_sealed_and_read_back() {
    let mut bed = Bed::new(Some(LIMITS));
    bed.resume().unwrap();
    bed.on_head().unwrap();
    let attack = bed.world.attack(input("drain()"), 40);
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    let Reply::Sent { plan, price, nonce, deliveries, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(nonce, 0);
    assert!(deliveries[0].taken.is_ok());
    assert!(price.tip().unwrap() > 40 * GWEI);
    // The pool orders by fee: the containment lands before the attack, in the same block.
    bed.world.mine(&[], false);
    let pool = bed.world.pool();
    bed.world.mine(&[pool[0].clone(), attack], false);
    assert!(bed.world.is_paused(VAULT));
    let progress = bed.on_head().unwrap();
    assert!(matches!(&progress[0], Progress::Confirmed { .. }), "{progress:?}");
    let steps = bed.memory.steps(plan);
    assert_eq!(words(&steps), ["draft", "simulated", "authorised", "sent", "confirmed"]);
    let PlanStep::Confirmed { read_back, .. } = &steps[4] else { panic!() };
    assert!(read_back.contains("closed") && read_back.contains("reverts"), "{read_back}");
    assert!(bed.responder.in_flight().next().is_none());
}

#[test]
fn an_attack_beyond_the_cap_is_answered_at_the_cap_and_the_record_says_so() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 40);
    let attack = cofferdam_types::Transaction { max_fee_per_gas: 900 * GWEI, ..attack };
    let Reply::Sent { plan, price, .. } = only(bed.stop(&attack, Window::Pending).unwrap()) else { panic!() };
    assert_eq!(price.max_fee(), 500 * GWEI);
    let steps = bed.memory.steps(plan);
    let PlanStep::Authorised { reason, .. } = &steps[2] else { panic!("{steps:?}") };
    assert!(reason.contains("900000000000 wei per gas") && reason.contains("mined first"), "{reason}");
    assert!(not_ready(&bed).is_empty(), "the record says it in one place");
}

#[test]
fn a_second_attack_with_a_higher_maximum_fee_alone_is_outbid_too() {
    let mut bed = Bed::new(Some(LIMITS));
    let (first, second) = (bed.world.attack(input("drain()"), 20), bed.world.attack(input("drain()"), 2));
    let second = cofferdam_types::Transaction { max_fee_per_gas: 300 * GWEI, ..second };
    let third = cofferdam_types::Transaction {
        hash: alloy_primitives::B256::repeat_byte(9),
        max_fee_per_gas: 900 * GWEI,
        ..second.clone()
    };
    let Reply::Sent { plan, .. } = only(bed.stop(&first, Window::Pending).unwrap()) else { panic!() };
    assert!(
        matches!(only(bed.stop(&second, Window::Pending).unwrap()), Reply::Joined { plan: joined } if joined == plan)
    );
    let price = bed.responder.in_flight().next().unwrap().price();
    assert!(price.max_fee() > 300 * GWEI && price.tip().unwrap() > 20 * GWEI, "{price:?}");
    assert!(not_ready(&bed).is_empty());
    bed.stop(&third, Window::Pending).unwrap();
    let price = bed.responder.in_flight().next().unwrap().price();
    assert_eq!(price.max_fee(), 500 * GWEI);
    let told = not_ready(&bed);
    assert!(matches!(&told[..], [reason] if reason.contains("mined first")), "{told:?}");
}

#[test]
fn a_mined_attack_that_can_be_repeated_is_stopped_from_going_on() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    let reply = only(bed.stop_mined(&attack).unwrap());
    let Reply::Sent { plan, .. } = reply else { panic!("{reply:?}") };
    let steps = bed.memory.steps(plan);
    assert!(matches!(&steps[1], PlanStep::Simulated { stops_attack: true, .. }), "{steps:?}");
}

#[test]
fn a_mined_attack_that_took_all_is_unproven_and_closed_unless_the_limits_ask_for_proof() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("empty()"), 2);
    let reply = only(bed.stop_mined(&attack).unwrap());
    let Reply::Sent { plan, .. } = reply else { panic!("{reply:?}") };
    assert!(matches!(&bed.memory.steps(plan)[1], PlanStep::Simulated { stops_attack: false, .. }));

    let mut bed = Bed::new(Some(&format!("{LIMITS}act_when_unproven = false")));
    let attack = bed.world.attack(input("empty()"), 2);
    let reply = only(bed.stop_mined(&attack).unwrap());
    assert_eq!(*refusal(&reply), Refusal::Unproven);
}

#[test]
fn a_lever_that_does_not_stop_the_attack_is_not_pulled_and_the_record_says_so() {
    let mut bed = Bed::new(Some(LIMITS));
    for window in [Window::Pending, Window::Mined] {
        let attack = bed.world.attack(input("escape()"), 2);
        let reply = only(bed.stop(&attack, window).unwrap());
        assert_eq!(*refusal(&reply), Refusal::DoesNotStop);
        let Reply::Refused { plan, .. } = reply else { panic!() };
        let steps = bed.memory.steps(plan);
        assert_eq!(words(&steps), ["draft", "simulated", "refused"]);
        assert!(matches!(&steps[1], PlanStep::Simulated { stops_attack: false, .. }));
    }
    assert!(bed.world.broadcasts().is_empty());
}

#[test]
fn the_first_lever_that_stops_the_attack_is_chosen() {
    let useless = lever("pause-b", module(), VAULT_B);
    let useful = lever("pause-a", module(), VAULT);
    let mut bed = Bed::with(Some(LIMITS), vec![useless, useful]);
    let attack = bed.world.attack(input("drain()"), 2);
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    assert!(matches!(&reply, Reply::Sent { lever, .. } if lever == "pause-a"), "{reply:?}");
}

#[test]
fn without_limits_everything_but_sending_happens() {
    let mut bed = Bed::new(None);
    let attack = bed.world.attack(input("drain()"), 2);
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    assert_eq!(*refusal(&reply), Refusal::Shadow);
    let Reply::Refused { plan, .. } = reply else { panic!() };
    assert!(matches!(&bed.memory.steps(plan)[1], PlanStep::Simulated { stops_attack: true, .. }));
    assert!(bed.world.broadcasts().is_empty());
}

#[test]
fn each_limit_refuses_with_its_own_reason() {
    let with = |from: &str, to: &str| LIMITS.replace(from, to);
    type Expected = fn(&Refusal) -> bool;
    let cases: [(String, Expected); 5] = [
        (with("enabled = true", "enabled = false"), |reason| *reason == Refusal::SwitchedOff),
        (with("4000000000", "1600000000"), |reason| matches!(reason, Refusal::Expired { .. })),
        (with("max_actions = 3", "max_actions = 0"), |reason| matches!(reason, Refusal::TooMany { .. })),
        (with("500000000000", "1000000000"), |reason| matches!(reason, Refusal::Fee(_))),
        (with("\"100000000000000000\"", "1"), |reason| matches!(reason, Refusal::Fee(_))),
    ];
    for (limits, expected) in cases {
        let mut bed = Bed::new(Some(&limits));
        let attack = bed.world.attack(input("drain()"), 2);
        let reply = only(bed.stop(&attack, Window::Pending).unwrap());
        assert!(expected(refusal(&reply)), "{limits}: {reply:?}");
        assert!(bed.world.broadcasts().is_empty());
    }
    let levers = vec![lever("vault-pause", module(), VAULT), lever("b-pause", module_b(), VAULT_B)];
    let mut bed = Bed::with(Some(LIMITS), levers);
    let attack = bed.world.call(THIEF, VAULT_B, input("drain()"), 2);
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    assert_eq!(*refusal(&reply), Refusal::NotListed);
}

#[test]
fn weak_levels_and_immature_detectors_do_not_act() {
    let mut bed = Bed::new(Some(LIMITS));
    bed.eyes.maturity = Maturity::Incubating;
    let attack = bed.world.attack(input("drain()"), 2);
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    assert!(matches!(refusal(&reply), Refusal::Immature { .. }));

    let mut bed = Bed::new(Some(LIMITS));
    bed.eyes.level = Level::Alert;
    let attack = bed.world.attack(input("drain()"), 2);
    assert!(bed.stop(&attack, Window::Pending).unwrap().answers.is_empty(), "an alert calls nobody here");

    let mut bed = Bed::new(Some(&format!("{LIMITS}min_level = 'alert'")));
    bed.eyes.level = Level::Alert;
    let attack = bed.world.attack(input("drain()"), 2);
    assert!(matches!(only(bed.stop(&attack, Window::Pending).unwrap()), Reply::Sent { .. }));
}

#[test]
fn the_count_of_actions_survives_a_restart_and_the_cool_down_too() {
    let limits = format!("{}cool_down_seconds = 600", LIMITS.replace("max_actions = 3", "max_actions = 2"));
    let mut bed = Bed::new(Some(&limits));
    let seal_and_reopen = |bed: &mut Bed| {
        let attack = bed.world.attack(input("drain()"), 2);
        let reply = only(bed.stop(&attack, Window::Pending).unwrap());
        bed.world.mine(&[], true);
        bed.on_head().unwrap();
        bed.world.foreign(guardian().address(), input("unpause()"), VAULT);
        bed.on_head().unwrap();
        bed.restart();
        reply
    };
    assert!(matches!(seal_and_reopen(&mut bed), Reply::Sent { .. }));
    assert!(matches!(refusal(&seal_and_reopen(&mut bed)), Refusal::CoolingDown { left_seconds: 600 }));
    bed.clock.advance(600_000);
    assert!(matches!(seal_and_reopen(&mut bed), Reply::Sent { .. }));
    bed.clock.advance(600_000);
    assert!(matches!(refusal(&seal_and_reopen(&mut bed)), Refusal::TooMany { done: 2, allowed: 2, .. }));
    bed.clock.set(UnixMillis(0));
    let back = seal_and_reopen(&mut bed);
    assert!(matches!(refusal(&back), Refusal::CoolingDown { .. }), "a clock that goes back grants nothing: {back:?}");
}

#[test]
fn a_target_that_is_closed_already_is_left_alone() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    let mut execution = bed.engine.pending(Arc::new(attack)).unwrap();
    execution.window = Window::Mined;
    bed.world.foreign(guardian().address(), input("pause()"), VAULT);
    bed.sync();
    let reply = only(bed.hand_in(&execution).unwrap());
    assert_eq!(*refusal(&reply), Refusal::AlreadyClosed);
    assert!(bed.world.broadcasts().is_empty());
}

#[test]
fn a_guardian_without_the_role_or_without_money_cannot_and_it_is_told() {
    let mut bed = Bed::new(Some(LIMITS));
    bed.world.edit(|ledger| ledger.set_slot(VAULT, U256::from(1), U256::from(7)));
    bed.sync();
    let attack = bed.world.attack(input("drain()"), 2);
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    assert!(matches!(refusal(&reply), Refusal::CloseFails { .. }));
    assert_eq!(not_ready(&bed).len(), 1);

    let mut bed = Bed::new(Some(LIMITS));
    bed.world.edit(|ledger| ledger.set_account(guardian().address(), AccountState::default()));
    bed.sync();
    let attack = bed.world.attack(input("drain()"), 2);
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    assert!(matches!(refusal(&reply), Refusal::Fee(crate::fees::FeeRefusal::NoFunds { .. })));
    assert_eq!(not_ready(&bed).len(), 1);
}

#[test]
fn a_contract_that_is_no_pausable_is_refused() {
    let mut bed = Bed::with(Some(LIMITS), vec![lever("nobody", module(), Address::repeat_byte(0xee))]);
    let attack = bed.world.attack(input("drain()"), 2);
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    assert!(matches!(refusal(&reply), Refusal::NoEffect { .. }), "{reply:?}");
}

#[test]
fn the_same_refusal_of_the_same_attack_is_written_once() {
    let mut bed = Bed::new(None);
    let attack = bed.world.attack(input("drain()"), 2);
    bed.stop(&attack, Window::Pending).unwrap();
    let before = bed.memory.events.lock().unwrap().len();
    bed.world.mine(&[], false);
    bed.sync();
    let reply = only(bed.stop(&attack, Window::Pending).unwrap());
    assert!(matches!(reply, Reply::Refused { recorded: false, .. }));
    assert_eq!(bed.memory.events.lock().unwrap().len(), before);
}

#[test]
fn two_stops_at_the_same_moment_make_one_plan_with_one_nonce() {
    let mut bed = Bed::new(Some(LIMITS));
    let (first, second) = (bed.world.attack(input("drain()"), 2), bed.world.attack(input("drain()"), 60));
    let Reply::Sent { plan, price, .. } = only(bed.stop(&first, Window::Pending).unwrap()) else { panic!() };
    let Reply::Joined { plan: joined } = only(bed.stop(&second, Window::Pending).unwrap()) else { panic!() };
    assert_eq!(joined, plan);
    let sent: Vec<_> = bed.responder.in_flight().collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].nonce(), 0);
    assert!(sent[0].price().priority() > 60 * GWEI && sent[0].price() != price, "the dearer attack is outbid too");
    assert_eq!(bed.world.pool().len(), 1);
}

#[test]
fn two_modules_in_one_attack_get_two_plans_with_two_nonces() {
    let levers = vec![lever("vault-pause", module(), VAULT), lever("b-pause", module_b(), VAULT_B)];
    let limits = format!("{LIMITS}{}", LIMITS.replace("enabled = true", "").replace("\"vault\"", "\"vault-b\""));
    let mut bed = Bed::with(Some(&limits), levers);
    let a = bed.world.attack(input("drain()"), 2);
    let b = bed.world.call(THIEF, VAULT_B, input("drain()"), 2);
    bed.stop(&a, Window::Pending).unwrap();
    bed.stop(&b, Window::Pending).unwrap();
    let nonces: Vec<u64> = bed.responder.in_flight().map(crate::plan::Sent::nonce).collect();
    assert_eq!(nonces, [0, 1]);
    bed.world.mine(&[], true);
    let progress = bed.on_head().unwrap();
    assert_eq!(progress.iter().filter(|step| matches!(step, Progress::Confirmed { .. })).count(), 2);
}

#[test]
fn an_unmined_plan_is_raised_each_block_with_the_same_nonce_up_to_the_cap_and_told_there() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    let Reply::Sent { plan, .. } = only(bed.stop(&attack, Window::Pending).unwrap()) else { panic!() };
    bed.world.mine(&[], false);
    bed.on_head().unwrap();
    assert_eq!(bed.world.broadcasts().len(), 1, "blocks that pass in no time raise nothing");
    for _ in 0..40 {
        bed.clock.advance(12_000);
        bed.world.mine(&[], false);
        bed.on_head().unwrap();
        bed.on_head().unwrap();
    }
    let mut offers = Vec::new();
    for step in bed.memory.steps(plan) {
        if let PlanStep::Sent { nonce, max_fee_per_gas, max_priority_fee_per_gas, .. } = step {
            assert_eq!(nonce, 0);
            assert!(max_fee_per_gas <= 500 * GWEI);
            offers.push((max_fee_per_gas, max_priority_fee_per_gas));
        }
    }
    assert!(offers.len() > 10 && offers.len() < 40, "{}", offers.len());
    for pair in offers.windows(2) {
        assert!(pair[1].0 * 8 >= pair[0].0 * 9 && pair[1].1 * 8 >= pair[0].1 * 9);
    }
    assert_eq!(not_ready(&bed).iter().filter(|reason| reason.contains("no dearer offer")).count(), 1);
    bed.world.mine(&[], true);
    assert!(matches!(&bed.on_head().unwrap()[0], Progress::Confirmed { .. }));
}

#[test]
fn a_chain_without_base_fee_gets_a_legacy_transaction() {
    let mut bed = Bed::new(Some(LIMITS));
    bed.world.set_base_fee(None);
    bed.sync();
    let attack = bed.world.attack(input("drain()"), 2);
    let attack =
        cofferdam_types::Transaction { kind: 0, max_fee_per_gas: 20 * GWEI, max_priority_fee_per_gas: None, ..attack };
    let Reply::Sent { price, .. } = only(bed.stop(&attack, Window::Pending).unwrap()) else { panic!() };
    assert_eq!(price.tip(), None);
    assert!(price.max_fee() > 20 * GWEI);
    assert_eq!(bed.world.pool()[0].kind, 0);
}

#[test]
fn a_restart_sends_the_same_bytes_again_and_no_others() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    bed.stop(&attack, Window::Pending).unwrap();
    bed.world.forget_pool();
    bed.restart();
    let progress = bed.resume().unwrap();
    assert!(matches!(progress[..], [Progress::Resent { .. }]));
    let broadcasts = bed.world.broadcasts();
    assert_eq!(broadcasts.len(), 2);
    assert_eq!(broadcasts[0], broadcasts[1]);
    // The same stop, judged again because its block was not acknowledged, joins the plan.
    assert!(matches!(only(bed.stop(&attack, Window::Pending).unwrap()), Reply::Joined { .. }));
    bed.world.mine(&[], true);
    let progress = bed.on_head().unwrap();
    let Progress::Confirmed { read_back, .. } = &progress[0] else { panic!("{progress:?}") };
    assert!(read_back.contains("tried again"), "the attack was fetched again: {read_back}");
}

#[test]
fn a_process_killed_at_any_moment_of_one_stop_closes_once_with_the_same_bytes() {
    // Effects in order: the record of the signed plan, the broadcast, and after the block the record of the reading.
    for (effects, after) in [(0, false), (0, true), (1, false), (1, true), (2, false), (2, true)] {
        let moment = format!("killed after {effects} effects, the last done: {after}");
        let mut bed = Bed::new(Some(LIMITS));
        bed.resume().unwrap();
        bed.on_head().unwrap();
        let attack = bed.world.attack(input("drain()"), 2);
        bed.memory.fuse.light(effects, after);
        drop(bed.stop(&attack, Window::Pending));
        if effects < 2 {
            assert!(bed.memory.fuse.is_dead(), "{moment}");
            bed.restart();
            bed.resume().unwrap();
            // The transaction is still pending: it is judged again.
            bed.stop(&attack, Window::Pending).unwrap();
        }
        bed.world.mine(&[], true);
        drop(bed.on_head());
        if effects == 2 {
            assert!(bed.memory.fuse.is_dead(), "{moment}");
            bed.restart();
            bed.resume().unwrap();
            bed.on_head().unwrap();
        }
        assert!(bed.world.is_paused(VAULT), "{moment}");
        assert_eq!(bed.world.nonce(guardian().address()), 1, "{moment}");
        let mut sent = bed.world.broadcasts();
        sent.dedup();
        assert_eq!(sent.len(), 1, "{moment}");
        let plans = bed.memory.plans();
        assert_eq!(plans.len(), 1, "{moment}");
        assert_eq!(words(&bed.memory.steps(plans[0].id)).last(), Some(&"confirmed"), "{moment}");
    }
}

#[test]
fn two_processes_with_the_same_key_close_once() {
    let mut first = Bed::new(Some(LIMITS));
    let mut second = Bed::beside(&first);
    let attack = first.world.attack(input("drain()"), 2);
    let Reply::Sent { nonce: 0, .. } = only(first.stop(&attack, Window::Pending).unwrap()) else { panic!() };
    // It has not heard of the other's transaction.
    let reply = only(second.stop(&attack, Window::Pending).unwrap());
    assert!(matches!(reply, Reply::Sent { nonce: 0 | 1, .. }), "{reply:?}");
    for _ in 0..6 {
        first.clock.advance(12_000);
        first.world.mine(&[], true);
        first.on_head().unwrap();
        second.on_head().unwrap();
    }
    assert!(first.world.is_paused(VAULT));
    assert_eq!(first.world.paused_times(VAULT), 1);
    for bed in [&first, &second] {
        let plans = bed.memory.plans();
        assert!(plans.iter().all(|plan| is_final(&plan.steps.last().unwrap().1)), "{plans:#?}");
    }
}

#[test]
fn the_kill_switch_silences_what_is_on_its_way() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    bed.stop(&attack, Window::Pending).unwrap();
    let off = LIMITS.replace("enabled = true", "enabled = false");
    bed.responder.set_limits(Some(Limits::parse(off.as_bytes()).unwrap())).unwrap();
    bed.world.mine(&[], false);
    bed.on_head().unwrap();
    assert_eq!(bed.world.broadcasts().len(), 1);
    bed.limits = Some(off);
    bed.restart();
    bed.resume().unwrap();
    assert_eq!(bed.world.broadcasts().len(), 1);
    bed.world.mine(&[], true);
    assert!(matches!(&bed.on_head().unwrap()[0], Progress::Confirmed { .. }), "what was mined is still read back");
}

#[test]
fn a_reorg_sends_the_plan_again_and_it_is_confirmed_in_its_new_block() {
    let mut bed = Bed::new(Some(LIMITS));
    bed.world.mine(&[], false);
    bed.world.mine(&[], false);
    bed.sync();
    let attack = bed.world.attack(input("drain()"), 2);
    let Reply::Sent { plan, .. } = only(bed.stop(&attack, Window::Pending).unwrap()) else { panic!() };
    bed.world.mine(&[], true);
    bed.on_head().unwrap();
    let dropped = bed.world.drop_block().unwrap();
    assert!(matches!(bed.on_reorg(dropped).unwrap()[..], [Progress::Resent { .. }]));
    bed.world.mine(&[], false);
    bed.on_head().unwrap();
    bed.world.mine(&[], true);
    bed.on_head().unwrap();
    let steps = bed.memory.steps(plan);
    assert_eq!(words(&steps), ["draft", "simulated", "authorised", "sent", "confirmed", "sent", "sent", "confirmed"]);
    let nonces: Vec<u64> = steps
        .iter()
        .filter_map(|step| if let PlanStep::Sent { nonce, .. } = step { Some(*nonce) } else { None })
        .collect();
    assert_eq!(nonces, [0, 0, 0]);
}

#[test]
fn a_confirmation_in_a_block_that_another_one_replaced_unseen_is_taken_back() {
    let mut bed = Bed::new(Some(LIMITS));
    bed.world.mine(&[], false);
    bed.world.mine(&[], false);
    bed.sync();
    let attack = bed.world.attack(input("drain()"), 2);
    bed.stop(&attack, Window::Pending).unwrap();
    bed.world.mine(&[], true);
    bed.on_head().unwrap();
    let confirmed_in = bed.world.head().block_ref();
    let canonical = |bed: &mut Bed, block| crate::testbed::block_on(bed.responder.on_canonical(block)).unwrap();
    assert!(canonical(&mut bed, confirmed_in).is_empty());
    bed.world.drop_block().unwrap();
    bed.world.mine(&[], false);
    let other = bed.world.head().block_ref();
    assert_eq!(other.number, confirmed_in.number);
    assert!(matches!(canonical(&mut bed, other)[..], [Progress::Resent { .. }]));
    bed.world.mine(&[], true);
    assert!(matches!(&bed.on_head().unwrap()[0], Progress::Confirmed { .. }));
}

#[test]
fn a_reorg_while_the_process_was_down_is_noticed_at_the_start() {
    let mut bed = Bed::new(Some(LIMITS));
    bed.world.mine(&[], false);
    bed.world.mine(&[], false);
    bed.sync();
    let attack = bed.world.attack(input("drain()"), 2);
    bed.stop(&attack, Window::Pending).unwrap();
    bed.world.mine(&[], true);
    bed.on_head().unwrap();
    bed.world.drop_block().unwrap();
    bed.restart();
    assert!(matches!(bed.resume().unwrap()[..], [Progress::Resent { .. }]));
    assert_eq!(bed.world.pool().len(), 1);
}

#[test]
fn a_nonce_taken_by_another_transaction_fails_the_plan_and_another_attempt_is_made() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    let Reply::Sent { plan, .. } = only(bed.stop(&attack, Window::Pending).unwrap()) else { panic!() };
    bed.world.foreign(guardian().address(), input("paused()"), VAULT);
    assert!(
        bed.on_head().unwrap().iter().all(|step| !matches!(step, Progress::Failed { .. })),
        "one head proves nothing"
    );
    bed.world.mine(&[], false);
    let progress = bed.on_head().unwrap();
    assert!(matches!(&progress[0], Progress::Failed { plan: failed, .. } if *failed == plan), "{progress:?}");
    let Progress::Tried(answer) = &progress[1] else { panic!("{progress:?}") };
    let Reply::Sent { plan: second, nonce: 1, .. } = &answer.reply else { panic!("{answer:?}") };
    assert_ne!(*second, plan);
    bed.world.mine(&[], true);
    assert!(matches!(&bed.on_head().unwrap()[0], Progress::Confirmed { .. }));
    assert!(!not_ready(&bed).is_empty());
}

#[test]
fn a_plan_behind_a_nonce_that_nobody_fills_is_given_up_and_tried_with_the_free_one() {
    let mut bed = Bed::new(Some(LIMITS));
    bed.world.mine(&[], false);
    bed.world.mine(&[], false);
    bed.world.foreign(guardian().address(), input("paused()"), VAULT);
    bed.on_head().unwrap();
    let attack = bed.world.attack(input("drain()"), 2);
    let Reply::Sent { nonce: 1, .. } = only(bed.stop(&attack, Window::Pending).unwrap()) else { panic!() };
    // The block with the transaction before it goes, and that transaction does not come back.
    let dropped = bed.world.drop_block().unwrap();
    bed.on_reorg(dropped).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        bed.world.mine(&[], false);
        seen.extend(bed.on_head().unwrap());
    }
    let second =
        seen.iter().find_map(|step| if let Progress::Tried(answer) = step { Some(&answer.reply) } else { None });
    assert!(matches!(second, Some(Reply::Sent { nonce: 0, .. })), "{seen:?}");
    bed.world.mine(&[], true);
    bed.on_head().unwrap();
    assert!(bed.world.is_paused(VAULT));
}

#[test]
fn a_containment_that_reverts_is_a_failure_and_is_told() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    bed.stop(&attack, Window::Pending).unwrap();
    bed.world.edit(|ledger| ledger.set_slot(VAULT, U256::from(1), U256::from(7)));
    bed.world.mine(&[], true);
    let progress = bed.on_head().unwrap();
    assert!(matches!(&progress[0], Progress::Failed { reason, .. } if reason.contains("reverted")), "{progress:?}");
    let Progress::Tried(answer) = &progress[1] else { panic!("{progress:?}") };
    assert!(
        matches!(refusal(&answer.reply), Refusal::CloseFails { .. }),
        "no second attempt where the call would fail"
    );
    assert!(!not_ready(&bed).is_empty());
}

#[test]
fn endpoints_that_disagree_confirm_nothing_and_are_told_once() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    bed.stop(&attack, Window::Pending).unwrap();
    bed.world.set_liar(true);
    bed.world.mine(&[], true);
    for _ in 0..3 {
        assert!(bed.on_head().unwrap().iter().all(|step| !matches!(step, Progress::Confirmed { .. })));
        bed.world.mine(&[], false);
    }
    let told = bed.memory.alerts().iter().filter(|alert| matches!(alert, OperatorAlert::Endpoint { .. })).count();
    assert_eq!(told, 1);
    bed.world.set_liar(false);
    assert!(bed.on_head().unwrap().iter().any(|step| matches!(step, Progress::Confirmed { .. })));
}

#[test]
fn opening_by_people_is_recorded_as_undone() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    let Reply::Sent { plan, .. } = only(bed.stop(&attack, Window::Pending).unwrap()) else { panic!() };
    bed.world.mine(&[], true);
    bed.on_head().unwrap();
    bed.world.foreign(guardian().address(), input("unpause()"), VAULT);
    bed.on_head().unwrap();
    assert_eq!(words(&bed.memory.steps(plan)).last(), Some(&"undone"));
}

#[test]
fn decay_of_a_lever_is_told_before_the_incident_once_and_so_is_recovery() {
    let mut bed = Bed::new(Some(LIMITS));
    let poor = AccountState { balance: U256::from(1), ..AccountState::default() };
    bed.world.edit(|ledger| ledger.set_account(guardian().address(), poor));
    for _ in 0..12 {
        bed.on_head().unwrap();
        bed.world.mine(&[], false);
    }
    let reasons = not_ready(&bed);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].contains("3 actions"), "{reasons:?}");
    let rich = AccountState { balance: U256::from(10_u64.pow(19)), ..AccountState::default() };
    bed.world.edit(|ledger| ledger.set_account(guardian().address(), rich));
    for _ in 0..6 {
        bed.world.mine(&[], false);
        bed.on_head().unwrap();
    }
    let back = bed.memory.alerts().iter().filter(|alert| matches!(alert, OperatorAlert::LeverReady { .. })).count();
    assert_eq!(back, 1);
    bed.world.edit(|ledger| ledger.set_slot(VAULT, U256::from(1), U256::from(7)));
    for _ in 0..6 {
        bed.world.mine(&[], false);
        bed.on_head().unwrap();
    }
    assert_eq!(not_ready(&bed).len(), 2, "a lost role is told too");
}

#[test]
fn nothing_is_sent_when_the_record_cannot_be_written() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    bed.memory.fuse.light(0, false);
    assert!(bed.stop(&attack, Window::Pending).is_err());
    bed.restart();
    bed.resume().unwrap();
    assert!(bed.world.broadcasts().is_empty());
    assert!(bed.memory.plans().is_empty());
}

#[test]
fn a_record_with_foreign_bytes_is_not_sent_and_is_told() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.attack(input("drain()"), 2);
    bed.stop(&attack, Window::Pending).unwrap();
    for (_, event) in bed.memory.events.lock().unwrap().iter_mut() {
        if let cofferdam_types::Event::Plan { step: PlanStep::Sent { from, .. }, .. } = event {
            *from = THIEF;
        }
    }
    bed.restart();
    assert!(bed.resume().is_err());
    assert!(bed.resume().is_ok(), "the second start goes on without it");
    assert_eq!(bed.world.broadcasts().len(), 1);
    let plans = bed.memory.plans();
    assert!(is_final(&plans[0].steps.last().unwrap().1));
    assert!(!not_ready(&bed).is_empty());
}

#[test]
fn levers_limits_and_guardians_must_fit_together() {
    use crate::responder::{Responder, Setup};
    let bed = Bed::new(None);
    let build = |levers, limits: Option<&str>| {
        let setup = Setup {
            chain_id: crate::testbed::CHAIN,
            levers,
            limits: limits.map(|text| Limits::parse(text.as_bytes()).unwrap()),
            signers: None,
            guardians: [("machine".to_owned(), guardian())].into(),
            readiness_blocks: 0,
        };
        Responder::new(setup, bed.memory.clone(), bed.world.clone(), bed.clock.clone()).map(drop).unwrap_err()
    };
    let one = || lever("vault-pause", module(), VAULT);
    assert!(matches!(build(vec![one(), one()], None), SetupError::LeverTwice { .. }));
    let mut orphan = one();
    orphan.guardian = "nobody".to_owned();
    assert!(matches!(build(vec![orphan], None), SetupError::NoGuardian { .. }));
    assert!(matches!(build(vec![lever("b", module_b(), VAULT_B)], Some(LIMITS)), SetupError::Limits(_)));
}

#[test]
fn a_module_without_a_lever_is_answered_honestly() {
    let mut bed = Bed::new(Some(LIMITS));
    let attack = bed.world.call(THIEF, VAULT_B, input("drain()"), 2);
    assert!(matches!(only(bed.stop(&attack, Window::Pending).unwrap()), Reply::NoLever));
}
