//! What the tests of the record share: a folder with a record in it, and events to put into it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its part; tests may unwrap")]

use std::path::PathBuf;
use std::sync::Arc;

use cofferdam_incident::{Options, Store};
use cofferdam_types::primitives::{Address, B256, Bytes};
use cofferdam_types::{
    Basis, Batch, BlockNumber, BlockRef, ChainId, Clock, Committed, Event, Evidence, Finding, FindingId, IncidentId,
    IncidentState, Journal, Level, LeverAction, ManualClock, Maturity, ModuleId, PlanId, PlanStep, Severity, Standing,
    UnixMillis, Window,
};
use tempfile::TempDir;

/// 2026-11-23T04:05:06.789Z.
pub const START: UnixMillis = UnixMillis(1_795_406_706_789);
/// The chain of all records here.
pub const CHAIN: ChainId = ChainId(1);

/// A record in a folder of its own.
pub struct Desk {
    pub folder: TempDir,
    pub clock: Arc<ManualClock>,
    pub store: Arc<Store>,
}

impl Desk {
    pub fn new() -> Self {
        Self::with(options())
    }

    pub fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let shared: Arc<dyn Clock> = clock.clone();
        let store = Store::open(&folder.path().join("record.db"), CHAIN, options, shared).unwrap();
        Self { folder, clock, store: Arc::new(store) }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("record.db")
    }

    /// Ends the process, so to speak, and leaves the file.
    pub fn close(self) -> (TempDir, PathBuf) {
        let path = self.path();
        drop(self.store);
        (self.folder, path)
    }

    pub fn commit(&self, events: Vec<Event>) -> Committed {
        self.store.commit(&Batch { at: self.clock.now(), events, checkpoint: None }).unwrap()
    }

    /// Commits one event and returns its incident.
    pub fn put(&self, event: Event) -> Option<IncidentId> {
        self.commit(vec![event]).incidents.remove(0)
    }

    pub fn state(&self, incident: &IncidentId) -> IncidentState {
        self.store.incident(incident).unwrap().unwrap().summary.state
    }
}

/// Small, so that tests are fast.
pub fn options() -> Options {
    Options { reserve_mib: 1, receivers: vec!["first".into(), "second".into()], ..Options::default() }
}

pub fn tx(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

pub fn block(byte: u8) -> BlockRef {
    BlockRef { number: BlockNumber(u64::from(byte)), hash: B256::repeat_byte(byte) }
}

pub fn module(name: &str) -> ModuleId {
    ModuleId::new(name).unwrap()
}

pub fn finding(level: Level, module_name: &str, transaction: B256) -> Finding {
    let module = module(module_name);
    Finding {
        id: FindingId::new("reserve-drain", &module, transaction, b""),
        detector: "reserve-drain".into(),
        maturity: Maturity::Stable,
        level,
        severity: Severity::High,
        module,
        transaction,
        summary: "half of the vault leaves, \"unlike\" anything before".into(),
        harm: Vec::new(),
        evidence: vec![Evidence::new("limit", "100 bps")],
    }
}

pub fn from_sender(mut finding: Finding, sender: &str) -> Finding {
    finding.evidence.push(Evidence::new("sender", sender));
    finding
}

pub fn mined(finding: Finding, block: BlockRef) -> Event {
    Event::Found { finding, window: Window::Mined, block: Some(block), standing: standing(), trail: None }
}

pub fn pending(finding: Finding) -> Event {
    Event::Found { finding, window: Window::Pending, block: None, standing: standing(), trail: None }
}

pub fn withdrawn(finding: &Finding, block: Option<BlockRef>) -> Event {
    Event::Withdrawn { finding: finding.id, block, reason: "the block was dropped".into() }
}

pub fn draft(plan: PlanId, module_name: &str, against: B256) -> Event {
    let action = LeverAction {
        lever: "guardian-pause".into(),
        module: module(module_name),
        target: Address::repeat_byte(7),
        calldata: Bytes::from_static(&[0x84, 0x56, 0xcb, 0x59]),
    };
    Event::Plan { plan, step: PlanStep::Draft { action, against } }
}

pub fn sent(plan: PlanId, fee: u128) -> Event {
    let step = PlanStep::Sent {
        transaction: tx(0x5e),
        from: Address::repeat_byte(8),
        nonce: 4,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: 1,
        raw: Bytes::from_static(&[2, 3]),
    };
    Event::Plan { plan, step }
}

pub fn confirmed(plan: PlanId) -> Event {
    let step = PlanStep::Confirmed { transaction: tx(0x5e), block: block(9), read_back: "paused() is true".into() };
    Event::Plan { plan, step }
}

fn standing() -> Standing {
    Standing { head: block(1), basis: Basis::Executed, missing: Vec::new(), left_out: 0 }
}
