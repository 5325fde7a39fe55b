//! Farms and lockers that count wrongly.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolConstructor;

use super::super::amount::whole;
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{DAY, DAYS, live};
use super::attack::{burst, helper};
use super::contracts::{HeldFakePair, HeldLocker, HeldPairFarm, HeldReceiptFarm, HeldRunner, HeldWeth};
use super::plaza::Plaza;

/// Helpers that a receipt goes through.
const HELPERS: u64 = 8;

/// A farm of 60,000 whose rewards come in every day.
pub(super) struct Farm {
    pub(super) plaza: Plaza,
    pub(super) stake: Address,
    pub(super) gain: Address,
    pub(super) farm: Address,
    pub(super) traffic: Vec<Send>,
}

impl Farm {
    pub(super) fn new(stage: &mut Stage) -> Self {
        let plaza = Plaza::new(stage);
        let stake = plaza.town.token(stage, "STAKE");
        let (gain, _) = plaza.listed(stage, "GAIN", 60_000);
        let arguments = HeldReceiptFarm::constructorCall { stakeToken_: stake, rewardToken_: gain };
        let farm = stage.deploy(plaza.town.deployer, &HeldReceiptFarm::BYTECODE, arguments.abi_encode());
        plaza.town.approve(stage, stake, farm);
        plaza.town.approve(stage, gain, farm);
        for index in 0..6 {
            stage.call(plaza.town.citizen(index), farm, &HeldReceiptFarm::depositCall { amount: whole(10_000) });
        }
        let mut traffic = vec![
            Send::call(plaza.town.deployer, farm, &HeldReceiptFarm::notifyRewardCall { amount: whole(600) }),
            Send::call(plaza.town.citizen(0), farm, &HeldReceiptFarm::claimCall {}),
            Send::call(plaza.town.citizen(1), farm, &HeldReceiptFarm::claimCall {}),
        ];
        traffic.extend(plaza.trades(gain, 30));
        Self { plaza, stake, gain, farm, traffic }
    }
}

/// A receipt of an instant, bought with a loan, goes through eight helpers, each of whom is paid what it never earned.
pub(super) fn receipts_handed_on(stage: &mut Stage) -> Scene {
    let Farm { plaza, stake, gain, farm, traffic } = Farm::new(stage);
    live(stage, &traffic);
    let losses = vec![Probe::token(farm, gain)];
    Scene::new(&[farm], move |role| {
        let first = helper(role, 0);
        let amount = whole(5_000);
        let mut answer = vec![
            Act::approve(stake, farm),
            Act::approve(stake, plaza.town.lender),
            Act::new(farm, &HeldReceiptFarm::depositCall { amount }),
            Act::transfer(farm, helper(role, 1), amount),
        ];
        for index in 1..HELPERS {
            let me = helper(role, index);
            let next = helper(role, if index.saturating_add(1) == HELPERS { 0 } else { index.saturating_add(1) });
            let plan =
                Plan::new(vec![Act::new(farm, &HeldReceiptFarm::claimCall {}), Act::transfer(farm, next, amount)]);
            answer.push(Act::new(me, &HeldRunner::runCall { plan: plan.encode() }));
        }
        answer.push(Act::new(farm, &HeldReceiptFarm::withdrawCall { amount }));
        let loan = Act::flash_loan(plaza.town.lender, first, stake, amount);
        let plan = Plan::new(vec![loan]).answering(answer);
        vec![burst(role, HELPERS, &[(0, plan)], &[gain], (U256::ZERO, U256::ZERO))]
    })
    .losing(losses)
    .among(&traffic)
}

