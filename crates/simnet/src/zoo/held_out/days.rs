//! More honest days: of keepers and operators, of large owners, and of those who trade between pools.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolConstructor};

use super::super::amount::{milli, whole};
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{DAY, Town, live};
use super::attack::{burst, helper};
use super::contracts::{
    HeldAuction, HeldDollar, HeldFund, HeldKeptPrice, HeldPair, HeldRebaseToken, HeldTwinToken, HeldWeth,
};
use super::offices::{Funded, auction};
use super::plaza::{Plaza, shares};

/// A fund that keeps 3,000 for each of eight citizens, and pays one of them a little every day.
fn custody(stage: &mut Stage) -> Funded {
    let mut funded = Funded::new(stage);
    for index in 2..10 {
        let deposit = HeldFund::depositCall { token: funded.asset, amount: whole(3_000) };
        stage.call(funded.plaza.town.citizen(index), funded.fund, &deposit);
    }
    let citizen = funded.plaza.town.citizen(4);
    let pay = HeldFund::payOutCall { token: funded.asset, account: citizen, to: citizen, amount: whole(15) };
    funded.traffic.push(Send::call(funded.operator, funded.fund, &pay));
    funded
}

/// The operator's key is stolen: the balances of seven citizens go to three fresh accounts within minutes.
pub(super) fn operator_pays_strangers(stage: &mut Stage) -> Scene {
    let funded = custody(stage);
    let pockets: Vec<Address> = (0..2).map(|index| stage.actor(&format!("pocket {index}"))).collect();
    live(stage, &funded.traffic);
    let traffic = funded.traffic.clone();
    let losses = vec![Probe::token(funded.fund, funded.asset)];
    Scene::new(&[funded.fund], move |role| {
        let mut to = pockets.clone();
        to.push(role.thief);
        let pays = |(index, to): (usize, &Address)| {
            let account = funded.plaza.town.citizen(index);
            let pay = HeldFund::payOutCall { token: funded.asset, account, to: *to, amount: whole(2_700) };
            [Step::by(funded.operator, funded.fund, &pay), Step::Wait(60)]
        };
        [2, 3, 5, 6, 7, 8, 9].into_iter().zip(to.iter().cycle()).flat_map(pays).collect()
    })
    .losing(losses)
    .among(&traffic)
}

/// Prices fall, and seven citizens want what is theirs within the hour: the operator pays them.
pub(super) fn honest_run(stage: &mut Stage) -> Scene {
    let funded = custody(stage);
    live(stage, &funded.traffic);
    let traffic = funded.traffic.clone();
    Scene::new(&[funded.fund], move |_| {
        let pays = |index: usize| {
            let account = funded.plaza.town.citizen(index);
            let pay = HeldFund::payOutCall { token: funded.asset, account, to: account, amount: whole(2_700) };
            [Step::by(funded.operator, funded.fund, &pay), Step::Wait(400)]
        };
        [2, 3, 5, 6, 7, 8, 9].into_iter().flat_map(pays).collect()
    })
    .among(&traffic)
}

/// A bid that is not the best is taken back nine times.
pub(super) fn bid_taken_back_again(stage: &mut Stage) -> Scene {
    let (_, auction) = auction(stage);
    Scene::new(&[auction], move |role| {
        let cancel = Step::by(role.thief, auction, &HeldAuction::cancelBidCall { amount: whole(40) });
        let mut steps =
            vec![Step::Account(Send::pay(role.thief, auction, whole(40), &HeldAuction::bidCall {})), Step::Wait(3_600)];
        steps.extend(std::iter::repeat_n(cancel, 9));
        steps
    })
    .losing(vec![Probe::ether(auction)])
}

/// A keeper says a price that is two fifths lower than an hour ago, because it is, and then half of the way back.
pub(super) fn honest_crash(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let arguments = HeldKeptPrice::constructorCall { keeper: town.citizen(11), price_: whole(1) };
    let feed = stage.deploy(town.deployer, &HeldKeptPrice::BYTECODE, arguments.abi_encode());
    let push = move |price| HeldKeptPrice::pushCall { price_: milli(price) };
    let traffic = [Send::call(town.citizen(11), feed, &push(1_003)), Send::call(town.citizen(11), feed, &push(998))];
    live(stage, &traffic);
    Scene::new(&[feed], move |_| {
        [950, 780, 600, 800]
            .map(|price| [Step::by(town.citizen(11), feed, &push(price)), Step::Wait(900)])
            .into_iter()
            .flatten()
            .collect()
    })
    .among(&traffic)
}

