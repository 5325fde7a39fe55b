//! Things of which each is the only one, things in numbers, and draws.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolConstructor;

use super::super::amount::{milli, whole};
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{DAY, DAYS, Town, live};
use super::attack::{burst, helper, runner};
use super::contracts::{HeldBazaar, HeldCollectible, HeldGambler, HeldItems, HeldLottery, HeldPawn};

/// Things that each of six citizens made: numbers 4n to 4n + 3; citizen 6 made 24 more.
struct Gallery {
    town: Town,
    nft: Address,
    made: u64,
}

impl Gallery {
    fn new(stage: &mut Stage) -> Self {
        let town = Town::new(stage);
        let arguments = HeldCollectible::constructorCall { maker: town.deployer };
        let nft = stage.deploy(town.deployer, &HeldCollectible::BYTECODE, arguments.abi_encode());
        for index in 0..6 {
            let mint = HeldCollectible::mintCall { count: U256::from(4) };
            stage.pay(town.citizen(index), nft, whole(2), &mint);
        }
        let mint = HeldCollectible::mintCall { count: U256::from(24) };
        stage.pay(town.citizen(6), nft, whole(12), &mint);
        Self { town, nft, made: 48 }
    }
}

/// A bazaar in which all citizens of the gallery sell, and citizen 7 has bought one a day.
fn bazaar(stage: &mut Stage, gallery: &Gallery) -> Address {
    let Gallery { town, nft, .. } = gallery;
    let bazaar = stage.deploy(town.deployer, &HeldBazaar::BYTECODE, Vec::new());
    for index in 0..7_u64 {
        let citizen = town.citizen(usize::try_from(index).unwrap_or_default());
        stage.call(citizen, *nft, &HeldCollectible::setApprovalForAllCall { operator: bazaar, approved: true });
        let last = if index == 6 { 48 } else { index.saturating_mul(4).saturating_add(4) };
        for id in index.saturating_mul(4)..last {
            stage.call(citizen, bazaar, &HeldBazaar::listCall { nft: *nft, id: U256::from(id), price: whole(90) });
        }
    }
    stage.begin();
    for day in 0..DAYS {
        let id = U256::from(day.saturating_add(24));
        let buy = HeldBazaar::buyCall { nft: *nft, id, quantity: U256::ONE };
        stage.pay(town.citizen(7), bazaar, whole(90), &buy);
        stage.wait(DAY);
    }
    bazaar
}

/// None of a thing costs nothing: eight things of four sellers are bought so.
pub(super) fn none_of_it(stage: &mut Stage) -> Scene {
    let gallery = Gallery::new(stage);
    let bazaar = bazaar(stage, &gallery);
    let Gallery { town, nft, .. } = gallery;
    let worth = |index| Probe::view(nft, &HeldCollectible::worthOfCall { account: town.citizen(index) });
    let losses = (0..4).map(worth).collect();
    Scene::new(&[bazaar], move |role| {
        let mut acts = Vec::new();
        for id in [0, 1, 4, 5, 8, 9, 12, 13].map(U256::from) {
            acts.push(Act::new(bazaar, &HeldBazaar::buyCall { nft, id, quantity: U256::ZERO }));
            let on = HeldCollectible::transferFromCall { from: role.me, to: role.thief, tokenId: id };
            acts.push(Act::new(nft, &on));
        }
        runner(role, U256::ZERO, &[Plan::new(acts)])
    })
    .losing(losses)
}

/// A collector buys six things in two minutes, at their prices.
pub(super) fn honest_collector(stage: &mut Stage) -> Scene {
    let gallery = Gallery::new(stage);
    let bazaar = bazaar(stage, &gallery);
    let Gallery { town, nft, .. } = gallery;
    Scene::new(&[bazaar, nft], move |_| {
        let buy = |id: u64| {
            let call = HeldBazaar::buyCall { nft, id: U256::from(id), quantity: U256::ONE };
            Step::Account(Send::pay(town.citizen(9), bazaar, whole(90), &call))
        };
        (0..6).map(buy).collect()
    })
}

/// Forty accounts make things in a drop, and the maker takes all that was paid.
pub(super) fn honest_drop(stage: &mut Stage) -> Scene {
    let Gallery { town, nft, .. } = Gallery::new(stage);
    let people: Vec<Address> = (0..40).map(|index| stage.actor(&format!("collector {index}"))).collect();
    let mint = HeldCollectible::mintCall { count: U256::ONE };
    let traffic = [Send::pay(town.citizen(8), nft, milli(500), &mint)];
    live(stage, &traffic);
    Scene::new(&[nft], move |_| {
        let mint = HeldCollectible::mintCall { count: U256::from(3) };
        let mints = people.iter().map(|one| Step::Account(Send::pay(*one, nft, milli(1_500), &mint)));
        mints.chain([Step::by(town.deployer, nft, &HeldCollectible::collectCall {})]).collect()
    })
    .among(&traffic)
}

/// A pawnshop with 800 ether, and a customer who borrows and pays back.
fn pawn(stage: &mut Stage, gallery: &Gallery) -> (Address, Vec<Send>) {
    let Gallery { town, nft, .. } = gallery;
    let pawn = stage.deploy(town.deployer, &HeldPawn::BYTECODE, Vec::new());
    stage.honest(&Send { from: town.deployer, to: Some(pawn), value: whole(800), data: Bytes::new() });
    for index in [0, 1] {
        let citizen = town.citizen(index);
        stage.call(citizen, *nft, &HeldCollectible::setApprovalForAllCall { operator: pawn, approved: true });
        let id = U256::from(index).saturating_mul(U256::from(4));
        stage.call(citizen, pawn, &HeldPawn::pledgeCall { nft: *nft, id });
    }
    stage.call(town.citizen(1), pawn, &HeldPawn::borrowCall { order: U256::ONE });
    let order = U256::ZERO;
    let traffic = vec![
        Send::call(town.citizen(0), pawn, &HeldPawn::borrowCall { order }),
        Send::pay(town.citizen(0), pawn, whole(60), &HeldPawn::repayCall { order }),
    ];
    (pawn, traffic)
}

