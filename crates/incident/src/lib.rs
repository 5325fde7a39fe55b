//! The record: what was found, what was done about it and what people were told, as a chain of hashes in SQLite.
//!
//! ```text
//! Batch ─▶ Store::commit ─▶ group, place (which incident) ─▶ link (hash) ─▶ index (tables) ─▶ regroup ─▶ one transaction
//!                │                                                        └── message ─▶ Outbox ─▶ webhooks
//!                └── query: incidents, plans      export ─▶ bundle ─▶ verify (offline, also of the database)
//! ```
//! Start at [`Store`], which is the [`Journal`](cofferdam_types::Journal) of the other rooms; then `append`.
//!
//! **Invariant:** the events are the truth and are only ever appended; everything else in the database is a function of
//! them or the state of deliveries. Nothing is reported as written that is not on disk. No clock is read and no
//! randomness used: the same batches make the same record.
//!
//! Deliberately absent: signatures over the head (a hash noted elsewhere, as every message carries one, does that
//! today), BagIt containers, and any way to change or delete an event.

mod append;
mod canonical;
mod export;
mod forta;
mod group;
mod index;
mod inspect;
pub mod joining;
mod lifecycle;
mod link;
mod message;
mod naming;
mod options;
mod outbox;
mod place;
mod query;
mod regroup;
mod reserve;
mod session;
mod signature;
mod sql;
mod store;
mod upgrade;
mod verify;

pub use forta::{
    FortaAlert, FortaBlock, FortaChain, FortaFinding, FortaLabel, FortaSource, FortaTransaction, forta_findings,
};
pub use inspect::OpenError;
pub use lifecycle::is_legal;
pub use options::Options;
pub use outbox::{DeliveryOptions, Outbox, OutboxError, Receiver, Secret, SecretError, Shape};
pub use query::{Action, DeadLetter, Entry, JoinedFinding, Loss, StageLine, Summary, Timeline};
pub use signature::{Scheme, Verifier};
pub use store::{ChangeError, Store};
pub use verify::{Verified, VerifyError, verify, verify_bundle};
