// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title A pool of two coins that are worth nearly the same, by the usual invariant with amplification.
/// @notice WRITTEN FOR DRILLS. `exchange` is sound. The flaw: `exchangeFor`, for an exact amount out, scales what is asked
/// down to its own units first, so that what is below one unit is given for nothing.
contract HeldStablePool is ERC20 {
    using SafeERC20 for IERC20;

    uint256 private constant _AMPLIFICATION = 100;
    uint256 private constant _FEE_BPS = 4;

    IERC20[2] public coins;
    uint256 private immutable _unit;

    event TokenExchange(address indexed buyer, uint256 sold, uint256 tokensSold, uint256 bought, uint256 tokensBought);
    event AddLiquidity(address indexed provider, uint256[2] amounts, uint256 supply);
    event RemoveLiquidity(address indexed provider, uint256[2] amounts, uint256 supply);

    constructor(IERC20 first, IERC20 second, uint256 unit) ERC20("Held Stable Pool", "hSTABLE") {
        coins = [first, second];
        _unit = unit;
    }

    /// @notice Shares for both coins, by what they add to the invariant.
    function addLiquidity(uint256[2] calldata amounts) external returns (uint256 shares) {
        uint256 before = totalSupply() == 0 ? 0 : _invariant(_held(0), _held(1));
        for (uint256 index = 0; index < 2; index++) {
            if (amounts[index] > 0) coins[index].safeTransferFrom(msg.sender, address(this), amounts[index]);
        }
        uint256 next = _invariant(_held(0), _held(1));
        shares = totalSupply() == 0 ? next : totalSupply() * (next - before) / before * 9_990 / 10_000;
        _mint(msg.sender, shares);
        emit AddLiquidity(msg.sender, amounts, totalSupply());
    }

    /// @notice Pays out both coins in the pool's proportion.
    function removeLiquidity(uint256 shares) external {
        uint256 supply = totalSupply();
        uint256[2] memory amounts = [_held(0) * shares / supply, _held(1) * shares / supply];
        _burn(msg.sender, shares);
        coins[0].safeTransfer(msg.sender, amounts[0]);
        coins[1].safeTransfer(msg.sender, amounts[1]);
        emit RemoveLiquidity(msg.sender, amounts, totalSupply());
    }

    /// @notice Sells `amount` of coin `sold`.
    function exchange(uint256 sold, uint256 amount) external returns (uint256 out) {
        uint256 bought = 1 - sold;
        uint256 held = _held(bought);
        out = held - _other(_held(sold) + amount, _invariant(_held(0), _held(1))) - 1;
        out -= out * _FEE_BPS / 10_000;
        coins[sold].safeTransferFrom(msg.sender, address(this), amount);
        coins[bought].safeTransfer(msg.sender, out);
        emit TokenExchange(msg.sender, sold, amount, bought, out);
    }

    /// @notice Buys exact amounts of coin `bought`, one after the other, and pays once for all. The flaw.
    function exchangeFor(uint256 bought, uint256[] calldata outs) external returns (uint256 paid) {
        uint256 invariant = _invariant(_held(0), _held(1));
        uint256 out = 0;
        for (uint256 index = 0; index < outs.length; index++) {
            uint256 scaled = outs[index] / _unit * _unit;
            uint256 wanted = _other(_held(bought) - scaled, invariant);
            if (wanted > _held(1 - bought)) paid += wanted - _held(1 - bought);
            out += outs[index];
        }
        paid += paid * _FEE_BPS / 10_000;
        coins[1 - bought].safeTransferFrom(msg.sender, address(this), paid);
        coins[bought].safeTransfer(msg.sender, out);
        emit TokenExchange(msg.sender, 1 - bought, paid, bought, out);
    }

    /// @notice What would be given for `amount` of coin `sold`.
    function quote(uint256 sold, uint256 amount) external view returns (uint256) {
        return _held(1 - sold) - _other(_held(sold) + amount, _invariant(_held(0), _held(1))) - 1;
    }

    /// @notice What a share is worth in the invariant, times 1e18.
    function virtualPrice() external view returns (uint256) {
        return _invariant(_held(0), _held(1)) * 1e18 / totalSupply();
    }

    /// @dev What is here of one coin.
    function _held(uint256 index) internal view returns (uint256) {
        return coins[index].balanceOf(address(this));
    }

    /// @dev Newton's way to the invariant.
    function _invariant(uint256 x, uint256 y) internal pure returns (uint256 d) {
        uint256 sum = x + y;
        d = sum;
        uint256 ann = _AMPLIFICATION * 4;
        for (uint256 round = 0; round < 255; round++) {
            uint256 product = d * d / (2 * x) * d / (2 * y);
            uint256 last = d;
            d = (ann * sum + 2 * product) * d / ((ann - 1) * d + 3 * product);
            if (d > last ? d - last <= 1 : last - d <= 1) break;
        }
    }

    /// @dev How much there must be of one coin when there is `x` of the other.
    function _other(uint256 x, uint256 d) internal pure returns (uint256 y) {
        uint256 ann = _AMPLIFICATION * 4;
        uint256 c = d * d / (2 * x) * d / (2 * ann);
        uint256 b = x + d / ann;
        y = d;
        for (uint256 round = 0; round < 255; round++) {
            uint256 last = y;
            y = (y * y + c) / (2 * y + b - d);
            if (y > last ? y - last <= 1 : last - y <= 1) break;
        }
    }
}
