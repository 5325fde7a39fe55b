//! Attacks on markets that lend against collateral.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolConstructor;

use super::amount::{part, whole};
use super::contracts::{ZooEtherLending, ZooEtherPool, ZooFeed, ZooFlawedToken, ZooLending, ZooPool, ZooShareMarket};
use super::entry::Scene;
use super::plan::{Act, Plan, Step};
use super::stage::{Probe, Send, Stage};
use super::town::{DAY, Town, live};

/// A market, the pool that both its tokens trade in, and perhaps a feed.
pub(super) struct Market {
    pub(super) town: Town,
    pub(super) collateral: Address,
    pub(super) loan: Address,
    pub(super) pool: Address,
    pub(super) feed: Address,
    pub(super) lending: Address,
    pub(super) traffic: Vec<Send>,
}

/// Where the price comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Pool,
    Feed,
}

impl Market {
    /// A market with lenders and borrowers, and a pool with `depth` of both tokens; its history is to be lived.
    pub(super) fn new(stage: &mut Stage, source: Source, depth: u64) -> Self {
        let town = Town::new(stage);
        let (collateral, loan) = (town.token(stage, "COL"), town.token(stage, "LOAN"));
        let pool = town.pool(stage, (collateral, loan), depth, 1);
        let keeper = town.citizen(11);
        let arguments = ZooFeed::constructorCall { keeper_: keeper, price_: whole(1) };
        let feed = stage.deploy(town.deployer, &ZooFeed::BYTECODE, arguments.abi_encode());
        let source_ = if source == Source::Pool { pool } else { feed };
        let lending = lending(stage, &town, (collateral, loan), source_, 10_000);
        let mut traffic = lending_traffic(&town, lending);
        traffic.extend(town.trades(pool, collateral, loan));
        if source == Source::Feed {
            traffic.push(Send::call(keeper, feed, &ZooFeed::pushCall { price_: whole(1) }));
        }
        Self { town, collateral, loan, pool, feed, lending, traffic }
    }

    /// What lenders lose when loans go out against collateral that is worth as much as it counts.
    pub(super) fn losses(&self) -> Vec<Probe> {
        vec![Probe::token(self.lending, self.loan), Probe::token(self.lending, self.collateral)]
    }

    /// What an attacker's contract allows before it can do anything.
    fn allow(&self) -> Vec<Act> {
        vec![
            Act::approve(self.loan, self.pool),
            Act::approve(self.collateral, self.pool),
            Act::approve(self.collateral, self.lending),
            Act::approve(self.loan, self.town.lender),
            Act::approve(self.collateral, self.town.lender),
        ]
    }

    fn deposit(&self, amount: U256, account: Address) -> Act {
        Act::new(self.lending, &ZooLending::depositCall { amount, account })
    }

    fn borrow(&self, amount: U256) -> Act {
        Act::new(self.lending, &ZooLending::borrowCall { amount })
    }
}

/// A market with four lenders, and four borrowers who have left `unit` of collateral each.
pub(super) fn lending(
    stage: &mut Stage,
    town: &Town,
    (collateral, loan): (Address, Address),
    source: Address,
    unit: u64,
) -> Address {
    let arguments = ZooLending::constructorCall { collateralToken_: collateral, loanToken_: loan, source_: source };
    let lending = stage.deploy(town.deployer, &ZooLending::BYTECODE, arguments.abi_encode());
    town.approve(stage, collateral, lending);
    town.approve(stage, loan, lending);
    for index in 0..4 {
        stage.call(town.citizen(index), lending, &ZooLending::supplyCall { amount: whole(50_000) });
    }
    for index in 4..8 {
        let citizen = town.citizen(index);
        stage.call(citizen, lending, &ZooLending::depositCall { amount: whole(unit), account: citizen });
        stage.call(citizen, lending, &ZooLending::borrowCall { amount: part(whole(unit), 4) });
    }
    lending
}

