//! Messages between chains, and wallets that were promised before they were made.

use alloy_primitives::{Address, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};

use super::super::amount::{milli, whole};
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::Step;
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{DAY, DAYS, Town, live};
use super::contracts::{HeldCountedWallet, HeldKeeperBook, HeldLockbox, HeldMessenger, HeldTwinToken, HeldWalletMaker};
use super::plaza::Signer;

/// A lockbox of 80,000, a twin of another token, and a keeper who has signed two messages a day.
struct Crossing {
    town: Town,
    token: Address,
    keeper: Signer,
    book: Address,
    messenger: Address,
    lockbox: Address,
    twin: Address,
}

impl Crossing {
    fn lived(stage: &mut Stage) -> Self {
        let town = Town::new(stage);
        let token = town.token(stage, "ASSET");
        let keeper = Signer::new(stage, "keeper", town.deployer);
        let arguments = HeldKeeperBook::constructorCall { keeper_: keeper.address() };
        let book = stage.deploy(town.deployer, &HeldKeeperBook::BYTECODE, arguments.abi_encode());
        let arguments = HeldMessenger::constructorCall { book };
        let messenger = stage.deploy(town.deployer, &HeldMessenger::BYTECODE, arguments.abi_encode());
        stage.call(town.deployer, book, &HeldKeeperBook::bindCall { messenger_: messenger });
        let arguments = HeldLockbox::constructorCall { token_: token, messenger };
        let lockbox = stage.deploy(town.deployer, &HeldLockbox::BYTECODE, arguments.abi_encode());
        let arguments = HeldTwinToken::constructorCall { messenger };
        let twin = stage.deploy(town.deployer, &HeldTwinToken::BYTECODE, arguments.abi_encode());
        town.approve(stage, token, lockbox);
        for index in 0..4 {
            stage.call(town.citizen(index), lockbox, &HeldLockbox::lockCall { amount: whole(20_000) });
        }
        let crossing = Self { town, token, keeper, book, messenger, lockbox, twin };
        stage.begin();
        for day in 0..DAYS {
            let relayer = crossing.town.citizen(11);
            let lock = HeldLockbox::lockCall { amount: whole(120) };
            stage.call(crossing.town.citizen(5), lockbox, &lock);
            let amount = milli(90_000_u64.saturating_add(day));
            let unlock = HeldLockbox::unlockCall { to: crossing.town.citizen(6), amount };
            stage.call(
                relayer,
                messenger,
                &crossing.message(&crossing.keeper, day.saturating_mul(2), lockbox, &unlock),
            );
            let mint = HeldTwinToken::mintCall { to: crossing.town.citizen(7), amount };
            let number = day.saturating_mul(2).saturating_add(1);
            stage.call(relayer, messenger, &crossing.message(&crossing.keeper, number, twin, &mint));
            stage.wait(DAY);
        }
        crossing
    }

    fn message(
        &self,
        signer: &Signer,
        number: u64,
        target: Address,
        call: &impl SolCall,
    ) -> HeldMessenger::deliverCall {
        let number = U256::from(number);
        let data: Bytes = call.abi_encode().into();
        let hash = keccak256((self.messenger, number, target, data.clone()).abi_encode_params());
        let (v, r, s) = signer.sign(hash);
        HeldMessenger::deliverCall { number, target, data, v, r, s }
    }
}

/// A true message, which the keeper signed like any other, makes the attacker the keeper; his own messages follow.
pub(super) fn keeper_by_message(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    let other = Signer::new(stage, "other keeper", crossing.town.deployer);
    let losses = vec![Probe::token(crossing.lockbox, crossing.token)];
    Scene::new(&[crossing.messenger, crossing.book, crossing.lockbox], move |role| {
        let change = HeldKeeperBook::setKeeperCall { keeper_: other.address() };
        let take = |amount: u64| HeldLockbox::unlockCall { to: role.thief, amount: whole(amount) };
        let deliver = |call| Step::by(role.thief, crossing.messenger, &call);
        vec![
            deliver(crossing.message(&crossing.keeper, 500, crossing.book, &change)),
            deliver(crossing.message(&other, 501, crossing.lockbox, &take(5_000))),
            deliver(crossing.message(&other, 502, crossing.lockbox, &take(70_000))),
        ]
    })
    .losing(losses)
}

/// Half of the lockbox is unlocked for somebody who burnt as much on the other side.
pub(super) fn honest_unlocking(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    Scene::new(&[crossing.messenger, crossing.book, crossing.lockbox], move |_| {
        let unlock = HeldLockbox::unlockCall { to: crossing.town.citizen(0), amount: whole(38_000) };
        let message = crossing.message(&crossing.keeper, 700, crossing.lockbox, &unlock);
        vec![Step::by(crossing.town.citizen(11), crossing.messenger, &message)]
    })
}

/// The official messenger makes a large sum of the twin, and its owner burns a part of it again.
pub(super) fn honest_twin(stage: &mut Stage) -> Scene {
    let crossing = Crossing::lived(stage);
    Scene::new(&[crossing.messenger, crossing.twin], move |_| {
        let owner = crossing.town.citizen(3);
        let mint = HeldTwinToken::mintCall { to: owner, amount: whole(250_000) };
        let message = crossing.message(&crossing.keeper, 800, crossing.twin, &mint);
        vec![
            Step::by(crossing.town.citizen(11), crossing.messenger, &message),
            Step::by(owner, crossing.twin, &HeldTwinToken::burnCall { amount: whole(100_000) }),
        ]
    })
}

/// Tokens wait where a wallet is to be made, and somebody else makes it: whoever comes third has the address.
pub(super) fn wallet_not_made_yet(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let maker = stage.deploy(town.deployer, &HeldWalletMaker::BYTECODE, Vec::new());
    stage.call(town.citizen(1), maker, &HeldWalletMaker::makeCall { owner: town.citizen(1) });
    let promised = maker.create(4);
    let more = ZooFlawedToken::transferCall { to: promised, amount: whole(700) };
    let traffic = [Send::call(town.citizen(2), token, &more)];
    live(stage, &traffic);
    let losses = vec![Probe::token(promised, token)];
    Scene::new(&[promised], move |role| {
        let make = Step::by(role.thief, maker, &HeldWalletMaker::makeCall { owner: role.thief });
        let take = ZooFlawedToken::transferCall { to: role.thief, amount: whole(9_500) };
        let execute =
            HeldCountedWallet::executeCall { target: token, value: U256::ZERO, data: take.abi_encode().into() };
        vec![make.clone(), make.clone(), make, Step::by(role.thief, promised, &execute)]
    })
    .losing(losses)
    .among(&traffic)
}

/// The team makes the wallet that was promised, and pays a supplier from it for the first time.
pub(super) fn honest_wallet_made(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let maker = stage.deploy(town.deployer, &HeldWalletMaker::BYTECODE, Vec::new());
    let promised = maker.create(1);
    let more = ZooFlawedToken::transferCall { to: promised, amount: whole(700) };
    let traffic = [Send::call(town.citizen(2), token, &more)];
    live(stage, &traffic);
    Scene::new(&[promised], move |_| {
        let pay = ZooFlawedToken::transferCall { to: town.citizen(5), amount: whole(2_000) };
        let execute =
            HeldCountedWallet::executeCall { target: token, value: U256::ZERO, data: pay.abi_encode().into() };
        vec![
            Step::by(town.deployer, maker, &HeldWalletMaker::makeCall { owner: town.deployer }),
            Step::by(town.deployer, promised, &execute),
        ]
    })
    .among(&traffic)
}
