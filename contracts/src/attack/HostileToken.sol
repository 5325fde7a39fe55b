// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title A token of a stranger that lies in its events and answers every question in a manner of its own.
/// @notice WRITTEN FOR TESTS: whoever looks at balances must survive it and say what it could not learn.
contract HostileToken {
    /// @notice How questions are answered: with the same balance for everybody, not at all, with another number after each
    /// lie and a few bytes too many, with 2^20 bytes, or by using up all gas.
    enum Manner {
        Constant,
        Nothing,
        Garbage,
        Megabyte,
        Gas
    }

    /// @dev First in storage, so that a test without a deployment can set it.
    Manner private _manner;
    uint256 private _lies;

    /// @notice ERC-20: `from` gave `to` the amount. Nothing of it is true.
    event Transfer(address indexed from, address indexed to, uint256 amount);

    /// @notice A log without topics.
    event HostileTokenMumbled(bytes noise) anonymous;

    /// @notice A log of four topics that mean nothing.
    event HostileTokenShouted(
        bytes32 indexed first, bytes32 indexed second, bytes32 indexed third, bytes32 indexed fourth, bytes noise
    ) anonymous;

    /// @param manner_ How questions are answered.
    constructor(Manner manner_) {
        _manner = manner_;
    }

    /// @notice Answers everything else, `balanceOf` above all.
    fallback(bytes calldata) external returns (bytes memory answer) {
        if (_manner == Manner.Constant) answer = abi.encode(1_000);
        if (_manner == Manner.Garbage) answer = abi.encodePacked(keccak256(abi.encode(_lies)), bytes3(0xbadbad));
        if (_manner == Manner.Megabyte) answer = new bytes(1 << 20);
        while (_manner == Manner.Gas) {}
    }

    /// @notice Claims that `from` gave `to` `amount`.
    function pretend(address from, address to, uint256 amount) external {
        _lies += 1;
        emit Transfer(from, to, amount);
    }

    /// @notice Emits a log without topics and `size` bytes of noise.
    function mumble(uint256 size) external {
        emit HostileTokenMumbled(new bytes(size));
    }

    /// @notice Emits a log of four topics, the first of them `first`, and `size` bytes of noise.
    function shout(bytes32 first, uint256 size) external {
        bytes32 junk = keccak256(abi.encode(first));
        emit HostileTokenShouted(first, junk, ~junk, bytes32(type(uint256).max), new bytes(size));
    }
}
