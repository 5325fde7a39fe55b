//! What fires an assertion's functions, and how often.
//!
//! The cheap question comes first: only a transaction that may fire something is run again to find out exactly.

use alloy_sol_types::SolCall;
use cofferdam_types::{AssertionResult, Asset, CallKind, Effects, Movement, Undecided, ViewResult};
use revm::interpreter::CallScheme;
use revm::primitives::{Address, Bytes, U256};

use super::abi::Views;
use super::check::{About, Assertion, Assertions, Job, Placed, outcome};
use super::deploy::Function;
use super::flow::Moved;
use super::record::{FlowTrigger, Trigger};
use super::run::{self, Invocation};
use super::trace::Trace;
use crate::machine::Machine;
use crate::state::DbError;
use crate::views;

/// Calls of one transaction for which one function is run.
const MOST_CALLS: usize = 256;

impl Assertions {
    /// Enters what the transaction moved into the books of the watched tokens. What each adopter held before it.
    pub(super) fn enter_flows(&mut self, machine: &mut Machine, about: &About<'_>) -> Result<Vec<U256>, DbError> {
        let watched = self.flows.watched().to_vec();
        let mut held = Vec::with_capacity(watched.len());
        for (book, (adopter, token)) in watched.into_iter().enumerate() {
            let (mut out, mut into) = (U256::ZERO, U256::ZERO);
            for movement in about.effects.movements.iter().filter(|movement| movement.asset == Asset::Erc20(token)) {
                // The token is one that the team named; its events are believed, and no sum of them wraps.
                if movement.from == adopter {
                    out = out.saturating_add(movement.amount);
                }
                if movement.to == adopter {
                    into = into.saturating_add(movement.amount);
                }
            }
            if out.is_zero() && into.is_zero() && !is_touched(about.effects, adopter) {
                held.push(U256::ZERO);
                continue;
            }
            let question = Bytes::from(Views::balanceOfCall { account: adopter }.abi_encode());
            let (answer, _) = views::ask(machine, token, question, views::VIEW_GAS)?;
            let before = match &answer {
                ViewResult::Returned(data) => run::word(data).unwrap_or_default(),
                ViewResult::Failed(_) => U256::ZERO,
            };
            held.push(before);
            if !out.is_zero() || !into.is_zero() {
                self.flows.enter(book, about.block.timestamp, Moved { out, into, held: before });
            }
        }
        Ok(held)
    }

    /// Whether it is worth to run the transaction again; true in doubt.
    pub(super) fn may_fire(&self, number: usize, effects: &Effects) -> bool {
        let Some(assertion) = self.all.get(number) else { return false };
        let adopter = assertion.source.adopter;
        let is_called = |wanted: Option<[u8; 4]>| {
            let calls = effects.calls.iter().filter(|call| call.effective && call.callee == adopter);
            calls
                .filter(|call| call.kind != CallKind::SelfDestruct)
                .any(|call| wanted.is_none_or(|wanted| call.selector.map(|seen| seen.0).unwrap_or_default() == wanted))
        };
        let fires = |trigger: &Trigger| match trigger {
            Trigger::Call(wanted) => is_called(*wanted),
            Trigger::EachCall(wanted) => is_called(Some(*wanted)),
            Trigger::Storage(_) | Trigger::Balance | Trigger::TransactionEnd | Trigger::Flow(_) => {
                is_touched(effects, adopter)
            }
            Trigger::Token(token) => effects.movements.iter().any(|movement| movement.asset == Asset::Erc20(*token)),
        };
        assertion.deployed.functions.iter().flat_map(|function| &function.triggers).any(fires)
    }

