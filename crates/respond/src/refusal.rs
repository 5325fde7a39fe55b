//! Why a containment was not sent. Each reason is one line of the record and is read by a person.

use alloy_primitives::Address;
use cofferdam_types::Level;

use crate::fees::FeeRefusal;
use crate::guardian::SignError;

/// A plan ends here, and nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No limits file.
    #[error("shadow mode: there is no limits file, so nothing is sent")]
    Shadow,
    /// The kill switch.
    #[error("the limits file says `enabled = false`")]
    SwitchedOff,
    /// No entry.
    #[error("the limits file has no entry for this lever or its module")]
    NotListed,
    /// The entry is void.
    #[error("the limits ran out at {at} (unix seconds), it is {now}")]
    Expired {
        /// Unix seconds.
        at: u64,
        /// Unix seconds, the later of our clock and the head's.
        now: u64,
    },
    /// Ended by one of the signers.
    #[error("{signer} revoked the limits")]
    Revoked {
        /// Who.
        signer: Address,
    },
    /// Contracts among the signers do not say yes (any more).
    #[error(
        "{have} of {need} signatures under the limits stand: a contract among the signers does not confirm its own"
    )]
    NotApproved {
        /// Signatures that stand.
        have: usize,
        /// How many are needed.
        need: u32,
    },
    /// The envelope does not hold yet.
    #[error("the limits hold from {from} on (unix seconds), it is {now}")]
    NotYet {
        /// Unix seconds.
        from: u64,
        /// Unix seconds, the earlier of our clock and the head's.
        now: u64,
    },
    /// The findings do not reach the level.
    #[error("the strongest finding about the module is {seen}, the limits need {needed}")]
    TooWeak {
        /// What was found.
        seen: String,
        /// What the limits ask for.
        needed: Level,
    },
    /// Strong enough, but from a detector that is not trusted that far.
    #[error("no finding that is strong enough comes from a detector that is {needed}")]
    Immature {
        /// What the limits ask for.
        needed: &'static str,
    },
    /// The lever calls something else than what people signed for.
    #[error("the limits name another contract or function than the lever calls")]
    AnotherCall,
    /// Proof by a broken invariant is asked for.
    #[error("the limits ask for a broken invariant or assertion, and none is")]
    NoBrokenInvariant,
    /// Not worth it.
    #[error("no finding counts a loss as large as the limits ask for")]
    TooLittleLost,
    /// The window is full.
    #[error("{done} actions within {window_seconds} s, the limits allow {allowed}")]
    TooMany {
        /// Plans sent.
        done: u32,
        /// Plans allowed.
        allowed: u32,
        /// The window.
        window_seconds: u64,
    },
    /// Too soon after the last one.
    #[error("cooling down for another {left_seconds} s")]
    CoolingDown {
        /// Seconds.
        left_seconds: u64,
    },
    /// Not needed.
    #[error("not needed: the target is already closed")]
    AlreadyClosed,
    /// The call itself fails.
    #[error("the closing call fails on the head: {reason}")]
    CloseFails {
        /// As the EVM says it.
        reason: String,
    },
    /// The call runs, and the view does not say closed.
    #[error("after the closing call the target does not say that it is closed: {seen}")]
    NoEffect {
        /// What it says.
        seen: String,
    },
    /// Tried: the attack goes on.
    #[error("tried on a fork of the head: the attack still does harm after it")]
    DoesNotStop,
    /// The attack is in a block and cannot be repeated; the limits do not allow to act on that.
    #[error(
        "the attack does no harm when repeated on the head, so the effect is unproven, and the limits ask for proof"
    )]
    Unproven,
    /// The attack is pending and would do nothing.
    #[error("the pending transaction does no harm to the module on the head")]
    NoHarmPending,
    /// No offer is possible.
    #[error(transparent)]
    Fee(#[from] FeeRefusal),
    /// The lever's guardian has no key here.
    #[error("there is no key for guardian `{guardian}`")]
    NoKey {
        /// Its name.
        guardian: String,
    },
    /// The lever's guardian has a key, and it does not sign.
    #[error(transparent)]
    CannotSign(#[from] SignError),
    /// Nonce and balance of the guardian have never been read.
    #[error("nonce and balance of guardian `{guardian}` are not known: no endpoint answered yet")]
    LaneUnknown {
        /// Its name.
        guardian: String,
    },
    /// The state needed for the trial could not be had.
    #[error("could not be tried: {reason}")]
    Untried {
        /// What the source said.
        reason: String,
    },
}

impl Refusal {
    /// Whether two refusals say the same for a person: numbers may differ.
    pub(crate) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
