//! Attacks on votes, timelocks and what they own.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};

use super::amount::whole;
use super::contracts::{ZooFlawedToken, ZooGovernor, ZooTimelock, ZooTreasury};
use super::entry::Scene;
use super::plan::{Act, Plan, Step};
use super::stage::{Probe, Send, Stage};
use super::town::{DAY, Town};

/// Seconds that a decision waits.
pub(super) const DELAY: u64 = 2 * DAY;

/// A governor, its timelock, and the treasury that the timelock owns.
pub(super) struct Assembly {
    pub(super) town: Town,
    pub(super) votes: Address,
    pub(super) asset: Address,
    pub(super) governor: Address,
    pub(super) timelock: Address,
    pub(super) treasury: Address,
    pub(super) traffic: Vec<Send>,
    /// Proposals that history has made: the number of the next one.
    pub(super) next: u64,
}

impl Assembly {
    /// A treasury of 100,000, four voters with 900,000 each, and three small grants in the past. `guest` has as many
    /// votes as all of them.
    pub(super) fn lived(stage: &mut Stage, guest: Option<Address>) -> Self {
        let town = Town::new(stage);
        let (votes, asset) = (town.token(stage, "VOTE"), town.token(stage, "ASSET"));
        let council = town.citizen(8);
        let timelock_arguments = ZooTimelock::constructorCall {
            delay: U256::from(DELAY),
            proposers: vec![council],
            executors: vec![Address::ZERO],
            admin: town.deployer,
        };
        let timelock = stage.deploy(town.deployer, &ZooTimelock::BYTECODE, timelock_arguments.abi_encode());
        let arguments = ZooGovernor::constructorCall { token_: votes, timelock_: timelock };
        let governor = stage.deploy(town.deployer, &ZooGovernor::BYTECODE, arguments.abi_encode());
        let proposer =
            ZooTimelock::grantRoleCall { role: alloy_primitives::keccak256("PROPOSER_ROLE"), account: governor };
        stage.call(town.deployer, timelock, &proposer);
        let treasury_arguments = ZooTreasury::constructorCall { owner_: timelock };
        let treasury = stage.deploy(town.deployer, &ZooTreasury::BYTECODE, treasury_arguments.abi_encode());
        let fund = ZooFlawedToken::transferCall { to: treasury, amount: whole(100_000) };
        stage.call(town.deployer, asset, &fund);
        town.approve(stage, votes, governor);
        if let Some(guest) = guest {
            let share = ZooFlawedToken::transferCall { to: guest, amount: whole(900_000) };
            for seller in [7, 9, 10, 11] {
                stage.call(town.citizen(seller), votes, &share);
            }
            stage.call(guest, votes, &ZooFlawedToken::approveCall { spender: governor, amount: U256::MAX });
            stage.call(guest, governor, &ZooGovernor::depositCall { amount: whole(3_600_000) });
        }
        for index in 0..4 {
            let deposit = ZooGovernor::depositCall { amount: whole(900_000) };
            stage.call(town.citizen(index), governor, &deposit);
        }
        let traffic = vec![
            Send::call(town.citizen(4), governor, &ZooGovernor::depositCall { amount: whole(10) }),
            Send::call(town.citizen(4), governor, &ZooGovernor::withdrawCall { amount: whole(5) }),
        ];
        let mut assembly = Self { town, votes, asset, governor, timelock, treasury, traffic, next: 0 };
        stage.begin();
        for _ in 0..3 {
            let grant = assembly.pay(assembly.town.citizen(5), 500);
            let steps = assembly.proposal(treasury, &grant, (0..4).map(|index| assembly.town.citizen(index)));
            for step in steps {
                match step {
                    Step::Account(send) | Step::Bystander(send) => stage.honest(&send),
                    Step::Wait(seconds) => stage.wait(seconds),
                    Step::Contract(_) => stage.next_block(),
                }
            }
            assembly.next = assembly.next.saturating_add(1);
            stage.wait(DAY);
        }
        assembly
    }

    /// The treasury pays.
    pub(super) fn pay(&self, to: Address, amount: u64) -> Bytes {
        ZooTreasury::payCall { token: self.asset, to, amount: whole(amount) }.abi_encode().into()
    }

    /// The next proposal from its making to its execution, by the first of `voters`.
    pub(super) fn proposal(
        &self,
        target: Address,
        data: &Bytes,
        voters: impl IntoIterator<Item = Address>,
    ) -> Vec<Step> {
        let id = U256::from(self.next);
        let voters: Vec<Address> = voters.into_iter().collect();
        let first = voters.first().copied().unwrap_or_default();
        let mut steps = vec![Step::by(first, self.governor, &ZooGovernor::proposeCall { target, data: data.clone() })];
        steps.extend(voters.iter().map(|voter| Step::by(*voter, self.governor, &ZooGovernor::voteCall { id })));
        steps.push(Step::by(first, self.governor, &ZooGovernor::queueCall { id }));
        steps.push(Step::Wait(DELAY));
        steps.push(Step::by(first, self.timelock, &self.execute(target, data, B256::from(id))));
        steps
    }

    fn execute(&self, target: Address, data: &Bytes, salt: B256) -> ZooTimelock::executeCall {
        ZooTimelock::executeCall { target, value: U256::ZERO, payload: data.clone(), predecessor: B256::ZERO, salt }
    }

    fn schedule(&self, target: Address, data: &Bytes, delay: u64) -> ZooTimelock::scheduleCall {
        ZooTimelock::scheduleCall {
            target,
            value: U256::ZERO,
            data: data.clone(),
            predecessor: B256::ZERO,
            salt: B256::ZERO,
            delay: U256::from(delay),
        }
    }

    fn modules(&self) -> Vec<Address> {
        vec![self.governor, self.timelock, self.treasury]
    }

