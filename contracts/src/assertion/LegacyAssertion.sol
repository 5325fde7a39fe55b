// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Assertion, PhEvm} from "./Interface.sol";
import {AssertedLibrary, AssertedVault} from "./Asserted.sol";

/// @notice Asks every question of the first version about `AssertedDriver.run`, and knows the answers.
contract LegacyAssertion is Assertion {
    AssertedVault private immutable vault;
    address private immutable driver;

    constructor(AssertedVault vault_, address driver_) {
        vault = vault_;
        driver = driver_;
    }

    function triggers() external view override {
        recorder.registerCallTrigger(this.forks.selector);
        recorder.registerCallTrigger(this.callForks.selector, AssertedVault.deposit.selector);
        recorder.registerStorageChangeTrigger(this.loads.selector);
        recorder.registerStorageChangeTrigger(this.logs.selector, bytes32(uint256(2)));
        recorder.registerBalanceChangeTrigger(this.inputs.selector);
        recorder.registerCallTrigger(this.otherInputs.selector);
        recorder.registerCallTrigger(this.changes.selector);
        recorder.registerCallTrigger(this.adopter.selector);
        recorder.registerCallTrigger(this.console.selector);
        recorder.registerCallTrigger(this.writesOfItsOwn.selector);
        recorder.registerCallTrigger(this.neverCalled.selector, AssertedVault.handOver.selector);
        recorder.registerStorageChangeTrigger(this.neverWritten.selector, bytes32(uint256(1)));
    }

    function forks() external {
        require(vault.totalAssets() == 1120 && vault.totalSupply() == 1127, "it begins after the transaction");
        ph.forkPreTx();
        require(vault.totalAssets() == 1000 && vault.totalSupply() == 1000, "before");
        require(address(vault).balance == 0, "balance before");
        ph.forkPostTx();
        require(vault.totalAssets() == 1120, "after");
        require(address(vault).balance == 5, "balance after");
        ph.forkPreState();
        require(vault.totalAssets() == 1000, "before, by its first name");
        ph.forkPostState();
        require(vault.totalAssets() == 1120, "after, by its first name");
    }

    function callForks() external {
        PhEvm.CallInputs[] memory calls = ph.getCallInputs(address(vault), AssertedVault.deposit.selector);
        ph.forkPreCall(calls[1].id);
        require(vault.totalSupply() == 1100 && vault.totalAssets() == 1100, "before the second deposit");
        require(vault.lock() == 0, "lock before");
        ph.forkPostCall(calls[1].id);
        require(vault.totalSupply() == 1150 && vault.totalAssets() == 1150, "after the second deposit");
        (bool found,) = address(ph).call(abi.encodeCall(PhEvm.forkPreCall, (999)));
        require(!found, "there is no such call");
        require(vault.totalSupply() == 1150, "a refused turn turns nothing");
    }

    function loads() external {
        require(uint256(ph.load(address(vault), 0)) == 1127, "after");
        ph.forkPreTx();
        require(uint256(ph.load(address(vault), 0)) == 1000, "before");
        require(ph.load(address(0xdead), bytes32(uint256(5))) == 0, "an account that does not exist");
    }

    function logs() external {
        PhEvm.Log[] memory all = ph.getLogs();
        require(all.length == 5, "two deposits of two logs each, one withdrawal; what failed has none");
        require(all[1].emitter == address(vault) && all[1].topics[0] == AssertedVault.Deposited.selector, "emitter");
        require(all[1].topics[1] == bytes32(uint256(uint160(driver))), "indexed");
        require(abi.decode(all[1].data, (uint256)) == 100, "data");
    }

    function inputs() external view {
        PhEvm.CallInputs[] memory calls = ph.getCallInputs(address(vault), AssertedVault.deposit.selector);
        require(calls.length == 2, "reverted calls are no calls");
        require(abi.decode(calls[0].input, (uint256)) == 100, "input comes without the selector");
        require(abi.decode(calls[1].input, (uint256)) == 50, "input of the second");
        require(calls[0].caller == driver && calls[0].target_address == address(vault), "accounts");
        require(calls[0].bytecode_address == address(vault) && calls[0].gas_limit > 0, "code and gas");
        require(calls[0].id < calls[1].id && calls[0].value == 0, "ids ascend");
        PhEvm.CallInputs[] memory payment = ph.getCallInputs(address(vault), bytes4(0));
        require(payment.length == 1 && payment[0].value == 5 && payment[0].input.length == 0, "a plain payment");
    }

    function otherInputs() external view {
        bytes4 view_ = AssertedVault.totalAssets.selector;
        require(ph.getStaticCallInputs(address(vault), view_).length == 1, "static");
        require(ph.getCallInputs(address(vault), view_).length == 0, "which is no plain call");
        bytes4 note = AssertedLibrary.note.selector;
        PhEvm.CallInputs[] memory inner = ph.getDelegateCallInputs(address(vault), note);
        require(inner.length == 1 && inner[0].target_address == address(vault), "delegate");
        require(inner[0].bytecode_address == address(vault.library_()), "whose code");
        require(inner[0].caller == driver, "a delegate call keeps the caller");
        PhEvm.CallInputs[] memory coded = ph.getCallCodeInputs(address(vault), note);
        require(coded.length == 1 && coded[0].caller == address(vault), "call code has another caller");
        require(coded[0].bytecode_address == address(vault.library_()), "and the same code");
        require(ph.getAllCallInputs(address(vault), note).length == 2, "all");
        require(ph.getAllCallInputs(address(vault), AssertedVault.failing.selector).length == 0, "it failed");
        require(ph.getAllCallInputs(address(1), note).length == 0, "nobody called it");
    }

    function changes() external view {
        bytes32[] memory values = ph.getStateChanges(address(vault), 0);
        require(values.length == 5, "the first value and four writes; what failed wrote nothing");
        require(uint256(values[0]) == 1000 && uint256(values[1]) == 1100, "first");
        require(uint256(values[2]) == 1150 && uint256(values[3]) == 1120 && uint256(values[4]) == 1127, "last");
        require(ph.getStateChanges(address(vault), bytes32(uint256(1))).length == 0, "never written");
        require(ph.getStateChanges(address(vault), bytes32(uint256(2))).length == 5, "written and written back");
    }

    function adopter() external view {
        require(ph.getAssertionAdopter() == address(vault), "adopter");
        require(msg.sender == address(0x1A4) && tx.gasprice == block.basefee, "caller");
        require(address(this) == 0x63F9abBE8aA6Ba1261Ef3B0CBfb25A5Ff8eEeD10, "where it stands");
    }

    function console() external view {
        address to = 0x000000000000000000636F6e736F6c652e6c6f67;
        (bool done,) = to.staticcall(abi.encodeWithSignature("log(string,uint256)", "supply", vault.totalSupply()));
        require(done, "the console takes everything");
    }

    uint256 private seen;

    /// @notice Its own storage stays, whatever moment it turns to.
    function writesOfItsOwn() external {
        seen = vault.totalSupply();
        ph.forkPreTx();
        require(seen == 1127 && vault.totalSupply() == 1000, "its storage is not the chain's");
        try this.turn() {} catch {}
        require(vault.totalSupply() == 1127, "it may turn in a call to itself");
    }

    function turn() external {
        require(msg.sender == address(this), "only itself");
        ph.forkPostTx();
    }

    function neverCalled() external pure {
        revert("nobody hands over");
    }

    function neverWritten() external pure {
        revert("nobody writes the owner");
    }
}

interface OldPhEvm {
    struct CallInputs {
        bytes input;
        uint64 gas_limit;
        address bytecode_address;
        address target_address;
        address caller;
        uint256 value;
    }

    function getCallInputs(address target, bytes4 selector) external view returns (CallInputs[] memory);
}

/// @notice As compiled against the interface of 2025, whose calls had six fields.
contract OldAssertion is Assertion {
    function triggers() external view override {
        recorder.registerCallTrigger(this.sixFields.selector);
    }

    function sixFields() external view {
        address vault = ph.getAssertionAdopter();
        OldPhEvm.CallInputs[] memory calls =
            OldPhEvm(address(ph)).getCallInputs(vault, AssertedVault.deposit.selector);
        require(calls.length == 2 && abi.decode(calls[1].input, (uint256)) == 50, "input");
        require(calls[1].target_address == vault && calls[1].value == 0, "the other fields");
    }
}
