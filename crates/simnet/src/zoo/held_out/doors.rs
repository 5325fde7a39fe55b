//! Routers, wallets and sales that let in whom they should not, and wallets that are only unusual.

use alloy_primitives::{Address, Bytes, I256, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};

use super::super::amount::whole;
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{Town, live};
use super::attack::runner;
use super::contracts::{
    HeldAskedRouter, HeldCampaigns, HeldDoer, HeldEntryPoint, HeldHandlerProxy, HeldKeptPrice, HeldLeverager,
    HeldMarket, HeldPotToken, HeldSale, HeldSendHandler, HeldSmartWallet, HeldTaker,
};
use super::plaza::{Plaza, Signer};
use super::tokens::filled_pot;

fn purses(town: &Town, token: Address, victims: &[usize]) -> Vec<Probe> {
    victims.iter().map(|index| Probe::token(town.citizen(*index), token)).collect()
}

/// The router pays whoever says that he is a pool, out of whose allowance he likes.
pub(super) fn asked_by_no_pool(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, pair) = plaza.listed(stage, "ASSET", 60_000);
    let router = stage.deploy(plaza.town.deployer, &HeldAskedRouter::BYTECODE, Vec::new());
    plaza.town.approve(stage, asset, router);
    let sell = HeldAskedRouter::sellCall { pair, token: asset, amount: whole(20) };
    let mut traffic = plaza.trades(asset, 30);
    traffic.push(Send::call(plaza.town.citizen(5), router, &sell));
    live(stage, &traffic);
    let losses = purses(&plaza.town, asset, &[1, 2]);
    Scene::new(&[router], move |role| {
        let ask = |index| {
            let data = (asset, plaza.town.citizen(index)).abi_encode_params().into();
            let amount0 = I256::from_raw(whole(12_000));
            Act::new(router, &HeldAskedRouter::uniswapV3SwapCallbackCall { amount0, _1: I256::ZERO, data })
        };
        let mut acts = vec![ask(1), ask(2), Act::approve(asset, plaza.router)];
        acts.push(plaza.swaps_all(role.me, &[asset, plaza.weth]));
        acts.extend(plaza.cashes(role.me, role.thief));
        runner(role, U256::ZERO, &[Plan::new(acts)])
    })
    .losing(losses)
    .among(&traffic)
}

/// A market, and a position in it of 20,000 against 12,000 that a contract holds for citizen 3.
fn leveraged(stage: &mut Stage) -> (Plaza, Address, Address, Address) {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 80_000);
    let arguments = HeldKeptPrice::constructorCall { keeper: plaza.town.citizen(11), price_: whole(1) };
    let feed = stage.deploy(plaza.town.deployer, &HeldKeptPrice::BYTECODE, arguments.abi_encode());
    let arguments = HeldMarket::constructorCall { collateralToken_: asset, debtToken_: plaza.weth, feed_: feed };
    let market = stage.deploy(plaza.town.deployer, &HeldMarket::BYTECODE, arguments.abi_encode());
    plaza.town.approve(stage, plaza.weth, market);
    stage.call(plaza.town.citizen(0), market, &HeldMarket::fundCall { amount: whole(40_000) });
    let owner = plaza.town.citizen(3);
    let arguments = HeldLeverager::constructorCall { market };
    let holder = stage.deploy(owner, &HeldLeverager::BYTECODE, arguments.abi_encode());
    stage.call(owner, asset, &ZooFlawedToken::approveCall { spender: holder, amount: U256::MAX });
    let open = HeldLeverager::openCall { collateral: whole(20_000), debt: whole(12_000) };
    stage.call(owner, holder, &open);
    (plaza, asset, market, holder)
}