    fn losses(&self) -> Vec<Probe> {
        vec![Probe::token(self.treasury, self.asset)]
    }
}

/// Votes borrowed for an instant commit a proposal at once.
pub(super) fn flash_votes(stage: &mut Stage) -> Scene {
    let assembly = Assembly::lived(stage, None);
    let lots = ZooFlawedToken::transferCall { to: assembly.town.lender, amount: whole(900_000) };
    for index in 5..12 {
        stage.call(assembly.town.citizen(index), assembly.votes, &lots);
    }
    stage.wait(DAY);
    let (modules, losses, traffic) = (assembly.modules(), assembly.losses(), assembly.traffic.clone());
    Scene::new(&modules, move |role| {
        // Two thirds of all deposits, which the loan joins: twice what the others have, and some more.
        let amount = whole(7_250_000);
        let id = U256::from(assembly.next);
        let data = assembly.pay(role.thief, 90_000);
        let propose = ZooGovernor::proposeCall { target: assembly.treasury, data };
        let answer = vec![
            Act::approve(assembly.votes, assembly.town.lender),
            Act::approve(assembly.votes, assembly.governor),
            Act::new(assembly.governor, &ZooGovernor::depositCall { amount }),
            Act::new(assembly.governor, &propose),
            Act::new(assembly.governor, &ZooGovernor::voteCall { id }),
            Act::new(assembly.governor, &ZooGovernor::commitCall { id }),
            Act::new(assembly.governor, &ZooGovernor::withdrawCall { amount }),
        ];
        let acts = vec![Act::flash_loan(assembly.town.lender, role.me, assembly.votes, amount)];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
}

/// A proposal that pays its proposer everything is passed, queued, waits its time, and is executed.
pub(super) fn hostile_proposal(stage: &mut Stage) -> Scene {
    let subject = stage.actor("subject");
    let assembly = Assembly::lived(stage, Some(subject));
    let (modules, losses, traffic) = (assembly.modules(), assembly.losses(), assembly.traffic.clone());
    Scene::new(&modules, move |role| {
        let data = assembly.pay(role.thief, 90_000);
        assembly.proposal(assembly.treasury, &data, [role.thief])
    })
    .losing(losses)
    .among(&traffic)
}

/// A council member's stolen key makes the delay nothing, and then decides at once.
pub(super) fn shortened_delay(stage: &mut Stage) -> Scene {
    let assembly = Assembly::lived(stage, None);
    let (modules, losses, traffic) = (assembly.modules(), assembly.losses(), assembly.traffic.clone());
    Scene::new(&modules, move |role| {
        let council = assembly.town.citizen(8);
        let update: Bytes = ZooTimelock::updateDelayCall { newDelay: U256::ZERO }.abi_encode().into();
        let pay = assembly.pay(role.thief, 90_000);
        let timelock = assembly.timelock;
        vec![
            Step::by(council, timelock, &assembly.schedule(timelock, &update, DELAY)),
            Step::Wait(DELAY),
            Step::by(council, timelock, &assembly.execute(timelock, &update, B256::ZERO)),
            Step::by(council, timelock, &assembly.schedule(assembly.treasury, &pay, 0)),
            Step::by(council, timelock, &assembly.execute(assembly.treasury, &pay, B256::ZERO)),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// The same key finds a function that waits for nobody.
pub(super) fn bypassed_delay(stage: &mut Stage) -> Scene {
    let assembly = Assembly::lived(stage, None);
    let (modules, losses, traffic) = (assembly.modules(), assembly.losses(), assembly.traffic.clone());
    Scene::new(&modules, move |role| {
        let data = assembly.pay(role.thief, 90_000);
        let urgent = ZooTimelock::executeUrgentCall { target: assembly.treasury, data };
        vec![Step::by(assembly.town.citizen(8), assembly.timelock, &urgent)]
    })
    .losing(losses)
    .among(&traffic)
}

/// The administrator's key is stolen: a fresh account may propose to the timelock, proposes, waits, and is paid.
pub(super) fn proposer_granted(stage: &mut Stage) -> Scene {
    let assembly = Assembly::lived(stage, None);
    let (modules, losses, traffic) = (assembly.modules(), assembly.losses(), assembly.traffic.clone());
    Scene::new(&modules, move |role| {
        let proposer = alloy_primitives::keccak256("PROPOSER_ROLE");
        let grant = ZooTimelock::grantRoleCall { role: proposer, account: role.thief };
        let pay = assembly.pay(role.thief, 90_000);
        let (timelock, treasury) = (assembly.timelock, assembly.treasury);
        vec![
            Step::by(assembly.town.deployer, timelock, &grant),
            Step::by(role.thief, timelock, &assembly.schedule(treasury, &pay, DELAY)),
            Step::Wait(DELAY),
            Step::by(role.thief, timelock, &assembly.execute(treasury, &pay, B256::ZERO)),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// A proposal hands the treasury to a stranger, who pays himself days later.
pub(super) fn hostile_handover(stage: &mut Stage) -> Scene {
    let subject = stage.actor("subject");
    let assembly = Assembly::lived(stage, Some(subject));
    let (modules, losses, traffic) = (assembly.modules(), assembly.losses(), assembly.traffic.clone());
    Scene::new(&modules, move |role| {
        let handover = ZooTreasury::transferOwnershipCall { newOwner: role.thief }.abi_encode().into();
        let mut steps = assembly.proposal(assembly.treasury, &handover, [role.thief]);
        let pay = ZooTreasury::payCall { token: assembly.asset, to: role.thief, amount: whole(95_000) };
        steps.push(Step::Wait(2 * DAY));
        steps.push(Step::by(role.thief, assembly.treasury, &pay));
        steps
    })
    .losing(losses)
    .among(&traffic)
}
