//! How events become incidents, and how incidents move.

#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod support;

use std::sync::Arc;

use cofferdam_incident::{ChangeError, Store, is_legal};
use cofferdam_types::primitives::{B256, U256};
use cofferdam_types::{
    Asset, Batch, BlockNumber, BlockRef, Clock, Event, IncidentId, IncidentState, Journal, Level, OperatorAlert,
    PlanId, PlanStep, UnixMillis,
};
use proptest::prelude::*;
use support::{
    Desk, block, confirmed, draft, finding, from_sender, mined, module, options, pending, sent, tx, withdrawn,
};

/// An account that signs.
const SENDER: &str = "0x00000000000000000000000000000000000000bd";
const PLAN: PlanId = PlanId(B256::repeat_byte(0xaa));

#[test]
fn an_alert_opens_an_incident_with_a_name_that_can_be_said() {
    let desk = Desk::new();
    let incident = desk.put(mined(finding(Level::Alert, "vault", tx(1)), block(1))).unwrap();
    assert!(incident.0.starts_with("2026-11-23-") && incident.0.len() == 13, "{incident}");
    assert_eq!(desk.state(&incident), IncidentState::Open);
    let again = Desk::new().put(mined(finding(Level::Alert, "vault", tx(1)), block(1))).unwrap();
    assert_eq!(again, incident, "the name comes from the data alone");
}

#[test]
fn a_stop_is_triaged_at_once_and_a_notice_belongs_to_nothing() {
    let desk = Desk::new();
    assert_eq!(desk.put(mined(finding(Level::Notice, "vault", tx(1)), block(1))), None);
    let incident = desk.put(pending(finding(Level::Stop, "vault", tx(2)))).unwrap();
    assert_eq!(desk.state(&incident), IncidentState::Triaged);
    assert_eq!(desk.store.incidents().unwrap().len(), 1);
}

#[test]
fn the_same_finding_in_the_same_place_is_recorded_once_even_after_a_restart() {
    let desk = Desk::new();
    let event = mined(finding(Level::Stop, "vault", tx(1)), block(1));
    let incident = desk.put(event.clone()).unwrap();
    let events = desk.store.incident(&incident).unwrap().unwrap().entries.len();
    let committed = desk.commit(vec![event.clone(), event.clone()]);
    assert_eq!(committed.incidents, [Some(incident.clone()), Some(incident.clone())]);
    let (_folder, path) = desk.close();
    let clock = std::sync::Arc::new(cofferdam_types::ManualClock::new(support::START));
    let store = cofferdam_incident::Store::open(&path, support::CHAIN, options(), clock).unwrap();
    store.commit(&Batch { events: vec![event], ..Batch::default() }).unwrap();
    assert_eq!(store.incident(&incident).unwrap().unwrap().entries.len(), events);
}

#[test]
fn findings_join_by_transaction_then_module_then_sender_and_else_open_a_new_one() {
    let desk = Desk::new();
    let first = desk.put(mined(finding(Level::Alert, "vault", tx(1)), block(1))).unwrap();
    let same_transaction = desk.put(mined(finding(Level::Alert, "market", tx(1)), block(1))).unwrap();
    let same_module = desk.put(mined(finding(Level::Alert, "market", tx(2)), block(2))).unwrap();
    assert_eq!((&same_transaction, &same_module), (&first, &first));

    let other = from_sender(finding(Level::Alert, "bridge", tx(3)), SENDER);
    let second = desk.put(mined(other, block(3))).unwrap();
    assert_ne!(second, first);
    let same_sender = from_sender(finding(Level::Alert, "oracle", tx(4)), SENDER);
    assert_eq!(desk.put(mined(same_sender, block(4))).unwrap(), second);

    desk.clock.advance(6 * 3_600_000 + 1);
    let much_later = desk.put(mined(finding(Level::Alert, "vault", tx(5)), block(5))).unwrap();
    assert!(much_later != first && much_later != second);
    let summary = desk.store.incident(&first).unwrap().unwrap().summary;
    assert_eq!((summary.modules, summary.findings), (vec![module("market"), module("vault")], 3));
}

