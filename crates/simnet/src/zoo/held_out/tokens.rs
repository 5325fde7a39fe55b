//! Tokens with a fault, and what becomes of those who trade them.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolConstructor;

use super::super::amount::whole;
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::live;
use super::attack::{burst, helper, runner};
use super::contracts::{HeldEchoToken, HeldPair, HeldPotToken, HeldRouter, HeldTaxToken, HeldWeth};
use super::plaza::Plaza;

/// Whoever pays himself has twice as much: a little is bought, doubled twelve times and sold, all in one creation.
pub(super) fn doubled_by_itself(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let arguments = HeldEchoToken::constructorCall { holder: plaza.town.deployer, supply: whole(1_000_000) };
    let token = plaza.odd_token(stage, &HeldEchoToken::BYTECODE, &arguments, 1_000_000);
    let pair = plaza.pair(stage, token, 30_000);
    let traffic = plaza.trades(token, 25);
    live(stage, &traffic);
    let losses = vec![Probe::token(pair, plaza.weth)];
    Scene::new(&[token], move |role| {
        let me = helper(role, 0);
        let mut acts = vec![
            plaza.wraps(whole(5)),
            Act::approve(plaza.weth, plaza.router),
            Act::approve(token, plaza.router),
            plaza.swaps(me, &[plaza.weth, token], whole(5)),
            Act::transfer_all(token, me, me).times(12),
            plaza.swaps_all(me, &[token, plaza.weth]),
        ];
        acts.extend(plaza.cashes(me, role.thief));
        vec![burst(role, 1, &[(0, Plan::new(acts))], &[token], (whole(6), whole(1)))]
    })
    .losing(losses)
    .among(&traffic)
}

/// `transferFrom` asks what the caller allowed the receiver: three holders' shares are taken and redeemed.
pub(super) fn allowed_by_the_wrong(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 80_000);
    let (pot, mut traffic) = filled_pot(stage, &plaza, asset);
    traffic.extend(plaza.trades(asset, 40));
    live(stage, &traffic);
    let losses = vec![Probe::token(pot, asset)];
    Scene::new(&[pot], move |role| {
        let me = role.me;
        let take = |index: usize| {
            let from = plaza.town.citizen(index);
            let call = ZooFlawedToken::transferFromCall { from, to: me, amount: U256::ZERO };
            Act::new(pot, &call).with_answer(2, pot, &ZooFlawedToken::balanceOfCall { account: from })
        };
        let redeem = HeldPotToken::redeemCall { amount: U256::ZERO };
        let mine = ZooFlawedToken::balanceOfCall { account: me };
        let mut acts = vec![
            Act::approve(pot, me),
            Act::approve(asset, plaza.router),
            take(1),
            take(2),
            take(3),
            Act::new(pot, &redeem).with_answer(0, pot, &mine),
            plaza.swaps_all(me, &[asset, plaza.weth]),
        ];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, U256::ZERO, &[Plan::new(acts)])
    })
    .losing(losses)
    .among(&traffic)
}

/// A pot that six citizens have put 8,000 each into, and what they do every day.
pub(super) fn filled_pot(stage: &mut Stage, plaza: &Plaza, asset: Address) -> (Address, Vec<Send>) {
    let arguments = HeldPotToken::constructorCall { asset_: asset };
    let pot = stage.deploy(plaza.town.deployer, &HeldPotToken::BYTECODE, arguments.abi_encode());
    plaza.town.approve(stage, asset, pot);
    for index in 0..6 {
        stage.call(plaza.town.citizen(index), pot, &HeldPotToken::joinCall { amount: whole(8_000) });
    }
    let traffic = vec![
        Send::call(plaza.town.citizen(0), pot, &HeldPotToken::joinCall { amount: whole(30) }),
        Send::call(plaza.town.citizen(4), pot, &HeldPotToken::redeemCall { amount: whole(25) }),
    ];
    (pot, traffic)
}

/// A taxed token and its pair of 50,000.
pub(super) struct Taxed {
    pub(super) plaza: Plaza,
    pub(super) token: Address,
    pub(super) pair: Address,
    pub(super) traffic: Vec<Send>,
}

impl Taxed {
    /// Sales burn out of the pair if it is `scarce`; `daily` is bought and sold every day.
    pub(super) fn new(stage: &mut Stage, scarce: bool, daily: u64) -> Self {
        let plaza = Plaza::new(stage);
        let arguments = HeldTaxToken::constructorCall { holder: plaza.town.deployer, supply: whole(1_000_000) };
        let token = plaza.odd_token(stage, &HeldTaxToken::BYTECODE, &arguments, 1_000_000);
        let pair = plaza.pair(stage, token, 50_000);
        stage.call(plaza.town.deployer, token, &HeldTaxToken::launchCall { pair_: pair, scarce_: scarce });
        let traffic = plaza.trades(token, daily);
        Self { plaza, token, pair, traffic }
    }
}

