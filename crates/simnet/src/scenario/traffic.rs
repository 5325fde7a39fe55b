//! Honest users: what they do is drawn from the seed and stays within what they own, so that none of it fails by itself.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;

use super::build::{CALL_GAS, module};
use super::contracts::{ConstantProductPool, DrillToken, SavingsVault};
use super::dice::{Dice, whole};
use super::{Call, Side, Step};
use crate::Lane as Way;

/// Blocks of a script: enough to see life before, during and after.
pub(super) const BLOCKS: u64 = 40;

/// Honest steps in the making, block by block.
pub(super) struct Traffic {
    /// The choices of all honest users of one script.
    pub(super) dice: Dice,
    block: u64,
    steps: Vec<Step>,
}

impl Traffic {
    /// Nothing yet, in block 0.
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed, "honest users"), block: 0, steps: Vec::new() }
    }

    /// Lets `users` act once in every block of a script.
    pub(super) fn over_all_blocks(mut self, mut users: impl FnMut(&mut Self)) -> Vec<Step> {
        for block in 0..BLOCKS {
            self.block = block;
            users(&mut self);
        }
        self.steps
    }

    /// An honest call without value that needs `modules` to be open.
    pub(super) fn call(&mut self, actor: Address, to: Address, modules: &[&str], text: &str, call: &impl SolCall) {
        let visit =
            Call { to: Some(to), value: U256::ZERO, data: call.abi_encode().into(), gas_limit: CALL_GAS, tip: 0 };
        self.push(actor, modules, text, visit);
    }

    /// An honest call that carries `value` wei and needs `modules` to be open.
    pub(super) fn pay(&mut self, actor: Address, to: Address, modules: &[&str], text: &str, money: (U256, Bytes)) {
        let (value, data) = money;
        self.push(actor, modules, text, Call { to: Some(to), value, data, gas_limit: CALL_GAS, tip: 0 });
    }

    /// One of `users` gives another a few tokens: touches no module.
    pub(super) fn transfer(&mut self, token: Address, users: &[Address]) {
        let (from, to) = (*self.dice.pick(users), *self.dice.pick(users));
        let value = self.dice.milli(100, 5_000);
        self.call(from, token, &[], "transfer tokens", &DrillToken::transferCall { to, value });
    }

    fn push(&mut self, actor: Address, modules: &[&str], text: &str, call: Call) {
        self.steps.push(Step {
            block: self.block,
            actor,
            way: Way::Public,
            side: Side::Honest,
            text: text.to_owned(),
            modules: modules.iter().map(|name| module(name)).collect(),
            call: Call { tip: self.dice.tip(), ..call },
        });
    }
}

/// Those who use a [`SavingsVault`]; the module is called `savings`.
pub(super) struct Savers {
    /// The vault.
    pub(super) vault: Address,
    /// Each saver and what the saver has in the vault. The share price stands still, so the books are exact.
    pub(super) saved: Vec<(Address, U256)>,
}

impl Savers {
    /// One deposit or withdrawal of 1 to 20 tokens.
    pub(super) fn act(&mut self, traffic: &mut Traffic) {
        let assets = traffic.dice.milli(1_000, 20_000);
        let withdraws = traffic.dice.chance(50);
        let vault = self.vault;
        let (saver, saved) = traffic.dice.pick_mut(&mut self.saved);
        let saver = *saver;
        match saved.checked_sub(assets).filter(|_| withdraws) {
            Some(rest) => {
                *saved = rest;
                let withdraw = SavingsVault::withdrawCall { assets, receiver: saver, owner: saver };
                traffic.call(saver, vault, &["savings"], "withdraw savings", &withdraw);
            }
            None => {
                *saved = saved.saturating_add(assets);
                let deposit = SavingsVault::depositCall { assets, receiver: saver };
                traffic.call(saver, vault, &["savings"], "deposit savings", &deposit);
            }
        }
    }
}

/// Those who use a [`ConstantProductPool`] of base tokens at about 2,000 quote tokens; the module is called `pool`.
pub(super) struct Traders {
    /// The pool.
    pub(super) pool: Address,
    /// The token that is priced.
    pub(super) base: Address,
    /// The token in which it is priced.
    pub(super) quote: Address,
    /// Who swaps.
    pub(super) traders: Vec<Address>,
    /// Who provides; owns far more shares than a script can burn.
    pub(super) provider: Address,
}

impl Traders {
    /// Mostly a swap of about a thousandth of a reserve, sometimes a change of liquidity.
    pub(super) fn act(&self, traffic: &mut Traffic) {
        match traffic.dice.between(0, 9) {
            0 => {
                let base_in = traffic.dice.milli(100, 1_000);
                let max_quote_in = base_in.saturating_mul(U256::from(6_000));
                let add = ConstantProductPool::addLiquidityCall { baseIn: base_in, maxQuoteIn: max_quote_in };
                traffic.call(self.provider, self.pool, &["pool"], "add liquidity", &add);
            }
            1 => {
                let shares = traffic.dice.milli(5_000, 30_000);
                let remove = ConstantProductPool::removeLiquidityCall { shares };
                traffic.call(self.provider, self.pool, &["pool"], "remove liquidity", &remove);
            }
            side => self.swap(traffic, side % 2 == 0),
        }
    }

    /// Asks for at least a third of the usual price: honest users of a drill do not watch the market.
    fn swap(&self, traffic: &mut Traffic, sells_base: bool) {
        let trader = *traffic.dice.pick(&self.traders);
        let base_amount = traffic.dice.milli(100, 1_000);
        let quote_amount = base_amount.saturating_mul(U256::from(2_000));
        let (token_in, amount_in, usual) =
            if sells_base { (self.base, base_amount, quote_amount) } else { (self.quote, quote_amount, base_amount) };
        let min_out = usual.checked_div(U256::from(3)).unwrap_or_default();
        let swap = ConstantProductPool::swapCall { tokenIn: token_in, amountIn: amount_in, minOut: min_out };
        traffic.call(trader, self.pool, &["pool"], "swap tokens", &swap);
    }
}

/// What the founder of a pool provides: 1,000 base tokens at 2,000 quote tokens each.
pub(super) fn first_liquidity() -> ConstantProductPool::addLiquidityCall {
    ConstantProductPool::addLiquidityCall { baseIn: whole(1_000), maxQuoteIn: whole(2_000_000) }
}
