//! Lending markets that believe too much, and honest days of the same markets.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolConstructor;

use super::super::amount::{milli, whole};
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::live;
use super::attack::{burst, helper, runner};
use super::contracts::{
    HeldHookToken, HeldKeptPrice, HeldMarket, HeldRouter, HeldRunner, HeldSelfMarket, HeldShareOfPairPrice,
    HeldShortAverage,
};
use super::plaza::{Plaza, shares};

/// A market of `debt` against `collateral`, funded by citizen 0 with 60,000.
fn market(stage: &mut Stage, plaza: &Plaza, collateral: Address, debt: Address, feed: Address) -> Address {
    let arguments = HeldMarket::constructorCall { collateralToken_: collateral, debtToken_: debt, feed_: feed };
    let market = stage.deploy(plaza.town.deployer, &HeldMarket::BYTECODE, arguments.abi_encode());
    plaza.town.approve(stage, collateral, market);
    plaza.town.approve(stage, debt, market);
    stage.call(plaza.town.citizen(0), market, &HeldMarket::fundCall { amount: whole(40_000) });
    market
}

/// What borrowers do every day: citizen 1 borrows a little more and pays it back.
fn usual(plaza: &Plaza, market: Address) -> Vec<Send> {
    let borrower = plaza.town.citizen(1);
    vec![
        Send::call(borrower, market, &HeldMarket::borrowCall { amount: whole(12) }),
        Send::call(borrower, market, &HeldMarket::repayCall { amount: whole(11), account: borrower }),
    ]
}

fn kept_price(stage: &mut Stage, plaza: &Plaza) -> Address {
    let arguments = HeldKeptPrice::constructorCall { keeper: plaza.town.citizen(11), price_: whole(1) };
    stage.deploy(plaza.town.deployer, &HeldKeptPrice::BYTECODE, arguments.abi_encode())
}

/// Shares of a pair are worth what the pair holds at this instant, and two loans are put into it.
pub(super) fn shares_at_reserves(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, pair) = plaza.listed(stage, "ASSET", 20_000);
    let arguments = HeldShareOfPairPrice::constructorCall { pair };
    let feed = stage.deploy(plaza.town.deployer, &HeldShareOfPairPrice::BYTECODE, arguments.abi_encode());
    let lending = market(stage, &plaza, pair, plaza.weth, feed);
    let some = shares(stage, pair, plaza.town.deployer, 100);
    stage.call(plaza.town.deployer, pair, &ZooFlawedToken::transferCall { to: plaza.town.citizen(1), amount: some });
    stage.call(plaza.town.citizen(1), lending, &HeldMarket::supplyCall { amount: some });
    let mut traffic = plaza.trades(asset, 15);
    traffic.extend(usual(&plaza, lending));
    live(stage, &traffic);
    let losses = vec![Probe::token(lending, plaza.weth), Probe::token(lending, pair).worth(2_000)];
    Scene::new(&[lending], move |role| {
        let me = role.me;
        let mine = ZooFlawedToken::balanceOfCall { account: me };
        let limit = HeldMarket::limitCall { account: me };
        let outer = vec![
            Act::approve(plaza.weth, plaza.lender(0)),
            Act::flash_loan(plaza.lender(1), me, plaza.weth, whole(50_000)),
        ];
        let add = HeldRouter::addLiquidityCall {
            a: asset,
            b: plaza.weth,
            amountA: whole(6_000),
            amountB: whole(12_000),
            to: me,
        };
        let inner = vec![
            Act::approve(plaza.weth, plaza.lender(1)),
            Act::approve(plaza.weth, plaza.router),
            Act::approve(asset, plaza.router),
            Act::approve(pair, lending),
            plaza.swaps(me, &[plaza.weth, asset], whole(9_000)),
            Act::new(plaza.router, &add),
            Act::new(lending, &HeldMarket::supplyCall { amount: U256::ZERO }).with_answer(0, pair, &mine),
            plaza.swaps(me, &[plaza.weth, asset], whole(45_000)),
            Act::new(lending, &HeldMarket::borrowCall { amount: U256::ZERO }).with_answer(0, lending, &limit),
            plaza.swaps_all(me, &[asset, plaza.weth]),
        ];
        let mut acts = vec![Act::flash_loan(plaza.lender(0), me, plaza.weth, whole(50_000))];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, U256::ZERO, &[Plan { acts, answers: vec![outer, inner] }])
    })
    .losing(losses)
    .among(&traffic)
}

