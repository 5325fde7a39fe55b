//! Ways to do the same thing otherwise, applied to any entry: what hides an attack from rules that know its shape.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use serde::Serialize;

use super::amount::part;
use super::contracts::{ModuleProxy, Puppet, ZooHop, ZooNoise};
use super::entry::{Role, Scene};
use super::plan::{Act, Plan, Step};
use super::stage::{Part, Send, Stage};
use crate::Lane as Way;

/// Parts that an entry is divided into.
const PIECES: u64 = 4;
/// Seconds from the contract's creation to its first use, when delayed.
const PREPARED_SECONDS: u64 = 3 * 86_400;
/// Seconds between steps, when delayed: longer than the windows of the usual rules.
const PAUSE_SECONDS: u64 = 2 * 3_600;
/// Contracts between sender and doer.
const HOPS: usize = 3;

/// How an entry is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutator {
    /// Not at all.
    Base,
    /// Several contracts, each a part, in one transaction.
    SplitContracts,
    /// Several transactions, each a part, in as many blocks.
    SplitTransactions,
    /// Several accounts with a contract each, each a part.
    SplitAccounts,
    /// Days after the preparation, hours between the steps.
    Delayed,
    /// With calls, logs and transactions that mean nothing.
    Noise,
    /// Nothing is seen before it is in a block.
    PrivateLane,
    /// Behind forwarders, and by a proxy.
    ProxyHops,
}

impl Mutator {
    /// All, the unchanged first.
    pub const ALL: [Self; 8] = [
        Self::Base,
        Self::SplitContracts,
        Self::SplitTransactions,
        Self::SplitAccounts,
        Self::Delayed,
        Self::Noise,
        Self::PrivateLane,
        Self::ProxyHops,
    ];

    /// As in tables and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::SplitContracts => "split-contracts",
            Self::SplitTransactions => "split-transactions",
            Self::SplitAccounts => "split-accounts",
            Self::Delayed => "delayed",
            Self::Noise => "noise",
            Self::PrivateLane => "private-lane",
            Self::ProxyHops => "proxy-hops",
        }
    }
}

impl std::fmt::Display for Mutator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Performs the scene's script as `mutator` has it. Returns the subject's failures; `None` when the scene cannot be
/// changed so.
pub(super) fn perform(stage: &mut Stage, scene: &Scene, mutator: Mutator) -> Option<Vec<String>> {
    let mut show = Show::new(stage, scene, mutator);
    match mutator {
        Mutator::Base | Mutator::PrivateLane | Mutator::Delayed | Mutator::Noise => show.whole(),
        Mutator::ProxyHops => show.behind_hops()?,
        Mutator::SplitContracts => show.by_many_contracts()?,
        Mutator::SplitTransactions => show.by_many_transactions()?,
        Mutator::SplitAccounts => show.by_many_accounts()?,
    }
    Some(show.failed)
}

/// A performance in progress.
struct Show<'a> {
    stage: &'a mut Stage,
    scene: &'a Scene,
    mutator: Mutator,
    way: Way,
    thief: Address,
    noise: Option<Address>,
    failed: Vec<String>,
}

impl<'a> Show<'a> {
    fn new(stage: &'a mut Stage, scene: &'a Scene, mutator: Mutator) -> Self {
        let thief = stage.actor("subject");
        let way = if mutator == Mutator::PrivateLane { Way::Private } else { Way::Public };
        let mut show = Self { stage, scene, mutator, way, thief, noise: None, failed: Vec::new() };
        if mutator == Mutator::Noise {
            show.noise = Some(show.create(thief, ZooNoise::BYTECODE.clone()));
        }
        show
    }

    /// As it is written; delays and noise are added where steps meet.
    fn whole(&mut self) {
        let plans = self.plans(1);
        let me = self.stage.next_creation(self.thief);
        let steps = (self.scene.script)(self.role(me, 0, 1));
        if !plans.is_empty() {
            let plans = plans.into_iter().map(|plan| self.noisy(plan)).collect::<Vec<_>>();
            self.puppet(self.thief, &plans, 1);
            self.stage.next_block();
        }
        if self.mutator == Mutator::Delayed {
            self.pause(PREPARED_SECONDS);
        }
        self.steps(steps, self.thief, me, &[]);
    }

