//! The nouns and units of Cofferdam, and the traits through which its rooms speak to each other.
//!
//! ```text
//! chain ──ChainUpdate, PendingUpdate──▶ evm ──Execution──▶ detect ──Verdict──▶ respond ──Event──▶ incident
//! ```
//!
//! Start at [`Execution`], the one thing that every room either makes or reads.
//!
//! **Invariant:** nothing here does I/O, is async, or reads a clock. What must come from outside comes through
//! [`StateSource`], [`Journal`] and [`Clock`], which other rooms implement.

mod assertion;
mod block;
mod clock;
mod decimal;
mod effects;
mod event;
mod execution;
mod finding;
mod harm;
mod journal;
mod newborn;
mod protocol;
mod queued;
mod report;
mod state;
mod trail;
mod units;

pub use assertion::{AssertionOutcome, AssertionResult, Undecided};
pub use block::{
    AccessListItem, Authorization, Block, BlockRef, ChainUpdate, Header, PendingTx, PendingUpdate, Receipt,
    Transaction, Withdrawal,
};
pub use clock::{Clock, ManualClock};
pub use effects::{
    Asset, BalanceCheck, Call, CallKind, CallStatus, CodeChange, Effects, EmittedLog, Movement, MovementProof, Outcome,
    Signed, StorageWrite,
};
pub use event::{Event, IncidentState, LeverAction, OperatorAlert, PlanStep};
pub use execution::{Basis, Execution, Fact, Judge, Missing, Needs, Standing, ViewNeed, ViewResult, Window};
pub use finding::{Evidence, Finding, FindingId, Harm, Level, Maturity, Severity, Verdict};
pub use harm::{Gainer, HarmAccount, HarmLine};
pub use journal::{Batch, Committed, IncidentId, Journal, JournalError, PlanId, PlanRecord};
pub use newborn::{Attempt, Creator, Effort, Label, LabelCategory, Newborn, Place, Signs, TrialEnd};
pub use protocol::{Module, ModuleId, ModuleIdError, Watchlist};
pub use queued::{Announcement, OperationId, OperationKind, Party, QueuedCall, QueuedOperation, Rehearsal};
pub use report::Report;
pub use state::{AccountState, Known, PreAccount, PreState, StateError, StateSource};
pub use trail::{Actor, MOST_PARTY, Role, Score, Stage, Trail};
pub use units::{BlockNumber, Bps, ChainId, Selector, UnixMillis};

pub use alloy_primitives as primitives;
