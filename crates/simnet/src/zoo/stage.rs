//! The chain that an entry of the zoo is played on: executes at once, in order, and keeps what was played.
//!
//! No keys and no pool: senders are named, blocks are closed by hand. A step of the honest that fails is a mistake in
//! the entry and is kept as a fault; nothing here panics or goes on as if it had worked.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use cofferdam_evm::{CallRequest, Ledger, Rules, Spec};
use cofferdam_types::{
    AccountState, Asset, Block, BlockNumber, ChainId, Header, Outcome, PreAccount, PreState, Transaction, ViewResult,
};

use super::amount::whole;
use super::contracts::ZooFlawedToken;
use crate::Lane as Way;

/// EIP-155.
const CHAIN: ChainId = ChainId(31_337);
/// Seconds between blocks.
const BLOCK_SECONDS: u64 = 12;
/// Wei per gas, of every block.
const BASE_FEE: u64 = 1_000_000_000;
/// Gas of every transaction: the largest deployments and repetitions need a part of it.
const TRANSACTION_GAS: u64 = 30_000_000;
/// Gas of every block: room for whatever an entry puts into it.
const BLOCK_GAS: u64 = 1_000_000_000;
/// Ether that everybody starts with.
const PURSE: u64 = 100_000;

/// Whose side a transaction is on, and when. Ground truth: nothing that defends may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Honest use before anything happens.
    History,
    /// Honest use beside it, which has nothing to do with it.
    Bystander,
    /// Somebody honest whom the entry needs: a victim, a trader, a giver.
    Extra,
    /// What the entry is about: the attack, its preparation included, or the flow that looks like one.
    Subject,
}

/// A transaction that was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whose side it is on.
    pub part: Part,
    /// Whether it was in the public mempool before it was in its block.
    pub way: Way,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// What the entry's victims have lost after it, in smallest units of assets that are all worth the same.
    pub lost_after: U256,
}

/// A block that was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayedBlock {
    /// As a node would give it, without receipts.
    pub block: Block,
    /// One for each transaction.
    pub sent: Vec<Sent>,
}

/// What a transaction carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Send {
    /// Who sends.
    pub(super) from: Address,
    /// `None` creates a contract.
    pub(super) to: Option<Address>,
    /// Wei.
    pub(super) value: U256,
    /// Calldata or creation code.
    pub(super) data: Bytes,
}

impl Send {
    /// A call without value.
    pub(super) fn call(from: Address, to: Address, call: &impl SolCall) -> Self {
        Self { from, to: Some(to), value: U256::ZERO, data: call.abi_encode().into() }
    }

    /// A call with `value` wei.
    pub(super) fn pay(from: Address, to: Address, value: U256, call: &impl SolCall) -> Self {
        Self { value, ..Self::call(from, to, call) }
    }

    /// The creation of a contract.
    pub(super) const fn create(from: Address, code: Bytes) -> Self {
        Self { from, to: None, value: U256::ZERO, data: code }
    }
}

/// Something that can be asked for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// What an account holds.
    Balance(Address, Asset),
    /// A view that returns a number.
    View(Address, Bytes),
    /// A part of another answer, in thousandths: what is worth less, or more, than it counts.
    Worth(Box<Self>, u64),
}

impl Probe {
    /// The answer of `call` at `target`.
    pub(super) fn view(target: Address, call: &impl SolCall) -> Self {
        Self::View(target, call.abi_encode().into())
    }

    /// This, at `milli` thousandths of its number.
    pub(super) fn worth(self, milli: u64) -> Self {
        Self::Worth(Box::new(self), milli)
    }

    /// What `account` has in ether.
    pub(super) const fn ether(account: Address) -> Self {
        Self::Balance(account, Asset::Native)
    }

    /// What `account` holds of `token`.
    pub(super) const fn token(account: Address, token: Address) -> Self {
        Self::Balance(account, Asset::Erc20(token))
    }
}

/// A ledger, the block in the making, and the blocks before it.
#[derive(Clone)]
pub(super) struct Stage {
    ledger: Ledger,
    spec: Spec,
    header: Header,
    nonces: BTreeMap<Address, u64>,
    open: PlayedBlock,
    blocks: Vec<PlayedBlock>,
    /// The state before the first block that is kept, and its header.
    genesis: Option<(Header, PreState)>,
    faults: Vec<String>,
    probes: Vec<(Probe, U256)>,
}

