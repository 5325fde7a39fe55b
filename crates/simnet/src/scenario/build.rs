//! Puts a scenario's protocol together: casts actors, plans deployments, and names what guards the result.
//!
//! Addresses of contracts are known before anything is mined, because each deployer's nonces are counted here.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use cofferdam_types::{Asset, Bps, Module, ModuleId};

use super::contracts::{DrillToken, SavingsVault};
use super::dice::whole;
use super::{
    Actor, AssetSpec, Call, Deployment, Holding, InvariantRule, InvariantSpec, LeverSpec, LimitSpec, Losses, Setup,
    Side, Step,
};
use crate::Lane as Way;

/// Gas of a planned deployment; the largest contract here needs a little over two million.
const DEPLOY_GAS: u64 = 3_500_000;

/// Gas of a planned call.
pub(super) const CALL_GAS: u64 = 500_000;

/// Gas limits of one block's steps stay below this, so that they fit into any usual block.
const BLOCK_GAS: u64 = 20_000_000;

/// What set-up steps pay, in wei per gas.
const SETUP_TIP: u128 = 1_000_000_000;

/// Blocks of the windows in the suggested limits.
const WINDOW_BLOCKS: u64 = 20;

/// A module id that is written in this program.
pub(super) fn module(name: &str) -> ModuleId {
    ModuleId::new(name).expect("the scenarios' module names obey the rule")
}

/// A share that is written in this program.
pub(super) fn bps(share: u16) -> Bps {
    Bps::new(share).expect("the scenarios' shares are below the whole")
}

/// Creation code followed by ABI-encoded constructor arguments.
pub(super) fn creation(code: &Bytes, arguments: impl AsRef<[u8]>) -> Bytes {
    [code.as_ref(), arguments.as_ref()].concat().into()
}

/// A setup in the making.
pub(super) struct Builder {
    seed: u64,
    actors: Vec<Actor>,
    nonces: BTreeMap<Address, u64>,
    genesis: Vec<(Address, U256)>,
    steps: Vec<Step>,
    block: u64,
    block_gas: u64,
    deployment: Deployment,
    deployer: Address,
}

impl Builder {
    /// Casts deployer, guardian and steward.
    pub(super) fn new(seed: u64) -> Self {
        let mut builder = Self {
            seed,
            actors: Vec::new(),
            nonces: BTreeMap::new(),
            genesis: Vec::new(),
            steps: Vec::new(),
            block: 0,
            block_gas: 0,
            deployment: Deployment::default(),
            deployer: Address::ZERO,
        };
        builder.deployer = builder.cast("deployer", 100);
        builder.deployment.guardian = builder.cast("guardian", 10);
        builder.deployment.steward = builder.cast("steward", 10);
        let native = AssetSpec { asset: Asset::Native, symbol: "ETH".to_owned(), decimals: 18 };
        builder.deployment.assets.push(native);
        builder
    }

    /// Adds somebody with a key and `ether` whole ether.
    pub(super) fn cast(&mut self, name: &'static str, ether: u64) -> Address {
        let actor = Actor::new(self.seed, name);
        let address = actor.address();
        self.actors.push(actor);
        self.genesis.push((address, whole(ether)));
        self.deployment.labels.insert(address, name.to_owned());
        address
    }

    /// Who seals every module.
    pub(super) const fn guardian(&self) -> Address {
        self.deployment.guardian
    }

    /// Who opens every module.
    pub(super) const fn steward(&self) -> Address {
        self.deployment.steward
    }

    /// Who deploys the protocol, founds and mints.
    pub(super) const fn deployer(&self) -> Address {
        self.deployer
    }

    /// Names an address for a person.
    pub(super) fn label(&mut self, address: Address, name: &str) {
        self.deployment.labels.insert(address, name.to_owned());
    }

    /// What follows is mined after all that was planned before.
    pub(super) fn next_block(&mut self) {
        self.block = self.block.saturating_add(1);
        self.block_gas = 0;
    }

    /// Plans the deployment of a contract. Returns the address that it will have.
    pub(super) fn deploy(&mut self, name: &str, code: Bytes) -> Address {
        let deployer = self.deployer;
        let address = deployer.create(self.nonces.get(&deployer).copied().unwrap_or_default());
        self.label(address, name);
        self.plan(
            deployer,
            format!("deploy {name}"),
            Call { to: None, value: U256::ZERO, data: code, gas_limit: DEPLOY_GAS, tip: SETUP_TIP },
        );
        address
    }

    /// Plans a call without value.
    pub(super) fn call(&mut self, actor: Address, to: Address, text: &str, call: &impl SolCall) {
        self.pay(actor, to, text, U256::ZERO, call.abi_encode().into());
    }

    /// Plans a call that carries `value` wei.
    pub(super) fn pay(&mut self, actor: Address, to: Address, text: &str, value: U256, data: Bytes) {
        let call = Call { to: Some(to), value, data, gas_limit: CALL_GAS, tip: SETUP_TIP };
        self.plan(actor, text.to_owned(), call);
    }

    fn plan(&mut self, actor: Address, text: String, call: Call) {
        if self.block_gas.saturating_add(call.gas_limit) > BLOCK_GAS {
            self.next_block();
        }
        self.block_gas = self.block_gas.saturating_add(call.gas_limit);
        let nonce = self.nonces.entry(actor).or_default();
        *nonce = nonce.saturating_add(1);
        let (block, way, side, modules) = (self.block, Way::Public, Side::Honest, Vec::new());
        self.steps.push(Step { block, actor, way, side, text, modules, call });
    }

