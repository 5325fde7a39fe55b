//! Books that do not add up.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolConstructor;

use super::super::amount::whole;
use super::super::contracts::{ZooFlawedToken, ZooVault};
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{Town, live};
use super::attack::{burst, runner};
use super::contracts::{
    HeldBooster, HeldEtherDesk, HeldInverseMarket, HeldLooseDrop, HeldOpenVault, HeldPlace, HeldPricedPool, HeldThanks,
    HeldTimeToken,
};
use super::offices::tree;
use super::plaza::Plaza;

/// Whoever brings himself is thanked: shares are bought and sold back thirty times.
pub(super) fn thanks_to_oneself(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let desk = stage.deploy(town.deployer, &HeldThanks::BYTECODE, Vec::new());
    let makers = Send { from: town.deployer, to: Some(desk), value: whole(350), data: Default::default() };
    stage.honest(&makers);
    for index in 0..4 {
        let buy = HeldThanks::buyCall { broughtBy: Address::ZERO };
        stage.pay(town.citizen(index), desk, whole(100), &buy);
    }
    let buy = HeldThanks::buyCall { broughtBy: town.citizen(5) };
    let traffic = [
        Send::pay(town.citizen(6), desk, whole(3), &buy),
        Send::call(town.citizen(6), desk, &HeldThanks::sellCall { amount: whole(2) }),
    ];
    live(stage, &traffic);
    Scene::new(&[desk], move |role| {
        let buy = Act::new(desk, &HeldThanks::buyCall { broughtBy: role.me }).paying(whole(100));
        let sell = Act::new(desk, &HeldThanks::sellCall { amount: whole(100) });
        let mut acts: Vec<Act> = std::iter::repeat_n([buy, sell], 30).flatten().collect();
        acts.push(Act::ether(role.thief, U256::MAX));
        runner(role, whole(100), &[Plan::new(acts)])
    })
    .losing(vec![Probe::ether(desk)])
    .among(&traffic)
}

/// A loan is paid back by a deposit, which is then taken out.
pub(super) fn loan_deposited(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let desk = stage.deploy(town.deployer, &HeldEtherDesk::BYTECODE, Vec::new());
    for index in 0..6 {
        stage.pay(town.citizen(index), desk, whole(100), &HeldEtherDesk::depositCall {});
    }
    let traffic = [
        Send::pay(town.citizen(7), desk, whole(4), &HeldEtherDesk::depositCall {}),
        Send::call(town.citizen(7), desk, &HeldEtherDesk::withdrawCall { amount: whole(3) }),
    ];
    live(stage, &traffic);
    Scene::new(&[desk], move |role| {
        let amount = whole(550);
        let deposit = Act::new(desk, &HeldEtherDesk::depositCall {}).paying(amount);
        let acts = vec![
            Act::new(desk, &HeldEtherDesk::flashLoanCall { amount }),
            Act::new(desk, &HeldEtherDesk::withdrawCall { amount }),
            Act::ether(role.thief, U256::MAX),
        ];
        runner(role, U256::ZERO, &[Plan::new(acts).answering(vec![deposit])])
    })
    .losing(vec![Probe::ether(desk)])
    .among(&traffic)
}

/// The attacker's own place "pays" a reward, which is a stake that comes in at this moment.
pub(super) fn place_of_ones_own(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let arguments = HeldBooster::constructorCall { token_: token };
    let booster = stage.deploy(town.deployer, &HeldBooster::BYTECODE, arguments.abi_encode());
    let arguments = HeldPlace::constructorCall { token };
    let place = stage.deploy(town.deployer, &HeldPlace::BYTECODE, arguments.abi_encode());
    town.approve(stage, token, booster);
    for index in 0..4 {
        let deposit = HeldBooster::depositCall { place, amount: whole(10_000) };
        stage.call(town.citizen(index), booster, &deposit);
    }
    let reward = ZooFlawedToken::transferCall { to: place, amount: whole(50) };
    let traffic = [
        Send::call(town.deployer, token, &reward),
        Send::call(town.citizen(0), booster, &HeldBooster::harvestCall { place }),
        Send::call(town.citizen(0), booster, &HeldBooster::claimCall { place }),
    ];
    live(stage, &traffic);
    Scene::new(&[booster], move |role| {
        let (me, amount) = (role.me, whole(30_000));
        let lent = vec![
            Act::approve(token, town.lender),
            Act::approve(token, booster),
            Act::new(booster, &HeldBooster::depositCall { place: me, amount: U256::ZERO }),
            Act::new(booster, &HeldBooster::harvestCall { place: me }),
            Act::new(booster, &HeldBooster::claimCall { place: me }),
            Act::new(booster, &HeldBooster::withdrawCall { place, amount }),
        ];
        let paying = vec![Act::new(booster, &HeldBooster::depositCall { place, amount })];
        let acts = vec![Act::flash_loan(town.lender, me, token, amount), Act::transfer_all(token, me, role.thief)];
        runner(role, U256::ZERO, &[Plan { acts, answers: vec![lent, paying] }])
    })
    .losing(vec![Probe::token(booster, token)])
    .among(&traffic)
}

