//! Metrics in the Prometheus text format, and health, over HTTP on one address.
//!
//! `/metrics`, `/healthz` (the process answers), `/readyz` (the guard sees what happens now). Nothing here changes
//! anything; who can reach the address can read it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::task::JoinHandle;

use super::Health;

/// Seconds. From a warm decision, a few hundred microseconds, to a block that had to be fetched.
const BUCKETS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// How often old samples are folded; the library asks for it.
const UPKEEP: Duration = Duration::from_secs(5);

/// Metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The recorder.
    #[error("metrics cannot be recorded: {0}")]
    Recorder(#[from] BuildError),
    /// The address.
    #[error("`metrics_listen` {address} cannot be listened on: {reason}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct Served {
    tasks: [JoinHandle<()>; 2],
    /// Where it listens: with port 0 the system chose one.
    pub address: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Records metrics from now on, and serves them on `address`. To be called once a process.
///
/// # Errors
/// [`MetricsError`].
pub async fn serve(address: SocketAddr, health: Health) -> Result<Served, MetricsError> {
    let stages = Matcher::Full("cofferdam_stage_seconds".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(stages, BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)?
        .install_recorder()?;
    let refused = |error: std::io::Error| MetricsError::Listen { address, reason: error.to_string() };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    let app = router(handle.clone(), health);
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the metrics server ended");
        }
    });
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            handle.run_upkeep();
        }
    });
    Ok(Served { tasks: [server, upkeep], address: bound })
}

fn router(handle: PrometheusHandle, health: Health) -> Router {
    let metrics = move || {
        let text = handle.render();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
    };
    let ready = move || {
        let readiness = health.readiness();
        async move {
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let body = serde_json::to_string(&readiness).unwrap_or_default();
            (status, [(header::CONTENT_TYPE, "application/json")], body)
        }
    };
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn metrics_health_and_readiness_are_served_until_the_server_is_dropped() {
        let health = Health::default();
        let served = serve(SocketAddr::from(([127, 0, 0, 1], 0)), health.clone()).await.unwrap();
        let address = served.address;

        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let unready = get(address, "/readyz").await;
        assert!(unready.starts_with("HTTP/1.1 503") && unready.contains("\"ready\":false"), "{unready}");
        health.heard(Some(8));
        health.processed(8);
        let ready = get(address, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("\"processed_block\":8"), "{ready}");

        metrics::histogram!("cofferdam_stage_seconds", "stage" => "judge").record(0.000_2);
        let shown = get(address, "/metrics").await;
        let bucket = "cofferdam_stage_seconds_bucket{stage=\"judge\",le=\"0.00025\"} 1";
        assert!(shown.contains("text/plain") && shown.contains(bucket), "{shown}");
        assert!(get(address, "/elsewhere").await.starts_with("HTTP/1.1 404"));

        drop(served);
        tokio::task::yield_now().await;
        assert!(TcpStream::connect(address).await.is_err(), "it still listens");
    }
}
