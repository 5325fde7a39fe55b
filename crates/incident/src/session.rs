//! The one open connection to the database, and the thread that owns it.
//!
//! SQLite allows one writer, and the callers are both async and not; so one thread with a small runtime of its own
//! does all the work in the order in which it is asked. Must never be called from that thread itself.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use cofferdam_types::ChainId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::Options;
use crate::index;
use crate::inspect::{self, APPLICATION_ID, Found, OpenError, PAGE_BYTES, SCHEMA_VERSION};
use crate::link;
use crate::reserve::Reserve;
use crate::upgrade;

/// Callers that wait beyond this many wait in line to ask.
const QUEUE: usize = 64;

/// What the thread owns.
pub(crate) struct Session {
    /// The connection.
    pub(crate) connection: SqliteConnection,
    /// The chain of the record.
    pub(crate) chain: ChainId,
    /// How things are to be done.
    pub(crate) options: Options,
    /// Its schema: an earlier one than ours beside a process that has not brought it up yet.
    pub(crate) version: i64,
    /// Whether it may be written at all.
    pub(crate) writes: bool,
    /// Space set aside; only the process that holds the record has it.
    pub(crate) reserve: Option<Reserve>,
    /// Whether people were told that the reserve is gone.
    pub(crate) shortage_told: bool,
    /// Whether the configured bound of the file was given up; stays so until the record is opened again.
    pub(crate) limit_lifted: bool,
    /// Keeps other writers out for as long as it is open.
    _lock: Option<File>,
}

impl Session {
    async fn open(path: &Path, chain: ChainId, options: Options) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let found = inspect::inspect(path).await?;
        let sqlite = |error: sqlx::Error| OpenError::sqlite(path, &error);
        let mut connection = writing(path).connect().await.map_err(sqlite)?;
        if let Some(mebibytes) = options.largest_mib {
            limit_pages(&mut connection, mebibytes).await.map_err(sqlite)?;
        }
        if found == Found::Fresh {
            create(&mut connection, chain).await.map_err(sqlite)?;
        }
        let stored = inspect::stored_chain(&mut connection).await.map_err(sqlite)?;
        if stored != chain {
            let stored = stored.to_string();
            return Err(OpenError::OtherChain { path: path.to_owned(), stored, configured: chain });
        }
        check_tail(path, &mut connection).await?;
        if let Found::Record(version) = found {
            upgrade::in_place(&mut connection, version).await.map_err(sqlite)?;
        }
        register(&mut connection, &options.receivers).await.map_err(sqlite)?;
        let mut reserve = Reserve::beside(path, options.reserve_mib);
        if let Err(error) = reserve.hold() {
            tracing::error!(%error, "no space can be set aside for the record: free some");
        }
        let reserve = Some(reserve);
        Ok(Self {
            connection,
            chain,
            options,
            version: SCHEMA_VERSION,
            writes: true,
            reserve,
            shortage_told: false,
            limit_lifted: false,
            _lock: Some(lock),
        })
    }

    /// For a short change beside the process that holds the record: SQLite lets one of them write at a time, and every
    /// write begins with the end of the chain as it then is. The space set aside stays the other's.
    async fn beside(path: &Path) -> Result<Self, OpenError> {
        let Found::Record(version) = inspect::inspect(path).await? else {
            return Err(OpenError::Nothing { path: path.to_owned() });
        };
        let sqlite = |error: sqlx::Error| OpenError::sqlite(path, &error);
        let mut connection = writing(path).create_if_missing(false).connect().await.map_err(sqlite)?;
        let chain = inspect::stored_chain(&mut connection).await.map_err(sqlite)?;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.map_err(sqlite)?;
        let fits = check_tail(path, &mut connection).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.map_err(sqlite)?;
        fits.map(|()| Self::without_reserve(connection, chain, version, true))
    }

    fn without_reserve(connection: SqliteConnection, chain: ChainId, version: i64, writes: bool) -> Self {
        Self {
            connection,
            chain,
            options: Options::default(),
            version,
            writes,
            reserve: None,
            shortage_told: false,
            limit_lifted: false,
            _lock: None,
        }
    }

    async fn read(path: &Path) -> Result<Self, OpenError> {
        let Found::Record(version) = inspect::inspect(path).await? else {
            return Err(OpenError::Nothing { path: path.to_owned() });
        };
        let sqlite = |error: sqlx::Error| OpenError::sqlite(path, &error);
        let mut connection = inspect::reading(path).connect().await.map_err(sqlite)?;
        let chain = inspect::stored_chain(&mut connection).await.map_err(sqlite)?;
        if version < SCHEMA_VERSION {
            connection = upgrade::copy(&mut connection, chain).await.map_err(sqlite)?;
        }
        Ok(Self::without_reserve(connection, chain, SCHEMA_VERSION, false))
    }

    /// Lets the database grow without the configured bound: the space set aside has been given up.
    ///
    /// # Errors
    /// [`sqlx::Error`].
    pub(crate) async fn lift_limit(&mut self) -> Result<(), sqlx::Error> {
        if let Some(mebibytes) = self.options.largest_mib {
            let widened = mebibytes.saturating_add(self.options.reserve_mib);
            limit_pages(&mut self.connection, widened).await?;
            self.limit_lifted = true;
        }
        Ok(())
    }
}

/// A job for the thread.
type Job = Box<dyn FnOnce(&Runtime, &mut Session) + Send>;

/// The thread has ended: a defect, or the process is going down.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the thread of the record has ended")]
pub(crate) struct Gone;