    /// Adds the runs that the transaction fires; for the functions that it does not fire, and for what is not
    /// supported, the outcome is clear at once.
    pub(super) fn plan(
        &self,
        number: usize,
        about: &About<'_>,
        trace: &Trace,
        held: &[U256],
        jobs: &mut Vec<Job>,
        outcomes: &mut Vec<Placed>,
    ) {
        let Some(assertion) = self.all.get(number) else { return };
        let deployed = &assertion.deployed;
        for (function, entry) in deployed.functions.iter().enumerate() {
            let (invocations, left_out) = self.fired(assertion, entry, about, trace, held);
            if invocations.is_empty() {
                let result = AssertionResult::NotFired { why: entry.not_fired.clone() };
                outcomes.push(((number, function, 0), outcome(assertion, entry, None, result, 0)));
            }
            if left_out > 0 {
                let what = format!("{left_out} more calls of one transaction than the {MOST_CALLS} that it is run for");
                let result = AssertionResult::Inconclusive(Undecided::TooMuch { what });
                outcomes.push(((number, function, usize::MAX), outcome(assertion, entry, None, result, 0)));
            }
            jobs.extend(invocations.into_iter().map(|invocation| Job { assertion: number, function, invocation }));
        }
        for what in &deployed.not_supported {
            let what = format!("trigger {what}");
            let result = AssertionResult::Inconclusive(Undecided::NotSupported { what });
            let entry =
                Function { selector: [0; 4], name: "triggers".into(), triggers: Vec::new(), not_fired: "".into() };
            outcomes.push(((number, usize::MAX, 0), outcome(assertion, &entry, None, result, 0)));
        }
    }

    /// What a function is run for, and how many calls more there would have been.
    fn fired(
        &self,
        assertion: &Assertion,
        function: &Function,
        about: &About<'_>,
        trace: &Trace,
        held: &[U256],
    ) -> (Vec<Invocation>, usize) {
        let adopter = assertion.source.adopter;
        let (mut once, mut each, mut flows) = (false, Vec::new(), Vec::new());
        for trigger in &function.triggers {
            match trigger {
                Trigger::Call(Some(selector)) => once |= !trace.matching(adopter, *selector).is_empty(),
                Trigger::Call(None) => once |= trace.calls.iter().any(|call| call.target == adopter),
                Trigger::Storage(Some(slot)) => {
                    once |= !trace.values(adopter, U256::from_be_bytes(slot.0)).is_empty();
                }
                Trigger::Storage(None) => once |= trace.changed_slots(adopter).next().is_some(),
                Trigger::Balance => once |= trace.balance_moved(adopter),
                Trigger::TransactionEnd => once |= is_touched(about.effects, adopter),
                Trigger::Token(token) => {
                    let moves = |movement: &Movement| movement.asset == Asset::Erc20(*token);
                    once |= about.effects.movements.iter().any(moves);
                }
                Trigger::EachCall(selector) => {
                    // The code behind a proxy runs as the same call, not as another one.
                    let is_call =
                        |id: &&usize| trace.calls.get(**id).is_some_and(|call| call.scheme != CallScheme::DelegateCall);
                    each.extend(trace.matching(adopter, *selector).iter().filter(is_call).copied());
                }
                Trigger::Flow(flow) => flows.extend(self.exceeded(assertion, flow, about, held)),
            }
        }
        each.sort_unstable();
        each.dedup();
        let left_out = each.len().saturating_sub(MOST_CALLS);
        each.truncate(MOST_CALLS);
        let mut invocations = Vec::new();
        if once {
            invocations.push(Invocation::default());
        }
        invocations.extend(each.into_iter().map(|id| Invocation { call: Some(id), ..Invocation::default() }));
        invocations.extend(flows);
        (invocations, left_out)
    }

    fn exceeded(
        &self,
        assertion: &Assertion,
        flow: &FlowTrigger,
        about: &About<'_>,
        held: &[U256],
    ) -> Option<Invocation> {
        let adopter = assertion.source.adopter;
        if !is_touched(about.effects, adopter) {
            return None;
        }
        let book = self.flows.watched().iter().position(|watched| *watched == (adopter, flow.token))?;
        let held = held.get(book).copied().unwrap_or_default();
        let context = Some(self.flows.exceeding(book, flow, about.block.timestamp, held)?);
        let (outflow, inflow) = if flow.out { (context, None) } else { (None, context) };
        Some(Invocation { call: None, outflow, inflow })
    }
}

/// Whether the transaction had to do with `adopter` at all.
fn is_touched(effects: &Effects, adopter: Address) -> bool {
    effects.calls.iter().any(|call| call.effective && call.callee == adopter)
        || effects.writes.iter().any(|write| write.address == adopter)
        || effects.code_changes.iter().any(|change| change.address == adopter)
        || effects.movements.iter().any(|movement| movement.from == adopter || movement.to == adopter)
}
