//! Carries messages to their receivers, each on a task of its own so that a dead one holds up nobody else.
//!
//! New messages go out at once: the task is woken by the commit. It looks by itself only for what another process wrote
//! into the record.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_types::JournalError;
use tokio::task::JoinSet;

use super::ledger::{self, Outgoing};
use super::webhook::{self, Attempt, Receiver};
use crate::Store;
use crate::append::{CommitError, Written};
use crate::session::{Gone, Session};
use crate::store::unreadable;

/// How messages are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryOptions {
    /// Wait after the first failure; doubles with each further one.
    pub first_retry: Duration,
    /// The longest wait between two attempts.
    pub longest_retry: Duration,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How often is looked for what another process wrote: a person who closed an incident beside the guard.
    pub look_again: Duration,
    /// The operator is told about a message that is older than this and has not arrived.
    pub undelivered_after: Duration,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(500),
            longest_retry: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            look_again: Duration::from_secs(2),
            undelivered_after: Duration::from_secs(120),
        }
    }
}

impl DeliveryOptions {
    /// The wait after `failures` failures in a row. No chance in it: there is one sender, and drills must repeat.
    fn wait(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first_retry.saturating_mul(doubled).min(self.longest_retry)
    }
}

/// The messages cannot be carried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// Its messages since the opening would be unknown.
    #[error("receiver `{0}` was not named when the record was opened")]
    UnknownReceiver(String),
    /// No HTTP client on this machine.
    #[error("messages cannot be sent from this machine: {0}")]
    Client(#[source] reqwest::Error),
    /// The record.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Carries the messages of one store.
pub struct Outbox {
    store: Arc<Store>,
    receivers: Vec<Receiver>,
    options: DeliveryOptions,
    client: reqwest::Client,
}

impl Outbox {
    /// Checks the receivers; nothing is sent yet.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn new(store: Arc<Store>, receivers: Vec<Receiver>, options: DeliveryOptions) -> Result<Self, OutboxError> {
        for receiver in &receivers {
            let name = receiver.name.clone();
            let ask = async move |session: &mut Session| ledger::is_known(session, &name).await;
            if !store.thread.call(ask).map_err(unreadable)?.map_err(unreadable)? {
                return Err(OutboxError::UnknownReceiver(receiver.name.clone()));
            }
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
            .timeout(options.attempt_timeout)
            // A signed message goes where the operator said, nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(OutboxError::Client)?;
        Ok(Self { store, receivers, options, client })
    }

    /// Delivers until `shutdown` completes. What is not delivered then is delivered after the next start; an attempt
    /// that was cut off is made again under the same id.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        for receiver in self.receivers {
            let (store, options, client) = (Arc::clone(&self.store), self.options, self.client.clone());
            tasks.spawn(Carrier { store, receiver, options, client }.carry());
        }
        shutdown.await;
        tasks.shutdown().await;
    }
}

/// The task of one receiver.
struct Carrier {
    store: Arc<Store>,
    receiver: Receiver,
    options: DeliveryOptions,
    client: reqwest::Client,
}

impl Carrier {
    async fn carry(self) {
        let mut news = self.store.news.subscribe();
        let mut failures = 0_u32;
        loop {
            news.mark_unchanged();
            match self.forward().await {
                Ok(Step::Idle) => {
                    failures = 0;
                    if let Ok(Err(_)) = tokio::time::timeout(self.options.look_again, news.changed()).await {
                        return;
                    }
                }
                Ok(Step::Onward) => failures = 0,
                Ok(Step::Later) => {
                    failures = failures.saturating_add(1);
                    tokio::time::sleep(self.options.wait(failures)).await;
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::error!(receiver = %self.receiver.name, %error, "the outbox cannot use the record");
                    tokio::time::sleep(self.options.wait(failures)).await;
                }
            }
        }
    }

