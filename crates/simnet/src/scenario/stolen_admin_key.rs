//! A treasury whose strategy can be exchanged by one key, and a pool beside it.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use cofferdam_types::Asset;

use super::build::{Assault, Builder, bps, creation, losses as holdings, module};
use super::contracts::{ConstantProductPool, HostileStrategy, ModuleProxy, TreasuryVault, YieldStrategy};
use super::dice::{Dice, whole};
use super::traffic::{BLOCKS, Traders, Traffic, first_liquidity};
use super::{InvariantRule, Lane, Losses, Script, Setup, Step};

pub(super) const STORY: &str = "A vault keeps a million dollars and lets one strategy draw from it. The strategy stands \
    behind a proxy, and one key may exchange its code. The attacker has that key, puts other code there and lets it \
    draw what the vault holds. The strategy's own pause is gone with its code; the vault's own is not, because the \
    vault cannot be exchanged. A pool beside them must stay open.";

/// Dollars that each depositor has in the vault when the script begins.
const DEPOSITS: [u64; 3] = [500_000, 300_000, 200_000];

/// Dollars of these that the strategy works with.
const INVESTED: u64 = 100_000;

/// Addresses of this scenario.
pub(super) struct World {
    gem: Address,
    dollar: Address,
    pool: Address,
    vault: Address,
    strategy: Address,
    depositors: [Address; 3],
    provider: Address,
    operator: Address,
    admin: Address,
    attacker: Address,
    hostile: Address,
}

/// The protocol and where its parts are.
pub(super) fn build(seed: u64) -> (Setup, World) {
    let mut builder = Builder::new(seed);
    let depositors = ["alice", "bob", "carol"].map(|name| builder.cast(name, 100));
    let provider = builder.cast("erin", 100);
    let operator = builder.cast("strategy operator", 100);
    let admin = builder.cast("strategy admin", 20);
    let attacker = builder.cast("attacker", 20);

    let everybody = [depositors[0], depositors[1], depositors[2], provider];
    let gem = builder.token("Drill Gem", "dGEM", &everybody.map(|who| (who, 10_000)));
    let dollar = builder.token("Drill Dollar", "dUSD", &everybody.map(|who| (who, 3_000_000)));
    let (guardian_, steward_) = (builder.guardian(), builder.steward());
    let pool_arguments = ConstantProductPool::constructorCall { base_: gem, quote_: dollar, guardian_, steward_ };
    let pool = builder.deploy("pool", creation(&ConstantProductPool::BYTECODE, pool_arguments.abi_encode()));
    let (vault, strategy) = deploy_treasury(&mut builder, dollar, admin, operator);

    builder.next_block();
    builder.approve(gem, pool, &everybody);
    builder.approve(dollar, pool, &everybody);
    builder.approve(dollar, vault, &depositors);
    builder.next_block();
    builder.call(provider, pool, "found the pool", &first_liquidity());
    for (who, dollars) in depositors.iter().zip(DEPOSITS) {
        builder.call(*who, vault, "deposit dollars", &TreasuryVault::depositCall { amount: whole(dollars) });
    }
    builder.next_block();
    builder.call(operator, strategy, "invest", &YieldStrategy::investCall { amount: whole(INVESTED) });

    let (gems, dollars) = (Asset::Erc20(gem), Asset::Erc20(dollar));
    builder.protect("treasury", vault, &[dollars]);
    builder.limit("treasury", dollars, 300, 1_000);
    builder.invariant("treasury", vault, "idleBps()(uint256)", InvariantRule::FallsAtMost(bps(300)));
    builder.protect("strategy", strategy, &[dollars]);
    builder.limit("strategy", dollars, 1_000, 3_000);
    builder.invariant("strategy", strategy, "owner()(uint160)", InvariantRule::Unchanged);
    builder.protect("pool", pool, &[gems, dollars]);
    builder.limit("pool", gems, 500, 2_000);
    builder.limit("pool", dollars, 500, 2_000);
    builder.invariant("pool", pool, "shareValue()(uint256)", InvariantRule::FallsAtMost(bps(1)));
    let hostile = attacker.create(0);
    builder.label(hostile, "attacker's code");
    let world = World { gem, dollar, pool, vault, strategy, depositors, provider, operator, admin, attacker, hostile };
    (builder.finish(), world)
}

