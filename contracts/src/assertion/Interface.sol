// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice What assertion contracts may ask about a transaction, as far as Cofferdam answers it, in the order of the
/// reference. Selectors, addresses and structs are those of the published interface.
interface PhEvm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    struct LogQuery {
        address emitter;
        bytes32 signature;
    }

    struct CallInputs {
        bytes input;
        uint64 gas_limit;
        address bytecode_address;
        address target_address;
        address caller;
        uint256 value;
        uint256 id;
    }

    struct TxObject {
        address from;
        address to;
        uint256 value;
        uint64 chain_id;
        uint64 gas_limit;
        uint128 gas_price;
        bytes input;
    }

    struct StaticCallResult {
        bool ok;
        bytes data;
    }

    struct Erc20TransferData {
        address token_addr;
        address from;
        address to;
        uint256 value;
    }

    struct ForkId {
        uint8 forkType;
        uint256 callIndex;
    }

    struct TriggerContext {
        bytes4 selector;
        uint256 callStart;
        uint256 callEnd;
    }

    struct CallFilter {
        uint8 callType;
        uint32 minDepth;
        uint32 maxDepth;
        bool topLevelOnly;
        bool successOnly;
    }

    struct TriggerCall {
        uint256 callId;
        uint256 parentCallId;
        address caller;
        address target;
        address codeAddress;
        bytes4 selector;
        uint32 depth;
        uint8 callType;
        bool success;
        uint256 value;
        bytes input;
    }

    struct OutflowContext {
        address token;
        uint256 cumulativeOutflow;
        uint256 absoluteOutflow;
        uint256 currentBps;
        uint256 tvlSnapshot;
        uint256 windowStart;
        uint256 windowEnd;
    }

    struct InflowContext {
        address token;
        uint256 cumulativeInflow;
        uint256 absoluteInflow;
        uint256 currentBps;
        uint256 tvlSnapshot;
        uint256 windowStart;
        uint256 windowEnd;
    }

    function forkPreTx() external;
    function forkPostTx() external;
    function forkPreState() external;
    function forkPostState() external;
    function forkPreCall(uint256 id) external;
    function forkPostCall(uint256 id) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function getLogs() external returns (Log[] memory);
    function getAllCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory);
    function getCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory);
    function getStaticCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory);
    function getDelegateCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory);
    function getCallCodeInputs(address target, bytes4 selector) external view returns (CallInputs[] memory);
    function getStateChanges(address target, bytes32 slot) external view returns (bytes32[] memory);
    function getAssertionAdopter() external view returns (address);

    function loadStateAt(bytes32 slot, ForkId calldata fork) external view returns (bytes32);
    function loadStateAt(address target, bytes32 slot, ForkId calldata fork) external view returns (bytes32);
    function staticcallAt(address target, bytes calldata data, uint64 gas_limit, ForkId calldata fork)
        external
        view
        returns (StaticCallResult memory);
    function getLogsQuery(LogQuery calldata query, ForkId calldata fork) external view returns (Log[] memory);
    function getLogsForCall(LogQuery calldata query, uint256 callId) external view returns (Log[] memory);
    function callinputAt(uint256 callId) external view returns (bytes memory);
    function callOutputAt(uint256 callId) external view returns (bytes memory);
    function matchingCalls(address target, bytes4 selector, CallFilter calldata filter, uint256 limit)
        external
        view
        returns (TriggerCall[] memory);
    function context() external view returns (TriggerContext memory);
    function getTxObject() external view returns (TxObject memory);
    function getErc20Transfers(address token, ForkId calldata fork) external view returns (Erc20TransferData[] memory);
    function getErc20TransfersForTokens(address[] calldata tokens, ForkId calldata fork)
        external
        view
        returns (Erc20TransferData[] memory);
    function changedErc20BalanceDeltas(address token, ForkId calldata fork)
        external
        view
        returns (Erc20TransferData[] memory);
    function reduceErc20BalanceDeltas(address token, ForkId calldata fork)
        external
        view
        returns (Erc20TransferData[] memory);
    function conserveBalance(ForkId calldata fork0, ForkId calldata fork1, address token) external returns (bool);
    function conserveBalance(ForkId calldata fork0, ForkId calldata fork1, address token, address account)
        external
        returns (bool);
    function forbidChangeForSlot(bytes32 slot) external returns (bool);
    function forbidChangeForSlots(bytes32[] calldata slots) external returns (bool);
    function assetsMatchSharePrice(address vault, uint256 toleranceBps) external returns (bool);
    function assetsMatchSharePriceAt(address vault, uint256 toleranceBps, ForkId calldata fork0, ForkId calldata fork1)
        external
        returns (bool);
    function outflowContext() external view returns (OutflowContext memory);
    function inflowContext() external view returns (InflowContext memory);
    function mulDivDown(uint256 x, uint256 y, uint256 denominator) external pure returns (uint256);
    function mulDivUp(uint256 x, uint256 y, uint256 denominator) external pure returns (uint256);
    function normalizeDecimals(uint256 amount, uint8 fromDecimals, uint8 toDecimals) external pure returns (uint256);
    function ratioGe(uint256 num1, uint256 den1, uint256 num2, uint256 den2, uint256 toleranceBps)
        external
        pure
        returns (bool);

    /// @dev Not built: for the tests of what is said then.
    function store(bytes32 key, bytes32 value) external;
}

interface TriggerRecorder {
    function registerStorageChangeTrigger(bytes4 fn) external view;
    function registerStorageChangeTrigger(bytes4 fn, bytes32 slot) external view;
    function registerBalanceChangeTrigger(bytes4 fn) external view;
    function registerCallTrigger(bytes4 fn) external view;
    function registerCallTrigger(bytes4 fn, bytes4 trigger) external view;
    function registerFnCallTrigger(bytes4 fn, bytes4 trigger) external view;
    function registerTxEndTrigger(bytes4 fn) external view;
    function registerErc20ChangeTrigger(bytes4 fn, address token) external view;
    function watchCumulativeOutflow(address token, uint256 bps, uint256 window, bytes4 fn) external view;
    function watchCumulativeInflow(address token, uint256 bps, uint256 window, bytes4 fn) external view;
    /// @dev Not built: for the tests of what is said then.
    function watchAnomaly(address target, bytes4 fn, uint8 level) external view;
}

interface SpecRecorder {
    function registerAssertionSpec(uint8 spec) external view;
}

/// @notice What all assertion contracts of the tests have in common.
abstract contract Assertion {
    PhEvm internal constant ph = PhEvm(0x4461812e00718ff8D80929E3bF595AEaaa7b881E);
    TriggerRecorder internal constant recorder = TriggerRecorder(0x55BB9AD8Dc1EE06D47279fC2B23Cd755B7f2d326);
    SpecRecorder internal constant specs = SpecRecorder(0x3Cf4A3c0A0AF502eEf5907CC92584B70f01D686d);

    uint8 internal constant RESHIRAM = 1;

    function triggers() external view virtual;

    function preTx() internal pure returns (PhEvm.ForkId memory) {
        return PhEvm.ForkId(0, 0);
    }

    function postTx() internal pure returns (PhEvm.ForkId memory) {
        return PhEvm.ForkId(1, 0);
    }

    function preCall(uint256 id) internal pure returns (PhEvm.ForkId memory) {
        return PhEvm.ForkId(2, id);
    }

    function postCall(uint256 id) internal pure returns (PhEvm.ForkId memory) {
        return PhEvm.ForkId(3, id);
    }
}