    /// The contract is a proxy, and called through forwarders.
    fn behind_hops(&mut self) -> Option<()> {
        let plans = self.plans(1);
        if plans.is_empty() {
            return None;
        }
        let code = creation(&Puppet::BYTECODE, &Puppet::constructorCall { owner_: self.thief, plans: Vec::new() });
        let implementation = self.create(self.thief, code);
        let hops: Vec<Address> = (0..HOPS).map(|_| self.create(self.thief, ZooHop::BYTECODE.clone())).collect();
        let me = self.stage.next_creation(self.thief);
        // The plans name the contract that acts, so they are asked for again with the proxy's address.
        let steps = (self.scene.script)(self.role(me, 0, 1));
        let load = Puppet::loadCall { owner_: self.thief, plans: encoded(&contract_plans(&steps)) };
        let arguments = ModuleProxy::constructorCall { implementation, data: load.abi_encode().into() };
        let code = creation(&ModuleProxy::BYTECODE, &arguments);
        self.subject(&Send { value: self.scene.purse, ..Send::create(self.thief, code) });
        self.stage.next_block();
        self.steps(steps, self.thief, me, &hops);
        Some(())
    }

    /// One coordinator calls a contract for each part, in one transaction.
    fn by_many_contracts(&mut self) -> Option<()> {
        if !self.is_one_plan() {
            return None;
        }
        let (mut targets, mut data) = (Vec::new(), Vec::new());
        for piece in 0..PIECES {
            let me = self.stage.next_creation(self.thief);
            let steps = (self.scene.script)(self.role(me, piece, PIECES));
            self.puppet(self.thief, &contract_plans(&steps), PIECES);
            targets.push(me);
            data.push(Bytes::from(Puppet::goCall { index: U256::ZERO }.abi_encode()));
        }
        let coordinator = self.create(self.thief, ZooHop::BYTECODE.clone());
        self.stage.next_block();
        self.subject(&Send::call(self.thief, coordinator, &ZooHop::forwardCall { targets, data }));
        Some(())
    }

    /// One contract, a block for each part; what cannot be divided is done act by act.
    fn by_many_transactions(&mut self) -> Option<()> {
        let me = self.stage.next_creation(self.thief);
        let mut steps = Vec::new();
        if self.scene.divisible {
            for piece in 0..PIECES {
                steps.extend((self.scene.script)(self.role(me, piece, PIECES)));
            }
        } else {
            for step in (self.scene.script)(self.role(me, 0, 1)) {
                match step {
                    // Within a call back nothing can be put off.
                    Step::Contract(plan) if plan.answers.is_empty() => {
                        steps.extend(plan.acts.into_iter().map(|act| Step::Contract(Plan::new(vec![act]))));
                    }
                    other @ (Step::Contract(_) | Step::Account(_) | Step::Bystander(_) | Step::Wait(_)) => {
                        steps.push(other)
                    }
                }
            }
        }
        let plans = contract_plans(&steps);
        if plans.len() < 2 {
            return None;
        }
        self.puppet(self.thief, &plans, 1);
        self.stage.next_block();
        self.steps(steps, self.thief, me, &[]);
        Some(())
    }

    /// An account, a contract and a block for each part.
    fn by_many_accounts(&mut self) -> Option<()> {
        if !self.scene.divisible {
            return None;
        }
        for piece in 0..PIECES {
            let thief = self.stage.actor(&format!("subject {piece}"));
            let me = self.stage.next_creation(thief);
            let steps = (self.scene.script)(Role { thief, ..self.role(me, piece, PIECES) });
            let plans = contract_plans(&steps);
            if !plans.is_empty() {
                self.puppet(thief, &plans, PIECES);
                self.stage.next_block();
            }
            self.steps(steps, thief, me, &[]);
            self.stage.next_block();
        }
        Some(())
    }

    /// Performs `steps`, each of the subject's in a block of its own.
    fn steps(&mut self, steps: Vec<Step>, thief: Address, me: Address, hops: &[Address]) {
        let mut index = 0_u64;
        let mut started = false;
        for step in steps {
            let by_subject = matches!(step, Step::Contract(_) | Step::Account(_));
            if by_subject {
                if started {
                    self.stage.next_block();
                    if self.mutator == Mutator::Delayed {
                        self.pause(PAUSE_SECONDS);
                    }
                }
                started = true;
                self.chatter(me);
            }
            match step {
                Step::Contract(_) => {
                    let go = Puppet::goCall { index: U256::from(index) };
                    let send = Send::call(thief, me, &go);
                    self.subject(&hops.iter().fold(send, |send, hop| through(*hop, send)));
                    index = index.saturating_add(1);
                }
                Step::Account(send) => self.subject(&send),
                Step::Bystander(send) => self.stage.must(&send, Part::Extra, Way::Public),
                Step::Wait(seconds) => self.stage.wait(seconds),
            }
        }
    }

