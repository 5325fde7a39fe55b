//! Where held-out scenes happen: a town with wrapped ether, a router and its pairs, lenders of wrapped ether, and people
//! whose keys can sign.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolConstructor;

use super::super::amount::whole;
use super::super::contracts::{ZooFlashLender, ZooFlawedToken};
use super::super::plan::Act;
use super::super::stage::{Probe, Send, Stage};
use super::super::town::Town;
use super::contracts::{HeldPair, HeldRouter, HeldWeth};

/// Wrapped ether that each citizen begins with, and each lender.
const WRAPPED: u64 = 60_000;
/// As often as that more for the deployer, who provides liquidity.
const BANKS: usize = 5;
/// Lenders of wrapped ether.
const LENDERS: usize = 2;

/// A town with a market square.
pub(super) struct Plaza {
    pub(super) town: Town,
    pub(super) weth: Address,
    pub(super) router: Address,
    /// Each lends wrapped ether for an instant.
    pub(super) lenders: Vec<Address>,
}

impl Plaza {
    /// People with wrapped ether, which the router may take, and lenders of it.
    pub(super) fn new(stage: &mut Stage) -> Self {
        let town = Town::new(stage);
        let weth = stage.deploy(town.deployer, &HeldWeth::BYTECODE, Vec::new());
        let router = stage.deploy(town.deployer, &HeldRouter::BYTECODE, Vec::new());
        for citizen in town.citizens.iter().chain([&town.deployer]) {
            stage.pay(*citizen, weth, whole(WRAPPED), &HeldWeth::depositCall {});
        }
        for index in 0..BANKS {
            let bank = stage.actor(&format!("vault of the deployer {index}"));
            stage.pay(bank, weth, whole(WRAPPED), &HeldWeth::depositCall {});
            stage.call(bank, weth, &ZooFlawedToken::transferCall { to: town.deployer, amount: whole(WRAPPED) });
        }
        town.approve(stage, weth, router);
        let mut lenders = Vec::new();
        for index in 0..LENDERS {
            let lender = stage.deploy(town.deployer, &ZooFlashLender::BYTECODE, Vec::new());
            let bank = stage.actor(&format!("bank {index}"));
            stage.pay(bank, weth, whole(WRAPPED), &HeldWeth::depositCall {});
            stage.call(bank, weth, &ZooFlawedToken::transferCall { to: lender, amount: whole(WRAPPED) });
            lenders.push(lender);
        }
        Self { town, weth, router, lenders }
    }

    /// Lender number `index` of wrapped ether.
    pub(super) fn lender(&self, index: usize) -> Address {
        self.lenders.get(index).copied().unwrap_or(self.town.lender)
    }

    /// A pair of `token` and wrapped ether, `amount` of each, provided by the deployer; everybody may trade.
    pub(super) fn pair(&self, stage: &mut Stage, token: Address, amount: u64) -> Address {
        let pair = stage.next_made_by(self.router);
        let deployer = self.town.deployer;
        stage.call(deployer, self.router, &HeldRouter::createPairCall { a: token, b: self.weth });
        self.town.approve(stage, token, self.router);
        self.town.approve(stage, pair, self.router);
        let add = self.add(deployer, token, whole(amount), deployer);
        stage.honest(&add);
        pair
    }

    /// `from` provides `amount` of `token` and as much wrapped ether; the shares go to `to`.
    pub(super) fn add(&self, from: Address, token: Address, amount: U256, to: Address) -> Send {
        let add = HeldRouter::addLiquidityCall { a: token, b: self.weth, amountA: amount, amountB: amount, to };
        Send::call(from, self.router, &add)
    }

    /// `from` takes `shares` of the pair of `token` back.
    pub(super) fn remove(&self, from: Address, token: Address, shares: U256) -> Send {
        let remove = HeldRouter::removeLiquidityCall { a: token, b: self.weth, shares, to: from };
        Send::call(from, self.router, &remove)
    }

    /// `from` swaps along `path`.
    pub(super) fn swap(&self, from: Address, path: &[Address], amount: U256) -> Send {
        Send::call(from, self.router, &self.trade(path, amount, from))
    }

