// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Sealable} from "./Sealable.sol";

/// @title A two-token pool that keeps the product of its reserves, with a fee of 30 bps for its providers.
/// @notice Sound in itself. Its spot price can be moved by whoever trades enough, as that of every such pool.
contract ConstantProductPool is ERC20, Sealable, ReentrancyGuard {
    using SafeERC20 for IERC20;

    uint256 private constant _FEE_BPS = 30;
    uint256 private constant _WHOLE_BPS = 10_000;

    IERC20 private immutable _base;
    IERC20 private immutable _quote;
    uint256 private _baseReserve;
    uint256 private _quoteReserve;

    /// @notice `account` swapped `amountIn` of `tokenIn` for `amountOut` of the other token.
    event PoolSwapped(address indexed account, address indexed tokenIn, uint256 amountIn, uint256 amountOut);

    /// @notice The reserves after a change of liquidity or a swap.
    event PoolReservesChanged(uint256 baseReserve, uint256 quoteReserve);

    /// @notice `token` is none of the two tokens of this pool.
    error PoolUnknownToken(address token);

    /// @notice The deposit would take `taken`; at most `allowed` was offered.
    error PoolInputTooHigh(uint256 taken, uint256 allowed);

    /// @notice The swap or deposit would give `given`; at least `wanted` was asked for.
    error PoolOutputTooLow(uint256 given, uint256 wanted);

    /// @param base_ The token that is priced.
    /// @param quote_ The token in which it is priced.
    /// @param guardian_ May seal.
    /// @param steward_ May open.
    constructor(IERC20 base_, IERC20 quote_, address guardian_, address steward_)
        ERC20("Drill Pool Share", "dPOOL")
        Sealable(guardian_, steward_)
    {
        _base = base_;
        _quote = quote_;
    }

    /// @notice Takes `baseIn` and its worth of the other token, at most `maxQuoteIn`, rounded up; gives shares, rounded
    /// down. The first provider sets the price: all of `maxQuoteIn` is taken.
    function addLiquidity(uint256 baseIn, uint256 maxQuoteIn)
        external
        nonReentrant
        whenNotPaused
        returns (uint256 shares)
    {
        uint256 supply = totalSupply();
        uint256 quoteIn = supply == 0
            ? maxQuoteIn
            : Math.mulDiv(baseIn, _quoteReserve, _baseReserve, Math.Rounding.Ceil);
        shares = supply == 0 ? Math.sqrt(baseIn * quoteIn) : Math.mulDiv(baseIn, supply, _baseReserve);
        if (quoteIn > maxQuoteIn) revert PoolInputTooHigh(quoteIn, maxQuoteIn);
        if (shares == 0) revert PoolOutputTooLow(0, 1);
        _base.safeTransferFrom(msg.sender, address(this), baseIn);
        _quote.safeTransferFrom(msg.sender, address(this), quoteIn);
        _setReserves(_baseReserve + baseIn, _quoteReserve + quoteIn);
        _mint(msg.sender, shares);
    }

    /// @notice Burns `shares` of the caller and pays their part of both reserves, rounded down.
    function removeLiquidity(uint256 shares)
        external
        nonReentrant
        whenNotPaused
        returns (uint256 baseOut, uint256 quoteOut)
    {
        uint256 supply = totalSupply();
        baseOut = Math.mulDiv(shares, _baseReserve, supply);
        quoteOut = Math.mulDiv(shares, _quoteReserve, supply);
        _burn(msg.sender, shares);
        _setReserves(_baseReserve - baseOut, _quoteReserve - quoteOut);
        _base.safeTransfer(msg.sender, baseOut);
        _quote.safeTransfer(msg.sender, quoteOut);
    }

    /// @notice Swaps `amountIn` of `tokenIn` for at least `minOut` of the other token, rounded down.
    function swap(IERC20 tokenIn, uint256 amountIn, uint256 minOut)
        external
        nonReentrant
        whenNotPaused
        returns (uint256 amountOut)
    {
        bool sellsBase = address(tokenIn) == address(_base);
        if (!sellsBase && address(tokenIn) != address(_quote)) revert PoolUnknownToken(address(tokenIn));
        (uint256 reserveIn, uint256 reserveOut) =
            sellsBase ? (_baseReserve, _quoteReserve) : (_quoteReserve, _baseReserve);
        uint256 net = amountIn * (_WHOLE_BPS - _FEE_BPS);
        amountOut = Math.mulDiv(reserveOut, net, reserveIn * _WHOLE_BPS + net);
        if (amountOut < minOut) revert PoolOutputTooLow(amountOut, minOut);
        tokenIn.safeTransferFrom(msg.sender, address(this), amountIn);
        if (sellsBase) _setReserves(reserveIn + amountIn, reserveOut - amountOut);
        else _setReserves(reserveOut - amountOut, reserveIn + amountIn);
        emit PoolSwapped(msg.sender, address(tokenIn), amountIn, amountOut);
        (sellsBase ? _quote : _base).safeTransfer(msg.sender, amountOut);
    }

    /// @notice Quote tokens per whole base token at the margin, rounded down.
    function spotPrice() external view returns (uint256) {
        return Math.mulDiv(_quoteReserve, 1e18, _baseReserve);
    }

    /// @notice Root of the product of the reserves per whole share, rounded down: fees raise it, nothing lowers it.
    function shareValue() external view returns (uint256) {
        uint256 supply = totalSupply();
        return supply == 0 ? 0 : Math.mulDiv(Math.sqrt(_baseReserve * _quoteReserve), 1e18, supply);
    }

    /// @dev Effects: both reserves, one event.
    function _setReserves(uint256 baseReserve, uint256 quoteReserve) internal {
        _baseReserve = baseReserve;
        _quoteReserve = quoteReserve;
        emit PoolReservesChanged(baseReserve, quoteReserve);
    }
}
