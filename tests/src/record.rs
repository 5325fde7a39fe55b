//! What the program wrote down, as its own commands show it, beside what it told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::body::Bytes;
use serde_json::Value;

use crate::vault::SECRET;
use crate::{Program, Receiver, wait};

/// Checks the record at `record` offline; gives its events, oldest first.
///
/// # Panics
/// When the record does not hold.
pub async fn is_true(folder: &Path, record: &str) -> Vec<Value> {
    let verified = Program::run(folder, &["incident", "verify", record]).await;
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    events(folder, record).await
}

/// Returns when the receiver has taken a message about everything on the record that people must hear of: findings of
/// level alert and stop, plans that were sent and confirmed, what the operator must know.
///
/// # Panics
/// When one of them does not come within [`wait::PATIENCE`], or messages contradict each other (see [`hold_together`]).
pub async fn is_told(folder: &Path, record: &str, receiver: &Receiver) {
    let owed: BTreeSet<u64> = owed(&events(folder, record).await).collect();
    wait::until("everything on the record is told", wait::PATIENCE, async || {
        let told: BTreeSet<u64> = receiver.accepted().iter().map(|message| sequence(&message.json["data"])).collect();
        owed.is_subset(&told).then_some(())
    })
    .await;
    hold_together(receiver);
}

/// Checks every message that came: signed, one key for one event however often it came, and the same words each time.
///
/// # Panics
/// When one is not.
pub fn hold_together(receiver: &Receiver) {
    let mut known: BTreeMap<u64, (String, Bytes)> = BTreeMap::new();
    let mut keys: BTreeMap<String, u64> = BTreeMap::new();
    for message in receiver.attempts() {
        assert!(message.is_signed_with(SECRET), "not signed as documented: {message:?}");
        let place = sequence(&message.json["data"]);
        let key = message.headers.get("webhook-id").cloned().expect("a message carries its key");
        let (first_key, first_body) = known.entry(place).or_insert_with(|| (key.clone(), message.body.clone()));
        assert_eq!((&key, &message.body), (&*first_key, &*first_body), "event {place} was told in two ways");
        assert_eq!(*keys.entry(key.clone()).or_insert(place), place, "two events have the key {key}");
    }
}

/// The events of the record, oldest first.
async fn events(folder: &Path, record: &str) -> Vec<Value> {
    let exported = Program::run(folder, &["incident", "export", record]).await;
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let lines = exported.stdout.lines().skip(1);
    lines.map(|line| serde_json::from_str(line).expect("a bundle is JSON by line")).collect()
}

fn owed(events: &[Value]) -> impl Iterator<Item = u64> {
    let told = |event: &&Value| {
        let event = &event["record"]["event"];
        match event["type"].as_str() {
            Some("found") => event["finding"]["level"] != "notice",
            Some("plan") => event["step"]["step"] == "confirmed",
            // Who is not reached cannot be told so.
            Some("operator") => event["alert"]["alert"] != "undelivered",
            _ => false,
        }
    };
    events.iter().filter(told).map(|event| sequence(&event["record"]))
}

fn sequence(holder: &Value) -> u64 {
    holder["sequence"].as_u64().expect("an event has its place in the record")
}

/// The nonces of the guardian under which plans were handed to the endpoints, by plan, as the record has them.
pub fn sent_nonces(events: &[Value]) -> BTreeMap<String, BTreeSet<u64>> {
    let mut sent: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for event in events.iter().map(|event| &event["record"]["event"]) {
        if event["type"] == "plan" && event["step"]["step"] == "sent" {
            let nonce = event["step"]["nonce"].as_u64().expect("a sent step has a nonce");
            let plan = event["plan"].as_str().expect("a plan has an id").to_owned();
            sent.entry(plan).or_default().insert(nonce);
        }
    }
    sent
}
