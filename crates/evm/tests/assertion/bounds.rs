//! Gas, and demands without end: always an answer, never a stall, and the same one everywhere.

use alloy_primitives::U256;
use cofferdam_types::{AssertionResult, Undecided};

use super::bed::{Bed, HELD, LITTLE_GAS, broken, call, mine, of};

#[test]
fn what_runs_out_of_gas_is_run_once_more_and_then_says_so() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source_with_gas("HungryAssertion", &[], LITTLE_GAS)]);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    let dry = AssertionResult::Inconclusive(Undecided::OutOfGas { limit: 30_000_000 });
    assert_eq!(of(&executions[0], "forEver").result, dry);
    assert_eq!(of(&executions[0], "asksForEver").result, dry, "also where a contract that it asks never ends");
    let held = AssertionResult::Held { over_limit: Some(LITTLE_GAS) };
    assert_eq!(of(&executions[0], "longAndHolds").result, held);
    assert_eq!(of(&executions[0], "longAndBreaks").result, broken("found after long work"));
}

#[test]
fn writing_costs_what_reading_costs() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source_with_gas("HungryAssertion", &[], LITTLE_GAS)]);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    let outcome = of(&executions[0], "writesMuch");
    assert_eq!(outcome.result, HELD, "a hundred new slots within {LITTLE_GAS}: {}", outcome.gas);
}

#[test]
fn more_calls_than_it_is_run_for_are_said_and_never_passed_over() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = bed.engine(vec![bed.source("EachAssertion", &[])]);
    let many = bed.transaction(Some(bed.driver), call("depositMany(uint256)", &[U256::from(300)]), 0);
    let many = cofferdam_types::Transaction { gas_limit: 20_000_000, ..many };
    let executions = mine(&mut engine, 2, vec![many]);
    let outcomes = &executions[0].assertions;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.result == HELD).count(), 256);
    match &outcomes.last().unwrap().result {
        AssertionResult::Inconclusive(Undecided::TooMuch { what }) => {
            assert!(what.starts_with("44 more calls"), "{what}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_a_few_second_runs_the_rest_is_said_to_be_undecided() {
    let mut bed = Bed::new("AssertedToken");
    let hungry = || bed.source_with_gas("HungryAssertion", &[], LITTLE_GAS);
    let mut engine = bed.engine(vec![hungry(), hungry()]);
    let executions = mine(&mut engine, 2, vec![bed.run()]);
    let what = "more than 4 runs of one transaction ran out of gas".to_owned();
    let left_out = AssertionResult::Inconclusive(Undecided::TooMuch { what });
    let outcomes = &executions[0].assertions;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.result == left_out).count(), 4);
}

#[test]
fn several_contracts_and_runs_give_their_outcomes_in_order_every_time() {
    let mut bed = Bed::new("AssertedToken");
    let sources = vec![
        bed.source("EachAssertion", &[]),
        bed.source("LegacyAssertion", &[bed.vault, bed.driver]),
        bed.source("EachAssertion", &[]),
    ];
    let mut engine = bed.engine(sources);
    let transaction = std::sync::Arc::new(bed.run());
    let first = engine.pending(transaction.clone()).unwrap().assertions;
    assert_eq!(first.len(), 2 + 12 + 2);
    for _ in 0..5 {
        assert_eq!(engine.pending(transaction.clone()).unwrap().assertions, first);
    }
}
