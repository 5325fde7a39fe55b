//! A bare stage for the tests of the scenarios: a ledger, block after block, and nobody who defends by itself.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "test support: a wrong number must panic")]

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, U256};
use cofferdam_evm::{CallRequest, Ledger, Rules, Spec};
use cofferdam_types::{AccountState, BlockNumber, Bps, ChainId, Effects, Header, ModuleId, Outcome, ViewResult};

use super::{Actor, BalanceView, Call, Holding, InvariantRule, InvariantSpec, Scenario, Script, Setup, Step, Ticket};
use crate::Lane as Way;

const CHAIN: ChainId = ChainId(31_337);
const GAS_LIMIT: u64 = 30_000_000;

/// A scenario's protocol on a ledger.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) setup: Setup,
    ledger: Ledger,
    header: Header,
    nonces: BTreeMap<Address, u64>,
}

/// A step that was executed and what it did.
pub(super) struct Done {
    pub(super) step: Step,
    pub(super) effects: Effects,
}

impl Done {
    pub(super) fn succeeded(&self) -> bool {
        self.effects.outcome.succeeded()
    }
}

impl Stage {
    /// Genesis and set-up, every step of which must succeed.
    pub(super) fn open(scenario: Scenario, seed: u64) -> Self {
        let setup = scenario.setup(seed);
        let mut ledger = Ledger::new(Rules::fixed(CHAIN, Spec::CANCUN));
        for (address, balance) in &setup.genesis {
            ledger.set_account(*address, AccountState { balance: *balance, ..AccountState::default() });
        }
        let header = Header {
            timestamp: 1_700_000_000,
            gas_limit: GAS_LIMIT,
            base_fee: Some(1_000_000_000),
            prev_randao: Some(alloy_primitives::B256::ZERO),
            excess_blob_gas: Some(0),
            ..Header::default()
        };
        let mut stage = Self { setup, ledger, header, nonces: BTreeMap::new() };
        let script = Script { blocks: stage.setup.blocks, steps: stage.setup.steps.clone() };
        for done in stage.play(&script) {
            assert!(done.succeeded(), "{scenario}: {} failed: {:?}", done.step.text, done.effects.outcome);
        }
        stage
    }

    /// Runs a whole script.
    pub(super) fn play(&mut self, script: &Script) -> Vec<Done> {
        (0..script.blocks).flat_map(|block| self.play_block(script, block)).collect()
    }

    /// Runs one block of a script: the private lane first, as block builders have it.
    pub(super) fn play_block(&mut self, script: &Script, block: u64) -> Vec<Done> {
        self.header.number = BlockNumber(self.header.number.0 + 1);
        self.header.timestamp += 12;
        let private = script.at(block).filter(|step| step.way == Way::Private);
        let public = script.at(block).filter(|step| step.way == Way::Public);
        let steps: Vec<Step> = private.chain(public).cloned().collect();
        let limits: u64 = steps.iter().map(|step| step.call.gas_limit).sum();
        assert!(limits <= GAS_LIMIT, "block {block} asks for {limits} gas");
        steps.into_iter().map(|step| Done { effects: self.execute(step.actor, &step.call), step }).collect()
    }

    /// Signs and executes one call.
    pub(super) fn execute(&mut self, actor: Address, call: &Call) -> Effects {
        let nonce = self.nonces.entry(actor).or_default();
        let ticket = Ticket { chain_id: CHAIN, nonce: *nonce, base_fee: 1_000_000_000 };
        *nonce += 1;
        let signed = self.setup.actor(actor).unwrap().sign(call, ticket);
        let effects = self.ledger.execute(&self.header, &signed.transaction);
        assert!(!matches!(effects.outcome, Outcome::Invalid(_)), "{:?}", effects.outcome);
        effects
    }

    /// Pulls the lever of `module` with the key of `actor`; true when it worked.
    pub(super) fn seal_as(&mut self, actor: &Actor, module: &ModuleId) -> bool {
        let lever = self.setup.deployment.levers.iter().find(|lever| lever.module == *module).unwrap().clone();
        let call = plain(lever.target, lever.pause);
        let sealed = self.execute(actor.address(), &call).outcome.succeeded();
        sealed && self.word(lever.target, lever.paused) == U256::from(1)
    }

    /// Pulls the lever of `module` with the guardian's key.
    pub(super) fn seal(&mut self, module: &ModuleId) {
        let guardian = self.setup.guardian().clone();
        assert!(self.seal_as(&guardian, module), "the guardian cannot seal {module}");
    }

    /// What `holding` is worth now.
    pub(super) fn balance(&mut self, holding: &Holding) -> U256 {
        match holding.view() {
            BalanceView::Native => self.ledger.account(holding.account).map(|it| it.balance).unwrap_or_default(),
            BalanceView::Call { target, calldata } => self.word(target, calldata),
        }
    }

    /// Whether there is code at `address`.
    pub(super) fn has_code(&self, address: Address) -> bool {
        self.ledger.account(address).is_some_and(|account| !account.code.is_empty())
    }

    /// The one word that a view returns.
    pub(super) fn word(&mut self, target: Address, data: Bytes) -> U256 {
        let request = CallRequest { from: Address::ZERO, to: Some(target), value: U256::ZERO, data, gas: 5_000_000 };
        match self.ledger.call(&self.header, &request).result {
            ViewResult::Returned(bytes) => U256::from_be_slice(&bytes),
            ViewResult::Failed(reason) => panic!("view of {target} failed: {reason}"),
        }
    }

    /// The answer to an invariant's view.
    pub(super) fn ask(&mut self, invariant: &InvariantSpec) -> U256 {
        let function = invariant.signature.split_inclusive(')').next().unwrap();
        let selector = alloy_primitives::keccak256(function.as_bytes());
        self.word(invariant.target, Bytes::copy_from_slice(&selector[..4]))
    }
}

/// A call as an account makes it by hand.
pub(super) fn plain(to: Address, data: Bytes) -> Call {
    Call { to: Some(to), value: U256::ZERO, data, gas_limit: 200_000, tip: 1 }
}

/// Whether `rule` holds of a view that went from `before` to `after`.
pub(super) fn holds(rule: InvariantRule, before: U256, after: U256) -> bool {
    match rule {
        InvariantRule::FallsAtMost(share) => before.saturating_sub(after) <= part(before, share),
        InvariantRule::Unchanged => before == after,
    }
}

/// `share` of `amount`, rounded down.
pub(super) fn part(amount: U256, share: Bps) -> U256 {
    amount.saturating_mul(U256::from(share.get())) / U256::from(10_000)
}
