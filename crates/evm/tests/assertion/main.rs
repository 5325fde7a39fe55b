//! Solidity assertions against a real transaction: every question that is answered, every way to go wrong.
//!
//! The assertion contracts of `contracts/src/assertion` know what `AssertedDriver.run` does and demand it answer by
//! answer; a function that holds has therefore got every answer right.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "tests of small numbers, which fail on whatever they do not expect"
)]

mod bed;
mod bounds;
mod flows;
mod loading;
mod questions;

use alloy_primitives::{Address, Bytes, U256};
use bed::{Bed, HELD, broken, call, mine, of, said, word};
use cofferdam_types::{AssertionResult, Transaction, Undecided};

#[test]
fn every_question_of_the_first_version_is_answered_as_its_assertions_expect() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source("LegacyAssertion", &[bed.vault, bed.driver])]);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    for function in [
        "forks",
        "callForks",
        "loads",
        "logs",
        "inputs",
        "otherInputs",
        "changes",
        "adopter",
        "console",
        "writesOfItsOwn",
    ] {
        let outcome = of(&executions[0], function);
        assert_eq!(outcome.result, HELD, "{function}");
        assert!(outcome.gas > 0 && outcome.call.is_none());
    }
    assert!(executions[0].standing.missing.is_empty());
}

#[test]
fn every_question_of_the_core_of_the_second_version_is_answered_as_its_assertions_expect() {
    let mut bed = Bed::new("AssertedToken");
    let source = bed.source("ReshiramAssertion", &[bed.vault, bed.token, bed.driver]);
    let mut engine = bed.engine(vec![source]);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    for function in [
        "transaction",
        "states",
        "views",
        "logs",
        "matching",
        "transfers",
        "conserved",
        "slots",
        "price",
        "noFlow",
        "arithmetic",
        "refusals",
    ] {
        assert_eq!(of(&executions[0], function).result, HELD, "{function}");
    }
    let each: Vec<_> = executions[0].assertions.iter().filter(|outcome| &*outcome.function == "eachDeposit").collect();
    assert_eq!(each.len(), 2, "once for each deposit that was kept");
    assert!(each.iter().all(|outcome| outcome.result == HELD), "{each:?}");
    assert!(each[0].call.unwrap() < each[1].call.unwrap());
}

#[test]
fn a_contract_of_2025_with_six_fields_decodes_calls_of_seven() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source("OldAssertion", &[])]);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    assert_eq!(of(&executions[0], "sixFields").result, HELD);
}

#[test]
fn what_does_not_fire_says_what_it_waits_for() {
    let mut bed = Bed::new("AssertedToken");
    let sources = vec![
        bed.source("LegacyAssertion", &[bed.vault, bed.driver]),
        bed.source("ReshiramAssertion", &[bed.vault, bed.token, bed.driver]),
    ];
    let mut engine = bed.engine(sources);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    for (function, part) in [
        ("neverCalled", "a call of 0x".to_owned()),
        ("neverWritten", format!("a change of slot {:#066x}", 1)),
        ("neverMoved", format!("a transfer of token {}", bed.vault)),
    ] {
        match &of(&executions[0], function).result {
            AssertionResult::NotFired { why } => assert!(why.contains(&part), "{why}"),
            other => panic!("{function}: {other:?}"),
        }
    }
}

#[test]
fn each_trigger_fires_for_its_own_reason_and_for_no_other() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source("LegacyAssertion", &[bed.vault, bed.driver])]);
    let hand_over = call("handOver(address)", &[word(Address::ZERO)]);
    let hand_over = bed.transaction(Some(bed.vault), hand_over, 0);
    let transactions = vec![hand_over, bed.transaction(Some(bed.vault), Bytes::new(), 3)];
    let executions = mine(&mut engine, 2, transactions);
    let fired = |index: usize, function: &str| {
        !matches!(of(&executions[index], function).result, AssertionResult::NotFired { .. })
    };
    // A call of one function that writes slot 1 and moves nothing.
    assert_eq!(of(&executions[0], "neverCalled").result, broken("nobody hands over"));
    assert_eq!(of(&executions[0], "neverWritten").result, broken("nobody writes the owner"));
    assert!(fired(0, "loads") && fired(0, "adopter"), "any slot, any call");
    assert!(!fired(0, "logs") && !fired(0, "inputs") && !fired(0, "callForks"), "slot 2, the balance, a deposit");
    // A plain payment.
    assert!(fired(1, "inputs") && fired(1, "adopter"), "the balance, any call");
    assert!(!fired(1, "neverCalled") && !fired(1, "loads"), "no such function, no slot");
}

#[test]
fn a_transaction_that_failed_or_has_nothing_to_do_with_the_adopter_is_not_asked_about() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source("BrokenAssertion", &[])]);
    let failing = bed.transaction(Some(bed.vault), call("failing()", &[]), 0);
    let failing_nonce = failing.nonce;
    let elsewhere = bed.transaction(Some(bed.library), call("note(uint256)", &[U256::from(1)]), 0);
    let execution = engine.pending(failing.into()).unwrap();
    assert!(!execution.effects.outcome.succeeded() && execution.assertions.is_empty());
    let alone = Transaction { nonce: failing_nonce, ..elsewhere };
    let execution = engine.pending(alone.into()).unwrap();
    assert!(execution.effects.outcome.succeeded() && execution.assertions.is_empty());
}

