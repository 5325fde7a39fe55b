//! What the system knows about a process and about itself: processor time, memory, load.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use cofferdam_e2e::Program;
use serde_json::{Value, json};

use crate::sample::Sample;

/// The kernel counts processor time for user space in hundredths of a second on every platform it runs on.
const TICK: Duration = Duration::from_millis(10);
/// How often the processor time is looked at while waiting for it to stand still.
const LOOK: Duration = Duration::from_millis(500);

/// Processor time of `program` so far, user and system, all threads.
///
/// # Panics
/// When the system does not tell.
pub(crate) fn cpu(program: &Program) -> Duration {
    let stat = read(program, "stat");
    // The name, in brackets, may hold anything; state is the first field after it.
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<u32>().ok()).expect("a number of ticks");
    TICK * (ticks(11) + ticks(12))
}

/// Processor time of `program` once it does nothing but listen: what runs in the background is done.
pub(crate) async fn settled_cpu(program: &Program) -> Duration {
    let mut before = cpu(program);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = cpu(program);
        if now - before <= TICK * 2 {
            return now;
        }
        before = now;
    }
}

/// Memory of `program` that is resident now, in KiB.
///
/// # Panics
/// When the system does not tell.
pub(crate) fn resident_kib(program: &Program) -> u64 {
    let status = read(program, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}

/// Processes that wanted to run, on average over the last minute, and the number of cores.
pub(crate) fn load() -> Value {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({ "one_minute": load, "cores": cores })
}

/// How long this disk takes to keep a page: what every durable step of the record waits for, once or more often.
///
/// # Panics
/// When the folder for temporary files, in which the records lie too, cannot be written.
pub(crate) fn disk_sync() -> Sample {
    let mut file = tempfile::tempfile().expect("there is room for a file");
    let mut sample = Sample::default();
    for _ in 0..200 {
        file.write_all(&[7; 4_096]).expect("there is room for a page");
        let before = Instant::now();
        file.sync_data().expect("the disk can be waited for");
        sample.add(before.elapsed());
    }
    sample
}

fn read(program: &Program, what: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{what}", program.id())).expect("the system tells of its processes")
}
