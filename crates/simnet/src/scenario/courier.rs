//! Carries steps to a chain: gives each its nonce and fee cap at the moment of sending.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use cofferdam_types::ChainId;

use super::{Setup, Step, Ticket};
use crate::{Config, ConfigError, Lane as Way, Simnet, SubmitError};

impl Setup {
    /// A chain on which this setup can be put: its genesis and its seed, all else as by default.
    pub fn config(&self) -> Config {
        let bare = Config { seed: self.seed, ..Config::default() };
        self.genesis.iter().fold(bare, |config, (address, wei)| config.fund(*address, *wei))
    }

    /// A new chain of `config` with the protocol deployed on it, by real transactions, and the courier who brought
    /// them. `config` must hold this setup's genesis: see [`Self::config`].
    ///
    /// # Errors
    /// [`FoundError`], which names the step that did not succeed.
    pub fn found(&self, config: Config) -> Result<(Simnet, Courier<'_>), FoundError> {
        let mut courier = Courier::new(self, config.chain_id);
        let net = Simnet::new(config)?;
        for block in 0..self.blocks {
            let mut sent = Vec::new();
            for step in self.steps.iter().filter(|step| step.block == block) {
                sent.push((step, courier.send(&net, step)?));
            }
            net.mine();
            for (step, hash) in sent {
                if net.receipt(hash).is_none_or(|(_, receipt)| receipt.success != Some(true)) {
                    return Err(FoundError::Step { text: step.text.clone(), block });
                }
            }
        }
        Ok((net, courier))
    }
}

/// The protocol could not be put on the chain.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoundError {
    /// The chain cannot be made.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The chain does not take a step.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A step was not mined in its block, or failed there.
    #[error("set-up step `{text}` did not succeed in block {block} of the set-up")]
    Step {
        /// The step.
        text: String,
        /// Its block, counted from the first one of the set-up.
        block: u64,
    },
}

/// Sends steps of one setup to one chain. Knows the nonces of all actors but those who sign by themselves elsewhere
/// (the guardian, while something defends).
#[derive(Clone, Debug)]
pub struct Courier<'a> {
    setup: &'a Setup,
    chain_id: ChainId,
    nonces: BTreeMap<Address, u64>,
}

impl<'a> Courier<'a> {
    /// Nothing sent yet, on a chain of `chain_id`.
    pub const fn new(setup: &'a Setup, chain_id: ChainId) -> Self {
        Self { setup, chain_id, nonces: BTreeMap::new() }
    }

    /// Signs `step` and hands it to `net` the way that it wants to go. Returns its hash.
    ///
    /// # Errors
    /// [`SubmitError`]: the step was not taken, and its nonce is free again.
    ///
    /// # Panics
    /// When `step` belongs to another setup, whose actors are not this one's.
    pub fn send(&mut self, net: &Simnet, step: &Step) -> Result<B256, SubmitError> {
        let actor = self.setup.actor(step.actor).expect("a setup casts everybody who acts in its scripts");
        // The chain knows better where it is ahead: transactions that were sent past this courier.
        let sent = self.nonces.get(&step.actor).copied().unwrap_or_default();
        let nonce = sent.max(net.account(step.actor).nonce);
        let ticket = Ticket { chain_id: self.chain_id, nonce, base_fee: net.next_base_fee() };
        let signed = actor.sign(&step.call, ticket);
        let hash = match step.way {
            Way::Public => net.submit(&signed.raw)?,
            Way::Private => net.submit_private(&signed.raw)?,
        };
        self.nonces.insert(step.actor, nonce.saturating_add(1));
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests of amounts far below 256 bits")]

    use alloy_primitives::U256;
    use cofferdam_evm::CallRequest;
    use cofferdam_types::ViewResult;

    use super::super::{BalanceView, Holding, Lane, Scenario, Script, Side};
    use super::*;

    fn balance(net: &Simnet, holding: &Holding) -> U256 {
        let BalanceView::Call { target, calldata } = holding.view() else {
            return net.account(holding.account).balance;
        };
        let (from, to) = (Address::ZERO, Some(target));
        let answer = net.call(&CallRequest { from, to, value: U256::ZERO, data: calldata, gas: 100_000 });
        match answer.result {
            ViewResult::Returned(bytes) => U256::from_be_slice(&bytes),
            ViewResult::Failed(reason) => panic!("{reason}"),
        }
    }

    /// Plays a script on a fresh chain; every step must be mined in its own block. Returns the main holding's balance.
    fn play(scenario: Scenario, script: &Script, all_succeed: bool) -> U256 {
        let setup = scenario.setup(21);
        let (net, mut courier) = setup.found(setup.config()).unwrap();
        for block in 0..script.blocks {
            let sent: Vec<_> = script.at(block).map(|step| (step, courier.send(&net, step).unwrap())).collect();
            let mined = net.mine();
            for (step, hash) in sent {
                let (at, receipt) = net.receipt(hash).unwrap();
                assert_eq!(at, mined, "{scenario}: {} was mined late", step.text);
                let hostile = step.side == Side::Attack;
                assert!(receipt.success == Some(true) || !(all_succeed || hostile), "{scenario}: {}", step.text);
            }
        }
        balance(&net, &scenario.losses(&setup).modules[0])
    }

    #[test]
    fn scripts_run_through_the_mempool_as_planned() {
        for scenario in Scenario::ALL {
            let setup = scenario.setup(21);
            let quiet = play(scenario, &scenario.script(&setup, Lane::Mempool).without_attack(), true);
            for lane in Lane::ALL {
                let robbed = play(scenario, &scenario.script(&setup, lane), false);
                assert!(robbed < quiet - quiet / U256::from(40), "{scenario}/{lane:?}: {robbed} of {quiet} are left");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_blocks() {
        let heads = [0, 1].map(|_| {
            let setup = Scenario::SlowDrain.setup(33);
            let script = Scenario::SlowDrain.script(&setup, Lane::Split);
            let (net, mut courier) = setup.found(setup.config()).unwrap();
            for block in 0..10 {
                for step in script.at(block) {
                    courier.send(&net, step).unwrap();
                }
                net.mine();
            }
            net.head()
        });
        assert_eq!(heads[0], heads[1]);
    }

    #[test]
    fn a_step_that_is_not_taken_does_not_use_up_a_nonce() {
        let setup = Scenario::ReEntrancy.setup(1);
        let (net, mut courier) = setup.found(setup.config()).unwrap();
        let mut step = setup.steps.last().unwrap().clone();
        let good = step.clone();
        step.call.value = U256::MAX;
        assert!(courier.send(&net, &step).is_err());
        let hash = courier.send(&net, &good).unwrap();
        net.mine();
        assert!(net.receipt(hash).is_some());
    }
}
