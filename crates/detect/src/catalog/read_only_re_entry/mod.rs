//! Read-only re-entry: while a call into the module is open and control is outside, a third party reads the module, and
//! ends with less.
//!
//! In mid-call the module's books do not add up; whoever trusts a view then is robbed, and the module is the tool. The
//! loss is the third party's, so no rule about what leaves the module can see it.

use std::{collections::HashSet, sync::LazyLock};

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, Call, CallKind, Evidence, Finding, Harm, Level, Severity, Signed};

use crate::{
    Detector, DetectorInfo, History, Seen,
    seen::{ROUNDING_UNITS, Said},
};

/// The detector's id.
pub const ID: &str = "read-only-re-entry";

static INFO: LazyLock<DetectorInfo> = LazyLock::new(|| DetectorInfo::embedded(include_str!("detector.toml")));

/// Readers that are looked at in one transaction.
const MOST_READERS: usize = 16;

/// Recognises views of the module that were read in mid-call by somebody who lost.
pub struct ReadOnlyReEntry;

/// A view that was read while a call was open.
struct Reading {
    /// The open frame.
    open: usize,
    /// The reading frame.
    read: usize,
    /// The account for whom it was read: the nearest above it that is neither the module nor the sender's.
    reader: Address,
}

impl Detector for ReadOnlyReEntry {
    fn info(&self) -> &'static DetectorInfo {
        &INFO
    }

    fn inspect(&self, seen: &Seen<'_>, _: &History) -> Vec<Finding> {
        let effects = seen.effects();
        // A pool asks its tokens what it holds, whatever they are in the middle of; when it is robbed, that is told there.
        let relying = |reading: &Reading| !seen.prices().is_pool(reading.reader);
        for reading in readings(seen).into_iter().filter(relying) {
            if let Some((asset, amount)) = lost(seen, reading.reader) {
                let call = |index: usize| effects.calls.get(index).map_or_else(String::new, named);
                let said = Said {
                    level: Level::Alert,
                    severity: Severity::High,
                    summary: format!(
                        "{} read module {} while a call of it was open, and lost {amount} of {asset}",
                        reading.reader, seen.module.id
                    ),
                    harm: harm(seen, reading.reader, asset, amount),
                    evidence: vec![
                        Evidence::new("open call", call(reading.open)),
                        Evidence::new("what was read", call(reading.read)),
                        Evidence::new("who relied on it", reading.reader),
                        Evidence::new("lost", format!("{amount} of {asset}")),
                        Evidence::new("sender", seen.execution.transaction.from),
                    ],
                };
                return vec![seen.finding(&INFO, b"", said)];
            }
        }
        Vec::new()
    }
}

/// What the reader lost, without what made it good: as counted where it is of the module, else without what the shares
/// that it took are worth.
fn harm(seen: &Seen<'_>, reader: Address, asset: Asset, amount: U256) -> Vec<Harm> {
    if seen.member(reader) {
        let counted: Vec<Harm> = seen.harm_in(asset).into_iter().filter(|harm| harm.account == reader).collect();
        if !counted.is_empty() {
            return counted;
        }
    }
    let effects = seen.effects();
    let mut good = U256::ZERO;
    let mut looked: Vec<Asset> = Vec::new();
    for moved in effects.movements.iter().filter(|moved| moved.to == reader && moved.asset != asset) {
        if looked.contains(&moved.asset) || looked.len() >= 16 {
            continue;
        }
        looked.push(moved.asset);
        let gain = effects.claimed_net(reader, moved.asset).gain();
        let worth = seen.worth(gain, moved.asset, asset).map_or(U256::ZERO, |worth| worth.least);
        good = good.saturating_add(worth);
    }
    vec![Harm { asset, account: reader, amount: amount.saturating_sub(good), at_risk: false }]
}

fn named(call: &Call) -> String {
    let function = call.selector.map_or_else(|| "no selector".to_owned(), |selector| selector.to_string());
    format!("{function} of {}", call.callee)
}

