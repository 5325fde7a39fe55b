//! A lending market that believes a pool's price of this instant, the pool, and a flash lender.

use alloy_primitives::Address;
use alloy_sol_types::{SolCall, SolConstructor};
use cofferdam_types::Asset;

use super::build::{Assault, Builder, bps, creation, losses as holdings, module};
use super::contracts::{ConstantProductPool, FlashLender, LendingMarket, PriceManipulator};
use super::dice::{Dice, whole};
use super::traffic::{BLOCKS, Traders, Traffic, first_liquidity};
use super::{InvariantRule, Lane, Losses, Script, Setup, Step};

pub(super) const STORY: &str = "A market lends dollars against gems and asks one pool what a gem is worth. With a flash \
    loan the attacker buys most of the pool's gems, leaves a few of the now dear ones as collateral, borrows the \
    market's dollars, sells the rest and pays the flash loan back, all in one transaction. Pool and flash lender are \
    sound; traders must be able to go on while the market is sealed.";

/// Dollars that each of two lenders has supplied.
const SUPPLIED: [u64; 2] = [450_000, 210_000];

/// Gems left and dollars borrowed by each of two borrowers.
const POSITIONS: [(u64, u64); 2] = [(200, 100_000), (150, 60_000)];

/// Dollars in the flash lender.
const LENDABLE: u64 = 5_000_000;

/// Addresses of this scenario.
pub(super) struct World {
    gem: Address,
    dollar: Address,
    pool: Address,
    market: Address,
    lender: Address,
    lenders: [Address; 2],
    borrowers: [Address; 2],
    provider: Address,
    attacker: Address,
    manipulator: Address,
}

/// The protocol and where its parts are.
pub(super) fn build(seed: u64) -> (Setup, World) {
    let mut builder = Builder::new(seed);
    let lenders = ["alice", "bob"].map(|name| builder.cast(name, 100));
    let borrowers = ["carol", "dave"].map(|name| builder.cast(name, 100));
    let provider = builder.cast("erin", 100);
    let attacker = builder.cast("attacker", 20);
    let (guardian_, steward_) = (builder.guardian(), builder.steward());

    let everybody = [lenders[0], lenders[1], borrowers[0], borrowers[1], provider];
    let gem = builder.token("Drill Gem", "dGEM", &everybody.map(|who| (who, 10_000)));
    let dollar = builder.token("Drill Dollar", "dUSD", &everybody.map(|who| (who, 10_000_000)));
    let pool_arguments = ConstantProductPool::constructorCall { base_: gem, quote_: dollar, guardian_, steward_ };
    let pool = builder.deploy("pool", creation(&ConstantProductPool::BYTECODE, pool_arguments.abi_encode()));
    let market_arguments =
        LendingMarket::constructorCall { collateralToken_: gem, loanToken_: dollar, pool_: pool, guardian_, steward_ };
    let market = builder.deploy("lending market", creation(&LendingMarket::BYTECODE, market_arguments.abi_encode()));
    let lender_arguments = FlashLender::constructorCall { token_: dollar, guardian_, steward_ };
    let lender = builder.deploy("flash lender", creation(&FlashLender::BYTECODE, lender_arguments.abi_encode()));

    builder.next_block();
    for spender in [pool, market, lender] {
        builder.approve(gem, spender, &everybody);
        builder.approve(dollar, spender, &everybody);
    }
    builder.next_block();
    builder.call(provider, pool, "found the pool", &first_liquidity());
    builder.call(provider, lender, "fund flash loans", &FlashLender::supplyCall { amount: whole(LENDABLE) });
    for (who, dollars) in lenders.iter().zip(SUPPLIED) {
        builder.call(*who, market, "supply dollars", &LendingMarket::supplyCall { amount: whole(dollars) });
    }
    builder.next_block();
    for (who, (gems, dollars)) in borrowers.iter().zip(POSITIONS) {
        let leave = LendingMarket::depositCollateralCall { amount: whole(gems) };
        builder.call(*who, market, "leave collateral", &leave);
        builder.call(*who, market, "borrow dollars", &LendingMarket::borrowCall { amount: whole(dollars) });
    }

    let (gems, dollars) = (Asset::Erc20(gem), Asset::Erc20(dollar));
    builder.protect("market", market, &[dollars, gems]);
    builder.limit("market", dollars, 300, 1_000);
    builder.limit("market", gems, 300, 1_000);
    builder.invariant("market", market, "collateralisationBps()(uint256)", InvariantRule::FallsAtMost(bps(500)));
    builder.protect("pool", pool, &[gems, dollars]);
    builder.limit("pool", gems, 500, 2_000);
    builder.limit("pool", dollars, 500, 2_000);
    builder.invariant("pool", pool, "shareValue()(uint256)", InvariantRule::FallsAtMost(bps(1)));
    builder.protect("lender", lender, &[dollars]);
    builder.limit("lender", dollars, 300, 1_000);
    builder.invariant("lender", lender, "backingBps()(uint256)", InvariantRule::FallsAtMost(bps(1)));
    let manipulator = attacker.create(0);
    builder.label(manipulator, "attacker's contract");
    let world = World { gem, dollar, pool, market, lender, lenders, borrowers, provider, attacker, manipulator };
    (builder.finish(), world)
}

