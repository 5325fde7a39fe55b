//! What this process tells about itself, and the one clock that it lives by.
//!
//! Nothing outside this module may read the system's clock: everything else takes a [`Clock`](cofferdam_types::Clock).
//! No log line, metric or health answer may hold a secret or the address of an endpoint.

mod clock;
mod health;
mod logs;
mod metrics;

pub use clock::SystemClock;
pub use health::Health;
pub use logs::LogFormat;
pub use metrics::{MetricsError, Served, serve};
