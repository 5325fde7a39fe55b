//! What the watchers of a token remember across transactions, and what they forget.

use std::sync::Arc;

use alloy_primitives::U256;
use cofferdam_evm::Engine;
use cofferdam_types::{AssertionResult, Transaction};

use super::bed::{Bed, USER, broken, call, header, mine, of, word};

fn take(bed: &mut Bed, amount: u64) -> Transaction {
    bed.transaction(Some(bed.vault), call("take(address,uint256)", &[word(USER), U256::from(amount)]), 0)
}

fn give(bed: &mut Bed, amount: u64) -> Transaction {
    let arguments = [word(USER), word(bed.vault), U256::from(amount)];
    bed.transaction(Some(bed.token), call("move(address,address,uint256)", &arguments), 0)
}

fn engine(bed: &Bed) -> Engine {
    bed.engine(vec![bed.source("FlowAssertion", &[bed.token])])
}

fn quiet(execution: &cofferdam_types::Execution, function: &str) -> bool {
    matches!(of(execution, function).result, AssertionResult::NotFired { .. })
}

#[test]
fn an_outflow_in_small_steps_is_added_up_against_what_was_held_at_first() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = engine(&bed);
    let steps = vec![take(&mut bed, 60), take(&mut bed, 40), take(&mut bed, 20)];
    let executions = mine(&mut engine, 2, steps);
    assert!(quiet(&executions[0], "tooMuchOut"));
    assert!(quiet(&executions[1], "tooMuchOut"), "one tenth is not more than one tenth");
    assert_eq!(of(&executions[2], "tooMuchOut").result, broken("Out(120, 120, 1200, 1000, 3600)"));
    // It goes on firing for whatever touches the vault, until enough has come back.
    let steps = vec![give(&mut bed, 10), give(&mut bed, 30)];
    let executions = mine(&mut engine, 3, steps);
    assert_eq!(of(&executions[0], "tooMuchOut").result, broken("Out(110, 120, 1100, 1000, 3600)"));
    assert!(quiet(&executions[1], "tooMuchOut"));
}

#[test]
fn an_inflow_is_watched_too() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = engine(&bed);
    let executions = mine(&mut engine, 2, vec![give(&mut bed, 501)]);
    assert_eq!(of(&executions[0], "tooMuchIn").result, broken("In(501, 501, 5010, 1000)"));
    assert!(quiet(&executions[0], "tooMuchOut"));
}

#[test]
fn what_has_left_the_window_counts_no_more() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = engine(&bed);
    assert!(quiet(&mine(&mut engine, 2, vec![take(&mut bed, 100)])[0], "tooMuchOut"));
    // Blocks come every twelve seconds; three hundred later an hour has passed.
    for number in 3..302 {
        mine(&mut engine, number, Vec::new());
    }
    let executions = mine(&mut engine, 302, vec![take(&mut bed, 50)]);
    assert!(quiet(&executions[0], "tooMuchOut"));
}

#[test]
fn dropped_blocks_and_mere_attempts_leave_nothing_behind() {
    let mut bed = Bed::new("AssertedToken");
    let mut engine = engine(&bed);
    mine(&mut engine, 2, vec![take(&mut bed, 60)]);
    let step = take(&mut bed, 60);
    for _ in 0..3 {
        let tried = engine.pending(Arc::new(step.clone())).unwrap();
        assert_eq!(of(&tried, "tooMuchOut").result, broken("Out(120, 120, 1200, 1000, 3600)"));
    }
    engine.fork().apply(Arc::new(step.clone())).unwrap();
    mine(&mut engine, 3, vec![step.clone()]);
    engine.rollback(header(2).block_ref()).unwrap();
    let smaller = Transaction { input: call("take(address,uint256)", &[word(USER), U256::from(40)]), ..step };
    assert!(quiet(&mine(&mut engine, 3, vec![smaller])[0], "tooMuchOut"), "one tenth again");
}