/// What happens in it every day.
pub(super) fn lending_traffic(town: &Town, lending: Address) -> Vec<Send> {
    let by = |citizen: usize| town.citizen(citizen);
    vec![
        Send::call(by(0), lending, &ZooLending::supplyCall { amount: whole(50) }),
        Send::call(by(1), lending, &ZooLending::withdrawCall { amount: whole(10), to: by(1) }),
        Send::call(by(4), lending, &ZooLending::depositCall { amount: whole(20), account: by(4) }),
        Send::call(by(5), lending, &ZooLending::borrowCall { amount: whole(5) }),
        Send::call(by(6), lending, &ZooLending::repayCall { amount: whole(5), account: by(6) }),
        Send::call(by(7), lending, &ZooLending::releaseCall { amount: whole(5) }),
    ]
}

/// The price is read from a pool that the same transaction has moved.
pub(super) fn spot_price(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Pool, 100_000);
    live(stage, &market.traffic);
    let (modules, losses, traffic) = (vec![market.lending], market.losses(), market.traffic.clone());
    Scene::new(&modules, move |role| {
        let mut moved = market.allow();
        moved.extend([
            Act::swap(market.pool, market.loan, whole(200_000)),
            market.deposit(part(whole(30_000), role.pieces), role.me),
            market.borrow(part(whole(170_000), role.pieces)),
            Act::swap_all(market.pool, market.collateral, role.me),
        ]);
        let acts = vec![
            Act::flash_loan(market.town.lender, role.me, market.loan, whole(300_000)),
            Act::transfer_all(market.loan, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(moved))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// A donation to an empty market makes two shares worth everything, and rounding gives it back for one of them.
pub(super) fn empty_market(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    let arguments = ZooShareMarket::constructorCall { collateralToken_: market.collateral, loanToken_: market.loan };
    let listed = stage.deploy(market.town.deployer, &ZooShareMarket::BYTECODE, arguments.abi_encode());
    let funding = ZooFlawedToken::transferCall { to: listed, amount: whole(60_000) };
    stage.call(market.town.deployer, market.loan, &funding);
    live(stage, &market.traffic);
    let (modules, traffic) = (vec![market.lending, listed], market.traffic.clone());
    let losses = vec![Probe::token(listed, market.loan), Probe::token(listed, market.collateral)];
    Scene::new(&modules, move |role| {
        let donation = whole(110_000);
        let answer = vec![
            Act::approve(market.collateral, market.town.lender),
            Act::approve(market.collateral, listed),
            Act::new(listed, &ZooShareMarket::mintCall { amount: U256::from(2) }),
            Act::transfer(market.collateral, listed, donation),
            Act::new(listed, &ZooShareMarket::borrowCall { amount: whole(50_000) }),
            Act::new(listed, &ZooShareMarket::redeemCall { amount: donation }),
            Act::approve(market.loan, market.pool),
            Act::swap(market.pool, market.loan, whole(10)),
        ];
        let amount = donation.saturating_add(U256::from(2));
        let acts = vec![
            Act::flash_loan(market.town.lender, role.me, market.collateral, amount),
            Act::transfer_all(market.loan, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
}

/// While a pool pays out ether its shares look dear; they are collateral elsewhere.
pub(super) fn read_only(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let loan = town.token(stage, "LOAN");
    let arguments = ZooEtherPool::constructorCall { token_: loan };
    let pool = stage.deploy(town.deployer, &ZooEtherPool::BYTECODE, arguments.abi_encode());
    town.approve(stage, loan, pool);
    for index in 4..8 {
        stage.pay(town.citizen(index), pool, whole(2_100), &ZooEtherPool::addCall {});
    }
    let lending = lending(stage, &town, (pool, loan), pool, 1_000);
    let mut traffic = lending_traffic(&town, lending);
    traffic.push(Send::pay(town.citizen(8), pool, whole(5), &ZooEtherPool::addCall {}));
    traffic.push(Send::call(town.citizen(8), pool, &ZooEtherPool::removeCall { shares: whole(1) }));
    live(stage, &traffic);
    let losses = vec![Probe::token(lending, loan), Probe::token(lending, pool).worth(2_000)];
    Scene::new(&[lending, pool], move |role| {
        let (liquidity, kept) = (whole(80_000), whole(5_000));
        let answer = vec![
            Act::approve(loan, pool),
            Act::approve(pool, lending),
            Act::approve(loan, town.lender),
            Act::new(pool, &ZooEtherPool::addCall {}).paying(liquidity),
            Act::new(lending, &ZooLending::depositCall { amount: kept, account: role.me }),
            Act::new(pool, &ZooEtherPool::removeCall { shares: liquidity.saturating_sub(kept) }),
        ];
        let borrow = vec![Act::new(lending, &ZooLending::borrowCall { amount: whole(27_000) })];
        let acts = vec![
            Act::flash_loan(town.lender, role.me, loan, liquidity),
            Act::transfer_all(loan, role.me, role.thief),
            Act::ether(role.thief, U256::MAX),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer).answering(borrow))]
    })
    .with_purse(whole(80_000))
    .losing(losses)
    .among(&traffic)
}

/// The loan is paid before it is written down, and meanwhile the collateral is taken back.
pub(super) fn cross_function(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let collateral = town.token(stage, "COL");
    let arguments = ZooEtherLending::constructorCall { collateralToken_: collateral };
    let lending = stage.deploy(town.deployer, &ZooEtherLending::BYTECODE, arguments.abi_encode());
    town.approve(stage, collateral, lending);
    let by = |citizen: usize| town.citizen(citizen);
    for index in 0..4 {
        stage.pay(by(index), lending, whole(1_500), &ZooEtherLending::supplyCall {});
        stage.call(by(index), lending, &ZooEtherLending::depositCall { amount: whole(1_000) });
    }
    let traffic = [
        Send::pay(by(0), lending, whole(5), &ZooEtherLending::supplyCall {}),
        Send::call(by(1), lending, &ZooEtherLending::borrowCall { amount: whole(5) }),
        Send::pay(by(1), lending, whole(4), &ZooEtherLending::repayCall {}),
        Send::call(by(2), lending, &ZooEtherLending::depositCall { amount: whole(5) }),
        Send::call(by(2), lending, &ZooEtherLending::releaseCall { amount: whole(4) }),
    ];
    live(stage, &traffic);
    let losses = vec![Probe::ether(lending), Probe::token(lending, collateral)];
    Scene::new(&[lending], move |role| {
        let amount = part(whole(8_000), role.pieces);
        let answer = vec![
            Act::approve(collateral, lending),
            Act::approve(collateral, town.lender),
            Act::new(lending, &ZooEtherLending::depositCall { amount }),
            Act::new(lending, &ZooEtherLending::borrowCall { amount: part(amount, 2) }),
        ];
        let back_in = vec![Act::new(lending, &ZooEtherLending::releaseCall { amount })];
        let acts = vec![Act::flash_loan(town.lender, role.me, collateral, amount), Act::ether(role.thief, U256::MAX)];
        vec![Step::Contract(Plan::new(acts).answering(answer).answering(back_in))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// Collateral is taken away from under a loan, and the lenders are left with the debt.
pub(super) fn uncovered(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    live(stage, &market.traffic);
    let (modules, losses, traffic) = (vec![market.lending], market.losses(), market.traffic.clone());
    Scene::new(&modules, move |role| {
        let amount = part(whole(60_000), role.pieces);
        let mut answer = market.allow();
        answer.extend([
            market.deposit(amount, role.me),
            market.borrow(part(whole(45_000), role.pieces)),
            Act::new(market.lending, &ZooLending::evacuateCall { amount, to: role.me }),
        ]);
        let acts = vec![
            Act::flash_loan(market.town.lender, role.me, market.collateral, amount),
            Act::transfer_all(market.loan, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// A loan of sixty times its collateral, sent to the borrower.
pub(super) fn leverage(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    live(stage, &market.traffic);
    let (modules, losses, traffic) = (vec![market.lending], market.losses(), market.traffic.clone());
    Scene::new(&modules, move |role| {
        let amount = part(whole(1_000), role.pieces);
        let lever = ZooLending::leverCall {
            amount: part(whole(60_000), role.pieces),
            leverage: U256::from(80),
            venue: role.me,
        };
        let mut answer = market.allow();
        answer.extend([
            market.deposit(amount, role.me),
            Act::new(market.lending, &lever),
            Act::swap(market.pool, market.loan, part(whole(1_200), role.pieces)),
        ]);
        let acts = vec![
            Act::flash_loan(market.town.lender, role.me, market.collateral, amount),
            Act::transfer_all(market.loan, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
    .divisible()
}

/// The collateral fell to a quarter days ago, and the feed has not been told.
pub(super) fn stale_feed(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    live(stage, &market.traffic);
    let crash = ZooPool::swapCall { tokenIn: market.collateral, amountIn: whole(100_000) };
    stage.call(market.town.citizen(9), market.pool, &crash);
    let traffic: Vec<Send> = market.traffic.iter().filter(|send| send.to != Some(market.feed)).cloned().collect();
    for _ in 0..2 {
        stage.wait(DAY);
        traffic.iter().for_each(|send| stage.honest(send));
    }
    let modules = vec![market.lending];
    let losses =
        vec![Probe::token(market.lending, market.loan), Probe::token(market.lending, market.collateral).worth(250)];
    Scene::new(&modules, move |role| {
        let mut answer = market.allow();
        answer.extend([
            Act::swap(market.pool, market.loan, whole(20_000)),
            market.deposit(whole(56_000), role.me),
            market.borrow(whole(42_000)),
        ]);
        let acts = vec![
            Act::flash_loan(market.town.lender, role.me, market.loan, whole(20_000)),
            Act::transfer_all(market.loan, role.me, role.thief),
        ];
        vec![Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
}

/// The keeper's key is stolen: the feed says fifty times the price for an instant.
pub(super) fn deviating_feed(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Feed, 100_000);
    live(stage, &market.traffic);
    let (modules, losses, traffic) = (vec![market.lending], market.losses(), market.traffic.clone());
    Scene::new(&modules, move |role| {
        let push = ZooFeed::pushCall { price_: whole(50) };
        let mut answer = market.allow();
        answer.extend([
            market.deposit(whole(2_000), role.me),
            market.borrow(whole(70_000)),
            Act::swap(market.pool, market.loan, whole(2_200)),
        ]);
        let acts = vec![
            Act::flash_loan(market.town.lender, role.me, market.collateral, whole(2_000)),
            Act::transfer_all(market.loan, role.me, role.thief),
        ];
        vec![Step::by(market.town.citizen(11), market.feed, &push), Step::Contract(Plan::new(acts).answering(answer))]
    })
    .losing(losses)
    .among(&traffic)
}

/// Almost all liquidity leaves the pool that the price is read from; then a little money moves it far.
pub(super) fn thin_pool(stage: &mut Stage) -> Scene {
    let market = Market::new(stage, Source::Pool, 5_000);
    let provider = market.town.citizen(10);
    let add = ZooPool::addCall { baseIn: whole(95_000), quoteIn: whole(95_000) };
    stage.call(provider, market.pool, &add);
    live(stage, &market.traffic);
    let (modules, losses, traffic) = (vec![market.lending, market.pool], market.losses(), market.traffic.clone());
    Scene::new(&modules, move |role| {
        let mut moved = market.allow();
        moved.extend([
            Act::swap(market.pool, market.loan, whole(20_000)),
            market.deposit(whole(3_000), role.me),
            market.borrow(whole(40_000)),
        ]);
        let acts = vec![
            Act::flash_loan(market.town.lender, role.me, market.loan, whole(20_000)),
            Act::transfer_all(market.loan, role.me, role.thief),
        ];
        vec![
            Step::by(provider, market.pool, &ZooPool::removeCall { shares: whole(95_000) }),
            Step::Contract(Plan::new(acts).answering(moved)),
        ]
    })
    .losing(losses)
    .among(&traffic)
}