/// What a lender calls anybody calls: the position is closed, and what is left is allowed to the attacker's "market".
pub(super) fn called_by_no_lender(stage: &mut Stage) -> Scene {
    let (plaza, asset, market, holder) = leveraged(stage);
    let more = HeldLeverager::openCall { collateral: whole(20), debt: whole(5) };
    let traffic = [Send::call(plaza.town.citizen(3), holder, &more)];
    live(stage, &traffic);
    // The debt, three fifths of the collateral, is paid: two fifths are lost.
    let losses = vec![Probe::view(market, &HeldMarket::collateralCall { account: holder }).worth(400)];
    Scene::new(&[holder], move |role| {
        let (me, lender) = (role.me, plaza.lender(0));
        let operate = |token, amount: u64, supplies, market, collateral: u64| {
            let (amount, collateral) = (whole(amount), whole(collateral));
            let call = HeldLeverager::executeOperationCall { token, amount, supplies, market, collateral };
            Act::new(holder, &call)
        };
        let take = ZooFlawedToken::transferFromCall { from: holder, to: me, amount: whole(20_000) };
        let answer = vec![
            Act::approve(plaza.weth, lender),
            Act::transfer(plaza.weth, holder, whole(12_050)),
            operate(plaza.weth, 12_050, false, market, 20_000),
            operate(asset, 20_000, true, me, 0),
            Act::new(asset, &take),
            Act::approve(asset, plaza.router),
            plaza.swaps_all(me, &[asset, plaza.weth]),
        ];
        let mut acts = vec![Act::flash_loan(lender, me, plaza.weth, whole(13_000))];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, U256::ZERO, &[Plan::new(acts).answering(answer)])
    })
    .losing(losses)
    .among(&traffic)
}

/// A sale to which twelve citizens have brought 60 ether each.
fn sale(stage: &mut Stage) -> (Town, Address, Vec<Send>) {
    let town = Town::new(stage);
    let sale = stage.deploy(town.deployer, &HeldSale::BYTECODE, Vec::new());
    for index in 0..12 {
        stage.pay(town.citizen(index), sale, whole(60), &HeldSale::commitCall {});
    }
    let traffic = vec![
        Send::pay(town.citizen(3), sale, whole(4), &HeldSale::commitCall {}),
        Send::call(town.citizen(4), sale, &HeldSale::retractCall { amount: whole(2) }),
    ];
    (town, sale, traffic)
}

/// Each of ten calls sees the ether that came once.
pub(super) fn ether_seen_ten_times(stage: &mut Stage) -> Scene {
    let (_, sale, traffic) = sale(stage);
    live(stage, &traffic);
    Scene::new(&[sale], move |role| {
        let commit: Bytes = HeldSale::commitCall {}.abi_encode().into();
        let many = HeldSale::multicallCall { calls: vec![commit; 10] };
        vec![
            Step::Account(Send::pay(role.thief, sale, whole(30), &many)),
            Step::by(role.thief, sale, &HeldSale::retractCall { amount: whole(300) }),
        ]
    })
    .losing(vec![Probe::ether(sale)])
    .among(&traffic)
}

/// The largest buyer takes back what he brought to the sale, and so do four others: nearly half.
pub(super) fn honest_retraction(stage: &mut Stage) -> Scene {
    let (town, sale, traffic) = sale(stage);
    live(stage, &traffic);
    Scene::new(&[sale], move |_| {
        let retract = HeldSale::retractCall { amount: whole(60) };
        [0, 1, 2, 5, 6].map(|index| Step::by(town.citizen(index), sale, &retract)).to_vec()
    })
    .among(&traffic)
}

