//! State of a node as a [`StateSource`]: what execution wants to read and is not in memory.
//!
//! In one call where the node can trace, from the keys of an access list where it cannot, else one by one. It must
//! never answer for another block than the one named, nor fetch the same thing twice for one block.

mod cache;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{
    AccessListItem, AccountState, Block, BlockNumber, BlockRef, Known, PreState, StateError, StateSource, Transaction,
};
use serde_json::{Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};

use self::cache::Cache;
use crate::endpoint::{Ability, Endpoint};
use crate::error::RequestError;
use crate::fetch;
use crate::node::{At, Node};
use crate::wire;

/// How state has been obtained so far: questions answered each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Whole transactions or blocks, by a prestate trace.
    pub traced: u64,
    /// Whole transactions or blocks, by the keys of an access list.
    pub listed: u64,
    /// Some accounts with some of their slots, in one batch.
    pub keys: u64,
    /// Single accounts and slots.
    pub single: u64,
}

/// A node's state, for blocking callers.
///
/// Calls wait for the node: from a task they need a multi-threaded runtime; other threads may always call.
#[derive(Clone)]
pub struct NodeState {
    node: Node,
    runtime: Handle,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    cache: Cache,
    ways: Ways,
}

impl NodeState {
    /// State of `node`, fetched on `runtime`.
    pub fn new(node: Node, runtime: Handle) -> Self {
        Self { node, runtime, shared: Arc::default() }
    }

    /// How state has been obtained so far.
    pub fn ways(&self) -> Ways {
        self.shared().ways
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<T>(&self, at: BlockNumber, work: impl Future<Output = Result<T, RequestError>>) -> Result<T, StateError> {
        let unavailable = |reason: String| StateError::Unavailable { at, reason };
        let done = match Handle::try_current() {
            Err(_) => self.runtime.block_on(work),
            Ok(current) if current.runtime_flavor() == RuntimeFlavor::MultiThread => {
                tokio::task::block_in_place(|| self.runtime.block_on(work))
            }
            Ok(_) => return Err(unavailable("the runtime has one thread, which would wait for itself".to_owned())),
        };
        done.map_err(|error| unavailable(error.to_string()))
    }

    fn took(&self, way: &'static str, count: impl FnOnce(&mut Ways) -> &mut u64) {
        metrics::counter!("cofferdam_state_fetches_total", "way" => way).increment(1);
        let mut shared = self.shared();
        let counter = count(&mut shared.ways);
        *counter = counter.saturating_add(1);
    }

    fn keep(&self, at: BlockRef, hash: B256, fetched: Option<PreState>) -> PreState {
        let Some(fetched) = fetched else { return PreState::default() };
        self.shared().cache.absorb(at, hash, &fetched);
        fetched
    }

    /// One account and some slots after block `at`, in one batch.
    async fn fetch_keys(&self, keys: Vec<AccessListItem>, at: BlockRef) -> Result<PreState, RequestError> {
        let keys = Arc::new(keys);
        let asked = self.node.attempt(move |endpoint| {
            let keys = Arc::clone(&keys);
            async move { keys_of(&endpoint, &keys, at).await }
        });
        Ok(asked.await?.value)
    }

    /// By trace, else by access list; `None` where no endpoint can do either.
    async fn in_bulk(&self, wanted: Bulk, at: BlockRef) -> Result<Option<PreState>, RequestError> {
        let wanted = Arc::new(wanted);
        let tracing = Arc::clone(&wanted);
        let traced = self.node.attempt(move |endpoint| {
            let wanted = Arc::clone(&tracing);
            async move { trace(&endpoint, &wanted, at).await }
        });
        match traced.await {
            Ok(answered) => {
                self.took("trace", |ways| &mut ways.traced);
                return Ok(Some(answered.value));
            }
            // A transaction that the node refuses to run, or a node that cannot trace: there are other ways.
            Err(error) => tracing::debug!(%error, "no prestate trace"),
        }
        let listed = self.node.attempt(move |endpoint| {
            let wanted = Arc::clone(&wanted);
            async move {
                let keys = list(&endpoint, &wanted, at).await?;
                keys_of(&endpoint, &keys, at).await
            }
        });
        match listed.await {
            Ok(answered) => {
                self.took("access_list", |ways| &mut ways.listed);
                Ok(Some(answered.value))
            }
            Err(error) => {
                tracing::debug!(%error, "no access list");
                Ok(None)
            }
        }
    }
}

impl StateSource for NodeState {
    fn account(&self, address: Address, at: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        if let Some(known) = self.shared().cache.account(at, address) {
            return Ok(Known::Value(known));
        }
        let key = AccessListItem { address, slots: Vec::new() };
        let fetched = self.wait(at.number, self.fetch_keys(vec![key], at))?;
        self.took("single", |ways| &mut ways.single);
        let mut shared = self.shared();
        shared.cache.absorb(at, B256::ZERO, &fetched);
        Ok(Known::Value(shared.cache.account(at, address).flatten()))
    }

