//! The held-out part keeps its word: attacks harm, honest flows do not.
#![allow(clippy::unwrap_used, reason = "a wrong entry must panic")]

use std::collections::BTreeSet;

use super::super::{ENTRIES, Entry, Mutator, Part, Recording};
use super::HELD_OUT;

fn play(entry: &Entry) -> Recording {
    let played = entry.play(Mutator::Base).unwrap_or_else(|faults| panic!("{}: {}", entry.name, faults.join("; ")));
    played.unwrap()
}

#[test]
fn every_attack_does_harm_and_no_honest_flow_does_any() {
    let mut wrong = Vec::new();
    for entry in HELD_OUT {
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
    for entry in HELD_OUT.iter().filter(|entry| entry.is_attack()) {
        let played = play(entry);
        let least = super::super::amount::whole(100);
        let harm = played.lost.saturating_add(played.at_risk);
        assert!(harm >= least, "{}: {harm} is dust", entry.name);
    }
}

#[test]
fn names_are_unique_within_the_whole_zoo() {
    let names: BTreeSet<&str> = HELD_OUT.iter().chain(ENTRIES).map(|entry| entry.name).collect();
    assert_eq!(names.len(), HELD_OUT.len().saturating_add(ENTRIES.len()));
}
