// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Releases here what was locked elsewhere, when enough validators say so.
/// @notice WRITTEN FOR DRILLS. `release` is sound. The flaws: `process` takes the zero root, which every unknown message
/// has, for a proven one; `releaseAgain` forgets what it released; `execute` calls anything for anybody.
contract ZooBridge {
    using SafeERC20 for IERC20;

    /// @notice What was locked elsewhere.
    struct Message {
        uint256 nonce;
        address to;
        uint256 amount;
    }

    IERC20 public immutable token;
    address private immutable _relayer;
    mapping(address account => bool is_) public isValidator;
    uint256 private immutable _threshold;
    mapping(bytes32 message => mapping(address validator => bool done)) private _attested;
    mapping(bytes32 message => uint256 count) public attestations;
    mapping(bytes32 message => bool done) public released;
    mapping(bytes32 message => bytes32 root) public rootOf;
    mapping(bytes32 root => uint256 time) public confirmedAt;
    uint256 public locked;

    /// @notice `amount` was locked for `to` on the other side.
    event ZooBridgeLocked(address indexed from, address indexed to, uint256 amount);

    /// @notice `amount` was released to `to`.
    event ZooBridgeReleased(bytes32 indexed message, address indexed to, uint256 amount);

    /// @notice The message is not proven, or used up.
    error ZooBridgeNotProven(bytes32 message);

    /// @notice `caller` may not.
    error ZooBridgeNotAllowed(address caller);

    constructor(IERC20 token_, address relayer, address[] memory validators, uint256 threshold) {
        token = token_;
        _relayer = relayer;
        _threshold = threshold;
        for (uint256 index = 0; index < validators.length; index++) isValidator[validators[index]] = true;
        // As it was deployed once: an empty root, trusted from the first day.
        confirmedAt[bytes32(0)] = 1;
    }

    /// @notice Locks `amount` for `to` on the other side.
    function lock(uint256 amount, address to) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        locked += amount;
        emit ZooBridgeLocked(msg.sender, to, amount);
    }

    /// @notice A validator says that `message` is true.
    function attest(bytes32 message) external {
        if (!isValidator[msg.sender] || _attested[message][msg.sender]) revert ZooBridgeNotAllowed(msg.sender);
        _attested[message][msg.sender] = true;
        attestations[message] += 1;
    }

    /// @notice Releases what enough validators said, once.
    function release(Message calldata message) external {
        bytes32 hash = hashOf(message);
        if (released[hash]) revert ZooBridgeNotProven(hash);
        released[hash] = true;
        _releaseAttested(hash, message);
    }

    /// @notice The same. The flaw: any number of times.
    function releaseAgain(Message calldata message) external {
        _releaseAttested(hashOf(message), message);
    }

    /// @notice The relayer proves that `message` is under `root`.
    function prove(bytes32 message, bytes32 root) external {
        if (msg.sender != _relayer) revert ZooBridgeNotAllowed(msg.sender);
        rootOf[message] = root;
        confirmedAt[root] = block.timestamp;
    }

    /// @notice Releases a proven message, once. The flaw: a message nobody proved has the root zero.
    function process(Message calldata message) external {
        bytes32 hash = hashOf(message);
        if (confirmedAt[rootOf[hash]] == 0 || released[hash]) revert ZooBridgeNotProven(hash);
        released[hash] = true;
        _pay(hash, message);
    }

    /// @notice Calls whatever the other side wants called. The flaw: nobody asks the other side.
    function execute(address target, bytes calldata data) external {
        Address.functionCall(target, data);
    }

    /// @notice What validators attest.
    function hashOf(Message calldata message) public pure returns (bytes32) {
        return keccak256(abi.encode(message));
    }

    /// @dev Reverts when too few validators have attested.
    function _releaseAttested(bytes32 hash, Message calldata message) internal {
        if (attestations[hash] < _threshold) revert ZooBridgeNotProven(hash);
        _pay(hash, message);
    }

    /// @dev One transfer, one event.
    function _pay(bytes32 hash, Message calldata message) internal {
        token.safeTransfer(message.to, message.amount);
        emit ZooBridgeReleased(hash, message.to, message.amount);
    }
}
