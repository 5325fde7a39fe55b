// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title An attacker's contract: carries out the plans that it was given, and answers calls back by further acts.
/// @notice WRITTEN FOR DRILLS, against the zoo's own contracts. One contract for all attacks, so that every attack can
/// be split, delayed, hidden behind proxies or mixed with noise by changing its plan and not its code.
contract Puppet {
    /// @notice One call. `value` at its largest means all the ether there is. Where `asked` is not zero it is asked
    /// `question` first, and the word that it answers is written over `data` at byte `place`.
    struct Act {
        address to;
        uint256 value;
        bytes data;
        uint256 times;
        address asked;
        bytes question;
        uint256 place;
    }

    /// @notice `acts` in order; each call back from outside is answered by the next of `answers`, an encoded `Act[]`.
    struct Plan {
        Act[] acts;
        bytes[] answers;
    }

    bytes32 private constant _FLASH_LOAN_ACCEPTED = keccak256("ERC3156FlashBorrower.onFlashLoan");

    address private _owner;
    bytes[] private _plans;
    uint256 private _running;
    uint256 private _answered;

    /// @notice `caller` is not who put the plans here.
    error PuppetNotOwner(address caller);

    /// @param plans Encoded plans; none when they are loaded later. Ether that comes along is there for the acts.
    constructor(address owner_, bytes[] memory plans) payable {
        _load(owner_, plans);
    }

    /// @notice Takes the plans, once: for proxies, whose constructor did not run here.
    function load(address owner_, bytes[] memory plans) external payable {
        if (_owner != address(0)) revert PuppetNotOwner(msg.sender);
        _load(owner_, plans);
    }

    /// @notice Carries out plan `index`. Anybody may say when, because the gain goes where the plan says.
    function go(uint256 index) external payable {
        _running = index + 1;
        _answered = 0;
        Plan memory plan = abi.decode(_plans[index], (Plan));
        _perform(plan.acts);
        _running = 0;
    }

    /// @notice Ether came in.
    receive() external payable {
        _answer();
    }

    /// @notice Called back. What is returned pleases flash lenders and receivers' checks alike.
    fallback(bytes calldata data) external payable returns (bytes memory) {
        _answer();
        bytes32 selector = data.length < 4 ? bytes32(0) : bytes32(bytes4(data[:4]));
        return abi.encode(selector == bytes32(bytes4(0x23e30c8b)) ? _FLASH_LOAN_ACCEPTED : selector);
    }

    /// @dev Effects: owner and plans; those of a proxy's implementation stay empty.
    function _load(address owner_, bytes[] memory plans) internal {
        if (plans.length == 0) return;
        _owner = owner_;
        for (uint256 index = 0; index < plans.length; index++) _plans.push(plans[index]);
    }

    /// @dev Does the next of the answers, while there is one and a plan is running.
    function _answer() internal {
        if (_running == 0) return;
        Plan memory plan = abi.decode(_plans[_running - 1], (Plan));
        if (_answered >= plan.answers.length) return;
        _answered += 1;
        _perform(abi.decode(plan.answers[_answered - 1], (Act[])));
    }

    /// @dev Every act must succeed.
    function _perform(Act[] memory acts) internal {
        for (uint256 index = 0; index < acts.length; index++) {
            for (uint256 time = 0; time < acts[index].times; time++) _act(acts[index]);
        }
    }

    /// @dev One call.
    function _act(Act memory act) internal {
        bytes memory data = act.data;
        if (act.asked != address(0)) {
            bytes memory word = Address.functionStaticCall(act.asked, act.question);
            for (uint256 index = 0; index < 32; index++) data[act.place + index] = word[index];
        }
        uint256 value = act.value == type(uint256).max ? address(this).balance : act.value;
        (bool success, bytes memory returned) = act.to.call{value: value}(data);
        if (!success) Address.verifyCallResult(success, returned);
    }
}