#[test]
fn every_way_to_fail_has_its_reason() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source("BrokenAssertion", &[])]);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    for (function, reason) in [
        ("withWords", "assets are gone".to_owned()),
        ("withNumbers", format!("SupplyFell(5, 3, {})", bed.vault)),
        ("withPanic", "panic 0x12: division or modulo by zero".to_owned()),
        ("withNothing", "reverted without a reason".to_owned()),
        ("withInvalid", "halted: InvalidFEOpcode".to_owned()),
        ("withBytes", "reverted with 0xffffffffff".to_owned()),
    ] {
        assert_eq!(of(&executions[0], function).result, broken(&reason), "{function}");
    }
}

#[test]
fn nonsense_from_either_side_is_no_way_around() {
    let mut bed = Bed::new("TurningToken");
    let mut engine = bed.engine(vec![bed.source("JunkAssertion", &[])]);
    let touching = bed.transaction(Some(bed.vault), call("handOver(address)", &[word(bed.driver)]), 0);
    let executions = mine(&mut engine, 2, vec![touching]);
    assert_eq!(of(&executions[0], "returnsJunk").result, HELD, "what an assertion returns is not read");
    assert_eq!(of(&executions[0], "readsJunk").result, broken("reverted without a reason"));
    assert_eq!(of(&executions[0], "isTurned").result, HELD, "a contract of the chain cannot turn the assertion");
}

#[test]
fn what_is_not_built_is_inconclusive_and_named() {
    let mut bed = Bed::new("AssertedToken");
    let sources = vec![bed.source("UnsupportedAssertion", &[]), bed.source("TurningAssertion", &[])];
    let mut engine = bed.engine(sources);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    for (function, part) in [
        ("stores", "store(bytes32,bytes32)"),
        ("catches", "store(bytes32,bytes32)"),
        ("usesTheSecond", "getTxObject(), which belongs to version Reshiram"),
        ("turns", "forkPreTx(), which belongs to version Legacy"),
        ("triggers", "trigger 0x"),
    ] {
        match &of(&executions[0], function).result {
            AssertionResult::Inconclusive(Undecided::NotSupported { what }) => assert!(what.contains(part), "{what}"),
            other => panic!("{function}: {other:?}"),
        }
    }
}

#[test]
fn a_slot_that_nobody_could_tell_leaves_the_assertion_undecided() {
    let mut bed = Bed::new("AssertedToken");
    let source = bed.source("ReadingAssertion", &[]);
    let mut knowing = bed.engine(vec![source.clone()]);
    let mut ignorant = bed.engine_without(U256::from(77), vec![source]);
    let (first, second) = (bed.run(), bed.run());
    assert_eq!(of(&mine(&mut knowing, 2, vec![first.clone()])[0], "reads").result, HELD);
    for execution in mine(&mut ignorant, 2, vec![first, second]) {
        // The second time the zero comes from memory, and is still no fact.
        let undecided = AssertionResult::Inconclusive(Undecided::MissingState { pieces: 1 });
        assert_eq!(of(&execution, "reads").result, undecided);
        assert_eq!(execution.standing.missing.len(), 1);
    }
}

#[test]
fn a_price_that_was_moved_and_moved_back_is_seen_in_between() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source("PriceAssertion", &[])]);
    let push = bed.transaction(Some(bed.driver), call("pushAndPull(uint256)", &[U256::from(500)]), 0);
    let small = bed.transaction(Some(bed.driver), call("pushAndPull(uint256)", &[U256::from(5)]), 0);
    let executions = mine(&mut engine, 2, vec![push, small]);
    assert_eq!(of(&executions[0], "atAnyMoment").result, broken("the price moved"));
    assert_eq!(of(&executions[0], "fromEndToEnd").result, HELD);
    assert_eq!(of(&executions[1], "atAnyMoment").result, HELD, "half a percent");
}

#[test]
fn assertions_change_nothing_and_say_the_same_for_a_pending_transaction() {
    let mut bed = Bed::new("AssertedToken");
    let source = bed.source("LegacyAssertion", &[bed.vault, bed.driver]);
    let (mut with, mut without) = (bed.engine(vec![source]), bed.engine(Vec::new()));
    let transaction = bed.run();
    let pending = with.pending(transaction.clone().into()).unwrap();
    let again = with.pending(transaction.clone().into()).unwrap();
    let plain = without.pending(transaction.clone().into()).unwrap();
    assert_eq!(pending.assertions, again.assertions);
    assert_eq!(pending.effects, plain.effects);
    assert!(plain.assertions.is_empty());
    let mined = mine(&mut with, 2, vec![transaction.clone()]);
    assert_eq!(mined[0].effects.writes, mine(&mut without, 2, vec![transaction])[0].effects.writes);
    assert_eq!(said(&mined[0]), said(&pending));
}
