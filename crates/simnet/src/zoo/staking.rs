//! Attacks on staking and its rewards.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolConstructor;

use super::amount::{part, whole};
use super::contracts::{ZooEtherStaking, ZooFlawedToken, ZooStaking};
use super::entry::Scene;
use super::plan::{Act, Plan, Step};
use super::stage::{Probe, Send, Stage};
use super::town::{Town, live};

/// Staked ether and the contract that keeps the shares.
struct EtherPot {
    staking: Address,
    shares: Address,
    traffic: Vec<Send>,
}

impl EtherPot {
    fn new(stage: &mut Stage, town: &Town) -> Self {
        let staking = stage.deploy(town.deployer, &ZooEtherStaking::BYTECODE, Vec::new());
        // Its constructor creates the shares, as its first creation.
        let shares = staking.create(1);
        for index in 0..4 {
            stage.pay(town.citizen(index), staking, whole(500), &ZooEtherStaking::depositCall {});
        }
        let traffic = vec![
            Send::pay(town.citizen(0), staking, whole(5), &ZooEtherStaking::depositCall {}),
            Send::call(town.citizen(1), staking, &ZooEtherStaking::withdrawCall { amount: whole(4) }),
        ];
        Self { staking, shares, traffic }
    }
}

/// The same withdrawal again and again while the first one pays.
pub(super) fn same_function(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let pot = EtherPot::new(stage, &town);
    live(stage, &pot.traffic);
    let (losses, traffic) = (vec![Probe::ether(pot.staking)], pot.traffic.clone());
    Scene::new(&[pot.staking, pot.shares], move |role| {
        let amount = whole(90);
        let withdraw = || Act::new(pot.staking, &ZooEtherStaking::withdrawCall { amount });
        let again = 16_u64.checked_div(role.pieces).unwrap_or(1);
        let mut plan = Plan::new(vec![
            Act::new(pot.staking, &ZooEtherStaking::depositCall {}).paying(amount),
            withdraw(),
            Act::ether(role.thief, amount.saturating_mul(U256::from(again))),
        ]);
        for _ in 0..again {
            plan = plan.answering(vec![withdraw()]);
        }
        vec![Step::Contract(plan)]
    })
    .with_purse(whole(400))
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// While the withdrawal pays, its shares go to an accomplice in the other contract; he withdraws them again.
pub(super) fn cross_contract(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let pot = EtherPot::new(stage, &town);
    live(stage, &pot.traffic);
    let (losses, traffic) = (vec![Probe::ether(pot.staking)], pot.traffic.clone());
    Scene::new(&[pot.staking, pot.shares], move |role| {
        let amount = part(whole(1_200), role.pieces);
        let withdraw = ZooEtherStaking::withdrawCall { amount };
        let acts = vec![
            Act::new(pot.staking, &ZooEtherStaking::depositCall {}).paying(amount),
            Act::new(pot.staking, &withdraw),
            Act::ether(role.thief, amount),
        ];
        let handed_on = vec![Act::transfer(pot.shares, role.thief, amount)];
        vec![Step::Contract(Plan::new(acts).answering(handed_on)), Step::by(role.thief, pot.staking, &withdraw)]
    })
    .with_purse(whole(1_200))
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// Rewards for staked tokens.
pub(super) struct Rewards {
    pub(super) town: Town,
    pub(super) stake: Address,
    pub(super) reward: Address,
    pub(super) staking: Address,
    pub(super) traffic: Vec<Send>,
}

impl Rewards {
    /// Six stakers with 1,000 each, `pot` of rewards, `epoch` of them for each day.
    pub(super) fn new(stage: &mut Stage, pot: u64, epoch: u64) -> Self {
        let town = Town::new(stage);
        let (stake, reward) = (town.token(stage, "STAKE"), town.token(stage, "REWARD"));
        let (staking, traffic) = Self::deploy(stage, &town, (stake, reward), pot, epoch);
        Self { town, stake, reward, staking, traffic }
    }

    /// A staking contract and what happens in it every day.
    fn deploy(
        stage: &mut Stage,
        town: &Town,
        (stake, reward): (Address, Address),
        pot: u64,
        epoch: u64,
    ) -> (Address, Vec<Send>) {
        let arguments =
            ZooStaking::constructorCall { stakeToken_: stake, rewardToken_: reward, epochReward: whole(epoch) };
        let staking = stage.deploy(town.deployer, &ZooStaking::BYTECODE, arguments.abi_encode());
        town.approve(stage, stake, staking);
        let fund = ZooFlawedToken::transferCall { to: staking, amount: whole(pot) };
        stage.call(town.deployer, reward, &fund);
        for index in 0..6 {
            stage.call(town.citizen(index), staking, &ZooStaking::stakeCall { amount: whole(1_000) });
        }
        let by = |citizen: usize| town.citizen(citizen);
        let traffic = vec![
            Send::call(by(0), staking, &ZooStaking::stakeCall { amount: whole(10) }),
            Send::call(by(1), staking, &ZooStaking::unstakeCall { amount: whole(5) }),
            Send::call(by(2), staking, &ZooStaking::claimCall {}),
        ];
        (staking, traffic)
    }

    /// The subject stakes `amount`, before the history begins.
    pub(super) fn join(&self, stage: &mut Stage, account: Address, staking: Address, amount: U256) {
        let fund = ZooFlawedToken::transferCall { to: account, amount };
        stage.call(self.town.deployer, self.stake, &fund);
        let approve = ZooFlawedToken::approveCall { spender: staking, amount: U256::MAX };
        stage.call(account, self.stake, &approve);
        stage.call(account, staking, &ZooStaking::stakeCall { amount });
    }
}

/// Borrowed for an instant, a stake gets almost all of the day's reward.
pub(super) fn flash_stake(stage: &mut Stage) -> Scene {
    let rewards = Rewards::new(stage, 20_000, 5_000);
    live(stage, &rewards.traffic);
    let (staking, losses, traffic) =
        (rewards.staking, vec![Probe::token(rewards.staking, rewards.reward)], rewards.traffic.clone());
    Scene::new(&[staking], move |role| {
        let amount = whole(400_000);
        let answer = vec![
            Act::approve(rewards.stake, rewards.town.lender),
            Act::approve(rewards.stake, staking),
            Act::new(staking, &ZooStaking::stakeCall { amount }),
            Act::new(staking, &ZooStaking::claimEpochCall {}),
            Act::new(staking, &ZooStaking::unstakeCall { amount }),
        ];
        let acts = vec![
            Act::flash_loan(rewards.town.lender, role.me, rewards.stake, amount),
            Act::transfer_all(rewards.reward, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
}

/// A staker of long standing is paid for the same time again and again, a little at a time.
pub(super) fn repeated_claim(stage: &mut Stage) -> Scene {
    let rewards = Rewards::new(stage, 20_000, 5_000);
    rewards.join(stage, rewards.town.subject, rewards.staking, whole(20_000));
    live(stage, &rewards.traffic);
    let (staking, losses, traffic) =
        (rewards.staking, vec![Probe::token(rewards.staking, rewards.reward)], rewards.traffic.clone());
    Scene::new(&[staking], move |role| {
        let mut steps = Vec::new();
        for _ in 0..30 {
            steps.push(Step::by(role.thief, staking, &ZooStaking::claimBonusCall {}));
            steps.push(Step::Wait(120));
        }
        steps
    })
    .losing(losses)
    .among(&traffic)
}

/// The same over four modules and four accounts, never much in one place.
pub(super) fn many_small_drains(stage: &mut Stage) -> Scene {
    let rewards = Rewards::new(stage, 20_000, 5_000);
    let mut modules = vec![rewards.staking];
    let mut traffic = rewards.traffic.clone();
    for _ in 0..3 {
        let tokens = (rewards.stake, rewards.reward);
        let (staking, more) = Rewards::deploy(stage, &rewards.town, tokens, 20_000, 5_000);
        modules.push(staking);
        traffic.extend(more);
    }
    let thieves: Vec<Address> = (0..4).map(|index| stage.actor(&format!("subject {index}"))).collect();
    for thief in &thieves {
        modules.iter().for_each(|staking| rewards.join(stage, *thief, *staking, whole(20_000)));
    }
    live(stage, &traffic);
    let losses = modules.iter().map(|staking| Probe::token(*staking, rewards.reward)).collect();
    let places = modules.clone();
    Scene::new(&modules, move |_| {
        let mut steps = Vec::new();
        for _ in 0..3 {
            for thief in &thieves {
                for staking in &places {
                    steps.push(Step::by(*thief, *staking, &ZooStaking::claimBonusCall {}));
                }
                steps.push(Step::Wait(240));
            }
        }
        steps
    })
    .apart()
    .losing(losses)
    .among(&traffic)
}

/// Sixty accounts that have never been here, each paid its welcome, within minutes.
pub(super) fn sybil_welcome(stage: &mut Stage) -> Scene {
    let rewards = Rewards::new(stage, 8_000, 5_000);
    let newcomers: Vec<Address> = (0..14).map(|index| stage.actor(&format!("newcomer {index}"))).collect();
    let sybils: Vec<Address> = (0..60).map(|index| stage.actor(&format!("sybil {index}"))).collect();
    stage.begin();
    for newcomer in &newcomers {
        stage.call(*newcomer, rewards.staking, &ZooStaking::welcomeCall {});
        rewards.traffic.iter().for_each(|send| stage.honest(send));
        stage.wait(super::town::DAY);
    }
    let (staking, losses, traffic) =
        (rewards.staking, vec![Probe::token(rewards.staking, rewards.reward)], rewards.traffic.clone());
    Scene::new(&[staking], move |_| {
        sybils.iter().map(|sybil| Step::by(*sybil, staking, &ZooStaking::welcomeCall {})).collect()
    })
    .losing(losses)
    .among(&traffic)
}