/// An average over two blocks: the attacker's own money moves the pair in one block, and is lent on in the next but one.
pub(super) fn average_of_two_blocks(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, pair) = plaza.listed(stage, "ASSET", 10_000);
    stage.wait(600);
    let arguments = HeldShortAverage::constructorCall { pair };
    let feed = stage.deploy(plaza.town.deployer, &HeldShortAverage::BYTECODE, arguments.abi_encode());
    stage.wait(600);
    stage.call(plaza.town.citizen(11), feed, &HeldShortAverage::updateCall {});
    let lending = market(stage, &plaza, asset, plaza.weth, feed);
    stage.call(plaza.town.citizen(1), lending, &HeldMarket::supplyCall { amount: whole(3_000) });
    let mut traffic = plaza.trades(asset, 15);
    traffic.push(Send::call(plaza.town.citizen(11), feed, &HeldShortAverage::updateCall {}));
    traffic.extend(usual(&plaza, lending));
    live(stage, &traffic);
    let losses = vec![Probe::token(lending, plaza.weth), Probe::token(lending, asset)];
    Scene::new(&[lending], move |role| {
        let me = role.me;
        let limit = HeldMarket::limitCall { account: me };
        let push = vec![
            plaza.wraps(whole(26_000)),
            Act::approve(plaza.weth, plaza.router),
            Act::approve(asset, plaza.router),
            Act::approve(asset, lending),
            plaza.swaps(me, &[plaza.weth, asset], whole(1_600)),
            Act::new(lending, &HeldMarket::supplyCall { amount: U256::ZERO }).with_answer(
                0,
                asset,
                &ZooFlawedToken::balanceOfCall { account: me },
            ),
            plaza.swaps_all(me, &[plaza.weth, asset]),
            Act::new(feed, &HeldShortAverage::updateCall {}),
        ];
        let mut pull = vec![
            Act::new(feed, &HeldShortAverage::updateCall {}),
            Act::new(lending, &HeldMarket::borrowCall { amount: U256::ZERO }).with_answer(0, lending, &limit),
            plaza.swaps_all(me, &[asset, plaza.weth]),
        ];
        pull.extend(plaza.cashes(me, role.thief));
        let mut steps = runner(role, whole(26_000), &[Plan::new(push), Plan::new(pull)]);
        steps.insert(2, Step::Wait(12));
        steps
    })
    .losing(losses)
    .among(&traffic)
}

/// The tokens that are lent call their receiver before the debt is booked, who borrows five times.
pub(super) fn booked_after_the_call(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let arguments = HeldHookToken::constructorCall { holder: plaza.town.deployer, supply: whole(1_000_000) };
    let hook = plaza.odd_token(stage, &HeldHookToken::BYTECODE, &arguments, 1_000_000);
    let (asset, _) = plaza.listed(stage, "ASSET", 60_000);
    let feed = kept_price(stage, &plaza);
    let lending = market(stage, &plaza, asset, hook, feed);
    stage.call(plaza.town.citizen(1), lending, &HeldMarket::supplyCall { amount: whole(3_000) });
    let traffic = usual(&plaza, lending);
    live(stage, &traffic);
    let losses = vec![Probe::token(lending, hook), Probe::token(lending, asset)];
    Scene::new(&[lending], move |role| {
        let me = role.me;
        let borrow = Act::new(lending, &HeldMarket::borrowCall { amount: whole(3_000) });
        let acts = vec![
            plaza.wraps(whole(5_000)),
            Act::approve(plaza.weth, plaza.router),
            Act::approve(asset, lending),
            plaza.swaps(me, &[plaza.weth, asset], whole(5_000)),
            Act::new(hook, &HeldHookToken::tellMeCall {}),
            Act::new(lending, &HeldMarket::supplyCall { amount: whole(4_200) }),
            borrow.clone(),
            Act::transfer_all(hook, me, role.thief),
        ];
        let plan = (0..4).fold(Plan::new(acts), |plan, _| plan.answering(vec![borrow.clone()]));
        runner(role, whole(5_000), &[plan])
    })
    .losing(losses)
    .among(&traffic)
}

