//! Attacks on a bridge.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};

use super::amount::{part, whole};
use super::contracts::{ZooBridge, ZooFlawedToken};
use super::entry::Scene;
use super::plan::{Act, Plan, Step};
use super::stage::{Probe, Send, Stage};
use super::town::{DAY, DAYS, Town};

/// A bridge with three validators, citizens 8 to 10, and a relayer, citizen 11.
pub(super) struct Crossing {
    pub(super) town: Town,
    pub(super) token: Address,
    pub(super) bridge: Address,
    pub(super) traffic: Vec<Send>,
}

pub(super) fn message(nonce: u64, to: Address, amount: U256) -> ZooBridge::Message {
    ZooBridge::Message { nonce: U256::from(nonce), to, amount }
}

pub(super) fn hash_of(message: &ZooBridge::Message) -> B256 {
    keccak256(message.abi_encode())
}

impl Crossing {
    /// A bridge that holds about 100,000, with a history of both ways of releasing.
    pub(super) fn lived(stage: &mut Stage) -> Self {
        let town = Town::new(stage);
        let token = town.token(stage, "LOCKED");
        let arguments = ZooBridge::constructorCall {
            token_: token,
            relayer: town.citizen(11),
            validators: (8..11).map(|index| town.citizen(index)).collect(),
            threshold: U256::from(2),
        };
        let bridge = stage.deploy(town.deployer, &ZooBridge::BYTECODE, arguments.abi_encode());
        town.approve(stage, token, bridge);
        for index in 0..5 {
            let lock = ZooBridge::lockCall { amount: whole(20_000), to: town.citizen(index) };
            stage.call(town.citizen(index), bridge, &lock);
        }
        let lock = ZooBridge::lockCall { amount: whole(400), to: town.citizen(0) };
        let traffic = vec![Send::call(town.citizen(0), bridge, &lock)];
        let crossing = Self { town, token, bridge, traffic };
        stage.begin();
        for day in 0..DAYS {
            crossing.traffic.iter().for_each(|send| stage.honest(send));
            let attested = message(day, crossing.town.citizen(1), whole(150));
            crossing.attested(&attested).iter().for_each(|send| stage.honest(send));
            let release = ZooBridge::releaseCall { message: attested };
            stage.call(crossing.town.citizen(1), bridge, &release);
            let proven = message(day.saturating_add(1_000), crossing.town.citizen(2), whole(120));
            let root = keccak256(day.to_be_bytes());
            let prove = ZooBridge::proveCall { message: hash_of(&proven), root };
            stage.call(crossing.town.citizen(11), bridge, &prove);
            stage.call(crossing.town.citizen(2), bridge, &ZooBridge::processCall { message: proven });
            stage.wait(DAY);
        }
        crossing
    }

    /// Two validators say that `message` is true.
    pub(super) fn attested(&self, message: &ZooBridge::Message) -> Vec<Send> {
        let attest = ZooBridge::attestCall { message: hash_of(message) };
        (8..10).map(|index| Send::call(self.town.citizen(index), self.bridge, &attest)).collect()
    }

    fn losses(&self) -> Vec<Probe> {
        vec![Probe::token(self.bridge, self.token)]
    }
}

/// A message that nobody proved has the root zero, which somebody trusted on the first day.
pub(super) fn zero_root(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    let (losses, traffic) = (crossing.losses(), crossing.traffic.clone());
    Scene::new(&[crossing.bridge], move |role| {
        let forged = message(role.piece.saturating_add(9_000), role.thief, part(whole(60_000), role.pieces));
        let process = ZooBridge::processCall { message: forged };
        vec![Step::Contract(Plan::new(vec![Act::new(crossing.bridge, &process)]))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// A true message, released thirty times.
pub(super) fn replay(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    let own = message(8_000, crossing.town.subject, whole(2_000));
    for send in crossing.attested(&own) {
        stage.honest(&send);
    }
    let release = ZooBridge::releaseCall { message: own.clone() };
    stage.call(crossing.town.subject, crossing.bridge, &release);
    stage.wait(DAY);
    let (losses, traffic) = (crossing.losses(), crossing.traffic.clone());
    Scene::new(&[crossing.bridge], move |role| {
        let again = ZooBridge::releaseAgainCall { message: own.clone() };
        let times = 28_u64.checked_div(role.pieces).unwrap_or(1);
        vec![Step::Contract(Plan::new(vec![Act::new(crossing.bridge, &again).times(times)]))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// The bridge calls its own token for a stranger.
pub(super) fn arbitrary_call(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    let (losses, traffic) = (crossing.losses(), crossing.traffic.clone());
    Scene::new(&[crossing.bridge], move |role| {
        let transfer = ZooFlawedToken::transferCall { to: role.thief, amount: part(whole(60_000), role.pieces) };
        let data: Bytes = transfer.abi_encode().into();
        let execute = ZooBridge::executeCall { target: crossing.token, data };
        vec![Step::Contract(Plan::new(vec![Act::new(crossing.bridge, &execute)]))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// The bridge allows a stranger everything, who comes for it later.
pub(super) fn arbitrary_approval(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    let (losses, traffic) = (crossing.losses(), crossing.traffic.clone());
    Scene::new(&[crossing.bridge], move |role| {
        let (token, bridge) = (crossing.token, crossing.bridge);
        let approve = ZooFlawedToken::approveCall { spender: role.thief, amount: U256::MAX };
        let execute = ZooBridge::executeCall { target: token, data: approve.abi_encode().into() };
        let take = ZooFlawedToken::transferFromCall { from: bridge, to: role.thief, amount: whole(70_000) };
        vec![
            Step::Contract(Plan::new(vec![Act::new(bridge, &execute)])),
            Step::Wait(3_600),
            Step::by(role.thief, token, &take),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// Two validators' keys are stolen: they attest what was never locked.
pub(super) fn stolen_validators(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    let (losses, traffic) = (crossing.losses(), crossing.traffic.clone());
    Scene::new(&[crossing.bridge], move |role| {
        let forged = message(7_000, role.thief, whole(80_000));
        let mut steps: Vec<Step> = crossing.attested(&forged).into_iter().map(Step::Account).collect();
        steps.push(Step::by(role.thief, crossing.bridge, &ZooBridge::releaseCall { message: forged }));
        steps
    })
    .losing(losses)
    .among(&traffic)
}
