//! The zoo keeps its word: attacks harm, honest flows do not.
#![allow(clippy::unwrap_used, reason = "a wrong entry must panic")]

use std::collections::BTreeSet;

use super::*;

/// Changes that take an attack its force: in the time that they add the honest keeper sets the price right again, and
/// an account that is left with a debt is lent nothing the next time.
const SPOILT: [(&str, Mutator); 4] = [
    ("lending-deviating-feed", Mutator::Delayed),
    ("lending-deviating-feed", Mutator::Noise),
    ("lending-cross-function", Mutator::SplitTransactions),
    ("lending-uncovered", Mutator::SplitTransactions),
];

fn play(entry: &Entry, mutator: Mutator) -> Option<Recording> {
    entry.play(mutator).unwrap_or_else(|faults| panic!("{} ({mutator}): {}", entry.name, faults.join("; ")))
}

#[test]
fn every_attack_does_harm_and_no_honest_flow_does_any() {
    for entry in ENTRIES {
        let played = play(entry, Mutator::Base).unwrap();
        assert!(played.failed.is_empty(), "{}: {}", entry.name, played.failed.join("; "));
        let harm = played.lost.saturating_add(played.at_risk);
        assert_eq!(entry.is_attack(), !harm.is_zero(), "{}: lost {}", entry.name, played.lost);
        assert!(played.count(Part::History) >= 14, "{}: too little history", entry.name);
        assert!(played.modules.iter().all(|module| !module.is_empty()), "{}: nothing is protected", entry.name);
    }
}

#[test]
fn a_changed_attack_does_at_least_half_the_harm() {
    let mut wrong = Vec::new();
    for entry in ENTRIES.iter().filter(|entry| entry.is_attack()) {
        let harm = |played: &Recording| played.lost.saturating_add(played.at_risk);
        let whole = harm(&play(entry, Mutator::Base).unwrap());
        for mutator in Mutator::ALL {
            let Some(changed) = play(entry, mutator) else { continue };
            let spoilt = harm(&changed).saturating_mul(alloy_primitives::U256::from(2)) < whole;
            let known = SPOILT.contains(&(entry.name, mutator));
            if spoilt != known {
                wrong.push(format!("{} ({mutator}): {}", entry.name, changed.failed.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_change_applies_to_attacks_of_several_families() {
    for mutator in Mutator::ALL {
        let applies = |entry: &&Entry| entry.is_attack() && play(entry, mutator).is_some();
        assert!(ENTRIES.iter().filter(applies).count() >= 14, "{mutator}");
    }
}

#[test]
fn families_protocols_and_names_are_what_was_asked_for() {
    let names: BTreeSet<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), ENTRIES.len(), "names are unique");
    let attacks = || ENTRIES.iter().filter(|entry| entry.is_attack());
    assert!(attacks().count() >= 30);
    assert!(ENTRIES.len().saturating_sub(attacks().count()) >= 10);
    let families: BTreeSet<Nature> = attacks().map(|entry| entry.nature).collect();
    assert_eq!(families.len(), 32, "every family has an attack");
    let protocols: BTreeSet<Protocol> = attacks().map(|entry| entry.protocol).collect();
    assert_eq!(protocols.len(), 8, "every kind of protocol is attacked");
}

#[test]
fn the_same_entry_gives_the_same_blocks() {
    let hashes = |entry: &Entry| {
        let played = play(entry, Mutator::Noise).unwrap().played;
        played.blocks.iter().map(|block| block.block.header.hash).collect::<Vec<_>>()
    };
    let entry = ENTRIES.first().unwrap();
    assert_eq!(hashes(entry), hashes(entry));
}
