//! Owners, keepers and councils whose honest decisions look like attacks.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};

use super::access::Kept;
use super::amount::{milli, whole};
use super::bridge::{Crossing, message};
use super::contracts::{
    ModuleProxy, ZooBridge, ZooFeed, ZooFlawedToken, ZooLending, ZooPool, ZooReserve, ZooReserveNext, ZooSafe,
    ZooTimelock, ZooTreasury, ZooVault,
};
use super::entry::Scene;
use super::governance::{Assembly, DELAY};
use super::lending::{Market, Source};
use super::multisig::{Vaulted, Wish};
use super::plan::Step;
use super::stage::{Send, Stage};
use super::town::{DAY, Town, live};
use super::vault::{Filled, share_price};

/// The manager moves half of a vault to its strategy, as every other day, only more.
pub(super) fn rebalancing(stage: &mut Stage) -> Scene {
    let filled = Filled::new(stage);
    let (manager, strategy) = (filled.town.deployer, filled.town.citizen(10));
    let mut traffic = filled.traffic.clone();
    let invest = |amount: u64| ZooVault::investCall { strategy, amount: whole(amount) };
    traffic.push(Send::call(manager, filled.vault, &invest(2_000)));
    traffic.push(Send::call(manager, filled.vault, &ZooVault::divestCall { amount: whole(1_900) }));
    live(stage, &traffic);
    let vault = filled.vault;
    Scene::new(&[vault], move |_| {
        vec![Step::by(manager, vault, &ZooVault::investCall { strategy, amount: whole(40_000) })]
    })
    .losing(vec![share_price(vault)])
    .among(&traffic)
}

/// An upgrade that was queued in a timelock for two days.
pub(super) fn planned_upgrade(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let arguments = ZooTimelock::constructorCall {
        delay: U256::from(DELAY),
        proposers: vec![town.citizen(8)],
        executors: vec![Address::ZERO],
        admin: town.deployer,
    };
    let timelock = stage.deploy(town.deployer, &ZooTimelock::BYTECODE, arguments.abi_encode());
    let implementation = stage.deploy(town.deployer, &ZooReserve::BYTECODE, Vec::new());
    let data = ZooReserve::initialiseCall { owner_: timelock }.abi_encode().into();
    let arguments = ModuleProxy::constructorCall { implementation, data };
    let reserve = stage.deploy(town.deployer, &ModuleProxy::BYTECODE, arguments.abi_encode());
    let fund = ZooFlawedToken::transferCall { to: reserve, amount: whole(50_000) };
    stage.call(town.deployer, token, &fund);
    let more = ZooFlawedToken::transferCall { to: reserve, amount: whole(20) };
    let traffic = [Send::call(town.citizen(3), token, &more)];
    live(stage, &traffic);
    let next = stage.next_creation(town.deployer);
    Scene::new(&[reserve, timelock], move |_| {
        let council = town.citizen(8);
        let payload: Bytes = ZooReserve::upgradeCall { implementation: next }.abi_encode().into();
        let schedule = ZooTimelock::scheduleCall {
            target: reserve,
            value: U256::ZERO,
            data: payload.clone(),
            predecessor: Default::default(),
            salt: Default::default(),
            delay: U256::from(DELAY),
        };
        let execute = ZooTimelock::executeCall {
            target: reserve,
            value: U256::ZERO,
            payload,
            predecessor: Default::default(),
            salt: Default::default(),
        };
        vec![
            Step::Account(Send::create(town.deployer, ZooReserveNext::BYTECODE.clone())),
            Step::by(council, timelock, &schedule),
            Step::Wait(DELAY),
            Step::by(council, timelock, &execute),
        ]
    })
    .among(&traffic)
}

/// The owner uses a function that was always there, for the first time: twelve payments at once.
pub(super) fn first_use(stage: &mut Stage) -> Scene {
    pays_many(stage, 12, 100)
}

/// Nearly all of a reserve goes to as many accounts as announced.
pub(super) fn airdrop(stage: &mut Stage) -> Scene {
    pays_many(stage, 90, 500)
}

fn pays_many(stage: &mut Stage, count: usize, amount: u64) -> Scene {
    let kept = Kept::new(stage, true);
    let people: Vec<Address> = (0..count).map(|index| stage.actor(&format!("recipient {index}"))).collect();
    live(stage, &kept.traffic);
    let (modules, traffic) = (vec![kept.reserve], kept.traffic.clone());
    Scene::new(&modules, move |_| {
        let pay = ZooReserve::payManyCall { token: kept.token, to: people.clone(), amount: whole(amount) };
        vec![Step::by(kept.owner, kept.reserve, &pay)]
    })
    .among(&traffic)
}

/// A multisig pays a seventh of what it has to a new account, as its owners decided.
pub(super) fn treasury_payment(stage: &mut Stage) -> Scene {
    let vaulted = Vaulted::lived(stage, None);
    let builder = stage.actor("builder");
    Scene::new(&[vaulted.safe], move |_| {
        let pay = ZooFlawedToken::transferCall { to: builder, amount: whole(14_000) };
        vaulted.sends(&Wish::call(vaulted.token, &pay), 0).into_iter().map(Step::Account).collect()
    })
}

