// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC3156FlashBorrower} from "@openzeppelin/contracts/interfaces/IERC3156FlashBorrower.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Lends any token that it holds within one transaction, for nothing.
/// @notice WRITTEN FOR DRILLS. Sound.
contract ZooFlashLender {
    using SafeERC20 for IERC20;

    bytes32 private constant _ACCEPTED = keccak256("ERC3156FlashBorrower.onFlashLoan");

    /// @notice `amount` of `token` was lent to `receiver`, and came back.
    event ZooFlashLenderLent(address indexed receiver, address indexed token, uint256 amount);

    /// @notice `receiver` did not accept the loan.
    error ZooFlashLenderNotAccepted(address receiver);

    /// @notice Lends `amount` of `token`; takes it back by the allowance that the receiver must have given.
    function flashLoan(IERC3156FlashBorrower receiver, IERC20 token, uint256 amount, bytes calldata data)
        external
        returns (bool)
    {
        token.safeTransfer(address(receiver), amount);
        if (receiver.onFlashLoan(msg.sender, address(token), amount, 0, data) != _ACCEPTED) {
            revert ZooFlashLenderNotAccepted(address(receiver));
        }
        token.safeTransferFrom(address(receiver), address(this), amount);
        emit ZooFlashLenderLent(address(receiver), address(token), amount);
        return true;
    }
}
