//! Walks all tracks of a plan, one thread a core, and keeps what is finished.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use cofferdam_types::Clock;

use super::Plan;
use super::count::walk;
use super::run_file::RunFile;
use super::tally::Part;
use super::track::{Chain, TrackError};

/// What the counts depend on, beside the plan, and how many threads work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads; the counts do not depend on it.
    pub jobs: usize,
    /// List notices too, instead of only counting them.
    pub notices: bool,
    /// Try new contracts.
    pub trials: bool,
}

impl Options {
    /// What the counts depend on, for [`Plan::identity`].
    pub fn identity(&self) -> String {
        format!("notices {} trials {}", self.notices, self.trials)
    }
}

/// Messages of the threads.
enum Message {
    Block,
    Finished(usize, Box<Part>),
    Failed(TrackError),
}

/// Walks every track of `plan` that is not among `done`, and returns the parts of all, in the order of the tracks.
///
/// `each` is called after every block.
///
/// # Errors
/// [`TrackError`] of the first track that failed; what was finished before is in `file`.
pub fn run(
    plan: &Plan,
    chain: Option<&Chain>,
    options: &Options,
    clock: &Arc<dyn Clock>,
    (mut file, mut done): (Option<RunFile>, BTreeMap<usize, Part>),
    each: &mut dyn FnMut(),
) -> Result<BTreeMap<usize, Part>, TrackError> {
    let left: Vec<usize> = (0..plan.tracks.len()).filter(|track| !done.contains_key(track)).collect();
    let (next, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Bounded, so that threads wait for a slow disk rather than fill the memory.
    let (sender, messages) = mpsc::sync_channel(64);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, left.len().max(1)) {
            let (sender, left, next, ended) = (sender.clone(), &left, &next, &ended);
            scope.spawn(move || work(plan, chain, options, clock, left, next, ended, &sender));
        }
        drop(sender);
        let mut failed = None;
        for message in messages {
            let error = match message {
                Message::Block => {
                    each();
                    None
                }
                Message::Finished(track, part) => {
                    let kept = file.as_mut().map_or(Ok(()), |file| file.keep(track, &part));
                    done.insert(track, *part);
                    kept.err().map(TrackError::Outside)
                }
                Message::Failed(error) => Some(error),
            };
            if let Some(error) = error {
                ended.store(true, Ordering::Relaxed);
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(done), Err)
    })
}

#[expect(clippy::too_many_arguments, reason = "what one thread shares with the others")]
fn work(
    plan: &Plan,
    chain: Option<&Chain>,
    options: &Options,
    clock: &Arc<dyn Clock>,
    left: &[usize],
    next: &AtomicUsize,
    ended: &AtomicBool,
    sender: &mpsc::SyncSender<Message>,
) {
    // An engine cannot be handed to another thread: each track is walked by the one that began it.
    while let Some((number, track)) = left
        .get(next.fetch_add(1, Ordering::Relaxed))
        .and_then(|number| Some((*number, plan.tracks.get(*number)?)))
        .filter(|_| !ended.load(Ordering::Relaxed))
    {
        let mut each = || sender.send(Message::Block).is_ok() && !ended.load(Ordering::Relaxed);
        let message = match walk(track, chain, options, clock, &mut each) {
            Ok(Some(part)) => Message::Finished(number, Box::new(part)),
            Ok(None) => return,
            Err(error) => Message::Failed(error),
        };
        if sender.send(message).is_err() {
            return;
        }
    }
}