/// Static calls into the module from outside while a frame of it that may change state is open, each reader once.
fn readings(seen: &Seen<'_>) -> Vec<Reading> {
    let calls = &seen.effects().calls;
    let mut found: Vec<Reading> = Vec::new();
    let (mut readers, mut asked) = (Readers::default(), HashSet::new());
    let mut open: Option<usize> = None;
    let mut read_only: Option<u16> = None;
    for (index, call) in calls.iter().enumerate() {
        if open.and_then(|outer| calls.get(outer)).is_some_and(|outer| call.depth <= outer.depth) {
            open = None;
        }
        if read_only.is_some_and(|depth| call.depth <= depth) {
            read_only = None;
        }
        if call.kind == CallKind::StaticCall && read_only.is_none() {
            read_only = Some(call.depth);
        }
        if !call.effective || !seen.member(call.callee) {
            continue;
        }
        let Some(outer) = open else {
            if read_only.is_none() && matches!(call.kind, CallKind::Call | CallKind::CallCode) {
                open = Some(index);
            }
            continue;
        };
        if call.kind == CallKind::StaticCall
            && Some(call.caller) != calls.get(outer).map(|outer| outer.callee)
            && found.len() < MOST_READERS
            && let Some(reader) = readers.of(seen, index, outer)
            && !asked.contains(&(outer, reader))
        {
            asked.insert((outer, reader));
            if opened(seen, outer, reader) || found.iter().any(|known| known.reader == reader) {
                continue;
            }
            found.push(Reading { open: outer, read: index, reader });
        }
    }
    found
}

/// For whom each frame reads, worked out from its parent's answer as frames are opened, so that a deep tree costs no more
/// than a flat one.
#[derive(Default)]
struct Readers {
    /// The open frame that the answers are below.
    open: usize,
    /// By frame, from `open` on.
    below: Vec<Option<Address>>,
}

impl Readers {
    /// For whom the frame at `index` reads: the outermost account below `open` that is neither the sender's nor the one whose
    /// call is open. It may be of the same module: a market that reads the pool beside it.
    fn of(&mut self, seen: &Seen<'_>, index: usize, open: usize) -> Option<Address> {
        let calls = &seen.effects().calls;
        if self.open != open {
            *self = Self { open, below: Vec::new() };
        }
        while self.below.len() <= index.saturating_sub(open) {
            let at = open.saturating_add(self.below.len());
            let reader = self.above(seen, at).or_else(|| {
                let account = calls.get(at).filter(|_| at > open)?.callee;
                let is_open =
                    calls.get(open).is_some_and(|open| open.callee == account || open.code_address == account);
                (!is_open && !seen.is_actor(account)).then_some(account)
            });
            self.below.push(reader);
        }
        self.above(seen, index)
    }

    /// The answer of the frame above the one at `index`.
    fn above(&self, seen: &Seen<'_>, index: usize) -> Option<Address> {
        let parent = seen.effects().calls.get(index)?.parent.and_then(|parent| usize::try_from(parent).ok())?;
        let inside = parent > self.open && parent < index;
        self.below.get(parent.checked_sub(self.open).filter(|_| inside)?).copied().flatten()
    }
}

/// Whether `account` itself opened the frame at `open`, or a frame above it: it knows what it is in the middle of.
fn opened(seen: &Seen<'_>, open: usize, account: Address) -> bool {
    let calls = &seen.effects().calls;
    let mut at = Some(open);
    while let Some(index) = at {
        let Some(call) = calls.get(index) else { return false };
        if call.caller == account {
            return true;
        }
        at = call.parent.and_then(|parent| usize::try_from(parent).ok()).filter(|parent| *parent < index);
    }
    false
}

/// What `account` ended with less of, unless it gained something that is worth as much or that nobody can value. A token
/// that sells its own stock loses nothing.
fn lost(seen: &Seen<'_>, account: Address) -> Option<(Asset, U256)> {
    let effects = seen.effects();
    let mut assets: Vec<Asset> = Vec::new();
    for moved in &effects.movements {
        let concerns = moved.from == account || moved.to == account;
        if concerns && moved.from != moved.to && !assets.contains(&moved.asset) && assets.len() < 64 {
            assets.push(moved.asset);
        }
    }
    let nets: Vec<(Asset, Signed)> =
        assets.into_iter().map(|asset| (asset, effects.claimed_net(account, asset))).collect();
    let material = |amount: U256| amount > U256::from(ROUNDING_UNITS);
    let losses = nets.iter().filter(|(asset, net)| asset.token() != Some(account) && material(net.loss()));
    let (asset, amount) = losses.map(|(asset, net)| (*asset, net.loss())).max_by_key(|(_, loss)| *loss)?;
    let mut came = U256::ZERO;
    for (gained, net) in nets.iter().filter(|(_, net)| material(net.gain())) {
        // Shares of the module whose call is open are what cannot be valued now: they are why the reader was asked.
        if gained.token().is_some_and(|token| seen.member(token)) {
            continue;
        }
        came = came.saturating_add(seen.prices().worth(net.gain(), *gained, asset, &|_| true)?.most);
    }
    (came.saturating_mul(U256::from(2)) <= amount).then_some((asset, amount))
}

#[cfg(test)]
mod tests;
