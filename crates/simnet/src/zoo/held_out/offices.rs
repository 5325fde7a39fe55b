//! Honest days of funds, lists, auctions and redemptions.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};

use super::super::amount::whole;
use super::super::contracts::ZooFlawedToken;
use super::super::entry::Scene;
use super::super::plan::{Act, Plan, Step};
use super::super::stage::{Send, Stage};
use super::super::town::{DAY, DAYS, Town, live};
use super::attack::runner;
use super::contracts::{HeldAuction, HeldDrop, HeldFund, HeldPar, HeldPotToken, HeldVesting};
use super::plaza::Plaza;
use super::tokens::filled_pot;

/// A smart wallet redeems more than half of a pot, and sells a part of it.
pub(super) fn honest_whale(stage: &mut Stage) -> Scene {
    let plaza = Plaza::new(stage);
    let (asset, _) = plaza.listed(stage, "ASSET", 80_000);
    let (pot, traffic) = filled_pot(stage, &plaza, asset);
    live(stage, &traffic);
    Scene::new(&[pot], move |role| {
        let me = role.me;
        let fund = ZooFlawedToken::transferCall { to: me, amount: whole(70_000) };
        let join = vec![Act::approve(asset, pot), Act::new(pot, &HeldPotToken::joinCall { amount: whole(70_000) })];
        let redeem = vec![
            Act::new(pot, &HeldPotToken::redeemCall { amount: whole(70_000) }),
            Act::approve(asset, plaza.router),
            plaza.swaps(me, &[asset, plaza.weth], whole(5_000)),
            Act::transfer_all(asset, me, role.thief),
            Act::transfer_all(plaza.weth, me, role.thief),
        ];
        let mut steps = runner(role, U256::ZERO, &[Plan::new(join), Plan::new(redeem)]);
        steps.insert(1, Step::Bystander(Send::call(plaza.town.citizen(9), asset, &fund)));
        steps.insert(3, Step::Wait(DAY));
        steps
    })
    .among(&traffic)
}

/// The leaves of a list, hashed twice, and the root; the list's length is a power of two.
pub(super) fn tree(leaves: &[(Address, U256)]) -> (B256, Vec<Vec<B256>>) {
    let mut proofs = vec![Vec::new(); leaves.len()];
    let mut level: Vec<(B256, Vec<usize>)> = Vec::new();
    for (index, leaf) in leaves.iter().enumerate() {
        level.push((keccak256(keccak256(leaf.abi_encode_params())), vec![index]));
    }
    while level.len() > 1 {
        let mut next = Vec::new();
        for pair in level.chunks(2) {
            let [(left, of_left), (right, of_right)] = pair else { continue };
            for (others, sibling) in [(of_left, right), (of_right, left)] {
                for leaf in others {
                    proofs.get_mut(*leaf).expect("a leaf of this list").push(*sibling);
                }
            }
            let (low, high) = if left < right { (left, right) } else { (right, left) };
            next.push((
                keccak256([low.as_slice(), high.as_slice()].concat()),
                [of_left.clone(), of_right.clone()].concat(),
            ));
        }
        level = next;
    }
    (level.first().map(|(root, _)| *root).unwrap_or_default(), proofs)
}

/// A list comes into force, and thirty-two accounts claim their parts within an hour: nearly all there is.
pub(super) fn honest_claims(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let arguments = HeldDrop::constructorCall { token_: token, owner_: town.deployer };
    let drop = stage.deploy(town.deployer, &HeldDrop::BYTECODE, arguments.abi_encode());
    stage.call(town.deployer, token, &ZooFlawedToken::transferCall { to: drop, amount: whole(40_000) });
    let more = ZooFlawedToken::transferCall { to: drop, amount: whole(10) };
    let traffic = [Send::call(town.citizen(3), token, &more)];
    let people: Vec<(Address, U256)> = (0..32_u64)
        .map(|index| {
            let share = whole(1_200_u64.saturating_add(index));
            (stage.actor(&format!("listed {index}")), share)
        })
        .collect();
    live(stage, &traffic);
    let (root, proofs) = tree(&people);
    Scene::new(&[drop], move |_| {
        let mut steps = vec![Step::by(town.deployer, drop, &HeldDrop::openCall { root_: root }), Step::Wait(600)];
        for ((account, amount), proof) in people.iter().zip(&proofs) {
            steps.push(Step::by(*account, drop, &HeldDrop::claimCall { amount: *amount, proof: proof.clone() }));
        }
        steps
    })
    .among(&traffic)
}

