//! When a fault strikes: which method, which call of it, how often or how long.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Fault;
use crate::wait;

/// One fault and when it strikes. Built from a [`Fault`] by [`Fault::on`].
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    method: &'static str,
    about: Option<String>,
    pass_first: u64,
    strikes_left: Option<u64>,
    duration: Option<Duration>,
}

impl Rule {
    pub(super) const fn new(fault: Fault, method: &'static str) -> Self {
        Self { fault, method, about: None, pass_first: 0, strikes_left: None, duration: None }
    }

    /// Only requests whose parameters, as JSON, contain `text`: a block number, a hash.
    #[must_use]
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about = Some(text.into());
        self
    }

    /// Lets the first `calls` matching requests pass.
    #[must_use]
    pub const fn after(mut self, calls: u64) -> Self {
        self.pass_first = calls;
        self
    }

    /// Strikes at most `strikes` times.
    #[must_use]
    pub const fn times(mut self, strikes: u64) -> Self {
        self.strikes_left = Some(strikes);
        self
    }

    /// Strikes for `duration` from the moment it is put into force.
    #[must_use]
    pub const fn for_duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    fn concerns(&self, method: &str, params: &str) -> bool {
        let fits = match self.method.strip_suffix('*') {
            Some(beginning) => method.starts_with(beginning),
            None => self.method == method,
        };
        fits && self.about.as_ref().is_none_or(|text| params.contains(text))
    }
}

/// A rule in force.
#[derive(Debug)]
struct Active {
    rule: Rule,
    until: Option<Instant>,
    hits: watch::Sender<u64>,
    lifted: watch::Sender<bool>,
}

impl Active {
    /// Counts a request that the rule concerns and says whether it strikes.
    fn take(&mut self, method: &str, params: &str) -> bool {
        if *self.lifted.borrow() || self.until.is_some_and(|until| Instant::now() >= until) {
            return false;
        }
        if !self.rule.concerns(method, params) {
            return false;
        }
        if let Some(left) = self.rule.pass_first.checked_sub(1) {
            self.rule.pass_first = left;
            return false;
        }
        match &mut self.rule.strikes_left {
            Some(0) => return false,
            Some(left) => *left = left.saturating_sub(1),
            None => {}
        }
        self.hits.send_modify(|hits| *hits = hits.saturating_add(1));
        true
    }
}

/// The rules of one proxy. The one put into force last is asked first.
#[derive(Debug, Default)]
pub(super) struct Rules {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    active: Vec<Active>,
    requests: HashMap<String, u64>,
}

/// One request that was picked.
pub(super) struct Strike {
    fault: Fault,
    until: Option<Instant>,
    lifted: watch::Receiver<bool>,
}

impl Rules {
    pub(super) fn add(&self, rule: Rule) -> Injected {
        let (hits, seen) = watch::channel(0);
        let (lift, _) = watch::channel(false);
        let injected = Injected { name: format!("{rule:?}"), hits: seen, lift: lift.clone() };
        let until = rule.duration.and_then(|duration| Instant::now().checked_add(duration));
        self.lock().active.push(Active { rule, until, hits, lifted: lift });
        injected
    }

    /// Counts `call` and gives the fault that strikes it, if any.
    pub(super) fn strike(&self, call: &Value) -> Option<Strike> {
        let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
        let params = call.get("params").map(Value::to_string).unwrap_or_default();
        let mut inner = self.lock();
        let count = inner.requests.entry(method.to_owned()).or_default();
        *count = count.saturating_add(1);
        let active = inner.active.iter_mut().rev().find_map(|active| active.take(method, &params).then_some(active))?;
        Some(Strike { fault: active.rule.fault.clone(), until: active.until, lifted: active.lifted.subscribe() })
    }

    pub(super) fn requests(&self, method: &str) -> u64 {
        self.lock().requests.get(method).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Strike {
    pub(super) const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Returns when the rule is no longer in force.
    pub(super) async fn lifted(mut self) {
        let by_hand = self.lifted.wait_for(|lifted| *lifted);
        match self.until {
            // An error means that the proxy is gone, which ends every fault.
            Some(until) => drop(tokio::time::timeout_at(until, by_hand).await),
            None => drop(by_hand.await),
        }
    }
}

/// A rule in force, as the test holds it. Dropping the handle leaves the rule in force.
#[derive(Debug)]
pub struct Injected {
    name: String,
    hits: watch::Receiver<u64>,
    lift: watch::Sender<bool>,
}

impl Injected {
    /// How often it struck so far.
    pub fn hits(&self) -> u64 {
        *self.hits.borrow()
    }

    /// Returns once it has struck `times` times.
    ///
    /// # Panics
    /// When that does not happen within [`wait::PATIENCE`].
    pub async fn struck(&mut self, times: u64) {
        let enough = self.hits.wait_for(|hits| *hits >= times);
        let reached = matches!(tokio::time::timeout(wait::PATIENCE, enough).await, Ok(Ok(_)));
        assert!(reached, "{} struck {} times, not {times}", self.name, self.hits());
    }

    /// Ends it. Requests that hang because of it end too.
    pub fn lift(&self) {
        self.lift.send_replace(true);
    }
}
