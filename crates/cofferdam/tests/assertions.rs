//! From an artifact to a finding: a Solidity assertion is run by the engine and judged by the detectors.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests of small numbers")]

#[allow(dead_code, unreachable_pub, reason = "the bed of the engine's own tests")]
#[path = "../../evm/tests/assertion/bed.rs"]
mod bed;

use alloy_primitives::{U256, keccak256};
use bed::{Bed, USER, call, mine, word};
use cofferdam_detect::{Detection, Settings};
use cofferdam_types::{Judge, Level};

/// Much of what the vault holds.
const TAKEN: u64 = 600_000_000;

/// Level and summary of each finding of the detector `assertion` about `amount` that is taken of a billion.
fn told(contract: &str, gas: u64, amount: u64) -> Vec<(Level, String)> {
    let mut bed = Bed::new("AssertedToken");
    let balance = keccak256([word(bed.vault).to_be_bytes::<32>(), [0; 32]].concat());
    bed.ledger.set_slot(bed.token, balance.into(), U256::from(1_000_000_000));
    let mut engine = bed.engine(vec![bed.source_with_gas(contract, &[], gas)]);
    let judge = Detection::new(engine.watch().clone(), &Settings::default()).unwrap();
    let arguments = [word(USER), U256::from(amount)];
    let taking = bed.transaction(Some(bed.vault), call("take(address,uint256)", &arguments), 0);
    let executions = mine(&mut engine, 2, vec![taking]);
    let findings = judge.judge(&executions[0]).findings;
    let own = findings.into_iter().filter(|finding| finding.detector == "assertion");
    own.map(|finding| (finding.level, finding.summary)).collect()
}

#[test]
fn a_broken_assertion_is_a_stop_where_the_module_loses_and_an_alert_where_it_does_not() {
    let summary = "assertion `BrokenAssertion.withWords` of module vault is broken: assets are gone";
    assert!(told("BrokenAssertion", 3_000_000, TAKEN).contains(&(Level::Stop, summary.to_owned())));
    assert!(told("BrokenAssertion", 3_000_000, 0).contains(&(Level::Alert, summary.to_owned())));
}

#[test]
fn out_of_gas_is_told_and_never_a_stop() {
    let told = told("HungryAssertion", bed::LITTLE_GAS, TAKEN);
    let of = |function: &str| told.iter().find(|(_, summary)| summary.contains(function)).map(|(level, _)| *level);
    assert_eq!(of("forEver"), Some(Level::Alert));
    assert_eq!(of("longAndHolds"), Some(Level::Notice));
    assert_eq!(of("longAndBreaks"), Some(Level::Stop), "a stop for what it found, however long that took");
    assert_eq!(of("writesMuch"), None);
}
