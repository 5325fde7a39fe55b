//! A bank that rounds in favour of whoever withdraws, and a pool beside it.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use cofferdam_types::Asset;

use super::build::{Assault, Builder, bps, creation, losses as holdings, module};
use super::contracts::{ConstantProductPool, DrillToken, RewardsBank, RoundingDrainer};
use super::dice::{Dice, whole};
use super::traffic::{BLOCKS, Traders, Traffic, first_liquidity};
use super::{InvariantRule, Lane, Losses, Script, Setup, Step};

pub(super) const STORY: &str = "A bank keeps a million dollars in units of about a hundred and rounds the units of a \
    withdrawal down, so an amount just below the price of one unit costs nothing. Honest users have always gained a \
    few dollars by it, so the operators allow the price of a unit to fall a little. The attacker stays below every \
    limit for one transaction and comes back block after block. A pool beside it must stay open.";

/// Units that each holder has when the script begins, at a hundred dollars.
const UNITS: [u64; 3] = [4_000, 3_500, 2_500];

/// Dollars that buy one unit, with room for the rewards until then.
const ENTRY: u64 = 130;

/// Blocks from the first taking to the last.
const TAKINGS: usize = 30;

/// Addresses of this scenario.
pub(super) struct World {
    gem: Address,
    dollar: Address,
    pool: Address,
    bank: Address,
    holders: [Address; 3],
    provider: Address,
    attackers: [Address; 3],
}

/// The protocol and where its parts are.
pub(super) fn build(seed: u64) -> (Setup, World) {
    let mut builder = Builder::new(seed);
    let holders = ["alice", "bob", "carol"].map(|name| builder.cast(name, 100));
    let provider = builder.cast("erin", 100);
    let attackers =
        ["attacker", "attacker's second account", "attacker's third account"].map(|name| builder.cast(name, 20));
    let (guardian_, steward_) = (builder.guardian(), builder.steward());

    let everybody = [holders[0], holders[1], holders[2], provider];
    let mut dollars_of: Vec<(Address, u64)> = everybody.iter().map(|who| (*who, 3_000_000)).collect();
    dollars_of.extend(attackers.iter().map(|who| (*who, ENTRY)));
    let gem = builder.token("Drill Gem", "dGEM", &everybody.map(|who| (who, 10_000)));
    let dollar = builder.token("Drill Dollar", "dUSD", &dollars_of);
    let pool_arguments = ConstantProductPool::constructorCall { base_: gem, quote_: dollar, guardian_, steward_ };
    let pool = builder.deploy("pool", creation(&ConstantProductPool::BYTECODE, pool_arguments.abi_encode()));
    let bank_arguments = RewardsBank::constructorCall { token_: dollar, guardian_, steward_ };
    let bank = builder.deploy("rewards bank", creation(&RewardsBank::BYTECODE, bank_arguments.abi_encode()));

    builder.next_block();
    builder.approve(gem, pool, &everybody);
    builder.approve(dollar, pool, &everybody);
    builder.approve(dollar, bank, &everybody);
    builder.next_block();
    builder.call(provider, pool, "found the pool", &first_liquidity());
    for (who, units) in holders.iter().zip(UNITS) {
        builder.call(*who, bank, "buy units", &RewardsBank::depositCall { units: U256::from(units) });
    }

    let (gems, dollars) = (Asset::Erc20(gem), Asset::Erc20(dollar));
    builder.protect("bank", bank, &[dollars]);
    builder.limit("bank", dollars, 100, 150);
    builder.invariant("bank", bank, "unitPrice()(uint256)", InvariantRule::FallsAtMost(bps(25)));
    builder.protect("pool", pool, &[gems, dollars]);
    builder.limit("pool", gems, 500, 2_000);
    builder.limit("pool", dollars, 500, 2_000);
    builder.invariant("pool", pool, "shareValue()(uint256)", InvariantRule::FallsAtMost(bps(1)));
    for attacker in attackers {
        builder.label(attacker.create(0), "attacker's contract");
    }
    (builder.finish(), World { gem, dollar, pool, bank, holders, provider, attackers })
}

/// Honest use of bank and pool, and the attack.
pub(super) fn script(seed: u64, lane: Lane) -> Script {
    let (_, world) = build(seed);
    let mut steps = honest(seed, &world);
    steps.extend(attack(seed, &world, lane));
    Script::new(BLOCKS, steps)
}

