//! What the record is made of. Events are facts that happened in this process; they are never edited.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::{
    BlockNumber, BlockRef, Finding, FindingId, IncidentId, ModuleId, PlanId, Report, Severity, Standing, Trail, Window,
};

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// A finding of level alert or stop stands.
    Open,
    /// Somebody, or the judge, decided what it is.
    Triaged,
    /// The module is sealed, read back from the chain.
    Contained,
    /// What was lost is being recovered; the module may reopen in stages.
    Recovering,
    /// Nothing is left to do, or all findings were withdrawn.
    Closed,
}

/// One call that seals (or reopens) something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeverAction {
    /// The lever's name in the configuration.
    pub lever: String,
    /// The module that it seals.
    pub module: ModuleId,
    /// The contract called.
    pub target: Address,
    /// The ABI-encoded call.
    pub calldata: Bytes,
}

/// How far a plan has come. Each step is durable *before* it has an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum PlanStep {
    /// A containment was thought of.
    Draft {
        /// What would be called.
        action: LeverAction,
        /// The transaction that it must stop.
        against: B256,
    },
    /// It was tried on a fork of `head`, together with the attack.
    Simulated {
        /// The head of the fork.
        head: BlockRef,
        /// Whether the attack did no harm after it.
        stops_attack: bool,
        /// Gas of the containment.
        gas_used: u64,
        /// For a person.
        note: String,
    },
    /// The limits (or approvals) allow it.
    Authorised {
        /// Keccak of the limits file, or of the approvals.
        by: B256,
        /// Which limit or whose approval, in words.
        reason: String,
    },
    /// It must not be done, and why. Final.
    Refused {
        /// In words.
        reason: String,
    },
    /// A signed transaction is about to be handed to the endpoints. Re-pricing repeats this step with the same nonce.
    Sent {
        /// Hash of the signed transaction.
        transaction: B256,
        /// The guardian.
        from: Address,
        /// The nonce: the same for every re-pricing of one plan.
        nonce: u64,
        /// Wei per gas.
        #[serde(with = "crate::decimal")]
        max_fee_per_gas: u128,
        /// Wei per gas.
        #[serde(with = "crate::decimal")]
        max_priority_fee_per_gas: u128,
        /// The signed bytes, so that a restart sends the same again and never another.
        raw: Bytes,
    },
    /// Mined and read back: the target says it is closed.
    Confirmed {
        /// Hash of the transaction that was mined.
        transaction: B256,
        /// Where.
        block: BlockRef,
        /// What was read back, in words.
        read_back: String,
    },
    /// Its effect has been taken back on chain.
    Undone {
        /// In words.
        reason: String,
    },
    /// It cannot reach its goal any more (mined but without effect, nonce taken by another). Final.
    Failed {
        /// In words.
        reason: String,
    },
}

/// Something that the operator must know and that is not a finding about a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "alert")]
#[non_exhaustive]
pub enum OperatorAlert {
    /// Two endpoints show heads further apart than allowed, or different hashes at one height.
    HeadsDisagree {
        /// In words, endpoints by name.
        detail: String,
    },
    /// A reorg went deeper than what is kept: older findings are unproven.
    ReorgTooDeep {
        /// First block that changed.
        from: BlockNumber,
        /// Blocks kept.
        kept: u64,
    },
    /// An endpoint failed, lied, or came back.
    Endpoint {
        /// Its name in the configuration.
        name: String,
        /// In words.
        detail: String,
    },
    /// Our own execution differs from the chain's receipt.
    Diverged {
        /// The block.
        block: BlockRef,
        /// In words.
        detail: String,
    },
    /// Missed blocks are judged by their receipts alone, as long as no endpoint has their state.
    ReceiptsOnly {
        /// The first of them.
        from: BlockNumber,
        /// What the endpoints said; never a URL.
        reason: String,
    },
    /// Our clock and block time are too far apart.
    ClockSkew {
        /// Ours minus the block's, in seconds.
        seconds: i64,
    },
    /// The guard keeps failing at the same place: what comes after it is not seen to.
    Stuck {
        /// What it is doing.
        doing: String,
        /// Since when and why.
        detail: String,
    },
    /// The guard gets on where it kept failing.
    GoesOn {
        /// What it is doing.
        doing: String,
    },
    /// People wrote another limits file, which holds from now on.
    LimitsChanged {
        /// Keccak of the file.
        by: B256,
    },
    /// The limits file was changed and cannot be used: the old limits hold.
    LimitsUnusable {
        /// Line, field and what was expected.
        reason: String,
    },
    /// A lever would not work if it were needed now.
    LeverNotReady {
        /// The lever's name.
        lever: String,
        /// Why: role lost, no gas money, already paused, ...
        reason: String,
    },
    /// A lever that was not ready works again.
    LeverReady {
        /// The lever's name.
        lever: String,
    },
    /// The record could not be written and what acts goes on from the space set aside.
    StorageFull {
        /// In words.
        detail: String,
    },
    /// A message could not be delivered for a long time.
    Undelivered {
        /// The receiver's name.
        receiver: String,
        /// In words.
        detail: String,
    },
}

/// A line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
#[non_exhaustive]
pub enum Event {
    /// The process began to guard (again).
    Started {
        /// Version of the program.
        version: String,
        /// The chain.
        chain_id: u64,
        /// Keccak of the configuration as it was read.
        configuration: B256,
    },
    /// A detector spoke. The same id is recorded once per window and block.
    Found {
        /// What it said.
        finding: Finding,
        /// Pending or mined.
        window: Window,
        /// The block of a mined transaction.
        block: Option<BlockRef>,
        /// What it stands on.
        standing: Standing,
        /// What ties it to other findings; `None` on records of version 1, and where nobody looked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trail: Option<Trail>,
    },
    /// Another tool said something. Recorded once per source and key.
    Reported {
        /// What it said.
        report: Report,
    },
    /// The incident of this event and another one turned out to be one attack: it takes over all that the other has.
    Joined {
        /// The other one, which is a part of this from now on.
        incident: IncidentId,
        /// What ties them, in words.
        reason: String,
    },
    /// Findings (and the plans against them) belong to the incident of this event from now on; to none where the event
    /// belongs to none.
    Gathered {
        /// Where they were; `None`: in none.
        from: Option<IncidentId>,
        /// The findings, in the order of the record.
        findings: Vec<FindingId>,
        /// The plans that were drafted against their transactions, in the order of the record.
        plans: Vec<PlanId>,
        /// In words.
        reason: String,
    },
    /// How bad the incident is, by the first rule of the configuration that fits it.
    Rated {
        /// How bad.
        severity: Severity,
        /// The rule's name.
        rule: String,
        /// What in the incident fitted it, in words.
        reason: String,
    },
    /// The block that carried it is no longer canonical, or the pending transaction will not be mined.
    Withdrawn {
        /// The finding.
        finding: FindingId,
        /// The block that was dropped; `None` for a pending one.
        block: Option<BlockRef>,
        /// In words.
        reason: String,
    },
    /// A plan made a step.
    Plan {
        /// The plan.
        plan: PlanId,
        /// The step.
        step: PlanStep,
    },
    /// An incident changed its state.
    State {
        /// From.
        from: IncidentState,
        /// To.
        to: IncidentState,
        /// In words.
        reason: String,
    },
    /// What was lost, counted again. Kept per asset and account, smallest units.
    Loss {
        /// The module.
        module: ModuleId,
        /// Asset in words and the amount lost so far.
        amounts: Vec<(crate::Asset, U256)>,
    },
    /// The operator must know.
    Operator {
        /// What.
        alert: OperatorAlert,
    },
}
