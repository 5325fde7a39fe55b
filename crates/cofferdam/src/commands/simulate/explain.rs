//! What an execution did and what is thought of it, as plain words and amounts: the same for the screen and for JSON.
//!
//! Nothing is judged here. Amounts keep their exact smallest units beside the words.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, KECCAK256_EMPTY};
use alloy_sol_types::decode_revert_reason;
use cofferdam_detect::catalog::{authority_change, infos};
use cofferdam_types::{
    Asset, Basis, BlockRef, Call, CallStatus, Effects, Execution, Judge, Missing, MovementProof, Outcome, Signed,
    Verdict, Watchlist,
};
use serde::Serialize;

use super::contain::Containment;
use super::ground::Ground;
use super::names::{Assets, Labels, call_of, slot_of, word_of};
use crate::cases::touches;
use crate::printable::shortened;

/// Accounts among whose entries in mappings a slot is looked for.
const MOST_ACCOUNTS: usize = 64;

/// A transaction, explained.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    /// What it is.
    pub(super) transaction: Subject,
    /// On which state it was executed.
    pub(super) stands_on: Standing,
    /// How it ended.
    pub(super) outcome: Ended,
    /// Frames in the order in which they were opened.
    pub(super) calls: Vec<Frame>,
    /// Transfers in order.
    pub(super) movements: Vec<Transfer>,
    /// What each account gained and lost: protected ones first, then by address.
    pub(super) accounts: Vec<Balance>,
    /// Storage, code and authority, by account.
    pub(super) changes: Vec<Changed>,
    /// What each detector says.
    pub(super) detectors: Vec<Opinion>,
    /// What they add up to, as it would stand on the record.
    pub(super) verdict: Verdict,
    /// What would be done about it: one entry for each module in danger.
    pub(super) containment: Vec<Containment>,
    /// What a reader must know.
    pub(super) notes: Vec<String>,
}

/// What the transaction is.
#[derive(Debug, Serialize)]
pub(super) struct Subject {
    pub(super) hash: String,
    pub(super) kind: u8,
    pub(super) from: Address,
    pub(super) to: Option<Address>,
    pub(super) to_label: Option<String>,
    pub(super) nonce: u64,
    pub(super) value: String,
    pub(super) value_wei: String,
    pub(super) call: String,
}

/// On which state it was executed.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    pub(super) head: BlockRef,
    /// The block that it is in; `None` while it is in none.
    pub(super) block: Option<u64>,
    pub(super) index: Option<u32>,
    pub(super) basis: Basis,
    pub(super) missing: Vec<String>,
    /// Assets, balances, changes and owners that were not looked at, for their number.
    pub(super) left_out: u64,
    pub(super) words: String,
}

/// How it ended.
#[derive(Debug, Serialize)]
pub(super) struct Ended {
    pub(super) ended: &'static str,
    pub(super) reason: Option<String>,
    pub(super) gas_used: u64,
}

/// One frame of the call tree.
#[derive(Debug, Serialize)]
pub(super) struct Frame {
    pub(super) depth: u16,
    pub(super) kind: cofferdam_types::CallKind,
    pub(super) callee: Address,
    pub(super) label: Option<String>,
    /// Whose code runs, where it is another's.
    pub(super) code: Option<Address>,
    pub(super) call: String,
    pub(super) value: Option<String>,
    pub(super) ended: CallStatus,
    /// Whether what it did was kept.
    pub(super) kept: bool,
}

/// One transfer.
#[derive(Debug, Serialize)]
pub(super) struct Transfer {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) asset: Asset,
    pub(super) amount: String,
    pub(super) smallest_units: String,
    pub(super) proof: MovementProof,
}

/// What one account gained and lost.
#[derive(Debug, Serialize)]
pub(super) struct Balance {
    pub(super) account: Address,
    pub(super) label: Option<String>,
    pub(super) protected: bool,
    pub(super) assets: Vec<Change>,
}

/// The difference in one asset.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) asset: Asset,
    /// With its sign; `unknown` where the token did not tell.
    pub(super) amount: String,
    pub(super) smallest_units: Option<String>,
    /// Balances that were looked at, or only the token's word.
    pub(super) looked_at: bool,
}

/// What changed in one account.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    pub(super) account: Address,
    pub(super) label: Option<String>,
    /// Authority and code first.
    pub(super) words: Vec<String>,
}

/// What one detector says.
#[derive(Debug, Serialize)]
pub(super) struct Opinion {
    pub(super) detector: String,
    pub(super) title: String,
    pub(super) maturity: cofferdam_types::Maturity,
    pub(super) level: Option<cofferdam_types::Level>,
    pub(super) words: String,
}