/// A multisig gets one more owner by its own procedure.
pub(super) fn signer_rotation(stage: &mut Stage) -> Scene {
    let vaulted = Vaulted::lived(stage, None);
    Scene::new(&[vaulted.safe], move |_| {
        let add = ZooSafe::addOwnerWithThresholdCall { owner: vaulted.town.citizen(3), threshold_: U256::from(2) };
        vaulted.sends(&Wish::call(vaulted.safe, &add), 0).into_iter().map(Step::Account).collect()
    })
}

/// The feed follows a falling market, and borrowers repay and withdraw.
pub(super) fn price_update(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    live(stage, &market.traffic);
    let (modules, traffic) = (vec![market.lending, market.feed], market.traffic.clone());
    Scene::new(&modules, move |_| {
        let (keeper, borrower) = (market.town.citizen(11), market.town.citizen(4));
        let falls = ZooPool::swapCall { tokenIn: market.collateral, amountIn: whole(7_000) };
        let repay = ZooLending::repayCall { amount: whole(2_000), account: borrower };
        vec![
            Step::Bystander(Send::call(market.town.citizen(9), market.pool, &falls)),
            Step::by(keeper, market.feed, &ZooFeed::pushCall { price_: milli(870) }),
            Step::by(borrower, market.lending, &repay),
            Step::by(borrower, market.lending, &ZooLending::releaseCall { amount: whole(4_000) }),
            Step::by(keeper, market.feed, &ZooFeed::pushCall { price_: milli(930) }),
        ]
    })
    .among(&traffic)
}

/// A quarter of the bridge is released to somebody who locked it elsewhere.
pub(super) fn large_release(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    let (bridge, traffic) = (crossing.bridge, crossing.traffic.clone());
    Scene::new(&[bridge], move |_| {
        let receiver = crossing.town.citizen(4);
        let theirs = message(5_000, receiver, whole(26_000));
        let mut steps: Vec<Step> = crossing.attested(&theirs).into_iter().map(Step::Account).collect();
        steps.push(Step::by(receiver, bridge, &ZooBridge::releaseCall { message: theirs }));
        steps
    })
    .among(&traffic)
}

/// A proposal that pays a grant goes all its way.
pub(super) fn granted_proposal(stage: &mut Stage) -> Scene {
    let assembly = Assembly::lived(stage, None);
    let (modules, traffic) = (vec![assembly.governor, assembly.timelock, assembly.treasury], assembly.traffic.clone());
    Scene::new(&modules, move |_| {
        let grant = assembly.pay(assembly.town.citizen(6), 8_000);
        assembly.proposal(assembly.treasury, &grant, (0..4).map(|index| assembly.town.citizen(index)))
    })
    .among(&traffic)
}

/// A multisig trades a tenth of its tokens in a pool: an allowance, and a swap at the pool's price.
pub(super) fn treasury_trade(stage: &mut Stage) -> Scene {
    let vaulted = Vaulted::lived(stage, None);
    let other = vaulted.town.token(stage, "OTHER");
    let pool = vaulted.town.pool(stage, (vaulted.token, other), 200_000, 1);
    stage.wait(DAY);
    Scene::new(&[vaulted.safe], move |_| {
        let approve = ZooFlawedToken::approveCall { spender: pool, amount: whole(10_000) };
        let swap = ZooPool::swapCall { tokenIn: vaulted.token, amountIn: whole(10_000) };
        let mut sends = vaulted.sends(&Wish::call(vaulted.token, &approve), 0);
        sends.extend(vaulted.sends(&Wish::call(pool, &swap), 1));
        sends.into_iter().map(Step::Account).collect()
    })
}

/// The owner hands a treasury to a timelock, as announced, and nothing leaves.
pub(super) fn handover(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let owner = town.citizen(0);
    let arguments = ZooTimelock::constructorCall {
        delay: U256::from(DELAY),
        proposers: vec![owner],
        executors: vec![Address::ZERO],
        admin: owner,
    };
    let timelock = stage.deploy(town.deployer, &ZooTimelock::BYTECODE, arguments.abi_encode());
    let arguments = ZooTreasury::constructorCall { owner_: owner };
    let treasury = stage.deploy(town.deployer, &ZooTreasury::BYTECODE, arguments.abi_encode());
    let fund = ZooFlawedToken::transferCall { to: treasury, amount: whole(50_000) };
    stage.call(town.deployer, token, &fund);
    let traffic =
        [Send::call(owner, treasury, &ZooTreasury::payCall { token, to: town.citizen(4), amount: whole(100) })];
    live(stage, &traffic);
    Scene::new(&[treasury], move |_| {
        vec![Step::by(owner, treasury, &ZooTreasury::transferOwnershipCall { newOwner: timelock })]
    })
    .among(&traffic)
}
