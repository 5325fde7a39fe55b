//! Names of functions that stand in many contracts, for people. They decide nothing.

use std::{collections::HashMap, sync::LazyLock};

use alloy_primitives::keccak256;
use cofferdam_types::Selector;

/// Functions that stand in many contracts. A selector is four bytes: another function may share it.
const FUNCTIONS: &[&str] = &[
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "approve(address,uint256)",
    "increaseAllowance(address,uint256)",
    "safeTransferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256,bytes)",
    "safeTransferFrom(address,address,uint256,uint256,bytes)",
    "setApprovalForAll(address,bool)",
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
    "balanceOf(address)",
    "balanceOf(address,uint256)",
    "totalSupply()",
    "allowance(address,address)",
    "decimals()",
    "symbol()",
    "mint(address,uint256)",
    "mint(uint256)",
    "burn(uint256)",
    "burn(address,uint256)",
    "burnFrom(address,uint256)",
    "deposit()",
    "deposit(uint256)",
    "deposit(uint256,address)",
    "withdraw()",
    "withdraw(uint256)",
    "withdraw(uint256,address,address)",
    "withdrawAll()",
    "redeem(uint256)",
    "redeem(uint256,address,address)",
    "borrow(uint256)",
    "repay(uint256)",
    "liquidate(address)",
    "swap(uint256,uint256,address,bytes)",
    "getReserves()",
    "sync()",
    "skim(address)",
    "flashLoan(address,address,uint256,bytes)",
    "onFlashLoan(address,address,uint256,uint256,bytes)",
    "executeOperation(address,uint256,uint256,address,bytes)",
    "uniswapV2Call(address,uint256,uint256,bytes)",
    "latestAnswer()",
    "latestRoundData()",
    "owner()",
    "transferOwnership(address)",
    "acceptOwnership()",
    "renounceOwnership()",
    "setOwner(address)",
    "grantRole(bytes32,address)",
    "revokeRole(bytes32,address)",
    "hasRole(bytes32,address)",
    "initialize()",
    "initialize(address)",
    "upgradeTo(address)",
    "upgradeToAndCall(address,bytes)",
    "implementation()",
    "pause()",
    "unpause()",
    "paused()",
    "multicall(bytes[])",
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
    "execute(address,uint256,bytes)",
    "convertToAssets(uint256)",
    "donate(uint256)",
    "claim()",
    "claim(address)",
    "harvest()",
    "stake(uint256)",
    "unstake(uint256)",
    "getReward()",
    "exit()",
    "claimRewards()",
    "withdraw(address,uint256,address)",
    "supply(address,uint256,address,uint16)",
    "borrow(address,uint256,uint256,uint16,address)",
    "repay(address,uint256,uint256,address)",
    "mint(address)",
    "burn(address)",
    "exchange(int128,int128,uint256,uint256)",
    "add_liquidity(uint256[2],uint256)",
    "remove_liquidity(uint256,uint256[2])",
    "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
    "swapExactETHForTokens(uint256,address[],address,uint256)",
    "swapExactTokensForETH(uint256,uint256,address[],address,uint256)",
    "sweep(address)",
    "rebalance()",
    "schedule(address,uint256,bytes,bytes32,bytes32,uint256)",
    "execute(address,uint256,bytes,bytes32,bytes32)",
    "propose(address[],uint256[],bytes[],string)",
    "castVote(uint256,uint8)",
];

static BY_SELECTOR: LazyLock<HashMap<[u8; 4], &'static str>> = LazyLock::new(|| {
    let named = |signature: &&'static str| Some((*keccak256(*signature).first_chunk::<4>()?, *signature));
    FUNCTIONS.iter().filter_map(named).collect()
});

/// A signature that has this selector, of a function that stands in many contracts.
pub fn signature_of(selector: Selector) -> Option<&'static str> {
    BY_SELECTOR.get(&selector.0).copied()
}

/// The function's name where it is known, else its selector; `payment` where there is none.
pub(crate) fn shown(selector: Option<Selector>) -> String {
    let Some(selector) = selector else { return "a plain payment".to_owned() };
    let name = signature_of(selector).and_then(|signature| signature.split_once('(')).map(|(name, _)| name);
    name.map_or_else(|| format!("`{selector}`"), |name| format!("`{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_the_functions_share_a_selector() {
        assert_eq!(BY_SELECTOR.len(), FUNCTIONS.len());
    }
}
