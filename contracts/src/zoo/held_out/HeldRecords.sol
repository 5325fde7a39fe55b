// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {HeldStablePool} from "./HeldStable.sol";

/// @title Keeps two coins for its depositors, who bring and take the first one.
/// @notice WRITTEN FOR DRILLS. The flaw: the second is counted at what a pool would give for a part of it at this instant.
contract HeldTwoCoinVault {
    using SafeERC20 for IERC20;

    uint256 private constant _PROBE = 1_000e18;

    IERC20 public immutable first;
    IERC20 public immutable second;
    HeldStablePool private immutable _pool;
    mapping(address account => uint256 amount) public shares;
    uint256 public totalShares;

    event Deposit(address indexed account, uint256 assets, uint256 shares);
    event Withdraw(address indexed account, uint256 assets, uint256 shares);

    constructor(HeldStablePool pool) {
        _pool = pool;
        first = pool.coins(0);
        second = pool.coins(1);
    }

    /// @notice What everything is worth in the first coin. The flaw.
    function totalAssets() public view returns (uint256) {
        uint256 price = _pool.quote(1, _PROBE) * 1e18 / _PROBE;
        return first.balanceOf(address(this)) + second.balanceOf(address(this)) * price / 1e18;
    }

    /// @notice Shares for the first coin.
    function deposit(uint256 amount) external returns (uint256 made) {
        made = totalShares == 0 ? amount : amount * totalShares / totalAssets();
        first.safeTransferFrom(msg.sender, address(this), amount);
        shares[msg.sender] += made;
        totalShares += made;
        emit Deposit(msg.sender, amount, made);
    }

    /// @notice The first coin for shares.
    function withdraw(uint256 amount) external returns (uint256 paid) {
        paid = amount * totalAssets() / totalShares;
        shares[msg.sender] -= amount;
        totalShares -= amount;
        first.safeTransfer(msg.sender, paid);
        emit Withdraw(msg.sender, paid, amount);
    }
}

/// @title Does what enough of its owners signed.
/// @notice WRITTEN FOR DRILLS. The flaw: an owner who signed twice is two owners.
contract HeldSigners {
    mapping(address account => bool is_) public isOwner;
    uint256 public immutable threshold;
    uint256 public nonce;

    event ExecutionSuccess(bytes32 indexed txHash, uint256 payment);

    constructor(address[] memory owners, uint256 threshold_) {
        for (uint256 index = 0; index < owners.length; index++) isOwner[owners[index]] = true;
        threshold = threshold_;
    }

    receive() external payable {}

    /// @notice Does a call with these signatures. The flaw.
    function execute(
        address target,
        uint256 value,
        bytes calldata data,
        uint8[] calldata v,
        bytes32[] calldata r,
        bytes32[] calldata s
    ) external {
        bytes32 hash = keccak256(abi.encode(address(this), nonce++, target, value, data));
        for (uint256 index = 0; index < threshold; index++) {
            require(isOwner[ecrecover(hash, v[index], r[index], s[index])], "not an owner");
        }
        Address.functionCallWithValue(target, data, value);
        emit ExecutionSuccess(hash, 0);
    }
}
