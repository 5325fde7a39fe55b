// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title A pool whose liquidity stands between ticks; the price is four times as high from tick to tick.
/// @notice WRITTEN FOR DRILLS. The flaw: a swap upwards that ends exactly at a tick does not take away what ends there,
/// and the next one downwards adds it once more.
contract HeldTickPool {
    using SafeERC20 for IERC20;

    uint256 private constant _WHOLE = 1e18;

    IERC20 public immutable base;
    IERC20 public immutable quote;
    mapping(int256 tick => int256 liquidity) public net;
    mapping(address account => mapping(int256 lower => mapping(int256 upper => uint256 liquidity))) public positions;
    int256 public tick;
    /// @notice How much of the current tick's way upwards is done, of 1e18.
    uint256 public done;
    uint256 public active;

    event Swap(address indexed account, int256 tick, uint256 done, uint256 active);
    event Mint(address indexed account, int256 lower, int256 upper, uint256 liquidity);

    constructor(IERC20 base_, IERC20 quote_) {
        base = base_;
        quote = quote_;
    }

    /// @notice Provides liquidity from `lower` to `upper`, of both tokens as the price wants it.
    function mint(int256 lower, int256 upper, uint256 liquidity) external {
        uint256 bases = 0;
        uint256 quotes = 0;
        for (int256 at_ = lower; at_ < upper; at_++) {
            uint256 share = at_ < tick ? _WHOLE : at_ > tick ? 0 : done;
            quotes += _quotes(at_, liquidity, share);
            bases += _bases(at_, liquidity, _WHOLE - share);
        }
        net[lower] += int256(liquidity);
        net[upper] -= int256(liquidity);
        if (lower <= tick && tick < upper) active += liquidity;
        positions[msg.sender][lower][upper] += liquidity;
        base.safeTransferFrom(msg.sender, address(this), bases);
        quote.safeTransferFrom(msg.sender, address(this), quotes);
        emit Mint(msg.sender, lower, upper, liquidity);
    }

    /// @notice Moves the price up by `way` ticks (times 1e18): pays quote tokens, gets base tokens. The flaw.
    function buy(uint256 way) external {
        uint256 paid = 0;
        uint256 got = 0;
        while (way > 0) {
            uint256 step = way < _WHOLE - done ? way : _WHOLE - done;
            paid += _quotes(tick, active, step) + 1;
            got += _bases(tick, active, step);
            way -= step;
            done += step;
            if (done < _WHOLE) continue;
            (tick, done) = (tick + 1, 0);
            if (way > 0) active = uint256(int256(active) + net[tick]);
        }
        quote.safeTransferFrom(msg.sender, address(this), paid);
        base.safeTransfer(msg.sender, got);
        emit Swap(msg.sender, tick, done, active);
    }

    /// @notice Moves the price down by `way` ticks (times 1e18): pays base tokens, gets quote tokens.
    function sell(uint256 way) external {
        uint256 paid = 0;
        uint256 got = 0;
        while (way > 0) {
            if (done == 0) {
                active = uint256(int256(active) - net[tick]);
                (tick, done) = (tick - 1, _WHOLE);
            }
            uint256 step = way < done ? way : done;
            paid += _bases(tick, active, step) + 1;
            got += _quotes(tick, active, step);
            way -= step;
            done -= step;
        }
        base.safeTransferFrom(msg.sender, address(this), paid);
        quote.safeTransfer(msg.sender, got);
        emit Swap(msg.sender, tick, done, active);
    }

    /// @dev Quote tokens of a part of a tick.
    function _quotes(int256 at_, uint256 liquidity, uint256 part) internal pure returns (uint256) {
        uint256 all = at_ >= 0 ? liquidity << uint256(at_) : liquidity >> uint256(-at_);
        return all * part / _WHOLE;
    }

    /// @dev Base tokens of a part of a tick.
    function _bases(int256 at_, uint256 liquidity, uint256 part) internal pure returns (uint256) {
        uint256 all = at_ >= -1 ? liquidity >> uint256(at_ + 1) : liquidity << uint256(-at_ - 1);
        return all * part / _WHOLE;
    }
}