/// Shares of a pair that its attacker made earn by what it says; all of it by an account, over a day.
pub(super) fn pair_of_nobody(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (gain, pair) = plaza.listed(stage, "GAIN", 60_000);
    let arguments = HeldPairFarm::constructorCall { quote_: plaza.weth, rewardToken_: gain };
    let farm = stage.deploy(plaza.town.deployer, &HeldPairFarm::BYTECODE, arguments.abi_encode());
    let fund = ZooFlawedToken::transferCall { to: farm, amount: whole(40_000) };
    stage.call(plaza.town.deployer, gain, &fund);
    plaza.town.approve(stage, pair, farm);
    let stake = |amount: u64| HeldPairFarm::stakeCall { pair, amount: whole(amount) };
    stage.call(plaza.town.deployer, farm, &stake(20_000));
    let mut traffic = plaza.trades(gain, 30);
    traffic.push(Send::call(plaza.town.deployer, farm, &HeldPairFarm::harvestCall { pair }));
    live(stage, &traffic);
    let losses = vec![Probe::token(farm, gain)];
    Scene::new(&[farm], move |role| {
        let said = 25_000_000_u128.saturating_mul(1_000_000_000_000_000_000);
        let arguments =
            HeldFakePair::constructorCall { quote: plaza.weth, said: alloy_primitives::aliases::U112::from(said) };
        let code: Bytes = [HeldFakePair::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into();
        let fake = role.thief.create(0);
        let approve = ZooFlawedToken::approveCall { spender: farm, amount: U256::MAX };
        vec![
            Step::Account(Send::create(role.thief, code)),
            Step::by(role.thief, fake, &approve),
            Step::by(role.thief, farm, &HeldPairFarm::stakeCall { pair: fake, amount: whole(1) }),
            Step::Wait(DAY),
            Step::by(role.thief, farm, &HeldPairFarm::harvestCall { pair: fake }),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// A locker of 60,000 in six positions, and one more each day.
struct Locked {
    plaza: Plaza,
    asset: Address,
    locker: Address,
    traffic: Vec<Send>,
    positions: u64,
}

impl Locked {
    fn lived(stage: &mut Stage) -> Self {
        let plaza = Plaza::new(stage);
        let (asset, _) = plaza.listed(stage, "ASSET", 60_000);
        let arguments = HeldLocker::constructorCall { token_: asset };
        let locker = stage.deploy(plaza.town.deployer, &HeldLocker::BYTECODE, arguments.abi_encode());
        plaza.town.approve(stage, asset, locker);
        for index in 0..6 {
            stage.call(plaza.town.citizen(index), locker, &HeldLocker::lockCall { amount: whole(10_000) });
        }
        let mut traffic = plaza.trades(asset, 30);
        traffic.push(Send::call(plaza.town.citizen(8), locker, &HeldLocker::lockCall { amount: whole(40) }));
        live(stage, &traffic);
        Self { plaza, asset, locker, traffic, positions: DAYS.saturating_add(6) }
    }
}

/// The number of one small position comes twenty times in one list.
pub(super) fn same_number_again(stage: &mut Stage) -> Scene {
    let Locked { plaza, asset, locker, traffic, positions } = Locked::lived(stage);
    let losses = vec![Probe::token(locker, asset)];
    Scene::new(&[locker], move |role| {
        let approve = ZooFlawedToken::approveCall { spender: plaza.router, amount: U256::MAX };
        let lets = ZooFlawedToken::approveCall { spender: locker, amount: U256::MAX };
        vec![
            Step::Account(Send::pay(role.thief, plaza.weth, whole(610), &HeldWeth::depositCall {})),
            Step::by(role.thief, plaza.weth, &approve),
            Step::Account(plaza.swap(role.thief, &[plaza.weth, asset], whole(610))),
            Step::by(role.thief, asset, &lets),
            Step::by(role.thief, locker, &HeldLocker::lockCall { amount: whole(500) }),
            Step::Wait(DAY),
            Step::by(role.thief, locker, &HeldLocker::withdrawManyCall { ids: vec![U256::from(positions); 20] }),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// A stake is moved in from an older locker that is the attacker's own contract, and taken out for true tokens.
pub(super) fn moved_from_nowhere(stage: &mut Stage) -> Scene {
    let Locked { plaza, asset, locker, traffic, positions } = Locked::lived(stage);
    let losses = vec![Probe::token(locker, asset)];
    Scene::new(&[locker], move |role| {
        let moved = HeldLocker::migrateStakeCall { old: role.me, amount: whole(45_000) };
        let mut acts = vec![
            Act::new(locker, &moved),
            Act::new(locker, &HeldLocker::withdrawCall { id: U256::from(positions) }),
            Act::approve(asset, plaza.router),
            plaza.swaps(role.me, &[asset, plaza.weth], whole(15_000)),
            Act::transfer_all(asset, role.me, role.thief),
        ];
        acts.extend(plaza.cashes(role.me, role.thief));
        vec![Step::Contract(Plan::new(acts))]
    })
    .losing(losses)
    .among(&traffic)
}

/// The largest staker takes back nearly all that he has, which is half of the farm, and what it has earned.
pub(super) fn honest_unstaking(stage: &mut Stage) -> Scene {
    let Farm { plaza, farm, traffic, .. } = Farm::new(stage);
    stage.call(plaza.town.citizen(9), farm, &HeldReceiptFarm::depositCall { amount: whole(60_000) });
    live(stage, &traffic);
    Scene::new(&[farm], move |_| {
        let leave = HeldReceiptFarm::withdrawCall { amount: whole(59_000) };
        vec![Step::by(plaza.town.citizen(9), farm, &leave)]
    })
    .among(&traffic)
}

/// A keeper's contract claims for a vault of stakers, sells what was earned, buys what is staked and stakes it, and
/// takes its own fee.
pub(super) fn honest_compounding(stage: &mut Stage) -> Scene {
    let Farm { plaza, stake, gain, farm, traffic } = Farm::new(stage);
    plaza.pair(stage, stake, 60_000);
    live(stage, &traffic);
    Scene::new(&[farm], move |role| {
        let fund = ZooFlawedToken::transferCall { to: role.me, amount: whole(30_000) };
        let path = [gain, plaza.weth, stake];
        let start =
            vec![Act::approve(stake, farm), Act::new(farm, &HeldReceiptFarm::depositCall { amount: whole(30_000) })];
        let mine = ZooFlawedToken::balanceOfCall { account: role.me };
        let compound = vec![
            Act::new(farm, &HeldReceiptFarm::claimCall {}),
            Act::transfer(gain, role.thief, whole(5)),
            Act::approve(gain, plaza.router),
            plaza.swaps_all(role.me, &path),
            Act::new(farm, &HeldReceiptFarm::depositCall { amount: U256::ZERO }).with_answer(0, stake, &mine),
        ];
        let notify = HeldReceiptFarm::notifyRewardCall { amount: whole(600) };
        vec![
            Step::Bystander(Send::call(plaza.town.citizen(7), stake, &fund)),
            Step::Contract(Plan::new(start)),
            Step::Bystander(Send::call(plaza.town.deployer, farm, &notify)),
            Step::Wait(DAY),
            Step::Contract(Plan::new(compound)),
        ]
    })
    .among(&traffic)
}
