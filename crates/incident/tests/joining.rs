//! Which findings become one incident on the record, in whatever order they come, and how wrong joinings are taken back.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests may unwrap")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cofferdam_incident::joining::{Criterion, Sighting, Windows, partition};
use cofferdam_incident::{Options, verify};
use cofferdam_types::primitives::{Address, B256};
use cofferdam_types::{
    Actor, Event, FindingId, IncidentId, IncidentState, Level, PlanId, Report, Role, Score, Severity, Stage, Trail,
    UnixMillis,
};
use proptest::prelude::*;
use support::{Desk, START, block, confirmed, draft, finding, mined, module, options, sent, tx, withdrawn};

const PLAN: PlanId = PlanId(B256::repeat_byte(0xaa));

/// A mined finding in the block of its own number, `minutes` after the start, with accounts on its side.
#[derive(Clone, Debug)]
struct Sign {
    number: u8,
    level: Level,
    module: &'static str,
    stage: Stage,
    minutes: u64,
    party: Vec<u8>,
}

impl Sign {
    fn new(number: u8, level: Level, module: &'static str, party: &[u8]) -> Self {
        Self { number, level, module, stage: Stage::Exploitation, minutes: 0, party: party.to_vec() }
    }

    fn at(self, minutes: u64) -> Self {
        Self { minutes, ..self }
    }

    fn in_stage(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    fn trail(&self) -> Trail {
        let actor = |byte: &u8| Actor { account: Address::repeat_byte(*byte), role: Role::Sender };
        let party = self.party.iter().map(actor).collect();
        // A detector of its own for each number, and each as seldom as one in a thousand.
        let score = Score::new(1_000_000_000).unwrap();
        let at = UnixMillis(START.0 + self.minutes * 60_000);
        Trail { at, stage: self.stage, score, party, lost_bps: None }.tidy()
    }

    fn event(&self) -> Event {
        let mut said = finding(self.level, self.module, tx(self.number));
        said.detector = format!("detector-{}", self.number).into();
        said.maturity = cofferdam_types::Maturity::Incubating;
        let Event::Found { finding, window, block, standing, .. } = mined(said, block(self.number)) else {
            unreachable!("it is one")
        };
        Event::Found { finding, window, block, standing, trail: Some(self.trail()) }
    }

    fn id(&self) -> FindingId {
        let Event::Found { finding, .. } = self.event() else { unreachable!("it is one") };
        finding.id
    }

    fn withdrawn(&self) -> Event {
        let Event::Found { finding, .. } = self.event() else { unreachable!("it is one") };
        withdrawn(&finding, Some(block(self.number)))
    }

    fn sighting(&self) -> Sighting {
        let Event::Found { finding, trail, .. } = self.event() else { unreachable!("it is one") };
        Sighting::of_finding(&finding, trail.as_ref(), START)
    }
}

/// The findings of each open incident of the record, those that it made itself left out.
fn incidents(desk: &Desk, signs: &[Sign]) -> BTreeMap<IncidentId, BTreeSet<FindingId>> {
    let known: BTreeSet<FindingId> = signs.iter().map(Sign::id).collect();
    let mut incidents = BTreeMap::new();
    for summary in desk.store.incidents().unwrap() {
        if summary.state == IncidentState::Closed {
            continue;
        }
        let joined = desk.store.incident(&summary.id).unwrap().unwrap().joined;
        let ids = joined.iter().map(|finding| finding.id).filter(|id| known.contains(id)).collect();
        incidents.insert(summary.id, ids);
    }
    incidents
}

#[test]
fn one_attacker_over_three_modules_accounts_and_transactions_is_one_incident_and_another_one_is_not() {
    let desk = Desk::new();
    let signs = [
        Sign::new(1, Level::Alert, "vault", &[1, 2]),
        Sign::new(2, Level::Stop, "bridge", &[2, 3]).at(30),
        Sign::new(3, Level::Alert, "market", &[9]).at(31),
        Sign::new(4, Level::Alert, "oracle", &[3]).at(9 * 24 * 60),
    ];
    signs.iter().for_each(|sign| drop(desk.put(sign.event())));
    let found = incidents(&desk, &signs);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.values().any(|ids| *ids == BTreeSet::from([signs[2].id()])));
}

