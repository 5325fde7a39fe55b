//! Users of protocols whose honest flows look like attacks: nobody loses what he was not ready to give.

use alloy_primitives::{Address, U256};

use super::amount::{milli, whole};
use super::contracts::{ZooEtherStaking, ZooFeed, ZooFlawedToken, ZooLending, ZooPool, ZooStaking, ZooVault};
use super::entry::Scene;
use super::lending::{Market, Source, lending, lending_traffic};
use super::plan::{Act, Plan, Step};
use super::stage::{Probe, Send, Stage};
use super::staking::Rewards;
use super::town::{DAY, Town, live};
use super::vault::{Filled, share_price};

/// Two pools with different prices, made equal by a stranger's new contract with borrowed money.
pub(super) fn arbitrage(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let (base, quote) = (town.token(stage, "BASE"), town.token(stage, "QUOTE"));
    let first = town.pool(stage, (base, quote), 50_000, 1);
    let second = town.pool(stage, (base, quote), 50_000, 1);
    let mut traffic = town.trades(first, base, quote);
    traffic.extend(town.trades(second, base, quote));
    live(stage, &traffic);
    let buy = ZooPool::swapCall { tokenIn: quote, amountIn: whole(4_000) };
    stage.call(town.citizen(2), first, &buy);
    Scene::new(&[first, second], move |role| {
        let answer = vec![
            Act::approve(quote, second),
            Act::approve(base, first),
            Act::approve(quote, town.lender),
            Act::swap(second, quote, whole(1_800)),
            Act::swap_all(first, base, role.me),
        ];
        let acts = vec![
            Act::flash_loan(town.lender, role.me, quote, whole(1_800)),
            Act::transfer_all(quote, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .among(&traffic)
}

/// The price falls by half in the market; the feed follows, and a stranger liquidates with borrowed money.
pub(super) fn liquidation(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    let debtor = market.town.citizen(8);
    let (lending, feed) = (market.lending, market.feed);
    stage.call(debtor, lending, &ZooLending::depositCall { amount: whole(20_000), account: debtor });
    stage.call(debtor, lending, &ZooLending::borrowCall { amount: whole(14_000) });
    live(stage, &market.traffic);
    let (modules, traffic) = (vec![lending], market.traffic.clone());
    Scene::new(&modules, move |role| {
        let falls = ZooPool::swapCall { tokenIn: market.collateral, amountIn: whole(6_000) };
        let push = ZooFeed::pushCall { price_: milli(890) };
        let answer = vec![
            Act::approve(market.loan, lending),
            Act::approve(market.loan, market.town.lender),
            Act::approve(market.collateral, market.pool),
            Act::new(lending, &ZooLending::liquidateCall { account: debtor, amount: whole(2_000) }),
            Act::swap_all(market.pool, market.collateral, role.me),
        ];
        let acts = vec![
            Act::flash_loan(market.town.lender, role.me, market.loan, whole(2_000)),
            Act::transfer_all(market.loan, role.me, role.thief),
        ];
        vec![
            Step::Bystander(Send::call(market.town.citizen(9), market.pool, &falls)),
            Step::by(market.town.citizen(11), feed, &push),
            Step::Contract(Plan::new(acts).answering(answer)),
        ]
    })
    .among(&traffic)
}

/// The largest depositor leaves with seven tenths of a vault.
pub(super) fn large_exit(stage: &mut Stage) -> Scene {
    let filled = Filled::new(stage);
    let whale = filled.town.citizen(9);
    let deposit = ZooVault::depositCall { assets: whole(190_000), receiver: whale };
    stage.call(whale, filled.vault, &deposit);
    live(stage, &filled.traffic);
    let (vault, traffic) = (filled.vault, filled.traffic.clone());
    Scene::new(&[vault], move |_| {
        let redeem = ZooVault::redeemCall { shares: whole(189_000), receiver: whale, owner: whale };
        vec![Step::by(whale, vault, &redeem)]
    })
    .losing(vec![share_price(vault)])
    .among(&traffic)
}

/// Everybody moves to the vault's successor, which is not protected yet.
pub(super) fn migration(stage: &mut Stage) -> Scene {
    let filled = Filled::new(stage);
    let successor = Filled::deploy(stage, &filled.town, filled.asset);
    live(stage, &filled.traffic);
    let (vault, traffic) = (filled.vault, filled.traffic.clone());
    let movers: Vec<Address> = (3..8).map(|index| filled.town.citizen(index)).collect();
    Scene::new(&[vault], move |_| {
        movers.iter().map(|mover| Step::by(*mover, vault, &ZooVault::migrateCall { successor })).collect()
    })
    .losing(vec![share_price(vault)])
    .among(&traffic)
}

/// A borrower's own contract moves his loan from one market to the other with a flash loan.
pub(super) fn refinance(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    let tokens = (market.collateral, market.loan);
    let other = lending(stage, &market.town, tokens, market.feed, 10_000);
    let mut traffic = market.traffic.clone();
    traffic.extend(lending_traffic(&market.town, other));
    live(stage, &traffic);
    let old = market.lending;
    Scene::new(&[old, other], move |role| {
        let (collateral, debt) = (whole(40_000), whole(28_000));
        let fund = ZooFlawedToken::transferCall { to: role.me, amount: collateral };
        let open = vec![
            Act::approve(market.collateral, old),
            Act::approve(market.collateral, other),
            Act::approve(market.loan, old),
            Act::approve(market.loan, market.town.lender),
            Act::new(old, &ZooLending::depositCall { amount: collateral, account: role.me }),
            Act::new(old, &ZooLending::borrowCall { amount: debt }),
            Act::transfer_all(market.loan, role.me, market.town.citizen(9)),
        ];
        let moving = vec![
            Act::new(old, &ZooLending::repayCall { amount: debt, account: role.me }),
            Act::new(old, &ZooLending::releaseCall { amount: collateral }),
            Act::new(other, &ZooLending::depositCall { amount: collateral, account: role.me }),
            Act::new(other, &ZooLending::borrowCall { amount: debt }),
        ];
        let flash = Act::flash_loan(market.town.lender, role.me, market.loan, debt);
        vec![
            Step::Bystander(Send::call(market.town.citizen(9), market.collateral, &fund)),
            Step::Contract(Plan::new(open)),
            Step::Wait(2 * DAY),
            Step::Contract(Plan::new(vec![flash]).answering(moving)),
        ]
    })
    .among(&traffic)
}

/// A trader is sandwiched: his loss, not the pool's.
pub(super) fn sandwich(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let (base, quote) = (town.token(stage, "BASE"), town.token(stage, "QUOTE"));
    let pool = town.pool(stage, (base, quote), 50_000, 1);
    let traffic = town.trades(pool, base, quote);
    live(stage, &traffic);
    Scene::new(&[pool], move |role| {
        let fund = ZooFlawedToken::transferCall { to: role.me, amount: whole(10_000) };
        let victim = ZooPool::swapCall { tokenIn: quote, amountIn: whole(6_000) };
        let front = vec![Act::approve(quote, pool), Act::approve(base, pool), Act::swap(pool, quote, whole(10_000))];
        let back = vec![Act::swap_all(pool, base, role.me), Act::transfer_all(quote, role.me, role.thief)];
        vec![
            Step::Bystander(Send::call(town.citizen(10), quote, &fund)),
            Step::Contract(Plan::new(front)),
            Step::Bystander(Send::call(town.citizen(3), pool, &victim)),
            Step::Contract(Plan::new(back)),
        ]
    })
    .among(&traffic)
}

/// Forty stakers claim in the same hour.
pub(super) fn reward_day(stage: &mut Stage) -> Scene {
    let rewards = Rewards::new(stage, 20_000, 5_000);
    let crowd: Vec<Address> = (0..40).map(|index| stage.actor(&format!("staker {index}"))).collect();
    for staker in &crowd {
        rewards.join(stage, *staker, rewards.staking, whole(2_000));
    }
    live(stage, &rewards.traffic);
    let (staking, traffic) = (rewards.staking, rewards.traffic.clone());
    Scene::new(&[staking], move |_| {
        crowd.iter().map(|staker| Step::by(*staker, staking, &ZooStaking::claimCall {})).collect()
    })
    .among(&traffic)
}

/// A new account's contract builds a leveraged and covered position in one transaction.
pub(super) fn margin_deposit(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    live(stage, &market.traffic);
    let (modules, traffic) = (vec![market.lending], market.traffic.clone());
    Scene::new(&modules, move |role| {
        let fund = ZooFlawedToken::transferCall { to: role.me, amount: whole(5_000) };
        let answer = vec![
            Act::approve(market.loan, market.pool),
            Act::approve(market.collateral, market.lending),
            Act::approve(market.loan, market.town.lender),
            Act::swap(market.pool, market.loan, whole(5_000)),
            Act::new(market.lending, &ZooLending::depositCall { amount: whole(9_600), account: role.me }),
            Act::new(market.lending, &ZooLending::borrowCall { amount: whole(5_000) }),
        ];
        let acts = vec![Act::flash_loan(market.town.lender, role.me, market.loan, whole(5_000))];
        vec![
            Step::Bystander(Send::call(market.town.citizen(9), market.collateral, &fund)),
            Step::Contract(Plan::new(acts).answering(answer)),
        ]
    })
    .among(&traffic)
}

/// Deposited and redeemed in one transaction by a contract that has just been made.
pub(super) fn zap(stage: &mut Stage) -> Scene {
    let filled = Filled::new(stage);
    live(stage, &filled.traffic);
    let (vault, traffic) = (filled.vault, filled.traffic.clone());
    Scene::new(&[vault], move |role| {
        let answer = vec![
            Act::approve(filled.asset, vault),
            Act::approve(filled.asset, filled.town.lender),
            Act::new(vault, &ZooVault::depositCall { assets: whole(40_000), receiver: role.me }),
            Act::new(vault, &ZooVault::withdrawCall { assets: whole(40_000), receiver: role.me, owner: role.me }),
        ];
        let acts = vec![Act::flash_loan(filled.town.lender, role.me, filled.asset, whole(40_000))];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(vec![share_price(vault)])
    .among(&traffic)
}

/// A contract's wallet is paid, and puts a part back while it is being paid.
pub(super) fn restaking(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let staking = stage.deploy(town.deployer, &ZooEtherStaking::BYTECODE, Vec::new());
    for index in 0..4 {
        stage.pay(town.citizen(index), staking, whole(500), &ZooEtherStaking::depositCall {});
    }
    let traffic = [
        Send::pay(town.citizen(0), staking, whole(5), &ZooEtherStaking::depositCall {}),
        Send::call(town.citizen(1), staking, &ZooEtherStaking::withdrawCall { amount: whole(4) }),
    ];
    live(stage, &traffic);
    let shares = staking.create(1);
    Scene::new(&[staking, shares], move |role| {
        let deposit = |amount| Act::new(staking, &ZooEtherStaking::depositCall {}).paying(amount);
        let opening = vec![deposit(whole(200))];
        let acts = vec![
            Act::new(staking, &ZooEtherStaking::withdrawCall { amount: whole(50) }),
            Act::ether(role.thief, U256::MAX),
        ];
        vec![
            Step::Contract(Plan::new(opening)),
            Step::Wait(DAY),
            Step::Contract(Plan::new(acts).answering(vec![deposit(whole(20))])),
        ]
    })
    .with_purse(whole(200))
    .losing(vec![Probe::ether(staking)])
    .among(&traffic)
}

/// A protected lender lends nearly all it has for an instant.
pub(super) fn flash_lending(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let other = town.token(stage, "OTHER");
    let pool = town.pool(stage, (token, other), 50_000, 1);
    let traffic = town.trades(pool, token, other);
    live(stage, &traffic);
    Scene::new(&[town.lender], move |role| {
        let fund = ZooFlawedToken::transferCall { to: role.me, amount: whole(50) };
        let answer = vec![
            Act::approve(token, town.lender),
            Act::approve(token, pool),
            Act::approve(other, pool),
            Act::swap(pool, token, whole(2_000)),
            Act::swap_all(pool, other, role.me),
        ];
        let acts = vec![Act::flash_loan(town.lender, role.me, token, whole(900_000))];
        vec![
            Step::Bystander(Send::call(town.citizen(5), token, &fund)),
            Step::Contract(Plan::new(acts).answering(answer)),
        ]
    })
    .among(&traffic)
}
