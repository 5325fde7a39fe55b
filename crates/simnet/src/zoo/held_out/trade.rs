//! Pools, and what traders and providers do in them.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolConstructor;

use super::super::amount::{milli, whole};
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::live;
use super::attack::burst;
use super::contracts::{HeldPair, HeldRouter, HeldStablePool};
use super::plaza::{Plaza, shares};

/// A pool of two coins of 100,000 each that counts in whole coins where it is asked for exact amounts.
pub(super) struct Stable {
    pub(super) plaza: Plaza,
    pub(super) coins: [Address; 2],
    pub(super) pool: Address,
    pub(super) traffic: Vec<Send>,
}

impl Stable {
    pub(super) fn new(stage: &mut Stage) -> Self {
        let plaza = Plaza::new(stage);
        let [first, second] = ["ONE", "TWO"].map(|symbol| plaza.town.token(stage, symbol));
        let coins = [first, second];
        let arguments = HeldStablePool::constructorCall { first, second, unit: whole(1) };
        let pool = stage.deploy(plaza.town.deployer, &HeldStablePool::BYTECODE, arguments.abi_encode());
        for coin in coins {
            plaza.town.approve(stage, coin, pool);
        }
        let add = |amount: u64| HeldStablePool::addLiquidityCall { amounts: [whole(amount), whole(amount)] };
        stage.call(plaza.town.citizen(0), pool, &add(70_000));
        stage.call(plaza.town.citizen(1), pool, &add(30_000));
        let sell = |coin: u64| HeldStablePool::exchangeCall { sold: U256::from(coin), amount: whole(150) };
        let traffic =
            vec![Send::call(plaza.town.citizen(5), pool, &sell(0)), Send::call(plaza.town.citizen(6), pool, &sell(1))];
        Self { plaza, coins, pool, traffic }
    }
}

/// Two thousand amounts just below one coin, for which nothing is to be paid: one part in a hundred of the pool.
pub(super) fn below_one_unit(stage: &mut Stage) -> Scene {
    let Stable { coins, pool, traffic, .. } = Stable::new(stage);
    live(stage, &traffic);
    let losses = coins.iter().map(|coin| Probe::token(pool, *coin)).collect();
    Scene::new(&[pool], move |role| {
        let outs = vec![milli(999); 125];
        let buy = |bought: u64| HeldStablePool::exchangeForCall { bought: U256::from(bought), outs: outs.clone() };
        let plan = Plan::new(vec![Act::new(pool, &buy(0)).times(8), Act::new(pool, &buy(1)).times(8)]);
        vec![burst(role, 1, &[(0, plan)], &coins, (U256::ZERO, U256::ZERO))]
    })
    .losing(losses)
    .among(&traffic)
}

/// Two fifths of one coin are sold into the pool at its price: a payday of somebody large.
pub(super) fn honest_imbalance(stage: &mut Stage) -> Scene {
    let Stable { plaza, pool, traffic, .. } = Stable::new(stage);
    live(stage, &traffic);
    Scene::new(&[pool], move |_| {
        let sell = |amount| HeldStablePool::exchangeCall { sold: U256::ZERO, amount: whole(amount) };
        vec![
            Step::by(plaza.town.citizen(9), pool, &sell(40_000)),
            Step::by(plaza.town.citizen(0), pool, &HeldStablePool::removeLiquidityCall { shares: whole(120_000) }),
        ]
    })
    .among(&traffic)
}

/// The main provider of a pair takes nine tenths of his shares back.
pub(super) fn honest_provider_exit(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, pair) = plaza.listed(stage, "ASSET", 40_000);
    stage.honest(&plaza.add(plaza.town.citizen(2), asset, whole(8_000), plaza.town.citizen(2)));
    let traffic = plaza.trades(asset, 30);
    live(stage, &traffic);
    let out = shares(stage, pair, plaza.town.deployer, 900);
    Scene::new(&[pair], move |_| vec![Step::Account(plaza.remove(plaza.town.deployer, asset, out))]).among(&traffic)
}

/// A market maker moves half of what he provides from one pair to another one, and trades the difference.
pub(super) fn honest_market_maker(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (first, one) = plaza.listed(stage, "FIRST", 40_000);
    let (second, two) = plaza.listed(stage, "SECOND", 30_000);
    let mut traffic = plaza.trades(first, 30);
    traffic.extend(plaza.trades(second, 30));
    live(stage, &traffic);
    let out = shares(stage, one, plaza.town.deployer, 500);
    Scene::new(&[one, two], move |_| {
        let maker = plaza.town.deployer;
        vec![
            Step::Account(plaza.remove(maker, first, out)),
            Step::Account(plaza.swap(maker, &[first, plaza.weth, second], whole(900))),
            Step::Account(plaza.add(maker, second, whole(15_000), maker)),
        ]
    })
    .among(&traffic)
}