#[test]
fn a_finding_that_ties_two_incidents_makes_them_one_under_the_older_name() {
    let desk = Desk::new();
    let (one, other) = (Sign::new(1, Level::Alert, "vault", &[1]), Sign::new(2, Level::Stop, "bridge", &[2]));
    let bridge = Sign::new(3, Level::Alert, "market", &[1, 2]);
    let first = desk.put(one.event()).unwrap();
    let second = desk.put(other.event()).unwrap();
    for event in [draft(PLAN, "bridge", tx(2)), sent(PLAN, 5), confirmed(PLAN)] {
        assert_eq!(desk.put(event).unwrap(), second);
    }
    assert_eq!(desk.put(bridge.event()).unwrap(), first);
    let summary = desk.store.incident(&first).unwrap().unwrap().summary;
    assert_eq!((summary.parts.clone(), summary.state), (vec![second.clone()], IncidentState::Contained));
    assert_eq!(summary.actions.len(), 1, "its plan came along");
    let part = desk.store.incident(&second).unwrap().unwrap().summary;
    assert_eq!((part.part_of, part.standing), (Some(first.clone()), 0));
    assert_eq!(desk.store.incidents().unwrap().len(), 1);
    // What is said of a part is said of the whole.
    desk.store.change_state(&second, IncidentState::Closed, "both are over").unwrap();
    assert_eq!(desk.state(&first), IncidentState::Closed);
    let (_folder, path) = desk.close();
    verify(&path, None).unwrap();
}

#[test]
fn a_joining_by_a_block_that_left_the_chain_is_taken_back_with_its_plan_and_under_the_known_name() {
    let desk = Desk::new();
    let (one, other) = (Sign::new(1, Level::Alert, "vault", &[1]), Sign::new(2, Level::Stop, "bridge", &[2]));
    let tie = Sign::new(3, Level::Alert, "market", &[1, 2]);
    let later = Sign::new(4, Level::Alert, "oracle", &[2]).at(5);
    let first = desk.put(one.event()).unwrap();
    let second = desk.put(other.event()).unwrap();
    for event in [draft(PLAN, "bridge", tx(2)), sent(PLAN, 5), confirmed(PLAN)] {
        desk.put(event);
    }
    desk.put(tie.event());
    assert_eq!(desk.put(later.event()).unwrap(), first);
    desk.put(tie.withdrawn());
    let signs = [one.clone(), other.clone(), tie.clone(), later.clone()];
    let found = incidents(&desk, &signs);
    assert_eq!(found[&first], BTreeSet::from([one.id()]));
    assert_eq!(found[&second], BTreeSet::from([other.id(), later.id()]));
    assert_eq!(desk.state(&second), IncidentState::Contained);
    let summary = desk.store.incident(&second).unwrap().unwrap().summary;
    assert_eq!((summary.part_of, summary.actions.len()), (None, 1));
    // And it comes back in another block.
    assert_eq!(desk.put(tie.event()).unwrap(), first);
    assert_eq!(incidents(&desk, &signs).len(), 1);
    let (_folder, path) = desk.close();
    verify(&path, None).unwrap();
}

#[test]
fn findings_that_joined_only_through_a_withdrawn_one_get_an_incident_of_their_own() {
    let desk = Desk::new();
    let chain = [
        Sign::new(1, Level::Alert, "vault", &[1]),
        Sign::new(2, Level::Alert, "bridge", &[1, 2]),
        Sign::new(3, Level::Stop, "market", &[2]),
    ];
    let first = desk.put(chain[0].event()).unwrap();
    desk.put(chain[1].event());
    assert_eq!(desk.put(chain[2].event()).unwrap(), first);
    desk.put(chain[1].withdrawn());
    let found = incidents(&desk, &chain);
    assert_eq!(found.len(), 2);
    let other = found.keys().find(|id| **id != first).unwrap();
    assert_eq!(desk.state(other), IncidentState::Triaged, "it holds the stop");
}

