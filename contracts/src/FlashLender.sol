// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC3156FlashBorrower} from "@openzeppelin/contracts/interfaces/IERC3156FlashBorrower.sol";
import {IERC3156FlashLender} from "@openzeppelin/contracts/interfaces/IERC3156FlashLender.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Sealable} from "./Sealable.sol";

/// @title Lends one token for the length of a call (ERC-3156), for a fee of 5 bps.
/// @notice Sound. Fees stay in the contract as a reserve.
contract FlashLender is IERC3156FlashLender, Sealable, ReentrancyGuard {
    using SafeERC20 for IERC20;

    uint256 private constant _FEE_BPS = 5;
    bytes32 private constant _ACCEPTED = keccak256("ERC3156FlashBorrower.onFlashLoan");

    IERC20 private immutable _token;
    mapping(address account => uint256 amount) private _supplied;
    uint256 private _totalSupplied;

    /// @notice A provider's balance was raised or lowered to `supplied`.
    event FlashLenderSupplyChanged(address indexed account, uint256 supplied);

    /// @notice `receiver` borrowed `amount` and paid `fee`.
    event FlashLenderLent(address indexed receiver, uint256 amount, uint256 fee);

    /// @notice `token` is not lent here.
    error FlashLenderUnknownToken(address token);

    /// @notice `receiver` did not accept the loan.
    error FlashLenderNotAccepted(address receiver);

    /// @param token_ What is lent.
    /// @param guardian_ May seal.
    /// @param steward_ May open.
    constructor(IERC20 token_, address guardian_, address steward_) Sealable(guardian_, steward_) {
        _token = token_;
    }

    /// @notice Provides `amount` for loans.
    function supply(uint256 amount) external nonReentrant whenNotPaused {
        _token.safeTransferFrom(msg.sender, address(this), amount);
        _totalSupplied += amount;
        _supplied[msg.sender] += amount;
        emit FlashLenderSupplyChanged(msg.sender, _supplied[msg.sender]);
    }

    /// @notice Takes back `amount` of what the caller provided.
    function withdraw(uint256 amount) external nonReentrant whenNotPaused {
        _totalSupplied -= amount;
        _supplied[msg.sender] -= amount;
        emit FlashLenderSupplyChanged(msg.sender, _supplied[msg.sender]);
        _token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IERC3156FlashLender
    function flashLoan(IERC3156FlashBorrower receiver, address token, uint256 amount, bytes calldata data)
        external
        nonReentrant
        whenNotPaused
        returns (bool)
    {
        uint256 fee = _fee(token, amount);
        _token.safeTransfer(address(receiver), amount);
        bytes32 answer = receiver.onFlashLoan(msg.sender, token, amount, fee, data);
        if (answer != _ACCEPTED) revert FlashLenderNotAccepted(address(receiver));
        _token.safeTransferFrom(address(receiver), address(this), amount + fee);
        emit FlashLenderLent(address(receiver), amount, fee);
        return true;
    }

    /// @inheritdoc IERC3156FlashLender
    function maxFlashLoan(address token) external view returns (uint256) {
        return token == address(_token) && !paused() ? _token.balanceOf(address(this)) : 0;
    }

    /// @inheritdoc IERC3156FlashLender
    function flashFee(address token, uint256 amount) external view returns (uint256) {
        return _fee(token, amount);
    }

    /// @notice Tokens held per token provided, in basis points, rounded down; 10,000 when nothing is provided.
    function backingBps() external view returns (uint256) {
        return _totalSupplied == 0 ? 10_000 : Math.mulDiv(_token.balanceOf(address(this)), 10_000, _totalSupplied);
    }

    /// @dev Rounded up, in favour of the providers.
    function _fee(address token, uint256 amount) internal view returns (uint256) {
        if (token != address(_token)) revert FlashLenderUnknownToken(token);
        return Math.mulDiv(amount, _FEE_BPS, 10_000, Math.Rounding.Ceil);
    }
}
