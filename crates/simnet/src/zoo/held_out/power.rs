//! Councils, keepers, and whoever comes first to what nobody has set up.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};

use super::super::amount::whole;
use super::super::contracts::ZooFlawedToken;
use super::super::entry::{Role, Scene};
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{DAY, live};
use super::attack::runner;
use super::contracts::{
    HeldBetween, HeldCouncil, HeldKeep, HeldKeepNext, HeldOpenProxy, HeldPayPlan, HeldWeth, HeldYield,
};
use super::plaza::Plaza;

/// A council of 30,000 votes that holds 60,000 of another token.
struct Chamber {
    plaza: Plaza,
    votes: Address,
    gold: Address,
    council: Address,
    traffic: Vec<Send>,
}

impl Chamber {
    fn new(stage: &mut Stage) -> Self {
        let plaza = Plaza::new(stage);
        let (votes, _) = plaza.listed(stage, "VOTES", 60_000);
        let gold = plaza.town.token(stage, "GOLD");
        let arguments = HeldCouncil::constructorCall { token_: votes };
        let council = stage.deploy(plaza.town.deployer, &HeldCouncil::BYTECODE, arguments.abi_encode());
        plaza.town.approve(stage, votes, council);
        let fund = ZooFlawedToken::transferCall { to: council, amount: whole(60_000) };
        stage.call(plaza.town.deployer, gold, &fund);
        for index in 0..6 {
            stage.call(plaza.town.citizen(index), council, &HeldCouncil::depositCall { amount: whole(5_000) });
        }
        let traffic = vec![
            Send::call(plaza.town.citizen(7), council, &HeldCouncil::depositCall { amount: whole(30) }),
            Send::call(plaza.town.citizen(7), council, &HeldCouncil::withdrawCall { amount: whole(20) }),
            Send::call(plaza.town.citizen(8), gold, &ZooFlawedToken::transferCall { to: council, amount: whole(40) }),
        ];
        Self { plaza, votes, gold, council, traffic }
    }

    /// The subject buys a few votes and deposits them: five transactions.
    fn joins(&self, role: Role) -> Vec<Step> {
        let approve = |spender| ZooFlawedToken::approveCall { spender, amount: U256::MAX };
        vec![
            Step::Account(Send::pay(role.thief, self.plaza.weth, whole(210), &HeldWeth::depositCall {})),
            Step::by(role.thief, self.plaza.weth, &approve(self.plaza.router)),
            Step::Account(self.plaza.swap(role.thief, &[self.plaza.weth, self.votes], whole(210))),
            Step::by(role.thief, self.votes, &approve(self.council)),
            Step::by(role.thief, self.council, &HeldCouncil::depositCall { amount: whole(200) }),
        ]
    }

    fn voted(&self, motion: u64) -> Vec<Step> {
        let vote = HeldCouncil::voteCall { motion: U256::from(motion) };
        let by = |index| Step::Bystander(Send::call(self.plaza.town.citizen(index), self.council, &vote));
        (0..5).map(by).collect()
    }
}

