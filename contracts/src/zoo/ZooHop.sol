// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Passes calls on: what stands between a sender and the contract that he means.
/// @notice WRITTEN FOR DRILLS. Used by the zoo's mutators to split and to hide.
contract ZooHop {
    /// @notice Calls each of `targets` with the data of the same place, in order.
    function forward(address[] calldata targets, bytes[] calldata data) external payable {
        for (uint256 index = 0; index < targets.length; index++) Address.functionCall(targets[index], data[index]);
    }
}

/// @title Does nothing that matters, loudly: logs that claim transfers, storage that changes.
/// @notice WRITTEN FOR DRILLS. Used by the zoo's mutators as noise.
contract ZooNoise {
    mapping(uint256 place => uint256 value) private _noise;

    /// @notice As a token would say it.
    event Transfer(address indexed from, address indexed to, uint256 value);

    /// @notice Claims `times` transfers of small amounts between `from` and `to`, and back.
    function chatter(address from, address to, uint256 times) external {
        for (uint256 time = 0; time < times; time++) {
            _noise[time] += 1;
            emit Transfer(from, to, time + 1);
            emit Transfer(to, from, time + 1);
        }
    }
}
