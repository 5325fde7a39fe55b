// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Sealable} from "./Sealable.sol";

/// @title Keeps a token in whole units whose price grows with the rewards paid in.
/// @notice WRITTEN FOR DRILLS. The flaw: `withdraw` rounds the units it burns down, so an amount just below the price
/// of one unit costs nothing.
contract RewardsBank is Sealable, ReentrancyGuard {
    using SafeERC20 for IERC20;

    uint256 private constant _FIRST_PRICE = 100e18;

    IERC20 private immutable _token;
    mapping(address account => uint256 units) private _units;
    uint256 private _totalUnits;

    /// @notice `account` paid `amount` for `units`.
    event BankDeposited(address indexed account, uint256 units, uint256 amount);

    /// @notice `account` was paid `amount` for `units`.
    event BankWithdrawn(address indexed account, uint256 units, uint256 amount);

    /// @notice `amount` was paid in for all holders.
    event BankRewarded(address indexed payer, uint256 amount);

    /// @notice `account` holds `held` units and needs `needed`.
    error BankUnitsTooFew(address account, uint256 needed, uint256 held);

    /// @param token_ What is kept.
    /// @param guardian_ May seal.
    /// @param steward_ May open.
    constructor(IERC20 token_, address guardian_, address steward_) Sealable(guardian_, steward_) {
        _token = token_;
    }

    /// @notice Sells `units` to the caller at the current price, rounded up.
    function deposit(uint256 units) external nonReentrant whenNotPaused {
        uint256 amount = _totalUnits == 0
            ? units * _FIRST_PRICE
            : Math.mulDiv(units, _token.balanceOf(address(this)), _totalUnits, Math.Rounding.Ceil);
        _token.safeTransferFrom(msg.sender, address(this), amount);
        _totalUnits += units;
        _units[msg.sender] += units;
        emit BankDeposited(msg.sender, units, amount);
    }

    /// @notice Buys `units` back from the caller at the current price, rounded down. Sound.
    function redeem(uint256 units) external nonReentrant whenNotPaused {
        uint256 amount = Math.mulDiv(units, _token.balanceOf(address(this)), _totalUnits);
        _burnAndPay(units, amount);
    }

    /// @notice Pays `amount` to the caller for as many units as it is worth.
    /// @dev The flaw of the drill: the units are rounded down, in favour of the caller.
    function withdraw(uint256 amount) external nonReentrant whenNotPaused {
        if (_units[msg.sender] == 0) revert BankUnitsTooFew(msg.sender, 1, 0);
        _burnAndPay(amount / unitPrice(), amount);
    }

    /// @notice Pays `amount` in for all holders.
    function reward(uint256 amount) external nonReentrant whenNotPaused {
        _token.safeTransferFrom(msg.sender, address(this), amount);
        emit BankRewarded(msg.sender, amount);
    }

    /// @notice Units of `account`.
    function unitsOf(address account) external view returns (uint256) {
        return _units[account];
    }

    /// @notice Tokens that one unit is worth, rounded down.
    function unitPrice() public view returns (uint256) {
        return _totalUnits == 0 ? _FIRST_PRICE : _token.balanceOf(address(this)) / _totalUnits;
    }

    /// @dev Effects: the caller's units, one event, one transfer.
    function _burnAndPay(uint256 units, uint256 amount) internal {
        uint256 held = _units[msg.sender];
        if (units > held) revert BankUnitsTooFew(msg.sender, units, held);
        _units[msg.sender] = held - units;
        _totalUnits -= units;
        emit BankWithdrawn(msg.sender, units, amount);
        _token.safeTransfer(msg.sender, amount);
    }
}
