//! What is signed, or seems to be.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};

use super::super::amount::{milli, whole};
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{DAY, DAYS, Town, live};
use super::attack::runner;
use super::contracts::{HeldDesk, HeldOrders, HeldSettlement, HeldVouchers};
use super::plaza::{Plaza, Signer};

/// 30,000 that are paid by vouchers; `signer` signs them, or nobody was named.
fn vouchers(stage: &mut Stage, signer: Option<&Signer>, town: &Town) -> (Address, Address) {
    let token = town.token(stage, "ASSET");
    let named = signer.map_or(Address::ZERO, Signer::address);
    let arguments = HeldVouchers::constructorCall { token_: token, signer_: named };
    let desk = stage.deploy(town.deployer, &HeldVouchers::BYTECODE, arguments.abi_encode());
    stage.call(town.deployer, token, &ZooFlawedToken::transferCall { to: desk, amount: whole(30_000) });
    (token, desk)
}

fn voucher(signer: &Signer, desk: Address, to: Address, amount: U256) -> HeldVouchers::redeemCall {
    let (v, r, s) = signer.sign(keccak256((desk, to, amount).abi_encode_params()));
    HeldVouchers::redeemCall { to, amount, v, r, s }
}

/// A true voucher is shown twenty-four times more, by its owner, over two hours.
pub(super) fn shown_again(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let signer = Signer::new(stage, "voucher", town.deployer);
    let (token, desk) = vouchers(stage, Some(&signer), &town);
    stage.begin();
    for day in 0..DAYS {
        for citizen in 1..4 {
            let to = town.citizen(citizen);
            let amount = milli(60_000_u64.saturating_add(day));
            stage.call(to, desk, &voucher(&signer, desk, to, amount));
        }
        let more = ZooFlawedToken::transferCall { to: desk, amount: whole(170) };
        stage.call(town.deployer, token, &more);
        stage.wait(DAY);
    }
    let mine = voucher(&signer, desk, town.subject, whole(400));
    stage.call(town.subject, desk, &mine);
    stage.wait(DAY);
    let losses = vec![Probe::token(desk, token)];
    Scene::new(&[desk], move |role| {
        let again = std::iter::repeat_n([Step::by(role.thief, desk, &mine), Step::Wait(300)], 24);
        again.flatten().collect()
    })
    .losing(losses)
}

/// Nobody was named who signs, and nobody's signature is easily made.
pub(super) fn signed_by_nobody(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let (token, desk) = vouchers(stage, None, &town);
    let more = ZooFlawedToken::transferCall { to: desk, amount: whole(90) };
    let traffic = [Send::call(town.citizen(3), token, &more)];
    live(stage, &traffic);
    let losses = vec![Probe::token(desk, token)];
    Scene::new(&[desk], move |role| {
        let nothing = B256::with_last_byte(1);
        let redeem = HeldVouchers::redeemCall { to: role.thief, amount: whole(21_000), v: 29, r: nothing, s: nothing };
        vec![Step::by(role.thief, desk, &redeem)]
    })
    .losing(losses)
    .among(&traffic)
}

/// A maker's old order, filled long ago, is filled twelve times more with borrowed money, at its old price.
pub(super) fn filled_again(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 80_000);
    let desk = stage.deploy(plaza.town.deployer, &HeldOrders::BYTECODE, Vec::new());
    plaza.town.approve(stage, plaza.weth, desk);
    let maker = Signer::new(stage, "maker", plaza.town.deployer);
    let approve = ZooFlawedToken::approveCall { spender: desk, amount: U256::MAX };
    stage.call(maker.address(), asset, &approve);
    let give = ZooFlawedToken::transferCall { to: maker.address(), amount: whole(60_000) };
    stage.call(plaza.town.deployer, asset, &give);
    let order = |gives: U256, wants: U256| {
        let order = HeldOrders::Order { maker: maker.address(), sell: asset, buy: plaza.weth, gives, wants };
        let (v, r, s) = maker.sign(keccak256((desk, order.clone()).abi_encode_params()));
        HeldOrders::fillCall { order, part: gives, v, r, s }
    };
    let old = order(whole(2_000), whole(1_100));
    stage.call(plaza.town.citizen(2), desk, &old);
    stage.begin();
    for day in 0..DAYS {
        let price = milli(100_000_u64.saturating_add(day));
        stage.call(plaza.town.citizen(3), desk, &order(whole(100), price));
        plaza.trades(asset, 30).iter().for_each(|send| stage.honest(send));
        stage.wait(DAY);
    }
    let losses = vec![Probe::token(maker.address(), asset), Probe::token(maker.address(), plaza.weth)];
    Scene::new(&[desk], move |role| {
        let me = role.me;
        let lender = plaza.lender(0);
        let answer = vec![
            Act::approve(plaza.weth, lender),
            Act::approve(plaza.weth, desk),
            Act::approve(asset, plaza.router),
            Act::new(desk, &old).times(12),
            plaza.swaps_all(me, &[asset, plaza.weth]),
        ];
        let mut acts = vec![Act::flash_loan(lender, me, plaza.weth, whole(14_000))];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, U256::ZERO, &[Plan::new(acts).answering(answer)])
    })
    .losing(losses)
}