    /// The call of a swap along `path` for `to`.
    pub(super) fn trade(
        &self,
        path: &[Address],
        amount: U256,
        to: Address,
    ) -> HeldRouter::swapExactTokensForTokensSupportingFeeOnTransferTokensCall {
        HeldRouter::swapExactTokensForTokensSupportingFeeOnTransferTokensCall {
            amountIn: amount,
            least: U256::ZERO,
            path: path.to_vec(),
            to,
            deadline: U256::MAX,
        }
    }

    /// A contract swaps `amount` along `path` for itself, `me`.
    pub(super) fn swaps(&self, me: Address, path: &[Address], amount: U256) -> Act {
        Act::new(self.router, &self.trade(path, amount, me))
    }

    /// A contract swaps all it has along `path` for itself, `me`.
    pub(super) fn swaps_all(&self, me: Address, path: &[Address]) -> Act {
        let first = path.first().copied().unwrap_or_default();
        self.swaps(me, path, U256::ZERO).with_answer(0, first, &ZooFlawedToken::balanceOfCall { account: me })
    }

    /// A contract wraps `amount` of its ether.
    pub(super) fn wraps(&self, amount: U256) -> Act {
        Act::new(self.weth, &HeldWeth::depositCall {}).paying(amount)
    }

    /// A contract unwraps all it has, and sends all its ether to `to`.
    pub(super) fn cashes(&self, me: Address, to: Address) -> [Act; 2] {
        let all = ZooFlawedToken::balanceOfCall { account: me };
        let unwrap = Act::new(self.weth, &HeldWeth::withdrawCall { wad: U256::ZERO }).with_answer(0, self.weth, &all);
        [unwrap, Act::ether(to, U256::MAX)]
    }

    /// What two citizens do every day: buy `token`, and sell it.
    pub(super) fn trades(&self, token: Address, amount: u64) -> Vec<Send> {
        vec![
            self.swap(self.town.citizen(6), &[self.weth, token], whole(amount)),
            self.swap(self.town.citizen(7), &[token, self.weth], whole(amount)),
        ]
    }

    /// A sound token that everybody has, and its pair.
    pub(super) fn listed(&self, stage: &mut Stage, symbol: &str, amount: u64) -> (Address, Address) {
        let token = self.town.token(stage, symbol);
        let pair = self.pair(stage, token, amount);
        (token, pair)
    }

    /// A flawed or odd token that the deployer has `supply` of, and each citizen a twentieth.
    pub(super) fn odd_token(
        &self,
        stage: &mut Stage,
        code: &Bytes,
        arguments: &impl SolConstructor,
        supply: u64,
    ) -> Address {
        let token = stage.deploy(self.town.deployer, code, arguments.abi_encode());
        let part = whole(supply.checked_div(20).unwrap_or_default());
        for citizen in &self.town.citizens {
            stage.call(self.town.deployer, token, &ZooFlawedToken::transferCall { to: *citizen, amount: part });
        }
        token
    }
}

/// Somebody whose key can sign.
#[derive(Clone)]
pub(super) struct Signer(PrivateKeySigner);

impl Signer {
    /// The one called `name`, with some ether of `giver`'s.
    pub(super) fn new(stage: &mut Stage, name: &str, giver: Address) -> Self {
        let key = keccak256(format!("cofferdam zoo signer {name}"));
        let signer =
            PrivateKeySigner::from_bytes(&key).expect("a hash is below the order of the curve, but for 2^-128");
        let gift = Send { from: giver, to: Some(signer.address()), value: whole(100), data: Bytes::new() };
        stage.honest(&gift);
        Self(signer)
    }

    /// Its account.
    pub(super) fn address(&self) -> Address {
        self.0.address()
    }

    /// Its signature of `hash`: v, r, s.
    pub(super) fn sign(&self, hash: B256) -> (u8, B256, B256) {
        let signed = self.0.sign_hash_sync(&hash).expect("a key in memory signs any 32 bytes");
        let v = if signed.v() { 28 } else { 27 };
        (v, B256::from(signed.r()), B256::from(signed.s()))
    }
}

/// `milli` thousandths of the shares that `holder` has of `pair`.
pub(super) fn shares(stage: &mut Stage, pair: Address, holder: Address, milli: u64) -> U256 {
    let all = stage.ask(&Probe::view(pair, &HeldPair::balanceOfCall { account: holder }));
    all.saturating_mul(U256::from(milli)).checked_div(U256::from(1_000)).unwrap_or_default()
}