impl Stage {
    /// An empty chain under `spec`.
    pub(super) fn new(spec: Spec) -> Self {
        let header = Header {
            number: BlockNumber(1),
            timestamp: 1_700_000_000,
            gas_limit: BLOCK_GAS,
            base_fee: Some(BASE_FEE),
            prev_randao: Some(B256::ZERO),
            excess_blob_gas: spec.is_enabled_in(Spec::CANCUN).then_some(0),
            ..Header::default()
        };
        Self {
            ledger: Ledger::new(Rules::fixed(CHAIN, spec)),
            spec,
            header,
            nonces: BTreeMap::new(),
            open: PlayedBlock { block: Block::default(), sent: Vec::new() },
            blocks: Vec::new(),
            genesis: None,
            faults: Vec::new(),
            probes: Vec::new(),
        }
    }

    /// The account called `name`, with ether.
    pub(super) fn actor(&mut self, name: &str) -> Address {
        let address = Address::from_word(keccak256(format!("cofferdam zoo actor {name}")));
        if self.ledger.account(address).is_none() {
            // Where history has begun already the account must be in the state that it began with.
            let state = AccountState { balance: whole(PURSE), ..AccountState::default() };
            self.ledger.set_account(address, state.clone());
            if let Some((_, genesis)) = &mut self.genesis {
                genesis.accounts.push(PreAccount { address, state: Some(state), slots: Vec::new() });
            }
        }
        address
    }

    /// Puts `code` at an address of its own, with `ether`: for code that no compiler makes any more.
    pub(super) fn place(&mut self, name: &str, code: Bytes, ether: u64) -> Address {
        let address = Address::from_word(keccak256(format!("cofferdam zoo code {name}")));
        self.ledger.set_account(address, AccountState { balance: whole(ether), nonce: 1, code });
        address
    }

    /// Creates a contract; it must succeed.
    pub(super) fn deploy(&mut self, from: Address, code: &Bytes, arguments: Vec<u8>) -> Address {
        let address = from.create(self.nonces.get(&from).copied().unwrap_or_default());
        self.honest(&Send::create(from, [code.as_ref(), &arguments].concat().into()));
        address
    }

    /// A call before or beside the subject; it must succeed.
    pub(super) fn call(&mut self, from: Address, to: Address, call: &impl SolCall) {
        self.honest(&Send::call(from, to, call));
    }

    /// The same with `value` wei.
    pub(super) fn pay(&mut self, from: Address, to: Address, value: U256, call: &impl SolCall) {
        self.honest(&Send::pay(from, to, value, call));
    }

    /// Any transaction of the history; it must succeed.
    pub(super) fn honest(&mut self, send: &Send) {
        self.must(send, Part::History, Way::Public);
    }

    /// A transaction that is a mistake of the entry when it fails.
    pub(super) fn must(&mut self, send: &Send, part: Part, way: Way) {
        let failed = self.send(send, part, way);
        self.faults.extend(failed);
    }

    /// Executes a transaction in the open block. Says how it failed, if it did.
    pub(super) fn send(&mut self, send: &Send, part: Part, way: Way) -> Option<String> {
        let nonce = self.nonces.entry(send.from).or_default();
        let transaction = transaction(send, *nonce);
        *nonce = nonce.saturating_add(1);
        let effects = self.ledger.execute(&self.header, &transaction);
        let succeeded = effects.outcome.succeeded();
        let lost_after = self.lost();
        self.open.block.transactions.push(transaction);
        self.open.sent.push(Sent { part, way, succeeded, lost_after });
        let what = || format!("block {}, {} to {:?}", self.header.number, send.from, send.to);
        match effects.outcome {
            Outcome::Success(_) => None,
            Outcome::Reverted(data) => {
                let text = String::from_utf8_lossy(&data).into_owned();
                let text: String = text.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').collect();
                Some(format!("{}: reverted with {data} {text}", what()))
            }
            Outcome::Halted(reason) | Outcome::Invalid(reason) => Some(format!("{}: {reason}", what())),
        }
    }

    /// Closes the open block, and opens the next one twelve seconds later.
    pub(super) fn next_block(&mut self) {
        let mut closed = std::mem::replace(&mut self.open, PlayedBlock { block: Block::default(), sent: Vec::new() });
        self.header.hash = hash_of(&self.header, &closed.block.transactions);
        closed.block.header = self.header.clone();
        self.blocks.push(closed);
        self.header.parent_hash = self.header.hash;
        self.header.number = BlockNumber(self.header.number.0.saturating_add(1));
        self.header.timestamp = self.header.timestamp.saturating_add(BLOCK_SECONDS);
    }

