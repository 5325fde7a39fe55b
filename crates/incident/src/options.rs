//! How a record is kept.

use std::sync::Arc;

use crate::joining::{Criterion, Windows, default_criteria};

/// Some thousands of events.
const RESERVE_MIB: u32 = 32;

/// How a record is kept. The defaults are right for one guarded protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How far apart in time the findings of one attack may be.
    pub windows: Windows,
    /// How bad an incident is: the first rule that fits. Where none does, its detectors' own word holds.
    pub criteria: Arc<[Criterion]>,
    /// Space set aside on the record's disk for when it is full, in MiB. Zero for none.
    pub reserve_mib: u32,
    /// The largest size of the database file in MiB; `None`: as large as the disk allows. The space set aside comes on
    /// top when it is reached.
    pub largest_mib: Option<u32>,
    /// Names of the receivers of messages. Each gets every message from the moment it is first named here.
    pub receivers: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            windows: Windows::default(),
            criteria: default_criteria().into(),
            reserve_mib: RESERVE_MIB,
            largest_mib: None,
            receivers: Vec::new(),
        }
    }
}
