//! The interface that assertion contracts speak: what they call, at which addresses, in which version.
//!
//! Written from the published MIT-licensed interface. It must only be added to: deployed assertions carry these
//! selectors in their code.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "expanded by `sol!`; the reference of the interface is its documentation"
)]

use alloy_sol_types::sol;
use revm::primitives::{Address, address};

/// What assertions ask about the transaction.
pub(super) const PH: Address = address!("4461812e00718ff8D80929E3bF595AEaaa7b881E");
/// Takes what `triggers()` registers.
pub(super) const TRIGGER_RECORDER: Address = address!("55BB9AD8Dc1EE06D47279fC2B23Cd755B7f2d326");
/// Takes the version of the interface in the constructor.
pub(super) const SPEC_RECORDER: Address = address!("3cf4a3c0a0af502eef5907cc92584b70f01d686d");
/// The console of Foundry and Hardhat.
pub(super) const CONSOLE: Address = address!("000000000000000000636F6e736F6c652e6c6f67");
/// Deploys assertions, and calls them.
pub(super) const CALLER: Address = address!("00000000000000000000000000000000000001A4");
/// Where every assertion contract stands: what [`CALLER`] creates with nonce 0.
pub(super) const CONTRACT: Address = address!("63f9abbe8aa6ba1261ef3b0cbfb25a5ff8eeed10");
/// The caller's nonce in every run.
pub(super) const NONCE: u64 = 42;