/// Hands jobs to the thread. Dropping it waits until the thread has closed the database.
pub(crate) struct SessionThread {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SessionThread {
    /// Opens the record at `path` for writing, making it if there is none.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) fn open(path: &Path, chain: ChainId, options: Options) -> Result<Self, OpenError> {
        let path = path.to_owned();
        Self::start(path.clone(), async move || Session::open(&path, chain, options).await)
    }

    /// Opens the record at `path` for reading.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) fn read(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_owned();
        Self::start(path.clone(), async move || Session::read(&path).await)
    }

    /// Opens the record at `path` for a change beside the process that holds it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) fn beside(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_owned();
        Self::start(path.clone(), async move || Session::beside(&path).await)
    }

    fn start(
        path: PathBuf,
        open: impl AsyncFnOnce() -> Result<Session, OpenError> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let (jobs, queue) = sync_channel::<Job>(QUEUE);
        let (opened, outcome) = sync_channel(1);
        let failed = OpenError::io(&path, Gone);
        let work = move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let session = match &runtime {
                Ok(runtime) => runtime.block_on(open()),
                Err(error) => Err(OpenError::io(&path, error)),
            };
            match (runtime, session) {
                (Ok(runtime), Ok(session)) => {
                    if opened.send(Ok(())).is_ok() {
                        serve(&runtime, session, &queue);
                    }
                }
                (_, Err(error)) => drop(opened.send(Err(error))),
                (Err(_), Ok(_)) => {}
            }
        };
        let thread = std::thread::Builder::new().name("record".into()).spawn(work);
        let thread = thread.map_err(|error| OpenError::io(Path::new("record"), error))?;
        outcome.recv().unwrap_or(Err(failed))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Does `work` on the thread and blocks until it is done. May be called from async code for short work.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) fn call<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (reply, answer) = sync_channel(1);
        self.submit(Box::new(move |runtime, session| drop(reply.send(runtime.block_on(work(session))))))?;
        answer.recv().map_err(|_| Gone)
    }

    /// Does `work` on the thread without blocking the caller's.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(move |runtime, session| drop(reply.send(runtime.block_on(work(session))))))?;
        answer.await.map_err(|_| Gone)
    }

    fn submit(&self, job: Job) -> Result<(), Gone> {
        self.jobs.as_ref().ok_or(Gone)?.send(job).map_err(|_| Gone)
    }
}

impl Drop for SessionThread {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the record panicked");
        }
    }
}

fn serve(runtime: &Runtime, mut session: Session, queue: &Receiver<Job>) {
    for job in queue {
        job(runtime, &mut session);
    }
    // Closing brings the write-ahead log into the database file, so that the file alone is the record.
    if let Err(error) = runtime.block_on(session.connection.close()) {
        tracing::warn!(%error, "the record was not closed cleanly; nothing of it is lost");
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(name);
    let file = file.map_err(|error| OpenError::io(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::io(path, error)),
    }
}

fn writing(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(4096)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
}

async fn limit_pages(connection: &mut SqliteConnection, mebibytes: u32) -> Result<(), sqlx::Error> {
    let pages = u64::from(mebibytes).saturating_mul(1024 * 1024) / PAGE_BYTES;
    let statement = format!("PRAGMA max_page_count = {pages}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// Lays out a new record in one transaction: after a crash it is there or it is not.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn create(connection: &mut SqliteConnection, chain: ChainId) -> Result<(), sqlx::Error> {
    create_as(connection, chain, SCHEMA_VERSION).await
}

/// The same as an earlier version of this program would have.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn create_as(
    connection: &mut SqliteConnection,
    chain: ChainId,
    version: i64,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};");
    sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(&mut *transaction).await?;
    for (_, schema) in SCHEMAS.iter().filter(|(of, _)| *of <= version) {
        sqlx::raw_sql(*schema).execute(&mut *transaction).await?;
    }
    let about = sqlx::query("INSERT INTO about (only, chain_id) VALUES (1, ?)").bind(chain.to_string());
    about.execute(&mut *transaction).await?;
    let head = sqlx::query("INSERT INTO head (only, count, hash) VALUES (1, 0, ?)");
    head.bind(link::genesis(chain).as_slice()).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// What each version lays out on top of the one before.
pub(crate) const SCHEMAS: [(i64, &str); 2] =
    [(1, include_str!("../schema/0001.sql")), (2, include_str!("../schema/0002.sql"))];

/// A cut-off or foreign tail is noticed at once; the whole chain is the business of `verify`.
async fn check_tail(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let sqlite = |error: sqlx::Error| OpenError::sqlite(path, &error);
    let (count, hash) = inspect::stored_head(connection).await.map_err(sqlite)?;
    let last = index::last_event(connection).await.map_err(sqlite)?;
    let fits = match last {
        None => count == 0,
        Some((sequence, last_hash)) => sequence == count && last_hash == hash,
    };
    if fits {
        return Ok(());
    }
    let ends = last.map_or(0, |(sequence, _)| sequence);
    let reason = format!("it ends with event {ends}, its seal says {count} events with hash {hash}");
    Err(OpenError::Damaged { path: path.to_owned(), reason })
}

/// Receivers get every message from the moment they are first named, however long they are away after that.
async fn register(connection: &mut SqliteConnection, receivers: &[String]) -> Result<(), sqlx::Error> {
    for name in receivers {
        let insert = "INSERT INTO receiver (name, delivered_through, alerted) SELECT ?, count, 0 FROM head WHERE true \
                      ON CONFLICT DO NOTHING";
        sqlx::query(insert).bind(name.as_str()).execute(&mut *connection).await?;
    }
    Ok(())
}