    /// Plans a token that the deployer may mint, and an amount of it for each of `holders`.
    pub(super) fn token(&mut self, name: &str, symbol: &str, holders: &[(Address, u64)]) -> Address {
        let arguments =
            DrillToken::constructorCall { name_: name.to_owned(), symbol_: symbol.to_owned(), owner_: self.deployer };
        let code = creation(&DrillToken::BYTECODE, alloy_sol_types::SolConstructor::abi_encode(&arguments));
        let token = self.deploy(symbol, code);
        let spec = AssetSpec { asset: Asset::Erc20(token), symbol: symbol.to_owned(), decimals: 18 };
        self.deployment.assets.push(spec);
        for (holder, amount) in holders {
            let mint = DrillToken::mintCall { to: *holder, amount: whole(*amount) };
            self.call(self.deployer, token, "mint tokens", &mint);
        }
        token
    }

    /// Plans that each of `holders` lets `spender` move any amount of `token`.
    pub(super) fn approve(&mut self, token: Address, spender: Address, holders: &[Address]) {
        for holder in holders {
            let approve = DrillToken::approveCall { spender, value: U256::MAX };
            self.call(*holder, token, "approve", &approve);
        }
    }

    /// Registers a module with its pause lever.
    pub(super) fn protect(&mut self, name: &str, contract: Address, assets: &[Asset]) {
        let id = module(name);
        self.deployment.levers.push(LeverSpec {
            name: format!("pause-{name}"),
            module: id.clone(),
            target: contract,
            pause: SavingsVault::pauseCall {}.abi_encode().into(),
            unpause: SavingsVault::unpauseCall {}.abi_encode().into(),
            paused: SavingsVault::pausedCall {}.abi_encode().into(),
        });
        self.deployment.modules.push(Module { id, contracts: vec![contract], assets: assets.to_vec() });
    }

    /// Suggests limits for what may leave `name`, in bps of its holdings.
    pub(super) fn limit(&mut self, name: &str, asset: Asset, per_transaction: u16, per_window: u16) {
        self.deployment.limits.push(LimitSpec {
            module: module(name),
            asset,
            per_transaction: bps(per_transaction),
            per_window: bps(per_window),
            window_blocks: WINDOW_BLOCKS,
        });
    }

    /// Suggests an invariant over a view of `name`.
    pub(super) fn invariant(&mut self, name: &str, target: Address, signature: &str, rule: InvariantRule) {
        let view = signature.split('(').next().unwrap_or_default();
        self.deployment.invariants.push(InvariantSpec {
            module: module(name),
            name: format!("{name}-{}", kebab(view)),
            target,
            signature: signature.to_owned(),
            rule,
        });
    }

    /// The finished setup.
    pub(super) fn finish(self) -> Setup {
        Setup {
            seed: self.seed,
            genesis: self.genesis,
            actors: self.actors,
            steps: self.steps,
            blocks: self.block.saturating_add(1),
            deployment: self.deployment,
        }
    }
}

/// `sharePrice` as `share-price`.
fn kebab(camel: &str) -> String {
    let mut text = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// The holdings of `modules` and of `attackers` in each one's assets.
pub(super) fn losses(modules: &[(&str, Address, Asset)], attackers: &[(Address, Asset)]) -> Losses {
    let held = |(name, account, asset): &(&str, Address, Asset)| Holding {
        module: Some(module(name)),
        account: *account,
        asset: *asset,
    };
    let gained = |(account, asset): &(Address, Asset)| Holding { module: None, account: *account, asset: *asset };
    Losses { modules: modules.iter().map(held).collect(), attacker: attackers.iter().map(gained).collect() }
}

/// What the hostile steps of one script have in common.
pub(super) struct Assault {
    /// The way they take.
    pub(super) way: Way,
    /// The modules that must be open for them to take anything.
    pub(super) modules: Vec<ModuleId>,
}

impl Assault {
    /// Gas of a hostile step: room for many repetitions in one call.
    const GAS: u64 = 4_000_000;

    /// Attackers are in a hurry: wei per gas, above what honest users pay.
    const TIP: u128 = 5_000_000_000;

    /// A hostile call.
    pub(super) fn call(&self, block: u64, actor: Address, to: Address, text: &str, data: Vec<u8>) -> Step {
        self.step(block, actor, text, Some(to), U256::ZERO, data.into())
    }

    /// A hostile call with `value` wei.
    pub(super) fn pay(&self, block: u64, actor: Address, to: Address, text: &str, value: U256, data: Vec<u8>) -> Step {
        self.step(block, actor, text, Some(to), value, data.into())
    }

    /// Deploys the attacker's own contract: needs no module.
    pub(super) fn deploy(&self, block: u64, actor: Address, text: &str, code: Bytes) -> Step {
        Step { modules: Vec::new(), ..self.step(block, actor, text, None, U256::ZERO, code) }
    }

    fn step(&self, block: u64, actor: Address, text: &str, to: Option<Address>, value: U256, data: Bytes) -> Step {
        let call = Call { to, value, data, gas_limit: Self::GAS, tip: Self::TIP };
        let (way, side, modules) = (self.way, Side::Attack, self.modules.clone());
        Step { block, actor, way, side, text: text.to_owned(), modules, call }
    }
}
