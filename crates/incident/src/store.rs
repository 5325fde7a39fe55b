//! The record on disk, as the other rooms use it.

use std::path::Path;
use std::sync::Arc;

use cofferdam_types::{
    Batch, BlockRef, ChainId, Clock, Committed, FindingId, IncidentId, IncidentState, Journal, JournalError,
    PlanRecord, UnixMillis,
};
use tokio::sync::watch;

use crate::append::{Appender, CommitError, Haste};
use crate::group::whole;
use crate::inspect::OpenError;
use crate::query::{self, DeadLetter, Summary, Timeline};
use crate::session::{Session, SessionThread};
use crate::{Options, export};

/// The record of one chain. Share it in an `Arc`; dropping the last one closes the database.
pub struct Store {
    pub(crate) thread: SessionThread,
    pub(crate) clock: Arc<dyn Clock>,
    /// Changes whenever there are new messages.
    pub(crate) news: watch::Sender<()>,
}

/// A change of state that was asked for did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// Nobody opened it.
    #[error("there is no incident `{0}`")]
    NoIncident(IncidentId),
    /// The state machine does not allow it; see [`crate::is_legal`].
    #[error("{0}")]
    Illegal(String),
    /// The store failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Store {
    /// Opens the record at `path` for writing; a missing or empty file becomes a fresh record. One process at a time.
    ///
    /// # Errors
    /// [`OpenError`]; the file is then as it was.
    pub fn open(path: &Path, chain: ChainId, options: Options, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let thread = SessionThread::open(path, chain, options)?;
        Ok(Self { thread, clock, news: watch::Sender::new(()) })
    }

    /// Opens an existing record for reading, also while another process writes it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_read_only(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Ok(Self { thread: SessionThread::read(path)?, clock, news: watch::Sender::new(()) })
    }

    /// Opens an existing record for a person's decision, also while another process holds and writes it. Not for a
    /// guard: what is said here is carried to the receivers by the process that holds the record, at its next look.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_beside(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Ok(Self { thread: SessionThread::beside(path)?, clock, news: watch::Sender::new(()) })
    }

    /// The chain that the record belongs to.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    pub fn chain(&self) -> Result<ChainId, JournalError> {
        self.thread.call(async |session: &mut Session| session.chain).map_err(unreadable)
    }

    /// All incidents, newest first.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    pub fn incidents(&self) -> Result<Vec<Summary>, JournalError> {
        self.read(async |session: &mut Session| query::list(&mut session.connection).await)
    }

    /// One incident with its events, oldest first; `None` when there is no such incident.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    pub fn incident(&self, id: &IncidentId) -> Result<Option<Timeline>, JournalError> {
        let id = id.clone();
        self.read(async move |session: &mut Session| query::show(&mut session.connection, &id).await)
    }

    /// Messages that a receiver refused for good, oldest first.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, JournalError> {
        self.read(async |session: &mut Session| query::dead_letters(&mut session.connection).await)
    }

    /// Changes the state of an incident by a person's decision, given in words; of the whole where it is a part of another.
    ///
    /// # Errors
    /// [`ChangeError`]; the state is then as it was.
    pub fn change_state(&self, incident: &IncidentId, to: IncidentState, reason: &str) -> Result<(), ChangeError> {
        let (at, id, reason) = (self.clock.now(), incident.clone(), reason.to_owned());
        let work = async move |session: &mut Session| {
            // Before version 2 no incident was a part of another.
            let id = if session.version < 2 { id } else { whole(&mut session.connection, &id).await? };
            let change = async |appender: &mut Appender<'_>| appender.move_to(&id, to, reason.clone()).await;
            session.write(at, Haste::Now, change).await
        };
        match self.thread.call(work).map_err(CommitError::from).and_then(|written| written) {
            Ok(written) => {
                self.tell(written.announced);
                Ok(())
            }
            Err(CommitError::NoIncident(id)) => Err(ChangeError::NoIncident(id)),
            Err(error @ CommitError::Illegal(..)) => Err(ChangeError::Illegal(error.to_string())),
            Err(error) => Err(unwritable(error).into()),
        }
    }

    /// The lines of a bundle: the whole chain of hashes, with the contents of one incident's events or (`None`) of all.
    /// Write each with a newline behind it; [`crate::verify`] checks the file without this store.
    ///
    /// # Errors
    /// [`JournalError::Read`], also when there is no such incident.
    pub fn export(&self, incident: Option<&IncidentId>) -> Result<Vec<String>, JournalError> {
        let incident = incident.cloned();
        self.read(async move |session: &mut Session| {
            export::lines(&mut session.connection, session.chain, incident.as_ref()).await
        })
    }

    /// Wakes those who wait for messages.
    pub(crate) fn tell(&self, announced: bool) {
        if announced {
            self.news.send_replace(());
        }
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, sqlx::Error> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.thread.call(work).map_err(unreadable)?.map_err(unreadable)
    }
}

impl Journal for Store {
    fn commit(&self, batch: &Batch) -> Result<Committed, JournalError> {
        let began = self.clock.monotonic_micros();
        let batch = batch.clone();
        let work = async move |session: &mut Session| session.commit(&batch).await;
        let written = self.thread.call(work).map_err(unwritable)?.map_err(unwritable)?;
        let took = std::time::Duration::from_micros(self.clock.monotonic_micros().saturating_sub(began));
        metrics::histogram!("cofferdam_record_commit_seconds").record(took);
        self.tell(written.announced);
        Ok(Committed { incidents: written.value, on_reserve: written.on_reserve })
    }

    fn checkpoint(&self) -> Result<Option<BlockRef>, JournalError> {
        self.read(async |session: &mut Session| query::checkpoint(&mut session.connection).await)
    }

    fn findings_in(&self, block: BlockRef) -> Result<Vec<FindingId>, JournalError> {
        self.read(async move |session: &mut Session| query::findings_in(&mut session.connection, block).await)
    }

    fn unfinished_plans(&self) -> Result<Vec<PlanRecord>, JournalError> {
        self.read(async |session: &mut Session| query::unfinished_plans(&mut session.connection).await)
    }

    fn plans_sent_since(&self, lever: &str, since: UnixMillis) -> Result<Vec<PlanRecord>, JournalError> {
        let lever = lever.to_owned();
        self.read(async move |session: &mut Session| {
            query::plans_sent_since(&mut session.connection, &lever, since).await
        })
    }
}

pub(crate) fn unwritable(error: impl std::fmt::Display) -> JournalError {
    JournalError::Write { reason: error.to_string() }
}

pub(crate) fn unreadable(error: impl std::fmt::Display) -> JournalError {
    JournalError::Read { reason: error.to_string() }
}
