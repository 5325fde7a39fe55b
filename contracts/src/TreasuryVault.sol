// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Sealable} from "./Sealable.sol";

/// @title Keeps a token for depositors and lets one strategy put it to work.
/// @notice WRITTEN FOR DRILLS. The flaw: the strategy may draw any amount, and its code can be exchanged by one key.
/// @dev This contract is not upgradable, so its own pause holds whatever becomes of the strategy.
contract TreasuryVault is Sealable, ReentrancyGuard {
    using SafeERC20 for IERC20;

    IERC20 private immutable _token;
    address private immutable _founder;
    address private _strategy;
    mapping(address account => uint256 amount) private _deposits;
    uint256 private _totalDeposits;
    uint256 private _outstanding;

    /// @notice The vault trusts `strategy` from now on.
    event TreasuryConnected(address indexed strategy);

    /// @notice A depositor's balance was raised or lowered to `deposits`.
    event TreasuryDepositChanged(address indexed account, uint256 deposits);

    /// @notice The strategy holds `outstanding` tokens of the vault by the vault's books.
    event TreasuryOutstandingChanged(uint256 outstanding);

    /// @notice `caller` may not do this.
    error TreasuryNotAllowed(address caller);

    /// @param token_ What is kept.
    /// @param founder_ May name the strategy, once.
    /// @param guardian_ May seal.
    /// @param steward_ May open.
    constructor(IERC20 token_, address founder_, address guardian_, address steward_) Sealable(guardian_, steward_) {
        _token = token_;
        _founder = founder_;
    }

    /// @notice Names the strategy. Founder only, once.
    function connect(address strategy_) external {
        if (msg.sender != _founder || _strategy != address(0)) revert TreasuryNotAllowed(msg.sender);
        _strategy = strategy_;
        emit TreasuryConnected(strategy_);
    }

    /// @notice Takes `amount` from the caller into the vault.
    function deposit(uint256 amount) external nonReentrant whenNotPaused {
        _token.safeTransferFrom(msg.sender, address(this), amount);
        _totalDeposits += amount;
        _deposits[msg.sender] += amount;
        emit TreasuryDepositChanged(msg.sender, _deposits[msg.sender]);
    }

    /// @notice Pays `amount` of the caller's deposit back.
    function withdraw(uint256 amount) external nonReentrant whenNotPaused {
        _totalDeposits -= amount;
        _deposits[msg.sender] -= amount;
        emit TreasuryDepositChanged(msg.sender, _deposits[msg.sender]);
        _token.safeTransfer(msg.sender, amount);
    }

    /// @notice Hands `amount` to the strategy. Strategy only.
    function draw(uint256 amount) external nonReentrant whenNotPaused {
        if (msg.sender != _strategy) revert TreasuryNotAllowed(msg.sender);
        _outstanding += amount;
        emit TreasuryOutstandingChanged(_outstanding);
        _token.safeTransfer(msg.sender, amount);
    }

    /// @notice Takes `amount` back from the strategy. Strategy only.
    function giveBack(uint256 amount) external nonReentrant whenNotPaused {
        if (msg.sender != _strategy) revert TreasuryNotAllowed(msg.sender);
        _token.safeTransferFrom(msg.sender, address(this), amount);
        _outstanding -= amount;
        emit TreasuryOutstandingChanged(_outstanding);
    }

    /// @notice Tokens in the vault itself per token owed, in basis points, rounded down; 10,000 when nothing is owed.
    function idleBps() external view returns (uint256) {
        return _totalDeposits == 0 ? 10_000 : Math.mulDiv(_token.balanceOf(address(this)), 10_000, _totalDeposits);
    }
}
