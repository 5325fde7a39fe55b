// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title What the attackers of the drills have in common: one master.
/// @notice WRITTEN FOR DRILLS against the contracts of this folder's parent; of no use against anything else.
abstract contract Thief {
    address internal immutable _master;

    /// @notice `caller` is not the master of this contract.
    error ThiefNotMaster(address caller);

    modifier onlyMaster() {
        if (msg.sender != _master) revert ThiefNotMaster(msg.sender);
        _;
    }

    /// @dev Whoever deploys is the master.
    constructor() {
        _master = msg.sender;
    }
}
