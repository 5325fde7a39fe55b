// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title A vault by ERC-4626 that lends a part of its assets to a strategy.
/// @notice WRITTEN FOR DRILLS. The flaws: shares without virtual offset, `report` believes anybody, and `credit`
/// mints shares without taking assets.
contract ZooVault is ERC4626 {
    using SafeERC20 for IERC20;
    using Math for uint256;

    address public immutable manager;
    uint256 public invested;

    /// @notice `invested` assets are now said to be in the strategy.
    event ZooVaultInvested(uint256 invested);

    /// @notice `caller` is not the manager.
    error ZooVaultNotManager(address caller);

    constructor(IERC20 asset_, address manager_) ERC20("Zoo Vault", "zVAULT") ERC4626(asset_) {
        manager = manager_;
    }

    /// @notice Moves assets to a strategy, or, with the amount that comes back, from it.
    function invest(address strategy, uint256 amount) external {
        if (msg.sender != manager) revert ZooVaultNotManager(msg.sender);
        invested += amount;
        emit ZooVaultInvested(invested);
        IERC20(asset()).safeTransfer(strategy, amount);
    }

    /// @notice Takes back `amount` from whoever holds it for the vault.
    function divest(uint256 amount) external {
        if (msg.sender != manager) revert ZooVaultNotManager(msg.sender);
        invested -= amount;
        emit ZooVaultInvested(invested);
        IERC20(asset()).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Says how much the strategy holds. The flaw: anybody may say it.
    function report(uint256 amount) external {
        invested = amount;
        emit ZooVaultInvested(amount);
    }

    /// @notice Meant for assets that came in by another way. The flaw: nobody looks whether they came.
    function credit(uint256 assets) external {
        _mint(msg.sender, convertToShares(assets));
    }

    /// @notice Redeems all shares of the caller and deposits what they are worth in `successor`, for him.
    function migrate(ERC4626 successor) external {
        uint256 shares = balanceOf(msg.sender);
        uint256 assets = _convertToAssets(shares, Math.Rounding.Floor);
        _withdraw(msg.sender, address(this), msg.sender, assets, shares);
        IERC20(asset()).forceApprove(address(successor), assets);
        successor.deposit(assets, msg.sender);
    }

    /// @notice What is here and what is invested.
    function totalAssets() public view override returns (uint256) {
        return super.totalAssets() + invested;
    }

    /// @dev Without the virtual share that would make a donation costly.
    function _convertToShares(uint256 assets, Math.Rounding rounding) internal view override returns (uint256) {
        return totalSupply() == 0 ? assets : assets.mulDiv(totalSupply(), totalAssets(), rounding);
    }

    /// @dev The inverse.
    function _convertToAssets(uint256 shares, Math.Rounding rounding) internal view override returns (uint256) {
        return totalSupply() == 0 ? shares : shares.mulDiv(totalAssets(), totalSupply(), rounding);
    }
}
