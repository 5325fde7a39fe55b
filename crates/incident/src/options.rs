//! How a record is kept.

/// One hour: an attack that pauses longer than this is looked at as a new one.
const JOIN_WINDOW_SECONDS: u64 = 3_600;
/// Some thousands of events.
const RESERVE_MIB: u32 = 32;

/// How a record is kept. The defaults are right for one guarded protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A finding joins an open incident of its module or sender that is younger than this, in seconds.
    pub join_window_seconds: u64,
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
            join_window_seconds: JOIN_WINDOW_SECONDS,
            reserve_mib: RESERVE_MIB,
            largest_mib: None,
            receivers: Vec::new(),
        }
    }
}