    /// Lets `seconds` pass: an empty block stands at their end, so that what comes next is pending on a fresh head.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.next_block();
        self.header.timestamp = self.header.timestamp.saturating_add(seconds);
        self.next_block();
    }

    /// The set-up is over: what stands on the chain now is what the guard starts from.
    pub(super) fn begin(&mut self) {
        self.next_block();
        self.blocks.clear();
        let accounts = self.ledger.accounts().map(|(address, state, slots)| {
            let state = Some(state);
            PreAccount { address, state, slots }
        });
        let accounts = accounts.collect();
        let parent = Header {
            number: BlockNumber(self.header.number.0.saturating_sub(1)),
            hash: self.header.parent_hash,
            parent_hash: B256::ZERO,
            timestamp: self.header.timestamp.saturating_sub(BLOCK_SECONDS),
            ..self.header.clone()
        };
        self.genesis = Some((parent, PreState { accounts }));
    }

    /// From now on what falls in `probes` is lost.
    pub(super) fn watch(&mut self, probes: &[Probe]) {
        self.probes = probes.iter().map(|probe| (probe.clone(), self.ask(probe))).collect();
    }

    /// What has been lost since [`Self::watch`]: what fell, less what rose.
    pub(super) fn lost(&mut self) -> U256 {
        let probes = std::mem::take(&mut self.probes);
        let (mut before, mut after) = (U256::ZERO, U256::ZERO);
        for (probe, then) in &probes {
            before = before.saturating_add(*then);
            after = after.saturating_add(self.ask(probe));
        }
        self.probes = probes;
        before.saturating_sub(after)
    }

    /// The number that `probe` says now; a view that fails says nothing is there.
    pub(super) fn ask(&mut self, probe: &Probe) -> U256 {
        let balance = |account: &Address| {
            let call = ZooFlawedToken::balanceOfCall { account: *account };
            Bytes::from(call.abi_encode())
        };
        let (target, data) = match probe {
            Probe::Balance(account, Asset::Native) => {
                return self.ledger.account(*account).map(|state| state.balance).unwrap_or_default();
            }
            Probe::Balance(account, Asset::Erc20(token) | Asset::Erc721(token, _) | Asset::Erc1155(token, _)) => {
                (*token, balance(account))
            }
            Probe::View(target, data) => (*target, data.clone()),
            Probe::Worth(of, milli) => {
                let scaled = self.ask(of).saturating_mul(U256::from(*milli));
                return scaled.checked_div(U256::from(1_000)).unwrap_or_default();
            }
        };
        let request =
            CallRequest { from: Address::ZERO, to: Some(target), value: U256::ZERO, data, gas: TRANSACTION_GAS };
        match self.ledger.call(&self.header, &request).result {
            ViewResult::Returned(bytes) => U256::from_be_slice(bytes.get(..32).unwrap_or_default()),
            ViewResult::Failed(_) => U256::ZERO,
        }
    }

    /// The address of the next contract that `from` creates.
    pub(super) fn next_creation(&self, from: Address) -> Address {
        from.create(self.nonces.get(&from).copied().unwrap_or_default())
    }

    /// The address of the next contract that the contract `maker` creates.
    pub(super) fn next_made_by(&self, maker: Address) -> Address {
        maker.create(self.ledger.account(maker).map_or(1, |state| state.nonce))
    }

    /// Everything that was played since [`Self::begin`], or what went wrong in it.
    pub(super) fn finish(mut self) -> Result<Played, Vec<String>> {
        self.next_block();
        match self.genesis {
            Some((parent, state)) if self.faults.is_empty() => {
                Ok(Played { rules: Rules::fixed(CHAIN, self.spec), parent, state, blocks: self.blocks })
            }
            Some(_) => Err(self.faults),
            None => Err(vec!["the set-up was never declared to be over".to_owned()]),
        }
    }
}

/// A chain that was played: what a guard that starts after the set-up can see of it.
#[derive(Clone, Debug)]
pub struct Played {
    /// By which transactions run.
    pub rules: Rules,
    /// The block before the first.
    pub parent: Header,
    /// All accounts after `parent`; absent ones do not exist, absent slots are zero.
    pub state: PreState,
    /// In order.
    pub blocks: Vec<PlayedBlock>,
}

fn transaction(send: &Send, nonce: u64) -> Transaction {
    let to = send.to.map_or([0; 20], |to| to.into_array());
    let parts = [send.from.as_slice(), &nonce.to_be_bytes(), &to, send.value.as_le_slice(), &send.data];
    Transaction {
        hash: keccak256(parts.concat()),
        kind: 2,
        from: send.from,
        to: send.to,
        nonce,
        gas_limit: TRANSACTION_GAS,
        max_fee_per_gas: u128::from(BASE_FEE).saturating_mul(2),
        max_priority_fee_per_gas: Some(1),
        value: send.value,
        input: send.data.clone(),
        chain_id: Some(CHAIN.0),
        ..Transaction::default()
    }
}

fn hash_of(header: &Header, transactions: &[Transaction]) -> B256 {
    let mut preimage = header.parent_hash.to_vec();
    preimage.extend_from_slice(&header.number.0.to_be_bytes());
    preimage.extend_from_slice(&header.timestamp.to_be_bytes());
    preimage.extend(transactions.iter().flat_map(|transaction| transaction.hash));
    keccak256(&preimage)
}