/// A handler that is a proxy is given its code where the account that runs it keeps such things, and the code takes
/// what users allowed.
pub(super) fn code_of_a_handler(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let send = stage.deploy(town.deployer, &HeldSendHandler::BYTECODE, Vec::new());
    let proxy = stage.deploy(town.deployer, &HeldHandlerProxy::BYTECODE, Vec::new());
    let arguments = HeldDoer::constructorCall { handlers: vec![send, proxy] };
    let doer = stage.deploy(town.deployer, &HeldDoer::BYTECODE, arguments.abi_encode());
    town.approve(stage, token, doer);
    let batch =
        |handler: Address, data: Vec<u8>| HeldDoer::batchExecCall { handlers: vec![handler], data: vec![data.into()] };
    let usual = HeldSendHandler::sendCall { token, to: vec![town.citizen(8), town.citizen(9)], amount: whole(12) };
    let traffic = [Send::call(town.citizen(5), doer, &batch(send, usual.abi_encode()))];
    live(stage, &traffic);
    let losses = purses(&town, token, &[0, 1, 2, 3]);
    Scene::new(&[doer], move |role| {
        let taker = role.me;
        let code = HeldHandlerProxy::initializeCall { implementation: taker, data: Bytes::new() };
        let from = (0..4).map(|index| town.citizen(index)).collect();
        let take = HeldTaker::takeCall { token, from, amount: whole(15_000), to: role.thief };
        vec![
            Step::Account(Send::create(role.thief, HeldTaker::BYTECODE.clone())),
            Step::by(role.thief, doer, &batch(proxy, code.abi_encode())),
            Step::by(role.thief, doer, &batch(proxy, take.abi_encode())),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// A campaign made with a loan and taken back leaves its allowance, by which the others' tokens go an hour later.
pub(super) fn campaign_taken_back(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let desk = stage.deploy(town.deployer, &HeldCampaigns::BYTECODE, Vec::new());
    town.approve(stage, token, desk);
    let locker = stage.actor("true locker");
    for index in 0..2 {
        let create = HeldCampaigns::createCall { token, amount: whole(20_000), locker };
        stage.call(town.citizen(index), desk, &create);
    }
    let create = HeldCampaigns::createCall { token, amount: whole(25), locker };
    let take = ZooFlawedToken::transferFromCall { from: desk, to: town.citizen(7), amount: whole(12) };
    let traffic = [Send::call(town.citizen(4), desk, &create), Send::call(locker, token, &take)];
    live(stage, &traffic);
    let losses = vec![Probe::token(desk, token)];
    let id = U256::from(2_u64.saturating_add(super::super::town::DAYS));
    Scene::new(&[desk], move |role| {
        let create = HeldCampaigns::createCall { token, amount: whole(34_000), locker: role.me };
        let answer = vec![
            Act::approve(token, town.lender),
            Act::approve(token, desk),
            Act::new(desk, &create),
            Act::new(desk, &HeldCampaigns::cancelCall { id }),
        ];
        let loan = Act::flash_loan(town.lender, role.me, token, whole(34_000));
        let take = ZooFlawedToken::transferFromCall { from: desk, to: role.thief, amount: whole(34_000) };
        let mut steps = runner(
            role,
            U256::ZERO,
            &[Plan::new(vec![loan]).answering(answer), Plan::new(vec![Act::new(token, &take)])],
        );
        steps.insert(2, Step::Wait(3_600));
        steps
    })
    .losing(losses)
    .among(&traffic)
}

/// A bundler brings operations of five smart wallets that use a pot.
pub(super) fn honest_bundle(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 60_000);
    let (pot, traffic) = filled_pot(stage, &plaza, asset);
    let entry = stage.deploy(plaza.town.deployer, &HeldEntryPoint::BYTECODE, Vec::new());
    let owners: Vec<Signer> =
        (0..5).map(|index| Signer::new(stage, &format!("owner {index}"), plaza.town.deployer)).collect();
    let arguments = HeldSmartWallet::constructorCall { entryPoint: entry };
    let mut wallets = Vec::new();
    for owner in &owners {
        let wallet = stage.deploy(plaza.town.deployer, &HeldSmartWallet::BYTECODE, arguments.abi_encode());
        let register = HeldEntryPoint::registerCall { wallet, owner: owner.address() };
        stage.call(plaza.town.deployer, entry, &register);
        let gift = ZooFlawedToken::transferCall { to: wallet, amount: whole(6_000) };
        stage.call(plaza.town.deployer, asset, &gift);
        wallets.push(wallet);
    }
    live(stage, &traffic);
    Scene::new(&[pot], move |role| {
        let call = |target, data: Vec<u8>| HeldSmartWallet::Call { target, value: U256::ZERO, data: data.into() };
        let bundle = |nonce: u64, calls: &dyn Fn(Address) -> Vec<HeldSmartWallet::Call>| {
            let nonce = U256::from(nonce);
            let of = |(wallet, owner): (&Address, &Signer)| {
                let data: Bytes = HeldSmartWallet::executeBatchCall { calls: calls(*wallet) }.abi_encode().into();
                let hash = keccak256((entry, *wallet, nonce, data.clone()).abi_encode_params());
                let (v, r, s) = owner.sign(hash);
                HeldEntryPoint::Operation { wallet: *wallet, nonce, data, v, r, s }
            };
            let operations = wallets.iter().zip(&owners).map(of).collect();
            Step::by(role.thief, entry, &HeldEntryPoint::handleOpsCall { operations })
        };
        let approve = ZooFlawedToken::approveCall { spender: pot, amount: U256::MAX }.abi_encode();
        let join = HeldPotToken::joinCall { amount: whole(6_000) }.abi_encode();
        let redeem = HeldPotToken::redeemCall { amount: whole(5_500) }.abi_encode();
        vec![
            bundle(0, &|_| vec![call(asset, approve.clone()), call(pot, join.clone())]),
            Step::Wait(86_400),
            bundle(1, &|_| vec![call(pot, redeem.clone())]),
        ]
    })
    .among(&traffic)
}

/// Three plain accounts have a wallet's code (EIP-7702) and leave a pot in one batch each, brought by a relayer.
pub(super) fn honest_delegated(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 60_000);
    let (pot, traffic) = filled_pot(stage, &plaza, asset);
    let relayer = stage.actor("relayer");
    let arguments = HeldSmartWallet::constructorCall { entryPoint: relayer };
    let code = stage.deploy(plaza.town.deployer, &HeldSmartWallet::BYTECODE, arguments.abi_encode());
    let delegation: Bytes = [&[0xef, 0x01, 0x00], code.as_slice()].concat().into();
    let accounts: Vec<Address> =
        (0..3).map(|index| stage.place(&format!("delegated {index}"), delegation.clone(), 10)).collect();
    let call = |target, data: Vec<u8>| HeldSmartWallet::Call { target, value: U256::ZERO, data: data.into() };
    for account in &accounts {
        let gift = ZooFlawedToken::transferCall { to: *account, amount: whole(9_000) };
        stage.call(plaza.town.deployer, asset, &gift);
        let approve = ZooFlawedToken::approveCall { spender: pot, amount: U256::MAX }.abi_encode();
        let join = HeldPotToken::joinCall { amount: whole(9_000) }.abi_encode();
        let batch = HeldSmartWallet::executeBatchCall { calls: vec![call(asset, approve), call(pot, join)] };
        stage.call(relayer, *account, &batch);
    }
    live(stage, &traffic);
    Scene::new(&[pot], move |_| {
        let leaves = |account: &Address| {
            let redeem = HeldPotToken::redeemCall { amount: whole(8_800) }.abi_encode();
            let approve = ZooFlawedToken::approveCall { spender: plaza.router, amount: whole(800) }.abi_encode();
            let swap = plaza.trade(&[asset, plaza.weth], whole(800), *account).abi_encode();
            let calls = vec![call(pot, redeem), call(asset, approve), call(plaza.router, swap)];
            Step::by(relayer, *account, &HeldSmartWallet::executeBatchCall { calls })
        };
        accounts.iter().map(leaves).collect()
    })
    .among(&traffic)
}
