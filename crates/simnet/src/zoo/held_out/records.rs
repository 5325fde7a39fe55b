//! A pool that counts liquidity twice, a vault that believes a pool, and a wallet that counts signatures.

use alloy_primitives::{Address, B256, Bytes, I256, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};

use super::super::amount::{milli, whole};
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Probe, Send, Stage};
use super::super::town::{DAY, DAYS, Town, live};
use super::attack::{burst, helper, runner};
use super::contracts::{HeldSigners, HeldStablePool, HeldTickPool, HeldTwoCoinVault};
use super::plaza::{Plaza, Signer};
use super::trade::Stable;

/// A vault of 30,000 of each coin that counts the second one at a pool's price.
fn two_coins(stage: &mut Stage) -> (Stable, Address, Vec<Send>) {
    let stable = Stable::new(stage);
    let [first, second] = stable.coins;
    let arguments = HeldTwoCoinVault::constructorCall { pool: stable.pool };
    let vault = stage.deploy(stable.plaza.town.deployer, &HeldTwoCoinVault::BYTECODE, arguments.abi_encode());
    stable.plaza.town.approve(stage, first, vault);
    for index in 0..3 {
        let deposit = HeldTwoCoinVault::depositCall { amount: whole(10_000) };
        stage.call(stable.plaza.town.citizen(index), vault, &deposit);
    }
    // What the vault has earned so far came in as the second coin.
    let earned = ZooFlawedToken::transferCall { to: vault, amount: whole(30_000) };
    stage.call(stable.plaza.town.deployer, second, &earned);
    let mut traffic = stable.traffic.clone();
    traffic.push(Send::call(stable.plaza.town.citizen(7), vault, &HeldTwoCoinVault::depositCall { amount: whole(40) }));
    traffic.push(Send::call(
        stable.plaza.town.citizen(7),
        vault,
        &HeldTwoCoinVault::withdrawCall { amount: whole(10) },
    ));
    (stable, vault, traffic)
}

/// Borrowed coins make the second one cheap in the pool, shares are bought, and sold when it is dear again.
pub(super) fn counted_at_a_skewed_pool(stage: &mut Stage) -> Scene {
    let (stable, vault, traffic) = two_coins(stage);
    live(stage, &traffic);
    let [first, second] = stable.coins;
    let losses = vec![Probe::token(vault, first), Probe::token(vault, second)];
    Scene::new(&[vault], move |role| {
        let (me, pool) = (helper(role, 0), stable.pool);
        let lender = stable.plaza.town.lender;
        let all = ZooFlawedToken::balanceOfCall { account: me };
        let exchange = |sold: u64, amount| HeldStablePool::exchangeCall { sold: U256::from(sold), amount };
        let shares = HeldTwoCoinVault::sharesCall { account: me };
        let outer = vec![Act::approve(second, lender), Act::flash_loan(lender, me, first, whole(60_000))];
        let inner = vec![
            Act::approve(first, lender),
            Act::approve(first, vault),
            Act::approve(first, pool),
            Act::approve(second, pool),
            Act::new(pool, &exchange(1, whole(97_000))),
            Act::new(vault, &HeldTwoCoinVault::depositCall { amount: whole(60_000) }),
            Act::new(pool, &exchange(0, U256::ZERO)).with_answer(1, first, &all),
            Act::new(vault, &HeldTwoCoinVault::withdrawCall { amount: U256::ZERO }).with_answer(0, vault, &shares),
            // What the way to and fro has cost of the second coin is bought again.
            Act::new(pool, &exchange(0, whole(400))),
        ];
        let loan = Act::flash_loan(lender, me, second, whole(97_000));
        let plan = Plan { acts: vec![loan], answers: vec![outer, inner] };
        vec![burst(role, 1, &[(0, plan)], &[first, second], (whole(2), whole(1)))]
    })
    .losing(losses)
    .among(&traffic)
}

/// A pool of ticks around the price one, 20,000 of each token below and above it; somebody trades a little every day.
fn ticks(stage: &mut Stage) -> (Plaza, Address, Address, Vec<Send>) {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 60_000);
    let arguments = HeldTickPool::constructorCall { base_: asset, quote_: plaza.weth };
    let pool = stage.deploy(plaza.town.deployer, &HeldTickPool::BYTECODE, arguments.abi_encode());
    plaza.town.approve(stage, asset, pool);
    plaza.town.approve(stage, plaza.weth, pool);
    let mint =
        |amount: u64| HeldTickPool::mintCall { lower: I256::MINUS_ONE, upper: I256::ONE, liquidity: whole(amount) };
    stage.call(plaza.town.deployer, pool, &mint(32_000));
    stage.call(plaza.town.citizen(0), pool, &mint(8_000));
    let traffic = vec![
        Send::call(plaza.town.citizen(5), pool, &HeldTickPool::buyCall { way: milli(5) }),
        Send::call(plaza.town.citizen(6), pool, &HeldTickPool::sellCall { way: milli(4) }),
    ];
    (plaza, asset, pool, traffic)
}

