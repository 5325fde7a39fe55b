//! A vault that pays before it books, and a savings vault beside it that does not. Two scenarios: the attack comes
//! with its contract, or the contract waits on the chain for a while.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use cofferdam_types::Asset;

use super::build::{Assault, Builder, bps, creation, losses as holdings, module};
use super::contracts::{EtherVault, ReentrantThief, SavingsVault};
use super::dice::{Dice, whole};
use super::traffic::{BLOCKS, Savers, Traffic};
use super::{InvariantRule, Lane, Losses, Script, Setup, Step};

pub(super) const STORY: &str = "A vault keeps 1,000 ether for three people. Its `withdrawAll` pays first and clears the \
    balance afterwards. The attacker's contract stakes some ether and asks for it again each time it is being paid, \
    so the same balance is paid out many times over. A savings vault beside it shares no code and must stay open.";

pub(super) const WAITING_STORY: &str = "The same vault and the same thief, whose contract stands on the chain for a minute \
    before it is used. Nobody who waits for the attack sees more of it than that. Called on a fork of the head, as its \
    maker might call it, it shows what it is for, and the vault is sealed before the button is pressed, even where the \
    attack itself travels in private.";

/// Blocks between a waiting contract and its use: a minute.
const WAITS: u64 = 5;

/// Ether that each depositor has in the vault when the script begins.
const DEPOSITS: [u64; 3] = [400, 350, 250];

/// Tokens that each saver has in the savings vault when the script begins.
const SAVINGS: u64 = 15_000;

/// Addresses of this scenario.
pub(super) struct World {
    vault: Address,
    savings: Address,
    token: Address,
    depositors: Vec<Address>,
    /// Uses `withdrawAll` as it was meant.
    visitor: Address,
    attacker: Address,
    thief: Address,
}

/// The protocol and where its parts are.
pub(super) fn build(seed: u64) -> (Setup, World) {
    let mut builder = Builder::new(seed);
    let depositors: Vec<Address> = ["alice", "bob", "carol"].map(|name| builder.cast(name, 2_000)).to_vec();
    let visitor = builder.cast("erin", 100);
    let attacker = builder.cast("attacker", 120);
    let (guardian_, steward_) = (builder.guardian(), builder.steward());

    let vault_arguments = EtherVault::constructorCall { guardian_, steward_ };
    let vault = builder.deploy("ether vault", creation(&EtherVault::BYTECODE, vault_arguments.abi_encode()));
    let holders: Vec<(Address, u64)> = depositors.iter().map(|who| (*who, 50_000)).collect();
    let token = builder.token("Drill Dollar", "dUSD", &holders);
    let savings_arguments = SavingsVault::constructorCall { asset_: token, guardian_, steward_ };
    let savings = builder.deploy("savings vault", creation(&SavingsVault::BYTECODE, savings_arguments.abi_encode()));

    builder.next_block();
    builder.approve(token, savings, &depositors);
    builder.next_block();
    for (who, ether) in depositors.iter().zip(DEPOSITS) {
        let deposit = EtherVault::depositCall {}.abi_encode().into();
        builder.pay(*who, vault, "deposit ether", whole(ether), deposit);
        let save = SavingsVault::depositCall { assets: whole(SAVINGS), receiver: *who };
        builder.call(*who, savings, "deposit savings", &save);
    }

    builder.protect("vault", vault, &[Asset::Native]);
    builder.limit("vault", Asset::Native, 300, 1_000);
    builder.invariant("vault", vault, "backingBps()(uint256)", InvariantRule::FallsAtMost(bps(1)));
    builder.protect("savings", savings, &[Asset::Erc20(token)]);
    builder.limit("savings", Asset::Erc20(token), 500, 2_000);
    builder.invariant("savings", savings, "sharePrice()(uint256)", InvariantRule::FallsAtMost(bps(1)));
    let thief = attacker.create(0);
    builder.label(thief, "attacker's contract");
    let world = World { vault, savings, token, depositors, visitor, attacker, thief };
    (builder.finish(), world)
}

/// Honest use of both vaults, and the attack by a contract that comes with it.
pub(super) fn script(seed: u64, lane: Lane) -> Script {
    played(seed, lane, 0)
}

