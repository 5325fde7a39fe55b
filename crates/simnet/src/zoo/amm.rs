//! Attacks on pools, and with what pools buy.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolConstructor;

use super::amount::{milli, part, whole};
use super::contracts::{ZooFlawedToken, ZooPool, ZooRoleToken};
use super::entry::Scene;
use super::plan::{Act, Plan, Step};
use super::stage::{Probe, Send, Stage};
use super::town::{Town, live};

/// A pool of a sound token against another.
struct Pair {
    town: Town,
    base: Address,
    quote: Address,
    pool: Address,
    traffic: Vec<Send>,
}

impl Pair {
    /// Two sound tokens; the pool's check of the product is `looseness` times too weak.
    fn sound(stage: &mut Stage, depth: u64, looseness: u64) -> Self {
        let town = Town::new(stage);
        let (base, quote) = (town.token(stage, "BASE"), town.token(stage, "QUOTE"));
        Self::of(stage, town, (base, quote), depth, looseness)
    }

    /// A flawed token against a sound one.
    fn flawed(stage: &mut Stage, depth: u64) -> Self {
        let town = Town::new(stage);
        let quote = town.token(stage, "QUOTE");
        let arguments = ZooFlawedToken::constructorCall { holder: town.deployer, supply: whole(1_000_000) };
        let base = stage.deploy(town.deployer, &ZooFlawedToken::BYTECODE, arguments.abi_encode());
        for citizen in &town.citizens {
            stage.call(town.deployer, base, &ZooFlawedToken::transferCall { to: *citizen, amount: whole(5_000) });
        }
        Self::of(stage, town, (base, quote), depth, 1)
    }

    fn of(stage: &mut Stage, town: Town, (base, quote): (Address, Address), depth: u64, looseness: u64) -> Self {
        let pool = town.pool(stage, (base, quote), depth, looseness);
        let traffic = town.trades(pool, base, quote);
        Self { town, base, quote, pool, traffic }
    }

    fn losses(&self) -> Vec<Probe> {
        vec![Probe::token(self.pool, self.quote), Probe::token(self.pool, self.base)]
    }
}