/// Explains what stands on `ground`.
pub(super) fn explained(ground: &mut Ground, containment: Vec<Containment>) -> Explained {
    let effects = &ground.execution.effects;
    let assets =
        effects.movements.iter().map(|moved| moved.asset).chain(effects.checks.iter().map(|check| check.asset));
    let assets: BTreeSet<Asset> = assets.collect();
    let assets = Assets::ask(&mut ground.engine, ground.chain, assets);
    let (execution, watch) = (&ground.execution, &ground.watch);
    let labels = Labels::new(execution, watch);
    let native = assets.label(Asset::Native);
    let transaction = &execution.transaction;
    let value = |wei| native.amount(wei);
    let mut notes = std::mem::take(&mut ground.notes);
    notes.push(if watch.is_empty() {
        "nothing is protected, so there is nothing to judge: give --protect ADDRESS or --config FILE".to_owned()
    } else {
        ground.history.clone()
    });
    Explained {
        transaction: Subject {
            hash: transaction.hash.to_string(),
            kind: transaction.kind,
            from: transaction.from,
            to: transaction.to,
            to_label: transaction.to.and_then(|to| labels.of(to)).map(ToOwned::to_owned),
            nonce: transaction.nonce,
            value: value(transaction.value),
            value_wei: transaction.value.to_string(),
            call: call_of(transaction.selector(), &transaction.input),
        },
        stands_on: standing(execution, &ground.verdict),
        outcome: ended(&execution.effects),
        calls: execution.effects.calls.iter().map(|call| frame(&execution.effects, call, &labels, &value)).collect(),
        movements: transfers(&execution.effects, &assets),
        accounts: balances(&execution.effects, &assets, &labels, watch),
        changes: changes(execution, &labels),
        detectors: opinions(ground),
        verdict: ground.verdict.clone(),
        containment,
        notes,
    }
}

fn standing(execution: &Execution, verdict: &Verdict) -> Standing {
    let standing = &execution.standing;
    let place = match execution.index {
        Some(index) => format!("in its place, transaction {index} of block {}", execution.block.number),
        None => "as the next transaction on the head; number and time of its block are guesses".to_owned(),
    };
    let basis = match (standing.basis, execution.index) {
        (Basis::Executed, _) => "",
        (Basis::Diverged, _) => "; executed here, but the chain says otherwise",
        (Basis::Receipt, _) => "; taken from the receipt alone",
    };
    let missing = |missing: &Missing| match missing {
        Missing::Account(account) => format!("account {account}"),
        Missing::Slot(account, slot) => format!("{} of {account}", slot_of(*slot, &[])),
        Missing::BlockHash(number) => format!("hash of block {number}"),
    };
    Standing {
        head: standing.head,
        block: execution.index.map(|_| execution.block.number.0),
        index: execution.index,
        basis: standing.basis,
        missing: standing.missing.iter().map(missing).collect(),
        left_out: verdict.standing.left_out,
        words: format!("the state after block {} {}, {place}{basis}", standing.head.number, standing.head.hash),
    }
}

fn ended(effects: &Effects) -> Ended {
    let (ended, reason) = match &effects.outcome {
        Outcome::Success(_) => ("succeeded", None),
        Outcome::Reverted(data) if data.is_empty() => ("reverted", Some("no reason given".to_owned())),
        Outcome::Reverted(data) => {
            let words = decode_revert_reason(data).unwrap_or_else(|| call_of(data.first_chunk().map(Into::into), data));
            ("reverted", Some(shortened(&words, 200)))
        }
        Outcome::Halted(reason) => ("halted", Some(reason.clone())),
        Outcome::Invalid(reason) => ("invalid", Some(reason.clone())),
    };
    Ended { ended, reason, gas_used: effects.gas_used }
}

fn frame(effects: &Effects, call: &Call, labels: &Labels, value: &dyn Fn(alloy_primitives::U256) -> String) -> Frame {
    Frame {
        depth: call.depth,
        kind: call.kind,
        callee: call.callee,
        label: labels.of(call.callee).map(ToOwned::to_owned),
        code: Some(call.code_address).filter(|code| *code != call.callee),
        call: call_of(call.selector, effects.input(call)),
        value: (!call.value.is_zero()).then(|| value(call.value)),
        ended: call.status,
        kept: call.effective,
    }
}

fn transfers(effects: &Effects, assets: &Assets) -> Vec<Transfer> {
    let transfer = |moved: &cofferdam_types::Movement| Transfer {
        from: moved.from,
        to: moved.to,
        asset: moved.asset,
        amount: assets.label(moved.asset).amount(moved.amount),
        smallest_units: moved.amount.to_string(),
        proof: moved.proof,
    };
    effects.movements.iter().map(transfer).collect()
}