sol! {
    struct Log { bytes32[] topics; bytes data; address emitter; }

    struct LogQuery { address emitter; bytes32 signature; }

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

    struct StaticCallResult { bool ok; bytes data; }

    struct Erc20TransferData { address token_addr; address from; address to; uint256 value; }

    struct ForkId { uint8 forkType; uint256 callIndex; }

    struct TriggerContext { bytes4 selector; uint256 callStart; uint256 callEnd; }

    struct CallFilter { uint8 callType; uint32 minDepth; uint32 maxDepth; bool topLevelOnly; bool successOnly; }

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

    struct FlowContext {
        address token;
        uint256 cumulative;
        uint256 gross;
        uint256 currentBps;
        uint256 tvlSnapshot;
        uint256 windowStart;
        uint256 windowEnd;
    }

    /// Both versions; which calls belong to which is decided in `dispatch`.
    interface Ph {
        function forkPreTx() external;
        function forkPostTx() external;
        function forkPreState() external;
        function forkPostState() external;
        function forkPreCall(uint256 id) external;
        function forkPostCall(uint256 id) external;
        function load(address target, bytes32 slot) external view returns (bytes32 data);
        function getLogs() external returns (Log[] memory logs);
        function getAllCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory calls);
        function getCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory calls);
        function getStaticCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory calls);
        function getDelegateCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory calls);
        function getCallCodeInputs(address target, bytes4 selector) external view returns (CallInputs[] memory calls);
        function getStateChanges(address target, bytes32 slot) external view returns (bytes32[] memory stateChanges);
        function getAssertionAdopter() external view returns (address);

        function loadStateAt(bytes32 slot, ForkId calldata fork) external view returns (bytes32 value);
        function loadStateAt(address target, bytes32 slot, ForkId calldata fork) external view returns (bytes32 value);
        function staticcallAt(address target, bytes calldata data, uint64 gas_limit, ForkId calldata fork) external view returns (StaticCallResult memory result);
        function getLogsQuery(LogQuery calldata query, ForkId calldata fork) external view returns (Log[] memory logs);
        function getLogsForCall(LogQuery calldata query, uint256 callId) external view returns (Log[] memory logs);
        function callinputAt(uint256 callId) external view returns (bytes memory input);
        function callOutputAt(uint256 callId) external view returns (bytes memory output);
        function matchingCalls(address target, bytes4 selector, CallFilter calldata filter, uint256 limit) external view returns (TriggerCall[] memory calls);
        function context() external view returns (TriggerContext memory ctx);
        function getTxObject() external view returns (TxObject memory txObject);
        function getErc20Transfers(address token, ForkId calldata fork) external view returns (Erc20TransferData[] memory transfers);
        function getErc20TransfersForTokens(address[] calldata tokens, ForkId calldata fork) external view returns (Erc20TransferData[] memory transfers);
        function changedErc20BalanceDeltas(address token, ForkId calldata fork) external view returns (Erc20TransferData[] memory deltas);
        function reduceErc20BalanceDeltas(address token, ForkId calldata fork) external view returns (Erc20TransferData[] memory deltas);
        function conserveBalance(ForkId calldata fork0, ForkId calldata fork1, address token) external returns (bool);
        function conserveBalance(ForkId calldata fork0, ForkId calldata fork1, address token, address account) external returns (bool);
        function forbidChangeForSlot(bytes32 slot) external returns (bool ok);
        function forbidChangeForSlots(bytes32[] calldata slots) external returns (bool ok);
        function assetsMatchSharePrice(address vault, uint256 toleranceBps) external returns (bool);
        function assetsMatchSharePriceAt(address vault, uint256 toleranceBps, ForkId calldata fork0, ForkId calldata fork1) external returns (bool);
        function outflowContext() external view returns (FlowContext memory ctx);
        function inflowContext() external view returns (FlowContext memory ctx);
        function mulDivDown(uint256 x, uint256 y, uint256 denominator) external pure returns (uint256 result);
        function mulDivUp(uint256 x, uint256 y, uint256 denominator) external pure returns (uint256 result);
        function normalizeDecimals(uint256 amount, uint8 fromDecimals, uint8 toDecimals) external pure returns (uint256 result);
        function ratioGe(uint256 num1, uint256 den1, uint256 num2, uint256 den2, uint256 toleranceBps) external pure returns (bool);
    }

    /// Known by name and not built: a clear answer is all they get.
    interface Unsupported {
        function store(bytes32 key, bytes32 value) external;
        function load(bytes32 key) external view returns (bytes32 value);
        function exists(bytes32 key) external view returns (bool doesExist);
        function values_left() external view returns (uint256 remaining);
        function changedMappingKeys(address target, bytes32 baseSlot) external view returns (bytes[] memory keys);
        function mappingValueDiff(address target, bytes32 baseSlot, bytes calldata key, uint256 fieldOffset) external view returns (bytes32 pre, bytes32 post, bool changed);
        function oracleSanity(address target, bytes calldata data, uint256 bpsDeviation) external returns (bool);
        function oracleSanityAt(address target, bytes calldata data, uint256 bpsDeviation, ForkId calldata initialFork, ForkId calldata currentFork) external returns (bool);
        function outflowRate() external view;
        function inflowRate() external view;
        function anomalyContext() external view;
    }

    interface Triggers {
        function registerStorageChangeTrigger(bytes4 fnSelector) external view;
        function registerStorageChangeTrigger(bytes4 fnSelector, bytes32 slot) external view;
        function registerBalanceChangeTrigger(bytes4 fnSelector) external view;
        function registerCallTrigger(bytes4 fnSelector, bytes4 triggerSelector) external view;
        function registerCallTrigger(bytes4 fnSelector) external view;
        function registerFnCallTrigger(bytes4 fnSelector, bytes4 triggerSelector) external view;
        function registerTxEndTrigger(bytes4 fnSelector) external view;
        function registerErc20ChangeTrigger(bytes4 fnSelector, address token) external view;
        function watchCumulativeOutflow(address token, uint256 thresholdBps, uint256 windowDuration, bytes4 fnSelector) external view;
        function watchCumulativeInflow(address token, uint256 thresholdBps, uint256 windowDuration, bytes4 fnSelector) external view;
    }

    interface Spec {
        function registerAssertionSpec(uint8 spec) external view;
    }

    interface Entry {
        function triggers() external view;
    }

    interface Views {
        function balanceOf(address account) external view returns (uint256);
        function totalSupply() external view returns (uint256);
        function totalAssets() external view returns (uint256);
    }
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::SolInterface;
    use revm::primitives::keccak256;

    use super::*;

    fn low(text: &str) -> Address {
        Address::from_word(keccak256(text))
    }

    #[test]
    fn addresses_are_those_that_deployed_assertions_carry() {
        assert_eq!(low("TriggerRecorder"), TRIGGER_RECORDER);
        assert_eq!(low("SpecRecorder"), SPEC_RECORDER);
        assert_eq!(CALLER.create(0), CONTRACT);
    }

    #[test]
    fn selectors_are_those_of_the_published_interface() {
        for (selector, name) in [
            (0x23f8_689d_u32, "forkPreTx"),
            (0x077b_4769, "forkPostTx"),
            (0xa099_60eb, "forkPreState"),
            (0x70c0_dc2e, "forkPostState"),
            (0x7d93_379c, "forkPreCall"),
            (0xddfa_0576, "forkPostCall"),
            (0x667f_9d70, "load"),
            (0xfe29_0ccb, "getLogs"),
            (0x8a19_6c17, "getAllCallInputs"),
            (0x0fd7_f2b5, "getCallInputs"),
            (0x38cd_d2bb, "getStaticCallInputs"),
            (0x2b28_c589, "getDelegateCallInputs"),
            (0x4f4b_3d13, "getCallCodeInputs"),
            (0x8362_0407, "getStateChanges"),
            (0xf0af_d132, "getAssertionAdopter"),
            (0x231b_85f0, "getTxObject"),
            (0x6891_2775, "loadStateAt(slot)"),
            (0xde01_8f04, "loadStateAt(address,slot)"),
            (0x53b8_c8ed, "staticcallAt"),
            (0xdd56_4e3a, "getLogsQuery"),
            (0xd049_6d6a, "context"),
            (0x6cb6_ae7e, "callinputAt"),
            (0x69f2_3c1c, "callOutputAt"),
            (0x0dc1_cc5d, "matchingCalls"),
        ] {
            assert!(Ph::PhCalls::valid_selector(selector.to_be_bytes()), "{name}");
        }
        for (selector, name) in [
            (0xdfcd_3e3c_u32, "registerCallTrigger"),
            (0x1096_d171, "registerCallTrigger"),
            (0x671f_82f2, "registerStorageChangeTrigger"),
            (0x2cf2_4c8d, "registerStorageChangeTrigger"),
            (0x45a1_b5c0, "registerBalanceChangeTrigger"),
            (0xe6af_e2a2, "registerFnCallTrigger"),
            (0xde7b_f6cc, "registerTxEndTrigger"),
            (0x2100_1e7d, "registerErc20ChangeTrigger"),
            (0x5ce5_29ca, "watchCumulativeOutflow"),
            (0x63fa_34d0, "watchCumulativeInflow"),
        ] {
            assert!(Triggers::TriggersCalls::valid_selector(selector.to_be_bytes()), "{name}");
        }
        assert!(Spec::SpecCalls::valid_selector(0x83ef_8b5c_u32.to_be_bytes()));
        assert!(Entry::EntryCalls::valid_selector(0x7bbb_19dc_u32.to_be_bytes()));
    }
}
