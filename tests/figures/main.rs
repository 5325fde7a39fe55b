//! Figures against a real node: how fast the program contains, tells and catches up, and how much memory it keeps.
//!
//! ```text
//! figures [--quick] [containment | webhook | catch-up | memory]..
//! ```
//! A table on standard error, one JSON object on standard output. A benchmark and never a test: nothing here fails
//! because something took long. The program measured is the one built with the same profile (`scripts/figures`).
//!
//! Linux only: processor time and memory are read from `/proc`. Records lie in the folder for temporary files: with
//! `TMPDIR=/dev/shm` the figures are those of a machine whose disk nobody else uses.

#![allow(clippy::arithmetic_side_effects, reason = "small numbers of a benchmark")]

mod catch_up;
mod containment;
mod feed;
mod memory;
mod process;
mod protocol;
mod sample;
mod webhook;

use serde_json::{Map, Value, json};

/// How the program reaches the node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    /// Heads and pending transactions by subscription.
    WebSocket,
    /// Heads and pending transactions by asking.
    Http,
}

impl Lane {
    /// As it stands in the table and in the JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Http => "http",
        }
    }

    /// The address of `node` on this lane.
    pub(crate) fn url(self, node: &cofferdam_e2e::Anvil) -> String {
        match self {
            Self::WebSocket => format!("ws://{}", node.address()),
            Self::Http => format!("http://{}", node.address()),
        }
    }
}

#[tokio::main]
async fn main() {
    // The runner of benchmarks adds an argument of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let names: Vec<&str> = arguments.iter().map(String::as_str).filter(|name| !name.starts_with("--")).collect();
    let wanted = |name: &str| names.is_empty() || names.contains(&name);

    let mut figures = Map::new();
    figures.insert("load_before".to_owned(), process::load());
    let disk = process::disk_sync();
    disk.row("this disk: a page kept (fdatasync)");
    figures.insert("disk_sync_ms".to_owned(), disk.milliseconds());
    if wanted("containment") {
        let rounds = if quick { 2 } else { 22 };
        let websocket = containment::measure(Lane::WebSocket, rounds).await;
        let http = containment::measure(Lane::Http, rounds.min(5)).await;
        figures.insert("containment".to_owned(), json!({ "websocket": websocket, "http": http }));
    }
    if wanted("webhook") {
        let blocks = if quick { 10 } else { 300 };
        let websocket = webhook::measure(Lane::WebSocket, blocks).await;
        let http = webhook::measure(Lane::Http, blocks).await;
        figures.insert("webhook".to_owned(), json!({ "websocket": websocket, "http": http }));
    }
    if wanted("catch-up") {
        let blocks = if quick { 20 } else { 300 };
        let tokens = catch_up::measure(catch_up::Traffic::Tokens, blocks).await;
        let native = catch_up::measure(catch_up::Traffic::Native, blocks).await;
        figures.insert("catch_up".to_owned(), json!({ "tokens": tokens, "native": native }));
    }
    if wanted("memory") {
        figures.insert("memory".to_owned(), memory::measure(if quick { 200 } else { 10_000 }).await);
    }
    figures.insert("load_after".to_owned(), process::load());
    println!("{}", Value::Object(figures));
}
