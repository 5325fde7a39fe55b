//! `POST /alerts/NAME`: takes alerts in over HTTP, on an address of its own. Answers when what was said is durable.
//!
//! Must never say why a signature is wrong, nor do any work for a message whose sender is not known.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use cofferdam_types::{Batch, ChainId, Clock, Event, Journal, UnixMillis, Watchlist};
use tokio::task::JoinHandle;

use super::{Source, read};

/// Bytes of one message.
const MOST_BYTES: usize = 256 * 1024;
/// Messages of one source within a minute; beyond them it is told to try later.
const MOST_A_MINUTE: u32 = 120;
const MINUTE_MICROS: u64 = 60_000_000;

/// Alerts cannot be taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum IntakeError {
    /// The address.
    #[error("`alerts_listen` {address} cannot be listened on: {reason}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    task: JoinHandle<()>,
    /// Where it listens: with port 0 the system chose one.
    pub(crate) address: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the handlers share.
struct Desk {
    sources: HashMap<String, Source>,
    /// Messages of the current minute, by source.
    taken: Mutex<HashMap<String, (u64, u32)>>,
    watch: Arc<Watchlist>,
    chain: ChainId,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
}

/// Takes alerts of `sources` in on `address` from now on.
///
/// # Errors
/// [`IntakeError`].
pub(crate) async fn serve(
    address: SocketAddr,
    sources: Vec<Source>,
    (watch, chain): (Arc<Watchlist>, ChainId),
    (journal, clock): (Arc<dyn Journal>, Arc<dyn Clock>),
) -> Result<Served, IntakeError> {
    let refused = |error: std::io::Error| IntakeError::Listen { address, reason: error.to_string() };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    let sources = sources.into_iter().map(|source| (source.name.clone(), source)).collect();
    let desk = Arc::new(Desk { sources, taken: Mutex::default(), watch, chain, journal, clock });
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router(desk)).await {
            tracing::error!(%error, "alerts of other tools are not taken in any more");
        }
    });
    Ok(Served { task, address: bound })
}

fn router(desk: Arc<Desk>) -> Router {
    // Some tools ask whether anybody is there before they send.
    let there = async |State(desk): State<Arc<Desk>>, Path(name): Path<String>| {
        if desk.sources.contains_key(&name) { StatusCode::OK } else { StatusCode::NOT_FOUND }
    };
    Router::new()
        .route("/alerts/{name}", get(there).post(take))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(desk)
}

async fn take(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let said = |status, text: &str| (status, format!("{text}\n"));
    let Some(source) = desk.sources.get(&name) else { return said(StatusCode::NOT_FOUND, "no such source") };
    let now = desk.clock.now();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if !source.verifier.check(&header, &body, now.seconds()) {
        count(&name, "forged");
        return said(StatusCode::UNAUTHORIZED, "the signature does not fit");
    }
    // After the signature: strangers must not use up what is the source's.
    if !desk.has_room(&name) {
        count(&name, "too many");
        return said(StatusCode::TOO_MANY_REQUESTS, "too many alerts within a minute: later");
    }
    let report = match read(source, &body, source.verifier.delivery(&header).as_deref(), (&desk.watch, desk.chain), now)
    {
        Ok(Some(report)) => report,
        Ok(None) => {
            count(&name, "left out");
            return said(StatusCode::OK, "left out: a test, or about another chain");
        }
        Err(error) => {
            count(&name, "malformed");
            return said(StatusCode::BAD_REQUEST, &error.to_string());
        }
    };
    let key = report.id();
    let recording = desk.clone();
    let committed = tokio::task::spawn_blocking(move || recording.record(Event::Reported { report }, now)).await;
    match committed {
        Ok(true) => {
            count(&name, "taken");
            said(StatusCode::OK, &format!("on the record as {key}"))
        }
        Ok(false) | Err(_) => said(StatusCode::SERVICE_UNAVAILABLE, "it could not be recorded: later"),
    }
}