#[test]
fn earlier_notices_of_the_same_party_join_the_incident_that_an_alert_opens() {
    let desk = Desk::new();
    let funding = Sign::new(1, Level::Notice, "vault", &[1, 7]).in_stage(Stage::Funding);
    let stranger = Sign::new(2, Level::Notice, "vault", &[8]);
    let attack = Sign::new(3, Level::Stop, "vault", &[1]).at(9 * 24 * 60);
    assert_eq!(desk.put(funding.event()), None);
    assert_eq!(desk.put(stranger.event()), None);
    let incident = desk.put(attack.event()).unwrap();
    let timeline = desk.store.incident(&incident).unwrap().unwrap();
    let stages: Vec<Stage> = timeline.summary.stages.iter().map(|line| line.stage).collect();
    assert_eq!(stages, [Stage::Funding, Stage::Exploitation]);
    assert_eq!(timeline.summary.standing, 2, "the stranger uses the module, no more");
    assert_eq!(timeline.summary.anchor, Some(funding.id()));
    assert!(timeline.party.contains(&Actor { account: Address::repeat_byte(7), role: Role::Sender }));
    let bundle = desk.store.export(Some(&incident)).unwrap().join("\n") + "\n";
    let verified = cofferdam_incident::verify_bundle(bundle.as_bytes(), None).unwrap();
    assert!(bundle.contains("detector-1") && !bundle.contains("detector-2"));
    assert!(verified.included < verified.events);
}

#[test]
fn three_notices_of_one_party_over_two_stages_are_an_alert_and_two_are_not() {
    let desk = Desk::new();
    let signs = [
        Sign::new(1, Level::Notice, "vault", &[1]).in_stage(Stage::Funding),
        Sign::new(2, Level::Notice, "vault", &[1]).in_stage(Stage::Preparation),
        Sign::new(3, Level::Notice, "vault", &[1, 2]),
    ];
    assert_eq!(desk.put(signs[0].event()), None);
    assert_eq!(desk.put(signs[1].event()), None);
    let incident = desk.put(signs[2].event()).unwrap();
    let timeline = desk.store.incident(&incident).unwrap().unwrap();
    assert_eq!((timeline.summary.level, timeline.summary.standing), (Some(Level::Alert), 4));
    let told = timeline.entries.iter().find_map(|entry| {
        let Event::Found { finding, .. } = &entry.event else { return None };
        (finding.detector == "combined").then(|| finding.summary.clone())
    });
    assert!(told.unwrap().contains("1e-9"), "one in a thousand, three stages");
    assert_eq!(timeline.summary.severity, Some(Severity::High));

    // One of the three was in a block that left the chain: what is left adds up to nothing.
    desk.put(signs[1].withdrawn());
    let summary = desk.store.incident(&incident).unwrap().unwrap().summary;
    assert_eq!((summary.state, summary.withdrawn, summary.standing), (IncidentState::Closed, true, 0));
    let (_folder, path) = desk.close();
    verify(&path, None).unwrap();
}

#[test]
fn an_incident_is_rated_by_the_first_declared_rule_and_again_when_another_one_fits() {
    let vault = Criterion { modules: vec![module("vault")], ..Criterion::any("the-vault", Severity::Critical) };
    let criteria = Arc::new([vault, Criterion::any("anything", Severity::Low)]);
    let desk = Desk::with(Options { criteria, ..options() });
    let incident = desk.put(Sign::new(1, Level::Alert, "bridge", &[1]).event()).unwrap();
    let rating = |desk: &Desk| {
        let summary = desk.store.incident(&incident).unwrap().unwrap().summary;
        (summary.severity.unwrap(), summary.rule.unwrap())
    };
    assert_eq!(rating(&desk), (Severity::Low, "anything".to_owned()));
    desk.put(Sign::new(2, Level::Alert, "vault", &[1]).event());
    assert_eq!(rating(&desk), (Severity::Critical, "the-vault".to_owned()));
    let timeline = desk.store.incident(&incident).unwrap().unwrap();
    assert!(timeline.rated_because.unwrap().contains("vault"));
    let rated = timeline.entries.iter().filter(|entry| matches!(entry.event, Event::Rated { .. }));
    assert_eq!(rated.count(), 2);
}

fn report(key: &str, level: Level, accounts: &[u8], modules: &[&str]) -> Event {
    let report = Report {
        source: "scanner".into(),
        key: key.into(),
        kind: "EXPLOITER-FUNDED".into(),
        summary: "an account was funded by a mixer".into(),
        severity: Severity::High,
        level,
        stage: Stage::Funding,
        score: Score::WHOLE,
        at: START,
        accounts: accounts.iter().map(|byte| Address::repeat_byte(*byte)).collect(),
        transactions: Vec::new(),
        modules: modules.iter().map(|name| module(name)).collect(),
    };
    Event::Reported { report }
}