    fn subject(&mut self, send: &Send) {
        let failed = self.stage.send(send, Part::Subject, self.way);
        self.failed.extend(failed);
    }

    fn create(&mut self, from: Address, code: Bytes) -> Address {
        let address = self.stage.next_creation(from);
        self.subject(&Send::create(from, code));
        address
    }

    /// Creates the subject's contract, with its part of the purse.
    fn puppet(&mut self, owner: Address, plans: &[Plan], pieces: u64) {
        let arguments = Puppet::constructorCall { owner_: owner, plans: encoded(plans) };
        let value = if self.scene.purse.is_zero() { U256::ZERO } else { part(self.scene.purse, pieces) };
        let code = creation(&Puppet::BYTECODE, &arguments);
        self.subject(&Send { value, ..Send::create(owner, code) });
    }

    const fn role(&self, me: Address, piece: u64, pieces: u64) -> Role {
        Role { me, thief: self.thief, piece, pieces }
    }

    /// The plans of a whole run, for whoever only counts them or creates the next contract.
    fn plans(&self, pieces: u64) -> Vec<Plan> {
        let me = self.stage.next_creation(self.thief);
        contract_plans(&(self.scene.script)(self.role(me, 0, pieces)))
    }

    /// Whether a part is one transaction of a contract and nothing else.
    fn is_one_plan(&self) -> bool {
        let me = self.stage.next_creation(self.thief);
        let steps = (self.scene.script)(self.role(me, 0, PIECES));
        self.scene.divisible && steps.len() == 1 && matches!(steps.first(), Some(Step::Contract(_)))
    }

    /// Time passes, and honest users go on.
    fn pause(&mut self, seconds: u64) {
        self.traffic();
        self.stage.wait(seconds);
    }

    /// What honest users do every day; it may fail by now, because the attack has broken what they use.
    fn traffic(&mut self) {
        for send in &self.scene.traffic {
            self.stage.send(send, Part::Bystander, Way::Public);
        }
    }

    /// Transactions that mean nothing, and honest ones, around a step.
    fn chatter(&mut self, me: Address) {
        let Some(noise) = self.noise else { return };
        self.traffic();
        let victim = self.scene.modules.iter().flatten().next().copied().unwrap_or_default();
        let call = ZooNoise::chatterCall { from: victim, to: me, times: U256::from(5) };
        self.subject(&Send::call(self.thief, noise, &call));
    }

    /// The plan with acts that mean nothing before each of its own.
    fn noisy(&self, plan: Plan) -> Plan {
        let Some(noise) = self.noise else { return plan };
        let victims = self.scene.modules.iter().flatten().copied().cycle();
        let mut acts = Vec::new();
        for (act, victim) in plan.acts.into_iter().zip(victims) {
            acts.push(Act::new(noise, &ZooNoise::chatterCall { from: victim, to: self.thief, times: U256::from(2) }));
            acts.push(act);
        }
        Plan { acts, answers: plan.answers }
    }
}

fn contract_plans(steps: &[Step]) -> Vec<Plan> {
    let plans = steps.iter().filter_map(|step| match step {
        Step::Contract(plan) => Some(plan.clone()),
        Step::Account(_) | Step::Bystander(_) | Step::Wait(_) => None,
    });
    plans.collect()
}

fn encoded(plans: &[Plan]) -> Vec<Bytes> {
    plans.iter().map(Plan::encode).collect()
}

fn creation(code: &Bytes, arguments: &impl SolConstructor) -> Bytes {
    [code.as_ref(), &arguments.abi_encode()].concat().into()
}

/// The same call by way of a forwarder.
fn through(hop: Address, send: Send) -> Send {
    let forward = ZooHop::forwardCall { targets: vec![send.to.unwrap_or_default()], data: vec![send.data] };
    Send { to: Some(hop), data: forward.abi_encode().into(), ..send }
}