/// Three founders claim at the end of their cliff what was promised to them: all there is.
pub(super) fn honest_vesting(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let arguments = HeldVesting::constructorCall { token_: token };
    let vesting = stage.deploy(town.deployer, &HeldVesting::BYTECODE, arguments.abi_encode());
    town.approve(stage, token, vesting);
    let now = 1_700_000_000_u64;
    for (index, days) in [(1, DAYS), (2, DAYS), (3, DAYS), (4, 2), (5, 4), (6, 6), (7, 8)] {
        let end = U256::from(now.saturating_add(days.saturating_mul(DAY)));
        let amount = whole(if days == DAYS { 15_000 } else { 800 });
        let grant = HeldVesting::grantCall { account: town.citizen(index), amount, cliff: end, end };
        stage.call(town.deployer, vesting, &grant);
    }
    stage.begin();
    for day in 0..DAYS {
        let more = ZooFlawedToken::transferCall { to: town.citizen(8), amount: whole(3) };
        stage.call(town.citizen(9), token, &more);
        for (index, due) in [(4, 3), (5, 5), (6, 7), (7, 9)] {
            if day == due {
                stage.call(town.citizen(index), vesting, &HeldVesting::releaseCall {});
            }
        }
        stage.wait(DAY);
    }
    Scene::new(&[vesting], move |_| {
        (1..4).map(|index| Step::by(town.citizen(index), vesting, &HeldVesting::releaseCall {})).collect()
    })
}

/// A fund of 60,000 tokens and as much wrapped ether, which pays 60 a day by its operator.
pub(super) struct Funded {
    pub(super) plaza: Plaza,
    pub(super) asset: Address,
    pub(super) fund: Address,
    pub(super) operator: Address,
    pub(super) traffic: Vec<Send>,
}

impl Funded {
    pub(super) fn new(stage: &mut Stage) -> Self {
        let plaza = Plaza::new(stage);
        let (asset, _) = plaza.listed(stage, "ASSET", 100_000);
        let (owner, operator) = (plaza.town.citizen(0), plaza.town.citizen(1));
        let assessors = (2..5).map(|index| plaza.town.citizen(index)).collect();
        let arguments = HeldFund::constructorCall { owner_: owner, operator_: operator, assessors };
        let fund = stage.deploy(plaza.town.deployer, &HeldFund::BYTECODE, arguments.abi_encode());
        stage.call(plaza.town.deployer, asset, &ZooFlawedToken::transferCall { to: fund, amount: whole(60_000) });
        plaza.town.approve(stage, asset, fund);
        let wages = HeldFund::payAllCall {
            token: asset,
            to: vec![plaza.town.citizen(8), plaza.town.citizen(9)],
            amounts: vec![whole(30), whole(30)],
        };
        let mut traffic = plaza.trades(asset, 30);
        traffic.push(Send::call(operator, fund, &wages));
        traffic.push(Send::call(
            plaza.town.citizen(7),
            asset,
            &ZooFlawedToken::transferCall { to: fund, amount: whole(65) },
        ));
        Self { plaza, asset, fund, operator, traffic }
    }
}

/// Twenty-five people are paid at the end of the month: an eighth of the fund.
pub(super) fn honest_payroll(stage: &mut Stage) -> Scene {
    let Funded { asset, fund, operator, traffic, .. } = Funded::new(stage);
    let to: Vec<Address> = (0..25).map(|index| stage.actor(&format!("employee {index}"))).collect();
    live(stage, &traffic);
    Scene::new(&[fund], move |_| {
        let amounts = (0..25_u64).map(|index| whole(280_u64.saturating_add(index))).collect();
        vec![Step::by(operator, fund, &HeldFund::payAllCall { token: asset, to: to.clone(), amounts })]
    })
    .among(&traffic)
}

/// A fund buys wrapped ether for a sixth of its tokens through a router, with a lowest price.
pub(super) fn honest_purchase(stage: &mut Stage) -> Scene {
    let Funded { plaza, asset, fund, operator, traffic } = Funded::new(stage);
    live(stage, &traffic);
    Scene::new(&[fund], move |_| {
        let data: Bytes = plaza.trade(&[asset, plaza.weth], whole(10_000), fund).abi_encode().into();
        let trade = HeldFund::tradeCall {
            sold: asset,
            amount: whole(10_000),
            bought: plaza.weth,
            least: whole(9_000),
            venue: plaza.router,
            data,
        };
        vec![Step::by(operator, fund, &trade)]
    })
    .among(&traffic)
}

/// The insured are paid a third of the fund, after two assessors agreed.
pub(super) fn honest_insurance(stage: &mut Stage) -> Scene {
    let Funded { plaza, asset, fund, traffic, .. } = Funded::new(stage);
    live(stage, &traffic);
    Scene::new(&[fund], move |_| {
        let claim = HeldFund::assessCall {
            claim: U256::from(7),
            token: asset,
            to: plaza.town.citizen(10),
            amount: whole(20_000),
        };
        let assessor = |index: usize| Step::by(plaza.town.citizen(index), fund, &claim);
        vec![assessor(2), Step::Wait(DAY), assessor(3)]
    })
    .among(&traffic)
}

