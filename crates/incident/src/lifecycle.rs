//! Which states an incident may take, and what moves it. Pure.
//!
//! ```text
//! open ──▶ triaged ──▶ contained ──▶ recovering ──▶ closed
//! ```
//! Steps forward may be skipped where the facts skip them (a containment is confirmed before anybody triaged). Two
//! ways lead back: a containment that no longer holds (contained or recovering), and a closed incident whose finding
//! is found again after a reorg. Everything may be closed.

use cofferdam_types::{IncidentState, PlanStep};

/// Whether an incident may go from `from` to `to`.
pub const fn is_legal(from: IncidentState, to: IncidentState) -> bool {
    use IncidentState::{Closed, Contained, Open, Recovering, Triaged};
    match (from, to) {
        (Open, Triaged | Contained | Closed)
        | (Triaged, Contained | Recovering | Closed)
        | (Contained, Triaged | Recovering | Closed)
        | (Recovering, Contained | Closed)
        | (Closed, Open) => true,
        (Open, Open | Recovering)
        | (Triaged, Open | Triaged)
        | (Contained, Open | Contained)
        | (Recovering, Open | Triaged | Recovering)
        | (Closed, Triaged | Contained | Recovering | Closed) => false,
    }
}

/// What a plan's step does to its incident, which stands at `from`; `None` when it stays.
///
/// * `was_confirmed`: the step before was a confirmation, so this one takes it back
/// * `others_hold`: another plan of the incident stands confirmed
pub(crate) fn after_step(
    from: IncidentState,
    step: &PlanStep,
    was_confirmed: bool,
    others_hold: bool,
) -> Option<IncidentState> {
    let to = match step {
        PlanStep::Confirmed { .. } => IncidentState::Contained,
        PlanStep::Undone { .. } if !others_hold => IncidentState::Recovering,
        PlanStep::Sent { .. } | PlanStep::Failed { .. } if was_confirmed && !others_hold => IncidentState::Triaged,
        PlanStep::Draft { .. }
        | PlanStep::Simulated { .. }
        | PlanStep::Authorised { .. }
        | PlanStep::Refused { .. }
        | PlanStep::Sent { .. }
        | PlanStep::Undone { .. }
        | PlanStep::Failed { .. } => return None,
    };
    is_legal(from, to).then_some(to)
}

/// A state's word in the store and for people.
pub(crate) const fn word(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "open",
        IncidentState::Triaged => "triaged",
        IncidentState::Contained => "contained",
        IncidentState::Recovering => "recovering",
        IncidentState::Closed => "closed",
    }
}

/// The state named by `word`.
pub(crate) fn from_word(name: &str) -> Option<IncidentState> {
    ALL.into_iter().find(|state| word(*state) == name)
}

/// A step's word in the store and for people.
pub(crate) const fn step_word(step: &PlanStep) -> &'static str {
    match step {
        PlanStep::Draft { .. } => "draft",
        PlanStep::Simulated { .. } => "simulated",
        PlanStep::Authorised { .. } => "authorised",
        PlanStep::Refused { .. } => "refused",
        PlanStep::Sent { .. } => "sent",
        PlanStep::Confirmed { .. } => "confirmed",
        PlanStep::Undone { .. } => "undone",
        PlanStep::Failed { .. } => "failed",
    }
}

const ALL: [IncidentState; 5] = [
    IncidentState::Open,
    IncidentState::Triaged,
    IncidentState::Contained,
    IncidentState::Recovering,
    IncidentState::Closed,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_state_has_a_way_to_closed_and_nothing_stays_where_it_is() {
        for state in ALL {
            assert!(state == IncidentState::Closed || is_legal(state, IncidentState::Closed));
            assert!(!is_legal(state, state));
            assert_eq!(from_word(word(state)), Some(state));
        }
    }

    proptest! {
        #[test]
        fn a_step_never_moves_an_incident_illegally(from in 0..5_usize, kind in 0..8_usize, was: bool, others: bool) {
            let text = String::new;
            let (zero, block) = (Default::default(), Default::default());
            let step = match kind {
                0 => PlanStep::Refused { reason: text() },
                1 => PlanStep::Sent {
                    transaction: zero, from: Default::default(), nonce: 0, max_fee_per_gas: 0,
                    max_priority_fee_per_gas: 0, raw: Default::default(),
                },
                2 => PlanStep::Confirmed { transaction: zero, block, read_back: text() },
                3 => PlanStep::Undone { reason: text() },
                4 => PlanStep::Failed { reason: text() },
                _ => PlanStep::Authorised { by: zero, reason: text() },
            };
            if let Some(to) = after_step(ALL[from], &step, was, others) {
                prop_assert!(is_legal(ALL[from], to));
                prop_assert!(ALL[from] != IncidentState::Closed, "a plan never reopens");
            }
        }
    }
}
