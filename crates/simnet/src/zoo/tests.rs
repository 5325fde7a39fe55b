//! The zoo keeps its word: attacks harm, honest flows do not.
#![allow(clippy::unwrap_used, reason = "a wrong entry must panic")]

use super::*;

#[test]
fn every_attack_does_the_harm_that_it_claims_and_no_honest_flow_does_any() {
    let mut wrong = Vec::new();
    for entry in ENTRIES {
        let played = match entry.play(Mutator::Base) {
            Ok(Some(played)) => played,
            Ok(None) => panic!("{}: every entry can be played unchanged", entry.name),
            Err(faults) => {
                wrong.push(format!("{}: {}", entry.name, faults.join("; ")));
                continue;
            }
        };
        let harm = played.lost.saturating_add(played.at_risk);
        if !played.failed.is_empty() {
            wrong.push(format!("{}: {}", entry.name, played.failed.join("; ")));
        }
        if entry.is_attack() == harm.is_zero() {
            wrong.push(format!("{}: lost {}, at risk {}", entry.name, played.lost, played.at_risk));
        }
        println!("{:<28} lost {:>26} history {}", entry.name, played.lost, played.count(Part::History));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
