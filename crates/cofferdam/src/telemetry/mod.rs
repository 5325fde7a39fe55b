//! What this process tells about itself, and the one clock that it lives by.
//!
//! Nothing outside this module may read the system's clock: everything else takes a [`Clock`](cofferdam_types::Clock).

mod clock;

pub use clock::SystemClock;