/// A token is sold for itself until it is dear, and then for the other one.
pub(super) fn sold_for_itself(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 60_000);
    let pool = stage.deploy(plaza.town.deployer, &HeldPricedPool::BYTECODE, Vec::new());
    for token in [asset, plaza.weth] {
        plaza.town.approve(stage, token, pool);
        let add = HeldPricedPool::addCall { token, amount: whole(50_000), price: whole(1) };
        stage.call(plaza.town.deployer, pool, &add);
    }
    let swap = |sold, bought, amount: u64| HeldPricedPool::swapCall { sold, bought, amount: whole(amount) };
    let traffic = [
        Send::call(plaza.town.citizen(5), pool, &swap(asset, plaza.weth, 40)),
        Send::call(plaza.town.citizen(6), pool, &swap(plaza.weth, asset, 40)),
    ];
    live(stage, &traffic);
    let losses = vec![Probe::token(pool, plaza.weth), Probe::token(pool, asset)];
    Scene::new(&[pool], move |role| {
        let me = role.me;
        let answer = vec![Act::approve(asset, plaza.town.lender), Act::new(pool, &swap(asset, asset, 20_000)).times(7)];
        let mut acts = vec![
            plaza.wraps(whole(3_500)),
            Act::approve(plaza.weth, plaza.router),
            Act::approve(asset, pool),
            plaza.swaps(me, &[plaza.weth, asset], whole(3_500)),
            Act::flash_loan(plaza.town.lender, me, asset, whole(20_000)),
            Act::new(pool, &swap(asset, plaza.weth, 3_000)),
        ];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, whole(3_500), &[Plan::new(acts).answering(answer)])
    })
    .losing(losses)
    .among(&traffic)
}

/// Somebody on a list has been paid; twelve helpers claim for him again.
pub(super) fn claimed_through_others(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let mut people: Vec<(Address, U256)> = (0..7_u64)
        .map(|index| (stage.actor(&format!("entitled {index}")), whole(700_u64.saturating_add(index))))
        .collect();
    people.push((town.subject, whole(800)));
    let (root, proofs) = tree(&people);
    let arguments = HeldLooseDrop::constructorCall { token_: token, root_: root };
    let drop = stage.deploy(town.deployer, &HeldLooseDrop::BYTECODE, arguments.abi_encode());
    stage.call(town.deployer, token, &ZooFlawedToken::transferCall { to: drop, amount: whole(16_000) });
    let claim = move |index: usize| {
        let (account, amount) = people.get(index).copied().unwrap_or_default();
        let proof: Vec<B256> = proofs.get(index).cloned().unwrap_or_default();
        HeldLooseDrop::claimForCall { account, amount, proof }
    };
    let more = ZooFlawedToken::transferCall { to: town.citizen(4), amount: whole(5) };
    stage.begin();
    for index in 0..14_usize {
        stage.call(town.citizen(3), token, &more);
        match index {
            3 => stage.call(town.subject, drop, &claim(7)),
            6..9 => {
                let payer = stage.actor(&format!("entitled {index}"));
                stage.call(payer, drop, &claim(index.saturating_sub(6)));
            }
            _ => {}
        }
        stage.wait(super::super::town::DAY);
    }
    let mine = claim(7);
    Scene::new(&[drop], move |role| {
        let again = |index| (index, Plan::new(vec![Act::new(drop, &mine)]));
        let orders: Vec<(u64, Plan)> = (0..12).map(again).collect();
        vec![burst(role, 12, &orders, &[], (U256::ZERO, U256::ZERO))]
    })
    .losing(vec![Probe::token(drop, token)])
}

