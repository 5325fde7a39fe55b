//! A chain with the contracts of `contracts/src/assertion` on it, and an engine that guards the vault.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use cofferdam_evm::{Artifact, AssertionSource, Assertions, Engine, Ledger, Rules, Spec};
use cofferdam_types::{
    AccountState, AssertionOutcome, AssertionResult, Block, BlockNumber, BlockRef, ChainId, Execution, Header, Known,
    Module, ModuleId, Outcome, PreState, StateError, StateSource, Transaction, Watchlist,
};

pub(crate) const RULES: Rules = Rules::fixed(ChainId(31_337), Spec::CANCUN);
pub(crate) const USER: Address = Address::with_last_byte(0xee);
/// What the hungry ones get: as much as the vendor's documentation names.
pub(crate) const LITTLE_GAS: u64 = 300_000;

/// The text of a committed artifact.
pub(crate) fn text(contract: &str) -> Vec<u8> {
    let path = format!("{}/../../contracts/artifacts/{contract}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn artifact(contract: &str, arguments: &[String]) -> Artifact {
    Artifact::new(contract, &text(contract), arguments).unwrap()
}

fn creation(contract: &str, arguments: &[Address]) -> Bytes {
    let file: serde_json::Value = serde_json::from_slice(&text(contract)).unwrap();
    let mut code = hex::decode(file["bytecode"].as_str().unwrap()).unwrap();
    arguments.iter().for_each(|argument| code.extend(argument.into_word()));
    code.into()
}

/// A call with words as its arguments.
pub(crate) fn call(function: &str, arguments: &[U256]) -> Bytes {
    let mut data = keccak256(function)[..4].to_vec();
    arguments.iter().for_each(|argument| data.extend(argument.to_be_bytes::<32>()));
    data.into()
}

pub(crate) fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

pub(crate) fn header(number: u64) -> Header {
    Header {
        number: BlockNumber(number),
        hash: B256::from(U256::from(number)),
        parent_hash: B256::from(U256::from(number - 1)),
        timestamp: 1_700_000_000 + number * 12,
        gas_limit: 60_000_000,
        base_fee: Some(7),
        prev_randao: Some(B256::ZERO),
        ..Header::default()
    }
}

/// The contracts, deployed.
pub(crate) struct Bed {
    pub(crate) ledger: Ledger,
    pub(crate) token: Address,
    pub(crate) library: Address,
    pub(crate) vault: Address,
    pub(crate) driver: Address,
    nonce: u64,
}

impl Bed {
    /// `token_contract` is what the vault takes for its token.
    pub(crate) fn new(token_contract: &str) -> Self {
        let mut ledger = Ledger::new(RULES);
        let balance = U256::from(10).pow(U256::from(20));
        ledger.set_account(USER, AccountState { balance, ..AccountState::default() });
        let zero = Address::ZERO;
        let mut bed = Self { ledger, token: zero, library: zero, vault: zero, driver: zero, nonce: 0 };
        bed.token = bed.create(token_contract, &[]);
        bed.library = bed.create("AssertedLibrary", &[]);
        bed.vault = bed.create("AssertedVault", &[bed.token, bed.library]);
        bed.driver = bed.create("AssertedDriver", &[bed.vault]);
        if token_contract == "AssertedToken" {
            for (to, amount) in [(bed.vault, 1_000_u64), (bed.driver, 1_000_000), (USER, 1_000_000)] {
                bed.send(Some(bed.token), call("mint(address,uint256)", &[word(to), U256::from(amount)]), 0);
            }
        }
        bed.ledger.set_slot(bed.vault, U256::ZERO, U256::from(1_000));
        bed
    }

    fn create(&mut self, contract: &str, arguments: &[Address]) -> Address {
        let at = USER.create(self.nonce);
        self.send(None, creation(contract, arguments), 0);
        assert!(self.ledger.account(at).is_some_and(|account| !account.code.is_empty()), "{contract}");
        at
    }

    fn send(&mut self, to: Option<Address>, input: Bytes, value: u64) {
        let transaction = self.transaction(to, input, value);
        let transaction = Transaction { gas_limit: 10_000_000, ..transaction };
        let effects = self.ledger.execute(&header(1), &transaction);
        assert!(effects.outcome.succeeded(), "{:?}", effects.outcome);
    }

    /// The next transaction of the user; nothing is executed yet.
    pub(crate) fn transaction(&mut self, to: Option<Address>, input: Bytes, value: u64) -> Transaction {
        let nonce = self.nonce;
        self.nonce += 1;
        Transaction {
            hash: B256::from(U256::from(nonce + 1)),
            from: USER,
            to,
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: 10,
            value: U256::from(value),
            input,
            chain_id: Some(31_337),
            ..Transaction::default()
        }
    }

    /// What `AssertedDriver.run` does, as every assertion of the tests expects it.
    pub(crate) fn run(&mut self) -> Transaction {
        self.transaction(Some(self.driver), call("run()", &[]), 5)
    }

    pub(crate) fn source(&self, contract: &str, arguments: &[Address]) -> AssertionSource {
        self.source_with_gas(contract, arguments, cofferdam_evm::DEFAULT_GAS)
    }

    pub(crate) fn source_with_gas(&self, contract: &str, arguments: &[Address], gas: u64) -> AssertionSource {
        let arguments: Vec<String> = arguments.iter().map(Address::to_string).collect();
        let artifact = artifact(contract, &arguments);
        AssertionSource { module: module(), adopter: self.vault, artifact, gas, level: None }
    }

    /// An engine at block 1 that runs these assertions for the vault.
    pub(crate) fn engine(&self, sources: Vec<AssertionSource>) -> Engine {
        let node = Arc::new(Node { accounts: self.ledger.accounts().collect(), unknown: None });
        self.engine_on(node, sources)
    }

    /// The same on a node that does not know one slot of the vault.
    pub(crate) fn engine_without(&self, slot: U256, sources: Vec<AssertionSource>) -> Engine {
        let node = Arc::new(Node { accounts: self.ledger.accounts().collect(), unknown: Some((self.vault, slot)) });
        self.engine_on(node, sources)
    }

    fn engine_on(&self, node: Arc<Node>, sources: Vec<AssertionSource>) -> Engine {
        let watch = Watchlist::new(vec![Module { id: module(), contracts: vec![self.vault], assets: Vec::new() }]);
        let mut engine = Engine::new(RULES, node, Arc::new(watch));
        engine.set_assertions(Assertions::deploy(RULES, sources).unwrap());
        engine.reset(header(1));
        engine
    }
}

pub(crate) fn module() -> ModuleId {
    ModuleId::new("vault").unwrap()
}

/// Executes a block of these transactions; all must succeed.
pub(crate) fn mine(engine: &mut Engine, number: u64, transactions: Vec<Transaction>) -> Vec<Execution> {
    let block = Block { header: header(number), transactions, ..Block::default() };
    let executions = engine.advance(&block).unwrap().executions;
    for execution in &executions {
        assert!(matches!(execution.effects.outcome, Outcome::Success(_)), "{:?}", execution.effects.outcome);
    }
    executions
}

/// What each function said, in order.
pub(crate) fn said(execution: &Execution) -> Vec<(&str, &AssertionResult)> {
    execution.assertions.iter().map(|outcome| (&*outcome.function, &outcome.result)).collect()
}

/// What `function` said; it was run once.
pub(crate) fn of<'e>(execution: &'e Execution, function: &str) -> &'e AssertionOutcome {
    let mut found = execution.assertions.iter().filter(|outcome| &*outcome.function == function);
    let first = found.next().unwrap_or_else(|| panic!("{function} is not among {:?}", said(execution)));
    assert!(found.next().is_none(), "{function} said more than once");
    first
}

