// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Assertion, PhEvm} from "./Interface.sol";
import {AssertedDriver, AssertedToken, AssertedVault} from "./Asserted.sol";

/// @notice Asks every question of the core of the second version about `AssertedDriver.run`, and knows the answers.
contract ReshiramAssertion is Assertion {
    AssertedVault private immutable vault;
    AssertedToken private immutable token;
    address private immutable driver;

    bytes32 private constant DEPOSITED = AssertedVault.Deposited.selector;

    constructor(AssertedVault vault_, AssertedToken token_, address driver_) {
        vault = vault_;
        token = token_;
        driver = driver_;
        specs.registerAssertionSpec(RESHIRAM);
    }

    function triggers() external view override {
        recorder.registerFnCallTrigger(this.eachDeposit.selector, AssertedVault.deposit.selector);
        recorder.registerTxEndTrigger(this.transaction.selector);
        recorder.registerTxEndTrigger(this.states.selector);
        recorder.registerTxEndTrigger(this.views.selector);
        recorder.registerTxEndTrigger(this.logs.selector);
        recorder.registerTxEndTrigger(this.matching.selector);
        recorder.registerErc20ChangeTrigger(this.transfers.selector, address(token));
        recorder.registerErc20ChangeTrigger(this.neverMoved.selector, address(vault));
        recorder.registerTxEndTrigger(this.conserved.selector);
        recorder.registerTxEndTrigger(this.slots.selector);
        recorder.registerTxEndTrigger(this.price.selector);
        recorder.registerTxEndTrigger(this.noFlow.selector);
        recorder.registerTxEndTrigger(this.arithmetic.selector);
        recorder.registerTxEndTrigger(this.refusals.selector);
    }

    /// @notice Runs twice: once for each deposit that was kept.
    function eachDeposit() external view {
        PhEvm.TriggerContext memory ctx = ph.context();
        require(ctx.selector == AssertedVault.deposit.selector, "selector");
        bytes memory input = ph.callinputAt(ctx.callStart);
        require(bytes4(input) == ctx.selector && input.length == 36, "the input has its selector");
        uint256 amount = uint256(bytes32(slice(input)));
        uint256 before = supplyAt(preCall(ctx.callStart));
        uint256 later = supplyAt(postCall(ctx.callEnd));
        require(later == before + amount, "each deposit adds its amount");
        require(abi.decode(ph.callOutputAt(ctx.callStart), (uint256)) == later, "the output is the supply");
        PhEvm.Log[] memory own = ph.getLogsForCall(PhEvm.LogQuery(address(vault), DEPOSITED), ctx.callStart);
        require(own.length == 1 && abi.decode(own[0].data, (uint256)) == amount, "the logs of this call");
    }

    function slice(bytes memory input) private pure returns (bytes memory words) {
        words = new bytes(input.length - 4);
        for (uint256 i; i < words.length; ++i) words[i] = input[i + 4];
    }

    function supplyAt(PhEvm.ForkId memory fork) private view returns (uint256) {
        return uint256(ph.loadStateAt(0, fork));
    }

    function transaction() external view {
        PhEvm.TxObject memory object = ph.getTxObject();
        require(object.to == driver && object.from != address(0) && object.value == 5, "accounts and value");
        require(bytes4(object.input) == AssertedDriver.run.selector, "input");
        require(object.chain_id == block.chainid && object.gas_limit == 1_000_000 && object.gas_price == 10, "the rest");
    }

    function states() external view {
        require(supplyAt(preTx()) == 1000 && supplyAt(postTx()) == 1127, "the adopter's slot");
        bytes32 slot = keccak256(abi.encode(address(vault), uint256(0)));
        require(uint256(ph.loadStateAt(address(token), slot, preTx())) == 1000, "another account, before");
        require(uint256(ph.loadStateAt(address(token), slot, postTx())) == 1120, "another account, after");
    }

    function views() external view {
        bytes memory question = abi.encodeCall(AssertedVault.totalAssets, ());
        PhEvm.StaticCallResult memory before = ph.staticcallAt(address(vault), question, 100_000, preTx());
        require(before.ok && abi.decode(before.data, (uint256)) == 1000, "before");
        PhEvm.StaticCallResult memory later = ph.staticcallAt(address(vault), question, 100_000, postTx());
        require(later.ok && abi.decode(later.data, (uint256)) == 1120, "after");
        bytes memory writing = abi.encodeCall(AssertedVault.handOver, (address(this)));
        require(!ph.staticcallAt(address(vault), writing, 100_000, postTx()).ok, "it may not write");
        PhEvm.StaticCallResult memory failed =
            ph.staticcallAt(address(vault), abi.encodeCall(AssertedVault.withdraw, (5000)), 100_000, postTx());
        require(!failed.ok && bytes4(failed.data) == bytes4(keccak256("Panic(uint256)")), "revert data");
        require(!ph.staticcallAt(address(vault), question, 300, postTx()).ok, "the gas that was named");
    }

    function logs() external view {
        PhEvm.LogQuery memory deposits = PhEvm.LogQuery(address(vault), DEPOSITED);
        PhEvm.LogQuery memory any;
        require(ph.getLogsQuery(deposits, postTx()).length == 2, "by emitter and signature");
        require(ph.getLogsQuery(PhEvm.LogQuery(address(token), 0), postTx()).length == 3, "by emitter");
        require(ph.getLogsQuery(any, postTx()).length == 5, "all");
        require(ph.getLogsQuery(any, preTx()).length == 0, "before there are none");
        PhEvm.CallInputs[] memory calls = ph.getCallInputs(address(vault), AssertedVault.deposit.selector);
        require(ph.getLogsQuery(deposits, preCall(calls[1].id)).length == 1, "before the second deposit");
        require(ph.getLogsQuery(deposits, postCall(calls[1].id)).length == 2, "after it");
        require(ph.getLogsForCall(any, calls[0].id).length == 2, "with those of the calls inside");
    }

    function matching() external view {
        PhEvm.CallFilter memory any;
        bytes4 deposit = AssertedVault.deposit.selector;
        PhEvm.TriggerCall[] memory calls = ph.matchingCalls(address(vault), deposit, any, 10);
        require(calls.length == 2 && calls[0].success && calls[0].callType == 1, "both deposits");
        require(calls[0].depth == 2 && calls[0].parentCallId == 0 && calls[0].caller == driver, "below the driver");
        require(calls[0].target == address(vault) && calls[0].codeAddress == address(vault), "accounts");
        require(calls[0].selector == deposit && abi.decode(calls[0].input, (uint256)) == 100, "without the selector");
        require(ph.matchingCalls(address(vault), deposit, any, 1).length == 1, "no more than asked for");
        any.topLevelOnly = true;
        require(ph.matchingCalls(address(vault), deposit, any, 10).length == 0, "not at the top");
        PhEvm.TriggerCall[] memory top = ph.matchingCalls(driver, AssertedDriver.run.selector, any, 10);
        require(top.length == 1 && top[0].depth == 1 && top[0].value == 5, "the transaction's own call");
        require(top[0].parentCallId == type(uint256).max, "has no parent");
        PhEvm.CallFilter memory deep = PhEvm.CallFilter(1, 3, 3, false, true);
        require(ph.matchingCalls(address(token), AssertedToken.move.selector, deep, 10).length == 3, "by depth");
        deep.callType = 2;
        require(ph.matchingCalls(address(token), AssertedToken.move.selector, deep, 10).length == 0, "by type");
    }

    function transfers() external view {
        PhEvm.Erc20TransferData[] memory all = ph.getErc20Transfers(address(token), postTx());
        require(all.length == 3 && all[0].token_addr == address(token), "three transfers");
        require(all[0].from == driver && all[0].to == address(vault) && all[0].value == 100, "the first");
        require(all[2].from == address(vault) && all[2].to == driver && all[2].value == 30, "the last");
        require(ph.changedErc20BalanceDeltas(address(token), postTx()).length == 3, "the same by another name");
        require(ph.getErc20Transfers(address(token), preTx()).length == 0, "before there are none");
        PhEvm.Erc20TransferData[] memory sums = ph.reduceErc20BalanceDeltas(address(token), postTx());
        require(sums.length == 2 && sums[0].value == 150 && sums[1].value == 30, "by pair");
        address[] memory tokens = new address[](2);
        tokens[0] = address(vault);
        tokens[1] = address(token);
        require(ph.getErc20TransfersForTokens(tokens, postTx()).length == 3, "of several tokens");
    }

    function neverMoved() external pure {
        revert("the vault is no token");
    }

    function conserved() external {
        require(ph.conserveBalance(preTx(), postTx(), address(token)), "supply");
        require(!ph.conserveBalance(preTx(), postTx(), address(token), address(vault)), "balance of the vault");
        require(ph.conserveBalance(preTx(), postTx(), address(token), address(this)), "balance of nobody");
    }

    function slots() external {
        require(!ph.forbidChangeForSlot(0) && ph.forbidChangeForSlot(bytes32(uint256(1))), "one slot");
        require(!ph.forbidChangeForSlot(bytes32(uint256(2))), "written back is written");
        bytes32[] memory some = new bytes32[](2);
        some[0] = bytes32(uint256(1));
        some[1] = bytes32(uint256(9));
        require(ph.forbidChangeForSlots(some), "untouched slots");
        some[1] = 0;
        require(!ph.forbidChangeForSlots(some), "one of them was written");
    }

    function price() external {
        require(ph.assetsMatchSharePrice(address(vault), 100), "within one percent");
        require(!ph.assetsMatchSharePrice(address(vault), 10), "shares out of nothing");
        PhEvm.CallInputs[] memory calls = ph.getCallInputs(address(vault), AssertedVault.deposit.selector);
        PhEvm.ForkId memory second = postCall(calls[1].id);
        require(ph.assetsMatchSharePriceAt(address(vault), 0, preTx(), second), "exact until then");
        require(!ph.assetsMatchSharePriceAt(address(vault), 0, second, postTx()), "and no longer");
    }

    function noFlow() external view {
        require(ph.outflowContext().token == address(0) && ph.outflowContext().windowEnd == 0, "outflow");
        require(ph.inflowContext().token == address(0) && ph.inflowContext().tvlSnapshot == 0, "inflow");
    }

    function arithmetic() external pure {
        uint256 most = type(uint256).max;
        require(ph.mulDivDown(most, most, most) == most && ph.mulDivDown(7, 3, 2) == 10, "down");
        require(ph.mulDivUp(7, 3, 2) == 11, "up");
        require(ph.normalizeDecimals(5, 6, 18) == 5e12 && ph.normalizeDecimals(5e12, 18, 6) == 5, "decimals");
        require(ph.ratioGe(99, 100, 1, 1, 100) && !ph.ratioGe(98, 100, 1, 1, 100), "ratios");
        require(ph.ratioGe(most, 1, most, 1, 0), "wide");
    }

    function refusals() external view {
        (bool context,) = address(ph).staticcall(abi.encodeCall(PhEvm.context, ()));
        require(!context, "no call fired this");
        (bool divided,) = address(ph).staticcall(abi.encodeCall(PhEvm.mulDivDown, (1, 1, 0)));
        require(!divided, "by zero");
        (bool fork,) = address(ph).staticcall(abi.encodeCall(PhEvm.getLogsQuery, (PhEvm.LogQuery(address(0), 0), PhEvm.ForkId(9, 0))));
        require(!fork, "no such fork");
        (bool call,) = address(ph).staticcall(abi.encodeCall(PhEvm.callinputAt, (type(uint256).max)));
        require(!call, "no such call");
        (bool cut,) = address(ph).staticcall(abi.encodePacked(PhEvm.callinputAt.selector, uint8(1)));
        require(!cut, "half a question");
    }
}