/// A swap that ends exactly where the attacker's own liquidity ends leaves it there, and the way back counts it again.
pub(super) fn counted_twice_at_a_tick(stage: &mut Stage) -> Scene {
    let (plaza, asset, pool, traffic) = ticks(stage);
    live(stage, &traffic);
    let losses = vec![Probe::token(pool, asset), Probe::token(pool, plaza.weth)];
    // Each day the price goes up by a thousandth of a tick's way.
    let gone = milli(DAYS);
    Scene::new(&[pool], move |role| {
        let me = role.me;
        let up = |way| Act::new(pool, &HeldTickPool::buyCall { way });
        let own = HeldTickPool::mintCall { lower: I256::ONE, upper: I256::unchecked_from(2), liquidity: whole(12_000) };
        let outer = vec![
            Act::approve(plaza.weth, plaza.lender(0)),
            Act::flash_loan(plaza.lender(1), me, plaza.weth, whole(50_000)),
        ];
        let inner = vec![
            Act::approve(plaza.weth, plaza.lender(1)),
            Act::approve(plaza.weth, pool),
            Act::approve(asset, pool),
            Act::approve(asset, plaza.router),
            // To the end of what others provide and a trifle beyond it, so that what ends there is taken away.
            up(milli(1_001).saturating_sub(gone)),
            Act::new(pool, &HeldTickPool::sellCall { way: milli(1) }),
            Act::new(pool, &own),
            up(whole(1)),
            Act::new(pool, &HeldTickPool::sellCall { way: milli(1_500) }),
            plaza.swaps_all(me, &[asset, plaza.weth]),
        ];
        let mut acts = vec![Act::flash_loan(plaza.lender(0), me, plaza.weth, whole(50_000))];
        acts.extend(plaza.cashes(me, role.thief));
        runner(role, U256::ZERO, &[Plan { acts, answers: vec![outer, inner] }])
    })
    .losing(losses)
    .among(&traffic)
}

/// Somebody large moves the price through a third of a tick and, an hour later, half of the way back.
pub(super) fn honest_long_way(stage: &mut Stage) -> Scene {
    let (plaza, _, pool, traffic) = ticks(stage);
    live(stage, &traffic);
    Scene::new(&[pool], move |_| {
        let whale = plaza.town.citizen(9);
        vec![
            Step::by(whale, pool, &HeldTickPool::buyCall { way: milli(330) }),
            Step::Wait(3_600),
            Step::by(whale, pool, &HeldTickPool::sellCall { way: milli(170) }),
        ]
    })
    .among(&traffic)
}

/// A wallet of four owners, three of whom sign; it has 50,000 and pays a salary a day.
struct Signed {
    town: Town,
    token: Address,
    wallet: Address,
    owners: Vec<Signer>,
}

impl Signed {
    fn lived(stage: &mut Stage) -> Self {
        let town = Town::new(stage);
        let token = town.token(stage, "ASSET");
        let owners: Vec<Signer> =
            (0..4).map(|index| Signer::new(stage, &format!("safe owner {index}"), town.deployer)).collect();
        let arguments = HeldSigners::constructorCall {
            owners: owners.iter().map(Signer::address).collect(),
            threshold_: U256::from(3),
        };
        let wallet = stage.deploy(town.deployer, &HeldSigners::BYTECODE, arguments.abi_encode());
        stage.call(town.deployer, token, &ZooFlawedToken::transferCall { to: wallet, amount: whole(50_000) });
        let signed = Self { town, token, wallet, owners };
        stage.begin();
        for day in 0..DAYS {
            let by: Vec<&Signer> = signed.owners.iter().take(3).collect();
            let salary = signed.pays(signed.town.citizen(6), milli(80_000), day, &by);
            stage.call(signed.town.citizen(7), wallet, &salary);
            stage.wait(DAY);
        }
        signed
    }

    fn pays(&self, to: Address, amount: U256, nonce: u64, by: &[&Signer]) -> HeldSigners::executeCall {
        let data: Bytes = ZooFlawedToken::transferCall { to, amount }.abi_encode().into();
        let shown = (self.wallet, U256::from(nonce), self.token, U256::ZERO, data.clone());
        let hash: B256 = keccak256(shown.abi_encode_params());
        let signatures: Vec<(u8, B256, B256)> = by.iter().map(|signer| signer.sign(hash)).collect();
        HeldSigners::executeCall {
            target: self.token,
            value: U256::ZERO,
            data,
            v: signatures.iter().map(|(v, _, _)| *v).collect(),
            r: signatures.iter().map(|(_, r, _)| *r).collect(),
            s: signatures.iter().map(|(_, _, s)| *s).collect(),
        }
    }
}

/// One owner's key is stolen, and signs three times.
pub(super) fn one_owner_three_times(stage: &mut Stage) -> Scene {
    let signed = Signed::lived(stage);
    let losses = vec![Probe::token(signed.wallet, signed.token)];
    Scene::new(&[signed.wallet], move |role| {
        let thrice: Vec<&Signer> = signed.owners.iter().take(1).cycle().take(3).collect();
        let take = signed.pays(role.thief, whole(45_000), DAYS, &thrice);
        vec![Step::by(role.thief, signed.wallet, &take)]
    })
    .losing(losses)
}

/// Three of the owners sign a payment of a third to a new supplier; a relayer brings it.
pub(super) fn honest_supplier(stage: &mut Stage) -> Scene {
    let signed = Signed::lived(stage);
    let supplier = stage.actor("supplier");
    Scene::new(&[signed.wallet], move |_| {
        let by: Vec<&Signer> = signed.owners.iter().skip(1).collect();
        let pay = signed.pays(supplier, whole(16_000), DAYS, &by);
        vec![Step::by(signed.town.citizen(7), signed.wallet, &pay)]
    })
}

/// Two depositors leave within an hour with two fifths of a vault, when prices are as they should be.
pub(super) fn honest_coin_exit(stage: &mut Stage) -> Scene {
    let (stable, vault, traffic) = two_coins(stage);
    live(stage, &traffic);
    Scene::new(&[vault], move |_| {
        let leaves = |index, shares: u64| {
            let withdraw = HeldTwoCoinVault::withdrawCall { amount: whole(shares) };
            Step::by(stable.plaza.town.citizen(index), vault, &withdraw)
        };
        vec![leaves(0, 8_000), Step::Wait(3_600), leaves(1, 4_000)]
    })
    .among(&traffic)
}