/// A gift makes the giver unhealthy on purpose, and his helper takes over what is left at a discount.
pub(super) fn gift_to_reserves(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let asset = plaza.town.token(stage, "ASSET");
    let arguments = HeldSelfMarket::constructorCall { token_: asset };
    let lending = stage.deploy(plaza.town.deployer, &HeldSelfMarket::BYTECODE, arguments.abi_encode());
    plaza.town.approve(stage, asset, lending);
    for index in 0..5 {
        stage.call(plaza.town.citizen(index), lending, &HeldSelfMarket::depositCall { amount: whole(12_000) });
    }
    let traffic = [
        Send::call(plaza.town.citizen(0), lending, &HeldSelfMarket::depositCall { amount: whole(40) }),
        Send::call(plaza.town.citizen(1), lending, &HeldSelfMarket::withdrawCall { amount: whole(30) }),
        Send::call(plaza.town.citizen(2), lending, &HeldSelfMarket::mintCall { amount: whole(20) }),
    ];
    live(stage, &traffic);
    let losses = vec![Probe::token(lending, asset)];
    Scene::new(&[lending], move |role| {
        let (me, other) = (helper(role, 0), helper(role, 1));
        let takeover = Plan::new(vec![
            Act::new(lending, &HeldSelfMarket::liquidateCall { violator: me }),
            Act::new(lending, &HeldSelfMarket::withdrawCall { amount: whole(31_500) }),
            Act::transfer_all(asset, other, me),
        ]);
        let answer = vec![
            Act::approve(asset, lending),
            Act::approve(asset, plaza.town.lender),
            Act::new(lending, &HeldSelfMarket::depositCall { amount: whole(20_000) }),
            Act::new(lending, &HeldSelfMarket::mintCall { amount: whole(380_000) }),
            Act::new(lending, &HeldSelfMarket::donateCall { amount: whole(200_000) }),
            Act::new(other, &HeldRunner::runCall { plan: takeover.encode() }),
        ];
        let loan = Act::flash_loan(plaza.town.lender, me, asset, whole(20_000));
        let plan = Plan::new(vec![loan]).answering(answer);
        vec![burst(role, 2, &[(0, plan)], &[asset], (whole(3), whole(2)))]
    })
    .losing(losses)
    .among(&traffic)
}

/// Healthy accounts are liquidated by a function that does not look, with money borrowed for it.
pub(super) fn healthy_liquidated(stage: &mut Stage) -> Scene {
    let (plaza, asset, _, lending) = borrowers(stage);
    let traffic = usual(&plaza, lending);
    live(stage, &traffic);
    let owns = |index: usize| Probe::view(lending, &HeldMarket::collateralCall { account: plaza.town.citizen(index) });
    // One and a half of the debt is taken, and the debt is paid: a third of what is taken is lost.
    let losses = [2, 3, 4].iter().map(|index| owns(*index).worth(333)).collect();
    Scene::new(&[lending], move |role| {
        let me = role.me;
        let lender = plaza.lender(0);
        let mut answer = vec![
            Act::approve(plaza.weth, lender),
            Act::approve(plaza.weth, lending),
            Act::approve(asset, plaza.router),
        ];
        for index in [2, 3, 4] {
            let all = HeldMarket::liquidateAllCall { account: plaza.town.citizen(index) };
            answer.push(Act::new(lending, &all));
        }
        answer.push(plaza.swaps_all(me, &[asset, plaza.weth]));
        let mut acts = vec![Act::flash_loan(lender, me, plaza.weth, whole(20_000))];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, U256::ZERO, &[Plan::new(acts).answering(answer)])
    })
    .losing(losses)
    .among(&traffic)
}

