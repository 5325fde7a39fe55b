// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title A proxy whose slot 0 names the code that it runs, as a Safe's does.
/// @notice WRITTEN FOR DRILLS.
contract ZooSafeProxy {
    address private _singleton;

    constructor(address singleton, bytes memory setup) {
        _singleton = singleton;
        Address.functionDelegateCall(singleton, setup);
    }

    receive() external payable {}

    /// @dev Everything is the singleton's business.
    fallback(bytes calldata data) external payable returns (bytes memory) {
        return Address.functionDelegateCall(_singleton, data);
    }
}

/// @title Asked before each transaction of a multisig.
interface IZooGuard {
    /// @notice Reverts when the transaction must not be.
    function checkTransaction(address to, uint256 value, bytes calldata data, uint8 operation) external view;
}

/// @title A guard that allows no delegate calls and no more than `limit` wei at once.
contract ZooGuard is IZooGuard {
    uint256 private immutable _limit;

    constructor(uint256 limit) {
        _limit = limit;
    }

    /// @inheritdoc IZooGuard
    function checkTransaction(address, uint256 value, bytes calldata, uint8 operation) external view {
        require(operation == 0 && value <= _limit, "guarded");
    }
}

/// @title A multisig in the shape of a Safe: owners approve hashes, enough of them execute. Same events.
/// @notice WRITTEN FOR DRILLS. Sound; in the zoo its owners are deceived, or too few of them are left.
contract ZooSafe {
    address private _singleton;
    mapping(address account => bool is_) public isOwner;
    mapping(address account => bool is_) public isModuleEnabled;
    mapping(bytes32 hash => mapping(address owner => bool done)) private _approved;
    address[] private _owners;
    uint256 public threshold;
    uint256 public nonce;
    address public guard;

    event AddedOwner(address indexed owner);
    event RemovedOwner(address indexed owner);
    event ChangedThreshold(uint256 threshold);
    event EnabledModule(address indexed module);
    event ChangedGuard(address indexed guard);
    event ApproveHash(bytes32 indexed approvedHash, address indexed owner);
    event ExecutionSuccess(bytes32 indexed txHash, uint256 payment);
    event ExecutionFromModuleSuccess(address indexed module);

    /// @notice `caller` may not.
    error ZooSafeNotAllowed(address caller);

    /// @notice `seen` owners approved, `wanted` are needed.
    error ZooSafeTooFew(uint256 seen, uint256 wanted);

    modifier onlySelf() {
        if (msg.sender != address(this)) revert ZooSafeNotAllowed(msg.sender);
        _;
    }

    /// @notice Once.
    function setup(address[] calldata owners, uint256 threshold_) external {
        if (threshold != 0) revert ZooSafeNotAllowed(msg.sender);
        for (uint256 index = 0; index < owners.length; index++) _add(owners[index]);
        threshold = threshold_;
    }

    /// @notice An owner approves the transaction with this hash.
    function approveHash(bytes32 hash) external {
        if (!isOwner[msg.sender]) revert ZooSafeNotAllowed(msg.sender);
        _approved[hash][msg.sender] = true;
        emit ApproveHash(hash, msg.sender);
    }

    /// @notice Executes what enough owners approved; `operation` 1 is a delegate call.
    function execTransaction(address to, uint256 value, bytes calldata data, uint8 operation) external {
        bytes32 hash = hashOf(to, value, data, operation, nonce);
        uint256 count = 0;
        for (uint256 index = 0; index < _owners.length; index++) {
            if (_approved[hash][_owners[index]] || _owners[index] == msg.sender) count += 1;
        }
        if (count < threshold) revert ZooSafeTooFew(count, threshold);
        if (guard != address(0)) IZooGuard(guard).checkTransaction(to, value, data, operation);
        nonce += 1;
        _execute(to, value, data, operation);
        emit ExecutionSuccess(hash, 0);
    }

    /// @notice A module executes by itself.
    function execTransactionFromModule(address to, uint256 value, bytes calldata data, uint8 operation) external {
        if (!isModuleEnabled[msg.sender]) revert ZooSafeNotAllowed(msg.sender);
        _execute(to, value, data, operation);
        emit ExecutionFromModuleSuccess(msg.sender);
    }

    /// @notice One more owner, and a new threshold.
    function addOwnerWithThreshold(address owner, uint256 threshold_) external onlySelf {
        _add(owner);
        emit AddedOwner(owner);
        changeThreshold(threshold_);
    }

    /// @notice A new threshold.
    function changeThreshold(uint256 threshold_) public onlySelf {
        if (threshold_ != threshold) emit ChangedThreshold(threshold_);
        threshold = threshold_;
    }

    /// @notice A module may execute from now on.
    function enableModule(address module) external onlySelf {
        isModuleEnabled[module] = true;
        emit EnabledModule(module);
    }

    /// @notice Another guard, or none.
    function setGuard(address guard_) external onlySelf {
        guard = guard_;
        emit ChangedGuard(guard_);
    }

    /// @notice What owners approve.
    function hashOf(address to, uint256 value, bytes calldata data, uint8 operation, uint256 nonce_)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(address(this), to, value, data, operation, nonce_));
    }

    /// @dev Effects: one owner.
    function _add(address owner) internal {
        isOwner[owner] = true;
        _owners.push(owner);
    }

    /// @dev The call or delegate call itself.
    function _execute(address to, uint256 value, bytes calldata data, uint8 operation) internal {
        if (operation == 1) Address.functionDelegateCall(to, data);
        else if (data.length == 0) Address.sendValue(payable(to), value);
        else Address.functionCallWithValue(to, data, value);
    }
}