#[test]
fn an_incident_whose_findings_are_all_withdrawn_closes_and_says_so() {
    let desk = Desk::new();
    let (one, two) = (finding(Level::Stop, "vault", tx(1)), finding(Level::Alert, "vault", tx(2)));
    let incident = desk.put(mined(one.clone(), block(1))).unwrap();
    desk.put(mined(two.clone(), block(1)));
    desk.put(withdrawn(&one, Some(block(1))));
    assert_eq!(desk.state(&incident), IncidentState::Triaged);
    desk.commit(vec![withdrawn(&two, Some(block(1))), withdrawn(&two, Some(block(1)))]);
    let timeline = desk.store.incident(&incident).unwrap().unwrap();
    assert_eq!((timeline.summary.state, timeline.summary.withdrawn), (IncidentState::Closed, true));
    assert_eq!((timeline.summary.findings, timeline.summary.standing), (2, 0));
    assert_eq!(timeline.summary.closed_at, Some(support::START));
    assert!(timeline.entries.last().unwrap().text.contains("withdrawn"));
    let withdrawals = timeline.entries.iter().filter(|entry| matches!(entry.event, Event::Withdrawn { .. }));
    assert_eq!(withdrawals.count(), 2, "a second withdrawal says nothing new");
}

#[test]
fn a_reorg_that_only_moves_the_attack_to_another_block_keeps_the_incident() {
    let desk = Desk::new();
    let attack = finding(Level::Stop, "vault", tx(1));
    let incident = desk.put(mined(attack.clone(), block(1))).unwrap();
    assert_eq!(desk.store.findings_in(block(1)).unwrap(), [attack.id]);
    let moved = desk.commit(vec![withdrawn(&attack, Some(block(1))), mined(attack.clone(), block(2))]);
    assert_eq!(moved.incidents, [Some(incident.clone()), Some(incident.clone())]);
    assert_eq!(desk.state(&incident), IncidentState::Triaged);
    assert!(desk.store.findings_in(block(1)).unwrap().is_empty());
    assert_eq!(desk.store.findings_in(block(2)).unwrap(), [attack.id]);

    desk.put(withdrawn(&attack, Some(block(2))));
    assert_eq!(desk.state(&incident), IncidentState::Closed);
    assert_eq!(desk.put(mined(attack, block(3))).unwrap(), incident, "found again later: the same incident");
    let summary = desk.store.incident(&incident).unwrap().unwrap().summary;
    assert_eq!((summary.state, summary.withdrawn, summary.closed_at), (IncidentState::Triaged, false, None));
}

#[test]
fn a_confirmed_plan_contains_and_losing_it_leads_back() {
    let desk = Desk::new();
    let incident = desk.put(pending(finding(Level::Stop, "vault", tx(1)))).unwrap();
    for event in [draft(PLAN, "vault", tx(1)), sent(PLAN, 5), confirmed(PLAN)] {
        assert_eq!(desk.put(event).unwrap(), incident);
    }
    assert_eq!(desk.state(&incident), IncidentState::Contained);
    desk.put(sent(PLAN, 6));
    assert_eq!(desk.state(&incident), IncidentState::Triaged, "its block was dropped and it was sent again");
    desk.put(confirmed(PLAN));
    desk.put(Event::Plan { plan: PLAN, step: PlanStep::Undone { reason: "the vault reopened".into() } });
    assert_eq!(desk.state(&incident), IncidentState::Recovering);
    desk.store.change_state(&incident, IncidentState::Closed, "all is paid back").unwrap();
    let error = desk.store.change_state(&incident, IncidentState::Recovering, "").unwrap_err();
    assert!(matches!(&error, ChangeError::Illegal(why) if why.contains("closed")), "{error}");
    let unknown = desk.store.change_state(&IncidentId("2020-01-01-a2".into()), IncidentState::Closed, "");
    assert!(matches!(unknown, Err(ChangeError::NoIncident(_))));
}

