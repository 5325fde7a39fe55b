//! A wallet behind a proxy that anybody may initialise again, and a savings vault beside it.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use cofferdam_types::Asset;

use super::build::{Assault, Builder, bps, creation, losses as holdings, module};
use super::contracts::{InitialiserThief, ModuleProxy, SavingsVault, SharedWallet};
use super::dice::{Dice, whole};
use super::traffic::{BLOCKS, Savers, Traffic};
use super::{InvariantRule, Lane, Losses, Script, Setup, Step};

pub(super) const STORY: &str = "A treasury's 800 ether lie in a wallet whose code stands behind a proxy. The function \
    that names the owner when the wallet is set up looks neither at its caller nor at whether it has run before. The \
    attacker calls it, is the owner, and pays the wallet's ether to itself. A savings vault beside it must stay open.";

/// Ether in the wallet when the script begins.
const TREASURE: u64 = 800;

/// Tokens that each saver has in the savings vault when the script begins.
const SAVINGS: u64 = 15_000;

/// Addresses of this scenario.
pub(super) struct World {
    wallet: Address,
    savings: Address,
    token: Address,
    owner: Address,
    users: Vec<Address>,
    attacker: Address,
    thief: Address,
}

/// The protocol and where its parts are.
pub(super) fn build(seed: u64) -> (Setup, World) {
    let mut builder = Builder::new(seed);
    let owner = builder.cast("treasurer", 1_000);
    let users: Vec<Address> = ["alice", "bob", "carol"].map(|name| builder.cast(name, 500)).to_vec();
    let attacker = builder.cast("attacker", 20);
    let (guardian_, steward_) = (builder.guardian(), builder.steward());

    let code_arguments = SharedWallet::constructorCall { guardian_, steward_ };
    let implementation = builder.deploy("wallet code", creation(&SharedWallet::BYTECODE, code_arguments.abi_encode()));
    let initialise = SharedWallet::initialiseCall { newOwner: owner }.abi_encode().into();
    let proxy_arguments = ModuleProxy::constructorCall { implementation, data: initialise };
    let wallet = builder.deploy("wallet", creation(&ModuleProxy::BYTECODE, proxy_arguments.abi_encode()));
    let holders: Vec<(Address, u64)> = users.iter().map(|who| (*who, 50_000)).collect();
    let token = builder.token("Drill Dollar", "dUSD", &holders);
    let savings_arguments = SavingsVault::constructorCall { asset_: token, guardian_, steward_ };
    let savings = builder.deploy("savings vault", creation(&SavingsVault::BYTECODE, savings_arguments.abi_encode()));

    builder.next_block();
    builder.approve(token, savings, &users);
    builder.pay(owner, wallet, "fund the wallet", whole(TREASURE), Bytes::new());
    builder.next_block();
    for who in &users {
        let save = SavingsVault::depositCall { assets: whole(SAVINGS), receiver: *who };
        builder.call(*who, savings, "deposit savings", &save);
    }

    builder.protect("wallet", wallet, &[Asset::Native]);
    builder.limit("wallet", Asset::Native, 200, 800);
    builder.invariant("wallet", wallet, "owner()(uint160)", InvariantRule::Unchanged);
    builder.protect("savings", savings, &[Asset::Erc20(token)]);
    builder.limit("savings", Asset::Erc20(token), 500, 2_000);
    builder.invariant("savings", savings, "sharePrice()(uint256)", InvariantRule::FallsAtMost(bps(1)));
    let thief = attacker.create(0);
    builder.label(thief, "attacker's contract");
    (builder.finish(), World { wallet, savings, token, owner, users, attacker, thief })
}

/// Honest use of wallet and savings vault, and the attack.
pub(super) fn script(seed: u64, lane: Lane) -> Script {
    let (_, world) = build(seed);
    let mut steps = honest(seed, &world);
    steps.extend(attack(seed, &world, lane));
    Script::new(BLOCKS, steps)
}

/// The wallet's ether, and what the attacker holds.
pub(super) fn losses(seed: u64) -> Losses {
    let (_, world) = build(seed);
    holdings(
        &[("wallet", world.wallet, Asset::Native), ("savings", world.savings, Asset::Erc20(world.token))],
        &[(world.attacker, Asset::Native), (world.thief, Asset::Native)],
    )
}

fn honest(seed: u64, world: &World) -> Vec<Step> {
    let mut savers =
        Savers { vault: world.savings, saved: world.users.iter().map(|who| (*who, whole(SAVINGS))).collect() };
    Traffic::new(seed).over_all_blocks(|traffic| {
        use_wallet(traffic, world);
        savers.act(traffic);
        if traffic.dice.chance(30) {
            traffic.transfer(world.token, &world.users);
        }
    })
}

/// Users send ether, which works on a sealed wallet too; the treasurer pays users.
fn use_wallet(traffic: &mut Traffic, world: &World) {
    let user = *traffic.dice.pick(&world.users);
    let amount = traffic.dice.milli(200, 3_000);
    if traffic.dice.chance(50) {
        traffic.pay(user, world.wallet, &[], "fund the wallet", (amount, Bytes::new()));
    } else {
        let pay = SharedWallet::payCall { to: user, amount };
        traffic.call(world.owner, world.wallet, &["wallet"], "pay from the wallet", &pay);
    }
}

fn attack(seed: u64, world: &World, lane: Lane) -> Vec<Step> {
    let assault = Assault { way: lane.way(), modules: vec![module("wallet")] };
    let start = Dice::new(seed, "attack").between(10, 13);
    let next = start.saturating_add(2);
    match lane {
        Lane::Mempool | Lane::Private => {
            let seize = InitialiserThief::seizeCall { wallet: world.wallet };
            let text = "become the owner and take all";
            vec![
                assault.deploy(next, world.attacker, "deploy the thief", InitialiserThief::BYTECODE.clone()),
                assault.call(next, world.attacker, world.thief, text, seize.abi_encode()),
            ]
        }
        Lane::Split => {
            let initialise = SharedWallet::initialiseCall { newOwner: world.attacker };
            let mut steps =
                vec![assault.call(start, world.attacker, world.wallet, "become the owner", initialise.abi_encode())];
            for block in (next..).take(9) {
                let pay = SharedWallet::payCall { to: world.attacker, amount: tenth() };
                steps.push(assault.call(block, world.attacker, world.wallet, "take a tenth", pay.abi_encode()));
            }
            steps
        }
    }
}

/// A tenth of what the wallet was founded with.
fn tenth() -> U256 {
    whole(TREASURE / 10)
}