/// Two pairs of the same token are made equal by a contract with two loans, one in the other, and a bribe.
pub(super) fn honest_nested_arbitrage(stage: &mut Stage) -> Scene {
    let (plaza, asset, pair, other) = apart(stage);
    let traffic = plaza.trades(asset, 30);
    live(stage, &traffic);
    Scene::new(&[pair], move |role| {
        let me = role.me;
        // A whale has sold on this pair, and not on the other.
        let whale = plaza.swap(plaza.town.citizen(9), &[asset, plaza.weth], whole(4_000));
        let swap = |token: Address, amount: u64| Act::transfer(token, other, whole(amount));
        let outer = vec![
            Act::approve(plaza.weth, plaza.lender(0)),
            Act::flash_loan(plaza.lender(1), me, plaza.weth, whole(1_000)),
        ];
        let inner = vec![
            Act::approve(plaza.weth, plaza.lender(1)),
            Act::approve(plaza.weth, plaza.router),
            plaza.swaps(me, &[plaza.weth, asset], whole(1_500)),
            swap(asset, 1_730),
            Act::new(
                other,
                &HeldPair::swapCall {
                    amount0Out: U256::ZERO,
                    amount1Out: whole(1_540),
                    to: me,
                    data: Default::default(),
                },
            ),
        ];
        let mut acts = vec![Act::flash_loan(plaza.lender(0), me, plaza.weth, whole(1_000))];
        acts.extend(plaza.cashes(me, role.thief));
        vec![Step::Bystander(whale), Step::Contract(Plan { acts, answers: vec![outer, inner] })]
    })
    .among(&traffic)
}

/// A pair that the router knows, and one made elsewhere, of the same token and with the same liquidity.
fn apart(stage: &mut Stage) -> (Plaza, Address, Address, Address) {
    let plaza = Plaza::new(stage);
    let (asset, pair) = plaza.listed(stage, "ASSET", 40_000);
    let deployer = plaza.town.deployer;
    let arguments = HeldPair::constructorCall { token0_: asset, token1_: plaza.weth };
    let other = stage.deploy(deployer, &HeldPair::BYTECODE, arguments.abi_encode());
    for token in [asset, plaza.weth] {
        let brings = ZooFlawedToken::transferCall { to: other, amount: whole(15_000) };
        stage.call(deployer, token, &brings);
    }
    stage.call(deployer, other, &HeldPair::mintCall { to: deployer });
    (plaza, asset, pair, other)
}

/// Liquidity for an instant: added before a large trade, and taken out after it, in one block.
pub(super) fn honest_just_in_time(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, pair) = plaza.listed(stage, "ASSET", 40_000);
    let traffic = plaza.trades(asset, 30);
    live(stage, &traffic);
    Scene::new(&[pair], move |role| {
        let me = role.me;
        let all = ZooFlawedToken::balanceOfCall { account: me };
        let gift = |token| {
            Step::Bystander(Send::call(
                plaza.town.citizen(3),
                token,
                &ZooFlawedToken::transferCall { to: me, amount: whole(20_000) },
            ))
        };
        let add = HeldRouter::addLiquidityCall {
            a: asset,
            b: plaza.weth,
            amountA: whole(20_000),
            amountB: whole(20_000),
            to: me,
        };
        let opening = vec![
            Act::approve(asset, plaza.router),
            Act::approve(plaza.weth, plaza.router),
            Act::approve(pair, plaza.router),
            Act::new(plaza.router, &add),
        ];
        let remove = HeldRouter::removeLiquidityCall { a: asset, b: plaza.weth, shares: U256::ZERO, to: me };
        let closing = vec![
            Act::new(plaza.router, &remove).with_answer(2, pair, &all),
            Act::transfer_all(asset, me, role.thief),
            Act::transfer_all(plaza.weth, me, role.thief),
        ];
        vec![
            gift(asset),
            gift(plaza.weth),
            Step::Contract(Plan::new(opening)),
            Step::Bystander(plaza.swap(plaza.town.citizen(9), &[plaza.weth, asset], whole(6_000))),
            Step::Contract(Plan::new(closing)),
        ]
    })
    .among(&traffic)
}