/// All balances shrink by a fifth and grow by a tenth, as the keeper of such a token says once in a while.
pub(super) fn honest_rebase(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let keeper = town.citizen(11);
    let arguments = HeldRebaseToken::constructorCall { holder: town.deployer, supply: whole(500_000), keeper };
    let token = stage.deploy(town.deployer, &HeldRebaseToken::BYTECODE, arguments.abi_encode());
    let vault = town.citizen(9);
    stage.call(town.deployer, token, &ZooFlawedToken::transferCall { to: vault, amount: whole(200_000) });
    let pay = ZooFlawedToken::transferCall { to: town.citizen(3), amount: whole(70) };
    let rebase = |thousandths: u64| HeldRebaseToken::rebaseCall { index_: milli(thousandths) };
    let traffic = [Send::call(vault, token, &pay), Send::call(keeper, token, &rebase(1_001))];
    live(stage, &traffic);
    Scene::new(&[token], move |_| {
        vec![
            Step::by(keeper, token, &rebase(801)),
            Step::Wait(DAY),
            Step::by(keeper, token, &rebase(881)),
            Step::by(vault, token, &ZooFlawedToken::transferCall { to: town.citizen(4), amount: whole(60_000) }),
        ]
    })
    .among(&traffic)
}

/// Somebody large unwraps most of all wrapped ether there is, and wraps as much the next day.
pub(super) fn honest_unwrapping(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let weth = stage.deploy(town.deployer, &HeldWeth::BYTECODE, Vec::new());
    for (index, amount) in [(0, 80_000), (1, 9_000), (2, 9_000)] {
        stage.pay(town.citizen(index), weth, whole(amount), &HeldWeth::depositCall {});
    }
    let traffic = [
        Send::pay(town.citizen(3), weth, whole(30), &HeldWeth::depositCall {}),
        Send::call(town.citizen(3), weth, &HeldWeth::withdrawCall { wad: whole(20) }),
    ];
    live(stage, &traffic);
    Scene::new(&[weth], move |_| {
        vec![
            Step::by(town.citizen(0), weth, &HeldWeth::withdrawCall { wad: whole(75_000) }),
            Step::Wait(DAY),
            Step::Account(Send::pay(town.citizen(0), weth, whole(75_000), &HeldWeth::depositCall {})),
        ]
    })
    .among(&traffic)
}

/// Two pairs, of which the second is dearer by a tenth after a whale has sold on the first.
fn uneven(stage: &mut Stage) -> (Plaza, Address, Address, Address, Vec<Send>) {
    let plaza = Plaza::new(stage);
    let (asset, pair) = plaza.listed(stage, "ASSET", 40_000);
    let arguments = HeldPair::constructorCall { token0_: asset, token1_: plaza.weth };
    let other = stage.deploy(plaza.town.deployer, &HeldPair::BYTECODE, arguments.abi_encode());
    for token in [asset, plaza.weth] {
        stage.call(plaza.town.deployer, token, &ZooFlawedToken::transferCall { to: other, amount: whole(15_000) });
    }
    stage.call(plaza.town.deployer, other, &HeldPair::mintCall { to: plaza.town.deployer });
    let traffic = plaza.trades(asset, 30);
    (plaza, asset, pair, other, traffic)
}

/// A contract that lives for one creation makes two pairs equal with a swap that lends, and is gone.
pub(super) fn honest_one_shot(stage: &mut Stage) -> Scene {
    let (plaza, asset, pair, other, traffic) = uneven(stage);
    live(stage, &traffic);
    Scene::new(&[pair, other], move |role| {
        let me = helper(role, 0);
        let whale = plaza.swap(plaza.town.citizen(9), &[asset, plaza.weth], whole(4_000));
        let back = vec![Act::transfer(plaza.weth, pair, whole(1_510))];
        let sale =
            HeldPair::swapCall { amount0Out: U256::ZERO, amount1Out: whole(1_540), to: me, data: Default::default() };
        let lent = [vec![Act::transfer(asset, other, whole(1_730)), Act::new(other, &sale)], back].concat();
        let borrow =
            HeldPair::swapCall { amount0Out: whole(1_730), amount1Out: U256::ZERO, to: me, data: vec![1].into() };
        let mut acts = vec![Act::new(pair, &borrow)];
        acts.extend(plaza.cashes(me, role.thief));
        let plan = Plan::new(acts).answering(lent);
        vec![Step::Bystander(whale), burst(role, 1, &[(0, plan)], &[plaza.weth], (whole(1), milli(500)))]
    })
    .among(&traffic)
}

