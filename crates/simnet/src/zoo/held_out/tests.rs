//! The held-out part keeps its word: attacks harm, honest flows do not.
#![allow(clippy::unwrap_used, reason = "a wrong entry must panic")]

use std::collections::BTreeSet;

use super::super::{ENTRIES, Entry, Mutator, Part, Recording};
use super::{HELD_OUT_ATTACKS, HELD_OUT_FLOWS};

fn held_out() -> impl Iterator<Item = &'static Entry> {
    HELD_OUT_ATTACKS.iter().chain(HELD_OUT_FLOWS)
}

fn play(entry: &Entry) -> Recording {
    let played = entry.play(Mutator::Base).unwrap_or_else(|faults| panic!("{}: {}", entry.name, faults.join("; ")));
    played.unwrap()
}

#[test]
fn every_attack_does_harm_and_no_honest_flow_does_any() {
    let mut wrong = Vec::new();
    for entry in held_out() {
        let played = match entry.play(Mutator::Base) {
            Ok(played) => played.unwrap(),
            Err(faults) => {
                wrong.push(format!("{}: {}", entry.name, faults.join("; ")));
                continue;
            }
        };
        let harm = played.lost.saturating_add(played.at_risk);
        if !played.failed.is_empty() {
            wrong.push(format!("{}: {}", entry.name, played.failed.join("; ")));
        } else if entry.is_attack() == harm.is_zero() {
            wrong.push(format!("{}: lost {}", entry.name, played.lost));
        } else if played.count(Part::History) < 14 {
            wrong.push(format!("{}: too little history", entry.name));
        }
        assert!(played.modules.iter().all(|module| !module.is_empty()), "{}: nothing is protected", entry.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn attacks_take_what_somebody_would_miss() {
    for entry in HELD_OUT_ATTACKS {
        let played = play(entry);
        let least = super::super::amount::whole(100);
        let harm = played.lost.saturating_add(played.at_risk);
        assert!(harm >= least, "{}: {harm} is dust", entry.name);
    }
}

#[test]
fn names_are_unique_within_the_whole_zoo() {
    let names: BTreeSet<&str> = held_out().chain(ENTRIES).map(|entry| entry.name).collect();
    assert_eq!(names.len(), held_out().chain(ENTRIES).count());
}

#[test]
fn there_are_at_least_forty_of_each() {
    assert!(HELD_OUT_ATTACKS.len() >= 40 && HELD_OUT_FLOWS.len() >= 40);
    assert!(HELD_OUT_ATTACKS.iter().all(Entry::is_attack) && !HELD_OUT_FLOWS.iter().any(Entry::is_attack));
}