/// The same with a contract that waits for some blocks before it is used.
pub(super) fn waiting_script(seed: u64, lane: Lane) -> Script {
    played(seed, lane, WAITS)
}

fn played(seed: u64, lane: Lane, waits: u64) -> Script {
    let (_, world) = build(seed);
    let mut steps = honest(seed, &world);
    steps.extend(attack(seed, &world, lane, waits));
    Script::new(BLOCKS, steps)
}

/// The ether of the vault, and what the attacker holds.
pub(super) fn losses(seed: u64) -> Losses {
    let (_, world) = build(seed);
    holdings(
        &[("vault", world.vault, Asset::Native), ("savings", world.savings, Asset::Erc20(world.token))],
        &[(world.attacker, Asset::Native), (world.thief, Asset::Native)],
    )
}

fn honest(seed: u64, world: &World) -> Vec<Step> {
    let mut savers =
        Savers { vault: world.savings, saved: world.depositors.iter().map(|who| (*who, whole(SAVINGS))).collect() };
    let mut deposits: Vec<(Address, U256)> = world.depositors.iter().copied().zip(DEPOSITS.map(whole)).collect();
    let mut visitor_is_in = false;
    Traffic::new(seed).over_all_blocks(|traffic| {
        use_vault(traffic, world.vault, &mut deposits);
        savers.act(traffic);
        if traffic.dice.chance(20) {
            visit(traffic, world, &mut visitor_is_in);
        }
        if traffic.dice.chance(30) {
            traffic.transfer(world.token, &world.depositors);
        }
    })
}

/// A deposit or withdrawal of half an ether to three.
fn use_vault(traffic: &mut Traffic, vault: Address, deposits: &mut [(Address, U256)]) {
    let amount = traffic.dice.milli(500, 3_000);
    let withdraws = traffic.dice.chance(50);
    let (who, owned) = traffic.dice.pick_mut(deposits);
    let who = *who;
    match owned.checked_sub(amount).filter(|_| withdraws) {
        Some(rest) => {
            *owned = rest;
            traffic.call(who, vault, &["vault"], "withdraw ether", &EtherVault::withdrawCall { amount });
        }
        None => {
            *owned = owned.saturating_add(amount);
            let deposit: Bytes = EtherVault::depositCall {}.abi_encode().into();
            traffic.pay(who, vault, &["vault"], "deposit ether", (amount, deposit));
        }
    }
}

/// Somebody who comes with a little ether and, the next time, leaves with all of it.
fn visit(traffic: &mut Traffic, world: &World, is_in: &mut bool) {
    if *is_in {
        traffic.call(world.visitor, world.vault, &["vault"], "withdraw all ether", &EtherVault::withdrawAllCall {});
    } else {
        let deposit: Bytes = EtherVault::depositCall {}.abi_encode().into();
        let amount = traffic.dice.milli(1_000, 4_000);
        traffic.pay(world.visitor, world.vault, &["vault"], "deposit ether", (amount, deposit));
    }
    *is_in = !*is_in;
}

fn attack(seed: u64, world: &World, lane: Lane, waits: u64) -> Vec<Step> {
    let assault = Assault { way: lane.way(), modules: vec![module("vault")] };
    let start = Dice::new(seed, "attack").between(10, 13);
    let code =
        creation(&ReentrantThief::BYTECODE, ReentrantThief::constructorCall { vault_: world.vault }.abi_encode());
    let mut steps = vec![assault.deploy(start, world.attacker, "deploy the thief", code)];
    // In one go: fifty ether, as often as they are there. In takings: a tenth of the vault each time.
    let (takings, stake, times, text) = match lane {
        Lane::Mempool | Lane::Private => (1, 50, 1_000, "re-enter the vault until it is empty"),
        Lane::Split => (9, 25, 5, "re-enter the vault four times"),
    };
    for block in (start.saturating_add(waits)..).take(takings) {
        let take = ReentrantThief::takeCall { times: U256::from(times) };
        steps.push(assault.pay(block, world.attacker, world.thief, text, whole(stake), take.abi_encode()));
    }
    steps
}