/// One thing is brought, taken back, and lent on, by six helpers in turn.
pub(super) fn pawned_and_gone(stage: &mut Stage) -> Scene {
    let gallery = Gallery::new(stage);
    let (pawn, traffic) = pawn(stage, &gallery);
    live(stage, &traffic);
    let Gallery { nft, made, .. } = gallery;
    let id = U256::from(made);
    Scene::new(&[pawn], move |role| {
        let mut orders = Vec::new();
        for index in 0..6_u64 {
            let mut acts = Vec::new();
            if index == 0 {
                acts.push(Act::new(nft, &HeldCollectible::mintCall { count: U256::ONE }).paying(milli(500)));
            }
            let order = U256::from(index.saturating_add(2));
            let (me, next) = (helper(role, index), helper(role, index.saturating_add(1)));
            acts.extend([
                Act::new(nft, &HeldCollectible::approveCall { to: pawn, tokenId: id }),
                Act::new(pawn, &HeldPawn::pledgeCall { nft, id }),
                Act::new(pawn, &HeldPawn::takeBackCall { order }),
                Act::new(nft, &HeldCollectible::transferFromCall { from: me, to: next, tokenId: id }),
                Act::new(pawn, &HeldPawn::borrowCall { order }),
            ]);
            orders.push((index, Plan::new(acts)));
        }
        vec![burst(role, 6, &orders, &[], (whole(1), U256::ZERO))]
    })
    .losing(vec![Probe::ether(pawn)])
    .among(&traffic)
}

/// A debtor does not come, and somebody pays what he owes for what he brought.
pub(super) fn honest_foreclosure(stage: &mut Stage) -> Scene {
    let gallery = Gallery::new(stage);
    let (pawn, traffic) = pawn(stage, &gallery);
    live(stage, &traffic);
    Scene::new(&[pawn], move |role| {
        let foreclose = HeldPawn::forecloseCall { order: U256::ONE };
        vec![Step::Account(Send::pay(role.thief, pawn, whole(60), &foreclose))]
    })
    .among(&traffic)
}

/// One number for each kind is burnt, and each number is paid, of which there are more.
pub(super) fn more_numbers_than_kinds(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let items = stage.deploy(town.deployer, &HeldItems::BYTECODE, Vec::new());
    for index in 0..6 {
        let buy = HeldItems::buyCall { kind: U256::ONE, count: U256::from(600) };
        stage.pay(town.citizen(index), items, whole(60), &buy);
    }
    let kinds = vec![U256::ONE];
    let redeem = HeldItems::redeemManyCall { kinds: kinds.clone(), counts: vec![U256::from(8)] };
    let buy = HeldItems::buyCall { kind: U256::ONE, count: U256::from(10) };
    let traffic = [Send::pay(town.citizen(7), items, whole(1), &buy), Send::call(town.citizen(7), items, &redeem)];
    live(stage, &traffic);
    Scene::new(&[items], move |role| {
        let counts = vec![U256::from(10), U256::from(1_700)];
        vec![
            Step::Account(Send::pay(role.thief, items, whole(1), &buy)),
            Step::by(role.thief, items, &HeldItems::redeemManyCall { kinds: kinds.clone(), counts }),
        ]
    })
    .losing(vec![Probe::ether(items)])
    .among(&traffic)
}

/// A draw of 400 ether in which three citizens try their luck every day.
fn lottery(stage: &mut Stage) -> (Town, Address, Vec<Send>) {
    let town = Town::new(stage);
    let lottery = stage.deploy(town.deployer, &HeldLottery::BYTECODE, Vec::new());
    stage.honest(&Send { from: town.deployer, to: Some(lottery), value: whole(400), data: Bytes::new() });
    let draw = |index| Send::pay(town.citizen(index), lottery, whole(1), &HeldLottery::drawCall {});
    let traffic = vec![draw(1), draw(2), draw(3)];
    (town, lottery, traffic)
}

/// Only those draw who will win: helpers are made at addresses that were looked at before.
pub(super) fn chance_known(stage: &mut Stage) -> Scene {
    let (_, lottery, traffic) = lottery(stage);
    live(stage, &traffic);
    Scene::new(&[lottery], move |role| {
        let play = HeldGambler::playCall { lottery, tries: U256::from(260) };
        vec![
            Step::Account(Send::create(role.thief, HeldGambler::BYTECODE.clone())),
            Step::Account(Send::pay(role.thief, role.me, whole(2), &play)),
        ]
    })
    .losing(vec![Probe::ether(lottery)])
    .among(&traffic)
}

/// A club of thirty draws on one evening; some win.
pub(super) fn honest_draws(stage: &mut Stage) -> Scene {
    let (_, lottery, traffic) = lottery(stage);
    let club: Vec<Address> = (0..30).map(|index| stage.actor(&format!("player {index}"))).collect();
    live(stage, &traffic);
    Scene::new(&[lottery], move |_| {
        let draw = |one: &Address| Step::Account(Send::pay(*one, lottery, whole(1), &HeldLottery::drawCall {}));
        club.iter().map(draw).collect()
    })
    .among(&traffic)
}