fn plan(token: Address, amount: u64, to: [Address; 3]) -> Bytes {
    let arguments =
        HeldPayPlan::constructorCall { token, amount: whole(amount), first: to[0], second: to[1], third: to[2] };
    [HeldPayPlan::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// A plan is voted for by its address, and comes to be there only afterwards: another one than was shown.
pub(super) fn plan_not_there_yet(stage: &mut Stage) -> Scene {
    let chamber = Chamber::new(stage);
    live(stage, &chamber.traffic);
    let (council, traffic) = (chamber.council, chamber.traffic.clone());
    let losses = vec![Probe::token(council, chamber.gold)];
    Scene::new(&[council], move |role| {
        let motion = U256::ZERO;
        let mut steps = chamber.joins(role);
        let propose = HeldCouncil::proposeCall { plan: role.thief.create(6) };
        steps.push(Step::by(role.thief, council, &propose));
        steps.extend(chamber.voted(0));
        steps.push(Step::Wait(DAY.saturating_mul(3)));
        let nobody = Address::ZERO;
        steps.push(Step::Account(Send::create(role.thief, plan(chamber.gold, 55_000, [role.thief, nobody, nobody]))));
        steps.push(Step::by(role.thief, council, &HeldCouncil::executeCall { motion }));
        steps
    })
    .losing(losses)
    .among(&traffic)
}

/// A day after it was proposed, borrowed votes make a plan an emergency.
pub(super) fn emergency_by_loan(stage: &mut Stage) -> Scene {
    let chamber = Chamber::new(stage);
    live(stage, &chamber.traffic);
    let (council, traffic) = (chamber.council, chamber.traffic.clone());
    let losses = vec![Probe::token(council, chamber.gold), Probe::token(council, chamber.votes)];
    Scene::new(&[council], move |role| {
        let motion = U256::ZERO;
        let lender = chamber.plaza.town.lender;
        let answer = vec![
            Act::approve(chamber.votes, lender),
            Act::approve(chamber.votes, council),
            Act::new(council, &HeldCouncil::depositCall { amount: whole(70_000) }),
            Act::new(council, &HeldCouncil::voteCall { motion }),
            Act::new(council, &HeldCouncil::emergencyCall { motion }),
            Act::new(council, &HeldCouncil::withdrawCall { amount: whole(70_000) }),
        ];
        let loan = Act::flash_loan(lender, role.me, chamber.votes, whole(70_000));
        let on = Act::transfer_all(chamber.gold, role.me, role.thief);
        let mut acts = runner(role, U256::ZERO, &[Plan::new(vec![loan, on]).answering(answer)]);
        let commit = acts.pop();
        let mut steps = acts;
        steps.extend(chamber.joins(role));
        // The runner is the subject's first creation, so the plan is at his seventh transaction.
        let nobody = Address::ZERO;
        steps.push(Step::Account(Send::create(role.thief, plan(chamber.gold, 58_000, [role.me, nobody, nobody]))));
        steps.push(Step::by(role.thief, council, &HeldCouncil::proposeCall { plan: role.thief.create(6) }));
        steps.push(Step::Wait(DAY.saturating_add(60)));
        steps.extend(commit);
        steps
    })
    .losing(losses)
    .among(&traffic)
}

/// A plan that was there to be read pays three grants, a quarter of the treasury, after three days.
pub(super) fn honest_grants(stage: &mut Stage) -> Scene {
    let chamber = Chamber::new(stage);
    live(stage, &chamber.traffic);
    let proposer = chamber.plaza.town.citizen(0);
    let code = stage.next_creation(proposer);
    let (council, traffic) = (chamber.council, chamber.traffic.clone());
    Scene::new(&[council], move |_| {
        let grantees = [8, 9, 10].map(|index| chamber.plaza.town.citizen(index));
        let mut steps = vec![
            Step::Account(Send::create(proposer, plan(chamber.gold, 5_000, grantees))),
            Step::by(proposer, council, &HeldCouncil::proposeCall { plan: code }),
        ];
        steps.extend(chamber.voted(0));
        steps.push(Step::Wait(DAY.saturating_mul(3)));
        steps.push(Step::by(proposer, council, &HeldCouncil::executeCall { motion: U256::ZERO }));
        steps
    })
    .among(&traffic)
}

/// Deposits of 60,000 whose keeper takes a twentieth of a hundredth a day.
fn yielding(stage: &mut Stage) -> (Plaza, Address, Address, Vec<Send>) {
    let plaza = Plaza::new(stage);
    let asset = plaza.town.token(stage, "ASSET");
    let keeper = plaza.town.citizen(11);
    let arguments = HeldYield::constructorCall { token_: asset, keeper };
    let vault = stage.deploy(plaza.town.deployer, &HeldYield::BYTECODE, arguments.abi_encode());
    plaza.town.approve(stage, asset, vault);
    for index in 0..6 {
        stage.call(plaza.town.citizen(index), vault, &HeldYield::depositCall { amount: whole(10_000) });
    }
    let charge = HeldYield::chargeCall { bps: U256::from(5), to: plaza.town.citizen(10) };
    let traffic = vec![
        Send::call(keeper, vault, &charge),
        Send::call(plaza.town.citizen(7), vault, &HeldYield::depositCall { amount: whole(60) }),
        Send::call(plaza.town.citizen(7), vault, &HeldYield::withdrawCall { amount: whole(20) }),
    ];
    (plaza, asset, vault, traffic)
}

/// The keeper's key is stolen: the largest fee, every four hours for three days, to two fresh accounts.
pub(super) fn fees_that_creep(stage: &mut Stage) -> Scene {
    let (plaza, asset, vault, traffic) = yielding(stage);
    let second = stage.actor("second pocket");
    live(stage, &traffic);
    Scene::new(&[vault], move |role| {
        let keeper = plaza.town.citizen(11);
        let charge = |to| Step::by(keeper, vault, &HeldYield::chargeCall { bps: U256::from(150), to });
        let pair = [charge(role.thief), Step::Wait(14_400), charge(second), Step::Wait(14_400)];
        std::iter::repeat_n(pair, 9).flatten().collect()
    })
    .losing(vec![Probe::token(vault, asset)])
    .among(&traffic)
}

/// The keeper takes the fee of a quarter at once, to where it always goes.
pub(super) fn honest_fee(stage: &mut Stage) -> Scene {
    let (plaza, _, vault, traffic) = yielding(stage);
    live(stage, &traffic);
    Scene::new(&[vault], move |_| {
        let charge = HeldYield::chargeCall { bps: U256::from(150), to: plaza.town.citizen(10) };
        vec![Step::by(plaza.town.citizen(11), vault, &charge)]
    })
    .among(&traffic)
}

/// A proxy that was created a while ago and set up by nobody yet.
fn bare_proxy(stage: &mut Stage) -> (Plaza, Address, Address, Address, Vec<Send>) {
    let plaza = Plaza::new(stage);
    let asset = plaza.town.token(stage, "ASSET");
    let keep = stage.deploy(plaza.town.deployer, &HeldKeep::BYTECODE, Vec::new());
    let proxy = stage.deploy(plaza.town.deployer, &HeldOpenProxy::BYTECODE, Vec::new());
    plaza.town.approve(stage, asset, proxy);
    let gift = ZooFlawedToken::transferCall { to: plaza.town.citizen(2), amount: whole(3) };
    let traffic = vec![Send::call(plaza.town.citizen(1), asset, &gift)];
    (plaza, asset, keep, proxy, traffic)
}

fn set_up(keep: Address, asset: Address, owner: Address) -> HeldOpenProxy::upgradeToAndCallCall {
    let data = HeldKeep::initialiseCall { token_: asset, owner_: owner }.abi_encode().into();
    HeldOpenProxy::upgradeToAndCallCall { implementation: keep, data }
}

/// Somebody comes first and stands between the proxy and its code; its makers notice nothing, and days later he takes
/// what was deposited.
pub(super) fn first_come(stage: &mut Stage) -> Scene {
    let (plaza, asset, keep, proxy, traffic) = bare_proxy(stage);
    live(stage, &traffic);
    let citizens = [3, 4, 5].map(|index| plaza.town.citizen(index));
    let mut losses = vec![Probe::token(proxy, asset)];
    losses.extend(citizens.iter().map(|citizen| Probe::token(*citizen, asset)));
    Scene::new(&[proxy], move |role| {
        let arguments = HeldBetween::constructorCall { true_: keep };
        let code: Bytes = [HeldBetween::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into();
        let mine = HeldOpenProxy::upgradeToAndCallCall { implementation: role.me, data: Bytes::new() };
        let deployer = plaza.town.deployer;
        let mut steps = vec![
            Step::Account(Send::create(role.thief, code)),
            Step::by(role.thief, proxy, &mine),
            Step::Bystander(Send::call(deployer, proxy, &set_up(keep, asset, deployer))),
            Step::Wait(DAY),
        ];
        let deposit = HeldKeep::depositCall { amount: whole(8_000) };
        steps.extend(citizens.iter().map(|citizen| Step::Bystander(Send::call(*citizen, proxy, &deposit))));
        steps.push(Step::Wait(DAY.saturating_mul(2)));
        steps.push(Step::by(role.thief, proxy, &HeldBetween::takeCall { token: asset }));
        steps
    })
    .losing(losses)
    .among(&traffic)
}

/// A proxy is set up by its makers, used, and upgraded a week later with a first call of its new code.
pub(super) fn honest_new_module(stage: &mut Stage) -> Scene {
    let (plaza, asset, keep, proxy, traffic) = bare_proxy(stage);
    live(stage, &traffic);
    let deployer = plaza.town.deployer;
    let next = stage.next_creation(deployer);
    Scene::new(&[proxy], move |_| {
        let deposit = HeldKeep::depositCall { amount: whole(8_000) };
        let data = HeldKeepNext::initialiseNextCall { feeBps_: U256::from(30) }.abi_encode().into();
        vec![
            Step::Account(Send::create(deployer, HeldKeepNext::BYTECODE.clone())),
            Step::by(deployer, proxy, &set_up(keep, asset, deployer)),
            Step::by(plaza.town.citizen(3), proxy, &deposit),
            Step::by(plaza.town.citizen(4), proxy, &deposit),
            Step::Wait(DAY.saturating_mul(7)),
            Step::by(deployer, proxy, &HeldKeep::upgradeToAndCallCall { implementation: next, data }),
            Step::by(plaza.town.citizen(3), proxy, &HeldKeep::withdrawCall { amount: whole(8_000) }),
        ]
    })
    .among(&traffic)
}
