// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

/// @title The proxy in front of the drill's wallet and strategy: plain ERC-1967.
contract ModuleProxy is ERC1967Proxy {
    /// @param implementation Code that runs on this contract's storage.
    /// @param data First call, on the new storage; must not be empty.
    constructor(address implementation, bytes memory data) payable ERC1967Proxy(implementation, data) {}
}