#[test]
fn plans_are_found_again_after_a_restart_until_they_are_final() {
    let desk = Desk::new();
    desk.put(pending(finding(Level::Stop, "vault", tx(1))));
    desk.put(draft(PLAN, "vault", tx(1)));
    desk.clock.advance(1_000);
    desk.put(sent(PLAN, 5));
    let plans = desk.store.unfinished_plans().unwrap();
    let steps = &plans.first().unwrap().steps;
    assert_eq!(steps.first().unwrap().0, support::START);
    assert!(matches!(&steps.last().unwrap().1, PlanStep::Sent { nonce: 4, raw, .. } if raw.len() == 2));
    let sent_at = UnixMillis(support::START.0 + 1_000);
    assert_eq!(desk.store.plans_sent_since("guardian-pause", sent_at).unwrap().len(), 1);
    assert!(desk.store.plans_sent_since("guardian-pause", UnixMillis(sent_at.0 + 1)).unwrap().is_empty());
    assert!(desk.store.plans_sent_since("other", UnixMillis(0)).unwrap().is_empty());
    desk.put(confirmed(PLAN));
    assert!(desk.store.unfinished_plans().unwrap().is_empty());
}

#[test]
fn a_batch_with_an_impossible_event_leaves_nothing_behind() {
    let desk = Desk::new();
    let tip = BlockRef { number: BlockNumber(7), hash: tx(7) };
    let events = vec![mined(finding(Level::Stop, "vault", tx(1)), block(1)), sent(PLAN, 1)];
    let error = desk.store.commit(&Batch { at: desk.clock.now(), events, checkpoint: Some(tip) }).unwrap_err();
    assert!(error.to_string().contains("no draft"), "{error}");
    let state = Event::State { from: IncidentState::Open, to: IncidentState::Closed, reason: String::new() };
    let error = desk.store.commit(&Batch { events: vec![state], ..Batch::default() }).unwrap_err();
    assert!(error.to_string().contains("names no incident"), "{error}");
    assert!(desk.store.incidents().unwrap().is_empty() && desk.store.checkpoint().unwrap().is_none());
}

#[test]
fn the_checkpoint_and_extreme_values_come_back_exactly() {
    let desk = Desk::new();
    let tip = BlockRef { number: BlockNumber(23_000_000), hash: tx(7) };
    let skew = Event::Operator { alert: OperatorAlert::ClockSkew { seconds: i64::MIN } };
    let loss = Event::Loss { module: module("vault"), amounts: vec![(Asset::Erc20(Default::default()), U256::MAX)] };
    let attack = mined(finding(Level::Alert, "vault", tx(1)), block(1));
    let dear = sent(PLAN, u128::MAX);
    let events = vec![skew, attack, draft(PLAN, "vault", tx(1)), dear.clone(), loss.clone()];
    let batch = Batch { at: desk.clock.now(), events, checkpoint: Some(tip) };
    let incident = desk.store.commit(&batch).unwrap().incidents.pop().unwrap().unwrap();
    assert_eq!(desk.store.checkpoint().unwrap(), Some(tip));
    let timeline = desk.store.incident(&incident).unwrap().unwrap();
    assert!(timeline.entries.iter().any(|entry| entry.event == loss));
    assert!(timeline.entries.iter().any(|entry| entry.event == dear));
    assert_eq!(timeline.summary.losses.first().unwrap().amount, U256::MAX);
}

#[tokio::test]
async fn the_record_may_be_used_inside_async_code() {
    let desk = Desk::new();
    assert!(desk.put(mined(finding(Level::Alert, "vault", tx(1)), block(1))).is_some());
}

