//! Ways to carry out a plan that leave other traces than the zoo's own contract does: everything in one creation, by
//! helpers at addresses known beforehand that are gone afterwards; or by a contract in which nothing is written.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolConstructor;

use super::super::entry::Role;
use super::super::plan::{Plan, Step};
use super::super::stage::Send;
use super::contracts::{HeldBurst, HeldRunner};

/// Who acts within a [`burst`], one of the helpers of the contract that the subject creates first.
pub(super) fn helper(role: Role, index: u64) -> Address {
    role.me.create2(B256::from(U256::from(index)), keccak256(&HeldRunner::BYTECODE))
}

/// A whole attack in one creation: `helpers` are made, carry out `orders` in turn, hand on what they have of `tokens`
/// and are gone. It comes with `purse` wei, of which `bribe` go to the builder.
pub(super) fn burst(
    role: Role,
    helpers: u64,
    orders: &[(u64, Plan)],
    tokens: &[Address],
    (purse, bribe): (U256, U256),
) -> Step {
    let arguments = HeldBurst::constructorCall {
        helpers: U256::from(helpers),
        whose: orders.iter().map(|(index, _)| U256::from(*index)).collect(),
        plans: orders.iter().map(|(_, plan)| plan.encode()).collect(),
        tokens: tokens.to_vec(),
        to: role.thief,
        bribe,
    };
    let code: Bytes = [HeldBurst::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into();
    Step::Account(Send { value: purse, ..Send::create(role.thief, code) })
}

/// A contract in which nothing is written, with `purse` wei, then its orders, a transaction each. It is `role.me`.
pub(super) fn runner(role: Role, purse: U256, plans: &[Plan]) -> Vec<Step> {
    let create = Send { value: purse, ..Send::create(role.thief, HeldRunner::BYTECODE.clone()) };
    let run = |plan: &Plan| Step::by(role.thief, role.me, &HeldRunner::runCall { plan: plan.encode() });
    std::iter::once(Step::Account(create)).chain(plans.iter().map(run)).collect()
}