/// Honest use of market, pool and lender, and the attack.
pub(super) fn script(seed: u64, lane: Lane) -> Script {
    let (_, world) = build(seed);
    let mut steps = honest(seed, &world);
    steps.extend(attack(seed, &world, lane));
    Script::new(BLOCKS, steps)
}

/// Dollars and gems of each module, and the attacker's.
pub(super) fn losses(seed: u64) -> Losses {
    let (_, world) = build(seed);
    let (gems, dollars) = (Asset::Erc20(world.gem), Asset::Erc20(world.dollar));
    holdings(
        &[
            ("market", world.market, dollars),
            ("market", world.market, gems),
            ("pool", world.pool, dollars),
            ("pool", world.pool, gems),
            ("lender", world.lender, dollars),
        ],
        &[(world.attacker, dollars), (world.manipulator, dollars), (world.manipulator, gems)],
    )
}

fn honest(seed: u64, world: &World) -> Vec<Step> {
    let traders = Traders {
        pool: world.pool,
        base: world.gem,
        quote: world.dollar,
        traders: [world.lenders, world.borrowers].concat(),
        provider: world.provider,
    };
    Traffic::new(seed).over_all_blocks(|traffic| {
        use_market(traffic, world);
        traders.act(traffic);
        if traffic.dice.chance(25) {
            use_lender(traffic, world);
        }
        if traffic.dice.chance(25) {
            traffic.transfer(world.dollar, &world.lenders);
        }
    })
}

/// Amounts so small beside the positions that no order of them can fail.
fn use_market(traffic: &mut Traffic, world: &World) {
    let (lender, borrower) = (*traffic.dice.pick(&world.lenders), *traffic.dice.pick(&world.borrowers));
    let dollars = traffic.dice.milli(50_000, 600_000);
    let gems = traffic.dice.milli(50, 600);
    let (market, needs) = (world.market, ["market"].as_slice());
    match traffic.dice.between(0, 5) {
        0 => traffic.call(lender, market, needs, "supply dollars", &LendingMarket::supplyCall { amount: dollars }),
        1 => traffic.call(lender, market, needs, "withdraw dollars", &LendingMarket::withdrawCall { amount: dollars }),
        2 => {
            let leave = LendingMarket::depositCollateralCall { amount: gems };
            traffic.call(borrower, market, needs, "leave collateral", &leave);
        }
        3 => {
            let take_back = LendingMarket::withdrawCollateralCall { amount: gems };
            traffic.call(borrower, market, needs, "take collateral back", &take_back);
        }
        4 => traffic.call(borrower, market, needs, "borrow dollars", &LendingMarket::borrowCall { amount: dollars }),
        _ => traffic.call(borrower, market, needs, "repay dollars", &LendingMarket::repayCall { amount: dollars }),
    }
}

fn use_lender(traffic: &mut Traffic, world: &World) {
    let amount = traffic.dice.milli(500_000, 5_000_000);
    if traffic.dice.chance(50) {
        let supply = FlashLender::supplyCall { amount };
        traffic.call(world.provider, world.lender, &["lender"], "fund flash loans", &supply);
    } else {
        let withdraw = FlashLender::withdrawCall { amount };
        traffic.call(world.provider, world.lender, &["lender"], "withdraw from the lender", &withdraw);
    }
}

fn attack(seed: u64, world: &World, lane: Lane) -> Vec<Step> {
    let assault = Assault { way: lane.way(), modules: vec![module("market")] };
    let start = Dice::new(seed, "attack").between(10, 13);
    let arguments = PriceManipulator::constructorCall {
        base_: world.gem,
        quote_: world.dollar,
        pool_: world.pool,
        market_: world.market,
        lender_: world.lender,
    };
    let code = creation(&PriceManipulator::BYTECODE, arguments.abi_encode());
    let mut steps = vec![assault.deploy(start, world.attacker, "deploy the manipulator", code)];
    // Flash loan in dollars, collateral in gems, loot in dollars. The smaller loan still quadruples the price.
    let (takings, flash, collateral, loan) = match lane {
        Lane::Mempool | Lane::Private => (1, 4_000_000, 45, 460_000),
        Lane::Split => (9, 2_000_000, 10, 50_000),
    };
    for block in (start.saturating_add(2)..).take(takings) {
        let strike =
            PriceManipulator::strikeCall { flash: whole(flash), collateral: whole(collateral), loan: whole(loan) };
        let text = "lift the pool's price, borrow against it, let it fall";
        steps.push(assault.call(block, world.attacker, world.manipulator, text, strike.abi_encode()));
    }
    steps
}