    /// Tries the receiver's next message once.
    async fn forward(&self) -> Result<Step, CommitError> {
        self.measure_depth().await?;
        let (name, shape) = (self.receiver.name.clone(), self.receiver.shape);
        let next = self.store.thread.ask(async move |session: &mut Session| ledger::next(session, &name, shape).await);
        let Some(message) = next.await?? else {
            return Ok(Step::Idle);
        };
        if message.undelivered.as_ref() == Some(&self.receiver.name) {
            self.skip(&message).await?;
            return Ok(Step::Onward);
        }
        let Some(body) = &message.body else {
            self.skip(&message).await?;
            return Ok(Step::Onward);
        };
        let now = self.store.clock.now().seconds();
        match webhook::post(&self.client, &self.receiver, (&message.key, body), now).await {
            Attempt::Delivered => {
                self.measure_delivery(&message);
                self.settle(&message).await?;
                Ok(Step::Onward)
            }
            Attempt::Refused(reason) => {
                tracing::error!(receiver = %self.receiver.name, message = %message.key, %reason, "message refused");
                self.count("refused");
                self.bury(message, reason).await?;
                Ok(Step::Onward)
            }
            Attempt::Failed(reason) => {
                tracing::warn!(receiver = %self.receiver.name, message = %message.key, %reason, "message not delivered");
                self.count("failed");
                self.complain_if_late(message, reason).await?;
                Ok(Step::Later)
            }
        }
    }

    async fn settle(&self, message: &Outgoing) -> Result<(), CommitError> {
        let (name, sequence, now) = (self.receiver.name.clone(), message.sequence, self.store.clock.now());
        let work = async move |session: &mut Session| ledger::settle(session, &name, sequence, now).await;
        self.told(self.store.thread.ask(work).await)
    }

    /// It would be told that it is not reached: if it hears that, it is not true any more.
    async fn skip(&self, message: &Outgoing) -> Result<(), CommitError> {
        let (name, sequence, now) = (self.receiver.name.clone(), message.sequence, self.store.clock.now());
        let work = async move |session: &mut Session| ledger::skip(session, &name, sequence, now).await;
        self.told(self.store.thread.ask(work).await)
    }

    async fn bury(&self, message: Outgoing, reason: String) -> Result<(), CommitError> {
        let (name, now) = (self.receiver.name.clone(), self.store.clock.now());
        let work = async move |session: &mut Session| ledger::bury(session, &name, &message, &reason, now).await;
        self.told(self.store.thread.ask(work).await)
    }

    async fn complain_if_late(&self, message: Outgoing, reason: String) -> Result<(), CommitError> {
        let now = self.store.clock.now();
        if Duration::from_millis(now.since(message.at)) < self.options.undelivered_after {
            return Ok(());
        }
        let name = self.receiver.name.clone();
        let work = async move |session: &mut Session| ledger::complain(session, &name, &message, &reason, now).await;
        self.told(self.store.thread.ask(work).await)
    }

    /// Wakes the other receivers when there is a new message.
    fn told(&self, written: Result<Result<Written<()>, CommitError>, Gone>) -> Result<(), CommitError> {
        self.store.tell(written??.announced);
        Ok(())
    }

    async fn measure_depth(&self) -> Result<(), CommitError> {
        let name = self.receiver.name.clone();
        let ask = async move |session: &mut Session| ledger::depth(session, &name).await;
        let depth = self.store.thread.ask(ask).await??;
        let depth = f64::from(u32::try_from(depth).unwrap_or(u32::MAX));
        metrics::gauge!("cofferdam_outbox_depth", "receiver" => self.receiver.name.clone()).set(depth);
        Ok(())
    }

    fn measure_delivery(&self, message: &Outgoing) {
        let took = Duration::from_millis(self.store.clock.now().since(message.at));
        metrics::histogram!("cofferdam_outbox_delivery_seconds", "receiver" => self.receiver.name.clone()).record(took);
        self.count("delivered");
    }

    fn count(&self, outcome: &'static str) {
        let receiver = self.receiver.name.clone();
        metrics::counter!("cofferdam_outbox_attempts_total", "receiver" => receiver, "outcome" => outcome).increment(1);
    }
}

/// What a receiver's task does next.
enum Step {
    /// Wait for news.
    Idle,
    /// Look for the next message.
    Onward,
    /// Wait, then try the same message.
    Later,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_never_overflow() {
        let options = DeliveryOptions::default();
        let waits: Vec<u128> = [1, 2, 3, 6, 7, 8, u32::MAX].map(|failures| options.wait(failures).as_millis()).into();
        assert_eq!(waits, [500, 1_000, 2_000, 16_000, 30_000, 30_000, 30_000]);
    }
}
