//! What all scenes have in common: people, tokens, pools, a flash lender, and weeks of ordinary days.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolConstructor;

use super::amount::whole;
use super::contracts::{DrillToken, ZooFlashLender, ZooFlawedToken, ZooPool};
use super::stage::{Send, Stage};

/// Honest people of every scene.
const CITIZENS: usize = 12;
/// What each of them, the deployer and the lender get of each token.
const FORTUNE: u64 = 1_000_000;
/// Days of history: far longer than what must have passed for a habit to be old.
pub(super) const DAYS: u64 = 14;
/// Seconds of a day.
pub(super) const DAY: u64 = 86_400;

/// The people of a scene, and who lends to them.
pub(super) struct Town {
    /// Deploys, and owns what has an owner.
    pub(super) deployer: Address,
    /// Honest users.
    pub(super) citizens: Vec<Address>,
    /// The subject's own account, which has had nothing to do with the protocol.
    pub(super) subject: Address,
    /// Lends any token for an instant.
    pub(super) lender: Address,
}

impl Town {
    /// People with ether, and a flash lender.
    pub(super) fn new(stage: &mut Stage) -> Self {
        let deployer = stage.actor("deployer");
        let citizens = (0..CITIZENS).map(|index| stage.actor(&format!("citizen {index}"))).collect();
        let subject = stage.actor("subject");
        let lender = stage.deploy(deployer, &ZooFlashLender::BYTECODE, Vec::new());
        Self { deployer, citizens, subject, lender }
    }

    /// Citizen number `index`.
    pub(super) fn citizen(&self, index: usize) -> Address {
        self.citizens.get(index).copied().unwrap_or(self.deployer)
    }

    /// A sound token that everybody has enough of, the subject not.
    pub(super) fn token(&self, stage: &mut Stage, symbol: &str) -> Address {
        let arguments = DrillToken::constructorCall {
            name_: format!("Zoo {symbol}"),
            symbol_: symbol.to_owned(),
            owner_: self.deployer,
        };
        let token = stage.deploy(self.deployer, &DrillToken::BYTECODE, arguments.abi_encode());
        for holder in self.citizens.iter().chain([&self.deployer, &self.lender]) {
            stage.call(self.deployer, token, &DrillToken::mintCall { to: *holder, amount: whole(FORTUNE) });
        }
        token
    }

    /// Everybody lets `spender` take any amount of `token`.
    pub(super) fn approve(&self, stage: &mut Stage, token: Address, spender: Address) {
        for holder in self.citizens.iter().chain([&self.deployer]) {
            let approve = ZooFlawedToken::approveCall { spender, amount: U256::MAX };
            stage.call(*holder, token, &approve);
        }
    }

    /// A pool with as much of both tokens, provided by the deployer; everybody may trade in it.
    pub(super) fn pool(
        &self,
        stage: &mut Stage,
        (base, quote): (Address, Address),
        amount: u64,
        looseness: u64,
    ) -> Address {
        let arguments = ZooPool::constructorCall { base_: base, quote_: quote, looseness: U256::from(looseness) };
        let pool = stage.deploy(self.deployer, &ZooPool::BYTECODE, arguments.abi_encode());
        self.approve(stage, base, pool);
        self.approve(stage, quote, pool);
        let add = ZooPool::addCall { baseIn: whole(amount), quoteIn: whole(amount) };
        stage.call(self.deployer, pool, &add);
        pool
    }

    /// What two citizens do in a pool every day: swap there, and back.
    pub(super) fn trades(&self, pool: Address, base: Address, quote: Address) -> Vec<Send> {
        let swap = |citizen, token| {
            let call = ZooPool::swapCall { tokenIn: token, amountIn: whole(20) };
            Send::call(self.citizen(citizen), pool, &call)
        };
        vec![swap(6, base), swap(7, quote)]
    }
}

/// The set-up is over, and [`DAYS`] days pass on each of which all of `traffic` happens.
pub(super) fn live(stage: &mut Stage, traffic: &[Send]) {
    stage.begin();
    for _ in 0..DAYS {
        for send in traffic {
            stage.honest(send);
        }
        stage.wait(DAY);
    }
}
