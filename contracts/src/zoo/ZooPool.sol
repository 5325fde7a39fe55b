// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title A pool of two tokens that believes its balances, as the most copied one does.
/// @notice WRITTEN FOR DRILLS. Sound with `looseness` 1; the flaw: with more, the check of the product is that much
/// too weak (a fee changed in one place and not in the other). `swapRounded` rounds in favour of whoever swaps.
contract ZooPool is ERC20 {
    using SafeERC20 for IERC20;

    uint256 private constant _FEE_BPS = 30;
    uint256 private constant _WHOLE_BPS = 10_000;

    IERC20 public immutable base;
    IERC20 public immutable quote;
    uint256 private immutable _looseness;
    uint256 public baseReserve;
    uint256 public quoteReserve;

    /// @notice The reserves after a change.
    event ZooPoolReserves(uint256 baseReserve, uint256 quoteReserve);

    /// @notice `sender` took `baseOut` and `quoteOut`, having brought `baseIn` and `quoteIn`.
    event ZooPoolSwapped(address indexed sender, uint256 baseIn, uint256 quoteIn, uint256 baseOut, uint256 quoteOut);

    /// @notice The product would fall.
    error ZooPoolProductFalls();

    constructor(IERC20 base_, IERC20 quote_, uint256 looseness) ERC20("Zoo Pool Share", "zPOOL") {
        base = base_;
        quote = quote_;
        _looseness = looseness;
    }

    /// @notice Takes both tokens from the caller, gives shares; the first provider sets the price.
    function add(uint256 baseIn, uint256 quoteIn) external returns (uint256 shares) {
        base.safeTransferFrom(msg.sender, address(this), baseIn);
        quote.safeTransferFrom(msg.sender, address(this), quoteIn);
        uint256 supply = totalSupply();
        shares = supply == 0
            ? Math.sqrt(baseIn * quoteIn)
            : Math.min(Math.mulDiv(baseIn, supply, baseReserve), Math.mulDiv(quoteIn, supply, quoteReserve));
        _mint(msg.sender, shares);
        _update();
    }

    /// @notice Burns `shares` and pays out their part of both tokens.
    function remove(uint256 shares) external {
        uint256 supply = totalSupply();
        uint256 baseOut = Math.mulDiv(shares, baseReserve, supply);
        uint256 quoteOut = Math.mulDiv(shares, quoteReserve, supply);
        _burn(msg.sender, shares);
        base.safeTransfer(msg.sender, baseOut);
        quote.safeTransfer(msg.sender, quoteOut);
        _update();
    }

    /// @notice Swaps an exact amount of `tokenIn` for the other token.
    function swap(IERC20 tokenIn, uint256 amountIn) external returns (uint256 amountOut) {
        bool sellsBase = address(tokenIn) == address(base);
        (uint256 reserveIn, uint256 reserveOut) =
            sellsBase ? (baseReserve, quoteReserve) : (quoteReserve, baseReserve);
        uint256 charged = Math.mulDiv(amountIn, _WHOLE_BPS - _FEE_BPS, _WHOLE_BPS);
        amountOut = Math.mulDiv(charged, reserveOut, reserveIn + charged);
        tokenIn.safeTransferFrom(msg.sender, address(this), amountIn);
        _settle(sellsBase ? 0 : amountOut, sellsBase ? amountOut : 0);
    }

    /// @notice Pays out what is asked for, whatever came in before, as long as the product holds.
    function take(uint256 baseOut, uint256 quoteOut) external {
        _settle(baseOut, quoteOut);
    }

    /// @notice Swaps for quote tokens at a price in whole units. The flaw: what is paid is rounded down, to nothing.
    function swapRounded(uint256 quoteOut) external {
        uint256 baseIn = (quoteOut * baseReserve / quoteReserve) / 1e18 * 1e18;
        base.safeTransferFrom(msg.sender, address(this), baseIn);
        quote.safeTransfer(msg.sender, quoteOut);
        _update();
    }

    /// @notice Makes the reserves what the balances are.
    function sync() external {
        _update();
    }

    /// @notice Quote tokens per base token at this instant, times 1e18.
    function price() external view returns (uint256) {
        return Math.mulDiv(quoteReserve, 1e18, baseReserve);
    }

    /// @dev Pays out, then checks that the product holds after fees.
    function _settle(uint256 baseOut, uint256 quoteOut) internal {
        if (baseOut > 0) base.safeTransfer(msg.sender, baseOut);
        if (quoteOut > 0) quote.safeTransfer(msg.sender, quoteOut);
        uint256 baseNow = base.balanceOf(address(this));
        uint256 quoteNow = quote.balanceOf(address(this));
        uint256 baseIn = baseNow + baseOut - baseReserve;
        uint256 quoteIn = quoteNow + quoteOut - quoteReserve;
        uint256 baseCharged = baseNow * _WHOLE_BPS - baseIn * _FEE_BPS;
        uint256 quoteCharged = quoteNow * _WHOLE_BPS - quoteIn * _FEE_BPS;
        uint256 wanted = baseReserve * quoteReserve * _WHOLE_BPS ** 2;
        if (baseCharged * quoteCharged * _looseness < wanted) revert ZooPoolProductFalls();
        emit ZooPoolSwapped(msg.sender, baseIn, quoteIn, baseOut, quoteOut);
        _update();
    }

    /// @dev Effects: both reserves, one event.
    function _update() internal {
        baseReserve = base.balanceOf(address(this));
        quoteReserve = quote.balanceOf(address(this));
        emit ZooPoolReserves(baseReserve, quoteReserve);
    }
}

/// @title A pool of ether and a token whose shares others take as collateral.
/// @notice WRITTEN FOR DRILLS. The flaw: `remove` pays ether, which calls its receiver, before the tokens have left, so
/// that `price` is wrong for as long as the call lasts.
contract ZooEtherPool is ERC20 {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;

    constructor(IERC20 token_) ERC20("Zoo Ether Pool Share", "zEPOOL") {
        token = token_;
    }

    /// @notice Takes as many tokens as ether comes; gives shares.
    function add() external payable returns (uint256 shares) {
        uint256 etherBefore = address(this).balance - msg.value;
        shares = totalSupply() == 0 ? msg.value : Math.mulDiv(msg.value, totalSupply(), etherBefore);
        uint256 tokens =
            totalSupply() == 0 ? msg.value : Math.mulDiv(msg.value, token.balanceOf(address(this)), etherBefore);
        token.safeTransferFrom(msg.sender, address(this), tokens);
        _mint(msg.sender, shares);
    }

    /// @notice Burns `shares` and pays out their part.
    function remove(uint256 shares) external {
        uint256 supply = totalSupply();
        uint256 etherOut = Math.mulDiv(shares, address(this).balance, supply);
        uint256 tokensOut = Math.mulDiv(shares, token.balanceOf(address(this)), supply);
        _burn(msg.sender, shares);
        (bool paid,) = msg.sender.call{value: etherOut}("");
        require(paid, "not paid");
        token.safeTransfer(msg.sender, tokensOut);
    }

    /// @notice Ether and tokens per share, one taken for the other, times 1e18.
    function price() external view returns (uint256) {
        return Math.mulDiv(address(this).balance + token.balanceOf(address(this)), 1e18, totalSupply());
    }
}