/// A fee was changed in one place and not in the other: the product may fall.
pub(super) fn broken_product(stage: &mut Stage) -> Scene {
    let pair = Pair::sound(stage, 100_000, 100);
    live(stage, &pair.traffic);
    let (losses, traffic) = (pair.losses(), pair.traffic.clone());
    Scene::new(&[pair.pool], move |role| {
        let answer = vec![
            Act::approve(pair.base, pair.town.lender),
            Act::transfer(pair.base, pair.pool, whole(10)),
            Act::new(pair.pool, &ZooPool::takeCall { baseOut: U256::ZERO, quoteOut: part(whole(80_000), role.pieces) }),
            Act::new(pair.pool, &ZooPool::takeCall { baseOut: whole(10), quoteOut: U256::ZERO }),
        ];
        let acts = vec![
            Act::flash_loan(pair.town.lender, role.me, pair.base, whole(10)),
            Act::transfer_all(pair.quote, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// Anybody may burn the pool's own tokens; what is left of them is dear.
pub(super) fn burnt_reserve(stage: &mut Stage) -> Scene {
    let pair = Pair::flawed(stage, 100_000);
    live(stage, &pair.traffic);
    let (losses, traffic) = (pair.losses(), pair.traffic.clone());
    Scene::new(&[pair.pool], move |role| {
        let stake = whole(1_000);
        let answer = vec![
            Act::approve(pair.quote, pair.town.lender),
            Act::approve(pair.quote, pair.pool),
            Act::approve(pair.base, pair.pool),
            Act::swap(pair.pool, pair.quote, stake),
            Act::new(pair.base, &ZooFlawedToken::destroyCall { account: pair.pool, amount: whole(98_000) }),
            Act::new(pair.pool, &ZooPool::syncCall {}),
            Act::swap_all(pair.pool, pair.base, role.me),
        ];
        let acts = vec![
            Act::flash_loan(pair.town.lender, role.me, pair.quote, stake),
            Act::transfer_all(pair.quote, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
}

/// What must be paid is rounded down to nothing, hundreds of times.
pub(super) fn rounded_swaps(stage: &mut Stage) -> Scene {
    let pair = Pair::sound(stage, 1_000, 1);
    live(stage, &pair.traffic);
    let (losses, traffic) = (pair.losses(), pair.traffic.clone());
    Scene::new(&[pair.pool], move |role| {
        let times = 400_u64.checked_div(role.pieces).unwrap_or(1);
        let swap = ZooPool::swapRoundedCall { quoteOut: milli(500) };
        let acts = vec![Act::new(pair.pool, &swap).times(times), Act::transfer_all(pair.quote, role.me, role.thief)];
        vec![Step::Contract(Plan::new(acts))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// A product overflows, two accounts get half of all numbers each, and a pool buys some of it.
pub(super) fn overflow(stage: &mut Stage) -> Scene {
    let pair = Pair::flawed(stage, 100_000);
    live(stage, &pair.traffic);
    let traffic = pair.traffic.clone();
    let losses = vec![Probe::token(pair.pool, pair.quote)];
    Scene::new(&[pair.base, pair.pool], move |role| {
        let half = U256::ONE.wrapping_shl(255);
        let batch = ZooFlawedToken::batchTransferCall { recipients: vec![role.me, role.thief], amount: half };
        let acts = vec![
            Act::new(pair.base, &batch),
            Act::approve(pair.base, pair.pool),
            Act::swap(pair.pool, pair.base, whole(1_000_000)),
            Act::transfer_all(pair.quote, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts))]
    })
    .losing(losses)
    .among(&traffic)
}

/// Anybody may mint, and sells what he minted.
pub(super) fn minted_for_nothing(stage: &mut Stage) -> Scene {
    let pair = Pair::flawed(stage, 100_000);
    live(stage, &pair.traffic);
    let traffic = pair.traffic.clone();
    let losses = vec![Probe::token(pair.pool, pair.quote)];
    Scene::new(&[pair.base, pair.pool], move |role| {
        let amount = part(whole(2_000_000), role.pieces);
        let acts = vec![
            Act::new(pair.base, &ZooFlawedToken::rescueCall { to: role.me, amount }),
            Act::approve(pair.base, pair.pool),
            Act::swap(pair.pool, pair.base, amount),
            Act::transfer_all(pair.quote, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// The administrator's key is stolen: a fresh account may mint, mints, and sells.
pub(super) fn minter_granted(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let quote = town.token(stage, "QUOTE");
    let arguments = ZooRoleToken::constructorCall { admin: town.deployer };
    let base = stage.deploy(town.deployer, &ZooRoleToken::BYTECODE, arguments.abi_encode());
    for holder in town.citizens.iter().chain([&town.deployer]) {
        stage.call(town.deployer, base, &ZooRoleToken::mintCall { to: *holder, amount: whole(150_000) });
    }
    let mut pair = Pair::of(stage, town, (base, quote), 100_000, 1);
    let salary = ZooRoleToken::mintCall { to: pair.town.citizen(3), amount: whole(10) };
    pair.traffic.push(Send::call(pair.town.deployer, base, &salary));
    live(stage, &pair.traffic);
    let traffic = pair.traffic.clone();
    let (losses, modules) = (vec![Probe::token(pair.pool, pair.quote)], vec![pair.base, pair.pool]);
    Scene::new(&modules, move |role| {
        let role_id = alloy_primitives::keccak256("MINTER_ROLE");
        let grant = ZooRoleToken::grantRoleCall { role: role_id, account: role.thief };
        let approve = ZooFlawedToken::approveCall { spender: pair.pool, amount: U256::MAX };
        let sell = ZooPool::swapCall { tokenIn: pair.base, amountIn: whole(3_000_000) };
        vec![
            Step::by(pair.town.deployer, pair.base, &grant),
            Step::by(role.thief, pair.base, &ZooRoleToken::mintCall { to: role.thief, amount: whole(3_000_000) }),
            Step::by(role.thief, pair.base, &approve),
            Step::by(role.thief, pair.pool, &sell),
        ]
    })
    .losing(losses)
    .among(&traffic)
}
