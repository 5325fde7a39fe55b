//! Attacks on a treasury with several owners.

use alloy_primitives::{Address, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};

use super::amount::whole;
use super::contracts::{ZooFlawedToken, ZooGuard, ZooHostileCode, ZooSafe, ZooSafeProxy};
use super::entry::Scene;
use super::plan::Step;
use super::stage::{Probe, Send, Stage};
use super::town::{DAY, DAYS, Town};

/// A safe of three owners, two of whom decide: citizens 0 to 2.
pub(super) struct Vaulted {
    pub(super) town: Town,
    pub(super) token: Address,
    pub(super) safe: Address,
    /// Transactions that it has executed.
    pub(super) nonce: u64,
}

/// What the safe shall do.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) to: Address,
    pub(super) value: U256,
    pub(super) data: Bytes,
    pub(super) delegate: bool,
}

impl Wish {
    /// A call without value.
    pub(super) fn call(to: Address, call: &impl SolCall) -> Self {
        Self { to, value: U256::ZERO, data: call.abi_encode().into(), delegate: false }
    }

    /// Ether for `to`.
    pub(super) const fn ether(to: Address, value: U256) -> Self {
        Self { to, value, data: Bytes::new(), delegate: false }
    }
}

impl Vaulted {
    /// 4,000 ether and 100,000 tokens, a payment a day; nothing above `guarded` ether at once if that is given.
    pub(super) fn lived(stage: &mut Stage, guarded: Option<u64>) -> Self {
        let town = Town::new(stage);
        let token = town.token(stage, "ASSET");
        let singleton = stage.deploy(town.deployer, &ZooSafe::BYTECODE, Vec::new());
        let owners = (0..3).map(|index| town.citizen(index)).collect();
        let setup = ZooSafe::setupCall { owners, threshold_: U256::from(2) }.abi_encode();
        let arguments = ZooSafeProxy::constructorCall { singleton, setup: setup.into() };
        let safe = stage.deploy(town.deployer, &ZooSafeProxy::BYTECODE, arguments.abi_encode());
        stage.honest(&Send { from: town.deployer, to: Some(safe), value: whole(4_000), data: Bytes::new() });
        let fund = ZooFlawedToken::transferCall { to: safe, amount: whole(100_000) };
        stage.call(town.deployer, token, &fund);
        let mut vaulted = Self { town, token, safe, nonce: 0 };
        if let Some(limit) = guarded {
            let arguments = ZooGuard::constructorCall { limit: whole(limit) };
            let guard = stage.deploy(vaulted.town.deployer, &ZooGuard::BYTECODE, arguments.abi_encode());
            vaulted.now(stage, &Wish::call(safe, &ZooSafe::setGuardCall { guard_: guard }));
        }
        stage.begin();
        for _ in 0..DAYS {
            let salary = ZooFlawedToken::transferCall { to: vaulted.town.citizen(5), amount: whole(100) };
            vaulted.now(stage, &Wish::call(token, &salary));
            vaulted.now(stage, &Wish::ether(vaulted.town.citizen(6), whole(3)));
            stage.wait(DAY);
        }
        vaulted
    }

    fn now(&mut self, stage: &mut Stage, wish: &Wish) {
        self.sends(wish, 0).iter().for_each(|send| stage.honest(send));
        self.nonce = self.nonce.saturating_add(1);
    }

    /// One owner approves, another executes; `later` safe transactions happen before.
    pub(super) fn sends(&self, wish: &Wish, later: u64) -> Vec<Send> {
        let nonce = U256::from(self.nonce.saturating_add(later));
        let operation = u8::from(wish.delegate);
        let shown =
            (self.safe, wish.to, wish.value, wish.data.clone(), U256::from(operation), nonce).abi_encode_params();
        let approve = ZooSafe::approveHashCall { hash: keccak256(shown) };
        vec![Send::call(self.town.citizen(0), self.safe, &approve), self.execute(self.town.citizen(1), wish)]
    }

    /// `from` executes, with whatever approvals there are.
    pub(super) fn execute(&self, from: Address, wish: &Wish) -> Send {
        let execute = ZooSafe::execTransactionCall {
            to: wish.to,
            value: wish.value,
            data: wish.data.clone(),
            operation: u8::from(wish.delegate),
        };
        Send::call(from, self.safe, &execute)
    }

    fn decided(&self, wish: &Wish, later: u64) -> Vec<Step> {
        self.sends(wish, later).into_iter().map(Step::Account).collect()
    }