/// Wrapped ether has no `permit` and does not mind being asked: what users allowed the desk is deposited for somebody
/// else.
pub(super) fn no_permit_at_all(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let desk = stage.deploy(plaza.town.deployer, &HeldDesk::BYTECODE, Vec::new());
    plaza.town.approve(stage, plaza.weth, desk);
    let deposit = HeldDesk::depositCall { token: plaza.weth, amount: whole(40) };
    let withdraw = HeldDesk::withdrawCall { token: plaza.weth, amount: whole(25) };
    let traffic =
        [Send::call(plaza.town.citizen(5), desk, &deposit), Send::call(plaza.town.citizen(5), desk, &withdraw)];
    live(stage, &traffic);
    let victims = [1, 2, 3].map(|index| plaza.town.citizen(index));
    let losses = victims.iter().map(|victim| Probe::token(*victim, plaza.weth)).collect();
    Scene::new(&[desk], move |role| {
        let take = |from: Address| {
            let call = HeldDesk::depositWithPermitCall {
                token: plaza.weth,
                from,
                amount: whole(30_000),
                account: role.thief,
                deadline: U256::MAX,
                v: 27,
                r: B256::ZERO,
                s: B256::ZERO,
            };
            Step::by(role.thief, desk, &call)
        };
        let mut steps: Vec<Step> = victims.iter().map(|victim| take(*victim)).collect();
        let all = HeldDesk::withdrawCall { token: plaza.weth, amount: whole(90_000) };
        steps.push(Step::by(role.thief, desk, &all));
        steps
    })
    .losing(losses)
    .among(&traffic)
}

/// A desk that settles signed orders of eight users, who allowed it their tokens; a solver brings them every day.
struct Settled {
    plaza: Plaza,
    asset: Address,
    desk: Address,
    solver: Address,
    users: Vec<Signer>,
}

impl Settled {
    fn lived(stage: &mut Stage) -> Self {
        let plaza = Plaza::new(stage);
        let (asset, _) = plaza.listed(stage, "ASSET", 200_000);
        let solver = plaza.town.citizen(11);
        let arguments = HeldSettlement::constructorCall { solvers: vec![solver] };
        let desk = stage.deploy(plaza.town.deployer, &HeldSettlement::BYTECODE, arguments.abi_encode());
        let users: Vec<Signer> =
            (0..8).map(|index| Signer::new(stage, &format!("user {index}"), plaza.town.deployer)).collect();
        for user in &users {
            for token in [asset, plaza.weth] {
                let give = ZooFlawedToken::transferCall { to: user.address(), amount: whole(4_000) };
                stage.call(plaza.town.deployer, token, &give);
                let approve = ZooFlawedToken::approveCall { spender: desk, amount: U256::MAX };
                stage.call(user.address(), token, &approve);
            }
        }
        // What the desk keeps of roundings and surplus.
        let surplus = ZooFlawedToken::transferCall { to: desk, amount: whole(50) };
        stage.call(plaza.town.deployer, plaza.weth, &surplus);
        let settled = Self { plaza, asset, desk, solver, users };
        stage.begin();
        for day in 0..DAYS {
            let nonce = day.saturating_mul(2);
            let (amount, mut trades) = (whole(20), Vec::new());
            for (user, other) in settled.users.iter().zip(settled.users.iter().skip(1)).take(2) {
                trades.push(settled.trade(user, true, (amount, amount), nonce));
                trades.push(settled.trade(other, false, (amount, amount), nonce.saturating_add(1)));
            }
            let settle = HeldSettlement::settleCall { trades, targets: Vec::new(), data: Vec::new() };
            stage.call(solver, desk, &settle);
            stage.wait(DAY);
        }
        settled
    }

    /// What `user` signed: to sell the asset, or to buy it.
    fn trade(&self, user: &Signer, sale: bool, (sells, buys): (U256, U256), nonce: u64) -> HeldSettlement::Trade {
        let (asset, weth) = (self.asset, self.plaza.weth);
        let (sell, buy) = if sale { (asset, weth) } else { (weth, asset) };
        let (account, nonce) = (user.address(), U256::from(nonce));
        let shown = (self.desk, account, sell, buy, sells, buys, nonce);
        let (v, r, s) = user.sign(keccak256(shown.abi_encode_params()));
        HeldSettlement::Trade { user: account, sell, buy, sells, buys, nonce, v, r, s }
    }
}

/// A solver settles the signed orders of eight at once, with help of a pair: pulls from all of them, and pays them.
pub(super) fn honest_settlement(stage: &mut Stage) -> Scene {
    let settled = Settled::lived(stage);
    let desk = settled.desk;
    Scene::new(&[desk], move |_| {
        let (asset, plaza) = (settled.asset, &settled.plaza);
        let sells = |user: &Signer| settled.trade(user, true, (whole(2_500), whole(2_200)), 1_000);
        let trades = settled.users.iter().map(sells).collect();
        let approve = ZooFlawedToken::approveCall { spender: plaza.router, amount: U256::MAX };
        let swap = plaza.trade(&[asset, plaza.weth], whole(20_000), desk);
        let (targets, data) = (vec![asset, plaza.router], vec![approve.abi_encode().into(), swap.abi_encode().into()]);
        vec![Step::by(settled.solver, desk, &HeldSettlement::settleCall { trades, targets, data })]
    })
}

/// A solver's key is stolen: a settlement of no orders at all takes from six users what they allowed the desk.
pub(super) fn settled_without_orders(stage: &mut Stage) -> Scene {
    let settled = Settled::lived(stage);
    let desk = settled.desk;
    let victims: Vec<Address> = settled.users.iter().map(Signer::address).take(6).collect();
    let losses = victims.iter().map(|victim| Probe::token(*victim, settled.asset)).collect();
    Scene::new(&[desk], move |role| {
        let take = |from: &Address| {
            let call = ZooFlawedToken::transferFromCall { from: *from, to: role.thief, amount: whole(3_500) };
            call.abi_encode().into()
        };
        let data = victims.iter().map(take).collect();
        let targets = vec![settled.asset; victims.len()];
        vec![Step::by(settled.solver, desk, &HeldSettlement::settleCall { trades: Vec::new(), targets, data })]
    })
    .losing(losses)
}