/// Sales burn out of the pair, and what comes in may be skimmed out again: with two loans one in the other nearly all
/// is bought, the rest is burnt, and what was bought is sold.
pub(super) fn burnt_by_selling(stage: &mut Stage) -> Scene {
    let Taxed { plaza, token, pair, traffic } = Taxed::new(stage, true, 20);
    live(stage, &traffic);
    let losses = vec![Probe::token(pair, plaza.weth)];
    Scene::new(&[token], move |role| {
        let me = role.me;
        let again = [
            Act::transfer(token, pair, whole(8_000)),
            Act::new(pair, &HeldPair::skimCall { to: me }),
            Act::transfer(token, pair, whole(8_000)),
            Act::new(pair, &HeldPair::skimCall { to: me }),
            Act::transfer(token, pair, whole(6_000)),
            Act::new(pair, &HeldPair::skimCall { to: me }),
        ];
        let outer = vec![
            Act::approve(plaza.weth, plaza.lender(0)),
            Act::flash_loan(plaza.lender(1), me, plaza.weth, whole(50_000)),
        ];
        let mut inner = vec![
            Act::approve(plaza.weth, plaza.lender(1)),
            Act::approve(plaza.weth, plaza.router),
            Act::approve(token, plaza.router),
            plaza.swaps(me, &[plaza.weth, token], whole(100_000)),
        ];
        inner.extend(again);
        inner.push(plaza.swaps_all(me, &[token, plaza.weth]));
        let mut acts = vec![Act::flash_loan(plaza.lender(0), me, plaza.weth, whole(50_000))];
        acts.extend(plaza.cashes(me, role.thief));
        vec![Step::Contract(Plan { acts, answers: vec![outer, inner] })]
    })
    .losing(losses)
    .among(&traffic)
}

/// What a token kept for liquidity providers is given to the pair by a stranger, who skims it: one part in a hundred.
pub(super) fn skimmed(stage: &mut Stage) -> Scene {
    let Taxed { plaza, token, pair, traffic } = Taxed::new(stage, false, 400);
    live(stage, &traffic);
    let losses = vec![Probe::token(token, token), Probe::token(pair, token), Probe::token(pair, plaza.weth)];
    Scene::new(&[token, pair], move |role| {
        let me = role.me;
        let mut acts = vec![
            Act::new(token, &HeldTaxToken::rewardCall {}),
            Act::new(pair, &HeldPair::skimCall { to: me }),
            Act::approve(token, plaza.router),
            plaza.swaps_all(me, &[token, plaza.weth]),
        ];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, U256::ZERO, &[Plan::new(acts)])
    })
    .losing(losses)
    .among(&traffic)
}

/// A fund buys a taxed token for a tenth of its pair, and somebody else sells as much.
pub(super) fn honest_taxed_trade(stage: &mut Stage) -> Scene {
    let Taxed { plaza, token, pair, traffic } = Taxed::new(stage, true, 20);
    live(stage, &traffic);
    Scene::new(&[token, pair], move |_| {
        let buy = plaza.swap(plaza.town.citizen(9), &[plaza.weth, token], whole(5_000));
        let sell = plaza.swap(plaza.town.citizen(10), &[token, plaza.weth], whole(4_500));
        vec![Step::Account(buy), Step::Account(sell)]
    })
    .among(&traffic)
}

/// A token is launched: created, given its pair and liquidity, and bought by strangers and their contracts.
pub(super) fn honest_launch(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, pair) = plaza.listed(stage, "ASSET", 60_000);
    let traffic = plaza.trades(asset, 40);
    live(stage, &traffic);
    let buyer = stage.actor("early buyer");
    let token = stage.next_creation(plaza.town.deployer);
    Scene::new(&[plaza.router, pair], move |_| {
        let deployer = plaza.town.deployer;
        let arguments = HeldTaxToken::constructorCall { holder: deployer, supply: whole(500_000) };
        let code = [HeldTaxToken::BYTECODE.as_ref(), &arguments.abi_encode()];
        let approve = ZooFlawedToken::approveCall { spender: plaza.router, amount: U256::MAX };
        vec![
            Step::Account(Send::create(deployer, code.concat().into())),
            Step::by(deployer, plaza.router, &HeldRouter::createPairCall { a: token, b: plaza.weth }),
            Step::by(deployer, token, &approve),
            Step::Account(plaza.add(deployer, token, whole(40_000), deployer)),
            Step::Account(Send::pay(buyer, plaza.weth, whole(500), &HeldWeth::depositCall {})),
            Step::by(buyer, plaza.weth, &approve),
            Step::Account(plaza.swap(buyer, &[plaza.weth, token], whole(500))),
            Step::Account(plaza.swap(plaza.town.citizen(8), &[plaza.weth, token], whole(3_000))),
            Step::Account(plaza.swap(plaza.town.citizen(9), &[plaza.weth, token], whole(2_000))),
        ]
    })
    .among(&traffic)
}