/// Vault, strategy code, proxy, and the vault's trust in the proxy.
fn deploy_treasury(builder: &mut Builder, dollar: Address, admin: Address, operator: Address) -> (Address, Address) {
    let (founder_, guardian_, steward_) = (builder.deployer(), builder.guardian(), builder.steward());
    let vault_arguments = TreasuryVault::constructorCall { token_: dollar, founder_, guardian_, steward_ };
    let vault = builder.deploy("treasury vault", creation(&TreasuryVault::BYTECODE, vault_arguments.abi_encode()));
    let code_arguments = YieldStrategy::constructorCall { token_: dollar, vault_: vault, guardian_, steward_ };
    let implementation =
        builder.deploy("strategy code", creation(&YieldStrategy::BYTECODE, code_arguments.abi_encode()));
    let initialise = YieldStrategy::initialiseCall { owner_: admin, operator_: operator }.abi_encode().into();
    let proxy_arguments = ModuleProxy::constructorCall { implementation, data: initialise };
    let strategy = builder.deploy("strategy", creation(&ModuleProxy::BYTECODE, proxy_arguments.abi_encode()));
    builder.call(founder_, vault, "connect the strategy", &TreasuryVault::connectCall { strategy_: strategy });
    (vault, strategy)
}

/// Honest use of treasury, strategy and pool, and the attack.
pub(super) fn script(seed: u64, lane: Lane) -> Script {
    let (_, world) = build(seed);
    let mut steps = honest(seed, &world);
    steps.extend(attack(seed, &world, lane));
    Script::new(BLOCKS, steps)
}

/// The dollars of vault and strategy, the pool's tokens, and the attacker's dollars.
pub(super) fn losses(seed: u64) -> Losses {
    let (_, world) = build(seed);
    let (gems, dollars) = (Asset::Erc20(world.gem), Asset::Erc20(world.dollar));
    holdings(
        &[
            ("treasury", world.vault, dollars),
            ("strategy", world.strategy, dollars),
            ("pool", world.pool, dollars),
            ("pool", world.pool, gems),
        ],
        &[(world.attacker, dollars), (world.hostile, dollars), (world.admin, dollars)],
    )
}

fn honest(seed: u64, world: &World) -> Vec<Step> {
    let traders = Traders {
        pool: world.pool,
        base: world.gem,
        quote: world.dollar,
        traders: world.depositors.to_vec(),
        provider: world.provider,
    };
    Traffic::new(seed).over_all_blocks(|traffic| {
        use_vault(traffic, world);
        traders.act(traffic);
        if traffic.dice.chance(30) {
            work(traffic, world);
        }
        if traffic.dice.chance(25) {
            traffic.transfer(world.dollar, &world.depositors);
        }
    })
}

/// Amounts so small beside the deposits that no order of them can fail.
fn use_vault(traffic: &mut Traffic, world: &World) {
    let who = *traffic.dice.pick(&world.depositors);
    let amount = traffic.dice.milli(100_000, 2_000_000);
    let (vault, needs) = (world.vault, ["treasury"].as_slice());
    if traffic.dice.chance(50) {
        traffic.call(who, vault, needs, "deposit dollars", &TreasuryVault::depositCall { amount });
    } else {
        traffic.call(who, vault, needs, "withdraw dollars", &TreasuryVault::withdrawCall { amount });
    }
}

/// The operator moves a little between vault and strategy: needs both.
fn work(traffic: &mut Traffic, world: &World) {
    let amount = traffic.dice.milli(100_000, 1_000_000);
    let (strategy, needs) = (world.strategy, ["treasury", "strategy"].as_slice());
    if traffic.dice.chance(50) {
        traffic.call(world.operator, strategy, needs, "invest", &YieldStrategy::investCall { amount });
    } else {
        traffic.call(world.operator, strategy, needs, "divest", &YieldStrategy::divestCall { amount });
    }
}

fn attack(seed: u64, world: &World, lane: Lane) -> Vec<Step> {
    let assault = Assault { way: lane.way(), modules: vec![module("treasury"), module("strategy")] };
    let start = Dice::new(seed, "attack").between(10, 13);
    let arguments = HostileStrategy::constructorCall { token_: world.dollar, vault_: world.vault };
    let code = creation(&HostileStrategy::BYTECODE, arguments.abi_encode());
    let mut steps = vec![assault.deploy(start, world.attacker, "deploy other code for the strategy", code)];
    let upgrade =
        |data: Bytes| YieldStrategy::upgradeToAndCallCall { newImplementation: world.hostile, data }.abi_encode();
    let next = start.saturating_add(2);
    match lane {
        Lane::Mempool | Lane::Private => {
            let take_all = HostileStrategy::takeCall { amount: U256::MAX }.abi_encode();
            let text = "exchange the strategy's code and draw all";
            steps.push(assault.call(next, world.admin, world.strategy, text, upgrade(take_all.into())));
        }
        Lane::Split => {
            let text = "exchange the strategy's code";
            steps.push(assault.call(next, world.admin, world.strategy, text, upgrade(Bytes::new())));
            for block in (next.saturating_add(1)..).take(9) {
                let take = HostileStrategy::takeCall { amount: whole(INVESTED) }.abi_encode();
                steps.push(assault.call(block, world.attacker, world.strategy, "draw a tenth of the vault", take));
            }
        }
    }
    steps
}