    fn slot(&self, address: Address, slot: U256, at: BlockRef) -> Result<Known<U256>, StateError> {
        if let Some(known) = self.shared().cache.slot(at, address, slot) {
            return Ok(Known::Value(known));
        }
        let work = self.node.attempt(move |endpoint| async move {
            let leading = vec![json!(address), json!(slot)];
            fetch::at_state(&endpoint, SLOT, leading, At::Block(at), wire::hex::<U256>).await
        });
        let value = self.wait(at.number, work)?.value;
        self.took("single", |ways| &mut ways.single);
        self.shared().cache.put_slot(at, address, slot, value);
        Ok(Known::Value(value))
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Known<B256>, StateError> {
        // Not cached: a number names another block after a reorg.
        let header = self.wait(number, self.node.header(number))?;
        let absent = || StateError::Unavailable { at: number, reason: "no endpoint has the block".to_owned() };
        header.map(|header| Known::Value(header.hash)).ok_or_else(absent)
    }

    fn prestate(&self, transaction: &Transaction, at: BlockRef) -> Result<PreState, StateError> {
        if self.shared().cache.has(at, transaction.hash) {
            // What it reads is in the cache: single questions cost nothing.
            return Ok(PreState::default());
        }
        let bulk = Bulk::Transaction(Box::new(transaction.clone()));
        let fetched = self.wait(at.number, self.in_bulk(bulk, at))?;
        Ok(self.keep(at, transaction.hash, fetched))
    }

    fn keys(&self, keys: &[AccessListItem], at: BlockRef) -> Result<PreState, StateError> {
        let fetched = self.wait(at.number, self.fetch_keys(keys.to_vec(), at))?;
        self.took("keys", |ways| &mut ways.keys);
        Ok(fetched)
    }

    fn block_prestate(&self, block: &Block) -> Result<PreState, StateError> {
        let Some(parent) = block.header.parent_ref() else { return Ok(PreState::default()) };
        if block.transactions.is_empty() || self.shared().cache.has(parent, block.header.hash) {
            return Ok(PreState::default());
        }
        let bulk = Bulk::Block { hash: block.header.hash, transactions: block.transactions.clone() };
        let fetched = self.wait(block.header.number, self.in_bulk(bulk, parent))?;
        Ok(self.keep(parent, block.header.hash, fetched))
    }
}

const SLOT: &str = "eth_getStorageAt";
const BALANCE: &str = "eth_getBalance";
const NONCE: &str = "eth_getTransactionCount";
const CODE: &str = "eth_getCode";

/// What is wanted with all that it reads.
enum Bulk {
    Transaction(Box<Transaction>),
    Block { hash: B256, transactions: Vec<Transaction> },
}

/// The transaction as a call. Fees are left out: the node would refuse what the sender cannot pay, and they decide
/// next to nothing about which state is read.
fn call_object(transaction: &Transaction) -> Value {
    let mut call = json!({
        "from": transaction.from,
        "nonce": fetch::quantity(transaction.nonce),
        "gas": fetch::quantity(transaction.gas_limit),
        "value": transaction.value,
        "input": fetch::hex_of(&transaction.input),
        "data": fetch::hex_of(&transaction.input),
    });
    if let Some(to) = transaction.to {
        call["to"] = json!(to);
    }
    if !transaction.access_list.is_empty() {
        let item = |item: &AccessListItem| json!({ "address": item.address, "storageKeys": item.slots });
        call["accessList"] = transaction.access_list.iter().map(item).collect();
    }
    call
}

async fn trace(endpoint: &Endpoint, wanted: &Bulk, at: BlockRef) -> Result<PreState, RequestError> {
    match wanted {
        Bulk::Transaction(transaction) => trace_call(endpoint, transaction, at).await,
        Bulk::Block { hash, transactions } => block_prestate(endpoint, *hash, transactions).await,
    }
}

async fn trace_call(endpoint: &Endpoint, transaction: &Transaction, at: BlockRef) -> Result<PreState, RequestError> {
    const METHOD: &str = "debug_traceCall";
    let lacking = &endpoint.abilities().trace_call;
    if lacking.is_lacking() {
        return Err(RequestError::Unsupported { endpoint: endpoint.shared_name(), method: METHOD });
    }
    let leading = vec![call_object(transaction)];
    let trailing = vec![json!({ "tracer": "prestateTracer" })];
    let traced = fetch::at_state_with(endpoint, METHOD, leading, At::Block(at), trailing, wire::prestate).await;
    traced.map_err(|error| without_the_ability(error, lacking))
}

/// Remembers that the node lacks the method; any other refusal is about the transaction.
fn without_the_ability(error: RequestError, lacking: &Ability) -> RequestError {
    if error.is_unsupported() {
        lacking.set_lacking();
    }
    error.declined()
}

/// What the transactions of a block read, as it was before the block: each trace shows the state before its own
/// transaction, so for each account and slot the first one counts.
pub(crate) async fn block_prestate(
    endpoint: &Endpoint,
    hash: B256,
    transactions: &[Transaction],
) -> Result<PreState, RequestError> {
    const METHOD: &str = "debug_traceBlockByHash";
    let lacking = &endpoint.abilities().trace_block;
    if lacking.is_lacking() {
        return Err(RequestError::Unsupported { endpoint: endpoint.shared_name(), method: METHOD });
    }
    let asked = endpoint.ask(METHOD, json!([hash, { "tracer": "prestateTracer" }])).await;
    let text = asked.map_err(|error| without_the_ability(error, lacking))?;
    let traces = endpoint.read(METHOD, &text, wire::block_prestates)?;
    let traces = traces.ok_or_else(|| endpoint.missing(METHOD, format!("a trace of block {hash}")))?;
    if traces.len() != transactions.len() {
        let (seen, expected) = (traces.len(), transactions.len());
        return Err(endpoint.malformed(METHOD, &format!("{seen} traces, expected {expected}, one a transaction")));
    }
    let mut merged = Merged::default();
    for ((traced, prestate), transaction) in traces.into_iter().zip(transactions) {
        if let Some(other) = traced.filter(|traced| *traced != transaction.hash) {
            let expected = transaction.hash;
            return Err(endpoint.malformed(METHOD, &format!("`txHash`: {other}, expected {expected}")));
        }
        merged.add(prestate);
    }
    Ok(merged.finish())
}

async fn list(endpoint: &Endpoint, wanted: &Bulk, at: BlockRef) -> Result<Vec<AccessListItem>, RequestError> {
    const METHOD: &str = "eth_createAccessList";
    let lacking = &endpoint.abilities().access_list;
    if lacking.is_lacking() {
        return Err(RequestError::Unsupported { endpoint: endpoint.shared_name(), method: METHOD });
    }
    let transactions: &[Transaction] = match wanted {
        Bulk::Transaction(transaction) => std::slice::from_ref(transaction),
        Bulk::Block { transactions, .. } => transactions,
    };
    let block = fetch::state_of(endpoint, At::Block(at));
    let questions = transactions.iter().map(|one| (METHOD, json!([call_object(one), block])));
    let answers = endpoint.ask_all(questions.collect()).await?;
    let mut keys: BTreeMap<Address, Vec<B256>> = BTreeMap::new();
    for (transaction, answer) in transactions.iter().zip(answers) {
        keys.entry(transaction.from).or_default();
        transaction.to.map(|to| keys.entry(to).or_default());
        match answer {
            Ok(text) => {
                for item in endpoint.read(METHOD, &text, wire::access_list)? {
                    keys.entry(item.address).or_default().extend(item.slots);
                }
            }
            Err(error) if error.is_unsupported() || error.is_bad_params() => {
                lacking.set_lacking();
                return Err(error.declined());
            }
            // One transaction that the node will not run says nothing about the others.
            Err(error) => tracing::debug!(%error, "no access list for one transaction"),
        }
    }
    let item = |(address, mut slots): (Address, Vec<B256>)| {
        slots.sort_unstable();
        slots.dedup();
        AccessListItem { address, slots }
    };
    Ok(keys.into_iter().map(item).collect())
}

/// Accounts and slots after block `at`, by ordinary questions in one batch.
pub(crate) async fn keys_of(
    endpoint: &Endpoint,
    keys: &[AccessListItem],
    at: BlockRef,
) -> Result<PreState, RequestError> {
    match keys_at(endpoint, keys, at).await {
        Err(error) if error.is_bad_params() && !endpoint.abilities().state_by_hash.is_lacking() => {
            endpoint.abilities().state_by_hash.set_lacking();
            keys_at(endpoint, keys, at).await
        }
        other => other,
    }
}

async fn keys_at(endpoint: &Endpoint, keys: &[AccessListItem], at: BlockRef) -> Result<PreState, RequestError> {
    let by_number = endpoint.abilities().state_by_hash.is_lacking();
    let block = fetch::state_of(endpoint, At::Block(at));
    let mut questions = Vec::new();
    for key in keys {
        questions.extend([BALANCE, NONCE, CODE].map(|method| (method, json!([key.address, block]))));
        let slots = key.slots.iter().map(|slot| (SLOT, json!([key.address, U256::from_be_bytes(slot.0), block])));
        questions.extend(slots);
    }
    let mut answers = endpoint.ask_all(questions).await?.into_iter();
    if by_number {
        fetch::still_canonical(endpoint, at).await?;
    }
    let mut next =
        || answers.next().unwrap_or_else(|| Err(endpoint.malformed(BALANCE, "fewer answers than questions")));
    let mut merged = PreState::default();
    for key in keys {
        let state = AccountState {
            balance: endpoint.read(BALANCE, &next()?, wire::hex::<U256>)?,
            nonce: endpoint.read(NONCE, &next()?, wire::hex::<u64>)?,
            code: wire::code_of(endpoint.read(CODE, &next()?, wire::hex::<Bytes>)?),
        };
        let mut slots = Vec::with_capacity(key.slots.len());
        for slot in &key.slots {
            slots.push((U256::from_be_bytes(slot.0), endpoint.read(SLOT, &next()?, wire::hex::<U256>)?));
        }
        let state = wire::exists(state);
        merged.accounts.push(cofferdam_types::PreAccount { address: key.address, state, slots });
    }
    Ok(merged)
}

/// Prestates laid over each other, the first value of everything winning.
#[derive(Default)]
pub(crate) struct Merged {
    accounts: BTreeMap<Address, (Option<AccountState>, BTreeMap<U256, U256>)>,
}

impl Merged {
    pub(crate) fn add(&mut self, prestate: PreState) {
        for account in prestate.accounts {
            let (_, slots) = self.accounts.entry(account.address).or_insert_with(|| (account.state, BTreeMap::new()));
            for (slot, value) in account.slots {
                slots.entry(slot).or_insert(value);
            }
        }
    }

    pub(crate) fn finish(self) -> PreState {
        let account = |(address, (state, slots)): (Address, (Option<AccountState>, BTreeMap<U256, U256>))| {
            cofferdam_types::PreAccount { address, state, slots: slots.into_iter().collect() }
        };
        PreState { accounts: self.accounts.into_iter().map(account).collect() }
    }
}