fn balances(effects: &Effects, assets: &Assets, labels: &Labels, watch: &Watchlist) -> Vec<Balance> {
    let mut owners: BTreeMap<(bool, Address), BTreeSet<Asset>> = BTreeMap::new();
    let mut deals = |account: Address, asset| {
        if !account.is_zero() {
            // False comes first.
            owners.entry((!watch.contains(account), account)).or_default().insert(asset);
        }
    };
    for moved in &effects.movements {
        deals(moved.from, moved.asset);
        deals(moved.to, moved.asset);
    }
    effects.checks.iter().for_each(|check| deals(check.account, check.asset));
    let change = |account: Address, asset: Asset| {
        let checked = effects.checks.iter().any(|check| check.account == account && check.asset == asset);
        let looked_at = asset == Asset::Native || checked;
        match effects.net(account, asset) {
            Some(net) if net == Signed::default() => None,
            Some(net) => {
                let sign = if net.negative { "-" } else { "+" };
                let amount = format!("{sign}{}", assets.label(asset).amount(net.magnitude));
                Some(Change { asset, amount, smallest_units: Some(net.to_string()), looked_at })
            }
            None => {
                let amount = format!("unknown, of {}", shortened(&assets.label(asset).symbol, 24));
                Some(Change { asset, amount, smallest_units: None, looked_at })
            }
        }
    };
    let balance = |((unprotected, account), owned): ((bool, Address), BTreeSet<Asset>)| {
        let assets: Vec<Change> = owned.into_iter().filter_map(|asset| change(account, asset)).collect();
        let label = labels.of(account).map(ToOwned::to_owned);
        (!assets.is_empty()).then_some(Balance { account, label, protected: !unprotected, assets })
    };
    owners.into_iter().filter_map(balance).collect()
}

fn changes(execution: &Execution, labels: &Labels) -> Vec<Changed> {
    let effects = &execution.effects;
    let mut parties: BTreeSet<Address> = effects.calls.iter().flat_map(|call| [call.caller, call.callee]).collect();
    parties.extend(effects.movements.iter().flat_map(|moved| [moved.from, moved.to]));
    let parties: Vec<Address> = parties.into_iter().take(MOST_ACCOUNTS).collect();
    let mut changed: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    let written = effects.writes.iter().map(|write| write.address);
    let emitting = effects.logs.iter().map(|emitted| emitted.log.address);
    let recoded = effects.code_changes.iter().map(|change| change.address);
    for account in written.chain(emitting).chain(recoded).collect::<BTreeSet<_>>() {
        let authority = authority_change::changes_in(execution, account);
        let words = authority.iter().map(|change| match (change.before, change.gained) {
            (Some(before), Some(now)) => format!("{}: {before} -> {now}", change.what),
            (None, Some(now)) => format!("{}: {now}", change.what),
            (Some(before), None) => format!("{}, was {before}", change.what),
            (None, None) => change.what.to_owned(),
        });
        changed.entry(account).or_default().extend(words);
    }
    for change in &effects.code_changes {
        let words = match (change.old == KECCAK256_EMPTY, change.new == KECCAK256_EMPTY) {
            (true, _) => "code came into being",
            (false, true) => "code is gone",
            (false, false) => "code is another",
        };
        changed.entry(change.address).or_default().push(words.to_owned());
    }
    for write in &effects.writes {
        let words = format!("{}: {} -> {}", slot_of(write.slot, &parties), word_of(write.old), word_of(write.new));
        changed.entry(write.address).or_default().push(words);
    }
    let changed = changed.into_iter().filter(|(_, words)| !words.is_empty());
    changed
        .map(|(account, words)| Changed { account, label: labels.of(account).map(ToOwned::to_owned), words })
        .collect()
}

fn opinions(ground: &Ground) -> Vec<Opinion> {
    let silent = if ground.watch.is_empty() {
        "nothing is protected"
    } else if !touches(&ground.execution.effects, &ground.watch) {
        "no protected contract was touched"
    } else {
        "saw nothing"
    };
    let asks_nothing = ground.judge.needs().views.is_empty();
    let opinion = |info: &cofferdam_detect::DetectorInfo| {
        let mut said = ground.verdict.findings.iter().filter(|finding| finding.detector == info.id).peekable();
        let words = match said.peek() {
            Some(first) => first.summary.clone(),
            None if info.id == "invariant" && asks_nothing => "no invariant is configured".to_owned(),
            None => silent.to_owned(),
        };
        Opinion {
            detector: info.id.clone(),
            title: info.title.clone(),
            maturity: info.maturity,
            level: said.map(|finding| finding.level).max(),
            words,
        }
    };
    infos().into_iter().map(opinion).collect()
}
