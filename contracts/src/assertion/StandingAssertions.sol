// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Assertion, PhEvm} from "./Interface.sol";

interface Answering {
    function totalSupply() external view returns (uint256);
    function totalAssets() external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function asset() external view returns (address);
}

/// @notice What a team might hold its vault to, by the first version; each of five invariants is a contract of its own.
/// Written to measure what assertions cost: none is broken by honest use.
contract StandingLegacy is Assertion {
    uint256 private immutable kind;

    constructor(uint256 kind_) {
        kind = kind_;
    }

    function triggers() external view override {
        bytes4[5] memory all = [
            this.priceHolds.selector,
            this.booksHold.selector,
            this.callsAreFew.selector,
            this.slotsHold.selector,
            this.logsAreOwn.selector
        ];
        recorder.registerCallTrigger(all[kind % 5]);
    }

    /// @notice One share is worth about as much after the transaction as before it.
    function priceHolds() external {
        Answering vault = Answering(ph.getAssertionAdopter());
        uint256 assets = vault.totalAssets();
        uint256 shares = vault.totalSupply();
        ph.forkPreTx();
        uint256 assetsBefore = vault.totalAssets();
        uint256 sharesBefore = vault.totalSupply();
        if (shares == 0 || sharesBefore == 0) return;
        require(assets * sharesBefore * 100 >= assetsBefore * shares * 99, "a share is worth less");
    }

    /// @notice The vault holds no more than the whole supply of its asset, before and after.
    function booksHold() external {
        Answering vault = Answering(ph.getAssertionAdopter());
        Answering token = Answering(vault.asset());
        require(token.balanceOf(address(vault)) <= token.totalSupply(), "after");
        ph.forkPreTx();
        require(token.balanceOf(address(vault)) <= token.totalSupply(), "before");
    }

    /// @notice No transaction withdraws or redeems more than a hundred times; the state before each call is looked at.
    function callsAreFew() external {
        Answering vault = Answering(ph.getAssertionAdopter());
        bytes4[4] memory doors = [bytes4(0xb460af94), bytes4(0xba087652), bytes4(0x6e553f65), bytes4(0x94bf804d)];
        for (uint256 door; door < doors.length; ++door) {
            PhEvm.CallInputs[] memory calls = ph.getCallInputs(address(vault), doors[door]);
            require(calls.length <= 100, "too many calls");
            for (uint256 i; i < calls.length; ++i) {
                ph.forkPreCall(calls[i].id);
                uint256 before = vault.totalSupply();
                ph.forkPostCall(calls[i].id);
                require(vault.totalSupply() <= before * 1000 + 1e30, "the supply ran away");
            }
        }
    }

    /// @notice The first slots change no more than ten times each.
    function slotsHold() external view {
        address vault = ph.getAssertionAdopter();
        for (uint256 slot; slot < 10; ++slot) {
            require(ph.getStateChanges(vault, bytes32(slot)).length <= 100, "written too often");
            ph.load(vault, bytes32(slot));
        }
    }

    /// @notice Every event has somebody who sent it.
    function logsAreOwn() external {
        PhEvm.Log[] memory logs = ph.getLogs();
        for (uint256 i; i < logs.length; ++i) require(logs[i].emitter != address(0), "nobody's log");
    }
}

/// @notice The same by the core of the second version.
contract StandingReshiram is Assertion {
    uint256 private immutable kind;

    constructor(uint256 kind_) {
        kind = kind_;
        specs.registerAssertionSpec(RESHIRAM);
    }

    function triggers() external view override {
        bytes4[5] memory all = [
            this.supplyIsBacked.selector,
            this.transfersAddUp.selector,
            this.tokenKeepsItsSupply.selector,
            this.callsEnd.selector,
            this.eventsAreBounded.selector
        ];
        recorder.registerTxEndTrigger(all[kind % 5]);
    }

    function asked(address target, bytes memory question, PhEvm.ForkId memory fork) private view returns (uint256) {
        PhEvm.StaticCallResult memory answer = ph.staticcallAt(target, question, 500_000, fork);
        return answer.ok && answer.data.length == 32 ? abi.decode(answer.data, (uint256)) : 0;
    }

    /// @notice Shares do not grow by more than a hundredth beyond what assets did.
    function supplyIsBacked() external view {
        address vault = ph.getAssertionAdopter();
        uint256 shares = asked(vault, abi.encodeCall(Answering.totalSupply, ()), preTx());
        uint256 later = asked(vault, abi.encodeCall(Answering.totalSupply, ()), postTx());
        uint256 assets = asked(vault, abi.encodeCall(Answering.totalAssets, ()), preTx());
        uint256 assetsLater = asked(vault, abi.encodeCall(Answering.totalAssets, ()), postTx());
        if (shares == 0 || later == 0) return;
        require(ph.ratioGe(assetsLater, later, assets, shares, 100), "shares without assets");
    }

    /// @notice No more of the asset is moved than there is of it, each pair of accounts by itself.
    function transfersAddUp() external view {
        address token = Answering(ph.getAssertionAdopter()).asset();
        PhEvm.Erc20TransferData[] memory sums = ph.reduceErc20BalanceDeltas(token, postTx());
        for (uint256 i; i < sums.length; ++i) require(sums[i].value < type(uint128).max, "more than there is");
    }

    /// @notice The supply of the asset is that before, or is asked of both moments at least.
    function tokenKeepsItsSupply() external {
        address vault = ph.getAssertionAdopter();
        ph.conserveBalance(preTx(), postTx(), Answering(vault).asset());
        ph.conserveBalance(preTx(), postTx(), Answering(vault).asset(), vault);
    }

    /// @notice All calls to the vault ended.
    function callsEnd() external view {
        address vault = ph.getAssertionAdopter();
        PhEvm.CallFilter memory any;
        any.successOnly = true;
        bytes4[4] memory doors = [bytes4(0xb460af94), bytes4(0xba087652), bytes4(0x6e553f65), bytes4(0x94bf804d)];
        for (uint256 door; door < doors.length; ++door) {
            PhEvm.TriggerCall[] memory calls = ph.matchingCalls(vault, doors[door], any, 50);
            for (uint256 i; i < calls.length; ++i) require(calls[i].success, "it did not end");
        }
    }

    /// @notice The vault says no more than a thousand things.
    function eventsAreBounded() external view {
        PhEvm.LogQuery memory own = PhEvm.LogQuery(ph.getAssertionAdopter(), 0);
        require(ph.getLogsQuery(own, postTx()).length <= 1000, "too many events");
    }
}