pub(crate) fn broken(reason: &str) -> AssertionResult {
    AssertionResult::Broken { reason: reason.to_owned() }
}

pub(crate) const HELD: AssertionResult = AssertionResult::Held { over_limit: None };

/// An account, and its slots with their values.
type Told = (Address, AccountState, Vec<(U256, U256)>);

/// A node that knows all but one slot.
struct Node {
    accounts: Vec<Told>,
    unknown: Option<(Address, U256)>,
}

impl StateSource for Node {
    fn account(&self, address: Address, _: BlockRef) -> Result<Known<Option<AccountState>>, StateError> {
        Ok(Known::Value(self.accounts.iter().find(|known| known.0 == address).map(|known| known.1.clone())))
    }

    fn slot(&self, address: Address, slot: U256, _: BlockRef) -> Result<Known<U256>, StateError> {
        if self.unknown == Some((address, slot)) {
            return Ok(Known::Unknown);
        }
        let known = self.accounts.iter().find(|known| known.0 == address);
        let value = known.and_then(|known| known.2.iter().find(|(key, _)| *key == slot)).map(|(_, value)| *value);
        Ok(Known::Value(value.unwrap_or_default()))
    }

    fn block_hash(&self, _: BlockNumber) -> Result<Known<B256>, StateError> {
        Ok(Known::Unknown)
    }

    fn prestate(&self, _: &Transaction, _: BlockRef) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }

    fn block_prestate(&self, _: &Block) -> Result<PreState, StateError> {
        Ok(PreState::default())
    }
}