/// A market of wrapped ether in which four citizens owe what they may, nearly.
fn borrowers(stage: &mut Stage) -> (Plaza, Address, Address, Address) {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 60_000);
    let feed = kept_price(stage, &plaza);
    let lending = market(stage, &plaza, asset, plaza.weth, feed);
    for index in 1..5 {
        let citizen = plaza.town.citizen(index);
        stage.call(citizen, lending, &HeldMarket::supplyCall { amount: whole(6_000) });
        stage.call(citizen, lending, &HeldMarket::borrowCall { amount: whole(3_950) });
    }
    (plaza, asset, feed, lending)
}

/// The price falls by a quarter in three steps, and bots liquidate one account after the other.
pub(super) fn honest_cascade(stage: &mut Stage) -> Scene {
    let (plaza, asset, feed, lending) = borrowers(stage);
    let mut traffic = usual(&plaza, lending);
    traffic.push(Send::call(plaza.town.citizen(11), feed, &HeldKeptPrice::pushCall { price_: milli(1_000) }));
    live(stage, &traffic);
    Scene::new(&[lending, feed], move |_| {
        let push = |price| Step::by(plaza.town.citizen(11), feed, &HeldKeptPrice::pushCall { price_: milli(price) });
        let liquidate = |bot: usize, index: usize, amount: u64| {
            let call = HeldMarket::liquidateCall { account: plaza.town.citizen(index), amount: whole(amount) };
            Step::by(plaza.town.citizen(bot), lending, &call)
        };
        let sells = |bot: usize, amount| {
            Step::Account(plaza.swap(plaza.town.citizen(bot), &[asset, plaza.weth], whole(amount)))
        };
        vec![
            push(860),
            liquidate(7, 1, 2_000),
            liquidate(8, 2, 2_000),
            sells(7, 2_500),
            push(760),
            liquidate(8, 3, 3_000),
            liquidate(9, 4, 3_000),
            sells(8, 3_900),
            push(700),
            liquidate(7, 1, 1_900),
            liquidate(9, 2, 1_900),
        ]
    })
    .among(&traffic)
}

/// A borrower closes his position at once: a loan pays his debt, and a part of his collateral pays the loan.
pub(super) fn honest_deleveraging(stage: &mut Stage) -> Scene {
    let (plaza, asset, _, lending) = borrowers(stage);
    let traffic = usual(&plaza, lending);
    live(stage, &traffic);
    Scene::new(&[lending], move |role| {
        let me = role.me;
        let lender = plaza.lender(0);
        let fund = ZooFlawedToken::transferCall { to: me, amount: whole(10_000) };
        let open = vec![
            Act::approve(asset, lending),
            Act::new(lending, &HeldMarket::supplyCall { amount: whole(10_000) }),
            Act::new(lending, &HeldMarket::borrowCall { amount: whole(7_000) }),
            Act::transfer_all(plaza.weth, me, role.thief),
        ];
        let answer = vec![
            Act::approve(plaza.weth, lender),
            Act::approve(plaza.weth, lending),
            Act::approve(asset, plaza.router),
            Act::new(lending, &HeldMarket::repayCall { amount: whole(7_000), account: me }),
            Act::new(lending, &HeldMarket::withdrawCall { amount: whole(10_000) }),
            plaza.swaps(me, &[asset, plaza.weth], whole(8_200)),
        ];
        let close = vec![
            Act::flash_loan(lender, me, plaza.weth, whole(7_000)),
            Act::transfer_all(plaza.weth, me, role.thief),
            Act::transfer_all(asset, me, role.thief),
        ];
        vec![
            Step::Bystander(Send::call(plaza.town.citizen(8), asset, &fund)),
            Step::Contract(Plan::new(open)),
            Step::Wait(5_000),
            Step::Contract(Plan::new(close).answering(answer)),
        ]
    })
    .among(&traffic)
}