impl Desk {
    fn has_room(&self, name: &str) -> bool {
        let now = self.clock.monotonic_micros();
        // A handler that panicked leaves counts, which are no worse for it.
        let mut taken = self.taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (began, count) = taken.entry(name.to_owned()).or_insert((now, 0));
        if now.saturating_sub(*began) >= MINUTE_MICROS {
            (*began, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= MOST_A_MINUTE
    }

    fn record(&self, event: Event, at: UnixMillis) -> bool {
        let committed = self.journal.commit(&Batch { at, events: vec![event], checkpoint: None });
        if let Err(error) = &committed {
            tracing::error!(%error, "an alert of another tool could not be recorded");
        }
        committed.is_ok()
    }
}

fn count(source: &str, became: &'static str) {
    metrics::counter!("cofferdam_alerts_in_total", "source" => source.to_owned(), "became" => became).increment(1);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cofferdam_incident::{Options, Scheme, Store, Verifier};
    use cofferdam_types::primitives::Address;
    use cofferdam_types::{Level, ManualClock, Module, ModuleId, Stage};
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::super::Format;
    use super::*;

    const SECRET: &str = "a shared secret of some length";
    const VAULT: Address = Address::repeat_byte(0xaa);

    struct Bed {
        _folder: TempDir,
        store: Arc<Store>,
        served: Served,
        clock: Arc<ManualClock>,
    }

    async fn bed() -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(UnixMillis(1_795_406_706_789)));
        let options = Options { reserve_mib: 0, ..Options::default() };
        let store = Store::open(&folder.path().join("r.db"), ChainId(1), options, clock.clone()).unwrap();
        let store = Arc::new(store);
        let id = ModuleId::new("vault").unwrap();
        let watch = Watchlist::new(vec![Module { id, contracts: vec![VAULT], assets: Vec::new() }]);
        let source = Source {
            name: "forta".into(),
            format: Format::Forta,
            verifier: Verifier::new(Scheme::Bearer, SECRET).unwrap(),
            most: Level::Alert,
            stage: Stage::Exploitation,
            severity: cofferdam_types::Severity::Medium,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let (journal, time): (Arc<dyn Journal>, Arc<dyn Clock>) = (store.clone(), clock.clone());
        let served = serve(address, vec![source], (Arc::new(watch), ChainId(1)), (journal, time)).await.unwrap();
        Bed { _folder: folder, store, served, clock }
    }

    impl Bed {
        async fn post(&self, path: &str, secret: &str, body: &str) -> String {
            let mut stream = TcpStream::connect(self.served.address).await.unwrap();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {secret}\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // A body that is too large is refused before all of it is read.
            let _cut_off = stream.write_all(body.as_bytes()).await;
            let mut answer = String::new();
            let _reset = stream.read_to_string(&mut answer).await;
            answer
        }
    }

    fn finding(key: &str) -> String {
        format!(
            r#"{{"name":"n","alertId":"LARGE-PROFIT","severity":5,"uniqueKey":"{key}","addresses":["{VAULT}","{}"]}}"#,
            Address::repeat_byte(0xbb)
        )
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_signed_alert_is_recorded_once_and_opens_an_incident_that_is_no_stop() {
        let bed = bed().await;
        for _ in 0..3 {
            let answer = bed.post("/alerts/forta", SECRET, &finding("one")).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("on the record"), "{answer}");
        }
        let incidents = bed.store.incidents().unwrap();
        assert_eq!((incidents.len(), incidents[0].findings, incidents[0].level), (1, 1, Some(Level::Alert)));
        let timeline = bed.store.incident(&incidents[0].id).unwrap().unwrap();
        assert!(timeline.entries[0].text.contains("foreign"), "{}", timeline.entries[0].text);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn forged_oversized_and_malformed_alerts_are_refused_and_leave_nothing() {
        let bed = bed().await;
        let large = format!("\"{}\"", "a".repeat(300 * 1024));
        for (path, secret, body, expected) in [
            ("/alerts/forta", "another secret of that length!", finding("one").as_str(), "401"),
            ("/alerts/forta", "", "{}", "401"),
            ("/alerts/nobody", SECRET, "{}", "404"),
            ("/alerts/forta", SECRET, "{\"name\":", "400"),
            ("/alerts/forta", SECRET, "[]", "400"),
            ("/alerts/forta", SECRET, large.as_str(), "413"),
        ] {
            let answer = bed.post(path, secret, body).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{path} {expected}: {answer}");
            assert!(!answer.contains(SECRET), "{answer}");
        }
        assert!(bed.store.incidents().unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_source_that_says_too_much_is_told_to_come_later_and_may_again_after_a_minute() {
        let bed = bed().await;
        for number in 0..MOST_A_MINUTE {
            let elsewhere = finding(&number.to_string()).replace("\"severity\"", "\"chainId\":5,\"severity\"");
            assert!(bed.post("/alerts/forta", SECRET, &elsewhere).await.contains("left out"));
        }
        assert!(bed.post("/alerts/forta", SECRET, &finding("x")).await.starts_with("HTTP/1.1 429"));
        bed.clock.advance(60_001);
        assert!(bed.post("/alerts/forta", SECRET, &finding("x")).await.starts_with("HTTP/1.1 200"));
    }
}