    fn losses(&self) -> Vec<Probe> {
        vec![Probe::ether(self.safe), Probe::token(self.safe, self.token)]
    }

    /// All tokens for `to`.
    fn everything(&self, to: Address) -> Wish {
        Wish::call(self.token, &ZooFlawedToken::transferCall { to, amount: whole(90_000) })
    }
}

/// Owners are shown a transfer and sign a delegate call that replaces the code behind the proxy.
pub(super) fn replaced_code(stage: &mut Stage) -> Scene {
    let vaulted = Vaulted::lived(stage, None);
    let accomplice = stage.actor("accomplice");
    let hostile = stage.next_creation(accomplice);
    let losses = vaulted.losses();
    Scene::new(&[vaulted.safe], move |role| {
        let innocent = ZooFlawedToken::transferCall { to: hostile, amount: U256::ZERO };
        let wish = Wish { delegate: true, ..Wish::call(hostile, &innocent) };
        let mut steps = vec![Step::Account(Send::create(accomplice, ZooHostileCode::BYTECODE.clone()))];
        steps.extend(vaulted.decided(&wish, 0));
        let tokens = ZooHostileCode::sweepTokenCall { token: vaulted.token, to: role.thief };
        steps.push(Step::by(role.thief, vaulted.safe, &tokens));
        steps.push(Step::by(role.thief, vaulted.safe, &ZooHostileCode::sweepEtherCall { to: role.thief }));
        steps
    })
    .losing(losses)
}

/// Two deceived owners lower the threshold; one stolen key is then enough.
pub(super) fn lowered_threshold(stage: &mut Stage) -> Scene {
    let vaulted = Vaulted::lived(stage, None);
    let losses = vaulted.losses();
    Scene::new(&[vaulted.safe], move |role| {
        let lower = Wish::call(vaulted.safe, &ZooSafe::changeThresholdCall { threshold_: U256::ONE });
        let mut steps = vaulted.decided(&lower, 0);
        let alone = vaulted.town.citizen(0);
        steps.push(Step::Account(vaulted.execute(alone, &vaulted.everything(role.thief))));
        steps.push(Step::Account(vaulted.execute(alone, &Wish::ether(role.thief, whole(3_500)))));
        steps
    })
    .losing(losses)
}

/// Two deceived owners enable a module, which asks nobody.
pub(super) fn hostile_module(stage: &mut Stage) -> Scene {
    let vaulted = Vaulted::lived(stage, None);
    let losses = vaulted.losses();
    Scene::new(&[vaulted.safe], move |role| {
        let enable = Wish::call(vaulted.safe, &ZooSafe::enableModuleCall { module: role.thief });
        let mut steps = vaulted.decided(&enable, 0);
        let taking = vaulted.everything(role.thief);
        let by_module = ZooSafe::execTransactionFromModuleCall {
            to: taking.to,
            value: taking.value,
            data: taking.data,
            operation: 0,
        };
        steps.push(Step::by(role.thief, vaulted.safe, &by_module));
        steps
    })
    .losing(losses)
}

/// Two deceived owners allow a stranger the tokens, who comes for them.
pub(super) fn signed_approval(stage: &mut Stage) -> Scene {
    let vaulted = Vaulted::lived(stage, None);
    let losses = vaulted.losses();
    Scene::new(&[vaulted.safe], move |role| {
        let approve = ZooFlawedToken::approveCall { spender: role.thief, amount: U256::MAX };
        let mut steps = vaulted.decided(&Wish::call(vaulted.token, &approve), 0);
        let take = ZooFlawedToken::transferFromCall { from: vaulted.safe, to: role.thief, amount: whole(95_000) };
        steps.push(Step::by(role.thief, vaulted.token, &take));
        steps
    })
    .losing(losses)
}

/// Two stolen keys take the guard away, and then what it guarded.
pub(super) fn removed_guard(stage: &mut Stage) -> Scene {
    let vaulted = Vaulted::lived(stage, Some(100));
    let losses = vaulted.losses();
    Scene::new(&[vaulted.safe], move |role| {
        let remove = Wish::call(vaulted.safe, &ZooSafe::setGuardCall { guard_: Address::ZERO });
        let mut steps = vaulted.decided(&remove, 0);
        steps.extend(vaulted.decided(&Wish::ether(role.thief, whole(3_500)), 1));
        steps
    })
    .losing(losses)
}