/// What is left of five tokens that nobody needs goes to the owner.
pub(super) fn honest_dust(stage: &mut Stage) -> Scene {
    let Funded { plaza, fund, operator, traffic, .. } = Funded::new(stage);
    let tokens: Vec<Address> = ["D1", "D2", "D3", "D4", "D5"].map(|symbol| plaza.town.token(stage, symbol)).to_vec();
    for token in &tokens {
        stage.call(plaza.town.deployer, *token, &ZooFlawedToken::transferCall { to: fund, amount: whole(2) });
    }
    live(stage, &traffic);
    Scene::new(&[fund], move |_| {
        let sweep = HeldFund::sweepDustCall { tokens: tokens.clone(), to: plaza.town.citizen(0) };
        vec![Step::by(operator, fund, &sweep)]
    })
    .among(&traffic)
}

/// The operator is changed, and ownership in two steps, by the owner.
pub(super) fn honest_rotation(stage: &mut Stage) -> Scene {
    let Funded { plaza, fund, traffic, .. } = Funded::new(stage);
    live(stage, &traffic);
    Scene::new(&[fund], move |_| {
        let (owner, next) = (plaza.town.citizen(0), plaza.town.citizen(6));
        vec![
            Step::by(owner, fund, &HeldFund::setOperatorCall { operator_: plaza.town.citizen(5) }),
            Step::by(owner, fund, &HeldFund::transferOwnershipCall { newOwner: next }),
            Step::Wait(DAY),
            Step::by(next, fund, &HeldFund::acceptOwnershipCall {}),
        ]
    })
    .among(&traffic)
}

/// Coins of 80,000, redeemed at par.
fn par(stage: &mut Stage) -> (Town, Address, Vec<Send>) {
    let town = Town::new(stage);
    let reserve = town.token(stage, "RESERVE");
    let arguments = HeldPar::constructorCall { reserve_: reserve, owner_: town.citizen(0) };
    let desk = stage.deploy(town.deployer, &HeldPar::BYTECODE, arguments.abi_encode());
    town.approve(stage, reserve, desk);
    for (index, amount) in [(1, 10_000), (2, 10_000), (3, 60_000)] {
        stage.call(town.citizen(index), desk, &HeldPar::issueCall { amount: whole(amount) });
    }
    let traffic = vec![
        Send::call(town.citizen(1), desk, &HeldPar::issueCall { amount: whole(60) }),
        Send::call(town.citizen(2), desk, &HeldPar::redeemCall { amount: whole(55) }),
    ];
    (town, desk, traffic)
}

/// Somebody large redeems seven tenths at par in three transactions.
pub(super) fn honest_redemption(stage: &mut Stage) -> Scene {
    let (town, desk, traffic) = par(stage);
    live(stage, &traffic);
    Scene::new(&[desk], move |_| {
        let redeem = HeldPar::redeemCall { amount: whole(18_000) };
        (0..3).map(|_| Step::by(town.citizen(3), desk, &redeem)).collect()
    })
    .among(&traffic)
}

/// Guardians bring everything to their safe.
pub(super) fn honest_rescue(stage: &mut Stage) -> Scene {
    let (town, desk, traffic) = par(stage);
    live(stage, &traffic);
    Scene::new(&[desk], move |_| vec![Step::by(town.citizen(0), desk, &HeldPar::rescueCall { to: town.citizen(0) })])
        .among(&traffic)
}

/// An auction in which the deployer sells, and twelve citizens have bid.
pub(super) fn auction(stage: &mut Stage) -> (Town, Address) {
    let town = Town::new(stage);
    let arguments = HeldAuction::constructorCall { seller: town.deployer };
    let auction = stage.deploy(town.deployer, &HeldAuction::BYTECODE, arguments.abi_encode());
    stage.begin();
    for day in 0..DAYS {
        let index = usize::try_from(day % 12).unwrap_or_default();
        let value = whole(200_u64.saturating_add(day.saturating_mul(25)));
        stage.pay(town.citizen(index), auction, value, &HeldAuction::bidCall {});
        stage.wait(DAY);
    }
    (town, auction)
}

/// The seller takes the best bid, and everybody else has his back.
pub(super) fn honest_auction(stage: &mut Stage) -> Scene {
    let (town, auction) = auction(stage);
    Scene::new(&[auction], move |_| {
        let mut steps = vec![Step::by(town.deployer, auction, &HeldAuction::settleCall {})];
        for index in [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] {
            steps.push(Step::by(town.citizen(index), auction, &HeldAuction::refundCall {}));
        }
        steps
    })
}

/// The sale fails, and everybody has his bid back: the contract is empty within minutes.
pub(super) fn honest_refunds(stage: &mut Stage) -> Scene {
    let (town, auction) = auction(stage);
    Scene::new(&[auction], move |_| {
        let mut steps = vec![Step::by(town.deployer, auction, &HeldAuction::failCall {})];
        steps.extend((0..12).map(|index| Step::by(town.citizen(index), auction, &HeldAuction::refundCall {})));
        steps
    })
}