/// Nobody asks whether those whose shares are paid out agree.
pub(super) fn paid_for_others(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let arguments = HeldOpenVault::constructorCall { token_: token };
    let vault = stage.deploy(town.deployer, &HeldOpenVault::BYTECODE, arguments.abi_encode());
    town.approve(stage, token, vault);
    for index in 0..5 {
        stage.call(town.citizen(index), vault, &HeldOpenVault::depositCall { amount: whole(9_000) });
    }
    let own = town.citizen(6);
    let traffic = [
        Send::call(own, vault, &HeldOpenVault::depositCall { amount: whole(30) }),
        Send::call(own, vault, &HeldOpenVault::withdrawForCall { amount: whole(20), receiver: own, owner: own }),
    ];
    live(stage, &traffic);
    Scene::new(&[vault], move |role| {
        let take = |index| {
            let (amount, receiver) = (whole(4_000), role.thief);
            let call = HeldOpenVault::withdrawForCall { amount, receiver, owner: town.citizen(index) };
            [Step::by(role.thief, vault, &call), Step::Wait(40)]
        };
        (0..5).flat_map(take).collect()
    })
    .losing(vec![Probe::token(vault, token)])
    .among(&traffic)
}

/// More comes free than was locked, because nobody looks, and a pair buys some of it.
pub(super) fn freed_without_a_look(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let arguments = HeldTimeToken::constructorCall { holder: plaza.town.deployer, supply: whole(1_000_000) };
    let token = plaza.odd_token(stage, &HeldTimeToken::BYTECODE, &arguments, 1_000_000);
    let pair = plaza.pair(stage, token, 40_000);
    let mut traffic = plaza.trades(token, 30);
    traffic.push(Send::call(plaza.town.citizen(2), token, &HeldTimeToken::lockCall { amount: whole(20) }));
    traffic.push(Send::call(plaza.town.citizen(2), token, &HeldTimeToken::freeCall { amount: whole(10) }));
    live(stage, &traffic);
    let losses = vec![Probe::token(pair, plaza.weth)];
    Scene::new(&[token], move |role| {
        let approve = ZooFlawedToken::approveCall { spender: plaza.router, amount: U256::MAX };
        vec![
            Step::by(role.thief, token, &HeldTimeToken::freeCall { amount: whole(45_000) }),
            Step::by(role.thief, token, &approve),
            Step::Account(plaza.swap(role.thief, &[token, plaza.weth], whole(15_000))),
            Step::Account(plaza.swap(role.thief, &[token, plaza.weth], whole(30_000))),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// A share of a new and empty vault is made so dear that what it divides becomes nothing, and everything is lent on it.
pub(super) fn divided_to_nothing(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 60_000);
    let arguments = HeldInverseMarket::constructorCall { token_: asset };
    let market = stage.deploy(plaza.town.deployer, &HeldInverseMarket::BYTECODE, arguments.abi_encode());
    let vault = |stage: &mut Stage| {
        let arguments = ZooVault::constructorCall { asset_: asset, manager_: plaza.town.deployer };
        let vault = stage.deploy(plaza.town.deployer, &ZooVault::BYTECODE, arguments.abi_encode());
        stage.call(plaza.town.deployer, market, &HeldInverseMarket::listCall { vault });
        plaza.town.approve(stage, asset, vault);
        plaza.town.approve(stage, vault, market);
        vault
    };
    let (old, young) = (vault(stage), vault(stage));
    plaza.town.approve(stage, asset, market);
    stage.call(plaza.town.citizen(0), market, &HeldInverseMarket::fundCall { amount: whole(30_000) });
    let borrower = plaza.town.citizen(1);
    stage.call(borrower, old, &ZooVault::depositCall { assets: whole(5_000), receiver: borrower });
    stage.call(borrower, market, &HeldInverseMarket::supplyCall { vault: old, shares: whole(4_000) });
    let traffic = [
        Send::call(borrower, market, &HeldInverseMarket::borrowCall { vault: old, amount: whole(20) }),
        Send::call(borrower, market, &HeldInverseMarket::repayCall { vault: old, amount: whole(18) }),
    ];
    live(stage, &traffic);
    Scene::new(&[market], move |role| {
        let me = role.me;
        let answer = vec![
            Act::approve(asset, plaza.town.lender),
            Act::approve(asset, young),
            Act::approve(young, market),
            Act::approve(asset, plaza.router),
            Act::new(young, &ZooVault::depositCall { assets: U256::ONE, receiver: me }),
            Act::transfer(asset, young, whole(2_000)),
            Act::new(market, &HeldInverseMarket::supplyCall { vault: young, shares: U256::ONE }),
            Act::new(market, &HeldInverseMarket::borrowCall { vault: young, amount: whole(28_000) }),
        ];
        let mut acts = vec![
            Act::flash_loan(plaza.town.lender, me, asset, whole(2_001)),
            plaza.swaps_all(me, &[asset, plaza.weth]),
        ];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, U256::ZERO, &[Plan::new(acts).answering(answer)])
    })
    .losing(vec![Probe::token(market, asset), Probe::token(young, asset)])
    .among(&traffic)
}