#[test]
fn an_alert_of_another_tool_joins_what_it_speaks_of_once_and_is_never_a_stop() {
    let desk = Desk::new();
    assert_eq!(desk.put(report("a", Level::Stop, &[1], &[])), None, "not about us");
    let incident = desk.put(Sign::new(1, Level::Alert, "vault", &[1]).event()).unwrap();
    assert_eq!(desk.put(report("a", Level::Stop, &[1], &[])), Some(incident.clone()), "known already");
    assert_eq!(desk.put(report("b", Level::Notice, &[1], &[])), Some(incident.clone()));
    let summary = desk.store.incident(&incident).unwrap().unwrap().summary;
    assert_eq!((summary.standing, summary.level, summary.state), (3, Some(Level::Alert), IncidentState::Open));
    assert!(summary.stages.iter().any(|line| line.detectors == ["foreign:scanner"]));

    let other = desk.put(report("c", Level::Stop, &[5], &["bridge"])).unwrap();
    let summary = desk.store.incident(&other).unwrap().unwrap().summary;
    assert_eq!((summary.level, summary.state), (Some(Level::Alert), IncidentState::Open), "told, and no more");
    let (_folder, path) = desk.close();
    verify(&path, None).unwrap();
}

fn any_sign() -> impl Strategy<Value = (Level, usize, usize, u64, Vec<u8>)> {
    let level = prop_oneof![Just(Level::Notice), Just(Level::Alert), Just(Level::Stop)];
    (level, 0..3_usize, 0..4_usize, 0..4_000_u64, proptest::collection::vec(1..7_u8, 1..3))
}

fn signs_of(drawn: Vec<(Level, usize, usize, u64, Vec<u8>)>) -> Vec<Sign> {
    let modules = ["vault", "bridge", "market"];
    let signs = drawn.into_iter().zip(1_u8..).map(|((level, module, stage, minutes, party), number)| Sign {
        number,
        level,
        module: modules[module],
        stage: Stage::ALL[stage],
        minutes,
        party,
    });
    signs.collect()
}

/// What must come out: parts of the pure partition in which anything is more than a notice.
fn expected(signs: &[Sign]) -> BTreeSet<BTreeSet<FindingId>> {
    let sightings: Vec<Sighting> = signs.iter().map(Sign::sighting).collect();
    let parts = partition(&sightings, &Windows::default());
    let alerts = parts.iter().filter(|part| part.iter().any(|index| signs[*index].level >= Level::Alert));
    alerts.map(|part| part.iter().map(|index| signs[*index].id()).collect()).collect()
}

/// The incidents of the record in which any of the given signs is more than a notice: what was combined is not drawn.
fn seen(desk: &Desk, signs: &[Sign]) -> BTreeSet<BTreeSet<FindingId>> {
    let alerts: BTreeSet<FindingId> = signs.iter().filter(|sign| sign.level >= Level::Alert).map(Sign::id).collect();
    incidents(desk, signs).into_values().filter(|ids| !ids.is_disjoint(&alerts)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_gives_the_incidents_of_the_pure_partition(
        drawn in proptest::collection::vec(any_sign(), 1..12),
        order in proptest::collection::vec(any::<u64>(), 12),
    ) {
        let signs = signs_of(drawn);
        let mut arriving: Vec<(u64, &Sign)> = order.into_iter().zip(&signs).collect();
        arriving.sort_by_key(|(place, sign)| (*place, sign.number));
        let desk = Desk::new();
        arriving.iter().for_each(|(_, sign)| drop(desk.put(sign.event())));
        prop_assert_eq!(seen(&desk, &signs), expected(&signs));
        let (_folder, path) = desk.close();
        prop_assert!(verify(&path, None).is_ok());
    }

    #[test]
    fn what_a_reorg_leaves_is_as_if_the_rest_had_never_been_found(
        drawn in proptest::collection::vec(any_sign(), 2..10),
        dropped in proptest::collection::vec(any::<bool>(), 10),
    ) {
        let signs = signs_of(drawn);
        let desk = Desk::new();
        signs.iter().for_each(|sign| drop(desk.put(sign.event())));
        let gone: Vec<&Sign> = signs.iter().zip(&dropped).filter(|(_, gone)| **gone).map(|(sign, _)| sign).collect();
        desk.commit(gone.iter().map(|sign| sign.withdrawn()).collect());
        let left: Vec<Sign> =
            signs.iter().zip(&dropped).filter(|(_, gone)| !**gone).map(|(sign, _)| sign.clone()).collect();
        prop_assert_eq!(seen(&desk, &left), expected(&left));
        let (_folder, path) = desk.close();
        prop_assert!(verify(&path, None).is_ok());
    }
}
