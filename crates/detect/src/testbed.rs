//! Executions written by hand, for tests and for the cases of the catalogue: a call tree, what it moved and what
//! balances were looked at become the same [`Execution`] that the EVM room makes. Never part of a build.
//!
//! Text that starts with `@` is a name and stands for an address of its own (`@nft#4` for item 4 of it); what is
//! found is told with the same names. Every transaction is mined in a block of its own, judged, and then recorded.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_used, reason = "a bench for tests")]

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, U256, keccak256};
use cofferdam_types::{
    AssertionOutcome, Asset, BalanceCheck, Basis, BlockNumber, Call, CallKind, CallStatus, ChainId, CodeChange,
    Effects, EmittedLog, Execution, Fact, Finding, Harm, Header, Judge as _, Level, Missing, Module, ModuleId,
    Movement, MovementProof, Outcome, Selector, Severity, Standing, StorageWrite, Transaction, ViewResult, Watchlist,
    Window,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Detection, Settings,
    behaviour::Learner,
    catalog::{hostile_contract::draft::NewbornDraft, queued_operation::draft::QueuedDraft},
};

/// The time of the first block is this, plus what the first transaction waits for.
const EPOCH_SECONDS: u64 = 1_700_000_000;

/// A watchlist, settings, and transactions in their order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// One sentence for people.
    #[serde(default)]
    pub(crate) about: String,
    modules: Vec<ModuleDraft>,
    #[serde(default)]
    pub(crate) settings: Settings,
    /// So many of the first transactions are learnt from beforehand.
    #[serde(default)]
    learnt_from: usize,
    transactions: Vec<TransactionDraft>,
    #[serde(skip)]
    names: BTreeMap<String, Address>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModuleDraft {
    id: ModuleId,
    contracts: Vec<Address>,
    /// What people say that it holds.
    #[serde(default)]
    assets: Vec<AssetText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransactionDraft {
    from: Address,
    /// Seconds of block time since the transaction before.
    #[serde(default = "a_block")]
    after_seconds: u64,
    #[serde(default = "executed")]
    basis: Basis,
    call: CallDraft,
    /// Asset, from, to, amount: token movements. Those of the native coin follow from the calls.
    #[serde(default)]
    moves: Vec<(AssetText, Address, Address, U256)>,
    /// Account, asset, before, after.
    #[serde(default)]
    checks: Vec<(Address, AssetText, Option<U256>, Option<U256>)>,
    /// Contract, slot, old, new.
    #[serde(default)]
    writes: Vec<(Address, U256, U256, U256)>,
    /// Accounts whose code is gone.
    #[serde(default)]
    destroyed: Vec<Address>,
    /// Accounts that events name by two and that had code.
    #[serde(default)]
    contracts: Vec<Address>,
    /// Before and after of each configured view, in order; `null` where the call failed.
    #[serde(default)]
    facts: Vec<(Option<U256>, Option<U256>)>,
    /// What Solidity assertions said.
    #[serde(default)]
    assertions: Vec<AssertionOutcome>,
    /// Slots that nobody could tell.
    #[serde(default)]
    missing: Vec<(Address, U256)>,
    /// A contract that it creates, as it was looked at.
    #[serde(default)]
    newborn: Option<NewbornDraft>,
    /// An operation that it announces, as it was carried out on a fork.
    #[serde(default)]
    queued: Option<QueuedDraft>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallDraft {
    #[serde(default = "plain_call")]
    kind: CallKind,
    /// The callee; for a delegate call the account whose code runs.
    to: Address,
    /// Signature; absent for a plain payment.
    function: Option<String>,
    #[serde(default)]
    arguments: Vec<U256>,
    #[serde(default)]
    value: U256,
    #[serde(default)]
    failed: bool,
    /// What tells the code of a created contract from others; all are alike by default.
    code: Option<u8>,
    /// Its shape.
    shape: Option<u8>,
    /// What a static call answers, a word each.
    #[serde(default)]
    returns: Vec<U256>,
    #[serde(default)]
    logs: Vec<LogDraft>,
    #[serde(default)]
    calls: Vec<Self>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogDraft {
    event: String,
    /// The indexed parameters.
    #[serde(default)]
    topics: Vec<U256>,
    /// The others, a word each.
    #[serde(default)]
    data: Vec<U256>,
}

/// `native`, the address of an ERC-20 token, or `address#id` for an item.
#[derive(Debug, Deserialize)]
struct AssetText(String);

const fn a_block() -> u64 {
    12
}

const fn executed() -> Basis {
    Basis::Executed
}

const fn plain_call() -> CallKind {
    CallKind::Call
}

impl AssetText {
    fn asset(&self) -> Asset {
        match self.0.split_once('#') {
            Some((token, id)) => Asset::Erc721(token.parse().unwrap(), id.parse().unwrap()),
            None if self.0 == "native" => Asset::Native,
            None => Asset::Erc20(self.0.parse().unwrap()),
        }
    }
}

/// The address that `name` stands for.
pub(crate) fn account(name: &str) -> Address {
    Address::from_word(keccak256(name))
}

fn resolve(value: &mut Value, names: &mut BTreeMap<String, Address>) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix('@') {
                let (name, item) = name.split_once('#').map_or((name, None), |(name, item)| (name, Some(item)));
                names.insert(name.to_owned(), account(name));
                *text = format!("{:#x}{}", account(name), item.map(|item| format!("#{item}")).unwrap_or_default());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| resolve(value, names)),
        Value::Object(fields) => fields.values_mut().for_each(|value| resolve(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What one finding says, without what is derived from it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    /// Which transaction of the case, from 0.
    pub(crate) transaction: usize,
    pub(crate) detector: String,
    pub(crate) module: ModuleId,
    pub(crate) level: Level,
    pub(crate) severity: Severity,
    pub(crate) summary: String,
    pub(crate) harm: Vec<Harm>,
}

impl Case {
    /// Reads a case; a mistake in it fails the test.
    pub(crate) fn read(mut text: Value) -> Self {
        let mut names = BTreeMap::new();
        resolve(&mut text, &mut names);
        let mut case: Self = serde_json::from_value(text).unwrap_or_else(|error| panic!("malformed case: {error}"));
        case.names = names;
        case
    }

    /// The modules of the case.
    pub(crate) fn watch(&self) -> Arc<Watchlist> {
        let module = |draft: &ModuleDraft| Module {
            id: draft.id.clone(),
            contracts: draft.contracts.clone(),
            assets: draft.assets.iter().map(AssetText::asset).collect(),
        };
        Arc::new(Watchlist::new(self.modules.iter().map(module).collect()))
    }

    /// A judge with nothing recorded, held against what the case is learnt from.
    pub(crate) fn detection(&self) -> Detection {
        let mut settings = self.settings.clone();
        if self.learnt_from > 0 {
            let mut learner = Learner::new(self.watch(), &self.settings, ChainId(1)).unwrap();
            for execution in self.executions().iter().take(self.learnt_from) {
                learner.take(execution);
            }
            settings.learnt = Some(Arc::new(learner.finish()));
        }
        Detection::new(self.watch(), &settings).unwrap_or_else(|error| panic!("settings of a case: {error}"))
    }

    /// The transactions as they were executed.
    pub(crate) fn executions(&self) -> Vec<Execution> {
        let mut now = EPOCH_SECONDS;
        let execution = |(number, draft): (u64, &TransactionDraft)| {
            now += draft.after_seconds;
            draft.execution(number, now)
        };
        (1..).zip(&self.transactions).map(execution).collect()
    }

    /// What is found in each transaction, all before it recorded.
    pub(crate) fn findings(&self) -> Vec<Vec<Finding>> {
        let mut detection = self.detection();
        let judged = self.executions().into_iter().zip(&self.transactions).map(|(execution, draft)| {
            let mut findings = detection.judge(&execution).findings;
            let newborn = draft.newborn.as_ref().map(|draft| draft.newborn(&execution));
            findings.extend(newborn.into_iter().flat_map(|newborn| detection.judge_newborn(&newborn).findings));
            detection.record(&execution);
            let queued = draft.queued.as_ref().map(|draft| draft.rehearsal(&execution));
            findings.extend(queued.into_iter().flat_map(|queued| detection.judge_queued(&queued).findings));
            findings
        });
        judged.collect()
    }

    /// [`Self::findings`] for a file: only what was decided, with names for addresses.
    pub(crate) fn told(&self) -> String {
        let told = |(transaction, findings): (usize, Vec<Finding>)| {
            findings.into_iter().map(move |finding| Told {
                transaction,
                detector: finding.detector.into_owned(),
                module: finding.module,
                level: finding.level,
                severity: finding.severity,
                summary: finding.summary,
                harm: finding.harm,
            })
        };
        let told: Vec<Told> = self.findings().into_iter().enumerate().flat_map(told).collect();
        let mut text = serde_json::to_string_pretty(&told).unwrap();
        for (name, address) in &self.names {
            text = text.replace(&address.to_string(), &format!("@{name}"));
            text = text.replace(&format!("{address:#x}"), &format!("@{name}"));
        }
        text.push('\n');
        text
    }
}

/// What the last transaction of a case brings.
pub(crate) fn last(case: Value) -> Vec<Finding> {
    Case::read(case).findings().pop().unwrap_or_default()
}

/// The level of what `detector` says about the last transaction of a case; its strongest finding.
pub(crate) fn level(detector: &str, case: Value) -> Option<Level> {
    last(case).iter().filter(|finding| finding.detector == detector).map(|finding| finding.level).max()
}

impl TransactionDraft {
    pub(crate) fn execution(&self, number: u64, timestamp: u64) -> Execution {
        let creates = matches!(self.call.kind, CallKind::Create | CallKind::Create2);
        let transaction = Transaction {
            hash: B256::from(U256::from(number)),
            from: self.from,
            to: (!creates).then_some(self.call.to),
            value: self.call.value,
            ..Transaction::default()
        };
        let block = Header {
            number: BlockNumber(number),
            hash: B256::from(U256::from(number)),
            timestamp,
            ..Header::default()
        };
        let outcome = if self.call.failed { Outcome::Reverted(Bytes::new()) } else { Outcome::Success(Bytes::new()) };
        let mut effects = Effects::nothing(outcome);
        self.call.open(&mut effects, None, self.from, true);
        let moved = |(asset, from, to, amount): &(AssetText, Address, Address, U256)| Movement {
            asset: asset.asset(),
            from: *from,
            to: *to,
            amount: *amount,
            proof: MovementProof::Claimed,
        };
        effects.movements.extend(self.moves.iter().map(moved));
        let check = |(account, asset, before, after): &(Address, AssetText, Option<U256>, Option<U256>)| BalanceCheck {
            account: *account,
            asset: asset.asset(),
            before: *before,
            after: *after,
        };
        effects.checks = self.checks.iter().map(check).collect();
        let write = |(address, slot, old, new): &(Address, U256, U256, U256)| StorageWrite {
            address: *address,
            slot: *slot,
            old: *old,
            new: *new,
        };
        effects.writes = self.writes.iter().map(write).collect();
        effects.contracts = self.contracts.clone();
        effects.code_changes.extend(self.destroyed.iter().map(|address| CodeChange {
            address: *address,
            old: B256::repeat_byte(1),
            new: KECCAK256_EMPTY,
            creator: None,
            shape: None,
        }));
        let answer = |word: &Option<U256>| match word {
            Some(word) => ViewResult::Returned(word.to_be_bytes::<32>().into()),
            None => ViewResult::Failed("reverted".to_owned()),
        };
        let fact = |(view, (before, after)): (usize, &(Option<U256>, Option<U256>))| Fact {
            view,
            before: answer(before),
            after: answer(after),
        };
        let missing = self.missing.iter().map(|(address, slot)| Missing::Slot(*address, *slot)).collect();
        Execution {
            transaction: Arc::new(transaction),
            window: Window::Mined,
            index: Some(0),
            effects,
            facts: self.facts.iter().enumerate().map(fact).collect(),
            assertions: self.assertions.clone(),
            standing: Standing { head: block.block_ref(), basis: self.basis, missing, left_out: 0 },
            block: Arc::new(block),
        }
    }
}

impl CallDraft {
    /// Adds this frame and all below it.
    fn open(&self, effects: &mut Effects, parent: Option<u32>, caller: Address, effective: bool) {
        let index = u32::try_from(effects.calls.len()).unwrap();
        let depth = parent.map_or(0, |parent| effects.calls[parent as usize].depth + 1);
        let delegated = self.kind == CallKind::DelegateCall;
        let callee = if delegated { caller } else { self.to };
        let start = u32::try_from(effects.calldata.len()).unwrap();
        let selector = self.function.as_ref().map(|function| Selector::from_slice(&keccak256(function)[..4]));
        effects.calldata.extend(selector.iter().flat_map(|selector| selector.0));
        effects.calldata.extend(self.arguments.iter().flat_map(U256::to_be_bytes::<32>));
        let length = u32::try_from(effects.calldata.len()).unwrap() - start;
        let effective = effective && !self.failed;
        let mut call =
            Call::new(parent, depth, self.kind, caller, callee, self.to, selector, self.value, (start, length));
        let start = u32::try_from(effects.returned.len()).unwrap();
        effects.returned.extend(self.returns.iter().flat_map(U256::to_be_bytes::<32>));
        call.set_output((start, u32::try_from(effects.returned.len()).unwrap() - start));
        call.effective = effective;
        call.status = if self.failed { CallStatus::Reverted } else { CallStatus::Succeeded };
        effects.calls.push(call);
        if effective {
            if !self.value.is_zero() && !delegated {
                effects.movements.push(Movement {
                    asset: Asset::Native,
                    from: caller,
                    to: callee,
                    amount: self.value,
                    proof: MovementProof::Native,
                });
            }
            if matches!(self.kind, CallKind::Create | CallKind::Create2) {
                effects.code_changes.push(CodeChange {
                    address: callee,
                    old: KECCAK256_EMPTY,
                    new: B256::repeat_byte(self.code.unwrap_or(1)),
                    creator: Some(caller),
                    shape: self.shape.map(B256::repeat_byte),
                });
            }
            for draft in &self.logs {
                let topics = draft.topics.iter().map(|topic| B256::from(*topic));
                let topics = [keccak256(&draft.event)].into_iter().chain(topics).collect();
                let data: Vec<u8> = draft.data.iter().flat_map(U256::to_be_bytes::<32>).collect();
                let log = Log::new_unchecked(callee, topics, data.into());
                effects.logs.push(EmittedLog { call: Some(index), log });
            }
        }
        for inner in &self.calls {
            inner.open(effects, Some(index), callee, effective);
        }
    }
}