/// One thing that may happen, chosen by a number.
fn happening(kind: u8, which: u8) -> Event {
    let attack = finding(if which.is_multiple_of(2) { Level::Stop } else { Level::Alert }, "vault", tx(which));
    match kind {
        0 => mined(attack, block(which)),
        1 => pending(attack),
        2 => withdrawn(&attack, Some(block(which))),
        3 => withdrawn(&attack, None),
        4 => sent(PLAN, 1),
        5 => confirmed(PLAN),
        6 => Event::Plan { plan: PLAN, step: PlanStep::Undone { reason: "undone".into() } },
        _ => Event::Plan { plan: PLAN, step: PlanStep::Failed { reason: "failed".into() } },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_every_incident_moves_legally_and_the_record_holds(
        story in proptest::collection::vec((0..8_u8, 1..5_u8), 1..24),
    ) {
        let desk = Desk::new();
        desk.put(draft(PLAN, "vault", tx(1)));
        for (kind, which) in story {
            desk.clock.advance(1_000);
            desk.put(happening(kind, which));
        }
        for summary in desk.store.incidents().unwrap() {
            let mut state = IncidentState::Open;
            for entry in desk.store.incident(&summary.id).unwrap().unwrap().entries {
                if let Event::State { from, to, .. } = entry.event {
                    prop_assert_eq!(from, state);
                    prop_assert!(is_legal(from, to));
                    state = to;
                }
            }
            prop_assert_eq!(state, summary.state);
            prop_assert!(!summary.withdrawn || summary.standing == 0);
        }
        let (_folder, path) = desk.close();
        prop_assert!(cofferdam_incident::verify(&path, None).is_ok());
    }

    #[test]
    fn saying_everything_twice_changes_nothing(story in proptest::collection::vec((0..4_u8, 1..5_u8), 1..12)) {
        let (once, twice) = (Desk::new(), Desk::new());
        for (kind, which) in story {
            once.put(happening(kind, which));
            twice.put(happening(kind, which));
            twice.put(happening(kind, which));
        }
        let strip = |desk: &Desk| {
            let all = desk.store.incidents().unwrap();
            all.iter().map(|summary| desk.store.incident(&summary.id).unwrap().unwrap().entries.len()).collect::<Vec<_>>()
        };
        prop_assert_eq!(once.store.incidents().unwrap(), twice.store.incidents().unwrap());
        prop_assert_eq!(strip(&once), strip(&twice));
    }
}

#[test]
fn a_person_closes_an_incident_while_a_guard_holds_the_record_and_one_chain_holds_both() {
    let desk = Desk::new();
    let incident = desk.put(mined(finding(Level::Stop, "vault", tx(1)), block(1))).unwrap();
    let shared: Arc<dyn Clock> = desk.clock.clone();
    let guest = Store::open_beside(&desk.path(), shared).unwrap();
    // Both write in turn, each on top of what the other wrote last.
    guest.change_state(&incident, IncidentState::Closed, "false alarm, says Ada").unwrap();
    let second = desk.put(mined(finding(Level::Alert, "vault", tx(2)), block(2))).unwrap();
    guest.change_state(&second, IncidentState::Closed, "the same").unwrap();
    assert_eq!((desk.state(&incident), desk.state(&second)), (IncidentState::Closed, IncidentState::Closed));
    assert_ne!(incident, second, "what was closed by a person is not opened again by the next finding");
    let refused = guest.change_state(&incident, IncidentState::Closed, "again").unwrap_err();
    assert!(refused.to_string().contains("closed"), "{refused}");

    // At the same moment, many times.
    let incidents: Vec<_> = (10..30_u8)
        .map(|byte| desk.put(mined(finding(Level::Alert, &format!("module-{byte}"), tx(byte)), block(byte))).unwrap())
        .collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for incident in &incidents {
                guest.change_state(incident, IncidentState::Closed, "in a hurry").unwrap();
            }
        });
        for byte in 30..60 {
            desk.put(mined(finding(Level::Alert, "other", tx(byte)), block(byte)));
        }
    });
    drop(guest);
    let (_folder, path) = desk.close();
    cofferdam_incident::verify(&path, None).unwrap();
}