/// @notice Watches a token within one hour.
contract FlowAssertion is Assertion {
    AssertedToken private immutable token;

    constructor(AssertedToken token_) {
        token = token_;
        specs.registerAssertionSpec(RESHIRAM);
    }

    function triggers() external view override {
        recorder.watchCumulativeOutflow(address(token), 1000, 1 hours, this.tooMuchOut.selector);
        recorder.watchCumulativeInflow(address(token), 5000, 1 hours, this.tooMuchIn.selector);
    }

    error Out(uint256 net, uint256 gross, uint256 bps, uint256 held, uint256 duration);
    error In(uint256 net, uint256 gross, uint256 bps, uint256 held);

    function tooMuchOut() external view {
        PhEvm.OutflowContext memory c = ph.outflowContext();
        require(c.token == address(token) && ph.inflowContext().token == address(0), "token");
        revert Out(c.cumulativeOutflow, c.absoluteOutflow, c.currentBps, c.tvlSnapshot, c.windowEnd - c.windowStart);
    }

    function tooMuchIn() external view {
        PhEvm.InflowContext memory c = ph.inflowContext();
        revert In(c.cumulativeInflow, c.absoluteInflow, c.currentBps, c.tvlSnapshot);
    }
}

/// @notice The price must not move by more than one percent, not even in between.
contract PriceAssertion is Assertion {
    constructor() {
        specs.registerAssertionSpec(RESHIRAM);
    }

    function triggers() external view override {
        recorder.registerTxEndTrigger(this.atAnyMoment.selector);
        recorder.registerTxEndTrigger(this.fromEndToEnd.selector);
    }

    function atAnyMoment() external {
        require(ph.assetsMatchSharePrice(ph.getAssertionAdopter(), 100), "the price moved");
    }

    function fromEndToEnd() external {
        require(ph.assetsMatchSharePriceAt(ph.getAssertionAdopter(), 0, preTx(), postTx()), "the price moved");
    }
}