/// A dollar lends itself for an instant to somebody who buys it where it is cheap and redeems it at par.
pub(super) fn honest_flash_mint(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let arguments = HeldDollar::constructorCall { reserve_: plaza.weth };
    let dollar = stage.deploy(plaza.town.deployer, &HeldDollar::BYTECODE, arguments.abi_encode());
    plaza.town.approve(stage, plaza.weth, dollar);
    for (index, amount) in [(11, 5_000), (9, 12_000)] {
        stage.call(plaza.town.citizen(index), dollar, &HeldDollar::issueCall { amount: whole(amount) });
    }
    stage.call(plaza.town.deployer, dollar, &HeldDollar::issueCall { amount: whole(45_000) });
    plaza.pair(stage, dollar, 30_000);
    let traffic = [
        plaza.swap(plaza.town.citizen(11), &[dollar, plaza.weth], whole(30)),
        Send::call(plaza.town.citizen(10), dollar, &HeldDollar::issueCall { amount: whole(40) }),
        Send::call(plaza.town.citizen(10), dollar, &HeldDollar::redeemCall { amount: whole(25) }),
    ];
    live(stage, &traffic);
    Scene::new(&[dollar], move |role| {
        let me = role.me;
        let whale = plaza.swap(plaza.town.citizen(9), &[dollar, plaza.weth], whole(4_000));
        // 1,500 dollars are made and redeemed; what comes of it buys more of them in the pair than must be given back.
        let lent = vec![
            Act::approve(dollar, dollar),
            Act::approve(plaza.weth, plaza.router),
            Act::new(dollar, &HeldDollar::redeemCall { amount: whole(1_500) }),
            plaza.swaps_all(me, &[plaza.weth, dollar]),
        ];
        let acts = vec![Act::flash_loan(dollar, me, dollar, whole(1_500)), Act::transfer_all(dollar, me, role.thief)];
        vec![Step::Bystander(whale), Step::Contract(Plan::new(acts).answering(lent))]
    })
    .among(&traffic)
}

/// A fund buys its own token back with a tenth of its wrapped ether, and burns what it bought.
pub(super) fn honest_buyback(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let deployer = plaza.town.deployer;
    let arguments = HeldTwinToken::constructorCall { messenger: deployer };
    let own = stage.deploy(deployer, &HeldTwinToken::BYTECODE, arguments.abi_encode());
    for holder in plaza.town.citizens.iter().chain([&deployer]) {
        stage.call(deployer, own, &HeldTwinToken::mintCall { to: *holder, amount: whole(100_000) });
    }
    plaza.pair(stage, own, 60_000);
    let operator = plaza.town.citizen(1);
    let arguments =
        HeldFund::constructorCall { owner_: plaza.town.citizen(0), operator_: operator, assessors: Vec::new() };
    let fund = stage.deploy(deployer, &HeldFund::BYTECODE, arguments.abi_encode());
    stage.call(deployer, plaza.weth, &ZooFlawedToken::transferCall { to: fund, amount: whole(40_000) });
    let fee = ZooFlawedToken::transferCall { to: fund, amount: whole(45) };
    let mut traffic = plaza.trades(own, 30);
    traffic.push(Send::call(plaza.town.citizen(8), plaza.weth, &fee));
    live(stage, &traffic);
    Scene::new(&[fund, own], move |_| {
        let data = plaza.trade(&[plaza.weth, own], whole(4_000), fund).abi_encode().into();
        let trade = HeldFund::tradeCall {
            sold: plaza.weth,
            amount: whole(4_000),
            bought: own,
            least: whole(3_600),
            venue: plaza.router,
            data,
        };
        let burn =
            HeldFund::payAllCall { token: own, to: vec![Address::with_last_byte(0xde)], amounts: vec![whole(3_600)] };
        vec![Step::by(operator, fund, &trade), Step::by(operator, fund, &burn)]
    })
    .among(&traffic)
}

/// The makers move all that they provide from an old pair to a new one.
pub(super) fn honest_owned_liquidity(stage: &mut Stage) -> Scene {
    let (plaza, asset, pair, other, traffic) = uneven(stage);
    live(stage, &traffic);
    let all = shares(stage, pair, plaza.town.deployer, 1_000);
    Scene::new(&[pair, other], move |_| {
        let maker = plaza.town.deployer;
        let bring = |token| Step::by(maker, token, &ZooFlawedToken::transferCall { to: other, amount: whole(38_000) });
        vec![
            Step::Account(plaza.remove(maker, asset, all)),
            bring(asset),
            bring(plaza.weth),
            Step::by(maker, other, &HeldPair::mintCall { to: maker }),
        ]
    })
    .among(&traffic)
}
