// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {ConstantProductPool} from "./ConstantProductPool.sol";
import {Sealable} from "./Sealable.sol";

/// @title Lends one token against another.
/// @notice WRITTEN FOR DRILLS. The flaw: collateral is worth what one pool's spot price says at that instant.
/// @dev No interest and no liquidations: the drill is about what the price lets out.
contract LendingMarket is Sealable, ReentrancyGuard {
    using SafeERC20 for IERC20;

    uint256 private constant _LOAN_TO_VALUE_BPS = 7_500;
    uint256 private constant _WHOLE_BPS = 10_000;

    IERC20 private immutable _collateralToken;
    IERC20 private immutable _loanToken;
    ConstantProductPool private immutable _pool;

    mapping(address account => uint256 amount) private _supplied;
    mapping(address account => uint256 amount) private _collateral;
    mapping(address account => uint256 amount) private _debt;
    uint256 private _totalCollateral;
    uint256 private _totalDebt;

    /// @notice A lender's balance was raised or lowered to `supplied`.
    event MarketSupplyChanged(address indexed account, uint256 supplied);

    /// @notice A borrower's position became this.
    event MarketPositionChanged(address indexed account, uint256 collateral, uint256 debt);

    /// @notice The debt `debt` is more than the collateral of `account` allows, `limit`.
    error MarketUndercollateralised(address account, uint256 debt, uint256 limit);

    /// @param collateralToken_ What borrowers leave.
    /// @param loanToken_ What they take.
    /// @param pool_ Where the price is read; its base must be the collateral, its quote the loan token.
    /// @param guardian_ May seal.
    /// @param steward_ May open.
    constructor(
        IERC20 collateralToken_,
        IERC20 loanToken_,
        ConstantProductPool pool_,
        address guardian_,
        address steward_
    ) Sealable(guardian_, steward_) {
        _collateralToken = collateralToken_;
        _loanToken = loanToken_;
        _pool = pool_;
    }

    /// @notice Lends `amount` to the market.
    function supply(uint256 amount) external nonReentrant whenNotPaused {
        _loanToken.safeTransferFrom(msg.sender, address(this), amount);
        _supplied[msg.sender] += amount;
        emit MarketSupplyChanged(msg.sender, _supplied[msg.sender]);
    }

    /// @notice Takes back `amount` of what the caller lent.
    function withdraw(uint256 amount) external nonReentrant whenNotPaused {
        _supplied[msg.sender] -= amount;
        emit MarketSupplyChanged(msg.sender, _supplied[msg.sender]);
        _loanToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Leaves `amount` of collateral.
    function depositCollateral(uint256 amount) external nonReentrant whenNotPaused {
        _collateralToken.safeTransferFrom(msg.sender, address(this), amount);
        _totalCollateral += amount;
        _setPosition(_collateral[msg.sender] + amount, _debt[msg.sender]);
    }

    /// @notice Takes back `amount` of collateral as far as the debt allows.
    function withdrawCollateral(uint256 amount) external nonReentrant whenNotPaused {
        _totalCollateral -= amount;
        _setPosition(_collateral[msg.sender] - amount, _debt[msg.sender]);
        _requireCovered(msg.sender);
        _collateralToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Borrows `amount` as far as the collateral allows.
    function borrow(uint256 amount) external nonReentrant whenNotPaused {
        _totalDebt += amount;
        _setPosition(_collateral[msg.sender], _debt[msg.sender] + amount);
        _requireCovered(msg.sender);
        _loanToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Pays back `amount` of the caller's debt.
    function repay(uint256 amount) external nonReentrant whenNotPaused {
        _loanToken.safeTransferFrom(msg.sender, address(this), amount);
        _totalDebt -= amount;
        _setPosition(_collateral[msg.sender], _debt[msg.sender] - amount);
    }

    /// @notice Value of all collateral at the pool's spot price per debt, in basis points, rounded down;
    /// the largest number when nobody owes anything.
    function collateralisationBps() external view returns (uint256) {
        if (_totalDebt == 0) return type(uint256).max;
        return Math.mulDiv(_valueOf(_totalCollateral), _WHOLE_BPS, _totalDebt);
    }

    /// @dev Effects: the caller's position, one event. Totals are the caller's job.
    function _setPosition(uint256 collateral, uint256 debt) internal {
        _collateral[msg.sender] = collateral;
        _debt[msg.sender] = debt;
        emit MarketPositionChanged(msg.sender, collateral, debt);
    }

    /// @dev Reverts when `account` owes more than its collateral allows at this instant's price.
    function _requireCovered(address account) internal view {
        uint256 limit = Math.mulDiv(_valueOf(_collateral[account]), _LOAN_TO_VALUE_BPS, _WHOLE_BPS);
        if (_debt[account] > limit) revert MarketUndercollateralised(account, _debt[account], limit);
    }

    /// @dev The flaw of the drill: one spot price, of this instant, from one pool. Rounded down.
    function _valueOf(uint256 collateral) internal view returns (uint256) {
        return Math.mulDiv(collateral, _pool.spotPrice(), 1e18);
    }
}