/// The bank's dollars, the pool's tokens, and the dollars of the attacker's accounts and contracts.
pub(super) fn losses(seed: u64) -> Losses {
    let (_, world) = build(seed);
    let (gems, dollars) = (Asset::Erc20(world.gem), Asset::Erc20(world.dollar));
    let gains: Vec<(Address, Asset)> =
        world.attackers.iter().flat_map(|who| [(*who, dollars), (who.create(0), dollars)]).collect();
    holdings(&[("bank", world.bank, dollars), ("pool", world.pool, dollars), ("pool", world.pool, gems)], &gains)
}

fn honest(seed: u64, world: &World) -> Vec<Step> {
    let traders = Traders {
        pool: world.pool,
        base: world.gem,
        quote: world.dollar,
        traders: world.holders.to_vec(),
        provider: world.provider,
    };
    Traffic::new(seed).over_all_blocks(|traffic| {
        use_bank(traffic, world);
        traders.act(traffic);
        if traffic.dice.chance(25) {
            traffic.transfer(world.dollar, &world.holders);
        }
    })
}

/// One to three units in or out, and now and then rewards. Nobody runs out of units within a script.
fn use_bank(traffic: &mut Traffic, world: &World) {
    let holder = *traffic.dice.pick(&world.holders);
    let units = U256::from(traffic.dice.between(1, 3));
    let (bank, needs) = (world.bank, ["bank"].as_slice());
    match traffic.dice.between(0, 9) {
        0..=3 => traffic.call(holder, bank, needs, "buy units", &RewardsBank::depositCall { units }),
        4..=6 => traffic.call(holder, bank, needs, "sell units", &RewardsBank::redeemCall { units }),
        7 => {
            let amount = traffic.dice.milli(110_000, 320_000);
            traffic.call(holder, bank, needs, "withdraw dollars", &RewardsBank::withdrawCall { amount });
        }
        _ => {
            let amount = traffic.dice.milli(20_000, 120_000);
            traffic.call(world.provider, bank, needs, "pay rewards", &RewardsBank::rewardCall { amount });
        }
    }
}

fn attack(seed: u64, world: &World, lane: Lane) -> Vec<Step> {
    let assault = Assault { way: lane.way(), modules: vec![module("bank")] };
    let mut dice = Dice::new(seed, "attack");
    let start = dice.between(3, 5);
    // One account at a steady rate, or three that take turns at uneven rates.
    let accounts = match lane {
        Lane::Mempool | Lane::Private => 1,
        Lane::Split => world.attackers.len(),
    };
    let mut steps = Vec::new();
    for attacker in world.attackers.iter().take(accounts) {
        steps.extend(enter(start, &assault, world, *attacker));
    }
    let turns = world.attackers.iter().take(accounts).cycle();
    for (block, attacker) in (start.saturating_add(3)..).zip(turns).take(TAKINGS) {
        let times = match lane {
            Lane::Mempool | Lane::Private => 20,
            Lane::Split => dice.between(8, 20),
        };
        let take = RoundingDrainer::takeCall { times: U256::from(times) };
        let text = format!("withdraw {times} times for no units");
        steps.push(assault.call(block, *attacker, attacker.create(0), &text, take.abi_encode()));
    }
    steps
}

/// Contract, its entry money, its one unit.
fn enter(start: u64, assault: &Assault, world: &World, attacker: Address) -> [Step; 3] {
    let drainer = attacker.create(0);
    let arguments = RoundingDrainer::constructorCall { token_: world.dollar, bank_: world.bank };
    let code = creation(&RoundingDrainer::BYTECODE, arguments.abi_encode());
    let fund = DrillToken::transferCall { to: drainer, value: whole(ENTRY) };
    let buy = RoundingDrainer::enterCall {};
    let [second, third] = [1, 2].map(|later| start.saturating_add(later));
    [
        assault.deploy(start, attacker, "deploy the drainer", code),
        Step {
            modules: Vec::new(),
            ..assault.call(second, attacker, world.dollar, "fund the drainer", fund.abi_encode())
        },
        assault.call(third, attacker, drainer, "buy one unit", buy.abi_encode()),
    ]
}
