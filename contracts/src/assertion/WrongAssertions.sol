// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Assertion, PhEvm} from "./Interface.sol";
import {AssertedVault, JunkToken, TurningToken} from "./Asserted.sol";

/// @notice Fails in every way that there is.
contract BrokenAssertion is Assertion {
    error SupplyFell(uint256 from, uint256 to, address vault);

    function triggers() external view override {
        recorder.registerCallTrigger(this.withWords.selector);
        recorder.registerCallTrigger(this.withNumbers.selector);
        recorder.registerCallTrigger(this.withPanic.selector);
        recorder.registerCallTrigger(this.withNothing.selector);
        recorder.registerCallTrigger(this.withInvalid.selector);
        recorder.registerCallTrigger(this.withBytes.selector);
    }

    function withWords() external pure {
        require(false, "assets are gone");
    }

    function withNumbers() external view {
        revert SupplyFell(5, 3, ph.getAssertionAdopter());
    }

    function withPanic() external view {
        uint256 zero = block.number - block.number;
        1 / zero;
    }

    function withNothing() external pure {
        assembly {
            revert(0, 0)
        }
    }

    function withInvalid() external pure {
        assembly {
            invalid()
        }
    }

    function withBytes() external pure {
        assembly {
            mstore(0, not(0))
            revert(0, 5)
        }
    }
}

/// @notice Needs more gas than it gets.
contract HungryAssertion is Assertion {
    function triggers() external view override {
        recorder.registerCallTrigger(this.forEver.selector);
        recorder.registerCallTrigger(this.longAndHolds.selector);
        recorder.registerCallTrigger(this.longAndBreaks.selector);
        recorder.registerCallTrigger(this.asksForEver.selector);
        recorder.registerCallTrigger(this.writesMuch.selector);
    }

    function forEver() external pure {
        while (true) {}
    }

    function longAndHolds() external view {
        work(2000);
    }

    function longAndBreaks() external view {
        work(2000);
        revert("found after long work");
    }

    function asksForEver() external {
        new JunkToken().balanceOf(address(this));
    }

    mapping(uint256 => uint256) private memory_;

    /// @notice A hundred new slots: two million gas by the price of the chain, 220,000 by that of reading.
    function writesMuch() external {
        for (uint256 i; i < 100; ++i) memory_[i] = i + 1;
    }

    function work(uint256 rounds) private view {
        uint256 sum;
        for (uint256 i; i < rounds; ++i) sum ^= uint256(keccak256(abi.encode(i, sum, block.number)));
        require(sum != 0);
    }
}

/// @notice Meets contracts that answer nonsense, and answers nonsense itself.
contract JunkAssertion is Assertion {
    function triggers() external view override {
        recorder.registerCallTrigger(this.returnsJunk.selector);
        recorder.registerCallTrigger(this.readsJunk.selector);
        recorder.registerCallTrigger(this.isTurned.selector);
    }

    function returnsJunk() external pure {
        assembly {
            mstore(0, not(0))
            return(0, 777)
        }
    }

    function readsJunk() external {
        (bool done, bytes memory data) = address(new JunkToken()).staticcall(abi.encodeWithSignature("totalSupply()"));
        require(done && data.length == 3, "three bytes");
        abi.decode(data, (uint256));
    }

    /// @notice A contract of the chain tries to turn it to another moment.
    function isTurned() external {
        AssertedVault vault = AssertedVault(payable(ph.getAssertionAdopter()));
        uint256 supply = vault.totalSupply();
        uint256 turned = TurningToken(address(vault.token())).totalSupply();
        require(turned == 0, "nobody but the assertion is answered");
        require(vault.totalSupply() == supply, "it stands where it stood");
    }

    function turn() external {
        ph.forkPreTx();
    }
}

/// @notice Uses what is not built, or not in its version.
contract UnsupportedAssertion is Assertion {
    function triggers() external view override {
        recorder.registerCallTrigger(this.stores.selector);
        recorder.registerCallTrigger(this.catches.selector);
        recorder.registerCallTrigger(this.usesTheSecond.selector);
        recorder.watchAnomaly(address(this), this.stores.selector, 7);
    }

    function stores() external {
        ph.store(0, 0);
    }

    function catches() external {
        try ph.store(0, 0) {} catch {}
    }

    function usesTheSecond() external view {
        ph.getTxObject();
    }
}

/// @notice Of the second version, and uses what only the first has.
contract TurningAssertion is Assertion {
    constructor() {
        specs.registerAssertionSpec(RESHIRAM);
    }

    function triggers() external view override {
        recorder.registerTxEndTrigger(this.turns.selector);
    }

    function turns() external {
        ph.forkPreTx();
    }
}

contract RefusingAssertion is Assertion {
    constructor(uint256 how) {
        if (how == 0) revert("not today");
        if (how == 1) specs.registerAssertionSpec(9);
        if (how == 2) {
            specs.registerAssertionSpec(0);
            specs.registerAssertionSpec(1);
        }
        if (how == 3) ph.getLogs();
        if (how == 4) recorder.registerCallTrigger(bytes4(0));
    }

    function triggers() external view override {}
}

contract MisnamedAssertion is Assertion {
    function triggers() external view override {
        recorder.registerCallTrigger(bytes4(0x12345678));
    }
}

contract NoAssertion {
    function something() external {}
}

/// @notice Reads a slot that may be missing.
contract ReadingAssertion is Assertion {
    function triggers() external view override {
        recorder.registerCallTrigger(this.reads.selector);
    }

    function reads() external view {
        require(ph.load(ph.getAssertionAdopter(), bytes32(uint256(77))) == 0, "not zero");
    }
}

/// @notice Runs for each deposit.
contract EachAssertion is Assertion {
    constructor() {
        specs.registerAssertionSpec(RESHIRAM);
    }

    function triggers() external view override {
        recorder.registerFnCallTrigger(this.each.selector, AssertedVault.deposit.selector);
    }

    function each() external view {
        require(ph.context().callStart == ph.context().callEnd);
    }
}

/// @notice Asks whatever it was given, of everybody who answers.
contract RawAssertion is Assertion {
    bytes private data;

    constructor(bytes memory data_) {
        data = data_;
        specs.registerAssertionSpec(2);
    }

    function triggers() external view override {
        recorder.registerCallTrigger(this.asks.selector);
    }

    function asks() external {
        bytes memory question = data;
        (bool ofPh,) = address(ph).call(question);
        (bool ofRecorder,) = address(recorder).call(question);
        (bool ofSpecs,) = address(specs).call(question);
        require(ofPh || !ofRecorder || !ofSpecs || true);
    }
}
